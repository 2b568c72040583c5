"""What a position needs and where it ends: the formulas of margin.

Place in the house: the market, inside the matching core.  Numbers come in, numbers go out.  Pure.

A position, or all crossed positions of an account together, is liquidated where what is left of its margin
no longer covers the maintenance margin and the fee of closing it; it is taken over where nothing would be
left at all (the bankruptcy price), so the whole margin is lost and never more.

References
----------
``docs/bitget.md``, section 9: liquidation = (margin - size × entry × dir) / (size × (MMR + taker - dir)).
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.market.matching.values import ZERO, SimulatedPosition


def price_that_leaves(
    margin: Decimal, positions: Iterable[SimulatedPosition], *, rate: Decimal
) -> Decimal | None:
    """Price of one symbol at which ``margin`` and the positions' profit come to ``rate`` of their value.

    Parameters
    ----------
    margin : Decimal
        What the positions can lose, without their unrealised profit.
    positions : iterable of Position
        The long, the short or both of one symbol.
    rate : Decimal
        Maintenance rate plus taker fee for the liquidation price; the taker fee alone for bankruptcy.

    Returns
    -------
    Decimal or None
        None: there is no positive price of that kind.
    """
    net = cost = gross = ZERO
    for position in positions:
        net += position.side * position.size
        cost += position.side * position.cost
        gross += position.size
    slope = net - rate * gross
    if slope == 0:
        return None
    price = (cost - margin) / slope
    return price if price > 0 else None


def slipped(price: Decimal, direction: int, *, slippage: Decimal, tick: Decimal) -> Decimal:
    """``price`` as a taker gets it who buys (1) or sells (-1): worse by the slippage or half a tick."""
    return price + direction * max(slippage * price, tick / 2)


def on_tick(price: Decimal, direction: int, *, tick: Decimal) -> Decimal:
    """``price`` on the tick, against whoever buys (1) or sells (-1); never below one tick."""
    rounding = ROUND_CEILING if direction > 0 else ROUND_FLOOR
    return max((price / tick).to_integral_value(rounding=rounding) * tick, tick)


def whole_steps(size: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that ``size`` holds."""
    return (size / step).to_integral_value(rounding=ROUND_FLOOR) * step
