"""Who may send a request now: a pace per endpoint and over all, pauses, and a cap on requests in flight.

Place in the house: under ``desk.market.bitget.transport``.  An endpoint's path comes in; permission comes
out, as late as it must be.  Time is asked of the ``Clock`` that was handed in.

The pace is a leaky bucket with the memory of half a step (the generic cell rate algorithm): requests leave
1/rate apart; one that is late by less than half a step doesn't delay those after it.  At 18 per second no
window of one second ever holds more than 19, and the exchange counts to 20.

An endpoint that is counted to one a second has no such slack: two requests that leave a second apart
arrive closer together where the first had the longer way.  Below ``SLOW`` requests a second nothing is made
up for, and a step is counted from the answer to the request before, which is later than its arrival; where no
answer comes, the next one leaves after two steps.

The cap follows Little's law: an endpoint that is asked ``rate`` times a second and answers after ``latency``
seconds needs rate × latency requests in flight.  It may have twice as many and some more, so that slow
answers do not idle the pace and quick ones do not pile up.  Over all endpoints ``in_flight`` is never
exceeded.

Not here: which responses cause a pause (``desk.market.bitget.transport``), retry (``desk.retry``).
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from desk.errors import Throttled
from desk.ports import Clock
from desk.retry import Backoff

LATE_STEPS = 0.5
"""How late a request may be, in steps of 1/rate, without delaying those after it."""
SLOW = 2.0
"""Requests per second below which a pace has no slack, and counts from answers."""
SLOWER, SLOWEST = 4 / 3, 4.0
"""After a 429 the step grows by ``SLOWER``, up to ``SLOWEST`` times the set one."""
RECOVERY = 0.9995
"""With each request a slowed step shrinks by this factor: about 600 requests undo one 429."""
LONGEST_PAUSE_S = 60.0
PER_SECOND_OVER_ALL = 95.0
"""Over all endpoints: 5,700 a minute.  The exchange counts to 6,000 and then refuses for five minutes."""
FULL_S = 0.25
"""Wait where the exchange reports that no call is left: a quarter of the second that it counts in."""
HEADROOM, SPARE = 2.0, 4
"""An endpoint may have twice the requests in flight that its pace needs, and four more, which may hang."""
MEMORY = 0.05
"""Weight of the newest request in the mean time that requests take."""


class Throttle:
    """Pace, pauses and cap of every endpoint of an address, and one pace and one cap over all of them.

    Parameters
    ----------
    per_second : float
        Usual requests per second and endpoint; 0 means no pacing, of all of them together neither.
    in_flight : int
        Most requests at once, over all endpoints.
    pause_s : float
        First pause of an endpoint after HTTP 429.
    """

    def __init__(self, *, per_second: float, in_flight: int, pause_s: float, clock: Clock) -> None:
        self._per_second = per_second
        self._most = in_flight
        self._places = asyncio.Semaphore(in_flight)
        self._pause = Backoff(pause_s, max(LONGEST_PAUSE_S, pause_s))
        self._clock = clock
        self._over_all = _Pace(1 / PER_SECOND_OVER_ALL if per_second else 0.0)
        self._endpoints: dict[str, _Endpoint] = {}

    @asynccontextmanager
    async def slot(
        self, endpoint: str, *, per_second: float | None = None, within_s: float = math.inf
    ) -> AsyncIterator[float]:
        """Wait for permission to send, first come first served; yields the time of sending (monotonic, s).

        Parameters
        ----------
        endpoint : str
            Its path.
        per_second : float, optional
            Pace of an endpoint that has one of its own; its first request sets it.
        within_s : float
            Longest wait that is of use.

        Raises
        ------
        Throttled
            As soon as it is known that the turn would come later than that.
        """
        gate = self._gate(endpoint, per_second)
        queued = self._clock.monotonic()
        async with gate.turn:
            while True:
                while (wait := self._wait(gate)) > 0:
                    waited = self._clock.monotonic() - queued
                    if waited + wait > within_s:
                        raise Throttled(
                            f"not sent: its turn would come after {waited + wait:.0f} s", endpoint=endpoint
                        )
                    await self._clock.sleep(wait)
                await gate.place()
                await self._places.acquire()
                if self._wait(gate) <= 0:
                    break
                self._places.release()  # a pause began while this one waited for its place
            sent = self._clock.monotonic()
            gate.leave(sent)
            self._over_all.take(sent)
        try:
            yield sent
        finally:
            gate.back(sent, self._clock.monotonic())
            self._places.release()

    def refused(self, endpoint: str, sent: float) -> None:
        """Pause ``endpoint``, because a request that was sent at ``sent`` was answered with "later".

        All requests that were in flight then cause one pause together, not one each.
        """
        self._gate(endpoint).refused(sent, self._clock.monotonic())

    def answered(self, endpoint: str, sent: float, *, left: int | None = None) -> None:
        """Note that a request sent at ``sent`` was let through: the next pause is a first one again.

        Parameters
        ----------
        endpoint : str
            Its path.
        sent : float
            As ``slot`` yielded it.
        left : int, optional
            How many more calls the exchange would accept now, where it reports that.  Another program at the
            same address may have used up what the pace here leaves.
        """
        self._gate(endpoint).answered(sent)
        if left is not None and left <= 0:
            self._gate(endpoint).full(sent, self._clock.monotonic())

    def cap(self, endpoint: str) -> int:
        """Most requests that ``endpoint`` may have in flight now."""
        return self._gate(endpoint).cap

    def _wait(self, gate: "_Endpoint") -> float:
        """Seconds until a request may leave through ``gate``; at most 0 when it may leave now."""
        now = self._clock.monotonic()
        return max(gate.wait(now), self._over_all.wait(now))

    def _gate(self, endpoint: str, per_second: float | None = None) -> "_Endpoint":
        if endpoint not in self._endpoints:
            pace = self._per_second if per_second is None else per_second
            self._endpoints[endpoint] = _Endpoint(pace, self._most, self._pause)
        return self._endpoints[endpoint]


class _Pace:
    """Requests ``step`` seconds apart; times are monotonic seconds."""

    def __init__(self, step: float) -> None:
        self.step = step
        self._next = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next request may leave."""
        late = 0.0 if self._is_slow else LATE_STEPS * self.step
        return self._next - late - now

    def take(self, now: float) -> None:
        """Count a request that leaves at ``now``."""
        self._next = max(self._next, now) + self.step * (2 if self._is_slow else 1)

    def answered(self, now: float) -> None:
        """Count from an answer that arrives at ``now``, where that is sooner than without one."""
        if self._is_slow:
            self._next = min(self._next, now + self.step)

    @property
    def _is_slow(self) -> bool:
        return self.step * SLOW > 1


class _Endpoint:
    """Pace, pause and cap of one endpoint; times are monotonic seconds."""

    def __init__(self, per_second: float, most: int, pause: Backoff) -> None:
        self.turn = asyncio.Lock()
        self.cap = most
        self._most = most
        self._per_second = per_second
        self._fastest = 1 / per_second if per_second else 0.0
        self._pace = _Pace(self._fastest)
        self._in_flight = 0
        self._came_back = asyncio.Event()
        self._took: float | None = None
        self._paused_from = self._paused_until = float("-inf")
        self._pause = pause
        self._pauses = 0
        self._full_from = self._full_until = float("-inf")

    def wait(self, now: float) -> float:
        return max(self._pace.wait(now), self._paused_until - now, self._full_until - now)

    async def place(self) -> None:
        """Wait until fewer than ``cap`` requests are in flight; only who has the turn waits."""
        while self._in_flight >= self.cap:
            self._came_back.clear()
            await self._came_back.wait()

    def leave(self, now: float) -> None:
        """Count a request that leaves at ``now``."""
        self._pace.step = max(self._fastest, self._pace.step * RECOVERY)
        self._pace.take(now)
        self._in_flight += 1

    def back(self, sent: float, now: float) -> None:
        """Count a request that is over, answered or not, and learn from it how many are needed in flight."""
        took = now - sent
        self._in_flight -= 1
        self._came_back.set()
        self._pace.answered(now)
        self._took = took if self._took is None else self._took + MEMORY * (took - self._took)
        if self._per_second:
            self.cap = min(math.ceil(HEADROOM * self._per_second * self._took) + SPARE, self._most)

    def refused(self, sent: float, now: float) -> None:
        if sent <= self._paused_from:
            return
        self._pauses += 1
        self._paused_from, self._paused_until = now, now + self._pause.wait_s(self._pauses)
        self._pace.step = min(self._pace.step * SLOWER, self._fastest * SLOWEST)

    def answered(self, sent: float) -> None:
        if sent >= self._paused_until:
            self._pauses = 0

    def full(self, sent: float, now: float) -> None:
        """Send nothing for ``FULL_S``; answers to what was sent before that began do not prolong it."""
        if sent > self._full_from:
            self._full_from, self._full_until = now, now + FULL_S
