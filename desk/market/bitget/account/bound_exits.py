"""What one row of a list of waiting stops and take-profits means, and which of them end a position.

Place in the house: what classic and unified accounts share of it.  Exits that wait and positions come in;
positions with their stop and take-profit go out.  Pure.

Not here: how rows of either API name them (the ``rows`` of classic accounts, the ``strategies`` of unified
ones), how they are bound and cancelled (the ``exits`` of either).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from desk.orders import Position
from desk.policy import LONG, SHORT

EXITS = frozenset({"pos_loss", "loss_plan", "pos_profit", "profit_plan"})
"""Kinds of waiting stops and take-profits."""


@dataclass(frozen=True, slots=True)
class BoundExit:
    """A stop or take-profit that waits."""

    order_id: str
    symbol: str
    side: int | None
    """Of its position; None where the row doesn't say, as in one-way mode."""
    kind: str
    """One of ``EXITS``."""
    trigger: Decimal
    size: Decimal | None
    """None: the row names none; an exit that is bound to the position ends all of it, whatever its size."""
    at_market: bool = True
    """False: it then waits at a limit price, and may never be filled."""

    @property
    def is_stop(self) -> bool:
        """A stop, not a take-profit."""
        return self.kind in {"pos_loss", "loss_plan"}

    def is_of(self, symbol: str, side: int) -> bool:
        """Whether it belongs to this position."""
        return self.symbol == symbol and self.side in {None, side}

    def part_of(self, position: Position) -> Decimal:
        """How much of ``position`` it surely ends, in base coin."""
        if not self.is_of(position.symbol, position.side) or not self.at_market:
            return Decimal(0)
        if self.kind.startswith("pos_"):
            return position.size
        return self.size or Decimal(0)


def with_exits(position: Position, waiting: Iterable[BoundExit]) -> Position:
    """``position`` with the stop and the take-profit that end the whole of it, alone or together.

    Of several the price is that of the one with which the last of the position is gone: a stop for 11 of 16
    leaves 5 without any, whatever the list of positions shows as its stop.
    """
    known = list(waiting)
    return replace(
        position,
        stop_loss=_gone_at(position, (one for one in known if one.is_stop), falling=position.side == LONG),
        take_profit=_gone_at(
            position, (one for one in known if not one.is_stop), falling=position.side == SHORT
        ),
    )


def _gone_at(position: Position, exits: Iterable[BoundExit], *, falling: bool) -> Decimal | None:
    """Trigger with which the last of a position is gone; None where a part of it stays."""
    left = position.size
    for one in sorted(exits, key=lambda one: one.trigger, reverse=falling):
        left -= one.part_of(position)
        if left <= 0:
            return one.trigger
    return None
