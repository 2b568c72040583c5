"""The check that runs with every training sees a feature or a label that knew too much, and names it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ml_feature_engineering as engineering
from desk.errors import LookAhead
from desk.indicators.panel import Panel
from desk.indicators.windows import Array
from desk.learn.lookahead import check_features, check_labels, draw_rows
from desk.market.series.synthetic import synthesize
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UNKNOWN, UP, Candles, FeatureSet, LabelledSet, frozen
from ml_feature_engineering import FEATURES, attach_labels, memory_of

END = 1_767_225_600_000
ROWS = np.arange(0, 400, 20)


def market(seed: int = 1, candles: int = 1_000) -> Candles:
    return synthesize("noise", seed, symbol="XUSDT", end=END, candles=candles)


def features_of(candles: Candles) -> FeatureSet:
    return engineering.build_features(candles, max_missing_share=0.02, min_feature_share=0.8)


def check(features: FeatureSet, candles: Candles) -> None:
    check_features(features, candles, ROWS, newest=engineering.newest_rows, memory=memory_of())


def planted(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fault: Callable[[Array, Callable[[Panel], Array], Panel], Array],
) -> None:
    """Let the feature ``name`` of the table be computed with ``fault``."""

    def faulty(honest: Callable[[Panel], Array]) -> Callable[[Panel], Array]:
        return lambda panel: fault(honest(panel), honest, panel)

    table = tuple(
        replace(feature, compute=faulty(feature.compute)) if feature.name == name else feature
        for feature in FEATURES
    )
    monkeypatch.setattr(engineering, "FEATURES", table)


# Features -----------------------------------------------------------------------------------------


def test_honest_features_pass() -> None:
    candles = market()

    check(features_of(candles), candles)


@pytest.mark.parametrize("name", ["return_1", "rsi_14", "volume_surprise_12"])
def test_a_feature_that_peeks_one_candle_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Planted: each row holds the value of the candle after it, as one wrong index would have it."""
    planted(
        monkeypatch, name, lambda honest, *_: np.concatenate([honest[..., 1:], honest[..., -1:]], axis=-1)
    )
    candles = market()

    with pytest.raises(LookAhead, match=rf"^XUSDT: {name} of the candle of .* sees more than its window"):
        check(features_of(candles), candles)


def test_a_feature_scaled_by_the_whole_series_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the commonest leak of all, normalising with a mean that the future is part of."""
    planted(monkeypatch, "natr_14", lambda honest, *_: honest / np.nanmean(honest))
    candles = market()

    with pytest.raises(LookAhead, match=r"^XUSDT: natr_14 of"):
        check(features_of(candles), candles)


def test_a_feature_that_remembers_more_than_it_says_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a running sum, right but for its last bits; live trading starts it elsewhere."""
    planted(monkeypatch, "wick_balance_12", lambda honest, *_: np.cumsum(honest, axis=-1) * 1e-3 + honest)
    candles = market()

    with pytest.raises(LookAhead, match=r"^XUSDT: wick_balance_12 of"):
        check(features_of(candles), candles)


def test_every_feature_that_differs_is_named() -> None:
    """One message, so that one look at the indicators mends all."""
    candles = market()
    features = features_of(candles)
    x = features.x.copy()
    x[ROWS[3], 5] += 1
    x[ROWS[7], 2] += 1

    with pytest.raises(LookAhead, match=r"^XUSDT: return_24 of the candle .*\(likewise return_3\)"):
        check(replace(features, x=x), candles)


def test_a_difference_of_one_bit_is_a_difference() -> None:
    """A threshold of a tree may lie just there; nothing is tolerated."""
    candles = market()
    features = features_of(candles)
    x = features.x.copy()
    x[ROWS[0], 0] = np.nextafter(x[ROWS[0], 0], np.float32(9))

    with pytest.raises(LookAhead):
        check(replace(features, x=x), candles)


def test_rows_are_drawn_from_the_whole_series_and_the_same_again() -> None:
    features = features_of(market())

    drawn = draw_rows(features, count=200, seed=4)

    assert len(np.unique(drawn)) == 200
    assert np.all(np.diff(drawn) > 0)
    assert drawn.min() < 50
    assert drawn.max() > len(features) - 50
    assert drawn.tolist() == draw_rows(features, count=200, seed=4).tolist()
    assert draw_rows(features, count=10_000, seed=4).tolist() == list(range(len(features)))


# Labels -------------------------------------------------------------------------------------------


def holed(seed: int, missing: set[int]) -> Candles:
    candles = market(seed, 700)
    kept = np.ones(len(candles), dtype=bool)
    kept[sorted(missing)] = False
    return Candles("XUSDT", frozen(candles.open_time[kept]), frozen(candles.values[:, kept]))


def bare_labels(candles: Candles, *, horizon: int = 2) -> LabelledSet:
    """Labels of every candle; no feature has to be computed for them."""
    rows = np.arange(len(candles), dtype=np.int64)
    x = np.empty((len(candles), 0), dtype=np.float32)
    features = FeatureSet("XUSDT", "none", (), frozen(rows), candles.open_time, x)
    return attach_labels(features, candles, horizon=horizon, threshold=0.002)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 50), st.integers(1, 8), st.sets(st.integers(1, 690), max_size=30))
def test_honest_labels_pass(seed: int, horizon: int, missing: set[int]) -> None:
    """Every row, around holes and at the end of the series too."""
    candles = holed(seed, missing)

    check_labels(bare_labels(candles, horizon=horizon), candles, np.arange(len(candles)))


def one_candle_further(candles: Candles) -> LabelledSet:
    """Decided by a later candle than is said."""
    return replace(bare_labels(candles, horizon=3), horizon=2)


def known_too_early(candles: Candles) -> LabelledSet:
    """Purging by these times would let the label teach before its candle is closed."""
    honest = bare_labels(candles)
    return replace(honest, known_at=honest.known_at - CANDLE_MS)


def across_holes(candles: Candles) -> LabelledSet:
    """Counted in rows instead of in time: behind a hole the decision lies later than ``known_at``."""
    honest = bare_labels(candles)
    label = honest.label.copy()
    move = candles.close[2:] / candles.close[:-2] - 1
    label[:-2] = np.where(move >= 0.002, UP, np.where(move <= -0.002, DOWN, NEUTRAL))
    return replace(honest, label=label)


def other_side(candles: Candles) -> LabelledSet:
    honest = bare_labels(candles)
    label = np.where(honest.label == UP, DOWN, np.where(honest.label == DOWN, UP, honest.label))
    return replace(honest, label=label.astype(np.int8))


@pytest.mark.parametrize("fault", [one_candle_further, known_too_early, across_holes, other_side])
def test_labels_that_see_what_cannot_be_known_are_refused(
    fault: Callable[[Candles], LabelledSet],
) -> None:
    candles = holed(3, {100, 101, 350})

    with pytest.raises(LookAhead, match=r"^XUSDT: the label of the candle of .* fix attach_labels$"):
        check_labels(fault(candles), candles, np.arange(len(candles)))


def test_a_label_that_is_not_there_is_no_fault() -> None:
    """A row may be left undecided; it teaches nothing."""
    candles = market()
    honest = bare_labels(candles)
    silent = replace(honest, label=np.full(len(honest), UNKNOWN, dtype=np.int8))

    check_labels(silent, candles, np.arange(len(candles)))
