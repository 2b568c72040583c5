"""What trades earn on all candles: recounted plainly, and as unsure as their days are few."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score

from desk.clustered import DAY_MS
from desk.costs import Costs
from desk.learn.trades import BPS, TradeFigures, day_lines, figures, pooled
from desk.policy import TradeRules
from desk.values import CANDLE_MS, DOWN, UP, Candles, frozen
from tests.learn.trading import (
    FREE,
    MIDNIGHT,
    OUTER,
    PLAIN,
    TAKER,
    block_on,
    candles_from,
    day_line,
    earned,
    plain_entry,
    plain_trades,
    some_probabilities,
    trades_in,
    walk,
)

GUARDED = TradeRules(horizon=3, stop_loss=0.005, take_profit=0.006)
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "candles" / "CTSIUSDT.parquet"


def assert_recounted(
    candles: Candles, probability: NDArray[np.float64], rules: TradeRules, costs: Costs
) -> TradeFigures:
    """Every figure from the plain trades and labels, by plain counting."""
    block = block_on(candles, probability, horizon=rules.horizon)
    got = earned(block, rules, costs)
    slow = plain_trades(candles, probability, OUTER, rules, costs)
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
    honest = earned(block, PLAIN, TAKER)
    planted = earned(block, PLAIN, replace(TAKER, fee_exit=0.0))

    assert honest.net_bps == pytest.approx((honest.gross_bps or 0.0) - 14, abs=0.1)
    assert planted.net_bps != pytest.approx((planted.gross_bps or 0.0) - 14, abs=0.1)


def test_the_guides_win_rate_is_sklearns_accuracy_of_the_sides_taken() -> None:
    """An independent count of the one figure that the guide asks for."""
    block = block_on(walk(4_000, seed=5), some_probabilities(4_000, seed=6))
    trades = trades_in(block, PLAIN, TAKER)
    label = block.label[trades.entry]
    there = label >= DOWN

    got = earned(block, PLAIN, TAKER)

    assert got.win_rate_labelled == pytest.approx(
        accuracy_score(label[there], (trades.side[there] > 0).astype(np.int8))
    )


def test_the_break_even_win_rate_is_where_the_mean_net_is_zero() -> None:
    """Won more often than that: money earned; less often: lost.  Win 30 bp or lose 50: five of eight."""
    days = [day_line("2026-01-01", trades=8, wins=4, net_bps=4 * 30 - 4 * 50, lost_bps=4 * 50)]
    even = [day_line("2026-01-01", trades=8, wins=5, net_bps=0, lost_bps=3 * 50)]

    assert figures(days).break_even_win_rate == pytest.approx(5 / 8)
    assert figures(even).break_even_win_rate == pytest.approx(figures(even).win_rate)


@pytest.mark.parametrize("seed", range(10))
def test_a_win_rate_above_break_even_is_a_profit(seed: int) -> None:
    """The two figures cannot contradict each other."""
    block = block_on(walk(3_000, seed=seed), some_probabilities(3_000, seed=seed))

    got = earned(block, PLAIN, replace(TAKER, fee_entry=0.0, fee_exit=0.0, slippage=0.0))

    assert got.win_rate is not None
    assert got.break_even_win_rate is not None
    assert got.net_bps is not None
    assert np.sign(got.win_rate - got.break_even_win_rate) == np.sign(got.net_bps)


def test_days_without_trades_are_days() -> None:
    """The daily series has every day of the block; the verdict tests it as it stands."""
    candles = walk(3 * 288, seed=7)
    probability = np.full(3 * 288, 0.5)
    probability[[10, 2 * 288 + 5]] = 0.9

    got = earned(block_on(candles, probability), PLAIN, TAKER)

    assert [(day.date, day.candles, day.trades) for day in got.daily] == [
        ("2023-11-15", 288, 1), ("2023-11-16", 288, 0), ("2023-11-17", 288, 1),
    ]  # fmt: skip


def test_without_trades_there_are_no_figures_but_a_coverage() -> None:
    """And what is written is JSON: neither NaN nor infinity."""
    block = block_on(walk(600, seed=8), np.full(600, 0.5))

    got = earned(block, PLAIN, TAKER)

    assert (got.n, got.coverage, got.win_rate, got.net_bps, got.net_bps_ci95) == (0, 0.0, None, None, None)
    assert json.dumps(asdict(got), allow_nan=False)


def test_a_few_days_give_no_interval() -> None:
    """A single day says how that day was."""
    got = figures([day_line("2026-01-01", trades=50, wins=25, hits=25, net_bps=10.0, lost_bps=100.0)])

    assert got.net_bps_ci95 is None
    assert got.win_rate_ci95 is None
    assert got.coverage_ci95 is None


def test_winning_always_is_not_certainty() -> None:
    """Ten days of wins leave room for 31 % of losses; an interval of no width would be a lie."""
    days = [day_line(f"2026-01-{day:02}", trades=9, wins=9, net_bps=9.0) for day in range(1, 11)]

    low, high = figures(days).win_rate_ci95 or (0.0, 0.0)

    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 10))


# Many symbols -------------------------------------------------------------------------------------


def test_symbols_that_move_together_are_no_more_certain_than_one() -> None:
    """300 copies of a symbol are one: the same means, and the intervals of its days.

    One symbol alone may be a little less certain: its interval is never narrower than that of its trades.
    """
    block = block_on(walk(6_000, seed=9), some_probabilities(6_000, seed=9))
    one = earned(block, PLAIN, TAKER)

    many = pooled([one.daily] * 300)

    assert many is not None
    assert many.n == 300 * one.n
    assert many.net_bps == pytest.approx(one.net_bps)
    assert many.net_bps_ci95 == pytest.approx(one.net_bps_ci95, rel=0.05)
    assert many.win_rate_ci95 == pytest.approx(one.win_rate_ci95, abs=0.01)


def test_pooling_one_symbol_changes_nothing_and_none_gives_none() -> None:
    one = earned(block_on(walk(900, seed=10), some_probabilities(900, seed=1)), PLAIN, TAKER)

    assert pooled([one.daily]) == one
    assert pooled([]) is None


def test_pooling_weighs_every_trade_alike() -> None:
    """Two trades of +1 bp and one of +10 make +4, on whatever symbols they were."""
    some = [day_line("2026-01-01", trades=2, net_bps=2.0)], [day_line("2026-01-02", trades=1, net_bps=10.0)]

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
        low, high = figures([day_line(d, trades=n, net_bps=x) for d, n, x in days]).net_bps_ci95 or (0.0, 0.0)
        covered += low <= 0 <= high
        tried += 1

    assert covered / tried == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / tried) + 0.005)


# Blocks -------------------------------------------------------------------------------------------


def test_rows_of_a_block_are_its_candles_with_all_that_is_known_of_them() -> None:
    block = block_on(walk(20, seed=12), some_probabilities(20, seed=3, missing=0.2))

    part = block.rows(5, 9)

    assert len(part) == len(part.candles) == 4
    assert part.candles.open_time.tolist() == block.candles.open_time[5:9].tolist()
    np.testing.assert_array_equal(part.probability, block.probability[5:9])
    assert part.label.tolist() == block.label[5:9].tolist()
    assert part.sides.tolist() == block.sides[5:9].tolist()


@pytest.mark.parametrize("since", [0, 1, 287, 288, 700, "within a trade"])
def test_lines_count_from_the_row_that_is_asked_for(since: int | str) -> None:
    """A trade that was opened before it belongs to somebody else, also where it ends later."""
    block = block_on(walk(900, seed=13), some_probabilities(900, seed=13))
    trades = trades_in(block, PLAIN, TAKER)
    since = since if isinstance(since, int) else int(trades.entry[20]) + 1

    lines = day_lines(block, trades, since=since)

    days = block.candles.open_time // DAY_MS
    assert len(lines) == days[-1] - days[since] + 1
    for line, day in zip(lines, range(int(days[since]), int(days[-1]) + 1), strict=True):
        here = (days == day) & (np.arange(900) >= since)
        mine = here[trades.entry]
        assert line.candles == here.sum()
        assert line.fired == np.count_nonzero(block.sides[here])
        assert line.trades == mine.sum()
        assert line.net_bps == pytest.approx(1e4 * trades.net[mine].sum())
        assert line.net_squares == pytest.approx(1e8 * (trades.net[mine] ** 2).sum())
        assert line.gross_squares == pytest.approx(1e8 * (trades.gross[mine] ** 2).sum())
        assert line.executable_net_squares == pytest.approx(1e8 * (trades.executable_net[mine] ** 2).sum())


def test_trades_across_a_hole_are_counted_apart() -> None:
    """Their exit is not the one that the label speaks of."""
    block = block_on(walk(600, seed=14, holes=set(range(50, 590, 20))), some_probabilities(600, seed=14))

    got = earned(block, PLAIN, TAKER)

    slow = plain_trades(block.candles, block.probability, OUTER, PLAIN, TAKER)
    time = block.candles.open_time
    across = [
        int(time[trade.leave] - time[trade.entry]) != CANDLE_MS * (trade.leave - trade.entry)
        for trade in slow
    ]
    assert got.across_hole == sum(across) > 0


@pytest.mark.parametrize("rules", [PLAIN, GUARDED])
def test_executable_figures_are_those_of_whoever_enters_after_the_signal(rules: TradeRules) -> None:
    """Empty candles, candles without a usable quote volume, and trades that nobody could enter."""
    made = walk(3_000, seed=15)
    rng = np.random.default_rng(15)
    values = made.values.copy()  # noqa: PD011 - candles, not a table of pandas
    values[4] = np.where(rng.random(3_000) < 0.4, 0.0, 7.0)
    inside = values[2] + rng.random(3_000) * (values[1] - values[2])
    values[5] = values[4] * np.where(rng.random(3_000) < 0.5, inside, 1.0)
    candles = Candles("TESTUSDT", made.open_time, frozen(values))
    probability = some_probabilities(3_000, seed=15)

    got = earned(block_on(candles, probability, horizon=rules.horizon), rules, FREE)

    slow = plain_trades(candles, probability, OUTER, rules, FREE)
    gross = [
        trade.side * (left / plain_entry(candles, trade.entry, trade.leave, trade.side) - 1)
        for trade in slow
        for left in [float(candles.close[trade.entry]) * (1 + trade.side * trade.gross)]
    ]
    assert got.n == len(slow) > 100
    assert got.executable_gross_bps == pytest.approx(1e4 * np.mean(gross), abs=1e-9)
    assert got.executable_net_bps == pytest.approx(got.executable_gross_bps, abs=1e-9)
    assert got.executable_gross_bps != pytest.approx(got.gross_bps, abs=0.1)


def test_one_wild_trade_a_day_is_not_a_narrow_interval() -> None:
    """Days whose sums agree by luck: the interval is at least that of independent trades."""
    dates = [f"2026-01-{day:02}" for day in range(1, 21)]
    days = [day_line(date, trades=2, net_bps=10.0, net_squares=2 * 100.0**2) for date in dates]

    low, high = figures(days).net_bps_ci95 or (0.0, 0.0)

    assert high - low > 2 * 1.9 * 100 / np.sqrt(40)


def test_a_trade_belongs_to_the_day_of_its_signal() -> None:
    """Also when it ends after midnight: one rule, so that days can be added up."""
    flat = (100.0, 100.0, 100.0, 100.0)
    candles = candles_from([flat] * 290)
    probability = np.full(290, 0.5)
    probability[287] = 0.9

    got = earned(block_on(candles, probability), PLAIN, TAKER)

    assert candles.open_time[287] == MIDNIGHT + 287 * CANDLE_MS
    assert [day.trades for day in got.daily] == [1, 0]
    assert got.daily[0].net_bps == pytest.approx(-14, abs=0.01)
    assert BPS == 10_000
