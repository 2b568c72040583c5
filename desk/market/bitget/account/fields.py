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
from decimal import Decimal
from typing import Literal

from desk.orders import OrderState, OrderStatus
from desk.reading import decimal_of, decimal_or_none
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


def client_id_of(row: Row) -> str:
    """Client id of an order; "" where none was sent, for which the exchange invents a long number."""
    sent = shown(row, "clientOid") if row.get("clientOid") else ""
    return "" if len(sent) >= INVENTED_DIGITS and sent.isdecimal() else sent
