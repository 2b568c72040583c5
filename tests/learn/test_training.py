"""Grown models: reproducible to the byte, the same alone as in a batch, readable by plain LightGBM."""

import lightgbm
import numpy as np
import pytest

from desk.errors import ModelIncomplete
from desk.learn.training import Model, bin_rows, load_model, train, train_with_early_stopping
from tests.learn.samples import BASELINE, labelled_set


def grown(seed: int = 1, rounds: int = 25) -> tuple[Model, np.ndarray]:
    labelled = labelled_set(3_000, signal=1.0)
    rows = np.flatnonzero(labelled.decided)
    x = labelled.features.x[rows]
    bins = bin_rows(x, labelled.label[rows], labelled.features.names)
    return train(bins, BASELINE, rounds=rounds, seed=seed), x


def test_equal_inputs_give_equal_bytes_and_another_seed_does_not() -> None:
    """A user who trains twice must be able to tell that nothing changed."""
    assert grown()[0].text() == grown()[0].text()
    assert grown()[0].text() != grown(seed=2)[0].text()


def test_a_row_scores_the_same_alone_and_in_a_batch() -> None:
    """Live trading asks for one row at a time; training asked for ten thousand."""
    model, x = grown()

    batch = model.scores(x[:200])

    assert [model.scores(x[row : row + 1])[0] for row in range(200)] == batch.tolist()


def test_the_text_is_a_plain_lightgbm_model() -> None:
    """The file outlives this suite: LightGBM alone reads it."""
    model, x = grown()
    plain = lightgbm.Booster(model_str=model.text())

    assert tuple(plain.feature_name()) == model.names
    np.testing.assert_array_equal(plain.predict(x, raw_score=True), model.scores(x))
    np.testing.assert_array_equal(load_model(model.text(), subject="it").scores(x), model.scores(x))


def test_probabilities_are_those_of_lightgbm() -> None:
    model, x = grown()

    expected = lightgbm.Booster(model_str=model.text()).predict(x)

    np.testing.assert_allclose(model.probabilities(x), np.asarray(expected), rtol=1e-12)


def test_fewer_rounds_are_a_prefix() -> None:
    """Early stopping keeps all trees; asking for fewer must give the model of so many rounds."""
    longer, x = grown(rounds=25)
    shorter, _ = grown(rounds=10)

    np.testing.assert_allclose(longer.scores(x, 10), shorter.scores(x), rtol=1e-12)


def test_early_stopping_ends_and_returns_the_curve() -> None:
    """On noise the loss stops falling at once; the budget of 2,000 is not spent."""
    labelled = labelled_set(3_000)
    rows = np.flatnonzero(labelled.decided)
    fitted, held_out = rows[:1_500], rows[1_500:]
    bins = bin_rows(labelled.features.x[fitted], labelled.label[fitted], labelled.features.names)

    model, curve = train_with_early_stopping(
        bins,
        BASELINE,
        validation=(labelled.features.x[held_out], labelled.label[held_out]),
        num_boost_round=2_000,
        early_stopping_rounds=30,
        seed=1,
    )

    assert len(curve) == int(np.argmin(curve)) + 1 + 30
    assert model.booster.num_trees() == len(curve)


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
