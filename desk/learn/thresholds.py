"""From which score on a side fires, chosen week by week from what earlier weeks earned.

Scores of a walk in blocks, every block scored by a model of what lies before it, come in with the candles;
``Walked`` goes out: the thresholds by which each block is traded, those for tomorrow, and what fires.  Pure.

The rule, for one side.  A grid of shares (the most extreme 0.2 % of the scores, the most extreme 0.3 %, ...)
is traded at every share in all earlier blocks: one position at a time, this side alone, after costs.  The
share with the largest t of its daily sums is the one by which the block is traded, and where none is above
zero the side is silent.  An earlier block is cut as it would have been traded itself: by a quantile of scores
before it.  The first two blocks have too little before them; they are cut by their own quantiles, which is
why nothing that they show is ever evidence.

The scale of scores shrinks as training grows, so that a quantile of old scores is too high a cut for new
ones.  Scores of a block are therefore centred by its median and divided by its spread, the quantile is taken
of those, and put back on the scale of the last two blocks.

``select_by="win_rate"`` chooses by the guide's aim instead, see ``desk.learn.selection``.

Reading order: ``prequential`` is the rule; ``sides_of`` fires by thresholds that are known already.

Not here: training and scoring of the blocks (``desk.learn.walk``), what the trades show
(``desk.learn.trades``), and the verdict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from desk.costs import Costs
from desk.learn.clustered import DAY_MS
from desk.learn.selection import Side, proof, provable_rate
from desk.policy import FLAT, LONG, SHORT, Thresholds, TradeRules, one_at_a_time, trades_of_sides
from desk.settings import check_settings
from desk.values import CANDLE_MS, DOWN, UP, Candles

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Sides = NDArray[np.int8]
BPS = 1e4

FIRST_TRADED = 2
"""Position of the first block that is traded; the ones before it are cut by their own quantiles."""
LAST_TWO = 2
"""Blocks that wide shares are taken of, and on whose scale every cut is put."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRules:
    """How thresholds are chosen.  Shares are fractions: 0.002 is 0.2 %."""

    shares: tuple[float, ...]
    """The grid, narrowest first: shares of the candles with scores at which one side fires."""
    min_trades: int
    """Trades in the earlier blocks that a share needs to be chosen."""
    min_days: int
    """Days with a trade that it needs."""
    narrow_share: float
    """Below this share the quantile is taken of all earlier blocks, from it on of the last two: two weeks
    hold too few scores of a narrow tail."""
    select_by: Literal["net", "win_rate"]
    """The largest t of what was earned, or the widest share with a proven win rate."""
    target_win_rate: float
    """Share of the labelled trades that must be won, for certain."""
    level: float
    """How certain: the level of the one-sided lower bound."""
    min_labelled_trades: int
    """Labelled trades that a share needs for its win rate to be tested."""

    def __post_init__(self) -> None:
        check_settings("thresholds", self._problems())

    def _problems(self) -> Iterator[str]:
        inside = all(0 < share < 0.5 for share in self.shares)
        if not self.shares or not inside or list(self.shares) != sorted(set(self.shares)):
            yield f"shares are {self.shares}, must increase and lie between 0 and 0.5"
        for name, least in (("min_trades", 2), ("min_days", 2), ("min_labelled_trades", 1)):
            if getattr(self, name) < least:
                yield f"{name} is {getattr(self, name)}, must be at least {least}"
        if not 0 <= self.narrow_share < 0.5:
            yield f"narrow_share is {self.narrow_share}, must be at least 0 and below 0.5"
        if self.select_by not in {"net", "win_rate"}:
            yield f'select_by is {self.select_by!r}, must be "net" or "win_rate"'
        if not 0 < self.target_win_rate < 1:
            yield f"target_win_rate is {self.target_win_rate}, must lie between 0 and 1"
        if not 0.5 <= self.level < 1:
            yield f"level is {self.level}, must be at least 0.5 and below 1"


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBlock:
    """Candles of one week with what a model of everything before them says."""

    first: int
    """Row of its first candle."""
    stop: int
    """Row behind its last."""
    score: Floats
    """Shape (stop - first,): centred log-odds of up; NaN where the candle has no features."""
    seeds: int = 1
    """Members whose scores are averaged: averaging narrows scores."""
    rescaled: Floats | None = None
    """The same candles scored with as many seeds as later blocks have, same shape; it lends median and
    spread where a block with other ``seeds`` is cut, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideChoice:
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

    long: SideChoice
    short: SideChoice

    @property
    def cuts(self) -> Thresholds:
        """On the scale of scores."""
        return Thresholds(long=self.long.cut, short=self.short.cut)

    @property
    def thresholds(self) -> Thresholds:
        """As probabilities of up, for live trading."""
        long, short = (None if cut is None else _probability(cut) for cut in (self.long.cut, self.short.cut))
        return Thresholds(long=long, short=short)

    @property
    def firing(self) -> tuple[SideChoice, ...]:
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


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """One side at every share.

    Shapes (blocks + 1, shares): row k is what is known before block k, the last row what is known in the end.
    """

    cut: Floats
    """NaN where there is none."""
    coverage: Floats
    t: Floats
    """NaN where it cannot be computed."""
    trades: Counts
    days: Counts
    net_bps: Floats
    labelled: Counts
    wins: Counts


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
    cuts = _Cuts(blocks, rules)
    scores = np.concatenate([block.score for block in blocks])

    def choose(side: Side) -> list[SideChoice]:
        grid = _grid(side, walk, label, scores, ends, cuts=cuts, trade_rules=trade_rules, costs=costs)
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


def _probability(score: float) -> float:
    return float(1.0 / (1.0 + np.exp(-score)))


# Cuts ---------------------------------------------------------------------------------------------


class _Cuts:
    """Cuts of every block and of tomorrow, at every share, for both sides."""

    def __init__(self, blocks: Sequence[ScoredBlock], rules: ThresholdRules) -> None:
        self._blocks = blocks
        self._shares = np.array(rules.shares)
        self._narrow = self._shares < rules.narrow_share
        self._standard: list[Floats] = []
        for block in blocks:
            score = block.score[np.isfinite(block.score)]
            middle, spread = _scale(score)
            self._standard.append((score - middle) / spread if spread > 0 else score[:0])

    def of(self, side: Side, block: int) -> tuple[Floats, Floats]:
        """Cuts and promised coverage, shape (shares,) each; NaN and 0 where there is no cut."""
        if block < FIRST_TRADED:
            own = self._blocks[block].score
            return _tail(side, own[np.isfinite(own)], self._shares)
        recent = [at for at in range(max(0, block - LAST_TWO), block) if len(self._standard[at])]
        if not recent:
            return np.full(len(self._shares), np.nan), np.zeros(len(self._shares))
        cut, coverage = _tail(side, np.concatenate([self._standard[at] for at in recent]), self._shares)
        if self._narrow.any():
            whole = np.concatenate(self._standard[:block])
            cut[self._narrow], coverage[self._narrow] = _tail(side, whole, self._shares[self._narrow])
        scales = np.array([_scale(self._like(at, block)) for at in recent])
        middle, spread = scales.mean(axis=0)
        # A cut at the median is none: a model without an opinion has the same score everywhere.
        beyond = cut > 0 if side == "long" else cut < 0
        return np.where(beyond, cut * spread + middle, np.nan), np.where(beyond, coverage, 0.0)

    def _like(self, at: int, block: int) -> Floats:
        """Scores of block ``at``, averaged over as many seeds as those of ``block``."""
        known = self._blocks[at]
        seeds = self._blocks[min(block, len(self._blocks) - 1)].seeds
        score = known.score if known.rescaled is None or known.seeds == seeds else known.rescaled
        return score[np.isfinite(score)]


def _scale(score: Floats) -> tuple[float, float]:
    """Median, and mean distance from it: unlike a standard deviation it is not made by one wild day."""
    if len(score) == 0:
        return 0.0, 0.0
    middle = float(np.median(score))
    return middle, float(np.mean(np.abs(score - middle)))


def _tail(side: Side, score: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """The score that cuts off each share of a tail, one that occurred, and the share that really lies there.

    A cut that reaches to the median is none: NaN and 0.
    """
    n = len(score)
    if n == 0:
        return np.full(len(shares), np.nan), np.zeros(len(shares))
    ranked = np.sort(score)
    depth = np.ceil(shares * n - 1e-9).astype(np.int64)
    cut = ranked[n - depth] if side == "long" else ranked[depth - 1]
    median = np.median(ranked)
    if side == "long":
        beyond, reach = cut > median, n - np.searchsorted(ranked, cut, side="left")
    else:
        beyond, reach = cut < median, np.searchsorted(ranked, cut, side="right")
    return np.where(beyond, cut, np.nan), np.where(beyond, reach / n, 0.0)


# What the earlier blocks show ---------------------------------------------------------------------


def _grid(
    side: Side,
    walk: Candles,
    label: NDArray[np.int8],
    scores: Floats,
    ends: Counts,
    *,
    cuts: _Cuts,
    trade_rules: TradeRules,
    costs: Costs,
) -> _Grid:
    """Trade every share through the walk, and count what was known when each block began.

    Parameters
    ----------
    ends : ndarray, shape (blocks + 1,)
        Rows of the walk at which the blocks begin, and its end.
    """
    found = [cuts.of(side, block) for block in range(len(ends))]
    cut, coverage = (np.array(column) for column in zip(*found, strict=True))
    size = np.diff(ends)
    known = [_known(walk, end) for end in ends.tolist()]
    columns = []
    for one in cut[:-1].T:
        fired = _fires(side, scores, np.repeat(one, size))
        columns.append(
            np.column_stack(
                [
                    *_earned(side, walk, fired, ends, known, trade_rules, costs),
                    *_won(side, walk, label, fired, ends, trade_rules.horizon),
                ]
            )
        )
    t, trades, days, net, labelled, wins = np.stack(columns, axis=1).transpose(2, 0, 1)
    return _Grid(
        cut=cut,
        coverage=coverage,
        t=t,
        trades=trades.astype(np.int64),
        days=days.astype(np.int64),
        net_bps=net,
        labelled=labelled.astype(np.int64),
        wins=wins.astype(np.int64),
    )


def _known(walk: Candles, end: int) -> int:
    """UTC days from the first candle of the walk to the one before row ``end``."""
    return int(walk.open_time[end - 1] // DAY_MS - walk.open_time[0] // DAY_MS) + 1 if end else 0


def _fires(side: Side, scores: Floats, cut: Floats) -> NDArray[np.bool_]:
    """Where a score lies at or beyond its cut; NaN on either side fires nothing."""
    return scores >= cut if side == "long" else scores <= cut


def _earned(
    side: Side,
    walk: Candles,
    fired: NDArray[np.bool_],
    ends: Counts,
    known: Sequence[int],
    trade_rules: TradeRules,
    costs: Costs,
) -> tuple[Floats, Floats, Floats, Floats]:
    """The t of the daily sums, trades, days with a trade, and mean net (bp), known at each of ``ends``.

    A trade counts when the candle that ended it had closed; days without one count as zero.
    """
    sides = np.where(fired, LONG if side == "long" else SHORT, FLAT).astype(np.int8)
    trades = trades_of_sides(walk, sides, rules=trade_rules, costs=costs)
    day = walk.open_time[trades.entry] // DAY_MS - walk.open_time[0] // DAY_MS
    closed = np.searchsorted(trades.leave, ends, side="left")
    t, traded, net = np.full(len(ends), np.nan), np.zeros(len(ends)), np.full(len(ends), np.nan)
    for at, (count, days) in enumerate(zip(closed.tolist(), known, strict=True)):
        if count == 0:
            continue
        sums = np.bincount(day[:count], weights=trades.net[:count], minlength=days)
        spread = float(np.std(sums, ddof=1)) if days > 1 else 0.0
        if spread > 0:
            t[at] = float(np.mean(sums)) / spread * np.sqrt(days)
        traded[at] = np.count_nonzero(np.bincount(day[:count]))
        net[at] = float(np.sum(sums)) / count * BPS
    return t, closed.astype(np.float64), traded, net


def _won(
    side: Side,
    walk: Candles,
    label: NDArray[np.int8],
    fired: NDArray[np.bool_],
    ends: Counts,
    horizon: int,
) -> tuple[Floats, Floats]:
    """Labelled trades and how many of them won, known at each of ``ends``.

    They are held to the horizon: a stop would let the next trade share candles with this one's label.
    """
    rows = np.flatnonzero(fired)
    free = walk.open_time[rows] + horizon * CANDLE_MS
    taken = one_at_a_time(walk.open_time[rows], free)
    outcome = label[rows[taken]]
    # The label of a trade is known when the candle that decides it has closed: it lies before the block.
    through = np.append(walk.open_time, walk.open_time[-1] + CANDLE_MS)[ends]
    before = np.searchsorted(free[taken], through, side="left")
    labelled = np.concatenate([[0], np.cumsum(outcome >= DOWN)])[before]
    wins = np.concatenate([[0], np.cumsum(outcome == (UP if side == "long" else DOWN))])[before]
    return labelled.astype(np.float64), wins.astype(np.float64)


# The choice ---------------------------------------------------------------------------------------


def _choice(side: Side, grid: _Grid, known: int, rules: ThresholdRules) -> SideChoice:
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
    choice = SideChoice(
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


def _by_net(grid: _Grid, known: int, rules: ThresholdRules) -> tuple[int | None, bool]:
    """The share with the largest t among those with enough trades, and whether it earned."""
    enough = (grid.trades[known] >= rules.min_trades) & (grid.days[known] >= rules.min_days)
    t = np.where(enough & ~np.isnan(grid.cut[known]) & ~np.isnan(grid.t[known]), grid.t[known], -np.inf)
    best = int(np.argmax(t))
    return (None, False) if np.isneginf(t[best]) else (best, bool(t[best] > 0))


def _by_win_rate(
    grid: _Grid, known: int, bound: Floats, proven: NDArray[np.bool_], rules: ThresholdRules
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


def _silent(side: Side, known: int, rules: ThresholdRules) -> SideChoice:
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
    return SideChoice(
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


def _why(choice: SideChoice, rules: ThresholdRules) -> str:
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
