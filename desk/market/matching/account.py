"""One account: its money, positions, orders and plans, and how an execution changes them.

Place in the house: the market, inside the matching core.  Executions that ``exchange`` has decided on come
in; new balances and positions go out.  Pure: no clock, and every number is a ``Decimal``.

Money is counted once: ``cash`` holds everything that was deposited, realised, paid and received, including
the margin of positions; margin is the part of it that is bound.  So cash always equals the deposit plus
realised profits less fees less funding plus payments of the insurance fund.

Not here: whether an order may be placed (``rules``), when and at which price it is filled (``exchange``).
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from desk.market.matching.margin import price_that_leaves
from desk.market.matching.values import ZERO, MarginSetup, MatchedFill, Order, SimulatedPosition, TriggerOrder
from desk.orders import (
    Balance,
    ContractTerms,
    Fill,
    FundingPayment,
    PositionMode,
    Purpose,
)

FIRST_ID: Final = 1_000_000_000_000_000_000
"""Ids count up from here: as long as the exchange's own."""


class SimulatedAccount:
    """Everything that belongs to one customer.

    Parameters
    ----------
    contracts : dict of symbol to ContractTerms
        Symbols that are traded; fees and the maintenance rate are taken from here.
    deposit : Decimal
        Cash at the start, in USDT.
    """

    def __init__(self, contracts: dict[str, ContractTerms], deposit: Decimal) -> None:
        self.contracts = contracts
        self.deposit = deposit
        self.cash = deposit
        self.insurance = ZERO
        """Losses of positions beyond their margin: paid by the exchange, credited to ``cash``."""
        self.mode: PositionMode = "one_way"
        self.marks: dict[str, Decimal] = {}
        """Last price by symbol."""
        self.positions: dict[tuple[str, int], SimulatedPosition] = {}
        self.orders: dict[str, Order] = {}
        """Live orders, and ended ones that ``forget`` has not removed yet, by id."""
        self.ids: dict[str, str] = {}
        """Order ids by client id."""
        self.plans: dict[str, TriggerOrder] = {}
        """Waiting stops and take-profits, by id."""
        self.setups: dict[str, MarginSetup] = {}
        self.executions: list[MatchedFill] = []
        self.funding: list[FundingPayment] = []
        """Since this process began."""
        self.bound_exits: set[str] = set()
        """Orders, by id, that a stop or take-profit of a whole position has made since this process began."""
        self._live: dict[str, None] = {}
        self.last_id = FIRST_ID
        """Newest id of an order, a plan or a trade."""

    def next_id(self) -> str:
        """A new id, for orders, plans and trades alike."""
        self.last_id += 1
        return str(self.last_id)

    # State ----------------------------------------------------------------------------------------

    def setup(self, symbol: str) -> MarginSetup:
        """Margin mode and leverage of new positions in ``symbol``."""
        return self.setups.get(symbol, MarginSetup())

    def live_orders(self, symbol: str | None = None) -> list[Order]:
        """Orders that may still be filled, oldest first."""
        live = (self.orders[order_id] for order_id in self._live)
        return [order for order in live if symbol is None or order.ticket.symbol == symbol]

    def positions_in(self, symbol: str) -> list[SimulatedPosition]:
        """Positions in ``symbol``: none, one, or a long and a short in hedge mode."""
        return [self.positions[key] for key in ((symbol, 1), (symbol, -1)) if key in self.positions]

    def exposed_symbols(self) -> set[str]:
        """Symbols in which there is a position or a live order."""
        return {symbol for symbol, _ in self.positions} | {
            order.ticket.symbol for order in self.live_orders()
        }

    def crossed(self) -> list[SimulatedPosition]:
        """Positions that share the free cash as their margin."""
        return [position for position in self.positions.values() if position.margin_mode == "crossed"]

    def opening_part(self, order: Order) -> Decimal:
        """Part of the remaining size that would open a position rather than reduce the opposite one."""
        if order.ticket.purpose == "close":
            return ZERO
        if self.mode == "one_way":
            opposite = self.positions.get((order.ticket.symbol, -order.ticket.side))
            return max(order.remaining - (opposite.size if opposite else ZERO), ZERO)
        return order.remaining

    def need(self, symbol: str, size: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
        """Cash that opening ``size`` at ``price`` binds or pays: initial margin and the taker's fee.

        Parameters
        ----------
        symbol : str
        size : Decimal
            In base coin.
        price : Decimal
            In USDT.
        leverage : Decimal
        """
        return size * price * (1 / leverage + self.contracts[symbol].taker_fee)

    def frozen(self, order: Order) -> Decimal:
        """Cash that a resting order reserves for its execution."""
        price = order.ticket.price
        if price is None:
            return ZERO
        return self.need(order.ticket.symbol, self.opening_part(order), price, order.leverage)

    def unrealized(self, position: SimulatedPosition) -> Decimal:
        """Profit of ``position`` at the last price, before the fee of closing it."""
        return position.unrealized(self.marks[position.symbol])

    def available(self) -> Decimal:
        """Cash that new positions may bind: crossed losses count, crossed profits do not."""
        bound = sum((held.margin for held in self.positions.values()), ZERO)
        frozen = sum(map(self.frozen, self.live_orders()), ZERO)
        crossed = sum(map(self.unrealized, self.crossed()), ZERO)
        return self.cash - bound - frozen + min(crossed, ZERO)

    def balance(self) -> Balance:
        """Balance as ``desk.ports.Exchange`` reports it."""
        unrealized = sum(map(self.unrealized, self.positions.values()), ZERO)
        return Balance(equity=self.cash + unrealized, available=max(self.available(), ZERO))

    def plans_of(self, symbol: str, side: int) -> list[TriggerOrder]:
        """Stops and take-profits of a position, oldest first."""
        return [plan for plan in self.plans.values() if (plan.symbol, plan.side) == (symbol, side)]

    def nearest(self, position: SimulatedPosition, kind: str) -> Decimal | None:
        """Trigger of that kind that the price would reach first."""
        triggers = [
            plan.trigger for plan in self.plans_of(position.symbol, position.side) if plan.kind == kind
        ]
        highest = (position.side > 0) == (kind == "stop_loss")
        return (max if highest else min)(triggers, default=None)

    # Liquidation ------------------------------------------------------------------------------------

    def margin_of(self, position: SimulatedPosition) -> tuple[Decimal, list[SimulatedPosition]]:
        """Amount that ``position`` can lose, and the positions of its symbol that share it.

        Crossed: free cash and the profit of the other symbols, less the maintenance margin of those.
        """
        if position.margin_mode == "isolated":
            return position.margin, [position]
        sharing = [one for one in self.positions_in(position.symbol) if one.margin_mode == "crossed"]
        others = [one for one in self.crossed() if one.symbol != position.symbol]
        needed = sum(map(self._maintenance, others), ZERO)
        return self.pool() + sum(map(self.unrealized, others), ZERO) - needed, sharing

    def pool(self) -> Decimal:
        """Cash that is not the margin of an isolated position: all that crossed positions can lose."""
        isolated = (p.margin for p in self.positions.values() if p.margin_mode == "isolated")
        return self.cash - sum(isolated, ZERO)

    def _maintenance(self, position: SimulatedPosition) -> Decimal:
        return position.size * self.marks[position.symbol] * self.rate(position.symbol)

    def rate(self, symbol: str) -> Decimal:
        """Share of a position's value that must remain: maintenance margin and the fee of closing it."""
        contract = self.contracts[symbol]
        return contract.maintenance_rate + contract.taker_fee

    def liquidation_price(self, position: SimulatedPosition) -> Decimal | None:
        """Price at which ``position`` is liquidated while the prices of all other symbols stay the same."""
        margin, sharing = self.margin_of(position)
        return price_that_leaves(margin, sharing, rate=self.rate(position.symbol))

    def is_broken(self, position: SimulatedPosition) -> bool:
        """Whether, at the last prices, the margin of ``position`` no longer covers what must remain."""
        margin, sharing = self.margin_of(position)
        left = margin + sum((self.unrealized(one) for one in sharing), ZERO)
        return left <= sum((self._maintenance(one) for one in sharing), ZERO)

    # Changes ---------------------------------------------------------------------------------------

    def enter(self, order: Order) -> None:
        """Add a new order."""
        self.orders[order.order_id] = order
        if order.ticket.client_id:
            self.ids[order.ticket.client_id] = order.order_id
        if order.is_live:
            self._live[order.order_id] = None

    def update(self, order: Order) -> None:
        """Store the new state of an order."""
        self.orders[order.order_id] = order
        if not order.is_live:
            self._live.pop(order.order_id, None)

    def forget(self, before: int) -> None:
        """Remove orders that ended before ``before`` (ms), and their executions.

        Orders that ended after an open position of their symbol was opened stay.
        """
        oldest: dict[str, int] = {}
        for position in self.positions.values():
            oldest[position.symbol] = min(oldest.get(position.symbol, before), position.opened)
        gone = [
            order
            for order in self.orders.values()
            if not order.is_live and order.updated < oldest.get(order.ticket.symbol, before)
        ]
        for order in gone:
            del self.orders[order.order_id]
            self.bound_exits.discard(order.order_id)
            if order.ticket.client_id:
                del self.ids[order.ticket.client_id]
        self.executions[:] = [each for each in self.executions if each.fill.order_id in self.orders]

    def execute(
        self, order: Order, *, price: Decimal, size: Decimal, maker: bool, at: int
    ) -> tuple[Order, list[MatchedFill]]:
        """Fill ``size`` of ``order`` at ``price``.

        In one-way mode an opening order against an opposite position is two executions: close, then open.

        Parameters
        ----------
        order : Order
            Live.
        price : Decimal
            In USDT.
        size : Decimal
            In base coin, at most what remains of the order.
        maker : bool
            Whether the order rested in the book: decides the fee.
        at : int
            Time, ms.

        Returns
        -------
        Order, list of MatchedFill
            Its new state, and one execution or two.
        """
        executions = list(self._executions(order, price, size, maker=maker, at=at))
        filled = order.filled + size
        order = replace(
            order,
            status="filled" if filled == order.ticket.size else "partially_filled",
            filled=filled,
            quote=order.quote + price * size,
            fee=order.fee + sum((each.fill.fee for each in executions), ZERO),
            profit=order.profit + sum((each.profit for each in executions), ZERO),
            updated=at,
        )
        self.update(order)
        self.executions += executions
        return order, executions

    def _executions(
        self, order: Order, price: Decimal, size: Decimal, *, maker: bool, at: int
    ) -> Iterator[MatchedFill]:
        """Book the parts of one execution: what it closes, then what it opens."""
        ticket = order.ticket
        contract = self.contracts[ticket.symbol]
        fee_rate = contract.maker_fee if maker else contract.taker_fee
        opening = ZERO
        side = ticket.side
        if ticket.purpose == "open":
            opposite = self.positions.get((ticket.symbol, -side)) if self.mode == "one_way" else None
            opening = max(size - (opposite.size if opposite else ZERO), ZERO)
            side = -side
        if closing := size - opening:
            fee = fee_rate * closing * price
            profit = self._reduce(ticket.symbol, side, closing, price, fee, at)
            yield self._execution(order, side, "close", price, closing, fee, profit, maker=maker, at=at)
        if opening:
            fee = fee_rate * opening * price
            self._increase(order, opening, price, fee, at)
            yield self._execution(order, ticket.side, "open", price, opening, fee, ZERO, maker=maker, at=at)

    def _execution(
        self,
        order: Order,
        side: int,
        purpose: Purpose,
        price: Decimal,
        size: Decimal,
        fee: Decimal,
        profit: Decimal,
        *,
        maker: bool,
        at: int,
    ) -> MatchedFill:
        fill = Fill(
            trade_id=self.next_id(),
            order_id=order.order_id,
            client_id=order.ticket.client_id,
            symbol=order.ticket.symbol,
            side=side,
            purpose=purpose,
            price=price,
            size=size,
            fee=fee,
            at=at,
            cause=order.cause,
        )
        return MatchedFill(fill=fill, maker=maker, profit=profit)

    def _increase(self, order: Order, size: Decimal, price: Decimal, fee: Decimal, at: int) -> None:
        """Open a position, or add to it."""
        symbol, side = order.ticket.symbol, order.ticket.side
        held = self.positions.get((symbol, side)) or SimulatedPosition(
            symbol=symbol,
            side=side,
            size=ZERO,
            cost=ZERO,
            leverage=order.leverage,
            margin_mode=order.margin_mode,
            margin=ZERO,
            opened=at,
            updated=at,
        )
        self.cash -= fee
        self.positions[symbol, side] = replace(
            held,
            size=held.size + size,
            cost=held.cost + size * price,
            margin=held.margin + size * price / held.leverage,
            fees=held.fees + fee,
            updated=at,
        )

    def _reduce(
        self, symbol: str, side: int, size: Decimal, price: Decimal, fee: Decimal, at: int
    ) -> Decimal:
        """Close ``size`` of a position, with the last of it its plans too; the profit before the fee."""
        held = self.positions[symbol, side]
        whole = size == held.size
        cost = held.cost if whole else held.cost * size / held.size
        margin = held.margin if whole else held.margin * size / held.size
        profit = side * (size * price - cost)
        self.cash += profit - fee
        if whole:
            del self.positions[symbol, side]
            for plan in self.plans_of(symbol, side):
                del self.plans[plan.plan_id]
            return profit
        self.positions[symbol, side] = replace(
            held,
            size=held.size - size,
            cost=held.cost - cost,
            margin=held.margin - margin,
            fees=held.fees + fee,
            profit=held.profit + profit,
            updated=at,
        )
        return profit

    def pay_funding(self, position: SimulatedPosition, amount: Decimal, at: int) -> None:
        """Settle funding: a payment reduces the margin of an isolated position, a receipt goes to free cash.

        Parameters
        ----------
        position : SimulatedPosition
        amount : Decimal
            In USDT; negative: received.
        at : int
            Time, ms.
        """
        self.cash -= amount
        self.funding.append(FundingPayment(symbol=position.symbol, side=position.side, amount=amount, at=at))
        margin = position.margin
        if position.margin_mode == "isolated":
            margin -= max(amount, ZERO)
        self.positions[position.symbol, position.side] = replace(
            position, margin=margin, funding=position.funding + amount, updated=at
        )

    def insure(self) -> None:
        """Let the insurance fund pay for losses beyond the margin."""
        if not self.crossed() and self.pool() < 0:
            self.insurance -= self.pool()
            self.cash -= self.pool()
