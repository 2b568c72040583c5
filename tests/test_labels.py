"""Labels: what happened afterwards, and only what can be known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.values import CANDLE_MS, DOWN, NEUTRAL, UNKNOWN, UP, Candles, FeatureSet, frozen
from ml_feature_engineering import attach_labels

few = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def candles_of(closes: list[float], steps: list[int] | None = None) -> Candles:
    """Candles with these closes; ``steps`` says how many candles each lies after the one before."""
    close = np.array(closes)
    at = np.cumsum(steps if steps is not None else [1] * len(closes), dtype=np.int64)
    values = np.stack([close, close, close, close, np.ones_like(close), close])
    return Candles("BTCUSDT", frozen(at * CANDLE_MS), frozen(values))


def features_of(candles: Candles, row: list[int] | None = None) -> FeatureSet:
    """A feature set without columns for the given rows, or for all."""
    at = np.arange(len(candles), dtype=np.int64) if row is None else np.array(row, dtype=np.int64)
    x = np.empty((len(at), 0), dtype=np.float32)
    return FeatureSet("BTCUSDT", "none", (), frozen(at), frozen(candles.open_time[at]), frozen(x))


def slow_label(candles: Candles, row: int, horizon: int, threshold: float) -> tuple[int, float]:
    """The rule of the guide, word for word: label and move of one row."""
    times = candles.open_time.tolist()
    wanted = [times[row] + step * CANDLE_MS for step in range(horizon + 1)]
    if times[row : row + horizon + 1] != wanted:
        return UNKNOWN, math.nan
    move = candles.close[row + horizon] / candles.close[row] - 1
    return (UP if move >= threshold else DOWN if move <= -threshold else NEUTRAL), float(move)


@few
@given(st.data(), st.integers(1, 6), st.sampled_from([0.001, 0.01, 0.02]))
def test_labels_are_the_rule_word_for_word(data: st.DataObject, horizon: int, threshold: float) -> None:
    """Against the slow version, with holes anywhere and rows without features anywhere."""
    length = data.draw(st.integers(1, 40))
    closes = data.draw(
        st.lists(st.sampled_from([98.0, 99.0, 100.0, 100.1, 101.0]), min_size=length, max_size=length)
    )
    steps = data.draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5]), min_size=length, max_size=length))
    rows = sorted(data.draw(st.sets(st.integers(0, length - 1))))
    candles = candles_of(closes, steps)

    labelled = attach_labels(features_of(candles, rows), candles, horizon=horizon, threshold=threshold)

    expected = [slow_label(candles, row, horizon, threshold) for row in rows]
    assert labelled.label.tolist() == [label for label, _ in expected]
    np.testing.assert_array_equal(labelled.move, [move for _, move in expected])
    assert labelled.known_at.tolist() == [candles.open_time[row] + (horizon + 1) * CANDLE_MS for row in rows]


def test_a_move_of_exactly_the_threshold_counts() -> None:
    """The guide says at least, on both sides."""
    candles = candles_of([100.0, 100.0, 125.0, 125.0, 93.75])

    labelled = attach_labels(features_of(candles), candles, horizon=2, threshold=0.25)

    assert labelled.label.tolist() == [UP, UP, DOWN, UNKNOWN, UNKNOWN]
    assert labelled.decided.tolist() == [True, True, True, False, False]


def test_a_label_is_known_when_the_deciding_candle_closes() -> None:
    """Not when it opens: the close that decides is its last trade."""
    candles = candles_of([100.0, 100.0, 101.0])

    labelled = attach_labels(features_of(candles, [0]), candles, horizon=2, threshold=0.002)

    assert labelled.known_at[0] == candles.open_time[2] + CANDLE_MS


@pytest.mark.parametrize("steps", [[1, 1, 2, 1], [1, 2, 1, 1], [1, 1, 1, 2]])
def test_a_label_never_spans_a_hole(steps: list[int]) -> None:
    """Also not where the candle two steps ahead is there, but the one between is missing."""
    candles = candles_of([100.0, 101.0, 102.0, 103.0], steps)

    labelled = attach_labels(features_of(candles), candles, horizon=2, threshold=0.002)

    hole = steps.index(2)
    assert [row for row in range(4) if labelled.label[row] != UNKNOWN] == [
        row for row in range(2) if not row < hole <= row + 2
    ]


def test_a_horizon_beyond_the_history_knows_nothing() -> None:
    """No row, and no error: the caller counts labels."""
    candles = candles_of([100.0, 101.0, 102.0])

    labelled = attach_labels(features_of(candles), candles, horizon=50, threshold=0.002)

    assert set(labelled.label.tolist()) == {UNKNOWN}


@pytest.mark.parametrize(("horizon", "threshold"), [(0, 0.002), (-1, 0.002), (2, 0.0), (2, -0.1)])
def test_a_label_needs_a_horizon_and_a_threshold(horizon: int, threshold: float) -> None:
    """A horizon of 0 would label every candle with itself."""
    candles = candles_of([100.0, 101.0])

    with pytest.raises(ValueError, match="must be positive"):
        attach_labels(features_of(candles), candles, horizon=horizon, threshold=threshold)


def test_features_of_other_candles_are_refused() -> None:
    """Rows are positions: against a longer or shifted series they would point at other candles."""
    candles = candles_of([100.0, 101.0, 102.0])
    shifted = candles_of([100.0, 101.0, 102.0], [2, 1, 1])

    with pytest.raises(ValueError, match="not made from these candles"):
        attach_labels(features_of(candles), shifted, horizon=1, threshold=0.002)
