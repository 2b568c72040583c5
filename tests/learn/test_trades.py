"""What trades earn on all candles: recounted plainly, and as unsure as their days are few."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score

from desk.costs import Costs
from desk.learn.trades import (
    BPS,
    DayLine,
    TradeFigures,
    block_of,
    examine_trades,
    figures,
    pooled,
    trades_in,
)
from desk.policy import Thresholds, TradeRules
from desk.values import CANDLE_MS, DOWN, UNKNOWN, UP, Candles, FeatureSet, LabelledSet, frozen
from tests.learn.trading import (
    MIDNIGHT,
    PLAIN,
    TAKER,
    block_on,
    candles_from,
    plain_trades,
    some_probabilities,
    walk,
)

THRESHOLDS = Thresholds(long=0.62, short=0.35)
GUARDED = TradeRules(horizon=3, stop_loss=0.005, take_profit=0.006)
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "candles" / "CTSIUSDT.parquet"


def line(date: str, **values: float) -> DayLine:
    """A day of 288 candles; what is not given is zero."""
    nothing = {name: 0 for name in DayLine.__dataclass_fields__ if name != "date"}
    return DayLine(date=date, **{**nothing, "candles": 288, **values})  # type: ignore[arg-type]


def assert_recounted(
    candles: Candles, probability: NDArray[np.float64], rules: TradeRules, costs: Costs
) -> TradeFigures:
    """Every figure from the plain trades and labels, by plain counting."""
    block = block_on(candles, probability, horizon=rules.horizon)
    got = examine_trades(block, THRESHOLDS, rules, costs)
    slow = plain_trades(candles, probability, THRESHOLDS, rules, costs)
    labelled = [trade for trade in slow if block.label[trade.entry] in {UP, DOWN}]
    right = [trade for trade in labelled if block.label[trade.entry] == (UP if trade.side > 0 else DOWN)]
    fired = [p for p in probability if p >= 0.62 or p <= 0.35]

    assert (got.candles, got.fired, got.n, got.n_labelled) == (
        len(candles), len(fired), len(slow), len(labelled),
    )  # fmt: skip
    assert got.coverage == pytest.approx(len(fired) / len(candles))
    assert got.win_rate == pytest.approx(sum(trade.net > 0 for trade in slow) / len(slow))
    assert got.hit_rate == pytest.approx(sum(trade.gross > 0 for trade in slow) / len(slow))
    assert got.win_rate_labelled == pytest.approx(len(right) / len(labelled))
    assert got.gross_bps == pytest.approx(sum(trade.gross for trade in slow) / len(slow) * 1e4)
    assert got.net_bps == pytest.approx(sum(trade.net for trade in slow) / len(slow) * 1e4)
    for day in got.daily:
        first = int(pd.Timestamp(day.date, tz="UTC").timestamp() * 1000)
        here = [t for t in slow if first <= candles.open_time[t.entry] < first + 86_400_000]
        assert day.trades == len(here)
        assert day.net_bps == pytest.approx(sum(trade.net for trade in here) * 1e4, abs=1e-9)
    return got


@pytest.mark.parametrize("rules", [PLAIN, GUARDED])
def test_every_figure_agrees_with_counting_candle_by_candle(rules: TradeRules) -> None:
    """On a walk with holes and gaps in the probabilities."""
    candles = walk(5_000, seed=1, holes={700, 701, 3_000})

    assert_recounted(candles, some_probabilities(5_000, seed=2), rules, TAKER)


def test_figures_agree_on_a_thinly_traded_real_market() -> None:
    """Flat candles, an outage and jumps of 20 %: things that a random walk does not have."""
    if not REAL.exists():
        pytest.skip("the shared candle series are not beside this checkout")
    table = pd.read_parquet(REAL).iloc[40_000:46_000]
    prices = table[["open", "high", "low", "close"]].to_numpy().T
    values = np.vstack([prices, np.ones((2, len(table)))])
    candles = Candles("CTSIUSDT", frozen(table["timestamp"].to_numpy(dtype=np.int64)), frozen(values))

    assert candles.missing == 16
    assert_recounted(candles, some_probabilities(6_000, seed=3), GUARDED, replace(TAKER, tick=0.0001))


def test_leaving_the_costs_out_is_caught() -> None:
    """Planted: the recount pays, the evaluation does not."""
    candles, probability = walk(2_000, seed=4), some_probabilities(2_000, seed=4)
    block = block_on(candles, probability)
    honest = examine_trades(block, THRESHOLDS, PLAIN, TAKER)
    planted = examine_trades(block, THRESHOLDS, PLAIN, replace(TAKER, fee_exit=0.0))

    assert honest.net_bps == pytest.approx((honest.gross_bps or 0.0) - 14, abs=0.1)
    assert planted.net_bps != pytest.approx((planted.gross_bps or 0.0) - 14, abs=0.1)


def test_the_guides_win_rate_is_sklearns_accuracy_of_the_sides_taken() -> None:
    """An independent count of the one figure that the guide asks for."""
    block = block_on(walk(4_000, seed=5), some_probabilities(4_000, seed=6))
    trades = trades_in(block, THRESHOLDS, PLAIN, TAKER)
    label = block.label[trades.entry]
    there = label >= DOWN

    got = examine_trades(block, THRESHOLDS, PLAIN, TAKER)

    assert got.win_rate_labelled == pytest.approx(
        accuracy_score(label[there], (trades.side[there] > 0).astype(np.int8))
    )


def test_the_break_even_win_rate_is_where_the_mean_net_is_zero() -> None:
    """Won more often than that: money earned; less often: lost.  Win 30 bp or lose 50: five of eight."""
    days = [line("2026-01-01", trades=8, wins=4, net_bps=4 * 30 - 4 * 50, lost_bps=4 * 50)]
    even = [line("2026-01-01", trades=8, wins=5, net_bps=0, lost_bps=3 * 50)]

    assert figures(days).break_even_win_rate == pytest.approx(5 / 8)
    assert figures(even).break_even_win_rate == pytest.approx(figures(even).win_rate)


@pytest.mark.parametrize("seed", range(10))
def test_a_win_rate_above_break_even_is_a_profit(seed: int) -> None:
    """The two figures cannot contradict each other."""
    block = block_on(walk(3_000, seed=seed), some_probabilities(3_000, seed=seed))

    got = examine_trades(block, THRESHOLDS, PLAIN, replace(TAKER, fee_entry=0.0, fee_exit=0.0, slippage=0.0))

    assert got.win_rate is not None
    assert got.break_even_win_rate is not None
    assert got.net_bps is not None
    assert np.sign(got.win_rate - got.break_even_win_rate) == np.sign(got.net_bps)


def test_days_without_trades_are_days() -> None:
    """The daily series has every day of the block; the verdict tests it as it stands."""
    candles = walk(3 * 288, seed=7)
    probability = np.full(3 * 288, 0.5)
    probability[[10, 2 * 288 + 5]] = 0.9

    got = examine_trades(block_on(candles, probability), THRESHOLDS, PLAIN, TAKER)

    assert [(day.date, day.candles, day.trades) for day in got.daily] == [
        ("2023-11-15", 288, 1), ("2023-11-16", 288, 0), ("2023-11-17", 288, 1),
    ]  # fmt: skip


def test_without_trades_there_are_no_figures_but_a_coverage() -> None:
    """And what is written is JSON: neither NaN nor infinity."""
    block = block_on(walk(600, seed=8), np.full(600, 0.5))

    got = examine_trades(block, THRESHOLDS, PLAIN, TAKER)

    assert (got.n, got.coverage, got.win_rate, got.net_bps, got.net_bps_ci95) == (0, 0.0, None, None, None)
    assert json.dumps(asdict(got), allow_nan=False)


def test_a_few_days_give_no_interval() -> None:
    """A single day says how that day was."""
    got = figures([line("2026-01-01", trades=50, wins=25, hits=25, net_bps=10.0, lost_bps=100.0)])

    assert got.net_bps_ci95 is None
    assert got.win_rate_ci95 is None
    assert got.coverage_ci95 is None


def test_winning_always_is_not_certainty() -> None:
    """Ten days of wins leave room for 31 % of losses; an interval of no width would be a lie."""
    days = [line(f"2026-01-{day:02}", trades=9, wins=9, net_bps=9.0) for day in range(1, 11)]

    low, high = figures(days).win_rate_ci95 or (0.0, 0.0)

    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 10))


# Many symbols -------------------------------------------------------------------------------------


def test_symbols_that_move_together_are_no_more_certain_than_one() -> None:
    """300 copies of a symbol are one: the same means, and the same intervals."""
    block = block_on(walk(6_000, seed=9), some_probabilities(6_000, seed=9))
    one = examine_trades(block, THRESHOLDS, PLAIN, TAKER)

    many = pooled([one.daily] * 300)

    assert many is not None
    assert many.n == 300 * one.n
    assert many.net_bps == pytest.approx(one.net_bps)
    assert many.net_bps_ci95 == pytest.approx(one.net_bps_ci95)
    assert many.win_rate_ci95 == pytest.approx(one.win_rate_ci95, abs=0.01)


def test_pooling_one_symbol_changes_nothing_and_none_gives_none() -> None:
    one = examine_trades(
        block_on(walk(900, seed=10), some_probabilities(900, seed=1)), THRESHOLDS, PLAIN, TAKER
    )

    assert pooled([one.daily]) == one
    assert pooled([]) is None


def test_pooling_weighs_every_trade_alike() -> None:
    """Two trades of +1 bp and one of +10 make +4, on whatever symbols they were."""
    some = [line("2026-01-01", trades=2, net_bps=2.0)], [line("2026-01-02", trades=1, net_bps=10.0)]

    together = pooled(some)

    assert together is not None
    assert together.net_bps == pytest.approx(4.0)
    assert [day.date for day in together.daily] == ["2026-01-01", "2026-01-02"]


def test_the_interval_of_the_mean_net_covers_as_often_as_it_says() -> None:
    """Simulated: days with a common shock and any number of trades, 1,000 times; 95 % within error."""
    rng = np.random.default_rng(31)
    dates = [f"2026-{1 + day // 28:02}-{1 + day % 28:02}" for day in range(36)]
    covered = tried = 0
    for _ in range(1_000):
        count = rng.poisson(4, 36)
        net = rng.normal(scale=20, size=36) * count + rng.normal(size=36) * np.sqrt(count) * 30
        days = zip(dates, count.tolist(), net.tolist(), strict=True)
        low, high = figures([line(d, trades=n, net_bps=x) for d, n, x in days]).net_bps_ci95 or (0.0, 0.0)
        covered += low <= 0 <= high
        tried += 1

    assert covered / tried == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / tried) + 0.005)


# Blocks -------------------------------------------------------------------------------------------


def test_a_block_keeps_candles_without_features_as_candles() -> None:
    """Coverage counts them, and positions run on through them."""
    candles = walk(20, seed=12)
    rows = np.array([5, 6, 9, 10], dtype=np.int64)
    x = frozen(np.zeros((4, 1), dtype=np.float32))
    features = FeatureSet("TESTUSDT", "c", ("f",), rows, candles.open_time[rows], x)
    label = np.array([UP, DOWN, UP, DOWN], dtype=np.int8)
    labelled = LabelledSet(features, 2, 0.002, label, np.zeros(4), candles.open_time[rows] + 3 * CANDLE_MS)

    block = block_of(candles, labelled, np.array([1, 2, 3]), np.array([0.1, 0.2, 0.3]))

    assert block.start == 6
    assert len(block) == len(block.candles) == 5
    np.testing.assert_array_equal(block.probability, [0.1, np.nan, np.nan, 0.2, 0.3])
    assert block.label.tolist() == [DOWN, UNKNOWN, UNKNOWN, UP, DOWN]


def test_a_trade_belongs_to_the_day_of_its_signal() -> None:
    """Also when it ends after midnight: one rule, so that days can be added up."""
    flat = (100.0, 100.0, 100.0, 100.0)
    candles = candles_from([flat] * 290)
    probability = np.full(290, 0.5)
    probability[287] = 0.9

    got = examine_trades(block_on(candles, probability), THRESHOLDS, PLAIN, TAKER)

    assert candles.open_time[287] == MIDNIGHT + 287 * CANDLE_MS
    assert [day.trades for day in got.daily] == [1, 0]
    assert got.daily[0].net_bps == pytest.approx(-14, abs=0.01)
    assert BPS == 10_000
