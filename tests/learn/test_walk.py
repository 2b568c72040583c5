"""The walk: whole weeks up to the newest candle, each scored by a model of what was known before it."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.learn import walk as walk_module
from desk.learn.recipe import Recipe, bin_labelled, fit
from desk.learn.splits import Rows
from desk.learn.walk import WEEK_MS, Walk, WalkBlock, score_walk, walk_blocks
from desk.values import CANDLE_MS, UP, Candles, LabelledSet, frozen
from tests.learn.samples import BASELINE, labelled_set

WEEK = 2_016
EARLY = Recipe(BASELINE, 4, (1,))
LATE = Recipe(BASELINE, 7, (1,))
NEWEST = Recipe(BASELINE, 7, (1, 2))


def history(
    rows: int,
    *,
    without: AbstractSet[int] = frozenset(),
    horizon: int = 2,
    holes: AbstractSet[int] = frozenset(),
) -> tuple[LabelledSet, Candles]:
    """Labelled rows with a candle under each; the candles of ``without`` have no features."""
    made = labelled_set(rows, signal=1.0, features=3, horizon=horizon, holes=holes)
    candles = Candles(made.features.symbol, made.features.open_time, frozen(np.ones((6, rows))))
    kept = np.array([row for row in range(rows) if row not in without], dtype=np.int64)
    features = made.features
    fewer = replace(
        features, row=frozen(kept), open_time=frozen(features.open_time[kept]), x=frozen(features.x[kept])
    )
    labelled = replace(
        made, features=fewer, label=made.label[kept], move=made.move[kept], known_at=made.known_at[kept]
    )
    return labelled, candles


# Where the blocks lie -----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(200, 9_000),
    share=st.floats(0.2, 0.8),
    holes=st.sets(st.integers(1, 199), max_size=5),
    horizon=st.integers(1, 12),
)
def test_blocks_are_whole_weeks_that_end_with_the_newest_candle(
    rows: int, share: float, holes: set[int], horizon: int
) -> None:
    """Retraining once a week adds a whole block; what is left of a week belongs to the oldest."""
    labelled, candles = history(rows, holes=holes, horizon=horizon)

    blocks = walk_blocks(labelled, candles, first_share=share)

    assert (blocks[0].first, blocks[-1].stop) == (int(rows * share), rows)
    assert all(before.stop == after.first for before, after in pairwise(blocks))
    end = int(candles.open_time[-1]) + CANDLE_MS
    opens = [int(candles.open_time[block.first]) for block in blocks]
    assert opens[1:] == [end - week * WEEK_MS for week in range(len(blocks) - 1, 0, -1)]
    length = (opens[1] if len(opens) > 1 else end) - opens[0]
    assert length < 2 * WEEK_MS
    assert len(opens) == 1 or length >= WEEK_MS


@settings(max_examples=25, deadline=None)
@given(horizon=st.integers(1, 12), holes=st.sets(st.integers(3_000, 5_990), max_size=30))
def test_a_block_is_scored_by_what_was_known_a_horizon_before_it(horizon: int, holes: set[int]) -> None:
    """And by all of it: every row that is left out was decided too late."""
    labelled, candles = history(6_000, horizon=horizon, holes=holes)

    for block in walk_blocks(labelled, candles, first_share=0.4):
        border = int(candles.open_time[block.first]) - horizon * CANDLE_MS
        assert block.train.tolist() == np.flatnonzero(labelled.known_at <= border).tolist()
        assert block.rows.tolist() == list(range(block.first, block.stop))


@pytest.mark.parametrize("fault", ["without purge", "without embargo"])
def test_a_border_that_leaks_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: labels that are decided within the block, or just before it, train its model."""

    def leaking(labelled: LabelledSet, rows: Rows, border: int) -> Rows:
        return rows if fault == "without purge" else rows[labelled.known_at[rows] <= border]

    monkeypatch.setattr(walk_module, "known_before", leaking)

    claim = test_a_block_is_scored_by_what_was_known_a_horizon_before_it
    with pytest.raises(AssertionError):
        claim.hypothesis.inner_test(3, set())  # type: ignore[attr-defined]


def test_candles_without_features_are_candles_of_a_block_and_no_rows_of_it() -> None:
    """Weeks are counted in time, positions in rows with features."""
    missing = frozenset(range(2_500, 2_600)) | {5_999}
    labelled, candles = history(6_000, without=missing)

    blocks = walk_blocks(labelled, candles, first_share=0.4)

    assert [(block.first, block.stop) for block in blocks] == [(2_400, 6_000)]
    rows = np.concatenate([labelled.features.row[block.rows] for block in blocks])
    assert rows.tolist() == [row for row in range(2_400, 6_000) if row not in missing]


def test_blocks_whose_model_would_see_one_side_are_left_out_with_all_before_them() -> None:
    """A model of rising candles says "up" everywhere; nothing that came before it is evidence either."""
    labelled, candles = history(9 * WEEK)
    turned = 5 * WEEK + 700
    label = np.where(np.arange(len(labelled)) < turned, UP, labelled.label)
    rising = replace(labelled, label=frozen(label.astype(np.int8)))

    every = walk_blocks(labelled, candles, first_share=0.4)
    seeing = walk_blocks(rising, candles, first_share=0.4)

    assert len(every) == 5
    assert [block.first for block in seeing] == [block.first for block in every if block.first > turned]
    always = replace(labelled, label=frozen(np.full(len(labelled), UP, dtype=np.int8)))
    assert walk_blocks(always, candles, first_share=0.4) == ()


# Who scores them ----------------------------------------------------------------------------------


def walked(*, weeks: int = 7, late_from: int) -> tuple[LabelledSet, tuple[WalkBlock, ...], Walk]:
    """A walk of five blocks after the first two weeks."""
    labelled, candles = history(weeks * WEEK, without=frozenset({3 * WEEK + 9}))
    blocks = walk_blocks(labelled, candles, first_share=2 / weeks + 1e-9)
    assert len(blocks) == weeks - 2
    walk = score_walk(
        bin_labelled(labelled, blocks[0].train),
        blocks,
        early=EARLY,
        late=LATE,
        late_from=late_from,
        newest=NEWEST,
    )
    return labelled, blocks, walk


def scores_by(
    labelled: LabelledSet, blocks: tuple[WalkBlock, ...], at: int, recipe: Recipe, of: int
) -> np.ndarray:
    """What the recipe, trained for block ``at``, says of the candles of block ``of``."""
    model = fit(bin_labelled(labelled, blocks[0].train), blocks[at].train, recipe)
    rows = blocks[of].rows
    found = np.full(blocks[of].stop - blocks[of].first, np.nan)
    found[labelled.features.row[rows] - blocks[of].first] = model.scores(labelled.features.x[rows])
    return found


@pytest.mark.parametrize(
    ("late_from", "late", "recipes", "follows"),
    [
        # Block 3 of 5 is the first of the last fifth, and one of the last two at once.
        (5 * WEEK, 3, [EARLY, EARLY, EARLY, NEWEST, NEWEST], [None, NEWEST, NEWEST, None, None]),
        (5 * WEEK - 1, 3, [EARLY, EARLY, EARLY, NEWEST, NEWEST], [None, NEWEST, NEWEST, None, None]),
        # Late blocks before the last two: each change has two blocks before it.
        (3 * WEEK, 1, [EARLY, LATE, LATE, NEWEST, NEWEST], [LATE, NEWEST, NEWEST, None, None]),
        # A late part of less than two blocks: nothing chosen on development scores a block of it.
        (5 * WEEK + 1, 4, [EARLY, EARLY, EARLY, EARLY, NEWEST], [None, None, NEWEST, NEWEST, None]),
        (7 * WEEK, 5, [EARLY] * 5, [None] * 5),
    ],
)
def test_every_block_is_scored_by_the_recipe_of_its_time(
    late_from: int, late: int, recipes: list[Recipe], follows: list[Recipe | None]
) -> None:
    """What was chosen on the development part scores no block that begins in it.

    Before the recipe changes, two blocks are scored by the next one besides: cuts are put on its scale.
    """
    labelled, blocks, walk = walked(late_from=late_from)

    assert walk.late == late
    assert [block.recipe for block in walk.blocks] == [recipes.index(recipe) for recipe in recipes]
    for at, (block, recipe, following) in enumerate(zip(walk.blocks, recipes, follows, strict=True)):
        assert (block.first, block.stop) == (blocks[at].first, blocks[at].stop)
        np.testing.assert_array_equal(block.score, scores_by(labelled, blocks, at, recipe, at))
        if following is None:
            assert block.rescaled is None
        else:
            assert block.rescaled is not None
            np.testing.assert_array_equal(block.rescaled, scores_by(labelled, blocks, at, following, at))
    assert len(walk.models) == len(blocks) - late
    for model, block in zip(walk.models, walk.blocks[late:], strict=True):
        rows = blocks[walk.blocks.index(block)].rows
        np.testing.assert_array_equal(
            block.score[~np.isnan(block.score)], model.scores(labelled.features.x[rows])
        )


def test_older_scores_are_those_of_the_model_of_the_block_before() -> None:
    """A published model is traded until it is replaced: 7 to 14 days old, no training more."""
    labelled, blocks, walk = walked(late_from=3 * WEEK)
    recipes = [EARLY, LATE, LATE, NEWEST, NEWEST]

    assert np.isnan(walk.aged[0].score).all()
    for at in range(1, 5):
        assert (walk.aged[at].first, walk.aged[at].stop) == (blocks[at].first, blocks[at].stop)
        np.testing.assert_array_equal(
            walk.aged[at].score, scores_by(labelled, blocks, at - 1, recipes[at - 1], at)
        )


def test_a_candle_without_features_has_no_score() -> None:
    _, blocks, walk = walked(late_from=5 * WEEK)
    at = next(at for at, block in enumerate(blocks) if block.first <= 3 * WEEK + 9 < block.stop)

    assert np.flatnonzero(np.isnan(walk.blocks[at].score)).tolist() == [3 * WEEK + 9 - blocks[at].first]
    assert not np.isnan(walk.blocks[at + 1].score).any()
