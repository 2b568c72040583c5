"""What a trader asks of a unified account: paths, paces, and the parameters of every call of API v3.

Place in the house: values of ``desk.orders`` come in from ``desk.market.bitget.account.unified.account``;
parameters go out to ``desk.market.bitget.account.rest``.  Pure.  Its counterpart for the answers is
``desk.market.bitget.account.unified.wire``.

The one table that costs money when it is wrong: ``side`` is the direction of the *trade*, in both modes; in
hedge mode ``posSide`` names the position (in v2, ``side`` does).

===============  =======================  ===============================
intention        one-way                  hedge
===============  =======================  ===============================
open long        buy                      buy, posSide long
close long       sell, reduceOnly yes     **sell**, posSide long
open short       sell                     sell, posSide short
close short      buy, reduceOnly yes      **buy**, posSide short
===============  =======================  ===============================

There is no call that sets a margin mode: it goes with every order, and an order without it is crossed.

References
----------
``docs/bitget.md``, sections U3 (limits), U4 (settings), U6 (orders), U8 (stops).
"""

from decimal import Decimal
from typing import Literal

from desk.market.bitget.account.spelling import POSITION_MODES, decimal_text
from desk.orders import MarginMode, OrderRequest, PositionMode
from desk.policy import LONG

CATEGORY = "USDT-FUTURES"
V3 = "/api/v3"
SETTINGS = f"{V3}/account/settings"
ASSETS = f"{V3}/account/assets"
SET_LEVERAGE = f"{V3}/account/set-leverage"
SET_HOLD_MODE = f"{V3}/account/set-hold-mode"
POSITIONS = f"{V3}/position/current-position"
PLACE = f"{V3}/trade/place-order"
CANCEL = f"{V3}/trade/cancel-order"
CLOSE = f"{V3}/trade/close-positions"
ORDER = f"{V3}/trade/order-info"
UNFILLED = f"{V3}/trade/unfilled-orders"
FILLS = f"{V3}/trade/fills"
BIND = f"{V3}/trade/place-strategy-order"
MOVE = f"{V3}/trade/modify-strategy-order"
UNBIND = f"{V3}/trade/cancel-strategy-order"
BOUND = f"{V3}/trade/unfilled-strategy-orders"

ROWS = 100
"""Most rows of one page."""
PACE = {
    SET_LEVERAGE: 9.0,
    SET_HOLD_MODE: 9.0,
    PLACE: 9.0,
    CANCEL: 9.0,
    BIND: 9.0,
    MOVE: 9.0,
    UNBIND: 9.0,
    CLOSE: 4.0,
    SETTINGS: 18.0,
    ASSETS: 18.0,
    POSITIONS: 18.0,
    ORDER: 18.0,
    UNFILLED: 18.0,
    FILLS: 18.0,
    BOUND: 18.0,
}
"""Requests per second of each path: the exchange counts to 10, 5 and 20 per second and user."""
LAST_PRICE, MARKET = "market", "market"
"""Stops follow traded prices, as the rules of ``desk.policy`` do, and end a position at market."""

BindForm = Literal["side_and_margin", "side", "reduce_only"]
"""What names the position of a stop.  In one-way mode the sources disagree, so all of them are tried."""


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
    closes = request.purpose == "close"
    named: dict[str, str] = {}
    if mode == "hedge":
        named = {"posSide": position_side(request.side)}
    elif closes:
        named = {"reduceOnly": "yes"}
    body = {
        **_of(request.symbol),
        "qty": decimal_text(request.size),
        "side": _trade(-request.side if closes else request.side),
        **named,
        "orderType": request.kind,
        "marginMode": margin,
        "clientOid": request.client_id,
    }
    if request.price is not None:
        body["price"] = decimal_text(request.price)
    if closes:
        return body  # prices of exits are refused there
    return body | _exits(request.stop_loss, request.take_profit)


def cancel_order(client_id: str) -> dict[str, str]:
    """Body that cancels an order by its client id."""
    return {"category": CATEGORY, "clientOid": client_id}


def close_position(symbol: str, side: int) -> dict[str, str]:
    """Body that closes one position at market.

    Raises
    ------
    ValueError
        If there is no symbol: the exchange would close every position of the account.
    """
    if not symbol:
        raise ValueError("without a symbol every position would be closed")
    return {**_of(symbol), "posSide": position_side(side)}


def set_leverage(symbol: str, leverage: Decimal, *, margin: MarginMode, side: int | None) -> dict[str, str]:
    """Body that sets the leverage of a symbol for one margin mode; isolated, of one side of it.

    Parameters
    ----------
    symbol : str
    leverage : Decimal
    margin : MarginMode
    side : int or None
        ``LONG`` or ``SHORT``: isolated margin has a leverage for each; None: crossed has one.
    """
    body = {**_of(symbol), "leverage": decimal_text(leverage), "marginMode": margin}
    return body if side is None else {**body, "posSide": position_side(side)}


def set_hold_mode(mode: PositionMode) -> dict[str, str]:
    """Body that sets the position mode of the whole account."""
    return {"holdMode": POSITION_MODES[mode]}


def bind_exits(
    symbol: str,
    side: int,
    *,
    stop_loss: Decimal,
    take_profit: Decimal | None,
    margin: MarginMode,
    form: BindForm,
    client_id: str,
) -> dict[str, str]:
    """Body that binds a stop, and perhaps a take-profit, to a whole position; both end it at market.

    Parameters
    ----------
    symbol : str
    side : int
        ``LONG`` or ``SHORT``.
    stop_loss : Decimal
        USDT.
    take_profit : Decimal or None
        USDT.
    margin : MarginMode
        Of the position.
    form : BindForm
        What names the position.
    client_id : str
        Of the strategy order.
    """
    named: dict[str, str]
    if form == "reduce_only":
        named = {"side": _trade(-side), "reduceOnly": "yes"}
    else:
        named = {"posSide": position_side(side)}
    if form == "side_and_margin":
        named["marginMode"] = margin
    return {
        **_of(symbol),
        "type": "tpsl",
        "tpslMode": "full",
        **named,
        **_exits(stop_loss, take_profit),
        "clientOid": client_id,
    }


def move_exits(
    order_id: str, *, stop_loss: Decimal, take_profit: Decimal | None, size: Decimal | None
) -> dict[str, str]:
    """Body that gives a stop that waits other prices.

    What is left out stays: a take-profit is not removed by this.

    Parameters
    ----------
    order_id : str
        Of the strategy order.
    stop_loss : Decimal
        USDT.
    take_profit : Decimal or None
        USDT; None: as it is.
    size : Decimal or None
        In base coin, as its row has it; None: the row has none.
    """
    body = {"category": CATEGORY, "orderId": order_id, **_exits(stop_loss, take_profit)}
    return body if size is None else {**body, "qty": decimal_text(size)}


def cancel_exits(order_id: str) -> dict[str, str]:
    """Body that cancels one strategy order: stop and take-profit together."""
    return {"orderId": order_id}


def positions() -> dict[str, str]:
    """Query of every open position."""
    return {"category": CATEGORY}


def order_by_client_id(client_id: str) -> dict[str, str]:
    """Query of one order."""
    return {"clientOid": client_id}


def order_by_id(order_id: str) -> dict[str, str]:
    """Query of one order by the exchange's id."""
    return {"orderId": order_id}


def unfilled_orders(*, before: str | None) -> dict[str, str]:
    """Query of one page of open orders, below the cursor ``before``."""
    return _page({"category": CATEGORY}, before)


def fills(since: int, *, before: str | None) -> dict[str, str]:
    """Query of one page of executions of all symbols from ``since`` (ms) on, below the cursor ``before``."""
    return _page({"category": CATEGORY, "startTime": str(since)}, before)


def bound_exits() -> dict[str, str]:
    """Query of all stops and take-profits that wait."""
    return {"category": CATEGORY, "type": "tpsl"}


def position_side(side: int) -> str:
    """``long`` or ``short``."""
    return "long" if side == LONG else "short"


def _of(symbol: str) -> dict[str, str]:
    return {"category": CATEGORY, "symbol": symbol}


def _page(query: dict[str, str], before: str | None) -> dict[str, str]:
    query = {**query, "limit": str(ROWS)}
    return query if before is None else {**query, "cursor": before}


def _exits(stop_loss: Decimal | None, take_profit: Decimal | None) -> dict[str, str]:
    body: dict[str, str] = {}
    if stop_loss is not None:
        body |= {"stopLoss": decimal_text(stop_loss), "slTriggerBy": LAST_PRICE, "slOrderType": MARKET}
    if take_profit is not None:
        body |= {"takeProfit": decimal_text(take_profit), "tpTriggerBy": LAST_PRICE, "tpOrderType": MARKET}
    return body


def _trade(side: int) -> str:
    return "buy" if side == LONG else "sell"
