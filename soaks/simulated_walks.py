"""Walks of invented symbols, as daily sums: what a verdict sees, without candles and models.

Edges come in; per symbol and training, the p-value, whether it was tested and whether every other condition
held go out, for many symbols at once.  ``soaks.verdict`` makes tables of them.

What is assumed.  A symbol has two sides.  Each can be traded at four shares, which give 1, 1.8, 3 and 5
trades a day, every share containing the narrower ones; every trade has the same true net edge and a standard
deviation of 45 bp.  Thresholds are prequential: block by block, the share with the largest t of the earlier
blocks, silent where none is above zero.  The trades of a model that is a week older are the same in 65 of
100 cases, the others are of the same kind; an entry at the next candle's mean price differs by 15 bp a trade,
and by nothing on average; 2 % of the trades end across a hole.  Signals come in bursts, and the coverage of a
week is off by 20 % (one standard deviation).  True probabilities fail the calibration as often as its level
says.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from desk.clustered import p_above_zero
from desk.learn.conditions import coverage_intervals

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

WEEK, BLOCKS, FIRST = 7, 15, 2
DAYS = WEEK * BLOCKS
TRADES_A_DAY = np.array([1.0, 1.8, 3.0, 5.0])
"""Of one side, by share."""
SPREAD_BPS, ENTRY_BPS = 45.0, 15.0
OVERLAP, ACROSS_HOLES = 0.65, 0.02
FIRED_A_TRADE, BURSTS, DRIFT = 2.0, 2.0, 0.2
"""Candles that fire for every trade; shape of their number by day; spread of the log coverage of a week."""
CALIBRATION_FAILS_BELOW = float(stats.norm.ppf(0.01))
RECENT_DAYS, RECENT_P, COVERAGE = 36, 0.1, (0.5, 2.0)
MIN_TRADES, MIN_DAYS = 30, 10


@dataclass(frozen=True, slots=True)
class Looks:
    """One training of many symbols; arrays of shape (symbols,)."""

    p_value: Floats
    tested: Flags
    """Enough trades of evidence."""
    others: Flags
    """Every condition but the test holds."""
    net: Floats
    """Shape (symbols, days of evidence): daily net, bp."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """Daily sums of invented symbols over a long time.  Shapes (symbols, days, sides, shares), bp."""

    net: Floats
    aged: Floats
    whole: Floats
    """``net`` without trades across holes."""
    executable: Floats
    burst: Floats
    """Shape (symbols, days, sides): fired candles as a multiple of the promised ones."""
    calibration: Floats
    """Shape (symbols, weeks): standard normal, alike from week to week as the evidence is."""


def invent(rng: np.random.Generator, edge: Floats, *, weeks: int, correlation: float = 0.0) -> Symbols:
    """Daily sums of one symbol per element of ``edge``, through ``weeks`` weekly trainings.

    Parameters
    ----------
    rng : Generator
    edge : ndarray, shape (symbols,)
        True net of a trade, bp.
    weeks : int
        Trainings; the walk of the last one ends ``weeks - 1`` weeks after that of the first.
    correlation : float
        Of the daily sums of any two symbols.
    """
    days = DAYS + WEEK * (weeks - 1)
    more = np.diff(TRADES_A_DAY, prepend=0.0)
    shape = (len(edge), days, 2, len(more))

    def sums(rate: float, spread: float, mean: float = 1.0) -> Floats:
        """Sums of ``rate`` times the trades of each share, with and without the common shock of a day."""
        shock = rng.standard_normal(shape, dtype=np.float32)
        if correlation:
            common = rng.standard_normal((1, *shape[1:]), dtype=np.float32)
            shock = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * shock
        drift = mean * edge[:, None, None, None]
        spread_of_sum = np.sqrt(rate * more * (spread**2 + drift**2))
        return np.cumsum(rate * more * drift + spread_of_sum * shock, axis=-1, dtype=np.float32)

    shared, own = sums(OVERLAP - ACROSS_HOLES, SPREAD_BPS), sums(1 - OVERLAP, SPREAD_BPS)
    across = sums(ACROSS_HOLES, SPREAD_BPS)
    net = shared + own + across
    week = np.repeat(rng.lognormal(0.0, DRIFT, (len(edge), days // WEEK, 2)), WEEK, axis=1)
    rate = week * rng.gamma(BURSTS, 1 / BURSTS, (len(edge), days, 2))
    promised = FIRED_A_TRADE * TRADES_A_DAY[-1]
    keep = np.sqrt(1 - WEEK / DAYS)
    calibration = rng.standard_normal((len(edge), weeks))
    for at in range(1, weeks):
        calibration[:, at] = keep * calibration[:, at - 1] + np.sqrt(1 - keep**2) * calibration[:, at]
    return Symbols(
        net=net,
        aged=shared + across + sums(1 - OVERLAP, SPREAD_BPS),
        whole=shared + own,
        executable=net + sums(1.0, ENTRY_BPS, mean=0.0),
        burst=rng.poisson(rate * promised) / promised,
        calibration=calibration,
    )


def trainings(symbols: Symbols, *, since_week: int | None = None) -> Iterator[Looks]:
    """Every weekly training of the symbols.

    Parameters
    ----------
    symbols : Symbols
    since_week : int, optional
        Evidence begins with this week, counted from the beginning of the first walk: the setting was chosen
        on what lies before.
    """
    for at in range(symbols.calibration.shape[1]):
        skipped = 0 if since_week is None else max(0, since_week - at - FIRST)
        yield _train(symbols, at, min(skipped, BLOCKS - FIRST))


def _train(symbols: Symbols, at: int, skipped: int) -> Looks:
    """The training ``at`` weeks after the first, whose first ``skipped`` blocks of evidence don't count."""
    part = slice(at * WEEK, at * WEEK + DAYS)
    share, active = _choices(symbols.net[:, part])
    traded, tomorrow = active[:, :-1], active[:, -1].any(axis=-1)
    traded = traded & (np.arange(BLOCKS - FIRST) >= skipped)[:, None]
    before, before_active = np.roll(share[:, :-1], 1, axis=1), np.roll(traded, 1, axis=1)
    before_active[:, 0] = False

    def daily(sums: Floats, which: NDArray[np.int64], counted: Flags) -> Floats:
        """Daily sums of the evidence at the chosen shares, shape (symbols, days)."""
        blocks = sums[:, part].reshape(len(sums), BLOCKS, WEEK, 2, -1)[:, FIRST:]
        taken = np.take_along_axis(blocks, which[:, :, None, :, None], axis=-1)[..., 0]
        total: Floats = np.sum(taken * counted[:, :, None, :], axis=-1).astype(np.float64)
        return total.reshape(len(sums), -1)[:, skipped * WEEK :]

    chosen = share[:, :-1]
    net = daily(symbols.net, chosen, traded)
    rate = TRADES_A_DAY[chosen] * traded
    tested = (rate.sum(axis=(1, 2)) * WEEK >= MIN_TRADES) & (
        (1 - np.exp(-rate.sum(axis=-1))).sum(axis=-1) * WEEK >= MIN_DAYS
    )
    p_value = p_above_zero(net) if net.shape[1] > 2 else np.ones(len(net))
    recent = net[:, -RECENT_DAYS:]
    promised = np.repeat(FIRED_A_TRADE * rate[:, -4:], WEEK, axis=1)
    fired = promised * symbols.burst[:, part][:, -4 * WEEK :]
    low, high = coverage_intervals(fired.sum(axis=-1), promised.sum(axis=-1), level=0.95)
    others = (
        tomorrow
        & (daily(symbols.executable, chosen, traded).sum(axis=-1) > 0)
        & (daily(symbols.aged, before, before_active).sum(axis=-1) > 0)
        & (daily(symbols.whole, chosen, traded).sum(axis=-1) > 0)
        & ~((high < COVERAGE[0]) | (low > COVERAGE[1]))
        & (symbols.calibration[:, at] > CALIBRATION_FAILS_BELOW)
    )
    if recent.shape[1] >= MIN_DAYS:
        others &= p_above_zero(-recent) >= RECENT_P
    return Looks(np.where(tested, p_value, 1.0), tested, tested & others, net)


def _choices(net: Floats) -> tuple[NDArray[np.int64], Flags]:
    """Share and whether it is traded, shape (symbols, blocks of evidence and tomorrow, sides)."""
    known = WEEK * np.arange(FIRST, BLOCKS + 1)
    first, second = (np.cumsum(sums, axis=1, dtype=np.float64)[:, known - 1] for sums in (net, net**2))
    n = known[:, None, None]
    mean = first / n
    t = mean / np.sqrt((second / n - mean**2) / (n - 1))
    enough = (n * TRADES_A_DAY >= MIN_TRADES) & (n * (1 - np.exp(-TRADES_A_DAY)) >= MIN_DAYS)
    t = np.where(enough, t, -np.inf)
    return np.argmax(t, axis=-1), np.max(t, axis=-1) > 0
