"""The protocol of one symbol: what is chosen never sees what is reported, and the report can be recounted."""

import functools
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from desk.learn.selection import select
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from desk.costs import Costs
from desk.errors import NotEnoughHistory
from desk.learn import protocol, splits
from desk.learn.protocol import ContractCosts, SymbolReport, probability_of, run_protocol
from desk.learn.recipe import fit, out_of_fold, recipe_of
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold, Rows, hold_out, walk_forward
from desk.learn.trades import figures
from desk.market.series.synthetic import synthesize
from desk.policy import Thresholds, TradeRules
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UP, Candles, LabelledSet, frozen
from ml_feature_engineering import attach_labels, build_features
from tests.learn.samples import BASELINE, SELECTION, labelled_set, settings
from tests.learn.trading import MIDNIGHT, labels_of, plain_trades

CONTRACT_COSTS = ContractCosts(tick=0.001, taker_fee=0.0006, maker_fee=0.0002)
TOLD = settings(n_trials=3, n_seeds=1, num_boost_round=60, selection=replace(SELECTION, min_trades=30))
CANDLES = 6_000
SEED = 7


@functools.cache
def market() -> tuple[LabelledSet, Candles]:
    """Three weeks in which something can be known, with a hole on either side of the border."""
    made = synthesize("edge", 5_200, symbol="EDGEUSDT", end=MIDNIGHT, candles=CANDLES + 9)
    kept = np.ones(len(made), dtype=bool)
    kept[[2_500, 2_501, 2_502, 3_900, 5_000, 5_001, 5_002, 5_003, 5_500]] = False
    candles = Candles("EDGEUSDT", frozen(made.open_time[kept]), frozen(made.values[:, kept]))
    features = build_features(candles, max_missing_share=0.02, min_feature_share=0.8)
    return attach_labels(features, candles, horizon=2, threshold=0.002), candles


def studied(
    labelled: LabelledSet | None = None, candles: Candles | None = None, told: LearnSettings = TOLD
) -> SymbolReport:
    here, there = market()
    return run_protocol(
        labelled or here,
        candles or there,
        contract_costs=CONTRACT_COSTS,
        settings=told,
        seed=SEED,
        lap=lambda _name: None,
    )


@functools.cache
def honest() -> SymbolReport:
    """The study without any planted fault."""
    return studied()


# Nothing is chosen on what is reported ------------------------------------------------------------


def another_future(labelled: LabelledSet, candles: Candles) -> tuple[LabelledSet, Candles]:
    """The same development part; on the test part other features, the opposite labels, other prices."""
    rows = hold_out(labelled, candles=len(candles), test_share=TOLD.test_share).test
    x, label, values = labelled.features.x.copy(), labelled.label.copy(), candles.values.copy()
    x[rows] = np.random.default_rng(1).permutation(x[rows])
    label[rows] = np.where(label[rows] == UP, DOWN, np.where(label[rows] == DOWN, UP, label[rows]))
    first = int(labelled.features.row[rows[0]])
    values[:4, first:] = (1e4 / values[:4, first:])[[0, 2, 1, 3]]
    changed = replace(labelled, features=replace(labelled.features, x=frozen(x)), label=frozen(label))
    return changed, replace(candles, values=frozen(values))


def assert_choices_do_not_see_the_test_part(once: SymbolReport) -> None:
    again = studied(*another_future(*market()))

    assert again.tuned.trials == once.tuned.trials
    assert again.recipe == once.recipe
    assert again.selection == once.selection
    assert again.out_of_fold == once.out_of_fold
    assert again.evaluated.text() == once.evaluated.text()
    assert again.metrics != once.metrics
    assert again.test != once.test


def test_another_future_changes_no_choice() -> None:
    """The one look at the test part is the last thing that happens."""
    assert_choices_do_not_see_the_test_part(honest())


def test_choosing_on_the_test_part_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the walk forward goes on into the test part, so thresholds and rounds are chosen there too."""

    def too_far(
        labelled: LabelledSet, _development: Rows, *, folds: int, first_share: float
    ) -> tuple[Fold, ...]:
        return walk_forward(labelled, np.arange(len(labelled)), folds=folds, first_share=first_share)

    monkeypatch.setattr(protocol, "walk_forward", too_far)

    planted = studied()
    with pytest.raises(AssertionError):
        assert_choices_do_not_see_the_test_part(planted)


def test_thresholds_are_chosen_on_scores_of_the_published_recipe() -> None:
    """Scores of other models are spread otherwise: their thresholds would fire too rarely or too often."""
    labelled, _ = market()
    found = honest()

    rows, scores = out_of_fold(labelled, found.folds, found.recipe)
    again = select(
        probability_of(scores),
        labelled.label[rows],
        labelled.features.open_time[rows],
        horizon=2,
        rules=TOLD.selection,
    )

    assert found.recipe == recipe_of(found.tuned.parameters, found.tuned.rounds, TOLD, seed=SEED)
    assert found.selection == again
    assert found.published.text() == fit(labelled, found.train_rows, found.recipe).text()


# No label crosses a border ------------------------------------------------------------------------


def assert_no_label_crosses_a_border(found: SymbolReport) -> None:
    """What teaches was known, a horizon earlier even, before what judges opened."""
    labelled, _ = market()
    opened, embargo = labelled.features.open_time, labelled.horizon * CANDLE_MS
    borders = [(fold.train, fold.validation) for fold in found.folds]
    for train_rows, judged in [*borders, (found.split.development, found.split.test)]:
        assert labelled.known_at[train_rows].max() <= opened[judged].min() - embargo


def test_no_label_crosses_a_border() -> None:
    assert_no_label_crosses_a_border(honest())


@pytest.mark.parametrize("where", ["the folds", "the test part"])
def test_a_border_without_purge_is_caught(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Planted: every row before the border teaches, those too whose label is decided behind it."""
    purged = splits._known_before
    _, candles = market()
    test_opens = candles.open_time[len(candles) - int(len(candles) * TOLD.test_share)]

    def leaking(labelled: LabelledSet, rows: Rows, border: int) -> Rows:
        planted = (border < test_opens) == (where == "the folds")
        return rows if planted else purged(labelled, rows, border)

    monkeypatch.setattr(splits, "_known_before", leaking)

    planted = studied()
    with pytest.raises(AssertionError):
        assert_no_label_crosses_a_border(planted)


# The report, recounted ----------------------------------------------------------------------------


def seen_again(found: SymbolReport) -> tuple[Candles, NDArray[np.float64], NDArray[np.int8]]:
    """Test candles, probabilities of plain LightGBM from the model's text, and labels from the definition."""
    labelled, candles = market()
    start = len(candles) - int(len(candles) * TOLD.test_share)
    model = lightgbm.Booster(model_str=found.evaluated.text())
    row = labelled.features.row
    probability = np.full(len(candles), np.nan)
    probability[row[row >= start]] = model.predict(labelled.features.x[row >= start])
    label = labels_of(candles, horizon=2, threshold=0.002)
    return candles.rows(start, len(candles)), probability[start:], label[start:]


def assert_recounted(found: SymbolReport) -> None:
    """All figures of the test part from the model's text and the candles, by other code."""
    candles, probability, label = seen_again(found)
    decided = np.isin(label, [UP, DOWN]) & ~np.isnan(probability)
    truth, said = label[decided], probability[decided]
    called = (said > 0.5).astype(np.int8)
    metrics, calibration, test = found.metrics, found.calibration, found.test
    assert metrics is not None
    assert calibration is not None

    assert metrics.n == len(truth)
    assert metrics.accuracy == pytest.approx(accuracy_score(truth, called))
    assert metrics.precision == pytest.approx(precision_score(truth, called))
    assert metrics.recall == pytest.approx(recall_score(truth, called))
    assert metrics.f1 == pytest.approx(f1_score(truth, called))
    assert metrics.precision_short == pytest.approx(precision_score(1 - truth, 1 - called))
    assert metrics.recall_short == pytest.approx(recall_score(1 - truth, 1 - called))
    assert metrics.auc == pytest.approx(roc_auc_score(truth, said))
    assert metrics.base_rate == pytest.approx(np.mean(truth))
    assert calibration.brier == pytest.approx(brier_score_loss(truth, said))

    thresholds, costs = (
        found.selection.thresholds,
        Costs(tick=0.001, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0006),
    )
    rules = TradeRules(horizon=2, stop_loss=0.02, take_profit=None)
    slow = plain_trades(candles, probability, thresholds, rules, costs)
    assert test.n == len(slow) > 30
    assert test.fired == fired(probability, thresholds)
    assert test.candles == len(candles)
    assert test.coverage == pytest.approx(test.fired / len(candles))
    assert test.win_rate == pytest.approx(np.mean([trade.net > 0 for trade in slow]))
    assert test.hit_rate == pytest.approx(np.mean([trade.gross > 0 for trade in slow]))
    assert test.gross_bps == pytest.approx(1e4 * np.mean([trade.gross for trade in slow]))
    assert test.net_bps == pytest.approx(1e4 * np.mean([trade.net for trade in slow]))


def fired(probability: NDArray[np.float64], thresholds: Thresholds) -> int:
    return sum(
        (thresholds.long is not None and p >= thresholds.long)
        or (thresholds.short is not None and p <= thresholds.short)
        for p in probability
    )


def test_the_report_is_recounted_from_the_models_text_and_the_candles() -> None:
    """By plain LightGBM, scikit-learn, and a walk through the candles one by one; with holes."""
    assert_recounted(honest())
    assert figures(honest().test.daily) == honest().test


def test_leaving_the_costs_out_of_the_report_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: trades that pay nothing; the figures look the same, and the profit is invented."""
    monkeypatch.setattr(
        protocol, "costs_of", lambda *_: Costs(tick=0.0, slippage=0.0, fee_entry=0.0, fee_exit=0.0)
    )

    planted = studied()
    with pytest.raises(AssertionError):
        assert_recounted(planted)


# What comes out -----------------------------------------------------------------------------------


def test_the_refitted_model_learned_the_test_part_and_no_figure_is_its() -> None:
    """Published is the same recipe with the newest candles; examined is the one that had not seen them."""
    refitted, kept = honest(), studied(told=replace(TOLD, refit_on_all=False))

    assert refitted.metrics == kept.metrics
    assert refitted.test == kept.test
    assert refitted.evaluated.text() == kept.evaluated.text() == kept.published.text()
    assert refitted.published.text() != refitted.evaluated.text()
    assert kept.published is kept.evaluated
    assert refitted.train_rows.tolist() == list(range(len(market()[0])))
    assert kept.train_rows.tolist() == kept.split.development.tolist()


def test_equal_inputs_give_equal_studies() -> None:
    """To the last byte, so that a change in a model always has a cause."""
    once, again = honest(), studied()

    assert once.published.text() == again.published.text()
    assert once.tuned.journal != b""
    assert (once.selection, once.test, once.examination) == (again.selection, again.test, again.examination)


def test_the_entry_of_the_ledger_says_what_was_looked_at() -> None:
    """First and last test candle, and how it ended: what a later run must hold against itself."""
    labelled, _ = market()
    found = honest()

    entry = found.evaluation(at="2026-01-01T00:00:00+00:00", settings="abc")

    times = labelled.features.open_time[found.split.test]
    assert (entry.kind, entry.symbol, entry.settings) == ("train", "EDGEUSDT", "abc")
    assert (entry.test_first, entry.test_last) == (times[0], times[-1])
    assert (entry.passed_gate, entry.p_value) == (found.examination.passed_gate, found.examination.p_value)


def test_the_stages_are_told_in_order() -> None:
    """Their seconds are in the metadata."""
    laps: list[str] = []

    run_protocol(*market(), contract_costs=CONTRACT_COSTS, settings=TOLD, seed=SEED, lap=laps.append)

    assert laps == ["tuning", "selection", "fit", "evaluation"]


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
        studied(quiet, candles_under(quiet))


def test_a_history_that_only_rises_is_examined_and_not_tradable() -> None:
    """No fold can judge, no side can be told apart: the baseline is published and says so."""
    made = labelled_set(2_000)
    rising = replace(made, label=np.full(2_000, UP, dtype=np.int8))

    found = studied(rising, candles_under(rising))

    assert found.folds == ()
    assert found.out_of_fold is None
    assert found.tuned.chosen == "baseline"
    assert found.metrics is not None
    assert found.metrics.auc is None
    assert not found.examination.passed_gate
    assert "there are no out-of-fold probabilities" in found.examination.reasons[0]


def test_a_test_part_without_a_label_has_no_metrics_and_is_not_tradable() -> None:
    """A coin that has gone to sleep."""
    made = labelled_set(3_000, signal=1.0)
    label = np.where(np.arange(3_000) < 2_000, made.label, NEUTRAL).astype(np.int8)
    asleep = replace(made, label=frozen(label))

    found = studied(asleep, candles_under(asleep))

    assert (found.metrics, found.calibration) == (None, None)
    assert any("has no labelled candle" in reason for reason in found.examination.reasons)


# Where the best parameters lie elsewhere ----------------------------------------------------------


def parity_of_three(rows: int, seed: int) -> LabelledSet:
    """The label is the parity of the signs of three of four features, told right nine times out of ten.

    No feature and no pair of features says anything.  The baseline gives a tree only one of the four, and
    is blind; the search space holds trees that see three.
    """
    made = labelled_set(rows, seed=seed, features=4)
    parity = np.prod(np.sign(made.features.x[:, :3]), axis=1) > 0
    told = np.random.default_rng(seed).random(rows) < 0.9
    label = np.where(made.label == NEUTRAL, NEUTRAL, parity == told)
    return replace(made, label=frozen(label.astype(np.int8)))


def test_parameters_far_from_the_baseline_are_found_and_hold_on_the_test_part() -> None:
    """With the baseline and the search space of the product: the search is narrow, not blind."""
    labelled = parity_of_three(10_000, 5_301)

    found = studied(labelled, candles_under(labelled), replace(TOLD, n_trials=25, num_boost_round=120))

    rows = found.split.test[labelled.decided[found.split.test]]
    x, truth = labelled.features.x[rows], labelled.label[rows]
    base = fit(labelled, found.split.development, recipe_of(BASELINE, found.tuned.rounds, TOLD, seed=SEED))
    assert found.tuned.chosen == "tuned"
    assert found.recipe.parameters.feature_fraction > BASELINE.feature_fraction
    assert found.metrics is not None
    assert found.metrics.auc is not None
    assert found.metrics.auc > 0.8
    assert roc_auc_score(truth, base.scores(x)) < 0.6
