"""What phase 1 learns of bid and ask, against the embedded exchange."""

from pathlib import Path
from typing import Any

import pytest

from data_fetcher import FetchReport, fetch_universe
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.history.candle_store import CONTRACTS_FILE
from tests.market.samples import NOW, ImpatientClock, fetch_settings, random_candles

MARKET = [random_candles(f"{name}USDT", count=3 * 288) for name in ("BTC", "ETH")]


async def fetch(folder: Path, *, spread_bps: float = 0.0, **changes: Any) -> FetchReport:
    """One run against an exchange whose books are so wide."""
    options = ExchangeOptions(rate_limit=0, now_ms=NOW, spread_bps=spread_bps)
    clock = ImpatientClock()
    async with EmbeddedExchange(MARKET, options, clock=clock) as exchange:
        return await fetch_universe(fetch_settings(exchange.url, folder, **changes), clock=clock)


async def test_every_run_adds_a_reading_of_the_spread(tmp_path: Path) -> None:
    """One run may meet a quiet minute; the costs of a trade are the median of several."""
    first = await fetch(tmp_path, spread_bps=20.0)
    second = await fetch(tmp_path, spread_bps=40.0)

    assert first.book.spreads["ETHUSDT"] == pytest.approx((20.0,), rel=0.01)
    assert second.book.spreads["ETHUSDT"] == pytest.approx((20.0, 40.0), rel=0.01)
    assert second.book.spreads.keys() == {"BTCUSDT", "ETHUSDT"}
    assert first.requests == 3 + sum(outcome.requests for outcome in first.fetched)


async def test_offline_uses_the_readings_that_are_there(tmp_path: Path) -> None:
    """The same candles cost the same the next day, on a train."""
    online = await fetch(tmp_path, spread_bps=20.0)
    offline = await fetch(tmp_path, offline=True)

    assert offline.book.spreads == online.book.spreads != {}


async def test_a_refresh_keeps_the_readings(tmp_path: Path) -> None:
    """Candles can be fetched again, the spread of last week cannot."""
    await fetch(tmp_path, spread_bps=20.0)
    refreshed = await fetch(tmp_path, spread_bps=40.0, use_cache=False)

    assert len(refreshed.book.spreads["BTCUSDT"]) == 2


async def test_a_damaged_book_costs_its_readings_and_no_run(tmp_path: Path) -> None:
    """The file is written again by every fetch."""
    await fetch(tmp_path)
    path = tmp_path / CONTRACTS_FILE
    path.write_text(path.read_text().replace('"spreads_bps": [', '"spreads_bps": ["wide", '))

    report = await fetch(tmp_path, spread_bps=20.0)

    assert report.book.spreads["BTCUSDT"] == pytest.approx((20.0,), rel=0.01)
