"""How much was traded, by which side, at what price and against how much resistance.

Place in the house: formulas.  A ``Panel`` of n candles comes in; an array of shape (..., n - memory + 1)
goes out, its newest value last.  Amounts are compared as ``share`` (one half when equal, or when there is
none), so that neither zero volume nor a burst of it gives an infinite or an unbounded value.  Pure.
"""

import numpy as np

from desk.indicators.panel import Panel, log_ratio, paired, ratio, share
from desk.indicators.windows import Array, covariances, mean_and_variance, window_mean


def volume_surprise(p: Panel, *, window: int) -> Array:
    """Volume of the newest candle against the mean of the window, as a ``share``."""
    return share(p.volume, window_mean(p.volume, window))


def volume_change(p: Panel, *, short: int, long: int) -> Array:
    """Mean volume of the last ``short`` candles against the last ``long``, as a ``share``.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    short : int
        Shorter window, candles.
    long : int
        Longer window, candles.
    """
    return share(window_mean(p.volume, short), window_mean(p.volume, long))


def volume_against_yesterday(p: Panel, *, window: int, day: int) -> Array:
    """Mean volume of the window against the same window ``day`` candles ago, as a ``share``.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    window : int
        Length in candles.
    day : int
        Candles between the two windows.
    """
    mean = window_mean(p.volume, window)
    return share(mean[..., day:], mean[..., : max(mean.shape[-1] - day, 0)])


def volume_unevenness(p: Panel, *, window: int) -> Array:
    """Standard deviation of the volume over its mean, never beyond √window; 0 without volume."""
    mean, variance = mean_and_variance(p.volume, window)
    return ratio(np.sqrt(variance), mean)


def zero_volume_share(p: Panel, *, window: int) -> Array:
    """Share of the candles in which nothing was traded, in [0, 1]."""
    return window_mean((p.volume == 0).astype(np.float64), window)


def directed_surprise(p: Panel, *, window: int) -> Array:
    """``volume_surprise`` with the direction of the newest close as its sign; 0 if that did not move."""
    direction, surprise = paired(p.direction, volume_surprise(p, window=window))
    return direction * surprise


def volume_balance(p: Panel, *, window: int) -> Array:
    """Volume of rising less that of falling candles, over all volume, in [-1, 1]; 0 without volume.

    The change of the on-balance volume over the window, made independent of the symbol.
    """
    return ratio(window_mean(p.signed_volume, window), window_mean(p.volume, window))


def money_flow(p: Panel, *, window: int) -> Array:
    """Chaikin money flow, in [-1, 1]: volume weighted by where in its range each candle closed."""
    return ratio(window_mean(p.close_location * p.volume, window), window_mean(p.volume, window))


def weighted_return(p: Panel, *, window: int, unit_window: int) -> Array:
    """Volume-weighted mean log return, in units of the volatility over ``unit_window``; 0 without either.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    window : int
        Of the mean return, candles.
    unit_window : int
        Of the volatility, candles.
    """
    returns, volume = paired(p.log_return, p.volume)
    mean = ratio(window_mean(returns * volume, window), window_mean(volume, window))
    return ratio(mean, np.sqrt(window_mean(p.squared_return, unit_window)))


def vwap_distance(p: Panel, *, window: int) -> Array:
    """Log of the close over the mean price paid in the window: all USDT over all coins traded.

    0 where nothing was traded.
    """
    mean_volume = window_mean(p.volume, window)
    close = paired(p.close, mean_volume).first
    return log_ratio(close * mean_volume, window_mean(p.quote_volume, window))


def illiquidity_change(p: Panel, *, short: int, long: int) -> Array:
    """Amihud's illiquidity of the last ``short`` candles against the last ``long``, as a ``share``.

    Illiquidity is the sum of absolute returns over the USDT traded meanwhile.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    short : int
        Shorter window, candles.
    long : int
        Longer window, candles.

    References
    ----------
    Amihud (2002), "Illiquidity and Stock Returns", Journal of Financial Markets 5(1), 31-56.
    """
    moves = np.abs(p.log_return)
    turnover = p.quote_volume[..., 1:]
    quick, lazy = window_mean(moves, short), window_mean(moves, long)
    return share(
        paired(quick, lazy).first * window_mean(turnover, long),
        lazy * paired(window_mean(turnover, short), lazy).first,
    )


def return_volume_correlation(p: Panel, *, window: int) -> Array:
    """Correlation of the log return with the volume; 0 where one of them is constant."""
    return _correlation(*paired(p.log_return, p.volume), window)


def move_volume_correlation(p: Panel, *, window: int) -> Array:
    """Correlation of the size of the log return with the volume; 0 where one of them is constant."""
    return _correlation(*paired(np.abs(p.log_return), p.volume), window)


def _correlation(x: Array, y: Array, window: int) -> Array:
    xx, yy, xy = covariances(x, y, window)
    return ratio(xy, np.sqrt(xx) * np.sqrt(yy))
