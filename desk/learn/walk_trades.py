"""The trades of a walk, and what they say to the verdict.

A walk, its thresholds and the candles come in; ``WalkTrades`` go out, and from them ``Evidence``.  Pure.

Not here: scores (``desk.learn.walk``), thresholds (``desk.learn.thresholds``), what follows
(``desk.learn.conditions``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.backtest import Trades, trades_of_sides
from desk.costs import Costs, coarse_steps
from desk.learn.calibration import Calibration, calibrate
from desk.learn.cuts import FIRST_TRADED
from desk.learn.evidence import DailySums, Evidence, daily_coverage, daily_sums, overclaim
from desk.learn.splits import Rows
from desk.learn.thresholds import BlockThresholds, Walked, sides_of
from desk.learn.trades import Block, DayLine, day_lines
from desk.learn.training import probability_of
from desk.learn.walk import Walk
from desk.policy import FLAT, LONG, TradeRules
from desk.values import DOWN, UP, Candles


@dataclass(frozen=True, slots=True, eq=False)
class WalkTrades:
    """Every candle of a walk, and every trade."""

    block: Block
    """All blocks as one stretch."""
    trades: Trades
    aged: Trades
    """By the model and the thresholds of the block before."""
    starts: Rows
    """Shape (blocks + 1,): rows of ``block`` at which the blocks of the walk begin, and its end."""

    @property
    def first_traded(self) -> int:
        """Row of ``block`` from which on thresholds exist."""
        return int(self.starts[min(FIRST_TRADED, len(self.starts) - 1)])

    def lines(self, since: int) -> tuple[DayLine, ...]:
        """One line per UTC day from the row ``since`` of ``block`` on."""
        return _lines(self.block, self.trades, since)

    def aged_lines(self, since: int) -> tuple[DayLine, ...]:
        """Likewise of the trades of older models."""
        return _lines(self.block, self.aged, since)

    def started_flat(self, since: int, *, rules: TradeRules, costs: Costs) -> tuple[DayLine, ...]:
        """Lines from the row ``since`` on, as they are for who holds nothing when it begins: a replay.

        Parameters
        ----------
        since : int
            Row of ``block``.
        rules : TradeRules
        costs : Costs
        """
        if since >= len(self.block):
            return ()
        part = self.block.rows(since, len(self.block))
        return day_lines(part, trades_of_sides(part.candles, part.sides, rules=rules, costs=costs))

    def calibration(self, since: int, *, bins: int) -> Calibration | None:
        """Of the labelled candles that fired from the row ``since`` on; None without any."""
        rows = _fired_and_labelled(self.block, since)
        return calibrate(self.block.probability[rows], self.block.label[rows], bins=bins)


def _lines(block: Block, trades: Trades, since: int) -> tuple[DayLine, ...]:
    return day_lines(block, trades, since=since) if since < len(block) else ()


def _fired_and_labelled(block: Block, since: int) -> Rows:
    found = (block.sides != FLAT) & (block.label >= DOWN)
    found[:since] = False
    return np.flatnonzero(found)


def trade_walk(
    candles: Candles,
    label: NDArray[np.int8],
    walk: Walk,
    walked: Walked,
    *,
    rules: TradeRules,
    costs: Costs,
) -> WalkTrades:
    """Trade the walk by its thresholds.

    Parameters
    ----------
    candles : Candles
        The whole series.
    label : ndarray, shape (len(candles),)
        ``UNKNOWN`` where a candle has no features.
    walk : Walk
        At least one block.
    walked : Walked
        Its thresholds.
    rules : TradeRules
    costs : Costs
    """
    first, stop = walk.blocks[0].first, walk.blocks[-1].stop
    stretch = candles.rows(first, stop)
    scores = np.concatenate([block.score for block in walk.blocks])
    older: tuple[BlockThresholds, ...] = (walked.blocks[0], *walked.blocks[:-1])
    return WalkTrades(
        block=Block(stretch, probability_of(scores), label[first:stop], walked.sides),
        trades=trades_of_sides(stretch, walked.sides, rules=rules, costs=costs),
        aged=trades_of_sides(stretch, sides_of(walk.aged, older), rules=rules, costs=costs),
        starts=np.array([*(block.first for block in walk.blocks), stop]) - first,
    )


def evidence_of(
    traded: WalkTrades,
    walk: Walk,
    walked: Walked,
    candles: Candles,
    *,
    since: int,
    window: str,
    labelled: int,
    bins: int,
    level: float,
    tick_bps: float | None,
    turnover: float | None,
    spread_bps: float | None,
) -> Evidence:
    """What the verdict is made of.

    Parameters
    ----------
    traded : WalkTrades
    walk : Walk
    walked : Walked
    candles : Candles
        The whole series.
    since : int
        Row of ``traded.block`` from which on candles are evidence; its end where none are.
    window : str
        Why the evidence is shorter than the walk; empty where it is not.
    labelled : int
        Labelled development candles.
    bins : int
        Of the calibration.
    level : float
        How certain it must be that probabilities claim too much.
    tick_bps : float or None
        Price step over the price; None: unknown.
    turnover : float or None
        USDT in 24 hours; None: unknown.
    spread_bps : float or None
        None: unknown.
    """
    trades = traded.trades
    fired, promised = daily_coverage(candles, walk.blocks, walked.blocks)
    rows = _fired_and_labelled(traded.block, since)
    side, up = traded.block.sides[rows], traded.block.probability[rows]
    sides = (walked.tomorrow.long, walked.tomorrow.short)

    def sums(of: Trades, net: NDArray[np.float64], which: NDArray[np.bool_] | None = None) -> DailySums:
        if since >= len(traded.block):
            return DailySums(np.empty(0), np.empty(0, dtype=np.int64))
        times = traded.block.candles.open_time
        return daily_sums(of.opened, net, first=int(times[since]), last=int(times[-1]), which=which)

    return Evidence(
        symbol=candles.symbol,
        window=window,
        net=sums(trades, trades.net),
        executable=sums(trades, trades.executable_net),
        aged=sums(traded.aged, traded.aged.net),
        without_holes=sums(trades, trades.net, ~trades.across_hole),
        fired=fired,
        promised=promised,
        silent=tuple(one.why for one in sides if one.cut is None),
        unproven=tuple(one.proof for one in sides if one.cut is not None and not one.target_met),
        overclaim=overclaim(
            np.where(side == LONG, up, 1 - up),
            traded.block.label[rows] == np.where(side == LONG, UP, DOWN),
            traded.block.candles.open_time[rows],
            bins=bins,
            level=level,
        ),
        labelled=labelled,
        coarse=coarse_steps(tick_bps=tick_bps, spread_bps=spread_bps),
        turnover=turnover,
        spread_bps=spread_bps,
    )
