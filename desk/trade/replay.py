"""Stored candles as if they happened now: a clock that is set, a feed that sets it, and the paper's prices.

Place in the house: what ``--replay`` and ``--demo`` run a session on.  ``Candles`` come in; ``CandleRound``s
go out, each at the moment at which its candle closes.

Not here: the exchange that fills orders meanwhile (``desk.market.paper``), and how the outcome is explained
(``desk.trade.explain``).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

import numpy as np

from desk.frames import CANDLE_MS, CandleRound, Candles
from desk.ports import CandleFeed
from desk.trade.forecasting import round_of


@dataclass(slots=True)
class SimulatedClock:
    """Time that stands until it is set, or slept through; satisfies ``desk.ports.Clock``."""

    at: float
    """Milliseconds since 1970-01-01 UTC."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return int(self.at)

    def monotonic(self) -> float:
        """Seconds; they run with the clock."""
        return self.at / 1000

    async def sleep(self, seconds: float) -> None:
        """Be so much later."""
        self.at += seconds * 1000


class ReplayFeed:
    """Stored candles, one round per open time; satisfies ``desk.ports.CandleFeed``.

    Parameters
    ----------
    series : sequence of Candles
    first : mapping
        Open time (ms) of the first candle of each symbol that is told; earlier ones are history.
    memory : int
        Candles that a round carries.
    clock : SimulatedClock
        Set to the close of each candle; it never runs backwards.
    """

    def __init__(
        self, series: Sequence[Candles], *, first: Mapping[str, int], memory: int, clock: SimulatedClock
    ) -> None:
        self._series = tuple(series)
        self._first = dict(first)
        self._memory = memory
        self._clock = clock

    async def rounds(self) -> AsyncIterator[CandleRound]:
        """One round per candle, in the order of time."""
        told = [candles.since(self._first[candles.symbol]).open_time for candles in self._series]
        for open_time in np.unique(np.concatenate(told)):
            self._clock.at = max(self._clock.at, float(open_time + CANDLE_MS))
            yield self._round(int(open_time))

    def _round(self, open_time: int) -> CandleRound:
        """What is known when the candle of ``open_time`` closes."""
        there: list[Candles] = []
        absent = {}
        for candles in self._series:
            if open_time < self._first[candles.symbol] or open_time > candles.open_time[-1]:
                continue
            row = int(np.searchsorted(candles.open_time, open_time))
            if candles.open_time[row] == open_time:
                there.append(candles.rows(max(0, row + 1 - self._memory), row + 1))
            else:
                absent[candles.symbol] = "the candle is missing"
        found = round_of(there, open_time, memory=self._memory)
        return replace(found, absent={**found.absent, **absent})


class Prices(Protocol):
    """What a paper exchange is fed with."""

    def feed_candle(
        self, symbol: str, open_time: int, prices: tuple[float, float, float, float], volume: float
    ) -> None:
        """Let a finished candle happen."""

    def settle_funding(self, symbol: str, rate: Decimal) -> None:
        """Let longs pay shorts ``rate`` of their position's value now."""


class PaperFeed:
    """A feed whose candles a paper exchange learns before anybody acts on them.

    Parameters
    ----------
    feed : CandleFeed
    paper : Prices
    funding : mapping
        Settled rates by time (ms), by symbol; charged when the candle that ends then has closed.
    """

    def __init__(
        self,
        feed: CandleFeed,
        paper: Prices,
        funding: Mapping[str, Mapping[int, float]] | None = None,
    ) -> None:
        self._feed = feed
        self._paper = paper
        self._funding = funding or {}
        self._newest: dict[str, int] = {}

    async def rounds(self) -> AsyncGenerator[CandleRound]:
        """The rounds of the feed."""
        async for candles in self._feed.rounds():
            for row, symbol in enumerate(candles.symbols):
                self._let_happen(symbol, candles, row)
            yield candles

    def _let_happen(self, symbol: str, candles: CandleRound, row: int) -> None:
        """Every candle of a symbol that the paper exchange has not seen; at first only the newest."""
        last = self._newest.get(symbol, candles.open_time - CANDLE_MS)
        start = int(np.searchsorted(candles.times[row], last, side="right"))
        for at in range(start, candles.times.shape[-1]):
            open_time = int(candles.times[row, at])
            o, h, l, c, volume = (float(value) for value in candles.values[row, :5, at])
            self._paper.feed_candle(symbol, open_time, (o, h, l, c), volume)
            rate = self._funding.get(symbol, {}).get(open_time + CANDLE_MS)
            if rate is not None:
                self._paper.settle_funding(symbol, Decimal(repr(rate)))
        self._newest[symbol] = candles.open_time
