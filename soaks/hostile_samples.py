"""What the parsers of ``soaks.hostile`` read in earnest, and what is put in its place.

A good sample for every reader of the client, of messages, and of the files that are JSON; values that nobody
would send in earnest.

Not here: the readers of API v3 (``soaks.hostile_unified``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from desk.errors import ExchangeError
from desk.market.bitget import wire
from desk.market.bitget.account import contract_list
from desk.market.bitget.account.classic import messages, receipts
from desk.market.bitget.account.classic import wire as private_wire
from desk.market.emulator.account_request import body_of
from desk.market.emulator.endpoints import RequestDenied
from desk.market.feed.messages import read_candle_message
from desk.market.history.contract_book import NO_BOOK, read_book
from desk.market.matching.state import INVALID_STATE, core_from_text

PATH: Final = "/api/v2/any"
ESCAPES: Final = "\x1b[2J\x1b]52;c;aGk=\x07\nEnded: asked to stop; nothing was open.\u202e\u2028\x9b"
HOSTILE: Final[tuple[object, ...]] = (
    *("1e999999999", "1e50000000", "1e-999999999", "1e400", "-1e25", "9" * 25, "9" * 5_000, "9" * 20_000),
    *("NaN", "Infinity", "-inf", "sNaN", "", " ", "0", "-1", "0e-99999", "1_0", "٣", "0x10", "1.5"),
    *(math.inf, math.nan, 1e308, -1e308, 5e-324, 10**400, -(10**18), 2**63, 0, -1, 1.5, True, False, None),
    *([], {}, [[]], [{}], {"a": {}}, ["x"] * 50, "\ud800", "\x00", ESCAPES, "x" * 20_000, "[link=x]y[/link]"),
    *("../../etc/passwd", "CON", "BTC\u212aUSDT", "a" * 65, {"a": "x" * 20_000}, [[[[[["x"]]]]]]),
)
"""Values in place of a field's own."""


@dataclass(frozen=True, slots=True)
class Parser:
    """One reader, what it reads in earnest, and how it refuses."""

    name: str
    sample: object
    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...] = (ExchangeError,)


def parser_of_answer(reader: Callable[..., object], name: str, data: object) -> Parser:
    """The parser of an answer by REST.

    Parameters
    ----------
    reader : callable
        Given the body and its ``endpoint``.
    name : str
    data : object
        Of a good answer.
    """
    sample = {"code": "00000", "msg": "success", "requestTime": 1_762_560_712_345, "data": data}
    return Parser(name, sample, partial(reader, endpoint=PATH))


_TIME: Final = "1762560123501"
_CANDLE: Final = ["1762560000000", "102263.4", "102310.8", "102201.1", "102288.5", "41.0382", "4196571.8801"]
_CONTRACT: Final = {
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
    "limitOpenTime": _TIME,
}
_ORDER: Final = {
    "symbol": "BTCUSDT",
    "instId": "BTCUSDT",
    "size": "0.01",
    "orderId": "13698",
    "clientOid": "t-0001",
    "baseVolume": "0.01",
    "priceAvg": "102288.5",
    "fee": "-0.61",
    "state": "filled",
    "status": "filled",
    "side": "buy",
    "posSide": "net",
    "reduceOnly": "NO",
    "tradeSide": "buy_single",
    "posMode": "one_way_mode",
    "orderSource": "market",
    "cTime": _TIME,
    "uTime": _TIME,
}
_PUSH: Final = {
    **_ORDER,
    "accBaseVolume": "0.01",
    "tradeId": "7",
    "fillPrice": "102288.5",
    "fillFee": "-0.6",
    "fillFeeCoin": "USDT",
    "fillTime": _TIME,
    "enterPointSource": "API",
}
_POSITION: Final = {
    "symbol": "BTCUSDT",
    "holdSide": "long",
    "total": "0.01",
    "leverage": "5",
    "marginMode": "isolated",
    "openPriceAvg": "102288.5",
    "markPrice": "102251.7",
    "liquidationPrice": "82208.96",
    "unrealizedPL": "-0.368",
    "stopLoss": "101200",
    "takeProfit": "",
}
_FILL: Final = {
    "tradeId": "7",
    "symbol": "BTCUSDT",
    "orderId": "13698",
    "price": "102288.5",
    "baseVolume": "0.01",
    "feeDetail": [{"deduction": "no", "feeCoin": "BGB", "totalFee": "-0.61"}],
    "side": "buy",
    "profit": "0",
    "tradeSide": "buy_single",
    "posMode": "one_way_mode",
    "cTime": _TIME,
}
_MODES: Final = {
    "marginCoin": "USDT",
    "marginMode": "isolated",
    "posMode": "one_way_mode",
    "crossedMarginLeverage": 10,
    "isolatedLongLever": 5,
    "isolatedShortLever": 5,
}
_EXIT: Final = {
    "orderId": "1",
    "symbol": "BTCUSDT",
    "planType": "pos_loss",
    "posSide": "long",
    "triggerPrice": "101200",
    "size": "",
}
_BOOK_ROW: Final = {
    "symbol": "BTCUSDT",
    "kind": "perpetual",
    "status": "normal",
    "is_rwa": False,
    "tick": "0.1",
    "size_step": "0.001",
    "min_size": "0.001",
    "min_notional": "5",
    "max_limit_size": "9000",
    "max_market_size": None,
    "maker_fee": "0.0002",
    "taker_fee": "0.0006",
    "funding_hours": 8,
    "max_leverage": "125",
    "limit_open_time": None,
    "off_time": 1_762_600_000_000,
    "turnover": 1.25e9,
}
_CANDLE_ARG: Final = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
_BALANCE: Final = {
    "marginCoin": "USDT",
    "available": "1016.24",
    "accountEquity": "1016.24",
    "equity": "1016.24",
}

PARSERS: Final[tuple[Parser, ...]] = (
    parser_of_answer(wire.read_candles, "candles", [_CANDLE, _CANDLE]),
    parser_of_answer(
        wire.read_funding,
        "funding",
        [{"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": "1762531200000"}] * 2,
    ),
    parser_of_answer(wire.read_contracts, "contracts", [_CONTRACT, {**_CONTRACT, "symbol": "BTCUSDT"}]),
    parser_of_answer(
        wire.read_tickers,
        "tickers",
        [{"symbol": "A", "usdtVolume": "12.5", "quoteVolume": "1", "bidPr": "99.9", "askPr": "100.1"}] * 2,
    ),
    parser_of_answer(
        wire.read_book_spread, "order book", {"bids": [[99.0, 5.0]], "asks": [["100.1", "2"]], "ts": _TIME}
    ),
    parser_of_answer(
        wire.read_expected_funding, "expected funding", [{"symbol": "A", "fundingRate": "-0.000068"}] * 2
    ),
    parser_of_answer(wire.read_server_time, "server time", {"serverTime": "1762560123456"}),
    parser_of_answer(contract_list.read_contract_terms, "contract terms", [_CONTRACT, _CONTRACT]),
    parser_of_answer(private_wire.read_balance, "balance", [_BALANCE, {**_BALANCE, "marginCoin": "BTC"}]),
    parser_of_answer(private_wire.read_positions, "positions", [_POSITION]),
    parser_of_answer(private_wire.read_bound_exits, "stops", {"entrustedList": [_EXIT, _EXIT], "endId": "1"}),
    parser_of_answer(private_wire.read_order, "order", _ORDER),
    parser_of_answer(
        private_wire.read_orders, "open orders", {"entrustedList": [_ORDER, _ORDER], "endId": "1"}
    ),
    parser_of_answer(
        partial(private_wire.read_fills, taker_fees={"BTCUSDT": Decimal("0.0006")}),
        "executions",
        {"fillList": [_FILL, _FILL], "endId": "1"},
    ),
    parser_of_answer(receipts.read_placed, "placed order", {"orderId": "1", "clientOid": "t-1"}),
    parser_of_answer(
        receipts.read_batch,
        "failures",
        {"successList": [], "failureList": [{"orderId": "1", "errorCode": "22002", "errorMsg": "no"}]},
    ),
    parser_of_answer(private_wire.read_modes, "modes", _MODES),
    parser_of_answer(receipts.read_position_mode, "position mode", {"posMode": "one_way_mode"}),
    parser_of_answer(receipts.read_bound, "bound exits", [{"orderId": "1"}]),
    Parser(
        "candle messages",
        {"action": "update", "arg": _CANDLE_ARG, "data": [[*_CANDLE, "1"]] * 2, "ts": 1_762_560_302_050},
        lambda body: read_candle_message(body.decode()),
        (),
    ),
    Parser(
        "candle events",
        {"event": "error", "arg": _CANDLE_ARG, "code": 30001, "msg": "it doesn't exist"},
        lambda body: read_candle_message(body.decode()),
        (),
    ),
    Parser(
        "order messages",
        {"action": "snapshot", "arg": {"channel": "orders", "instId": "default"}, "data": [_PUSH, _PUSH]},
        lambda body: messages.read_account_message(body.decode()),
        (),
    ),
    Parser(
        "balance messages",
        {"action": "snapshot", "arg": {"channel": "account", "coin": "default"}, "data": [_BALANCE]},
        lambda body: messages.read_account_message(body.decode()),
        (),
    ),
    Parser(
        "account events",
        {"event": "login", "code": 30005, "msg": "error", "arg": {"channel": "orders"}},
        lambda body: messages.read_account_message(body.decode()),
        (),
    ),
    Parser(
        "contracts.json",
        {
            "schema_version": 1,
            "source": "api.bitget.com",
            "server_time": 1_762_560_000_000,
            "contracts": [_BOOK_ROW, {**_BOOK_ROW, "symbol": "ETHUSDT"}],
        },
        read_book,
        NO_BOOK,
    ),
    Parser(
        "paper account",
        {"schema_version": 1, "sha256": "0" * 64, "account": {"deposit": "10000"}},
        lambda body: core_from_text(body.decode(), ()),
        INVALID_STATE,
    ),
    Parser(
        "emulator", {"symbol": "BTCUSDT", "size": "1"}, lambda body: body_of(body.decode()), (RequestDenied,)
    ),
)
