"""Candles for tests, a clock that does not make tests wait, and settings to fetch with."""

import asyncio
import heapq
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from desk.market.history.candles import RawRows, check_candles
from desk.market.settings import FetchSettings
from desk.values import CANDLE_MS, Candles

NOW = 1_762_560_000_000
"""A server time on the grid: 2025-11-08 00:00 UTC."""


def random_candles(symbol: str = "BTCUSDT", *, count: int = 600, end: int = NOW, seed: int = 1) -> Candles:
    """``count`` candles of a random walk; the last one closes at ``end``."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(open_, close) * (1 + rng.random(count) * 0.001)
    low = np.minimum(open_, close) * (1 - rng.random(count) * 0.001)
    volume = np.where(rng.random(count) < 0.05, 0.0, rng.random(count))
    times = end - CANDLE_MS * np.arange(count, 0, -1, dtype=np.int64)
    return check_candles(symbol, times, np.stack([open_, high, low, close, volume, volume * close]))


def without(candles: Candles, *gaps: tuple[int, int]) -> Candles:
    """``candles`` with holes: each of ``gaps`` is a first row and a number of rows."""
    keep = np.ones(len(candles), bool)
    for first, rows in gaps:
        keep[first : first + rows] = False
    return check_candles(candles.symbol, candles.open_time[keep], candles.values[:, keep])


def rows_of(candles: Candles) -> RawRows:
    """``candles`` as rows that nobody has checked."""
    return RawRows(candles.open_time, candles.values)


def assert_same_candles(ours: Candles, theirs: Candles) -> None:
    """Both hold the same candles, bit for bit."""
    assert ours.open_time.tolist() == theirs.open_time.tolist()
    assert ours.values.tobytes() == theirs.values.tobytes()


def fetch_settings(base_url: str, cache_dir: Path, **changes: Any) -> FetchSettings:
    """Settings for a fetch from this machine: no pacing, two days."""
    values: dict[str, Any] = {
        "base_url": base_url,
        "plain_http": False,
        "proxy": "",
        "largest_body_mib": 16,
        "cache_dir": cache_dir,
        "days": 2,
        "symbols": (),
        "top": None,
        "include_rwa": False,
        "funding": False,
        "requests_per_second": 0.0,
        "max_concurrent_requests": 20,
        "timeout_s": 10.0,
        "attempts": 8,
        "give_up_after_s": 900.0,
        "throttle_pause_s": 3.0,
        "use_cache": True,
        "offline": False,
    }
    return FetchSettings(**{**values, **changes})


@dataclass
class ImpatientClock:
    """A clock on which every wait is over at once: for tests over real sockets."""

    wall_ms: int = NOW
    seconds: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        """Wall time."""
        return self.wall_ms

    def monotonic(self) -> float:
        """Seconds slept so far."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let the time pass without waiting."""
        self.waits.append(seconds)
        self.seconds += max(seconds, 0.0)
        await asyncio.sleep(0)


class StagedClock:
    """A clock that moves only when every task waits for it: for tests of pacing, without sockets."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        """Wall time."""
        return int(self._now * 1000)

    def monotonic(self) -> float:
        """Seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until ``run`` has moved the time so far."""
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._count, future))
        await future

    async def run(self, *work: Any) -> None:
        """Carry out ``work``, moving the time on whenever nothing else can happen."""
        all_done = asyncio.gather(*work)  # one future: asking thousands of tasks at every step took most time
        while not all_done.done():
            for _ in range(20):  # let everybody go as far as they can without time passing
                await asyncio.sleep(0)
            if self._sleepers and not all_done.done():
                self._now, _, future = heapq.heappop(self._sleepers)
                if not future.done():
                    future.set_result(None)
        all_done.result()
