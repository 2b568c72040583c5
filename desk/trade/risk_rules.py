"""The rules of risk, one row each.  Pure.

A ``Proposal`` (an intent, its context, the limits, the contract) comes in; each rule answers with the reason
for a refusal, with the largest size that it allows, or with None.  ``desk.trade.risk`` asks all of them; the
replay's attribution explains refusals by ``meaning``, the session's messages count them by ``name``.

A new rule is a function here and a row of ``RULES``, and a case of ``tests/trade/test_risk.py``, which fails
while a rule has none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, Self

from desk.orders import ContractTerms
from desk.trade.experiment_figures import loss_per_coin
from desk.trade.experiment_values import ExperimentRoom
from desk.trade.levels import leverage_for, rounded_to_tick
from desk.trade.risk_values import DAY_MS, HOUR_MS, MINUTE_MS, OrderIntent, RiskContext
from desk.trade.settings import RiskLimits
from desk.values import CANDLE_MS

BPS: Final = 1e4
ROUNDING: Final = 1e-9
"""Share by which a float may miss the decimal number that it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An order as it would be sent, but for its size."""

    intent: OrderIntent
    context: RiskContext
    limits: RiskLimits
    contract: ContractTerms | None
    """None where the exchange lists none."""
    stop: Decimal | None
    """On the tick, USDT; None where the model or the contract has none."""
    leverage: Decimal | None
    """None where none is small enough, or there is no contract."""

    @classmethod
    def of(cls, intent: OrderIntent, context: RiskContext, limits: RiskLimits) -> Self:
        """What would be sent for an intent.

        Parameters
        ----------
        intent : OrderIntent
        context : RiskContext
        limits : RiskLimits
        """
        contract, stop, leverage = context.contracts.get(intent.symbol), None, None
        if contract is not None:
            stop = rounded_to_tick(intent.position.stop, intent, contract)
            leverage = leverage_for(intent, stop, contract, limits)
        return cls(
            intent=intent, context=context, limits=limits, contract=contract, stop=stop, leverage=leverage
        )

    @property
    def experiment(self) -> ExperimentRoom | None:
        """Within which it would be sent, where the model is untested; None: it is no experiment."""
        return None if self.intent.signal.card.tradable else self.context.experiment

    @property
    def terms(self) -> ContractTerms:
        """The contract; only for rules that are asked where there is one."""
        if self.contract is None:
            raise ValueError(f"{self.intent.symbol}: there is no contract")
        return self.contract


Finding = str | Decimal | None
"""Why an order is refused, the largest size that is allowed, or neither."""
Kind = Literal["watch", "model", "moment", "account", "listing", "contract", "size"]
"""What a rule looks at.  ``watch``: whether the model only watches.  ``contract`` and ``size`` are asked only
where the exchange lists a contract; ``size`` answers with a size, the others with a reason."""
NEED_CONTRACT: Final[frozenset[Kind]] = frozenset({"contract", "size"})


@dataclass(frozen=True, slots=True)
class RiskRule:
    """One rule."""

    name: str
    """As the journal and messages have it; never changed, since journals are kept."""
    kind: Kind
    meaning: str
    """What a refusal by it means, as a clause."""
    check: Callable[[Proposal], Finding]


# Model --------------------------------------------------------------------------------------------


def _verdict(proposal: Proposal) -> str | None:
    card = proposal.intent.signal.card
    if card.tradable or proposal.context.trade_untested or proposal.experiment is not None:
        return None
    first, *more = card.reasons or ("no reason is recorded",)
    return f"the model is not tradable: {first}{f' (and {len(more)} more)' * bool(more)}"


def _watching(proposal: Proposal) -> str | None:
    return proposal.context.watch_only.get(proposal.intent.symbol) or None


def _model_age(proposal: Proposal) -> str | None:
    age = (proposal.context.now - proposal.intent.signal.card.fresh) / DAY_MS
    most = proposal.limits.max_model_age_days
    if age <= most:
        return None
    return f"the model is {age:.1f} days old, at most {most} are allowed: train again"


def _stop(proposal: Proposal) -> str | None:
    """A stop must be there where one is required, and rounding must leave at least a tick of it.

    A tick is more than half of what was meant, since levels are rounded towards the entry.
    """
    intent, contract, stop = proposal.intent, proposal.contract, proposal.stop
    if intent.position.stop is None:
        missing = "the model was trained without a protective stop, and one is required"
        return missing if proposal.limits.require_stop else None
    if contract is None or stop is None or intent.side * (intent.price - stop) >= contract.tick:
        return None
    return f"the stop {stop:f} would be less than a tick away: the tick {contract.tick:f} is too coarse"


# Moment -------------------------------------------------------------------------------------------


def _stopping(proposal: Proposal) -> str | None:
    return proposal.context.stopping or None


def _candle(proposal: Proposal) -> str | None:
    context, limits = proposal.context, proposal.limits
    age = (context.now - proposal.intent.signal.open_time - CANDLE_MS) / 1000
    reasons = []
    if age < -limits.max_clock_drift_s:
        reasons.append(f"the candle closes only in {-age:.1f} s")
    if age > limits.max_candle_age_s:
        most = limits.max_candle_age_s
        reasons.append(f"the candle closed {age:.0f} s ago, at most {most} s are allowed")
    if why := context.unconfirmed.get(proposal.intent.symbol):
        reasons.append(f"the exchange has not confirmed the candle: {why}")
    return "; ".join(reasons) or None


def _clock(proposal: Proposal) -> str | None:
    drift = proposal.context.clock_drift_s
    if abs(drift) <= proposal.limits.max_clock_drift_s:
        return None
    return f"the time was wrong by {drift:+.2f} s when the exchange was asked last"


# Account ------------------------------------------------------------------------------------------


def _held(proposal: Proposal) -> str | None:
    if all(exposure.symbol != proposal.intent.symbol for exposure in proposal.context.held):
        return None
    return "there is a position in the symbol already"


def _positions(proposal: Proposal) -> str | None:
    held, most = proposal.context.held, proposal.limits.max_positions
    count = sum(proposal.experiment is not None or not one.is_experiment for one in held)
    return f"{count} positions are open, at most {most}" if count >= most else None


def _order_rate(proposal: Proposal) -> str | None:
    count, most = proposal.context.orders_last_minute, proposal.limits.max_orders_per_minute
    if proposal.experiment is not None:
        count += proposal.experiment.orders_last_minute
    return f"{count} orders in the last minute, at most {most}" if count >= most else None


def _daily_loss(proposal: Proposal) -> str | None:
    return daily_loss(proposal.context.equity, proposal.context.day_equity, proposal.limits)


def _drawdown(proposal: Proposal) -> str | None:
    context = proposal.context
    return drawdown(context.equity, context.peak_equity, proposal.limits, now=context.now)


def _losing_streak(proposal: Proposal) -> str | None:
    limits, trades = proposal.limits, proposal.experiment or proposal.context
    if not trades.losses_in_a_row >= limits.losing_streak > 0 or trades.last_loss_at is None:
        return None
    left = trades.last_loss_at + limits.pause_minutes * MINUTE_MS - proposal.context.now
    if left <= 0:
        return None
    return f"{trades.losses_in_a_row} trades lost in a row: paused for another {left / MINUTE_MS:.0f} min"


# Contract -----------------------------------------------------------------------------------------


def _contract(proposal: Proposal) -> str | None:
    if proposal.contract is None:
        return f"the exchange lists no contract {proposal.intent.symbol}"
    status = proposal.contract.status
    return None if status == "normal" else f"the exchange says {status!r} of the contract"


def _leaving(proposal: Proposal) -> str | None:
    contract, hours, now = proposal.terms, proposal.limits.leave_before_hours, proposal.context.now
    reasons = [
        f"the contract is {what} in {(at - now) / HOUR_MS:.1f} h, and nothing is opened {hours} h before"
        for what, at in (("closed for opening", contract.limit_open_time), ("delisted", contract.off_time))
        if at is not None and proposal.intent.due + hours * HOUR_MS >= at
    ]
    return "; ".join(reasons) or None


def _funding(proposal: Proposal) -> str | None:
    every, now = proposal.terms.funding_hours * HOUR_MS, proposal.context.now
    if not (proposal.limits.avoid_funding or proposal.experiment is not None) or every <= 0:
        return None
    settlement = (now // every + 1) * every
    if settlement > proposal.intent.due:
        return None
    minutes = (settlement - now) / MINUTE_MS
    return f"funding is settled in {minutes:.0f} min, while the position would be held"


def _spread(proposal: Proposal) -> str | None:
    """Nothing is opened in a book that is much wider than the one that the verdict was given on.

    The verdict's spread counts as at least a tick and twice the slippage setting: nobody can quote closer
    than a tick, and each side was charged the slippage anyway.  Without that a book of 0.3 bp would be
    refused at 0.7 bp, which costs nothing.
    """
    intent, costs, spreads = proposal.intent, proposal.intent.signal.card.costs, proposal.context.spreads_bps
    if spreads is None or costs.spread_bps is None:
        return None
    present = spreads.get(intent.symbol)
    if present is None:
        return "the present spread is not known: bid and ask could not be read"
    tick_bps = float(proposal.terms.tick / intent.price) * BPS
    usual = max(costs.spread_bps, tick_bps, 2 * costs.slippage * BPS)
    most = proposal.limits.max_spread_ratio * usual
    if present <= most * (1 + ROUNDING):
        return None
    return (
        f"bid and ask are {present:.1f} bp apart now, at most {most:.1f} bp are allowed: "
        f"{proposal.limits.max_spread_ratio:g} times the {usual:.1f} bp that the model was evaluated with"
    )


def _liquidation(proposal: Proposal) -> str | None:
    if proposal.leverage is not None:
        return None
    return f"without leverage the liquidation price is too near to the stop {proposal.stop}"


# Size ---------------------------------------------------------------------------------------------


def _position_size(proposal: Proposal) -> Decimal:
    return _equity(proposal) * proposal.limits.max_position / proposal.intent.price


def _gross_exposure(proposal: Proposal) -> Decimal:
    gross = sum((one.notional for one in proposal.context.held), Decimal(0))
    return (_equity(proposal) * proposal.limits.max_gross - gross) / proposal.intent.price


def _net_exposure(proposal: Proposal) -> Decimal:
    intent = proposal.intent
    net = sum((one.side * one.notional for one in proposal.context.held), Decimal(0))
    return (_equity(proposal) * proposal.limits.max_net - intent.side * net) / intent.price


def _free_margin(proposal: Proposal) -> Decimal:
    """What margin and the fees of both ways leave room for."""
    price, leverage = proposal.intent.price, proposal.leverage or Decimal(1)
    free = proposal.context.available * (1 - proposal.limits.margin_reserve)
    return free / (price / leverage + 2 * proposal.terms.taker_fee * price)


def _risk_per_trade(proposal: Proposal) -> Decimal | None:
    """What may be lost, over what one coin loses, fees included, if its stop is filled a tick beyond it."""
    price, stop, contract = proposal.intent.price, proposal.stop, proposal.terms
    if stop is None:
        return None
    loss = abs(price - stop) + contract.tick + contract.taker_fee * (price + stop + contract.tick)
    return _equity(proposal) * proposal.limits.risk_per_trade / loss


def _experiment(proposal: Proposal) -> Decimal | None:
    """What is left of an experiment, over what one coin may lose; without a stop that may be everything."""
    room, stop, contract = proposal.experiment, proposal.stop, proposal.terms
    if room is None:
        return None
    if stop is None:
        return Decimal(0)
    return room.left / loss_per_coin(proposal.intent.price, stop, contract.tick, contract.taker_fee)


def _largest_market_order(proposal: Proposal) -> Decimal | None:
    return proposal.terms.max_market_size


def _equity(proposal: Proposal) -> Decimal:
    return max(proposal.context.equity, Decimal(0))


RULES: Final = (
    RiskRule("verdict", "watch", "its model is not tradable", _verdict),
    RiskRule("watching", "watch", "its model only watched: demoted, or the symbol was barred", _watching),
    RiskRule("model age", "model", "its model was too old", _model_age),
    RiskRule("stop", "model", "there was no stop that could be placed", _stop),
    RiskRule("stopping", "moment", "the session was about to end", _stopping),
    RiskRule("candle", "moment", "the candle was too old or not confirmed", _candle),
    RiskRule("clock", "moment", "the time was wrong", _clock),
    RiskRule("held", "account", "the symbol was held already", _held),
    RiskRule("positions", "account", "as many positions were open as may be", _positions),
    RiskRule("order rate", "account", "too many orders in a minute", _order_rate),
    RiskRule("daily loss", "account", "the day's loss was too large", _daily_loss),
    RiskRule("drawdown", "account", "too much of the highest equity was lost", _drawdown),
    RiskRule("losing streak", "account", "paused after losses in a row", _losing_streak),
    RiskRule("contract", "listing", "the contract was not open for trading", _contract),
    RiskRule("leaving", "contract", "the contract was about to be closed", _leaving),
    RiskRule("funding", "contract", "a funding settlement was ahead", _funding),
    RiskRule("spread", "contract", "bid and ask were too far apart, or not known", _spread),
    RiskRule("liquidation", "contract", "liquidation would have come too near", _liquidation),
    RiskRule("position size", "size", "too small an order under the limit of position size", _position_size),
    RiskRule(
        "gross exposure", "size", "too small an order under the limit of gross exposure", _gross_exposure
    ),
    RiskRule("net exposure", "size", "too small an order under the limit of net exposure", _net_exposure),
    RiskRule("free margin", "size", "too small an order under the limit of free margin", _free_margin),
    RiskRule(
        "risk per trade", "size", "too small an order under the limit of risk per trade", _risk_per_trade
    ),
    RiskRule("experiment", "size", "too little was left of the experiment", _experiment),
    RiskRule(
        "largest market order",
        "size",
        "too small an order under the limit of largest market order",
        _largest_market_order,
    ),
)
"""In the order in which reasons are given."""
BY_NAME: Final = {rule.name: rule for rule in RULES}


# What rules share with others -----------------------------------------------------------------------


def daily_loss(equity: Decimal, day_equity: Decimal, limits: RiskLimits) -> str | None:
    """The reason why the day's loss ends the session; None while it does not.

    Parameters
    ----------
    equity, day_equity : Decimal
        USDT, now and at 00:00 UTC.
    limits : RiskLimits
    """
    if day_equity <= 0 or equity > day_equity * (1 - limits.daily_loss_stop):
        return None
    lost = (day_equity - equity) / day_equity
    return (
        f"daily loss stop: {lost:.2%} of {day_equity:.2f} USDT are lost since 00:00 UTC, at most "
        f"{limits.daily_loss_stop:.2%} may be"
    )


def drawdown(equity: Decimal, peak: Decimal, limits: RiskLimits, *, now: int) -> str | None:
    """The reason why the drawdown from the peak ends the session; None while it does not.

    The rule of restart is part of the reason: nothing trades again before somebody accepts the loss.

    Parameters
    ----------
    equity, peak : Decimal
        USDT, now and the highest.
    limits : RiskLimits
    now : int
        ms.
    """
    if limits.max_drawdown >= 1 or peak <= 0 or equity > peak * (1 - limits.max_drawdown):
        return None
    at = datetime.fromtimestamp(now / 1_000, tz=UTC)
    return (
        f"drawdown stop: {(peak - equity) / peak:.2%} of the highest equity, {peak:.2f} USDT, are lost, at "
        f"most {limits.max_drawdown:.2%} may be; every session ends so until the loss is accepted, by "
        f'peak_since = "{at:%Y-%m-%dT%H:%M}" in the section risk of the settings'
    )
