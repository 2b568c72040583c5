"""Numbers that must not move unnoticed: every feature on a market that is made of whole numbers alone.

The expected values are text, so that a change is a diff which a person reads.  The file is named after the
contract: new values under the old name fail here, a new name makes live trading refuse the old models.
``python -m tests.test_features_golden`` writes the file of the present contract.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from desk.indicators.panel import Panel
from desk.indicators.windows import Array
from desk.values import CANDLE_MS
from ml_feature_engineering import FEATURES, contract_id, memory_of

GOLDEN = Path(__file__).parent / "golden" / f"features_{contract_id()}.csv"
LENGTH = memory_of() + 300
PLACES = {"trading": LENGTH - 1, "flat": LENGTH - 101, "after the jump": LENGTH - 200}
"""Rows that are kept: the newest, one after thirty flat candles, one just after a candle of 190 %."""


def numbers() -> Iterator[int]:
    """Whole numbers below 2**31 that look random and are the same for ever."""
    state = 12_345
    while True:
        state = (1_103_515_245 * state + 12_345) % 2**31
        yield state >> 8


def golden_market() -> Panel:
    """Prices in ticks of 1/64 and volumes in whole coins, with a jump and a flat stretch."""
    draw = numbers()
    rows, close = [], 6400
    for row in range(LENGTH):
        if LENGTH - 130 <= row < LENGTH - 100:
            rows.append([close, close, close, close, 0, 0])
            continue
        opened = close
        close = close * 29 // 10 if row == LENGTH - 201 else max(close + next(draw) % 41 - 20, 64)
        high, low = max(opened, close) + next(draw) % 12, min(opened, close) - next(draw) % 12
        volume = 1 + next(draw) % 1000
        rows.append([opened, high, low, close, volume, volume * (low + next(draw) % (high - low + 1))])
    values = np.array(rows, dtype=np.float64).T / np.array([[64.0], [64.0], [64.0], [64.0], [1.0], [64.0]])
    return Panel(values, np.arange(LENGTH, dtype=np.int64) * CANDLE_MS)


def golden_values() -> Array:
    """Every feature at every place, shape (features, places)."""
    p = golden_market()
    return np.stack([f.compute(p)[[at - f.memory + 1 for at in PLACES.values()]] for f in FEATURES])


def test_features_are_what_the_contract_says() -> None:
    """To 12 digits in float64.  A formula that changes needs a new ``CONTRACT_VERSION``, hence a new file."""
    head, *lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    names, *columns = zip(*(line.split(",") for line in lines), strict=True)

    assert head == ",".join(["feature", *PLACES])
    assert names == tuple(feature.name for feature in FEATURES)
    np.testing.assert_allclose(golden_values(), np.array(columns, dtype=np.float64).T, rtol=1e-12, atol=1e-15)


if __name__ == "__main__":
    table = [["feature", *PLACES]]
    for feature, values in zip(FEATURES, golden_values(), strict=True):
        table.append([feature.name, *(f"{value:.17g}" for value in values)])
    GOLDEN.write_text("".join(f"{','.join(line)}\n" for line in table), encoding="utf-8")
