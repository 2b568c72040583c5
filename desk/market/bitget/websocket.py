"""A websocket that stays up.

Place in the house: between ``desk.market.feed.stream``, ``desk.market.bitget.account.stream`` and the
network.  An address comes in, and what to say when the line is open; every text that is heard goes out.

The rules of the exchange that are kept here: the text ``ping`` every 25 s, or it hangs up after two minutes
even while data flow; at most 10 messages a second; after a line is lost, another try after 1 s, then after
twice as long each time, up to 60 s.  A line on which nothing is heard for 60 s, not even ``pong``, is dead
and dropped.

Not here: what the texts mean.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from desk.errors import AccountError, ExchangeError, Unanswered
from desk.market.bitget.throttle import Throttle
from desk.ports import Clock
from desk.retry import Backoff

PING_EVERY_S, DEAD_AFTER_S = 25.0, 60.0
RECONNECT = Backoff(1.0, 60.0)
MESSAGES_PER_SECOND = 8.0
"""The exchange counts to 10 and hangs up."""
LONGEST_MESSAGE = 4_000_000
"""Bytes; a snapshot of 500 candles has 60 thousand."""

Result = TypeVar("Result")
Say = Callable[[str], Awaitable[None]]
log = logging.getLogger(__name__)


class _LineLostError(Exception):
    """The line is gone."""


class WebsocketConnection:
    """One websocket, opened again whenever it is lost.

    Parameters
    ----------
    url : str
        With its path.
    greet : callable
        Awaited when the line is open, with a function that sends a text; an ``ExchangeError`` drops the line,
        and of these ``AccountError`` ends ``run``.
    hear : callable
        Given every text but ``pong``; its errors do the same.
    lost : callable
        Told why, each time the line is lost or cannot be opened.
    """

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession,
        clock: Clock,
        greet: Callable[[Say], Awaitable[None]],
        hear: Callable[[str], None],
        lost: Callable[[str], None],
    ) -> None:
        self._url = url
        self._session = session
        self._clock = clock
        self._greet = greet
        self._hear = hear
        self._lost = lost
        self._heard = 0.0

    async def run(self) -> None:
        """Keep the line up until cancelled.

        Raises
        ------
        AccountError
            If the exchange will never listen to this key.
        """
        failures = 0
        while True:
            opened = self._clock.monotonic()
            why = await self._once()
            self._lost(why)
            lasted = self._clock.monotonic() - opened
            failures = 1 if lasted > RECONNECT.longest_s else failures + 1
            wait = RECONNECT.wait_s(failures)
            log.warning("%s: %s; opened again in %.0f s", self._url, why, wait)
            await self._clock.sleep(wait)

    async def _once(self) -> str:
        """Open the line and stay on it; why it was lost."""
        try:
            async with self._session.ws_connect(
                self._url,
                max_msg_size=LONGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            ) as socket:
                return await self._talk(socket)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            return f"cannot be opened: {type(exc).__name__} {exc}"

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        pace = Throttle(
            per_second=MESSAGES_PER_SECOND, in_flight=1, pause_s=RECONNECT.longest_s, clock=self._clock
        )

        async def say(text: str) -> None:
            async with pace.slot(self._url):
                await socket.send_str(text)

        self._heard = self._clock.monotonic()
        reasons: list[str] = []
        refusal: list[AccountError] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket))
                tasks.create_task(self._ping(say))
                tasks.create_task(_as_coroutine(self._greet(say)))
        except* AccountError as group:
            refusal.extend(one for one in group.exceptions if isinstance(one, AccountError))
        except* (_LineLostError, ExchangeError, aiohttp.ClientError, OSError) as group:
            reasons.extend(str(one) or type(one).__name__ for one in group.exceptions)
        if refusal:
            raise refusal[0]
        return "lost: " + "; ".join(reasons)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self._heard = self._clock.monotonic()
            if message.type is aiohttp.WSMsgType.TEXT and message.data != "pong":
                self._hear(message.data)
        raise _LineLostError(f"hung up with code {socket.close_code}")

    async def _ping(self, say: Say) -> None:
        while True:
            await self._clock.sleep(PING_EVERY_S)
            silence = self._clock.monotonic() - self._heard
            if silence > DEAD_AFTER_S:
                raise _LineLostError(f"nothing heard for {silence:.0f} s")
            await say("ping")


async def within(clock: Clock, seconds: float, waited_for: Awaitable[Result], *, endpoint: str) -> Result:
    """What ``waited_for`` gives, within ``seconds`` of ``clock``.

    Raises
    ------
    Unanswered
        If it takes longer.
    """
    task = asyncio.ensure_future(waited_for)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Unanswered(f"no answer within {seconds:g} s", endpoint=endpoint)
        return task.result()
    finally:
        task.cancel()
        alarm.cancel()


async def _as_coroutine(awaited: Awaitable[None]) -> None:
    await awaited
