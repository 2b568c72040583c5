"""The rows of several coins are put below each other, and the last fifth of all rows is the test.

The test is then the last coin, over the same weeks that the model has seen of the others; coins move
together, so the other coins have shown it where this one goes.  Shared and own moves are random walks.
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
    mixed,
    moves,
    noise,
    usual_features,
    win_rate,
)

Rows = tuple[NDArray[np.float64], NDArray[np.bool_]]
MARKET, COINS, SHARED = 21, (30, 31, 32, 33, 34), 0.8


def find() -> Finding:
    """Cut by row, and cut by time."""
    coins = [mixed(noise(MARKET), noise(seed), share=SHARED) for seed in COINS]
    tables = [frame(coin) for coin in coins]
    parts = [labelled_rows(usual_features(table, scale_free=True), moves(table)) for table in tables]
    by_row = _cut(np.concatenate([x for x, _ in parts]), np.concatenate([up for _, up in parts]))
    early, late = ([_part(one, which) for one in parts] for which in ("early", "late"))
    model = fitted(np.concatenate([x for x, _ in early]), np.concatenate([up for _, up in early]))
    by_time = win_rate(model, np.concatenate([x for x, _ in late]), np.concatenate([up for _, up in late]))
    title = "Rows of several coins cut by number"
    return Finding(title, by_row, by_time, "every coin cut by time", examined(coins[:2]))


def _cut(x: NDArray[np.float64], up: NDArray[np.bool_]) -> float:
    cut = round((1 - TEST_SHARE) * len(up))
    return win_rate(fitted(x[:cut], up[:cut]), x[cut:], up[cut:])


def _part(rows: Rows, which: str) -> Rows:
    x, up = rows
    cut = round((1 - TEST_SHARE) * len(up))
    return (x[:cut], up[:cut]) if which == "early" else (x[cut:], up[cut:])


if __name__ == "__main__":
    print(find())
