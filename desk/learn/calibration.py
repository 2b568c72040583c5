"""Whether a probability means what it says.

Probabilities and labels of labelled test candles come in; a ``Calibration`` goes out.  Pure.

A probability here is that of going up rather than down, given that the candle moves enough to be labelled:
neutral candles have no part in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.values import UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Candles of similar probability."""

    n: int
    probability: float
    """Their mean."""
    up: float
    """The share that went up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far probabilities lie from what happened."""

    n: int
    """Labelled candles."""
    brier: float
    """Mean squared distance of probability and outcome; 0.25 is a coin flip that knows it is one."""
    error_points: float
    """Expected calibration error: the distance of mean probability and share of up in a bin, averaged over
    the candles, in percentage points."""
    chance_points: float
    """What that error would be on average if every probability were true and candles were independent:
    small samples look badly calibrated."""
    table: tuple[Bin, ...]
    """Bins of about equal numbers of candles, by rising probability; equal probabilities share a bin."""


def calibrate(probability: NDArray[np.float64], label: NDArray[np.int8], *, bins: int) -> Calibration | None:
    """Compare probabilities with outcomes; None when there is no labelled candle.

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Of up.
    label : ndarray, shape (n,)
        ``UP`` or ``DOWN``; other rows must have been left out.
    bins : int
        At most so many; fewer where probabilities repeat.
    """
    n = len(label)
    if n == 0:
        return None
    up = (label == UP).astype(np.float64)
    edges = np.percentile(probability, np.linspace(0, 100, bins + 1))
    which = np.searchsorted(edges[1:-1], probability)
    size = np.bincount(which, minlength=bins).astype(np.float64)
    there = size > 0
    size = size[there]
    claimed = np.bincount(which, weights=probability, minlength=bins)[there] / size
    occurred = np.bincount(which, weights=up, minlength=bins)[there] / size
    spread = np.bincount(which, weights=probability * (1 - probability), minlength=bins)[there]
    return Calibration(
        n=n,
        brier=float(np.mean((probability - up) ** 2)),
        error_points=100 * float(np.sum(size * np.abs(claimed - occurred))) / n,
        chance_points=100 * float(np.sum(np.sqrt(2 / np.pi * spread))) / n,
        table=tuple(
            Bin(n=int(count), probability=float(mean), up=float(share))
            for count, mean, share in zip(size, claimed, occurred, strict=True)
        ),
    )
