"""Oscillators: where the price stands between what it did lately, from 0 to 100.

Place in the house: formulas.  A ``Panel`` of n candles comes in; an array of shape (..., n - memory + 1) goes
out, its newest value last.  Scales are TA-Lib's; where nothing moved an oscillator stands in its middle.
``reach`` is the number of candles after which Wilder's smoothing is cut off.  Pure.

References
----------
Wilder (1978), "New Concepts in Technical Trading Systems".  TA-Lib's formulas where the literature differs.
"""

import numpy as np

from desk.indicators.panel import Panel, paired, ratio, share
from desk.indicators.windows import Array, smoothed, wilder_decay, window_max, window_mean, window_min

ROUNDING = 1e-13
"""Relative difference of two sums of three prices that may be the same sum, rounded twice."""


def rsi(p: Panel, *, period: int, reach: int) -> Array:
    """Relative strength index, 0 to 100: the part of gains in gains and losses, Wilder's smoothing.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    period : int
        Of Wilder's smoothing, candles.
    reach : int
        Candles after which the average is cut off.
    """
    decay = wilder_decay(period)
    return 100 * share(smoothed(p.gain, decay, reach), smoothed(p.loss, decay, reach))


def chande_momentum(p: Panel, *, period: int, reach: int) -> Array:
    """Chande momentum oscillator, -100 to 100, with Wilder's smoothing as TA-Lib has it: 2 RSI - 100.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    period : int
        Of Wilder's smoothing, candles.
    reach : int
        Candles after which the average is cut off.
    """
    return 2 * rsi(p, period=period, reach=reach) - 100


def channel_position(p: Panel, *, window: int) -> Array:
    """Place of the close between the lowest low and the highest high, 0 to 100; 50 without a range.

    The fast %K of the stochastic oscillator, and the position in a Donchian channel.
    """
    lowest, highest = window_min(p.low, window), window_max(p.high, window)
    close = paired(p.close, lowest).first
    return 100 * share(close - lowest, highest - close)


def stochastic_k(p: Panel, *, window: int, smoothing: int) -> Array:
    """Slow %K: mean of ``smoothing`` positions in the channel of ``window`` candles.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    window : int
        Of the channel, candles.
    smoothing : int
        Positions that are averaged.
    """
    return window_mean(channel_position(p, window=window), smoothing)


def stochastic_d(p: Panel, *, window: int, smoothing: int) -> Array:
    """Slow %D: mean of ``smoothing`` values of slow %K.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    window : int
        Of the channel, candles.
    smoothing : int
        Values that are averaged, in %K and in %D.
    """
    return window_mean(stochastic_k(p, window=window, smoothing=smoothing), smoothing)


def williams_r(p: Panel, *, window: int) -> Array:
    """Williams %R, -100 to 0: how far the close lies below the highest high, in per cent of the range."""
    return channel_position(p, window=window) - 100


def commodity_channel(p: Panel, *, window: int) -> Array:
    """Commodity channel index: typical price less its mean, over 0.015 mean absolute deviations.

    Never beyond window / 0.03; 0 where the typical price is constant.  The deviations need the mean first, so
    they are added up one candle of the window after the other.
    """
    mean = window_mean(p.typical, window)
    rows = mean.shape[-1]
    deviation = np.zeros(mean.shape)
    for ago in range(window):
        end = p.typical.shape[-1] - ago
        deviation += np.abs(p.typical[..., end - rows : end] - mean)
    return ratio(paired(p.typical, mean).first - mean, deviation * (0.015 / window))


def money_flow_index(p: Panel, *, window: int) -> Array:
    """Money flow index, 0 to 100: the part of rising typical prices in volume times typical price.

    Typical prices that differ by rounding alone count as equal.  50 where no money flowed (TA-Lib says 0).
    """
    flow = (p.typical * p.volume)[..., 1:]
    change = p.typical[..., 1:] / p.typical[..., :-1] - 1
    rising = window_mean(np.where(change > ROUNDING, flow, 0.0), window)
    return 100 * share(rising, window_mean(np.where(change < -ROUNDING, flow, 0.0), window))


def ultimate(p: Panel, *, short: int, middle: int, long: int) -> Array:
    """Williams' ultimate oscillator, 0 to 100: buying pressure over true range in three windows, 4 : 2 : 1.

    A window without a range counts as 50 (TA-Lib says 0).

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    short : int
        Shortest window, candles, weight 4.
    middle : int
        Middle window, candles, weight 2.
    long : int
        Longest window, candles, weight 1.
    """
    bought = p.close[..., 1:] - p.true_low
    sold = p.true_range - bought
    quick, medium, lazy = (
        share(window_mean(bought, window), window_mean(sold, window)) for window in (short, middle, long)
    )
    return 100 * (4 * paired(quick, lazy).first + 2 * paired(medium, lazy).first + lazy) / 7
