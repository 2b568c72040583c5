"""Other horizons and thresholds, measured before a model is trained with them.

Labelled candles of one symbol and the settings of one cell of the grid come in; a ``Cell`` goes out: what the
training's own protocol (``desk.learn.protocol``) finds out of fold and, where it is to be revealed, on the
test part, with the costs of a taker and with an entry that rests in the book.  Pure.

Nothing is tuned: the baseline's parameters, its rounds chosen by walking forward.  On real candles tuned
parameters were no better than the baseline's, and 50 trials a cell would take a night.

A horizon is to be chosen by the out-of-fold figures.  Those of the test part show whether they lasted, and
spend it: whoever has seen them has no candles left on which to test the choice.  Every cell is an entry of
the ledger, with a p-value where it was revealed.

Reading order: ``explore_grid``, ``explore_cell``, ``Cell``, ``pool``, ``describe_exploration``.

Not here: the grid (``desk.learn.settings``), table and picture (``desk.reports``).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from desk.errors import NotEnoughHistory
from desk.learn.clustered import clustered_mean, ratio_of_sums, share_interval
from desk.learn.protocol import ContractCosts, costs_of, rules_of, run_protocol
from desk.learn.resting import resting_entries
from desk.learn.settings import LearnSettings
from desk.learn.trades import (
    Block,
    DayLine,
    Interval,
    TradeFigures,
    day_lines,
    figures,
    pooled,
    trades_in,
)
from desk.learn.verdict import Evaluation
from desk.outcomes import Json
from desk.policy import Thresholds
from desk.values import DOWN, UP, Candles, LabelledSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredPart:
    """One part of the history, traded at the thresholds."""

    accuracy: float | None
    """The guide's win rate: share of the labelled candles whose side was called; None without any."""
    accuracy_ci95: Interval | None
    """Counts days; None where symbols are pooled."""
    taker: TradeFigures
    """Both sides pay the taker's fee."""
    maker: TradeFigures
    """Those of the same trades whose resting entry was filled (``desk.learn.resting``)."""
    missed: TradeFigures
    """The others of them, with what they would have earned."""


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
    out_of_fold: ExploredPart | None
    """On the development part; None without a fold."""
    test: ExploredPart | None
    """None where it was not revealed."""
    evaluation: Evaluation
    """For the ledger.  Its p-value is that of the taker's costs, which verdicts are about; None where the
    test part was not revealed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explored:
    """One symbol at every horizon that its history can answer."""

    symbol: str
    cells: tuple[Cell, ...]
    left_out: tuple[tuple[int, str], ...]
    """Horizons without a cell, and why."""


def explore_grid(
    candles: Candles,
    label: Callable[[LearnSettings], LabelledSet],
    *,
    contract_costs: ContractCosts,
    grid: Sequence[tuple[LearnSettings, str]],
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
    grid : sequence of (LearnSettings, str)
        The cells (``ExploreSettings.cells``), each with the fingerprint of its settings for the ledger.
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
    for settings, fingerprint in grid:
        labelled = label(settings)
        try:
            cell = explore_cell(
                labelled,
                candles,
                contract_costs=contract_costs,
                settings=settings,
                seed=seed,
                fingerprint=fingerprint,
                at=at,
                reveal=reveal,
            )
        except NotEnoughHistory as exc:
            left_out.append((settings.prediction_horizon, str(exc)))
        else:
            cells.append(cell)
    if not cells:
        raise NotEnoughHistory(left_out[0][1])
    return Explored(symbol=candles.symbol, cells=tuple(cells), left_out=tuple(left_out))


def explore_cell(
    labelled: LabelledSet,
    candles: Candles,
    *,
    contract_costs: ContractCosts,
    settings: LearnSettings,
    seed: int,
    fingerprint: str,
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
    fingerprint, at : str
        For the ledger: of the settings, and the time of the evaluation.
    reveal : bool
        Whether the test part is shown.

    Raises
    ------
    NotEnoughHistory
        If there are too few labelled candles to learn from; nothing was evaluated.
    """
    report = run_protocol(
        labelled, candles, contract_costs=contract_costs, settings=settings, seed=seed, lap=lambda _: None
    )
    evaluation = replace(report.evaluation(at=at, settings=fingerprint), kind="explore")
    blocks = (report.out_of_fold_block, report.test_block if reveal else None)
    out_of_fold, test = (
        None
        if block is None
        else _explored_part(block, report.selection.thresholds, contract_costs, settings)
        for block in blocks
    )
    return Cell(
        horizon=labelled.horizon,
        threshold=labelled.threshold,
        labelled_share=float(np.mean(labelled.decided)),
        rounds=report.tuned.rounds,
        why=(report.selection.long.why, report.selection.short.why),
        out_of_fold=out_of_fold,
        test=test,
        evaluation=evaluation if reveal else replace(evaluation, p_value=None),
    )


def _explored_part(
    block: Block, thresholds: Thresholds, contract_costs: ContractCosts, settings: LearnSettings
) -> ExploredPart:
    rules, costs = rules_of(settings), costs_of(contract_costs, settings)
    decided = (block.label >= DOWN) & ~np.isnan(block.probability)
    called = (block.probability > 0.5) == (block.label == UP)
    right = None
    if decided.any():
        right = clustered_mean(called[decided].astype(np.float64), block.candles.open_time[decided])
    taker = trades_in(block, thresholds, rules, costs)
    filled, missed = resting_entries(taker, costs, maker_fee=contract_costs.maker_fee)
    figures_of = [figures(day_lines(block, trades, thresholds)) for trades in (taker, filled, missed)]
    return ExploredPart(
        accuracy=right.value if right else None,
        accuracy_ci95=share_interval(right, int(np.sum(decided))) if right else None,
        taker=figures_of[0],
        maker=figures_of[1],
        missed=figures_of[2],
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
    out_of_fold: ExploredPart | None
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
        out_of_fold=_pooled_part([cell.out_of_fold for cell in cells if cell.out_of_fold is not None]),
        test=_pooled_part([cell.test for cell in cells if cell.test is not None]),
    )


def _pooled_part(parts: Sequence[ExploredPart]) -> ExploredPart | None:
    accuracies = [part.accuracy for part in parts if part.accuracy is not None]
    taker = pooled(part.taker.daily for part in parts)
    maker = pooled(part.maker.daily for part in parts)
    missed = pooled(part.missed.daily for part in parts)
    if taker is None or maker is None or missed is None:
        return None
    return ExploredPart(
        accuracy=sum(accuracies) / len(accuracies) if accuracies else None,
        accuracy_ci95=None,
        taker=taker,
        maker=maker,
        missed=missed,
    )


def without_best_day(daily: Sequence[DayLine]) -> float | None:
    """Mean net of a trade in basis points, the trades of the day with the largest sum left out.

    A mean that one day makes is one event and no habit.  None where no other day has a trade.
    """
    traded = sorted((line for line in daily if line.trades), key=lambda line: line.net_bps)[:-1]
    trades = sum(line.trades for line in traded)
    return sum(line.net_bps for line in traded) / trades if trades else None


# As JSON --------------------------------------------------------------------------------------------


def describe_exploration(explored: Sequence[Explored]) -> Json:
    """All symbols, together by horizon, and each by name; keys: ``desk/schemas/exploration.schema.json``."""
    return {
        "together": [{**describe_cell(cell), "symbols": cell.symbols} for cell in pool(explored)],
        "symbols": [describe_explored(one) for one in sorted(explored, key=lambda one: one.symbol)],
    }


def describe_explored(explored: Explored) -> Json:
    """One symbol."""
    return {
        "symbol": explored.symbol,
        "cells": [
            {
                **describe_cell(cell),
                "rounds": cell.rounds,
                "why": list(cell.why),
                "passed_gate": cell.evaluation.passed_gate,
                "p_value": cell.evaluation.p_value,
            }
            for cell in explored.cells
        ],
        "left_out": [{"horizon": horizon, "reason": reason} for horizon, reason in explored.left_out],
    }


def describe_cell(cell: Cell | PooledCell) -> Json:
    """What one symbol's cell and that of all have in common."""
    return {
        "horizon": cell.horizon,
        "threshold": cell.threshold,
        "labelled_share": cell.labelled_share,
        "out_of_fold": None if cell.out_of_fold is None else _describe_part(cell.out_of_fold),
        "test": None if cell.test is None else _describe_part(cell.test),
    }


def _describe_part(part: ExploredPart) -> Json:
    taker = part.taker
    return {
        "accuracy": part.accuracy,
        "accuracy_ci95": _listed(part.accuracy_ci95),
        "coverage": taker.coverage,
        "coverage_ci95": _listed(taker.coverage_ci95),
        "trades": taker.n,
        "n_labelled": taker.n_labelled,
        "win_rate_labelled": taker.win_rate_labelled,
        "win_rate_labelled_ci95": _listed(taker.win_rate_labelled_ci95),
        "gross_bps": taker.gross_bps,
        "gross_bps_ci95": _listed(_gross_interval(taker)),
        "taker": _describe_costs(taker),
        "maker": {
            **_describe_costs(part.maker),
            "trades": part.maker.n,
            "missed": {
                "trades": part.missed.n,
                "gross_bps": part.missed.gross_bps,
                "net_bps": part.missed.net_bps,
                "net_bps_without_best_day": without_best_day(part.missed.daily),
            },
        },
    }


def _describe_costs(figures: TradeFigures) -> Json:
    won, needed = figures.win_rate, figures.break_even_win_rate
    return {
        "net_bps": figures.net_bps,
        "net_bps_ci95": _listed(figures.net_bps_ci95),
        "net_bps_without_best_day": without_best_day(figures.daily),
        "win_rate": won,
        "win_rate_ci95": _listed(figures.win_rate_ci95),
        "break_even_win_rate": needed,
        "to_break_even": None if won is None or needed is None else needed - won,
    }


def _gross_interval(figures: TradeFigures) -> Interval | None:
    """Of the mean gross of a trade, as sure as its days allow."""
    trades = np.array([line.trades for line in figures.daily], dtype=np.float64)
    if np.sum(trades > 0) < 2:
        return None
    return ratio_of_sums(np.array([line.gross_bps for line in figures.daily]), trades).interval()


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
