"""Other horizons and thresholds, measured before anybody believes in them.

Labelled candles of one symbol and the settings of one cell of the grid come in; a ``Cell`` goes out: what the
training's own protocol (``desk.learn.protocol``) finds out of fold and on the test part, with the costs of a
taker and with an entry that rests in the book.  Pure.

Nothing is tuned: the baseline's parameters, its rounds chosen by walking forward.  On real candles tuned
parameters were no better than the baseline's, and 50 trials a cell would take a night.

A cell looks at the test part, so it is an entry of the ledger like a training, and counts among the tests of
every later verdict.  A horizon is to be chosen by the out-of-fold figures; those of the test part then say
what became of it.

Reading order: ``explore_grid``, ``explore_cell``, ``Cell``, ``pool``, ``describe``.

Not here: the grid (``desk.learn.settings``), table and picture (``desk.reports``).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from desk.errors import NotEnoughHistory
from desk.learn.clustered import clustered_mean, ratio_of_sums, share_interval
from desk.learn.protocol import ContractCosts, costs_of, rules_of, study
from desk.learn.settings import LearnSettings
from desk.learn.trades import Block, Interval, TradeFigures, examine_trades, pooled
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
    """The same trades, with the maker's fee for the entry.  That every such entry is filled is assumed,
    and flatters."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One symbol at one horizon and threshold."""

    horizon: int
    threshold: float
    labelled_share: float
    """Share of the candles with features that are labelled."""
    rounds: int
    why: tuple[str, ...]
    """How the thresholds came about, a sentence for each side."""
    out_of_fold: ExploredPart | None
    """On the development part; None where no fold could judge."""
    test: ExploredPart
    evaluation: Evaluation
    """For the ledger.  Its p-value is that of the taker's costs, which verdicts are about."""


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
    terms: ContractCosts,
    grid: Sequence[tuple[LearnSettings, str]],
    seed: int,
    at: str,
) -> Explored:
    """Carry a symbol through every cell of the grid.

    Parameters
    ----------
    candles : Candles
    label : callable
        Gives the labelled candles for the settings of a cell.
    grid : sequence of (LearnSettings, str)
        The cells (``ExploreSettings.cells``), each with the fingerprint of its settings for the ledger.
    at : str
        The time of the look, for the ledger.

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
                labelled, candles, terms=terms, settings=settings, seed=seed, fingerprint=fingerprint, at=at
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
    terms: ContractCosts,
    settings: LearnSettings,
    seed: int,
    fingerprint: str,
    at: str,
) -> Cell:
    """Carry one cell through the training's protocol, without a search.

    Parameters
    ----------
    labelled : LabelledSet
        Made from ``candles``, with the horizon and threshold of ``settings``.
    settings : LearnSettings
        One of ``ExploreSettings.cells``.
    fingerprint, at
        For the ledger: of the settings, and the time of the look.

    Raises
    ------
    NotEnoughHistory
        If there are too few labelled candles to learn from; the test part was not looked at.
    """
    known = study(labelled, candles, terms=terms, settings=settings, seed=seed, lap=lambda _: None)
    thresholds = known.selection.thresholds
    return Cell(
        horizon=labelled.horizon,
        threshold=labelled.threshold,
        labelled_share=float(np.mean(labelled.decided)),
        rounds=known.tuned.rounds,
        why=(known.selection.long.why, known.selection.short.why),
        out_of_fold=None if known.judged is None else _look(known.judged, thresholds, terms, settings),
        test=_look(known.tested, thresholds, terms, settings),
        evaluation=replace(known.evaluation(at=at, settings=fingerprint), kind="explore"),
    )


def _look(
    block: Block, thresholds: Thresholds, terms: ContractCosts, settings: LearnSettings
) -> ExploredPart:
    rules, taker = rules_of(settings), costs_of(terms, settings)
    decided = (block.label >= DOWN) & ~np.isnan(block.probability)
    called = (block.probability > 0.5) == (block.label == UP)
    right = None
    if decided.any():
        right = clustered_mean(called[decided].astype(np.float64), block.candles.open_time[decided])
    return ExploredPart(
        accuracy=right.value if right else None,
        accuracy_ci95=share_interval(right, int(np.sum(decided))) if right else None,
        taker=examine_trades(block, thresholds, rules, taker),
        maker=examine_trades(block, thresholds, rules, replace(taker, fee_entry=terms.maker_fee)),
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
        out_of_fold=_pooled_look([cell.out_of_fold for cell in cells if cell.out_of_fold is not None]),
        test=_pooled_look([cell.test for cell in cells]),
    )


def _pooled_look(looks: Sequence[ExploredPart]) -> ExploredPart | None:
    accuracies = [look.accuracy for look in looks if look.accuracy is not None]
    taker, maker = pooled(look.taker.daily for look in looks), pooled(look.maker.daily for look in looks)
    if taker is None or maker is None:
        return None
    return ExploredPart(
        accuracy=sum(accuracies) / len(accuracies) if accuracies else None,
        accuracy_ci95=None,
        taker=taker,
        maker=maker,
    )


# As JSON --------------------------------------------------------------------------------------------


def describe(explored: Sequence[Explored]) -> Json:
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
        "out_of_fold": None if cell.out_of_fold is None else _describe_look(cell.out_of_fold),
        "test": None if cell.test is None else _describe_look(cell.test),
    }


def _describe_look(look: ExploredPart) -> Json:
    taker = look.taker
    return {
        "accuracy": look.accuracy,
        "accuracy_ci95": _listed(look.accuracy_ci95),
        "coverage": taker.coverage,
        "coverage_ci95": _listed(taker.coverage_ci95),
        "trades": taker.n,
        "n_labelled": taker.n_labelled,
        "win_rate_labelled": taker.win_rate_labelled,
        "win_rate_labelled_ci95": _listed(taker.win_rate_labelled_ci95),
        "gross_bps": taker.gross_bps,
        "gross_bps_ci95": _listed(_gross_interval(taker)),
        "taker": _describe_costs(taker),
        "maker": _describe_costs(look.maker),
    }


def _describe_costs(figures: TradeFigures) -> Json:
    won, needed = figures.win_rate, figures.break_even_win_rate
    return {
        "net_bps": figures.net_bps,
        "net_bps_ci95": _listed(figures.net_bps_ci95),
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
