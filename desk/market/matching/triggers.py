"""What a moving price hits: resting orders, stops, take-profits, liquidations.

Place in the house: the market, inside the matching core.  An account and a stretch of price come in, the
next hit goes out, or None.  Pure; ``market`` acts on it and asks again from there.

A resting order is hit only by a price that goes through its level (the queue before it is unknown); a stop,
a take-profit and a liquidation by a price that touches theirs.

A candle does not say in which order its prices were reached.  The worse reading for the account is taken,
see ``PriceSpan.holds_back``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from desk.market.matching.account import SimulatedAccount
from desk.market.matching.values import ZERO, Order, SimulatedPosition, TriggerOrder


@dataclass(frozen=True, slots=True)
class TriggerHit:
    """Something that the price hits, and where."""

    what: Order | TriggerOrder | SimulatedPosition
    """A position is hit when it is liquidated."""
    distance: Decimal
    """From the start of the stretch, in USDT."""
    reached: Decimal
    """The price at that moment."""
    price: Decimal
    """Price of the fill before overshoot and slippage: of a stop that was gapped over the price reached, not
    its level; a resting order and a take-profit never get better than their level."""

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Sort key: the nearest first, and of equals the worst for the account."""
        if isinstance(self.what, SimulatedPosition):
            return self.distance, 0
        if isinstance(self.what, TriggerOrder):
            return self.distance, 1 if self.what.kind == "stop_loss" else 3
        return self.distance, 2

    def overshot(self, span: "PriceSpan", share: Decimal) -> Decimal:
        """Price of the fill before slippage; a stop is a market order into a price that runs away.

        Parameters
        ----------
        span : PriceSpan
            The stretch on which it was hit.
        share : Decimal
            ``FillCosts.stop_overshoot``.
        """
        if not isinstance(self.what, TriggerOrder) or self.what.kind != "stop_loss":
            return self.price
        extreme = span.low if self.what.side > 0 else span.high
        return self.price if extreme is None else self.price + share * (extreme - self.price)


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """What can be hit on a stretch of price."""

    until: int
    """Orders and plans made at this time or later (ms) do not exist yet."""
    low: Decimal | None = None
    high: Decimal | None = None
    """Low of the candle that is played; None: the path is known, nothing is ambiguous."""

    def holds_back(self, account: SimulatedAccount, symbol: str, side: int) -> bool:
        """Whether a favourable hit must wait because the candle may have touched the stop first.

        True while a stop lies within the candle, and for a position that a resting order opened or added to
        within the candle: the favourable extreme may have been earlier.

        Parameters
        ----------
        account : SimulatedAccount
        symbol : str
        side : int
            Of the position: 1 long, -1 short.
        """
        if self.low is None or self.high is None:
            return False
        position = account.positions.get((symbol, side))
        if position is None:
            return False
        if position.updated == self.until - 1:
            return True
        stop = account.nearest(position, "stop_loss")
        return stop is not None and (self.low <= stop if side > 0 else self.high >= stop)


def next_hit(
    account: SimulatedAccount, symbol: str, end: Decimal, span: PriceSpan, *, room: bool
) -> TriggerHit | None:
    """First hit of the price of ``symbol`` on its way from its last mark to ``end``.

    Parameters
    ----------
    account : SimulatedAccount
        Orders, plans and positions that can be hit.
    symbol : str
    end : Decimal
        Price at the end of the stretch, USDT.
    span : PriceSpan
        Limits of what can be hit.
    room : bool
        Whether resting orders can be filled at all: the candle's volume is not used up.

    Returns
    -------
    TriggerHit or None
        None: nothing is hit.
    """
    start = account.marks[symbol]
    hits = [*_plans(account, symbol, start, end, span), *_liquidations(account, symbol, start, end)]
    if room:
        hits += _orders(account, symbol, start, end, span)
    return min(hits, key=lambda hit: hit.rank, default=None)


def _orders(
    account: SimulatedAccount, symbol: str, start: Decimal, end: Decimal, span: PriceSpan
) -> Iterator[TriggerHit]:
    """Resting orders that the price goes through."""
    for order in account.live_orders(symbol):
        ticket = order.ticket
        favours = ticket.side if ticket.purpose == "close" else -ticket.side
        reduces = ticket.purpose == "close" or account.mode == "one_way"
        if ticket.price is None or order.created >= span.until:
            continue
        if reduces and span.holds_back(account, symbol, favours):
            continue
        way = ticket.direction
        if min(way * start, way * end) < way * ticket.price:
            distance = max(way * (start - ticket.price), ZERO)
            yield TriggerHit(order, distance, start - way * distance, ticket.price)


def _plans(
    account: SimulatedAccount, symbol: str, start: Decimal, end: Decimal, span: PriceSpan
) -> Iterator[TriggerHit]:
    """Stops and take-profits that the price touches."""
    for side in (1, -1):
        for plan in account.plans_of(symbol, side):
            if plan.created >= span.until:
                continue
            if plan.kind == "take_profit" and span.holds_back(account, symbol, side):
                continue
            way = side if plan.kind == "stop_loss" else -side
            if min(way * start, way * end) <= way * plan.trigger:
                distance = max(way * (start - plan.trigger), ZERO)
                reached = start - way * distance
                yield TriggerHit(
                    plan, distance, reached, reached if plan.kind == "stop_loss" else plan.trigger
                )


def _liquidations(
    account: SimulatedAccount, symbol: str, start: Decimal, end: Decimal
) -> Iterator[TriggerHit]:
    """Positions whose margin the price uses up."""
    for position in account.positions_in(symbol):
        if account.is_broken(position):
            yield TriggerHit(position, ZERO, start, start)
            continue
        level = account.liquidation_price(position)
        if level is None or start == end:
            continue
        way = 1 if level < start else -1
        if min(way * start, way * end) <= way * level:
            yield TriggerHit(position, abs(start - level), level, level)
