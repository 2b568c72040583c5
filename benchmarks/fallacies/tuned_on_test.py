"""Parameters and the confidence from which a signal counts are chosen by the figure that is reported.

Twenty models that know nothing differ by chance, and so do their most confident candles; the best of all is
reported.  What is left of it on the fifth after that shows how much was choice.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.fallacies.common import (
    Finding,
    examined,
    fitted,
    frame,
    labelled_rows,
    moves,
    noise,
    usual_features,
)
from desk.values import Candles

SEEDS, MODELS = (12, 13, 14, 16, 17, 18, 19, 20), 20
SHARES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of the candles, the most confident ones: those that are reported."""


def find() -> Finding:
    """The best on the part that is reported, and the same on the part after it; means of all walks."""
    walks = [noise(seed) for seed in SEEDS]
    found = np.mean([_best(one, seed) for one, seed in zip(walks, SEEDS, strict=True)], axis=0)
    title, meaning = "Tuned on what is reported", "the same models and shares of candles, a fifth later"
    return Finding(title, float(found[0]), float(found[1]), meaning, examined(walks[:2]))


def _best(candles: Candles, walk: int) -> tuple[float, float]:
    """Win rate of the best of all models and shares where it was chosen, and on the fifth after that."""
    table = frame(candles)
    x, up = labelled_rows(usual_features(table), moves(table))
    first, second = (round(share * len(up)) for share in (0.6, 0.8))
    rng, best = np.random.default_rng(walk), (0.0, 0.0)
    for seed in range(MODELS):
        leaves, rounds = int(rng.integers(7, 64)), int(rng.integers(20, 80))
        model = fitted(x[:first], up[:first], leaves=leaves, rounds=rounds, seed=seed)
        reported, later = (np.asarray(model.predict(part)) for part in (x[first:second], x[second:]))
        for share in SHARES:
            shown = _won(reported, up[first:second], share)
            if shown > best[0]:
                best = (shown, _won(later, up[second:], share))
    return best


def _won(probability: NDArray[np.float64], up: NDArray[np.bool_], share: float) -> float:
    """Share that was called of the most confident ``share`` of the candles."""
    surest = np.argsort(np.abs(probability - 0.5))[-round(share * len(up)) :]
    return float(np.mean((probability[surest] > 0.5) == up[surest]))


if __name__ == "__main__":
    print(find())
