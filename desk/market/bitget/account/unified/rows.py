"""What one row of a unified account's answer or push means.

Place in the house: rows come in from ``desk.market.bitget.account.unified.wire`` and
``desk.market.bitget.account.unified.messages``; values of ``desk.orders`` go out.  Pure.  How a number, a
word and a status are read stands in ``desk.market.bitget.account.fields``.

``side`` is always the direction of the trade.  ``tradeSide`` says whether it opens or closes where it has one
of those words; in hedge mode ``posSide`` (``holdSide`` in pushes) is the position.  What ``posSide`` means in
an order of one-way mode is not established, so there it decides only where nothing else does.

Fees are always paid here, and their sign differs from place to place: the amount counts.

References
----------
``docs/bitget.md``, sections U4, U6, U7, U9 and U10.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from desk.market.bitget.account.fields import (
    STATUSES,
    Cause,
    OrderDetail,
    Row,
    client_id_of,
    maybe,
    number,
    price_or_none,
    text,
    word,
)
from desk.orders import Balance, Fill, MarginMode, OrderState, Position, PositionMode, Purpose
from desk.policy import LONG, SHORT
from desk.reading import time_of
from desk.safe_text import brief

SETTLED: Final[frozenset[str]] = frozenset({"unified", "hybrid", ""})
"""Words of ``accountMode`` with which the account can trade."""
ISOLATED_ONLY: Final = "isolated"
"""The level of an account that has no crossed margin."""
LIQUIDATED, WOUND_UP = "burst_", ("reduce_", "offset_", "delivery_", "dte_sys_adl_")
"""Prefixes of ``tradeSide`` where the exchange itself ends a position: for want of margin, or otherwise."""
LIQUIDATED_SOURCE, WOUND_UP_SOURCES = "liquidation", ("reduce_offset", "market_risk", "delivery", "off_close")
"""Beginnings of ``delegateType`` that say the same."""
SIDES: Final[Mapping[str, int]] = {"long": LONG, "short": SHORT}


@dataclass(frozen=True, slots=True)
class UnifiedSettings:
    """How a unified account is set up, as far as the exchange tells."""

    mode: str
    """``unified``, or what it is about to become; "" where it isn't told."""
    level: str
    """``isolated``, ``basic``, ``advanced`` or ``delta``; "" where it isn't told."""
    hold_mode: PositionMode
    leverages: Mapping[tuple[str, MarginMode], frozenset[Decimal]]
    """By symbol and margin mode; of symbols that were set up or traded once, and perhaps not of all."""

    @property
    def settled(self) -> bool:
        """Whether the account is not being changed at the moment."""
        return self.mode in SETTLED

    def margin_of(self, symbol: str) -> MarginMode | None:
        """The one margin mode that a symbol was set up with; None: none, or both."""
        modes = [margin for name, margin in self.leverages if name == symbol]
        return modes[0] if len(modes) == 1 else None


def settings_of(row: Row) -> UnifiedSettings:
    """Read how the account is set up; rows of other categories and with unknown words are left out."""
    hold = word(row, "holdMode")
    if hold not in {"one_way_mode", "hedge_mode"}:
        raise ValueError(f"holdMode is {brief(row.get('holdMode'))}")
    leverages: dict[tuple[str, MarginMode], frozenset[Decimal]] = {}
    listed = row.get("symbolConfigList")
    for one in listed if isinstance(listed, list) else []:
        margin = word(one, "marginMode")
        leverage = price_or_none(one.get("leverage"))
        if word(one, "category") != "usdt-futures" or leverage is None or not one.get("symbol"):
            continue
        if margin not in {"isolated", "crossed"}:
            continue
        key: tuple[str, MarginMode] = (text(one, "symbol"), "isolated" if margin == "isolated" else "crossed")
        leverages[key] = leverages.get(key, frozenset()) | {leverage}
    return UnifiedSettings(
        mode=word(row, "accountMode"),
        level=word(row, "accountLevel"),
        hold_mode="hedge" if hold == "hedge_mode" else "one_way",
        leverages=leverages,
    )


def balance_of(row: Row) -> Balance | None:
    """Read what the account is worth in USDT; of REST's answer and of the pushes alike; None: it has none.

    An account may hold other coins: they may be collateral, at a discount that nobody here knows, so only the
    row of USDT counts.  On an account that holds nothing else the smaller of it and ``usdtEquity`` does:
    which of them holds isolated margin is not established, nor whether ``available`` is net of the margin in
    use (``imr``).
    """
    listed = row["assets"] if "assets" in row else row["coin"]
    coins = {word(one, "coin"): one for one in (listed if isinstance(listed, list) else [])}
    usdt = coins.get("usdt")
    if usdt is None:
        return None
    equity = number(usdt["equity"])
    total = maybe(row.get("usdtEquity"))
    if total is not None and set(coins) == {"usdt"}:
        equity = min(equity, total)
    free = max(equity - (maybe(row.get("imr")) or Decimal(0)), Decimal(0))
    return Balance(equity=equity, available=min(number(usdt["available"]), free))


def direction(row: Row) -> tuple[int, Purpose]:
    """Side of the position, and whether it is opened or closed, of an order or an execution."""
    way, trade, held = word(row, "side"), word(row, "tradeSide"), word(row, "posSide", "holdSide")
    if way not in {"buy", "sell"}:
        raise ValueError(f"side is {brief(row.get('side'))}")
    traded = LONG if way == "buy" else SHORT
    side = SIDES.get(held)
    if word(row, "holdMode") == "hedge_mode" and side is not None:
        closes = side != traded
    elif trade.endswith("_single") or not trade:
        closes = word(row, "reduceOnly") == "yes" or cause_of(row) != "order"
        if not closes and not trade and side is not None and "reduceOnly" not in row:
            closes = side != traded
    else:
        closes = "close" in trade or word(row, "reduceOnly") == "yes" or cause_of(row) != "order"
    return (-traded, "close") if closes else (traded, "open")


def cause_of(row: Row) -> Cause:
    """Who made an order: ``order`` unless the exchange says that it was itself."""
    made, trade, kind = word(row, "delegateType"), word(row, "tradeSide"), word(row, "execType")
    if trade.startswith(LIQUIDATED) or made.startswith(LIQUIDATED_SOURCE) or kind == "liquidation":
        return "liquidation"
    wound_up = trade.startswith(WOUND_UP) or made.startswith(WOUND_UP_SOURCES)
    if wound_up or kind in {"reduce", "offset", "delivery"}:
        return "wind_up"
    if "loss" in made:
        return "stop_loss"
    return "take_profit" if "profit" in made else "order"


def order_of(row: Row) -> OrderDetail:
    """Read an order; one of unknown status counts as live: it may still do something."""
    side, purpose = direction(row)
    filled = maybe(row.get("cumExecQty")) or Decimal(0)
    created = time_of(row["createdTime"])
    cause = cause_of(row)
    state = OrderState(
        client_id=client_id_of(row) if cause == "order" else "",
        order_id=text(row, "orderId"),
        symbol=text(row, "symbol"),
        side=side,
        purpose=purpose,
        status=STATUSES.get(text(row, "orderStatus").lower(), "live"),
        size=number(row["qty"]),
        filled=filled,
        average_price=price_or_none(row.get("avgPrice")) if filled else None,
        fee=_paid_in_usdt(row),
        created=created,
        updated=time_of(row.get("updatedTime") or created),
    )
    return OrderDetail(state, cause)


def fill_of(row: Row, taker_fee: Decimal | None = None) -> Fill:
    """Read an execution, as REST lists it or a push reports it.

    What the row cannot tell: why the exchange itself sent an order.  Such an execution has no client id, and
    ``of_order`` adds what its order says.

    Parameters
    ----------
    row : Row
    taker_fee : Decimal, optional
        As a fraction of the value.  A fee that was paid in another coin than USDT counts as so much, which is
        about what it was worth and never less; where it is None, as nothing.
    """
    side, purpose = direction(row)
    gained = maybe(row.get("execPnl"))
    if purpose == "open" and gained and word(row, "tradeSide").endswith("_single"):
        side, purpose = -side, "close"
    price, size = number(row["execPrice"]), number(row["execQty"])
    fee = _paid_in_usdt(row)
    if other_coins(row) and taker_fee is not None:
        fee = max(fee, price * size * taker_fee)
    return Fill(
        trade_id=text(row, "execId"),
        order_id=text(row, "orderId"),
        client_id=client_id_of(row),
        symbol=text(row, "symbol"),
        side=side,
        purpose=purpose,
        price=price,
        size=size,
        fee=fee,
        at=time_of(row.get("execTime") or row["createdTime"]),
        cause=cause_of(row),
    )


def of_order(fill: Fill, order: OrderDetail) -> Fill:
    """``fill`` with what only its order knows.

    In one-way mode an order that opens closes first what is held of the other side: an execution that was
    read as a close stays one.
    """
    closes = fill.purpose == "close"
    return replace(
        fill,
        client_id=order.state.client_id if order.cause == "order" else "",
        side=fill.side if closes else order.state.side,
        purpose=fill.purpose if closes else order.state.purpose,
        cause=order.cause,
    )


def other_coins(row: Row) -> frozenset[str]:
    """Coins other than USDT in which something was paid, as BGB where fees are deducted."""
    paid = {word(one, "feeCoin").upper() for one in _fees(row) if maybe(one.get("fee"))}
    return frozenset(paid) - {"USDT", ""}


def position_of(row: Row) -> Position:
    """Read an open position; no row tells stops, which are asked for elsewhere."""
    held = word(row, "posSide")
    if held not in SIDES:
        raise ValueError(f"posSide is {brief(row.get('posSide'))}")
    entry = number(row["avgPrice"])
    return Position(
        symbol=text(row, "symbol"),
        side=SIDES[held],
        size=number(row["total"]),
        entry_price=entry,
        mark_price=price_or_none(row.get("markPrice")) or entry,
        leverage=price_or_none(row.get("leverage")) or Decimal(1),
        margin_mode="isolated" if word(row, "marginMode") == "isolated" else "crossed",
        liquidation_price=price_or_none(row.get("liquidationPrice")),
        unrealized=maybe(row.get("unrealisedPnl")) or Decimal(0),
        stop_loss=None,
        take_profit=None,
    )


def _paid_in_usdt(row: Row) -> Decimal:
    """What was paid; positive, whatever its sign in the row."""
    rows = (one for one in _fees(row) if word(one, "feeCoin") in {"usdt", ""})
    return sum((abs(maybe(one.get("fee")) or Decimal(0)) for one in rows), Decimal(0))


def _fees(row: Row) -> list[Row]:
    detail = row.get("feeDetail")
    return [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []
