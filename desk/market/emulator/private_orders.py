"""Answers of the private endpoints about orders and fills.

Place in the house: the market, inside the emulator.  Called by the table of ``private``; see there.  Pure.

References
----------
``docs/bitget.md``, sections 8.1 and 8.2.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal, cast

from desk.market.emulator.account_request import AccountRequest
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_rows import Row, fill_row, order_row
from desk.market.matching import Denied, Force, NewOrder, Order
from desk.market.series.facts import DAY_MS
from desk.orders import MarginMode, Purpose

LONGEST_PAGE: Final = 100
LONGEST_SPAN_MS: Final = 90 * DAY_MS
Stamped = tuple[str, int, Row]
"""Id, time (ms) and row of an entry that is listed by pages."""


def answer_place_order(request: AccountRequest) -> Row:
    """Answer ``place-order``: accepted is not filled."""
    request.check_product()
    request.check_coin()
    return _ids(request.matching.place(ticket_of(request), request.now))


def ticket_of(request: AccountRequest) -> NewOrder:
    """Read an order, in the account's position mode.

    One-way: ``side`` is the direction of the order, and ``reduceOnly`` marks one that closes.  Hedge:
    ``side`` is the direction of the position, and ``tradeSide`` must be ``open`` or ``close``.
    """
    symbol = request.symbol()
    margin = request.word("marginMode", "isolated", "crossed")
    kind = request.word("orderType", "market", "limit")
    way = 1 if request.word("side", "buy", "sell") == "buy" else -1
    if request.account.mode == "hedge":
        if not request.text("tradeSide"):
            raise RequestDenied(
                "40774", "The order type for unilateral position must also be the unilateral type"
            )
        purpose = request.word("tradeSide", "open", "close")
        side = way
    else:
        purpose = "close" if request.word("reduceOnly", "yes", "no", usual="no") == "yes" else "open"
        side = way if purpose == "open" else -way
    for name in ("presetStopSurplusExecutePrice", "presetStopLossExecutePrice"):
        if request.optional_number(name):
            raise RequestDenied("400172", f"{name}: the embedded exchange closes at market only")
    return NewOrder(
        client_id=request.text("clientOid"),
        symbol=symbol,
        side=side,
        purpose=cast("Purpose", purpose),
        size=request.number("size"),
        kind=cast("Literal['market', 'limit']", kind),
        price=request.number("price") if kind == "limit" else None,
        force=cast("Force", request.word("force", "gtc", "ioc", "fok", "post_only", usual="gtc")),
        stop_loss=request.optional_number("presetStopLossPrice"),
        take_profit=request.optional_number("presetStopSurplusPrice"),
        margin_mode=cast("MarginMode", margin),
    )


def answer_batch_place_order(request: AccountRequest) -> Row:
    """Answer ``batch-place-order``: every order is accepted or refused by itself."""
    request.check_product()
    request.check_coin()
    shared = {name: value for name, value in request.fields.items() if name != "orderList"}
    return _each(request, ({**shared, **row} for row in request.rows("orderList")), _place_one)


def _place_one(request: AccountRequest) -> Order:
    return request.matching.place(ticket_of(request), request.now)


def answer_cancel_order(request: AccountRequest) -> Row:
    """Answer ``cancel-order``."""
    request.check_product()
    return _ids(_cancel_one(request))


def _cancel_one(request: AccountRequest) -> Order:
    return request.matching.cancel(_found(request), request.now)


def answer_batch_cancel_orders(request: AccountRequest) -> Row:
    """Answer ``batch-cancel-orders``: those that are named, or all of the symbol."""
    request.check_product()
    symbol = request.symbol()
    if rows := request.rows("orderIdList"):
        return _each(request, ({"symbol": symbol, **row} for row in rows), _cancel_one)
    cancelled = request.matching.cancel_all(request.now, symbol=symbol)
    return {"successList": [_ids(order) for order in cancelled], "failureList": []}


def answer_cancel_all_orders(request: AccountRequest) -> Row:
    """Answer ``cancel-all-orders``."""
    request.check_product()
    if not (cancelled := request.matching.cancel_all(request.now)):
        raise RequestDenied("22001", "No order to cancel")
    return {"successList": [_ids(order) for order in cancelled], "failureList": []}


def answer_modify_order(request: AccountRequest) -> Row:
    """Answer ``modify-order``: the order is replaced by one with another client id."""
    request.check_product()
    order = _found(request)
    if order is None:
        raise RequestDenied("40109", "The data of the order cannot be found, please confirm the order number")
    size, price = request.optional_number("newSize"), request.optional_number("newPrice")
    ticket = replace(
        order.ticket,
        client_id=request.required("newClientOid"),
        size=size or order.ticket.size,
        price=price or order.ticket.price,
        stop_loss=request.optional_number("newPresetStopLossPrice") or order.ticket.stop_loss,
        take_profit=request.optional_number("newPresetStopSurplusPrice") or order.ticket.take_profit,
    )
    return _ids(request.matching.modify(order, ticket, request.now))


def answer_close_positions(request: AccountRequest) -> Row:
    """Answer ``close-positions``: without a symbol, every open position."""
    request.check_product()
    symbol = request.optional_symbol()
    side = None
    if request.account.mode == "hedge" and request.text("holdSide"):
        side = 1 if request.word("holdSide", "long", "short") == "long" else -1
    symbols = {held for held, _ in request.account.positions} if symbol is None else {symbol}
    closed: list[Order] = []
    for name in sorted(symbols):
        closed += request.matching.close(name, request.now, side=side)
    if not closed:
        raise RequestDenied("22002", "No position to close")
    return {
        "successList": [{**_ids(order), "symbol": order.ticket.symbol} for order in closed],
        "failureList": [],
    }


def answer_order_detail(request: AccountRequest) -> Row:
    """Answer ``detail``."""
    request.check_product()
    request.symbol()
    if (order := _found(request)) is None:
        raise RequestDenied("40109", "The data of the order cannot be found, please confirm the order number")
    return order_row(request.account, order, status_word="state")


def answer_orders_pending(request: AccountRequest) -> Row:
    """Answer ``orders-pending``: the list is null when there is nothing."""
    return _orders_page(request, [order for order in request.account.orders.values() if order.is_live])


def answer_orders_history(request: AccountRequest) -> Row:
    """Answer ``orders-history``: orders that have ended, of the last 90 days."""
    oldest = request.now - LONGEST_SPAN_MS
    ended = (order for order in request.account.orders.values() if not order.is_live)
    return _orders_page(request, [order for order in ended if order.created >= oldest])


def _orders_page(request: AccountRequest, orders: Iterable[Order]) -> Row:
    request.check_product()
    symbol, order_id, client_id = (
        request.optional_symbol(),
        request.text("orderId"),
        request.text("clientOid"),
    )
    chosen = [
        (order.order_id, order.created, order_row(request.account, order, status_word="status"))
        for order in orders
        if symbol in {None, order.ticket.symbol}
        and order_id in {"", order.order_id}
        and client_id in {"", order.ticket.client_id}
        and request.text("status") in {"", order.status}
    ]
    page, end = newest_page(request, chosen)
    return {"entrustedList": page or None, "endId": end}


def answer_order_fills(request: AccountRequest) -> Row:
    """Answer ``fills``."""
    request.check_product()
    symbol, order_id = request.optional_symbol(), request.text("orderId")
    chosen = [
        (execution.fill.trade_id, execution.fill.at, fill_row(request.account, execution))
        for execution in request.account.executions
        if symbol in {None, execution.fill.symbol} and order_id in {"", execution.fill.order_id}
    ]
    page, end = newest_page(request, chosen)
    return {"fillList": page or None, "endId": end}


def newest_page(request: AccountRequest, rows: Iterable[Stamped]) -> tuple[list[Row], str | None]:
    """One page of a list, newest first, and the id to go on below."""
    start, end, below = (
        request.integer("startTime"),
        request.integer("endTime"),
        request.integer("idLessThan"),
    )
    limit = request.integer("limit") or LONGEST_PAGE
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


def _found(request: AccountRequest) -> Order | None:
    order_id, client_id = request.text("orderId"), request.text("clientOid")
    if not order_id and not client_id:
        raise RequestDenied("40019", "Parameter orderId and clientOid cannot both be empty")
    return request.matching.find(request.symbol(), order_id=order_id, client_id=client_id)


def _ids(order: Order) -> Row:
    return {"orderId": order.order_id, "clientOid": order.ticket.client_id or order.order_id}


def _each(
    request: AccountRequest, rows: Iterable[Mapping[str, object]], act: Callable[[AccountRequest], Order]
) -> Row:
    """Call ``act`` for every row; refused rows are listed with their codes."""
    successes: list[Row] = []
    failures: list[Row] = []
    for row in rows:
        one = replace(request, fields=row)
        try:
            successes.append(_ids(act(one)))
        except (Denied, RequestDenied) as denial:
            named = {"orderId": one.text("orderId"), "clientOid": one.text("clientOid")}
            failures.append({**named, "errorMsg": denial.message, "errorCode": denial.code})
    return {"successList": successes, "failureList": failures}
