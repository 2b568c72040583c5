"""What is asked for a record: every read that training and live trading make, for one symbol.

Place in the house: a symbol and a time come in; ``Question``s go out, each with the parser that reads its
answer.  Some are asked in order to be refused: what a limit, an unknown symbol and the API of the other kind
of account are answered with is a part of what the suite believes.  Pure.

Not here: asking (``desk.market.bitget.inspection.probe``), and comparing
(``desk.market.bitget.inspection.shapes``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from desk.market.bitget import wire
from desk.market.bitget.account.classic import wire as private_wire
from desk.market.bitget.account.kind import AccountKind
from desk.market.bitget.account.unified import wire as unified_wire

PRODUCT = {"productType": "USDT-FUTURES"}
CATEGORY = {"category": "USDT-FUTURES"}
CANDLE_MS = 300_000
UNKNOWN_ORDER, UNKNOWN_SYMBOL = "record-0", "NOPEUSDT"
HISTORY_ROWS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """One read, and who reads its answer."""

    name: str
    path: str
    query: Mapping[str, str]
    is_private: bool = False
    parser: Callable[..., Any] | None = None
    """Given the body and ``endpoint``; None: no parser of the suite reads this answer."""
    list_name: str = ""
    """Field of the answer that holds its rows; empty where the answer is the rows."""

    @property
    def is_candles(self) -> bool:
        """Whether rows of candles are asked for."""
        return "granularity" in self.query


def public_questions(symbol: str, now: int) -> tuple[Question, ...]:
    """Reads that need no key.

    Parameters
    ----------
    symbol : str
    now : int
        The exchange's time, ms.
    """
    market, of = "/api/v2/mix/market", {"symbol": symbol, **PRODUCT}
    page = {**of, "granularity": "5m", "endTime": str(now - now % CANDLE_MS - CANDLE_MS)}
    history = {**page, "limit": str(HISTORY_ROWS)}
    book = {**of, "precision": "scale0", "limit": "1"}
    return (
        Question("time", "/api/v2/public/time", {}, parser=wire.read_server_time),
        Question("contracts", f"{market}/contracts", PRODUCT, parser=wire.read_contracts),
        Question("tickers", f"{market}/tickers", PRODUCT, parser=wire.read_tickers),
        Question("ticker", f"{market}/ticker", of, parser=wire.read_tickers),
        Question(
            "newest candles",
            f"{market}/candles",
            {**of, "granularity": "5m", "limit": "200"},
            parser=wire.read_candles,
        ),
        Question("history candles", f"{market}/history-candles", history, parser=wire.read_candles),
        Question("mark candles", f"{market}/history-mark-candles", history, parser=wire.read_candles),
        Question("book", f"{market}/merge-depth", book, parser=wire.read_book_spread),
        Question(
            "funding",
            f"{market}/history-fund-rate",
            {**of, "pageSize": "20", "pageNo": "1"},
            parser=wire.read_funding,
        ),
        Question("history beyond its limit", f"{market}/history-candles", {**history, "limit": "201"}),
        Question("unknown symbol", f"{market}/history-candles", {**history, "symbol": UNKNOWN_SYMBOL}),
        Question("unknown granularity", f"{market}/history-candles", {**history, "granularity": "5min"}),
        Question("no product type", f"{market}/contracts", {}),
        Question("unknown path", "/api/v2/mix/market/nothing", {}),
    )


def private_questions(kind: AccountKind, symbol: str, now: int) -> tuple[Question, ...]:
    """Reads of an account, with one of the other kind's API.

    Parameters
    ----------
    kind : AccountKind
    symbol : str
    now : int
        The exchange's time, ms.
    """
    found = _classic(symbol, now) if kind == "classic" else _unified(symbol, now)
    return tuple(
        Question(name, path, query, is_private=True, parser=parser, list_name=rows)
        for name, path, query, parser, rows in found
    )


_Line = tuple[str, str, dict[str, str], Callable[..., Any] | None, str]


def _classic(symbol: str, now: int) -> tuple[_Line, ...]:
    mix, of = "/api/v2/mix", {"symbol": symbol, **PRODUCT}
    coin = {"marginCoin": "USDT"}
    since = {**of, "startTime": str(now - 86_400_000), "limit": "100"}
    plans = {**PRODUCT, "planType": "profit_loss", "limit": "100"}
    order = {**of, "clientOid": UNKNOWN_ORDER}
    rate = {"symbol": symbol, "businessType": "mix"}
    exits = private_wire.read_bound_exits
    return (
        ("balances", f"{mix}/account/accounts", PRODUCT, private_wire.read_balance, ""),
        ("account of a symbol", f"{mix}/account/account", {**of, **coin}, private_wire.read_modes, ""),
        ("positions", f"{mix}/position/all-position", {**PRODUCT, **coin}, private_wire.read_positions, ""),
        (
            "open orders",
            f"{mix}/order/orders-pending",
            {**PRODUCT, "limit": "100"},
            private_wire.read_orders,
            "entrustedList",
        ),
        ("waiting stops", f"{mix}/order/orders-plan-pending", plans, exits, "entrustedList"),
        ("fills", f"{mix}/order/fills", since, private_wire.read_fills, "fillList"),
        ("fees", "/api/v2/common/trade-rate", rate, None, ""),
        ("unknown order", f"{mix}/order/detail", order, None, ""),
        ("unified API", "/api/v3/account/settings", {}, None, ""),
    )


def _unified(symbol: str, now: int) -> tuple[_Line, ...]:
    trade = "/api/v3/trade"
    since = {**CATEGORY, "startTime": str(now - 86_400_000), "limit": "100"}
    return (
        ("settings", "/api/v3/account/settings", {}, unified_wire.read_settings, ""),
        ("assets", "/api/v3/account/assets", {}, unified_wire.read_balance, ""),
        ("positions", "/api/v3/position/current-position", CATEGORY, unified_wire.read_positions, "list"),
        (
            "open orders",
            f"{trade}/unfilled-orders",
            {**CATEGORY, "limit": "100"},
            unified_wire.read_orders,
            "list",
        ),
        ("strategy orders", f"{trade}/unfilled-strategy-orders", CATEGORY, unified_wire.read_strategies, ""),
        ("fills", f"{trade}/fills", since, unified_wire.read_fills, "list"),
        ("fees", "/api/v3/account/fee-rate", {**CATEGORY, "symbol": symbol}, None, ""),
        ("unknown order", f"{trade}/order-info", {"clientOid": UNKNOWN_ORDER}, None, ""),
        ("classic API", "/api/v2/mix/account/accounts", PRODUCT, None, ""),
    )
