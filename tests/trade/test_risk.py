"""Nothing passes risk that any limit forbids, and every refusal is explained."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.policy import LONG, SHORT, TradeRules
from desk.trade.levels import leverage_for
from desk.trade.risk import decide, to_step, with_approved
from desk.trade.risk_rules import RULES, Proposal, daily_loss, drawdown
from desk.trade.risk_values import Exposure, OrderIntent
from desk.trade.signals import EvaluatedCosts
from tests.trade.samples import LIMITS, NOON, context, contract, intent

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NO_STOP = TradeRules(horizon=2, stop_loss=None, take_profit=None)


def names(**changes: object) -> set[str]:
    """The rules that refuse the standard intent in a changed context."""
    return {reason.rule for reason in decide(intent(), context(**changes), LIMITS).reasons}


sides = st.sampled_from([LONG, SHORT])
prices = st.floats(min_value=1e-5, max_value=1e5).map(lambda price: float(f"{price:.6g}"))
usdt = st.decimals(min_value=0, max_value=10**6, places=2)


@given(side=sides, price=prices, equity=usdt, available=usdt, gross=usdt, net_share=st.integers(-10, 10))
def test_no_approved_order_is_above_any_limit(
    side: int, price: float, equity: Decimal, available: Decimal, gross: Decimal, net_share: int
) -> None:
    """Risk is the last thing between a defect upstream and the user's money."""
    longs = gross * (10 + net_share) / 20
    held = tuple(
        Exposure(symbol=name, side=way, notional=notional)
        for name, way, notional in (("AUSDT", LONG, longs), ("BUSDT", SHORT, gross - longs))
        if notional
    )
    terms = contract(tick=Decimal("1e-8"))
    now = context(equity=equity, available=available, held=held, contracts={"BTCUSDT": terms})
    now = replace(now, day_equity=equity)
    asked = intent(side=side, close=price)

    decision = decide(asked, now, LIMITS)

    assert (decision.order is None) == bool(decision.reasons)
    if decision.order is None:
        return
    size, notional = decision.order.size, decision.exposure.notional
    longs_after = longs + (notional if side == LONG else 0)
    shorts_after = gross - longs + (notional if side == SHORT else 0)
    assert size % terms.size_step == 0
    assert terms.min_size <= size <= (terms.max_market_size or size)
    assert notional >= terms.min_notional
    assert notional <= equity * LIMITS.max_position
    assert gross + notional <= equity * LIMITS.max_gross
    assert (longs_after - shorts_after) * side <= equity * LIMITS.max_net
    assert notional / decision.order.leverage <= available * (1 - LIMITS.margin_reserve)
    assert decision.order.stop_loss is not None
    assert side * (asked.price - decision.order.stop_loss) >= 0
    assert decision.order.stop_loss % terms.tick == 0


@given(
    side=sides,
    price=prices,
    tick=st.integers(-9, 3).map(lambda place: Decimal(1).scaleb(place)),
    ticks=st.sampled_from([1, 2, 5]),
    distance=st.floats(1e-4, 0.3),
    step=st.sampled_from(["0.0001", "0.1", "1", "1000"]),
)
def test_a_stop_that_is_filled_a_tick_worse_loses_what_may_be_lost(
    side: int, price: float, tick: Decimal, ticks: int, distance: float, step: str
) -> None:
    """On a coarse tick the rounded stop may lie on the entry: no loss, said the cap, and gave the maximum."""
    terms = contract(tick=tick * ticks, size_step=Decimal(step), min_size=Decimal(step), max_market_size=None)
    rules = TradeRules(horizon=2, stop_loss=distance, take_profit=None)
    asked = intent(side=side, close=price, rules=rules)

    order = decide(asked, context(contracts={"BTCUSDT": terms}), LIMITS).order

    if order is not None:
        assert order.stop_loss is not None
        away = side * (asked.price - order.stop_loss)
        fees = terms.taker_fee * (asked.price + order.stop_loss)
        assert order.size * (away + terms.tick + fees) <= LIMITS.risk_per_trade * 10_000
        assert away >= terms.tick
        assert away >= abs(asked.price - Decimal(repr(asked.position.stop))) / 2


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize(
    ("price", "distance", "refused"),
    [(0.0030, 0.02, True), (0.0101, 0.005, True), (0.0030, 0.05, False), (0.0030, 0.1, False)],
)
def test_a_stop_that_the_tick_moves_onto_the_entry_is_refused(
    side: int, price: float, distance: float, refused: bool
) -> None:
    """It would be hit by the first trade, and the position be as large as the other limits allow."""
    terms = contract(tick=Decimal("0.0001"), size_step=Decimal(1), min_size=Decimal(1), max_market_size=None)
    rules = TradeRules(horizon=2, stop_loss=distance, take_profit=None)

    decision = decide(
        intent(side=side, close=price, rules=rules), context(contracts={"BTCUSDT": terms}), LIMITS
    )

    assert [reason.rule for reason in decision.reasons] == (["stop"] if refused else [])
    assert not refused or "tick 0.0001 is too coarse" in decision.reasons[0].text


@given(price=prices, equity=usdt, more=usdt, side=sides)
def test_more_equity_never_makes_a_smaller_order(
    price: float, equity: Decimal, more: Decimal, side: int
) -> None:
    """Otherwise a deposit could shrink a position that the limits allowed before."""

    def size(of: Decimal) -> Decimal:
        order = decide(
            intent(side=side, close=price), context(equity=of, available=of, day_equity=of), LIMITS
        ).order
        return Decimal(0) if order is None else order.size

    assert size(equity + more) >= size(equity)


def test_the_standard_wish_is_approved_with_the_size_that_loses_half_a_percent() -> None:
    """50 USDT at risk, 2.1 USDT lost per coin a tick beyond the stop, 0.11886 USDT of fees: 22.534 coins."""
    decision = decide(intent(), context(), LIMITS)

    assert decision.reasons == ()
    assert decision.order is not None
    assert decision.order.size == Decimal("22.534")
    assert decision.order.stop_loss == Decimal("98.0")
    assert decision.order.leverage == 3


OF_CONTEXT: list[tuple[str, dict[str, object]]] = [
    ("stopping", {"stopping": "STOP file"}),
    ("watching", {"watch_only": {"BTCUSDT": "demoted"}}),
    ("model age", {"now": NOON + 13 * 86_400_000 + 2000}),
    ("candle", {"now": NOON + 61_000}),
    ("candle", {"now": NOON - 2_000}),
    ("candle", {"unconfirmed": {"BTCUSDT": "no answer"}}),
    ("clock", {"clock_drift_s": 1.2}),
    ("clock", {"clock_drift_s": -1.2}),
    ("held", {"held": (Exposure(symbol="BTCUSDT", side=SHORT, notional=Decimal(5)),)}),
    (
        "positions",
        {"held": tuple(Exposure(symbol=f"S{n}", side=1, notional=Decimal(5)) for n in "1234")},
    ),
    ("order rate", {"orders_last_minute": 10}),
    ("daily loss", {"equity": Decimal(9_700)}),
    ("drawdown", {"peak_equity": Decimal(11_112)}),
    ("losing streak", {"losses_in_a_row": 4, "last_loss_at": NOON - 59 * MINUTE_MS}),
    ("contract", {"contracts": {}}),
    ("contract", {"contracts": {"BTCUSDT": contract(status="maintain")}}),
    ("leaving", {"contracts": {"BTCUSDT": contract(limit_open_time=NOON + 20 * HOUR_MS)}}),
    ("leaving", {"contracts": {"BTCUSDT": contract(off_time=NOON + 20 * HOUR_MS)}}),
    ("free margin", {"available": Decimal(1)}),
    ("position size", {"equity": Decimal(8), "day_equity": Decimal(8)}),
    ("net exposure", {"held": (Exposure(symbol="X", side=LONG, notional=Decimal(6_000)),)}),
    ("gross exposure", {"held": (Exposure(symbol="X", side=SHORT, notional=Decimal(10_000)),)}),
    ("largest market order", {"contracts": {"BTCUSDT": contract(max_market_size=Decimal("0.0005"))}}),
    ("risk per trade", {"contracts": {"BTCUSDT": contract(min_size=Decimal(30))}}),
]
"""What is changed in the standard context so that a rule refuses the standard intent."""
OF_INTENT: list[tuple[str, OrderIntent]] = [
    ("verdict", intent(tradable=False, reasons=("no edge was shown",))),
    ("stop", intent(rules=NO_STOP)),
    ("liquidation", intent(rules=TradeRules(horizon=2, stop_loss=0.6, take_profit=None))),
    ("funding", intent(rules=TradeRules(horizon=48, stop_loss=0.02, take_profit=None))),
]
TEN_BP = EvaluatedCosts(slippage=0.0001, spread_bps=10.0)


@pytest.mark.parametrize(("name", "changes"), OF_CONTEXT)
def test_every_rule_can_refuse(name: str, changes: dict[str, object]) -> None:
    """A rule that never refuses guards nothing."""
    assert name in names(**changes)


@pytest.mark.parametrize(("name", "asked"), OF_INTENT)
def test_every_rule_of_a_model_can_refuse(name: str, asked: OrderIntent) -> None:
    """As above, for what the intent itself decides."""
    assert [reason.rule for reason in decide(asked, context(), LIMITS).reasons] == [name]


@pytest.mark.parametrize(
    ("costs", "present", "said"),
    [
        (TEN_BP, {"BTCUSDT": 20.0}, None),
        (TEN_BP, {"BTCUSDT": 20.1}, "20.1 bp apart now, at most 20.0 bp are allowed: 2 times the 10.0 bp"),
        (TEN_BP, {"ETHUSDT": 1.0}, "the present spread is not known"),
        (TEN_BP, None, None),  # stored candles know no book
        (EvaluatedCosts(spread_bps=None), {}, None),  # such a verdict is not tradable anyway
        (EvaluatedCosts(spread_bps=0.1), {"BTCUSDT": 20.0}, None),  # a tick of 0.1 at 100 is 10 bp
        (EvaluatedCosts(spread_bps=0.1), {"BTCUSDT": 20.1}, "2 times the 10.0 bp"),
        (EvaluatedCosts(slippage=0.001, spread_bps=0.1), {"BTCUSDT": 40.0}, None),
        (EvaluatedCosts(slippage=0.001, spread_bps=0.1), {"BTCUSDT": 40.1}, "2 times the 20.0 bp"),
    ],
)
def test_nothing_is_opened_in_a_book_that_is_much_wider_than_the_evaluated_one(
    costs: EvaluatedCosts, present: dict[str, float] | None, said: str | None
) -> None:
    """The edge was counted after that spread; at another one nobody knows whether it is there."""
    reasons = decide(intent(costs=costs), context(spreads_bps=present), LIMITS).reasons

    assert [reason.rule for reason in reasons] == ([] if said is None else ["spread"])
    assert said is None or said in reasons[0].text


def test_every_rule_is_seen_to_refuse() -> None:
    """A new rule comes with a case; a name is never given twice, or counts of refusals would mix."""
    cases = ["spread", "experiment"] + [name for name, _ in OF_CONTEXT] + [name for name, _ in OF_INTENT]

    assert set(cases) == {rule.name for rule in RULES}
    assert len(RULES) == len({rule.name for rule in RULES}) == len({rule.meaning for rule in RULES})


def test_only_sizes_answer_with_a_size() -> None:
    """The kind says how an answer is read: a size in the wrong place would approve what it should refuse."""
    for one in (intent(), intent(rules=NO_STOP), intent(tradable=False)):
        proposal = Proposal.of(one, context(), LIMITS)
        for rule in RULES:
            found = rule.check(proposal)
            assert found is None or isinstance(found, Decimal) == (rule.kind == "size")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("model age", {"now": NOON + 13 * 86_400_000}),
        ("candle", {"now": NOON + 60_000}),
        ("candle", {"now": NOON - 1_000}),
        ("clock", {"clock_drift_s": -1.0}),
        ("positions", {"held": tuple(Exposure(symbol=f"S{n}", side=1, notional=Decimal(5)) for n in "123")}),
        ("order rate", {"orders_last_minute": 9}),
        ("daily loss", {"equity": Decimal("9700.01")}),
        ("drawdown", {"peak_equity": Decimal(11_111)}),
        ("losing streak", {"losses_in_a_row": 3, "last_loss_at": NOON - MINUTE_MS}),
        ("losing streak", {"losses_in_a_row": 4, "last_loss_at": NOON + 1_000 - 60 * MINUTE_MS}),
        ("leaving", {"contracts": {"BTCUSDT": contract(off_time=NOON + 24 * HOUR_MS + 10 * MINUTE_MS + 1)}}),
        ("held", {"held": (Exposure(symbol="ETHUSDT", side=SHORT, notional=Decimal(5)),)}),
        ("watching", {"watch_only": {"ETHUSDT": "demoted"}}),
        ("candle", {"unconfirmed": {"ETHUSDT": "no answer"}}),
    ],
)  # fmt: skip
def test_what_a_limit_allows_is_not_refused(name: str, changes: dict[str, object]) -> None:
    """A limit of 60 s that refuses at 60 s, or another symbol's refusal, costs trades that nobody forbade."""
    assert name not in names(**changes)


def test_funding_is_no_reason_where_it_need_not_be_avoided() -> None:
    """The settings decide, and a contract without settlements has none to avoid."""
    long = intent(rules=TradeRules(horizon=48, stop_loss=0.02, take_profit=None))
    without = {"BTCUSDT": contract(funding_hours=0)}

    assert decide(long, context(), replace(LIMITS, avoid_funding=False)).reasons == ()
    assert decide(long, context(contracts=without), LIMITS).reasons == ()


def test_a_limit_of_no_losing_streak_never_pauses() -> None:
    """0 means off, not that nothing is ever opened."""
    off = replace(LIMITS, losing_streak=0)
    asked = context(losses_in_a_row=9, last_loss_at=NOON)

    assert decide(intent(), asked, off).reasons == ()


def test_a_take_profit_is_sent_on_the_tick_and_the_order_has_an_end() -> None:
    """What is approved is what is sent: levels towards the entry, and no later than the candle allows."""
    rules = TradeRules(horizon=2, stop_loss=0.02, take_profit=0.0333)
    for side, level in ((LONG, "103.3"), (SHORT, "96.7")):
        order = decide(intent(side=side, rules=rules), context(), LIMITS).order

        assert order is not None
        assert order.take_profit == Decimal(level)
        assert order.until == NOON + 60_000


def test_a_refusal_says_in_figures_what_is_in_the_way() -> None:
    """Somebody reads it on a telephone, and decides what to do."""
    leaving = {"BTCUSDT": contract(off_time=NOON + 20 * HOUR_MS, status="maintain")}
    changed = context(
        now=NOON,
        contracts=leaving,
        losses_in_a_row=4,
        last_loss_at=NOON - 15 * MINUTE_MS,
        orders_last_minute=12,
    )

    texts = {reason.rule: reason.text for reason in decide(intent(), changed, LIMITS).reasons}

    assert texts == {
        "order rate": "12 orders in the last minute, at most 10",
        "losing streak": "4 trades lost in a row: paused for another 45 min",
        "contract": "the exchange says 'maintain' of the contract",
        "leaving": "the contract is delisted in 20.0 h, and nothing is opened 24 h before",
    }


def test_a_losing_streak_ends_with_its_pause() -> None:
    """Otherwise four losses would end trading for good."""
    assert "losing streak" not in names(losses_in_a_row=9, last_loss_at=NOON - 61 * MINUTE_MS)


def test_all_reasons_are_told_at_once() -> None:
    """An operator should not have to remove one obstacle to learn of the next."""
    assert names(
        stopping="STOP file",
        clock_drift_s=5.0,
        orders_last_minute=99,
        equity=Decimal(1),
        available=Decimal(0),
    ) >= {"stopping", "clock", "order rate", "daily loss", "free margin", "position size"}


def test_an_untested_model_trades_only_where_that_was_asked_for() -> None:
    """The verdict is what the product vouches for; only paper trading may look past it."""
    asked = intent(tradable=False, reasons=("no edge was shown",))

    refused = decide(asked, context(), LIMITS)
    assert [reason.rule for reason in refused.reasons] == ["verdict"]
    assert "no edge was shown" in refused.reasons[0].text
    assert decide(asked, context(trade_untested=True), LIMITS).order is not None


def test_a_model_without_a_stop_is_refused_where_one_is_required() -> None:
    """A position without a stop is protected by nothing while the machine is off."""
    decision = decide(intent(rules=NO_STOP), context(), LIMITS)

    assert [reason.rule for reason in decision.reasons] == ["stop"]
    assert decide(intent(rules=NO_STOP), context(), replace(LIMITS, require_stop=False)).order is not None


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        (NOON + 4 * HOUR_MS - 15 * MINUTE_MS + 1, False),  # held until 15:55:00
        (NOON + 4 * HOUR_MS - 10 * MINUTE_MS + 1, True),  # held until 16:00:00
        (NOON + 4 * HOUR_MS + 1, False),
    ],
)
def test_nothing_is_held_across_a_funding_settlement(now: int, refused: bool) -> None:
    """Settlement at 16:00 costs about what a good trade earns."""
    asked = intent()
    opened = now // 300_000 * 300_000 - 300_000
    moved = replace(
        asked,
        signal=replace(asked.signal, open_time=opened),
        position=replace(asked.position, opened=opened, due=opened + 600_000),
    )

    reasons = {reason.rule for reason in decide(moved, context(now=now), LIMITS).reasons}

    assert reasons == ({"funding"} if refused else set())


def test_wishes_of_one_candle_share_the_limits() -> None:
    """Ten symbols that fire together must not each be given the whole account."""
    first = decide(intent(), context(), LIMITS)
    later = with_approved(context(), first)

    second = decide(intent("ETHUSDT"), later, LIMITS)

    assert second.order is not None
    assert first.exposure.notional + second.exposure.notional <= Decimal(6_000)
    third = decide(
        intent("SOLUSDT"),
        replace(with_approved(later, second), contracts={"SOLUSDT": contract("SOLUSDT")}),
        LIMITS,
    )
    assert third.exposure.notional + first.exposure.notional + second.exposure.notional <= Decimal(6_000)
    assert later.available < context().available
    assert later.orders_last_minute == 1


def test_a_stop_beyond_every_liquidation_price_is_refused() -> None:
    """Even without leverage a long is gone at zero, which is not twice as far as a stop at 60 %."""
    far = TradeRules(horizon=2, stop_loss=0.6, take_profit=None)

    assert [reason.rule for reason in decide(intent(rules=far), context(), LIMITS).reasons] == ["liquidation"]


@given(side=sides, distance=st.floats(0.001, 0.9), most=st.integers(1, 125))
def test_liquidation_keeps_its_distance_from_the_stop(side: int, distance: float, most: int) -> None:
    """A stop that lies beyond the liquidation price protects nothing."""
    rules = TradeRules(horizon=2, stop_loss=distance, take_profit=None)
    asked, terms = intent(side=side, rules=rules), contract(max_leverage=Decimal(most))
    stop = Decimal(repr(asked.position.stop))

    leverage = leverage_for(asked, stop, terms, replace(LIMITS, leverage=Decimal(125)))

    if leverage is not None:
        assert leverage <= most
        margin = asked.price / leverage
        at = (margin - asked.price * side) / (terms.maintenance_rate + terms.taker_fee - side)
        assert side * (asked.price - at) >= 2 * abs(asked.price - stop) - Decimal("1e-15")


def test_the_daily_loss_is_told_in_figures() -> None:
    """The message is what the operator reads on a telephone."""
    assert daily_loss(Decimal("9700.01"), Decimal(10_000), LIMITS) is None
    assert "3.00% of 10000.00 USDT" in str(daily_loss(Decimal(9_700), Decimal(10_000), LIMITS))


def test_the_drawdown_is_told_with_what_ends_it() -> None:
    """Whoever reads it must know what is lost, and what to do before anything trades again."""
    text = str(drawdown(Decimal(9_000), Decimal(10_000), LIMITS, now=NOON))

    assert "10.00% of the highest equity, 10000.00 USDT" in text
    assert 'peak_since = "2025-11-06T12:00"' in text
    assert drawdown(Decimal("9000.01"), Decimal(10_000), LIMITS, now=NOON) is None
    assert drawdown(Decimal(1), Decimal(10_000), replace(LIMITS, max_drawdown=Decimal(1)), now=NOON) is None


@given(size=st.decimals(-10, 10**9, places=9), step=st.sampled_from(["0.001", "1", "10", "1e-12"]))
def test_sizes_are_floored_never_raised(size: Decimal, step: str) -> None:
    """Rounding up could break the limit that the size came from."""
    floored = to_step(size, Decimal(step))

    assert floored % Decimal(step) == 0
    assert 0 <= floored <= max(size, Decimal(0)) < floored + Decimal(step) if size > 0 else floored == 0
