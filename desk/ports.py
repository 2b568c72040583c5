"""What the suite asks of the outside, as protocols: time today, more with live trading.

Place in the house: foundation.  Implementations: ``desk.clock`` (real time) and the tests (simulated).
"""

from typing import Protocol


class Clock(Protocol):
    """The only source of "now", of durations and of waiting."""

    def now_ms(self) -> int:
        """Wall time: milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass on this clock."""
