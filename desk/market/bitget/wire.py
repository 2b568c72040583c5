"""Bodies of Bitget's responses: bytes in, values out.

Place in the house: the only module of the public client that knows field names.  Bodies come in from
``desk.market.bitget.transport``; rows, contracts and numbers go out.  Pure.

Reading order: ``read_data`` opens the envelope and classifies the code; below it one reader per endpoint.

Not here: HTTP and pacing (``desk.market.bitget.transport``), retry (``desk.retry``); what makes a row a
candle (``desk.market.history.candles``).

References
----------
``docs/bitget.md``, sections 2 (envelope), 4 (market data), 12 (error codes).
"""

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import cast

import numpy as np

from desk.errors import Throttled, Unanswered, Unreadable
from desk.market.bitget.codes import refusal
from desk.market.history.candles import NO_ROWS, RawRows
from desk.market.history.contracts import Contract, ContractTable, TickerTable, spread_bps
from desk.market.history.funding import FundingRates
from desk.values import COLUMNS

SUCCESS = "00000"
TOO_MANY_REQUESTS = 429
LATER = frozenset({"429", "40200", "25003", "25004"})
"""Codes that ask everybody for a pause: too many requests, the exchange is upgraded."""
LATEST = 10**15
"""No time in ms is that late."""
CANDLE_WIDTH = 1 + len(COLUMNS)
UNREADABLE = [math.nan] * len(COLUMNS)
"""Fields of a row that cannot be read."""
UNDECIDED = frozenset({"25000", "25001", "40010", "40015", "40725", "45001", "40604", "40908", "40910"})
"""Codes after which nobody knows whether the request took effect: timed out, busy, system error."""


def read_data(body: bytes, *, endpoint: str, status: int = 200) -> object:
    """Open the envelope that every answer travels in and return its ``data``.

    As it travels::

        {"code": "00000", "msg": "success", "requestTime": 1762560123456, "data": []}
        {"code": "40034", "msg": "Parameter X does not exist", "requestTime": 1762560123456, "data": null}

    ``code`` decides, not the HTTP status, except that 429 is 429 whatever the body contains.

    Parameters
    ----------
    body : bytes
        Of the response.
    endpoint : str
        Named in errors.
    status : int
        HTTP status.

    Parameters
    ----------
    body : bytes
        Of the response.
    endpoint : str
        Path without its query, for the messages of errors.
    status : int
        HTTP status.

    Raises
    ------
    Throttled
        If the exchange asks for a pause.
    Unanswered
        If the body is no envelope (a gateway's web page, a truncated body), or the code leaves it open what
        happened.
    Refused
        If the exchange refused the request.
    """
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    code = str(envelope.get("code", "")) if isinstance(envelope, dict) else ""
    message = str(envelope.get("msg", "")) if isinstance(envelope, dict) else ""
    if status == TOO_MANY_REQUESTS or code in LATER:
        raise Throttled(f"asks for a pause: {message or 'too many requests'}", endpoint=endpoint)
    if not code:
        start = body[:60].decode("utf-8", "replace")
        raise Unanswered(f"HTTP {status} with a body that is no answer: {start!r}", endpoint=endpoint)
    if code in UNDECIDED:
        raise Unanswered(f"{message} (code {code})", endpoint=endpoint)
    if code != SUCCESS:
        raise refusal(message, endpoint=endpoint, code=code)
    return envelope.get("data")


def read_candles(body: bytes, *, endpoint: str, status: int = 200) -> RawRows:
    """Read one page of candles, recent or historical.

    The page as it travels, all numbers as text, oldest candle first; the last two fields are the volume in
    base coin and in quote currency::

        {"code": "00000", "msg": "success", "requestTime": 1762560712345, "data": [
            ["1762560000000", "102263.4", "102310.8", "102201.1", "102288.5", "41.0382", "4196571.8801"]]}

    Rows longer than seven fields are read up to the seventh.  A row with a field that is no number, such as
    null or an empty text, is a row of NaN, and one without a time opens at 0: neither is a candle, and the
    others of the page are.  An empty list gives no rows; ``data: ""`` or no ``data`` at all is no answer.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if ``data`` is not a list.
    """
    data = read_data(body, endpoint=endpoint, status=status)
    if not isinstance(data, list):
        raise Unreadable(f"data is {data!r:.60}, a list of candles was expected", endpoint=endpoint)
    if not data:
        return NO_ROWS
    rows = [_candle_row(row) for row in data]
    open_time = np.array([time for time, _ in rows], dtype=np.int64)
    values = np.array([fields for _, fields in rows], dtype=np.float64).T
    return RawRows(open_time, np.ascontiguousarray(values))


def _candle_row(row: object) -> tuple[int, list[float]]:
    """Open time and fields of one row; 0 or NaN in place of what cannot be read."""
    if not isinstance(row, list) or not row:
        return 0, UNREADABLE
    try:
        time = int(row[0])
    except (ValueError, TypeError, OverflowError):
        time = 0
    try:
        fields = [float(field) for field in row[1:CANDLE_WIDTH]]
    except (ValueError, TypeError, OverflowError):
        fields = UNREADABLE
    return time if 0 < time < LATEST else 0, fields if len(fields) == len(COLUMNS) else UNREADABLE


def read_funding(body: bytes, *, endpoint: str, status: int = 200) -> FundingRates:
    """Read one page of settled funding rates.

    The page as it travels, the newest settlement first::

        {"code": "00000", "msg": "success", "requestTime": 1762560712345, "data": [
            {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": "1762531200000"}]}

    A rate that is no number is NaN; a row without a time is left out, unless all are.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if ``data`` is not a list, or of other things.
    """
    data = read_data(body, endpoint=endpoint, status=status)
    if not isinstance(data, list):
        raise Unreadable(f"data is {data!r:.60}, a list of funding rates was expected", endpoint=endpoint)
    rows = [(_announced(row.get("fundingTime")), _float(row.get("fundingRate"))) for row in _mappings(data)]
    timed = [(time, rate) for time, rate in rows if time is not None]
    if data and not timed:
        raise Unreadable(f"not one row is a funding rate, the first is {data[0]!r:.60}", endpoint=endpoint)
    time = np.array([time for time, _ in timed], dtype=np.int64)
    rate = np.array([rate for _, rate in timed], dtype=np.float64)
    return FundingRates(time, np.where(np.isfinite(rate), rate, np.nan))


def read_contracts(body: bytes, *, endpoint: str, status: int = 200) -> ContractTable:
    """Read the list of contracts.

    One row as it travels (fields that nobody here needs are left out)::

        {"symbol": "ETHUSDT", "symbolType": "perpetual", "symbolStatus": "normal", "isRwa": "NO",
         "pricePlace": "2", "priceEndStep": "1", "sizeMultiplier": "0.01", "minTradeNum": "0.01",
         "minTradeUSDT": "5", "maxOrderQty": "9000", "maxMarketOrderQty": "1500",
         "makerFeeRate": "0.0002", "takerFeeRate": "0.0006", "fundInterval": "8", "maxLever": "100",
         "limitOpenTime": "-1", "offTime": "-1"}

    A row that cannot be read is named in ``ContractTable.unreadable``: one odd listing doesn't stop the rest.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if ``data`` is not a list.
    """
    contracts, unreadable = [], []
    for row in _rows_of(read_data(body, endpoint=endpoint, status=status), endpoint):
        try:
            contracts.append(_contract(row))
        except (KeyError, ValueError, TypeError, ArithmeticError):
            unreadable.append(str(row.get("symbol", "?")))
    return ContractTable(tuple(contracts), tuple(unreadable))


def read_tickers(body: bytes, *, endpoint: str, status: int = 200) -> TickerTable:
    """Read from the list of tickers what was traded in 24 hours, and the distance of bid and ask.

    One row as it travels (other fields left out)::

        {"symbol": "ETHUSDT", "usdtVolume": "1045227013.2", "quoteVolume": "1045227013.2",
         "bidPr": "3431.07", "askPr": "3431.08"}

    A symbol without a readable turnover counts as 0; bid and ask that cannot be read, are not positive or
    are crossed are left out.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if ``data`` is not a list.
    """
    turnover, spreads = {}, {}
    for row in _rows_of(read_data(body, endpoint=endpoint, status=status), endpoint):
        symbol = str(row.get("symbol", ""))
        value = _float(row.get("usdtVolume") or row.get("quoteVolume"))
        turnover[symbol] = value if 0 <= value < math.inf else 0.0
        spread = spread_bps(_float(row.get("bidPr")), _float(row.get("askPr")))
        if spread is not None:
            spreads[symbol] = spread
    return TickerTable(turnover, spreads)


def read_book_spread(body: bytes, *, endpoint: str, status: int = 200) -> float | None:
    """Read from an order book the distance of its best prices over their mean, in basis points.

    The book as it travels, best prices first, each with its size; numbers or text::

        {"asks": [[3431.08, 12.4]], "bids": [[3431.07, 3.1]], "ts": "1762560123456", "scale": "0.01",
         "precision": "scale0", "isMaxPrecision": "NO"}

    None where a side is empty or the sides are crossed: such a book has no spread.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if ``data`` is no book.
    """
    data = read_data(body, endpoint=endpoint, status=status)
    try:
        book = cast("dict[str, list[list[object]]]", data)
        bids, asks = ([_float(level[0]) for level in book[side]] for side in ("bids", "asks"))
    except (KeyError, TypeError, IndexError) as exc:
        raise Unreadable(f"data is {data!r:.60}, an order book was expected", endpoint=endpoint) from exc
    return spread_bps(max(bids), min(asks)) if bids and asks else None


def read_expected_funding(body: bytes, *, endpoint: str, status: int = 200) -> dict[str, Decimal]:
    """Read from the list of tickers the funding rate that the next settlement will have, by symbol.

    One row as it travels (other fields left out); it moves until the settlement::

        {"symbol": "ETHUSDT", "fundingRate": "0.000068"}

    A symbol without a readable rate is left out.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if ``data`` is not a list.
    """
    rows = _rows_of(read_data(body, endpoint=endpoint, status=status), endpoint)
    rates = {str(row.get("symbol", "")): _number(row.get("fundingRate")) for row in rows}
    return {symbol: rate for symbol, rate in rates.items() if rate is not None}


def read_server_time(body: bytes, *, endpoint: str, status: int = 200) -> int:
    """Read the exchange's clock, in ms: ``"data": {"serverTime": "1762560123456"}``.

    Parameters
    ----------
    body, endpoint, status
        As those of ``read_data``.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``read_data``; ``Unreadable`` also if there is no such number.
    """
    data = read_data(body, endpoint=endpoint, status=status)
    try:
        return int(cast("dict[str, str]", data)["serverTime"])
    except (KeyError, ValueError, TypeError) as exc:
        raise Unreadable(f"data is {data!r:.60}, a server time was expected", endpoint=endpoint) from exc


def _rows_of(data: object, endpoint: str) -> list[Mapping[str, object]]:
    if not isinstance(data, list):
        raise Unreadable(f"data is {data!r:.60}, a list was expected", endpoint=endpoint)
    return _mappings(data)


def _mappings(rows: list[object]) -> list[Mapping[str, object]]:
    return [row for row in rows if isinstance(row, Mapping)]


def _contract(row: Mapping[str, object]) -> Contract:
    hours = _number(row.get("fundInterval"))
    return Contract(
        symbol=_name(row["symbol"]),
        kind=_name(row["symbolType"]),
        status=_name(row["symbolStatus"]),
        is_rwa=str(row.get("isRwa", "NO")).upper() == "YES",
        tick=_positive(row["priceEndStep"]).scaleb(-int(str(row["pricePlace"]))),
        size_step=_positive(row["sizeMultiplier"]),
        min_size=_positive(row["minTradeNum"]),
        min_notional=_positive(row["minTradeUSDT"]),
        max_limit_size=_number(row.get("maxOrderQty")),
        max_market_size=_number(row.get("maxMarketOrderQty")),
        maker_fee=_decimal(row["makerFeeRate"]),
        taker_fee=_decimal(row["takerFeeRate"]),
        funding_hours=None if hours is None else int(hours),
        max_leverage=_number(row.get("maxLever")),
        limit_open_time=_announced(row.get("limitOpenTime")),
        off_time=_announced(row.get("offTime")),
    )


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no name")
    return value


def _decimal(value: object) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return number


def _positive(value: object) -> Decimal:
    if (number := _decimal(value)) <= 0:
        raise ValueError(f"{value!r} is not positive")
    return number


def _announced(value: object) -> int | None:
    """A time in ms; ``"-1"`` stands for none."""
    time = _number(value)
    return int(time) if time is not None and 0 < time < LATEST else None


def _float(value: object) -> float:
    """A price or an amount; NaN where it is none."""
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def _number(value: object) -> Decimal | None:
    """A number that may be absent."""
    try:
        return _decimal(value)
    except (InvalidOperation, ValueError):
        return None
