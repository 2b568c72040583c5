"""One recipe makes the published model, the examined one, and the out-of-fold scores."""

import lightgbm
import numpy as np
import pytest

from desk.learn.ensemble import average
from desk.learn.recipe import Recipe, fit, out_of_fold, recipe_of
from desk.learn.splits import hold_out, walk_forward
from desk.learn.training import bin_rows, train
from tests.learn.samples import BASELINE, labelled_set, settings


def test_an_average_scores_the_mean_of_its_members() -> None:
    """To 1e-12, in plain LightGBM, in a batch and row by row: the file that trades is what was examined."""
    labelled = labelled_set(4_000, signal=1.0)
    rows = np.flatnonzero(labelled.decided)
    x = labelled.features.x
    bins = bin_rows(x[rows], labelled.label[rows], labelled.features.names)
    members = [train(bins, BASELINE, rounds=30, seed=seed) for seed in range(5)]
    mean = np.mean([member.scores(x) for member in members], axis=0)

    averaged = average(members)

    plain = lightgbm.Booster(model_str=averaged.text())
    np.testing.assert_allclose(averaged.scores(x), mean, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(plain.predict(x, raw_score=True), averaged.scores(x))
    assert [averaged.scores(x[row : row + 1])[0] for row in range(100)] == averaged.scores(x[:100]).tolist()
    assert plain.num_trees() == 150
    assert averaged.text() == average(members).text()


def test_an_average_of_one_is_itself_and_of_none_is_an_error() -> None:
    labelled = labelled_set(1_000, signal=1.0)
    rows = np.flatnonzero(labelled.decided)
    bins = bin_rows(labelled.features.x[rows], labelled.label[rows], labelled.features.names)
    member = train(bins, BASELINE, rounds=5, seed=1)

    assert average([member]) is member
    with pytest.raises(ValueError, match="equal features"):
        average([])


def test_members_that_cannot_split_are_averaged_too() -> None:
    """Trees of a single leaf occur on short histories."""
    labelled = labelled_set(12, signal=0.0)
    rows = np.flatnonzero(labelled.decided)
    bins = bin_rows(labelled.features.x[rows], labelled.label[rows], labelled.features.names)
    members = [train(bins, BASELINE, rounds=3, seed=seed) for seed in (1, 2)]

    scores = average(members).scores(labelled.features.x)

    np.testing.assert_allclose(scores, np.mean([m.scores(labelled.features.x) for m in members], axis=0))


def test_out_of_fold_scores_never_come_from_a_model_that_saw_the_row() -> None:
    """The scores of a block are those of the model that learned what was known before it."""
    labelled = labelled_set(3_000, signal=1.0)
    split = hold_out(labelled, candles=3_000, test_share=0.2)
    folds = walk_forward(labelled, split.development, folds=3, first_share=0.4)
    recipe = recipe_of(BASELINE, 10, settings(), seed=1)

    rows, scores = out_of_fold(labelled, folds, recipe)

    assert rows.tolist() == np.concatenate([fold.validation for fold in folds]).tolist()
    first = folds[0]
    np.testing.assert_array_equal(
        scores[: len(first.validation)],
        fit(labelled, first.train, recipe).scores(labelled.features.x[first.validation]),
    )


def test_no_model_is_trained_on_neutral_rows() -> None:
    """The guide's target leaves neutral candles out of training."""
    labelled = labelled_set(3_000, signal=1.0)
    rows = np.arange(2_000)
    decided = rows[labelled.decided[rows]]
    recipe = Recipe(BASELINE, 10, (1, 2))

    assert len(decided) < len(rows)
    assert fit(labelled, rows, recipe).text() == fit(labelled, decided, recipe).text()


def test_no_folds_no_scores() -> None:
    rows, scores = out_of_fold(labelled_set(100), (), recipe_of(BASELINE, 10, settings(), seed=1))

    assert (len(rows), len(scores)) == (0, 0)
