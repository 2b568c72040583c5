"""Answers of the API v3 about strategy orders: stops and take-profits of a position.

Place in the house: the market, inside the emulator.  Called by the table of ``uta_private``; see there.
Pure.

Not served: trigger orders, and limit prices of what is triggered.

References
----------
``docs/bitget.md``, section U8.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from desk.market.emulator.account_request import AccountRequest
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_rows import Row
from desk.market.emulator.uta_book import StrategyOrder, UnifiedBook
from desk.market.emulator.uta_orders import check_category, check_prices, page_of, prices_of, side_of
from desk.market.emulator.uta_rows import strategy_row
from desk.market.matching import Protection, SimulatedPosition


def answer_v3_place_strategy_order(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``place-strategy-order``: for the whole position, or for a size."""
    check_category(request)
    symbol = request.symbol()
    if request.word("type", "tpsl", "trigger", usual="tpsl") != "tpsl":
        raise RequestDenied("25002", "type: the embedded exchange serves tpsl only")
    is_full = request.word("tpslMode", "full", "partial", usual="full") == "full"
    prices = prices_of(request)
    if not prices:
        raise RequestDenied("25200", "stopLoss and takeProfit cannot both be empty")
    position = _protected(request, book, symbol)
    check_prices(request, symbol, position.side, prices)
    client_id = request.text("clientOid")
    known = book.find_strategy(order_id="", client_id=client_id)
    if known is not None and known.is_pending:
        raise RequestDenied("25212", "Duplicate clientOid")
    size = None if is_full else request.number("qty")
    _check_size(book, position, size)
    if is_full and book.has_full(symbol, position.side):
        raise RequestDenied("25594", "Only one TP/SL can be set for all positions of the current symbol")
    plans = book.plan_legs(symbol, position.side, prices, request.now, size=size)
    strategy = book.add(
        StrategyOrder(
            order_id=book.account.next_id(),
            client_id=client_id,
            symbol=symbol,
            side=position.side,
            size=size,
            prices=prices,
            plans=plans,
            status="pending",
            created=request.now,
            updated=request.now,
        )
    )
    return _names(strategy)


def _protected(request: AccountRequest, book: UnifiedBook, symbol: str) -> SimulatedPosition:
    """Position that a new strategy order is for."""
    account, side = request.account, side_of(request)
    strict = book.options.one_way_stops == "strict" and account.mode == "one_way"
    if side is None and account.mode == "hedge":
        raise RequestDenied("25236", "Incorrect position open type")
    if side is None and request.text("side"):
        side = -1 if request.word("side", "buy", "sell") == "buy" else 1
        if strict:
            side = None
    held = [one for one in account.positions_in(symbol) if side in {None, one.side}]
    unknown = not held or (strict and side is None)
    if held and request.now < held[0].opened + book.options.stop_delay_ms:
        unknown = True
    if held and strict and held[0].margin_mode == "isolated":
        unknown |= request.word("marginMode", "crossed", "isolated", usual="crossed") == "crossed"
    if unknown:
        raise RequestDenied("31008", "The position does not exist")
    return held[0]


def _check_size(book: UnifiedBook, position: SimulatedPosition, size: Decimal | None) -> None:
    """Raise unless a partial strategy order, with the others, fits into the position."""
    if size is None:
        return
    if size <= 0 or size % book.account.contracts[position.symbol].size_step:
        raise RequestDenied("25610", "Order amount does not meet precision requirements")
    if size > position.size:
        raise RequestDenied(
            "25595", "The total TP/SL quantity for partial positions exceeds the position amount"
        )


def answer_v3_modify_strategy_order(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``modify-strategy-order``: a price that is not given stays as it is."""
    strategy = _waiting(request, book)
    position = book.account.positions.get((strategy.symbol, strategy.side))
    if position is None:
        raise RequestDenied("25601", "Position does not exist; cannot set TP/SL")
    new = prices_of(request)
    size = request.optional_number("qty") if strategy.size is not None else None
    prices: Mapping[Protection, Decimal] = {**strategy.prices, **new}
    size = strategy.size if size is None else size
    if prices == strategy.prices and size == strategy.size:
        raise RequestDenied("25600", "No changes made to the TP/SL order; please modify before submitting")
    check_prices(request, strategy.symbol, strategy.side, new)
    _check_size(book, position, size)
    plans = dict(strategy.plans)
    for kind, trigger in prices.items():
        if kind in plans:
            request.matching.modify_plan(plans[kind], trigger=trigger, size=size)
        else:
            added = book.plan_legs(strategy.symbol, strategy.side, {kind: trigger}, request.now, size=size)
            plans.update(added)
    changed = replace(strategy, prices=prices, plans=plans, size=size, updated=request.now)
    return _names(book.add(changed))


def answer_v3_cancel_strategy_order(request: AccountRequest, book: UnifiedBook) -> None:
    """Answer ``cancel-strategy-order``: one id, and null."""
    book.end(_waiting(request, book), "cancelled", request.now)


def answer_v3_unfilled_strategy_orders(request: AccountRequest, book: UnifiedBook) -> list[Row]:
    """Answer ``unfilled-strategy-orders``: a bare array, without filter or pages."""
    check_category(request)
    if request.word("type", "tpsl", "trigger", usual="tpsl") == "trigger":
        return []
    waiting = [one for one in book.strategies.values() if one.is_pending and book.is_listed(one)]
    return [strategy_row(book, strategy) for strategy in reversed(waiting)]


def answer_v3_history_strategy_orders(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``history-strategy-orders``."""
    check_category(request)
    ended = [one for one in book.strategies.values() if not one.is_pending and book.is_listed(one)]
    return page_of(request, [(one.order_id, one.created, strategy_row(book, one)) for one in ended])


def _waiting(request: AccountRequest, book: UnifiedBook) -> StrategyOrder:
    """Strategy order that a request names by either id."""
    order_id, client_id = request.text("orderId"), request.text("clientOid")
    if not order_id and not client_id:
        raise RequestDenied("25200", "orderId and clientOid cannot both be empty")
    strategy = book.find_strategy(order_id=order_id, client_id=client_id)
    if strategy is None or not strategy.is_pending:
        raise RequestDenied("25597", "Strategy does not exist or has already been stopped")
    return strategy


def _names(strategy: StrategyOrder) -> Row:
    return {"orderId": strategy.order_id, "clientOid": strategy.client_id or strategy.order_id}
