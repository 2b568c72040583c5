"""How Bitget describes an account: bytes in, values of ``desk.orders`` out.

Place in the house: the answers' half of the private client; ``desk.market.bitget.account.requests`` is the
other. Bodies come in from ``desk.market.bitget.account.rest``; what a row means is known to
``desk.market.bitget.account.rows``. Pure.

A list of positions or executions with one row that cannot be read is no answer (``Unreadable``): a position
that is left out would be taken for flat, an execution for money that was never made or lost.  Of the lists of
waiting orders and stops such a row is left out with a remark.  It is somebody else's, as everything of this
program is of a known form, and would bar the way to everything else for as long as it waits; an order of this
program is asked for by its client id besides, and a stop that is left out is only bound once more.

Not here: answers to writes (``desk.market.bitget.account.receipts``), and what the private websocket says
(``desk.market.bitget.account.messages``).

References
----------
``docs/bitget.md``, sections 6 to 9.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar, cast

from desk.errors import Unreadable
from desk.market.bitget import wire
from desk.market.bitget.account import bound_exits
from desk.market.bitget.account import rows as private_rows
from desk.market.bitget.account.bound_exits import BoundExit
from desk.market.bitget.account.requests import SHORT_PAGE
from desk.market.bitget.account.rows import Modes, OrderDetail, Row
from desk.market.history.contract_terms import strict_terms
from desk.orders import Balance, ContractTerms, Fill, OrderState, Position
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


def read_contract_terms(body: bytes, *, endpoint: str, status: int = 200) -> tuple[ContractTerms, ...]:
    """Read what orders in each perpetual must obey; ``bitget.wire.read_contracts`` shows the payload.

    The list doesn't tell the maintenance rate.  Taken is the margin rate at the highest leverage, which is
    above it: liquidation then looks nearer than it is.  A funding interval that is missing counts as an hour.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_contracts``.
    """
    listed = wire.read_contracts(body, endpoint=endpoint, status=status)
    return tuple(strict_terms(one) for one in listed.contracts if one.kind == "perpetual")


def read_balance(body: bytes, *, endpoint: str, status: int = 200) -> Balance | None:
    """Read the USDT row of the list of balances, or the one balance; None where there is no such row.

    One row as it travels (other fields left out)::

        {"marginCoin": "USDT", "available": "1016.2401", "accountEquity": "1016.2401", "unrealizedPL": ""}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if the row has no such number.
    """

    def read(data: object) -> Balance | None:
        rows = rows_of([data] if isinstance(data, dict) else data)
        row = next((row for row in rows if private_rows.word(row, "marginCoin") == "usdt"), None)
        if row is None:
            return None
        return Balance(
            equity=private_rows.number(row["accountEquity"]), available=private_rows.number(row["available"])
        )

    return read_as(read, "a balance in USDT", body, endpoint, status)


def read_positions(body: bytes, *, endpoint: str, status: int = 200) -> tuple[Position, ...]:
    """Read every open position, without its stop and take-profit.

    One row as it travels (other fields left out); ``stopLoss`` and ``takeProfit`` are "" or 0 without one,
    and otherwise those of one exit, perhaps for a part of the position: ``read_bound_exits`` says more::

        {"symbol": "BTCUSDT", "holdSide": "long", "total": "0.01", "leverage": "5", "marginMode": "isolated",
         "openPriceAvg": "102288.5", "markPrice": "102251.7", "liquidationPrice": "82208.96",
         "unrealizedPL": "-0.368", "stopLoss": "101200", "takeProfit": ""}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if a row cannot be read: a position
        that is left out would be taken for flat.
    """

    def read(data: object) -> tuple[Position, ...]:
        rows = rows_of(data)
        return tuple(private_rows.position_of(row) for row in rows if private_rows.number(row["total"]) != 0)

    return read_as(read, "a list of positions", body, endpoint, status)


def read_bound_exits(body: bytes, *, endpoint: str, status: int = 200) -> ListPage[BoundExit]:
    """Read one page of the stops and take-profits that wait.

    As they travel (other fields left out)::

        {"entrustedList": [{"orderId": "1", "symbol": "BTCUSDT", "planType": "pos_loss", "posSide": "long",
                            "triggerPrice": "101200", "size": ""}], "endId": "1"}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if it is no list of rows.
    """

    def read(data: object) -> ListPage[BoundExit]:
        rows, end = _page(data, "entrustedList")
        exits = [row for row in rows if private_rows.word(row, "planType") in bound_exits.EXITS]
        return _readable(exits, end, bound_exits.bound_exit_of, "a waiting stop or take-profit")

    return read_as(read, "a page of stops", body, endpoint, status)


def read_order(body: bytes, *, endpoint: str, status: int = 200) -> OrderDetail:
    """Read one order; its status word is ``state`` here and ``status`` in lists, both are read.

    As it travels (other fields left out)::

        {"symbol": "BTCUSDT", "size": "0.01", "orderId": "13698", "clientOid": "t-0001", "baseVolume": "0.01",
         "priceAvg": "102288.5", "fee": "-0.6137310", "state": "filled", "side": "buy", "posSide": "net",
         "tradeSide": "buy_single", "reduceOnly": "NO", "posMode": "one_way_mode", "orderSource": "market",
         "cTime": "1762560123501", "uTime": "1762560123533"}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if it is no order.
    """
    return read_as(lambda data: private_rows.detail_of(cast("Row", data)), "an order", body, endpoint, status)


def read_orders(body: bytes, *, endpoint: str, status: int = 200) -> ListPage[OrderState]:
    """Read one page of orders that wait.

    As it travels; the list is null when it is empty: ``{"entrustedList": null, "endId": null}``.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if it is no list of rows.
    """

    def read(data: object) -> ListPage[OrderState]:
        rows, end = _page(data, "entrustedList")
        return _readable(rows, end, lambda row: private_rows.detail_of(row).state, "an open order")

    return read_as(read, "a page of orders", body, endpoint, status)


def read_fills(
    body: bytes, *, endpoint: str, status: int = 200, taker_fees: Mapping[str, Decimal] | None = None
) -> ListPage[Fill]:
    """Read one page of executions, newest first; ``taker_fees``, by symbol, value fees in other coins.

    One row as it travels; see ``desk.market.bitget.account.rows.fill_of`` for what it leaves open::

        {"tradeId": "1", "symbol": "BTCUSDT", "orderId": "13698", "price": "102288.5", "baseVolume": "0.01",
         "feeDetail": [{"feeCoin": "USDT", "totalFee": "-0.61373", "deduction": "no"}], "side": "buy",
         "profit": "0", "tradeSide": "buy_single", "posMode": "one_way_mode", "cTime": "1762560123533"}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.
    taker_fees : mapping or None
        By symbol, as fractions.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if a row is no execution.
    """
    known = taker_fees or {}

    def read(data: object) -> ListPage[Fill]:
        rows, end = _page(data, "fillList")
        fills = tuple(private_rows.fill_of(row, known.get(str(row.get("symbol")))) for row in rows)
        coins = sorted(set().union(*map(private_rows.other_coins, rows)))
        counted = "at the taker rate in USDT" if known else "as nothing"
        remarks = tuple(f"a fee was paid in {coin}: it counts {counted}" for coin in coins)
        return ListPage(fills, end, remarks)

    return read_as(read, "a page of executions", body, endpoint, status)


def read_modes(body: bytes, *, endpoint: str, status: int = 200) -> Modes:
    """Read how a symbol is set up, from its account.

    As it travels; the leverages are numbers or text::

        {"marginCoin": "USDT", "marginMode": "isolated", "posMode": "one_way_mode",
         "crossedMarginLeverage": 10, "isolatedLongLever": 5, "isolatedShortLever": 5}

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_data``; ``Unreadable`` also if a mode is missing.
    """
    return read_as(
        lambda data: private_rows.modes_of(cast("Row", data)), "an account", body, endpoint, status
    )


def read_as(reader: Callable[[object], Value], wanted: str, body: bytes, endpoint: str, status: int) -> Value:
    """Read the data of an answer.

    Parameters
    ----------
    reader : callable
        Raises one of ``rows.NO_ROW`` where the data is something else.
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
    except private_rows.NO_ROW as exc:
        raise Unreadable(f"{wanted} was expected: {type(exc).__name__} {exc}", endpoint=endpoint) from exc


def _page(data: object, name: str) -> tuple[list[Row], str | None]:
    """Rows of one page, and the id that the next one lies below; a page of few rows is the last."""
    page = cast("Row", data)
    rows = rows_of(page[name] or [])
    return rows, private_rows.id_or_nothing(page, "endId") or None if len(rows) >= SHORT_PAGE else None


def _readable(rows: list[Row], end: str | None, read: Callable[[Row], Value], what: str) -> ListPage[Value]:
    """What can be read of ``rows``, and a remark for each that can't."""
    items: list[Value] = []
    remarks = []
    for row in rows:
        try:
            items.append(read(row))
        except private_rows.NO_ROW as exc:
            of, why = private_rows.shown(row, "symbol"), safe_text(f"{type(exc).__name__} {exc}", 100)
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
