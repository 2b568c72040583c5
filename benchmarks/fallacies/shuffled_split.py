"""Rows are shuffled before they are split, as ``train_test_split`` does unless it is told otherwise.

The move that decides a row overlaps that of its neighbours by all but one candle, and raw prices and slow
averages say which rows are neighbours: the model remembers the answer of the row next door.  No feature
knows the future, every row is tested once, and the walk is random.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.fallacies.common import (
    TEST_SHARE,
    Finding,
    examined,
    fitted,
    frame,
    labelled_rows,
    moves,
    noise,
    usual_features,
    win_rate,
)

SEED = 11


def find() -> Finding:
    """Shuffled, and split by time."""
    candles = noise(SEED)
    table = frame(candles)
    x, up = labelled_rows(usual_features(table), moves(table))
    shuffled, by_time = both_splits(x, up)
    return Finding("Shuffled split", shuffled, by_time, "split by time", examined([candles]))


def both_splits(x: NDArray[np.float64], up: NDArray[np.bool_]) -> tuple[float, float]:
    """Win rate where rows were shuffled first, and where the test is what comes last."""
    cut = round((1 - TEST_SHARE) * len(up))
    order = np.random.default_rng(SEED).permutation(len(up))
    shuffled = win_rate(fitted(x[order[:cut]], up[order[:cut]]), x[order[cut:]], up[order[cut:]])
    return shuffled, win_rate(fitted(x[:cut], up[:cut]), x[cut:], up[cut:])


if __name__ == "__main__":
    print(find())
