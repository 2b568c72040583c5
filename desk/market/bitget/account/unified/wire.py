"""How Bitget describes a unified account: bytes in, values of ``desk.orders`` out.

Place in the house: the answers' half of API v3; ``desk.market.bitget.account.unified.requests`` is the other.
Bodies come in from ``desk.market.bitget.account.rest``; what a row means is known to
``desk.market.bitget.account.unified.rows``.  Pure.

Of "nothing" there are several forms, by endpoint and date: ``{"list": null}``, ``[]``, a null cursor, the
bare text ``"success"``.  What is left out of a list, and what makes it no answer at all, is decided as for
classic accounts (``desk.market.bitget.account.classic.wire``).

References
----------
``docs/bitget.md``, sections U2, U4, U6 to U9.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from desk.market.bitget.account.answers import ListPage, read_as, readable, rows_of
from desk.market.bitget.account.fields import OrderDetail, Row, id_or_nothing, number
from desk.market.bitget.account.unified import rows as unified_rows
from desk.market.bitget.account.unified.rows import UnifiedSettings
from desk.market.bitget.account.unified.strategies import StrategyExit, strategy_of, waits
from desk.orders import Balance, Fill, OrderState, Position


def read_settings(body: bytes, *, endpoint: str, status: int = 200) -> UnifiedSettings:
    """Read how the account is set up.

    As it travels (other fields left out)::

        {"accountMode": "unified", "accountLevel": "basic", "holdMode": "one_way_mode", "symbolConfigList":
         [{"category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginMode": "isolated", "leverage": "5"}]}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if it names no position mode.
    """
    return read_as(
        lambda data: unified_rows.settings_of(cast("Row", data)), "settings", body, endpoint, status
    )


def read_balance(body: bytes, *, endpoint: str, status: int = 200) -> Balance | None:
    """Read what the account is worth in USDT; None: it holds none.

    As it travels (other fields left out)::

        {"usdtEquity": "1000.12", "assets": [{"coin": "USDT", "equity": "1000.12", "available": "899.3"}]}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if a number is missing.
    """
    return read_as(
        lambda data: unified_rows.balance_of(cast("Row", data)), "a balance", body, endpoint, status
    )


def read_positions(body: bytes, *, endpoint: str, status: int = 200) -> tuple[Position, ...]:
    """Read every open position; an account without any has ``{"list": null}``.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if a row cannot be read: a position
        that is left out would be taken for flat.
    """

    def read(data: object) -> tuple[Position, ...]:
        rows, _ = _page(data)
        return tuple(unified_rows.position_of(row) for row in rows if number(row["total"] or 0) != 0)

    return read_as(read, "a list of positions", body, endpoint, status)


def read_order(body: bytes, *, endpoint: str, status: int = 200) -> OrderDetail:
    """Read one order; ``docs/bitget.md``, section U6.2, shows it.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if it is no order.
    """
    return read_as(lambda data: unified_rows.order_of(cast("Row", data)), "an order", body, endpoint, status)


def read_orders(body: bytes, *, endpoint: str, status: int = 200) -> ListPage[OrderState]:
    """Read one page of orders that wait: ``{"list": [], "cursor": null}`` where there are none.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if it is no list of rows.
    """

    def read(data: object) -> ListPage[OrderState]:
        rows, end = _page(data)
        return readable(rows, end, lambda row: unified_rows.order_of(row).state, "an open order")

    return read_as(read, "a page of orders", body, endpoint, status)


def read_fills(
    body: bytes, *, endpoint: str, status: int = 200, taker_fees: Mapping[str, Decimal] | None = None
) -> ListPage[Fill]:
    """Read one page of executions of all symbols, newest first.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.
    taker_fees : mapping or None
        By symbol, as fractions: they value fees in other coins.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if a row is no execution.
    """
    known = taker_fees or {}

    def read(data: object) -> ListPage[Fill]:
        rows, end = _page(data)
        fills = tuple(unified_rows.fill_of(row, known.get(str(row.get("symbol")))) for row in rows)
        coins = sorted(set().union(*map(unified_rows.other_coins, rows)))
        counted = "at the taker rate in USDT" if known else "as nothing"
        remarks = tuple(f"a fee was paid in {coin}: it counts {counted}" for coin in coins)
        return ListPage(fills, end, remarks)

    return read_as(read, "a page of executions", body, endpoint, status)


def read_strategies(body: bytes, *, endpoint: str, status: int = 200) -> ListPage[StrategyExit]:
    """Read the stops and take-profits that wait; they travel as a bare list, all on one page.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unanswered`` also if it is no list of rows.
    """

    def read(data: object) -> ListPage[StrategyExit]:
        rows, _ = _page(data)
        return readable([row for row in rows if waits(row)], None, strategy_of, "a stop")

    return read_as(read, "a list of stops", body, endpoint, status)


def read_id(body: bytes, *, endpoint: str, status: int = 200) -> str:
    """Read the exchange's id of what was accepted; "" where it leaves it out.

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

    def read(data: object) -> str:
        return id_or_nothing(data, "orderId") if isinstance(data, dict) else ""

    return read_as(read, "an id", body, endpoint, status)


def _page(data: object) -> tuple[list[Row], str | None]:
    """Rows of one page, and the cursor of the next one; a list may stand bare, or be null."""
    if isinstance(data, dict):
        rows = rows_of(data["list"] or [])
        return rows, id_or_nothing(data, "cursor") or None if rows else None
    return rows_of(data or []), None
