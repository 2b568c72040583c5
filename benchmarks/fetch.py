"""Phase 1 beside ccxt: the same symbols, days, limit and latency, in one run.

``python -m benchmarks.fetch [--symbols 20] [--days 36]`` starts the embedded exchange with 20 requests a
second and endpoint and 120 ms latency, in a process of its own, and downloads from it three times: by
``fetch_universe`` with the settings of ``config.py``; by ccxt's ``bitget`` class with ``enableRateLimit`` and
pages of 200 rows, one call after another as its examples do; by the same with the calls of all symbols
gathered.  Each line holds what was measured; the requests and 429s are counted by the exchange.

Of 180 days the feed with long pages covers a sixth and of 36 days four fifths, so that few days flatter
this suite: ``--days 180`` is the real thing and takes some twenty minutes.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import ccxt.async_support as ccxt

from config import default_settings
from data_fetcher import fetch_universe
from desk.clock import SystemClock
from desk.market.history.candle_store import CandleStore
from desk.values import CANDLE_MS, CANDLES_PER_DAY

HERE = Path(__file__).resolve().parent
LIMIT, LATENCY_MS = 20, 120
CCXT_ROWS = 200
CCXT_PAUSE_S = 1.0
"""After a 429, which ccxt hands to its caller."""


@dataclass(frozen=True, slots=True)
class Task:
    """What each contestant downloads."""

    symbols: tuple[str, ...]
    days: int
    end: int
    """Close of the newest candle, ms."""

    @property
    def first(self) -> int:
        """Open time of the oldest candle wanted, ms."""
        return self.end - self.days * CANDLES_PER_DAY * CANDLE_MS


Contestant = Callable[[str, Task], Awaitable[int]]
"""Downloads from an address; returns how many candles of the task it then has."""


async def ours(url: str, task: Task) -> int:
    """The suite as it is configured; funding rates are left out, because ccxt fetches none here."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "backtest_data"
        settings = replace(
            default_settings().fetch, base_url=url, cache_dir=cache, days=task.days, funding=False
        )
        await fetch_universe(settings, clock=SystemClock())
        store = CandleStore(cache)
        return sum(len(store.load(symbol, task.days)) for symbol in task.symbols)


async def ccxt_in_turn(url: str, task: Task) -> int:
    """One call after another."""
    exchange = await _connected(url)
    try:
        return sum([await _paged(exchange, symbol, task) for symbol in task.symbols])
    finally:
        await exchange.close()


async def ccxt_gathered(url: str, task: Task) -> int:
    """All symbols at once, behind the one rate limiter of the class."""
    exchange = await _connected(url)
    try:
        return sum(await asyncio.gather(*(_paged(exchange, symbol, task) for symbol in task.symbols)))
    finally:
        await exchange.close()


async def _connected(url: str) -> ccxt.bitget:
    exchange = ccxt.bitget({"enableRateLimit": True, "options": {"fetchMarkets": {"types": ["swap"]}}})
    exchange.has["fetchCurrencies"] = False  # the embedded exchange has futures only
    exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], url)
    await exchange.load_markets()
    return exchange


async def _paged(exchange: ccxt.bitget, symbol: str, task: Task) -> int:
    """Page backwards, each page ending where the last one began."""
    market = f"{symbol.removesuffix('USDT')}/USDT:USDT"
    had, end = set[int](), task.end
    while end > task.first:
        try:
            rows = await exchange.fetch_ohlcv(market, "5m", None, CCXT_ROWS, {"until": end})
        except ccxt.NetworkError:  # 429 among them
            await asyncio.sleep(CCXT_PAUSE_S)
            continue
        if not rows:
            break
        had.update(int(row[0]) for row in rows)
        end = int(rows[0][0])
    return sum(task.first <= open_time < task.end for open_time in had)


CONTESTANTS: dict[str, Contestant] = {
    "this suite": ours,
    "ccxt, one call after another": ccxt_in_turn,
    "ccxt, gathered over symbols": ccxt_gathered,
}


def measured(contestant: Contestant, task: Task) -> dict[str, float]:
    """Wall seconds, candles, requests and 429s of one contestant against an exchange of its own."""
    names = ",".join(f"{symbol}=noise:{seed}" for seed, symbol in enumerate(task.symbols))
    command = [sys.executable, "-m", "desk.market.emulator", "--synthetic", names, "--now", str(task.end)]
    command += ["--rate-limit", str(LIMIT), "--latency-ms", str(LATENCY_MS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)  # noqa: S603
    try:
        if process.stdout is None or not (found := re.search(r"http://\S+", process.stdout.readline())):
            raise SystemExit("the embedded exchange does not start")
        url = found[0]
        began = time.perf_counter()
        candles = asyncio.run(_awaited(contestant(url, task)))
        seconds = time.perf_counter() - began
        with urllib.request.urlopen(f"{url}/emulator/stats") as answer:  # noqa: S310 - our own address
            stats = json.load(answer)
    finally:
        process.terminate()
        process.wait()
    return {
        "seconds": seconds,
        "candles": candles,
        "requests": stats["total"],
        "refused": stats["throttled_total"],
    }


async def _awaited(work: Awaitable[int]) -> int:
    return await work


def main() -> int:
    """Print one line per contestant, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--days", type=int, default=36)
    args = parser.parse_args()
    end = time.time_ns() // 1_000_000 // CANDLE_MS * CANDLE_MS
    task = Task(tuple(f"S{number:02d}USDT" for number in range(args.symbols)), args.days, end)
    wanted = len(task.symbols) * task.days * CANDLES_PER_DAY
    print(f"{len(task.symbols)} symbols × {task.days} days, {LIMIT} requests/s, {LATENCY_MS} ms latency")
    results = {}
    for name, contestant in CONTESTANTS.items():
        results[name] = result = measured(contestant, task)
        print(
            f"{name:30s} {result['seconds']:7.1f} s  {result['requests']:6,.0f} requests "
            f"({result['refused']:.0f} × 429)  {result['candles']:,.0f} of {wanted:,} candles",
            flush=True,
        )
    base, *others = results
    for name in others:
        print(f"{results[name]['seconds'] / results[base]['seconds']:.2f} × faster than {name}")
    return 0 if all(result["candles"] == wanted for result in results.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
