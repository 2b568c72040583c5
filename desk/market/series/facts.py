"""Facts of a contract inferred from its candles and funding rates: the tick, the funding interval.  Pure.

``Candles`` and settled rates come in; ``PriceTick`` and ``Funding`` go out, to the embedded exchange and to
replays of stored candles.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from desk.ticks import decimal_units
from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles

HOUR_MS: Final = 3_600_000
DAY_MS: Final = CANDLES_PER_DAY * CANDLE_MS
USUAL_FUNDING_HOURS: Final = 8
"""Interval of a contract whose settlements are not known."""
FUNDING_HOURS: Final = (1, 2, 4, 8)
"""Intervals that the exchange uses."""


@dataclass(frozen=True, slots=True, eq=False)
class Funding:
    """Settled funding rates of one symbol, oldest first."""

    time: NDArray[np.int64]
    """Shape (m,): settlement times, ms."""
    rate: NDArray[np.float64]
    """Shape (m,): fraction of the position's value, 0.0001 is 0.01 %."""

    @property
    def interval_hours(self) -> int:
        """Hours between settlements, one of ``FUNDING_HOURS``."""
        if len(self.time) < 2:
            return USUAL_FUNDING_HOURS
        hours = float(np.median(np.diff(self.time))) / HOUR_MS
        return min(FUNDING_HOURS, key=lambda known: abs(known - hours))


@dataclass(frozen=True, slots=True)
class PriceTick:
    """Smallest step of the price: ``step`` × 10^-``places``."""

    places: int
    step: int

    @classmethod
    def of(cls, size: Decimal) -> Self:
        """The tick of ``size`` USDT, such as 0.0005: five steps of the fourth place."""
        places = max(0, -int(size.normalize().as_tuple().exponent))
        return cls(places, int(size.scaleb(places)))

    @property
    def size(self) -> float:
        """The step in USDT."""
        return float(Decimal(self.step).scaleb(-self.places))


def price_tick(candles: Candles) -> PriceTick:
    """Smallest difference between two prices of the series, whatever their level.

    The decimal places are those that all prices need, see ``desk.ticks.decimal_units``.
    """
    places, units = decimal_units(np.unique(candles.values[:4]))
    differences = np.diff(np.unique(units))
    return PriceTick(places, int(differences.min()) if len(differences) else 1)
