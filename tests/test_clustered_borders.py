"""Intervals at their borders: two days, one win, and degrees of freedom that are easily off by one."""

import numpy as np
import pytest
from scipy import stats

from desk.clustered import (
    DAY_MS,
    Mean,
    above_zero,
    binomial_interval,
    clustered_mean,
    ratio_of_sums,
    share_interval,
)


def test_two_days_are_enough_for_a_standard_error() -> None:
    """They are the fewest that differ; below them the error is unknown, which is NaN and not zero."""
    sums, counts = np.array([2.0, 4.0]), np.array([2.0, 2.0])

    assert ratio_of_sums(sums, counts) == Mean(1.5, 0.5, 2)
    assert np.isnan(ratio_of_sums(sums[:1], counts[:1]).se)
    assert np.isnan(clustered_mean(np.array([1.0, 2.0]), np.array([0, 1])).se)
    assert clustered_mean(np.array([1.0, 2.0]), np.array([0, DAY_MS])).se == 0.5


def test_a_mean_of_one_day_is_still_its_mean() -> None:
    assert clustered_mean(np.array([1.0, 2.0]), np.array([0, 1])).value == 1.5


def test_the_interval_of_a_share_has_the_degrees_of_freedom_of_its_source() -> None:
    """Trials less one, and days less one: anything else moves every published interval."""
    share, n, tail = Mean(0.6, 0.05, 12), 150, 0.025
    few = stats.t.isf(tail, n - 1) / stats.t.isf(tail, 12 - 1)
    worth = 0.6 * 0.4 / 0.05**2 * few**2

    interval = share_interval(share, n)

    assert interval is not None
    low, high = interval
    assert worth < n
    assert interval is not None
    low, high = interval
    assert low == pytest.approx(stats.beta.ppf(tail, 0.6 * worth, 0.4 * worth + 1), rel=1e-12)
    assert high == pytest.approx(stats.beta.isf(tail, 0.6 * worth + 1, 0.4 * worth), rel=1e-12)


def test_less_than_one_win_of_several_days_has_a_bound_above_nothing() -> None:
    """The wins of an interval over days are worth a fraction, not a count."""
    low, _ = binomial_interval(0.8, 20.0, tail=0.025)

    assert low == pytest.approx(stats.beta.ppf(0.025, 0.8, 20.2))
    assert low > 0


def test_two_days_that_differ_can_be_tested() -> None:
    assert above_zero(np.array([1.0, 3.0])) == pytest.approx(stats.t.sf(2.0, 1))
    assert above_zero(np.array([1.0])) is None
