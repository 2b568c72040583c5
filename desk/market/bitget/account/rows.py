"""What one row of an account's answer means.

Place in the house: rows, as they stand in answers and in pushes alike, come in from
``desk.market.bitget.account.wire`` and ``desk.market.bitget.account.messages``; values of ``desk.orders``
go out.  Pure.

Numbers travel as text, some as JSON numbers, and some as "" where there is nothing to tell.  A profit or fee
of "" is 0, a price of "" is None.  Everything that a decision hangs on (equity, size, price of an execution)
must be a number: the functions raise one of ``NO_ROW`` where it isn't, and the caller makes of it what fits.

What the account's owner does by hand, or the exchange invents next year, must not make the rest unreadable.
Where a word is not known, the reading is taken that promises least: an order of unknown status is ``live``,
it may still do something; a position of unknown leverage or margin mode has leverage 1 and is crossed.

Not here: envelopes and lists of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from desk.orders import Fill, MarginMode, OrderState, OrderStatus, Position, PositionMode, Purpose
from desk.policy import LONG, SHORT
from desk.reading import decimal_of, decimal_or_none, time_of
from desk.safe_text import LONGEST_NAME, brief, is_name, safe_text

Row = Mapping[str, object]
Cause = Literal["order", "stop_loss", "take_profit", "liquidation", "wind_up"]
NO_ROW = (KeyError, ValueError, TypeError, AttributeError, ArithmeticError)
"""What the functions of this module raise on a row that is none."""

STATUSES: Mapping[str, OrderStatus] = {
    "live": "live",
    "new": "live",
    "init": "live",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "cancelled": "canceled",
}
LIQUIDATED, WOUND_UP = "burst_", ("reduce_", "delivery_", "offset_", "dte_sys_adl_")
"""Prefixes of ``tradeSide`` where the exchange itself ends a position: for want of margin, or otherwise."""
LIQUIDATED_SOURCE, WOUND_UP_SOURCES = "liquidation", ("reduce_offset", "market_risk", "delivery")
"""Beginnings of ``orderSource`` that say the same."""
INVENTED_DIGITS = 16


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """An order, and who made it."""

    state: OrderState
    cause: Cause
    """``order`` where somebody sent it."""


@dataclass(frozen=True, slots=True)
class Modes:
    """How a symbol is set up."""

    margin: MarginMode
    position: PositionMode
    crossed: Decimal | None
    """Leverage with crossed margin."""
    isolated: tuple[Decimal | None, Decimal | None]
    """Leverage with isolated margin, of longs and of shorts."""

    def has(self, leverage: Decimal, margin: MarginMode) -> bool:
        """Whether positions would be opened with this leverage and margin mode."""
        leverages = (self.crossed,) if margin == "crossed" else self.isolated
        return self.margin == margin and all(one == leverage for one in leverages)

    def described(self) -> str:
        """For a message."""
        leverages = (self.crossed,) if self.margin == "crossed" else self.isolated
        return f"{self.margin}, {' and '.join(str(one) for one in leverages)}"


def number(value: object) -> Decimal:
    """A number that must be there.

    Raises
    ------
    ValueError
        If it isn't, or is beyond the bounds of ``desk.reading``.
    """
    return decimal_of(value)


def maybe(value: object) -> Decimal | None:
    """A number that may be absent."""
    return decimal_or_none(value)


def price_or_none(value: object) -> Decimal | None:
    """A price; None where it is absent, 0 or below."""
    found = maybe(value)
    return found if found is not None and found > 0 else None


def word(row: Row, *names: str) -> str:
    """The first of the fields ``names`` that says something, in lower case; "" if none does."""
    return next((shown(row, name).lower() for name in names if row.get(name)), "")


def text(row: Row, *names: str) -> str:
    """The first of the fields ``names`` that says something: a symbol, an id, a status.

    Raises
    ------
    KeyError
        If none does.
    ValueError
        If it is no name that can be shown and kept.
    """
    for name in names:
        if row.get(name):
            value = str(row[name]) if type(row[name]) is int else row[name]
            if not is_name(value):
                raise ValueError(f"{name} is {brief(value)}")
            return str(value)
    raise KeyError(names[0])


def id_or_nothing(row: Row, name: str) -> str:
    """An id that may be absent, "" then; ``ValueError`` where it is none that can be kept."""
    return text(row, name) if row.get(name) else ""


def shown(row: Row, name: str, most: int = LONGEST_NAME) -> str:
    """A field for a message or for comparison, whatever it is; "" where it is absent.

    Parameters
    ----------
    row : Row
    name : str
        Of the field.
    most : int
        Characters of the result.
    """
    value = row.get(name, "")
    return safe_text(value, most) if isinstance(value, str) else brief(value, most)


def direction(row: Row) -> tuple[int, Purpose]:
    """Side of the position, and whether it is opened or closed, of an order or an execution.

    In hedge mode ``side`` is that of the position, in one-way mode that of the trade.  What the exchange
    itself sends (a stop, a liquidation) closes, whatever ``reduceOnly`` says.
    """
    bought, trade, held = word(row, "side") == "buy", word(row, "tradeSide"), word(row, "posSide")
    if word(row, "side") not in {"buy", "sell"}:
        raise ValueError(f"side is {brief(row.get('side'))}")
    closes = "close" in trade or word(row, "reduceOnly") == "yes" or cause_of(row) != "order"
    if held not in {"long", "short"}:
        held = next((name for name in ("long", "short") if trade.endswith(f"_{name}")), "")
    if held:
        side = LONG if held == "long" else SHORT
    elif word(row, "posMode") == "hedge_mode" or trade in {"open", "close"}:
        side = LONG if bought else SHORT
    else:
        side = LONG if bought != closes else SHORT
    return side, "close" if closes else "open"


def client_id_of(row: Row) -> str:
    """Client id of an order; "" where none was sent, for which the exchange invents a long number."""
    sent = shown(row, "clientOid") if row.get("clientOid") else ""
    return "" if len(sent) >= INVENTED_DIGITS and sent.isdecimal() else sent


def cause_of(row: Row) -> Cause:
    """Who made an order: ``order`` unless the exchange says that it was itself."""
    source, trade = word(row, "orderSource"), word(row, "tradeSide")
    if trade.startswith(LIQUIDATED) or source.startswith(LIQUIDATED_SOURCE):
        return "liquidation"
    if trade.startswith(WOUND_UP) or source.startswith(WOUND_UP_SOURCES):
        return "wind_up"
    if "loss" in source:
        return "stop_loss"
    return "take_profit" if "profit" in source else "order"


def detail_of(row: Row) -> OrderDetail:
    """Read an order.

    Its status word is ``state`` or ``status``; where it is not among ``STATUSES`` (``pending_cancel``) the
    order counts as live.  What is filled is ``baseVolume``; in pushes, where that is the size of one
    execution, ``accBaseVolume``.
    """
    side, purpose = direction(row)
    filled = number(row["accBaseVolume"] if "accBaseVolume" in row else row["baseVolume"] or 0)
    created = time_of(row["cTime"])
    state = OrderState(
        client_id=client_id_of(row),
        order_id=text(row, "orderId"),
        symbol=text(row, "symbol", "instId"),
        side=side,
        purpose=purpose,
        status=STATUSES.get(text(row, "state", "status").lower(), "live"),
        size=number(row["size"]),
        filled=filled,
        average_price=price_or_none(row.get("priceAvg")) if filled else None,
        fee=_fee_of_order(row),
        created=created,
        updated=time_of(row.get("uTime") or created),
    )
    return OrderDetail(state, cause_of(row))


def fill_of(row: Row, taker_fee: Decimal | None = None) -> Fill:
    """Read an execution, as lists of executions tell it.

    They name no client id, and in one-way mode not whether it closes: a realised profit is taken as the sign.
    ``completed`` adds what the order itself says.

    Parameters
    ----------
    row : Row
    taker_fee : Decimal, optional
        As a fraction of the value.  A fee that was paid in another coin than USDT counts as so much, which is
        about what it was worth and never less; where it is None, as nothing.
    """
    side, purpose = direction(row)
    if purpose == "open" and maybe(row.get("profit")) and word(row, "posMode") != "hedge_mode":
        side, purpose = -side, "close"
    price, size = number(row["price"]), number(row["baseVolume"])
    fee = _fee(row.get("feeDetail"))
    if other_coins(row) and taker_fee is not None:
        fee = max(fee, price * size * taker_fee)
    return Fill(
        trade_id=text(row, "tradeId"),
        order_id=text(row, "orderId"),
        client_id="",
        symbol=text(row, "symbol"),
        side=side,
        purpose=purpose,
        price=price,
        size=size,
        fee=fee,
        at=time_of(row["cTime"]),
        cause=cause_of(row),
    )


def completed(fill: Fill, order: OrderDetail) -> Fill:
    """``fill`` with what only its order knows.

    In one-way mode an order that opens closes first what is held of the other side: an execution that was
    read as a close stays one.
    """
    closes = fill.purpose == "close"
    return Fill(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        client_id=order.state.client_id if order.cause == "order" else "",
        symbol=fill.symbol,
        side=fill.side if closes else order.state.side,
        purpose=fill.purpose if closes else order.state.purpose,
        price=fill.price,
        size=fill.size,
        fee=fill.fee,
        at=fill.at,
        cause=order.cause,
    )


def other_coins(row: Row) -> frozenset[str]:
    """Coins other than USDT in which something was paid for an execution, as BGB where fees are deducted."""
    paid = (
        word(one, "feeCoin")
        for one in _details(row.get("feeDetail"))
        if _amount(one, "totalFee", "fee", "totalDeductionFee")
    )
    return frozenset(coin.upper() for coin in paid) - {"USDT", ""}


def position_of(row: Row) -> Position:
    """Read an open position: side, size and price of entry must be there, the rest may be missing.

    Its stop and take-profit are left open, see ``bound_exits.with_exits``: the row's may end a part of it.
    """
    held = word(row, "holdSide")
    if held not in {"long", "short"}:
        raise ValueError(f"holdSide is {brief(row.get('holdSide'))}")
    entry = number(row["openPriceAvg"])
    return Position(
        symbol=text(row, "symbol", "instId"),
        side=LONG if held == "long" else SHORT,
        size=number(row["total"]),
        entry_price=entry,
        mark_price=price_or_none(row.get("markPrice")) or entry,
        leverage=price_or_none(row.get("leverage")) or Decimal(1),
        margin_mode="isolated" if word(row, "marginMode") == "isolated" else "crossed",
        liquidation_price=price_or_none(row.get("liquidationPrice")),
        unrealized=maybe(row.get("unrealizedPL")) or Decimal(0),
        stop_loss=None,
        take_profit=None,
    )


def modes_of(row: Row) -> Modes:
    """Read how a symbol is set up, from the account row."""
    return Modes(
        margin=margin_mode(row),
        position=position_mode(row),
        crossed=maybe(row.get("crossedMarginLeverage")),
        isolated=(maybe(row.get("isolatedLongLever")), maybe(row.get("isolatedShortLever"))),
    )


def margin_mode(row: Row) -> MarginMode:
    """Isolated or crossed."""
    mode = word(row, "marginMode")
    if mode not in {"isolated", "crossed"}:
        raise ValueError(f"marginMode is {brief(row.get('marginMode'))}")
    return "isolated" if mode == "isolated" else "crossed"


def position_mode(row: Row) -> PositionMode:
    """One-way or hedge."""
    mode = word(row, "posMode")
    if mode not in {"one_way_mode", "hedge_mode"}:
        raise ValueError(f"posMode is {brief(row.get('posMode'))}")
    return "hedge" if mode == "hedge_mode" else "one_way"


def _fee_of_order(row: Row) -> Decimal:
    """Positive when paid; the exchange counts the other way."""
    if isinstance(row.get("feeDetail"), list) and "fee" not in row:
        return _fee(row["feeDetail"])
    return -(maybe(row.get("fee")) or Decimal(0)) + Decimal(0)


def _fee(detail: object) -> Decimal:
    """What was paid in USDT."""
    rows = (one for one in _details(detail) if word(one, "feeCoin") in {"usdt", ""})
    return sum((-_amount(one, "totalFee", "fee") for one in rows), Decimal(0))


def _details(detail: object) -> list[Row]:
    return [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []


def _amount(one: Row, *names: str) -> Decimal:
    """The first of the fields ``names`` that is a number other than 0; a fee is negative when paid."""
    return next((amount for name in names if (amount := maybe(one.get(name)))), Decimal(0))
