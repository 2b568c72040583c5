"""The exchange's time, as a session knows it.

Place in the house: everything that a session writes down or compares with the exchange's times follows
this clock; ``desk.trade.upkeep`` sets it whenever it asks the exchange for the time.  What happens to the
machine's own time in between changes nothing (``desk.server_time``).

Not here: how wrong it may have been before nothing is opened (``desk.trade.risk``).
"""

from dataclasses import dataclass, field

from desk.ports import Clock
from desk.server_time import ServerTime

MOST_ROUND_TRIP_S = 1.0
"""A question for the time that took longer says too little: it may be wrong by half of that."""


@dataclass(slots=True)
class ExchangeClock:
    """A clock that is set by the exchange's; satisfies ``desk.ports.Clock``."""

    machine: Clock
    drift_s: float = 0.0
    """By how much it was wrong when the exchange was asked last, seconds; 0 until it was set well once."""
    machine_jump_s: float = 0.0
    """By how much the machine's time was moved between the last two answers, seconds."""
    _time: ServerTime = field(init=False)
    _is_set_well: bool = False

    def __post_init__(self) -> None:
        self._time = ServerTime(self.machine)

    def now_ms(self) -> int:
        """The exchange's time: milliseconds since 1970-01-01 UTC."""
        return self._time.now_ms()

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""
        return self.machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        await self.machine.sleep(seconds)

    def set_by(self, server_ms: int, *, asked_s: float, answered_s: float) -> None:
        """Take over the exchange's time; it was read between two monotonic times, the later of which is now.

        A quick answer sets the clock to the middle of what is possible.  One that took more than
        ``MOST_ROUND_TRIP_S`` (a lost attempt, a pause) only moves it into what is possible, and never counts
        as setting it well.

        Parameters
        ----------
        server_ms : int
            The exchange's time.
        asked_s, answered_s : float
            Monotonic seconds before the question and after the answer.
        """
        took_s = answered_s - asked_s
        kept, least, most = self._time.now_ms(), server_ms, server_ms + 1_000 * took_s
        self.machine_jump_s = self._time.jump_s
        is_quick = took_s <= MOST_ROUND_TRIP_S
        found = (least + most) / 2 if is_quick else min(max(kept, least), most)
        self.drift_s = (kept - found) / 1_000 if self._is_set_well else 0.0
        self._is_set_well |= is_quick
        self._time.set(found)
