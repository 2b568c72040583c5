"""The guide's figures, checked against plain counting and scikit-learn's definitions."""

from typing import Any

import numpy as np
import pytest

from desk.clustered import DAY_MS
from desk.learn.evaluation import last_return, measure
from desk.values import CANDLE_MS, Candles
from tests.learn.samples import START


def figures(scores: list[float], label: list[int], last: list[float] | None = None) -> dict[str, Any]:
    metrics = measure(
        np.array(scores),
        np.array(label, dtype=np.int8),
        START + CANDLE_MS * np.arange(len(label)),
        np.array(last if last is not None else [0.0] * len(label)),
        majority=1,
    )
    assert metrics is not None
    return {name: getattr(metrics, name) for name in metrics.__dataclass_fields__}


def test_the_figures_are_what_counting_by_hand_gives() -> None:
    """Called up: candles 0, 1, 2; went up: 0, 1, 3."""
    got = figures([1.0, 0.5, 0.2, -0.1, -0.3], [1, 1, 0, 1, 0])

    assert got["accuracy"] == pytest.approx(3 / 5)
    assert got["precision"] == pytest.approx(2 / 3)
    assert got["recall"] == pytest.approx(2 / 3)
    assert got["f1"] == pytest.approx(2 / 3)
    assert got["precision_short"] == pytest.approx(1 / 2)
    assert got["recall_short"] == pytest.approx(1 / 2)
    assert got["auc"] == pytest.approx(5 / 6)
    assert got["base_rate"] == pytest.approx(3 / 5)


def test_simple_rules_are_scored_on_the_same_candles() -> None:
    """A model that does no better than the last candle's sign has learned nothing new."""
    rules = figures([0.0] * 4, [1, 1, 0, 0], [0.1, -0.1, -0.1, -0.1])["simple_rules"]

    assert rules == {"majority_side": 0.5, "last_return": 0.75, "against_last_return": 0.25}


def test_one_side_has_no_auc_and_nothing_called_has_no_precision() -> None:
    """Short histories meet both; neither may stop the run."""
    got = figures([-1.0, -2.0], [1, 1])

    assert got["auc"] is None
    assert got["precision"] == 0.0
    assert got["accuracy_ci95"] is None


def test_no_labelled_candle_has_no_figures() -> None:
    empty = np.empty(0)

    assert measure(empty, empty.astype(np.int8), empty.astype(np.int64), empty, majority=1) is None


def test_no_return_is_told_across_a_hole() -> None:
    """The close before a hole is not the close five minutes ago."""
    times = START + CANDLE_MS * np.array([0, 1, 3, 4])
    values = np.tile(np.array([1.0, 1.1, 2.0, 2.2]), (6, 1))

    change = last_return(Candles("X", times, values), np.arange(4))

    np.testing.assert_allclose(change, [0.0, 0.1, 0.0, 0.1])


def test_days_that_all_won_prove_no_more_than_so_many_days() -> None:
    """Student's t over days would report [1, 1] here, a certainty that twelve days cannot give."""
    times = START + DAY_MS * np.arange(12).repeat(4)
    label = np.ones(48, dtype=np.int8)

    got = measure(np.ones(48), label, times, np.zeros(48), majority=1)

    assert got is not None
    assert got.accuracy_ci95 == pytest.approx((0.025 ** (1 / 12), 1.0))
