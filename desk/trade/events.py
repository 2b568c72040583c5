"""What happens to a session, one event after the other.

Place in the house: in front of ``desk.trade.session``.  A feed, an exchange's pushes and a clock come in;
``Event``s go out, in the order in which they happen.

Not here: what follows from an event.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from desk.errors import DeskError
from desk.orders import AccountUpdate
from desk.ports import CandleFeed, Clock, Exchange
from desk.values import CandleRound

log = logging.getLogger("desk.trade")
RECONNECT_S = 5.0
"""Pause before a broken stream of pushes is listened to again."""


@dataclass(frozen=True, slots=True)
class TimerEvent:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """The feed of candles has ended; ``None`` is an end in good order."""

    error: BaseException | None


@dataclass(frozen=True, slots=True)
class StreamLost:
    """Pushes are not received for a while: what happened meanwhile has to be asked for."""

    why: str


Event = CandleRound | AccountUpdate | TimerEvent | FeedEnded | StreamLost


async def live_events(
    feed: CandleFeed, exchange: Exchange, clock: Clock, *, look_s: float
) -> AsyncGenerator[Event]:
    """Rounds, pushes and the passing of time, in the order in which they come.

    A timer event is not queued while one waits.  A feed that ends or fails, by whatever defect, gives a
    ``FeedEnded``; a stream of pushes that fails gives a ``StreamLost``, and is listened to again.

    Parameters
    ----------
    feed : CandleFeed
    exchange : Exchange
        Whose pushes are listened to.
    clock : Clock
    look_s : float
        Seconds between two timer events.
    """
    queue: asyncio.Queue[Event] = asyncio.Queue()
    timer_waits, loss_waits = asyncio.Event(), asyncio.Event()

    async def rounds() -> None:
        try:
            async for candles in feed.rounds():
                queue.put_nowait(candles)
        except Exception as exc:
            log.exception("the feed of candles broke")
            queue.put_nowait(FeedEnded(exc))
        else:
            queue.put_nowait(FeedEnded(None))

    async def pushes() -> None:
        while True:
            why = "the stream has ended"
            try:
                async for push in exchange.pushes():
                    queue.put_nowait(push)
            except Exception as exc:  # noqa: BLE001 - as above
                why = str(exc) if isinstance(exc, DeskError) else f"a defect ({type(exc).__name__})"
            await clock.sleep(RECONNECT_S)
            if not loss_waits.is_set():
                loss_waits.set()
                queue.put_nowait(StreamLost(why))

    async def ticks() -> None:
        while True:
            await clock.sleep(look_s)
            if not timer_waits.is_set():
                timer_waits.set()
                queue.put_nowait(TimerEvent())

    tasks = [asyncio.ensure_future(work) for work in (rounds(), pushes(), ticks())]
    try:
        while True:
            event = await queue.get()
            if isinstance(event, TimerEvent):
                timer_waits.clear()
            elif isinstance(event, StreamLost):
                loss_waits.clear()
            yield event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def replayed_events(feed: CandleFeed) -> AsyncGenerator[Event]:
    """Rounds alone: on a simulated clock nothing happens between them."""
    async for candles in feed.rounds():
        yield candles
