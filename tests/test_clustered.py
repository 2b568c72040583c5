"""Intervals that count days, not candles."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from desk.clustered import (
    DAY_MS,
    above_zero,
    binomial_interval,
    clustered_mean,
    p_above_zero,
    ratio_of_sums,
    share_interval,
)


def test_one_value_a_day_gives_the_textbook_standard_error() -> None:
    """With clusters of one the estimator must be the ordinary one."""
    values = np.random.default_rng(1).normal(size=200)

    mean = clustered_mean(values, np.arange(200) * DAY_MS)

    assert mean.se == pytest.approx(np.std(values, ddof=1) / np.sqrt(200))
    assert mean.clusters == 200


def test_repeating_a_day_does_not_make_it_surer() -> None:
    """288 candles that say the same are one observation."""
    days = np.random.default_rng(2).normal(size=40)

    once = clustered_mean(days, np.arange(40) * DAY_MS)
    often = clustered_mean(np.repeat(days, 288), np.repeat(np.arange(40) * DAY_MS, 288))

    assert often.se == pytest.approx(once.se)
    assert often.interval() == pytest.approx(once.interval())


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Simulated: values of a day share a shock; 95 % intervals cover 93 to 97 of 100 times."""
    rng = np.random.default_rng(3)
    times = np.repeat(np.arange(36) * DAY_MS, 50)
    covered = 0
    for _ in range(1_000):
        values = np.repeat(rng.normal(size=36), 50) + rng.normal(size=1800)
        low, high = clustered_mean(values, times).interval()
        covered += low <= 0 <= high

    assert 930 <= covered <= 970


def test_one_day_says_nothing() -> None:
    """No interval can be had from a single cluster; it is infinite, not narrow."""
    mean = clustered_mean(np.array([1.0, 0.0, 1.0]), np.array([0, 1, 2]))

    assert mean.interval() == (-np.inf, np.inf)


def test_sums_per_day_are_as_good_as_the_values() -> None:
    """What is written down per day is enough for the same mean and the same interval."""
    rng = np.random.default_rng(4)
    day = np.sort(rng.integers(0, 30, 500))
    values = rng.normal(size=500)

    whole = clustered_mean(values, day * DAY_MS)
    count = np.bincount(day, minlength=40).astype(np.float64)
    added = np.bincount(day, weights=values, minlength=40).astype(np.float64)
    squares = np.bincount(day, weights=values**2, minlength=40).astype(np.float64)
    sums = ratio_of_sums(added, count, squares)

    assert (sums.value, sums.se) == pytest.approx((whole.value, whole.se))
    assert sums.clusters == whole.clusters


def test_the_exact_interval_is_scipys() -> None:
    for wins, n in ((0, 10), (3, 10), (10, 10)):
        exact = stats.binomtest(wins, n).proportion_ci(0.95, method="exact")
        assert binomial_interval(wins, n, tail=0.025) == pytest.approx((exact.low, exact.high))


def test_the_interval_of_a_share_is_the_exact_one_where_days_do_not_matter() -> None:
    """One trade a day: nothing is clustered, and the interval is the textbook's, give or take."""
    wins = np.array([1.0] * 60 + [0.0] * 40)

    interval = share_interval(clustered_mean(wins, np.arange(100) * DAY_MS), 100)

    exact = stats.binomtest(60, 100).proportion_ci(0.95, method="exact")
    assert interval == pytest.approx((exact.low, exact.high), abs=0.005)


@pytest.mark.parametrize(
    ("rate", "days", "per_day"), [(0.6, 10, 4), (0.6, 36, 10), (0.95, 12, 5), (0.3, 36, 1)]
)
def test_the_interval_of_a_share_covers_at_least_as_often_as_it_says(
    rate: float, days: int, per_day: int
) -> None:
    """Simulated: win rates that differ by day, few days and rates near one included; never too narrow."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1_000):
        of_day = np.clip(rate + rng.uniform(-1, 1, days) * min(rate, 1 - rate) * 0.8, 0, 1)
        wins = rng.binomial(per_day, of_day).astype(np.float64)
        mean = ratio_of_sums(wins, np.full(days, float(per_day)))
        interval = share_interval(mean, days * per_day)
        assert interval is not None
        covered += interval[0] <= rate <= interval[1]

    assert covered >= 950 - 3 * np.sqrt(1_000 * 0.95 * 0.05)


@pytest.mark.parametrize("trading", [1.0, 0.4])
def test_the_test_over_daily_sums_is_wrong_as_rarely_as_it_says(trading: float) -> None:
    """Simulated, 1,000 times: no edge, heavy tails, shocks common to a day, days without a trade."""
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(1_000):
        count = rng.poisson(4, 36) * (rng.random(36) < trading)
        shock = rng.standard_t(5, 36) * 10
        sums = shock * count + rng.standard_t(5, 36) * np.sqrt(count) * 25
        p = above_zero(sums)
        found += p is not None and p < 0.05

    assert abs(found / 1_000 - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / 1_000)


def test_days_that_do_not_differ_cannot_be_tested() -> None:
    """No trade at all, or a single day."""
    assert above_zero(np.zeros(36)) is None
    assert above_zero(np.array([5.0])) is None
    assert above_zero(np.array([1.0, 2.0, 3.0])) == pytest.approx(stats.t.sf(2 / (1 / np.sqrt(3)), 2))


def stopped(rng: np.random.Generator, *, losing: float, days: int, runs: int) -> NDArray[np.float64]:
    """Daily sums of trades that win a little or, rarely, lose so much that nothing is earned on average."""
    trades = rng.poisson(10, (runs, days))
    lost = rng.binomial(trades, losing)
    return (trades - lost) - lost * (1 - losing) / losing + rng.normal(size=(runs, days)) * np.sqrt(trades)


@pytest.mark.parametrize(("losing", "plain"), [(0.05, 0.06), (0.02, 0.07)])
def test_rare_large_losses_do_not_make_a_profit_more_likely(losing: float, plain: float) -> None:
    """Stops: wrong in at most 5 of 100 cases, where Student's t alone is wrong in ``plain`` or more."""
    sums = stopped(np.random.default_rng(7), losing=losing, days=94, runs=20_000)

    student = float(np.mean(stats.ttest_1samp(sums, 0.0, axis=1, alternative="greater").pvalue < 0.05))

    assert student > plain
    assert float(np.mean(p_above_zero(sums) < 0.05)) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20_000)


def test_one_series_is_tested_as_many_are() -> None:
    sums = stopped(np.random.default_rng(8), losing=0.05, days=40, runs=5)

    assert [above_zero(days) for days in sums] == pytest.approx(p_above_zero(sums).tolist())
    assert p_above_zero(np.zeros((1, 40))).tolist() == [1.0]


# Not narrower than independent values, and not from a handful of days -----------------------------


def test_days_that_agree_by_luck_do_not_narrow_an_interval() -> None:
    """Every day won three of four: the days don't differ, and forty trades are still only forty."""
    values = np.tile([1.0, 1.0, 1.0, 0.0], 10)

    mean = clustered_mean(values, np.repeat(np.arange(10), 4) * DAY_MS)

    assert mean.se == pytest.approx(np.std(values, ddof=1) / np.sqrt(40))
    sums = ratio_of_sums(np.full(10, 3.0), np.full(10, 4.0), np.full(10, 3.0))
    assert (sums.value, sums.se) == pytest.approx((mean.value, mean.se))


def test_the_interval_of_a_share_is_never_narrower_than_the_exact_one() -> None:
    """Against scipy, over many clusterings."""
    rng = np.random.default_rng(9)
    for _ in range(200):
        wins = rng.binomial(5, rng.uniform(0.2, 0.8), 30).astype(np.float64)
        interval = share_interval(ratio_of_sums(wins, np.full(30, 5.0)), 150)
        exact = stats.binomtest(int(wins.sum()), 150).proportion_ci(0.95, method="exact")
        assert interval is not None
        assert interval[0] <= exact.low + 1e-9
        assert interval[1] >= exact.high - 1e-9


def test_below_ten_days_there_is_no_interval_to_report() -> None:
    """A training on twelve days of candles tests on two of them."""
    nine = clustered_mean(np.arange(9.0) % 2, np.arange(9) * DAY_MS)
    ten = clustered_mean(np.arange(10.0) % 2, np.arange(10) * DAY_MS)

    assert (share_interval(nine, 9), nine.reported()) == (None, None)
    assert share_interval(ten, 10) is not None
    assert ten.reported() == ten.interval()
