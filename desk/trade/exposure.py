"""What is held, or may be, as risk counts it.  Pure.

Positions as the exchange reported them and the journal's trades and orders come in; one ``Exposure`` for each
position, and for each entry of which it is not known what became of it, goes out.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from desk.orders import Position
from desk.trade.records import OpenTrade, OrderRecord
from desk.trade.risk_values import Exposure


def exposures(
    positions: Iterable[Position], trades: Sequence[OpenTrade], unresolved: Iterable[OrderRecord]
) -> tuple[Exposure, ...]:
    """What risk counts as held.

    Parameters
    ----------
    positions : iterable of Position
        As the account was last seen.
    trades : sequence of OpenTrade
        Of the journal.
    unresolved : iterable of OrderRecord
        Orders of which it is not known what became of them; one that opens counts as filled whole.
    """
    experimental = {(one.symbol, one.side) for one in trades if one.experiment is not None}
    prices = {one.trade: one.price for one in trades}
    held = [(one.symbol, one.side, one.size * one.mark_price) for one in positions]
    for order in unresolved:
        if order.purpose == "open" and all(order.symbol != symbol for symbol, *_ in held):
            held.append((order.symbol, order.side, order.size * prices.get(order.trade, Decimal(0))))
    return tuple(
        Exposure(symbol=symbol, side=side, notional=notional, is_experiment=(symbol, side) in experimental)
        for symbol, side, notional in held
    )
