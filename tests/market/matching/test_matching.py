"""On this candle, with this order: these fills."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from desk.errors import SettingsError
from desk.market.matching import Denied, FillCosts, FillModel, Matching
from desk.market.matching.report import open_positions
from desk.values import CANDLE_MS
from tests.market.matching.samples import BTC, ETH, T0, Desk, plain_equity

LONG, SHORT = 1, -1


@pytest.mark.parametrize(
    ("side", "slippage", "price"),
    [
        pytest.param(LONG, "0", "100.1", id="half a tick, rounded to the tick"),
        pytest.param(SHORT, "0", "99.9", id="half a tick the other way"),
        pytest.param(LONG, "0.002", "100.2", id="the fraction where it is more"),
        pytest.param(SHORT, "0.0021", "99.7", id="against the account, not to the nearest"),
    ],
)
def test_a_market_order_is_filled_at_once_and_never_at_the_last_price(
    side: int, slippage: str, price: str
) -> None:
    """A simulation that gives the mid away flatters every strategy that trades often."""
    desk = Desk(slippage=Decimal(slippage))
    order = desk.order(side, "2")

    assert (order.status, order.filled) == ("filled", Decimal(2))
    assert desk.fills == [("order", "open", side, price, "2")]
    assert order.fee == Decimal(price) * 2 * BTC.taker_fee


CANDLES: dict[str, tuple[dict[str, Any], tuple[str, str, str, str], list[tuple[str, str]]]] = {
    "a stop is touched": ({}, ("100", "101", "95", "98"), [("stop_loss", "94.9")]),
    "a stop is missed by a tick": ({}, ("100", "101", "95.1", "98"), []),
    "a stop that is gapped over fills at the open": ({}, ("93", "101", "92", "98"), [("stop_loss", "92.9")]),
    "a target is touched": ({}, ("100", "110", "96", "98"), [("take_profit", "109.9")]),
    "a target that is gapped over fills no better": (
        {},
        ("112", "115", "111", "113"),
        [("take_profit", "109.9")],
    ),
    "stop and target in one candle: the stop": ({}, ("100", "111", "94", "110"), [("stop_loss", "94.9")]),
    "a short's stop": ({"side": SHORT}, ("100", "105", "99", "99"), [("stop_loss", "105.1")]),
    "a short's stop and target: the stop": (
        {"side": SHORT},
        ("100", "106", "89", "90"),
        [("stop_loss", "105.1")],
    ),
    "a short's target": ({"side": SHORT}, ("100", "104", "90", "95"), [("take_profit", "90.1")]),
}


@pytest.mark.parametrize("side", [1, -1])
def test_a_taker_pays_half_the_spread_where_it_is_wider_than_the_slippage(side: int) -> None:
    """A book of 40 bp is not traded at the last price, whatever the settings call slippage."""
    wide = FillCosts(slippage=Decimal("0.002"))
    desk = Desk(slippage=Decimal("0.0001"), by_symbol={"BTCUSDT": wide})

    bought = desk.order(side, "1")
    elsewhere = desk.order(side, "1", symbol="ETHUSDT")

    assert bought.quote == 100 + side * Decimal("0.2")
    assert elsewhere.quote == 100 + side * Decimal("0.1")


@pytest.mark.parametrize("side", [1, -1])
def test_a_taker_pays_half_a_step_of_the_grid_of_that_week(side: int) -> None:
    """Prices that are rounded under a finer tick are no prices at which anybody trades."""
    week = 7 * 86_400_000
    grid = FillCosts(grid_from=(T0 - week, T0 + week), grid=(Decimal("0.8"), Decimal(2)))
    desk = Desk(by_symbol={"BTCUSDT": grid})

    early = desk.order(side, "1")
    desk.now = T0 + week - CANDLE_MS
    desk.candle("100", "100", "100", "100")
    just_before = desk.order(side, "1")
    desk.candle("100", "100", "100", "100")
    later = desk.order(side, "1")

    assert early.quote == just_before.quote == 100 + side * Decimal("0.4")
    assert later.quote == 100 + side


@pytest.mark.parametrize(
    ("side", "candle", "fill"),
    [
        (LONG, ("100", "101", "91", "99"), "94"),
        (LONG, ("93", "101", "91", "99"), "92.5"),  # gapped over: from the open on
        (SHORT, ("100", "109", "99", "101"), "106"),
        (SHORT, ("107", "109", "99", "101"), "107.5"),
    ],
)
def test_a_stop_fills_part_of_the_way_to_the_extreme_and_a_target_does_not(
    side: int, candle: tuple[str, str, str, str], fill: str
) -> None:
    """Stopped trades lose more than their level says: by 40 to 65 bp in the median of Bitget's candles."""
    costs = FillCosts(stop_overshoot=Decimal("0.25"))
    desk = Desk(rounding=False, by_symbol={"BTCUSDT": costs})
    desk.order(side, "1", stop_loss="95" if side == LONG else "105")
    desk.candle(*candle)

    (stopped,) = [one.fill for one in desk.account.executions if one.fill.cause == "stop_loss"]
    half_tick = desk.account.contracts["BTCUSDT"].tick / 2
    assert stopped.price == Decimal(fill) - side * half_tick

    calm = Desk(rounding=False, stop_overshoot=Decimal("0.25"))
    calm.order(side, "1", take_profit="110" if side == LONG else "90")
    calm.candle("100", "112", "88", "100")

    (target,) = [one.fill for one in calm.account.executions if one.fill.cause == "take_profit"]
    assert target.price == (110 if side == LONG else 90) - side * half_tick


def test_a_stop_on_a_known_path_fills_at_its_level() -> None:
    """Where every price is seen the extreme of a candle says nothing about the fill."""
    desk = Desk(rounding=False, stop_overshoot=Decimal("0.25"))
    desk.order(LONG, "1", stop_loss="95")
    desk.core.market.move("BTCUSDT", Decimal(90), desk.now)

    (stopped,) = [one.fill for one in desk.account.executions if one.fill.cause == "stop_loss"]
    assert stopped.price == 95 - desk.account.contracts["BTCUSDT"].tick / 2


@pytest.mark.parametrize(("told", "candle", "exits"), CANDLES.values(), ids=list(CANDLES))
def test_an_attached_stop_and_target_end_the_position(
    told: dict[str, Any], candle: tuple[str, str, str, str], exits: list[tuple[str, str]]
) -> None:
    """The same readings as ``desk.policy``: a stop at the worse of level and open, a target at its level."""
    desk = Desk()
    side = told.get("side", LONG)
    levels = ("95", "110") if side == LONG else ("105", "90")
    desk.order(side, "1", stop_loss=levels[0], take_profit=levels[1])
    desk.candle(*candle)

    assert [(cause, price) for cause, _, _, price, _ in desk.fills[1:]] == exits
    assert bool(desk.account.positions) == (not exits)
    assert bool(desk.account.plans) == (not exits)


RESTING: dict[str, tuple[int, str, tuple[str, str, str, str], list[tuple[str, str]]]] = {
    "a price that goes through it": (LONG, "98", ("100", "101", "97.9", "99"), [("order", "98")]),
    "a price that only touches it": (LONG, "98", ("100", "101", "98", "99"), []),
    "a gap gives no better price": (LONG, "98", ("96", "97", "95.5", "97"), [("order", "98")]),
    "it is stopped in the same candle": (
        LONG,
        "98",
        ("100", "101", "94", "99"),
        [("order", "98"), ("stop_loss", "94.9")],
    ),
    "its target waits for the next candle": (LONG, "98", ("100", "120", "97", "118"), [("order", "98")]),
    "a short above": (SHORT, "102", ("100", "102.1", "80", "99"), [("order", "102")]),
}


@pytest.mark.parametrize(("side", "price", "candle", "fills"), RESTING.values(), ids=list(RESTING))
def test_a_resting_order_is_filled_by_a_price_that_goes_through_it(
    side: int, price: str, candle: tuple[str, str, str, str], fills: list[tuple[str, str]]
) -> None:
    """Who stands before it in the queue is unknown, and what came first within the candle as well."""
    desk = Desk()
    levels = ("95", "110") if side == LONG else ("105", "90")
    order = desk.order(side, "1", price, stop_loss=levels[0], take_profit=levels[1])
    desk.candle(*candle)

    assert order.status == "live"
    assert [(cause, at) for cause, _, _, at, _ in desk.fills] == fills
    if fills:
        execution = desk.account.executions[0]
        assert execution.maker
        assert execution.fill.fee == Decimal(price) * BTC.maker_fee


def test_a_stop_is_met_before_the_order_that_rests_below_it() -> None:
    """Filled the other way round, the falling price would have been bought and then sold higher."""
    desk = Desk()
    desk.order(LONG, "1", stop_loss="95")
    desk.order(LONG, "1", "90")
    desk.candle("100", "100", "89", "92")

    assert [price for _, _, _, price, _ in desk.fills] == ["100.1", "94.9", "90"]


def test_an_order_is_not_met_by_a_candle_that_ended_before_it() -> None:
    """A candle that arrives late has happened to what was there then."""
    desk = Desk()
    desk.now += 300_000
    desk.order(LONG, "1", "98")
    desk.now -= 300_000
    desk.candle("100", "100", "90", "100")

    assert desk.fills == []


@pytest.mark.parametrize(
    ("force", "price", "status", "filled"),
    [
        ("gtc", "100", "live", 0),
        ("gtc", "100.2", "filled", 3),
        ("ioc", "100", "canceled", 0),
        ("ioc", "100.1", "filled", 3),
        ("fok", "100.1", "filled", 3),
        ("post_only", "100.1", "canceled", 0),
        ("post_only", "100", "live", 0),
    ],
)
def test_force_says_what_becomes_of_what_is_not_filled(
    force: Any, price: str, status: str, filled: int
) -> None:
    desk = Desk()
    order = desk.order(LONG, "3", price, force=force)

    assert (order.status, order.filled) == (status, Decimal(filled))


def test_with_a_volume_share_orders_are_filled_in_parts() -> None:
    """A size that is a large part of a thin candle would not have been had at its price."""
    desk = Desk(volume_share=Decimal("0.1"))
    desk.candle("100", "100", "100", "100", volume="20")
    market = desk.order(LONG, "3")
    fok = desk.order(LONG, "3", "101", force="fok")
    resting = desk.order(LONG, "3", "99")
    desk.candle("100", "100", "98", "100", volume="20.019")
    after_one = desk.account.orders[resting.order_id]
    desk.candle("100", "100", "98", "100", volume="20")
    after_two = desk.account.orders[resting.order_id]

    assert (market.status, market.filled, market.cancel_reason) == ("canceled", Decimal(2), "ioc")
    assert (fok.status, fok.filled) == ("canceled", Decimal(0))
    assert (after_one.status, after_one.filled) == ("partially_filled", Decimal("2.001"))
    assert (after_two.status, after_two.filled) == ("filled", Decimal(3))


def test_the_stop_of_an_order_that_is_filled_in_parts_covers_what_is_filled() -> None:
    """A partly filled entry without a stop is the position nobody watches."""
    desk = Desk(volume_share=Decimal("0.1"))
    desk.order(LONG, "3", "99", stop_loss="95")
    desk.candle("100", "100", "98", "100", volume="20")
    covered = [plan.size for plan in desk.account.plans.values()]
    desk.candle("100", "100", "98", "100", volume="20")
    then = [plan.size for plan in desk.account.plans.values()]
    desk.candle("100", "100", "94", "95", volume="1")

    assert (covered, then) == ([Decimal(2)], [Decimal(3)])
    assert desk.fills[-1] == ("stop_loss", "close", LONG, "94.9", "3")


def test_in_one_way_mode_an_order_against_the_position_reduces_it_and_then_turns_it() -> None:
    """A bot that counts on "open" to open learns here that the exchange nets."""
    desk = Desk()
    desk.order(LONG, "2", stop_loss="90")
    order = desk.order(SHORT, "3", stop_loss="110")

    assert desk.fills[1:] == [("order", "close", LONG, "99.9", "2"), ("order", "open", SHORT, "99.9", "1")]
    assert order.filled == 3
    assert [(p.side, p.size) for p in desk.account.positions.values()] == [(SHORT, Decimal(1))]
    assert [plan.trigger for plan in desk.account.plans.values()] == [110]


def test_in_hedge_mode_long_and_short_stand_side_by_side() -> None:
    """Each has its own stop; a candle that holds both stops ends both."""
    desk = Desk(mode="hedge")
    desk.order(LONG, "2", stop_loss="95", take_profit="104")
    desk.order(SHORT, "1", stop_loss="105", take_profit="96")
    desk.candle("100", "106", "94", "100")

    assert desk.fills[2:] == [
        ("stop_loss", "close", LONG, "94.9", "2"),
        ("stop_loss", "close", SHORT, "105.1", "1"),
    ]


def test_closing_never_opens_the_other_side() -> None:
    """The exit of a position that a stop has just ended must not become a new position."""
    desk = Desk()
    desk.order(LONG, "1")
    order = desk.order(LONG, "5", purpose="close")

    assert (order.ticket.size, order.status) == (Decimal(1), "filled")
    assert desk.account.positions == {}
    with pytest.raises(Denied, match="22002"):
        desk.order(LONG, "1", purpose="close")


def test_orders_that_close_die_with_the_position() -> None:
    desk = Desk()
    desk.order(LONG, "1")
    resting = desk.order(LONG, "1", "105", purpose="close")
    desk.core.close("BTCUSDT", desk.now)

    assert desk.account.orders[resting.order_id].cancel_reason == "position_closed"


def test_a_stop_bound_to_the_position_replaces_the_earlier_one_and_attached_ones_add_up() -> None:
    """``docs/bitget.md``, section 8.4: a client that wants one stop must cancel the attached one itself."""
    desk = Desk()
    desk.order(LONG, "1", stop_loss="95")
    first = desk.core.protect("BTCUSDT", LONG, "stop_loss", Decimal(90), desk.now)
    second = desk.core.protect("BTCUSDT", LONG, "stop_loss", Decimal(91), desk.now)
    [holding] = open_positions(desk.account)
    triggers = {plan.trigger for plan in desk.account.plans.values()}
    desk.core.modify_plan(second.plan_id, trigger=Decimal(96), size=None)
    desk.candle("100", "100", "95.5", "99")

    assert triggers == {95, 91}
    assert holding.stop_loss == 95
    assert first.plan_id not in desk.account.plans
    assert desk.last == ("stop_loss", "95.9")
    with pytest.raises(Denied, match="43025"):
        desk.core.cancel_plan(second.plan_id)


def test_an_isolated_position_loses_its_margin_and_nothing_more() -> None:
    """Liquidation at maintenance, takeover where nothing is left: the rest of the account is safe."""
    desk = Desk(leverage="10")
    desk.order(LONG, "10")
    [position] = desk.account.positions.values()
    level = desk.account.liquidation_price(position)
    cash = desk.account.cash
    desk.candle("100", "101", "80", "85")

    assert level is not None
    assert Decimal("90.4") < level < Decimal("90.6")
    assert desk.last[0] == "liquidation"
    assert cash - position.margin <= desk.account.cash < cash - position.margin + 1
    assert desk.account.insurance == 0


def test_a_crossed_account_is_liquidated_as_a_whole_and_never_owes() -> None:
    desk = Desk(margin="crossed", leverage="10", deposit="1000")
    desk.order(LONG, "60")
    desk.order(LONG, "20", symbol="ETHUSDT")
    desk.order(LONG, "1", "50")
    desk.jump("70")

    assert desk.account.positions == {}
    assert desk.account.live_orders() == []
    assert 0 <= desk.account.cash < 10
    assert desk.account.balance().equity == desk.account.cash


def test_a_stop_nearer_than_the_liquidation_saves_the_rest() -> None:
    desk = Desk(leverage="10")
    desk.order(LONG, "10", stop_loss="95")
    desk.candle("100", "101", "80", "85")

    assert [cause for cause, *_ in desk.fills] == ["order", "stop_loss"]


def test_funding_is_paid_by_value_and_out_of_an_isolated_margin() -> None:
    """Paid funding brings the liquidation nearer; a rate below zero is received."""
    desk = Desk()
    desk.order(LONG, "10")
    [before] = desk.account.positions.values()
    cash = desk.account.cash
    desk.core.market.fund("BTCUSDT", Decimal("0.001"), desk.now)
    [after] = desk.account.positions.values()
    desk.core.market.fund("BTCUSDT", Decimal("-0.0005"), desk.now)

    assert after.margin == before.margin - 1
    assert desk.account.cash == cash - 1 + Decimal("0.5")
    assert desk.account.positions["BTCUSDT", LONG].funding == Decimal("0.5")


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown symbol": ({"symbol": "NOPEUSDT"}, "40034"),
    "client id used before": ({"client_id": "used"}, "40786"),
    "client id too long": ({"client_id": "x" * 51}, "40304"),
    "client id with blanks": ({"client_id": "a b"}, "40305"),
    "no size": ({"size": "0"}, "40808"),
    "size off the step": ({"size": "0.0015"}, "40808"),
    "value too small": ({"size": "0.04"}, "45110"),
    "too large for a market order": ({"size": "1001"}, "45112"),
    "price off the tick": ({"size": "1", "price": "100.05"}, "45115"),
    "stop on the wrong side": ({"stop_loss": "101"}, "40917"),
    "target on the wrong side": ({"take_profit": "99"}, "40917"),
    "stop off the tick": ({"stop_loss": "95.55"}, "45115"),
    "more than the money": ({"size": "500"}, "40762"),
}


@pytest.mark.parametrize(("told", "code"), REFUSALS.values(), ids=list(REFUSALS))
def test_a_refused_order_changes_nothing(told: dict[str, Any], code: str) -> None:
    """Balances change only after every rule has passed."""
    desk = Desk()
    desk.order(LONG, "1", client_id="used")
    desk.core.drain()
    before = (desk.account.cash, dict(desk.account.positions), dict(desk.account.orders))
    with pytest.raises(Denied, match=code):
        desk.order(LONG, **{"size": "1", **told})

    assert before == (desk.account.cash, dict(desk.account.positions), dict(desk.account.orders))
    assert desk.core.drain() == []


@pytest.mark.parametrize(
    ("changed", "purpose", "code"),
    [
        ({"limit_open_time": T0}, "open", "45119"),
        ({"limit_open_time": T0}, "close", None),
        ({"limit_open_time": T0 + 1}, "open", None),
        ({"off_time": T0}, "close", "40309"),
        ({"status": "maintain"}, "close", "40308"),
        ({"status": "limit_open"}, "close", None),
        ({"status": "limit_open"}, "open", "45119"),
    ],
)
def test_a_contract_that_is_leaving_may_be_closed_before_it_is_gone(
    changed: dict[str, Any], purpose: Any, code: str | None
) -> None:
    desk = Desk()
    desk.order(LONG, "1")
    desk.account.contracts = {"BTCUSDT": replace(BTC, **changed)}
    if code is None:
        assert desk.order(LONG, "1", purpose=purpose).status == "filled"
    else:
        with pytest.raises(Denied, match=code):
            desk.order(LONG, "1", purpose=purpose)


def test_settings_are_locked_by_what_they_would_change() -> None:
    """Codes of ``docs/bitget.md``, section 6; repeating a setting is harmless at any time."""
    desk = Desk()
    desk.order(LONG, "1")
    desk.core.set_margin_mode("BTCUSDT", "isolated")
    desk.core.set_position_mode("one_way")
    with pytest.raises(Denied, match="45117"):
        desk.core.set_margin_mode("BTCUSDT", "crossed")
    with pytest.raises(Denied, match="40920"):
        desk.core.set_position_mode("hedge")
    desk.order(LONG, "1", "90")
    with pytest.raises(Denied, match="45097"):
        desk.core.set_leverage("BTCUSDT", Decimal(7))
    desk.core.set_leverage("BTCUSDT", Decimal(5))
    with pytest.raises(Denied, match="40797"):
        desk.core.set_leverage("BTCUSDT", Decimal(101))
    desk.core.cancel_all(desk.now)
    desk.core.set_leverage("BTCUSDT", Decimal(10))

    assert desk.account.positions["BTCUSDT", LONG].margin == Decimal("10.01")


def test_a_resting_order_keeps_its_money() -> None:
    """Two orders must not be accepted on the same cash, nor one filled on cash that is gone."""
    desk = Desk(deposit="1000", leverage="1")
    desk.order(LONG, "6", "90")
    with pytest.raises(Denied, match="40762"):
        desk.order(LONG, "6", symbol="ETHUSDT")

    assert desk.account.available() == 1000 - 540 * (1 + BTC.taker_fee)


def test_an_order_is_replaced_whole_or_not_at_all() -> None:
    desk = Desk(deposit="1000", leverage="1")
    order = desk.order(LONG, "9", "100", client_id="a")
    with pytest.raises(Denied, match="40762"):
        desk.core.modify(order, replace(order.ticket, client_id="b", size=Decimal(11)), desk.now)
    with pytest.raises(Denied, match="40786"):
        desk.core.modify(order, order.ticket, desk.now)
    new = desk.core.modify(order, replace(order.ticket, client_id="c", price=Decimal(99)), desk.now)

    assert desk.account.orders[order.order_id].cancel_reason == "replaced"
    assert (new.status, new.ticket.price) == ("live", Decimal(99))
    with pytest.raises(Denied, match="22001"):
        desk.core.cancel(desk.account.orders[order.order_id], desk.now)


def test_the_same_calls_give_the_same_ids() -> None:
    """A replay can be compared line by line."""

    def run() -> list[str]:
        desk = Desk()
        desk.order(LONG, "1", stop_loss="95")
        desk.candle("100", "101", "94", "95")
        return [execution.fill.trade_id for execution in desk.account.executions] + [*desk.account.orders]

    assert run() == run()


def test_equity_is_what_the_plain_ledger_says() -> None:
    desk = Desk()
    desk.order(LONG, "3")
    desk.order(SHORT, "2")
    desk.jump("103")

    assert desk.account.balance().equity == plain_equity(desk.core)


def test_candles_happen_in_order() -> None:
    desk = Desk()
    desk.candle("100", "100", "100", "100")
    desk.now = T0
    with pytest.raises(ValueError, match="not later"):
        desk.candle("100", "100", "100", "100")


def test_all_wrong_terms_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"slippage.*stop_overshoot.*volume_share"):
        FillModel(slippage=Decimal(1), stop_overshoot=Decimal(2), volume_share=Decimal(2))
    with pytest.raises(SettingsError, match=r"slippage.*stop_overshoot.*grid has 1 steps"):
        FillCosts(slippage=Decimal(1), stop_overshoot=Decimal(-1), grid=(Decimal(1),))


def test_an_order_needs_a_price_to_be_filled_at() -> None:
    core = Matching([BTC, ETH], Decimal(100))
    desk = Desk()
    ticket = desk.order(LONG, "1").ticket
    with pytest.raises(Denied, match="no price"):
        core.place(ticket, T0)
