"""Other horizons and thresholds, measured before a model is trained with them.

Labelled candles of one symbol and the settings of one cell of the grid come in; a ``Cell`` goes out: what the
training's own walk (``desk.learn.protocol``) earns on the development part and, where it is to be revealed,
on the test part, with the costs of a taker and with an entry that rests in the book.  Pure.

Nothing is tuned: on real candles tuned parameters were no better than the baseline's, and 50 trials a cell
would take a night.

A horizon is to be chosen by the figures of the development part.  Those of the test part show whether they
lasted, and spend it: whoever has seen them has no candles left on which to test the choice.  The ledger notes
every setting before it is shown, and a later training with it counts only later candles; revealed cells are
tests of the family.

Reading order: ``explore_grid``, ``explore_cell``, ``Cell``, ``pool``.

Not here: the grid (``desk.learn.settings``), one part of a cell (``desk.learn.explored_part``), the JSON of
the cells (``desk.learn.exploration_record``), table and picture (``desk.reports``).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from desk.clustered import above_zero
from desk.costs import coarsest_tick_bps
from desk.errors import NotEnoughHistory
from desk.learn.explored_part import ExploredPart, explored_part, pooled_part
from desk.learn.protocol import ContractCosts, SymbolReport, run_protocol
from desk.learn.settings import LearnSettings
from desk.learn.verdict import Evaluation
from desk.ticks import grid_of
from desk.values import CANDLE_MS, Candles, LabelledSet


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One symbol at one horizon and threshold."""

    horizon: int
    threshold: float
    labelled_share: float
    """Share of the candles with features that are labelled."""
    rounds: int
    why: tuple[str, ...]
    """How the thresholds were chosen, a sentence for each side."""
    development: ExploredPart | None
    """The walk's blocks in the development part; None where none of them is traded."""
    test: ExploredPart | None
    """The walk's later blocks; None where they were not revealed."""
    setting: str
    """Fingerprint of horizon, threshold and days."""
    last: int
    """Open time of the last candle that is shown, ms."""
    evaluation: Evaluation | None
    """For the ledger, with the p-value of the taker's costs, which verdicts are about; None where the test
    part was not revealed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explored:
    """One symbol at every horizon that its history can answer."""

    symbol: str
    tick_bps: float | None
    """The coarsest of tick and grid, in basis points of the median close; None where it is unknown."""
    spread_bps: float | None
    """Distance between bid and ask; None where it is unknown."""
    cells: tuple[Cell, ...]
    left_out: tuple[tuple[int, str], ...]
    """Horizons without a cell, and why."""


def explore_grid(
    candles: Candles,
    label: Callable[[LearnSettings], LabelledSet],
    *,
    contract_costs: ContractCosts,
    grid: Sequence[tuple[LearnSettings, str, str]],
    seed: int,
    at: str,
    reveal: bool,
) -> Explored:
    """Measure a symbol in every cell of the grid.

    Parameters
    ----------
    candles : Candles
        The whole series.
    label : callable
        Gives the labelled candles for the settings of a cell.
    grid : sequence of (LearnSettings, str, str)
        The cells (``ExploreSettings.cells``), each with two fingerprints for the ledger: of its settings, and
        of horizon, threshold and days alone.
    contract_costs : ContractCosts
    seed : int
        Of every model.
    at : str
        The time of the evaluation, for the ledger.
    reveal : bool
        Whether the test part is shown.

    Raises
    ------
    NotEnoughHistory
        If the history can answer none of them.
    """
    cells, left_out = [], []
    for settings, fingerprint, setting in grid:
        labelled = label(settings)
        try:
            cell = explore_cell(
                labelled,
                candles,
                contract_costs=contract_costs,
                settings=settings,
                seed=seed,
                fingerprint=fingerprint,
                setting=setting,
                at=at,
                reveal=reveal,
            )
        except NotEnoughHistory as exc:
            left_out.append((settings.prediction_horizon, str(exc)))
        else:
            cells.append(cell)
    if not cells:
        raise NotEnoughHistory(left_out[0][1])
    return Explored(
        symbol=candles.symbol,
        tick_bps=coarsest_tick_bps(candles, contract_costs.tick, grid_of(candles)[1]),
        spread_bps=contract_costs.spread_bps,
        cells=tuple(cells),
        left_out=tuple(left_out),
    )


def explore_cell(
    labelled: LabelledSet,
    candles: Candles,
    *,
    contract_costs: ContractCosts,
    settings: LearnSettings,
    seed: int,
    fingerprint: str,
    setting: str,
    at: str,
    reveal: bool,
) -> Cell:
    """Measure one cell with the training's protocol, without a search.

    Parameters
    ----------
    labelled : LabelledSet
        Made from ``candles``, with the horizon and threshold of ``settings``.
    candles : Candles
        The whole series.
    contract_costs : ContractCosts
    settings : LearnSettings
        One of ``ExploreSettings.cells``.
    seed : int
        Of every model.
    fingerprint, setting, at : str
        For the ledger: of the settings, of what is explored in them, and the time of the evaluation.
    reveal : bool
        Whether the test part is shown.

    Raises
    ------
    NotEnoughHistory
        If there are too few labelled candles to learn from; nothing was evaluated.
    """
    report = run_protocol(
        labelled,
        candles,
        contract_costs=contract_costs,
        settings=settings,
        seed=seed,
        shown_through=None,
        lap=lambda _: None,
    )
    block, starts = report.traded.block, report.traded.starts
    first, late, stop = report.traded.first_traded, int(starts[report.walk.late]), len(block)
    development, test = (
        explored_part(block.rows(start, end), report.costs, contract_costs, settings) if start < end else None
        for start, end in ((first, late), (late, stop if reveal else late))
    )
    chosen = (*report.walked.blocks, report.walked.tomorrow)[report.walk.late]
    shown = stop if reveal else late
    return Cell(
        horizon=labelled.horizon,
        threshold=labelled.threshold,
        labelled_share=float(np.mean(labelled.decided)),
        rounds=report.tuned.rounds,
        why=(chosen.long.why, chosen.short.why),
        development=development,
        test=test,
        setting=setting,
        last=int(block.candles.open_time[shown - 1]),
        evaluation=_look(report, test, settings, at=at, fingerprint=fingerprint) if reveal else None,
    )


def _look(
    report: SymbolReport, test: ExploredPart | None, settings: LearnSettings, *, at: str, fingerprint: str
) -> Evaluation:
    """The look at the test part, as the ledger records it."""
    look = report.evaluation(at=at, settings=fingerprint)
    daily = np.array([line.net_bps for line in test.taker.daily]) if test else np.empty(0)
    traded = sum(line.trades > 0 for line in test.taker.daily) if test else 0
    rules = settings.verdict
    tested = test is not None and test.taker.n >= rules.min_trades and traded >= rules.min_days
    late = report.traded.block.candles.open_time[int(report.traded.starts[report.walk.late]) - 1]
    return replace(
        look,
        kind="explore",
        first=int(late) + CANDLE_MS,
        tested=tested,
        p_value=above_zero(daily) if tested else None,
    )


# All symbols together -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledCell:
    """All symbols at one horizon and threshold; intervals count days of the calendar."""

    horizon: int
    threshold: float
    symbols: int
    labelled_share: float
    """Mean over the symbols."""
    development: ExploredPart | None
    test: ExploredPart | None


def pool(explored: Sequence[Explored]) -> tuple[PooledCell, ...]:
    """Pool the trades of all symbols at each horizon, by horizon."""
    found: dict[int, list[Cell]] = defaultdict(list)
    for cell in (cell for one in explored for cell in one.cells):
        found[cell.horizon].append(cell)
    return tuple(_pooled_cell(found[horizon]) for horizon in sorted(found))


def _pooled_cell(cells: Sequence[Cell]) -> PooledCell:
    return PooledCell(
        horizon=cells[0].horizon,
        threshold=cells[0].threshold,
        symbols=len(cells),
        labelled_share=sum(cell.labelled_share for cell in cells) / len(cells),
        development=pooled_part([cell.development for cell in cells if cell.development is not None]),
        test=pooled_part([cell.test for cell in cells if cell.test is not None]),
    )
