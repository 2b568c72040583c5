"""The exchange's time, kept by a clock that nobody sets.

Place in the house: foundation.  Whoever asks the exchange for its time hands the answer in; from then on
the machine's monotonic clock counts on from there.  The machine's own time may be set forward or back
meanwhile: it is used only until the first answer.

A machine that sleeps stops its monotonic clock too, and what is kept here lags behind until the exchange is
asked again: ``jump_s`` shows when that is needed.
"""

from desk.ports import Clock

ROUNDING_MS = 0.01
"""Less than that is how floats write a whole number of milliseconds."""


class ServerTime:
    """One exchange's time.

    Parameters
    ----------
    clock : Clock
        Measures what has passed since an answer; before the first one, its wall time counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._server_ms: float | None = None
        self._measured = clock.monotonic()
        self._wall_ahead_s = self._wall_ahead()

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        if self._server_ms is None:
            return self._clock.now_ms()
        passed = 1_000 * (self._clock.monotonic() - self._measured)
        return int(self._server_ms + passed + ROUNDING_MS)

    def set(self, server_ms: float) -> None:
        """Take over the exchange's time as it is now, in ms."""
        self._server_ms = server_ms
        self._measured = self._clock.monotonic()
        self._wall_ahead_s = self._wall_ahead()

    @property
    def jump_s(self) -> float:
        """By how much the machine's wall time was moved against what has passed since the last answer."""
        return self._wall_ahead() - self._wall_ahead_s

    def _wall_ahead(self) -> float:
        return self._clock.now_ms() / 1000 - self._clock.monotonic()
