"""What an account is and holds, as far as reading tells it: classic (v2) and unified (v3) alike.

Place in the house: answers of ``desk.market.bitget.inspection.probe`` come in, ``AccountFacts`` go out.  The
kind of the account is found with the key itself: v3 is asked first, since a v2 call with the key of a unified
account was once answered as if its passphrase were wrong.  What is neither yes nor a known no is undecided,
and is shown instead of guessed at.

Not here: whether what is found keeps a session from trading (``desk.account_check``).

References
----------
``docs/bitget.md``: sections 6 to 9 (classic accounts); "Bitget API v3" (detection, settings, assets).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from desk.market.bitget.account.kind import CLASSIC_CODES, AccountKind
from desk.market.bitget.inspection.probe import Probe, ProbeAnswer
from desk.reading import decimal_or_none
from desk.safe_text import LONGEST_NAME, safe_text

PRODUCT = {"productType": "USDT-FUTURES"}
COIN = {"marginCoin": "USDT"}
CATEGORY = {"category": "USDT-FUTURES"}
SETTINGS, ASSETS = "/api/v3/account/settings", "/api/v3/account/assets"
UNSETTLED = frozenset({"upgrading", "switching"})
"""States of an account in which nothing can be said of it yet."""
EACH_SYMBOL = 9.0
"""Requests per second of an endpoint that is asked for every symbol, and counted to 10."""
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SymbolSetup:
    """How a symbol is set up."""

    margin: str
    """``isolated``, ``crossed``, or empty where it is not told."""
    leverage: tuple[Decimal, ...]
    """Of both sides together or of each; empty where it is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What reading tells of an account."""

    kind: AccountKind
    level: str = ""
    """Of a unified account: ``isolated``, ``basic``, ``advanced``; empty where there is none."""
    state: str = ""
    """Of a unified account: ``unified``, ``hybrid``, ``upgrading``, ``switching``."""
    position_mode: str = ""
    """``one_way``, ``hedge``, or empty where it is not told."""
    money_read: bool
    """Whether what follows on money was read at all."""
    equity: Decimal | None = None
    """USDT; None: the account has none, or it is not told."""
    available: Decimal | None = None
    figures: tuple[tuple[str, str], ...] = ()
    """Names and values of all figures on money, as the exchange has them."""
    fees: tuple[Decimal, Decimal] | None = None
    """Maker's and taker's, as fractions."""
    positions: tuple[str, ...] | None
    """Open positions, a clause each; None: they could not be read."""
    orders: tuple[str, ...] | None
    """Waiting orders, likewise."""
    stops: tuple[str, ...] | None
    """Waiting stops and take-profits, likewise."""
    setups: Mapping[str, SymbolSetup]
    """By symbol, of those that could be read."""
    unread: Mapping[str, tuple[str, ...]]
    """Paths that could not be read, by the reason, a clause."""


async def find_kind(probe: Probe) -> AccountKind | str:
    """The kind of the account, or a sentence on why it is undecided."""
    answer = await probe.ask(SETTINGS, {}, signed=True)
    if answer.succeeded:
        state = _text(_row(answer.data), "accountMode")
        if state in UNSETTLED:
            return f"the account is {state} just now: wait until Bitget has finished, and ask again."
        return "unified"
    if answer.code in CLASSIC_CODES:
        return "classic"
    return f"{answer.why_not()}. So it is undecided whether the account is classic or unified."


async def read_account(probe: Probe, kind: AccountKind, symbols: Sequence[str]) -> AccountFacts:
    """Read all that can be read of an account.

    Parameters
    ----------
    probe : Probe
        With a key.
    kind : AccountKind
    symbols : sequence of str
        Those whose set-up is asked for; at least one.
    """
    return await (_classic if kind == "classic" else _unified)(probe, symbols)


# Classic accounts -----------------------------------------------------------------------------------

_MIX = "/api/v2/mix"


async def _classic(probe: Probe, symbols: Sequence[str]) -> AccountFacts:
    reads = _Reads(probe)
    listed = await reads.ask(f"{_MIX}/account/accounts", PRODUCT)
    accounts = _rows(listed)
    money = next((row for row in accounts if _text(row, "marginCoin").upper() == "USDT"), {})
    setups, mode = {}, ""
    for symbol in symbols:
        query = {"symbol": symbol, **PRODUCT, **COIN}
        row = _row(await reads.ask(f"{_MIX}/account/account", query, per_second=EACH_SYMBOL))
        if not row:
            continue
        money = money or row
        mode = _text(row, "posMode").removesuffix("_mode") or mode
        margin = _text(row, "marginMode")
        crossed = ("crossedMarginLeverage",)
        names = crossed if margin == "crossed" else ("isolatedLongLever", "isolatedShortLever")
        setups[symbol] = SymbolSetup(margin, _numbers(row, *names))
    rate = {"symbol": symbols[0], "businessType": "mix"}
    fees = _row(await reads.ask("/api/v2/common/trade-rate", rate))
    positions = await reads.ask(f"{_MIX}/position/all-position", {**PRODUCT, **COIN})
    orders = await reads.ask(f"{_MIX}/order/orders-pending", PRODUCT)
    stops = await reads.ask(f"{_MIX}/order/orders-plan-pending", {**PRODUCT, "planType": "profit_loss"})
    return AccountFacts(
        kind="classic",
        position_mode=mode,
        money_read=bool(money) or listed is not None,
        equity=_number(money, "accountEquity"),
        available=_number(money, "available"),
        figures=_figures(money),
        fees=_fees(fees),
        positions=_texts(positions, "", lambda row: _position_text(row, "holdSide", "openPriceAvg")),
        orders=_texts(orders, "entrustedList", lambda row: _order_text(row, "size")),
        stops=_texts(stops, "entrustedList", _stop_text),
        setups=setups,
        unread=reads.unread,
    )


# Unified accounts -----------------------------------------------------------------------------------


async def _unified(probe: Probe, symbols: Sequence[str]) -> AccountFacts:
    reads = _Reads(probe)
    settings = _row(await reads.ask(SETTINGS, {}))
    money = await reads.ask(ASSETS, {})
    assets = _row(money)
    coins = _rows(assets.get("assets"))
    usdt = next((row for row in coins if _text(row, "coin").upper() == "USDT"), {})
    other = any(_number(row, "equity") for row in coins if row is not usdt)
    fees = _row(await reads.ask("/api/v3/account/fee-rate", {**CATEGORY, "symbol": symbols[0]}))
    positions = await reads.ask("/api/v3/position/current-position", CATEGORY)
    orders = await reads.ask("/api/v3/trade/unfilled-orders", CATEGORY)
    stops = await reads.ask("/api/v3/trade/unfilled-strategy-orders", CATEGORY)
    configured: dict[str, list[Row]] = {}
    for row in _rows(settings.get("symbolConfigList")):
        configured.setdefault(_text(row, "symbol"), []).append(row)
    return AccountFacts(
        kind="unified",
        level=_text(settings, "accountLevel"),
        state=_text(settings, "accountMode"),
        position_mode=_text(settings, "holdMode").removesuffix("_mode"),
        money_read=money is not None,
        equity=_number(usdt, "equity") if other else _number(assets, "usdtEquity"),
        available=_number(usdt, "available"),
        figures=(*_figures(assets), *((f"USDT {name}", value) for name, value in _figures(usdt))),
        fees=_fees(fees),
        positions=_texts(positions, "list", lambda row: _position_text(row, "posSide", "avgPrice")),
        orders=_texts(orders, "list", lambda row: _order_text(row, "qty")),
        stops=_texts(stops, "", _stop_text),
        setups={symbol: _configured(configured.get(symbol, [])) for symbol in symbols},
        unread=reads.unread,
    )


def _configured(rows: Sequence[Row]) -> SymbolSetup:
    """Of a unified account the margin mode goes with each order: told is the leverage of each mode."""
    if len(rows) != 1:
        return SymbolSetup("", tuple(one for row in rows for one in _numbers(row, "leverage")))
    return SymbolSetup(_text(rows[0], "marginMode"), _numbers(rows[0], "leverage"))


# Reading loosely -------------------------------------------------------------------------------------


class _Reads:
    """Signed reads, and the paths of those that failed, by the reason."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.unread: dict[str, tuple[str, ...]] = {}

    async def ask(self, path: str, query: Mapping[str, str], *, per_second: float | None = None) -> object:
        """Data of the answer; None where it failed."""
        answer: ProbeAnswer = await self._probe.ask(path, query, signed=True, per_second=per_second)
        if answer.succeeded:
            return answer.data
        why = answer.why_not()
        others = self.unread.get(why, ())
        if path not in others:
            self.unread[why] = (*others, path)
        return None


def _row(data: object) -> Row:
    return cast("Row", data) if isinstance(data, dict) else {}


def _rows(data: object, name: str = "") -> list[Row]:
    """Rows of a list, or of the list ``name`` of an object."""
    found = _row(data).get(name) if name else data
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _texts(data: object, name: str, text: Callable[[Row], str]) -> tuple[str, ...] | None:
    """The text of each row of a list; None where nothing was read."""
    return None if data is None else tuple(map(text, _rows(data, name)))


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else safe_text(str(value), LONGEST_NAME)


def _number(row: Row, name: str) -> Decimal | None:
    return decimal_or_none(row.get(name))


def _numbers(row: Row, *names: str) -> tuple[Decimal, ...]:
    return tuple(one for name in names if (one := _number(row, name)) is not None)


def _figures(row: Row) -> tuple[tuple[str, str], ...]:
    """Every field that holds a number other than 0."""
    return tuple((name, _text(row, name)) for name in row if _number(row, name))


def _fees(row: Row) -> tuple[Decimal, Decimal] | None:
    maker, taker = _number(row, "makerFeeRate"), _number(row, "takerFeeRate")
    return None if maker is None or taker is None else (maker, taker)


def _position_text(row: Row, side: str, price: str) -> str:
    words = (_text(row, name) for name in ("symbol", side, "total"))
    return f"{' '.join(words)} at {_text(row, price)}, {_text(row, 'marginMode')} {_text(row, 'leverage')}x"


def _order_text(row: Row, size: str) -> str:
    words = (_text(row, name) for name in ("symbol", "side", "orderType", size))
    return f"{' '.join(words)} at {_text(row, 'price') or 'market'}"


def _stop_text(row: Row) -> str:
    prices = ("triggerPrice", "stopLoss", "takeProfit")
    shown = next((_text(row, name) for name in prices if _text(row, name)), "?")
    return f"{_text(row, 'symbol')} {_text(row, 'posSide')} at {shown}"
