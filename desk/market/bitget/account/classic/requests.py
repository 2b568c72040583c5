"""What a trader asks of Bitget, in its words: paths, paces, and the parameters of every call.

Place in the house: values of ``desk.orders`` come in from ``desk.market.bitget.account.account``;
parameters go out to ``desk.market.bitget.account.rest``.  Pure.  Its counterpart for the answers is
``desk.market.bitget.account.classic.wire``.

The one table that costs money when it is wrong: in hedge mode ``side`` is the direction of the *position*,
also when it is closed; in one-way mode it is the direction of the *trade*.

===============  =======================  ===============================
intention        one-way                  hedge
===============  =======================  ===============================
open long        buy                      buy, tradeSide open
close long       sell, reduceOnly YES     **buy**, tradeSide close
open short       sell                     sell, tradeSide open
close short      buy, reduceOnly YES      **sell**, tradeSide close
===============  =======================  ===============================

References
----------
``docs/bitget.md``, sections 3 (limits), 6 (settings), 8 (orders), 9 (positions).
"""

from decimal import Decimal

from desk.market.bitget.account.spelling import POSITION_MODES, decimal_text
from desk.orders import MarginMode, OrderRequest, PositionMode
from desk.policy import LONG

PRODUCT_TYPE, MARGIN_COIN = "USDT-FUTURES", "USDT"
MIX = "/api/v2/mix"
ACCOUNT = f"{MIX}/account/account"
ACCOUNTS = f"{MIX}/account/accounts"
SET_LEVERAGE = f"{MIX}/account/set-leverage"
SET_MARGIN_MODE = f"{MIX}/account/set-margin-mode"
SET_POSITION_MODE = f"{MIX}/account/set-position-mode"
ALL_POSITIONS = f"{MIX}/position/all-position"
PLACE = f"{MIX}/order/place-order"
CANCEL = f"{MIX}/order/cancel-order"
CLOSE = f"{MIX}/order/close-positions"
DETAIL = f"{MIX}/order/detail"
PENDING = f"{MIX}/order/orders-pending"
FILLS = f"{MIX}/order/fills"
BIND_EXITS = f"{MIX}/order/place-pos-tpsl"
CANCEL_PLAN = f"{MIX}/order/cancel-plan-order"
PENDING_PLANS = f"{MIX}/order/orders-plan-pending"

ROWS = 100
"""Most rows of one page of orders or fills."""
SHORT_PAGE = 20
"""From so many rows on a page may have been cut short below ``ROWS``, so the next one is asked for too."""
MOST_CANCELLED = 50
"""Ids of one request that cancels."""
PACE = {
    SET_LEVERAGE: 4.0,
    SET_MARGIN_MODE: 4.0,
    SET_POSITION_MODE: 4.0,
    ALL_POSITIONS: 4.0,
    CLOSE: 0.9,
}
"""Requests per second where the exchange counts to less than 10: 5, and 1 for closing."""
TRIGGERED_BY = "fill_price"
"""Stops look at traded prices, as the rules of ``desk.policy`` do, not at the mark price."""


def hold_side(side: int, mode: PositionMode) -> str:
    """Direction of a position where a stop is bound to it."""
    if mode == "hedge":
        return _direction(side)
    return _trade(side)


def place_order(request: OrderRequest, *, margin: MarginMode, mode: PositionMode) -> dict[str, str]:
    """Body of an order; see the table above.

    Parameters
    ----------
    request : OrderRequest
    margin : MarginMode
        Of the symbol.
    mode : PositionMode
        Of the account.
    """
    body = {
        **_of(request.symbol),
        "marginCoin": MARGIN_COIN,
        "marginMode": margin,
        "size": decimal_text(request.size),
        "orderType": request.kind,
        "clientOid": request.client_id,
    }
    if mode == "hedge":
        body |= {"side": _trade(request.side), "tradeSide": request.purpose}
    elif request.purpose == "close":
        body |= {"side": _trade(-request.side), "reduceOnly": "YES"}
    else:
        body |= {"side": _trade(request.side)}
    if request.price is not None:
        body["price"] = decimal_text(request.price)
    if request.stop_loss is not None:
        body["presetStopLossPrice"] = decimal_text(request.stop_loss)
    if request.take_profit is not None:
        body["presetStopSurplusPrice"] = decimal_text(request.take_profit)
    return body


def cancel_order(symbol: str, client_id: str) -> dict[str, str]:
    """Body that cancels an order by its client id."""
    return {**_of(symbol), "marginCoin": MARGIN_COIN, "clientOid": client_id}


def close_position(symbol: str, side: int, *, mode: PositionMode) -> dict[str, str]:
    """Body that closes one position at market.

    Parameters
    ----------
    symbol : str
    side : int
        ``LONG`` or ``SHORT``.
    mode : PositionMode
        Of the account.

    Raises
    ------
    ValueError
        If there is no symbol: the exchange would close every position of the account.
    """
    if not symbol:
        raise ValueError("without a symbol every position would be closed")
    return {**_of(symbol), "holdSide": _direction(side)} if mode == "hedge" else _of(symbol)


def bind_exits(
    symbol: str, side: int, *, stop_loss: Decimal, take_profit: Decimal | None, mode: PositionMode
) -> dict[str, str]:
    """Body that binds a stop, and perhaps a take-profit, to a position; both end it at market.

    Parameters
    ----------
    symbol : str
    side : int
        ``LONG`` or ``SHORT``.
    stop_loss : Decimal
        USDT.
    take_profit : Decimal or None
        USDT.
    mode : PositionMode
        Of the account.
    """
    body = {
        **_of(symbol),
        "marginCoin": MARGIN_COIN,
        "holdSide": hold_side(side, mode),
        "stopLossTriggerPrice": decimal_text(stop_loss),
        "stopLossTriggerType": TRIGGERED_BY,
    }
    if take_profit is not None:
        body["stopSurplusTriggerPrice"] = decimal_text(take_profit)
        body["stopSurplusTriggerType"] = TRIGGERED_BY
    return body


def cancel_plans(symbol: str, kind: str, order_ids: tuple[str, ...]) -> dict[str, object]:
    """Body that cancels stops and take-profits of one kind by the exchange's ids.

    Without ``planType`` the exchange looks for them among trigger orders only, and cancels nothing.

    Parameters
    ----------
    symbol : str
    kind : str
        Their ``planType``, as the list of waiting ones has it.
    order_ids : tuple of str
        At most ``MOST_CANCELLED``.
    """
    return {
        **_of(symbol),
        "marginCoin": MARGIN_COIN,
        "planType": kind,
        "orderIdList": [{"orderId": order_id} for order_id in order_ids],
    }


def set_leverage(symbol: str, leverage: Decimal, *, side: int | None) -> dict[str, str]:
    """Body that sets the leverage of a symbol; of one side of it where each has its own (isolated, hedge).

    Parameters
    ----------
    symbol : str
    leverage : Decimal
    side : int or None
        ``LONG`` or ``SHORT`` where each has its own; None: one for both.
    """
    body = {**_of(symbol), "marginCoin": MARGIN_COIN, "leverage": decimal_text(leverage)}
    return body if side is None else {**body, "holdSide": _direction(side)}


def set_margin_mode(symbol: str, margin: MarginMode) -> dict[str, str]:
    """Body that sets the margin mode of a symbol."""
    return {**_of(symbol), "marginCoin": MARGIN_COIN, "marginMode": margin}


def set_position_mode(mode: PositionMode) -> dict[str, str]:
    """Body that sets the position mode of the account."""
    return {"productType": PRODUCT_TYPE, "posMode": POSITION_MODES[mode]}


def all_positions() -> dict[str, str]:
    """Query of every open position."""
    return {"productType": PRODUCT_TYPE, "marginCoin": MARGIN_COIN}


def accounts() -> dict[str, str]:
    """Query of the balances."""
    return {"productType": PRODUCT_TYPE}


def account(symbol: str) -> dict[str, str]:
    """Query of the balance with modes and leverages as they are for ``symbol``."""
    return {**_of(symbol), "marginCoin": MARGIN_COIN}


def order_by_client_id(symbol: str, client_id: str) -> dict[str, str]:
    """Query of one order."""
    return {**_of(symbol), "clientOid": client_id}


def order_by_id(symbol: str, order_id: str) -> dict[str, str]:
    """Query of one order by the exchange's id."""
    return {**_of(symbol), "orderId": order_id}


def pending_orders(*, before: str | None) -> dict[str, str]:
    """Query of one page of open orders, older than the id ``before``."""
    return _page({"productType": PRODUCT_TYPE}, before)


def fills(symbol: str, since: int, *, before: str | None) -> dict[str, str]:
    """Query of one page of executions from ``since`` (ms) on, older than the id ``before``.

    Parameters
    ----------
    symbol : str
    since : int
        ms.
    before : str or None
        Id to ask on from.
    """
    return _page({**_of(symbol), "startTime": str(since)}, before)


def pending_plans(symbol: str | None = None, *, before: str | None = None) -> dict[str, str]:
    """Query of one page of the stops and take-profits that wait, of one symbol or of all."""
    query = {"productType": PRODUCT_TYPE, "planType": "profit_loss"}
    return _page(query if symbol is None else {**query, "symbol": symbol}, before)


def _of(symbol: str) -> dict[str, str]:
    return {"symbol": symbol, "productType": PRODUCT_TYPE}


def _page(query: dict[str, str], before: str | None) -> dict[str, str]:
    query = {**query, "limit": str(ROWS)}
    return query if before is None else {**query, "idLessThan": before}


def _trade(side: int) -> str:
    return "buy" if side == LONG else "sell"


def _direction(side: int) -> str:
    return "long" if side == LONG else "short"
