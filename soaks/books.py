"""Plain books of an account: what soaks and tests compare a session's journal with.

Executions and candles come in, sums go out; nothing here shares code with what it checks.  ``turn`` is a hand
on the account.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from desk.market.matching import MatchedFill, Matching, NewOrder, SimulatedPosition
from desk.trade.journal import Journal
from desk.values import CANDLE_MS, Candles
from soaks.mortal import BEGIN

FUNDING_MS, FUNDING_RATE = 8 * 3_600_000, Decimal("0.0001")
"""What the embedded exchange settles unless an option says otherwise."""


def funding_paid(executions: Sequence[MatchedFill], series: Sequence[Candles], now: int) -> Decimal:
    """What positions paid at every settlement, from executions and candles alone.

    Parameters
    ----------
    executions : sequence of MatchedFill
    series : sequence of Candles
    now : int
        ms.
    """
    paid = Decimal(0)
    for candles in series:
        for at in range(BEGIN - BEGIN % FUNDING_MS + FUNDING_MS, now + 1, FUNDING_MS):
            price = Decimal(repr(float(candles.close[int((at - candles.open_time[0]) // CANDLE_MS) - 1])))
            for one in executions:
                if one.fill.symbol == candles.symbol and one.fill.at <= at:
                    way = one.fill.side if one.fill.purpose == "open" else -one.fill.side
                    paid += way * one.fill.size * price * FUNDING_RATE
    return paid


def turn(matching: Matching, position: SimulatedPosition, now: int, *, name: str) -> None:
    """Open three times as much on the other side of a position, without a stop.

    In one-way mode this turns the position round; in hedge mode it is a second one.

    Parameters
    ----------
    matching : Matching
    position : SimulatedPosition
    now : int
        ms.
    name : str
        Client id of the order.
    """
    ticket = NewOrder(
        client_id=name,
        symbol=position.symbol,
        side=-position.side,
        purpose="open",
        size=3 * position.size,
        kind="market",
    )
    matching.place(ticket, now)


def stop_half(matching: Matching, position: SimulatedPosition, now: int) -> None:
    """Give a position a stop for half of it, 1 % below its price or above."""
    contract = matching.account.contracts[position.symbol]
    wanted = matching.account.marks[position.symbol] * (1 - position.side * Decimal("0.01"))
    trigger, half = wanted // contract.tick * contract.tick, position.size / 2
    size = half // contract.size_step * contract.size_step
    if size:
        matching.protect(position.symbol, position.side, "stop_loss", trigger, now, size=size)


def of_untracked(executions: Iterable[MatchedFill], journal: Journal) -> Decimal:
    """Profit less fees of what was done on the account and belongs to no trade of the journal.

    What a hand paid for an entry that a session has adopted stands in the trade, and is left out here.
    """
    ledger = journal.ledger
    trades = [one.trade for one in ledger.open_trades()] + [one.trade for one in ledger.closed_trades()]
    ours = {one.client_id for trade in trades for one in ledger.orders_of(trade)}
    kept = {one.trade_id for trade in trades for one in ledger.fills_of(trade)}
    adopted = [trade for trade in trades if trade.startswith("adopted-")]
    paid = (order.fee for trade in adopted for order in ledger.orders_of(trade) if order.purpose == "open")
    return sum(paid, Decimal(0)) + sum(
        (
            one.profit - one.fill.fee
            for one in executions
            if one.fill.client_id not in ours and one.fill.trade_id not in kept
        ),
        Decimal(0),
    )
