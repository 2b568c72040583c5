"""An exploration as JSON: all symbols together, and each by name.

Cells come in (``desk.learn.explore``); objects with the keys of ``desk/schemas/exploration.schema.json`` go
out.  Pure.

Not here: how cells are measured and pooled (``desk.learn.explore``), table and picture (``desk.reports``).
"""

from collections.abc import Sequence

from desk.learn.explore import Cell, Explored, PooledCell, pool
from desk.learn.explored_part import ExploredPart, without_best_day
from desk.learn.trades import Interval, TradeFigures
from desk.outcomes import Json


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
        "tick_bps": explored.tick_bps,
        "spread_bps": explored.spread_bps,
        "cells": [
            {
                **describe_cell(cell),
                "rounds": cell.rounds,
                "why": list(cell.why),
                "tested": cell.evaluation is not None and cell.evaluation.tested,
                "p_value": None if cell.evaluation is None else cell.evaluation.p_value,
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
        "development": None if cell.development is None else _describe_part(cell.development),
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
        "gross_bps_ci95": _listed(taker.gross_bps_ci95),
        "executable_gross_bps": taker.executable_gross_bps,
        "executable_gross_bps_ci95": _listed(taker.executable_gross_bps_ci95),
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


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
