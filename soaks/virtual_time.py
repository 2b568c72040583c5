"""An event loop whose time jumps to the next thing that is due as soon as nothing is left to do.

A day of timers then costs what the work in it costs.  Sockets to this very process work as ever: what one end
has sent, the other end finds ready before time moves on.

Not here: what runs on it.  Linux and other systems on which loopback delivers at once.
"""

import asyncio
import os
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

Result = TypeVar("Result")
PATIENCE_S = 0.001
"""Real time between two looks at a thread that works for the loop."""


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing: where nothing is ready, the time that would be waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.at_work = 0
        """Threads that the loop waits for; time stands meanwhile."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready."""
        for _ in range(2):
            if ready := super().select(0):
                return ready
            os.sched_yield()
        if timeout is None:
            return super().select(None)
        while self.at_work and timeout > 0:
            if ready := super().select(PATIENCE_S):
                return ready
        self.passed += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop; its time begins at 0."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Seconds that were waited so far."""
        return self._skipping.passed

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Result], *args: object
    ) -> asyncio.Future[Result]:
        """Hand work to a thread; time stands until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._skipping.at_work += 1
        future.add_done_callback(self._done)
        return future

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """Let the threads end; newer versions of Python wait for that by the loop's time, which stands."""
        self._skipping.at_work += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._skipping.at_work -= 1

    def _done(self, _: asyncio.Future[Any]) -> None:
        self._skipping.at_work -= 1


class VirtualClock:
    """The time of a ``VirtualTimeLoop`` that runs; satisfies ``desk.ports.Clock``."""

    def __init__(self, loop: VirtualTimeLoop, start_ms: int) -> None:
        self._loop = loop
        self._start_ms = start_ms
        self.moved_ms = 0
        """How far a hand has set the time forward."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as the machine has them."""
        return self.true_ms() + self.moved_ms

    def true_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._start_ms + int(self._loop.time() * 1000)

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        await asyncio.sleep(seconds)


def run(main: Callable[[VirtualTimeLoop], Coroutine[Any, Any, Result]]) -> Result:
    """Run ``main`` on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()
        if not isinstance(loop, VirtualTimeLoop):
            raise TypeError(f"the loop is a {type(loop).__name__}")
        return runner.run(main(loop))
