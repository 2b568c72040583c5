"""Stored candles as if they happened now: a clock that is set, a feed that sets it, and the paper's prices.

Place in the house: what ``--replay`` and ``--demo`` run a session on.  ``Candles`` come in; ``CandleRound``s
go out, each at the moment at which its candle closes.

Not here: the exchange that fills orders meanwhile (``desk.market.paper.exchange``), and how the outcome is
explained (``desk.trade.replay.attribution``).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from desk.ports import CandleFeed
from desk.trade.forecasting import round_of
from desk.values import CANDLE_MS, CandleRound, Candles


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

    def advance_to(self, at: float) -> None:
        """Be at ``at`` (ms), or stay where it is where that has passed."""
        self.at = max(self.at, at)

    async def sleep(self, seconds: float) -> None:
        """Be so much later."""
        self.at += seconds * 1000


class ReplayFeed:
    """Stored candles, one round per open time; satisfies ``desk.ports.CandleFeed``.

    Parameters
    ----------
    series : sequence of Candles
    first : mapping
        Open time (ms) of the first candle of each symbol that is handed out; earlier ones are history.
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
        times = [candles.since(self._first[candles.symbol]).open_time for candles in self._series]
        for open_time in np.unique(np.concatenate(times)):
            self._clock.advance_to(float(open_time + CANDLE_MS))
            yield self._round(int(open_time))

    def _round(self, open_time: int) -> CandleRound:
        """What is known when the candle of ``open_time`` closes."""
        there: list[Candles] = []
        absent, holes = {}, set()
        for candles in self._series:
            if open_time > candles.open_time[-1]:
                holes.add(candles.symbol)
            if open_time < self._first[candles.symbol] or open_time > candles.open_time[-1]:
                continue
            row = int(np.searchsorted(candles.open_time, open_time))
            if candles.open_time[row] == open_time:
                there.append(candles.rows(max(0, row + 1 - self._memory), row + 1))
            else:
                holes.add(candles.symbol)
                absent[candles.symbol] = "the candle is missing"
        found = round_of(there, open_time, memory=self._memory)
        return replace(found, absent={**found.absent, **absent}, holes=frozenset(holes))


class PriceSink(Protocol):
    """What a paper exchange is fed with."""

    def live_through(
        self,
        symbol: str,
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        rates: Mapping[int, float],
    ) -> None:
        """Let every candle happen that has not yet, and the settlements between them.

        Parameters
        ----------
        symbol : str
        times : ndarray, shape (n,)
            Open times of finished candles, ms, increasing.
        values : ndarray, shape (6, n)
            Rows as in ``desk.values.COLUMNS``.
        rates : mapping
            Funding by time of settlement (ms).
        """


class FundingSink(Protocol):
    """Where funding rates are learned while candles come."""

    async def settled(self, through: int) -> Sequence[str]:
        """Learn the rates of settlements up to a time (ms) that are owed; what stood in the way."""

    async def expected(self, at: int) -> Sequence[str]:
        """Learn the rates of a settlement to come; what stood in the way."""


class PaperFeed:
    """A feed whose candles a paper exchange learns before anybody acts on them.

    Parameters
    ----------
    feed : CandleFeed
    paper : Prices
    funding : mapping
        Settled rates by time (ms), by symbol; charged when the candle that ends then has closed.
    settlements : Settlements or None
        Who fills ``funding`` while candles come; None: it is whole.
    """

    def __init__(
        self,
        feed: CandleFeed,
        paper: PriceSink,
        funding: Mapping[str, Mapping[int, float]] | None = None,
        settlements: FundingSink | None = None,
    ) -> None:
        self._feed = feed
        self._paper = paper
        self._funding = {} if funding is None else funding
        self._settlements = settlements

    async def rounds(self) -> AsyncGenerator[CandleRound]:
        """The rounds of the feed; news of funding comes with the round after it."""
        news: tuple[str, ...] = ()
        async for candles in self._feed.rounds():
            if self._settlements is not None:
                news += tuple(await self._settlements.settled(candles.open_time + CANDLE_MS))
            for row, symbol in enumerate(candles.symbols):
                rates = self._funding.get(symbol, {})
                self._paper.live_through(symbol, candles.times[row], candles.values[row], rates)
            yield replace(candles, news=(*candles.news, *news)) if news else candles
            news = ()
            if self._settlements is not None:
                news = tuple(await self._settlements.expected(candles.open_time + 2 * CANDLE_MS))


class ObservedFeed:
    """The rounds of ``feed``; satisfies ``desk.ports.CandleFeed``.

    Parameters
    ----------
    feed : CandleFeed
    start : int
        Open time of the first candle, ms.
    show : callable
        Given the candles of time since ``start``, once each round has been acted on.
    """

    def __init__(self, feed: CandleFeed, *, start: int, show: Callable[[float], None]) -> None:
        self._feed = feed
        self._start = start
        self._show = show

    async def rounds(self) -> AsyncGenerator[CandleRound]:
        """As the feed hands them out."""
        async for candles in self._feed.rounds():
            yield candles
            self._show(1 + (candles.open_time - self._start) // CANDLE_MS)


def candles_of(series: Sequence[Candles], first: Mapping[str, int]) -> int:
    """Candles of time between the earliest of ``first`` (open times, ms) and the end of the series."""
    return 1 + (max(int(one.open_time[-1]) for one in series) - min(first.values())) // CANDLE_MS
