"""What an account hears unasked: Bitget's private websocket.

Place in the house: ``desk.market.bitget.account.account`` asks for pushes; ``desk.market.bitget.websocket``
keeps the line up.  What is said on it differs by kind of account: a ``StreamDialect`` knows.

Each time the line is open, the key logs in, the channels are opened, and a push says ``reconnected``:
whatever happened before must be asked for.  That includes the first time, because something may have happened
between the caller's first look and the first word.  A text that cannot be read, and a listener who falls too
far behind, lead to the same push.

Not here: what is read by REST.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from desk.errors import AccountError, DeskError, Unanswered
from desk.market.bitget.account.messages import (
    BAD_KEY,
    ErrorMessage,
    LoggedIn,
    PositionsChanged,
    Received,
    Subscribed,
    UnreadableMessage,
)
from desk.market.bitget.account.secrecy import NOT_SHOWN, Secrets
from desk.market.bitget.account.signing import Credentials, login_message
from desk.market.bitget.codes import WRONG_KEY, meaning_of, refusal
from desk.market.bitget.transport import DEMO
from desk.market.bitget.websocket import Send, UnreadableCount, WebsocketConnection, within
from desk.market.settings import LinkSettings
from desk.orders import AccountUpdate, Position
from desk.ports import Clock

Positions = tuple[Position, ...]
ANSWER_WITHIN_S = 10.0
SILENT_AFTER_S, LOOK_S = 60.0, 5.0
"""So long without an open line the listener is left, and how often that is looked at."""
MOST_WAITING = 1_000
"""Pushes that nobody has taken yet; more are dropped, and reported as missed."""
NOTHING = AccountUpdate()
"""Wakes the listener, and is not handed out."""


@dataclass(frozen=True, slots=True)
class StreamDialect:
    """How one kind of account is listened to."""

    path: str
    """``/v2/ws/private``."""
    channels: frozenset[str]
    """All must be open before anything counts as listened to."""
    subscription: str
    """The message that opens them."""
    read: Callable[[str], tuple[Received, ...]]
    """Reads one text."""


class PrivateStream:
    """Pushes of one account.

    Parameters
    ----------
    settings : LinkSettings
    credentials : Credentials
    dialect : StreamDialect
    clock : Clock
    """

    def __init__(
        self, settings: LinkSettings, credentials: Credentials, dialect: StreamDialect, *, clock: Clock
    ) -> None:
        self._url = settings.ws_url.rstrip("/") + dialect.path
        self._dialect = dialect
        self._proxy = settings.proxy
        self._headers = DEMO if settings.demo else {}
        self._secrets = Secrets(credentials)
        self._signed = ""
        self._unreadable = UnreadableCount(dialect.path, clock)
        self._credentials = credentials
        self._clock = clock
        self._waiting: asyncio.Queue[AccountUpdate | PositionsChanged] = asyncio.Queue()
        self._missed = False
        self._positions_wait = False
        self._let_in = asyncio.Event()
        self._open: set[str] = set()
        self._all_open = asyncio.Event()
        self._ended = False

    async def pushes(
        self, session: aiohttp.ClientSession, *, server_time: Callable[[], Awaitable[int]]
    ) -> AsyncIterator[AccountUpdate | PositionsChanged]:
        """What is pushed, for as long as the caller listens, or until ``end``.

        Parameters
        ----------
        server_time : callable
            Asks for the exchange's time, in ms: a login is signed with it.

        Raises
        ------
        AccountError
            If the key is not let in.
        Unanswered
            If the line is not open for a minute.
        """

        async def log_in(send: Send) -> None:
            self._let_in.clear()
            self._all_open.clear()
            self._open.clear()
            now = await server_time()
            login = login_message(self._credentials, timestamp=now // 1000)
            self._signed = str(json.loads(login)["args"][0]["sign"])
            await send(login)
            await within(self._clock, ANSWER_WITHIN_S, self._let_in.wait(), endpoint=self._dialect.path)
            await send(self._dialect.subscription)
            await within(self._clock, ANSWER_WITHIN_S, self._all_open.wait(), endpoint=self._dialect.path)
            self._miss()

        line = WebsocketConnection(
            self._url,
            session=session,
            proxy=self._proxy,
            clock=self._clock,
            on_open=log_in,
            on_message=self._receive,
            headers=self._headers,
        )
        running = asyncio.ensure_future(line.run())
        watching = asyncio.ensure_future(self._until_lost(line))
        for task in (running, watching):
            task.add_done_callback(lambda _: self._waiting.put_nowait(NOTHING))  # wakes who waits for a push
        try:
            while True:
                push = await self._waiting.get()
                for task in (running, watching):
                    if task.done():
                        task.result()
                if self._ended:
                    return
                if isinstance(push, PositionsChanged):
                    self._positions_wait = False
                if push != NOTHING:
                    yield push
                if self._missed and self._waiting.empty():
                    self._missed = False
                    yield AccountUpdate(reconnected=True)
        finally:
            running.cancel()
            watching.cancel()
            await asyncio.gather(running, watching, return_exceptions=True)

    def end(self) -> None:
        """Let ``pushes`` come to its end."""
        self._ended = True
        self._waiting.put_nowait(NOTHING)

    async def _until_lost(self, line: WebsocketConnection) -> None:
        """Wait until the line has not been open, with all its channels, for too long."""
        open_at = self._clock.monotonic()
        while self._clock.monotonic() - open_at <= SILENT_AFTER_S:
            await self._clock.sleep(LOOK_S)
            if line.is_open and self._all_open.is_set():
                open_at = self._clock.monotonic()
        raise Unanswered("the websocket of the account cannot be opened", endpoint=self._dialect.path)

    def _receive(self, text: str) -> None:
        troubles: list[UnreadableMessage | ErrorMessage] = []
        for received in self._dialect.read(text):
            if isinstance(received, UnreadableMessage | ErrorMessage):
                troubles.append(received)
            else:
                self._take(received)
        if troubles:
            # One search of the text, however many of its rows cannot be read.
            self._complain(troubles[0], hidden=self._secrets.quoted_in(text, signed=self._signed))

    def _complain(self, received: UnreadableMessage | ErrorMessage, *, hidden: bool) -> None:
        """Count an unreadable message, or drop the line for an error; ``hidden``: it quotes the key."""
        if isinstance(received, UnreadableMessage):
            self._unreadable.add(NOT_SHOWN if hidden else received.why)
            self._miss()
        elif received.code in BAD_KEY:
            raise AccountError(WRONG_KEY, endpoint=self._dialect.path, code=received.code)
        elif meaning_of(received.code) == "account":
            raise refusal("", endpoint=self._dialect.path, code=received.code)
        else:
            code = NOT_SHOWN if hidden else f"code {received.code}"
            raise Unanswered(f"the exchange complains ({code})", endpoint=self._dialect.path)

    def _take(self, received: LoggedIn | Subscribed | AccountUpdate | PositionsChanged) -> None:
        if isinstance(received, AccountUpdate | PositionsChanged):
            self._queue(received)
        elif isinstance(received, LoggedIn):
            self._let_in.set()
        elif received.channel in self._dialect.channels:
            self._open.add(received.channel)
            if self._open >= self._dialect.channels:
                self._all_open.set()

    def _queue(self, push: AccountUpdate | PositionsChanged) -> None:
        if self._waiting.qsize() >= MOST_WAITING:
            self._missed = True
        elif not (isinstance(push, PositionsChanged) and self._positions_wait):
            self._positions_wait |= isinstance(push, PositionsChanged)
            self._waiting.put_nowait(push)

    def _miss(self) -> None:
        """Something was not received; that is reported once, after all that was."""
        if not self._missed:
            self._missed = True
            self._waiting.put_nowait(NOTHING)


async def account_updates(
    pushes: AsyncIterator[AccountUpdate | PositionsChanged],
    read_positions: Callable[[], Awaitable[Positions]],
) -> AsyncIterator[AccountUpdate]:
    """Pushes in which positions are those that were asked for: a push of positions is a sign to ask.

    Parameters
    ----------
    pushes : async iterator
        See ``PrivateStream.pushes``.
    read_positions : callable
        Asks for all positions with their stops; where that fails, a push says that something was missed.
    """
    async for push in pushes:
        if not isinstance(push, PositionsChanged):
            yield push
            continue
        try:
            yield AccountUpdate(positions=await read_positions())
        except DeskError:
            yield AccountUpdate(reconnected=True)
