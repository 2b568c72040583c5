"""Who may send a request now: a pace per endpoint, pauses, and a cap on requests in flight.

Place in the house: between ``desk.market.bitget`` and the network.  An endpoint's path comes in; permission
comes out, as late as it must be.  Time is asked of the ``Clock`` that was handed in.

The pace is a leaky bucket with the memory of half a step (the generic cell rate algorithm): requests leave
1/rate apart; one that is late by less than half a step doesn't delay those after it.  At 18 per second no
window of one second ever holds more than 19, and the exchange counts to 20.

Not here: which answers cause a pause and which requests are repeated, see ``desk.market.bitget``.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from desk.ports import Clock

LATE_STEPS = 0.5
"""How late a request may be, in steps of 1/rate, without delaying those after it."""
SLOWER, SLOWEST = 4 / 3, 4.0
"""After a 429 the step grows by ``SLOWER``, up to ``SLOWEST`` times the set one."""
RECOVERY = 0.9995
"""With each request a slowed step shrinks by this factor: about 600 requests undo one 429."""
LONGEST_PAUSE_S = 60.0


class Throttle:
    """Pace and pauses of every endpoint, and one cap on requests in flight over all of them.

    Parameters
    ----------
    per_second : float
        Requests per second and endpoint; 0 means no pacing.
    in_flight : int
        Most requests at once, over all endpoints.
    pause_s : float
        First pause of an endpoint that said 429.
    """

    def __init__(self, *, per_second: float, in_flight: int, pause_s: float, clock: Clock) -> None:
        self._step = 1 / per_second if per_second else 0.0
        self._free = asyncio.Semaphore(in_flight)
        self._pause_s = pause_s
        self._clock = clock
        self._endpoints: dict[str, _Endpoint] = {}

    @asynccontextmanager
    async def slot(self, endpoint: str) -> AsyncIterator[float]:
        """Wait for permission to send, first come first served; yields the time of sending (monotonic, s)."""
        gate = self._gate(endpoint)
        async with gate.turn:
            while True:
                while (wait := gate.wait(self._clock.monotonic())) > 0:
                    await self._clock.sleep(wait)
                await self._free.acquire()
                if gate.wait(self._clock.monotonic()) <= 0:
                    break
                self._free.release()  # a pause began while this one waited for its turn in flight
            sent = self._clock.monotonic()
            gate.take(sent)
        try:
            yield sent
        finally:
            self._free.release()

    def refused(self, endpoint: str, sent: float) -> None:
        """Pause ``endpoint``, because a request that was sent at ``sent`` was answered with "later".

        All requests that were in flight then cause one pause together, not one each.
        """
        self._gate(endpoint).refused(sent, self._clock.monotonic(), self._pause_s)

    def answered(self, endpoint: str, sent: float) -> None:
        """Note that a request sent at ``sent`` was let through: the next pause is a first one again."""
        self._gate(endpoint).answered(sent)

    def _gate(self, endpoint: str) -> "_Endpoint":
        return self._endpoints.setdefault(endpoint, _Endpoint(self._step))


class _Endpoint:
    """Pace and pause of one endpoint; times are monotonic seconds."""

    def __init__(self, step: float) -> None:
        self.turn = asyncio.Lock()
        self._fastest = self._step = step
        self._next = float("-inf")
        self._paused_from = self._paused_until = float("-inf")
        self._pauses = 0

    def wait(self, now: float) -> float:
        """Seconds until the next request may leave; at most 0 when it may leave now."""
        return max(self._next - LATE_STEPS * self._step, self._paused_until) - now

    def take(self, now: float) -> None:
        """Count a request that leaves at ``now``."""
        self._step = max(self._fastest, self._step * RECOVERY)
        self._next = max(self._next, now) + self._step

    def refused(self, sent: float, now: float, pause_s: float) -> None:
        if sent <= self._paused_from:
            return
        pause = min(pause_s * 2**self._pauses, max(LONGEST_PAUSE_S, pause_s))
        self._paused_from, self._paused_until = now, now + pause
        self._pauses = min(self._pauses + 1, 16)
        self._step = min(self._step * SLOWER, self._fastest * SLOWEST)

    def answered(self, sent: float) -> None:
        if sent >= self._paused_until:
            self._pauses = 0
