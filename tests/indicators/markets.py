"""Markets for the tests of the features: drawn ones, plain ones, and the real series.

Place in the house: tests only.  A drawn market is a row of stretches, each of a kind that has hurt somebody:
flat without volume, moves of one tick, a candle of 190 %, trading without moves, moves without trading.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from desk.values import CANDLE_MS, Candles, frozen

SERIES = Path(__file__).resolve().parents[3] / "shared" / "data" / "candles"
KINDS = ("walk", "flat", "ticks", "jump", "rise", "fall", "unmoved", "untraded")
START = 1_700_000_100_000 // CANDLE_MS * CANDLE_MS


def market(
    *stretches: tuple[str, int], seed: int = 0, price: float = 100.0, symbol: str = "BTCUSDT"
) -> Candles:
    """Candles made of ``stretches`` of (kind, length), without holes."""
    random = np.random.default_rng(seed)
    columns = []
    last = price
    for kind, length in stretches:
        for _ in range(length):
            columns.append(_candle(kind, last, price, random))
            last = columns[-1][3]
    values = np.array(columns).T
    open_time = START + CANDLE_MS * np.arange(values.shape[1], dtype=np.int64)
    return Candles(symbol, frozen(open_time), frozen(values))


def _candle(kind: str, last: float, price: float, random: np.random.Generator) -> list[float]:
    """One candle that opens at ``last``: open, high, low, close, volume, quote volume."""
    step = {
        "walk": 0.002 * random.standard_normal(),
        "jump": random.choice([1.9, -0.65]) if random.random() < 0.1 else 0.01 * random.standard_normal(),
        "rise": 0.001 + 0.002 * random.random(),
        "fall": -0.001 - 0.002 * random.random(),
        "untraded": 0.002 * random.standard_normal(),
    }.get(kind, 0.0)
    close = last * (1 + step)
    high, low, volume = max(last, close), min(last, close), 0.0
    if kind == "ticks":
        tick = price / 4096
        close = max(last + tick * float(random.integers(-1, 2)), tick)
        high, low = max(last, close), min(last, close)
    if kind in {"walk", "jump", "unmoved"}:
        high *= 1 + 0.001 * random.random()
        low *= 1 - 0.001 * random.random()
    if kind not in {"flat", "untraded"}:
        volume = float(np.exp(random.standard_normal()) * 1000)
    paid = low + (high - low) * random.random()
    return [last, high, low, close, volume, volume * paid]


@st.composite
def markets(draw: st.DrawFn, *, length: int) -> Candles:
    """A market of ``length`` candles in up to five stretches."""
    stretches: list[tuple[str, int]] = []
    left = length
    while left:
        size = left if len(stretches) == 4 else draw(st.integers(1, left))
        stretches.append((draw(st.sampled_from(KINDS)), size))
        left -= size
    price = draw(st.sampled_from([1e-6, 1.0, 60_000.0]))
    return market(*stretches, seed=draw(st.integers(0, 2**16)), price=price)


def real_series(symbol: str) -> Candles:
    """A real series of the shared data; the test is skipped where these are not at hand.

    It has no quote volume, which therefore is the volume at the typical price, as on the embedded exchange.
    """
    path = SERIES / f"{symbol}.parquet"
    if not path.exists():
        pytest.skip("needs the real series of ../shared/data/candles beside the checkout")
    table = pd.read_parquet(path)
    o, h, l, c, v = (table[name].to_numpy(np.float64) for name in ("open", "high", "low", "close", "volume"))
    open_time = table["timestamp"].to_numpy(np.int64)
    return Candles(symbol, frozen(open_time), frozen(np.stack([o, h, l, c, v, v * (h + l + c) / 3])))


def bits(values: NDArray[np.floating]) -> bytes:
    """The bytes of an array: equal only if every bit is, the sign of zero included."""
    return np.ascontiguousarray(values).tobytes()
