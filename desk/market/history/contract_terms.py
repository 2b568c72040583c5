"""What orders in a contract must obey, from what the exchange lists of it.  Pure.

Place in the house: between the public wire and everything that places orders, real or simulated.  A listed
contract comes in, terms go out.  The list leaves two things open, and who trades real money takes the
strictest reading of them, who simulates fills the usual one.

Not here: contracts of which nothing is listed (``desk.market.series.stored``).
"""

from decimal import Decimal
from typing import Final

from desk.market.history.contracts import Contract as Listed
from desk.orders import ContractTerms

USUAL_LEVERAGE: Final = Decimal(50)
USUAL_MAINTENANCE: Final = Decimal("0.01")
USUAL_FUNDING_HOURS: Final = 8


def strict_terms(listed: Listed) -> ContractTerms:
    """For real orders: a maintenance rate that no tier exceeds, funding every hour where none is listed."""
    leverage = listed.max_leverage or Decimal(1)
    return _terms(listed, leverage, maintenance_rate=1 / leverage, funding_hours=listed.funding_hours or 1)


def usual_terms(listed: Listed) -> ContractTerms:
    """For simulated fills: as most contracts are."""
    leverage = listed.max_leverage or USUAL_LEVERAGE
    rate = min(1 / leverage, USUAL_MAINTENANCE)
    hours = listed.funding_hours or USUAL_FUNDING_HOURS
    return _terms(listed, leverage, maintenance_rate=rate, funding_hours=hours)


def _terms(
    listed: Listed, max_leverage: Decimal, *, maintenance_rate: Decimal, funding_hours: int
) -> ContractTerms:
    return ContractTerms(
        symbol=listed.symbol,
        tick=listed.tick,
        size_step=listed.size_step,
        min_size=listed.min_size,
        min_notional=listed.min_notional,
        max_market_size=listed.max_market_size,
        max_limit_size=listed.max_limit_size,
        maker_fee=listed.maker_fee,
        taker_fee=listed.taker_fee,
        max_leverage=max_leverage,
        maintenance_rate=maintenance_rate,
        funding_hours=funding_hours,
        limit_open_time=listed.limit_open_time,
        off_time=listed.off_time,
        status=listed.status,
    )
