"""What rows of API v3 mean."""

import json
from decimal import Decimal
from typing import Any

import pytest

from desk.market.bitget.account.messages import PositionsChanged, Subscribed, UnreadableMessage
from desk.market.bitget.account.unified import rows, wire
from desk.market.bitget.account.unified.messages import read_account_message, subscription
from desk.market.bitget.account.unified.strategies import strategy_of
from desk.orders import AccountUpdate, Balance
from desk.policy import LONG, SHORT
from soaks.unified_rows import ASSETS, FILL, ORDER, POSITION, SETTINGS, STRATEGY


def body(data: object) -> bytes:
    return json.dumps({"code": "00000", "msg": "success", "requestTime": 1, "data": data}).encode()


HEDGE = {"holdMode": "hedge_mode"}
DIRECTIONS: dict[str, tuple[dict[str, Any], int, str]] = {
    "a purchase": ({}, LONG, "open"),
    "a sale": ({"side": "sell", "posSide": "short"}, SHORT, "open"),
    "a reduce-only sale": ({"side": "sell", "tradeSide": "close", "reduceOnly": "YES"}, LONG, "close"),
    "a reduce-only sale of a push": (
        {"side": "sell", "tradeSide": "sell_single", "reduceOnly": "yes"},
        LONG,
        "close",
    ),
    "one whose posSide is the trade's": (
        {"side": "sell", "tradeSide": "close", "reduceOnly": "YES", "posSide": "short"},
        LONG,
        "close",
    ),
    "one that is net": ({"posSide": "net", "tradeSide": "buy_single"}, LONG, "open"),
    "hedge: a sale of a long": ({**HEDGE, "side": "sell", "tradeSide": "close_long"}, LONG, "close"),
    "hedge: a purchase for a short": (
        {**HEDGE, "posSide": "short", "tradeSide": "close_short"},
        SHORT,
        "close",
    ),
    "hedge: a push": (
        {**HEDGE, "posSide": "", "holdSide": "short", "side": "sell", "tradeSide": "open"},
        SHORT,
        "open",
    ),
    "a stop": (
        {"side": "sell", "tradeSide": "sell_single", "delegateType": "position_stop_loss_market"},
        LONG,
        "close",
    ),
    "a liquidation": ({"side": "buy", "tradeSide": "burst_close_short"}, SHORT, "close"),
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_side_is_the_trade_and_the_position_follows(name: str) -> None:
    """In v2's hedge mode it is the position: read so, every exit would be an entry of the other side."""
    changes, side, purpose = DIRECTIONS[name]

    assert rows.direction({**ORDER, **changes}) == (side, purpose)


@pytest.mark.parametrize("status", ["cancelled", "canceled", "Cancelled"])
def test_both_spellings_of_cancelled_are_read(status: str) -> None:
    """The document mixes them; an order that is never over holds its symbol for ever."""
    assert rows.order_of({**ORDER, "orderStatus": status}).state.status == "canceled"


@pytest.mark.parametrize("fee", ["0.61747", "-0.61747"])
def test_a_fee_is_paid_whatever_its_sign(fee: str) -> None:
    """REST and pushes differ in it, and so do the sources."""
    detail = [{"feeCoin": "USDT", "fee": fee}]

    assert rows.fill_of({**FILL, "feeDetail": detail}).fee == Decimal("0.61747")
    assert rows.order_of({**ORDER, "feeDetail": detail}).state.fee == Decimal("0.61747")


@pytest.mark.parametrize("detail", [[{"feeCoin": "", "fee": ""}], [{"feeCoin": None, "fee": None}], None, ""])
def test_an_order_without_a_fee_yet_is_read(detail: Any) -> None:
    """Three forms of nothing, by date of the capture."""
    state = rows.order_of({**ORDER, "feeDetail": detail, "cumExecQty": "", "avgPrice": ""}).state

    assert (state.fee, state.filled, state.average_price) == (Decimal(0), Decimal(0), None)


@pytest.mark.parametrize(
    ("made", "trade", "cause"),
    [
        ("normal", "open", "order"),
        ("stop_loss_market", "close", "stop_loss"),
        ("position_stop_profit_market", "close", "take_profit"),
        ("liquidation_take_over_long", "close", "liquidation"),
        ("reduce_offset_delegate", "close", "wind_up"),
        ("off_close", "close", "wind_up"),
        ("normal", "dte_sys_adl_sell_single", "wind_up"),
    ],
)
def test_who_made_an_order_is_known(made: str, trade: str, cause: str) -> None:
    """The journal says why a position ended."""
    assert rows.cause_of({**ORDER, "delegateType": made, "tradeSide": trade}) == cause


def test_only_usdt_counts_as_money() -> None:
    """Bitcoin as collateral halves overnight; sizes must not rest on it."""
    other = {"coin": "BTC", "equity": "1", "available": "1"}
    mixed = {**ASSETS, "usdtEquity": "90000", "assets": [other, *ASSETS["assets"]]}

    assert rows.balance_of(mixed) == Balance(equity=Decimal("1000.12"), available=Decimal("899.3"))
    assert rows.balance_of({**ASSETS, "imr": "300"}) == Balance(
        equity=Decimal("1000.12"), available=Decimal("700.12")
    )
    assert rows.balance_of({**ASSETS, "usdtEquity": "950"}) == Balance(
        equity=Decimal(950), available=Decimal("899.3")
    )
    assert rows.balance_of({**ASSETS, "assets": [other]}) is None


def test_leverages_are_known_by_symbol_and_margin_mode() -> None:
    """No row means that nothing is known, not that it is crossed."""
    crossed = {**SETTINGS["symbolConfigList"][0], "marginMode": "crossed", "leverage": "20"}
    spot = {"category": "SPOT", "symbol": "ETHUSDT", "marginMode": "crossed", "leverage": "3"}
    one = rows.settings_of({**SETTINGS, "symbolConfigList": [*SETTINGS["symbolConfigList"], spot]})
    both = rows.settings_of({**SETTINGS, "symbolConfigList": [*SETTINGS["symbolConfigList"], crossed]})

    assert one.margin_of("BTCUSDT") == "isolated"
    assert one.margin_of("ETHUSDT") is None
    assert both.margin_of("BTCUSDT") is None
    assert both.leverages["BTCUSDT", "crossed"] == {Decimal(20)}


@pytest.mark.parametrize("data", [{"list": None}, {"list": []}, []])
def test_empty_lists_have_many_forms(data: object) -> None:
    assert wire.read_positions(body(data), endpoint="/p") == ()


def test_the_last_page_has_no_cursor_or_no_rows() -> None:
    """A cursor behind an empty list would be asked for ever."""
    assert wire.read_orders(body({"list": [], "cursor": "7"}), endpoint="/o").end is None
    assert wire.read_orders(body({"list": [ORDER], "cursor": 7}), endpoint="/o").end == "7"
    assert wire.read_orders(body({"list": [ORDER], "cursor": ""}), endpoint="/o").end is None


def test_one_strategy_order_holds_two_exits() -> None:
    """One that names neither mode nor size follows the position; with a size it is for that size."""
    both = strategy_of({**STRATEGY, "takeProfit": "104000", "qty": ""})

    assert [(one.kind, int(one.trigger)) for one in both.exits()] == [
        ("pos_loss", 101200),
        ("pos_profit", 104000),
    ]
    assert [one.kind for one in strategy_of(STRATEGY).exits()] == ["loss_plan"]
    assert [one.kind for one in strategy_of({**STRATEGY, "tpslMode": "full"}).exits()] == ["pos_loss"]
    assert [one.kind for one in strategy_of(STRATEGY).exits(followers=[STRATEGY["orderId"]])] == ["pos_loss"]


def push(topic: str, *data: object) -> str:
    return json.dumps(
        {"action": "snapshot", "arg": {"instType": "UTA", "topic": topic}, "data": data, "ts": 1}
    )


LOWER = {"category": "usdt-futures"}


def test_an_order_push_tells_the_order_and_a_fill_push_the_execution() -> None:
    """Unlike in v2, where one row tells both."""
    [order] = read_account_message(push("order", {**ORDER, **LOWER, "holdSide": "long"}))
    [fill] = read_account_message(push("fill", {**FILL, "execTime": "1762560123431"}))

    assert isinstance(order, AccountUpdate)
    assert isinstance(fill, AccountUpdate)
    assert order.order is not None
    assert (order.order.status, order.fill) == ("filled", None)
    assert fill.fill is not None
    assert (fill.fill.client_id, fill.fill.at) == ("t-0001", 1762560123431)


@pytest.mark.parametrize(
    "row",
    [
        {**FILL, "category": "SPOT"},
        {**FILL, "clientOid": "1370000000000000001"},
        {**FILL, "feeDetail": [{"feeCoin": "BGB", "fee": "0.1"}]},
    ],
)
def test_an_execution_of_which_lists_say_more_is_left_out(row: dict[str, Any]) -> None:
    """Why the exchange closed a position, and what a fee in another coin is worth, no push tells."""
    assert read_account_message(push("fill", row)) == ()


@pytest.mark.parametrize("topic", ["position", "strategy-order"])
def test_a_push_of_positions_or_stops_is_a_reason_to_ask(topic: str) -> None:
    """A position that is missing from it may be open, and no row names a stop."""
    assert read_account_message(push(topic, POSITION)) == (PositionsChanged(),)


def test_every_topic_is_subscribed_and_acknowledged_by_name() -> None:
    args = json.loads(subscription())["args"]

    assert {one["topic"] for one in args} == {"order", "fill", "position", "account", "strategy-order"}
    for arg in args:
        text = json.dumps({"event": "subscribe", "arg": arg, "code": "", "msg": ""})
        assert read_account_message(text) == (Subscribed(arg["topic"]),)


@pytest.mark.parametrize(
    "text", ["", "[]", push("adl-notification", {}), push("order", {"category": "usdt-futures"})]
)
def test_what_cannot_be_read_is_said_to_be_so(text: str) -> None:
    """It leads to a question by REST, never to silence."""
    assert [type(one) for one in read_account_message(text)] == [UnreadableMessage]
