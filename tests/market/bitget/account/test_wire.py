"""Bodies of an account's answers, every odd one that was met, and what they are read as."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from desk.errors import Refused, Throttled, Unanswered
from desk.market.bitget.account.classic import receipts
from desk.market.bitget.account.classic import rows as private_rows
from desk.market.bitget.account.classic import wire as private_wire
from desk.market.bitget.account.classic.requests import SHORT_PAGE
from desk.market.bitget.account.contract_list import read_contract_terms
from desk.orders import OrderState
from desk.policy import LONG, SHORT

PATH = "/api/v2/mix/any"
BALANCE = {
    "marginCoin": "USDT",
    "locked": "0",
    "available": "1016.2401",
    "crossedMaxAvailable": "1016.2401",
    "accountEquity": "1016.2401",
    "usdtEquity": "1016.240112",
    "crossedMarginLeverage": 10,
    "isolatedLongLever": 5,
    "isolatedShortLever": 5,
    "marginMode": "isolated",
    "posMode": "one_way_mode",
    "unrealizedPL": "",
    "isolatedMargin": None,
}
ORDER = {
    "symbol": "BTCUSDT",
    "size": "0.01",
    "orderId": "1369857741236084737",
    "clientOid": "t-0001",
    "baseVolume": "0.01",
    "priceAvg": "102288.5",
    "fee": "-0.6137310",
    "price": "",
    "state": "filled",
    "side": "buy",
    "posSide": "net",
    "orderType": "market",
    "reduceOnly": "NO",
    "tradeSide": "buy_single",
    "posMode": "one_way_mode",
    "orderSource": "market",
    "cTime": "1762560123501",
    "uTime": "1762560123533",
}
POSITION = {
    "marginCoin": "USDT",
    "symbol": "BTCUSDT",
    "holdSide": "long",
    "marginSize": "204.577",
    "total": "0.01",
    "leverage": "5",
    "openPriceAvg": "102288.5",
    "marginMode": "isolated",
    "posMode": "one_way_mode",
    "unrealizedPL": "-0.368",
    "liquidationPrice": "82208.96",
    "markPrice": "102251.7",
    "totalFee": "",
    "stopLoss": "101200",
    "takeProfit": "",
}
FILL = {
    "tradeId": "7",
    "symbol": "BTCUSDT",
    "orderId": "1369857741236084737",
    "price": "102288.5",
    "baseVolume": "0.01",
    "feeDetail": [{"deduction": "no", "feeCoin": "USDT", "totalFee": "-0.613731"}],
    "side": "buy",
    "profit": "0",
    "tradeSide": "buy_single",
    "posMode": "one_way_mode",
    "cTime": "1762560123533",
}
CONTRACT = {
    "symbol": "ETHUSDT",
    "symbolType": "perpetual",
    "symbolStatus": "normal",
    "isRwa": "NO",
    "pricePlace": "2",
    "priceEndStep": "1",
    "sizeMultiplier": "0.01",
    "minTradeNum": "0.01",
    "minTradeUSDT": "5",
    "maxOrderQty": "9000",
    "maxMarketOrderQty": "1500",
    "makerFeeRate": "0.0002",
    "takerFeeRate": "0.0006",
    "fundInterval": "8",
    "maxLever": "100",
    "offTime": "-1",
    "limitOpenTime": "1762600000000",
}


def body(data: object) -> bytes:
    return json.dumps({"code": "00000", "msg": "success", "requestTime": 1, "data": data}).encode()


def read_order(**changes: Any) -> OrderState:
    return private_wire.read_order(body({**ORDER, **changes}), endpoint=PATH).state


def test_an_order_is_read_with_money_as_decimal() -> None:
    """The exchange counts a fee that was paid as negative; here it is what it cost."""
    assert read_order() == OrderState(
        client_id="t-0001",
        order_id="1369857741236084737",
        symbol="BTCUSDT",
        side=LONG,
        purpose="open",
        status="filled",
        size=Decimal("0.01"),
        filled=Decimal("0.01"),
        average_price=Decimal("102288.5"),
        fee=Decimal("0.6137310"),
        created=1762560123501,
        updated=1762560123533,
    )


def test_the_status_word_has_two_names() -> None:
    """``state`` in details, ``status`` in lists; the documents and the wire disagree."""
    renamed = {**ORDER, "status": "partially_filled"}
    del renamed["state"]
    page = private_wire.read_orders(body({"entrustedList": [renamed], "endId": "9"}), endpoint=PATH)

    assert [order.status for order in page.items] == ["partially_filled"]


def test_no_open_orders_is_null() -> None:
    """Not an empty list."""
    empty = private_wire.read_orders(body({"entrustedList": None, "endId": None}), endpoint=PATH)

    assert (empty.items, empty.end) == ((), None)


def test_a_page_is_full_by_the_rows_that_came_not_by_those_that_are_read() -> None:
    """One that is left out would end the list, and hide every older order."""
    rows = [{**ORDER, "side": "hold"}, *[ORDER] * (SHORT_PAGE - 1)]
    full = private_wire.read_orders(body({"entrustedList": rows, "endId": "9"}), endpoint=PATH)
    short = private_wire.read_orders(body({"entrustedList": rows[1:], "endId": "9"}), endpoint=PATH)

    assert (len(full.items), full.end) == (SHORT_PAGE - 1, "9")
    assert (len(short.items), short.end) == (SHORT_PAGE - 1, None)


def test_an_unfilled_order_has_no_price() -> None:
    """Nothing is told as "", and that is not 0."""
    order = read_order(baseVolume="0", priceAvg="", fee="", state="live", uTime="")

    assert order.average_price is None
    assert order.fee == 0
    assert order.updated == order.created


def test_an_order_that_was_sent_without_an_id_has_none() -> None:
    """The exchange invents a number, as for what closes a position; no journal knows it."""
    assert read_order(clientOid="1111465253431574529").client_id == ""
    assert read_order(clientOid="20251108").client_id == "20251108"


DIRECTIONS: dict[str, tuple[dict[str, str], int, str]] = {
    "one-way, buys": ({"side": "buy"}, LONG, "open"),
    "one-way, sells": ({"side": "sell", "tradeSide": "sell_single"}, SHORT, "open"),
    "one-way, buys back": ({"side": "buy", "reduceOnly": "YES"}, SHORT, "close"),
    "one-way, sells off": ({"side": "sell", "reduceOnly": "yes", "tradeSide": "sell_single"}, LONG, "close"),
    "one-way, liquidated": ({"side": "sell", "tradeSide": "burst_sell_single"}, LONG, "close"),
    "hedge, opens long": ({"side": "buy", "posSide": "long", "tradeSide": "open"}, LONG, "open"),
    "hedge, closes long": ({"side": "buy", "posSide": "long", "tradeSide": "close"}, LONG, "close"),
    "hedge, opens short": ({"side": "sell", "posSide": "short", "tradeSide": "open"}, SHORT, "open"),
    "hedge, closes short": ({"side": "sell", "posSide": "short", "tradeSide": "close"}, SHORT, "close"),
    "hedge, side of the position untold": (
        {"side": "sell", "posSide": "", "tradeSide": "close", "posMode": "hedge_mode"},
        SHORT,
        "close",
    ),
    "hedge, liquidated": (
        {"side": "sell", "posSide": "", "tradeSide": "burst_close_long", "posMode": "hedge_mode"},
        LONG,
        "close",
    ),
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_side_is_that_of_the_position(name: str) -> None:
    """``side`` is the trade's in one mode and the position's in the other; mixed up, it doubles a loss."""
    changes, side, purpose = DIRECTIONS[name]
    order = read_order(**changes)

    assert (order.side, order.purpose) == (side, purpose)


@pytest.mark.parametrize(
    ("source", "trade_side", "cause"),
    [
        ("market", "sell_single", "order"),
        ("normal", "close", "order"),
        ("pos_loss_market", "sell_single", "stop_loss"),
        ("loss_limit", "close", "stop_loss"),
        ("pos_profit_market", "close", "take_profit"),
        ("liquidation", "close", "liquidation"),
        ("market", "burst_close_long", "liquidation"),
        ("market", "burst_sell_single", "liquidation"),
        ("market", "dte_sys_adl_close_long", "wind_up"),
        ("market", "delivery_sell_single", "wind_up"),
        ("market", "reduce_close_long", "wind_up"),
        ("delivery_close_long", "close", "wind_up"),
        ("market_risk", "close", "wind_up"),
    ],
)
def test_who_ended_a_position_is_told(source: str, trade_side: str, cause: str) -> None:
    """A stop that fired, a liquidation and a contract that ends are different news; none is a hand's."""
    row = {**ORDER, "orderSource": source, "tradeSide": trade_side}

    assert private_wire.read_order(body(row), endpoint=PATH).cause == cause


@pytest.mark.parametrize(
    "changes", [{"state": ""}, {"size": ""}, {"side": "hold"}, {"orderId": ""}, {"size": "NaN"}]
)
def test_an_order_that_cannot_be_read_is_no_answer(changes: dict[str, str]) -> None:
    """A guess about an order costs money; asking again costs nothing."""
    with pytest.raises(Unanswered, match=PATH):
        read_order(**changes)


def test_an_order_of_unknown_status_may_still_do_something() -> None:
    """Taken for ended it would be forgotten; unreadable, it would bar the way to every other order."""
    assert read_order(state="pending_cancel").status == "live"


FOREIGN: list[dict[str, Any]] = [{"side": ""}, {"size": ""}, {"cTime": None}, {"state": ""}]


@pytest.mark.parametrize("odd", FOREIGN)
def test_an_open_order_that_cannot_be_read_is_left_out_with_a_remark(odd: dict[str, Any]) -> None:
    """What somebody does by hand in another symbol must not keep ours from being closed."""
    foreign = {**ORDER, "symbol": "SOLUSDT", **odd}
    page = private_wire.read_orders(body({"entrustedList": [foreign, ORDER], "endId": "9"}), endpoint=PATH)

    assert [order.symbol for order in page.items] == ["BTCUSDT"]
    (remark,) = page.remarks
    assert "an open order of SOLUSDT cannot be read" in remark


def test_a_position_is_read() -> None:
    """Not its stop: that of the row may be for a part of it."""
    (position,) = private_wire.read_positions(body([POSITION]), endpoint=PATH)

    assert (position.side, position.size, position.stop_loss) == (LONG, Decimal("0.01"), None)
    assert position.take_profit is None
    assert position.unrealized == Decimal("-0.368")


@pytest.mark.parametrize("odd", [{"leverage": ""}, {"marginMode": "cross"}, {"markPrice": ""}])
def test_a_position_needs_a_side_a_size_and_a_price_only(odd: dict[str, str]) -> None:
    """Nothing is decided by the rest, and one unreadable position hides all of them."""
    (position,) = private_wire.read_positions(body([{**POSITION, **odd}]), endpoint=PATH)

    assert (position.side, position.size, position.entry_price) == (
        LONG,
        Decimal("0.01"),
        Decimal("102288.5"),
    )
    assert position.leverage == (1 if "leverage" in odd else 5)
    assert position.margin_mode == ("crossed" if "marginMode" in odd else "isolated")
    for name in ("holdSide", "total", "openPriceAvg"):
        with pytest.raises(Unanswered):
            private_wire.read_positions(body([{**POSITION, name: ""}]), endpoint=PATH)


def test_a_liquidation_price_of_zero_is_none() -> None:
    """Crossed margin has none as long as the account is large enough; it may also be negative."""
    row = {**POSITION, "marginMode": "crossed", "liquidationPrice": "-12", "unrealizedPL": ""}
    (position,) = private_wire.read_positions(body([row]), endpoint=PATH)

    assert position.liquidation_price is None
    assert position.unrealized == 0


def test_flat_is_an_empty_list_and_nothing_else() -> None:
    """Null would be read as "everything was closed"."""
    assert private_wire.read_positions(body([]), endpoint=PATH) == ()
    assert private_wire.read_positions(body([{**POSITION, "total": "0"}]), endpoint=PATH) == ()
    odd_ones: list[object] = [None, "", {}, [POSITION, "x"], [{**POSITION, "total": ""}]]
    for odd in odd_ones:
        with pytest.raises(Unanswered):
            private_wire.read_positions(body(odd), endpoint=PATH)


def test_a_balance_is_read() -> None:
    """Of the coin that is traded in."""
    other = {**BALANCE, "marginCoin": "BTC"}
    balance = private_wire.read_balance(body([other, BALANCE]), endpoint=PATH)

    assert balance == private_wire.read_balance(body(BALANCE), endpoint=PATH)
    assert balance is not None
    assert (balance.equity, balance.available) == (Decimal("1016.2401"), Decimal("1016.2401"))


def test_a_list_without_usdt_is_an_answer() -> None:
    """An account that has none yet is not an exchange that keeps silent."""
    assert private_wire.read_balance(body([]), endpoint=PATH) is None
    assert private_wire.read_balance(body([{**BALANCE, "marginCoin": "BTC"}]), endpoint=PATH) is None


@pytest.mark.parametrize("rows", [[{**BALANCE, "accountEquity": ""}], [{**BALANCE, "available": None}]])
def test_an_untold_equity_is_not_zero(rows: list[object]) -> None:
    """Zero would be a lost account, and end the day."""
    with pytest.raises(Unanswered):
        private_wire.read_balance(body(rows), endpoint=PATH)


def test_executions_are_read_and_completed_by_their_order() -> None:
    """In one-way mode a row does not say that it closes, and it never names the client id."""
    row = {**FILL, "side": "sell", "tradeSide": "sell_single", "profit": "1.2"}
    (fill,) = private_wire.read_fills(body({"fillList": [row], "endId": "7"}), endpoint=PATH).items
    order = private_wire.read_order(
        body({**ORDER, "side": "sell", "tradeSide": "sell_single", "reduceOnly": "YES"}), endpoint=PATH
    )
    whole = private_rows.completed(fill, order)

    assert (fill.side, fill.purpose, fill.fee) == (LONG, "close", Decimal("0.613731"))
    assert (whole.client_id, whole.cause, whole.purpose) == ("t-0001", "order", "close")


def test_an_execution_of_the_exchanges_own_order_bears_no_client_id() -> None:
    """The exchange invents one, which nobody here would know."""
    (fill,) = private_wire.read_fills(body({"fillList": [FILL], "endId": "7"}), endpoint=PATH).items
    order = private_wire.read_order(body({**ORDER, "orderSource": "pos_loss_market"}), endpoint=PATH)
    whole = private_rows.completed(fill, order)

    assert (whole.client_id, whole.cause) == ("", "stop_loss")


@pytest.mark.parametrize("source", ["pos_loss_market", "pos_profit_market", "liquidation"])
@pytest.mark.parametrize("reduce_only", ["YES", "NO", ""])
@pytest.mark.parametrize("profit", ["-10.8", "0"])
@pytest.mark.parametrize(("trade", "side"), [("sell", LONG), ("buy", SHORT)])
def test_what_the_exchange_itself_sends_closes(
    source: str, reduce_only: str, profit: str, trade: str, side: int
) -> None:
    """A stop whose order says nothing of reduce-only would be read as a new position of the other side."""
    told = {"side": trade, "tradeSide": f"{trade}_single"}
    page = body({"fillList": [{**FILL, **told, "profit": profit}], "endId": "7"})
    (fill,) = private_wire.read_fills(page, endpoint=PATH).items
    row = {**ORDER, **told, "orderSource": source, "reduceOnly": reduce_only}
    order = private_wire.read_order(body(row), endpoint=PATH)
    whole = private_rows.completed(fill, order)

    assert (order.state.side, order.state.purpose) == (side, "close")
    assert (whole.side, whole.purpose) == (side, "close")


FEES: dict[str, tuple[list[dict[str, str]], str, bool]] = {
    "in USDT": ([{"feeCoin": "USDT", "totalFee": "-0.61"}], "0.61", False),
    "in USDT, nothing": ([{"feeCoin": "USDT", "totalFee": "0"}], "0", False),
    "not told": ([{"feeCoin": "USDT", "totalFee": ""}], "0", False),
    "a rebate": ([{"feeCoin": "USDT", "totalFee": "0.2"}], "-0.2", False),
    "in BGB": ([{"feeCoin": "BGB", "totalFee": "-0.12", "deduction": "yes"}], "0.61373100", True),
    "in BGB, under the other name": ([{"feeCoin": "BGB", "totalDeductionFee": "-0.12"}], "0.61373100", True),
    "in both": (
        [{"feeCoin": "USDT", "totalFee": "-0.7"}, {"feeCoin": "BGB", "totalFee": "-0.12"}],
        "0.7",
        True,
    ),
}


@pytest.mark.parametrize("name", FEES)
def test_a_fee_in_another_coin_counts_at_the_taker_rate(name: str) -> None:
    """0.12 BGB are no 0.12 USDT; nobody tells what they are worth, and the fee was no higher than this."""
    detail, fee, remarked = FEES[name]
    page = private_wire.read_fills(
        body({"fillList": [{**FILL, "feeDetail": detail}], "endId": "7"}),
        endpoint=PATH,
        taker_fees={"BTCUSDT": Decimal("0.0006")},
    )

    assert page.items[0].fee == Decimal(fee)
    assert bool(page.remarks) == remarked
    assert not remarked or "paid in BGB" in page.remarks[0]


def test_contracts_tell_when_they_end() -> None:
    """-1 means that nothing is announced."""
    (contract,) = read_contract_terms(
        body([CONTRACT, {**CONTRACT, "symbol": "ETHUSDT_260626", "symbolType": "delivery"}]), endpoint=PATH
    )

    assert contract.tick == Decimal("0.01")
    assert (contract.limit_open_time, contract.off_time) == (1762600000000, None)
    assert contract.maintenance_rate == Decimal("0.01")


def test_modes_are_read_from_numbers_and_text() -> None:
    """The exchange writes the leverages both ways."""
    told = private_wire.read_modes(body({**BALANCE, "isolatedLongLever": "5.0"}), endpoint=PATH)

    assert told.has(Decimal(5), "isolated")
    assert not told.has(Decimal(5), "crossed")
    assert not told.has(Decimal(6), "isolated")


def test_stops_that_wait_are_read() -> None:
    """Other plans are none of ours."""
    rows = [
        {
            "orderId": "1",
            "symbol": "BTCUSDT",
            "planType": "pos_loss",
            "posSide": "net",
            "triggerPrice": "9",
            "size": "",
        },
        {"orderId": "2", "symbol": "BTCUSDT", "planType": "moving_plan", "triggerPrice": "9"},
    ]
    rows.append({**rows[0], "symbol": "SOLUSDT", "triggerPrice": ""})
    page = private_wire.read_bound_exits(body({"entrustedList": rows, "endId": "1"}), endpoint=PATH)
    (stop,) = page.items

    assert (stop.side, stop.trigger, stop.size) == (None, Decimal(9), None)
    assert "of SOLUSDT cannot be read" in page.remarks[0]


READERS: list[Callable[..., object]] = [
    private_wire.read_balance,
    private_wire.read_positions,
    private_wire.read_order,
    private_wire.read_orders,
    private_wire.read_fills,
    private_wire.read_modes,
    receipts.read_position_mode,
    private_wire.read_bound_exits,
    receipts.read_placed,
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("data", [None, "", 0, [None], ["x"], [[]], "nonsense"])
def test_nonsense_is_no_answer(reader: Callable[..., object], data: object) -> None:
    """Whatever a gateway makes of an answer, it ends in the tree of errors."""
    with pytest.raises(Unanswered):
        reader(body(data), endpoint=PATH)


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        (b"<html>", 502, Unanswered),
        (b'{"code":"00000","da', 200, Unanswered),
        (b'{"code":"40725","msg":"service return an error"}', 400, Unanswered),
        (b'{"code":"429","msg":"Too Many Requests"}', 429, Throttled),
        (b'{"code":"40762","msg":"exceeds the balance"}', 400, Refused),
    ],
)
def test_what_is_no_success_is_told_by_what_to_do(text: bytes, status: int, error: type[Exception]) -> None:
    """Ask again, wait, or give up."""
    for reader in READERS:
        with pytest.raises(error):
            reader(text, endpoint=PATH, status=status)
