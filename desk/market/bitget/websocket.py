"""A websocket that stays up.

Place in the house: between ``desk.market.feed.stream``, ``desk.market.bitget.account.stream`` and the
network.  An address and callbacks come in; every text message but ``pong`` goes to a callback.

The rules of the exchange that are kept here: the text ``ping`` every 25 s, or it closes the connection after
two minutes even while data flow; at most 10 messages a second; a lost connection is opened again after 1 s,
then after twice as long each time, up to 60 s.  A connection on which nothing is received for 60 s, not even
``pong``, is dead and is dropped.

Not here: what the messages mean.

References
----------
``docs/bitget.md``, section 10 (rules of the websocket).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import aiohttp

from desk.addresses import through_proxy
from desk.errors import AccountError, ExchangeError, Unanswered
from desk.market.bitget.throttle import Throttle
from desk.ports import Clock
from desk.retry import Backoff
from desk.safe_text import safe_text

PING_EVERY_S, DEAD_AFTER_S = 25.0, 60.0
RECONNECT = Backoff(1.0, 60.0)
MESSAGES_PER_SECOND = 8.0
"""The exchange closes the connection after 10."""
LONGEST_MESSAGE = 4_000_000
"""Bytes; a snapshot of 500 candles has 60 thousand."""
CLOSE_WITHIN_S = 2.0
"""How long a goodbye may take; aiohttp itself waits for as long as the other side goes on talking."""
TURN = 100
"""Messages in a row that are taken before everything else has its turn."""

COMPLAIN_EVERY_S = 60.0
"""Between two lines of the log about messages of one connection that cannot be read."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

Result = TypeVar("Result")
Send = Callable[[str], Awaitable[None]]
log = logging.getLogger(__name__)


class _ConnectionLostError(Exception):
    """The connection is gone."""


@contextlib.asynccontextmanager
async def open_socket(
    session: aiohttp.ClientSession, url: str, *, proxy: str, headers: Mapping[str, str] = NO_HEADERS
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Open a websocket for the block; it is closed within ``CLOSE_WITHIN_S``, whatever the other side does.

    Parameters
    ----------
    session : aiohttp.ClientSession
        Of ``desk.market.bitget.transport.http_session``.
    url : str
        With its path.
    proxy : str
        As ``RestTransport`` has it.
    headers : mapping
        Sent besides the usual ones.
    """
    socket = await session.ws_connect(
        url,
        headers=headers,
        max_msg_size=LONGEST_MESSAGE,
        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        **through_proxy(proxy, url),
    )
    try:
        yield socket
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await socket.close()


class UnreadableCount:
    """Complaints about the messages of one address: the first is logged, more are counted for a minute.

    Thousands of messages a second would fill the disk otherwise.

    Parameters
    ----------
    path : str
        Of the address, for the log.
    clock : Clock
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._quiet_until = float("-inf")
        self.unlogged = 0
        """Complaints since the last line."""

    def add(self, why: str) -> None:
        """Complain about one message."""
        if self._clock.monotonic() < self._quiet_until:
            self.unlogged += 1
            return
        more = f" (and {self.unlogged:,} more since the last line)" if self.unlogged else ""
        log.warning("%s: a message cannot be read: %s%s", self._path, safe_text(why), more)
        self._quiet_until, self.unlogged = self._clock.monotonic() + COMPLAIN_EVERY_S, 0


class WebsocketConnection:
    """One websocket, opened again whenever it is lost.

    Parameters
    ----------
    url : str
        With its path.
    session : aiohttp.ClientSession
        Open, of ``desk.market.bitget.transport.http_session``; its timeout is that of opening a connection.
    proxy : str
        As ``RestTransport`` has it.
    clock : Clock
        Paces pings, messages and reconnects.
    on_open : callable
        Awaited each time the connection is open, with a function that sends a text.  An ``ExchangeError``
        drops the connection, and of these ``AccountError`` ends ``run``.
    on_message : callable
        Called with every text but ``pong``; its errors do the same.
    headers : mapping
        Of the request that opens the connection.
    """

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession,
        proxy: str,
        clock: Clock,
        on_open: Callable[[Send], Awaitable[None]],
        on_message: Callable[[str], None],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self._url = url
        self._headers = headers
        self._session = session
        self._proxy = proxy
        self._clock = clock
        self._on_open = on_open
        self._on_message = on_message
        self._last_received = 0.0
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._is_open

    async def run(self) -> None:
        """Keep the connection up until cancelled.

        Raises
        ------
        AccountError
            If the exchange will never accept this key.
        """
        failures = 0
        while True:
            opened = self._clock.monotonic()
            why = await self._once()
            lasted = self._clock.monotonic() - opened
            failures = 1 if lasted > RECONNECT.longest_s else failures + 1
            wait = RECONNECT.wait_s(failures)
            log.warning("%s: the connection %s; opened again in %.0f s", self._url, why, wait)
            await self._clock.sleep(wait)

    async def _once(self) -> str:
        """Open the connection and stay on it; return why it was lost."""
        try:
            async with open_socket(
                self._session, self._url, proxy=self._proxy, headers=self._headers
            ) as socket:
                self._is_open = True
                return await self._serve(socket)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            return safe_text(f"cannot be opened: {type(exc).__name__} {exc}")
        finally:
            self._is_open = False

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        pace = Throttle(
            per_second=MESSAGES_PER_SECOND, in_flight=1, pause_s=RECONNECT.longest_s, clock=self._clock
        )

        async def send(text: str) -> None:
            async with pace.slot(self._url):
                await socket.send_str(text)

        self._last_received = self._clock.monotonic()
        reasons: list[str] = []
        refusal: list[AccountError] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket))
                tasks.create_task(self._ping(send))
                tasks.create_task(_as_coroutine(self._on_open(send)))
        except* AccountError as group:
            refusal.extend(one for one in group.exceptions if isinstance(one, AccountError))
        except* (_ConnectionLostError, ExchangeError, aiohttp.ClientError, OSError) as group:
            reasons.extend(str(one) or type(one).__name__ for one in group.exceptions)
        if refusal:
            raise refusal[0]
        return "was lost: " + "; ".join(reasons)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        taken = 0
        async for message in socket:
            self._last_received = self._clock.monotonic()
            if message.type is aiohttp.WSMsgType.TEXT and message.data != "pong":
                self._on_message(message.data)
            if (taken := taken + 1) % TURN == 0:
                await asyncio.sleep(0)
        raise _ConnectionLostError(f"closed with code {socket.close_code}")

    async def _ping(self, send: Send) -> None:
        while True:
            await self._clock.sleep(PING_EVERY_S)
            silence = self._clock.monotonic() - self._last_received
            if silence > DEAD_AFTER_S:
                raise _ConnectionLostError(f"nothing was received for {silence:.0f} s")
            # Sending waits while the other side reads nothing, and the silence would never be noticed.
            await within(self._clock, DEAD_AFTER_S, send("ping"), endpoint=self._url)


async def within(clock: Clock, seconds: float, work: Awaitable[Result], *, endpoint: str) -> Result:
    """Await ``work`` with a timeout on ``clock``.

    Parameters
    ----------
    clock : Clock
        Measures the timeout.
    seconds : float
        The timeout.
    work : awaitable
        Cancelled when the timeout passes.
    endpoint : str
        Named in the error.

    Raises
    ------
    Unanswered
        If it takes longer.
    """
    task = asyncio.ensure_future(work)
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
