"""What the parsers of API v3 read in earnest: the part of ``soaks.hostile_samples`` for unified accounts.

Rows are those that ``docs/bitget.md`` shows, with every field that a parser looks at.
"""

from decimal import Decimal
from functools import partial
from typing import Final

from desk.market.bitget.account.unified import messages, wire
from soaks.hostile_samples import Parser, parser_of_answer

_TIME: Final = "1762560123430"
_SETTINGS: Final = {
    "uid": "1",
    "accountMode": "unified",
    "assetMode": "union",
    "accountLevel": "basic",
    "holdMode": "one_way_mode",
    "symbolConfigList": [
        {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginMode": "isolated", "leverage": "5"},
        {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginMode": "crossed", "leverage": "10"},
    ],
}
_COIN: Final = {"coin": "USDT", "equity": "1000.12", "balance": "1002.43", "available": "899.3", "debt": "0"}
_ASSETS: Final = {
    "accountEquity": "1000.41",
    "usdtEquity": "1000.12",
    "usdtUnrealisedPnl": "-2.3099",
    "effEquity": "1000.41",
    "assets": [_COIN, {**_COIN, "coin": "BTC"}],
}
_ORDER: Final = {
    "orderId": "1370000000000000001",
    "clientOid": "t-0001",
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "orderType": "market",
    "side": "buy",
    "price": "0",
    "qty": "0.01",
    "cumExecQty": "0.01",
    "cumExecValue": "1029.13",
    "avgPrice": "102913",
    "orderStatus": "filled",
    "posSide": "long",
    "holdMode": "one_way_mode",
    "tradeSide": "open",
    "delegateType": "market",
    "reduceOnly": "NO",
    "marginMode": "isolated",
    "stopLoss": "101200",
    "feeDetail": [{"feeCoin": "USDT", "fee": "0.61747"}],
    "execType": "normal",
    "createdTime": "1762560123401",
    "updatedTime": "1762560123440",
}
_FILL: Final = {
    "execId": "1370000000000000002",
    "orderId": "1370000000000000001",
    "clientOid": "t-0001",
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "orderType": "market",
    "side": "buy",
    "posSide": "long",
    "holdSide": "long",
    "tradeSide": "open",
    "execPrice": "102913",
    "execQty": "0.01",
    "execPnl": "0",
    "feeDetail": [{"feeCoin": "USDT", "fee": "-0.61747"}, {"feeCoin": "BGB", "fee": "-0.1"}],
    "createdTime": _TIME,
    "execTime": _TIME,
}
_POSITION: Final = {
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "holdMode": "one_way_mode",
    "posSide": "long",
    "marginMode": "isolated",
    "total": "0.01",
    "leverage": "5",
    "avgPrice": "102913",
    "unrealisedPnl": "-2.3",
    "liquidationPrice": "82742.1",
    "markPrice": "102683",
}
_STRATEGY: Final = {
    "orderId": "1369857741236084740",
    "clientOid": "t-0004",
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "qty": "0.01",
    "posSide": "long",
    "holdMode": "one_way_mode",
    "side": "sell",
    "tpslMode": "full",
    "status": "pending",
    "slTriggerBy": "market",
    "takeProfit": "",
    "stopLoss": "101200",
    "slOrderType": "market",
}


def _pushed(topic: str, row: object) -> Parser:
    return Parser(
        f"v3 {topic} messages",
        {"action": "snapshot", "arg": {"instType": "UTA", "topic": topic}, "data": [row, row], "ts": 1},
        lambda body: messages.read_account_message(body.decode()),
        (),
    )


UNIFIED_PARSERS: Final[tuple[Parser, ...]] = (
    parser_of_answer(wire.read_settings, "v3 settings", _SETTINGS),
    parser_of_answer(wire.read_balance, "v3 balance", _ASSETS),
    parser_of_answer(wire.read_positions, "v3 positions", {"list": [_POSITION]}),
    parser_of_answer(wire.read_order, "v3 order", _ORDER),
    parser_of_answer(wire.read_orders, "v3 open orders", {"list": [_ORDER, _ORDER], "cursor": "1370"}),
    parser_of_answer(
        partial(wire.read_fills, taker_fees={"BTCUSDT": Decimal("0.0006")}),
        "v3 executions",
        {"list": [_FILL, _FILL], "cursor": "1370"},
    ),
    parser_of_answer(wire.read_strategies, "v3 strategy orders", [_STRATEGY, _STRATEGY]),
    parser_of_answer(wire.read_id, "v3 placed order", {"orderId": "1", "clientOid": "t-1"}),
    _pushed("order", _ORDER),
    _pushed("fill", {**_FILL, "feeDetail": [{"feeCoin": "USDT", "fee": "0.6"}]}),
    _pushed("position", _POSITION),
    _pushed("account", {"totalEquity": "1000.41", "coin": [_COIN], "effEquity": "1000.41"}),
    _pushed("strategy-order", _STRATEGY),
    Parser(
        "v3 account events",
        {"event": "error", "code": "40099", "msg": "no", "arg": {"instType": "UTA", "topic": "order"}},
        lambda body: messages.read_account_message(body.decode()),
        (),
    ),
)
