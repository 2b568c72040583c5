"""How good a model is on candles that nothing was chosen on.

Scores and labels of the test block come in; ``Metrics`` go out: the guide's numbers on labelled
candles, an interval that counts days, and the simple rules that any model has to beat.  Pure.

Not here: what a trade earns on all candles after costs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from desk.clustered import clustered_mean, share_interval
from desk.learn.splits import Rows
from desk.values import CANDLE_MS, DOWN, UP, Candles


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The guide's figures on labelled candles; shares between 0 and 1."""

    n: int
    """Labelled candles."""
    accuracy: float
    """Share of the labelled candles whose side was called: the guide's win rate."""
    accuracy_ci95: tuple[float, float] | None
    """``share_interval``: as sure as the days of the candles allow; None where these are too few."""
    precision: float
    """Of the candles called up, the share that went up; 0 when none was called up."""
    recall: float
    f1: float
    precision_short: float
    recall_short: float
    auc: float | None
    """Area under the ROC curve; None when only one side occurs."""
    base_rate: float
    """Share that went up."""
    simple_rules: dict[str, float]
    """Win rates of rules that need no model, on the same candles."""


def measure(
    scores: NDArray[np.float64],
    label: NDArray[np.int8],
    open_time: NDArray[np.int64],
    last_return: NDArray[np.float64],
    *,
    majority: int,
) -> Metrics | None:
    """The guide's figures on labelled candles, or None when there is no labelled candle.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Log-odds of up; above 0 calls up.
    label : ndarray, shape (n,)
        ``UP`` or ``DOWN``; other rows must have been left out.
    open_time : ndarray, shape (n,)
        Milliseconds, for the days.
    last_return : ndarray, shape (n,)
        Return of the decision candle, for the simple rules; 0 calls down in both.
    majority : int
        The side that prevailed in development.
    """
    if len(label) == 0:
        return None
    called = (scores > 0).astype(np.int8)
    win = (called == label).astype(np.float64)
    rules = {
        "majority_side": np.full(len(label), majority),
        "last_return": np.where(last_return > 0, UP, DOWN),
        "against_last_return": np.where(last_return < 0, UP, DOWN),
    }
    short = {"pos_label": DOWN, "zero_division": 0.0}
    long = {"pos_label": UP, "zero_division": 0.0}
    return Metrics(
        n=len(label),
        accuracy=float(accuracy_score(label, called)),
        accuracy_ci95=share_interval(clustered_mean(win, open_time), len(label)),
        precision=float(precision_score(label, called, **long)),
        recall=float(recall_score(label, called, **long)),
        f1=float(f1_score(label, called, **long)),
        precision_short=float(precision_score(label, called, **short)),
        recall_short=float(recall_score(label, called, **short)),
        auc=float(roc_auc_score(label, scores)) if len(np.unique(label)) > 1 else None,
        base_rate=float(np.mean(label == UP)),
        simple_rules={name: float(np.mean(side == label)) for name, side in rules.items()},
    )


def last_return(candles: Candles, rows: Rows) -> NDArray[np.float64]:
    """Return of each candle of ``rows`` over the candle before it; 0 for the first and after a hole."""
    close, times = candles.close, candles.open_time
    change = np.zeros(len(candles))
    change[1:] = np.where(np.diff(times) == CANDLE_MS, close[1:] / close[:-1] - 1, 0.0)
    return np.asarray(change[rows], dtype=np.float64)
