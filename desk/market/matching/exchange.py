"""Requests of a customer to the simulated exchange: orders, protection, settings.

Place in the house: the market, inside the matching core.  Tickets, cancellations and settings come in from
a skin; ``Order``s and ``MatchedFill``s go out as they happen (``drain``).  Pure: every call is given the
time.

Balances change only after every rule has passed: a call that raises ``Denied`` has changed nothing.

Not here: what prices do (``market``), the books of an account (``account``).
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from desk.market.matching import rules
from desk.market.matching.account import SimulatedAccount
from desk.market.matching.market import PROTECTIONS, Market, attached_trigger, closing
from desk.market.matching.values import (
    ZERO,
    Denied,
    FillModel,
    MarginSetup,
    MatchedFill,
    NewOrder,
    Order,
    Protection,
    TriggerOrder,
)
from desk.orders import ContractTerms, MarginMode, PositionMode


class Matching:
    """One account at an exchange whose prices are set from outside, through ``market``.

    Parameters
    ----------
    contracts : iterable of ContractTerms
    deposit : Decimal
        Cash at the start, in USDT.
    fill_model : FillModel or None
        None: slippage of half a tick only, every order is filled completely.
    """

    def __init__(
        self, contracts: Iterable[ContractTerms], deposit: Decimal, fill_model: FillModel | None = None
    ) -> None:
        self.fill_model = fill_model or FillModel()
        self.account = SimulatedAccount({contract.symbol: contract for contract in contracts}, deposit)
        self.market = Market(self.account, self.fill_model)

    def drain(self) -> list[Order | MatchedFill]:
        """Orders and executions that changed or happened since the last call, in that order."""
        changes = list(self.market.changes)
        self.market.changes.clear()
        return changes

    def update_contracts(self, contracts: Iterable[ContractTerms], at: int) -> None:
        """Replace the contract terms that orders must obey.

        In a contract that is no longer listed positions can only be closed; one whose ``off_time`` has passed
        is closed out.
        """
        known = self.account.contracts
        listed = {contract.symbol: contract for contract in contracts}
        gone = {
            symbol: replace(known[symbol], status="limit_open") for symbol in known.keys() - listed.keys()
        }
        known.update(gone | listed)
        for symbol in self.account.exposed_symbols():
            off_time = known[symbol].off_time
            if off_time is not None and at >= off_time:
                self.market.close_out(symbol, at)

    # Orders -----------------------------------------------------------------------------------------

    def place(self, ticket: NewOrder, at: int, *, instead_of: Order | None = None) -> Order:
        """Accept an order and fill as much as can be filled at once.

        A market order without volume, and a limit order under ``ioc``, ``fok`` or ``post_only`` that must not
        wait, are accepted and then cancelled.

        Parameters
        ----------
        ticket : NewOrder
        at : int
            Time of the request, ms.
        instead_of : Order or None
            A live order that the new one replaces; it is cancelled once the new one has passed every rule.

        Raises
        ------
        Denied
            Nothing has changed.
        """
        account = self.account
        contract = rules.check_tradable(account, ticket, at)
        rules.check_client_id(account, ticket.client_id)
        ticket = self._cut(ticket)
        setup = self._setup_for(ticket)
        mark = account.marks[ticket.symbol]
        taken = self.market.taken(mark, ticket.direction, contract, at)
        price = taken if ticket.price is None else ticket.price
        rules.check_size(ticket, contract, self.fill_model, price)
        rules.check_tick(price, contract, self.fill_model)
        for kind in PROTECTIONS:
            if (trigger := attached_trigger(ticket, kind)) is not None:
                rules.check_tick(trigger, contract, self.fill_model)
                rules.check_trigger(kind, ticket.side, trigger, mark if ticket.price is None else price)
        held = account.positions.get((ticket.symbol, ticket.side))
        order = Order(
            order_id=account.next_id(),
            ticket=ticket,
            status="live",
            cause="order",
            margin_mode=held.margin_mode if held else setup.margin_mode,
            leverage=held.leverage if held else setup.leverage(ticket.side),
            created=at,
            updated=at,
        )
        if opening := account.opening_part(order):
            dearest = price if ticket.direction > 0 else max(price, taken)
            need = account.need(ticket.symbol, opening, dearest, order.leverage)
            rules.check_money(account, need, released=account.frozen(instead_of) if instead_of else ZERO)

        if instead_of is not None:
            self.market.cancel(instead_of, "replaced", at)
        account.setups[ticket.symbol] = setup
        self.market.enter(order)
        return self._take(order, taken, at)

    def _cut(self, ticket: NewOrder) -> NewOrder:
        """Cut a closing ticket to the size of the position."""
        if ticket.purpose == "open":
            return ticket
        position = self.account.positions.get((ticket.symbol, ticket.side))
        if position is None:
            raise Denied("22002", "No position to close")
        return replace(ticket, size=min(ticket.size, position.size), stop_loss=None, take_profit=None)

    def _setup_for(self, ticket: NewOrder) -> MarginSetup:
        """Settings of the symbol, with the margin mode that an opening ticket asks for."""
        setup = self.account.setup(ticket.symbol)
        if ticket.purpose == "close" or ticket.margin_mode in {None, setup.margin_mode}:
            return setup
        self._check_idle(ticket.symbol)
        return replace(setup, margin_mode=ticket.margin_mode or setup.margin_mode)

    def _take(self, order: Order, taken: Decimal, at: int) -> Order:
        """Fill a new order at ``taken`` as far as it can be, and cancel or keep the rest."""
        ticket, market = order.ticket, self.market
        crosses = ticket.price is None or ticket.direction * (ticket.price - taken) >= 0
        size = market.room(ticket.symbol, order.remaining) if crosses else ZERO
        resting = ticket.kind == "limit"
        if resting and ticket.force == "post_only" and crosses:
            return market.cancel(order, "post_only", at)
        if resting and ticket.force == "fok" and size < order.remaining:
            return market.cancel(order, "fok", at)
        if size:
            market.use(ticket.symbol, size)
            order = market.fill(order, taken, size, maker=False, at=at)
        if order.is_live and (not resting or ticket.force == "ioc"):
            order = market.cancel(order, "ioc", at)
        market.settle(ticket.symbol, at)
        return self.account.orders[order.order_id]

    def find(self, symbol: str, *, order_id: str = "", client_id: str = "") -> Order | None:
        """Find an order by either id; the exchange's own id takes precedence.

        Parameters
        ----------
        symbol : str
        order_id : str
            The exchange's id; empty: unknown.
        client_id : str
            The customer's id; empty: unknown.
        """
        order = self.account.orders.get(order_id or self.account.ids.get(client_id, ""))
        return order if order is not None and order.ticket.symbol == symbol else None

    def cancel(self, order: Order | None, at: int) -> Order:
        """Cancel a live order."""
        if order is None or not order.is_live:
            raise Denied("22001", "No order to cancel")
        return self.market.cancel(order, "normal_cancel", at)

    def cancel_all(self, at: int, *, symbol: str | None = None) -> list[Order]:
        """Cancel every live order, of one symbol or of all."""
        return [self.cancel(order, at) for order in self.account.live_orders(symbol)]

    def modify(self, order: Order | None, ticket: NewOrder, at: int) -> Order:
        """Replace a live order by ``ticket``.

        Parameters
        ----------
        order : Order or None
            To be replaced; None: it was not found.
        ticket : NewOrder
            The new order.
        at : int
            Time, ms.
        """
        if order is None or not order.is_live:
            raise Denied("22001", "No order to cancel")
        return self.place(ticket, at, instead_of=order)

    def close(self, symbol: str, at: int, *, side: int | None = None) -> list[Order]:
        """Close the positions of a symbol, or the one of ``side``, at market.

        Parameters
        ----------
        symbol : str
        at : int
            Time, ms.
        side : int or None
            1 long, -1 short; None: both.
        """
        positions = [held for held in self.account.positions_in(symbol) if side in {None, held.side}]
        if not positions:
            raise Denied("22002", "No position to close")
        return [self.place(closing(held), at) for held in positions]

    # Protection -------------------------------------------------------------------------------------

    def protect(
        self,
        symbol: str,
        side: int,
        kind: Protection,
        trigger: Decimal,
        at: int,
        *,
        size: Decimal | None = None,
        client_id: str = "",
    ) -> TriggerOrder:
        """Add a stop or a take-profit that waits for ``trigger`` and then closes at market.

        Without ``size`` it covers the whole position and replaces a plan of its kind that did; with a size it
        is added to the plans that exist.

        Parameters
        ----------
        symbol : str
        side : int
            1 long, -1 short.
        kind : Protection
        trigger : Decimal
            Price in USDT.
        at : int
            Time, ms.
        size : Decimal or None
            In base coin; None: the whole position.
        client_id : str
            Empty: none.
        """
        account = self.account
        if (symbol, side) not in account.positions:
            raise Denied("22002", "No position to close")
        self._check_plan(symbol, side, kind, trigger, size)
        if size is None:
            for plan in account.plans_of(symbol, side):
                if plan.kind == kind and plan.size is None:
                    del account.plans[plan.plan_id]
        return self.market.plan(symbol, side, kind, trigger, size, at, client_id=client_id)

    def bind(
        self, symbol: str, side: int, at: int, *, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> list[TriggerOrder]:
        """Protect a whole position in place of what did so before: if one is refused, nothing changes.

        Parameters
        ----------
        symbol : str
        side : int
            1 long, -1 short.
        at : int
            Time, ms.
        stop_loss : Decimal or None
            Trigger price in USDT; None: none is left.  Plans for a size stay.
        take_profit : Decimal or None
            Likewise.
        """
        if (symbol, side) not in self.account.positions:
            raise Denied("22002", "No position to close")
        wanted = [
            (kind, trigger)
            for kind, trigger in zip(PROTECTIONS, (stop_loss, take_profit), strict=True)
            if trigger is not None
        ]
        for kind, trigger in wanted:
            self._check_plan(symbol, side, kind, trigger, None)
        for plan in self.account.plans_of(symbol, side):
            if plan.size is None:
                del self.account.plans[plan.plan_id]
        return [self.protect(symbol, side, kind, trigger, at) for kind, trigger in wanted]

    def modify_plan(self, plan_id: str, *, trigger: Decimal, size: Decimal | None) -> TriggerOrder:
        """Move a stop or a take-profit; one that covers the whole position still does, whatever ``size``.

        Parameters
        ----------
        plan_id : str
        trigger : Decimal
            New price in USDT.
        size : Decimal or None
            New size in base coin; None: stays as it is.
        """
        if (plan := self.account.plans.get(plan_id)) is None:
            raise Denied("43025", "The plan order does not exist or was triggered")
        size = None if plan.size is None else size or plan.size
        self._check_plan(plan.symbol, plan.side, plan.kind, trigger, size)
        self.account.plans[plan_id] = replace(plan, trigger=trigger, size=size)
        return self.account.plans[plan_id]

    def cancel_plan(self, plan_id: str) -> TriggerOrder:
        """Cancel a stop or a take-profit."""
        if (plan := self.account.plans.pop(plan_id, None)) is None:
            raise Denied("43025", "The plan order does not exist or was triggered")
        return plan

    def _check_plan(
        self, symbol: str, side: int, kind: Protection, trigger: Decimal, size: Decimal | None
    ) -> None:
        contract = self.account.contracts[symbol]
        rules.check_tick(trigger, contract, self.fill_model)
        rules.check_trigger(kind, side, trigger, self.account.marks[symbol])
        if size is not None and (size <= 0 or (self.fill_model.rounding and size % contract.size_step)):
            raise Denied("40808", f"Parameter verification exception: size {size} checkScale error")

    # Settings ---------------------------------------------------------------------------------------

    def set_leverage(self, symbol: str, leverage: Decimal, *, side: int | None = None) -> MarginSetup:
        """Set the leverage of a symbol, or in isolated margin of one side of it; positions follow.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
            Between 1 and the contract's maximum.
        side : int or None
            1 long, -1 short; None: both.  Without effect in crossed margin.
        """
        account = self.account
        contract = self._contract(symbol)
        if not 1 <= leverage <= contract.max_leverage:
            raise Denied("40797", f"Exceeded the maximum settable leverage, {contract.max_leverage}")
        setup = account.setup(symbol)
        if setup.margin_mode == "crossed":
            new = replace(setup, cross_leverage=leverage)
        else:
            new = replace(
                setup,
                long_leverage=setup.long_leverage if side == -1 else leverage,
                short_leverage=setup.short_leverage if side == 1 else leverage,
            )
        if new == setup:
            return setup
        if account.live_orders(symbol):
            raise Denied("45097", "The leverage cannot be changed while there are open orders")
        positions = [
            replace(held, leverage=new.leverage(held.side), margin=held.cost / new.leverage(held.side))
            for held in account.positions_in(symbol)
            if held.leverage != new.leverage(held.side)
        ]
        rules.check_money(
            account,
            sum((held.margin - account.positions[symbol, held.side].margin for held in positions), ZERO),
        )
        if any(account.is_broken(held) for held in positions):
            raise Denied("45002", "The margin that is left would not cover the position's loss")
        account.positions.update({(symbol, held.side): held for held in positions})
        account.setups[symbol] = new
        return new

    def set_margin_mode(self, symbol: str, mode: MarginMode) -> MarginSetup:
        """Set the margin mode of a symbol; repeating it is harmless."""
        self._contract(symbol)
        setup = self.account.setup(symbol)
        if mode != setup.margin_mode:
            self._check_idle(symbol)
            setup = self.account.setups[symbol] = replace(setup, margin_mode=mode)
        return setup

    def set_position_mode(self, mode: PositionMode) -> None:
        """Set the position mode of the account; repeating it is harmless."""
        if mode == self.account.mode:
            return
        if self.account.positions or self.account.live_orders():
            raise Denied("40920", "The position mode cannot be changed while there are positions or orders")
        self.account.mode = mode

    def _check_idle(self, symbol: str) -> None:
        """Raise if the symbol has positions or live orders: its margin mode is then fixed."""
        if self.account.positions_in(symbol) or self.account.live_orders(symbol):
            raise Denied("45117", "The margin mode cannot be changed while there are positions or orders")

    def _contract(self, symbol: str) -> ContractTerms:
        if symbol not in self.account.contracts:
            raise Denied("40034", f"Parameter {symbol} does not exist")
        return self.account.contracts[symbol]
