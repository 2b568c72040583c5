"""Rate limits of the embedded exchange.

Place in the house: the market, inside the emulator.  The server calls it once per request, with the
time; no clock is read here.

Every limit is a sliding window: a request is admitted if fewer than ``limit`` requests were admitted
in the second (or minute) before it, so a burst of 20 at once is served and the 21st is not.  Refused
requests do not count.  That is stricter than the real exchange, which was seen to admit single bursts of 28.
"""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

SECOND: Final = 1.0
MINUTE: Final = 60.0
PENALTY_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request is admitted, and how many more this endpoint would admit now (None: no limit)."""

    admitted: bool
    left: int | None


class RequestWindow:
    """Requests admitted in the last ``seconds``."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._admitted: deque[float] = deque()

    def left(self, now: float) -> int:
        """Count what may still be admitted at ``now`` (monotonic seconds)."""
        while self._admitted and self._admitted[0] <= now - self._seconds:
            self._admitted.popleft()
        return self._limit - len(self._admitted)

    def count(self, now: float) -> None:
        """Count a request that was admitted at ``now``."""
        self._admitted.append(now)


class RateLimiter:
    """The two limits on public requests: per second, endpoint and address; per minute and address.

    Parameters
    ----------
    per_second : int
        Requests per second, endpoint and address; 0: no limits at all.
    per_minute : int
        Requests per minute and address over all endpoints; 0: no such limit.
    penalty : bool
        Whether an address that met the minute limit is refused for ``PENALTY_S``.
    """

    def __init__(self, *, per_second: int, per_minute: int, penalty: bool) -> None:
        self._per_second = per_second
        self._penalty = penalty
        self._checks_minutes = per_second > 0 and per_minute > 0
        self._seconds: dict[tuple[str, str], RequestWindow] = {}
        self._minutes: defaultdict[str, RequestWindow] = defaultdict(
            lambda: RequestWindow(per_minute, MINUTE)
        )
        self._banned_until: dict[str, float] = {}

    def admit(self, *, endpoint: str, address: str, now: float, per_second: int | None = None) -> Admission:
        """Decide whether one request is admitted.

        Parameters
        ----------
        endpoint : str
            Path.
        address : str
            Address of the client; for private endpoints its key.
        now : float
            Monotonic seconds.
        per_second : int or None
            Limit of a private endpoint; None: the limit of public ones.
        """
        if not self._per_second:
            return Admission(admitted=True, left=None)
        if now < self._banned_until.get(address, now):
            return Admission(admitted=False, left=0)
        if self._checks_minutes and not self._minutes[address].left(now):
            if self._penalty:
                self._banned_until[address] = now + PENALTY_S
            return Admission(admitted=False, left=0)
        window = self._seconds.setdefault(
            (endpoint, address), RequestWindow(per_second or self._per_second, SECOND)
        )
        left = window.left(now)
        if not left:
            return Admission(admitted=False, left=0)
        window.count(now)
        if self._checks_minutes:
            self._minutes[address].count(now)
        return Admission(admitted=True, left=left - 1)
