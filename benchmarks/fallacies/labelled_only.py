"""The win rate counts candles that moved by the threshold; which ones will is known afterwards.

On a random walk this prints one half.  On a market in which something can be known it prints what is
known, and not what it earns: here two thirds of the labelled candles can be called (kind ``edge`` of the
embedded exchange), and a taker loses.  The model is honest, split by time; only the figure is not what a
trader needs.
"""

import numpy as np
import pandas as pd

from benchmarks.fallacies.common import (
    CANDLES,
    END,
    ROUND_TRIP_BPS,
    TEST_SHARE,
    THRESHOLD,
    Finding,
    examined,
    fitted,
    frame,
    labelled_rows,
    moves,
    usual_features,
)
from desk.market.series.synthetic import synthesize

SEED, CONFIDENCE = 1, 0.1


def find() -> Finding:
    """Of the last fifth: labelled candles that fired, and all that fired, after a taker's fees."""
    candles = synthesize("edge", SEED, symbol="EDGEONEUSDT", end=END, candles=CANDLES)
    table = frame(candles)
    features, move = usual_features(table, scale_free=True), moves(table)
    features["effort"] = _against_usual(table["quote_volume"])
    features["range"] = _against_usual(table["high"] / table["low"] - 1)
    cut = round((1 - TEST_SHARE) * len(table))
    model = fitted(*labelled_rows(features[: cut - 2], move[: cut - 2]), leaves=15, rounds=100)
    late, result = features[cut:-2].to_numpy(np.float64), move[cut:-2].to_numpy()
    probability = np.asarray(model.predict(late))
    side, fired = np.sign(probability - 0.5), np.abs(probability - 0.5) >= CONFIDENCE
    labelled = fired & (np.abs(result) >= THRESHOLD)
    net_bps = 1e4 * side[fired] * result[fired] - ROUND_TRIP_BPS
    return Finding(
        "Labelled candles only",
        float(np.mean(side[labelled] * result[labelled] > 0)),
        float(np.mean(net_bps > 0)),
        f"of all candles that fired, after fees: {np.mean(net_bps):+.1f} bp each",
        examined([candles]),
    )


def _against_usual(values: "pd.Series[float]") -> "pd.Series[float]":
    """Mean of half an hour over that of four hours."""
    return values.rolling(6).mean() / values.rolling(48).mean()


if __name__ == "__main__":
    print(find())
