"""How long the features take: beside TA-Lib computing as many indicators, and for 300 symbols at once.

``python -m benchmarks.features`` prints, from one process and one run: the whole table on 51,840 candles,
TA-Lib on the same arrays and the ratio of the two; the ten dearest features; the newest rows of 300 symbols
in one pass.  Candles are real ones where ``../shared`` stands beside the checkout, drawn ones elsewhere.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import talib

from desk.indicators.panel import Panel
from desk.values import CANDLE_MS, Candles, frozen
from ml_feature_engineering import FEATURES, build_features, memory_of, newest_rows

LENGTH = 51_840
SYMBOLS = 300
ROUNDS = 7
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "candles" / "BTCUSDT.parquet"


def some_candles() -> tuple[str, Candles]:
    """Where the candles are from, and 180 days of them."""
    if REAL.exists():
        table = pd.read_parquet(REAL).tail(LENGTH)
        o, h, l, c, v = (
            table[name].to_numpy(np.float64) for name in ("open", "high", "low", "close", "volume")
        )
        open_time = table["timestamp"].to_numpy(np.int64)
        values = np.stack([o, h, l, c, v, v * (h + l + c) / 3])
        return "real BTCUSDT", Candles("BTCUSDT", frozen(open_time), frozen(values))
    random = np.random.default_rng(1)
    c = 40_000 * np.exp(0.001 * random.standard_normal(LENGTH)).cumprod()
    o = np.concatenate([c[:1], c[:-1]])
    h = np.maximum(o, c) * (1 + 0.0005 * random.random(LENGTH))
    l = np.minimum(o, c) * (1 - 0.0005 * random.random(LENGTH))
    v = np.exp(random.standard_normal(LENGTH))
    values = np.stack([o, h, l, c, v, v * (h + l + c) / 3])
    return "drawn", Candles("DRAWN", frozen(CANDLE_MS * np.arange(LENGTH, dtype=np.int64)), frozen(values))


def talib_calls(candles: Candles) -> list[Callable[[], object]]:
    """As many calls of TA-Lib as the table has features: its usual functions at growing periods."""
    _, h, l, c, v, _ = (np.ascontiguousarray(column) for column in candles.values)  # noqa: PD011 - Candles, no frame
    usual: list[Callable[[int], object]] = [
        lambda n: talib.ROC(c, n),
        lambda n: talib.SMA(c, n),
        lambda n: talib.EMA(c, n),
        lambda n: talib.STDDEV(c, n),
        lambda n: talib.RSI(c, n),
        lambda n: talib.CMO(c, n),
        lambda n: talib.MACD(c, n, 2 * n, 9),
        lambda n: talib.ATR(h, l, c, n),
        lambda n: talib.ADX(h, l, c, n),
        lambda n: talib.PLUS_DI(h, l, c, n),
        lambda n: talib.MINUS_DI(h, l, c, n),
        lambda n: talib.BBANDS(c, n),
        lambda n: talib.STOCH(h, l, c, n),
        lambda n: talib.CCI(h, l, c, n),
        lambda n: talib.WILLR(h, l, c, n),
        lambda n: talib.MFI(h, l, c, v, n),
        lambda n: talib.ULTOSC(h, l, c, n, 2 * n, 4 * n),
        lambda n: talib.AROON(h, l, n),
        lambda n: talib.TRIX(c, n),
        lambda n: talib.LINEARREG_SLOPE(c, n),
        lambda n: talib.CORREL(c, v, n),
        lambda n: talib.MAX(h, n),
        lambda n: talib.MIN(l, n),
        lambda n: talib.ADOSC(h, l, c, v, 3, n),
    ]
    calls: list[Callable[[], object]] = []
    for at in range(len(FEATURES)):
        function, period = usual[at % len(usual)], 14 + 12 * (at // len(usual))
        calls.append(partial(function, period))
    return calls


def milliseconds(work: Callable[[], object]) -> float:
    """The quickest of several rounds: the others measure what else the machine does."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return 1e3 * min(taken)


def main() -> None:
    """Measure and print."""
    origin, candles = some_candles()
    calls = talib_calls(candles)
    versions = f"numpy {np.__version__}, TA-Lib {talib.__version__}"
    print(f"{len(candles)} candles ({origin}), best of {ROUNDS} rounds, {versions}")

    ours = milliseconds(lambda: build_features(candles, max_missing_share=0.02, min_feature_share=0.95))
    theirs = milliseconds(lambda: [call() for call in calls])
    print(f"build_features, {len(FEATURES)} features     {ours:8.1f} ms")
    print(f"TA-Lib, {len(calls)} indicators             {theirs:8.1f} ms")
    print(f"ratio (at most 25)                {ours / theirs:8.2f}")

    shared = Panel(candles.values, candles.open_time)
    dear = sorted(((milliseconds(partial(f.compute, shared)), f.name) for f in FEATURES), reverse=True)
    print("the ten dearest features")
    for taken, name in dear[:10]:
        print(f"  {name:<30}  {taken:8.2f} ms")

    starts = np.linspace(0, len(candles) - memory_of(), SYMBOLS).astype(np.int64)
    tails = [candles.rows(int(start), int(start) + memory_of()) for start in starts]
    values = np.stack([tail.values for tail in tails])  # noqa: PD011 - Candles, no frame
    open_time = np.stack([tail.open_time for tail in tails])
    newest = milliseconds(lambda: newest_rows(values, open_time))
    print(f"newest rows of {SYMBOLS} symbols (aim 60)  {newest:6.1f} ms")


if __name__ == "__main__":
    main()
