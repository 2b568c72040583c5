"""What the journal keeps, as values.  Pure.

The session makes them, the journal (``desk.trade.journal``) writes and reads them; reconciliation and the
scoreboard work on them alone.  Times are ms, money and sizes ``Decimal``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from desk.orders import Fill, OrderStatus, Purpose
from desk.trade.signals import Signal
from desk.values import CANDLE_MS

TradeStatus = Literal["opening", "open"]
SendStatus = Literal["intended", "refused", "absent"] | OrderStatus
"""Of an order: written but not known to have arrived, refused, known not to have arrived, or what the
exchange reported last."""
UNRESOLVED: tuple[SendStatus, ...] = ("intended", "live", "partially_filled")
Outcome = Literal["horizon", "stop", "take_profit", "liquidation", "flatten", "close", "unknown"]


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


def foreign(fills: Iterable[Fill], orders: Iterable[OrderRecord]) -> list[Fill]:
    """The fills that belong to none of ``orders``: made by a stop, a liquidation, or by hand."""
    known = list(orders)
    ids = {one.order_id for one in known if one.order_id}
    names = {one.client_id for one in known}
    return [one for one in fills if one.order_id not in ids and one.client_id not in names]


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
    orders = list(orders)
    names: dict[str, Outcome] = {
        "stop_loss": "stop",
        "take_profit": "take_profit",
        "liquidation": "liquidation",
        "order": "close",
    }
    closing = [one for one in foreign(fills, orders) if one.purpose == "close" and one.side == trade.side]
    if closing:
        return names[max(closing, key=lambda one: one.at).cause]
    ours = [one for one in orders if one.purpose == "close" and one.filled]
    if not ours:
        return "unknown"
    return "horizon" if ours[-1].written >= trade.due + CANDLE_MS else "flatten"


def settled(
    trade: OpenTrade, orders: Iterable[OrderRecord], fills: Iterable[Fill], *, closed: int, ended: Outcome
) -> ClosedTrade | None:
    """What a trade came to, from its orders and from the fills that no order of it explains.

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

    Returns
    -------
    ClosedTrade or None
        None if nothing was ever held: the entry never filled.  What the exchange does not report of the exit
        is taken at the stop, or at the price of the rest where there is no stop.
    """
    known = list(orders)
    entries = [(one.filled, one.average_price, one.fee) for one in known if one.purpose == "open"]
    exits = [(one.filled, one.average_price, one.fee) for one in known if one.purpose == "close"]
    others = [one for one in foreign(fills, known) if one.purpose == "close" and one.side == trade.side]
    exits += [(one.size, one.price, one.fee) for one in others]
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
    known = list(orders)
    size = sum((one.filled for one in known if one.purpose == "open"), Decimal(0)) or trade.size
    gone = sum((one.filled for one in known if one.purpose == "close"), Decimal(0))
    closing = (one for one in foreign(fills, known) if one.purpose == "close" and one.side == trade.side)
    return size - gone - sum((one.size for one in closing), Decimal(0))


def _sum(parts: Iterable[tuple[Decimal, Decimal | None, Decimal]]) -> tuple[Decimal, Decimal, Decimal]:
    """Size, value and fee of several executions."""
    size = value = fees = Decimal(0)
    for filled, price, fee in parts:
        if filled and price is not None:
            size, value = size + filled, value + filled * price
        fees += fee
    return size, value, fees
