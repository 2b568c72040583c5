"""When a candle is finished, although the exchange never says so.

Place in the house: the mind of ``desk.market.feed.stream``.  Bars of the websocket, rows of REST and the
time come in; events go out, and the newest finished candles stand in a ``CandleWindow``.  Pure: it can be
told any sequence of events that a network may think of.

A candle of the websocket is finished when a bar follows it that opens where it ends, in time and in price: on
this exchange the next open is the last close, so another price means that the last word of the candle was
missed.  Where REST says that it was not, the price is no sign in that symbol until a candle of it is revised.
Everything else is doubt, and REST settles doubts: a candle that no bar followed within the grace, a
hole, a price that doesn't fit, a finished candle that the websocket tells otherwise.  A hole is believed when
two answers of REST have it.

Reading order: the events; ``CandleAssembler.told`` (websocket), ``CandleAssembler.answered`` (REST),
``CandleAssembler.wanted`` (what to ask), ``CandleAssembler.border`` and ``CandleAssembler.silences``
(time).

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
"""So many finished candles of a websocket frame are compared with what is known."""


@dataclass(frozen=True, slots=True)
class CandleClosed:
    """A candle is finished.  Per symbol each comes once, in the order of time."""

    symbol: str
    open_time: int
    values: tuple[float, ...]
    """As in ``desk.values.COLUMNS``."""


@dataclass(frozen=True, slots=True)
class CandleDeadline:
    """All is known of a candle that can be waited for: the moment to decide.  Once per candle, in order."""

    open_time: int
    without: tuple[str, ...]
    """Symbols whose candle has not come; a late one is still told by ``CandleClosed``."""


@dataclass(frozen=True, slots=True)
class CandleRevised:
    """The exchange tells a finished candle with other numbers than before; the window has the new ones."""

    symbol: str
    open_time: int
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CandlesAbsent:
    """Candles that the exchange was asked for twice and has none of, although later ones are there."""

    symbol: str
    hole: Hole


@dataclass(frozen=True, slots=True)
class SymbolSilent:
    """The websocket has said nothing of a symbol for longer than it should; told once per silence."""

    symbol: str
    since: int
    """When it was last heard, server time, ms."""
    why: str
    """What the exchange said instead; "" where it said nothing."""


@dataclass(frozen=True, slots=True)
class FeedRestored:
    """A lost connection is back, and what its symbols missed was asked for."""

    symbols: tuple[str, ...]
    filled: int
    """Candles that came because of it."""
    unfilled: tuple[str, ...]
    """Symbols that could not be asked about; they are asked again."""


FeedEvent = CandleClosed | CandleDeadline | CandleRevised | CandlesAbsent | SymbolSilent | FeedRestored


class CandleAssembler:
    """What is known of every symbol's candles.  Times are server time in ms."""

    def __init__(
        self, symbols: Iterable[str], *, memory: int, grace_ms: int, border_ms: int, silent_after_ms: int
    ) -> None:
        self.window = CandleWindow(tuple(symbols), memory=memory)
        self._grace_ms = grace_ms
        self._border_ms = border_ms
        self._silent_after_ms = silent_after_ms
        self._forming: dict[str, tuple[CandleUpdate, int]] = {}
        self._doubts: set[str] = set()
        self._suspects: dict[str, int] = {}
        self._questioned: dict[str, CandleUpdate] = {}
        """Bars that were doubted for the next open alone."""
        self._gapping: set[str] = set()
        """Symbols in which the next open need not be the last close."""
        self._heard: dict[str, int] = {}
        self._silent: set[str] = set()
        self._border: int | None = None
        self._left_out: set[str] = set()

    def load(self, candles: Candles) -> None:
        """Begin a symbol with its newest candles, or begin it anew."""
        self.window.load(candles)
        self._doubts.discard(candles.symbol)
        self._suspects.pop(candles.symbol, None)

    def begin(self, now: int) -> None:
        """Count silence from now on; the first border is that of the candle which is forming."""
        self._heard = dict.fromkeys(self.window.symbols, now)
        self._border = last_finished(now)

    def told(self, news: CandleUpdates, now: int) -> list[FeedEvent]:
        """The websocket tells bars of a symbol."""
        symbol = news.symbol
        if symbol not in self.window.row:
            return []
        self._heard[symbol] = now
        self._silent.discard(symbol)
        events: list[FeedEvent] = []
        for bar in news.bars:
            if bar.open_time % CANDLE_MS or bar.open_time > now + CANDLE_MS:
                continue
            newest = self.window.newest(symbol)
            if bar.open_time <= newest:
                if bar.open_time > newest - COMPARED * CANDLE_MS and self._differs(symbol, bar):
                    self._doubts.add(symbol)
                continue
            forming, at = self._forming.get(symbol, (None, 0))
            if forming is None or bar.open_time > forming.open_time:
                if forming is not None:
                    events += self._followed(symbol, forming, bar)
                self._forming[symbol] = (bar, news.at)
            elif bar.open_time == forming.open_time and news.at >= at:
                self._forming[symbol] = (bar, news.at)
        return events

    def answered(self, symbol: str, rows: RawRows, now: int) -> list[FeedEvent]:
        """REST tells finished candles of a symbol, increasing and checked.

        What it says is true: candles that were told otherwise are revised.  Doubts last until it has the
        newest candle that was closed: right after a border it may not have it yet.
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
                if self._suspects.get(symbol) != newest:
                    self._suspects[symbol] = newest
                    self._doubts.add(symbol)
                    return events
                missing = (open_time - newest) // CANDLE_MS - 1
                events.append(CandlesAbsent(symbol, Hole(newest + CANDLE_MS, missing)))
            events.append(self._appended(symbol, open_time, values))
            newest = open_time
        self._suspects.pop(symbol, None)
        if len(rows) and rows.open_time[-1] >= before:
            self._doubts.discard(symbol)
        return events

    def refused(self, symbol: str, why: str) -> SymbolSilent:
        """The exchange will not tell of a symbol on the websocket."""
        self._silent.add(symbol)
        return SymbolSilent(symbol, self._heard.get(symbol, 0), why)

    def wanted(self, now: int) -> tuple[str, ...]:
        """Symbols that REST must be asked about now."""
        last = last_finished(now)
        expected = last if now >= last + CANDLE_MS + self._grace_ms else last - CANDLE_MS
        late = np.flatnonzero(self.window.open_time[:, -1] < expected)
        return tuple(sorted(self._doubts | {self.window.symbols[row] for row in late.tolist()}))

    @property
    def doubted(self) -> Collection[str]:
        """Symbols whose newest candles may be other than they were told."""
        return self._doubts

    def border(self, now: int) -> list[FeedEvent]:
        """The newest border, where nobody needs to wait for it any longer.

        Waited for are those whose candle has not come, or is in doubt.  Who was missing at the last one and
        still has not that candle is not waited for: one dead symbol would make every decision late.
        """
        last = last_finished(now)
        if self._border is None or last <= self._border:
            return []
        newest = self.window.open_time[:, -1]
        late = {self.window.symbols[row] for row in np.flatnonzero(newest < last).tolist()} | self._doubts
        behind = {self.window.symbols[row] for row in np.flatnonzero(newest < last - CANDLE_MS).tolist()}
        hopeless = (behind | self._doubts) & self._left_out
        somebody = len(hopeless) < len(self.window.symbols)
        if late - (hopeless if somebody else set()) and now < last + CANDLE_MS + self._border_ms:
            return []
        self._border, self._left_out = last, late
        return [CandleDeadline(last, tuple(sorted(late)))]

    def silences(self, now: int) -> list[FeedEvent]:
        """Symbols that have just become silent."""
        fresh = {
            symbol: since
            for symbol, since in self._heard.items()
            if now - since > self._silent_after_ms and symbol not in self._silent
        }
        self._silent |= set(fresh)
        return [SymbolSilent(symbol, since, "") for symbol, since in fresh.items()]

    def _followed(self, symbol: str, bar: CandleUpdate, follower: CandleUpdate) -> list[FeedEvent]:
        """``bar`` is over; it is closed if it surely is what it was last told to be."""
        in_turn = (
            bar.open_time == self.window.newest(symbol) + CANDLE_MS
            and follower.open_time == bar.open_time + CANDLE_MS
            and symbol not in self._doubts
            and not describe_broken(_rows_of(bar))
        )
        if in_turn and (follower.values[0] == bar.values[3] or symbol in self._gapping):
            return [self._appended(symbol, bar.open_time, bar.values)]
        if in_turn:
            self._questioned[symbol] = bar
        self._doubts.add(symbol)
        return []

    def _appended(self, symbol: str, open_time: int, values: tuple[float, ...]) -> CandleClosed:
        self.window.append(symbol, open_time, values)
        if self._questioned.pop(symbol, None) == (open_time, values):
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

    def _differs(self, symbol: str, bar: CandleUpdate) -> bool:
        known = self.window.at(symbol, bar.open_time)
        return known is not None and known != bar.values


def last_finished(now: int) -> int:
    """Open time of the newest candle that is finished at ``now``."""
    return now // CANDLE_MS * CANDLE_MS - CANDLE_MS


def _rows_of(bar: CandleUpdate) -> RawRows:
    return RawRows(np.array([bar.open_time], dtype=np.int64), np.array([bar.values], dtype=np.float64).T)
