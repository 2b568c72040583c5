"""The candle feed against the embedded exchange, which shares no code with it, with faults of every kind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from desk.market.bitget.public import BitgetPublic
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.feed.closing import CandleClosed, CandleDeadline, FeedEvent, FeedRestored
from desk.market.feed.stream import CandleStream
from desk.values import CANDLE_MS
from tests.market.feed.test_stream import stream_settings
from tests.market.lines import HandClock
from tests.market.samples import NOW, fetch_settings, random_candles

MEMORY, AHEAD = 100, 10
SYMBOLS = ("AUSDT", "BUSDT", "CUSDT")
TRUTH = {
    symbol: random_candles(symbol, count=1_000 + AHEAD, end=NOW + AHEAD * CANDLE_MS, seed=seed)
    for seed, symbol in enumerate(SYMBOLS)
}
FAULTS = {
    "disconnect": 0.002,
    "push_lost": 0.05,
    "push_late": 0.05,
    "push_twice": 0.05,
    "500": 0.02,
    "429": 0.02,
    "reset": 0.01,
    "hole": 0.002,
}


@contextlib.asynccontextmanager
async def running(
    faults: Mapping[str, float],
) -> AsyncIterator[tuple[CandleStream, list[FeedEvent], HandClock]]:
    """The feed beside an exchange on the same clock, and every event of it."""
    clock = HandClock()
    options = ExchangeOptions(rate_limit=0, now_ms=NOW, speed=1.0, faults=faults, fault_seed=3)
    events: list[FeedEvent] = []
    async with (
        EmbeddedExchange(list(TRUTH.values()), options, clock=clock) as served,
        BitgetPublic(fetch_settings(served.url, Path("unused"), attempts=3), clock=clock) as market,
    ):
        stream = CandleStream(
            SYMBOLS,
            market=market,
            ws_url=served.url.replace("http", "ws"),
            settings=stream_settings(memory=MEMORY, audit_s=20.0),
            clock=clock,
        )

        tell = events.append

        async def listen() -> None:
            async with contextlib.aclosing(stream.events()) as closed:
                async for event in closed:
                    tell(event)

        listening = asyncio.ensure_future(listen())
        try:
            yield stream, events, clock
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("faults", [{}, FAULTS], ids=["quiet", "faulty"])
async def test_every_candle_comes_once_in_order_and_true(faults: Mapping[str, float]) -> None:
    """Lines that break every minute, pushes that are lost, late or doubled, answers that fail.

    Within ten seconds of each border all symbols have their candle, and the window is what REST would tell.
    """
    async with running(faults) as (stream, events, clock):
        borders = 0
        while clock.now_ms() < NOW + (AHEAD - 1) * CANDLE_MS + 30_000:
            await clock.advance(0.5)
            passed = [event for event in events if isinstance(event, CandleDeadline)]
            if len(passed) > borders:
                borders = len(passed)
                assert clock.now_ms() - passed[-1].open_time - CANDLE_MS <= 10_500

    grid = [NOW + place * CANDLE_MS for place in range(AHEAD - 1)]
    assert [(event.open_time, event.without) for event in passed] == [(time, ()) for time in grid]
    for symbol, truth in TRUTH.items():
        closed = [event for event in events if isinstance(event, CandleClosed) and event.symbol == symbol]
        assert [event.open_time for event in closed] == grid
        newest = truth.rows(1_000 + AHEAD - 1 - MEMORY, 1_000 + AHEAD - 1)
        assert stream.window.values[stream.window.row[symbol]].tobytes() == newest.values.tobytes()
    assert any(isinstance(event, FeedRestored) for event in events) == bool(faults)
