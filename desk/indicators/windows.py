"""Operators over the last ``window`` values of a series, each a function of that window alone.

Place in the house: the bottom of the indicators.  Arrays with time on the last axis come in, shape (...,
n); arrays of shape (..., n - window + 1) go out, one value for each full window, the newest last; none at
all where n < window.  Pure.

How: a window of 2m values is two neighbouring windows of m values, so log2(window) vector operations make
any window from its binary digits (``fold``).  Nothing is carried along the series as a running sum would
be; every element goes through the same operations in the same order, whatever precedes the window.
Only operations that IEEE 754 rounds exactly are used (+ - * / sqrt, comparisons), so the bits depend on
nothing else: the newest window alone, all windows of 180 days, and those of 300 symbols at once
give the same ones.

Means are merged as means (newer + share * (older - newer)) and not as sums, so that a constant series has
exactly its constant as mean and exactly 0 as deviation.

Reading order: ``fold``, then the operators, each defined by how two neighbouring windows are merged.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Parts = tuple[Array, ...]
Merge = Callable[[Parts, Parts, int, int], Parts]
"""(newer parts, older parts, length of newer, length of older) -> parts of both together."""


def fold(parts: Parts, window: int, merge: Merge) -> Parts:
    """Parts of every full window, from the parts of single values.

    A part is what must be known of a window in order to merge it with its neighbour: its mean, its mean and
    its sum of squares, and so on.  The picture for a window of 6 = 2 + 4, newest value on the right::

        values       . . . . . .
        pairs            . . [2]      the newest two
        quadruples   [4]              pairs of pairs, the four before them

    Parameters
    ----------
    parts : tuple of ndarray, each of shape (..., n)
        Parts of the windows of one value.
    window : int
        Number of values, at least 1.
    merge : callable
        How a newer and an older neighbour become one, see ``Merge``.

    Returns
    -------
    tuple of ndarray, each of shape (..., max(n - window + 1, 0))
    """
    length = parts[0].shape[-1]
    if length < window:
        return tuple(part[..., :0] for part in parts)
    if length == window:
        return _newest(parts, window, merge)
    block, size = parts, 1
    done: Parts = ()
    have = 0
    while True:
        if window & size:
            rows = length - have - size + 1
            older = tuple(part[..., :rows] for part in block)
            done = merge(tuple(part[..., size:] for part in done), older, have, size) if done else block
            have += size
        if have == window:
            return done
        newer = tuple(part[..., size:] for part in block)
        block = merge(newer, tuple(part[..., :-size] for part in block), size, size)
        size *= 2


def _newest(parts: Parts, window: int, merge: Merge) -> Parts:
    """``fold`` where there is one window only: the same merges, without those that are not needed."""
    done: Parts = ()
    have, size = 0, 1
    while have < window:
        if window & size:
            end = window - have
            block, step = tuple(part[..., end - size : end] for part in parts), 1
            while step < size:
                newer = tuple(part[..., 1::2] for part in block)
                block = merge(newer, tuple(part[..., ::2] for part in block), step, step)
                step *= 2
            done = merge(done, block, have, size) if done else block
            have += size
        size *= 2
    return done


def window_mean(x: Array, window: int) -> Array:
    """Mean of the last ``window`` values; exactly the constant where they are constant."""
    return fold((x,), window, _merge_means)[0]


def _merge_means(newer: Parts, older: Parts, new: int, old: int) -> Parts:
    return (_between(newer[0], older[0], old / (new + old)),)


def _between(newer: Array, older: Array, share: float) -> Array:
    """``newer + share * (older - newer)``, with one new array."""
    mean = older - newer
    mean *= share
    mean += newer
    return mean


def smoothed(x: Array, decay: float, reach: int) -> Array:
    """Mean of the last ``reach`` values with weights 1, decay, decay², … into the past.

    The exponential average whose recursion is cut off after ``reach`` values; the part that is cut off
    would have had a share of ``decay ** reach``.  ``ema_decay`` and ``wilder_decay`` are the usual
    decays.

    Parameters
    ----------
    x : ndarray, shape (..., n)
    decay : float
        In (0, 1): weight of a value relative to the next newer one.
    reach : int
        Number of values, at least 1.

    Returns
    -------
    ndarray, shape (..., max(n - reach + 1, 0))
    """

    def merge(newer: Parts, older: Parts, new: int, old: int) -> Parts:
        older_weight = decay**new * (1 - decay**old)
        return (_between(newer[0], older[0], older_weight / (1 - decay**new + older_weight)),)

    return fold((x,), reach, merge)[0]


def ema_decay(span: int) -> float:
    """Decay of the exponential average of ``span`` candles: 1 - 2 / (span + 1)."""
    return 1 - 2 / (span + 1)


def wilder_decay(period: int) -> float:
    """Decay of Wilder's smoothing over ``period`` candles: 1 - 1 / period."""
    return 1 - 1 / period


def window_sum(x: Array, window: int) -> Array:
    """Sum of the last ``window`` values."""
    return fold((x,), window, lambda newer, older, *_: (newer[0] + older[0],))[0]


def window_max(x: Array, window: int) -> Array:
    """Largest of the last ``window`` values."""
    return fold((x,), window, lambda newer, older, *_: (np.maximum(newer[0], older[0]),))[0]


def window_min(x: Array, window: int) -> Array:
    """Smallest of the last ``window`` values."""
    return fold((x,), window, lambda newer, older, *_: (np.minimum(newer[0], older[0]),))[0]


def age_of_max(x: Array, window: int) -> Array:
    """How many values ago the largest of the last ``window`` stood; of equals, the newest counts."""

    def merge(newer: Parts, older: Parts, new: int, old: int) -> Parts:  # noqa: ARG001 - shape of ``Merge``
        passed = older[0] > newer[0]
        return np.where(passed, older[0], newer[0]), np.where(passed, older[1] + new, newer[1])

    return fold((x, np.zeros_like(x)), window, merge)[1]


def run_length(x: Array, window: int) -> Array:
    """How many of the newest values are equal to the newest, itself included; at most ``window``."""

    def merge(newer: Parts, older: Parts, new: int, old: int) -> Parts:  # noqa: ARG001 - shape of ``Merge``
        goes_on = (newer[1] == new) & (newer[0] == older[0])
        return newer[0], np.where(goes_on, new + older[1], newer[1])

    return fold((x, np.ones_like(x)), window, merge)[1]


def mean_and_variance(x: Array, window: int) -> tuple[Array, Array]:
    """Mean and variance (divided by ``window``) of the last ``window`` values.

    References
    ----------
    Chan, Golub and LeVeque (1979), "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", Stanford STAN-CS-79-773.
    """
    mean, squares = fold((x, np.zeros_like(x)), window, _merge_squares)
    return mean, squares / window


def _merge_squares(newer: Parts, older: Parts, new: int, old: int) -> Parts:
    apart = older[0] - newer[0]
    squares = newer[1] + older[1]
    squares += apart * apart * (new * old / (new + old))
    apart *= old / (new + old)
    apart += newer[0]
    return apart, squares


def variance_and_third_moment(x: Array, window: int) -> tuple[Array, Array]:
    """Mean square and mean cube of the deviations from the window's mean.

    References
    ----------
    Pébay (2008), "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order
    Statistical Moments", Sandia SAND2008-6212, equation 2.2.
    """

    def merge(newer: Parts, older: Parts, new: int, old: int) -> Parts:
        both = new + old
        mean, squares = _merge_squares(newer[:2], older[:2], new, old)
        apart = older[0] - newer[0]
        cubes = newer[2] + older[2]
        cubes += apart * apart * apart * (new * old * (new - old) / both**2)
        cubes += apart * (older[1] * new - newer[1] * old) * (3 / both)
        return mean, squares, cubes

    _, squares, cubes = fold((x, np.zeros_like(x), np.zeros_like(x)), window, merge)
    return squares / window, cubes / window


def covariances(x: Array, y: Array, window: int) -> tuple[Array, Array, Array]:
    """Variance of ``x``, variance of ``y`` and their covariance, each divided by ``window``.

    Parameters
    ----------
    x : ndarray, shape (..., n)
    y : ndarray, shape (..., n)
    window : int
        Number of values, at least 1.

    Returns
    -------
    tuple of ndarray, each of shape (..., max(n - window + 1, 0))
    """

    def merge(newer: Parts, older: Parts, new: int, old: int) -> Parts:
        weight = new * old / (new + old)
        x_apart, y_apart = older[0] - newer[0], older[1] - newer[1]
        return (
            newer[0] + x_apart * (old / (new + old)),
            newer[1] + y_apart * (old / (new + old)),
            newer[2] + older[2] + x_apart * x_apart * weight,
            newer[3] + older[3] + y_apart * y_apart * weight,
            newer[4] + older[4] + x_apart * y_apart * weight,
        )

    nothing = np.zeros_like(x)
    _, _, xx, yy, xy = fold((x, y, nothing, nothing, nothing), window, merge)
    return xx / window, yy / window, xy / window


def variance_and_slope(x: Array, window: int) -> tuple[Array, Array]:
    """Variance of the last ``window`` values, and the slope per step of the straight line fitted to them.

    Least squares; ``window`` is at least 2.  The middles of two neighbouring windows lie half their joint
    length apart, which is all that the merge needs to know of time.
    """

    def merge(newer: Parts, older: Parts, new: int, old: int) -> Parts:
        mean, squares = _merge_squares(newer[:2], older[:2], new, old)
        tilt = newer[2] + older[2]
        tilt += (newer[0] - older[0]) * (new * old / 2)
        return mean, squares, tilt

    _, squares, tilt = fold((x, np.zeros_like(x), np.zeros_like(x)), window, merge)
    return squares / window, tilt / (window * (window * window - 1) / 12)
