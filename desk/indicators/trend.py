"""Averages of the price, and measures of its direction.

Place in the house: formulas.  A ``Panel`` of n candles comes in; an array of shape (..., n - memory + 1)
goes out, its newest value last.  Distances and slopes are fractions of a price: 0.01 is 1 %; 0 on a
constant price. ``reach`` is the number of candles after which an exponential average is cut off.  Pure.
"""

import math

import numpy as np

from desk.indicators.panel import Panel, paired, ratio
from desk.indicators.windows import (
    Array,
    age_of_max,
    ema_decay,
    smoothed,
    variance_and_slope,
    wilder_decay,
    window_max,
    window_mean,
    window_min,
)


def sma_distance(p: Panel, *, window: int) -> Array:
    """Close over the mean close, less 1."""
    return ratio(p.close, window_mean(p.close, window)) - 1


def ema_distance(p: Panel, *, span: int, reach: int) -> Array:
    """Close over the exponential average of the close, less 1.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    span : int
        Of the exponential average, candles.
    reach : int
        Candles after which the average is cut off.
    """
    return ratio(p.close, smoothed(p.close, ema_decay(span), reach)) - 1


def sma_slope(p: Panel, *, window: int, steps: int) -> Array:
    """Change of the mean close within ``steps`` candles, as a fraction.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    window : int
        Of the mean, candles.
    steps : int
        Candles over which the change is measured.
    """
    return _change(window_mean(p.close, window), steps)


def ema_slope(p: Panel, *, span: int, reach: int, steps: int) -> Array:
    """Change of the exponential average of the close within ``steps`` candles, as a fraction.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    span : int
        Of the exponential average, candles.
    reach : int
        Candles after which the average is cut off.
    steps : int
        Candles over which the change is measured.
    """
    return _change(smoothed(p.close, ema_decay(span), reach), steps)


def macd(p: Panel, *, fast: int, slow: int, fast_reach: int, slow_reach: int) -> Array:
    """Fast less slow exponential average, as a fraction of the close.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    fast : int
        Span of the fast average, candles.
    slow : int
        Span of the slow average, candles.
    fast_reach : int
        Candles after which the fast average is cut off.
    slow_reach : int
        Candles after which the slow average is cut off.
    """
    return ratio(_macd(p, fast, slow, fast_reach, slow_reach), p.close)


def macd_histogram(
    p: Panel, *, fast: int, slow: int, signal: int, fast_reach: int, slow_reach: int, signal_reach: int
) -> Array:
    """MACD less its own exponential average, as a fraction of the close.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    fast : int
        Span of the fast average, candles.
    slow : int
        Span of the slow average, candles.
    signal : int
        Span of the average of the MACD, candles.
    fast_reach : int
        Candles after which the fast average is cut off.
    slow_reach : int
        Candles after which the slow average is cut off.
    signal_reach : int
        Candles after which the average of the MACD is cut off.
    """
    line = _macd(p, fast, slow, fast_reach, slow_reach)
    average = smoothed(line, ema_decay(signal), signal_reach)
    return ratio(paired(line, average).first - average, p.close)


def trix(p: Panel, *, span: int, reach: int) -> Array:
    """Change of the close, exponentially averaged three times, from candle to candle, as a fraction.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    span : int
        Of each exponential average, candles.
    reach : int
        Candles after which the average is cut off.
    """
    average = p.close
    for _ in range(3):
        average = smoothed(average, ema_decay(span), reach)
    return _change(average, 1)


def regression_slope(p: Panel, *, window: int) -> Array:
    """Slope per candle of the line fitted to the closes, as a fraction of the newest close."""
    _, slope = variance_and_slope(p.close, window)
    return ratio(slope, p.close)


def time_correlation(p: Panel, *, window: int) -> Array:
    """Correlation of the close with time, in [-1, 1]: the strength of a straight trend; 0 if constant."""
    variance, slope = variance_and_slope(p.close, window)
    return ratio(slope * math.sqrt((window * window - 1) / 12), np.sqrt(variance))


def directional_index(p: Panel, *, period: int, reach: int, rising: bool) -> Array:
    """Wilder's +DI (``rising``) or -DI, 0 to 100: directional movement over true range; 0 without a range.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    period : int
        Of Wilder's smoothing, candles.
    reach : int
        Candles after which the average is cut off.
    rising : bool
        True for +DI, False for -DI.
    """
    movement = _directional_movements(p)[0 if rising else 1]
    return _directional_index(p, movement, period, reach)


def average_directional_index(p: Panel, *, period: int, reach: int) -> Array:
    """Wilder's ADX, 0 to 100: how one-sided directional movement is, smoothed; 0 without any.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    period : int
        Of Wilder's smoothing, candles.
    reach : int
        Candles after which the average is cut off.
    """
    plus, minus = (_directional_index(p, movement, period, reach) for movement in _directional_movements(p))
    return smoothed(100 * ratio(np.abs(plus - minus), plus + minus), wilder_decay(period), reach)


def aroon_up(p: Panel, *, period: int) -> Array:
    """100 if the highest high of ``period`` + 1 candles is the newest, 0 if it is the oldest."""
    return (period - age_of_max(p.high, period + 1)) * (100 / period)


def aroon_down(p: Panel, *, period: int) -> Array:
    """100 if the lowest low of ``period`` + 1 candles is the newest, 0 if it is the oldest."""
    return (period - age_of_max(-p.low, period + 1)) * (100 / period)


def aroon_oscillator(p: Panel, *, period: int) -> Array:
    """Aroon up less Aroon down, -100 to 100; 0 on a flat price."""
    return (age_of_max(-p.low, period + 1) - age_of_max(p.high, period + 1)) * (100 / period)


def channel_width(p: Panel, *, window: int) -> Array:
    """Highest high less lowest low, as a fraction of the close."""
    return ratio(window_max(p.high, window) - window_min(p.low, window), p.close)


def _change(average: Array, steps: int) -> Array:
    return average[..., steps:] / average[..., : max(average.shape[-1] - steps, 0)] - 1


def _macd(p: Panel, fast: int, slow: int, fast_reach: int, slow_reach: int) -> Array:
    quick, lazy = paired(
        smoothed(p.close, ema_decay(fast), fast_reach), smoothed(p.close, ema_decay(slow), slow_reach)
    )
    return quick - lazy


def _directional_movements(p: Panel) -> tuple[Array, Array]:
    up, down = p.high[..., 1:] - p.high[..., :-1], p.low[..., :-1] - p.low[..., 1:]
    return np.where((up > down) & (up > 0), up, 0.0), np.where((down > up) & (down > 0), down, 0.0)


def _directional_index(p: Panel, movement: Array, period: int, reach: int) -> Array:
    decay = wilder_decay(period)
    return 100 * ratio(smoothed(movement, decay, reach), smoothed(p.true_range, decay, reach))
