"""From which score on a side fires, chosen week by week from what earlier weeks earned.

Scores of a walk in blocks, every block scored by a model of what lies before it, come in with the candles;
``Walked`` goes out: the thresholds by which each block is traded, those for tomorrow, and what fires.  Pure.

The rule, for one side.  A grid of shares (the most extreme 0.2 % of the scores, the most extreme 0.3 %, ...)
is traded at every share in all earlier blocks: one position at a time, this side alone, after costs.  The
share with the largest t of its daily sums is the one by which the block is traded, and where none is above
zero the side is silent.  An earlier block is cut as it would have been traded itself: by a quantile of scores
before it.  The first two blocks have too little before them; they are cut by their own quantiles, which is
why nothing that they show is ever evidence.

``select_by="win_rate"`` chooses by the guide's aim instead: the widest share whose labelled win rate is
proven. Shares are tested from the narrowest on, and the first that fails ends it, so that no correction for
the search is due (Maurer, Hothorn and Lehmacher 1995, "Multiple comparisons in drug clinical trials and
preclinical assays: a-priori ordered hypotheses").

Reading order: ``prequential`` is the rule; ``sides_of`` fires by thresholds that are known already.

Not here: the cuts of a share (``desk.learn.cuts``), what every share earned (``desk.learn.shares``), training
and scoring of the blocks (``desk.learn.walk``), and the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from desk.costs import Costs
from desk.learn.cuts import FIRST_TRADED, ScoredBlock, ShareCuts
from desk.learn.settings import ThresholdRules
from desk.learn.shares import ShareTable, share_table
from desk.learn.training import probability_of
from desk.learn.win_rate import Side, proof, provable_rate
from desk.policy import Thresholds, TradeRules
from desk.values import Candles

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Sides = NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideThreshold:
    """By what one side is traded in one block, and what earlier blocks showed of it."""

    side: Side
    cut: float | None
    """Score at or beyond which the side fires; None: it is silent."""
    share: float | None
    """Of the grid; where the side is silent, the best share that was tried."""
    coverage: float
    """Promised share of the scored candles that fire: ``share`` itself, more where scores repeat; 0 where
    the side is silent."""
    t: float | None
    """Mean daily net of the earlier blocks in units of its standard error; None where no share could be
    tried.  It is the largest of the grid, and flatters."""
    trades: int
    """In the earlier blocks, at ``share``."""
    days: int
    """With such a trade."""
    net_bps: float | None
    """Mean per such trade."""
    labelled: int
    """Such trades on labelled candles, held to the horizon."""
    wins: int
    """Of these, those whose label is the side."""
    lower_bound: float | None
    """Exact one-sided lower bound of the labelled win rate; None without a labelled trade."""
    target_met: bool
    """Every share from the narrowest that could be tested up to this one has its bound at the target or
    above."""
    power: float | None
    """True win rate at which ``labelled`` trades prove the target four times out of five; None: none does."""
    why: str
    """A sentence for the trader."""
    proof: str
    """A sentence on the labelled win rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockThresholds:
    """Both sides of one block."""

    long: SideThreshold
    short: SideThreshold

    @property
    def cuts(self) -> Thresholds:
        """On the scale of scores."""
        return Thresholds(long=self.long.cut, short=self.short.cut)

    @property
    def thresholds(self) -> Thresholds:
        """As probabilities of up, for live trading."""
        long, short = (
            None if cut is None else float(probability_of(np.array(cut)))
            for cut in (self.long.cut, self.short.cut)
        )
        return Thresholds(long=long, short=short)

    @property
    def firing(self) -> tuple[SideThreshold, ...]:
        """The sides that are not silent."""
        return tuple(choice for choice in (self.long, self.short) if choice.cut is not None)

    @property
    def coverage(self) -> float:
        """Promised share of the scored candles that fire, both sides together."""
        return self.long.coverage + self.short.coverage

    @property
    def target_met(self) -> bool:
        """At least one side fires, and every side that fires met the target win rate."""
        return bool(self.firing) and all(choice.target_met for choice in self.firing)


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """The thresholds of a walk."""

    blocks: tuple[BlockThresholds, ...]
    """By which each block is traded; the first ``FIRST_TRADED`` are silent."""
    tomorrow: BlockThresholds
    """The same rule over all blocks: what is published."""
    sides: Sides
    """Shape (candles of the walk,): ``LONG``, ``SHORT`` or ``FLAT`` at the close of each."""


def prequential(
    candles: Candles,
    label: NDArray[np.int8],
    blocks: Sequence[ScoredBlock],
    *,
    rules: ThresholdRules,
    trade_rules: TradeRules,
    costs: Costs,
) -> Walked:
    """Choose the thresholds of every block from the blocks before it.

    Parameters
    ----------
    candles : Candles
        The whole series.
    label : ndarray, shape (len(candles),)
        ``UP``, ``DOWN``, ``NEUTRAL`` or ``UNKNOWN`` of each candle; only the win rate is counted by it.
    blocks : sequence of ScoredBlock
        At least one, each beginning where the one before it ends.
    rules : ThresholdRules
    trade_rules : TradeRules
    costs : Costs

    Returns
    -------
    Walked
        What stands in it for block k depends on candles and scores before block k alone.
    """
    if any(before.stop != after.first for before, after in pairwise(blocks)):
        raise ValueError("the blocks of a walk must follow each other without a gap")
    start, stop = blocks[0].first, blocks[-1].stop
    walk, label = candles.rows(start, stop), label[start:stop]
    ends = np.array([*(block.first for block in blocks), stop]) - start
    cuts = ShareCuts(blocks, rules.shares, rules.narrow_share)
    scores = np.concatenate([block.score for block in blocks])

    def choose(side: Side) -> list[SideThreshold]:
        grid = share_table(side, walk, label, scores, ends, cuts=cuts, trade_rules=trade_rules, costs=costs)
        return [_choice(side, grid, known, rules) for known in range(len(ends))]

    chosen = [
        BlockThresholds(long=long, short=short)
        for long, short in zip(choose("long"), choose("short"), strict=True)
    ]
    return Walked(tuple(chosen[:-1]), chosen[-1], sides_of(blocks, chosen[:-1]))


def sides_of(blocks: Sequence[ScoredBlock], chosen: Sequence[BlockThresholds]) -> Sides:
    """What fires where each block is traded by the thresholds at the same place of ``chosen``.

    Scores of the model before, with the thresholds of the block before, give the trades of a model that is a
    block older.
    """
    return np.concatenate(
        [one.cuts.sides(block.score) for block, one in zip(blocks, chosen, strict=True)]
    ).astype(np.int8)


# The choice ---------------------------------------------------------------------------------------


def _choice(side: Side, grid: ShareTable, known: int, rules: ThresholdRules) -> SideThreshold:
    """By what the side is traded in the block before which ``known`` blocks are known."""
    bound = _bounds(grid.labelled[known], grid.wins[known], rules)
    proven = _proven(grid.labelled[known], bound, rules)
    at, fires = (
        (None, False)
        if known < FIRST_TRADED
        else _by_net(grid, known, rules)
        if rules.select_by == "net"
        else _by_win_rate(grid, known, bound, proven, rules)
    )
    if at is None:
        return _silent(side, known, rules)
    labelled, wins = int(grid.labelled[known, at]), int(grid.wins[known, at])
    power = provable_rate(labelled, target=rules.target_win_rate, level=rules.level) if labelled else None
    t, net = float(grid.t[known, at]), float(grid.net_bps[known, at])
    choice = SideThreshold(
        side=side,
        cut=float(grid.cut[known, at]) if fires else None,
        share=rules.shares[at],
        coverage=float(grid.coverage[known, at]) if fires else 0.0,
        t=None if np.isnan(t) else t,
        trades=int(grid.trades[known, at]),
        days=int(grid.days[known, at]),
        net_bps=None if np.isnan(net) else net,
        labelled=labelled,
        wins=wins,
        lower_bound=float(bound[at]) if labelled else None,
        target_met=bool(proven[at]),
        power=power,
        why="",
        proof=proof(
            side,
            wins,
            labelled,
            lower_bound=float(bound[at]),
            met=bool(proven[at]),
            power=power,
            target=rules.target_win_rate,
        ),
    )
    return replace(choice, why=_why(choice, rules))


def _by_net(grid: ShareTable, known: int, rules: ThresholdRules) -> tuple[int | None, bool]:
    """The share with the largest t among those with enough trades, and whether it earned."""
    enough = (grid.trades[known] >= rules.min_trades) & (grid.days[known] >= rules.min_days)
    t = np.where(enough & ~np.isnan(grid.cut[known]) & ~np.isnan(grid.t[known]), grid.t[known], -np.inf)
    best = int(np.argmax(t))
    return (None, False) if np.isneginf(t[best]) else (best, bool(t[best] > 0))


def _by_win_rate(
    grid: ShareTable, known: int, bound: Floats, proven: NDArray[np.bool_], rules: ThresholdRules
) -> tuple[int | None, bool]:
    """The widest share whose win rate is proven; else the one with the best bound, which does not fire."""
    there = ~np.isnan(grid.cut[known])
    held = np.flatnonzero(proven & there)
    if len(held):
        return int(held[-1]), True
    tested = np.flatnonzero((grid.labelled[known] >= rules.min_labelled_trades) & there)
    return (int(tested[np.argmax(bound[tested])]), False) if len(tested) else (None, False)


def _bounds(labelled: Counts, wins: Counts, rules: ThresholdRules) -> Floats:
    """Exact one-sided lower bounds of the win rate, shape (shares,); 0 where nothing was won."""
    won = np.maximum(wins, 1)
    bound = stats.beta.ppf(1 - rules.level, won, np.maximum(labelled - won, 0) + 1)
    return np.where(wins > 0, bound, 0.0)


def _proven(labelled: Counts, bound: Floats, rules: ThresholdRules) -> NDArray[np.bool_]:
    """Which shares prove the target when tested in order, from the narrowest with enough labelled trades.

    Every share is tested only after all narrower ones held, so no correction for the search is due.
    """
    enough = np.flatnonzero(labelled >= rules.min_labelled_trades)
    proven = np.zeros(len(labelled), dtype=bool)
    if len(enough):
        proven[enough[0] :] = np.logical_and.accumulate(bound[enough[0] :] >= rules.target_win_rate)
    return proven


# Words --------------------------------------------------------------------------------------------


def _silent(side: Side, known: int, rules: ThresholdRules) -> SideThreshold:
    """A side of which nothing could be tried."""
    if known < FIRST_TRADED:
        why = f"{side} is silent: the first {FIRST_TRADED} blocks are only looked at"
    elif rules.select_by == "net":
        why = (
            f"{side} is silent: no share has {rules.min_trades} trades on {rules.min_days} days in the "
            "earlier blocks, or all scores are alike"
        )
    else:
        why = (
            f"{side} is silent: no share has {rules.min_labelled_trades} labelled trades in the earlier "
            "blocks, or all scores are alike"
        )
    return SideThreshold(
        side=side,
        cut=None,
        share=None,
        coverage=0.0,
        t=None,
        trades=0,
        days=0,
        net_bps=None,
        labelled=0,
        wins=0,
        lower_bound=None,
        target_met=False,
        power=None,
        why=why,
        proof=why,
    )


def _why(choice: SideThreshold, rules: ThresholdRules) -> str:
    """Why a side fires, or is silent although it could be tried."""
    side, end = choice.side, "top" if choice.side == "long" else "bottom"
    where = f"{end} {(choice.share or 0.0) * 100:g} % of the scores"
    earned = "no trade ended"
    if choice.net_bps is not None:
        earned = (
            f"{choice.trades:,} trades on {choice.days} days earned {choice.net_bps:+.1f} bp each after costs"
        )
    if choice.t is not None:
        earned += f" (t {choice.t:.1f})"
    if choice.cut is not None:
        return f"{side} fires at the {where}: in the earlier blocks {earned}"
    if rules.select_by == "net":
        return f"{side} is silent: the best of {len(rules.shares)} shares is the {where}, and there {earned}"
    return f"{side} is silent: no share proves the target win rate; at the {where} {earned}"
