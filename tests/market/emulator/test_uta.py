"""The emulator's API v3, asked with nothing of ours: hand-signed requests over HTTP."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from desk.errors import SettingsError
from desk.market.emulator import Keys
from desk.market.emulator.__main__ import _options, _parser
from desk.market.emulator.keys import expected_signature
from desk.market.emulator.uta_options import UnifiedOptions, read_switches
from tests.market.emulator.uta_samples import (
    CATEGORY,
    NOW,
    ORDER,
    STOP,
    V3,
    UnifiedCustomer,
    unified_customer,
)

VECTORS = {
    "GET/api/v3/account/settings": "UKx3yxXnsLttf5K2ndY0pXDi21ESaIzuPW/soBEl+LE=",
    "GET/api/v3/position/current-position?category=USDT-FUTURES": (
        "9wtSldxCL32eSvT3+vQIcb9Zmzyu/mD7Nlt+nU8L6yQ="
    ),
    'POST/api/v3/trade/cancel-strategy-order{"orderId":"1369857741236084740"}': (
        "KgnnDSiSB7tVVuOlXOn390fmdjzh8UwY+/R9RNqet7M="
    ),
}


def test_the_vectors_of_the_document() -> None:
    """The emulator's own code for the signature, against numbers that others computed."""
    signed = {text: expected_signature("0123456789abcdef" * 2, f"1762560123456{text}") for text in VECTORS}

    assert signed == VECTORS


@pytest.mark.parametrize(
    ("unified", "path", "code"),
    [
        (True, "/api/v3/account/settings", "00000"),
        (True, "/api/v2/mix/account/accounts", "40085"),
        (False, "/api/v3/account/settings", "40084"),
        (False, "/api/v3/trade/unfilled-orders", "40084"),
    ],
)
async def test_each_kind_of_account_has_one_api(*, unified: bool, path: str, code: str) -> None:
    """A client finds the kind of an account by these two refusals and nothing else."""
    async with unified_customer(keys=Keys(unified=unified)) as customer:
        answer = await customer.ask("GET", path)

    assert (answer.code, answer.status) == (code, 200 if code == "00000" else 400)


async def test_public_data_of_v2_serves_both_kinds() -> None:
    async with unified_customer() as customer:
        answer = await customer.ask(
            "GET", "/api/v2/mix/market/tickers", {"productType": "USDT-FUTURES"}, ACCESS_KEY=""
        )

    assert answer.code == "00000"


@pytest.mark.parametrize(("kind", "code"), [("upgrading", "25006"), ("hybrid", "00000")])
async def test_an_account_that_is_upgrading_answers_for_its_settings_alone(kind: Any, code: str) -> None:
    """Its kind is shown, and whoever trades must wait."""
    async with unified_customer() as customer:
        customer.exchange.book.kind = kind
        settings = await customer.get("/account/settings")
        answer = await customer.ask("GET", f"{V3}/account/assets")

    assert settings["accountMode"] == kind
    assert answer.code == code


async def test_an_order_lives_as_the_document_shows_it() -> None:
    """The fields of ``docs/bitget.md``, section U6.2; fees of orders and fills have opposite signs."""
    async with unified_customer() as customer:
        ids = await customer.order(clientOid="t-0001", stopLoss="95")
        info = await customer.get("/trade/order-info", clientOid="t-0001")
        history = await customer.get("/trade/history-orders")
        resting = await customer.get("/trade/unfilled-orders")
        fills = await customer.get("/trade/fills", limit=100)

    assert ids == {"orderId": info["orderId"], "clientOid": "t-0001"}
    expected = {
        "category": "USDT-FUTURES",
        "symbol": "BTCUSDT",
        "orderType": "market",
        "side": "buy",
        "price": "0",
        "qty": "2",
        "amount": "0",
        "cumExecQty": "2",
        "cumExecValue": "200.2",
        "avgPrice": "100.1",
        "timeInForce": "gtc",
        "orderStatus": "filled",
        "posSide": "long",
        "holdMode": "one_way_mode",
        "tradeSide": "open",
        "delegateType": "market",
        "reduceOnly": "NO",
        "marginMode": "isolated",
        "stpMode": "none",
        "takeProfit": "",
        "stopLoss": "95",
        "tpTriggerBy": "",
        "slTriggerBy": "market",
        "slOrderType": "market",
        "slLimitPrice": "",
        "feeDetail": [{"feeCoin": "USDT", "fee": "0.12012"}],
        "cancelReason": "",
        "execType": "normal",
        "createdTime": str(NOW),
    }
    assert expected.items() <= info.items()
    assert history["list"] == [info]
    assert resting == {"list": [], "cursor": None}
    [fill] = fills["list"]
    assert fill["feeDetail"] == [{"feeCoin": "USDT", "fee": "-0.12012"}]
    assert (fill["clientOid"], fill["execPrice"], fill["execQty"]) == ("t-0001", "100.1", "2")
    assert fills["cursor"] == fill["execId"]


INTENTIONS = {
    "one-way long": ("one_way_mode", {"side": "buy"}, {"side": "sell", "reduceOnly": "yes"}),
    "one-way short": ("one_way_mode", {"side": "sell"}, {"side": "buy", "reduceOnly": "yes"}),
    "hedge long": (
        "hedge_mode",
        {"side": "buy", "posSide": "long"},
        {"side": "sell", "posSide": "long"},
    ),
    "hedge short": (
        "hedge_mode",
        {"side": "sell", "posSide": "short"},
        {"side": "buy", "posSide": "short"},
    ),
}


@pytest.mark.parametrize(("mode", "opening", "closing"), INTENTIONS.values(), ids=list(INTENTIONS))
async def test_the_table_of_intentions(mode: str, opening: dict[str, str], closing: dict[str, str]) -> None:
    """``docs/bitget.md``, section U6.1: ``side`` is the trade, in hedge mode too."""
    async with unified_customer() as customer:
        assert await customer.post("/account/set-hold-mode", holdMode=mode) == "success"
        await customer.order(**opening)
        held = await customer.positions()
        if mode == "hedge_mode":
            assert await customer.refused("/trade/place-order", **ORDER) == (400, "25236")
            both = {**ORDER, **closing, "reduceOnly": "yes"}
            assert await customer.refused("/trade/place-order", **both) == (400, "25236")
        await customer.order(**closing, clientOid="t-2")
        info = await customer.get("/trade/order-info", clientOid="t-2")
        flat = await customer.positions()

    assert held is not None
    assert info["reduceOnly"] == ("YES" if mode == "one_way_mode" else "NO")
    assert info["tradeSide"] == ("close" if mode == "one_way_mode" else f"close_{closing['posSide']}")
    assert [row["posSide"] for row in held] == ["long" if opening["side"] == "buy" else "short"]
    assert flat is None


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/trade/place-order", ORDER | {"qty": "0.04"}, "45110"),
        ("/trade/place-order", ORDER | {"qty": "5000"}, "25202"),
        ("/trade/place-order", ORDER | {"symbol": "NOPEUSDT"}, "25100"),
        ("/trade/place-order", ORDER | {"category": "NONSENSE"}, "400172"),
        ("/trade/place-order", ORDER | {"qty": "much"}, "40020"),
        ("/trade/place-order", ORDER | {"qty": ""}, "25200"),
        ("/trade/place-order", ORDER | {"clientOid": "x" * 33}, "25200"),
        ("/trade/place-order", ORDER | {"orderType": "limit", "price": "99.95"}, "45115"),
        ("/trade/place-order", ORDER | {"stopLoss": "105"}, "25586"),
        ("/trade/place-order", ORDER | {"stopLoss": "95.01"}, "25607"),
        ("/trade/place-order", ORDER | {"side": "sell", "takeProfit": "105"}, "25587"),
        ("/trade/place-order", ORDER | {"orderType": "limit", "price": "90", "stopLoss": "95"}, "25580"),
        ("/trade/place-order", ORDER | {"side": "sell", "reduceOnly": "yes", "stopLoss": "105"}, "25612"),
        ("/trade/place-order", ORDER | {"stopLoss": "95", "slOrderType": "limit"}, "25002"),
        ("/trade/place-order", ORDER | {"marginMode": "crossed"}, "25107"),
        ("/trade/cancel-order", {"clientOid": "gone"}, "25204"),
        ("/trade/close-positions", {"symbol": "ETHUSDT"}, "25227"),
        ("/trade/close-positions", {"symbol": "BTCUSDT", "posSide": "short"}, "25227"),
        ("/trade/place-strategy-order", STOP | {"symbol": "ETHUSDT"}, "31008"),
        ("/trade/place-strategy-order", STOP | {"stopLoss": "105"}, "25586"),
        ("/trade/place-strategy-order", STOP | {"stopLoss": ""}, "25200"),
        ("/trade/cancel-strategy-order", {"orderId": "7"}, "25597"),
        ("/account/set-hold-mode", {"holdMode": "hedge_mode"}, "25107"),
        ("/account/set-leverage", {"symbol": "BTCUSDT", "leverage": "5", "marginMode": "isolated"}, "25200"),
        (
            "/account/set-leverage",
            {"symbol": "BTCUSDT", "leverage": "101", "marginMode": "isolated", "posSide": "long"},
            "25223",
        ),
    ],
)
async def test_refusals_have_the_codes_of_v3(path: str, fields: dict[str, Any], code: str) -> None:
    """A client's table of what to do is only as good as the codes that it was tried on."""
    async with unified_customer() as customer:
        await customer.order()
        refusal = await customer.refused(path, **fields)
        counters = customer.exchange.stats.trading

    assert refusal == (400, code)
    assert counters[f"refused {code}"] == 1
    assert counters["orders"] == 1


async def test_an_unknown_order_is_refused_with_25204() -> None:
    async with unified_customer() as customer:
        answer = await customer.ask("GET", f"{V3}/trade/order-info", {"clientOid": "never-sent"})

    assert (answer.status, answer.code, answer.body["data"]) == (400, "25204", None)


async def test_a_client_id_is_refused_only_while_its_order_rests() -> None:
    """The rule that differs most from v2: a market order that is sent twice is filled twice."""
    async with unified_customer() as customer:
        await customer.order(clientOid="t.1")
        await customer.order(clientOid="t.1")
        [held] = await customer.positions() or []
        limit = {**ORDER, "orderType": "limit", "price": "90", "clientOid": "t-2"}
        first = await customer.post("/trade/place-order", **limit)
        refusal = await customer.refused("/trade/place-order", **limit)
        await customer.post("/trade/cancel-order", clientOid="t-2")
        second = await customer.post("/trade/place-order", **limit)
        info = await customer.get("/trade/order-info", clientOid="t-2")
        old = await customer.get("/trade/order-info", orderId=first["orderId"])

    assert held["total"] == "4"
    assert refusal == (400, "25212")
    assert (info["orderId"], info["orderStatus"]) == (second["orderId"], "new")
    assert (old["orderStatus"], old["clientOid"], old["cancelReason"]) == (
        "cancelled",
        "t-2",
        "normal_cancel",
    )


async def test_an_order_without_margin_mode_is_crossed() -> None:
    """Forgetting one field puts the whole account behind a position."""
    async with unified_customer() as customer:
        await customer.order(marginMode="")
        [held] = await customer.positions() or []
        settings = await customer.get("/account/settings")

    assert held["marginMode"] == "crossed"
    assert [row["marginMode"] for row in settings["symbolConfigList"]] == ["crossed"]


async def test_settings_name_only_what_was_configured() -> None:
    """No row means unknown, not a default."""
    async with unified_customer() as customer:
        before = await customer.get("/account/settings")
        for margin, leverage in (("isolated", "5"), ("crossed", "7")):
            done = await customer.post(
                "/account/set-leverage",
                symbol="BTCUSDT",
                leverage=leverage,
                marginMode=margin,
                posSide="long",
            )
            assert done == "success"
        after = await customer.get("/account/settings")
        await customer.order()
        [held] = await customer.positions() or []

    assert before["symbolConfigList"] == []
    assert before["holdMode"] == "one_way_mode"
    assert {row["marginMode"]: row["leverage"] for row in after["symbolConfigList"]} == {
        "isolated": "5",
        "crossed": "7",
    }
    assert (held["leverage"], held["marginMode"]) == ("5", "isolated")


async def test_equity_is_reported_as_the_document_shows_it() -> None:
    """``imr`` and ``mmr`` are amounts; isolated margin may be outside the equity, by a switch."""
    async with unified_customer() as customer:
        await customer.order()
        assets = await customer.get("/account/assets")
        [held] = await customer.positions() or []
    async with unified_customer(unified=UnifiedOptions(isolated_in_equity=False)) as customer:
        await customer.order()
        without = await customer.get("/account/assets")

    [coin] = assets["assets"]
    wallet = Decimal(10_000) - Decimal("0.12012")
    assert Decimal(assets["usdtEquity"]) - Decimal(assets["usdtUnrealisedPnl"]) == wallet
    assert (coin["coin"], Decimal(coin["balance"]), coin["locked"]) == ("USDT", wallet, "0")
    assert Decimal(coin["equity"]) == Decimal(assets["usdtEquity"])
    assert (assets["imr"], assets["mmr"]) == ("20.02", "0.8")
    assert (held["positionBalance"], held["total"], held["openFeeTotal"]) == ("20.02", "2", "-0.12012")
    assert not {"stopLoss", "takeProfit"} & held.keys()
    assert Decimal(without["usdtEquity"]) == wallet - Decimal("20.02")


async def test_a_stop_attached_to_an_entry_is_listed_and_fires() -> None:
    """The exit is an order of the exchange's own: digits for a client id, the cause in ``delegateType``."""
    async with unified_customer((100, 101, 94, 99), (99, 100, 98, 98)) as customer:
        await customer.order(clientOid="t-1", stopLoss="95", takeProfit="110")
        [stop] = await customer.stops()
        customer.clock.seconds += 600
        gone = await customer.stops()
        [ended] = (await customer.get("/trade/history-strategy-orders"))["list"]
        exit_order = (await customer.get("/trade/history-orders"))["list"][0]
        flat = await customer.positions()

    assert (stop["stopLoss"], stop["takeProfit"], stop["qty"], stop["status"]) == (
        "95",
        "110",
        "2",
        "pending",
    )
    assert gone == []
    assert (ended["orderId"], ended["status"]) == (stop["orderId"], "success")
    assert (exit_order["delegateType"], exit_order["avgPrice"]) == ("stop_loss_market", "94.9")
    assert exit_order["clientOid"] == exit_order["orderId"]
    assert flat is None


async def test_a_strategy_order_holds_both_prices_under_one_id() -> None:
    """It is found, moved and removed by that id; a second one for the whole position is refused."""
    async with unified_customer() as customer:
        await customer.order()
        ids = await customer.post("/trade/place-strategy-order", **STOP, takeProfit="110", clientOid="t-4")
        second = await customer.refused("/trade/place-strategy-order", **STOP)
        moved = await customer.post("/trade/modify-strategy-order", orderId=ids["orderId"], stopLoss="96")
        again = await customer.refused("/trade/modify-strategy-order", orderId=ids["orderId"], stopLoss="96")
        [row] = await customer.stops()
        removed = await customer.post("/trade/cancel-strategy-order", clientOid="t-4")
        left = await customer.stops()
        plans = customer.exchange.venue.matching.account.plans

    assert second == (400, "25594")
    assert again == (400, "25600")
    assert moved == ids
    assert (row["orderId"], row["stopLoss"], row["takeProfit"]) == (ids["orderId"], "96", "110")
    assert (row["qty"], row["posSide"], row["clientOid"]) == ("2", "long", "t-4")
    assert removed is None
    assert left == []
    assert plans == {}


async def test_a_full_stop_fires_for_the_whole_position() -> None:
    async with unified_customer((100, 101, 94, 99)) as customer:
        await customer.order()
        await customer.post("/trade/place-strategy-order", **STOP)
        await customer.order()
        customer.clock.seconds += 300
        exit_order = (await customer.get("/trade/history-orders"))["list"][0]
        flat = await customer.positions()

    assert (exit_order["qty"], exit_order["delegateType"]) == ("4", "position_stop_loss_market")
    assert flat is None


@pytest.mark.parametrize("kept", [True, False])
async def test_stops_of_a_closed_position_are_removed_or_kept(*, kept: bool) -> None:
    """Not established: kept ones act on the next position, which is why a client must sweep them."""
    options = UnifiedOptions(stops_after_close="kept" if kept else "removed")
    async with unified_customer((100, 101, 94, 99), unified=options) as customer:
        await customer.order()
        await customer.post("/trade/place-strategy-order", **STOP)
        closed = await customer.post("/trade/close-positions", symbol="BTCUSDT", posSide="long")
        left = await customer.stops()
        await customer.order()
        customer.clock.seconds += 300
        held = await customer.positions()

    assert len(closed["list"]) == 1
    assert len(left) == kept
    assert (held is None) == kept


@pytest.mark.parametrize(
    ("word", "count", "second"), [("partial", 1, "00000"), ("full", 1, "25594"), ("hidden", 0, "00000")]
)
async def test_an_attached_stop_is_listed_as_the_switch_says(word: str, count: int, second: str) -> None:
    """Not established; a client that believes one of the three loses its stop under another."""
    async with unified_customer((100, 101, 94, 99), unified=UnifiedOptions(attached_stops=word)) as customer:
        await customer.order(stopLoss="95")
        listed = await customer.stops()
        answer = await customer.ask("POST", f"{V3}/trade/place-strategy-order", {**STOP, "stopLoss": "90"})
        customer.clock.seconds += 300
        flat = await customer.positions()

    assert len(listed) == count
    assert answer.code == second
    assert flat is None


async def test_a_stop_is_refused_while_its_position_is_not_seen_yet() -> None:
    """31008 for the first second and a half: a client that gives up then has an unprotected position."""
    async with unified_customer(unified=UnifiedOptions(stop_delay_ms=1500)) as customer:
        await customer.order()
        early = await customer.refused("/trade/place-strategy-order", **STOP)
        customer.clock.seconds += 1.5
        await customer.post("/trade/place-strategy-order", **STOP)

    assert early == (400, "31008")


@pytest.mark.parametrize(
    ("strict", "left_out", "code"),
    [
        (True, "posSide", "31008"),
        (True, "marginMode", "31008"),
        (True, "", "00000"),
        (False, "posSide", "00000"),
        (False, "marginMode", "00000"),
    ],
)
async def test_one_way_stops_may_need_two_more_fields(*, strict: bool, left_out: str, code: str) -> None:
    options = UnifiedOptions(one_way_stops="strict" if strict else "free")
    async with unified_customer(unified=options) as customer:
        await customer.order()
        fields = {name: value for name, value in STOP.items() if name != left_out}
        answer = await customer.ask("POST", f"{V3}/trade/place-strategy-order", fields)

    assert answer.code == code


async def test_an_accepted_order_may_be_unknown_for_a_while() -> None:
    """An answer that there is none proves nothing right after sending: hence more than one look-up."""
    async with unified_customer(unified=UnifiedOptions(order_delay_ms=400)) as customer:
        await customer.order(clientOid="t-1")
        early = await customer.ask("GET", f"{V3}/trade/order-info", {"clientOid": "t-1"})
        customer.clock.seconds += 0.4
        info = await customer.get("/trade/order-info", clientOid="t-1")

    assert early.code == "25204"
    assert info["orderStatus"] == "filled"


async def test_a_key_without_permission_reads_and_changes_nothing() -> None:
    """The most common mistake with a new key shows at the first order, or before it by this answer."""
    async with unified_customer(keys=Keys(unified=True, read_only=True)) as customer:
        settings = await customer.get("/account/settings")
        await customer.post("/account/max-open-available", symbol="BTCUSDT", orderType="market", side="buy")
        order = await customer.refused("/trade/place-order", **ORDER)
        leverage = await customer.refused("/account/set-leverage", symbol="BTCUSDT", leverage="5")
        wrong = {"ACCESS_PASSPHRASE": "wrong"}
        mistaken = await customer.ask("POST", f"{V3}/trade/place-order", ORDER, **wrong)

    assert settings["accountMode"] == "unified"
    assert (order, leverage) == ((400, "40014"), (400, "40014"))
    assert mistaken.code == "40012"


async def test_a_lost_answer_was_an_order() -> None:
    """The fault that every trading client must survive: no answer, and yet the order is there."""
    async with unified_customer(faults={"lost": 1.0}) as customer:
        with pytest.raises(aiohttp.ClientError):
            await customer.order(clientOid="t-1")
        info = await customer.get("/trade/order-info", clientOid="t-1")

    assert info["orderStatus"] == "filled"


async def test_a_level_without_crossed_margin_refuses_it() -> None:
    async with unified_customer(unified=UnifiedOptions(level="isolated")) as customer:
        crossed = await customer.refused("/trade/place-order", **ORDER | {"marginMode": ""})
        await customer.order()
        settings = await customer.get("/account/settings")

    assert crossed == (400, "25240")
    assert settings["accountLevel"] == "isolated"


WRONG_SIGN = {"ACCESS_SIGN": "wrong"}


async def _order_code(customer: UnifiedCustomer, **fields: Any) -> str:
    return (await customer.ask("POST", f"{V3}/trade/place-order", {**ORDER, **fields})).code


async def _isolated(customer: UnifiedCustomer) -> str:
    return await _order_code(customer)


async def _one_way_side(customer: UnifiedCustomer) -> str:
    return await _order_code(customer, posSide="long")


async def _hedge_reduce_only(customer: UnifiedCustomer) -> str:
    await customer.post("/account/set-hold-mode", holdMode="hedge_mode")
    await customer.order(posSide="long")
    return await _order_code(customer, side="sell", posSide="long", reduceOnly="yes")


async def _small_close(customer: UnifiedCustomer) -> str:
    await customer.order()
    return await _order_code(customer, side="sell", reduceOnly="yes", qty="0.01")


async def _available(customer: UnifiedCustomer) -> str:
    await customer.order()
    available: str = (await customer.get("/account/assets"))["assets"][0]["available"]
    return available


async def _classic_call(customer: UnifiedCustomer) -> str:
    return (await customer.ask("GET", "/api/v2/mix/account/accounts", None, **WRONG_SIGN)).code


async def _hold_mode(customer: UnifiedCustomer) -> str:
    await customer.order()
    return (await customer.refused("/account/set-hold-mode", holdMode="hedge_mode"))[1]


async def _reused_id(customer: UnifiedCustomer) -> str:
    await customer.order(clientOid="t-1")
    await customer.order(clientOid="t-1", qty="3")
    quantity: str = (await customer.get("/trade/order-info", clientOid="t-1"))["qty"]
    return quantity


async def _fill_fee(customer: UnifiedCustomer) -> str:
    await customer.order()
    fee: str = (await customer.get("/trade/fills"))["list"][0]["feeDetail"][0]["fee"]
    return fee


@pytest.mark.parametrize(
    ("name", "seen", "answers"),
    [
        ("isolated_orders", _isolated, {"allowed": "00000", "refused": "25240"}),
        ("one_way_pos_side", _one_way_side, {"ignored": "00000", "refused": "25236"}),
        ("hedge_reduce_only", _hedge_reduce_only, {"refused": "25236", "accepted": "00000"}),
        ("closing_minimum", _small_close, {"free": "00000", "binding": "45110"}),
        ("available", _available, {"net": "9979.85988", "gross": "9999.87988"}),
        ("kind_checked", _classic_call, {"first": "40085", "last": "40009"}),
        ("hold_mode_code", _hold_mode, {"25107": "25107", "25010": "25010"}),
        ("reused_id", _reused_id, {"newest": "3", "oldest": "2"}),
        ("fill_fees", _fill_fee, {"negative": "-0.12012", "positive": "0.12012"}),
    ],
)
async def test_every_open_question_has_a_switch(
    name: str, seen: Callable[[UnifiedCustomer], Awaitable[str]], answers: dict[str, str]
) -> None:
    """``docs/bitget.md``, section U15: whatever a client believes can be tried the other way."""
    for word, answer in answers.items():
        options: dict[str, Any] = {name: word}
        async with unified_customer(unified=UnifiedOptions(**options)) as customer:
            assert await seen(customer) == answer, word


async def test_lists_are_paged_by_a_cursor() -> None:
    """The last page's cursor is its smallest id; an empty list ends it."""
    async with unified_customer() as customer:
        for number in range(3):
            await customer.order(orderType="limit", price=f"9{number}", clientOid=f"t-{number}")
        page = await customer.get("/trade/unfilled-orders", limit=2)
        rest = await customer.get("/trade/unfilled-orders", limit=2, cursor=page["cursor"])
        end = await customer.get("/trade/unfilled-orders", limit=2, cursor=rest["cursor"])
        long = await customer.ask("GET", f"{V3}/trade/fills", {**CATEGORY, "startTime": 0, "endTime": NOW})
        cancelled = await customer.post("/trade/cancel-symbol-order", symbol="BTCUSDT")

    assert [row["clientOid"] for row in page["list"]] == ["t-2", "t-1"]
    assert [row["clientOid"] for row in rest["list"]] == ["t-0"]
    assert end == {"list": [], "cursor": None}
    assert long.code == "00001"
    assert [row["code"] for row in cancelled["list"]] == ["00000"] * 3


async def test_a_reduce_only_order_replaces_older_ones_that_are_in_the_way() -> None:
    """``docs/bitget.md``, section U6.1: the answer then names no order."""
    async with unified_customer() as customer:
        await customer.order()
        exits = {"side": "sell", "reduceOnly": "yes", "orderType": "limit"}
        first = await customer.order(**exits, price="110")
        second = await customer.order(**exits, price="120", clientOid="t-2")
        resting = (await customer.get("/trade/unfilled-orders"))["list"]

    assert first["orderId"] is not None
    assert second == {"orderId": None, "clientOid": "t-2"}
    assert [row["clientOid"] for row in resting] == ["t-2"]


async def test_a_batch_answers_row_by_row() -> None:
    rows = [{**ORDER, "clientOid": "b-1"}, {**ORDER, "stopLoss": "95"}]
    async with unified_customer() as customer:
        answer = await customer.ask("POST", f"{V3}/trade/place-batch", rows)

    assert [row["code"] for row in answer.body["data"]] == ["00000", "25200"]


async def test_limits_are_those_of_v3() -> None:
    """``docs/bitget.md``, section U3: 20 a second for reads, 3 for the fee rate."""
    async with unified_customer(rate_limit=20) as customer:
        reads = [(await customer.ask("GET", f"{V3}/account/assets")).code for _ in range(21)]
        rates = [
            (await customer.ask("GET", f"{V3}/account/fee-rate", {**CATEGORY, "symbol": "BTCUSDT"})).code
            for _ in range(4)
        ]

    assert reads == ["00000"] * 20 + ["429"]
    assert rates == ["00000"] * 3 + ["429"]


async def test_free_margin_is_asked_for_by_order() -> None:
    async with unified_customer() as customer:
        free = await customer.post(
            "/account/max-open-available", symbol="BTCUSDT", orderType="market", side="buy", size="2"
        )

    assert free["available"] == "10000"
    assert Decimal(free["buyOpenCost"]) == 2 * Decimal(100) * (Decimal("0.1") + Decimal("0.0006"))
    assert free["sellOpenCost"] == ""
    assert Decimal(free["maxBuyOpen"]) > 900


def test_wrong_words_of_switches_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"attached_stops.*partial, full, hidden"):
        UnifiedOptions(attached_stops="seldom")


def test_the_command_line_has_the_switches() -> None:
    """What is not established can be tried either way without a line of code."""
    words = [
        "--unified-account",
        "--read-only-key",
        "--unified-switches",
        "attached_stops=full,stop_delay_ms=1500,isolated_in_equity=no",
    ]
    options = _options(_parser().parse_args(words))

    assert options.keys == Keys(unified=True, read_only=True)
    assert options.unified == UnifiedOptions(
        attached_stops="full", stop_delay_ms=1500, isolated_in_equity=False
    )
    for wrong in ("attached_stops", "nothing=1", "stop_delay_ms=soon", "isolated_in_equity=perhaps"):
        with pytest.raises(SettingsError):
            read_switches(wrong)


async def test_a_position_has_at_most_one_full_stop() -> None:
    """A second entry with a stop of its own gets one for its size."""
    async with unified_customer(unified=UnifiedOptions(attached_stops="full")) as customer:
        await customer.order(stopLoss="95")
        await customer.order(stopLoss="94")
        stops = await customer.stops()
        plans = customer.exchange.venue.matching.account.plans.values()
        sizes = {plan.trigger: plan.size for plan in plans}

    assert {row["stopLoss"]: row["qty"] for row in stops} == {"95": "4", "94": "2"}
    assert sizes == {Decimal(95): None, Decimal(94): Decimal(2)}
