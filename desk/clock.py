"""Real time, as the suite's ``Clock``.

A service: with ``desk.stopwatch`` the only module that asks the machine what time it is.
"""

import asyncio
import time
from dataclasses import dataclass


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
