"""An embedded exchange beside a soak or a test: in a thread of its own, so that what asks it may block."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence

from desk.clock import SystemClock
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.values import Candles

STARTS_WITHIN_S = 10.0
UNPACED = ExchangeOptions(rate_limit=0, minute_limit=0)


@contextlib.contextmanager
def serving(series: Sequence[Candles], options: ExchangeOptions = UNPACED) -> Iterator[EmbeddedExchange]:
    """Serve ``series`` on a loopback port while the block runs.

    Raises
    ------
    TimeoutError
        If it does not listen within ``STARTS_WITHIN_S``.
    """
    exchange = EmbeddedExchange(series, options, clock=SystemClock())
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with exchange:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        if not ready.wait(STARTS_WITHIN_S):
            raise TimeoutError("the embedded exchange did not come up")
        yield exchange
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
