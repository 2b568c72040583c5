"""What must be done so that the journal and the exchange agree.  Pure.

The journal's view and the exchange's come in; ``Correction``s go out, and the session carries them out.  The
exchange is the truth: the journal is brought to say what is held, never the other way round, and no
correction ever opens or enlarges a position.

The policy, per symbol:

* An order of unknown fate is looked up by its client id before anything else is concluded.
* Held in the journal, not at the exchange: the trade is over (its stop, a liquidation, somebody's hand), and
  is settled from the exchange's fills; or it never began, and is void.
* Held at the exchange, not in the journal: adopted, protected, and closed after one horizon; closed at once
  where the settings say so, or where it is a second position of the symbol.  In a symbol that is not traded
  it is protected and otherwise left alone.
* Held in both: the size is the exchange's.
* A stop that is not there, or farther away than the journal's, is put where the journal has it; a tighter
  one stays.  Where the mark is beyond that price already, the position is closed; in a symbol that is not
  traded that is only reported.
* A position of ours whose leverage is above the settings', or any whose liquidation lies too near to its
  stop: the leverage is set back.  Where that does not help, and it would be liquidated before its stop, it is
  closed; otherwise that is reported, as everywhere that nothing is traded.
* An open order of this program that the journal does not wait for is cancelled; those of others are reported.

Applied again and again, corrections end: each brings the views closer, see the tests.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from desk.orders import ContractTerms, MarginMode, OrderState, Position
from desk.policy import LONG
from desk.trade.identity import is_ours
from desk.trade.levels import leverage_at
from desk.trade.records import OpenTrade, OrderRecord
from desk.trade.settings import RiskLimits, Unknown
from desk.values import CANDLE_MS

Kind = Literal["look_up", "settle", "resize", "adopt", "protect", "leverage", "close", "cancel", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """What the journal says."""

    trades: Sequence[OpenTrade]
    unresolved: Sequence[OrderRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What the exchange says."""

    positions: Sequence[Position]
    orders: Sequence[OrderState]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileContext:
    """By which rules they are brought together."""

    now: int
    horizons: Mapping[str, int]
    """Candles that a position is held, of every symbol that is traded."""
    contracts: Mapping[str, ContractTerms]
    unknown: Unknown
    protective_stop: Decimal
    """Distance from the entry, as a fraction, where the journal names no stop."""
    require_stop: bool
    risk: RiskLimits
    """Of leverage, and of the distance between liquidation and stop."""
    margin_mode: MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One thing to be done, and why.  Only the parts that ``kind`` needs are there."""

    kind: Kind
    symbol: str
    why: str
    trade: OpenTrade | None = None
    """To be settled, resized, adopted or closed."""
    order: str = ""
    """Client id of the order to be looked up or cancelled."""
    side: int = 0
    """Of the position to be protected or closed."""
    stop: Decimal | None = None
    take_profit: Decimal | None = None
    size: Decimal = Decimal(0)
    """That is held."""
    leverage: Decimal | None = None
    margin_mode: MarginMode = "isolated"
    """That the position has; it cannot be changed while it is held."""
    must_end: bool = False
    """Whether the position would be liquidated before its stop: it is closed where nothing else helps."""


def reconcile(books: JournalState, account: AccountState, terms: ReconcileContext) -> list[Correction]:
    """Everything that must be done now; empty when both agree and every position is protected.

    Parameters
    ----------
    books : JournalState
    account : AccountState
    terms : ReconcileContext
    """
    trades: dict[str, list[OpenTrade]] = defaultdict(list)
    positions: dict[str, list[Position]] = defaultdict(list)
    waiting: dict[str, list[OrderRecord]] = defaultdict(list)
    for trade in books.trades:
        trades[trade.symbol].append(trade)
    for position in account.positions:
        if position.size > 0:
            positions[position.symbol].append(position)
    for order in books.unresolved:
        waiting[order.symbol].append(order)

    found: list[Correction] = []
    for symbol in sorted({*trades, *positions, *waiting}):
        found += _of_symbol(symbol, trades[symbol], positions[symbol], waiting[symbol], terms)
    waited_for = {order.client_id for order in books.unresolved}
    found += _of_orders(account.orders, waited_for)
    return found


def _of_symbol(
    symbol: str,
    trades: list[OpenTrade],
    positions: list[Position],
    waiting: list[OrderRecord],
    terms: ReconcileContext,
) -> Iterator[Correction]:
    for order in waiting:
        why = f"nobody knows what became of {order.client_id}"
        yield Correction(kind="look_up", symbol=symbol, why=why, order=order.client_id)
    known = {trade.side: trade for trade in trades}
    for position in positions:
        trade = known.get(position.side)
        if trade is None and not waiting and symbol in terms.horizons:
            found = _unknown(position, terms, second=len(positions) > 1 or bool(trades))
            yield found
            if found.kind == "close":
                continue
        elif trade is not None and not waiting and trade.size != position.size:
            why = f"the exchange holds {position.size:f}, the journal {trade.size:f}"
            yield Correction(kind="resize", symbol=symbol, why=why, trade=trade, size=position.size)
            trade = replace(trade, size=position.size, status="open")
        yield from _protection(position, trade, terms)
        yield from _liquidation(position, trade, terms)
    if waiting:
        return
    held = {position.side for position in positions}
    for trade in trades:
        if trade.side not in held:
            why = "the exchange holds nothing of it any more"
            yield Correction(kind="settle", symbol=symbol, why=why, trade=trade)


def _unknown(position: Position, terms: ReconcileContext, *, second: bool) -> Correction:
    """A position that the journal does not know, in a symbol that is traded."""
    symbol = position.symbol
    if second or terms.unknown == "close":
        why = "a second position of the symbol" if second else "a position that the journal does not know"
        return Correction(kind="close", symbol=symbol, why=why, side=position.side)
    candle = terms.now // CANDLE_MS * CANDLE_MS - CANDLE_MS
    trade = OpenTrade(
        trade=f"adopted-{symbol}-{'long' if position.side == LONG else 'short'}-{terms.now}",
        symbol=symbol,
        side=position.side,
        model_file="",
        opened=candle,
        due=candle + terms.horizons[symbol] * CANDLE_MS,
        price=position.entry_price,
        stop=position.stop_loss or _default_stop(position, terms),
        take_profit=position.take_profit,
        status="open",
        size=position.size,
    )
    why = f"a position of {position.size:f} that the journal does not know"
    return Correction(kind="adopt", symbol=symbol, why=why, trade=trade)


def _protection(position: Position, trade: OpenTrade | None, terms: ReconcileContext) -> Iterator[Correction]:
    """What a position needs so that its stop is there, and no farther away than it should be."""
    if trade is not None and trade.stop is None and not terms.require_stop:
        return
    side, there = position.side, position.stop_loss
    wanted = None if trade is None else trade.stop
    if wanted is None:
        if there is not None:
            return
        wanted = _default_stop(position, terms)
    contract = terms.contracts.get(position.symbol)
    slack = Decimal(0) if contract is None else contract.tick
    if there is not None and side * (wanted - there) <= slack:
        return
    if side * (position.mark_price - wanted) <= 0:
        why = f"unprotected, and the mark {position.mark_price:f} is beyond the stop {wanted:f} already"
        if trade is None and position.symbol not in terms.horizons:
            why = f"unprotected, and beyond the stop {wanted:f} already: it is left alone, no model trades it"
            yield Correction(kind="report", symbol=position.symbol, why=why, side=side)
            return
        yield Correction(kind="close", symbol=position.symbol, why=why, trade=trade, side=side)
        return
    why = "there is no stop at the exchange" if there is None else f"its stop {there:f} is too far away"
    yield Correction(
        kind="protect",
        symbol=position.symbol,
        why=why,
        trade=trade,
        side=side,
        stop=wanted,
        take_profit=position.take_profit if trade is None else trade.take_profit,
    )


def _liquidation(
    position: Position, trade: OpenTrade | None, terms: ReconcileContext
) -> Iterator[Correction]:
    """What a position needs so that it has no more leverage than approved, and its stop comes first."""
    side, liquidation, symbol = position.side, position.liquidation_price, position.symbol
    stop = position.stop_loss if trade is None or trade.stop is None else trade.stop
    most, ours = terms.risk.leverage, trade is not None and bool(trade.model_file)
    too_near = must_end = False
    if stop is not None and liquidation is not None:
        distance, to_stop = side * (position.entry_price - liquidation), side * (position.entry_price - stop)
        # half of what was kept between the two at the entry may be used up by how the exchange reckons
        too_near = distance < to_stop * (1 + terms.risk.liquidation_buffer) / 2
        # in crossed margin it is the whole account that is liquidated: one position less helps little
        must_end = position.margin_mode == "isolated" and side * (stop - liquidation) <= 0
    if ours and position.margin_mode != terms.margin_mode:
        why = f"its margin is {position.margin_mode}, and {terms.margin_mode} is set in the settings"
        yield Correction(kind="report", symbol=symbol, why=why, side=side)
    if not too_near and not (ours and position.leverage > most):
        return
    why = f"its leverage is {position.leverage:f}, at most {most:f} are allowed"
    if too_near:
        where = "before its stop" if must_end else "too close to its stop"
        why = f"with leverage {position.leverage:f} it would be liquidated {where} {stop:f}"
    contract, allowed = terms.contracts.get(symbol), None
    if contract is not None:
        lone_stop = stop if position.margin_mode == "isolated" else None
        allowed = leverage_at(position.entry_price, side, lone_stop, contract, terms.risk)
    allowed = allowed or Decimal(1)
    if symbol not in terms.horizons and trade is None:
        why = f"{why}: left alone, no model trades it"
        yield Correction(kind="report", symbol=symbol, why=why, side=side)
    elif position.leverage > allowed:
        yield Correction(
            kind="leverage",
            symbol=symbol,
            why=why,
            trade=trade,
            side=side,
            leverage=allowed,
            margin_mode=position.margin_mode,
            must_end=must_end,
        )
    else:
        kind: Kind = "close" if must_end else "report"
        yield Correction(kind=kind, symbol=symbol, why=why, trade=trade, side=side, must_end=must_end)


def _default_stop(position: Position, terms: ReconcileContext) -> Decimal:
    """The stop of a position of which no model speaks, on the tick, rounded towards the entry."""
    exact = position.entry_price * (1 - position.side * terms.protective_stop)
    contract = terms.contracts.get(position.symbol)
    if contract is None:
        return exact
    rounding = ROUND_CEILING if position.side == LONG else ROUND_FLOOR
    return (exact / contract.tick).to_integral_value(rounding) * contract.tick


def _of_orders(orders: Sequence[OrderState], waited_for: set[str]) -> Iterator[Correction]:
    for order in orders:
        if order.client_id in waited_for:
            continue
        if is_ours(order.client_id):
            yield Correction(
                kind="cancel",
                symbol=order.symbol,
                why="an open order that nothing waits for",
                order=order.client_id,
            )
        else:
            name = order.client_id or order.order_id
            why = f"order {name} is not of this program: it is left alone, and may change positions"
            yield Correction(kind="report", symbol=order.symbol, why=why, order=name)
