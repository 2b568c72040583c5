"""Real time, and what this process has used of it.

A service: the only module that asks the machine what time it is.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock; satisfies ``desk.ports.Clock``."""

    def now_ms(self) -> int:
        """Wall time: milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of real time pass."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class Stopwatch:
    """CPU seconds of this process, lap by lap."""

    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.process_time)

    def lap(self, name: str) -> float:
        """End a lap; return and keep its CPU seconds."""
        now = time.process_time()
        self.laps[name] = now - self._last
        self._last = now
        return self.laps[name]

    @property
    def total(self) -> float:
        """CPU seconds of all laps."""
        return sum(self.laps.values())


def utc_now() -> datetime:
    """Wall time, aware, in UTC."""
    return datetime.now(tz=UTC)


def peak_rss_mb() -> float:
    """Most memory that this process ever used, in MB; 0 where the system does not report it."""
    if resource is None:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024) if sys.platform == "darwin" else peak / 1024
