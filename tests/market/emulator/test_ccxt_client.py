"""An independent client against the embedded exchange: what ccxt reads, other clients read as well."""

import itertools
import time

import pytest

from desk.clock import SystemClock
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.values import CANDLE_MS
from tests.market.samples import random_candles

ccxt = pytest.importorskip("ccxt.async_support", reason="ccxt of requirements-dev.txt is not installed")
MARKET = "BTC/USDT:USDT"
DAYS = 180


async def test_it_loads_markets_and_pages_180_days_without_a_gap() -> None:
    """Backwards, 200 rows a page; the last value of each row is what was served.

    ccxt asks this machine's clock what is recent, so the series ends now.
    """
    now = time.time_ns() // 1_000_000 // CANDLE_MS * CANDLE_MS
    whole = random_candles(count=(DAYS + 2) * 288, end=now)
    wanted = whole.rows(2 * 288, len(whole))
    clock = SystemClock()
    async with EmbeddedExchange([whole], ExchangeOptions(rate_limit=0), clock=clock) as exchange:
        client = ccxt.bitget({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["swap"]}}})
        client.has["fetchCurrencies"] = False  # the embedded exchange has futures only
        client.urls["api"] = dict.fromkeys(client.urls["api"], exchange.url)
        try:
            markets = await client.load_markets()
            rows: dict[int, list[float]] = {}
            end = now
            while end > wanted.open_time[0]:
                page = await client.fetch_ohlcv(MARKET, "5m", None, 200, {"until": end})
                rows.update((int(row[0]), row[1:]) for row in page)
                end = int(page[0][0])
            rates = await client.fetch_funding_rate_history(MARKET, limit=100)
        finally:
            await client.close()

    assert markets[MARKET]["swap"]
    assert markets[MARKET]["taker"] == 0.0006
    times = sorted(rows)
    assert {after - before for before, after in itertools.pairwise(times)} == {CANDLE_MS}
    kept = [row for row in times if row >= wanted.open_time[0]]
    assert kept == wanted.open_time.tolist()
    assert [rows[row] for row in kept] == wanted.values[:5].T.tolist()
    assert len(rates) == 100
