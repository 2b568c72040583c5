"""Candles as they happen.

Place in the house: satisfies ``desk.ports.CandleFeed`` for a session.  Symbols and the public client come in;
rounds of finished candles go out, or every single event where more is wanted.  ``desk.market.feed.closing``
decides when a candle is finished; here are the connections (``desk.market.bitget.websocket``), the requests
to REST, and the clock.

How it runs: one ``candles`` request per symbol fills the window.  Then websockets, each with at most
``per_connection`` symbols, receive updates; what they leave in doubt is requested from REST.  When a
connection is back, all of its symbols are requested.  In the background one symbol after the other is
compared with REST, because the last update of a candle may be lost without a trace.

Not here: what a finished candle leads to.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

import aiohttp

from desk.errors import DataError, Refused, Throttled, Unanswered
from desk.market.bitget.newest import newest_candles
from desk.market.bitget.public import BitgetPublic, Unreachable
from desk.market.bitget.transport import http_session
from desk.market.bitget.websocket import Send, UnreadableCount, WebsocketConnection, within
from desk.market.feed.closing import (
    CandleAssembler,
    CandleClosed,
    CandleDeadline,
    FeedEvent,
    FeedRestored,
    last_finished,
)
from desk.market.feed.event_text import SILENT, event_text, why_absent
from desk.market.feed.messages import (
    Acknowledged,
    CandleUpdates,
    ChannelError,
    read_candle_message,
    subscriptions,
)
from desk.market.feed.window import NOT_YET, CandleWindow
from desk.market.history.candles import broken, finished, merge
from desk.market.history.paging import RECENT, Page
from desk.market.settings import StreamSettings
from desk.ports import Clock
from desk.retry import STARTUP, Backoff, Retry
from desk.server_time import ServerTime
from desk.values import CANDLE_MS, CandleRound

PATH = "/v2/ws/public"
TICK_S = 0.25
"""Between two checks of deadlines, silences and due requests."""
CONFIRM_TIMEOUT_S = 5.0
"""Longest wait for the confirmation of candles that a decision is made on."""
CONFIRM_RETRY_S = 0.3
"""Until REST is asked again for a candle that it does not have yet."""
BACKGROUND_REQUESTS = 8  # at most at once that no decision waits for, which must not queue behind hundreds
COMPARED_ROWS = 12  # finished candles, an hour, that every request to REST compares with the window
REQUEST_BACKOFF = Backoff(1.0, 30.0)
"""Between two requests about the same symbol; each failure doubles the wait."""
WITHOUT_CANDLES_S = 300.0
"""Between two requests about a symbol that has no candles at all."""
HANDSHAKE_TIMEOUT_S = 15.0  # of opening a connection, not of staying on it
JUMP_S, SET_AGAIN_S = 1.0, 10.0
"""The exchange is asked for its time when the machine's has jumped so far, and not more often than that."""
NO_ANSWER = (DataError, Refused, Throttled, Unanswered, Unreachable)
log = logging.getLogger(__name__)


class CandleStream:
    """Finished candles of some symbols as they finish.

    Parameters
    ----------
    symbols : sequence of str
        In the order of the rows of the window.
    market : BitgetPublic
        The public client, open; its throttle sets the pace of the requests to REST.
    ws_url : str
        Websocket address without a path.
    settings : StreamSettings
        Deadlines and sizes.
    clock : Clock
        Measures and waits; the time is the exchange's.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        market: BitgetPublic,
        ws_url: str,
        settings: StreamSettings,
        clock: Clock,
    ) -> None:
        self._symbols = tuple(symbols)
        self._market = market
        self._url = ws_url.rstrip("/") + PATH
        self._settings = settings
        self._clock = clock
        self._time = ServerTime(clock)
        self._next_setting = 0.0
        self._assembler = CandleAssembler(
            self._symbols,
            memory=settings.memory,
            rest_delay_ms=int(settings.rest_delay_s * 1000),
            deadline_ms=int(settings.deadline_s * 1000),
            silent_after_ms=int(settings.silent_after_s * 1000),
        )
        self._events: asyncio.Queue[FeedEvent | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: set[str] = set()
        self._background = asyncio.Semaphore(BACKGROUND_REQUESTS)
        self._next_request: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._last_error: dict[str, str] = {}
        self._received_at = 0.0
        self._refusals: dict[str, str] = {}
        self._unreadable = UnreadableCount(PATH, clock)

    @property
    def window(self) -> CandleWindow:
        """The newest candles; up to date when an event is handed out."""
        return self._assembler.window

    async def rounds(self) -> AsyncGenerator[CandleRound, None]:
        """One round per candle, in the order of time, once all symbols have it or its deadline passed."""
        news: list[str] = []
        async with aclosing(self.events()) as events:
            async for event in events:
                if isinstance(event, CandleDeadline):
                    yield self._round(event.open_time, self._symbols, event.without, tuple(news))
                    news.clear()
                elif not isinstance(event, CandleClosed):
                    news.append(event_text(event))

    async def confirmed(self, symbols: Sequence[str], open_time: int) -> CandleRound:
        """The newest candles of some symbols after REST was asked about them once more.

        A websocket may lose the last update of a candle without a trace, where its price stayed the same.
        """
        sure = await asyncio.gather(*(self._is_confirmed(symbol, open_time) for symbol in symbols))
        unconfirmed = {symbol for symbol, one in zip(symbols, sure, strict=True) if not one}
        return self._round(open_time, symbols, unconfirmed.union(self._assembler.in_doubt))

    async def _is_confirmed(self, symbol: str, open_time: int) -> bool:
        """Ask REST about a symbol that a decision is made on; whether it had that candle in time."""

        async def until_confirmed() -> None:
            while (newest := await self._ask(symbol)) is None or newest < open_time:
                await self._clock.sleep(CONFIRM_RETRY_S)

        with suppress(Unanswered):
            await within(self._clock, CONFIRM_TIMEOUT_S, until_confirmed(), endpoint=PATH)
            return True
        return False

    async def events(self) -> AsyncGenerator[FeedEvent, None]:
        """Everything that happens, for as long as the caller iterates.  To be called once.

        Raises
        ------
        Unreachable, Unanswered, Throttled, Refused, DataError
            If the exchange does not even answer with its time, for twenty minutes.
        """
        startup = replace(STARTUP, retry_on=NO_ANSWER)
        await Retry(startup, clock=self._clock, subject="the feed cannot begin").call(self._begin)
        self._assembler.begin(self._now())
        self._received_at = self._clock.monotonic()
        step = self._settings.per_connection
        parts = [self._symbols[at : at + step] for at in range(0, len(self._symbols), step)]
        async with http_session(timeout_s=HANDSHAKE_TIMEOUT_S) as session:
            try:
                for part in parts:
                    self._start(self._connect(session, part))
                self._start(self._tick())
                if self._settings.audit_s:
                    self._start(self._audit())
                while (event := await self._events.get()) is not None:
                    yield event
                for task in tuple(self._tasks):
                    if task.done():
                        task.result()
            finally:
                tasks = tuple(self._tasks)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    # The connections ---------------------------------------------------------------------------------------

    async def _connect(self, session: aiohttp.ClientSession, symbols: tuple[str, ...]) -> None:
        """Keep one websocket up."""
        opened = 0

        async def subscribe(send: Send) -> None:
            nonlocal opened
            for message in subscriptions(symbols):
                await send(message)
            opened += 1
            if opened > 1:
                await self._restore(symbols)

        await WebsocketConnection(
            self._url,
            session=session,
            proxy=self._market.proxy,
            clock=self._clock,
            on_open=subscribe,
            on_message=self._on_message,
        ).run()

    def _on_message(self, text: str) -> None:
        message = read_candle_message(text)
        if isinstance(message, CandleUpdates):
            now = self._now()
            self._received_at = self._clock.monotonic()
            self._refusals.pop(message.symbol, None)
            self._emit(*self._assembler.receive(message, now), *self._assembler.deadline(now))
        elif isinstance(message, ChannelError):
            if not message.symbol:
                raise Unanswered(f"the exchange reports an error (code {message.code})", endpoint=PATH)
            self._refused(message.symbol, f"{message.message} (code {message.code})")
        elif not isinstance(message, Acknowledged):
            self._unreadable.add(message.why)

    def _refused(self, symbol: str, why: str) -> None:
        """A subscription is refused, which is news when it begins and when it changes."""
        if symbol not in self.window.row:
            self._unreadable.add(f"{symbol} was not subscribed: {why}")
        elif self._refusals.get(symbol) != why:
            self._refusals[symbol] = why
            self._emit(self._assembler.refuse(symbol, why))

    async def _restore(self, symbols: tuple[str, ...]) -> None:
        """Ask REST about everything that a lost connection may have missed."""
        await self._try_to_set_clock()
        before = {symbol: self.window.newest(symbol) for symbol in symbols}
        answered = await asyncio.gather(*map(self._ask_in_background, symbols))
        filled = sum(
            (self.window.newest(symbol) - newest) // CANDLE_MS
            for symbol, newest in before.items()
            if newest != NOT_YET
        )
        unfilled = tuple(symbol for symbol, newest in zip(symbols, answered, strict=True) if newest is None)
        self._emit(FeedRestored(symbols, filled, unfilled))

    async def _begin(self) -> None:
        """Set the clock, and fill the window."""
        await self._set_clock()
        await self._fill(self._symbols)

    # Requests to REST --------------------------------------------------------------------------------

    async def _set_clock(self) -> None:
        """Take the time in the response for the time of the response: late by its way, and never early.

        On a clock that is ahead a candle would count as closed while it is still forming.
        """
        time = await self._market.server_time()
        self._time.set(time)

    async def _try_to_set_clock(self) -> None:
        """Ask for the time again: the machine's was moved, or the machine slept and lags behind."""
        with suppress(*NO_ANSWER):
            await self._set_clock()

    async def _fill(self, symbols: Sequence[str]) -> None:
        """Make the newest candles of ``symbols`` all that is known of them."""
        found = await newest_candles(self._market, symbols, count=self._settings.memory, now=self._now())
        for symbol, candles in found.items():
            if isinstance(candles, str):
                if self._last_error.get(symbol) != candles:
                    log.warning("%s", candles)
                self._last_error[symbol] = candles
            else:
                self._last_error.pop(symbol, None)
                self._assembler.load(candles)

    async def _ask_in_background(self, symbol: str) -> int | None:
        """``_ask`` where no decision waits for the response."""
        async with self._background:
            return await self._ask(symbol)

    async def _ask(self, symbol: str) -> int | None:
        """Ask REST for the newest candles of a symbol; open time of the newest, None without a response."""
        now = self._now()
        last = last_finished(now)
        behind = (last - self.window.newest(symbol)) // CANDLE_MS
        try:
            if behind + COMPARED_ROWS > self._settings.memory:
                await self._fill((symbol,))
                return None if symbol in self._last_error else self.window.newest(symbol)
            page = Page(RECENT, last + CANDLE_MS, max(behind, 0) + COMPARED_ROWS)
            rows = finished(merge([await self._market.candles(symbol, page)]), now)
        except NO_ANSWER as exc:
            self._last_error[symbol] = str(exc)
            return None
        self._last_error.pop(symbol, None)
        rows = rows.where(~broken(rows))
        self._emit(*self._assembler.confirm(symbol, rows, now))
        self._emit(*self._assembler.deadline(self._now()))
        return int(rows.open_time[-1]) if len(rows) else NOT_YET

    async def _settle(self, symbol: str) -> None:
        """Ask REST about a symbol that is in doubt, and set when it may be asked again."""
        try:
            newest = await self._ask_in_background(symbol)
            settled = newest is not None and symbol not in self._assembler.unconfirmed(self._now())
            failures = 0 if settled else self._failures.get(symbol, 0) + 1
            self._failures[symbol] = failures
            wait = REQUEST_BACKOFF.wait_s(max(failures, 1))
            if self.window.newest(symbol) == NOT_YET:
                wait = WITHOUT_CANDLES_S
            self._next_request[symbol] = self._clock.monotonic() + wait
        finally:
            self._asking.discard(symbol)

    async def _tick(self) -> None:
        """Check the time again and again: deadlines, silences, and requests that have become due."""
        while True:
            now = self._now()
            self._emit(*self._assembler.deadline(now), *self._assembler.silences(now))
            moment = self._clock.monotonic()
            if abs(self._time.jump_s) > JUMP_S and self._next_setting <= moment:
                self._next_setting = moment + SET_AGAIN_S
                self._start(self._try_to_set_clock())
            for symbol in self._assembler.unconfirmed(now):
                if symbol not in self._asking and self._next_request.get(symbol, 0.0) <= moment:
                    self._asking.add(symbol)
                    self._start(self._settle(symbol))
            await self._clock.sleep(TICK_S)

    async def _audit(self) -> None:
        """Compare one symbol after the other with REST, and the clock after each turn, until cancelled."""
        while True:
            await self._try_to_set_clock()
            for symbol in self._symbols:
                await self._clock.sleep(self._settings.audit_s)
                if symbol not in self._asking and self.window.newest(symbol) != NOT_YET:
                    await self._ask_in_background(symbol)

    # Inside ------------------------------------------------------------------------------------------

    def _now(self) -> int:
        """Server time, ms."""
        return self._time.now_ms()

    def _emit(self, *events: FeedEvent) -> None:
        for event in events:
            self._events.put_nowait(event)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task is over; one that failed ends the feed."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
        else:
            self._events.put_nowait(None)

    def _round(
        self, open_time: int, among: Sequence[str], without: Collection[str], news: tuple[str, ...] = ()
    ) -> CandleRound:
        ready = self.window.ready(open_time)
        there = [symbol for symbol in among if ready[self.window.row[symbol]] and symbol not in without]
        rows = [self.window.row[symbol] for symbol in there]
        missing = set(among) - set(there)
        return CandleRound(
            open_time=open_time,
            symbols=tuple(there),
            times=self.window.open_time[rows],
            values=self.window.values[rows],
            absent={symbol: self._why_absent(symbol, open_time) for symbol in among if symbol in missing},
            news=news,
            alarms=self._alarms(),
        )

    def _alarms(self) -> tuple[str, ...]:
        """What goes on for long, and is urgent."""
        if self._clock.monotonic() - self._received_at <= self._settings.silent_after_s:
            return ()
        return (SILENT,)

    def _why_absent(self, symbol: str, open_time: int) -> str:
        return why_absent(
            self.window.newest(symbol),
            open_time,
            error=self._last_error.get(symbol, ""),
            in_doubt=symbol in self._assembler.in_doubt,
            count=self.window.count(symbol),
            needed=self._settings.memory,
        )
