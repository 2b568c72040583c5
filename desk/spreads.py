"""The spread that a trade is charged: what was read of bid and ask, and what the candles themselves show.

Place in the house: foundation.  Readings of the spread (``desk.market.history.contract_book`` keeps them) and
``Candles`` come in; a ``Spread`` goes out, to the costs.  Pure.

Readings count where there are three.  One or two may have met a quiet minute, so the candles are asked as
well: trades at bid and ask in turn leave a mark in the closes, which ``estimated_spread`` reads.

Not here: reading bid and ask (``desk.market.bitget.wire``), what a spread costs (``desk.costs``).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles

ENOUGH_READINGS: Final = 3
"""Readings from which on their median counts alone."""
FEWEST_PAIRS: Final = 2 * CANDLES_PER_DAY
"""Pairs of neighbouring candles with trades, below which nothing is estimated: two days."""
QUIET_FLOOR: Final = 0.25
"""Least variance that a day is weighted by, over that of the median day: no dead day decides alone."""
STANDARD_ERRORS: Final = 2.0
"""Standard errors that are taken off the estimate: what a series without a spread shows by chance."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Distance of bid and ask that is charged, and where it is from."""

    bps: float | None
    """In basis points of the mid price; None where nothing is known."""
    why: str
    """A clause, such as "median of 5 readings"."""


def spread_of(readings_bps: Sequence[float], candles: Candles) -> Spread:
    """Distance of bid and ask to charge.

    Three readings or more: their median.  Fewer: the larger of their median and the estimate.  None: nothing
    is known, since an estimate alone misses a spread that trades seldom cross.

    Parameters
    ----------
    readings_bps : sequence of float
        One of each of the last days with a run, in basis points of the mid price.
    candles : Candles
        Of the same symbol.
    """
    count = len(readings_bps)
    if not count:
        return Spread(None, "unknown: no bid and ask were read")
    median = statistics.median(readings_bps)
    if count >= ENOUGH_READINGS:
        return Spread(median, f"median of {count} readings")
    readings = "only reading" if count == 1 else f"{count} readings"
    estimate = estimated_spread(candles)
    if estimate is None:
        return Spread(median, f"the {readings}, with too few candles to estimate it from")
    if estimate * 1e4 > median:
        return Spread(estimate * 1e4, f"estimated from the candles, wider than the {readings}")
    return Spread(median, f"the {readings}, no narrower than the estimate from the candles")


def estimated_spread(candles: Candles) -> float | None:
    """Distance of bid and ask that the candles show for certain, as a fraction of the price.

    A close at the ask lies above the middle of its candle and of the next one, a close at the bid below both;
    the product of the two distances is a quarter of the squared spread on average, and zero where closes do
    not bounce.  The estimator needs no open, which on Bitget repeats the close before it.  Three things are
    added to it: only neighbouring candles that both have trades count, days are weighted by their variance
    (a bounce shows on quiet days), and two standard errors are taken off.  A coarse tick is read too.

    Parameters
    ----------
    candles : Candles

    Returns
    -------
    float or None
        0 where nothing shows; None with fewer than ``FEWEST_PAIRS`` pairs.

    References
    ----------
    Abdi and Ranaldo (2017), "A Simple Estimation of Bid-Ask Spreads from Daily Close, High, and Low Prices",
    Review of Financial Studies 30(12), 4437-4480.
    """
    traded = candles.values[4] > 0
    pairs = np.flatnonzero(traded[:-1] & traded[1:] & (np.diff(candles.open_time) == CANDLE_MS))
    if len(pairs) < FEWEST_PAIRS:
        return None
    high, low, close = np.log(candles.values[1:4])
    middle = (high + low) / 2
    bounce = (close[pairs] - middle[pairs]) * (close[pairs] - middle[pairs + 1])
    day = candles.open_time[pairs] // (CANDLES_PER_DAY * CANDLE_MS)
    _, day = np.unique(day, return_inverse=True)
    variance = np.bincount(day, (close[pairs + 1] - close[pairs]) ** 2) / np.bincount(day)
    usual = float(np.median(variance))
    if usual <= 0:
        return 0.0
    weight = np.maximum(variance / usual, QUIET_FLOOR)[day] ** -2
    weight /= weight.sum()
    mean = float(weight @ bounce)
    error = float(np.sqrt(weight**2 @ (bounce - mean) ** 2))
    return 2 * float(np.sqrt(max(mean - STANDARD_ERRORS * error, 0.0)))
