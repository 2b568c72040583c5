"""The control: a model that learned the labels of other days wins half of the time, or something leaks."""

from dataclasses import replace

import numpy as np
import pytest

from desk.clustered import Mean
from desk.learn.control import control_accuracy
from desk.learn.splits import hold_out
from desk.values import DOWN, NEUTRAL, UP, LabelledSet, frozen
from tests.learn.samples import labelled_set, settings

KNOWABLE = labelled_set(20_000, signal=2.0)
"""Seventy days; the first feature tells three labels out of four."""


SEEDS = range(12)


def controlled(labelled: LabelledSet, seed: int = 7) -> Mean | None:
    split = hold_out(labelled, candles=len(labelled), test_share=0.2)
    return control_accuracy(labelled, split, settings(), seed=seed)


def assert_knows_nothing(labelled: LabelledSet) -> None:
    """On average over permutations; a single one may lean to the truth or away from it."""
    found = [controlled(labelled, seed) for seed in SEEDS]
    rates = [mean.value for mean in found if mean is not None]
    assert len(rates) == len(SEEDS)
    assert abs(np.mean(rates) - 0.5) < 3 * np.std(rates, ddof=1) / np.sqrt(len(SEEDS)) + 0.01


@pytest.mark.parametrize("signal", [0.0, 2.0])
def test_a_model_of_other_days_wins_half_of_the_time(signal: float) -> None:
    """Also where three of four labels can be known: what is knowable must not reach the control."""
    assert_knows_nothing(labelled_set(20_000, signal=signal))


def test_where_nothing_can_be_known_its_error_is_the_one_it_tells() -> None:
    """Then nothing but the test candles is left to chance."""
    found = [controlled(labelled_set(10_000, seed=seed), seed) for seed in range(20)]
    distances = [(mean.value - 0.5) / mean.se for mean in found if mean is not None]

    assert 0.6 < np.std(distances) < 1.4
    assert max(map(abs, distances)) < 3.5


def test_labels_that_stay_on_their_days_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: nothing is swapped; the control would learn the truth, and tell by its win rate."""

    class Unmoved:
        """A generator that leaves every order as it is."""

        @staticmethod
        def permutation(n: int) -> np.ndarray:
            return np.arange(n)

    monkeypatch.setattr(np.random, "default_rng", lambda _seed: Unmoved())

    with pytest.raises(AssertionError):
        assert_knows_nothing(KNOWABLE)


def test_the_test_part_keeps_its_labels() -> None:
    """They are what the control is measured on: if all test labels are turned round, so is its win rate."""
    split = hold_out(KNOWABLE, candles=len(KNOWABLE), test_share=0.2)
    label = KNOWABLE.label.copy()
    there = label[split.test]
    label[split.test] = np.where(there == NEUTRAL, NEUTRAL, np.where(there == UP, DOWN, UP))

    once, turned = controlled(KNOWABLE), controlled(replace(KNOWABLE, label=frozen(label)))

    assert once is not None
    assert turned is not None
    assert turned.value == pytest.approx(1 - once.value)


def test_the_labels_of_the_caller_stay_as_they_are() -> None:
    before = KNOWABLE.label.copy()

    controlled(KNOWABLE)

    np.testing.assert_array_equal(KNOWABLE.label, before)


def test_equal_seeds_give_equal_controls() -> None:
    assert controlled(KNOWABLE, seed=3) == controlled(KNOWABLE, seed=3)
    assert controlled(KNOWABLE, seed=3) != controlled(KNOWABLE, seed=4)


def test_no_labelled_test_candle_no_control() -> None:
    label = KNOWABLE.label.copy()
    label[15_000:] = NEUTRAL

    assert controlled(replace(KNOWABLE, label=frozen(label))) is None
