"""When a candle is finished, although the exchange never reports that.

Place in the house: the rules behind ``desk.market.feed.stream``.  Candle updates of the websocket, rows of
REST and the time come in; events go out, and the newest finished candles stand in a ``CandleWindow``.  Pure:
any sequence of events that a network can produce may be fed in.

A candle of the websocket is finished when an update follows that opens where it ends, in time and in price:
on this exchange the next open is the last close, so another price means that the last update of the candle
was lost.  Where REST shows that none was lost, the price counts for nothing in that symbol until one of its
candles is revised.  Everything else is doubt, and REST settles doubts: a candle that no update followed
within the delay, a hole, a price that does not fit, a finished candle that the websocket reports with other
numbers.  A hole is believed when two responses of REST have it.

Reading order: the events; ``CandleAssembler.receive`` (websocket), ``CandleAssembler.confirm`` (REST),
``CandleAssembler.unconfirmed`` (what to ask REST about), ``CandleAssembler.deadline`` and
``CandleAssembler.silences`` (time).

Not here: connections and requests.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from desk.market.feed.messages import CandleUpdate, CandleUpdates
from desk.market.feed.window import NOT_YET, CandleWindow
from desk.market.history.candles import RawRows, describe_broken
from desk.values import CANDLE_MS, Candles, Hole

COMPARED = 3
"""So many of the newest finished candles are compared when the websocket repeats them."""


@dataclass(frozen=True, slots=True)
class CandleClosed:
    """A candle is finished.  Each is reported once per symbol, in the order of time."""

    symbol: str
    open_time: int
    values: tuple[float, ...]
    """As in ``desk.values.COLUMNS``."""


@dataclass(frozen=True, slots=True)
class CandleDeadline:
    """The moment to decide: every symbol has the candle, or it is not waited for any longer.

    Once per candle, in the order of time.
    """

    open_time: int
    without: tuple[str, ...]
    """Symbols whose candle is missing or in doubt; a late one is still reported by ``CandleClosed``."""


@dataclass(frozen=True, slots=True)
class CandleRevised:
    """The exchange reports a finished candle with other numbers than before; the window has the new ones."""

    symbol: str
    open_time: int
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CandlesAbsent:
    """Candles that are missing from two responses of REST, although later ones are there."""

    symbol: str
    hole: Hole


@dataclass(frozen=True, slots=True)
class SymbolSilent:
    """The websocket has sent nothing about a symbol for too long; reported once per silence."""

    symbol: str
    since: int
    """When its last update was received, server time, ms."""
    why: str
    """The error that the exchange sent instead; "" where it sent none."""


@dataclass(frozen=True, slots=True)
class FeedRestored:
    """A lost connection is back, and REST was asked for what its symbols missed."""

    symbols: tuple[str, ...]
    filled: int
    """Candles that REST filled in."""
    unfilled: tuple[str, ...]
    """Symbols for which REST had no answer; it is asked again."""


FeedEvent = CandleClosed | CandleDeadline | CandleRevised | CandlesAbsent | SymbolSilent | FeedRestored


class CandleAssembler:
    """What is known of every symbol's candles.  Times are server time in ms.

    Parameters
    ----------
    symbols : iterable of str
        In the order of the rows of the window.
    memory : int
        Newest candles kept of each symbol.
    rest_delay_ms, deadline_ms, silent_after_ms : int
        As in ``desk.market.settings.StreamSettings``, in ms.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        memory: int,
        rest_delay_ms: int,
        deadline_ms: int,
        silent_after_ms: int,
    ) -> None:
        self.window = CandleWindow(tuple(symbols), memory=memory)
        self._rest_delay_ms = rest_delay_ms
        self._deadline_ms = deadline_ms
        self._silent_after_ms = silent_after_ms
        self._forming: dict[str, tuple[CandleUpdate, int]] = {}
        self._doubts: set[str] = set()
        self._hole_after: dict[str, int] = {}
        self._price_doubts: dict[str, CandleUpdate] = {}
        """Candles in doubt only because the next open was another price."""
        self._gapping: set[str] = set()
        """Symbols in which the next open need not be the last close."""
        self._last_received: dict[str, int] = {}
        self._silent: set[str] = set()
        self._decided: int | None = None
        """Newest candle whose deadline was reported."""
        self._late_before: set[str] = set()
        """Symbols that were missing at that deadline."""

    def load(self, candles: Candles) -> None:
        """Replace all that is known of a symbol by its newest candles."""
        self.window.load(candles)
        self._doubts.discard(candles.symbol)
        self._hole_after.pop(candles.symbol, None)

    def begin(self, now: int) -> None:
        """Count silence from now on; the first deadline is that of the candle which is forming.

        It does not wait for symbols of which there is no candle at all: perhaps the exchange lacks them.
        """
        self._last_received = dict.fromkeys(self.window.symbols, now)
        self._decided = last_finished(now)
        without = np.flatnonzero(self.window.open_time[:, -1] == NOT_YET)
        self._late_before = {self.window.symbols[row] for row in without.tolist()}

    def receive(self, message: CandleUpdates, now: int) -> list[FeedEvent]:
        """Take updates of one symbol's candles from the websocket; return what they lead to."""
        symbol = message.symbol
        if symbol not in self.window.row:
            return []
        self._last_received[symbol] = now
        self._silent.discard(symbol)
        events: list[FeedEvent] = []
        for update in message.updates:
            if update.open_time % CANDLE_MS or update.open_time > now + CANDLE_MS:
                continue
            newest = self.window.newest(symbol)
            if update.open_time <= newest:
                if update.open_time > newest - COMPARED * CANDLE_MS and self._differs(symbol, update):
                    self._doubts.add(symbol)
                continue
            forming, at = self._forming.get(symbol, (None, 0))
            if forming is None or update.open_time > forming.open_time:
                if forming is not None:
                    events += self._followed(symbol, forming, update)
                self._forming[symbol] = (update, message.at)
            elif update.open_time == forming.open_time and message.at >= at:
                self._forming[symbol] = (update, message.at)
        return events

    def confirm(self, symbol: str, rows: RawRows, now: int) -> list[FeedEvent]:
        """Take finished candles of a symbol from REST, which is right where the websocket differs.

        Candles with other numbers are revised.  Doubts last until REST has the newest candle that was closed:
        right after its end it may not have it yet.

        Parameters
        ----------
        symbol : str
            One of the symbols of the window.
        rows : RawRows
            Increasing and checked.
        now : int
            Candles that are not finished then are left out.

        Returns
        -------
        list of FeedEvent
            What the rows lead to, in the order of time.
        """
        events: list[FeedEvent] = []
        before = newest = self.window.newest(symbol)
        for place, open_time in enumerate(rows.open_time.tolist()):
            if open_time + CANDLE_MS > now:
                break
            values = tuple(rows.values[:, place].tolist())
            if open_time <= newest:
                events += self._compared(symbol, open_time, values)
                continue
            if newest != NOT_YET and open_time > newest + CANDLE_MS:
                if self._hole_after.get(symbol) != newest:
                    self._hole_after[symbol] = newest
                    self._doubts.add(symbol)
                    return events
                missing = (open_time - newest) // CANDLE_MS - 1
                events.append(CandlesAbsent(symbol, Hole(newest + CANDLE_MS, missing)))
            events.append(self._appended(symbol, open_time, values))
            newest = open_time
        self._hole_after.pop(symbol, None)
        if len(rows) and rows.open_time[-1] >= before:
            self._doubts.discard(symbol)
        return events

    def refuse(self, symbol: str, why: str) -> SymbolSilent:
        """Mark a symbol as silent because the exchange refused its subscription."""
        self._silent.add(symbol)
        return SymbolSilent(symbol, self._last_received.get(symbol, 0), why)

    def unconfirmed(self, now: int) -> tuple[str, ...]:
        """Symbols that REST must be asked about now."""
        last = last_finished(now)
        expected = last if now >= last + CANDLE_MS + self._rest_delay_ms else last - CANDLE_MS
        late = np.flatnonzero(self.window.open_time[:, -1] < expected)
        return tuple(sorted(self._doubts | {self.window.symbols[row] for row in late.tolist()}))

    @property
    def in_doubt(self) -> Collection[str]:
        """Symbols whose newest candles may have other numbers than the window."""
        return self._doubts

    def deadline(self, now: int) -> list[FeedEvent]:
        """Report the newest finished candle as soon as no symbol needs to be waited for any longer.

        Waited for are symbols whose candle has not arrived, or is in doubt.  A symbol that was missing at the
        last deadline and still has not that candle is not waited for: one dead symbol would make every
        decision late.
        """
        last = last_finished(now)
        if self._decided is None or last <= self._decided:
            return []
        newest = self.window.open_time[:, -1]
        late = {self.window.symbols[row] for row in np.flatnonzero(newest < last).tolist()} | self._doubts
        behind = {self.window.symbols[row] for row in np.flatnonzero(newest < last - CANDLE_MS).tolist()}
        hopeless = (behind | self._doubts) & self._late_before
        somebody = len(hopeless) < len(self.window.symbols)
        if late - (hopeless if somebody else set()) and now < last + CANDLE_MS + self._deadline_ms:
            return []
        self._decided, self._late_before = last, late
        return [CandleDeadline(last, tuple(sorted(late)))]

    def silences(self, now: int) -> list[FeedEvent]:
        """Symbols that have just become silent."""
        fresh = {
            symbol: since
            for symbol, since in self._last_received.items()
            if now - since > self._silent_after_ms and symbol not in self._silent
        }
        self._silent |= set(fresh)
        return [SymbolSilent(symbol, since, "") for symbol, since in fresh.items()]

    def _followed(self, symbol: str, update: CandleUpdate, follower: CandleUpdate) -> list[FeedEvent]:
        """The candle of ``update`` is over; close it if ``update`` surely was its last one."""
        in_turn = (
            update.open_time == self.window.newest(symbol) + CANDLE_MS
            and follower.open_time == update.open_time + CANDLE_MS
            and symbol not in self._doubts
            and not describe_broken(_rows_of(update))
        )
        if in_turn and (follower.values[0] == update.values[3] or symbol in self._gapping):
            return [self._appended(symbol, update.open_time, update.values)]
        if in_turn:
            self._price_doubts[symbol] = update
        self._doubts.add(symbol)
        return []

    def _appended(self, symbol: str, open_time: int, values: tuple[float, ...]) -> CandleClosed:
        self.window.append(symbol, open_time, values)
        if self._price_doubts.pop(symbol, None) == (open_time, values):
            self._gapping.add(symbol)
        forming = self._forming.get(symbol)
        if forming is not None and forming[0].open_time <= open_time:
            del self._forming[symbol]
        return CandleClosed(symbol, open_time, values)

    def _compared(self, symbol: str, open_time: int, values: tuple[float, ...]) -> list[FeedEvent]:
        before = self.window.at(symbol, open_time)
        if before is None or before == values:
            return []
        self.window.revise(symbol, open_time, values)
        self._gapping.discard(symbol)
        return [CandleRevised(symbol, open_time, before, values)]

    def _differs(self, symbol: str, update: CandleUpdate) -> bool:
        known = self.window.at(symbol, update.open_time)
        return known is not None and known != update.values


def last_finished(now: int) -> int:
    """Open time of the newest candle that is finished at ``now``."""
    return now // CANDLE_MS * CANDLE_MS - CANDLE_MS


def _rows_of(update: CandleUpdate) -> RawRows:
    times = np.array([update.open_time], dtype=np.int64)
    return RawRows(times, np.array([update.values], dtype=np.float64).T)
