"""What travels between trading and an exchange, as values.

Place in the house: foundation.  The trade room makes ``OrderRequest``s; an ``Exchange`` (``desk.ports``),
real or simulated, answers with the others.  Money and sizes are ``Decimal``; sizes are in base coin, prices
and money in USDT, times in milliseconds UTC.  ``side`` is ``LONG`` or ``SHORT`` of ``desk.policy``: the
direction of the position, also of an order that closes it.

Not here: how the exchange spells any of this (``desk.market``).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Purpose = Literal["open", "close"]
OrderKind = Literal["market", "limit"]
OrderStatus = Literal["live", "partially_filled", "filled", "canceled"]
PositionMode = Literal["one_way", "hedge"]
MarginMode = Literal["isolated", "crossed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """What the exchange asks of orders in one symbol."""

    symbol: str
    tick: Decimal
    size_step: Decimal
    min_size: Decimal
    min_notional: Decimal
    max_market_size: Decimal | None
    max_limit_size: Decimal | None
    maker_fee: Decimal
    taker_fee: Decimal
    max_leverage: Decimal
    maintenance_rate: Decimal
    """Share of the notional that must stay as margin."""
    funding_hours: int
    limit_open_time: int | None
    """From then on nothing may be opened (maintenance, delisting), ms; None: not announced."""
    off_time: int | None
    """From then on it is not traded, ms; None: not announced."""
    status: str
    """``normal``, or why it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to be sent."""

    client_id: str
    """At most 32 of letters, digits, ``-`` and ``_``: the key to everything that becomes of the order."""
    symbol: str
    side: int
    purpose: Purpose
    """``close`` never opens the other side: reduce-only."""
    size: Decimal
    kind: OrderKind
    price: Decimal | None
    """Of a limit order; None for a market order."""
    stop_loss: Decimal | None
    """Trigger of the protective stop attached to an opening order."""
    take_profit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """What has become of an order."""

    client_id: str
    order_id: str
    symbol: str
    side: int
    purpose: Purpose
    status: OrderStatus
    size: Decimal
    filled: Decimal
    average_price: Decimal | None
    """None while nothing is filled."""
    fee: Decimal
    """Paid so far, positive."""
    created: int
    updated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution."""

    trade_id: str
    order_id: str
    client_id: str
    """Empty where the exchange itself made the order: stop, take-profit, liquidation."""
    symbol: str
    side: int
    purpose: Purpose
    price: Decimal
    size: Decimal
    fee: Decimal
    """Paid, positive."""
    at: int
    cause: Literal["order", "stop_loss", "take_profit", "liquidation", "wind_up"]
    """``wind_up``: the exchange ended the position itself, by delisting, reduction or deleveraging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position as the exchange reports it."""

    symbol: str
    side: int
    size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    leverage: Decimal
    margin_mode: MarginMode
    liquidation_price: Decimal | None
    unrealized: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The account in USDT."""

    equity: Decimal
    """With unrealised profit at the mark price."""
    available: Decimal
    """Not bound as margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """What one position paid at one settlement of funding."""

    symbol: str
    side: int
    amount: Decimal
    """USDT; negative where it was received."""
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """A push of the exchange; every part may be late, twice, or out of order."""

    order: OrderState | None = None
    fill: Fill | None = None
    positions: tuple[Position, ...] | None = None
    """A whole snapshot: a symbol that is not in it is flat."""
    balance: Balance | None = None
    reconnected: bool = False
    """The connection was lost meanwhile: what happened in between must be asked for."""
