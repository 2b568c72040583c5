"""What each private endpoint answers.

Place in the house: the market, inside the emulator.  A signed request comes in from ``server``; JSON text
or a ``RequestDenied`` goes out, and the account has lived through it.  Pure.

Reading order: ``PRIVATE`` is the table, at the end; orders are in ``private_orders``.

Not here: signatures (``keys``), spelling of the answers (``private_rows``), limits, faults and HTTP
(``server``).  Not served: limit prices of triggered stops, trailing and trigger orders, transfers.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

from desk.market.emulator import private_orders as orders
from desk.market.emulator.asked import AccountRequest, body_of
from desk.market.emulator.endpoints import RequestDenied
from desk.market.emulator.private_rows import (
    Row,
    account_row,
    leverage_row,
    plan_row,
    position_row,
    symbol_account_row,
    text,
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
"""What each ``planType`` is, and whether it is bound to the position."""


def answer(path: str, venue: Venue, *, query: Mapping[str, str], body: str, now: int) -> str:
    """Answer a request that was signed; JSON text.

    Raises
    ------
    Denial
        With the exchange's code; nothing has changed.
    """
    endpoint = PRIVATE[path]
    fields = query if endpoint.method == "GET" else body_of(body)
    asked = AccountRequest(fields, venue.matching, now)
    venue.advance(now, [asked.text("symbol")])
    try:
        data = endpoint.answer(asked)
    except Denied as denied:
        raise RequestDenied(denied.code, denied.message) from denied
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


# Account ------------------------------------------------------------------------------------------


def account(asked: AccountRequest) -> Row:
    """Answer ``account``: the balances, and how a symbol is set up."""
    asked.check_product()
    asked.check_coin()
    return symbol_account_row(asked.account, asked.symbol())


def accounts(asked: AccountRequest) -> list[Row]:
    """Answer ``accounts``: the balances alone."""
    asked.check_product()
    union = {"unionTotalMargin": "", "unionAvailable": "", "unionMm": "", "assetList": []}
    return [{**account_row(asked.account), **union}]


def set_leverage(asked: AccountRequest) -> Row:
    """Answer ``set-leverage``: of the symbol, or of one side of it."""
    asked.check_product()
    asked.check_coin()
    symbol = asked.symbol()
    side = None
    if asked.text("holdSide"):
        side = 1 if asked.word("holdSide", "long", "short") == "long" else -1
    both = asked.optional_number("leverage")
    if both is not None:
        asked.matching.set_leverage(symbol, both, side=side)
        return leverage_row(asked.account, symbol)
    sides = [(1, asked.optional_number("longLeverage")), (-1, asked.optional_number("shortLeverage"))]
    if not any(leverage for _, leverage in sides):
        raise RequestDenied("40019", "Parameter leverage cannot be empty")
    for of_side, leverage in sides:
        if leverage is not None:
            asked.matching.set_leverage(symbol, leverage, side=of_side)
    return leverage_row(asked.account, symbol)


def set_margin_mode(asked: AccountRequest) -> Row:
    """Answer ``set-margin-mode``."""
    asked.check_product()
    asked.check_coin()
    symbol = asked.symbol()
    mode = asked.word("marginMode", "isolated", "crossed")
    asked.matching.set_margin_mode(symbol, cast("MarginMode", mode))
    return leverage_row(asked.account, symbol)


def set_position_mode(asked: AccountRequest) -> Row:
    """Answer ``set-position-mode``, for the whole product type."""
    asked.check_product()
    word = asked.word("posMode", "one_way_mode", "hedge_mode")
    asked.matching.set_position_mode(cast("PositionMode", word.removesuffix("_mode")))
    return {"posMode": word}


def trade_rate(asked: AccountRequest) -> Row:
    """Answer ``trade-rate``: the account's own fees."""
    asked.word("businessType", "mix")
    contract = asked.account.contracts[asked.symbol()]
    return {"makerFeeRate": text(contract.maker_fee), "takerFeeRate": text(contract.taker_fee)}


# Positions and their protection ---------------------------------------------------------------------


def single_position(asked: AccountRequest) -> list[Row]:
    """Answer ``single-position``: a list, empty when flat."""
    asked.check_product()
    asked.check_coin()
    return [position_row(asked.account, leg) for leg in asked.account.legs(asked.symbol())]


def all_position(asked: AccountRequest) -> list[Row]:
    """Answer ``all-position``: with the stop and the take-profit that the price would meet first."""
    asked.check_product()
    held = asked.account.positions.values()
    return [position_row(asked.account, position, protection=True) for position in held]


def place_tpsl_order(asked: AccountRequest) -> Row:
    """Answer ``place-tpsl-order``: of a size, or bound to the position."""
    asked.check_product()
    asked.check_coin()
    symbol = asked.symbol()
    _check_trigger_type(asked, "triggerType")
    _check_market(asked, "executePrice")
    kind, bound = PLAN_KINDS[asked.word("planType", *PLAN_KINDS)]
    plan = asked.matching.protect(
        symbol,
        _held_side(asked),
        kind,
        asked.number("triggerPrice"),
        asked.now,
        size=None if bound else asked.number("size"),
        client_id=asked.text("clientOid"),
    )
    return _plan_ids(plan)


def place_pos_tpsl(asked: AccountRequest) -> list[Row]:
    """Answer ``place-pos-tpsl``: stop and take-profit of the position at once."""
    asked.check_product()
    asked.check_coin()
    symbol = asked.symbol()
    for name in ("stopSurplus", "stopLoss"):
        _check_trigger_type(asked, f"{name}TriggerType")
        _check_market(asked, f"{name}ExecutePrice")
    gain, loss = (asked.optional_number(f"{name}TriggerPrice") for name in ("stopSurplus", "stopLoss"))
    if gain is None and loss is None:
        raise RequestDenied("40019", "Parameter stopLossTriggerPrice cannot be empty")
    plans = asked.matching.bind(symbol, _held_side(asked), asked.now, stop_loss=loss, take_profit=gain)
    return [_plan_ids(plan) for plan in plans]


def modify_tpsl_order(asked: AccountRequest) -> Row:
    """Answer ``modify-tpsl-order``."""
    asked.check_product()
    asked.check_coin()
    plan = asked.matching.modify_plan(
        _plan_id(asked), trigger=asked.number("triggerPrice"), size=asked.optional_number("size")
    )
    return _plan_ids(plan)


def cancel_plan_order(asked: AccountRequest) -> Row:
    """Answer ``cancel-plan-order``: those that are named, or all of the symbol."""
    asked.check_product()
    symbol = asked.symbol()
    kinds = asked.text("planType").lower()
    rows = asked.rows("orderIdList") or [
        {"orderId": plan.plan_id}
        for plan in asked.account.plans.values()
        if plan.symbol == symbol and kinds in {"", "profit_loss", _plan_type(plan)}
    ]
    successes: list[Row] = []
    failures: list[Row] = []
    for row in rows:
        plan_id = _plan_id(AccountRequest(row, asked.matching, asked.now))
        try:
            successes.append(_plan_ids(asked.matching.cancel_plan(plan_id)))
        except Denied as denied:
            failures.append({"orderId": plan_id, "errorMsg": denied.message, "errorCode": denied.code})
    if not successes and not failures:
        raise RequestDenied("43025", "The plan order does not exist or was triggered")
    return {"successList": successes, "failureList": failures}


def orders_plan_pending(asked: AccountRequest) -> Row:
    """Answer ``orders-plan-pending``: ``profit_loss`` holds stops and take-profits, the others nothing."""
    asked.check_product()
    kind = asked.word("planType", "profit_loss", "normal_plan", "track_plan")
    symbol = asked.optional_symbol()
    waiting = asked.account.plans.values() if kind == "profit_loss" else ()
    rows = [
        (plan.plan_id, plan.created, plan_row(asked.account, plan))
        for plan in waiting
        if symbol in {None, plan.symbol}
    ]
    page, end = orders.newest_page(asked, rows)
    return {"entrustedList": page or None, "endId": end}


def _held_side(asked: AccountRequest) -> int:
    """``holdSide``: ``long`` or ``short`` in hedge mode; in one-way mode ``buy`` or ``sell``."""
    words = ("long", "short") if asked.account.mode == "hedge" else ("buy", "sell")
    return 1 if asked.word("holdSide", *words) == words[0] else -1


def _check_trigger_type(asked: AccountRequest, name: str) -> None:
    asked.word(name, "fill_price", "mark_price", usual="fill_price")


def _check_market(asked: AccountRequest, name: str) -> None:
    if asked.optional_number(name) or Decimal(0):
        raise RequestDenied("400172", f"{name}: the embedded exchange closes at market only")


def _plan_type(plan: TriggerOrder) -> str:
    return next(name for name, meant in PLAN_KINDS.items() if meant == (plan.kind, plan.size is None))


def _plan_id(asked: AccountRequest) -> str:
    """Id of the plan that is named by either id; the exchange's own wins."""
    if plan_id := asked.text("orderId"):
        return plan_id
    client_id = asked.required("clientOid")
    ids = [plan.plan_id for plan in asked.account.plans.values() if plan.client_id == client_id]
    return ids[0] if ids else client_id


def _plan_ids(plan: TriggerOrder) -> Row:
    return {"orderId": plan.plan_id, "clientOid": plan.client_id or plan.plan_id}


# The table ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How an endpoint is asked."""

    method: str
    per_second: int
    """Requests per second and key."""
    answer: Callable[[AccountRequest], object]


_MIX: Final = "/api/v2/mix"
PRIVATE: Final[Mapping[str, Endpoint]] = {
    f"{_MIX}/account/account": Endpoint("GET", 10, account),
    f"{_MIX}/account/accounts": Endpoint("GET", 10, accounts),
    f"{_MIX}/account/set-leverage": Endpoint("POST", 5, set_leverage),
    f"{_MIX}/account/set-margin-mode": Endpoint("POST", 5, set_margin_mode),
    f"{_MIX}/account/set-position-mode": Endpoint("POST", 5, set_position_mode),
    f"{_MIX}/order/place-order": Endpoint("POST", 10, orders.place_order),
    f"{_MIX}/order/batch-place-order": Endpoint("POST", 5, orders.batch_place_order),
    f"{_MIX}/order/cancel-order": Endpoint("POST", 10, orders.cancel_order),
    f"{_MIX}/order/batch-cancel-orders": Endpoint("POST", 10, orders.batch_cancel_orders),
    f"{_MIX}/order/cancel-all-orders": Endpoint("POST", 1, orders.cancel_all_orders),
    f"{_MIX}/order/modify-order": Endpoint("POST", 10, orders.modify_order),
    f"{_MIX}/order/close-positions": Endpoint("POST", 1, orders.close_positions),
    f"{_MIX}/order/detail": Endpoint("GET", 10, orders.order_detail),
    f"{_MIX}/order/orders-pending": Endpoint("GET", 10, orders.orders_pending),
    f"{_MIX}/order/orders-history": Endpoint("GET", 10, orders.orders_history),
    f"{_MIX}/order/fills": Endpoint("GET", 10, orders.order_fills),
    f"{_MIX}/order/place-tpsl-order": Endpoint("POST", 10, place_tpsl_order),
    f"{_MIX}/order/place-pos-tpsl": Endpoint("POST", 10, place_pos_tpsl),
    f"{_MIX}/order/modify-tpsl-order": Endpoint("POST", 10, modify_tpsl_order),
    f"{_MIX}/order/cancel-plan-order": Endpoint("POST", 10, cancel_plan_order),
    f"{_MIX}/order/orders-plan-pending": Endpoint("GET", 10, orders_plan_pending),
    f"{_MIX}/position/single-position": Endpoint("GET", 10, single_position),
    f"{_MIX}/position/all-position": Endpoint("GET", 5, all_position),
    "/api/v2/common/trade-rate": Endpoint("GET", 10, trade_rate),
}
