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

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import numpy as np

from desk.errors import Throttled, Unanswered, Unreadable
from desk.market.bitget.codes import refusal
from desk.market.history.candles import NO_ROWS, RawRows
from desk.market.history.contracts import Contract, ContractTable, TickerTable, spread_bps
from desk.market.history.funding import FundingRates
from desk.reading import decimal_of, decimal_or_none, float_or_nan, read_json, time_of, whole_of
from desk.safe_text import LONGEST_NAME, brief, is_name, safe_text
from desk.values import COLUMNS

SUCCESS = "00000"
TOO_MANY_REQUESTS = 429
LATER = frozenset({"429", "40200"})
"""Codes that ask everybody for a pause: too many requests, the exchange is upgraded."""
CANDLE_WIDTH = 1 + len(COLUMNS)
UNREADABLE = [math.nan] * len(COLUMNS)
"""Fields of a row that cannot be read."""
FINEST_STEP, COARSEST_STEP = Decimal("1e-15"), Decimal("1e12")
"""Steps of prices and sizes, least sizes and values; beyond, a quotient has more digits than money has."""
MOST_PLACES = 15
MOST_FEE = Decimal("0.1")
MOST_LEVERAGE = 1_000
LONGEST_INTERVAL_H = 24 * 30
"""Hours between two settlements of funding."""
UNDECIDED = frozenset({"40010", "40015", "40725", "45001", "40604", "40908", "40910"})
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
        envelope = read_json(body)
    except ValueError:
        envelope = None
    opened: Mapping[str, object] = envelope if isinstance(envelope, dict) else {}
    code, message = _words(opened.get("code", "")), _words(opened.get("msg", ""))
    if status == TOO_MANY_REQUESTS or code in LATER:
        raise Throttled(f"asks for a pause: {message or 'too many requests'}", endpoint=endpoint)
    if not code:
        start = safe_text(body[:60].decode("utf-8", "replace"))
        raise Unanswered(f"HTTP {status} with a body that is no answer: {start}", endpoint=endpoint)
    if code in UNDECIDED:
        raise Unanswered(f"{message} (code {code})", endpoint=endpoint)
    if code != SUCCESS:
        raise refusal(message, endpoint=endpoint, code=code)
    return opened.get("data")


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
        raise Unreadable(f"data is {brief(data)}, a list of candles was expected", endpoint=endpoint)
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
        time = time_of(row[0])
    except ValueError:
        time = 0
    fields = [float_or_nan(field) for field in row[1:CANDLE_WIDTH]]
    whole = len(fields) == len(COLUMNS) and not any(map(math.isnan, fields))
    return time, fields if whole else UNREADABLE


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
        raise Unreadable(f"data is {brief(data)}, a list of funding rates was expected", endpoint=endpoint)
    rows = [
        (_announced(row.get("fundingTime")), float_or_nan(row.get("fundingRate"))) for row in _mappings(data)
    ]
    timed = [(time, rate) for time, rate in rows if time is not None]
    if data and not timed:
        raise Unreadable(f"not one row is a funding rate, the first is {brief(data[0])}", endpoint=endpoint)
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
        except (KeyError, ValueError):
            symbol = row.get("symbol", "?")
            unreadable.append(str(symbol) if is_name(symbol) else brief(symbol, LONGEST_NAME))
    return ContractTable(tuple(contracts), tuple(unreadable))


def read_tickers(body: bytes, *, endpoint: str, status: int = 200) -> TickerTable:
    """Read from the list of tickers what was traded in 24 hours, and the distance of bid and ask.

    One row as it travels (other fields left out)::

        {"symbol": "ETHUSDT", "usdtVolume": "1045227013.2", "quoteVolume": "1045227013.2",
         "bidPr": "3431.07", "askPr": "3431.08"}

    A symbol without a readable turnover counts as 0; bid and ask that cannot be read, are not positive or
    are crossed are left out, and so is a row without a name.

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
        if not is_name(symbol := row.get("symbol")):
            continue
        value = float_or_nan(row.get("usdtVolume") or row.get("quoteVolume"))
        turnover[str(symbol)] = value if value >= 0 else 0.0
        spread = spread_bps(float_or_nan(row.get("bidPr")), float_or_nan(row.get("askPr")))
        if spread is not None:
            spreads[str(symbol)] = spread
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
        bids, asks = ([float_or_nan(level[0]) for level in book[side]] for side in ("bids", "asks"))
    except (KeyError, TypeError, IndexError) as exc:
        raise Unreadable(f"data is {brief(data)}, an order book was expected", endpoint=endpoint) from exc
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
    named = ((row.get("symbol"), decimal_or_none(row.get("fundingRate"))) for row in rows)
    return {str(symbol): rate for symbol, rate in named if rate is not None and is_name(symbol)}


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
        return time_of(cast("dict[str, str]", data)["serverTime"])
    except (KeyError, ValueError, TypeError) as exc:
        raise Unreadable(f"data is {brief(data)}, a server time was expected", endpoint=endpoint) from exc


def _rows_of(data: object, endpoint: str) -> list[Mapping[str, object]]:
    if not isinstance(data, list):
        raise Unreadable(f"data is {brief(data)}, a list was expected", endpoint=endpoint)
    return _mappings(data)


def _mappings(rows: list[object]) -> list[Mapping[str, object]]:
    return [row for row in rows if isinstance(row, Mapping)]


def _words(value: object) -> str:
    """A code or a message, which the exchange may write as a number."""
    return value if isinstance(value, str) else "" if value is None else brief(value)


def _contract(row: Mapping[str, object]) -> Contract:
    """Read one contract; raise ``KeyError`` or ``ValueError`` for a row that is none."""
    return Contract(
        symbol=_name(row["symbol"]),
        kind=_name(row["symbolType"]),
        status=_name(row["symbolStatus"]),
        is_rwa=str(row.get("isRwa", "NO")).upper() == "YES",
        tick=_step(row["priceEndStep"], places=whole_of(row["pricePlace"], least=0, most=MOST_PLACES)),
        size_step=_step(row["sizeMultiplier"]),
        min_size=_step(row["minTradeNum"]),
        min_notional=_step(row["minTradeUSDT"]),
        max_limit_size=decimal_or_none(row.get("maxOrderQty")),
        max_market_size=decimal_or_none(row.get("maxMarketOrderQty")),
        maker_fee=_fee(row["makerFeeRate"]),
        taker_fee=_fee(row["takerFeeRate"]),
        funding_hours=_hours(row.get("fundInterval")),
        max_leverage=_leverage(row.get("maxLever")),
        limit_open_time=_announced(row.get("limitOpenTime")),
        off_time=_announced(row.get("offTime")),
    )


def _name(value: object) -> str:
    if not is_name(value):
        raise ValueError(f"{brief(value)} is no name")
    return str(value)


def _step(value: object, *, places: int = 0) -> Decimal:
    """A step of prices or sizes, ``value`` at the decimal ``places``."""
    step = decimal_of(value).scaleb(-places)
    if not FINEST_STEP <= step <= COARSEST_STEP:
        raise ValueError(f"{brief(value)} at {places} places is no step")
    return step


def _fee(value: object) -> Decimal:
    """A fraction of the trade's value; negative where a maker is paid."""
    if abs(fee := decimal_of(value)) > MOST_FEE:
        raise ValueError(f"{brief(value)} is no fee")
    return fee


def _hours(value: object) -> int | None:
    """Hours between settlements; None where there is no such number."""
    hours = decimal_or_none(value)
    return int(hours) if hours is not None and 1 <= hours <= LONGEST_INTERVAL_H else None


def _leverage(value: object) -> Decimal | None:
    """The largest leverage; None where there is no such number."""
    leverage = decimal_or_none(value)
    return leverage if leverage is not None and 1 <= leverage <= MOST_LEVERAGE else None


def _announced(value: object) -> int | None:
    """A time in ms; ``"-1"`` stands for none."""
    try:
        return time_of(value) or None
    except ValueError:
        return None
