"""No label that was decided later may teach, whatever the horizon and the holes."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.learn import splits
from desk.learn.splits import Rows, has_both_sides, hold_out, known_before, walk_forward
from desk.values import CANDLE_MS, LabelledSet
from tests.learn.samples import labelled_set

horizons = st.integers(1, 12)
hole_rows = st.sets(st.integers(1, 598), max_size=40)


def latest_decision(labelled: LabelledSet, rows: np.ndarray) -> int:
    return int(labelled.known_at[rows].max())


@given(horizons, hole_rows)
def test_development_is_decided_a_horizon_before_the_test_opens(horizon: int, holes: set[int]) -> None:
    """Purge and embargo are measured in time, so that holes change nothing."""
    labelled = labelled_set(600, horizon=horizon, holes=holes)

    split = hold_out(labelled, candles=600, test_share=0.2)

    border = int(labelled.features.open_time[split.test[0]])
    assert latest_decision(labelled, split.development) <= border - horizon * CANDLE_MS
    assert split.test.tolist() == list(range(480, 600))
    assert split.purged == 480 - len(split.development)


@given(horizons, hole_rows)
def test_folds_walk_forward_without_a_leak(horizon: int, holes: set[int]) -> None:
    """Every training label was known, embargo included, before validation begins."""
    labelled = labelled_set(600, horizon=horizon, holes=holes)
    development = hold_out(labelled, candles=600, test_share=0.2).development

    folds = walk_forward(labelled, development, folds=3, first_share=0.4)

    for fold in folds:
        border = int(labelled.features.open_time[fold.validation[0]])
        assert latest_decision(labelled, fold.train) <= border - horizon * CANDLE_MS
        assert fold.validation.max() <= development.max()
    judged = np.concatenate([fold.validation for fold in folds])
    assert judged.tolist() == development[-len(judged) :].tolist()


def test_exactly_two_horizons_are_left_out_before_a_border() -> None:
    """One horizon by the purge, one by the embargo; more would waste the newest labels."""
    labelled = labelled_set(600, horizon=2)

    split = hold_out(labelled, candles=600, test_share=0.2)

    assert split.purged == 4
    assert split.development[-1] == 475


def test_the_folds_look_as_the_docstring_draws_them() -> None:
    labelled = labelled_set(600, horizon=2)
    development = hold_out(labelled, candles=600, test_share=0.2).development

    folds = walk_forward(labelled, development, folds=3, first_share=0.4)

    first, last = folds[0], folds[-1]
    assert first.validation[0] == int(0.4 * 476)
    assert last.validation[-1] == 475
    assert [fold.train[0] for fold in folds] == [0, 0, 0]
    for earlier, later in itertools.pairwise(folds):
        assert earlier.validation[0] < later.train[-1] < later.validation[0] == earlier.validation[-1] + 1


def test_a_block_with_one_side_cannot_judge() -> None:
    """A rate over candles that all went up says nothing; such a fold is left out."""
    labelled = labelled_set(600, horizon=2)
    label = labelled.label.copy()
    development = hold_out(labelled, candles=600, test_share=0.2).development
    label[development[-100:]] = 1
    one_sided = LabelledSet(labelled.features, 2, 0.002, label, labelled.move, labelled.known_at)

    folds = walk_forward(one_sided, development, folds=3, first_share=0.4)

    assert len(folds) == 2


def test_known_before_takes_the_row_that_is_known_a_horizon_before_and_not_the_next() -> None:
    labelled = labelled_set(100, horizon=3)
    border = int(labelled.features.open_time[50])

    known = known_before(labelled, np.arange(90), border)

    assert known[-1] == 50 - 2 * 3 - 1
    assert labelled.known_at[known[-1]] == border - 3 * CANDLE_MS


def test_neutral_rows_are_no_side() -> None:
    labelled = labelled_set(100)
    sides = replace(labelled, label=np.array([1, -1, 0, 1] * 25, dtype=np.int8))

    assert not has_both_sides(sides, np.array([0, 1, 3]))
    assert has_both_sides(sides, np.array([1, 2, 3]))
    assert not has_both_sides(sides, np.array([], dtype=np.int64))


def without_purge(_labelled: LabelledSet, rows: Rows, _border: int) -> Rows:
    return rows


def without_embargo(labelled: LabelledSet, rows: Rows, border: int) -> Rows:
    return rows[labelled.known_at[rows] <= border]


def inner(claim: Callable[[int, set[int]], None]) -> Callable[[int, set[int]], None]:
    """The claim itself: searching for the smallest example of a planted fault takes minutes."""
    return claim.hypothesis.inner_test  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("planted", [without_purge, without_embargo])
@pytest.mark.parametrize(
    "claim",
    [
        lambda: inner(test_development_is_decided_a_horizon_before_the_test_opens)(5, {77}),
        lambda: inner(test_folds_walk_forward_without_a_leak)(5, {77}),
        test_exactly_two_horizons_are_left_out_before_a_border,
    ],
    ids=["hold_out", "walk_forward", "two_horizons"],
)
def test_a_planted_leak_is_seen(
    planted: Callable[[LabelledSet, Rows, int], Rows],
    claim: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The claims above fail when the very code that they are about leaves out purge or embargo."""
    monkeypatch.setattr(splits, "known_before", planted)

    with pytest.raises(AssertionError):
        claim()
