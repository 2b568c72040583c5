"""Candles as the formulas read them: one array per column, and what many formulas derive from them.

Place in the house: between the candles and the formulas.  Checked candles of one symbol or of many come
in, the formulas of this package read from here.  Every array has time on its last axis, shape (..., n)
or, where a value needs the candle before it, (..., n - 1): the newest is always the last.  Pure; nothing
here is changed after it was made, so formulas may share it in any order.

Also here: the three ways in which formulas divide, with the neutral value where there is nothing to
divide by.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from desk.indicators.windows import Array


class Panel:
    """Candles of one symbol, or of several side by side.

    Parameters
    ----------
    values : ndarray, shape (..., 6, n), float64
        Rows as in ``desk.values.COLUMNS``; finite, prices positive, volumes not negative.
    open_time : ndarray, shape (..., n), int64
        Open times, ms since 1970 UTC.
    """

    def __init__(self, values: NDArray[np.float64], open_time: NDArray[np.int64]) -> None:
        columns = (values[..., row, :] for row in range(6))
        self.open, self.high, self.low, self.close, self.volume, self.quote_volume = columns
        self.open_time = open_time

    @cached_property
    def log_return(self) -> Array:
        """ln(close / close before), shape (..., n - 1)."""
        return log_ratio(self.close[..., 1:], self.close[..., :-1])

    @cached_property
    def squared_return(self) -> Array:
        """Square of the log return, shape (..., n - 1)."""
        return self.log_return * self.log_return

    @cached_property
    def change(self) -> Array:
        """Close less the close before, shape (..., n - 1)."""
        return self.close[..., 1:] - self.close[..., :-1]

    @cached_property
    def distance(self) -> Array:
        """Size of the change of the close, shape (..., n - 1)."""
        return np.abs(self.change)

    @cached_property
    def direction(self) -> Array:
        """1 where the close rose, -1 where it fell, 0 where it stayed; shape (..., n - 1)."""
        return np.sign(self.change)

    @cached_property
    def gain(self) -> Array:
        """Rise of the close, 0 where it fell; shape (..., n - 1)."""
        return np.maximum(self.change, 0.0)

    @cached_property
    def loss(self) -> Array:
        """Fall of the close as a positive number, 0 where it rose; shape (..., n - 1)."""
        return np.maximum(-self.change, 0.0)

    @cached_property
    def true_low(self) -> Array:
        """Low of the candle or close before it, whichever is lower; shape (..., n - 1)."""
        return np.minimum(self.low[..., 1:], self.close[..., :-1])

    @cached_property
    def true_range(self) -> Array:
        """Range of the candle together with the close before it, shape (..., n - 1)."""
        return np.maximum(self.high[..., 1:], self.close[..., :-1]) - self.true_low

    @cached_property
    def range(self) -> Array:
        """High less low, shape (..., n)."""
        return self.high - self.low

    @cached_property
    def typical(self) -> Array:
        """Typical price (high + low + close) / 3, shape (..., n)."""
        return (self.high + self.low + self.close) / 3.0

    @cached_property
    def close_location(self) -> Array:
        """Where in its range the candle closed: -1 at the low, 1 at the high, 0 without a range; (..., n)."""
        return ratio((self.close - self.low) - (self.high - self.close), self.range)

    @cached_property
    def signed_volume(self) -> Array:
        """Volume with the direction of the close as its sign, shape (..., n - 1)."""
        return self.direction * self.volume[..., 1:]


class Pair(NamedTuple):
    """Two series cut to the candles that both cover."""

    first: Array
    second: Array


def paired(first: Array, second: Array) -> Pair:
    """Cut off the older end of the longer series: both then have one length and end at the newest candle."""
    rows = min(first.shape[-1], second.shape[-1])
    return Pair(first[..., first.shape[-1] - rows :], second[..., second.shape[-1] - rows :])


def ratio(first: Array, second: Array) -> Array:
    """``first / second``, and 0 where ``second`` is 0."""
    first, second = paired(first, second)
    quotient = np.zeros(second.shape)
    np.divide(first, second, out=quotient, where=second != 0)
    return quotient


def share(first: Array, second: Array) -> Array:
    """``first / (first + second)`` of two amounts, in [0, 1], and one half where both are 0.

    A comparison of two amounts that stays bounded however large one of them gets; ln(first / second) is a
    function of it.
    """
    first, second = paired(first, second)
    both = first + second
    part = np.full(both.shape, 0.5)
    np.divide(first, both, out=part, where=both > 0)
    return part


def log_ratio(first: Array, second: Array) -> Array:
    """ln(first / second) of two positive series, and 0 where one of them is 0.

    The quotient is a fresh contiguous array: numpy's logarithm may round strided ones differently.
    """
    first, second = paired(first, second)
    there = (first > 0) & (second > 0)
    quotient = np.ones(second.shape)
    np.divide(first, second, out=quotient, where=there)
    np.log(quotient, out=quotient)
    return quotient
