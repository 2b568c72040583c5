"""Answers of the public endpoints.

Place in the house: the market, inside the emulator.  The parameters of a request, the listings and
the server time come in; rows, JSON text or a ``RequestDenied`` go out, to ``server``.  Pure.

Reading order: ``ENDPOINTS`` is the table; the exchange's odd rules are in ``answer_recent_candles`` and
``answer_history_candles``.

Not here: limits, faults and HTTP.
"""

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Final

from desk.market.emulator.intervals import INTERVALS, in_intervals
from desk.market.emulator.listings import Listing, forming_row
from desk.market.series.facts import DAY_MS

PRODUCT_TYPE: Final = "USDT-FUTURES"
_KINDS: Final = (PRODUCT_TYPE, "COIN-FUTURES", "USDC-FUTURES")
PRODUCT_TYPES: Final = (*_KINDS, *(f"S{kind}" for kind in _KINDS))
"""Those with an S hold play money; ccxt asks for all six."""
_OF_DAYS: Final = ("6H", "12H", "1D", "1W", "1M")
GRANULARITIES: Final = frozenset(
    ("1m", "3m", "5m", "15m", "30m", "1H", "4H", *_OF_DAYS, "3Dutc", *(f"{name}utc" for name in _OF_DAYS))
)
DEFAULT_LIMIT: Final = 100
RECENT_LIMIT: Final = 1000
RECENT_REACH_MS: Final = {"5m": 30 * DAY_MS, "15m": 52 * DAY_MS, "30m": 62 * DAY_MS, "1H": 83 * DAY_MS}
"""How far back ``candles`` reaches, by interval."""
LONGEST_REACH_MS: Final = 240 * DAY_MS
"""Likewise of longer intervals."""
HISTORY_LIMIT: Final = 200
LONGEST_SPAN_MS: Final = 90 * DAY_MS
FUNDING_PAGE: Final = 20
KEEP_MARGIN_RATE: Final = "0.004"
"""Maintenance margin as a share of the position's value."""
LONGEST_FUNDING_PAGE: Final = 100
DEPTH_LIMITS: Final = {"1": 1, "5": 5, "15": 15, "50": 50, "": 100, "max": 100}
"""Levels of ``merge-depth`` by the parameter ``limit``."""
PRECISIONS: Final = frozenset({"", "scale0", "scale1", "scale2", "scale3"})


class RequestDenied(Exception):  # noqa: N818 - an answer, not a fault; it never leaves the emulator
    """A request was refused, with a business code and an HTTP status.

    Parameters
    ----------
    code : str
        Business code, such as 40034.
    message : str
    status : int
        HTTP status.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class PublicRequest:
    """One request, and the state of the exchange when it arrives."""

    query: Mapping[str, str]
    listings: Mapping[str, Listing]
    now: int
    """Server time, ms."""
    gone: Set[str]
    """Symbols that were delisted."""
    history_end: str
    """One of ``options.HISTORY_ENDS``."""

    def required(self, name: str) -> str:
        """Value of a parameter that must be there."""
        if value := self.query.get(name, ""):
            return value
        raise RequestDenied("40019", f"Parameter {name} cannot be empty")

    def integer(self, name: str) -> int | None:
        """Value of a parameter that must be a whole number if it is there."""
        text = self.query.get(name, "")
        if not text:
            return None
        if text.isascii() and text.isdigit():
            return int(text)
        raise RequestDenied("40020", f"Parameter {name} error")

    def universe(self) -> list[Listing]:
        """Listings that the request names: one symbol, or every symbol of a product type."""
        product_type = self.required("productType").upper()
        if product_type not in PRODUCT_TYPES:
            raise RequestDenied("400172", "Parameter verification failed")
        listings = self.listings if product_type == PRODUCT_TYPE else {}
        if symbol := self.query.get("symbol", ""):
            if symbol in self.gone:
                raise RequestDenied("40309", "The contract has been removed")
            if symbol not in listings:
                raise RequestDenied("40034", f"Parameter {symbol} does not exist")
            return [listings[symbol]]
        return list(listings.values())

    def listing(self) -> Listing:
        """The listing that the request names, where a symbol is required."""
        universe = self.universe()
        self.required("symbol")
        return universe[0]

    def limit(self, most: int) -> int:
        """Number of rows that the request asks for."""
        limit = self.integer("limit")
        if limit is None:
            return DEFAULT_LIMIT
        if 1 <= limit <= most:
            return limit
        raise RequestDenied("40053", f"Parameter limit {limit} is out of range, must be between 1 and {most}")

    def window(self) -> tuple[int | None, int | None]:
        """``startTime`` and ``endTime``."""
        start, end = self.integer("startTime"), self.integer("endTime")
        if start is not None and end is not None:
            if start > end:
                raise RequestDenied("40017", "Parameter verification failed: startTime is later than endTime")
            if end - start > LONGEST_SPAN_MS:
                raise RequestDenied("00001", "startTime and endTime interval cannot be greater than 90 days")
        return start, end

    def granularity(self) -> str:
        """Interval that the request asks for, one of ``INTERVALS``."""
        granularity = self.required("granularity")
        if granularity not in GRANULARITIES:
            raise RequestDenied("400171", f"Parameter verification failed granularity {granularity}")
        if granularity not in INTERVALS:
            raise RequestDenied("400171", f"the embedded exchange has no candles of {granularity}")
        return granularity


@dataclass(frozen=True, slots=True)
class CandlePage:
    """Candles ``start`` to ``stop`` (exclusive) of a listing, and perhaps the one that is forming."""

    listing: Listing
    start: int
    stop: int
    forming: str | None = None

    def rows(self) -> list[str]:
        """The rows as JSON text, oldest first."""
        rows = self.listing.rows(self.start, self.stop)
        return rows if self.forming is None else [*rows, self.forming]

    def older_rows(self, most: int) -> list[str]:
        """Up to ``most`` rows that come directly before the page."""
        return self.listing.rows(max(self.start - most, 0), self.start)


def answer_recent_candles(request: PublicRequest) -> CandlePage:
    """Answer ``candles``: the last 30 days, the forming candle last.

    ``startTime`` is inclusive, ``endTime`` exclusive; the page holds the newest ``limit`` rows between them.
    """
    kind = (request.query.get("kLineType") or "MARKET").upper()
    if kind not in {"MARKET", "MARK", "INDEX"}:
        raise RequestDenied("400172", "Parameter verification failed: kLineType")
    listing, granularity = request.listing(), request.granularity()
    listing = in_intervals(listing, granularity, of_mark=kind != "MARKET")
    limit = request.limit(RECENT_LIMIT)
    start, end = request.window()
    oldest = max(start or 0, request.now - RECENT_REACH_MS.get(granularity, LONGEST_REACH_MS))
    part = listing.forming(request.now)
    if part is not None and (part.open_time < oldest or (end is not None and part.open_time >= end)):
        part = None
    stop = listing.finished(request.now)
    if end is not None:
        stop = min(stop, listing.before(end))
    room = limit if part is None else limit - 1
    first = min(max(listing.before(oldest), stop - room), stop)
    return CandlePage(listing, first, stop, None if part is None else forming_row(part))


def answer_history_candles(request: PublicRequest) -> CandlePage:
    """Answer ``history-candles``: the newest ``limit`` finished candles below ``endTime``.

    ``startTime`` does not influence which rows are chosen; together with ``endTime`` it may span 90 days.
    """
    return _history_page(request, of_mark=False)


def answer_history_mark_candles(request: PublicRequest) -> CandlePage:
    """Answer ``history-mark-candles`` and ``history-index-candles``: as ``history-candles``, volumes of 0.

    The index is the mark price.
    """
    return _history_page(request, of_mark=True)


def _history_page(request: PublicRequest, *, of_mark: bool) -> CandlePage:
    """Page of finished candles that a request for history names."""
    listing = request.listing()
    listing = in_intervals(listing, request.granularity(), of_mark=of_mark)
    limit = request.limit(HISTORY_LIMIT)
    _, end = request.window()
    stop = listing.finished(request.now)
    if end is not None:
        stop = min(stop, listing.before(_history_bound(listing, end, request.history_end)))
    return CandlePage(listing, max(stop - limit, 0), stop)


def _history_bound(listing: Listing, end: int, reading: str) -> int:
    """Open time below which a candle belongs to a page that ends at ``end``."""
    if reading == "unfloored":
        return end
    times = listing.candles.open_time
    grid = int(times[0]) % listing.interval_ms if len(times) else 0
    floored = end - (end - grid) % listing.interval_ms
    return floored + listing.interval_ms if reading == "inclusive" else floored


def answer_server_time(request: PublicRequest) -> str:
    """Answer ``time``."""
    return json.dumps({"serverTime": str(request.now)})


def answer_contracts(request: PublicRequest) -> str:
    """Answer ``contracts``."""
    return _text([listing.contract(request.now) for listing in request.universe()])


def answer_tickers(request: PublicRequest) -> str:
    """Answer ``tickers``; a symbol whose first candle has not opened yet has no row."""
    rows = [listing.ticker(request.now) for listing in request.universe()]
    return _text([row for row in rows if row is not None])


def answer_ticker(request: PublicRequest) -> str:
    """Answer ``ticker``: as ``tickers``, for one symbol."""
    row = request.listing().ticker(request.now)
    return _text([] if row is None else [row])


def answer_merge_depth(request: PublicRequest) -> str:
    """Answer ``merge-depth``: prices and sizes are JSON numbers; a book has one precision, the tick.

    References
    ----------
    Bitget API, contract, market: "Get Merge Market Depth", GET /api/v2/mix/market/merge-depth.
    """
    listing = request.listing()
    limit = request.query.get("limit", "").lower()
    if limit not in DEPTH_LIMITS:
        raise RequestDenied("40053", f"Parameter limit {limit} is out of range")
    if request.query.get("precision", "") not in PRECISIONS:
        raise RequestDenied("400172", "Parameter verification failed: precision")
    data = listing.depth(request.now, levels=DEPTH_LIMITS[limit])
    return _text({"asks": [], "bids": [], "ts": str(request.now)} if data is None else data)


def answer_history_fund_rate(request: PublicRequest) -> str:
    """Answer ``history-fund-rate``; a page size above the maximum is silently cut."""
    listing = request.listing()
    size = request.integer("pageSize")
    number = request.integer("pageNo")
    for name, value in (("pageSize", size), ("pageNo", number)):
        if value == 0:
            raise RequestDenied("40020", f"Parameter {name} error")
    size = min(size or FUNDING_PAGE, LONGEST_FUNDING_PAGE)
    return _text(listing.funding_page(request.now, size=size, number=number or 1))


def answer_query_position_lever(request: PublicRequest) -> str:
    """Answer ``query-position-lever``: one tier for everything."""
    listing = request.listing()
    tier = {
        "symbol": listing.symbol,
        "level": "1",
        "startUnit": "0",
        "endUnit": "100000000",
        "leverage": "100",
        "keepMarginRate": KEEP_MARGIN_RATE,
    }
    return _text([tier])


def _text(data: object) -> str:
    """JSON as the exchange writes it: without blanks, in UTF-8."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


ENDPOINTS: Final[Mapping[str, Callable[[PublicRequest], CandlePage | str]]] = {
    "/api/v2/public/time": answer_server_time,
    "/api/v2/mix/market/contracts": answer_contracts,
    "/api/v2/mix/market/tickers": answer_tickers,
    "/api/v2/mix/market/ticker": answer_ticker,
    "/api/v2/mix/market/candles": answer_recent_candles,
    "/api/v2/mix/market/history-candles": answer_history_candles,
    "/api/v2/mix/market/history-mark-candles": answer_history_mark_candles,
    "/api/v2/mix/market/history-index-candles": answer_history_mark_candles,
    "/api/v2/mix/market/merge-depth": answer_merge_depth,
    "/api/v2/mix/market/history-fund-rate": answer_history_fund_rate,
    "/api/v2/mix/market/query-position-lever": answer_query_position_lever,
}
