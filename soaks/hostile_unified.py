"""What the parsers of API v3 read in earnest: the part of ``soaks.hostile_samples`` for unified accounts.

The rows of ``soaks.unified_rows``, with every field that a parser looks at.
"""

from decimal import Decimal
from functools import partial
from typing import Final

from desk.market.bitget.account.unified import messages, wire
from soaks.hostile_samples import Parser, parser_of_answer
from soaks.unified_rows import ASSETS, FILL, ORDER, POSITION, SETTINGS, STRATEGY

_SETTINGS: Final = {
    **SETTINGS,
    "symbolConfigList": [
        *SETTINGS["symbolConfigList"],
        {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginMode": "crossed", "leverage": "10"},
    ],
}
_COIN: Final = {"coin": "USDT", "equity": "1000.12", "balance": "1002.43", "available": "899.3", "debt": "0"}
_ASSETS: Final = {
    **ASSETS,
    "accountEquity": "1000.41",
    "usdtUnrealisedPnl": "-2.3099",
    "assets": [_COIN, {**_COIN, "coin": "BTC"}],
}
_FILL: Final = {
    **FILL,
    "holdSide": "long",
    "feeDetail": [*FILL["feeDetail"], {"feeCoin": "BGB", "fee": "-0.1"}],
    "execTime": FILL["createdTime"],
}
_STRATEGY: Final = {**STRATEGY, "holdMode": "one_way_mode", "side": "sell", "tpslMode": "full"}


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
    parser_of_answer(wire.read_positions, "v3 positions", {"list": [POSITION]}),
    parser_of_answer(wire.read_order, "v3 order", ORDER),
    parser_of_answer(wire.read_orders, "v3 open orders", {"list": [ORDER, ORDER], "cursor": "1370"}),
    parser_of_answer(
        partial(wire.read_fills, taker_fees={"BTCUSDT": Decimal("0.0006")}),
        "v3 executions",
        {"list": [_FILL, _FILL], "cursor": "1370"},
    ),
    parser_of_answer(wire.read_strategies, "v3 strategy orders", [_STRATEGY, _STRATEGY]),
    parser_of_answer(wire.read_id, "v3 placed order", {"orderId": "1", "clientOid": "t-1"}),
    _pushed("order", ORDER),
    _pushed("fill", {**_FILL, "feeDetail": [{"feeCoin": "USDT", "fee": "0.6"}]}),
    _pushed("position", POSITION),
    _pushed("account", {"totalEquity": "1000.41", "coin": [_COIN], "effEquity": "1000.41"}),
    _pushed("strategy-order", _STRATEGY),
    Parser(
        "v3 account events",
        {"event": "error", "code": "40099", "msg": "no", "arg": {"instType": "UTA", "topic": "order"}},
        lambda body: messages.read_account_message(body.decode()),
        (),
    ),
)
