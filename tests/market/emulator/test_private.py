"""The emulator's private half, asked with nothing of ours: hand-signed requests over HTTP."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import aiohttp
import numpy as np
import pytest

from desk.errors import SettingsError
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Funding, Keys
from desk.market.emulator.__main__ import _options, _parser
from desk.market.emulator.keys import expected_signature
from desk.values import CANDLE_MS, Candles, frozen
from tests.market.emulator.samples import T0, Answer, HandClock

MIX: Final = "/api/v2/mix"
NOW: Final = T0 + 20 * CANDLE_MS
USUAL: Final = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT"}


def series(*rows: tuple[float, float, float, float], symbol: str = "BTCUSDT") -> Candles:
    """Twenty candles at 100, one of them a tick higher, and then ``rows`` of open, high, low, close."""
    prices = np.full((20 + len(rows), 4), 100.0)
    prices[3, 1] = 100.1
    prices[20:] = np.array(rows).reshape(-1, 4)
    volumes = np.full((len(prices), 2), 10.0)
    values = np.concatenate([prices, volumes], axis=1).T
    return Candles(symbol, frozen(T0 + CANDLE_MS * np.arange(len(prices), dtype=np.int64)), frozen(values))


@dataclass(slots=True)
class Customer:
    """Signs as the document says and speaks raw HTTP."""

    exchange: EmbeddedExchange
    session: aiohttp.ClientSession
    clock: HandClock
    keys: Keys

    async def ask(self, method: str, path: str, told: dict[str, Any] | None = None, **headers: str) -> Answer:
        """Send one signed request; ``headers`` replace those that would be sent, an empty one is left out."""
        told = {**USUAL, **(told or {})}
        query = "&".join(f"{name}={value}" for name, value in sorted(told.items())) if method == "GET" else ""
        body = "" if method == "GET" else json.dumps(told)
        target = f"{path}?{query}" if query else path
        timestamp = headers.get("ACCESS_TIMESTAMP", str(self.exchange.now_ms()))
        prehash = f"{timestamp}{method}{target}{body}".encode()
        digest = hmac.new(self.keys.secret.encode(), prehash, hashlib.sha256).digest()
        usual = {
            "ACCESS_KEY": self.keys.key,
            "ACCESS_SIGN": base64.b64encode(digest).decode(),
            "ACCESS_TIMESTAMP": timestamp,
            "ACCESS_PASSPHRASE": self.keys.passphrase,
            "paptrading": "1" if self.keys.demo else "",
        }
        sent = {name.replace("_", "-"): value for name, value in {**usual, **headers}.items() if value}
        async with self.session.request(
            method, self.exchange.url + target, data=body or None, headers=sent
        ) as response:
            return Answer(response.status, dict(response.headers), await response.json())

    async def get(self, path: str, **told: Any) -> Any:
        """Data of a GET that must succeed."""
        answer = await self.ask("GET", f"{MIX}{path}", told)
        assert answer.code == "00000", answer.body
        return answer.body["data"]

    async def post(self, path: str, **told: Any) -> Any:
        """Data of a POST that must succeed."""
        answer = await self.ask("POST", f"{MIX}{path}", told)
        assert answer.code == "00000", answer.body
        return answer.body["data"]

    async def refused(self, path: str, **told: Any) -> tuple[int, str]:
        """Status and code of a POST that must not succeed."""
        answer = await self.ask("POST", f"{MIX}{path}", told)
        assert answer.body["data"] is None
        return answer.status, answer.code

    async def order(self, **told: Any) -> Any:
        """Place an order, a market order to buy 2 unless told otherwise."""
        return await self.post("/order/place-order", **{**ORDER, **told})


ORDER: Final = {"marginMode": "isolated", "size": "2", "side": "buy", "orderType": "market"}


@asynccontextmanager
async def customer(
    *rows: tuple[float, float, float, float], funding: Funding | None = None, **options: Any
) -> AsyncIterator[Customer]:
    clock = HandClock()
    settings = ExchangeOptions(**{"rate_limit": 0, "now_ms": NOW, "speed": 1.0, **options})
    rates = {} if funding is None else {"BTCUSDT": funding}
    async with (
        EmbeddedExchange(
            [series(*rows), series(symbol="ETHUSDT")], settings, clock=clock, funding=rates
        ) as exchange,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        yield Customer(exchange, session, clock, settings.keys)


def test_the_vectors_of_the_document() -> None:
    """The emulator's own code for the signature, against numbers that others computed."""
    secret = "0123456789abcdef" * 2
    body = (
        '{"symbol":"BTCUSDT","productType":"USDT-FUTURES","marginMode":"isolated","marginCoin":"USDT",'
        '"size":"0.01","side":"buy","orderType":"market","clientOid":"t-0001"}'
    )
    vectors = {
        "1762560123456GET/api/v2/mix/position/all-position?marginCoin=USDT&productType=USDT-FUTURES": (
            "SdhA1dHUuroELT80qOlA0yrGBxwhP4BqvP2JyWmMxAI="
        ),
        f"1762560123456POST/api/v2/mix/order/place-order{body}": (
            "fSypMwhy3FkL5LxC1OUH9c66qT22a2165B5xhNaLfBo="
        ),
        "1762560123GET/user/verify": "hM9P6C208FXbUbRCD9uEzoj2Px+YsxnfjPbJqur6I2U=",
    }
    assert {text: expected_signature(secret, text) for text in vectors} == vectors


@pytest.mark.parametrize(
    ("headers", "options", "code"),
    [
        ({"ACCESS_KEY": ""}, {}, "40006"),
        ({"ACCESS_KEY": "other", "ACCESS_SIGN": "wrong"}, {}, "40037"),
        ({"ACCESS_SIGN": "wrong"}, {"keys": Keys(unified=True)}, "40085"),
        ({"ACCESS_TIMESTAMP": str(NOW - 30_001)}, {}, "40008"),
        ({"ACCESS_TIMESTAMP": str(NOW + 30_001)}, {}, "40008"),
        ({"ACCESS_TIMESTAMP": str(NOW - 30_000)}, {}, "00000"),
        ({"ACCESS_SIGN": "wrong", "ACCESS_PASSPHRASE": "wrong"}, {}, "40009"),
        ({"ACCESS_PASSPHRASE": "wrong"}, {}, "40012"),
        ({"paptrading": "1"}, {}, "40099"),
        ({"paptrading": ""}, {"keys": Keys(demo=True)}, "40099"),
        ({}, {"keys": Keys(demo=True)}, "00000"),
    ],
)
async def test_signatures_are_checked_in_the_exchanges_order(
    headers: dict[str, str], options: dict[str, Any], code: str
) -> None:
    """Which of two faults is told first decides which remedy a user reads."""
    async with customer(**options) as asks:
        answer = await asks.ask("GET", f"{MIX}/account/accounts", None, **headers)

    assert answer.code == code
    assert answer.status == (200 if code == "00000" else 400)


async def test_an_order_lives_as_the_document_shows_it() -> None:
    """The fields of ``docs/bitget.md``, section 8.2, with the status word of each endpoint."""
    async with customer() as asks:
        ids = await asks.order(clientOid="t-0001", presetStopLossPrice="95")
        detail = await asks.get("/order/detail", clientOid="t-0001")
        [row] = (await asks.get("/order/orders-history"))["entrustedList"]
        pending = await asks.get("/order/orders-pending")
        [fill] = (await asks.get("/order/fills"))["fillList"]
        [position] = await asks.get("/position/single-position")
        [listed] = await asks.get("/position/all-position")
        [plan] = (await asks.get("/order/orders-plan-pending", planType="profit_loss"))["entrustedList"]
        account = await asks.get("/account/account")

    assert ids == {"orderId": detail["orderId"], "clientOid": "t-0001"}
    expected = {
        "symbol": "BTCUSDT",
        "size": "2",
        "baseVolume": "2",
        "priceAvg": "100.1",
        "fee": "-0.12012",
        "price": "",
        "state": "filled",
        "side": "buy",
        "force": "gtc",
        "posSide": "net",
        "leverage": "10",
        "presetStopLossPrice": "95",
        "presetStopSurplusPrice": "",
        "quoteVolume": "200.2",
        "reduceOnly": "NO",
        "tradeSide": "buy_single",
        "posMode": "one_way_mode",
        "cTime": str(NOW),
    }
    assert expected.items() <= detail.items()
    assert row["status"] == "filled"
    assert pending == {"entrustedList": None, "endId": None}
    assert (fill["tradeScope"], fill["feeDetail"][0]["totalFee"]) == ("taker", "-0.12012")
    assert (position["holdSide"], position["total"], position["marginSize"]) == ("long", "2", "20.02")
    assert (listed["stopLoss"], listed["takeProfit"]) == ("95", "")
    assert (plan["planType"], plan["size"], plan["orderId"]) == ("loss_plan", "2", listed["stopLossId"])
    assert (account["unrealizedPL"], account["marginMode"], account["isolatedLongLever"]) == (
        "-0.2",
        "isolated",
        10,
    )
    assert Decimal(account["accountEquity"]) == Decimal(10_000) - Decimal("0.12012") - Decimal("0.2")


MODES = {
    "one-way long": ("one_way_mode", {"side": "buy"}, {"side": "sell", "reduceOnly": "YES"}),
    "one-way short": ("one_way_mode", {"side": "sell"}, {"side": "BUY", "reduceOnly": "yes"}),
    "hedge long": ("hedge_mode", {"side": "buy", "tradeSide": "open"}, {"side": "buy", "tradeSide": "close"}),
    "hedge short": (
        "hedge_mode",
        {"side": "sell", "tradeSide": "open"},
        {"side": "sell", "tradeSide": "CLOSE"},
    ),
}


@pytest.mark.parametrize(("mode", "opening", "closing"), MODES.values(), ids=list(MODES))
async def test_the_table_of_intentions(mode: str, opening: dict[str, str], closing: dict[str, str]) -> None:
    """``docs/bitget.md``, section 8.1: ``side`` is the position's, the wrong one finds nothing to close."""
    async with customer() as asks:
        await asks.post("/account/set-position-mode", posMode=mode)
        await asks.order(**opening)
        [position] = await asks.get("/position/all-position")
        if mode == "hedge_mode":
            wrong = {"side": "sell" if closing["side"] == "buy" else "buy", "tradeSide": "close"}
            assert await asks.refused("/order/place-order", **ORDER | wrong) == (400, "22002")
            assert await asks.refused("/order/place-order", **ORDER) == (400, "40774")
        await asks.order(**closing)
        flat = await asks.get("/position/all-position")

    assert position["holdSide"] == ("long" if opening["side"] == "buy" else "short")
    assert flat == []


@pytest.mark.parametrize(
    ("path", "told", "code"),
    [
        ("/order/place-order", ORDER | {"clientOid": "used"}, "40786"),
        ("/order/place-order", ORDER | {"size": "0.04"}, "45110"),
        ("/order/place-order", ORDER | {"size": "5000"}, "40762"),
        ("/order/place-order", ORDER | {"symbol": "NOPEUSDT"}, "40034"),
        ("/order/place-order", ORDER | {"productType": "NONSENSE"}, "400172"),
        ("/order/place-order", ORDER | {"size": "much"}, "40020"),
        ("/order/place-order", ORDER | {"size": ""}, "40019"),
        ("/order/place-order", ORDER | {"orderType": "limit"}, "40019"),
        ("/order/place-order", ORDER | {"orderType": "limit", "price": "99.95"}, "45115"),
        ("/order/cancel-order", {"orderId": "7"}, "22001"),
        ("/order/modify-order", {"orderId": "7", "newClientOid": "x"}, "40109"),
        ("/order/close-positions", {"symbol": "ETHUSDT"}, "22002"),
        ("/order/cancel-all-orders", {}, "22001"),
        ("/order/cancel-plan-order", {"planType": "profit_loss"}, "400172"),
        (
            "/order/place-tpsl-order",
            {"planType": "pos_loss", "holdSide": "long", "triggerPrice": "95"},
            "400172",
        ),
        (
            "/order/place-tpsl-order",
            {"planType": "pos_loss", "holdSide": "buy", "triggerPrice": "105"},
            "40917",
        ),
        ("/account/set-margin-mode", {"marginMode": "crossed"}, "45117"),
        ("/account/set-position-mode", {"posMode": "hedge_mode"}, "40920"),
        ("/account/set-leverage", {"leverage": "101"}, "40797"),
    ],
)
async def test_refusals_have_the_exchanges_codes(path: str, told: dict[str, Any], code: str) -> None:
    """A client's table of what to do is only as good as the codes that it was tried on."""
    async with customer() as asks:
        await asks.order(clientOid="used")
        refusal = await asks.refused(path, **told)
        counters = asks.exchange.stats.trading

    assert refusal == (400, code)
    assert counters[f"refused {code}"] == 1
    assert counters["orders"] == 1


async def test_unknown_orders_are_told_as_unknown() -> None:
    async with customer() as asks:
        answer = await asks.ask("GET", f"{MIX}/order/detail", {"clientOid": "never-sent"})

    assert (answer.status, answer.code) == (400, "40109")


async def test_the_account_lives_through_market_time() -> None:
    """Between two requests candles pass: stops fire at their time, not when somebody asks."""
    async with customer((100, 101, 94, 99), (99, 100, 98, 98)) as asks:
        await asks.order(presetStopLossPrice="95")
        asks.clock.seconds += 600
        fills = (await asks.get("/order/fills"))["fillList"]
        flat = await asks.get("/position/all-position")

    stop = fills[0]
    assert (stop["price"], stop["enterPointSource"], stop["tradeSide"]) == ("94.9", "sys", "sell_single")
    assert NOW < int(stop["cTime"]) < NOW + CANDLE_MS
    assert flat == []


async def test_the_price_of_a_forming_candle_is_one_for_all() -> None:
    """REST, matching and sockets show the same market, and none of them the future."""
    async with customer((100, 103, 97, 102)) as asks:
        asks.clock.seconds += 100
        await asks.order()
        [fill] = (await asks.get("/order/fills"))["fillList"]
        candles = await asks.get("/market/candles", granularity="5m", limit=1)
        [ticker] = await asks.get("/market/ticker")

    assert candles[0][1:5] == ["100.0", "100.0", "97.0", "97.0"]
    assert ticker["lastPr"] == "97.0"
    assert fill["price"] == "97.1"


async def test_funding_is_settled_at_its_time() -> None:
    funding = Funding(frozen(np.array([NOW + 60_000])), frozen(np.array([0.001])))
    async with customer((100, 100, 100, 100), funding=funding) as asks:
        await asks.order()
        before = Decimal((await asks.get("/account/account"))["accountEquity"])
        asks.clock.seconds += 61
        after = Decimal((await asks.get("/account/account"))["accountEquity"])
        [position] = await asks.get("/position/single-position")

    assert before - after == Decimal("0.2")
    assert position["totalFee"] == "-0.2"


async def test_stops_of_the_position_are_replaced_and_cancelled() -> None:
    async with customer() as asks:
        await asks.order()
        first = await asks.post("/order/place-pos-tpsl", holdSide="buy", stopLossTriggerPrice="95")
        both = await asks.post(
            "/order/place-pos-tpsl", holdSide="buy", stopLossTriggerPrice="96", stopSurplusTriggerPrice="110"
        )
        sized = await asks.post(
            "/order/place-tpsl-order", planType="loss_plan", holdSide="buy", triggerPrice="90", size="1"
        )
        await asks.post("/order/modify-tpsl-order", orderId=sized["orderId"], triggerPrice="91", size="1")
        plans = (await asks.get("/order/orders-plan-pending", planType="profit_loss"))["entrustedList"]
        cancelled = await asks.post(
            "/order/cancel-plan-order", planType="loss_plan", orderIdList=[{"orderId": sized["orderId"]}]
        )
        [listed] = await asks.get("/position/all-position")

    assert (len(first), len(both)) == (1, 2)
    assert {(plan["planType"], plan["triggerPrice"], plan["size"]) for plan in plans} == {
        ("pos_loss", "96", "0"),
        ("pos_profit", "110", "0"),
        ("loss_plan", "91", "1"),
    }
    assert [row["orderId"] for row in cancelled["successList"]] == [sized["orderId"]]
    assert (listed["stopLoss"], listed["takeProfit"]) == ("96", "110")


async def test_plans_are_cancelled_under_their_own_kind_alone() -> None:
    """``docs/bitget.md``, section 8.4: without ``planType`` trigger orders are meant, and nothing happens."""
    async with customer() as asks:
        await asks.order()
        [stop] = await asks.post("/order/place-pos-tpsl", holdSide="buy", stopLossTriggerPrice="95")
        named = [{"orderId": stop["orderId"], "clientOid": ""}]
        path, other = "/order/cancel-plan-order", [{"orderId": "7"}]
        unsaid = await asks.post(path, orderIdList=named)
        mistaken = await asks.post(path, planType="loss_plan", orderIdList=named)
        gone = await asks.post(path, planType="pos_loss", orderIdList=other)
        done = await asks.post(path, planType="pos_loss", orderIdList=named)

    assert [unsaid, mistaken] == [{"successList": [], "failureList": []}] * 2
    assert gone["failureList"] == [{"orderId": "7", "clientOid": "", "errorMsg": "notExistend"}]
    assert [row["orderId"] for row in done["successList"]] == [stop["orderId"]]


async def test_both_exits_of_a_position_are_overwritten() -> None:
    """One that the request leaves out is gone afterwards; those for a size stay."""
    async with customer() as asks:
        await asks.order(presetStopLossPrice="90")
        both = {"stopLossTriggerPrice": "95", "stopSurplusTriggerPrice": "110"}
        await asks.post("/order/place-pos-tpsl", holdSide="buy", **both)
        await asks.post("/order/place-pos-tpsl", holdSide="buy", stopLossTriggerPrice="96")
        plans = (await asks.get("/order/orders-plan-pending", planType="profit_loss"))["entrustedList"]

    assert {(plan["planType"], plan["triggerPrice"]) for plan in plans} == {
        ("pos_loss", "96"),
        ("loss_plan", "90"),
    }


@pytest.mark.parametrize("bound", [True, False])
async def test_an_order_says_which_kind_of_stop_made_it(*, bound: bool) -> None:
    """``docs/bitget.md``, section 8.4: of the position, or for a size."""
    async with customer() as asks:
        await asks.order(**({} if bound else {"presetStopLossPrice": "95"}))
        if bound:
            await asks.post("/order/place-pos-tpsl", holdSide="buy", stopLossTriggerPrice="95")
        asks.exchange.set_price("BTCUSDT", Decimal(94))
        [fill, _] = (await asks.get("/order/fills"))["fillList"]
        detail = await asks.get("/order/detail", orderId=fill["orderId"])

    assert detail["orderSource"] == ("pos_loss_market" if bound else "loss_market")


async def test_resting_orders_are_listed_changed_and_cancelled() -> None:
    async with customer() as asks:
        for number in range(3):
            await asks.order(orderType="limit", price=f"9{number}", clientOid=f"t-{number}", force="GTC")
        page = await asks.get("/order/orders-pending", limit=2)
        rest = await asks.get("/order/orders-pending", limit=2, idLessThan=page["endId"])
        await asks.post(
            "/order/modify-order", clientOid="t-0", newClientOid="n-0", newPrice="89", newSize="3"
        )
        batch = await asks.post(
            "/order/batch-cancel-orders", orderIdList=[{"clientOid": "t-1"}, {"clientOid": "gone"}]
        )
        everything = await asks.post("/order/cancel-all-orders")

    assert [row["clientOid"] for row in page["entrustedList"]] == ["t-2", "t-1"]
    assert [row["clientOid"] for row in rest["entrustedList"]] == ["t-0"]
    assert [row["clientOid"] for row in batch["successList"]] == ["t-1"]
    assert [row["errorCode"] for row in batch["failureList"]] == ["22001"]
    assert {row["clientOid"] for row in everything["successList"]} == {"t-2", "n-0"}


async def test_close_positions_without_a_symbol_closes_all_of_them() -> None:
    """``docs/bitget.md``, section 8.2: a forgotten symbol is a panic button."""
    async with customer() as asks:
        await asks.order()
        await asks.order(symbol="ETHUSDT")
        closed = await asks.ask("POST", f"{MIX}/order/close-positions", {"symbol": ""})
        flat = await asks.get("/position/all-position")

    assert {row["symbol"] for row in closed.body["data"]["successList"]} == {"BTCUSDT", "ETHUSDT"}
    assert flat == []


async def test_a_lost_answer_was_an_order() -> None:
    """The fault that every trading client must survive: nobody heard, and yet it is there."""
    async with customer(faults={"lost": 1.0}) as asks:
        with pytest.raises(aiohttp.ClientError):
            await asks.order(clientOid="t-1")
        detail = await asks.get("/order/detail", clientOid="t-1")
        with pytest.raises(aiohttp.ClientError):
            await asks.order(clientOid="t-2", side="sell", reduceOnly="YES")
        stats = asks.exchange.stats

    assert detail["state"] == "filled"
    assert (stats.faults["lost"], stats.trading["orders"]) == (2, 2)


async def test_an_order_may_be_taken_and_answered_with_an_unknown_code() -> None:
    """As a code of tomorrow may be: only a look under its id tells that it is there."""
    async with customer(faults={"unknown": 1.0}) as asks:
        answer = await asks.ask("POST", f"{MIX}/order/place-order", {**ORDER, "clientOid": "t-1"})
        detail = await asks.get("/order/detail", clientOid="t-1")

    assert (answer.code, detail["state"]) == ("59999", "filled")


async def test_limits_are_counted_by_key_and_endpoint() -> None:
    """``docs/bitget.md``, section 3: 10 a second for most, 5 for the settings, 1 for close-positions."""
    async with customer(rate_limit=20) as asks:
        codes = [(await asks.ask("GET", f"{MIX}/account/accounts")).code for _ in range(11)]
        left = (await asks.ask("POST", f"{MIX}/account/set-leverage", {"leverage": "5"})).headers
        close = [(await asks.ask("POST", f"{MIX}/order/close-positions")).code for _ in range(2)]

    assert codes == ["00000"] * 10 + ["429"]
    assert left["x-mbx-used-remain-limit"] == "4"
    assert close == ["22002", "429"]


async def test_a_private_path_asked_in_the_wrong_way_is_not_there() -> None:
    async with customer() as asks:
        answer = await asks.ask("GET", f"{MIX}/order/place-order")

    assert (answer.status, answer.code) == (404, "40404")


async def test_the_accounts_own_fees_and_the_maintenance_rate() -> None:
    async with customer(balance=Decimal(50)) as asks:
        rate = await asks.ask("GET", "/api/v2/common/trade-rate", {"businessType": "mix"})
        [tier] = await asks.get("/market/query-position-lever")
        [balance] = await asks.get("/account/accounts")

    assert rate.body["data"] == {"makerFeeRate": "0.0002", "takerFeeRate": "0.0006"}
    assert tier["keepMarginRate"] == "0.004"
    assert balance["available"] == "50"


def test_the_keys_are_in_no_text() -> None:
    """Play keys teach habits too."""
    assert "secret" not in repr(Keys()).replace("emulator-key", "")
    assert "passphrase" not in repr(Keys())


def test_the_command_line_says_whose_account_it_is() -> None:
    """Any three values may be the keys; what is not told is as the documentation prints it."""
    told = ["--balance", "50.5", "--key", "k", "--secret", "s", "--passphrase", "p", "--demo-account"]
    options = _options(_parser().parse_args(told))
    usual = _options(_parser().parse_args([]))

    assert options.keys == Keys(key="k", secret="s", passphrase="p", demo=True)  # noqa: S106 - play keys
    assert options.balance == Decimal("50.5")
    assert usual.keys == Keys()
    with pytest.raises(SettingsError, match="balance"):
        _options(_parser().parse_args(["--balance", "much"]))
    with pytest.raises(SettingsError, match="balance"):
        ExchangeOptions(balance=Decimal(0))
