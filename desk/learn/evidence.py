"""What a verdict is made of: plain numbers and one value per UTC day.

Trades and blocks of a walk come in; ``Evidence`` goes out, for ``desk.learn.verdict``.  Pure.

Evidence counts only candles on which nothing of the recipe was chosen, see ``evidence_start``.

Not here: the conditions themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from desk.clustered import DAY_MS
from desk.learn.cuts import FIRST_TRADED, ScoredBlock
from desk.learn.thresholds import BlockThresholds
from desk.policy import FLAT
from desk.values import Candles

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
BPS = 1e4
LAST_BLOCKS = 4
"""Blocks whose coverage is compared with what was promised."""


@dataclass(frozen=True, slots=True, eq=False)
class DailySums:
    """What trades earned, per UTC day; days without a trade are zeros, and are days."""

    net_bps: Floats
    """Shape (days,): sum over the trades whose signal candle opened on the day."""
    trades: Counts
    """Shape (days,)."""

    @property
    def n(self) -> int:
        """All trades."""
        return int(np.sum(self.trades))

    @property
    def days(self) -> int:
        """Days with a trade."""
        return int(np.count_nonzero(self.trades))

    @property
    def mean_bps(self) -> float | None:
        """Mean per trade; None without any."""
        return float(np.sum(self.net_bps)) / self.n if self.n else None

    def last(self, days: int) -> "DailySums":
        """The last ``days`` days."""
        return DailySums(self.net_bps[-days:], self.trades[-days:])


@dataclass(frozen=True, slots=True)
class Overclaim:
    """How much more often the model claims to be right than it is, on candles that fired."""

    points: float
    """Percentage points, on average over all of them; bins that claim too little count as zero."""
    limit_points: float
    """What chance alone does not exceed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """All that is known of one symbol when its training ends."""

    symbol: str
    window: str
    """Why the evidence is shorter than the walk, as a sentence; empty where it is not."""
    net: DailySums
    """Trades of the blocks of evidence, after costs."""
    executable: DailySums
    """The same trades, entered at the next candle's mean price."""
    aged: DailySums
    """Trades by the model and thresholds of the block before: 7 to 14 days old."""
    without_holes: DailySums
    """``net`` without the trades that ended across a hole."""
    fired: Floats
    """Shape (days,): candles of the last ``LAST_BLOCKS`` blocks at which a side fired."""
    promised: Floats
    """Shape (days,): so many should have; 0 while both sides were silent."""
    silent: tuple[str, ...]
    """Of every side that does not fire today, why."""
    unproven: tuple[str, ...]
    """Of every side that fires today without a proven target win rate, what is known of it."""
    overclaim: Overclaim | None
    """Of the candles that fired and are labelled; None where there is none."""
    labelled: int
    """Labelled development candles."""
    coarse: tuple[str, ...]
    """Which of tick and spread are coarse, see ``desk.costs.coarse_steps``."""
    turnover: float | None
    """USDT traded in the last 24 hours; None: unknown."""
    spread_bps: float | None
    """Distance between bid and ask; None: unknown."""


def daily_sums(
    opened: Counts, net: Floats, *, first: int, last: int, which: NDArray[np.bool_] | None = None
) -> DailySums:
    """Add trades up by the UTC day on which they were signalled.

    Parameters
    ----------
    opened : ndarray, shape (n,)
        Open times of the signal candles, ms; those outside ``first`` to ``last`` are left out.
    net : ndarray, shape (n,)
        Returns after costs, as fractions.
    first, last : int
        Open times of the first and the last candle of evidence, ms.
    which : ndarray, shape (n,), optional
        Only these.
    """
    inside = (opened >= first) & (opened <= last)
    if which is not None:
        inside &= which
    day = opened[inside] // DAY_MS - first // DAY_MS
    size = last // DAY_MS - first // DAY_MS + 1
    return DailySums(
        np.bincount(day, weights=net[inside] * BPS, minlength=size).astype(np.float64),
        np.bincount(day, minlength=size).astype(np.int64),
    )


def daily_coverage(
    candles: Candles, blocks: Sequence[ScoredBlock], chosen: Sequence[BlockThresholds]
) -> tuple[Floats, Floats]:
    """Candles that fired and candles that were promised to, per UTC day of the last ``LAST_BLOCKS`` blocks.

    Parameters
    ----------
    candles : Candles
        The whole series.
    blocks : sequence of ScoredBlock
        Of the walk.
    chosen : sequence of BlockThresholds
        By which each of them was traded.
    """
    recent = list(zip(blocks, chosen, strict=True))[-LAST_BLOCKS:]
    first = int(candles.open_time[recent[0][0].first]) // DAY_MS
    size = int(candles.open_time[recent[-1][0].stop - 1]) // DAY_MS - first + 1
    fired, promised = np.zeros(size), np.zeros(size)
    for block, thresholds in recent:
        day = candles.open_time[block.first : block.stop] // DAY_MS - first
        there = np.isfinite(block.score)
        fired += np.bincount(day, weights=thresholds.cuts.sides(block.score) != FLAT, minlength=size)
        promised += np.bincount(day, weights=there * thresholds.coverage, minlength=size)
    return fired, promised


def evidence_start(
    opens: Sequence[int], *, chosen_through: int | None, because: str
) -> tuple[int | None, str]:
    """From which block of a walk on candles are evidence, and a sentence where that shortens it.

    The first ``FIRST_TRADED`` blocks never are.  Candles that the setting or the parameters were chosen on
    are none either: the best of seven cells without an edge would pass in 38 of 100 cases.

    Parameters
    ----------
    opens : sequence of int
        Open time of the first candle of every block, ms.
    chosen_through : int or None
        Open time of the last candle on which something of the recipe was chosen, ms; None where nothing was.
    because : str
        What was chosen there: "this setting was", "these parameters were".

    Returns
    -------
    int or None
        Position of the first block of evidence; None where there is none yet.
    """
    counted = list(range(FIRST_TRADED, len(opens)))
    if chosen_through is None:
        return (counted[0] if counted else None), ""
    later = [at for at in counted if opens[at] > chosen_through]
    day = datetime.fromtimestamp(chosen_through / 1000, tz=UTC).date().isoformat()
    if not later:
        return None, f"no evidence yet: {because} chosen on candles up to {day}"
    if later == counted:
        return later[0], ""
    since = datetime.fromtimestamp(opens[later[0]] / 1000, tz=UTC).date().isoformat()
    return later[0], f"evidence from {since} on: {because} chosen on the earlier candles"


def overclaim(
    claimed: Floats,
    won: NDArray[np.bool_],
    open_time: Counts,
    *,
    bins: int,
    level: float,
    draws: int = 2_000,
) -> Overclaim | None:
    """How much more often than it is right the model claims to be, and how much of that is chance.

    A model that claims too little costs nobody anything, and few trees always do: only the other way counts.

    Chance: the residuals of every day are multiplied by a random number common to the day (wild cluster
    bootstrap), so that candles of a day may move together; a bin never varies less than independent candles
    do.

    Parameters
    ----------
    claimed : ndarray, shape (n,)
        Probability of the side that fired, for each labelled candle.
    won : ndarray, shape (n,)
        Whether its label is that side.
    open_time : ndarray, shape (n,)
        Milliseconds.
    bins : int
        Of equally many candles.
    level : float
        0.99: chance alone exceeds the limit once in a hundred.
    draws : int
        Of the bootstrap; its seed is fixed.

    Returns
    -------
    Overclaim or None
        None without a candle.

    References
    ----------
    Cameron, Gelbach, Miller (2008), "Bootstrap-Based Improvements for Inference with Clustered Errors",
    Review of Economics and Statistics 90(3), 414-427.
    """
    n = len(won)
    if n == 0:
        return None
    edges = np.percentile(claimed, np.linspace(0, 100, bins + 1))
    which = np.searchsorted(edges[1:-1], claimed)
    size = np.maximum(np.bincount(which, minlength=bins), 1)
    excess = np.bincount(which, weights=claimed - won, minlength=bins)
    residual = won - (np.bincount(which, weights=won, minlength=bins) / size)[which]
    _, day = np.unique(open_time // DAY_MS, return_inverse=True)
    days = int(day.max()) + 1
    sums = np.bincount(day * bins + which, weights=residual, minlength=days * bins).reshape(days, bins)
    if days > 1:
        sums *= np.sqrt(days / (days - 1))
    independent = np.bincount(which, weights=claimed * (1 - claimed), minlength=bins)
    varied = np.sum(sums**2, axis=0)
    sums = sums * np.sqrt(np.maximum(1.0, independent / np.where(varied > 0, varied, np.inf)))
    rng = np.random.default_rng(0)
    by_day = np.einsum("ij,jk->ik", rng.standard_normal((draws, days)), sums)
    # A bin in which all went one way has no residuals; it still varies as independent candles do.
    alike = np.where(varied > 0, 0.0, np.sqrt(independent)) * rng.standard_normal((draws, bins))
    by_chance = np.sum(np.maximum(by_day + alike, 0.0), axis=1)
    return Overclaim(
        points=100 * float(np.sum(np.maximum(excess, 0.0))) / n,
        limit_points=100 * float(np.quantile(by_chance, level)) / n,
    )
