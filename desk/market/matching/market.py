"""The market: what prices, candles and funding do to the account, and how orders are filled.

Place in the house: the market, inside the matching core.  Prices come in from a skin,
new orders from ``exchange``; executions go into the account, and every change is recorded for ``drain``.
Pure.

Reading order: ``Market.jump``, ``move``, ``candle`` and ``fund`` are the events, ``_travel`` is how.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from desk.market.matching.account import SimulatedAccount
from desk.market.matching.margin import on_tick, price_that_leaves, slipped, whole_steps
from desk.market.matching.triggers import PriceSpan, next_hit
from desk.market.matching.values import (
    ZERO,
    Cause,
    FillModel,
    MatchedFill,
    NewOrder,
    Order,
    Protection,
    SimulatedPosition,
    TriggerOrder,
)
from desk.orders import ContractTerms
from desk.values import CANDLE_MS

PROTECTIONS: Final[tuple[Protection, Protection]] = ("stop_loss", "take_profit")
SWEEPS: Final = 16
"""In the time of ``FillModel.history_ms``: how often old orders are looked for."""


class Market:
    """Prices, and the account that trades at them."""

    def __init__(self, account: SimulatedAccount, fill_model: FillModel) -> None:
        self.account = account
        self.fill_model = fill_model
        self.changes: list[Order | MatchedFill] = []
        """Every new state of an order and every execution, in the order in which they happened."""
        self.volume_left: dict[str, Decimal] = {}
        """Of the newest candle, by symbol, where ``fill_model.volume_share`` is set."""
        self.newest: dict[str, int] = {}
        """Open time of the newest candle that was played, by symbol, ms."""
        self.swept: int | None = None
        """When orders older than ``fill_model.history_ms`` were last removed, ms."""

    # Events ----------------------------------------------------------------------------------------

    def jump(self, symbol: str, price: Decimal, at: int) -> None:
        """Let ``symbol`` trade at ``price`` without passing the prices in between.

        Parameters
        ----------
        symbol : str
        price : Decimal
            In USDT.
        at : int
            Time, ms.
        """
        self.account.marks[symbol] = price
        self._travel(symbol, price, at, PriceSpan(at + 1))

    def move(self, symbol: str, price: Decimal, at: int) -> None:
        """Let ``symbol`` go from its last price to ``price`` through every price in between.

        Parameters
        ----------
        symbol : str
        price : Decimal
            In USDT.
        at : int
            Time, ms.
        """
        if symbol not in self.account.marks:
            self.account.marks[symbol] = price
        self._travel(symbol, price, at, PriceSpan(at + 1))

    def candle(
        self, symbol: str, open_time: int, prices: tuple[Decimal, Decimal, Decimal, Decimal], volume: Decimal
    ) -> None:
        """Play a finished candle to the orders and positions that existed before it ended.

        The price jumps to the open, goes to the extreme that is against the net position first, then to the
        other one, then to the close; ``triggers`` says how the worse reading is kept beyond that.

        Parameters
        ----------
        open_time : int
            In ms; later than that of any candle of the symbol before.
        prices : tuple of Decimal
            Open, high, low, close.
        volume : Decimal
            In base coin.
        """
        if open_time <= self.newest.get(symbol, open_time - 1):
            raise ValueError(f"{symbol}: the candle of {open_time} is not later than the newest one")
        self.newest[symbol] = open_time
        o, h, l, c = prices
        if self.fill_model.volume_share is not None:
            self.volume_left[symbol] = self.fill_model.volume_share * volume
        self.account.marks[symbol] = o
        self._travel(symbol, o, open_time, PriceSpan(open_time + 1, low=l, high=h))
        if not self.account.positions_in(symbol) and not self.account.live_orders(symbol):
            self.account.marks[symbol] = c
            return
        end = open_time + CANDLE_MS
        span = PriceSpan(end, low=l, high=h)
        net = sum((held.side * held.size for held in self.account.positions_in(symbol)), ZERO)
        for point in (l, h, c) if net >= 0 else (h, l, c):
            self._travel(symbol, point, end - 1, span)

    def fund(self, symbol: str, rate: Decimal, at: int) -> None:
        """Settle funding: longs pay shorts ``rate`` of the position's value at the last price.

        Parameters
        ----------
        symbol : str
        rate : Decimal
            As a fraction: 0.0001 is 0.01 %.
        at : int
            Time, ms.
        """
        for held in self.account.positions_in(symbol):
            amount = held.side * held.size * self.account.marks[symbol] * rate
            self.account.pay_funding(held, amount, at)
        if self.account.positions_in(symbol):
            self.jump(symbol, self.account.marks[symbol], at)

    def close_out(self, symbol: str, at: int) -> None:
        """Cancel the orders and close the positions of a delisted contract at its last price."""
        for order in self.account.live_orders(symbol):
            self.cancel(order, "delisted", at)
        for held in self.account.positions_in(symbol):
            self.fill(
                self._own_order(held, held.size, "wind_up", at),
                self.account.marks[symbol],
                held.size,
                maker=False,
                at=at,
            )
        self.settle(symbol, at)

    def _travel(self, symbol: str, end: Decimal, at: int, span: PriceSpan) -> None:
        """Let the price of ``symbol`` hit everything on its way to ``end``."""
        account = self.account
        step = account.contracts[symbol].size_step
        while hit := next_hit(account, symbol, end, span, room=self.room(symbol, step) >= step):
            account.marks[symbol] = hit.reached
            match hit.what:
                case Order():
                    self._fill_resting(hit.what, hit.price, at)
                case TriggerOrder():
                    share = self.fill_model.costs(symbol).stop_overshoot
                    self._trigger(hit.what, hit.overshot(span, share), at)
                case SimulatedPosition():
                    self._liquidate(hit.what, at)
            self.settle(symbol, at)
        account.marks[symbol] = end

    def _fill_resting(self, order: Order, price: Decimal, at: int) -> None:
        """Fill as much as the volume allows of an order that the price has gone through."""
        account, symbol = self.account, order.ticket.symbol
        if account.opening_part(order) and account.available() < 0:  # its frozen margin was lost meanwhile
            self.cancel(order, "insufficient_balance", at)
            return
        size = self.room(symbol, order.remaining)
        if order.ticket.purpose == "close":
            size = min(size, account.positions[symbol, order.ticket.side].size)
        self.use(symbol, size)
        self.fill(order, price, size, maker=True, at=at)

    def _trigger(self, plan: TriggerOrder, price: Decimal, at: int) -> None:
        """Close at market the size that a stop or a take-profit protects."""
        position = self.account.positions[plan.symbol, plan.side]
        del self.account.plans[plan.plan_id]
        size = position.size if plan.size is None else min(plan.size, position.size)
        order = self._own_order(position, size, plan.kind, at)
        self.account.bound_exits |= {order.order_id} if plan.size is None else set()
        contract = self.account.contracts[plan.symbol]
        self.fill(order, self.taken(price, -plan.side, contract, at), size, maker=False, at=at)

    def _liquidate(self, position: SimulatedPosition, at: int) -> None:
        """Take over a position at the price that leaves nothing of its margin; crossed ones all together."""
        account, symbol = self.account, position.symbol
        crossed = position.margin_mode == "crossed"
        for order in account.live_orders():
            if order.margin_mode == "crossed" if crossed else order.ticket.symbol == symbol:
                self.cancel(order, "liquidation", at)
        positions = [position]
        if crossed:
            for other in account.crossed():
                if other.symbol != symbol:
                    self._take_over(other, account.marks[other.symbol], at)
            positions = [held for held in account.positions_in(symbol) if held.margin_mode == "crossed"]
        contract = account.contracts[symbol]
        margin = account.pool() if crossed else position.margin
        price = price_that_leaves(margin, positions, rate=contract.taker_fee) or contract.tick
        net = sum((held.side * held.size for held in positions), ZERO)
        if self.fill_model.rounding:  # towards the account: it cannot lose more than the margin
            price = on_tick(price, 1 if net > 0 else -1, tick=contract.tick)
        for held in positions:
            self._take_over(held, price, at)

    def _take_over(self, position: SimulatedPosition, price: Decimal, at: int) -> None:
        order = self._own_order(position, position.size, "liquidation", at)
        self.fill(order, price, position.size, maker=False, at=at)

    def _own_order(self, position: SimulatedPosition, size: Decimal, cause: Cause, at: int) -> Order:
        """An order of the exchange's own that closes ``size`` of ``position``."""
        order = Order(
            order_id=self.account.next_id(),
            ticket=replace(closing(position), size=size),
            status="live",
            cause=cause,
            margin_mode=position.margin_mode,
            leverage=position.leverage,
            created=at,
            updated=at,
        )
        self.enter(order)
        return order

    # How orders are filled ----------------------------------------------------------------------------

    def enter(self, order: Order) -> None:
        """Put a new order on the book."""
        self._sweep(order.created)
        self.account.enter(order)
        self.changes.append(order)

    def _sweep(self, at: int) -> None:
        """Remove old orders now and then: each sweep looks at every order."""
        history = self.fill_model.history_ms
        if self.swept is None:
            self.swept = at
        elif at - self.swept >= history // SWEEPS:
            self.swept = at
            self.account.forget(at - history)

    def fill(self, order: Order, price: Decimal, size: Decimal, *, maker: bool, at: int) -> Order:
        """Execute an order, attach its own stop and take-profit, and record the changes.

        Parameters
        ----------
        order : Order
            Live.
        price : Decimal
            In USDT, slippage included.
        size : Decimal
            In base coin.
        maker : bool
            Whether the order rested in the book.
        at : int
            Time, ms.
        """
        order, executions = self.account.execute(order, price=price, size=size, maker=maker, at=at)
        for execution in executions:
            self.changes.append(execution)
            if execution.fill.purpose == "open":
                self._attach(order, execution.fill.size, at)
        self.changes.append(order)
        return order

    def plan(
        self,
        symbol: str,
        side: int,
        kind: Protection,
        trigger: Decimal,
        size: Decimal | None,
        at: int,
        *,
        client_id: str = "",
        brought_by: str = "",
    ) -> TriggerOrder:
        """Add a stop or a take-profit that waits for its price.

        Parameters
        ----------
        symbol : str
        side : int
            Of the position: 1 long, -1 short.
        kind : Protection
        trigger : Decimal
            Price in USDT.
        size : Decimal or None
            In base coin; None: the whole position.
        at : int
            Time, ms.
        client_id : str
            Empty: none.
        brought_by : str
            Id of the order that it was attached to; empty: none.
        """
        plan = TriggerOrder(
            plan_id=self.account.next_id(),
            client_id=client_id,
            symbol=symbol,
            side=side,
            kind=kind,
            trigger=trigger,
            size=size,
            created=at,
            brought_by=brought_by,
        )
        self.account.plans[plan.plan_id] = plan
        return plan

    def _attach(self, order: Order, size: Decimal, at: int) -> None:
        """Make the stop and take-profit attached to ``order`` cover ``size`` more."""
        ticket = order.ticket
        for kind in PROTECTIONS:
            trigger = attached_trigger(ticket, kind)
            if trigger is None:
                continue
            there = self.account.plans_of(ticket.symbol, ticket.side)
            ours = (plan for plan in there if (plan.brought_by, plan.kind) == (order.order_id, kind))
            plan = next(ours, None)
            if plan is not None and plan.size is not None:
                self.account.plans[plan.plan_id] = replace(plan, size=plan.size + size)
            else:
                self.plan(ticket.symbol, ticket.side, kind, trigger, size, at, brought_by=order.order_id)

    def settle(self, symbol: str, at: int) -> None:
        """Cancel orders that would close a position that no longer exists, and let the insurance fund pay."""
        for order in self.account.live_orders(symbol):
            key = (symbol, order.ticket.side)
            if order.ticket.purpose == "close" and key not in self.account.positions:
                self.cancel(order, "position_closed", at)
        self.account.insure()

    def cancel(self, order: Order, reason: str, at: int) -> Order:
        """Take a live order off the book.

        Parameters
        ----------
        order : Order
            Live.
        reason : str
            As the exchange spells it, such as ``normal_cancel``.
        at : int
            Time, ms.
        """
        order = replace(order, status="canceled", cancel_reason=reason, updated=at)
        self.account.update(order)
        self.changes.append(order)
        return order

    def taken(self, price: Decimal, direction: int, contract: ContractTerms, at: int) -> Decimal:
        """Price that a taker gets who buys (1) or sells (-1) at ``price``.

        The grid is that of the newest candle's week: an order at a candle's close pays what its candle shows.

        Parameters
        ----------
        price : Decimal
            In USDT.
        direction : int
            1 buys, -1 sells.
        contract : ContractTerms
        at : int
            Time, ms; counts before the first candle.
        """
        costs = self.fill_model.costs(contract.symbol)
        step = max(contract.tick, costs.step(self.newest.get(contract.symbol, at)))
        worse = slipped(price, direction, slippage=costs.slippage, tick=step)
        return on_tick(worse, direction, tick=contract.tick) if self.fill_model.rounding else worse

    def room(self, symbol: str, wanted: Decimal) -> Decimal:
        """How much of ``wanted`` the volume of the newest candle still allows, in whole steps."""
        left = self.volume_left.get(symbol)
        if left is None:
            return wanted
        return min(wanted, whole_steps(left, self.account.contracts[symbol].size_step))

    def use(self, symbol: str, size: Decimal) -> None:
        """Count ``size`` against the volume of the newest candle."""
        if symbol in self.volume_left:
            self.volume_left[symbol] -= size


def closing(position: SimulatedPosition) -> NewOrder:
    """A market order that closes all of ``position``."""
    return NewOrder(
        client_id="",
        symbol=position.symbol,
        side=position.side,
        purpose="close",
        size=position.size,
        kind="market",
    )


def attached_trigger(ticket: NewOrder, kind: Protection) -> Decimal | None:
    """Trigger of the stop or take-profit that is attached to ``ticket``."""
    return ticket.stop_loss if kind == "stop_loss" else ticket.take_profit
