"""What answers about an account have in common, whatever its kind: data, pages, and rows that are left out.

Place in the house: between ``desk.market.bitget.wire``, which opens the envelope, and the ``wire`` of either
kind of account.  Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from desk.errors import Unreadable
from desk.market.bitget import wire
from desk.market.bitget.account.fields import NO_ROW, Row, shown
from desk.safe_text import brief, safe_text

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Value]):
    """One page of a list."""

    items: tuple[Value, ...]
    end: str | None
    """Id to ask on from; None: there can be no more."""
    remarks: tuple[str, ...] = ()
    """What was left out, or taken for something, in sentences."""


def read_as(reader: Callable[[object], Value], wanted: str, body: bytes, endpoint: str, status: int) -> Value:
    """Read the data of an answer.

    Parameters
    ----------
    reader : callable
        Raises one of ``fields.NO_ROW`` where the data is something else.
    wanted : str
        What was expected, for the message.
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``.
    Unreadable
        If the reader cannot read the data.
    """
    data = wire.read_data(body, endpoint=endpoint, status=status)
    try:
        return reader(data)
    except NO_ROW as exc:
        raise Unreadable(f"{wanted} was expected: {type(exc).__name__} {exc}", endpoint=endpoint) from exc


def readable(rows: list[Row], end: str | None, read: Callable[[Row], Value], what: str) -> ListPage[Value]:
    """What can be read of ``rows``, and a remark for each that can't.

    Parameters
    ----------
    rows : list of Row
    end : str or None
        Of the page, see ``ListPage``.
    read : callable
        Raises one of ``fields.NO_ROW``.
    what : str
        What a row is, for remarks.
    """
    items: list[Value] = []
    remarks = []
    for row in rows:
        try:
            items.append(read(row))
        except NO_ROW as exc:
            of, why = shown(row, "symbol"), safe_text(f"{type(exc).__name__} {exc}", 100)
            remarks.append(f"{what} of {of} cannot be read and is left out: {why}")
    return ListPage(tuple(items), end, tuple(remarks))


def rows_of(data: object) -> list[Row]:
    """Rows of a list.

    Raises
    ------
    TypeError
        If it is no list of rows.
    """
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise TypeError(f"{brief(data)} is no list of rows")
    return data
