"""Trades are counted from close to close, and a close is the last trade, at the bid or at the ask.

The walk between the two is random.  A close at the ask is followed by one at the bid half of the time, so
the next move can be called from the last one, and nobody can trade at either: whoever buys at the bid
is the one who waits, and whoever does not wait pays the ask.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.fallacies.common import (
    CANDLES,
    END,
    TEST_SHARE,
    Finding,
    examined,
    fitted,
    frame,
    labelled_rows,
    moves,
    usual_features,
    win_rate,
)
from desk.market.series.synthetic import candle_rows, draw_sizes
from desk.values import CANDLE_MS, Candles, frozen

SEED, SPREAD_BPS, VOLATILITY = 15, 30.0, 0.0005


def bouncing(seed: int) -> tuple[Candles, NDArray[np.float64]]:
    """Candles whose opens and closes are at the bid or the ask of a random walk, and that walk's closes."""
    rng = np.random.default_rng(seed)
    sizes = draw_sizes(rng, CANDLES, volatility=VOLATILITY)
    rows = candle_rows(sizes, rng.choice([-1.0, 1.0], CANDLES) * sizes.body, 100.0)
    half = SPREAD_BPS / 2e4
    o, c = (np.round(price * (1 + half * rng.choice([-1, 1], CANDLES)), 3) for price in (rows[0], rows[3]))
    h, l = np.maximum(np.maximum(o, c), rows[1]), np.minimum(np.minimum(o, c), rows[2])
    times = END - CANDLE_MS * np.arange(CANDLES, 0, -1, dtype=np.int64)
    return Candles("BOUNCEUSDT", frozen(times), frozen(np.stack([o, h, l, c, rows[4], rows[5]]))), rows[3]


def find() -> Finding:
    """Closes of the last fifth, and the same signals at the middle of the book."""
    candles, middle = bouncing(SEED)
    table = frame(candles)
    features, move = usual_features(table, scale_free=True), moves(table)
    cut = round((1 - TEST_SHARE) * len(table))
    model = fitted(*labelled_rows(features[: cut - 2], move[: cut - 2]), leaves=31, rounds=100)
    printed = win_rate(model, *labelled_rows(features[cut:], move[cut:]))
    true_move = middle[cut + 2 :] / middle[cut:-2] - 1
    side = np.asarray(model.predict(features[cut:-2].to_numpy(np.float64))) > 0.5
    honest = float(np.mean(side == (true_move > 0)))
    return Finding(
        "Close to close at a bounce",
        printed,
        honest,
        "of all candles, by the middle of the book",
        examined([candles], spread_bps=SPREAD_BPS),
    )


if __name__ == "__main__":
    print(find())
