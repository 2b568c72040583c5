"""Orders over REST: placing, cancelling, asking what became of them.

Place in the house: the market, inside the emulator.  Called by the table of ``private``; see there.  Pure.

References
----------
``docs/bitget.md``, sections 8.1 and 8.2.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal, cast

from desk.market.emulator.asked import AccountRequest
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_rows import Row, fill_row, order_row
from desk.market.matching import Denied, Force, NewOrder, Order
from desk.market.series.facts import DAY_MS
from desk.orders import MarginMode, Purpose

LONGEST_PAGE: Final = 100
LONGEST_SPAN_MS: Final = 90 * DAY_MS
Stamped = tuple[str, int, Row]
"""Id, time and row of something that is listed by pages."""


def place_order(asked: AccountRequest) -> Row:
    """Answer ``place-order``: accepted is not filled."""
    asked.check_product()
    asked.check_coin()
    return _ids(asked.matching.place(ticket_of(asked), asked.now))


def ticket_of(asked: AccountRequest) -> NewOrder:
    """Read an order, in the account's position mode.

    One-way: ``side`` is what is done, and ``reduceOnly`` says that it closes.  Hedge: ``side`` is the
    direction of the position, and ``tradeSide`` must say whether it opens or closes.
    """
    symbol = asked.symbol()
    margin = asked.word("marginMode", "isolated", "crossed")
    kind = asked.word("orderType", "market", "limit")
    way = 1 if asked.word("side", "buy", "sell") == "buy" else -1
    if asked.account.mode == "hedge":
        if not asked.text("tradeSide"):
            raise RequestDenied(
                "40774", "The order type for unilateral position must also be the unilateral type"
            )
        purpose = asked.word("tradeSide", "open", "close")
        side = way
    else:
        purpose = "close" if asked.word("reduceOnly", "yes", "no", usual="no") == "yes" else "open"
        side = way if purpose == "open" else -way
    for name in ("presetStopSurplusExecutePrice", "presetStopLossExecutePrice"):
        if asked.optional_number(name):
            raise RequestDenied("400172", f"{name}: the embedded exchange closes at market only")
    return NewOrder(
        client_id=asked.text("clientOid"),
        symbol=symbol,
        side=side,
        purpose=cast("Purpose", purpose),
        size=asked.number("size"),
        kind=cast("Literal['market', 'limit']", kind),
        price=asked.number("price") if kind == "limit" else None,
        force=cast("Force", asked.word("force", "gtc", "ioc", "fok", "post_only", usual="gtc")),
        stop_loss=asked.optional_number("presetStopLossPrice"),
        take_profit=asked.optional_number("presetStopSurplusPrice"),
        margin_mode=cast("MarginMode", margin),
    )


def batch_place_order(asked: AccountRequest) -> Row:
    """Answer ``batch-place-order``: each order for itself."""
    asked.check_product()
    asked.check_coin()
    shared = {name: value for name, value in asked.fields.items() if name != "orderList"}
    return _each(asked, ({**shared, **row} for row in asked.rows("orderList")), _place_one)


def _place_one(asked: AccountRequest) -> Order:
    return asked.matching.place(ticket_of(asked), asked.now)


def cancel_order(asked: AccountRequest) -> Row:
    """Answer ``cancel-order``."""
    asked.check_product()
    return _ids(_cancel_one(asked))


def _cancel_one(asked: AccountRequest) -> Order:
    return asked.matching.cancel(_found(asked), asked.now)


def batch_cancel_orders(asked: AccountRequest) -> Row:
    """Answer ``batch-cancel-orders``: those that are named, or all of the symbol."""
    asked.check_product()
    symbol = asked.symbol()
    if rows := asked.rows("orderIdList"):
        return _each(asked, ({"symbol": symbol, **row} for row in rows), _cancel_one)
    cancelled = asked.matching.cancel_all(asked.now, symbol=symbol)
    return {"successList": [_ids(order) for order in cancelled], "failureList": []}


def cancel_all_orders(asked: AccountRequest) -> Row:
    """Answer ``cancel-all-orders``."""
    asked.check_product()
    if not (cancelled := asked.matching.cancel_all(asked.now)):
        raise RequestDenied("22001", "No order to cancel")
    return {"successList": [_ids(order) for order in cancelled], "failureList": []}


def modify_order(asked: AccountRequest) -> Row:
    """Answer ``modify-order``: the order is replaced by one with another client id."""
    asked.check_product()
    order = _found(asked)
    if order is None:
        raise RequestDenied("40109", "The data of the order cannot be found, please confirm the order number")
    size, price = asked.optional_number("newSize"), asked.optional_number("newPrice")
    ticket = replace(
        order.ticket,
        client_id=asked.required("newClientOid"),
        size=size or order.ticket.size,
        price=price or order.ticket.price,
        stop_loss=asked.optional_number("newPresetStopLossPrice") or order.ticket.stop_loss,
        take_profit=asked.optional_number("newPresetStopSurplusPrice") or order.ticket.take_profit,
    )
    return _ids(asked.matching.modify(order, ticket, asked.now))


def close_positions(asked: AccountRequest) -> Row:
    """Answer ``close-positions``: without a symbol, every position there is."""
    asked.check_product()
    symbol = asked.optional_symbol()
    side = None
    if asked.account.mode == "hedge" and asked.text("holdSide"):
        side = 1 if asked.word("holdSide", "long", "short") == "long" else -1
    symbols = {held for held, _ in asked.account.positions} if symbol is None else {symbol}
    closed: list[Order] = []
    for name in sorted(symbols):
        closed += asked.matching.close(name, asked.now, side=side)
    if not closed:
        raise RequestDenied("22002", "No position to close")
    return {
        "successList": [{**_ids(order), "symbol": order.ticket.symbol} for order in closed],
        "failureList": [],
    }


def order_detail(asked: AccountRequest) -> Row:
    """Answer ``detail``."""
    asked.check_product()
    asked.symbol()
    if (order := _found(asked)) is None:
        raise RequestDenied("40109", "The data of the order cannot be found, please confirm the order number")
    return order_row(asked.account, order, status_word="state")


def orders_pending(asked: AccountRequest) -> Row:
    """Answer ``orders-pending``: the list is null when there is nothing."""
    return _orders_page(asked, [order for order in asked.account.orders.values() if order.is_live])


def orders_history(asked: AccountRequest) -> Row:
    """Answer ``orders-history``: orders that have ended, of the last 90 days."""
    oldest = asked.now - LONGEST_SPAN_MS
    ended = (order for order in asked.account.orders.values() if not order.is_live)
    return _orders_page(asked, [order for order in ended if order.created >= oldest])


def _orders_page(asked: AccountRequest, orders: Iterable[Order]) -> Row:
    asked.check_product()
    symbol, order_id, client_id = asked.optional_symbol(), asked.text("orderId"), asked.text("clientOid")
    chosen = [
        (order.order_id, order.created, order_row(asked.account, order, status_word="status"))
        for order in orders
        if symbol in {None, order.ticket.symbol}
        and order_id in {"", order.order_id}
        and client_id in {"", order.ticket.client_id}
        and asked.text("status") in {"", order.status}
    ]
    page, end = newest_page(asked, chosen)
    return {"entrustedList": page or None, "endId": end}


def order_fills(asked: AccountRequest) -> Row:
    """Answer ``fills``."""
    asked.check_product()
    symbol, order_id = asked.optional_symbol(), asked.text("orderId")
    chosen = [
        (execution.fill.trade_id, execution.fill.at, fill_row(asked.account, execution))
        for execution in asked.account.executions
        if symbol in {None, execution.fill.symbol} and order_id in {"", execution.fill.order_id}
    ]
    page, end = newest_page(asked, chosen)
    return {"fillList": page or None, "endId": end}


def newest_page(asked: AccountRequest, rows: Iterable[Stamped]) -> tuple[list[Row], str | None]:
    """One page of a list, newest first, and the id to go on below."""
    start, end, below = asked.integer("startTime"), asked.integer("endTime"), asked.integer("idLessThan")
    limit = asked.integer("limit") or LONGEST_PAGE
    if limit > LONGEST_PAGE:
        raise RequestDenied(
            "40053", f"Parameter limit {limit} is out of range, must be between 1 and {LONGEST_PAGE}"
        )
    if start is not None and end is not None and end - start > LONGEST_SPAN_MS:
        raise RequestDenied("00001", "startTime and endTime interval cannot be greater than 90 days")
    chosen = [
        (number, row)
        for number, at, row in rows
        if (start is None or at >= start)
        and (end is None or at <= end)
        and (below is None or int(number) < below)
    ]
    page = sorted(chosen, key=lambda each: int(each[0]), reverse=True)[:limit]
    return [row for _, row in page], page[-1][0] if page else None


def _found(asked: AccountRequest) -> Order | None:
    order_id, client_id = asked.text("orderId"), asked.text("clientOid")
    if not order_id and not client_id:
        raise RequestDenied("40019", "Parameter orderId and clientOid cannot both be empty")
    return asked.matching.find(asked.symbol(), order_id=order_id, client_id=client_id)


def _ids(order: Order) -> Row:
    return {"orderId": order.order_id, "clientOid": order.ticket.client_id or order.order_id}


def _each(
    asked: AccountRequest, rows: Iterable[Mapping[str, object]], act: Callable[[AccountRequest], Order]
) -> Row:
    """Do something for every row; what is refused is listed with its code."""
    successes: list[Row] = []
    failures: list[Row] = []
    for row in rows:
        one = replace(asked, fields=row)
        try:
            successes.append(_ids(act(one)))
        except (Denied, RequestDenied) as denial:
            named = {"orderId": one.text("orderId"), "clientOid": one.text("clientOid")}
            failures.append({**named, "errorMsg": denial.message, "errorCode": denial.code})
    return {"successList": successes, "failureList": failures}
