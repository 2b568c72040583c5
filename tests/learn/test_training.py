"""Trained models: reproducible to the byte, the same alone as in a batch, readable by plain LightGBM."""

from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from sklearn.metrics import log_loss

from desk.errors import ModelIncomplete
from desk.learn.training import Bins, Model, bin_rows, load_model, train, train_with_early_stopping
from desk.values import DOWN, UP, LabelledSet
from tests.learn.samples import BASELINE, labelled_set


def trained(seed: int = 1, rounds: int = 25) -> tuple[Model, np.ndarray]:
    labelled = labelled_set(3_000, signal=1.0)
    rows = np.flatnonzero(labelled.decided)
    x = labelled.features.x[rows]
    bins = bin_rows(x, labelled.label[rows], labelled.features.names)
    return train(bins, BASELINE, rounds=rounds, seed=seed), x


def test_equal_inputs_give_equal_bytes_and_another_seed_does_not() -> None:
    """A user who trains twice must be able to tell that nothing changed."""
    assert trained()[0].text() == trained()[0].text()
    assert trained()[0].text() != trained(seed=2)[0].text()


def test_a_row_scores_the_same_alone_and_in_a_batch() -> None:
    """Live trading asks for one row at a time; training asked for ten thousand."""
    model, x = trained()

    batch = model.scores(x[:200])

    assert [model.scores(x[row : row + 1])[0] for row in range(200)] == batch.tolist()


def test_the_text_is_a_plain_lightgbm_model() -> None:
    """The file outlives this suite: LightGBM alone reads it."""
    model, x = trained()
    plain = lightgbm.Booster(model_str=model.text())

    assert tuple(plain.feature_name()) == model.names
    np.testing.assert_array_equal(plain.predict(x, raw_score=True), model.scores(x))
    np.testing.assert_array_equal(load_model(model.text(), subject="it").scores(x), model.scores(x))


def test_probabilities_are_those_of_lightgbm() -> None:
    model, x = trained()

    expected = lightgbm.Booster(model_str=model.text()).predict(x)

    np.testing.assert_allclose(model.probabilities(x), np.asarray(expected), rtol=1e-12)


def test_fewer_rounds_are_a_prefix() -> None:
    """Early stopping keeps all trees; asking for fewer must give the model of so many rounds."""
    longer, x = trained(rounds=25)
    shorter, _ = trained(rounds=10)

    np.testing.assert_allclose(longer.scores(x, 10), shorter.scores(x), rtol=1e-12)


def test_early_stopping_ends_and_returns_the_curve() -> None:
    """On noise the loss stops falling at once; the budget of 2,000 is not spent."""
    labelled = labelled_set(3_000)
    rows = np.flatnonzero(labelled.decided)
    bins = bin_rows(labelled.features.x[rows], labelled.label[rows], labelled.features.names)

    model, curve = train_with_early_stopping(
        bins.subset(np.arange(1_500)),
        BASELINE,
        validation=bins.subset(np.arange(1_500, len(rows))),
        num_boost_round=2_000,
        early_stopping_rounds=30,
        seed=1,
    )

    assert len(curve) == int(np.argmin(curve)) + 1 + 30
    assert model.booster.num_trees() == len(curve)


def test_the_curve_is_the_log_loss_of_scores_that_start_from_the_base_rate_of_the_training_rows() -> None:
    """Rounds are chosen by it: a validation part that starts elsewhere would choose others."""
    labelled = leaning(3_000)
    rows = np.flatnonzero(labelled.decided)
    x, side = labelled.features.x[rows], labelled.label[rows]
    bins = bin_rows(x, side, labelled.features.names)
    fitted = bins.subset(np.arange(1_500))

    model, curve = train_with_early_stopping(
        fitted,
        BASELINE,
        validation=bins.subset(np.arange(1_500, len(rows))),
        num_boost_round=12,
        early_stopping_rounds=12,
        seed=1,
    )

    up = 1 / (1 + np.exp(-model.scores(x[1_500:], 7) - fitted.base_score))
    assert curve[6] == pytest.approx(log_loss(side[1_500:], up), rel=1e-6)


# The line between the sides -----------------------------------------------------------------------


def leaning(rows: int) -> LabelledSet:
    """Two of three labelled rows went up, whatever their features say besides."""
    made = labelled_set(rows, signal=1.0)
    rng = np.random.default_rng(3)
    up = (rng.random(rows) < 0.35) & (made.label == DOWN)
    return replace(made, label=np.where(up, UP, made.label).astype(np.int8))


def test_the_base_rate_of_the_training_rows_is_left_out() -> None:
    """A model of a month that rose would call "up" nearly everywhere; what it learned beyond that is kept."""
    labelled = leaning(6_000)
    rows = np.flatnonzero(labelled.decided)
    x, side = labelled.features.x[rows], labelled.label[rows]
    bins = bin_rows(x, side, labelled.features.names)

    model = train(bins, BASELINE, rounds=25, seed=1)

    share = float(np.mean(side))
    assert share > 0.6
    assert bins.base_score == pytest.approx(np.log(share / (1 - share)))
    assert np.mean(model.scores(x) > 0) == pytest.approx(0.5, abs=0.08)
    plain = lightgbm.Booster(model_str=model.text()).predict(x)
    assert np.mean(np.asarray(plain) > 0.5) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("side", [[], [1, 1], [0, 0]])
def test_rows_of_one_side_have_no_base_rate(side: list[int]) -> None:
    """Log-odds of it would be infinite."""
    there = np.array(side, dtype=np.int8)
    bins = bin_rows(np.zeros((4, 1), dtype=np.float32), np.array([0, 1, 0, 1], dtype=np.int8), ["f"])

    assert Bins(bins.dataset, there).base_score == 0.0


# Rows binned once ---------------------------------------------------------------------------------


def test_a_subset_trains_the_model_of_its_rows_with_the_edges_of_the_whole() -> None:
    """Binning every fold again costs a hundred times more; the model must not notice."""
    labelled = labelled_set(3_000, signal=1.0)
    rows = np.flatnonzero(labelled.decided)
    x, side, names = labelled.features.x[rows], labelled.label[rows], labelled.features.names
    whole = bin_rows(x, side, names)
    some = np.arange(0, len(rows), 3)

    subset = whole.subset(some)
    again = bin_rows(x[some], side[some], names, edges_of=whole)

    assert subset.side.tolist() == side[some].tolist()
    once, twice = (train(bins, BASELINE, rounds=10, seed=1).text() for bins in (subset, again))
    assert once == twice


def test_edges_are_those_of_the_rows_that_are_named() -> None:
    """Bins of rows to come would tell a model how far prices are going to move."""
    labelled = labelled_set(3_000, signal=1.0)
    rows = np.flatnonzero(labelled.decided)
    x, side, names = labelled.features.x[rows].copy(), labelled.label[rows], labelled.features.names
    early = np.arange(800)
    edges = bin_rows(x[early], side[early], names)
    other = x.copy()
    other[800:] *= 7.0

    texts = [
        train(bin_rows(which, side, names, edges_of=edges).subset(early), BASELINE, rounds=10, seed=1).text()
        for which in (x, other)
    ]

    assert texts[0] == texts[1]


@pytest.mark.parametrize("text", ["", "tree\n", "not a model", "tree\nversion=v4\nend of parameters"])
def test_what_is_no_model_is_refused_by_name(text: str) -> None:
    with pytest.raises(ModelIncomplete, match="BTCUSDT"):
        load_model(text, subject="BTCUSDT")


def test_a_short_history_can_still_split() -> None:
    """With 100 rows a leaf of at least 100 would make every model a constant."""
    labelled = labelled_set(150, signal=4.0)
    rows = np.flatnonzero(labelled.decided)
    bins = bin_rows(labelled.features.x[rows], labelled.label[rows], labelled.features.names)

    model = train(bins, BASELINE, rounds=20, seed=1)

    assert np.std(model.scores(labelled.features.x[rows])) > 0
