"""What every share of one side would have earned in the blocks of a walk, and when it was known.

Candles, scores and cuts of a walk come in; a ``ShareTable`` goes out: for every share the trades, days, t and
labelled wins that were known when each block began.  Pure.

Not here: the cuts (``desk.learn.cuts``), and which share is taken (``desk.learn.thresholds``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.backtest import one_at_a_time, trades_of_sides
from desk.clustered import DAY_MS
from desk.costs import Costs
from desk.learn.cuts import ShareCuts
from desk.learn.win_rate import Side
from desk.policy import FLAT, LONG, SHORT, TradeRules
from desk.values import CANDLE_MS, DOWN, UP, Candles

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
BPS = 1e4


@dataclass(frozen=True, slots=True, eq=False)
class ShareTable:
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


def share_table(
    side: Side,
    walk: Candles,
    label: NDArray[np.int8],
    scores: Floats,
    ends: Counts,
    *,
    cuts: ShareCuts,
    trade_rules: TradeRules,
    costs: Costs,
) -> ShareTable:
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
    return ShareTable(
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
