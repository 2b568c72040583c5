"""Positions of a simulated account as an exchange reports them.

Place in the house: the market, inside the matching core.  A ``SimulatedAccount`` comes in; values of
``desk.orders`` go out.  Pure.
"""

from desk.market.matching.account import SimulatedAccount
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
            stop_loss=account.nearest(held, "stop_loss"),
            take_profit=account.nearest(held, "take_profit"),
        )
        for held in account.positions.values()
    ]
