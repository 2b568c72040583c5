"""The embedded exchange answers as ``docs/bitget.md`` says the real one does."""

from decimal import Decimal

import numpy as np
import pytest

from desk.errors import SettingsError
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Funding
from desk.market.emulator.endpoints import ENDPOINTS
from desk.market.emulator.listings import decimal_text
from desk.market.series.facts import price_tick
from desk.values import CANDLE_MS, Candles
from tests.market.emulator.samples import MARKET, T0, HandClock, open_exchange, steps

DAY_MS = 288 * CANDLE_MS
HOUR_MS = 3_600_000
END = T0 + 1500 * CANDLE_MS
"""Close of the last candle of ``steps(1500)``."""
CONTRACT_FIELDS = """
symbol baseCoin quoteCoin buyLimitPriceRatio sellLimitPriceRatio feeRateUpRatio makerFeeRate
takerFeeRate openCostUpRatio supportMarginCoins minTradeNum priceEndStep volumePlace pricePlace
sizeMultiplier symbolType minTradeUSDT maxSymbolOrderNum maxProductOrderNum maxPositionNum
symbolStatus offTime limitOpenTime deliveryTime deliveryStartTime deliveryPeriod launchTime
fundInterval minLever maxLever posLimit maintainTime maxMarketOrderQty maxOrderQty isRwa
"""
"""Those of the reference's sample row."""


async def test_the_envelope_is_the_exchanges() -> None:
    """A client decides by ``code``, a string; the request time is a number, the server time a string."""
    async with open_exchange([steps(3)]) as counter:
        answer = await counter.ask("/api/v2/public/time")

    now = T0 + 3 * CANDLE_MS
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.body == {
        "code": "00000",
        "msg": "success",
        "requestTime": now,
        "data": {"serverTime": str(now)},
    }


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/api/v2/mix/market/nothing", {}, 404, "40404"),
        ("/api/v2/spot", {}, 404, "40404"),
        (f"{MARKET}/contracts", {}, 400, "40019"),
        (f"{MARKET}/contracts", {"productType": "SHARES"}, 400, "400172"),
        (f"{MARKET}/contracts", {"productType": "USDT-FUTURES", "symbol": "NOPEUSDT"}, 400, "40034"),
        (f"{MARKET}/tickers", {}, 400, "40019"),
        (f"{MARKET}/ticker", {"productType": "USDT-FUTURES"}, 400, "40019"),
        (f"{MARKET}/history-fund-rate", {"productType": "USDT-FUTURES"}, 400, "40019"),
        (
            f"{MARKET}/history-fund-rate",
            {"productType": "USDT-FUTURES", "symbol": "BTCUSDT", "pageNo": 0},
            400,
            "40020",
        ),
    ],
)
async def test_a_wrong_question_gets_its_code(
    path: str, query: dict[str, object], status: int, code: str
) -> None:
    """Which code it is decides whether a client skips the symbol, stops, or tries again."""
    async with open_exchange([steps(3)]) as counter:
        answer = await counter.ask(path, **query)

    assert (answer.status, answer.code, answer.body["data"]) == (status, code, None)
    assert answer.body["requestTime"] == T0 + 3 * CANDLE_MS


async def test_contracts_lists_every_symbol_with_every_field() -> None:
    """The client takes ticks, steps and fees from here; odd names are served like any other."""
    odd = steps(300, symbol="币安人生USDT", price=0.5)
    async with open_exchange([steps(300), odd]) as counter:
        everything = await counter.ask(f"{MARKET}/contracts", productType="usdt-futures")
        one = await counter.ask(f"{MARKET}/contracts", productType="USDT-FUTURES", symbol=odd.symbol)
        other = await counter.ask(f"{MARKET}/contracts", productType="USDC-FUTURES")

    assert [row["symbol"] for row in everything.body["data"]] == ["BTCUSDT", odd.symbol]
    assert [row["symbol"] for row in one.body["data"]] == [odd.symbol]
    assert other.body["data"] == []
    row = everything.body["data"][0]
    assert set(row) == set(CONTRACT_FIELDS.split())
    assert (row["baseCoin"], row["symbolType"], row["symbolStatus"]) == ("BTC", "perpetual", "normal")
    assert (row["takerFeeRate"], row["makerFeeRate"], row["isRwa"]) == ("0.0006", "0.0002", "NO")
    assert Decimal(row["priceEndStep"]).scaleb(-int(row["pricePlace"])) == Decimal("0.1")
    assert Decimal(row["sizeMultiplier"]) == Decimal(1).scaleb(-int(row["volumePlace"]))


async def test_a_symbol_is_announced_before_its_first_candle() -> None:
    """A universe must leave out what does not trade yet."""
    later = steps(300, symbol="NEWUSDT", first=T0 + DAY_MS)
    async with open_exchange([steps(300), later], now_ms=T0 + DAY_MS // 2) as counter:
        contracts = await counter.ask(f"{MARKET}/contracts", productType="USDT-FUTURES")
        tickers = await counter.ask(f"{MARKET}/tickers", productType="USDT-FUTURES")

    assert {row["symbol"]: row["symbolStatus"] for row in contracts.body["data"]} == {
        "BTCUSDT": "normal",
        "NEWUSDT": "listed",
    }
    assert [row["symbol"] for row in tickers.body["data"]] == ["BTCUSDT"]


async def test_turnover_is_that_of_the_last_day() -> None:
    """``--top N`` picks by it; a symbol that stopped trading has none."""
    series, stopped = steps(1500), steps(3, symbol="OLDUSDT")
    async with open_exchange([series, stopped]) as counter:
        answer = await counter.ask(f"{MARKET}/tickers", productType="USDT-FUTURES")
        alone = await counter.ask(f"{MARKET}/ticker", productType="USDT-FUTURES", symbol="BTCUSDT")

    row, old = answer.body["data"]
    assert alone.body["data"] == [row]
    assert float(row["usdtVolume"]) == pytest.approx(series.values[5, -288:].sum())
    assert float(row["baseVolume"]) == pytest.approx(series.values[4, -288:].sum())
    assert (row["lastPr"], row["bidPr"], row["askPr"], row["ts"]) == ("250.0", "250.0", "250.1", str(END))
    assert float(row["high24h"]) == 250.0
    assert float(old["usdtVolume"]) == 0


async def test_funding_comes_newest_first_in_pages() -> None:
    """Twenty a page unless asked, a hundred at most without a word, settled ones only."""
    times = T0 + 8 * HOUR_MS * np.arange(150, dtype=np.int64)
    rates = np.round(1e-6 * np.arange(150), 6)
    funding = {"BTCUSDT": Funding(times, rates)}
    now = int(times[139])
    question = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES"}
    async with open_exchange([steps(300)], now_ms=now, funding=funding) as counter:
        usual = await counter.ask(f"{MARKET}/history-fund-rate", **question)
        cut = await counter.ask(f"{MARKET}/history-fund-rate", **question, pageSize=500)
        second = await counter.ask(f"{MARKET}/history-fund-rate", **question, pageSize=100, pageNo=2)
        beyond = await counter.ask(f"{MARKET}/history-fund-rate", **question, pageSize=100, pageNo=3)

    assert len(usual.body["data"]) == 20
    assert usual.body["data"][0] == {
        "symbol": "BTCUSDT",
        "fundingRate": "0.000139",
        "fundingTime": str(now),
    }
    assert [int(row["fundingTime"]) for row in cut.body["data"]] == times[139:39:-1].tolist()
    assert [float(row["fundingRate"]) for row in second.body["data"]] == rates[39::-1].tolist()
    assert beyond.body["data"] == []


async def test_funding_without_a_file_is_the_usual_rate_every_eight_hours() -> None:
    """At 00:00, 08:00 and 16:00 UTC, as long as the candles go."""
    question = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES"}
    async with open_exchange([steps(289)]) as counter:
        answer = await counter.ask(f"{MARKET}/history-fund-rate", **question)

    assert [int(row["fundingTime"]) - T0 for row in answer.body["data"]] == [
        24 * HOUR_MS,
        16 * HOUR_MS,
        8 * HOUR_MS,
        0,
    ]
    assert {row["fundingRate"] for row in answer.body["data"]} == {"0.0001"}


@pytest.mark.parametrize(("hours", "named"), [(8, "8"), (4, "4"), (1, "1")])
async def test_the_funding_interval_is_read_from_the_rates(hours: int, named: str) -> None:
    """Half of the real symbols settle every four hours."""
    times = T0 + hours * HOUR_MS * np.arange(9, dtype=np.int64)
    funding = {"BTCUSDT": Funding(times, np.full(9, 1e-4))}
    async with open_exchange([steps(300)], funding=funding) as counter:
        answer = await counter.ask(f"{MARKET}/contracts", productType="USDT-FUTURES")

    assert answer.body["data"][0]["fundInterval"] == named


@pytest.mark.parametrize(
    ("prices", "places", "step"),
    [
        ([100.0, 100.1, 103.4], 1, 1),
        ([0.0013527, 0.0013532, 0.0013542], 7, 5),
        ([45_000.0, 45_010.0], 0, 10),
        ([7.062, 7.062], 3, 1),
    ],
)
def test_the_tick_is_the_smallest_price_difference(prices: list[float], places: int, step: int) -> None:
    """It decides by how much an executable price is worse than the close."""
    values = np.tile(np.array(prices), (6, 1))
    tick = price_tick(Candles("XUSDT", steps(len(prices)).open_time, values))

    assert (tick.places, tick.step) == (places, step)


@pytest.mark.parametrize("value", [5e-05, 0.1, 1e22, 123456.789, 0.0, 1.5e-07])
def test_plain_numbers_read_back_exactly(value: float) -> None:
    """The exchange never writes an exponent."""
    assert float(decimal_text(value)) == value
    assert "e" not in decimal_text(value)


async def test_requests_are_counted_by_endpoint() -> None:
    """The acceptance tests of the client are read from these counters."""
    async with open_exchange([steps(3)], latency_ms=5) as counter:
        await counter.ask("/api/v2/public/time")
        await counter.candles("candles")
        await counter.candles("candles", limit=0)
        await counter.ask("/api/v2/nowhere")
        seen = await counter.stats()

    assert seen["total"] == 4
    assert seen["requests"] == {"/api/v2/public/time": 1, f"{MARKET}/candles": 2, "unknown": 1}
    assert seen["throttled_total"] == 0
    assert seen["in_flight"] == 0
    assert seen["max_in_flight"] == 1
    assert seen["max_in_flight_by_endpoint"][f"{MARKET}/candles"] == 1
    assert seen["server_time"] == T0 + 3 * CANDLE_MS


def test_every_endpoint_of_the_reference_is_there() -> None:
    """The public half is complete."""
    assert set(ENDPOINTS) == {
        "/api/v2/public/time",
        *(f"{MARKET}/{name}" for name in ("contracts", "tickers", "ticker", "candles", "history-candles")),
        f"{MARKET}/history-fund-rate",
        f"{MARKET}/query-position-lever",
        f"{MARKET}/history-mark-candles",
        f"{MARKET}/history-index-candles",
        f"{MARKET}/merge-depth",
    }


def test_all_wrong_options_are_told_at_once() -> None:
    """Whoever starts it has to start it once more, not five times."""
    with pytest.raises(SettingsError) as caught:
        ExchangeOptions(
            host="0.0.0.0",  # noqa: S104 - refused, which is the point
            port=70_000,
            now_ms=-1,
            speed=-1,
            rate_limit=-1,
            latency_ms=float("nan"),
            spread_bps=-1.0,
            spreads_bps={"AUSDT": 20_000.0},
            ticks={"BUSDT": Decimal(0)},
            mark_lag=-2,
            history_end="open",
            faults={"429": 0.7, "500": 0.6, "earthquake": 0.1, "hole": 2},
        )

    message = str(caught.value)
    told = (
        "host is 0.0.0.0",
        "port is 70000",
        "now is -1",
        "speed is -1",
        "rate_limit is -1",
        "latency_ms is nan",
        "spread_bps is -1.0",
        "spread_bps of AUSDT is 20000.0",
        "the tick of BUSDT is 0",
        "mark_lag is -2",
        "history_end is 'open'",
        "unknown fault earthquake",
        "share of hole is 2",
        "add up to 1.4",
    )
    assert [part for part in told if part not in message] == []


def test_an_exchange_needs_series_with_names_of_their_own() -> None:
    """Nothing to serve, or two series under one name, is a mistake of whoever starts it."""
    with pytest.raises(SettingsError, match="there is no series"):
        EmbeddedExchange([], clock=HandClock())
    with pytest.raises(SettingsError, match="same symbol"):
        EmbeddedExchange([steps(3), steps(4)], clock=HandClock())


async def test_a_taken_port_is_a_clear_message() -> None:
    """The address is named, and nothing is left half started."""
    async with open_exchange([steps(3)]) as counter:
        port = int(counter.exchange.url.rpartition(":")[2])
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {port}"):
            async with EmbeddedExchange([steps(3)], ExchangeOptions(port=port), clock=HandClock()):
                pass
