"""Formulas of margin: what a position needs, and the price at which it is liquidated.

Place in the house: the market, inside the matching core.  Numbers come in, numbers go out.  Pure.

A position, or all crossed positions of an account together, is liquidated at the price where the rest of its
margin no longer covers the maintenance margin and the fee of closing it; it is taken over at the price where
nothing would be left (the bankruptcy price), so the whole margin is lost and never more.

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
    positions : iterable of SimulatedPosition
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
    """Price that a taker gets at ``price``: worse by the slippage or half a tick, whichever is more.

    Parameters
    ----------
    price : Decimal
        In USDT.
    direction : int
        1 buys, -1 sells.
    slippage : Decimal
        As a fraction of the price.
    tick : Decimal
        Price step, USDT.
    """
    return price + direction * max(slippage * price, tick / 2)


def on_tick(price: Decimal, direction: int, *, tick: Decimal) -> Decimal:
    """Round ``price`` to the tick, against the trader; never below one tick.

    Parameters
    ----------
    price : Decimal
        In USDT.
    direction : int
        1 buys (rounds up), -1 sells (rounds down).
    tick : Decimal
        Price step, USDT.
    """
    rounding = ROUND_CEILING if direction > 0 else ROUND_FLOOR
    return max((price / tick).to_integral_value(rounding=rounding) * tick, tick)


def whole_steps(size: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that ``size`` holds."""
    return (size / step).to_integral_value(rounding=ROUND_FLOOR) * step
