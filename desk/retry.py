"""Retry of reads: attempts, exponential back-off, a limit on the total time, on a clock that is handed in.

Place in the house: foundation.  A policy, a clock and a read come in; the read's answer goes out, or the
error of its last attempt.  Who retries: the two clients, ``desk.market.bitget.public`` and
``desk.market.bitget.account.rest`` (requests), ``desk.market.bitget.websocket`` (reconnects),
``desk.market.feed.stream`` (questions about one symbol), and everyone who has to wait for an exchange that is
being maintained (``STARTUP``).

Reads only.  An order is never repeated here: see ``desk.trade.sending``, which looks it up first.

Not here: the pace of requests and the pause after HTTP 429 (``desk.market.bitget.throttle``); timeouts of
one attempt (``desk.market.bitget.transport``).
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from desk.errors import Throttled, Unanswered
from desk.ports import Clock

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double: ``first_s`` after the first failure, never more than ``longest_s``."""

    first_s: float
    longest_s: float

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after ``failures`` failures in a row (from 1)."""
        doublings = min(failures - 1, 64)  # beyond that a float of seconds would only overflow
        return min(self.first_s * 2.0**doublings, self.longest_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which errors are worth another attempt, how many attempts, and for how long."""

    attempts: int
    """Most attempts, the first one included."""
    backoff: Backoff
    give_up_after_s: float = float("inf")
    """Seconds from the first attempt after which no other one begins."""
    retry_on: tuple[type[Exception], ...] = (Unanswered, Throttled)
    """Errors after which the read is repeated; every other one passes."""
    paused_by: tuple[type[Exception], ...] = ()
    """Those of them after which the throttle makes the next attempt wait, so that nothing else does."""
    pauses_count: bool = True
    """Whether an attempt that ended in one of ``paused_by`` uses up one of ``attempts``."""

    def waits_s(self) -> Iterator[float]:
        """The waits between all attempts, in seconds: one fewer than there are attempts."""
        return map(self.backoff.wait_s, range(1, self.attempts))


STARTUP: Final = RetryPolicy(attempts=45, backoff=Backoff(1.0, 30.0))
"""For an exchange that does not answer when a session begins: twenty minutes of maintenance."""


class Retry:
    """The attempts of one read.

    Parameters
    ----------
    policy : RetryPolicy
        When to stop.
    clock : Clock
        Measures the total time, and waits.
    subject : str, optional
        What is read, for a line in the log before each wait; without it nothing is logged.
    """

    def __init__(self, policy: RetryPolicy, *, clock: Clock, subject: str = "") -> None:
        self._policy = policy
        self._clock = clock
        self._subject = subject
        self._began: float | None = None
        self.failures = 0
        """Failed attempts that counted."""

    @property
    def began(self) -> float:
        """When the first attempt began (monotonic, s); infinity before that."""
        return float("inf") if self._began is None else self._began

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first attempt began."""
        return self._clock.monotonic() - self.began

    def begin(self) -> None:
        """Start the time of the first attempt.

        ``call`` does it, unless the read does so itself when its turn in a queue has come.
        """
        if self._began is None:
            self._began = self._clock.monotonic()

    async def call(self, read: Callable[[], Awaitable[Result]], *, queued: bool = False) -> Result:
        """Await ``read()`` until it succeeds or the policy is exhausted.

        Parameters
        ----------
        read : callable
            One attempt; called again for each.
        queued : bool
            Whether ``read`` waits for its turn first and calls ``begin`` after that: the wait then counts
            towards no limit.

        Raises
        ------
        Exception
            The error of the last attempt.
        """
        while True:
            if not queued:
                self.begin()
            try:
                return await read()
            except self._policy.retry_on as exc:
                wait = self._wait_after(exc)
                if wait is None:
                    raise
                if self._subject:
                    log.warning("%s: %s; attempt %d in %g s", self._subject, exc, self.failures + 1, wait)
            if wait:
                await self._clock.sleep(wait)

    def _wait_after(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None if there is none."""
        policy = self._policy
        paused = isinstance(error, policy.paused_by)
        if not paused or policy.pauses_count:
            self.failures += 1
            if self.failures >= policy.attempts:
                return None
        wait = 0.0 if paused else policy.backoff.wait_s(self.failures)
        return None if self.elapsed_s + wait > policy.give_up_after_s else wait
