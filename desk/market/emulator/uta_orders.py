"""Answers of the API v3 about orders and fills.

Place in the house: the market, inside the emulator.  Called by the table of ``uta_private``; see there.
Pure.

References
----------
``docs/bitget.md``, sections U6 and U7.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, Literal, cast

from desk.market.emulator.account_request import AccountRequest
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_orders import LONGEST_PAGE, Stamped
from desk.market.emulator.private_rows import Row
from desk.market.emulator.uta_book import PROTECTIONS, UnifiedBook
from desk.market.emulator.uta_codes import code_of_v3
from desk.market.emulator.uta_rows import unified_fill_row, unified_order_row
from desk.market.matching import Denied, Force, NewOrder, Order, Protection
from desk.market.matching.values import ZERO
from desk.market.series.facts import DAY_MS
from desk.orders import MarginMode, Purpose

PRICE_FIELDS: Final[Mapping[Protection, str]] = {"stop_loss": "stopLoss", "take_profit": "takeProfit"}
HISTORY_MS: Final = 90 * DAY_MS
LONGEST_SPAN_MS: Final = 30 * DAY_MS
_AGAINST_PRICE: Final[Mapping[tuple[Protection, int], str]] = {
    ("take_profit", 1): "25585",
    ("stop_loss", 1): "25586",
    ("take_profit", -1): "25587",
    ("stop_loss", -1): "25588",
}
"""Codes for a trigger that the latest price has passed, by kind and side of the position."""


def check_category(request: AccountRequest) -> None:
    """Raise unless the category is USDT-FUTURES, in either case."""
    request.word("category", "usdt-futures")


def answer_v3_place_order(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``place-order``: accepted is not matched."""
    check_category(request)
    client_id = request.text("clientOid")
    order, replaces = _placed(request, book)
    order_id = None if replaces else order.order_id
    return {"orderId": order_id, "clientOid": client_id or order.order_id}


def _placed(request: AccountRequest, book: UnifiedBook) -> tuple[Order, bool]:
    """Place the order of a request; whether it replaced older reduce-only orders."""
    client_id = request.text("clientOid")
    ticket = ticket_of_v3(request, book)
    older = _in_the_way(ticket, book)
    for order in older:
        request.matching.cancel(order, request.now)
    order = request.matching.place(ticket, request.now)
    book.record(client_id, order)
    book.configured.add((ticket.symbol, order.margin_mode))
    return order, bool(older)


def ticket_of_v3(request: AccountRequest, book: UnifiedBook) -> NewOrder:
    """Read an order of the API v3, in the account's hold mode.

    ``side`` is the trade in both modes.  One-way: ``reduceOnly`` marks an order that closes, ``posSide`` is
    ignored.  Hedge: ``posSide`` is the position, so a sale for a long closes it.
    """
    symbol = request.symbol()
    way = 1 if request.word("side", "buy", "sell") == "buy" else -1
    kind = request.word("orderType", "market", "limit")
    reduces = request.word("reduceOnly", "yes", "no", usual="no") == "yes"
    if _is_of_the_other_mode(request, book, reduces=reduces):
        raise RequestDenied("25236", "Incorrect position open type")
    if request.account.mode == "hedge":
        side = 1 if request.word("posSide", "long", "short") == "long" else -1
        purpose = "open" if side == way else "close"
    else:
        purpose = "close" if reduces else "open"
        side = -way if reduces else way
    margin = request.word("marginMode", "crossed", "isolated", usual="crossed")
    check_level(book, margin)
    price = request.number("price") if kind == "limit" else None
    if purpose == "close":
        _check_closing_minimum(request, book, symbol, price)
    prices = prices_of(request)
    if prices and purpose == "close":
        raise RequestDenied(
            "25612", "Only opening orders are allowed to have preset take-profit and stop-loss"
        )
    if symbol in request.account.marks:
        check_prices(request, symbol, side, prices, at_price=price)
    return NewOrder(
        client_id=book.admit(request.text("clientOid")),
        symbol=symbol,
        side=side,
        purpose=cast("Purpose", purpose),
        size=request.number("qty"),
        kind=cast("Literal['market', 'limit']", kind),
        price=price,
        force=cast("Force", request.word("timeInForce", "gtc", "ioc", "fok", "post_only", usual="gtc")),
        stop_loss=prices.get("stop_loss"),
        take_profit=prices.get("take_profit"),
        margin_mode=cast("MarginMode", margin),
    )


def _is_of_the_other_mode(request: AccountRequest, book: UnifiedBook, *, reduces: bool) -> bool:
    """Whether the body of an order does not fit the hold mode."""
    names_side = bool(request.text("posSide"))
    if request.account.mode == "hedge":
        return not names_side or (reduces and book.options.hedge_reduce_only == "refused")
    return names_side and book.options.one_way_pos_side == "refused"


def _check_closing_minimum(
    request: AccountRequest, book: UnifiedBook, symbol: str, price: Decimal | None
) -> None:
    """Raise if a closing order is of too little value, where the least value binds such orders."""
    account = request.account
    value = request.number("qty") * (account.marks.get(symbol, ZERO) if price is None else price)
    if book.options.closing_minimum == "binding" and value < account.contracts[symbol].min_notional:
        raise RequestDenied("45110", "less than the minimum amount")


def check_level(book: UnifiedBook, margin: str) -> None:
    """Raise if the level of the account has no such margin mode; the code is not established."""
    has_isolated = book.options.isolated_orders == "allowed"
    if (book.level == "isolated" and margin == "crossed") or (margin == "isolated" and not has_isolated):
        raise RequestDenied("25240", f"{margin} does not support this operation")


def prices_of(request: AccountRequest) -> dict[Protection, Decimal]:
    """Read stop and take-profit of a request; those that are absent or empty are left out."""
    prices: dict[Protection, Decimal] = {}
    for kind in PROTECTIONS:
        name, short = PRICE_FIELDS[kind], "sl" if kind == "stop_loss" else "tp"
        request.word(f"{short}TriggerBy", "market", "mark", usual="market")
        if request.word(f"{short}OrderType", "market", "limit", usual="market") != "market":
            raise RequestDenied("25002", f"{short}OrderType: the embedded exchange closes at market only")
        if (price := request.optional_number(name)) is not None:
            if price <= 0:
                raise RequestDenied("25603" if kind == "stop_loss" else "25602", f"{name} must be above 0")
            prices[kind] = price
    return prices


def check_prices(
    request: AccountRequest,
    symbol: str,
    side: int,
    prices: Mapping[Protection, Decimal],
    *,
    at_price: Decimal | None = None,
) -> None:
    """Raise unless triggers lie on the tick, and on the right side of the price.

    Parameters
    ----------
    request : AccountRequest
    symbol : str
    side : int
        Of the position: 1 long, -1 short.
    prices : mapping of Protection to Decimal
        Triggers in USDT.
    at_price : Decimal or None
        Price of a limit order, which counts instead of the latest one.
    """
    tick = request.account.contracts[symbol].tick
    latest = request.account.marks[symbol] if at_price is None else at_price
    for kind, trigger in prices.items():
        if trigger % tick:
            code = "25607" if kind == "stop_loss" else "25606"
            raise RequestDenied(code, f"{PRICE_FIELDS[kind]} does not meet precision requirements")
        against = side if kind == "stop_loss" else -side
        if against * (latest - trigger) <= 0:
            code = _AGAINST_PRICE[kind, side]
            if at_price is not None:
                code = str(int(code) - 6)  # 25579 to 25582: against the entry
            raise RequestDenied(code, f"{PRICE_FIELDS[kind]} {trigger} is on the wrong side of {latest}")


def _in_the_way(ticket: NewOrder, book: UnifiedBook) -> list[Order]:
    """Reduce-only orders that a new one replaces: together they would exceed the position."""
    account = book.account
    held = account.positions.get((ticket.symbol, ticket.side))
    if ticket.purpose != "close" or account.mode != "one_way" or held is None:
        return []
    older = [order for order in account.live_orders(ticket.symbol) if order.ticket.purpose == "close"]
    waiting = sum((order.remaining for order in older), ZERO)
    return older if waiting + min(ticket.size, held.size) > held.size else []


def answer_v3_place_batch(request: AccountRequest, book: UnifiedBook) -> list[Row]:
    """Answer ``place-batch``: every order is accepted or refused by itself."""

    def place_one(one: AccountRequest) -> Order:
        check_category(one)
        if any(one.text(name) for name in ("stopLoss", "takeProfit", "reduceOnly")):
            raise RequestDenied("25200", "batch orders have no TP/SL and no reduceOnly")
        return _placed(one, book)[0]

    return _each(request, book, place_one)


def answer_v3_cancel_order(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``cancel-order``; 25204 for one that is gone already.  ccxt sends no category."""
    if request.text("category"):
        check_category(request)
    return _names(book, request.matching.cancel(_found(request, book), request.now))


def answer_v3_cancel_batch(request: AccountRequest, book: UnifiedBook) -> list[Row]:
    """Answer ``cancel-batch``."""
    return _each(request, book, lambda one: one.matching.cancel(_found(one, book), one.now))


def answer_v3_cancel_symbol_order(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``cancel-symbol-order``: without a symbol, the whole category."""
    check_category(request)
    cancelled = request.matching.cancel_all(request.now, symbol=request.optional_symbol())
    return {"list": [{**_names(book, order), "code": "00000", "msg": "success"} for order in cancelled]}


def answer_v3_modify_order(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``modify-order``: the order keeps its client id."""
    check_category(request)
    order = _found(request, book)
    if order is None or not order.is_live:
        raise RequestDenied("25204", "Order does not exist")
    name = book.names.get(order.order_id, "")
    ticket = replace(
        order.ticket,
        client_id="",
        size=request.optional_number("qty") or order.ticket.size,
        price=request.optional_number("price") or order.ticket.price,
    )
    new = request.matching.modify(order, ticket, request.now)
    book.record(name, new)
    return _names(book, new)


def answer_v3_close_positions(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``close-positions``: without a symbol, every open position."""
    check_category(request)
    symbol, side = request.optional_symbol(), side_of(request)
    keys = [
        held
        for held in sorted(request.account.positions)
        if symbol in {None, held[0]} and side in {None, held[1]}
    ]
    if not keys:
        raise RequestDenied("25227", "No position available to close")
    closed: list[Order] = []
    for name, of_side in keys:
        closed += request.matching.close(name, request.now, side=of_side)
    return {"list": [_names(book, order) for order in closed]}


def side_of(request: AccountRequest) -> int | None:
    """Read ``posSide``; None where it is absent."""
    if not request.text("posSide"):
        return None
    return 1 if request.word("posSide", "long", "short") == "long" else -1


def answer_v3_order_info(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``order-info``: an id alone is enough."""
    order = _found(request, book)
    if order is None or request.now < order.created + book.options.order_delay_ms:
        raise RequestDenied("25204", "Order does not exist")
    return unified_order_row(book, order)


def answer_v3_unfilled_orders(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``unfilled-orders``; strategy orders are not among them."""
    if request.text("category"):
        check_category(request)
    return _orders_page(request, book, request.account.live_orders())


def answer_v3_history_orders(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``history-orders``: orders that have ended, of the last 90 days."""
    check_category(request)
    oldest = request.now - HISTORY_MS
    ended = [one for one in request.account.orders.values() if not one.is_live and one.created >= oldest]
    return _orders_page(request, book, ended)


def _orders_page(request: AccountRequest, book: UnifiedBook, orders: Iterable[Order]) -> Row:
    symbol = request.optional_symbol()
    chosen = [
        (order.order_id, order.created, unified_order_row(book, order))
        for order in orders
        if symbol in {None, order.ticket.symbol}
    ]
    return page_of(request, chosen)


def answer_v3_fills(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``fills``; there is no filter by symbol."""
    if request.text("category"):
        check_category(request)
    order_id, oldest = request.text("orderId"), request.now - HISTORY_MS
    chosen = [
        (execution.fill.trade_id, execution.fill.at, unified_fill_row(book, execution))
        for execution in request.account.executions
        if order_id in {"", execution.fill.order_id} and execution.fill.at >= oldest
    ]
    return page_of(request, chosen)


def page_of(request: AccountRequest, rows: Iterable[Stamped]) -> Row:
    """One page of a list, newest first, and the cursor below which the next begins; null at the end."""
    start, end, below = (request.integer(name) for name in ("startTime", "endTime", "cursor"))
    limit = request.integer("limit") or LONGEST_PAGE
    if limit > LONGEST_PAGE:
        raise RequestDenied("25200", f"limit validation error: {limit} is above {LONGEST_PAGE}")
    if start is not None and (end or request.now) - start > LONGEST_SPAN_MS and end is not None:
        raise RequestDenied("00001", "startTime and endTime interval cannot be greater than 30 days")
    chosen = [
        (number, row)
        for number, at, row in rows
        if (start is None or at >= start)
        and (end is None or at <= end)
        and (below is None or int(number) < below)
    ]
    page = sorted(chosen, key=lambda each: int(each[0]), reverse=True)[:limit]
    return {"list": [row for _, row in page], "cursor": page[-1][0] if page else None}


def _found(request: AccountRequest, book: UnifiedBook) -> Order | None:
    order_id, client_id = request.text("orderId"), request.text("clientOid")
    if not order_id and not client_id:
        raise RequestDenied("25200", "orderId and clientOid cannot both be empty")
    return book.find(order_id=order_id, client_id=client_id)


def _names(book: UnifiedBook, order: Order) -> Row:
    return {"orderId": order.order_id, "clientOid": book.name_of(order.order_id)}


def _each(request: AccountRequest, book: UnifiedBook, act: Callable[[AccountRequest], Order]) -> list[Row]:
    """Call ``act`` for every row of the body; each has its own code."""
    answers: list[Row] = []
    for row in request.rows("rows"):
        one = replace(request, fields=row)
        try:
            order = act(one)
        except (Denied, RequestDenied) as denial:
            code, message = code_of_v3(denial.code, denial.message)
            named: Row = {"orderId": one.text("orderId"), "clientOid": one.text("clientOid")}
            answers.append({**named, "code": code, "msg": message})
        else:
            answers.append({**_names(book, order), "code": "00000", "msg": "success"})
    return answers
