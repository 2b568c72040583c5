"""Bid, ask, depth and mark price of the embedded exchange, as a cautious trader reads them."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from desk.market.emulator.listings import leading_mark, listing_of
from desk.market.series.facts import PriceTick
from desk.values import CANDLE_MS, Candles, frozen
from tests.market.emulator.samples import MARKET, T0, open_exchange, steps

NAMED = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES"}


def flat(price: float, *, count: int = 3) -> Candles:
    values = np.tile(np.array([[price]]), (6, count))
    return Candles("XUSDT", frozen(T0 + CANDLE_MS * np.arange(count, dtype=np.int64)), frozen(values))


async def quotes(**options: Any) -> tuple[float, float, float]:
    """Last price, bid and ask of a series of prices around 100 on a tick of 0.1."""
    async with open_exchange([steps(300)], **options) as counter:
        [row] = (await counter.ask(f"{MARKET}/tickers", productType="USDT-FUTURES")).body["data"]
    assert float(row["bidSz"]) > 0
    assert float(row["askSz"]) > 0
    return float(row["lastPr"]), float(row["bidPr"]), float(row["askPr"])


async def test_bid_and_ask_are_one_tick_apart() -> None:
    """The least that a taker pays between a signal and a fill."""
    last, bid, ask = await quotes()

    assert bid == last
    assert ask == pytest.approx(last + 0.1, abs=1e-9)


@pytest.mark.parametrize("options", [{"spread_bps": 40.0}, {"spreads_bps": {"BTCUSDT": 40.0}}])
async def test_a_spread_can_be_planted_by_exchange_and_by_symbol(options: dict[str, object]) -> None:
    """A random walk traded at bid or ask of a 40 bp book was called tradable where nobody read the spread."""
    last, bid, ask = await quotes(**options)

    assert 1e4 * (ask - bid) / last == pytest.approx(40.0, abs=8.0)
    assert bid < last < ask


async def test_a_spread_of_a_symbol_replaces_that_of_the_exchange() -> None:
    """So that one run can hold a wide book beside a narrow one."""
    _, bid, ask = await quotes(spread_bps=90.0, spreads_bps={"BTCUSDT": 0.0})

    assert ask - bid == pytest.approx(0.1, abs=1e-9)


@pytest.mark.parametrize("price", [1e-9, 7e-6, 0.0123, 1e6])
def test_quotes_lie_on_the_tick_at_any_level(price: float) -> None:
    """A bid of 0 or an ask beside the grid would be refused by any order that is sent there."""
    tick = PriceTick.of(Decimal(repr(price)) / 10_000)
    listing = listing_of(flat(price), tick=tick, spread_bps=20.0)

    bid, ask = listing.quotes(price)

    assert 0 < bid < price < ask
    for quote in (bid, ask):
        assert Decimal(repr(quote)) % Decimal(repr(tick.size)) == 0
    assert 1e4 * (ask - bid) / price == pytest.approx(20.0, abs=1.0)


async def test_a_contract_can_have_a_finer_tick_than_its_prices_show() -> None:
    """Prices rounded under a fine tick: the contract alone says that all is well."""
    async with open_exchange([steps(300)], ticks={"BTCUSDT": Decimal("0.0005")}) as counter:
        [row] = (await counter.ask(f"{MARKET}/contracts", productType="USDT-FUTURES")).body["data"]
        [ticker] = (await counter.ask(f"{MARKET}/tickers", productType="USDT-FUTURES")).body["data"]

    assert (row["pricePlace"], row["priceEndStep"]) == ("4", "5")
    assert float(ticker["askPr"]) - float(ticker["bidPr"]) == pytest.approx(0.0005, abs=1e-9)


async def test_the_book_has_levels_a_tick_apart_around_the_quotes() -> None:
    """Prices and sizes are JSON numbers, best first on either side."""
    async with open_exchange([steps(300)], spread_bps=20.0) as counter:
        data = (await counter.ask(f"{MARKET}/merge-depth", limit="5", **NAMED)).body["data"]
        [row] = (await counter.ask(f"{MARKET}/ticker", **NAMED)).body["data"]
        whole = (await counter.ask(f"{MARKET}/merge-depth", **NAMED)).body["data"]

    assert [len(data["asks"]), len(data["bids"]), len(whole["asks"])] == [5, 5, 100]
    assert data["asks"][0][0] == float(row["askPr"])
    assert data["bids"][0][0] == float(row["bidPr"])
    assert np.allclose(np.diff([price for price, _ in data["asks"]]), 0.1)
    assert np.allclose(np.diff([price for price, _ in data["bids"]]), -0.1)
    assert all(size > 0 for _, size in data["asks"] + data["bids"])
    assert (data["scale"], data["precision"], data["isMaxPrecision"]) == ("0.1", "scale0", "NO")


@pytest.mark.parametrize(("query", "code"), [({"limit": "7"}, "40053"), ({"precision": "fine"}, "400172")])
async def test_a_book_is_asked_for_in_the_exchange_s_words(query: dict[str, str], code: str) -> None:
    """A client that sends another limit learns it here and not on the real exchange."""
    async with open_exchange([steps(3)]) as counter:
        assert (await counter.ask(f"{MARKET}/merge-depth", **query, **NAMED)).code == code


async def test_the_mark_price_is_the_last_price_unless_told_otherwise() -> None:
    """Then history-mark-candles are the candles, without volumes, paged as history-candles are."""
    async with open_exchange([steps(300)]) as counter:
        last = await counter.candles("history-candles", limit=50)
        mark = await counter.candles("history-mark-candles", limit=50)
        [row] = (await counter.ask(f"{MARKET}/ticker", **NAMED)).body["data"]

    assert [each[:5] for each in mark.body["data"]] == [each[:5] for each in last.body["data"]]
    assert {tuple(each[5:]) for each in mark.body["data"]} == {("0.0", "0.0")}
    assert row["markPrice"] == row["lastPr"] == row["indexPrice"]


async def test_a_last_price_that_lags_is_seen_against_the_mark_candles() -> None:
    """What earns only because the last price is late cannot be traded; the mark candles show it."""
    async with open_exchange([steps(300)], mark_lag=2) as counter:
        last = (await counter.candles("history-candles", limit=100)).body["data"]
        mark = (await counter.candles("history-mark-candles", limit=100)).body["data"]

    assert [row[4] for row in mark[:-2]] == [row[4] for row in last[2:]]
    assert [row[4] for row in mark[-2:]] == [last[-1][4]] * 2
    assert [row[0] for row in mark] == [row[0] for row in last]


async def test_a_leading_series_can_be_the_mark() -> None:
    """A test plants any relation between book and last price."""
    leader = steps(300, price=250.0)
    async with open_exchange([steps(300)], marks={"BTCUSDT": leader}) as counter:
        mark = (await counter.candles("history-mark-candles", limit=3)).body["data"]
        [row] = (await counter.ask(f"{MARKET}/ticker", **NAMED)).body["data"]

    assert [float(each[4]) for each in mark] == leader.close[-3:].tolist()
    assert float(row["markPrice"]) == leader.close[-1]
    assert float(row["lastPr"]) != leader.close[-1]
    assert float(row["bidPr"]) <= leader.close[-1] < float(row["askPr"])


def test_without_a_lag_the_mark_is_the_series() -> None:
    """The default changes nothing."""
    candles = steps(10)

    assert leading_mark(candles, 0) is candles
