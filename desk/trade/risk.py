"""The only way from a signal to an order.  Pure.

An ``OrderIntent`` (a side fired, and what the policy would hold) and the ``RiskContext`` come in; a
``RiskDecision`` goes out: size, leverage and levels of an order that may be sent, or every reason why none
may.  All rules are asked, also after one has refused, so that whoever reads the journal sees everything
that stood in the way.

The size is the largest multiple of the exchange's step that every cap allows: what may be lost at the stop,
the notional of one position, gross and net exposure, the margin that is free, the largest market order.  An
experiment's order has the smallest size that the exchange takes, if every cap, and what is left of the
experiment, allow that.

Not here: the rules themselves (``desk.trade.risk_rules``); exits, which are never refused
(``desk.trade.session``), and sending (``desk.trade.execution``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.orders import ContractTerms
from desk.policy import FLAT
from desk.trade.experiment_figures import loss_per_coin, smallest_size
from desk.trade.levels import rounded_to_tick
from desk.trade.records import Decision
from desk.trade.risk_rules import BY_NAME, NEED_CONTRACT, RULES, Proposal
from desk.trade.risk_values import ApprovedOrder, OrderIntent, RefusalReason, RiskContext, RiskDecision
from desk.trade.settings import RiskLimits
from desk.trade.signals import SIDES, Signal
from desk.values import CANDLE_MS


def decide(intent: OrderIntent, context: RiskContext, limits: RiskLimits) -> RiskDecision:
    """Approve the largest order that every limit allows, or give every reason that forbids one.

    Parameters
    ----------
    intent : OrderIntent
    context : RiskContext
    limits : RiskLimits
    """
    proposal = Proposal.of(intent, context, limits)
    contract, experiment = proposal.contract, proposal.experiment
    reasons: list[RefusalReason] = []
    sizes: list[Decimal] = []
    for rule in RULES:
        if contract is None and rule.kind in NEED_CONTRACT:
            continue
        found = rule.check(proposal)
        if isinstance(found, str):
            reasons.append(RefusalReason(rule.name, found))
        elif found is not None and contract is not None:
            size, least = to_step(found, contract.size_step), _least(proposal, contract)
            sizes.append(size)
            if size < least:
                text = f"{rule.name} leaves room for {size:f}, the exchange takes at least {least:f}"
                reasons.append(RefusalReason(rule.name, text))
    if reasons or contract is None or proposal.leverage is None:
        return RiskDecision(intent=intent, order=None, reasons=tuple(reasons))
    order = ApprovedOrder(
        size=min(sizes) if experiment is None else _least(proposal, contract),
        leverage=proposal.leverage,
        stop_loss=proposal.stop,
        take_profit=rounded_to_tick(intent.position.take_profit, intent, contract),
        until=intent.signal.open_time + CANDLE_MS + 1_000 * limits.max_candle_age_s,
        experiment=None if experiment is None else experiment.number,
    )
    return RiskDecision(intent=intent, order=order, reasons=())


def with_approved(context: RiskContext, decision: RiskDecision) -> RiskContext:
    """The context as the next intent of the same candle must see it: ``decision``'s order counts already."""
    if decision.order is None:
        return context
    exposure = decision.exposure
    contract = context.contracts[exposure.symbol]
    bound = exposure.notional / decision.order.leverage + 2 * contract.taker_fee * exposure.notional
    context = replace(context, available=context.available - bound, held=(*context.held, exposure))
    room, order = context.experiment, decision.order
    if room is None or order.experiment is None or order.stop_loss is None:
        return replace(context, orders_last_minute=context.orders_last_minute + 1)
    loss = loss_per_coin(decision.intent.price, order.stop_loss, contract.tick, contract.taker_fee)
    left, orders = room.left - loss * order.size, room.orders_last_minute + 1
    return replace(context, experiment=replace(room, left=left, orders_last_minute=orders))


def decision_rows(signals: Iterable[Signal], decisions: Mapping[str, RiskDecision]) -> list[Decision]:
    """One row per signal for the journal.

    Parameters
    ----------
    signals : iterable of Signal
    decisions : mapping
        By symbol, of those that were asked about.
    """
    rows = []
    for signal in signals:
        decision = decisions.get(signal.symbol)
        reasons = () if decision is None else tuple((one.rule, one.text) for one in decision.reasons)
        if signal.fired == FLAT:
            action = "stay out"
        elif decision is None:
            action = "in position"
        elif decision.order is not None:
            action = f"enter {SIDES[signal.fired]}"
        else:
            action = "watch only" if BY_NAME[reasons[0][0]].kind == "watch" else "refused"
        rows.append(Decision(signal, action, reasons))
    return rows


def to_step(size: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that is not above ``size``, and never below 0."""
    if size <= 0:
        return Decimal(0)
    return (size / step).to_integral_value(ROUND_FLOOR) * step


def _least(proposal: Proposal, contract: ContractTerms) -> Decimal:
    """The smallest size that the exchange takes."""
    intent = proposal.intent
    if proposal.experiment is not None:
        return smallest_size(intent.price, contract)
    steps = (contract.min_notional / intent.price / contract.size_step).to_integral_value(ROUND_CEILING)
    return max(contract.min_size, steps * contract.size_step, contract.size_step)
