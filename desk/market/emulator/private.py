"""Answers of the private endpoints.

Place in the house: the market, inside the emulator.  A signed request comes in from ``server``; JSON text
or a ``RequestDenied`` goes out, and the account is changed.  Pure.

Reading order: ``PRIVATE`` is the table, at the end; orders are in ``private_orders``.

Not here: signatures (``keys``), the format of the answers (``private_rows``), limits, faults and HTTP
(``server``).  Not served: limit prices of triggered stops, trailing and trigger orders, transfers.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

from desk.market.emulator import private_orders as orders
from desk.market.emulator.account_request import AccountRequest, body_of
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_rows import (
    Row,
    account_row,
    decimal_field,
    leverage_row,
    plan_row,
    position_row,
    symbol_account_row,
)
from desk.market.emulator.venue import Venue
from desk.market.matching import Denied, Protection, TriggerOrder
from desk.orders import MarginMode, PositionMode

PLAN_KINDS: Final[Mapping[str, tuple[Protection, bool]]] = {
    "profit_plan": ("take_profit", False),
    "loss_plan": ("stop_loss", False),
    "pos_profit": ("take_profit", True),
    "pos_loss": ("stop_loss", True),
}
"""Kind of plan of each ``planType``, and whether it covers the whole position."""
OTHER_PLANS: Final = ("normal_plan", "moving_plan")
"""Kinds that exist at the exchange and not here."""


def answer(path: str, venue: Venue, *, query: Mapping[str, str], body: str, now: int) -> str:
    """Answer a signed request with JSON text.

    Parameters
    ----------
    path : str
        One of ``PRIVATE``.
    venue : Venue
    query : mapping of str to str
        Of a GET.
    body : str
        JSON text of a POST.
    now : int
        Server time, ms.

    Raises
    ------
    RequestDenied
        With the exchange's code; nothing has changed.
    """
    endpoint = PRIVATE[path]
    fields = query if endpoint.method == "GET" else body_of(body)
    request = AccountRequest(fields, venue.matching, now)
    venue.advance(now, [request.text("symbol")])
    try:
        data = endpoint.answer(request)
    except Denied as denied:
        raise RequestDenied(denied.code, denied.message) from denied
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


# Account ------------------------------------------------------------------------------------------


def answer_account(request: AccountRequest) -> Row:
    """Answer ``account``: the balances, and the margin settings of a symbol."""
    request.check_product()
    request.check_coin()
    return symbol_account_row(request.account, request.symbol())


def answer_accounts(request: AccountRequest) -> list[Row]:
    """Answer ``accounts``: the balances alone."""
    request.check_product()
    union = {"unionTotalMargin": "", "unionAvailable": "", "unionMm": "", "assetList": []}
    return [{**account_row(request.account), **union}]


def answer_set_leverage(request: AccountRequest) -> Row:
    """Answer ``set-leverage``: of the symbol, or of one side of it."""
    request.check_product()
    request.check_coin()
    symbol = request.symbol()
    side = None
    if request.text("holdSide"):
        side = 1 if request.word("holdSide", "long", "short") == "long" else -1
    both = request.optional_number("leverage")
    if both is not None:
        request.matching.set_leverage(symbol, both, side=side)
        return leverage_row(request.account, symbol)
    sides = [(1, request.optional_number("longLeverage")), (-1, request.optional_number("shortLeverage"))]
    if not any(leverage for _, leverage in sides):
        raise RequestDenied("40019", "Parameter leverage cannot be empty")
    for of_side, leverage in sides:
        if leverage is not None:
            request.matching.set_leverage(symbol, leverage, side=of_side)
    return leverage_row(request.account, symbol)


def answer_set_margin_mode(request: AccountRequest) -> Row:
    """Answer ``set-margin-mode``."""
    request.check_product()
    request.check_coin()
    symbol = request.symbol()
    mode = request.word("marginMode", "isolated", "crossed")
    request.matching.set_margin_mode(symbol, cast("MarginMode", mode))
    return leverage_row(request.account, symbol)


def answer_set_position_mode(request: AccountRequest) -> Row:
    """Answer ``set-position-mode``, for the whole product type."""
    request.check_product()
    word = request.word("posMode", "one_way_mode", "hedge_mode")
    request.matching.set_position_mode(cast("PositionMode", word.removesuffix("_mode")))
    return {"posMode": word}


def answer_trade_rate(request: AccountRequest) -> Row:
    """Answer ``trade-rate``: the account's own fees."""
    request.word("businessType", "mix")
    contract = request.account.contracts[request.symbol()]
    return {
        "makerFeeRate": decimal_field(contract.maker_fee),
        "takerFeeRate": decimal_field(contract.taker_fee),
    }


# Positions and their protection ---------------------------------------------------------------------


def answer_single_position(request: AccountRequest) -> list[Row]:
    """Answer ``single-position``: a list, empty when flat."""
    request.check_product()
    request.check_coin()
    return [
        position_row(request.account, position) for position in request.account.positions_in(request.symbol())
    ]


def answer_all_position(request: AccountRequest) -> list[Row]:
    """Answer ``all-position``: with the stop and the take-profit that the price would reach first."""
    request.check_product()
    held = request.account.positions.values()
    return [position_row(request.account, position, protection=True) for position in held]


def answer_place_tpsl_order(request: AccountRequest) -> Row:
    """Answer ``place-tpsl-order``: for a size, or for the whole position."""
    request.check_product()
    request.check_coin()
    symbol = request.symbol()
    _check_trigger_type(request, "triggerType")
    _check_market(request, "executePrice")
    kind, bound = PLAN_KINDS[request.word("planType", *PLAN_KINDS)]
    plan = request.matching.protect(
        symbol,
        _held_side(request),
        kind,
        request.number("triggerPrice"),
        request.now,
        size=None if bound else request.number("size"),
        client_id=request.text("clientOid"),
    )
    return _plan_ids(plan)


def answer_place_pos_tpsl(request: AccountRequest) -> list[Row]:
    """Answer ``place-pos-tpsl``: both exits of the position at once; one that is left out is removed."""
    request.check_product()
    request.check_coin()
    symbol = request.symbol()
    for name in ("stopSurplus", "stopLoss"):
        _check_trigger_type(request, f"{name}TriggerType")
        _check_market(request, f"{name}ExecutePrice")
    gain, loss = (request.optional_number(f"{name}TriggerPrice") for name in ("stopSurplus", "stopLoss"))
    if gain is None and loss is None:
        raise RequestDenied("40019", "Parameter stopLossTriggerPrice cannot be empty")
    plans = request.matching.bind(symbol, _held_side(request), request.now, stop_loss=loss, take_profit=gain)
    return [_plan_ids(plan) for plan in plans]


def answer_modify_tpsl_order(request: AccountRequest) -> Row:
    """Answer ``modify-tpsl-order``."""
    request.check_product()
    request.check_coin()
    plan = request.matching.modify_plan(
        _plan_id(request), trigger=request.number("triggerPrice"), size=request.optional_number("size")
    )
    return _plan_ids(plan)


def answer_cancel_plan_order(request: AccountRequest) -> Row:
    """Answer ``cancel-plan-order``: those of one kind that are named, or all of the symbol.

    Without ``planType`` trigger orders are meant, of which there are none here.  A plan of another kind is in
    neither list: the answer is a success that changes nothing.
    """
    request.check_product()
    symbol = request.symbol()
    kind = request.word("planType", *PLAN_KINDS, *OTHER_PLANS, usual="normal_plan")
    rows = request.rows("orderIdList") or [
        {"orderId": plan.plan_id} for plan in request.account.plans.values() if plan.symbol == symbol
    ]
    successes: list[Row] = []
    failures: list[Row] = []
    for row in rows:
        one = AccountRequest(row, request.matching, request.now)
        plan = request.account.plans.get(_plan_id(one))
        if plan is None:
            named = {"orderId": one.text("orderId"), "clientOid": one.text("clientOid")}
            failures.append({**named, "errorMsg": "notExistend"})
        elif plan.symbol == symbol and _plan_type(plan) == kind:
            successes.append(_plan_ids(request.matching.cancel_plan(plan.plan_id)))
    return {"successList": successes, "failureList": failures}


def answer_orders_plan_pending(request: AccountRequest) -> Row:
    """Answer ``orders-plan-pending``: ``profit_loss`` holds stops and take-profits, the others nothing."""
    request.check_product()
    kind = request.word("planType", "profit_loss", "normal_plan", "track_plan")
    symbol = request.optional_symbol()
    waiting = request.account.plans.values() if kind == "profit_loss" else ()
    rows = [
        (plan.plan_id, plan.created, plan_row(request.account, plan))
        for plan in waiting
        if symbol in {None, plan.symbol}
    ]
    page, end = orders.newest_page(request, rows)
    return {"entrustedList": page or None, "endId": end}


def _held_side(request: AccountRequest) -> int:
    """``holdSide``: ``long`` or ``short`` in hedge mode; in one-way mode ``buy`` or ``sell``."""
    words = ("long", "short") if request.account.mode == "hedge" else ("buy", "sell")
    return 1 if request.word("holdSide", *words) == words[0] else -1


def _check_trigger_type(request: AccountRequest, name: str) -> None:
    request.word(name, "fill_price", "mark_price", usual="fill_price")


def _check_market(request: AccountRequest, name: str) -> None:
    if request.optional_number(name) or Decimal(0):
        raise RequestDenied("400172", f"{name}: the embedded exchange closes at market only")


def _plan_type(plan: TriggerOrder) -> str:
    return next(name for name, meant in PLAN_KINDS.items() if meant == (plan.kind, plan.size is None))


def _plan_id(request: AccountRequest) -> str:
    """Id of the plan that either id names; the exchange's own id takes precedence."""
    if plan_id := request.text("orderId"):
        return plan_id
    client_id = request.required("clientOid")
    ids = [plan.plan_id for plan in request.account.plans.values() if plan.client_id == client_id]
    return ids[0] if ids else client_id


def _plan_ids(plan: TriggerOrder) -> Row:
    return {"orderId": plan.plan_id, "clientOid": plan.client_id or plan.plan_id}


# The table ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Method, rate limit and function of an endpoint."""

    method: str
    per_second: int
    """Requests per second and key."""
    answer: Callable[[AccountRequest], object]


_MIX: Final = "/api/v2/mix"
PRIVATE: Final[Mapping[str, Endpoint]] = {
    f"{_MIX}/account/account": Endpoint("GET", 10, answer_account),
    f"{_MIX}/account/accounts": Endpoint("GET", 10, answer_accounts),
    f"{_MIX}/account/set-leverage": Endpoint("POST", 5, answer_set_leverage),
    f"{_MIX}/account/set-margin-mode": Endpoint("POST", 5, answer_set_margin_mode),
    f"{_MIX}/account/set-position-mode": Endpoint("POST", 5, answer_set_position_mode),
    f"{_MIX}/order/place-order": Endpoint("POST", 10, orders.answer_place_order),
    f"{_MIX}/order/batch-place-order": Endpoint("POST", 5, orders.answer_batch_place_order),
    f"{_MIX}/order/cancel-order": Endpoint("POST", 10, orders.answer_cancel_order),
    f"{_MIX}/order/batch-cancel-orders": Endpoint("POST", 10, orders.answer_batch_cancel_orders),
    f"{_MIX}/order/cancel-all-orders": Endpoint("POST", 1, orders.answer_cancel_all_orders),
    f"{_MIX}/order/modify-order": Endpoint("POST", 10, orders.answer_modify_order),
    f"{_MIX}/order/close-positions": Endpoint("POST", 1, orders.answer_close_positions),
    f"{_MIX}/order/detail": Endpoint("GET", 10, orders.answer_order_detail),
    f"{_MIX}/order/orders-pending": Endpoint("GET", 10, orders.answer_orders_pending),
    f"{_MIX}/order/orders-history": Endpoint("GET", 10, orders.answer_orders_history),
    f"{_MIX}/order/fills": Endpoint("GET", 10, orders.answer_order_fills),
    f"{_MIX}/order/place-tpsl-order": Endpoint("POST", 10, answer_place_tpsl_order),
    f"{_MIX}/order/place-pos-tpsl": Endpoint("POST", 10, answer_place_pos_tpsl),
    f"{_MIX}/order/modify-tpsl-order": Endpoint("POST", 10, answer_modify_tpsl_order),
    f"{_MIX}/order/cancel-plan-order": Endpoint("POST", 10, answer_cancel_plan_order),
    f"{_MIX}/order/orders-plan-pending": Endpoint("GET", 10, answer_orders_plan_pending),
    f"{_MIX}/position/single-position": Endpoint("GET", 10, answer_single_position),
    f"{_MIX}/position/all-position": Endpoint("GET", 5, answer_all_position),
    "/api/v2/common/trade-rate": Endpoint("GET", 10, answer_trade_rate),
}
