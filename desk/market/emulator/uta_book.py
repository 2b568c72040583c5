"""What a unified account keeps beside the matching core: its kind, client ids, and strategy orders.

Place in the house: the market, inside the emulator.  Requests come in from ``uta_orders`` and
``uta_strategies``, the core's orders and plans from the account; names, strategy orders and their changes go
out.  Pure: the time is given.

The core remembers a client id for ever and holds a stop and a take-profit as two plans.  The API v3 refuses a
client id only while its order rests, and holds both prices in one strategy order, so the names and the pairs
are kept here.  The core gets a client id the first time it is used, and none later.

References
----------
``docs/bitget.md``, sections U6.1 (idempotency) and U8 (strategy orders).
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, Literal

from desk.market.emulator.uta_options import AccountKind, UnifiedOptions
from desk.market.matching import Denied, Matching, Order, Protection, SimulatedPosition, TriggerOrder
from desk.market.matching.account import SimulatedAccount
from desk.orders import MarginMode

StrategyStatus = Literal["pending", "success", "failed", "cancelled"]
PROTECTIONS: Final[tuple[Protection, Protection]] = ("stop_loss", "take_profit")
_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,32}")
_OF_THE_CORE: Final = re.compile(r"[0-9A-Za-z_-]*")
"""Client ids that the matching core allows as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOrder:
    """A take-profit, a stop, or both, under one id."""

    order_id: str
    client_id: str
    symbol: str
    side: int
    """Of the position that it closes."""
    size: Decimal | None
    """None: the whole position, whatever its size."""
    prices: Mapping[Protection, Decimal]
    """Triggers in USDT."""
    plans: Mapping[Protection, str]
    """Ids of the core's plans; empty while there is no position to act on."""
    status: StrategyStatus
    created: int
    updated: int
    entry_id: str = ""
    """Id of the order that it was attached to; empty: it was placed by itself."""

    @property
    def is_pending(self) -> bool:
        """Whether it still waits for its price."""
        return self.status == "pending"


@dataclass(slots=True, eq=False)
class UnifiedBook:
    """State of one account as the API v3 sees it."""

    matching: Matching
    options: UnifiedOptions
    kind: AccountKind
    level: str
    configured: set[tuple[str, MarginMode]] = field(default_factory=set)
    """Symbols and margin modes that were set up or traded once."""
    strategies: dict[str, StrategyOrder] = field(default_factory=dict)
    """All of them, by id, the oldest first."""
    names: dict[str, str] = field(default_factory=dict)
    """Client ids by order id."""
    ids: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Order ids by client id, the oldest first."""
    triggered: dict[str, str] = field(default_factory=dict)
    """Ids of strategy orders by the id of the order with which they closed."""
    changes: list[StrategyOrder] = field(default_factory=list)
    """New states of strategy orders since they were last pushed."""
    seen_id: int = 0
    """Newest order that was looked at for triggers."""
    pushed: dict[tuple[str, int], SimulatedPosition] = field(default_factory=dict)
    """Positions as they were last pushed."""

    @property
    def account(self) -> SimulatedAccount:
        """The customer's account in the matching core."""
        return self.matching.account

    @property
    def is_open(self) -> bool:
        """Whether the account can be traded by the API v3."""
        return self.kind in {"unified", "hybrid"}

    # Client ids --------------------------------------------------------------------------------------

    def admit(self, client_id: str) -> str:
        """Check a client id; returns the one to give to the core, which may be empty.

        Raises
        ------
        Denied
            25212 while an order of that name rests; 25200 if it is malformed.
        """
        if not client_id:
            return ""
        if not _CLIENT_ID.fullmatch(client_id):
            raise Denied("25200", "clientOid validation error")
        if any(self._rests(order_id) for order_id in self._ids_of(client_id)):
            raise Denied("25212", "Duplicate clientOid")
        is_free = client_id not in self.account.ids and _OF_THE_CORE.fullmatch(client_id)
        return client_id if is_free else ""

    def record(self, client_id: str, order: Order) -> None:
        """Remember the client id of an accepted order."""
        if client_id:
            self.names[order.order_id] = client_id
            self.ids[client_id].append(order.order_id)

    def name_of(self, order_id: str) -> str:
        """Client id of an order; the exchange's own id where it has none."""
        order = self.account.orders.get(order_id)
        return self.names.get(order_id) or (order.ticket.client_id if order else "") or order_id

    def find(self, *, order_id: str, client_id: str) -> Order | None:
        """Find an order by either id; the exchange's own id takes precedence."""
        if order_id:
            return self.account.orders.get(order_id)
        known = [found for found in self._ids_of(client_id) if found in self.account.orders]
        if not known:
            return None
        return self.account.orders[known[0 if self.options.reused_id == "oldest" else -1]]

    def _ids_of(self, client_id: str) -> list[str]:
        """Ids of the orders of one name, those that only the core knows included."""
        known = self.ids.get(client_id, [])
        core = self.account.ids.get(client_id)
        return known if core is None or core in known else [core, *known]

    def _rests(self, order_id: str) -> bool:
        order = self.account.orders.get(order_id)
        return order is not None and order.is_live

    # Strategy orders ---------------------------------------------------------------------------------

    def pending(self, symbol: str, side: int) -> list[StrategyOrder]:
        """Strategy orders of a position that still wait, the oldest first."""
        waiting = (one for one in self.strategies.values() if one.is_pending)
        return [one for one in waiting if (one.symbol, one.side) == (symbol, side)]

    def has_full(self, symbol: str, side: int) -> bool:
        """Whether a strategy order waits that covers the whole position."""
        return any(one.size is None for one in self.pending(symbol, side))

    def add(self, strategy: StrategyOrder) -> StrategyOrder:
        """Enter a new strategy order, or a new state of one, to be pushed."""
        self.strategies[strategy.order_id] = strategy
        self.changes.append(strategy)
        return strategy

    def find_strategy(self, *, order_id: str, client_id: str) -> StrategyOrder | None:
        """Find a strategy order by either id; of two with one client id, the newest."""
        if order_id:
            return self.strategies.get(order_id)
        named = [one for one in self.strategies.values() if client_id and one.client_id == client_id]
        return named[-1] if named else None

    def plan_legs(
        self,
        symbol: str,
        side: int,
        prices: Mapping[Protection, Decimal],
        at: int,
        *,
        size: Decimal | None,
    ) -> dict[Protection, str]:
        """Add the plans of a strategy order to the core: all of them, or none.

        Parameters
        ----------
        symbol : str
        side : int
            Of the position.
        prices : mapping of Protection to Decimal
            Triggers in USDT.
        at : int
            Time, ms.
        size : Decimal or None
            In base coin; None: the whole position.

        Raises
        ------
        Denied
            If the core refuses one of them.
        """
        plans: dict[Protection, str] = {}
        try:
            for kind, trigger in prices.items():
                plans[kind] = self.matching.protect(symbol, side, kind, trigger, at, size=size).plan_id
        except Denied:
            for plan_id in plans.values():
                self.matching.cancel_plan(plan_id)
            raise
        return plans

    def end(self, strategy: StrategyOrder, status: StrategyStatus, at: int) -> StrategyOrder:
        """End a strategy order and remove what the core still holds of it.

        Parameters
        ----------
        strategy : StrategyOrder
        status : str
            ``success``, ``failed`` or ``cancelled``.
        at : int
            Time, ms.
        """
        for plan_id in strategy.plans.values():
            self.account.plans.pop(plan_id, None)
        return self.add(replace(strategy, status=status, plans={}, updated=at))

    # What the core did meanwhile -----------------------------------------------------------------------

    def refresh(self, at: int) -> None:
        """Take over what has become of plans and positions since the last call; ``at`` is the time, ms."""
        if not self.is_open:
            return
        for symbol, side in self.account.positions:
            self.configured.add((symbol, self.account.positions[symbol, side].margin_mode))
        exits = self._new_exits()
        for strategy in [one for one in self.strategies.values() if one.is_pending]:
            self._follow(strategy, exits, at)
        self._adopt(at)

    def _new_exits(self) -> list[Order]:
        """Orders of stops and take-profits since the last call, oldest first."""
        exits: list[Order] = []
        newest = self.seen_id
        for order in reversed(self.account.orders.values()):
            if int(order.order_id) <= self.seen_id:
                break
            newest = max(newest, int(order.order_id))
            if order.cause in PROTECTIONS:
                exits.append(order)
        self.seen_id = newest
        return exits[::-1]

    def _follow(self, strategy: StrategyOrder, exits: list[Order], at: int) -> None:
        """Give a strategy order the state that its plans and its position have now."""
        key = (strategy.symbol, strategy.side)
        plans = self.account.plans
        if not strategy.plans:
            if key in self.account.positions:
                self._bind_again(strategy, at)
            return
        gone = [kind for kind, plan_id in strategy.plans.items() if plan_id not in plans]
        if not gone:
            grown = next((plans[one].size for one in strategy.plans.values()), None)
            if grown != strategy.size:
                self.strategies[strategy.order_id] = replace(strategy, size=grown)
            return
        for exit_order in exits:
            is_ours = (exit_order.ticket.symbol, exit_order.ticket.side) == key and exit_order.cause in gone
            if is_ours and exit_order.order_id not in self.triggered:
                self.triggered[exit_order.order_id] = strategy.order_id
                self.end(strategy, "success", exit_order.updated)
                return
        if self.options.stops_after_close == "kept" and key not in self.account.positions:
            self.strategies[strategy.order_id] = replace(strategy, plans={})
        elif key not in self.account.positions or len(gone) == len(strategy.plans):
            self.end(strategy, "cancelled", at)
        else:
            left = {kind: plan_id for kind, plan_id in strategy.plans.items() if kind not in gone}
            prices = {kind: strategy.prices[kind] for kind in left}
            self.add(replace(strategy, plans=left, prices=prices, updated=at))

    def _bind_again(self, strategy: StrategyOrder, at: int) -> None:
        """Let a leftover act on the next position of its side."""
        try:
            plans = self.plan_legs(strategy.symbol, strategy.side, strategy.prices, at, size=strategy.size)
        except Denied:
            self.end(strategy, "failed", at)
            return
        self.strategies[strategy.order_id] = replace(strategy, plans=plans)

    def _adopt(self, at: int) -> None:
        """Make strategy orders of stops that came with an entry, or that only the core knows."""
        known = {plan_id for one in self.strategies.values() for plan_id in one.plans.values()}
        groups: defaultdict[str, list[TriggerOrder]] = defaultdict(list)
        for plan in self.account.plans.values():
            if plan.plan_id not in known:
                groups[plan.brought_by or plan.plan_id].append(plan)
        for plans in groups.values():
            first = plans[0]
            plan_ids: dict[Protection, str] = {plan.kind: plan.plan_id for plan in plans}
            prices = {plan.kind: plan.trigger for plan in plans}
            size = first.size
            if (
                self.options.attached_stops == "full"
                and first.brought_by
                and not self.has_full(first.symbol, first.side)
            ):
                for plan in plans:
                    self.matching.cancel_plan(plan.plan_id)
                plan_ids = self.plan_legs(first.symbol, first.side, prices, at, size=None)
                size = None
            self.add(
                StrategyOrder(
                    order_id=self.account.next_id(),
                    client_id="",
                    symbol=first.symbol,
                    side=first.side,
                    size=size,
                    prices=prices,
                    plans=plan_ids,
                    status="pending",
                    created=first.created,
                    updated=first.created,
                    entry_id=first.brought_by,
                )
            )

    def is_listed(self, strategy: StrategyOrder) -> bool:
        """Whether lists and pushes show a strategy order."""
        return self.options.attached_stops != "hidden" or not strategy.entry_id
