"""What one row of an account's answer means.

Place in the house: rows, as they stand in answers and in pushes alike, come in from ``classic.wire`` and
``classic.messages``; values of ``desk.orders`` go out.  Pure.

How a number, a word and an id is read, and what is made of one that is missing, stands in
``desk.market.bitget.account.fields``.

Not here: envelopes and lists of rows.
"""

from dataclasses import dataclass
from decimal import Decimal

from desk.market.bitget.account.bound_exits import BoundExit
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
from desk.orders import Fill, MarginMode, OrderState, Position, PositionMode, Purpose
from desk.policy import LONG, SHORT
from desk.reading import time_of
from desk.safe_text import brief

LIQUIDATED, WOUND_UP = "burst_", ("reduce_", "delivery_", "offset_", "dte_sys_adl_")
"""Prefixes of ``tradeSide`` where the exchange itself ends a position: for want of margin, or otherwise."""
LIQUIDATED_SOURCE, WOUND_UP_SOURCES = "liquidation", ("reduce_offset", "market_risk", "delivery")
"""Beginnings of ``orderSource`` that say the same."""


@dataclass(frozen=True, slots=True)
class Modes:
    """How a symbol is set up."""

    margin: MarginMode
    position: PositionMode
    crossed: Decimal | None
    """Leverage with crossed margin."""
    isolated: tuple[Decimal | None, Decimal | None]
    """Leverage with isolated margin, of longs and of shorts."""

    def has(self, leverage: Decimal, margin: MarginMode) -> bool:
        """Whether positions would be opened with this leverage and margin mode."""
        leverages = (self.crossed,) if margin == "crossed" else self.isolated
        return self.margin == margin and all(one == leverage for one in leverages)

    def described(self) -> str:
        """For a message."""
        leverages = (self.crossed,) if self.margin == "crossed" else self.isolated
        return f"{self.margin}, {' and '.join(str(one) for one in leverages)}"


def direction(row: Row) -> tuple[int, Purpose]:
    """Side of the position, and whether it is opened or closed, of an order or an execution.

    In hedge mode ``side`` is that of the position, in one-way mode that of the trade.  What the exchange
    itself sends (a stop, a liquidation) closes, whatever ``reduceOnly`` says.
    """
    bought, trade, held = word(row, "side") == "buy", word(row, "tradeSide"), word(row, "posSide")
    if word(row, "side") not in {"buy", "sell"}:
        raise ValueError(f"side is {brief(row.get('side'))}")
    closes = "close" in trade or word(row, "reduceOnly") == "yes" or cause_of(row) != "order"
    if held not in {"long", "short"}:
        held = next((name for name in ("long", "short") if trade.endswith(f"_{name}")), "")
    if held:
        side = LONG if held == "long" else SHORT
    elif word(row, "posMode") == "hedge_mode" or trade in {"open", "close"}:
        side = LONG if bought else SHORT
    else:
        side = LONG if bought != closes else SHORT
    return side, "close" if closes else "open"


def cause_of(row: Row) -> Cause:
    """Who made an order: ``order`` unless the exchange says that it was itself."""
    source, trade = word(row, "orderSource"), word(row, "tradeSide")
    if trade.startswith(LIQUIDATED) or source.startswith(LIQUIDATED_SOURCE):
        return "liquidation"
    if trade.startswith(WOUND_UP) or source.startswith(WOUND_UP_SOURCES):
        return "wind_up"
    if "loss" in source:
        return "stop_loss"
    return "take_profit" if "profit" in source else "order"


def detail_of(row: Row) -> OrderDetail:
    """Read an order.

    Its status word is ``state`` or ``status``; where it is not among ``STATUSES`` (``pending_cancel``) the
    order counts as live.  What is filled is ``baseVolume``; in pushes, where that is the size of one
    execution, ``accBaseVolume``.
    """
    side, purpose = direction(row)
    filled = number(row["accBaseVolume"] if "accBaseVolume" in row else row["baseVolume"] or 0)
    created = time_of(row["cTime"])
    state = OrderState(
        client_id=client_id_of(row),
        order_id=text(row, "orderId"),
        symbol=text(row, "symbol", "instId"),
        side=side,
        purpose=purpose,
        status=STATUSES.get(text(row, "state", "status").lower(), "live"),
        size=number(row["size"]),
        filled=filled,
        average_price=price_or_none(row.get("priceAvg")) if filled else None,
        fee=_fee_of_order(row),
        created=created,
        updated=time_of(row.get("uTime") or created),
    )
    return OrderDetail(state, cause_of(row))


def fill_of(row: Row, taker_fee: Decimal | None = None) -> Fill:
    """Read an execution, as lists of executions tell it.

    They name no client id, and in one-way mode not whether it closes: a realised profit is taken as the sign.
    ``completed`` adds what the order itself says.

    Parameters
    ----------
    row : Row
    taker_fee : Decimal, optional
        As a fraction of the value.  A fee that was paid in another coin than USDT counts as so much, which is
        about what it was worth and never less; where it is None, as nothing.
    """
    side, purpose = direction(row)
    if purpose == "open" and maybe(row.get("profit")) and word(row, "posMode") != "hedge_mode":
        side, purpose = -side, "close"
    price, size = number(row["price"]), number(row["baseVolume"])
    fee = _fee(row.get("feeDetail"))
    if other_coins(row) and taker_fee is not None:
        fee = max(fee, price * size * taker_fee)
    return Fill(
        trade_id=text(row, "tradeId"),
        order_id=text(row, "orderId"),
        client_id="",
        symbol=text(row, "symbol"),
        side=side,
        purpose=purpose,
        price=price,
        size=size,
        fee=fee,
        at=time_of(row["cTime"]),
        cause=cause_of(row),
    )


def completed(fill: Fill, order: OrderDetail) -> Fill:
    """``fill`` with what only its order knows.

    In one-way mode an order that opens closes first what is held of the other side: an execution that was
    read as a close stays one.
    """
    closes = fill.purpose == "close"
    return Fill(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        client_id=order.state.client_id if order.cause == "order" else "",
        symbol=fill.symbol,
        side=fill.side if closes else order.state.side,
        purpose=fill.purpose if closes else order.state.purpose,
        price=fill.price,
        size=fill.size,
        fee=fill.fee,
        at=fill.at,
        cause=order.cause,
    )


def other_coins(row: Row) -> frozenset[str]:
    """Coins other than USDT in which something was paid for an execution, as BGB where fees are deducted."""
    paid = (
        word(one, "feeCoin")
        for one in _details(row.get("feeDetail"))
        if _amount(one, "totalFee", "fee", "totalDeductionFee")
    )
    return frozenset(coin.upper() for coin in paid) - {"USDT", ""}


def position_of(row: Row) -> Position:
    """Read an open position: side, size and price of entry must be there, the rest may be missing.

    Its stop and take-profit are left open, see ``bound_exits.with_exits``: the row's may end a part of it.
    """
    held = word(row, "holdSide")
    if held not in {"long", "short"}:
        raise ValueError(f"holdSide is {brief(row.get('holdSide'))}")
    entry = number(row["openPriceAvg"])
    return Position(
        symbol=text(row, "symbol", "instId"),
        side=LONG if held == "long" else SHORT,
        size=number(row["total"]),
        entry_price=entry,
        mark_price=price_or_none(row.get("markPrice")) or entry,
        leverage=price_or_none(row.get("leverage")) or Decimal(1),
        margin_mode="isolated" if word(row, "marginMode") == "isolated" else "crossed",
        liquidation_price=price_or_none(row.get("liquidationPrice")),
        unrealized=maybe(row.get("unrealizedPL")) or Decimal(0),
        stop_loss=None,
        take_profit=None,
    )


def bound_exit_of(row: Row) -> BoundExit:
    """Read a stop or take-profit that waits."""
    return BoundExit(
        order_id=text(row, "orderId"),
        symbol=text(row, "symbol"),
        side={"long": LONG, "short": SHORT}.get(word(row, "posSide", "holdSide")),
        kind=word(row, "planType"),
        trigger=number(row["triggerPrice"]),
        size=price_or_none(row.get("size")),
        at_market=price_or_none(row.get("executePrice")) is None,
    )


def modes_of(row: Row) -> Modes:
    """Read how a symbol is set up, from the account row."""
    return Modes(
        margin=margin_mode(row),
        position=position_mode(row),
        crossed=maybe(row.get("crossedMarginLeverage")),
        isolated=(maybe(row.get("isolatedLongLever")), maybe(row.get("isolatedShortLever"))),
    )


def margin_mode(row: Row) -> MarginMode:
    """Isolated or crossed."""
    mode = word(row, "marginMode")
    if mode not in {"isolated", "crossed"}:
        raise ValueError(f"marginMode is {brief(row.get('marginMode'))}")
    return "isolated" if mode == "isolated" else "crossed"


def position_mode(row: Row) -> PositionMode:
    """One-way or hedge."""
    mode = word(row, "posMode")
    if mode not in {"one_way_mode", "hedge_mode"}:
        raise ValueError(f"posMode is {brief(row.get('posMode'))}")
    return "hedge" if mode == "hedge_mode" else "one_way"


def _fee_of_order(row: Row) -> Decimal:
    """Positive when paid; the exchange counts the other way."""
    if isinstance(row.get("feeDetail"), list) and "fee" not in row:
        return _fee(row["feeDetail"])
    return -(maybe(row.get("fee")) or Decimal(0)) + Decimal(0)


def _fee(detail: object) -> Decimal:
    """What was paid in USDT."""
    rows = (one for one in _details(detail) if word(one, "feeCoin") in {"usdt", ""})
    return sum((-_amount(one, "totalFee", "fee") for one in rows), Decimal(0))


def _details(detail: object) -> list[Row]:
    return [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []


def _amount(one: Row, *names: str) -> Decimal:
    """The first of the fields ``names`` that is a number other than 0; a fee is negative when paid."""
    return next((amount for name in names if (amount := maybe(one.get(name)))), Decimal(0))
