"""The exchange's time, kept by this machine's clock.

Place in the house: everything that a session writes down or compares with the exchange's times follows
this clock; ``desk.trade.upkeep`` sets it whenever it asks the exchange for the time.

Not here: how far the two clocks may drift apart (``desk.trade.risk``).
"""

from dataclasses import dataclass

from desk.ports import Clock

MOST_ROUND_TRIP_MS = 1_000
"""A question for the time that took longer says too little: it may be wrong by half of that."""


@dataclass(slots=True)
class ExchangeClock:
    """A clock that is set by the exchange's; satisfies ``desk.ports.Clock``."""

    machine: Clock
    offset_ms: float = 0.0
    """The exchange's time less the machine's."""
    first_offset_ms: float | None = None
    """As it was measured first; None until a question was answered quickly."""

    def now_ms(self) -> int:
        """The exchange's time: milliseconds since 1970-01-01 UTC."""
        return self.machine.now_ms() + round(self.offset_ms)

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""
        return self.machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        await self.machine.sleep(seconds)

    def set_by(self, server_ms: int, *, asked: int, answered: int) -> None:
        """Take over the exchange's time; it was read between two times (ms) of the machine's clock.

        A quick answer sets the offset to the middle of what is possible.  One that took more than
        ``MOST_ROUND_TRIP_MS`` (a lost attempt, a pause) only moves it into what is possible, and never counts
        as the first.  While the machine's clock was set back, nothing was measured.

        Parameters
        ----------
        server_ms : int
            The exchange's time.
        asked, answered : int
            The machine's time before the question and after the answer, ms.
        """
        least, most = server_ms - answered, server_ms - asked
        if least > most:
            return
        if answered - asked > MOST_ROUND_TRIP_MS:
            self.offset_ms = min(max(self.offset_ms, least), most)
            return
        self.offset_ms = (least + most) / 2
        if self.first_offset_ms is None:
            self.first_offset_ms = self.offset_ms

    @property
    def drift_s(self) -> float:
        """What the offset has changed by since it was first measured, seconds; 0 until it was."""
        if self.first_offset_ms is None:
            return 0.0
        return (self.offset_ms - self.first_offset_ms) / 1000
