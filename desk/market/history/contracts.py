"""One USDT-margined contract as the exchange lists it, and what the tickers say of all of them.  Pure.

Made by ``desk.market.bitget.wire.read_contracts`` and ``read_tickers``; kept beside the candles by
``contract_book``; read as what orders must obey by ``contract_terms``.
"""

from dataclasses import dataclass
from decimal import Decimal

LARGEST_PRICE = 1e300
"""Prices above it are none: figures made of them would overflow."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One USDT-margined contract as the exchange lists it.  Sizes in base coin, money in USDT."""

    symbol: str
    kind: str
    """``perpetual`` or ``delivery``."""
    status: str
    """``normal``, or why it is not: ``listed``, ``maintain``, ``limit_open``, ``restrictedAPI``, ``off``."""
    is_rwa: bool
    """Whether it stands for a stock, a metal or a currency instead of a coin."""
    tick: Decimal
    """Smallest step of the price."""
    size_step: Decimal
    """Every size is a multiple of it."""
    min_size: Decimal
    min_notional: Decimal
    """Least value of an order."""
    max_limit_size: Decimal | None
    max_market_size: Decimal | None
    """Largest size of one order; None where the exchange doesn't say."""
    maker_fee: Decimal
    taker_fee: Decimal
    """Fractions of the trade's value: 0.0006 is 6 bp."""
    funding_hours: int | None
    max_leverage: Decimal | None
    limit_open_time: int | None = None
    """From then on nothing may be opened (maintenance, delisting), ms; None: not announced."""
    off_time: int | None = None
    """From then on it is not traded, ms; None: not announced."""

    @property
    def active(self) -> bool:
        """Whether it is a perpetual that may be traded freely."""
        return self.kind == "perpetual" and self.status == "normal"


@dataclass(frozen=True, slots=True)
class ContractTable:
    """All contracts of one answer, and the names of those whose row could not be read."""

    contracts: tuple[Contract, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TickerTable:
    """What one answer says of every symbol."""

    turnover: dict[str, float]
    """USDT in 24 hours, by symbol; 0 where it cannot be read."""
    spreads_bps: dict[str, float]
    """Distance of bid and ask over their mean, in basis points, by symbol; only where both can be read."""


def spread_bps(bid: float, ask: float) -> float | None:
    """Distance of bid and ask over their mean, in basis points; None unless 0 < bid < ask."""
    return 2e4 * (ask - bid) / (ask + bid) if 0 < bid < ask < LARGEST_PRICE else None
