"""Tuning prefers the baseline unless it is beaten by more than chance, and finds what is truly better."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from desk.clustered import Mean
from desk.learn.recipe import bin_labelled
from desk.learn.splits import hold_out, walk_forward
from desk.learn.training import train_with_early_stopping
from desk.learn.tuning import Tuned, _gain, soft_wins, tune
from desk.values import NEUTRAL, UP, LabelledSet
from tests.learn.samples import BASELINE, labelled_set, settings


def tuned(labelled: LabelledSet, **changes: object) -> Tuned:
    values = settings(**changes)
    split = hold_out(labelled, candles=len(labelled), test_share=values.test_share)
    folds = walk_forward(labelled, split.development, folds=values.n_folds, first_share=values.first_share)
    return tune(bin_labelled(labelled, folds[0].train), folds, values, seed=7)


def needs_deep_trees(rows: int, seed: int) -> LabelledSet:
    """The label is the parity of three features' signs: no tree of few leaves can see it."""
    made = labelled_set(rows, seed=seed, features=4)
    parity = np.prod(np.sign(made.features.x[:, :3]), axis=1) > 0
    true = np.random.default_rng(seed).random(rows) < 0.9
    label = np.where(made.label == NEUTRAL, NEUTRAL, (parity == true).astype(np.int8))
    return LabelledSet(made.features, 2, 0.002, label.astype(np.int8), made.move, made.known_at)


@pytest.mark.parametrize("seed", range(4))
def test_on_noise_the_baseline_stays(seed: int) -> None:
    """The best of many coin flips looks good; it must not be taken for a discovery."""
    result = tuned(labelled_set(6_000, seed=seed))

    assert result.chosen == "baseline"
    assert result.parameters == BASELINE
    assert "baseline" in result.why


def test_what_is_truly_better_is_found() -> None:
    """Where the baseline is blind, a trial that sees must win, and the reason gives its figures."""
    blind = replace(BASELINE, num_leaves=4, learning_rate=0.03, feature_fraction=0.3)

    result = tuned(needs_deep_trees(12_000, seed=3), n_trials=25, baseline=blind)

    assert result.chosen == "tuned"
    assert "is beyond chance" in result.why
    assert result.best_value is not None
    assert result.baseline_value is not None
    assert result.best_value > result.baseline_value + 0.05


def test_every_trial_is_tried_on_the_first_fold_and_counted() -> None:
    """On noise no finalist is worth the other folds: all but the baseline are given up there."""
    result = tuned(labelled_set(4_000), n_trials=20)

    assert [trial.number for trial in result.trials] == list(range(20))
    assert result.n_pruned == 19
    assert result.baseline_value == result.trials[0].value


def test_rounds_are_those_with_the_least_loss_on_the_last_fold() -> None:
    """The guide's budget bounds that one fit, whatever the search was stopped by."""
    labelled = labelled_set(4_000, signal=2.0)
    values = settings(n_trials=1, early_stopping_rounds=40, search_early_stopping_rounds=1)
    split = hold_out(labelled, candles=4_000, test_share=values.test_share)
    folds = walk_forward(labelled, split.development, folds=3, first_share=values.first_share)
    binned = bin_labelled(labelled, folds[0].train)

    _, curve = train_with_early_stopping(
        binned.of(folds[-1].train),
        BASELINE,
        validation=binned.of(folds[-1].validation),
        num_boost_round=2_000,
        early_stopping_rounds=40,
        seed=7,
    )

    assert tune(binned, folds, values, seed=7).rounds == int(np.argmin(curve)) + 1 > 20


def test_the_first_trial_is_the_baseline() -> None:
    result = tuned(labelled_set(4_000), n_trials=3)

    assert result.trials[0].parameters == BASELINE


def test_equal_inputs_give_equal_results() -> None:
    """Nothing depends on the time it took, nor on the process it ran in."""
    assert tuned(labelled_set(4_000)).trials == tuned(labelled_set(4_000)).trials


def test_answering_one_side_is_infeasible() -> None:
    """Nine in ten candles go up: always "up" wins 90 %, and is of no use to a trader."""
    made = labelled_set(4_000)
    rng = np.random.default_rng(5)
    label = np.where(made.label == NEUTRAL, NEUTRAL, (rng.random(4_000) < 0.9).astype(np.int8))
    one_sided = LabelledSet(made.features, 2, 0.002, label.astype(np.int8), made.move, made.known_at)

    result = tuned(one_sided)

    assert not any(trial.feasible for trial in result.trials)
    assert result.chosen == "baseline"


def test_the_journal_is_what_optuna_reads(tmp_path: Path) -> None:
    """A user opens it in optuna-dashboard; all trials are there, with their state and value."""
    result = tuned(labelled_set(4_000), n_trials=8)
    path = tmp_path / "journal.log"
    path.write_bytes(result.journal)

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(storage=storage, study_name="TESTUSDT")

    found = [(trial.number, trial.state.name) for trial in study.trials]
    assert found == [(trial.number, "COMPLETE") for trial in result.trials]
    assert study.trials[0].value == result.trials[0].value
    assert study.trials[0].params == asdict(BASELINE)


def test_rounds_keep_their_floor() -> None:
    """On noise the least loss is at the first round; a model of one tree is no model."""
    assert tuned(labelled_set(4_000)).rounds >= 20


def test_without_a_fold_the_baseline_is_taken() -> None:
    """A symbol listed last week is published with the fixed set, and says so."""
    result = tune(bin_labelled(labelled_set(200), np.arange(200)), (), settings(), seed=1)

    assert (result.chosen, result.parameters, result.trials) == ("baseline", BASELINE, ())
    assert "too few" in result.why


def test_the_soft_win_rate_is_blind_to_scale_and_between_zero_and_one() -> None:
    """Doubling the log-odds changes no decision, so it must not change the objective."""
    rng = np.random.default_rng(1)
    scores, side = rng.normal(size=500), (rng.random(500) < 0.5).astype(np.int8)

    wins = soft_wins(scores, side)

    np.testing.assert_allclose(soft_wins(1000 * scores, side), wins)
    assert ((wins >= 0) & (wins <= 1)).all()
    assert soft_wins(np.zeros(3), np.array([0, 1, 1], dtype=np.int8)).tolist() == [0.5] * 3
    assert np.mean(soft_wins(np.where(side == UP, 1.0, -1.0), side)) > 0.9


def test_a_baseline_outside_the_usual_space_is_the_first_trial_all_the_same() -> None:
    """The space is around the baseline, wherever that is; Optuna's warning about it was an error here."""
    wide = replace(BASELINE, num_leaves=64, learning_rate=0.02, bagging_fraction=1.0)

    result = tuned(labelled_set(3_000), n_trials=3, baseline=wide)

    assert result.trials[0].parameters == wide


def test_the_gain_over_few_days_has_no_interval() -> None:
    """Two days agree by luck: ± 0.01 points would be believed."""
    few = _gain(Mean(0.01, 0.001, 9))

    assert few.endswith(" +1.00 points of soft win rate (9 days are too few for an interval)")
    assert "+1.00 ± 0.10 points" in _gain(Mean(0.01, 0.001, 10))
