"""Rows of the API v3: orders, fills, positions, strategy orders and balances of a unified account.

Place in the house: the market, inside the emulator.  Values of the matching core and of ``uta_book`` come in,
rows of JSON go out, to the endpoints (REST) and ``uta_channels`` (sockets).  Pure.

The two differ on purpose, as the exchange's do: ``new`` and ``live``, ``YES`` and ``yes``, ``posSide`` and
``holdSide``, the signs of fees, names of sizes and prices.

References
----------
``docs/bitget.md``, sections U4 (settings, balances), U6.2 (orders), U7 (fills), U8 (strategy orders), U9
(positions) and U10 (sockets).
"""

from decimal import Decimal
from typing import Final

from desk.market.emulator.endpoints import PRODUCT_TYPE
from desk.market.emulator.private_rows import COIN, Row, decimal_field
from desk.market.emulator.uta_book import StrategyOrder, UnifiedBook
from desk.market.matching import MatchedFill, Order, SimulatedPosition
from desk.market.matching.values import ZERO

UID: Final = "1000000001"
_STATUS: Final = {"live": "new", "canceled": "cancelled"}
_REASONS: Final = {
    "ioc": "ioc_not_full_cancel",
    "fok": "fok_not_full_cancel",
    "post_only": "post_only_fill_cancel",
    "liquidation": "burst_cancel",
    "delisted": "delivery_order_cancel",
}
"""Reasons of the core that the exchange spells differently; all others are ``normal_cancel``."""


def settings_row(book: UnifiedBook) -> Row:
    """Object of ``account/settings``; only symbols that were configured or traded have a row."""
    rows = []
    for symbol, mode in sorted(book.configured):
        setup = book.account.setup(symbol)
        leverage = setup.cross_leverage if mode == "crossed" else setup.long_leverage
        rows.append(
            {
                "category": PRODUCT_TYPE,
                "symbol": symbol,
                "marginMode": mode,
                "leverage": decimal_field(leverage),
            }
        )
    return {
        "uid": UID,
        "accountMode": book.kind,
        "assetMode": "union",
        "accountLevel": book.level,
        "holdMode": f"{book.account.mode}_mode",
        "stpMode": "none",
        "symbolConfigList": rows,
        "coinConfigList": [],
    }


def assets_row(book: UnifiedBook) -> Row:
    """Object of ``account/assets``: ``mmr`` and ``imr`` are amounts."""
    account = book.account
    positions = list(account.positions.values())
    balance = account.balance()
    unrealized = balance.equity - account.cash
    equity, profit = balance.equity, unrealized
    if not book.options.isolated_in_equity:
        isolated = [held for held in positions if held.margin_mode == "isolated"]
        profit -= sum((account.unrealized(held) for held in isolated), ZERO)
        equity = account.pool() + profit
    kept = sum((_maintenance(book, held) for held in positions), ZERO)
    value = sum((held.size * account.marks[held.symbol] for held in positions), ZERO)
    ratio = decimal_field(round(kept / equity, 4)) if equity > 0 else "0"
    return {
        "accountEquity": decimal_field(equity),
        "usdtEquity": decimal_field(equity),
        "btcEquity": "0",
        "unrealisedPnl": decimal_field(profit),
        "usdtUnrealisedPnl": decimal_field(profit),
        "btcUnrealizedPnl": "0",
        "effEquity": decimal_field(equity),
        "mmr": decimal_field(kept),
        "imr": decimal_field(sum((held.margin for held in positions), ZERO)),
        "mgnRatio": ratio,
        "positionMgnRatio": ratio,
        "positionValue": decimal_field(value),
        "leverage": decimal_field(round(value / equity, 2)) if equity > 0 else "0",
        "assets": [_asset_row(book)] if balance.equity else [],
    }


def _asset_row(book: UnifiedBook) -> Row:
    """Row of USDT in ``assets``; ``locked`` is of spot orders only."""
    balance = book.account.balance()
    return {
        "coin": COIN,
        "equity": decimal_field(balance.equity),
        "usdValue": decimal_field(balance.equity),
        "balance": decimal_field(book.account.cash),
        "available": decimal_field(balance.available),
        "debt": "0",
        "locked": "0",
    }


def unified_order_row(book: UnifiedBook, order: Order) -> Row:
    """Row of ``order-info``, ``unfilled-orders`` and ``history-orders``."""
    ticket, row = order.ticket, _order_fields(book, order)
    fee = {"feeCoin": COIN, "fee": decimal_field(order.fee)} if order.filled else {"feeCoin": "", "fee": ""}
    return {
        **row,
        "category": PRODUCT_TYPE,
        "price": decimal_field(ticket.price) or "0",
        "orderStatus": _STATUS.get(order.status, order.status),
        "posSide": _word_of_side(ticket.side),
        "tradeSide": _trade_side(book, order, long_words=True),
        "reduceOnly": "YES" if _reduces(book, order) else "NO",
        "takeProfit": decimal_field(ticket.take_profit),
        "stopLoss": decimal_field(ticket.stop_loss),
        "feeDetail": [fee],
        "execType": "liquidation" if order.cause == "liquidation" else "normal",
    }


def pushed_unified_order_row(book: UnifiedBook, order: Order) -> Row:
    """Row of the ``order`` topic: no field of a fill."""
    ticket, row = order.ticket, _order_fields(book, order)
    return {
        **row,
        "category": PRODUCT_TYPE.lower(),
        "price": decimal_field(ticket.price),
        "holdSide": _word_of_side(ticket.side),
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
        "posSide": _word_of_side(execution.fill.side),
        "feeDetail": [{"feeCoin": COIN, "fee": decimal_field(sign * execution.fill.fee)}],
        "createdTime": str(execution.fill.at),
        "updatedTime": str(execution.fill.at + 1),
    }


def pushed_fill_row(book: UnifiedBook, execution: MatchedFill) -> Row:
    """Row of the ``fill`` topic: a paid fee is positive."""
    return {
        **_fill_fields(book, execution),
        "holdSide": _word_of_side(execution.fill.side),
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
        "tradeSide": fill.purpose if order.cause != "liquidation" else f"burst_{fill.purpose}",
        "execPrice": decimal_field(fill.price),
        "execQty": decimal_field(fill.size),
        "execValue": decimal_field(fill.price * fill.size),
        "tradeScope": "maker" if execution.maker else "taker",
        "execPnl": decimal_field(execution.profit),
        "isRPI": "no",
    }


def unified_position_row(book: UnifiedBook, position: SimulatedPosition) -> Row:
    """Row of ``current-position``: no stop, and ``posSide`` long or short in one-way mode too."""
    row = _position_fields(book, position)
    return {
        **row,
        "category": PRODUCT_TYPE,
        "positionBalance": decimal_field(position.margin),
        "total": decimal_field(position.size),
        "positionStatus": "normal",
        "liquidationPrice": decimal_field(book.account.liquidation_price(position) or ZERO),
        "totalFunding": decimal_field(-position.funding),
    }


def pushed_unified_position_row(book: UnifiedBook, position: SimulatedPosition) -> Row:
    """Row of the ``position`` topic."""
    return {
        **_position_fields(book, position),
        "marginSize": decimal_field(position.margin),
        "size": decimal_field(position.size),
        "positionStatus": "opening",
        "liqPrice": decimal_field(book.account.liquidation_price(position) or ZERO),
        "totalFundingFee": decimal_field(-position.funding),
    }


def ended_position_row(book: UnifiedBook, position: SimulatedPosition, at: int) -> Row:
    """Row of the ``position`` topic for a position that was closed at ``at`` (ms): most fields are empty."""
    kept = {
        "symbol": position.symbol,
        "marginCoin": COIN,
        "marginMode": position.margin_mode,
        "holdMode": f"{book.account.mode}_mode",
        "posSide": _word_of_side(position.side),
        "size": "0",
        "positionStatus": "ended",
        "createdTime": str(position.opened),
        "updatedTime": str(at),
    }
    return {**dict.fromkeys(pushed_unified_position_row(book, position), ""), **kept}


def _position_fields(book: UnifiedBook, position: SimulatedPosition) -> Row:
    """Fields that both rows of a position share."""
    account = book.account
    mark, contract = account.marks[position.symbol], account.contracts[position.symbol]
    unrealized = account.unrealized(position)
    even = position.entry_price * (1 + position.side * 2 * contract.taker_fee)
    return {
        "symbol": position.symbol,
        "marginCoin": COIN,
        "holdMode": f"{account.mode}_mode",
        "posSide": _word_of_side(position.side),
        "marginMode": position.margin_mode,
        "available": decimal_field(position.size),
        "frozen": "0",
        "leverage": decimal_field(position.leverage),
        "curRealisedPnl": decimal_field(position.profit),
        "avgPrice": decimal_field(position.entry_price),
        "unrealisedPnl": decimal_field(unrealized),
        "mmr": decimal_field(contract.maintenance_rate),
        "profitRate": decimal_field(round(unrealized / max(position.margin, contract.tick), 4)),
        "markPrice": decimal_field(mark),
        "breakEvenPrice": decimal_field(even),
        "openFeeTotal": decimal_field(-position.fees),
        "closeFeeTotal": "0",
        "createdTime": str(position.opened),
        "updatedTime": str(position.updated),
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
        "posSide": _word_of_side(strategy.side),
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


def pushed_assets_row(book: UnifiedBook) -> Row:
    """Row of the ``account`` topic: no ``usdtEquity``, and debts instead of a debt."""
    row, asset = assets_row(book), _asset_row(book)
    coin = {name: asset[name] for name in ("coin", "balance", "locked", "equity", "usdValue", "available")}
    return {
        "totalEquity": row["accountEquity"],
        **{name: row[name] for name in ("effEquity", "mmr", "imr", "mgnRatio", "positionMgnRatio")},
        "unrealisedPnL": row["unrealisedPnl"],
        "coin": [{**coin, "borrow": "0", "debts": "0"}],
    }


def _maintenance(book: UnifiedBook, position: SimulatedPosition) -> Decimal:
    """Maintenance margin of a position, in USDT."""
    account = book.account
    return (
        position.size * account.marks[position.symbol] * account.contracts[position.symbol].maintenance_rate
    )


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


def _word_of_side(side: int) -> str:
    return "long" if side > 0 else "short"


def _reduces(book: UnifiedBook, order: Order) -> bool:
    return book.account.mode == "one_way" and order.ticket.purpose == "close"


def _trade_side(book: UnifiedBook, order: Order, *, long_words: bool) -> str:
    """``tradeSide``: in hedge mode REST names the side as well."""
    word: str = order.ticket.purpose
    if long_words and book.account.mode == "hedge":
        word = f"{word}_{_word_of_side(order.ticket.side)}"
    return f"burst_{word}" if order.cause == "liquidation" else word


def _delegate_type(book: UnifiedBook, order: Order) -> str:
    """``delegateType``: what made the order."""
    if order.cause == "order":
        return "market" if order.ticket.kind == "market" else "normal"
    if order.cause == "liquidation":
        return "liquidation"
    word = "stop_loss_market" if order.cause == "stop_loss" else "stop_profit_market"
    strategy = book.strategies.get(book.triggered.get(order.order_id, ""))
    return f"position_{word}" if strategy is not None and strategy.size is None else word
