"""What the journal keeps, as values.  Pure.

The session makes them, the journal (``desk.trade.journal``) writes and reads them; reconciliation and the
scoreboard work on them alone.  Times are ms, money and sizes ``Decimal``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from desk.orders import Fill, OrderState, OrderStatus, Purpose
from desk.trade.signals import Signal
from desk.values import CANDLE_MS

TradeStatus = Literal["opening", "open"]
SendStatus = Literal["intended", "refused", "absent"] | OrderStatus
"""Of an order: written but not known to have arrived, refused, known not to have arrived, or what the
exchange reported last."""
UNRESOLVED: tuple[SendStatus, ...] = ("intended", "live", "partially_filled")
Outcome = Literal["horizon", "stop", "take_profit", "liquidation", "wind_up", "flatten", "close", "unknown"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one candle of one symbol."""

    signal: Signal
    action: str
    reasons: tuple[tuple[str, str], ...]
    """Why nothing was done although a side fired: name and text of each rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade:
    """A position as the journal knows it, from before its order is sent until it is closed."""

    trade: str
    """Its name: the client id of its first order, or of the adoption."""
    symbol: str
    side: int
    model_file: str
    """Empty where it was adopted."""
    opened: int
    """Open time of the signal candle."""
    due: int
    """Open time of the candle whose close ends it."""
    price: Decimal
    """The signal candle's close; the entry price of one that was adopted."""
    stop: Decimal | None
    take_profit: Decimal | None
    status: TradeStatus
    size: Decimal
    """Believed to be held: 0 while opening."""
    experiment: int | None = None
    """Number of the experiment that it belongs to; None: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """An order as the journal knows it."""

    client_id: str
    trade: str
    symbol: str
    side: int
    purpose: Purpose
    size: Decimal
    written: int
    status: SendStatus
    order_id: str
    """The exchange's; empty while it is not known."""
    filled: Decimal
    average_price: Decimal | None
    fee: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """A trade that is over."""

    trade: str
    symbol: str
    side: int
    model_file: str
    opened: int
    closed: int
    """When it ended, ms."""
    price: Decimal
    """The signal candle's close."""
    ended: Outcome
    size: Decimal
    entry_price: Decimal
    exit_price: Decimal
    fees: Decimal
    profit: Decimal
    """USDT, after fees, funding left out."""
    gross: float
    """Between the two prices, as a fraction."""
    net: float
    """After fees, as a fraction of the entry notional."""
    experiment: int | None = None
    """Number of the experiment that it belonged to; None: none."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What is known to have been executed of an order."""

    size: Decimal
    value: Decimal
    """USDT."""
    fee: Decimal
    """USDT."""
    by_fills: bool
    """Whether fills tell it; the order's own word names no coin of its fee."""


def is_fill_of(fill: Fill, order: OrderRecord) -> bool:
    """Whether an order made a fill: it bears the id of the exchange, or ours."""
    return (bool(order.order_id) and fill.order_id == order.order_id) or (
        bool(fill.client_id) and fill.client_id == order.client_id
    )


def executed(order: OrderRecord, fills: Iterable[Fill], *, taker_fee: Decimal = Decimal(0)) -> Executed:
    """What was executed of an order: by its fills, where they tell all of it, and else by its own word.

    Parameters
    ----------
    order : OrderRecord
    fills : iterable of Fill
        Among others those of the order.
    taker_fee : Decimal
        As a fraction of the value: least fee where fills do not tell it.
    """
    own = [one for one in fills if is_fill_of(one, order)]
    if own and sum((one.size for one in own), Decimal(0)) >= order.filled:
        # an entry in one-way mode first closes what is held of the other side
        counted = [one for one in own if order.purpose == "close" or one.purpose == "open"]
        return Executed(
            size=sum((one.size for one in counted), Decimal(0)),
            value=sum((one.size * one.price for one in counted), Decimal(0)),
            fee=sum((one.fee for one in own), Decimal(0)),
            by_fills=True,
        )
    size = order.filled if order.average_price is not None else Decimal(0)
    value = size * (order.average_price or Decimal(0))
    return Executed(size, value, max(order.fee, value * taker_fee), by_fills=False)


def state_by_fills(order: OrderRecord, own: Sequence[Fill]) -> OrderState:
    """State of an order that is over, as its fills tell it.

    Parameters
    ----------
    order : OrderRecord
    own : sequence of Fill
        Of the order, at least one.
    """
    size = sum((one.size for one in own), Decimal(0))
    return OrderState(
        client_id=order.client_id,
        order_id=own[0].order_id,
        symbol=order.symbol,
        side=order.side,
        purpose=order.purpose,
        status="filled" if size >= order.size else "canceled",
        size=order.size,
        filled=size,
        average_price=sum((one.size * one.price for one in own), Decimal(0)) / size,
        fee=sum((one.fee for one in own), Decimal(0)),
        created=order.written,
        updated=max(one.at for one in own),
    )


def foreign(fills: Iterable[Fill], orders: Iterable[OrderRecord]) -> list[Fill]:
    """The fills that belong to none of ``orders``: made by a stop, a liquidation, or by hand."""
    known = list(orders)
    return [one for one in fills if not any(is_fill_of(one, order) for order in known)]


def ended_by(trade: OpenTrade, fills: Iterable[Fill], orders: Iterable[OrderRecord]) -> Outcome:
    """What ended a trade that was found to be over: the last fill that closed some of it, or our order.

    Parameters
    ----------
    trade : OpenTrade
    fills : iterable of Fill
        That were kept with it.
    orders : iterable of OrderRecord
        Of it.
    """
    orders, fills = list(orders), list(fills)
    names: dict[str, Outcome] = {
        "stop_loss": "stop",
        "take_profit": "take_profit",
        "liquidation": "liquidation",
        "wind_up": "wind_up",
        "order": "close",
    }
    closing = [one for one in foreign(fills, orders) if one.purpose == "close" and one.side == trade.side]
    if closing:
        return names[max(closing, key=lambda one: one.at).cause]
    ours = [one for one in orders if one.purpose == "close" and executed(one, fills).size]
    if not ours:
        return "unknown"
    return "horizon" if ours[-1].written >= trade.due + CANDLE_MS else "flatten"


def settled(
    trade: OpenTrade,
    orders: Iterable[OrderRecord],
    fills: Iterable[Fill],
    *,
    closed: int,
    ended: Outcome,
    taker_fee: Decimal = Decimal(0),
) -> ClosedTrade | None:
    """What a trade came to, from its fills, and from its orders where fills do not tell.

    Parameters
    ----------
    trade : OpenTrade
    orders : iterable of OrderRecord
        Of it.
    fills : iterable of Fill
        That were kept with it.
    closed : int
        When it ended, ms.
    ended : Outcome
        What ended it.
    taker_fee : Decimal
        As a fraction of the value: least fee of an order whose fills are not known.

    Returns
    -------
    ClosedTrade or None
        None if nothing was ever held: the entry never filled.  What the exchange does not report of the exit
        is taken at the stop, or at the price of the rest where there is no stop.
    """
    known, fills = list(orders), list(fills)
    entries = [executed(one, fills, taker_fee=taker_fee) for one in known if one.purpose == "open"]
    exits = [executed(one, fills, taker_fee=taker_fee) for one in known if one.purpose == "close"]
    others = [one for one in foreign(fills, known) if one.purpose == "close" and one.side == trade.side]
    exits += [Executed(one.size, one.size * one.price, one.fee, by_fills=True) for one in others]
    size, entry, entry_fee = _sum(entries)
    out, left, exit_fee = _sum(exits)
    if size == 0:
        if trade.size == 0:
            return None
        size = max(trade.size, out)
        entry, entry_fee = size * trade.price, Decimal(0)
    if out < size:
        rest = left / out if out else entry / size
        left += (size - out) * (rest if trade.stop is None else trade.stop)
        out = size
    entry_price, exit_price = entry / size, left / out
    profit = trade.side * (exit_price - entry_price) * size - entry_fee - exit_fee
    return ClosedTrade(
        trade=trade.trade,
        symbol=trade.symbol,
        side=trade.side,
        model_file=trade.model_file,
        opened=trade.opened,
        closed=closed,
        price=trade.price,
        ended=ended,
        size=size,
        entry_price=entry_price,
        exit_price=exit_price,
        fees=entry_fee + exit_fee,
        profit=profit,
        gross=float(trade.side * (exit_price / entry_price - 1)),
        net=float(profit / entry),
        experiment=trade.experiment,
    )


def missing_exit(trade: OpenTrade, orders: Iterable[OrderRecord], fills: Iterable[Fill]) -> Decimal:
    """How much of a trade that is over no order and no fill explains the end of.

    Parameters
    ----------
    trade : OpenTrade
    orders : iterable of OrderRecord
        Of it.
    fills : iterable of Fill
        That were kept with it.
    """
    known, fills = list(orders), list(fills)
    size, _, _ = _sum(executed(one, fills) for one in known if one.purpose == "open")
    gone, _, _ = _sum(executed(one, fills) for one in known if one.purpose == "close")
    closing = (one for one in foreign(fills, known) if one.purpose == "close" and one.side == trade.side)
    return (size or trade.size) - gone - sum((one.size for one in closing), Decimal(0))


def _sum(parts: Iterable[Executed]) -> tuple[Decimal, Decimal, Decimal]:
    """Size, value and fee of several executions."""
    size = value = fees = Decimal(0)
    for one in parts:
        size, value, fees = size + one.size, value + one.value, fees + one.fee
    return size, value, fees
