"""One recipe makes the published model, the evaluated one, and those of the walk."""

from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from desk.learn.ensemble import average
from desk.learn.recipe import Recipe, bin_labelled, fit, recipe_of
from desk.learn.training import bin_rows, train
from tests.learn.samples import BASELINE, labelled_set


def test_an_average_scores_the_mean_of_its_members() -> None:
    """To 1e-12, in plain LightGBM, in a batch and row by row: the file that trades is what was evaluated."""
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


def test_no_model_is_trained_on_neutral_rows() -> None:
    """The guide's target leaves neutral candles out of training."""
    labelled = labelled_set(3_000, signal=1.0)
    rows = np.arange(2_000)
    decided = rows[labelled.decided[rows]]
    recipe = Recipe(BASELINE, 10, (1, 2))

    binned = bin_labelled(labelled, np.arange(1_000))

    assert len(decided) < len(rows)
    assert binned.of(rows).side.tolist() == labelled.label[decided].tolist()
    assert fit(binned, rows, recipe).text() == fit(binned, decided, recipe).text()


def test_a_recipe_has_a_seed_for_every_member() -> None:
    assert recipe_of(BASELINE, 10, 3, seed=5) == Recipe(BASELINE, 10, (5, 6, 7))


def test_rows_that_come_later_change_no_model_of_earlier_ones() -> None:
    """The bins of every model are those of the first rows, so a later row reaches none of them."""
    labelled = labelled_set(3_000, signal=1.0)
    x = labelled.features.x.copy()
    x[2_000:] *= 5.0
    other = replace(labelled, features=replace(labelled.features, x=x))
    first, rows, recipe = np.arange(1_000), np.arange(2_000), Recipe(BASELINE, 10, (1,))

    once, again = (fit(bin_labelled(made, first), rows, recipe) for made in (labelled, other))

    assert once.text() == again.text()
