"""Positions of a simulated account as an exchange reports them.

Place in the house: the market, inside the matching core.  A ``SimulatedAccount`` comes in; values of
``desk.orders`` go out.  Pure.
"""

from decimal import Decimal

from desk.market.matching.account import SimulatedAccount
from desk.market.matching.values import Protection, SimulatedPosition
from desk.orders import Position


def open_positions(account: SimulatedAccount) -> list[Position]:
    """Positions as ``desk.ports.Exchange`` reports them."""
    return [
        Position(
            symbol=held.symbol,
            side=held.side,
            size=held.size,
            entry_price=held.entry_price,
            mark_price=account.marks[held.symbol],
            leverage=held.leverage,
            margin_mode=held.margin_mode,
            liquidation_price=account.liquidation_price(held),
            unrealized=account.unrealized(held),
            stop_loss=ended_at(account, held, "stop_loss"),
            take_profit=ended_at(account, held, "take_profit"),
        )
        for held in account.positions.values()
    ]


def ended_at(account: SimulatedAccount, position: SimulatedPosition, kind: Protection) -> Decimal | None:
    """Trigger of that kind with which the last of a position is closed; None where a part of it stays.

    Parameters
    ----------
    account : SimulatedAccount
    position : SimulatedPosition
    kind : Protection
    """
    left = position.size
    plans = [plan for plan in account.plans_of(position.symbol, position.side) if plan.kind == kind]
    highest_first = (position.side > 0) == (kind == "stop_loss")
    for plan in sorted(plans, key=lambda plan: plan.trigger, reverse=highest_first):
        left -= position.size if plan.size is None else plan.size
        if left <= 0:
            return plan.trigger
    return None
