"""The rules of trading: one reading of every candle, the same for evaluation and live."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from desk import backtest, policy
from desk.backtest import Trades, one_at_a_time, trades_of
from desk.costs import Costs
from desk.errors import SettingsError
from desk.policy import ENDED, FLAT, LONG, SHORT, Candle, PlannedTrade, Thresholds, Trade, TradeRules, step
from desk.values import CANDLE_MS, Candles
from tests.learn.trading import FREE, PLAIN, TAKER, candles_from, plain_trades, some_probabilities, walk

BOTH = Thresholds(long=0.6, short=0.4)
GUARDED = TradeRules(horizon=3, stop_loss=0.01, take_profit=0.01)


def made(
    candles: Candles,
    probability: NDArray[np.float64],
    rules: TradeRules = PLAIN,
    costs: Costs = FREE,
    thresholds: Thresholds = BOTH,
) -> Trades:
    return trades_of(candles, probability, thresholds=thresholds, rules=rules, costs=costs)


def stepped(
    candles: Candles,
    probability: NDArray[np.float64],
    thresholds: Thresholds,
    rules: TradeRules,
    costs: Costs,
) -> list[Trade]:
    """What live trading does: one candle after the other."""
    position: PlannedTrade | None = None
    done = []
    for row in range(len(candles)):
        prices = (float(price) for price in candles.values[:4, row])
        candle = Candle(int(candles.open_time[row]), *prices)
        position, trade = step(
            position, candle, float(probability[row]), thresholds=thresholds, rules=rules, costs=costs
        )
        if trade is not None:
            done.append(trade)
    return done


def as_values(trades: Trades) -> list[Trade]:
    return [
        Trade(
            side=int(trades.side[i]),
            opened=int(trades.opened[i]),
            closed=int(trades.candles.open_time[trades.leave[i]]),
            entry_price=float(trades.entry_price[i]),
            exit_price=float(trades.exit_price[i]),
            gross=float(trades.gross[i]),
            net=float(trades.net[i]),
            ended=ENDED[trades.ended[i]],
        )
        for i in range(len(trades))
    ]


@st.composite
def markets(draw: st.DrawFn) -> tuple[Candles, NDArray[np.float64]]:
    """Candles on a coarse grid of prices, so that levels are met exactly, gapped over and both touched."""
    n = draw(st.integers(1, 25))
    price = st.integers(96, 104)
    rows = []
    for _ in range(n):
        open_, close, *more = draw(st.tuples(price, price, price, price))
        reach = [open_, close, *more]
        rows.append((float(open_), float(max(reach)), float(min(reach)), float(close)))
    holes = draw(st.sets(st.integers(1, max(1, n - 1)), max_size=3))
    said = st.sampled_from([0.2, 0.4, 0.5, 0.6, 0.9, math.nan])
    return candles_from(rows, holes), np.array(draw(st.lists(said, min_size=n, max_size=n)))


distances = st.sampled_from([None, 0.01, 0.02, 0.03])
some_rules = st.builds(
    TradeRules,
    horizon=st.integers(1, 5),
    stop_loss=distances,
    take_profit=distances,
    stop_overshoot=st.sampled_from([0.0, 0.25, 1.0]),
)
some_costs = st.sampled_from(
    [
        FREE,
        TAKER,
        Costs(tick=1.0, slippage=0.0, fee_entry=0.0002, fee_exit=0.0006),
        Costs(tick=0.01, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0006, spread=0.004),
    ]
)
some_thresholds = st.sampled_from(
    [
        BOTH,
        Thresholds(long=0.6, short=None),
        Thresholds(long=None, short=0.4),
        Thresholds(long=None, short=None),
    ]
)


# Two forms, one policy ----------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(markets(), some_thresholds, some_rules, some_costs)
def test_live_and_evaluation_make_the_very_same_trades(
    market: tuple[Candles, NDArray[np.float64]], thresholds: Thresholds, rules: TradeRules, costs: Costs
) -> None:
    """Bit for bit: else the figures would be those of another trader."""
    assert as_values(made(*market, rules, costs, thresholds)) == stepped(*market, thresholds, rules, costs)


def assert_plain_trades(
    candles: Candles,
    probability: NDArray[np.float64],
    thresholds: Thresholds,
    rules: TradeRules,
    costs: Costs,
) -> None:
    """The policy's trades are those of the plain version, candle by candle."""
    fast = made(candles, probability, rules, costs, thresholds)
    slow = plain_trades(candles, probability, thresholds, rules, costs)
    assert fast.entry.tolist() == [trade.entry for trade in slow]
    assert fast.leave.tolist() == [trade.leave for trade in slow]
    assert fast.side.tolist() == [trade.side for trade in slow]
    assert [ENDED[ended] for ended in fast.ended] == [trade.ended for trade in slow]
    np.testing.assert_allclose(fast.gross, [trade.gross for trade in slow], atol=1e-12)
    np.testing.assert_allclose(fast.net, [trade.net for trade in slow], atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(markets(), some_thresholds, some_rules, some_costs)
def test_the_trades_are_those_of_a_plain_recount(
    market: tuple[Candles, NDArray[np.float64]], thresholds: Thresholds, rules: TradeRules, costs: Costs
) -> None:
    """Against a version that shares no line with the policy and visits every candle."""
    assert_plain_trades(*market, thresholds, rules, costs)


@pytest.mark.parametrize("horizon", [1, 2, 6, 24])
def test_a_long_stretch_is_traded_like_the_plain_recount(horizon: int) -> None:
    """Thousands of candles with holes, stops and targets."""
    candles = walk(6_000, seed=horizon, holes={100, 2_000, 2_001, 5_000})
    rules = TradeRules(horizon=horizon, stop_loss=0.006, take_profit=0.008)

    assert_plain_trades(candles, some_probabilities(6_000, seed=7), BOTH, rules, TAKER)


def test_an_optimistic_reading_of_a_candle_that_touches_both_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Planted: the take-profit counts first.  The recount must notice."""
    candles = candles_from([(100, 100, 100, 100), (100, 102, 98, 100), (100, 100, 100, 100)])
    probability = np.array([0.9, 0.5, 0.5])
    assert_plain_trades(candles, probability, BOTH, GUARDED, FREE)
    honest = policy.touch

    def optimistic(side: Any, stop: Any, target: Any, *prices: Any) -> Any:
        taken, price = honest(-side, target, stop, *prices)
        return ~taken, price

    monkeypatch.setattr(backtest, "touch", optimistic)

    with pytest.raises(AssertionError):
        assert_plain_trades(candles, probability, BOTH, GUARDED, FREE)
    assert plain_trades(candles, probability, BOTH, GUARDED, FREE, stop_first=False)[0].gross > 0


# One candle at a time -----------------------------------------------------------------------------

FLAT_CANDLE = (100.0, 100.0, 100.0, 100.0)


@pytest.mark.parametrize(
    ("side", "then", "price", "ended"),
    [
        # open, high, low, close of the candle after the signal at 100; levels at 99 and 101
        (LONG, (100, 100.5, 99.5, 100.2), 100.0, "horizon"),  # neither; the third candle ends it at 100
        (LONG, (100, 100.5, 99, 100), 99.0, "stop"),  # touched exactly
        (LONG, (98, 100.5, 97, 100), 98.0, "stop"),  # gapped over: the open is worse than the stop
        (LONG, (100, 101, 99.5, 100), 101.0, "take_profit"),
        (LONG, (102, 103, 101.5, 102), 101.0, "take_profit"),  # gapped over: not better than the level
        (LONG, (100, 102, 98, 101), 99.0, "stop"),  # both: the worse
        (SHORT, (100, 101, 99.5, 100), 101.0, "stop"),
        (SHORT, (102, 103, 100, 100), 102.0, "stop"),
        (SHORT, (100, 100.5, 99, 100), 99.0, "take_profit"),
        (SHORT, (98, 98.5, 97, 98), 99.0, "take_profit"),
        (SHORT, (100, 102, 98, 99), 101.0, "stop"),
    ],
)
def test_where_a_candle_ends_a_position(
    side: int, then: tuple[float, float, float, float], price: float, ended: str
) -> None:
    """On this candle, this exit: the table is the rule book."""
    candles = candles_from([FLAT_CANDLE, then, FLAT_CANDLE, FLAT_CANDLE])
    signal = 0.9 if side == LONG else 0.1

    (trade,) = as_values(made(candles, np.array([signal, 0.5, 0.5, 0.5]), GUARDED))

    assert trade.exit_price == pytest.approx(price)
    assert trade.ended == ended
    assert trade.gross == pytest.approx(side * (price / 100 - 1))


@pytest.mark.parametrize(
    ("side", "then", "price"),
    [
        (LONG, (100, 100, 97, 100), 98.5),  # a quarter of the way from 99 to 97
        (LONG, (98, 100, 94, 100), 97.0),  # gapped over: a quarter of the way from 98 to 94
        (SHORT, (100, 105, 100, 100), 102.0),
        (SHORT, (103, 107, 100, 100), 104.0),
    ],
)
def test_a_stop_overshoots(side: int, then: tuple[float, float, float, float], price: float) -> None:
    """Stopped trades of real series filled 40 to 65 bp beyond their level in the median."""
    candles = candles_from([FLAT_CANDLE, then, FLAT_CANDLE, FLAT_CANDLE])
    rules = TradeRules(horizon=3, stop_loss=0.01, take_profit=None, stop_overshoot=0.25)

    (trade,) = as_values(made(candles, np.array([0.9 if side == LONG else 0.1, 0.5, 0.5, 0.5]), rules))

    assert trade.exit_price == pytest.approx(price)


def test_a_signal_in_a_position_is_ignored_and_the_candle_that_ends_one_may_open_the_next() -> None:
    """One position at a time; flat at the close of candle 2, so the signal there counts."""
    candles = walk(6, seed=1)

    trades = made(candles, np.full(6, 0.9))

    assert trades.entry.tolist() == [0, 2]
    assert trades.leave.tolist() == [2, 4]


def test_a_stopped_position_may_be_followed_at_the_close_of_the_same_candle() -> None:
    """The stop filled within the candle: at its close live trading is flat."""
    crash = (100.0, 100.0, 90.0, 91.0)
    candles = candles_from([FLAT_CANDLE, crash, (91, 91, 91, 91), (91, 91, 91, 91), (91, 91, 91, 91)])

    trades = made(candles, np.array([0.9, 0.9, 0.5, 0.5, 0.5]), GUARDED)

    assert trades.entry.tolist() == [0, 1]
    assert trades.leave.tolist() == [1, 4]


def test_a_hole_delays_the_exit_to_the_first_candle_after_it() -> None:
    """Nothing can be sold at a price that was not there."""
    candles = candles_from([FLAT_CANDLE, FLAT_CANDLE, (95, 96, 94, 95), FLAT_CANDLE], holes={2})

    (trade,) = as_values(made(candles, np.array([0.9, 0.5, 0.5, 0.5])))

    assert trade.closed - trade.opened == 4 * CANDLE_MS
    assert trade.exit_price == 95.0


def test_a_trade_across_a_hole_is_marked_wherever_the_hole_is() -> None:
    """The verdict must hold without such trades: what happened inside the hole is unknown."""
    whole = made(walk(8, seed=1), np.array([0.9, *[0.5] * 7]))
    at_exit = made(walk(8, seed=1, holes={2}), np.array([0.9, *[0.5] * 6]))
    before_exit = made(walk(8, seed=1, holes={1}), np.array([0.9, *[0.5] * 6]))

    found = [trades.across_hole.tolist() for trades in (whole, at_exit, before_exit)]

    assert found == [[False], [True], [True]]


def test_what_cannot_be_closed_within_the_data_is_no_trade() -> None:
    """Its outcome is not known; counting it at the last price would be an invention."""
    candles = walk(5, seed=2)

    assert len(made(candles, np.array([0.5, 0.5, 0.5, 0.9, 0.9]))) == 0


def test_candles_without_features_give_no_signal() -> None:
    candles = walk(8, seed=3)

    assert len(made(candles, np.full(8, np.nan))) == 0
    assert step(None, Candle(0, 1, 1, 1, 1), None, thresholds=BOTH, rules=PLAIN, costs=FREE) == (None, None)


def test_no_candle_no_trade() -> None:
    """An empty stretch is not an error."""
    assert len(made(walk(3, seed=1).rows(0, 0), np.empty(0))) == 0


@settings(max_examples=100, deadline=None)
@given(markets(), some_rules, st.data())
def test_later_candles_cannot_change_a_closed_trade(
    market: tuple[Candles, NDArray[np.float64]], rules: TradeRules, data: st.DataObject
) -> None:
    """No look-ahead: what is known at a candle is all that a trade closed there depends on."""
    candles, probability = market
    cut = data.draw(st.integers(0, len(candles)))

    whole = as_values(made(candles, probability, rules, TAKER))
    part = as_values(made(candles.rows(0, cut), probability[:cut], rules, TAKER))

    assert part == [trade for trade in whole if trade.closed in candles.open_time[:cut]]


# Signals ------------------------------------------------------------------------------------------


def test_a_threshold_fires_at_itself_also_after_a_journey_through_json() -> None:
    """Thresholds are probabilities that occurred; a bit lost in the metadata would lose the signal."""
    for probability in np.random.default_rng(4).random(1_000):
        kept = json.loads(json.dumps({"long": float(probability), "short": None}))
        there = Thresholds(**kept)
        assert there.side(float(probability)) == LONG
        assert there.side(np.nextafter(probability, 0)) == FLAT
        assert Thresholds(long=None, short=kept["long"]).side(float(probability)) == SHORT


def test_thresholds_that_cross_are_a_mistake() -> None:
    """A probability that fires both sides would mean nothing."""
    with pytest.raises(ValueError, match="not below"):
        Thresholds(long=0.5, short=0.5)


def test_a_side_without_threshold_never_fires() -> None:
    sides = Thresholds(long=None, short=0.4).sides(np.array([0.0, 0.4, 1.0, np.nan]))

    assert sides.tolist() == [SHORT, SHORT, FLAT, FLAT]


def test_signals_are_taken_one_at_a_time() -> None:
    """Positions in the list of signals, not rows."""
    fired = np.array([3, 4, 5, 9, 10])

    assert one_at_a_time(fired, fired + 2).tolist() == [0, 2, 3]
    assert one_at_a_time(fired[:0], fired[:0]).tolist() == []


# Costs --------------------------------------------------------------------------------------------


def test_costs_are_what_counting_by_hand_gives() -> None:
    """Buy at 100 + 0.01, sell at 101 - 0.0101, the maker's fee in and the taker's out."""
    candles = candles_from([FLAT_CANDLE, FLAT_CANDLE, (101, 101, 101, 101)])
    costs = Costs(tick=0.01, slippage=0.0001, fee_entry=0.0002, fee_exit=0.0006)

    (trade,) = as_values(made(candles, np.array([0.9, 0.5, 0.5]), costs=costs))

    assert trade.entry_price == pytest.approx(100.01)
    assert trade.exit_price == pytest.approx(100.9899)
    assert trade.gross == pytest.approx(0.01)
    assert trade.net == pytest.approx(100.9899 / 100.01 - 1 - 0.0002 - 0.0006 * 100.9899 / 100.01)


def test_slippage_is_at_least_half_a_tick() -> None:
    """Where one tick is 10 bp of the price, nobody trades at the last price."""
    costs = Costs(tick=0.2, slippage=0.0001, fee_entry=0.0, fee_exit=0.0)
    candles = candles_from([FLAT_CANDLE] * 3)

    (trade,) = as_values(made(candles, np.array([0.1, 0.5, 0.5]), costs=costs))

    assert (trade.entry_price, trade.exit_price) == pytest.approx((99.9, 100.1))


def assert_a_random_walk_loses_its_costs(costs: Costs) -> None:
    """12 bp of fees and 2 bp of slippage go, on whatever is traded, and nothing else."""
    candles = walk(30_000, seed=11, volatility=0.0005)
    net = made(candles, np.random.default_rng(12).random(30_000), PLAIN, costs).net
    assert abs(np.mean(net) + 0.0014) < 4 * np.std(net) / np.sqrt(len(net))


def test_on_a_random_walk_all_that_is_left_are_the_costs() -> None:
    """And leaving the costs out is seen to fail: planted."""
    assert_a_random_walk_loses_its_costs(TAKER)
    for planted in (FREE, Costs(tick=0.01, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0)):
        with pytest.raises(AssertionError):
            assert_a_random_walk_loses_its_costs(planted)


def test_all_complaints_about_settings_come_at_once() -> None:
    with pytest.raises(SettingsError, match=r"horizon is 0.*stop_loss is 2"):
        TradeRules(horizon=0, stop_loss=2.0, take_profit=None)
    with pytest.raises(SettingsError, match=r"tick is nan.*slippage is 1.*fee_exit is 6"):
        Costs(tick=math.nan, slippage=1.0, fee_entry=0.0, fee_exit=6.0)
