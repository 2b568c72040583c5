"""How far prices move: estimators of volatility, comparisons of them, and the form of the returns.

Place in the house: formulas.  A ``Panel`` of n candles comes in; an array of shape (..., n - memory + 1) goes
out, its newest value last.  Volatilities are standard deviations of the log price per candle, not annualised:
0.002 means 0.2 % per candle; 0 where nothing moved.  Pure.
"""

import math

import numpy as np

from desk.indicators.panel import Panel, log_ratio, paired, ratio, share
from desk.indicators.windows import (
    Array,
    covariances,
    mean_and_variance,
    smoothed,
    variance_and_third_moment,
    wilder_decay,
    window_max,
    window_mean,
    window_sum,
)


def close_volatility(p: Panel, *, window: int) -> Array:
    """Root of the mean squared log return of the closes."""
    return np.sqrt(window_mean(p.squared_return, window))


def parkinson_volatility(p: Panel, *, window: int) -> Array:
    """Volatility read from highs and lows: the variance of one candle is ln(high / low)² / (4 ln 2).

    References
    ----------
    Parkinson (1980), "The Extreme Value Method for Estimating the Variance of the Rate of Return", Journal of
    Business 53(1), 61-65.
    """
    return np.sqrt(window_mean(_parkinson_variance(p), window))


def garman_klass_volatility(p: Panel, *, window: int) -> Array:
    """Volatility read from whole candles.

    The variance of one candle is ½ ln(high / low)² - (2 ln 2 - 1) ln(close / open)².

    References
    ----------
    Garman and Klass (1980), "On the Estimation of Security Price Volatilities from Historical Data",
    Journal of Business 53(1), 67-78; the paper's practical estimator.
    """
    high_low, close_open = log_ratio(p.high, p.low), log_ratio(p.close, p.open)
    variance = 0.5 * high_low * high_low - (2 * math.log(2) - 1) * close_open * close_open
    return np.sqrt(window_mean(variance, window))


def rogers_satchell_volatility(p: Panel, *, window: int) -> Array:
    """Volatility read from whole candles, free of their drift.

    The variance of one candle is ln(h / c) ln(h / o) + ln(l / c) ln(l / o), never negative.

    References
    ----------
    Rogers and Satchell (1991), "Estimating Variance from High, Low and Closing Prices", Annals of Applied
    Probability 1(4), 504-512.
    """
    above = log_ratio(p.high, p.close) * log_ratio(p.high, p.open)
    below = log_ratio(p.low, p.close) * log_ratio(p.low, p.open)
    return np.sqrt(window_mean(above + below, window))


def average_true_range(p: Panel, *, period: int, reach: int) -> Array:
    """Wilder's average true range as a fraction of the close: TA-Lib's NATR / 100.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    period : int
        Of Wilder's smoothing, candles.
    reach : int
        Candles after which the average is cut off.
    """
    return ratio(_average_true_range(p, period, reach), p.close)


def range_surprise(p: Panel, *, period: int, reach: int) -> Array:
    """True range of the newest candle against the average true range, as a ``share``; one half when equal.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    period : int
        Of Wilder's smoothing, candles.
    reach : int
        Candles after which the average is cut off.
    """
    return share(p.true_range, _average_true_range(p, period, reach))


def volatility_change(p: Panel, *, short: int, long: int) -> Array:
    """Mean squared return of the last ``short`` candles against the last ``long``, as a ``share``.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    short : int
        Shorter window, candles.
    long : int
        Longer window, candles.
    """
    return share(window_mean(p.squared_return, short), window_mean(p.squared_return, long))


def range_to_close(p: Panel, *, window: int) -> Array:
    """Parkinson's variance against the mean squared return, as a ``share``.

    Above one half where candles go further than they end: prices come back.
    """
    return share(window_mean(_parkinson_variance(p), window), window_mean(p.squared_return, window))


def band_position(p: Panel, *, window: int) -> Array:
    """Close less its mean, in units of two standard deviations: 1 lies on the upper Bollinger band.

    Never beyond ½ √window; 0 where the closes are constant.
    """
    mean, variance = mean_and_variance(p.close, window)
    return ratio(paired(p.close, mean).first - mean, 2 * np.sqrt(variance))


def band_width(p: Panel, *, window: int) -> Array:
    """Upper less lower Bollinger band (two standard deviations each), as a fraction of the mean."""
    mean, variance = mean_and_variance(p.close, window)
    return 4 * np.sqrt(variance) / mean


def downside_share(p: Panel, *, window: int) -> Array:
    """Share of the squared returns that fell, in [0, 1]; one half where nothing moved."""
    fell = np.minimum(p.log_return, 0.0)
    rose = np.maximum(p.log_return, 0.0)
    return share(window_mean(fell * fell, window), window_mean(rose * rose, window))


def largest_share(p: Panel, *, window: int) -> Array:
    """Share that the largest of the window's squared returns has in their sum, up to 1; 0 without a move."""
    return ratio(window_max(p.squared_return, window), window_sum(p.squared_return, window))


def return_skew(p: Panel, *, window: int) -> Array:
    """Skewness of the log returns, never beyond √window; 0 where they are constant."""
    variance, third = variance_and_third_moment(p.log_return, window)
    return ratio(third, variance * np.sqrt(variance))


def unevenness(p: Panel, *, window: int) -> Array:
    """Standard deviation of the true range over its mean, never beyond √window; 0 without a range."""
    mean, variance = mean_and_variance(p.true_range, window)
    return ratio(np.sqrt(variance), mean)


def autocorrelation(p: Panel, *, window: int, lag: int = 1) -> Array:
    """Correlation of ``window`` log returns with those ``lag`` candles before; 0 where one is constant.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    window : int
        Returns that are compared.
    lag : int
        Candles between a return and its partner.
    """
    before = p.log_return[..., : max(p.log_return.shape[-1] - lag, 0)]
    xx, yy, xy = covariances(p.log_return[..., lag:], before, window)
    return ratio(xy, np.sqrt(xx) * np.sqrt(yy))


def variance_ratio(p: Panel, *, over: int, window: int) -> Array:
    """Variance per candle of longer returns against that of one-candle returns, as a ``share``.

    Above one half where moves go on, below where they are taken back.  One half for a random walk.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    over : int
        Candles that a longer return spans.
    window : int
        Returns that are averaged.

    References
    ----------
    Lo and MacKinlay (1988), "Stock Market Prices Do Not Follow Random Walks", Review of Financial
    Studies 1(1), 41-66; without their corrections for small samples.
    """
    longer = log_ratio(p.close[..., over:], p.close[..., : max(p.close.shape[-1] - over, 0)])
    return share(window_mean(longer * longer, window) / over, window_mean(p.squared_return, window))


def _average_true_range(p: Panel, period: int, reach: int) -> Array:
    return smoothed(p.true_range, wilder_decay(period), reach)


def _parkinson_variance(p: Panel) -> Array:
    high_low = log_ratio(p.high, p.low)
    return high_low * high_low / (4 * math.log(2))
