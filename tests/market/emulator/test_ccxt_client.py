"""An independent client against the embedded exchange: what ccxt reads, other clients read as well."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from desk.clock import SystemClock
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.values import CANDLE_MS, Candles, frozen
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


@dataclass(slots=True)
class Peer:
    """A ccxt client, the exchange that it is connected to, and what that serves."""

    client: Any
    exchange: EmbeddedExchange
    candles: Candles


def in_cents(candles: Candles) -> Candles:
    """The same candles with prices on a tick of 0.01."""
    values = candles.values.copy()
    values[:4] = np.round(values[:4], 2)
    return Candles(candles.symbol, candles.open_time, frozen(values))


@asynccontextmanager
async def peer(*, unified: bool, days: int = 70, **options: Any) -> AsyncIterator[Peer]:
    """A client as anybody starts it, with nothing but the address changed."""
    now = time.time_ns() // 1_000_000
    candles = in_cents(random_candles(count=days * 288, end=now // CANDLE_MS * CANDLE_MS))
    keys = Keys(unified=unified)
    usual = {"rate_limit": 0, "keys": keys, "speed": 1.0, "now_ms": now}
    settings = ExchangeOptions(**{**usual, **options})
    async with EmbeddedExchange([candles], settings, clock=SystemClock()) as exchange:
        account = {"apiKey": keys.key, "secret": keys.secret, "password": keys.passphrase}
        client = ccxt.bitget({**account, "enableRateLimit": False, "options": {"uta": unified}})
        client.urls["api"] = dict.fromkeys(client.urls["api"], exchange.url)
        try:
            await client.load_markets()
            yield Peer(client, exchange, candles)
        finally:
            await client.close()


def longer(candles: Candles, step: int) -> dict[int, list[float]]:
    """Whole candles of ``step`` times five minutes, one by one, by open time."""
    span = step * CANDLE_MS
    rows: dict[int, list[float]] = {}
    for first in range(len(candles) - step + 1):
        open_time = int(candles.open_time[first])
        if open_time % span:
            continue
        o, h, l, c, base, _ = candles.values[:, first : first + step]
        rows[open_time] = [float(o[0]), float(h.max()), float(l.min()), float(c[-1]), float(base.sum())]
    return rows


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize(("timeframe", "step"), [("5m", 1), ("15m", 3), ("1h", 12)])
@pytest.mark.parametrize("reach_days", [1, 65])
async def test_longer_candles_are_those_of_five_minutes_taken_together(
    *, unified: bool, timeframe: str, step: int, reach_days: int
) -> None:
    """Recent ones and history; ccxt chooses the endpoint by their age."""
    async with peer(unified=unified) as one:
        wanted = longer(one.candles, step)
        since = int(one.candles.open_time[-1]) - reach_days * 288 * CANDLE_MS
        since -= since % (step * CANDLE_MS)
        rows = await one.client.fetch_ohlcv(MARKET, timeframe, since, 20)

    assert [int(row[0]) for row in rows] == [since + number * step * CANDLE_MS for number in range(20)]
    for row in rows:
        assert row[1:5] == wanted[int(row[0])][:4]
        assert row[5] == pytest.approx(wanted[int(row[0])][4])


@pytest.mark.parametrize("unified", [False, True])
async def test_a_peer_reads_the_whole_market(*, unified: bool) -> None:
    """Coins, tickers, tiers, funding, the book, and candles of the mark and the index price."""
    async with peer(unified=unified, mark_lag=2) as one:
        client = one.client
        ticker = await client.fetch_ticker(MARKET)
        tiers = await client.fetch_market_leverage_tiers(MARKET)
        funding = await client.fetch_funding_rate(MARKET)
        past = await client.fetch_funding_rate_history(MARKET, limit=5)
        book = await client.fetch_order_book(MARKET, 5)
        mark = await client.fetch_ohlcv(MARKET, "5m", None, 5, {"price": "mark"})
        index = await client.fetch_ohlcv(MARKET, "5m", None, 5, {"price": "index"})
        last = await client.fetch_ohlcv(MARKET, "5m", None, 5)
        market, currencies = client.market(MARKET), client.currencies
        unknown = one.exchange.stats.requests["unknown"]

    assert set(currencies) >= {"BTC", "USDT"}
    assert (market["precision"]["price"], market["taker"], market["linear"]) == (0.01, 0.0006, True)
    assert ticker["bid"] < ticker["ask"]
    assert (tiers[0]["maxLeverage"], tiers[0]["maintenanceMarginRate"]) == (100, 0.004)
    assert funding["fundingRate"] == 0.0001
    assert len(past) == 5
    assert len(book["bids"]) == 5
    assert index == mark
    assert [row[4] for row in mark] != [row[4] for row in last]
    assert unknown == 0


async def test_a_peer_trades_on_a_unified_account() -> None:
    """It finds the kind by itself, places with a stop, reads, moves, and closes."""
    async with peer(unified=True) as one:
        client, price = one.client, float(one.candles.close[-1])
        client.options.pop("uta")
        await client.set_leverage(5, MARKET, {"marginMode": "isolated", "posSide": "long"})
        stop = {"triggerPrice": round(price * 0.9, 2)}
        isolated = {"marginMode": "isolated"}
        placed = await client.create_order(
            MARKET, "market", "buy", 1, None, {**isolated, "clientOrderId": "cc-1", "stopLoss": stop}
        )
        found = await client.fetch_order("", MARKET, {"clientOrderId": "cc-1"})
        [held] = await client.fetch_positions([MARKET])
        [attached] = await client.fetch_open_orders(MARKET, params={"trigger": True})
        own = await client.create_order(
            MARKET,
            "market",
            "sell",
            1,
            None,
            {**isolated, "reduceOnly": True, "stopLossPrice": round(price * 0.85, 2)},
        )
        await client.create_order(
            MARKET, "limit", "buy", 1, round(price * 0.8, 2), {**isolated, "clientOrderId": "cc-2"}
        )
        [resting] = await client.fetch_open_orders(MARKET)
        await client.cancel_order("", MARKET, {"clientOrderId": "cc-2"})
        await client.cancel_order(own["id"], MARKET, {"trigger": True})
        balance = await client.fetch_balance()
        await client.close_position(MARKET, params={"posSide": "long"})
        flat = await client.fetch_positions([MARKET])
        ended = await client.fetch_canceled_and_closed_orders(MARKET)
        trades = await client.fetch_my_trades(MARKET)
        stops = await client.fetch_open_orders(MARKET, params={"trigger": True})
        uta = client.options["uta"]
        books = one.exchange.venue.matching.account

    assert uta is True
    assert (found["id"], found["status"], found["filled"]) == (placed["id"], "closed", 1)
    assert found["stopLossPrice"] == stop["triggerPrice"]
    assert (held["side"], held["contracts"], held["leverage"]) == ("long", 1, 5)
    assert held["marginMode"] == "isolated"
    assert float(attached["info"]["stopLoss"]) == stop["triggerPrice"]
    assert resting["clientOrderId"] == "cc-2"
    assert 0 < balance["USDT"]["free"] < 10_000
    assert flat == []
    assert {order["status"] for order in ended} == {"closed", "canceled"}
    assert [trade["side"] for trade in trades] == ["buy", "sell"]
    assert all(trade["fee"]["cost"] for trade in trades)
    assert stops == []
    assert books.plans == {}
