"""One part of the history, traded at the thresholds of the walk: a taker's costs, and resting entries.

A ``Block`` with the sides that fired comes in; an ``ExploredPart`` goes out, or is pooled with those of
other symbols.  Pure.

Not here: where parts begin and end (``desk.learn.explore``), which resting entries are filled
(``desk.learn.resting``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from desk.backtest import trades_of_sides
from desk.clustered import clustered_mean, share_interval
from desk.costs import Costs
from desk.learn.protocol import ContractCosts, rules_of
from desk.learn.resting import resting_entries
from desk.learn.settings import LearnSettings
from desk.learn.trades import Block, DayLine, Interval, TradeFigures, day_lines, figures, pooled
from desk.values import DOWN, UP


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


def explored_part(
    block: Block, costs: Costs, contract_costs: ContractCosts, settings: LearnSettings
) -> ExploredPart:
    """Trade the sides of a block with both kinds of entry.

    Parameters
    ----------
    block : Block
    costs : Costs
        The taker's.
    contract_costs : ContractCosts
        Has the maker's fee.
    settings : LearnSettings
    """
    decided = (block.label >= DOWN) & ~np.isnan(block.probability)
    called = (block.probability > 0.5) == (block.label == UP)
    right = None
    if decided.any():
        right = clustered_mean(called[decided].astype(np.float64), block.candles.open_time[decided])
    taker = trades_of_sides(block.candles, block.sides, rules=rules_of(settings), costs=costs)
    filled, missed = resting_entries(taker, costs, maker_fee=contract_costs.maker_fee)
    figures_of = [figures(day_lines(block, trades)) for trades in (taker, filled, missed)]
    return ExploredPart(
        accuracy=right.value if right else None,
        accuracy_ci95=share_interval(right, int(np.sum(decided))) if right else None,
        taker=figures_of[0],
        maker=figures_of[1],
        missed=figures_of[2],
    )


def pooled_part(parts: Sequence[ExploredPart]) -> ExploredPart | None:
    """The parts of several symbols together; None of nothing.  Intervals count days of the calendar."""
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
