"""What phase 1 learns of bid, ask and mark price, against the embedded exchange."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_fetcher import FetchReport, check_books, fetch_universe
from desk.clustered import DAY_MS
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.history.book_check import BookCheck, lag_behind
from desk.market.history.candle_store import CONTRACTS_FILE
from desk.market.history.candles import check_candles
from desk.values import Candles
from tests.market.samples import NOW, ImpatientClock, fetch_settings, random_candles

MARKET = [random_candles(f"{name}USDT", count=3 * 288) for name in ("BTC", "ETH")]


async def fetch(folder: Path, *, spread_bps: float = 0.0, days_later: int = 0, **changes: Any) -> FetchReport:
    """One run against an exchange whose books are so wide."""
    options = ExchangeOptions(rate_limit=0, now_ms=NOW + days_later * DAY_MS, spread_bps=spread_bps)
    clock = ImpatientClock()
    async with EmbeddedExchange(MARKET, options, clock=clock) as exchange:
        return await fetch_universe(fetch_settings(exchange.url, folder, **changes), clock=clock)


def readings(report: FetchReport, symbol: str) -> list[float]:
    """The readings of a symbol, the newest last."""
    return list(report.book.spreads[symbol].values())


async def test_every_day_with_a_run_adds_a_reading_of_the_spread(tmp_path: Path) -> None:
    """One run may meet a quiet minute; the costs of a trade are the median of several days."""
    first = await fetch(tmp_path, spread_bps=20.0)
    await fetch(tmp_path, spread_bps=30.0, days_later=1)
    second = await fetch(tmp_path, spread_bps=40.0, days_later=1)

    assert readings(first, "ETHUSDT") == pytest.approx([20.0], rel=0.01)
    assert readings(second, "ETHUSDT") == pytest.approx([20.0, 40.0], rel=0.01)
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
    refreshed = await fetch(tmp_path, spread_bps=40.0, days_later=1, use_cache=False)

    assert len(refreshed.book.spreads["BTCUSDT"]) == 2


async def test_a_damaged_book_costs_its_readings_and_no_run(tmp_path: Path) -> None:
    """The file is written again by every fetch."""
    await fetch(tmp_path)
    path = tmp_path / CONTRACTS_FILE
    path.write_text(path.read_text().replace('"spreads_bps": [', '"spreads_bps": ["wide", '))

    report = await fetch(tmp_path, spread_bps=20.0)

    assert readings(report, "BTCUSDT") == pytest.approx([20.0], rel=0.01)


CLEAN, LAGGING = (random_candles(f"{name}USDT", count=6 * 288, seed=9) for name in ("CLEAN", "LAG"))


def ahead_of(candles: Candles, share: float) -> Candles:
    """Mark price that the last price follows by ``share`` of the gap in every candle."""
    close = np.log(candles.close)
    mark = np.exp(close + np.append(np.diff(close), 0.0) / share)
    values = np.stack([mark, mark, mark, mark, np.zeros(len(mark)), np.zeros(len(mark))])
    return check_candles(candles.symbol, candles.open_time, values)


MARK = ahead_of(LAGGING, 0.35)


async def check(
    folder: Path, *, charged: float | None = 10.0, end: int = NOW, faults: str = "", **changes: Any
) -> tuple[dict[str, BookCheck], EmbeddedExchange]:
    """Check both symbols, the books of an exchange being 10 bp wide."""
    options = ExchangeOptions(
        rate_limit=0,
        now_ms=end,
        spread_bps=10.0,
        marks={"LAGUSDT": MARK},
        faults=dict.fromkeys(faults.split(), 0.1),
    )
    clock = ImpatientClock()
    series = {candles.symbol: candles for candles in (CLEAN, LAGGING)}
    async with EmbeddedExchange(list(series.values()), options, clock=clock) as exchange:
        settings = fetch_settings(exchange.url, folder, **changes)
        checks = await check_books(
            settings,
            series,
            clock=clock,
            spreads_bps=dict.fromkeys(series, charged),
            max_spread_ratio=2.0,
        )
    return checks, exchange


@pytest.mark.parametrize("faults", ["", "429 500 reset truncate duplicate older brotli", "short lag"])
async def test_a_lagging_symbol_is_refused_and_a_clean_one_passes(tmp_path: Path, faults: str) -> None:
    """Of the few symbols that pass everything else, the one that nobody can trade is found by its mark."""
    checks, exchange = await check(tmp_path, faults=faults)

    assert list(checks) == ["CLEANUSDT", "LAGUSDT"]
    assert checks["CLEANUSDT"].problems == ()
    assert checks["CLEANUSDT"].spread_bps == pytest.approx(10.0, rel=0.05)
    (sentence,) = checks["LAGUSDT"].problems
    assert "LAGUSDT: the last price lags behind the mark price" in sentence
    assert "makes up 35 % of the gap" in sentence
    assert checks["LAGUSDT"].lag == lag_behind(LAGGING.since(NOW - 4 * 288 * 300_000), MARK)
    if not faults:
        asked = exchange.stats.requests
        assert asked["/api/v2/mix/market/history-mark-candles"] == 2 * math.ceil(4 * 288 / 199)
        assert asked["/api/v2/mix/market/merge-depth"] == 2


@pytest.mark.parametrize(("charged", "found"), [(4.9, "bp apart now"), (None, "is unknown")])
async def test_a_book_that_is_wide_now_is_said(tmp_path: Path, charged: float | None, found: str) -> None:
    """The verdict charged less than a trade costs today."""
    checks, _ = await check(tmp_path, charged=charged)

    (sentence,) = checks["CLEANUSDT"].problems
    assert found in sentence


async def test_candles_that_are_hours_old_are_compared_with_the_mark_of_their_time(tmp_path: Path) -> None:
    """Training takes hours, and the newest page of marks then lies behind the candles."""
    checks, _ = await check(tmp_path, end=NOW + 5 * 288 * 300_000)

    assert checks["CLEANUSDT"].problems == ()
    assert len(checks["LAGUSDT"].problems) == 1


async def test_offline_says_that_nobody_was_asked(tmp_path: Path) -> None:
    """An unverified symbol is not tradable, and the reason is the user's own option."""
    checks, exchange = await check(tmp_path, offline=True)

    for symbol, found in checks.items():
        text = "the mark price and the book were not asked (--offline), so the symbol is not verified"
        assert found == BookCheck((f"{symbol}: {text}",))
    assert not exchange.stats.requests.total()


async def test_a_symbol_that_cannot_be_asked_about_has_a_sentence_and_costs_the_others_nothing(
    tmp_path: Path,
) -> None:
    """It may have been delisted during the training."""
    options, clock = ExchangeOptions(rate_limit=0, now_ms=NOW), ImpatientClock()
    async with EmbeddedExchange([CLEAN], options, clock=clock) as exchange:
        checks = await check_books(
            fetch_settings(exchange.url, tmp_path),
            {"LAGUSDT": LAGGING, "CLEANUSDT": CLEAN},
            clock=clock,
            spreads_bps={"CLEANUSDT": 10.0, "LAGUSDT": 10.0},
            max_spread_ratio=2.0,
        )

    (sentence,) = checks["LAGUSDT"].problems
    assert "LAGUSDT: the mark price and the book could not be asked" in sentence
    assert "40034" in sentence
    assert checks["CLEANUSDT"].problems == ()


async def test_an_exchange_that_is_gone_is_waited_for_once(tmp_path: Path) -> None:
    """Twenty symbols one after another would wait for an hour to say the same."""
    series = {f"S{number}USDT": CLEAN for number in range(20)}
    clock = ImpatientClock()
    checks = await check_books(
        fetch_settings("http://127.0.0.1:9", tmp_path),
        series,
        clock=clock,
        spreads_bps={},
        max_spread_ratio=2.0,
    )

    assert all("could not be asked" in found.problems[0] for found in checks.values())
    assert len(clock.waits) <= 5 * 8
