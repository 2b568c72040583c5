"""The exchange's time, as a session knows it.

Place in the house: everything that a session writes down or compares with the exchange's times follows
this clock; ``desk.trade.upkeep`` sets it whenever it asks the exchange for the time.  What happens to the
machine's own time in between changes nothing (``desk.server_time``).

Not here: how wrong it may have been before nothing is opened (``desk.trade.risk``).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from desk.ports import Clock
from desk.server_time import ServerTime

MOST_ROUND_TRIP_S = 1.0
"""A question for the time that took longer says too little: it may be wrong by half of that."""
DOUBTED_S = 5.0
"""An answer that would move the time by more is believed when a second one agrees with it."""
QUESTIONS = 3
"""So often the time is asked for until two answers agree."""


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

    async def set_from(self, server_time: Callable[[], Awaitable[int]]) -> None:
        """Ask the exchange for its time, and take it over.

        A single answer that is far from the time that is kept may be wrong, and everything that is due by it
        would be closed: it is asked for again.  Where no two answers agree the time stays as it was.

        Parameters
        ----------
        server_time : callable
            Asks for the exchange's time, ms.
        """
        doubted: float | None = None
        for _ in range(QUESTIONS):
            asked = self.machine.monotonic()
            server = await server_time()
            answered = self.machine.monotonic()
            kept = self._time.now_ms()
            off_s = (kept - nearest_possible(kept, server, took_s=answered - asked)) / 1_000
            if abs(off_s) <= DOUBTED_S or (doubted is not None and abs(off_s - doubted) <= DOUBTED_S):
                self.set_by(server, asked_s=asked, answered_s=answered)
                return
            doubted = off_s

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
        kept = self._time.now_ms()
        self.machine_jump_s = self._time.jump_s
        is_quick = took_s <= MOST_ROUND_TRIP_S
        middle = server_ms + 1_000 * took_s / 2
        found = middle if is_quick else nearest_possible(kept, server_ms, took_s=took_s)
        self.drift_s = (kept - found) / 1_000 if self._is_set_well else 0.0
        self._is_set_well |= is_quick
        self._time.set(found)


def nearest_possible(kept_ms: float, server_ms: int, *, took_s: float) -> float:
    """The time that is possible and nearest to the one that is kept, ms.

    Parameters
    ----------
    kept_ms : float
    server_ms : int
        The exchange's time when it answered: it is that now, or later by at most the whole question.
    took_s : float
        From the question to its answer.
    """
    return min(max(kept_ms, server_ms), server_ms + 1_000 * took_s)
