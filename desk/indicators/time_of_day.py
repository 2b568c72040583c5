"""Time of day and of week at which a candle opens, as points on a circle and as a step of the clock.

Place in the house: formulas.  A ``Panel`` comes in, an array of shape (..., n) goes out: these features
depend on the open time of their own candle alone.  Pure.
"""

import numpy as np
from numpy.typing import NDArray

from desk.indicators.panel import Panel
from desk.indicators.windows import Array
from desk.values import CANDLE_MS

DAY, WEEK = 288, 2016
"""Lengths in candles.  Weeks are counted from 1970-01-01, a Thursday, 00:00 UTC."""


def circle_sin(p: Panel, *, length: int) -> Array:
    """Sine of the phase within ``length`` candles: 0 at its start, 1 after a quarter."""
    return np.sin(_phases(length))[_step(p, length)]


def circle_cos(p: Panel, *, length: int) -> Array:
    """Cosine of the phase within ``length`` candles: 1 at its start, -1 after a half."""
    return np.cos(_phases(length))[_step(p, length)]


def clock_step(p: Panel, *, length: int) -> Array:
    """Candles since the last multiple of ``length``: what happens at a fixed time has a value of its own."""
    return _step(p, length).astype(np.float64)


def _phases(length: int) -> Array:
    """Every phase of the circle: the bits do not depend on the rows, as those of np.sin of rows may."""
    return np.arange(length, dtype=np.float64) * (2 * np.pi / length)


def _step(p: Panel, length: int) -> NDArray[np.int64]:
    return p.open_time // CANDLE_MS % length
