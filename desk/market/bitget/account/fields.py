"""How Bitget writes numbers, words and ids in the rows of an account, of whatever kind.

Place in the house: rows come in from the folders ``classic`` and ``unified`` beside it; numbers, words and
ids go out.  Pure.

Numbers travel as text, some as JSON numbers, and some as "" where there is nothing to tell.  A profit or fee
of "" is 0, a price of "" is None.  Everything that a decision hangs on (equity, size, price of an execution)
must be a number: the functions raise one of ``NO_ROW`` where it isn't, and the caller makes of it what fits.

What the account's owner does by hand, or the exchange invents next year, must not make the rest unreadable.
Where a word is not known, the reading is taken that promises least: an order of unknown status is ``live``,
it may still do something; a position of unknown leverage or margin mode has leverage 1 and is crossed.

Not here: what a row means (the ``rows`` of either folder), envelopes and lists of rows
(``desk.market.bitget.account.answers``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from desk.orders import OrderState, OrderStatus

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
INVENTED_DIGITS = 16


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """An order, and who made it."""

    state: OrderState
    cause: Cause
    """``order`` where somebody sent it."""


def number(value: object) -> Decimal:
    """A number that must be there.

    Raises
    ------
    ValueError, ArithmeticError
        If it isn't.
    """
    found = Decimal(str(value))
    if not found.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return found


def maybe(value: object) -> Decimal | None:
    """A number that may be absent."""
    try:
        return number(value)
    except (InvalidOperation, ValueError):
        return None


def price_or_none(value: object) -> Decimal | None:
    """A price; None where it is absent, 0 or below."""
    found = maybe(value)
    return found if found is not None and found > 0 else None


def word(row: Row, *names: str) -> str:
    """The first of the fields ``names`` that says something, in lower case; "" if none does."""
    return next((str(row[name]).lower() for name in names if row.get(name)), "")


def text(row: Row, *names: str) -> str:
    """The first of the fields ``names`` that says something.

    Raises
    ------
    KeyError
        If none does.
    """
    for name in names:
        if row.get(name):
            return str(row[name])
    raise KeyError(names[0])


def client_id_of(row: Row) -> str:
    """Client id of an order; "" where none was sent, for which the exchange invents a long number."""
    sent = str(row.get("clientOid") or "")
    return "" if len(sent) >= INVENTED_DIGITS and sent.isdecimal() else sent
