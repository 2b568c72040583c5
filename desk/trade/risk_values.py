"""What risk decides on, and what comes of it, as values.  Pure.

Place in the house: between the trader, which makes an ``OrderIntent`` and a ``RiskContext``, and
``desk.trade.risk``, which makes a ``RiskDecision`` of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from desk.orders import ContractTerms
from desk.policy import PlannedTrade
from desk.trade.experiment_values import ExperimentRoom
from desk.trade.signals import Signal
from desk.values import CANDLE_MS

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000


class RefusalReason(NamedTuple):
    """Why an order is refused."""

    rule: str
    """Name of its row in ``desk.trade.risk_rules.RULES``."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is held in one symbol, or will be once an approved order is filled."""

    symbol: str
    side: int
    notional: Decimal
    is_experiment: bool = False
    """Whether an experiment holds it: the positions of tradable models are counted without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """A side that fired on a symbol that is flat."""

    signal: Signal
    position: PlannedTrade
    """What the policy would hold."""

    @property
    def symbol(self) -> str:
        """Of the signal."""
        return self.signal.symbol

    @property
    def side(self) -> int:
        """``LONG`` or ``SHORT``."""
        return self.position.side

    @property
    def price(self) -> Decimal:
        """The signal candle's close."""
        return money(self.position.close)

    @property
    def due(self) -> int:
        """When the position would be closed at the latest, ms."""
        return self.position.due + CANDLE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskContext:
    """Everything outside the intent that a decision depends on.  Times in ms by the exchange's clock."""

    now: int
    equity: Decimal
    available: Decimal
    day_equity: Decimal
    """Equity at 00:00 UTC, or at the start of the session where that was later."""
    peak_equity: Decimal
    """The highest equity, see ``RiskLimits.peak_since``."""
    held: tuple[Exposure, ...]
    orders_last_minute: int
    """Those of experiments left out, as from the losses."""
    losses_in_a_row: int
    last_loss_at: int | None
    clock_drift_s: float
    """By how much the session's time was wrong when the exchange was asked last."""
    contracts: Mapping[str, ContractTerms]
    watch_only: Mapping[str, str] = field(default_factory=dict)
    """Symbols in which nothing is opened, and why: demoted, barred by the exchange, an order unresolved."""
    unconfirmed: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose newest candle the exchange's own records do not confirm, and why."""
    spreads_bps: Mapping[str, float] | None = None
    """Distance between bid and ask now by symbol, in basis points; symbols whose book could not be read are
    left out.  None: the session knows no book, and the rule is not asked."""
    stopping: str = ""
    """Why nothing is opened any more; empty while all is well."""
    trade_untested: bool = False
    """Whether models without a tradable verdict may open positions."""
    experiment: ExperimentRoom | None = None
    """Within which they may, at the smallest size; None: there is no experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedOrder:
    """An order that may be sent."""

    size: Decimal
    leverage: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    until: int
    """After this its candle is too old to be acted on, ms."""
    experiment: int | None = None
    """Number of the experiment that it is sent for; None: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDecision:
    """What became of an intent: exactly one of ``order`` and ``reasons`` is there."""

    intent: OrderIntent
    order: ApprovedOrder | None
    reasons: tuple[RefusalReason, ...]

    @property
    def exposure(self) -> Exposure:
        """What the approved order will hold."""
        size = Decimal(0) if self.order is None else self.order.size
        return Exposure(
            symbol=self.intent.symbol,
            side=self.intent.side,
            notional=size * self.intent.price,
            is_experiment=self.order is not None and self.order.experiment is not None,
        )


def money(value: float) -> Decimal:
    """A float as the Decimal that its shortest text names."""
    return Decimal(repr(float(value)))
