"""Rows of the API v3: orders, fills and strategy orders of a unified account.

Place in the house: the market, inside the emulator.  Values of the matching core and of ``uta_book`` come in,
rows of JSON go out, to the endpoints (REST) and ``uta_channels`` (sockets).  Pure.

The two differ on purpose, as the exchange's do: ``new`` and ``live``, ``YES`` and ``yes``, ``posSide`` and
``holdSide``, the signs of fees.

References
----------
``docs/bitget.md``, sections U6.2 (orders), U7 (fills), U8 (strategy orders) and U10 (sockets).
"""

from typing import Final

from desk.market.emulator.endpoints import PRODUCT_TYPE
from desk.market.emulator.private_rows import COIN, Row, decimal_field
from desk.market.emulator.uta_book import StrategyOrder, UnifiedBook
from desk.market.matching import MatchedFill, Order
from desk.market.matching.values import ZERO

_FORCED: Final = {"liquidation": ("liquidation", "burst_"), "wind_up": ("delivery", "delivery_")}
"""``execType`` and the prefix of ``tradeSide`` of orders that the exchange makes by itself."""
_STATUS: Final = {"live": "new", "canceled": "cancelled"}
_REASONS: Final = {
    "ioc": "ioc_not_full_cancel",
    "fok": "fok_not_full_cancel",
    "post_only": "post_only_fill_cancel",
    "liquidation": "burst_cancel",
    "delisted": "delivery_order_cancel",
}
"""Reasons of the core that the exchange spells differently; all others are ``normal_cancel``."""


def unified_order_row(book: UnifiedBook, order: Order) -> Row:
    """Row of ``order-info``, ``unfilled-orders`` and ``history-orders``."""
    ticket, row = order.ticket, _order_fields(book, order)
    fee = {"feeCoin": COIN, "fee": decimal_field(order.fee)} if order.filled else {"feeCoin": "", "fee": ""}
    return {
        **row,
        "category": PRODUCT_TYPE,
        "price": decimal_field(ticket.price) or "0",
        "orderStatus": _STATUS.get(order.status, order.status),
        "posSide": word_of_side(ticket.side),
        "tradeSide": _trade_side(book, order, long_words=True),
        "reduceOnly": "YES" if _reduces(book, order) else "NO",
        "takeProfit": decimal_field(ticket.take_profit),
        "stopLoss": decimal_field(ticket.stop_loss),
        "feeDetail": [fee],
        "execType": _FORCED.get(order.cause, ("normal", ""))[0],
    }


def pushed_unified_order_row(book: UnifiedBook, order: Order) -> Row:
    """Row of the ``order`` topic: no field of a fill."""
    ticket, row = order.ticket, _order_fields(book, order)
    return {
        **row,
        "category": PRODUCT_TYPE.lower(),
        "price": decimal_field(ticket.price),
        "holdSide": _hold_side(book, ticket.side),
        "tradeSide": _trade_side(book, order, long_words=False),
        "marginCoin": COIN,
        "reduceOnly": "yes" if _reduces(book, order) else "no",
        "totalProfit": decimal_field(order.profit),
        "orderStatus": "cancelled" if order.status == "canceled" else order.status,
        "leverage": decimal_field(order.leverage),
        "takeprofit": decimal_field(ticket.take_profit),
        "stoploss": decimal_field(ticket.stop_loss),
        "feeDetail": [{"feeCoin": COIN, "fee": decimal_field(order.fee)}] if order.filled else [],
    }


def _order_fields(book: UnifiedBook, order: Order) -> Row:
    """Fields that both rows of an order share."""
    ticket = order.ticket
    reason = _REASONS.get(order.cancel_reason, "normal_cancel") if order.cancel_reason else ""
    return {
        "orderId": order.order_id,
        "clientOid": book.name_of(order.order_id),
        "symbol": ticket.symbol,
        "orderType": ticket.kind,
        "side": "buy" if ticket.direction > 0 else "sell",
        "qty": decimal_field(ticket.size),
        "amount": "0",
        "cumExecQty": decimal_field(order.filled),
        "cumExecValue": decimal_field(order.quote),
        "avgPrice": decimal_field(order.quote / order.filled) if order.filled else "0",
        "timeInForce": ticket.force,
        "holdMode": f"{book.account.mode}_mode",
        "delegateType": _delegate_type(book, order),
        "marginMode": order.margin_mode,
        "stpMode": "none",
        **_trigger_words(
            has_profit=ticket.take_profit is not None,
            has_loss=ticket.stop_loss is not None,
        ),
        "cancelReason": reason,
        "createdTime": str(order.created),
        "updatedTime": str(order.updated),
    }


def unified_fill_row(book: UnifiedBook, execution: MatchedFill) -> Row:
    """Row of ``fills``."""
    row = _fill_fields(book, execution)
    sign = -1 if book.options.fill_fees == "negative" else 1
    return {
        **row,
        "posSide": word_of_side(execution.fill.side),
        "feeDetail": [{"feeCoin": COIN, "fee": decimal_field(sign * execution.fill.fee)}],
        "createdTime": str(execution.fill.at),
        "updatedTime": str(execution.fill.at + 1),
    }


def pushed_fill_row(book: UnifiedBook, execution: MatchedFill) -> Row:
    """Row of the ``fill`` topic: a paid fee is positive."""
    return {
        **_fill_fields(book, execution),
        "holdSide": _hold_side(book, execution.fill.side),
        "feeDetail": [{"feeCoin": COIN, "fee": decimal_field(execution.fill.fee)}],
        "execTime": str(execution.fill.at),
        "updatedTime": str(execution.fill.at + 1),
    }


def _fill_fields(book: UnifiedBook, execution: MatchedFill) -> Row:
    """Fields that both rows of a fill share."""
    fill = execution.fill
    order = book.account.orders[fill.order_id]
    return {
        "execId": fill.trade_id,
        "execLinkId": str(int(fill.trade_id) + 1),
        "orderId": fill.order_id,
        "clientOid": book.name_of(fill.order_id),
        "category": PRODUCT_TYPE,
        "symbol": fill.symbol,
        "orderType": order.ticket.kind,
        "side": "buy" if order.ticket.direction > 0 else "sell",
        "tradeSide": _FORCED.get(order.cause, ("", ""))[1] + fill.purpose,
        "execPrice": decimal_field(fill.price),
        "execQty": decimal_field(fill.size),
        "execValue": decimal_field(fill.price * fill.size),
        "tradeScope": "maker" if execution.maker else "taker",
        "execPnl": decimal_field(execution.profit),
        "isRPI": "no",
    }


def strategy_row(book: UnifiedBook, strategy: StrategyOrder) -> Row:
    """Row of ``unfilled-strategy-orders`` and ``history-strategy-orders``."""
    held = book.account.positions.get((strategy.symbol, strategy.side))
    size = strategy.size if strategy.size is not None else (held.size if held else ZERO)
    return {
        "orderId": strategy.order_id,
        "clientOid": strategy.client_id or strategy.order_id,
        "category": PRODUCT_TYPE,
        "symbol": strategy.symbol,
        "qty": decimal_field(size),
        "posSide": word_of_side(strategy.side),
        "status": strategy.status,
        **_trigger_words(
            has_profit="take_profit" in strategy.prices,
            has_loss="stop_loss" in strategy.prices,
        ),
        "takeProfit": decimal_field(strategy.prices.get("take_profit")),
        "stopLoss": decimal_field(strategy.prices.get("stop_loss")),
        "createdTime": str(strategy.created),
        "updatedTime": str(strategy.updated),
    }


def pushed_strategy_row(book: UnifiedBook, strategy: StrategyOrder) -> Row:
    """Row of the ``strategy-order`` topic."""
    return {
        **strategy_row(book, strategy),
        "category": PRODUCT_TYPE.lower(),
        "side": "sell" if strategy.side > 0 else "buy",
        "reduceOnly": "yes",
        "type": "tpsl",
        "triggerType": "stopLoss" if "stop_loss" in strategy.prices else "takeProfit",
        **dict.fromkeys(("triggerBy", "triggerPrice", "triggerOrderType", "triggerOrderPrice"), ""),
    }


def _trigger_words(*, has_profit: bool, has_loss: bool) -> Row:
    """Fields of take-profit and stop beside their prices; the embedded exchange closes at market only."""
    return {
        "tpTriggerBy": "market" if has_profit else "",
        "slTriggerBy": "market" if has_loss else "",
        "tpOrderType": "market" if has_profit else "",
        "slOrderType": "market" if has_loss else "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
    }


def word_of_side(side: int) -> str:
    """``long`` or ``short``."""
    return "long" if side > 0 else "short"


def _hold_side(book: UnifiedBook, side: int) -> str:
    """Side of the position in pushed orders and fills."""
    is_net = book.options.hold_side == "net" and book.account.mode == "one_way"
    return "net" if is_net else word_of_side(side)


def _reduces(book: UnifiedBook, order: Order) -> bool:
    return book.account.mode == "one_way" and order.ticket.purpose == "close"


def _trade_side(book: UnifiedBook, order: Order, *, long_words: bool) -> str:
    """``tradeSide``: in hedge mode REST names the side as well."""
    word: str = order.ticket.purpose
    if long_words and book.account.mode == "hedge":
        word = f"{word}_{word_of_side(order.ticket.side)}"
    return _FORCED.get(order.cause, ("", ""))[1] + word


def _delegate_type(book: UnifiedBook, order: Order) -> str:
    """``delegateType``: what made the order."""
    if order.cause == "order":
        return "market" if order.ticket.kind == "market" else "normal"
    if order.cause == "liquidation":
        return "liquidation"
    if order.cause == "wind_up":
        return "off_close"
    word = "stop_loss_market" if order.cause == "stop_loss" else "stop_profit_market"
    return f"position_{word}" if order.order_id in book.account.bound_exits else word
