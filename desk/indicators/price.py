"""Returns, the shape of candles, and runs of them.

Place in the house: formulas.  A ``Panel`` of n candles comes in; an array of shape (..., n - memory + 1) goes
out, its newest value last.  What each formula needs as memory is written beside its use in
``ml_feature_engineering.FEATURES``.  Pure.
"""

import numpy as np

from desk.indicators.panel import Panel, log_ratio, ratio
from desk.indicators.windows import Array, run_length, window_mean, window_sum


def past_return(p: Panel, *, over: int, ago: int = 0) -> Array:
    """Log return over ``over`` candles that ended ``ago`` candles ago: 0.01 is about 1 %.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    over : int
        Candles that the return spans.
    ago : int
        Candles since its end.
    """
    end = p.close[..., over : max(p.close.shape[-1] - ago, over)]
    return log_ratio(end, p.close[..., : end.shape[-1]])


def normalised_return(p: Panel, *, over: int, window: int) -> Array:
    """Log return over ``over`` candles in units of what a random walk does in that time.

    The unit is the root of the mean squared one-candle return of the last ``window`` candles, times the root
    of ``over``.  0 where nothing moved.

    Parameters
    ----------
    p : Panel
        Candles, arrays of shape (..., n).
    over : int
        Candles that the return spans.
    window : int
        Candles from which the volatility is measured.
    """
    return ratio(past_return(p, over=over), np.sqrt(window_mean(p.squared_return, window) * over))


def rate_of_change(p: Panel, *, window: int) -> Array:
    """Close over the close ``window`` candles ago, less 1: TA-Lib's ROC as a fraction."""
    return p.close[..., window:] / p.close[..., : max(p.close.shape[-1] - window, 0)] - 1


def body(p: Panel) -> Array:
    """Close less open over the range, -1 (fell from high to low) to 1; 0 without a range."""
    return ratio(p.close - p.open, p.range)


def upper_wick(p: Panel) -> Array:
    """Share of the range above the body, in [0, 1]; 0 without a range."""
    return ratio(p.high - np.maximum(p.open, p.close), p.range)


def lower_wick(p: Panel) -> Array:
    """Share of the range below the body, in [0, 1]; 0 without a range."""
    return ratio(np.minimum(p.open, p.close) - p.low, p.range)


def close_location(p: Panel) -> Array:
    """Where in its range the candle closed: -1 at the low, 1 at the high, 0 without a range."""
    return p.close_location


def body_balance(p: Panel, *, window: int) -> Array:
    """Bodies of the window with their signs, over the sum of the ranges, in [-1, 1]; 0 without any."""
    return ratio(window_mean(p.close - p.open, window), window_mean(p.range, window))


def wick_balance(p: Panel, *, window: int) -> Array:
    """Lower wicks of the window less upper wicks, over the sum of the ranges, in [-1, 1]; 0 without any.

    Positive where prices below were refused more than prices above.
    """
    wicks = (np.minimum(p.open, p.close) - p.low) - (p.high - np.maximum(p.open, p.close))
    return ratio(window_mean(wicks, window), window_mean(p.range, window))


def signed_run(p: Panel, *, longest: int) -> Array:
    """How many candles in a row closed in the direction of the newest, with its sign, at most ``longest``.

    0 where the newest close is the one before it.
    """
    return run_length(p.direction, longest) * p.direction[..., longest - 1 :]


def direction_balance(p: Panel, *, window: int) -> Array:
    """Rising less falling closes, over ``window``, in [-1, 1]."""
    return window_mean(p.direction, window)


def unchanged_share(p: Panel, *, window: int) -> Array:
    """Share of the candles that closed where the one before closed, in [0, 1].

    High where a tick is large against the moves, or where nobody trades.
    """
    return window_mean((p.change == 0).astype(np.float64), window)


def efficiency(p: Panel, *, window: int) -> Array:
    """Net move over the sum of moves, with its sign: 1 rose without a step back, 0 went nowhere.

    References
    ----------
    Kaufman (1995), "Smarter Trading", efficiency ratio; here with the direction as its sign.
    """
    net_move = p.close[..., window:] - p.close[..., : max(p.close.shape[-1] - window, 0)]
    return ratio(net_move, window_sum(p.distance, window))
