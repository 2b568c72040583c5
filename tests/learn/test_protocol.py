"""The protocol of one symbol: what is chosen never sees what is reported, and the report can be recounted."""

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from desk.errors import NotEnoughHistory
from desk.learn import protocol, record, splits
from desk.learn.protocol import SymbolReport, run_protocol
from desk.learn.recipe import bin_labelled, fit, recipe_of
from desk.learn.settings import LearnSettings
from desk.learn.splits import Rows
from desk.learn.training import probability_of
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UP, Candles, LabelledSet, frozen
from tests.learn.edge_market import FREE_CONTRACT, QUICK, SEED, edge_candles, labelled_from
from tests.learn.samples import BASELINE, labelled_set, settings
from tests.learn.trading import labels_of

HOLES = [3_900, 5_000, 5_001, 5_002, 5_003, 7_499, 9_000, 11_000, 12_345]
SHORT = settings(n_trials=3, n_seeds=1, num_boost_round=60, verdict=QUICK.verdict)


@functools.cache
def market() -> tuple[LabelledSet, Candles]:
    """Seven weeks in which something can be known, with holes on either side of the border."""
    made = edge_candles()
    kept = np.ones(len(made), dtype=bool)
    kept[HOLES] = False
    candles = Candles("EDGEUSDT", frozen(made.open_time[kept]), frozen(made.values[:, kept]))
    return labelled_from(candles), candles


def report_on(
    labelled: LabelledSet | None = None,
    candles: Candles | None = None,
    settings: LearnSettings = QUICK,
    *,
    shown_through: int | None = None,
) -> SymbolReport:
    here, there = market()
    return run_protocol(
        labelled or here,
        candles or there,
        contract_costs=FREE_CONTRACT,
        settings=settings,
        seed=SEED,
        shown_through=shown_through,
        lap=lambda _name: None,
    )


@functools.cache
def honest() -> SymbolReport:
    """The report without any planted fault."""
    return report_on()


# One recipe ---------------------------------------------------------------------------------------


def test_published_evaluated_and_the_newest_members_of_the_walk_are_one_recipe() -> None:
    """Scores of other recipes are spread otherwise: their thresholds would fire too rarely or too often."""
    labelled, _ = market()
    found = honest()
    recipe = recipe_of(found.tuned.parameters, found.tuned.rounds, QUICK.n_seeds, seed=SEED)
    binned = bin_labelled(labelled, _first_rows(found))

    assert found.published.text() == fit(binned, found.train_rows, recipe).text()
    assert found.evaluated.text() == fit(binned, found.split.development, recipe).text()
    newest = found.walk.blocks[-1]
    before = np.flatnonzero(
        labelled.known_at <= market()[1].open_time[newest.first] - labelled.horizon * CANDLE_MS
    )
    assert found.walk.models[-1].text() == fit(binned, before, recipe).text()


def _first_rows(found: SymbolReport) -> Rows:
    """Whose bins are used: the shortest training part, which lies before everything that is evaluated."""
    labelled, candles = market()
    border = candles.open_time[found.walk.blocks[0].first] - labelled.horizon * CANDLE_MS
    walk_first = np.flatnonzero(labelled.known_at <= border)
    return min([walk_first, *(fold.train for fold in found.folds)], key=len)


# No label crosses a border ------------------------------------------------------------------------


def assert_no_label_crosses_a_border(found: SymbolReport) -> None:
    """What is trained on was known, a horizon earlier even, before what it is measured on opened."""
    labelled, _ = market()
    opened, embargo = labelled.features.open_time, labelled.horizon * CANDLE_MS
    borders = [(fold.train, fold.validation) for fold in found.folds]
    for train_rows, measured in [*borders, (found.split.development, found.split.test)]:
        assert labelled.known_at[train_rows].max() <= opened[measured].min() - embargo


def test_no_label_crosses_a_border() -> None:
    assert_no_label_crosses_a_border(honest())


@pytest.mark.parametrize("where", ["the folds", "the test part"])
def test_a_border_without_purge_is_caught(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Planted: every row before the border is trained on, those too whose label is decided behind it."""
    purged = splits.known_before
    _, candles = market()
    test_opens = candles.open_time[len(candles) - int(len(candles) * QUICK.test_share)]

    def leaking(labelled: LabelledSet, rows: Rows, border: int) -> Rows:
        planted = (border < test_opens) == (where == "the folds")
        return rows if planted else purged(labelled, rows, border)

    monkeypatch.setattr(splits, "known_before", leaking)

    planted = report_on()
    with pytest.raises(AssertionError):
        assert_no_label_crosses_a_border(planted)


# The report, recounted ----------------------------------------------------------------------------


def seen_again(found: SymbolReport) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """On test candles, probabilities of plain LightGBM from the model's text, and labels by definition."""
    labelled, candles = market()
    start = len(candles) - int(len(candles) * QUICK.test_share)
    model = lightgbm.Booster(model_str=found.evaluated.text())
    row = labelled.features.row
    probability = np.full(len(candles), np.nan)
    probability[row[row >= start]] = model.predict(labelled.features.x[row >= start])
    label = labels_of(candles, horizon=labelled.horizon, threshold=0.002)
    return probability[start:], label[start:]


def assert_recounted(found: SymbolReport) -> None:
    """The guide's figures from the model's text and the candles, by scikit-learn."""
    probability, label = seen_again(found)
    decided = np.isin(label, [UP, DOWN]) & ~np.isnan(probability)
    truth, claimed = label[decided], probability[decided]
    called = (claimed > 0.5).astype(np.int8)
    metrics = found.metrics
    assert metrics is not None

    assert metrics.n == len(truth)
    assert metrics.accuracy == pytest.approx(accuracy_score(truth, called))
    assert metrics.precision == pytest.approx(precision_score(truth, called))
    assert metrics.recall == pytest.approx(recall_score(truth, called))
    assert metrics.f1 == pytest.approx(f1_score(truth, called))
    assert metrics.precision_short == pytest.approx(precision_score(1 - truth, 1 - called))
    assert metrics.recall_short == pytest.approx(recall_score(1 - truth, 1 - called))
    assert metrics.auc == pytest.approx(roc_auc_score(truth, claimed))
    assert metrics.base_rate == pytest.approx(np.mean(truth))


def test_the_guides_figures_are_recounted_from_the_models_text_and_the_candles() -> None:
    """By plain LightGBM and scikit-learn; with holes.  One half is the line for whoever loads the file."""
    assert_recounted(honest())


def test_figures_of_the_published_model_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the model that was trained on the test part is measured on it."""
    labelled, _ = market()
    honest()
    measured = protocol._guide_metrics
    monkeypatch.setattr(
        protocol, "_guide_metrics", lambda _evaluated, *rest: measured(honest().published, *rest)
    )

    planted = report_on()
    with pytest.raises(AssertionError):
        assert_recounted(planted)
    assert len(planted.train_rows) == len(labelled)


def test_calibration_is_of_the_labelled_candles_of_evidence_that_fired() -> None:
    found = honest()
    _, candles = market()
    blocks = found.walk.blocks
    assert found.calibration is not None
    score = np.concatenate([block.score for block in blocks])
    label = labels_of(candles, horizon=QUICK.prediction_horizon, threshold=0.002)[blocks[0].first :]
    counted = (found.walked.sides != 0) & np.isin(label, [UP, DOWN])
    counted[: blocks[2].first - blocks[0].first] = False

    assert found.evidence_row == blocks[2].first - blocks[0].first
    assert found.calibration.brier == pytest.approx(
        brier_score_loss(label[counted], probability_of(score[counted]))
    )


# What comes out -----------------------------------------------------------------------------------


def test_the_refitted_model_learned_the_test_part_and_no_figure_is_its() -> None:
    """Published is the same recipe with the newest candles; evaluated is the one that had not seen them."""
    refitted, kept = honest(), report_on(settings=replace(QUICK, refit_on_all=False))

    assert refitted.metrics == kept.metrics
    assert refitted.examination == kept.examination
    assert refitted.evaluated.text() == kept.evaluated.text() == kept.published.text()
    assert refitted.published.text() != refitted.evaluated.text()
    assert kept.published is kept.evaluated
    assert refitted.train_rows.tolist() == list(range(len(market()[0])))
    assert kept.train_rows.tolist() == kept.split.development.tolist()


def test_equal_inputs_give_equal_reports() -> None:
    """To the last byte, so that a change in a model always has a cause."""
    once, again = (report_on(settings=replace(QUICK, keep_studies=True)) for _ in range(2))

    assert once.published.text() == again.published.text()
    assert once.tuned.journal != b""
    assert (once.walked.blocks, once.walked.tomorrow) == (again.walked.blocks, again.walked.tomorrow)
    assert (once.kept_lines, once.examination) == (again.kept_lines, again.examination)


def test_the_entry_of_the_ledger_says_what_was_looked_at() -> None:
    """First and last candle of evidence, and how it ended: what a later run must hold against itself."""
    _, candles = market()
    found = honest()

    entry = found.evaluation(at="2026-01-01T00:00:00+00:00", settings="abc")

    assert (entry.kind, entry.symbol, entry.settings) == ("train", "EDGEUSDT", "abc")
    assert (entry.first, entry.last) == (
        candles.open_time[found.walk.blocks[2].first],
        candles.open_time[-1],
    )
    assert (entry.tested, entry.p_value) == (found.examination.tested, found.examination.p_value)


def test_the_stages_are_named_in_order() -> None:
    """Their seconds are in the metadata."""
    laps: list[str] = []

    run_protocol(
        *market(),
        contract_costs=FREE_CONTRACT,
        settings=QUICK,
        seed=SEED,
        shown_through=None,
        lap=laps.append,
    )

    assert laps == ["tuning", "walk", "thresholds", "fit", "evaluation"]


# What counts as evidence --------------------------------------------------------------------------


def test_a_setting_that_was_shown_takes_its_evidence_from_later_candles() -> None:
    """The best of seven settings without an edge would pass too often where it was chosen."""
    _, candles = market()
    blocks = honest().walk.blocks
    through = int(candles.open_time[blocks[3].first + 5])

    found = report_on(shown_through=through)

    day = datetime.fromtimestamp(int(candles.open_time[blocks[4].first]) / 1000, tz=UTC).date()
    assert found.evidence_row == blocks[4].first - blocks[0].first
    assert found.evidence_window == (
        f"evidence from {day} on: this setting was chosen on the earlier candles"
    )
    assert found.examination.days < honest().examination.days
    label = labels_of(candles, horizon=QUICK.prediction_horizon, threshold=0.002)[blocks[0].first :]
    fired = (found.walked.sides != 0) & np.isin(label, [UP, DOWN])
    assert found.calibration is not None
    assert found.calibration.n == np.count_nonzero(fired[found.evidence_row :])
    assert found.calibration.n < np.count_nonzero(fired)
    assert (found.walked.blocks, found.published.text()) == (
        honest().walked.blocks,
        honest().published.text(),
    )


def test_a_setting_that_was_shown_to_the_end_has_no_evidence_and_says_so() -> None:
    _, candles = market()

    found = report_on(shown_through=int(candles.open_time[-1]))

    assert found.evidence_row == len(found.traded.block)
    assert found.evidence_window.startswith("no evidence yet: this setting was chosen on candles up to ")
    assert not found.examination.tested
    assert any("too few trades of evidence: 0 on 0 days" in reason for reason in found.examination.reasons)
    assert found.evaluation(at="now", settings="abc").p_value is None


@pytest.mark.parametrize("shown", [False, True])
def test_tuned_parameters_count_only_candles_behind_the_development_part(shown: bool) -> None:
    """They were chosen on it, whatever was shown of it besides."""
    labelled = parity_of_three(10_000, 5_301)
    early = int(labelled.features.open_time[2_000]) if shown else None
    values = replace(SHORT, n_trials=25, num_boost_round=120)

    found = report_on(labelled, candles_under(labelled), values, shown_through=early)

    test_opens = labelled.features.open_time[found.split.test[0]]
    opens = [labelled.features.open_time[block.first] for block in found.walk.blocks]
    later = [at for at, time in enumerate(opens) if at >= 2 and time >= test_opens]
    assert found.tuned.chosen == "tuned"
    expected = found.traded.starts[later[0]] if later else len(found.traded.block)
    assert found.evidence_row == expected
    assert "these parameters were chosen" in found.evidence_window


# Short and strange histories ----------------------------------------------------------------------


def candles_under(labelled: LabelledSet, seed: int = 1) -> Candles:
    """Some candle under every row, for sets that were not made from candles."""
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(scale=0.002, size=len(labelled))))
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low, volume = np.maximum(open_, close), np.minimum(open_, close), np.ones(len(close))
    values = np.stack([open_, high, low, close, volume, volume])
    return Candles(labelled.features.symbol, labelled.features.open_time, frozen(values))


def test_too_few_labels_are_a_stated_reason() -> None:
    """The trader learns what to do about it."""
    made = labelled_set(2_000)
    label = np.where(np.arange(2_000) < 90, made.label, NEUTRAL).astype(np.int8)
    quiet = replace(made, label=frozen(label))

    with pytest.raises(
        NotEnoughHistory, match=r"labelled development candles, 100 needed; .*smaller --threshold"
    ):
        report_on(quiet, candles_under(quiet), SHORT)


def test_a_history_that_only_rises_is_a_stated_reason() -> None:
    """No side can be told apart from the other, so no block can be scored."""
    made = labelled_set(2_000)
    rising = replace(made, label=np.full(2_000, UP, dtype=np.int8))

    with pytest.raises(NotEnoughHistory, match="no week has both rising and falling labelled candles"):
        report_on(rising, candles_under(rising), SHORT)


def test_a_test_part_without_a_label_has_no_metrics_and_is_not_tradable() -> None:
    """A coin that has gone to sleep."""
    made = labelled_set(3_000, signal=1.0)
    label = np.where(np.arange(3_000) < 2_000, made.label, NEUTRAL).astype(np.int8)
    asleep = replace(made, label=frozen(label))

    found = report_on(asleep, candles_under(asleep), SHORT)

    assert (found.metrics, found.calibration) == (None, None)
    assert found.examination.reasons


@pytest.mark.parametrize("rows", [1_000, 3_456, 5_000, 8_000])
def test_short_histories_are_trained_and_silent(rows: int) -> None:
    """12 days hold a walk of one week: nothing can be traded yet, and the reasons say so."""
    made = labelled_set(rows, signal=1.0)

    found = report_on(made, candles_under(made), SHORT)

    described = record.describe_model(
        found, made, candles_under(made), contract_costs=FREE_CONTRACT, seconds=0.0
    )
    assert json.dumps(described, allow_nan=False)
    assert found.published.text()
    assert any("too few trades of evidence" in reason for reason in found.examination.reasons)
    assert sum(line.candles for line in found.kept_lines) == len(found.traded.block) - int(
        found.traded.starts[found.walk.late]
    )


# Where the best parameters lie elsewhere ----------------------------------------------------------


def parity_of_three(rows: int, seed: int) -> LabelledSet:
    """The label is the parity of the signs of three of four features, right nine times out of ten.

    No feature and no pair of features says anything.  The baseline gives a tree only one of the four, and
    is blind; the search space holds trees that see three.
    """
    made = labelled_set(rows, seed=seed, features=4)
    parity = np.prod(np.sign(made.features.x[:, :3]), axis=1) > 0
    right = np.random.default_rng(seed).random(rows) < 0.9
    label = np.where(made.label == NEUTRAL, NEUTRAL, parity == right)
    return replace(made, label=frozen(label.astype(np.int8)))


def test_parameters_far_from_the_baseline_are_found_and_hold_on_the_test_part() -> None:
    """With the baseline and the search space of the product: the search is narrow, not blind."""
    labelled = parity_of_three(10_000, 5_301)

    values = replace(SHORT, n_trials=25, num_boost_round=120)
    found = report_on(labelled, candles_under(labelled), values)

    rows = found.split.test[labelled.decided[found.split.test]]
    x, truth = labelled.features.x[rows], labelled.label[rows]
    binned = bin_labelled(labelled, found.folds[0].train)
    base = fit(binned, found.split.development, recipe_of(BASELINE, found.tuned.rounds, 1, seed=SEED))
    assert found.tuned.chosen == "tuned"
    assert found.tuned.parameters.feature_fraction > BASELINE.feature_fraction
    assert found.metrics is not None
    assert found.metrics.auc is not None
    assert found.metrics.auc > 0.8
    assert roc_auc_score(truth, base.scores(x)) < 0.6
