"""How Bitget answers what changes an account: bytes in, what it says that it did out.

Place in the house: beside ``desk.market.bitget.account.wire``, which reads the answers to questions.  Bodies
come in from ``desk.market.bitget.account.rest``.  Pure.

References
----------
``docs/bitget.md``, sections 6 and 8.
"""

from dataclasses import dataclass
from typing import cast

from desk.market.bitget import wire as envelope
from desk.market.bitget.account import rows as private_rows
from desk.market.bitget.account.rows import Row
from desk.market.bitget.account.wire import read_as, rows_of
from desk.orders import PositionMode
from desk.safe_text import LONGEST


def read_placed(body: bytes, *, endpoint: str, status: int = 200) -> str:
    """Read the exchange's id of an order that it accepted; "" where it leaves it out.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``.
    """
    return read_as(
        lambda data: private_rows.id_or_nothing(cast("Row", data), "orderId"),
        "an order id",
        body,
        endpoint,
        status,
    )


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What a call with several effects reports of each."""

    done: tuple[str, ...]
    """Exchange ids of what it did."""
    failures: tuple[tuple[str, str], ...]
    """Code and message of what it did not; the code is "" where the answer names none."""


def read_batch(body: bytes, *, endpoint: str, status: int = 200) -> BatchAnswer:
    """Read what a call with several effects did, and code and message of what it did not do.

    As it travels; the list of what was cancelled of stops has no ``errorCode``::

        {"successList": [{"orderId": "2", "clientOid": "b"}],
         "failureList": [{"orderId": "1", "clientOid": "a", "errorCode": "22002", "errorMsg": "…"}]}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``.
    """

    def read(data: object) -> BatchAnswer:
        lists = data if isinstance(data, dict) else {}
        done, failed = (rows_of(lists.get(name) or []) for name in ("successList", "failureList"))
        return BatchAnswer(
            tuple(private_rows.shown(row, "orderId") for row in done),
            tuple(
                (private_rows.shown(row, "errorCode"), private_rows.shown(row, "errorMsg", LONGEST))
                for row in failed
            ),
        )

    return read_as(read, "a list of what was done", body, endpoint, status)


def read_position_mode(body: bytes, *, endpoint: str, status: int = 200) -> PositionMode:
    """Read the position mode that an answer names: ``{"posMode": "one_way_mode"}``.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if it names none.
    """
    return read_as(
        lambda data: private_rows.position_mode(cast("Row", data)), "a position mode", body, endpoint, status
    )


def read_bound(body: bytes, *, endpoint: str, status: int = 200) -> bool:
    """Read whether anything was bound to a position: ``[{"orderId": "1", "clientOid": "…"}]``.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``.
    """
    return bool(envelope.read_data(body, endpoint=endpoint, status=status))
