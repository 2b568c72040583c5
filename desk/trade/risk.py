"""The only way from a signal to an order.  Pure.

A ``OrderIntent`` (a side fired, and what the policy would hold) and the ``RiskContext`` come in; a
``RiskDecision`` goes out: size, leverage and levels of an order that may be sent, or every reason why none
may.  All rules are asked, also after one has refused, so that whoever reads the journal sees everything
that stood in the way.

The size is the largest multiple of the exchange's step that every cap allows: what may be lost at the stop,
the notional of one position, gross and net exposure, the margin that is free, the largest market order.

Reading order: ``rule``; above it the rules that look at no size, below it the caps.

Not here: exits, which are never refused (``desk.trade.session``), and sending (``desk.trade.execution``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from desk.orders import ContractTerms
from desk.policy import PlannedTrade
from desk.trade.settings import RiskLimits
from desk.trade.signals import Signal
from desk.values import CANDLE_MS

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000


class RefusalReason(NamedTuple):
    """Why an order is refused."""

    rule: str
    """Its short name, to count by."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is held in one symbol, or will be once an approved order is filled."""

    symbol: str
    side: int
    notional: Decimal


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
    held: tuple[Exposure, ...]
    orders_last_minute: int
    losses_in_a_row: int
    last_loss_at: int | None
    clock_drift_s: float
    contracts: Mapping[str, ContractTerms]
    watching: Mapping[str, str] = field(default_factory=dict)
    """Symbols that only look on, and why: demoted, barred by the exchange, an order still unresolved."""
    unconfirmed: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose newest candle the exchange's own records do not confirm, and why."""
    stopping: str = ""
    """Why nothing is opened any more; empty while all is well."""
    trade_untested: bool = False
    """Whether models without a tradable verdict may open positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedOrder:
    """An order that may be sent."""

    size: Decimal
    leverage: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    until: int
    """After this its candle is too old to be acted on, ms."""


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
        return Exposure(symbol=self.intent.symbol, side=self.intent.side, notional=size * self.intent.price)


def rule(intent: OrderIntent, context: RiskContext, limits: RiskLimits) -> RiskDecision:
    """Approve the largest order that every limit allows, or tell everything that forbids one."""
    reasons = [*_of_model(intent, context, limits), *_of_moment(intent, context, limits)]
    reasons += _of_account(intent, context, limits)
    contract = context.contracts.get(intent.symbol)
    if contract is None:
        reasons.append(RefusalReason("contract", f"the exchange lists no contract {intent.symbol}"))
        return RiskDecision(intent=intent, order=None, reasons=tuple(reasons))
    reasons += _of_contract(intent, context, limits, contract)

    stop = _level(intent.position.stop, intent, contract)
    if stop is not None:
        reasons += _of_stop(intent, stop, contract)
    leverage = leverage_for(intent, stop, contract, limits)
    if leverage is None:
        reasons.append(
            RefusalReason(
                "liquidation", f"without leverage the liquidation price is too near to the stop {stop}"
            )
        )
    caps = _caps(intent, stop, leverage or Decimal(1), context, limits, contract)
    least = _least(intent, contract)
    for name, cap in caps.items():
        if cap < least:
            reasons.append(
                RefusalReason(
                    name,
                    f"{name} leaves room for {max(cap, Decimal(0)):f}, the exchange takes at least {least:f}",
                )
            )
    if reasons or leverage is None:
        return RiskDecision(intent=intent, order=None, reasons=tuple(reasons))
    order = ApprovedOrder(
        size=min(caps.values()),
        leverage=leverage,
        stop_loss=stop,
        take_profit=_level(intent.position.take_profit, intent, contract),
        until=intent.signal.open_time + CANDLE_MS + 1_000 * limits.max_candle_age_s,
    )
    return RiskDecision(intent=intent, order=order, reasons=())


def with_approved(context: RiskContext, decision: RiskDecision) -> RiskContext:
    """The context as the next intent of the same candle must see it: ``decision``'s order counts already."""
    if decision.order is None:
        return context
    exposure = decision.exposure
    contract = context.contracts[exposure.symbol]
    bound = exposure.notional / decision.order.leverage + 2 * contract.taker_fee * exposure.notional
    return replace(
        context,
        available=context.available - bound,
        held=(*context.held, exposure),
        orders_last_minute=context.orders_last_minute + 1,
    )


def daily_loss(equity: Decimal, day_equity: Decimal, limits: RiskLimits) -> str:
    """What is said when the day's loss ends the session; empty while it does not."""
    if day_equity <= 0 or equity > day_equity * (1 - limits.daily_loss_stop):
        return ""
    lost = (day_equity - equity) / day_equity
    return (
        f"daily loss stop: {lost:.2%} of {day_equity:.2f} USDT are lost since 00:00 UTC, at most "
        f"{limits.daily_loss_stop:.2%} may be"
    )


def money(value: float) -> Decimal:
    """A float as the Decimal that its shortest text names."""
    return Decimal(repr(float(value)))


def to_step(size: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that is not above ``size``."""
    if size <= 0:
        return Decimal(0)
    return (size / step).to_integral_value(ROUND_FLOOR) * step


# Rules that look at no size -----------------------------------------------------------------------


def _of_model(intent: OrderIntent, context: RiskContext, limits: RiskLimits) -> Iterator[RefusalReason]:
    card = intent.signal.card
    if not card.tradable and not context.trade_untested:
        first, *more = card.reasons or ("no reason is recorded",)
        yield RefusalReason(
            "verdict", f"the model is not tradable: {first}{f' (and {len(more)} more)' * bool(more)}"
        )
    if why := context.watching.get(intent.symbol):
        yield RefusalReason("watching", why)
    age = (context.now - card.created) / DAY_MS
    if age > limits.max_model_age_days:
        yield RefusalReason(
            "model age",
            f"the model is {age:.1f} days old, at most {limits.max_model_age_days} are allowed: train again",
        )
    if limits.require_stop and intent.position.stop is None:
        yield RefusalReason("stop", "the model was trained without a protective stop, and one is required")


def _of_moment(intent: OrderIntent, context: RiskContext, limits: RiskLimits) -> Iterator[RefusalReason]:
    if context.stopping:
        yield RefusalReason("stopping", context.stopping)
    age = (context.now - intent.signal.open_time - CANDLE_MS) / 1000
    if age < -limits.max_clock_drift_s:
        yield RefusalReason("candle", f"the candle closes only in {-age:.1f} s")
    if age > limits.max_candle_age_s:
        yield RefusalReason(
            "candle", f"the candle closed {age:.0f} s ago, at most {limits.max_candle_age_s} s are allowed"
        )
    if why := context.unconfirmed.get(intent.symbol):
        yield RefusalReason("candle", f"the exchange has not confirmed the candle: {why}")
    if abs(context.clock_drift_s) > limits.max_clock_drift_s:
        yield RefusalReason(
            "clock", f"the clock has drifted by {context.clock_drift_s:+.2f} s against the exchange's"
        )


def _of_account(intent: OrderIntent, context: RiskContext, limits: RiskLimits) -> Iterator[RefusalReason]:
    if any(exposure.symbol == intent.symbol for exposure in context.held):
        yield RefusalReason("held", "there is a position in the symbol already")
    if len(context.held) >= limits.max_positions:
        yield RefusalReason(
            "positions", f"{len(context.held)} positions are open, at most {limits.max_positions}"
        )
    if context.orders_last_minute >= limits.max_orders_per_minute:
        yield RefusalReason(
            "order rate",
            f"{context.orders_last_minute} orders in the last minute, at most {limits.max_orders_per_minute}",
        )
    if loss := daily_loss(context.equity, context.day_equity, limits):
        yield RefusalReason("daily loss", loss)
    if context.losses_in_a_row >= limits.losing_streak > 0 and context.last_loss_at is not None:
        until = context.last_loss_at + limits.pause_minutes * MINUTE_MS
        if context.now < until:
            yield RefusalReason(
                "losing streak",
                f"{context.losses_in_a_row} trades lost in a row: paused for another "
                f"{(until - context.now) / MINUTE_MS:.0f} min",
            )


def _of_contract(
    intent: OrderIntent, context: RiskContext, limits: RiskLimits, contract: ContractTerms
) -> Iterator[RefusalReason]:
    if contract.status != "normal":
        yield RefusalReason("contract", f"the exchange says {contract.status!r} of the contract")
    margin = limits.leave_before_hours * HOUR_MS
    for what, at in (("closed for opening", contract.limit_open_time), ("delisted", contract.off_time)):
        if at is not None and intent.due + margin >= at:
            yield RefusalReason(
                "leaving",
                f"the contract is {what} in {(at - context.now) / HOUR_MS:.1f} h, and nothing is opened "
                f"{limits.leave_before_hours} h before",
            )
    if limits.avoid_funding and contract.funding_hours > 0:
        every = contract.funding_hours * HOUR_MS
        settlement = (context.now // every + 1) * every
        if settlement <= intent.due:
            yield RefusalReason(
                "funding",
                f"funding is settled in {(settlement - context.now) / MINUTE_MS:.0f} min, while the "
                "position would be held",
            )


# Levels, leverage and size ------------------------------------------------------------------------


def _level(level: float | None, intent: OrderIntent, contract: ContractTerms) -> Decimal | None:
    """A stop or take-profit on the tick, rounded towards the entry: never farther than the policy's."""
    if level is None:
        return None
    exact = money(level)
    rounding = ROUND_CEILING if exact < intent.price else ROUND_FLOOR
    return (exact / contract.tick).to_integral_value(rounding) * contract.tick


def _of_stop(intent: OrderIntent, stop: Decimal, contract: ContractTerms) -> Iterator[RefusalReason]:
    """Whether rounding left enough of a stop: at least a tick, and so more than half of what was meant."""
    distance = intent.side * (intent.price - stop)
    if distance < contract.tick:
        yield RefusalReason(
            "stop",
            f"the stop {stop:f} would be less than a tick away: the tick {contract.tick:f} is too coarse",
        )


def _loss_of_one(price: Decimal, stop: Decimal, contract: ContractTerms) -> Decimal:
    """What one coin loses, fees included, if its stop is filled a tick beyond its price."""
    return abs(price - stop) + contract.tick + contract.taker_fee * (price + stop + contract.tick)


def leverage_for(
    intent: OrderIntent, stop: Decimal | None, contract: ContractTerms, limits: RiskLimits
) -> Decimal | None:
    """The largest whole leverage at which the liquidation price keeps its distance; None: not even 1.

    In isolated margin a position is liquidated about where the margin, less what must stay, is lost: at
    entry × (1 − side / leverage) / (1 − side × (maintenance rate + taker fee)) for side ±1.
    """
    most = int(min(limits.leverage, contract.max_leverage))
    if stop is None:
        return Decimal(max(most, 1))
    needed = abs(intent.price - stop) * limits.liquidation_buffer
    kept = contract.maintenance_rate + contract.taker_fee
    for leverage in range(most, 0, -1):
        liquidation = intent.price * (1 - Decimal(intent.side) / leverage) / (1 - intent.side * kept)
        if intent.side * (intent.price - liquidation) >= needed:
            return Decimal(leverage)
    return None


def _caps(
    intent: OrderIntent,
    stop: Decimal | None,
    leverage: Decimal,
    context: RiskContext,
    limits: RiskLimits,
    contract: ContractTerms,
) -> dict[str, Decimal]:
    """What each limit allows, in multiples of the step, by its name."""
    price, equity, fee = intent.price, max(context.equity, Decimal(0)), contract.taker_fee
    gross = sum((one.notional for one in context.held), Decimal(0))
    net = sum((one.side * one.notional for one in context.held), Decimal(0))
    free = context.available * (1 - limits.margin_reserve)
    caps = {
        "position size": equity * limits.max_position / price,
        "gross exposure": (equity * limits.max_gross - gross) / price,
        "net exposure": (equity * limits.max_net - intent.side * net) / price,
        "free margin": free / (price / leverage + 2 * fee * price),
    }
    if stop is not None:
        caps["risk per trade"] = equity * limits.risk_per_trade / _loss_of_one(price, stop, contract)
    if contract.max_market_size is not None:
        caps["largest market order"] = contract.max_market_size
    return {name: to_step(cap, contract.size_step) for name, cap in caps.items()}


def _least(intent: OrderIntent, contract: ContractTerms) -> Decimal:
    """The smallest size that the exchange takes."""
    steps = (contract.min_notional / intent.price / contract.size_step).to_integral_value(ROUND_CEILING)
    return max(contract.min_size, steps * contract.size_step, contract.size_step)
