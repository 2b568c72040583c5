"""The check that runs with every training: nothing that was learned from could not have been known.

Features and labels with the candles that they were made from come in; nothing goes out, or ``LookAhead`` is
raised.  Pure.  Some rows are drawn; their features are computed again from the last candles that live
trading would hold, and their labels from the two closes that decide them, by code of its own.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from desk.errors import LookAhead
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UNKNOWN, UP, Candles, FeatureSet, LabelledSet, iso

Newest = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float32]]
"""Values (k, 6, memory) and open times (k, memory) to features (k, features) of the newest candles."""


def draw_rows(features: FeatureSet, *, count: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` positions in ``features``, or all if there are fewer.

    Parameters
    ----------
    features : FeatureSet
    count : int
    seed : int
        Of the draw.

    Returns
    -------
    ndarray, shape (k,)
        Increasing.
    """
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(len(features), size=min(count, len(features)), replace=False))


def check_features(
    features: FeatureSet, candles: Candles, rows: NDArray[np.int64], *, newest: Newest, memory: int
) -> None:
    """Compute the features of ``rows`` from their last ``memory`` candles alone; they must be equal.

    Parameters
    ----------
    features : FeatureSet
    candles : Candles
        The series that it was built from.
    rows : ndarray, shape (k,)
        Positions in ``features``.
    newest : callable
        Computes features as live trading does.
    memory : int
        Candles that live trading holds.

    Raises
    ------
    LookAhead
        Naming the feature and the candle.
    """
    windows = [slice(int(row) + 1 - memory, int(row) + 1) for row in features.row[rows]]
    values = np.stack([candles.values[:, window] for window in windows])
    alone = newest(values, np.stack([candles.open_time[window] for window in windows]))
    where, columns = np.nonzero(alone != features.x[rows])
    if len(where):
        row, column = int(where[0]), int(columns[0])
        name = features.names[column]
        others = sorted({features.names[int(one)] for one in columns} - {name})
        likewise = f" (likewise {', '.join(others)})" if others else ""
        trained, live = features.x[rows[row], column], alone[row, column]
        raise LookAhead(
            f"{features.symbol}: {name} of the candle of {iso(int(features.open_time[rows[row]]))} is "
            f"{trained} in training and {live} from its last {memory} candles alone, as live trading "
            f"computes it: a feature sees more than its window{likewise}; fix it in desk/indicators"
        )


def check_labels(labelled: LabelledSet, candles: Candles, rows: NDArray[np.int64]) -> None:
    """Derive the labels of ``rows`` again from the two closes that decide each.

    Parameters
    ----------
    labelled : LabelledSet
    candles : Candles
        The series that it was built from.
    rows : ndarray, shape (k,)
        Positions in ``labelled``.

    Raises
    ------
    LookAhead
        If a label differs, or counts as known before the candle that decides it is closed.
    """
    at = dict(zip(candles.open_time.tolist(), candles.close.tolist(), strict=True))
    for row in rows.tolist():
        opened = int(labelled.features.open_time[row])
        decides = opened + labelled.horizon * CANDLE_MS
        expected = _label(at[opened], at.get(decides), labelled.threshold)
        found = int(labelled.label[row])
        if found != UNKNOWN and (found != expected or labelled.known_at[row] < decides + CANDLE_MS):
            raise LookAhead(
                f"{labelled.features.symbol}: the label of the candle of {iso(opened)} is {found} and known "
                f"at {iso(int(labelled.known_at[row]))}, its closes give {expected}, known at "
                f"{iso(decides + CANDLE_MS)}: a label sees what cannot be known; fix attach_labels"
            )


def _label(close: float, later: float | None, threshold: float) -> int:
    if later is None:
        return UNKNOWN
    move = later / close - 1
    if move >= threshold:
        return UP
    return DOWN if move <= -threshold else NEUTRAL
