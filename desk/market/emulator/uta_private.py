"""Answers of the private endpoints of the API v3: accounts, positions, and the table of all of them.

Place in the house: the market, inside the emulator.  A signed request comes in from ``server``; JSON text or
a ``RequestDenied`` goes out, and the account is changed.  Pure.

Reading order: ``UNIFIED`` is the table, at the end; orders are in ``uta_orders``, stops in
``uta_strategies``.  What the account keeps beside the matching core is in ``uta_book``.

Not here: signatures (``keys``), the format of rows (``uta_rows``), limits, faults and HTTP (``server``).

References
----------
``docs/bitget.md``, sections U3 (limits), U4 (settings) and U9 (positions).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, cast

from desk.market.emulator import uta_orders as orders
from desk.market.emulator import uta_strategies as strategies
from desk.market.emulator.account_request import AccountRequest, body_of
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_rows import Row, decimal_field
from desk.market.emulator.uta_account_rows import assets_row, settings_row, unified_position_row
from desk.market.emulator.uta_book import UnifiedBook
from desk.market.emulator.uta_codes import code_of_v3
from desk.market.emulator.venue import Venue
from desk.market.matching import Denied
from desk.orders import MarginMode, PositionMode

SETTINGS: Final = "/api/v3/account/settings"
SUCCESS: Final = "success"
"""Data of a setting that was made: nothing is echoed."""


def kind_refusal(path: str, book: UnifiedBook) -> RequestDenied | None:
    """Refusal of a private path that the account's kind does not have; None where it has it."""
    if not path.startswith("/api/v3/"):
        if book.kind == "classic":
            return None
        return RequestDenied(
            "40085",
            "You are in Unified Account mode, and the Classic Account API is not supported at this time",
        )
    if book.kind == "classic":
        return RequestDenied(
            "40084",
            "You are in Classic Account mode, and the Unified Account API is not supported at this time",
        )
    if not book.is_open and path != SETTINGS:
        return RequestDenied("25006", f"Abnormal account status: {book.kind}")
    return None


def unified_answer(
    path: str, venue: Venue, book: UnifiedBook, *, query: Mapping[str, str], body: str, now: int
) -> str:
    """Answer a signed request of the API v3 with JSON text.

    Parameters
    ----------
    path : str
        One of ``UNIFIED``.
    venue : Venue
    book : UnifiedBook
    query : mapping of str to str
        Of a GET.
    body : str
        JSON text of a POST; a list of objects in the batch calls.
    now : int
        Server time, ms.

    Raises
    ------
    RequestDenied
        With the exchange's code; nothing has changed.
    """
    endpoint = UNIFIED[path]
    fields: Mapping[str, object] = query
    if endpoint.method == "POST":
        fields = body_of(f'{{"rows":{body}}}' if endpoint.is_batch else body)
    request = AccountRequest(fields, venue.matching, now)
    named = [request.text("symbol"), *(str(row.get("symbol", "")) for row in request.rows("rows"))]
    venue.advance(now, named)
    book.refresh(now)
    try:
        data = endpoint.answer(request, book)
    except (Denied, RequestDenied) as denial:
        code, message = code_of_v3(denial.code, denial.message)
        raise RequestDenied(code, message) from denial
    book.refresh(now)
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


# Account ------------------------------------------------------------------------------------------


def answer_v3_account_settings(_: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``account/settings``."""
    return settings_row(book)


def answer_v3_account_assets(_: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``account/assets``."""
    return assets_row(book)


def answer_v3_fee_rate(request: AccountRequest, _: UnifiedBook) -> Row:
    """Answer ``account/fee-rate``."""
    orders.check_category(request)
    contract = request.account.contracts[request.symbol()]
    return {
        "makerFeeRate": decimal_field(contract.maker_fee),
        "takerFeeRate": decimal_field(contract.taker_fee),
    }


def answer_v3_set_leverage(request: AccountRequest, book: UnifiedBook) -> str:
    """Answer ``set-leverage``: of one margin mode, which need not be the one in use."""
    orders.check_category(request)
    symbol, account = request.symbol(), request.account
    mode = request.word("marginMode", "crossed", "isolated", usual="crossed")
    orders.check_level(book, mode)
    both, side = request.number("leverage"), orders.side_of(request)
    sides: list[tuple[int | None, Decimal]] = [(side if mode == "isolated" else None, both)]
    if mode == "isolated":
        if side is None:
            raise RequestDenied("25200", "posSide validation error: isolated margin needs it")
        if account.mode == "one_way":
            sides = [(None, both)]
        else:
            named = (
                (1, request.optional_number("longLeverage")),
                (-1, request.optional_number("shortLeverage")),
            )
            sides = [(of_side, value) for of_side, value in named if value is not None] or sides
    used, margin = account.setup(symbol), cast("MarginMode", mode)
    if used.margin_mode != mode and not account.positions_in(symbol) and not account.live_orders(symbol):
        account.setups[symbol] = replace(used, margin_mode=margin)
    if account.setup(symbol).margin_mode != mode:
        raise RequestDenied("25107", "There is currently a position, please close the position")
    for of_side, leverage in sides:
        request.matching.set_leverage(symbol, leverage, side=of_side)
    book.configured.add((symbol, margin))
    return SUCCESS


def answer_v3_set_hold_mode(request: AccountRequest, book: UnifiedBook) -> str:
    """Answer ``set-hold-mode``, for the whole account."""
    word = request.word("holdMode", "one_way_mode", "hedge_mode")
    try:
        request.matching.set_position_mode(cast("PositionMode", word.removesuffix("_mode")))
    except Denied as denied:
        raise RequestDenied(book.options.hold_mode_code, "Unsupported position mode switch") from denied
    return SUCCESS


def answer_v3_adjust_account_mode(request: AccountRequest, book: UnifiedBook) -> str:
    """Answer ``adjust-account-mode``: the level."""
    level = request.word("mode", "isolated", "basic", "advanced")
    if level != book.level and (request.account.positions or request.account.live_orders()):
        raise RequestDenied("25009", "Unsupported account mode switch")
    book.level = level
    return SUCCESS


def answer_v3_max_open_available(request: AccountRequest, _: UnifiedBook) -> Row:
    """Answer ``max-open-available``: what the free margin allows at the price, or at the latest one."""
    orders.check_category(request)
    symbol, account = request.symbol(), request.account
    request.word("orderType", "market", "limit")
    way = 1 if request.word("side", "buy", "sell") == "buy" else -1
    price = request.optional_number("price") or account.marks[symbol]
    leverage = account.setup(symbol).leverage(way)
    free = account.balance().available
    most = free / account.need(symbol, Decimal(1), price, leverage)
    step = account.contracts[symbol].size_step
    size = decimal_field(most - most % step)
    cost = account.need(symbol, request.optional_number("size") or Decimal(0), price, leverage)
    buys = way > 0
    return {
        "available": decimal_field(free),
        "maxOpen": size,
        "buyOpenCost": decimal_field(cost) if buys else "",
        "sellOpenCost": "" if buys else decimal_field(cost),
        "maxBuyOpen": size if buys else "",
        "maxSellOpen": "" if buys else size,
    }


# Positions ----------------------------------------------------------------------------------------


def answer_v3_current_position(request: AccountRequest, book: UnifiedBook) -> Row:
    """Answer ``current-position``: the list is null when flat."""
    orders.check_category(request)
    symbol, side = request.optional_symbol(), orders.side_of(request)
    held = [
        position
        for position in request.account.positions.values()
        if symbol in {None, position.symbol} and side in {None, position.side}
    ]
    return {"list": [unified_position_row(book, position) for position in held] or None}


# The table ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnifiedEndpoint:
    """Method, rate limit and function of an endpoint of the API v3."""

    method: str
    per_second: int
    """Requests per second and key."""
    answer: Callable[[AccountRequest, UnifiedBook], object]
    is_batch: bool = False
    """Whether the body is a list."""


_V3: Final = "/api/v3"
UNIFIED: Final[Mapping[str, UnifiedEndpoint]] = {
    SETTINGS: UnifiedEndpoint("GET", 20, answer_v3_account_settings),
    f"{_V3}/account/assets": UnifiedEndpoint("GET", 20, answer_v3_account_assets),
    f"{_V3}/account/fee-rate": UnifiedEndpoint("GET", 3, answer_v3_fee_rate),
    f"{_V3}/account/set-leverage": UnifiedEndpoint("POST", 10, answer_v3_set_leverage),
    f"{_V3}/account/set-hold-mode": UnifiedEndpoint("POST", 10, answer_v3_set_hold_mode),
    f"{_V3}/account/adjust-account-mode": UnifiedEndpoint("POST", 1, answer_v3_adjust_account_mode),
    f"{_V3}/account/max-open-available": UnifiedEndpoint("POST", 5, answer_v3_max_open_available),
    f"{_V3}/position/current-position": UnifiedEndpoint("GET", 20, answer_v3_current_position),
    f"{_V3}/trade/place-order": UnifiedEndpoint("POST", 10, orders.answer_v3_place_order),
    f"{_V3}/trade/place-batch": UnifiedEndpoint("POST", 5, orders.answer_v3_place_batch, is_batch=True),
    f"{_V3}/trade/cancel-order": UnifiedEndpoint("POST", 10, orders.answer_v3_cancel_order),
    f"{_V3}/trade/cancel-batch": UnifiedEndpoint("POST", 5, orders.answer_v3_cancel_batch, is_batch=True),
    f"{_V3}/trade/cancel-symbol-order": UnifiedEndpoint("POST", 5, orders.answer_v3_cancel_symbol_order),
    f"{_V3}/trade/modify-order": UnifiedEndpoint("POST", 10, orders.answer_v3_modify_order),
    f"{_V3}/trade/close-positions": UnifiedEndpoint("POST", 5, orders.answer_v3_close_positions),
    f"{_V3}/trade/order-info": UnifiedEndpoint("GET", 20, orders.answer_v3_order_info),
    f"{_V3}/trade/unfilled-orders": UnifiedEndpoint("GET", 20, orders.answer_v3_unfilled_orders),
    f"{_V3}/trade/history-orders": UnifiedEndpoint("GET", 20, orders.answer_v3_history_orders),
    f"{_V3}/trade/fills": UnifiedEndpoint("GET", 20, orders.answer_v3_fills),
    f"{_V3}/trade/place-strategy-order": UnifiedEndpoint(
        "POST", 10, strategies.answer_v3_place_strategy_order
    ),
    f"{_V3}/trade/modify-strategy-order": UnifiedEndpoint(
        "POST", 10, strategies.answer_v3_modify_strategy_order
    ),
    f"{_V3}/trade/cancel-strategy-order": UnifiedEndpoint(
        "POST", 10, strategies.answer_v3_cancel_strategy_order
    ),
    f"{_V3}/trade/unfilled-strategy-orders": UnifiedEndpoint(
        "GET", 20, strategies.answer_v3_unfilled_strategy_orders
    ),
    f"{_V3}/trade/history-strategy-orders": UnifiedEndpoint(
        "GET", 20, strategies.answer_v3_history_strategy_orders
    ),
}
