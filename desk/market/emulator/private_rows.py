"""Rows of orders, fills, positions and balances as the exchange writes them.

Place in the house: the market, inside the emulator.  Values of the matching core come in, rows of JSON go
out, to ``private`` (REST) and ``channels`` (sockets).  Pure.  Written a second time on purpose, see the
package.

References
----------
``docs/bitget.md``, sections 7 (balances), 8.2 (orders, fills), 8.4 (TP/SL), 9 (positions), 11 (sockets).
"""

from decimal import Decimal
from typing import Final

from desk.market.matching import MatchedFill, Order, SimulatedPosition, TriggerOrder
from desk.market.matching.account import SimulatedAccount
from desk.market.matching.values import ZERO

Row = dict[str, object]
COIN: Final = "USDT"
PLACES: Final = 12
_SOURCES: Final = {
    "stop_loss": "loss_market",
    "take_profit": "profit_market",
    "liquidation": "liquidation",
    "wind_up": "delivery_close",
}
_PREFIXES: Final = {"liquidation": "burst_", "wind_up": "delivery_"}
"""Of ``tradeSide``, by what made the order."""


def decimal_field(value: Decimal | None) -> str:
    """``value`` without an exponent and with at most twelve decimals; empty where there is none."""
    if value is None:
        return ""
    short = f"{round(value, PLACES):f}"
    return short.rstrip("0").rstrip(".") if "." in short else short


def order_row(account: SimulatedAccount, order: Order, *, status_word: str) -> Row:
    """Row of ``detail`` (``status_word`` is ``state``) or of the lists (``status``).

    Parameters
    ----------
    account : SimulatedAccount
    order : Order
    status_word : str
        ``state`` in ``detail``, ``status`` in the lists.
    """
    ticket = order.ticket
    return {
        "symbol": ticket.symbol,
        "size": decimal_field(ticket.size),
        "orderId": order.order_id,
        "clientOid": ticket.client_id or order.order_id,
        "baseVolume": decimal_field(order.filled),
        "priceAvg": decimal_field(order.quote / order.filled) if order.filled else "",
        "fee": decimal_field(-order.fee),
        "price": decimal_field(ticket.price),
        status_word: order.status,
        "side": _side(account, order),
        "force": ticket.force,
        "totalProfits": decimal_field(order.profit),
        "posSide": _position_side(account, ticket.side),
        "marginCoin": COIN,
        "presetStopSurplusPrice": decimal_field(ticket.take_profit),
        "presetStopLossPrice": decimal_field(ticket.stop_loss),
        "quoteVolume": decimal_field(order.quote),
        "orderType": ticket.kind,
        "leverage": decimal_field(order.leverage),
        "marginMode": order.margin_mode,
        "reduceOnly": _reduce_only(account, order),
        "enterPointSource": "API" if order.cause == "order" else "SYS",
        "tradeSide": _trade_side(account, order),
        "posMode": f"{account.mode}_mode",
        "orderSource": _source(account, order),
        "cancelReason": order.cancel_reason,
        "cTime": str(order.created),
        "uTime": str(order.updated),
    }


def fill_row(account: SimulatedAccount, execution: MatchedFill) -> Row:
    """Row of ``fills``."""
    fill = execution.fill
    order = account.orders[fill.order_id]
    return {
        "tradeId": fill.trade_id,
        "symbol": fill.symbol,
        "marginCoin": COIN,
        "orderId": fill.order_id,
        "price": decimal_field(fill.price),
        "baseVolume": decimal_field(fill.size),
        "feeDetail": [_fee_detail(fill.fee)],
        "side": _side(account, order),
        "quoteVolume": decimal_field(fill.price * fill.size),
        "profit": decimal_field(execution.profit),
        "enterPointSource": "api" if fill.cause == "order" else "sys",
        "tradeSide": _trade_side(account, order),
        "posMode": f"{account.mode}_mode",
        "tradeScope": "maker" if execution.maker else "taker",
        "cTime": str(fill.at),
    }


def pushed_order_row(account: SimulatedAccount, order: Order, execution: MatchedFill | None) -> Row:
    """Row of the ``orders`` channel; one row per step of an order.

    Parameters
    ----------
    account : SimulatedAccount
    order : Order
    execution : MatchedFill or None
        Execution that led to this state; None: there was none.
    """
    ticket = order.ticket
    row: Row = {
        "instId": ticket.symbol,
        "orderId": order.order_id,
        "clientOid": ticket.client_id or order.order_id,
        "size": decimal_field(ticket.size),
        "price": decimal_field(ticket.price),
        "priceAvg": decimal_field(order.quote / order.filled) if order.filled else "",
        "accBaseVolume": decimal_field(order.filled),
        "notionalUsd": decimal_field(order.quote),
        "status": order.status,
        "side": _side(account, order),
        "posSide": _position_side(account, ticket.side),
        "tradeSide": _trade_side(account, order),
        "posMode": f"{account.mode}_mode",
        "marginMode": order.margin_mode,
        "marginCoin": COIN,
        "leverage": decimal_field(order.leverage),
        "orderType": ticket.kind,
        "force": ticket.force,
        "reduceOnly": _reduce_only(account, order).lower(),
        "totalProfits": decimal_field(order.profit),
        "presetStopSurplusPrice": decimal_field(ticket.take_profit),
        "presetStopLossPrice": decimal_field(ticket.stop_loss),
        "enterPointSource": "api" if order.cause == "order" else "sys",
        "cancelReason": order.cancel_reason,
        "feeDetail": [{"feeCoin": COIN, "fee": decimal_field(-order.fee)}],
        "cTime": str(order.created),
        "uTime": str(order.updated),
    }
    if execution is not None:
        fill = execution.fill
        row |= {
            "tradeId": fill.trade_id,
            "fillPrice": decimal_field(fill.price),
            "baseVolume": decimal_field(fill.size),
            "fillTime": str(fill.at),
            "fillFee": decimal_field(-fill.fee),
            "fillFeeCoin": COIN,
            "tradeScope": "M" if execution.maker else "T",
            "pnl": decimal_field(execution.profit),
        }
    return row


def position_row(account: SimulatedAccount, position: SimulatedPosition, *, protection: bool = False) -> Row:
    """Row of ``single-position``; with ``protection``, of ``all-position``.

    Parameters
    ----------
    account : SimulatedAccount
    position : SimulatedPosition
    protection : bool
        Whether to add the nearest stop and take-profit, as ``all-position`` does.
    """
    mark = account.marks[position.symbol]
    taker = account.contracts[position.symbol].taker_fee
    even = position.entry_price * (1 + position.side * 2 * taker)
    row: Row = {
        "marginCoin": COIN,
        "symbol": position.symbol,
        "holdSide": "long" if position.side > 0 else "short",
        "openDelegateSize": "0",
        "marginSize": decimal_field(position.margin),
        "available": decimal_field(position.size),
        "locked": "0",
        "total": decimal_field(position.size),
        "leverage": decimal_field(position.leverage),
        "achievedProfits": decimal_field(position.profit),
        "openPriceAvg": decimal_field(position.entry_price),
        "marginMode": position.margin_mode,
        "posMode": f"{account.mode}_mode",
        "unrealizedPL": decimal_field(account.unrealized(position)),
        "liquidationPrice": decimal_field(account.liquidation_price(position) or ZERO),
        "keepMarginRate": decimal_field(account.contracts[position.symbol].maintenance_rate),
        "markPrice": decimal_field(mark),
        "marginRatio": decimal_field(
            account.rate(position.symbol) * position.size * mark / max(position.margin, taker)
        ),
        "breakEvenPrice": decimal_field(even),
        "totalFee": decimal_field(-position.funding) if position.funding else "",
        "deductedFee": decimal_field(position.fees),
        "assetMode": "single",
        "autoMargin": "off",
        "cTime": str(position.opened),
        "uTime": str(position.updated),
    }
    if protection:
        for name, kind in (("takeProfit", "take_profit"), ("stopLoss", "stop_loss")):
            trigger = account.nearest(position, kind)
            plans = account.plans_of(position.symbol, position.side)
            ids = [plan.plan_id for plan in plans if plan.kind == kind and plan.trigger == trigger]
            row |= {name: decimal_field(trigger), f"{name}Id": ids[0] if ids else ""}
    return row


def pushed_position_row(account: SimulatedAccount, position: SimulatedPosition) -> Row:
    """Row of the ``positions`` channel."""
    row = position_row(account, position)
    kept = (
        *("marginCoin", "holdSide", "posMode", "marginMode", "total", "available", "marginSize"),
        *("openPriceAvg", "leverage", "achievedProfits", "unrealizedPL", "liquidationPrice"),
        *("keepMarginRate", "markPrice", "breakEvenPrice", "totalFee", "deductedFee", "cTime", "uTime"),
    )
    identity: Row = {
        "posId": f"{position.opened}{position.side % 3}",
        "instId": position.symbol,
        "frozen": "0",
    }
    return {**identity, **{name: row[name] for name in kept}, "marginRate": row["marginRatio"]}


def plan_row(account: SimulatedAccount, plan: TriggerOrder) -> Row:
    """Row of ``orders-plan-pending``."""
    loss = plan.kind == "stop_loss"
    bound = plan.size is None
    position = account.positions[plan.symbol, plan.side]
    one_way = account.mode == "one_way"
    sells = plan.side > 0 if one_way else plan.side < 0
    return {
        "planType": ("pos_" if bound else "") + ("loss" if loss else "profit") + ("" if bound else "_plan"),
        "symbol": plan.symbol,
        "size": decimal_field(plan.size or ZERO),
        "orderId": plan.plan_id,
        "clientOid": plan.client_id or plan.plan_id,
        "price": "",
        "executePrice": "0",
        "callbackRatio": "",
        "triggerPrice": decimal_field(plan.trigger),
        "triggerType": "mark_price",
        "planStatus": "live",
        "side": "sell" if sells else "buy",
        "posSide": _position_side(account, plan.side),
        "marginCoin": COIN,
        "marginMode": position.margin_mode,
        "enterPointSource": "API",
        "tradeSide": ("sell_single" if sells else "buy_single") if one_way else "close",
        "posMode": f"{account.mode}_mode",
        "orderType": "market",
        "stopSurplusTriggerPrice": "" if loss else decimal_field(plan.trigger),
        "stopLossTriggerPrice": decimal_field(plan.trigger) if loss else "",
        "cTime": str(plan.created),
        "uTime": str(plan.created),
    }


def account_row(account: SimulatedAccount) -> Row:
    """Balances that both forms of the endpoint share; a field without a value is ``""``."""
    balance = account.balance()
    crossed = sum((account.unrealized(position) for position in account.crossed()), ZERO)
    unrealized = balance.equity - account.cash
    isolated = unrealized - crossed
    flat = not account.positions
    return {
        "marginCoin": COIN,
        "locked": decimal_field(sum((account.frozen(order) for order in account.live_orders()), ZERO)),
        "available": decimal_field(balance.available),
        "crossedMaxAvailable": decimal_field(balance.available),
        "isolatedMaxAvailable": decimal_field(balance.available),
        "maxTransferOut": decimal_field(min(balance.available, balance.equity)),
        "accountEquity": decimal_field(balance.equity),
        "usdtEquity": decimal_field(balance.equity),
        "btcEquity": "",
        "crossedRiskRate": "0",
        "unrealizedPL": "" if flat else decimal_field(unrealized),
        "coupon": "0",
        "crossedUnrealizedPL": decimal_field(crossed) if account.crossed() else "",
        "isolatedUnrealizedPL": "0" if flat else decimal_field(isolated),
        "grant": "",
        "assetMode": "single",
    }


def symbol_account_row(account: SimulatedAccount, symbol: str) -> Row:
    """Object of ``account``: the balances and the symbol's margin settings.  Leverages are JSON numbers."""
    setup = account.setup(symbol)
    return {
        **account_row(account),
        "crossedMarginLeverage": int(setup.cross_leverage),
        "isolatedLongLever": int(setup.long_leverage),
        "isolatedShortLever": int(setup.short_leverage),
        "marginMode": setup.margin_mode,
        "posMode": f"{account.mode}_mode",
        "isolatedMargin": None,
        "crossedMargin": None,
    }


def pushed_account_row(account: SimulatedAccount) -> Row:
    """Row of the ``account`` channel."""
    row = account_row(account)
    return {
        "marginCoin": COIN,
        "frozen": row["locked"],
        "available": row["available"],
        "maxOpenPosAvailable": row["available"],
        "maxTransferOut": row["maxTransferOut"],
        "equity": row["accountEquity"],
        "usdtEquity": row["usdtEquity"],
        "crossedRiskRate": "0",
        "unrealizedPL": row["unrealizedPL"],
    }


def leverage_row(account: SimulatedAccount, symbol: str) -> Row:
    """Answer of ``set-leverage`` and ``set-margin-mode``."""
    setup = account.setup(symbol)
    return {
        "symbol": symbol,
        "marginCoin": COIN,
        "longLeverage": decimal_field(setup.long_leverage),
        "shortLeverage": decimal_field(setup.short_leverage),
        "crossMarginLeverage": decimal_field(setup.cross_leverage),
        "marginMode": setup.margin_mode,
    }


def _source(account: SimulatedAccount, order: Order) -> str:
    """Where an order is from; exits of a whole position are spelled otherwise than those for a size."""
    usual = "market" if order.ticket.kind == "market" else "normal"
    bound = "pos_" if order.order_id in account.bound_exits else ""
    return bound + _SOURCES.get(order.cause, usual)


def _side(account: SimulatedAccount, order: Order) -> str:
    """``buy`` or ``sell``: in one-way mode of the order, in hedge mode of the position."""
    way = order.ticket.direction if account.mode == "one_way" else order.ticket.side
    return "buy" if way > 0 else "sell"


def _position_side(account: SimulatedAccount, side: int) -> str:
    if account.mode == "one_way":
        return "net"
    return "long" if side > 0 else "short"


def _trade_side(account: SimulatedAccount, order: Order) -> str:
    forced = _PREFIXES.get(order.cause, "")
    if account.mode == "one_way":
        return f"{forced}{_side(account, order)}_single"
    if forced:
        return f"{forced}close_{'long' if order.ticket.side > 0 else 'short'}"
    return order.ticket.purpose


def _reduce_only(account: SimulatedAccount, order: Order) -> str:
    return "YES" if account.mode == "one_way" and order.ticket.purpose == "close" else "NO"


def _fee_detail(fee: Decimal) -> Row:
    return {"deduction": "no", "feeCoin": COIN, "totalDeductionFee": "0", "totalFee": decimal_field(-fee)}
