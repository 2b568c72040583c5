"""Answers of the public endpoints of the API v3.

Place in the house: the market, inside the emulator.  As ``endpoints``: a request comes in, rows, JSON text or
a ``RequestDenied`` go out, to ``server``.  Pure.

This suite reads public data by the API v2 for both kinds of account; these are for other clients.  The order
of candles is not established: here the oldest comes first, as in v2.

References
----------
``docs/bitget.md``, sections 4.4 (candles) and U5.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from desk.market.emulator import endpoints
from desk.market.emulator.endpoints import PRODUCT_TYPE, CandlePage, PublicRequest, RequestDenied
from desk.market.emulator.listings import Listing
from desk.market.emulator.peer_endpoints import fund_rate_row
from desk.market.emulator.private_rows import Row
from desk.market.emulator.uta_codes import code_of_v3

Answer = TypeVar("Answer")
CATEGORIES: Final = ("SPOT", "MARGIN", "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES")
V3_INTERVALS: Final = ("1m", "3m", "5m", "15m", "30m", "1H", "4H", "6H", "12H", "1D")
HISTORY_LIMIT: Final = 100
LONGEST_FUNDING_PAGE: Final = 100
_STATUS: Final = {"normal": "online", "off": "offline"}
_KEPT: Final = (
    *("symbol", "baseCoin", "quoteCoin", "isRwa", "buyLimitPriceRatio", "sellLimitPriceRatio"),
    *("feeRateUpRatio", "makerFeeRate", "takerFeeRate", "openCostUpRatio", "maxOrderQty"),
    *("maxMarketOrderQty", "maxPositionNum", "offTime", "limitOpenTime", "deliveryTime"),
    *("deliveryStartTime", "deliveryPeriod", "launchTime", "fundInterval", "maintainTime"),
)
"""Fields of a contract that have one name in both APIs."""


def answer_v3_instruments(request: PublicRequest) -> str:
    """Answer ``instruments``; ``priceMultiplier`` is the tick itself."""
    return _text([instrument_row(listing, request.now) for listing in _universe(request)])


def instrument_row(listing: Listing, now: int) -> Row:
    """Row of ``instruments``, from the one of ``contracts``."""
    contract = listing.contract(now)
    status = str(contract["symbolStatus"])
    return {
        **{name: contract[name] for name in _KEPT},
        "category": PRODUCT_TYPE,
        "minOrderQty": contract["minTradeNum"],
        "minOrderAmount": contract["minTradeUSDT"],
        "pricePrecision": contract["pricePlace"],
        "quantityPrecision": contract["volumePlace"],
        "quotePrecision": "",
        "priceMultiplier": _tick_text(listing),
        "quantityMultiplier": contract["sizeMultiplier"],
        "type": contract["symbolType"],
        "maxSymbolOrderNum": "",
        "maxProductOrderNum": "400",
        "status": _STATUS.get(status, status),
        "minLeverage": contract["minLever"],
        "maxLeverage": contract["maxLever"],
        "symbolType": "crypto",
    }


def _tick_text(listing: Listing) -> str:
    """Tick of a listing as text, without an exponent."""
    return f"{listing.tick.size:.{listing.tick.places}f}"


def answer_v3_tickers(request: PublicRequest) -> str:
    """Answer ``tickers``; a symbol whose first candle has not opened yet has no row."""
    rows = [listing.ticker(request.now) for listing in _universe(request)]
    return _text([_ticker_row(row) for row in rows if row is not None])


def _ticker_row(row: Mapping[str, object]) -> Row:
    """Row of ``tickers``, from the one of v2."""
    return {
        "category": PRODUCT_TYPE,
        "symbol": row["symbol"],
        "ts": row["ts"],
        "lastPrice": row["lastPr"],
        "openPrice24h": row["open24h"],
        "highPrice24h": row["high24h"],
        "lowPrice24h": row["low24h"],
        "ask1Price": row["askPr"],
        "bid1Price": row["bidPr"],
        "bid1Size": row["bidSz"],
        "ask1Size": row["askSz"],
        "price24hPcnt": row["change24h"],
        "volume24h": row["baseVolume"],
        "turnover24h": row["quoteVolume"],
        "indexPrice": row["indexPrice"],
        "markPrice": row["markPrice"],
        "fundingRate": row["fundingRate"],
        "openInterest": row["holdingAmount"],
        "deliveryStartTime": "",
        "deliveryTime": "",
        "deliveryStatus": "",
    }


def answer_v3_candles(request: PublicRequest) -> CandlePage:
    """Answer ``candles``, of the last or the mark price."""
    return _by_v2(_candle_request(request), endpoints.answer_recent_candles)


def answer_v3_history_candles(request: PublicRequest) -> CandlePage:
    """Answer ``history-candles``: 100 rows at most."""
    asked = _candle_request(request)
    limit = asked.integer("limit")
    if limit is not None and limit > HISTORY_LIMIT:
        raise RequestDenied("25200", f"limit validation error: {limit} is above {HISTORY_LIMIT}")
    is_mark = asked.query["kLineType"] != "MARKET"
    answer = endpoints.answer_history_mark_candles if is_mark else endpoints.answer_history_candles
    return _by_v2(asked, answer)


def _candle_request(request: PublicRequest) -> PublicRequest:
    """The request for candles that v2 would have been sent."""
    interval = request.query.get("interval", "")
    if interval not in V3_INTERVALS:
        raise RequestDenied("25200", f"interval validation error: {interval}")
    kind = (request.query.get("type") or "MARKET").upper()
    return _as_v2(request, granularity=interval, kLineType=kind)


def answer_v3_position_tier(request: PublicRequest) -> str:
    """Answer ``position-tier``: one tier for everything."""
    _universe(request)
    tier = {
        "tier": "1",
        "minTierValue": "0",
        "maxTierValue": "100000000",
        "leverage": "100",
        "mmr": endpoints.KEEP_MARGIN_RATE,
    }
    return _text([tier])


def answer_v3_current_fund_rate(request: PublicRequest) -> str:
    """Answer ``current-fund-rate``; a category is not needed."""
    return _text([fund_rate_row(listing, request.now) for listing in _universe(request, PRODUCT_TYPE)])


def answer_v3_history_fund_rate(request: PublicRequest) -> str:
    """Answer ``history-fund-rate``: pages by number, newest first."""
    if not (universe := _universe(request)):
        return _text({"resultList": []})
    size = min(request.integer("limit") or LONGEST_FUNDING_PAGE, LONGEST_FUNDING_PAGE)
    page = universe[0].funding_page(request.now, size=size, number=request.integer("cursor") or 1)
    rows = [
        {
            "symbol": row["symbol"],
            "fundingRate": row["fundingRate"],
            "fundingRateTimestamp": row["fundingTime"],
        }
        for row in page
    ]
    return _text({"resultList": rows})


def answer_v3_open_interest(request: PublicRequest) -> str:
    """Answer ``open-interest``: nobody else holds anything here."""
    rows = [{"symbol": listing.symbol, "openInterest": "0"} for listing in _universe(request)]
    return _text({"list": rows, "ts": str(request.now)})


def answer_v3_orderbook(request: PublicRequest) -> str:
    """Answer ``orderbook``: prices and sizes are JSON numbers."""
    levels = min(max(request.integer("limit") or 5, 1), 200)
    found = [listing.depth(request.now, levels=levels) for listing in _universe(request)[:1]]
    depth = found[0] if found else None
    if depth is None:
        return _text({"a": [], "b": [], "ts": str(request.now)})
    return _text({"a": depth["asks"], "b": depth["bids"], "ts": depth["ts"]})


def _universe(request: PublicRequest, usual: str = "") -> list[Listing]:
    """Listings of the category, or the one that is named; ``usual`` is the category that may be left out."""
    category = (request.query.get("category") or usual).upper()
    if category not in CATEGORIES:
        raise RequestDenied("25200", f"category validation error: {category}")
    if category != PRODUCT_TYPE:
        return []
    return _by_v2(_as_v2(request), PublicRequest.universe)


def _as_v2(request: PublicRequest, **query: str) -> PublicRequest:
    return replace(request, query={**request.query, "productType": PRODUCT_TYPE, **query})


def _by_v2(request: PublicRequest, answer: Callable[[PublicRequest], Answer]) -> Answer:
    """Let ``answer`` of v2 answer a request, and refuse with codes of v3."""
    try:
        return answer(request)
    except RequestDenied as denial:
        raise RequestDenied(*code_of_v3(denial.code, denial.message)) from denial


def _text(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


_MARKET: Final = "/api/v3/market"
V3_ENDPOINTS: Final[Mapping[str, Callable[[PublicRequest], CandlePage | str]]] = {
    f"{_MARKET}/instruments": answer_v3_instruments,
    f"{_MARKET}/tickers": answer_v3_tickers,
    f"{_MARKET}/candles": answer_v3_candles,
    f"{_MARKET}/history-candles": answer_v3_history_candles,
    f"{_MARKET}/position-tier": answer_v3_position_tier,
    f"{_MARKET}/current-fund-rate": answer_v3_current_fund_rate,
    f"{_MARKET}/history-fund-rate": answer_v3_history_fund_rate,
    f"{_MARKET}/open-interest": answer_v3_open_interest,
    f"{_MARKET}/orderbook": answer_v3_orderbook,
}
