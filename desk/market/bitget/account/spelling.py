"""How requests of every kind of account spell numbers and position modes.  Pure."""

from collections.abc import Mapping
from decimal import Decimal

from desk.orders import PositionMode

POSITION_MODES: Mapping[PositionMode, str] = {"one_way": "one_way_mode", "hedge": "hedge_mode"}


def decimal_text(number: Decimal) -> str:
    """``number`` as the exchange writes numbers: no exponent, no needless zeros."""
    return f"{number.normalize():f}"
