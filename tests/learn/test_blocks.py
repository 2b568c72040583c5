"""Intervals that count days, not candles."""

import numpy as np
import pytest

from desk.learn.blocks import DAY_MS, clustered_mean


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
