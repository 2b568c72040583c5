"""Funding rates beside the candles, and what a refresh of many symbols costs."""

from pathlib import Path

import numpy as np
import pytest

from data_fetcher import fetch_universe
from desk.market.bitget.public import FUNDING
from desk.market.emulator import ExchangeOptions
from desk.market.history.paging import HISTORY, RECENT
from tests.market.samples import NOW, ImpatientClock, assert_same_candles, fetch_settings, random_candles
from tests.test_data_fetcher import DAYS, MARKET, Run

EIGHT_HOURS_MS = 8 * 3_600_000


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "backtest_data")


def funding_requests(run: Run) -> int:
    assert run.exchange is not None
    return run.exchange.stats.requests[FUNDING]


async def test_they_are_cached_for_every_symbol_and_asked_for_only_when_due(run: Run) -> None:
    """Every settlement of the window; a second run asks for none, one settlement later for one page each."""
    report = await run.fetch(MARKET, funding=True)

    settled = DAYS * 3 + 1  # midnight at both ends
    assert [outcome.funding for outcome in report.fetched] == [settled] * 3
    for candles in MARKET:
        rates = run.store.load_funding(candles.symbol).rates
        assert np.diff(rates.time).tolist() == [EIGHT_HOURS_MS] * (settled - 1)
        assert set(rates.rate.tolist()) == {0.0001}
        assert int(rates.time[-1]) == NOW
    run.assert_cached(MARKET)

    await run.fetch(MARKET, funding=True)
    assert funding_requests(run) == 0

    later = [random_candles(candles.symbol, count=34 * 288, end=NOW + EIGHT_HOURS_MS) for candles in MARKET]
    options = ExchangeOptions(rate_limit=0, now_ms=NOW + EIGHT_HOURS_MS)
    report = await run.fetch(later, options, funding=True)
    assert funding_requests(run) == 3
    assert [outcome.funding for outcome in report.fetched] == [settled + 1] * 3


async def test_they_cost_no_candle_and_no_symbol(run: Run) -> None:
    """No model is trained on them: a file that is none is set aside and reported, the fetch goes on."""
    run.folder.mkdir()
    run.store.funding_path("ETHUSDT").write_bytes(b"cosmic rays")
    report = await run.fetch(MARKET, funding=True)

    notes = {outcome.symbol: outcome.notes for outcome in report.fetched}
    assert "ETHUSDT_funding.pkl.corrupt-1" in notes.pop("ETHUSDT")[0]
    assert set(notes.values()) == {()}
    run.assert_cached(MARKET)


async def test_faults_end_in_all_of_them(run: Run) -> None:
    """The same client asks, under the same rules."""
    shares = dict.fromkeys(("429", "500", "reset", "truncate", "html", "empty", "maintain", "40015"), 0.03)
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults=shares, fault_seed=1)
    report = await run.fetch(MARKET, options, funding=True)

    assert [outcome.funding for outcome in report.fetched] == [DAYS * 3 + 1] * 3
    run.assert_cached(MARKET)


async def test_offline_counts_what_is_cached(run: Run) -> None:
    """No network, and no complaint where they were never fetched."""
    await run.fetch(MARKET[:2], funding=True)
    await run.fetch(MARKET)
    settings = fetch_settings("http://127.0.0.1:9", run.folder, days=DAYS, offline=True, funding=True)
    report = await fetch_universe(settings, clock=ImpatientClock())

    assert sorted((outcome.funding, outcome.notes) for outcome in report.fetched) == [
        (0, ()),
        (DAYS * 3 + 1, ()),
        (DAYS * 3 + 1, ()),
    ]


async def test_refresh_fetches_them_anew(run: Run) -> None:
    """``--refresh`` trusts nothing that is cached."""
    await run.fetch(MARKET[:1], funding=True)
    before = funding_requests(run)
    await run.fetch(MARKET[:1], funding=True, use_cache=False)

    assert funding_requests(run) == before > 0


async def test_a_refresh_of_fifty_symbols_an_hour_later_sends_fifty_candle_requests(run: Run) -> None:
    """One each, and not one funding request where no settlement was due."""
    universe = [random_candles(f"S{number:02d}USDT", count=4 * 288, seed=number) for number in range(50)]
    now = NOW - 3_600_000
    await run.fetch(universe, ExchangeOptions(rate_limit=0, now_ms=now), days=3, funding=True)

    report = await run.fetch(universe, ExchangeOptions(rate_limit=0, now_ms=NOW - 1), days=3, funding=True)

    assert run.exchange is not None
    assert run.exchange.stats.requests[RECENT.path] == run.candle_requests == 50
    assert run.exchange.stats.requests[HISTORY.path] == 0
    assert funding_requests(run) == 0
    assert {outcome.fetched for outcome in report.fetched} == {11}
    for candles in universe:
        assert_same_candles(run.store.load(candles.symbol, 3), candles.rows(287, 4 * 288 - 1))


async def test_revised_candles_are_reported(run: Run) -> None:
    """The newer answer wins, and a note tells the user that the past was changed."""
    options = ExchangeOptions(rate_limit=0, now_ms=NOW - 3_600_000)
    await run.fetch(MARKET[:1], options)
    values = MARKET[0].values.copy()
    values[4, -15] += 1.0
    corrected = type(MARKET[0])("BTCUSDT", MARKET[0].open_time, values)

    (outcome,) = (await run.fetch([corrected])).fetched

    assert outcome.notes == (
        "1 cached candles were revised: the exchange now reports other numbers, which were taken",
    )
    run.assert_cached([corrected])
