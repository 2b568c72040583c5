"""Answers of public endpoints that this suite does not ask and other clients do.

Place in the house: the market, inside the emulator.  As ``endpoints``: a request comes in, JSON text or a
``RequestDenied`` goes out, to ``server``.  Pure.

There are futures only: coins are those that contracts are quoted in and made of, and the lists of spot pairs
and of margin currencies are empty.

References
----------
``docs/bitget.md``, section 4.6.  Bitget API: "Get Coin Info", GET /api/v2/spot/public/coins.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from desk.market.emulator.endpoints import PublicRequest
from desk.market.emulator.listings import Listing
from desk.market.emulator.private_rows import Row
from desk.market.series.facts import HOUR_MS

LARGEST_RATE: Final = "0.003"
"""Bound of a funding rate, as a fraction."""
_CHAIN: Final = {
    "chain": "EMULATOR",
    "needTag": "false",
    "withdrawable": "true",
    "rechargeable": "true",
    "withdrawFee": "1",
    "extraWithdrawFee": "0",
    "depositConfirm": "1",
    "withdrawConfirm": "1",
    "minDepositAmount": "1",
    "minWithdrawAmount": "1",
    "browserUrl": "",
    "contractAddress": None,
    "withdrawStep": "0",
    "withdrawMinScale": "8",
    "congestion": "normal",
}


def answer_coins(request: PublicRequest) -> str:
    """Answer ``spot/public/coins``."""
    coins = sorted({symbol.removesuffix("USDT") for symbol in request.listings} | {"USDT"})
    wanted = request.query.get("coin", "")
    return _text(
        [
            {"coinId": str(number), "coin": coin, "transfer": "true", "chains": [_CHAIN], "areaCoin": "no"}
            for number, coin in enumerate(coins, start=1)
            if wanted in {"", coin}
        ]
    )


def answer_nothing(_: PublicRequest) -> str:
    """Answer a list that is empty here."""
    return "[]"


def answer_current_fund_rate(request: PublicRequest) -> str:
    """Answer ``current-fund-rate``."""
    return _text([fund_rate_row(listing, request.now) for listing in request.universe()])


def fund_rate_row(listing: Listing, now: int) -> Row:
    """Row of ``current-fund-rate``, the same in both APIs."""
    hours = listing.funding.interval_hours
    ticker = listing.ticker(now) or {}
    return {
        "symbol": listing.symbol,
        "fundingRate": ticker.get("fundingRate", "0"),
        "fundingRateInterval": str(hours),
        "nextUpdate": str(now - now % (hours * HOUR_MS) + hours * HOUR_MS),
        "minFundingRate": f"-{LARGEST_RATE}",
        "maxFundingRate": LARGEST_RATE,
    }


def answer_funding_time(request: PublicRequest) -> str:
    """Answer ``funding-time``."""
    row = fund_rate_row(request.listing(), request.now)
    return _text(
        [
            {
                "symbol": row["symbol"],
                "nextFundingTime": row["nextUpdate"],
                "ratePeriod": row["fundingRateInterval"],
            }
        ]
    )


def answer_open_interest(request: PublicRequest) -> str:
    """Answer ``open-interest``: nobody else holds anything here."""
    rows = [{"symbol": request.listing().symbol, "size": "0"}]
    return _text({"openInterestList": rows, "ts": str(request.now)})


def answer_symbol_price(request: PublicRequest) -> str:
    """Answer ``symbol-price``."""
    row = request.listing().ticker(request.now)
    if row is None:
        return "[]"
    names = {"symbol": "symbol", "price": "lastPr", "indexPrice": "indexPrice", "markPrice": "markPrice"}
    return _text([{name: row[source] for name, source in names.items()} | {"ts": row["ts"]}])


def _text(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


PEER_ENDPOINTS: Final[Mapping[str, Callable[[PublicRequest], str]]] = {
    "/api/v2/spot/public/coins": answer_coins,
    "/api/v2/spot/public/symbols": answer_nothing,
    "/api/v2/margin/currencies": answer_nothing,
    "/api/v2/mix/market/current-fund-rate": answer_current_fund_rate,
    "/api/v2/mix/market/funding-time": answer_funding_time,
    "/api/v2/mix/market/open-interest": answer_open_interest,
    "/api/v2/mix/market/symbol-price": answer_symbol_price,
}
