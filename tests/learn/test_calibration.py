"""Whether probabilities mean what they say, against scikit-learn and by simulation."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from desk.learn.calibration import Calibration, calibrate


def measured(
    probability: list[float] | np.ndarray, label: list[int] | np.ndarray, bins: int = 10
) -> Calibration:
    found = calibrate(np.asarray(probability, dtype=np.float64), np.asarray(label, dtype=np.int8), bins=bins)
    assert found is not None
    return found


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_brier_and_table_are_scikit_learns(decimals: int) -> None:
    """With ties and without."""
    rng = np.random.default_rng(1)
    probability = np.round(rng.beta(20, 20, 3_000), decimals)
    label = rng.random(3_000) < probability

    got = measured(probability, label)

    up, said = calibration_curve(label, probability, n_bins=10, strategy="quantile")
    assert got.brier == pytest.approx(brier_score_loss(label, probability))
    np.testing.assert_allclose([part.up for part in got.table], up)
    np.testing.assert_allclose([part.probability for part in got.table], said)
    sizes = np.array([part.n for part in got.table])
    assert got.error_points == pytest.approx(100 * np.sum(sizes * np.abs(up - said)) / 3_000)


def test_bins_hold_equal_numbers() -> None:
    got = measured(np.random.default_rng(2).random(1_000), np.ones(1_000))

    assert [part.n for part in got.table] == [100] * 10


def test_the_error_is_what_counting_by_hand_gives() -> None:
    """Said 40 %, came 50 %; said 60 %, came 100 %: off by 10 and by 40 points, 25 on average."""
    got = measured([0.4, 0.4, 0.6, 0.6], [0, 1, 1, 1], bins=2)

    assert got.error_points == pytest.approx(25)
    assert got.brier == pytest.approx((0.16 + 0.36 + 0.16 + 0.16) / 4)


def test_a_true_probability_errs_only_by_chance() -> None:
    """Few candles look badly calibrated: the error is told beside what chance alone would show."""
    rng = np.random.default_rng(3)
    errors, chances = [], []
    for _ in range(200):
        probability = rng.uniform(0.4, 0.6, 1_000)
        got = measured(probability, rng.random(1_000) < probability)
        errors.append(got.error_points)
        chances.append(got.chance_points)

    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.05)


def test_an_overconfident_model_is_seen() -> None:
    """Says 70 % or 30 % where nothing is known: 20 points off."""
    rng = np.random.default_rng(4)

    got = measured(np.where(rng.random(4_000) < 0.5, 0.3, 0.7), rng.integers(0, 2, 4_000))

    assert got.error_points == pytest.approx(20, abs=2.5)


def test_equal_probabilities_share_a_bin() -> None:
    """Else the order of time would decide which candles are compared."""
    got = measured([0.5] * 100, [0, 1] * 50)

    assert [part.n for part in got.table] == [100]
    assert got.error_points == pytest.approx(0)


def test_no_labelled_candle_has_no_calibration() -> None:
    assert calibrate(np.empty(0), np.empty(0, dtype=np.int8), bins=10) is None
