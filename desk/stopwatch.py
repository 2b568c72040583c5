"""What time it is, and what this process has used of time and memory.

A service, and one that workers import too: nothing here waits, so nothing here needs asyncio.
"""

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]


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
    """Most memory that this process ever held, in MB; 0 where the system does not tell."""
    if resource is None:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024) if sys.platform == "darwin" else peak / 1024
