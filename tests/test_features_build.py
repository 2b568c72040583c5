"""The table as a whole: what is in it, rows for training, rows for live trading, and what is refused."""

import re

import numpy as np
import pytest

import ml_feature_engineering as door
from desk.errors import MissingFeatures, NotEnoughHistory
from desk.indicators.panel import Panel
from desk.values import Candles, FeatureSet, frozen
from ml_feature_engineering import (
    FEATURES,
    Feature,
    build_features,
    contract_id,
    memory_of,
    missing_share,
    newest_rows,
)
from tests.indicators.markets import bits, market, real_series

MEMORY = memory_of()


def built(
    candles: Candles, *, max_missing_share: float = 0.02, min_feature_share: float = 0.95
) -> FeatureSet:
    """Features at the usual settings."""
    return build_features(candles, max_missing_share=max_missing_share, min_feature_share=min_feature_share)


def without(candles: Candles, start: int, count: int) -> Candles:
    """The candles with ``count`` of them missing from row ``start`` on."""
    keep = np.r_[0:start, start + count : len(candles)]
    return Candles(candles.symbol, frozen(candles.open_time[keep]), frozen(candles.values[:, keep]))


def test_the_table_is_what_was_promised() -> None:
    """At least 70 columns of 12 families, each with a name of its own, none longer than 600 candles."""
    assert len(FEATURES) >= 70
    assert len({feature.family for feature in FEATURES}) >= 12
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert MEMORY <= 600
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", feature.name) for feature in FEATURES)
    assert all(feature.meaning for feature in FEATURES)


def test_the_contract_names_the_list_and_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model must never meet columns in another order, of another memory or by other formulas."""
    names = {contract_id(), contract_id(FEATURES[1:]), contract_id(FEATURES[::-1])}
    monkeypatch.setattr(door, "CONTRACT_VERSION", door.CONTRACT_VERSION + 1)
    names.add(contract_id())

    assert len(names) == 4
    assert all(re.fullmatch(r"[0-9a-f]{12}", name) for name in names)


def test_rows_begin_where_the_longest_memory_is_full() -> None:
    """One candle less and a row would be a guess."""
    candles = market(("walk", MEMORY + 50))

    features = built(candles)

    assert features.row.tolist() == list(range(MEMORY - 1, MEMORY + 50))
    assert features.open_time.tolist() == candles.open_time[MEMORY - 1 :].tolist()
    assert features.x.shape == (51, len(FEATURES))
    assert features.x.dtype == np.float32
    assert features.x.flags.c_contiguous
    assert not features.x.flags.writeable
    assert features.names == tuple(feature.name for feature in FEATURES)
    assert features.contract == contract_id()


def test_a_row_is_the_features_in_order() -> None:
    """Column j of the matrix is feature j of the table, rounded once to float32."""
    candles = market(("walk", MEMORY + 3))
    columns = [f.compute(Panel(candles.values, candles.open_time))[-4:] for f in FEATURES]

    assert bits(built(candles).x.T) == bits(np.stack(columns).astype(np.float32))


@pytest.mark.parametrize("length", [0, 1, MEMORY - 1])
def test_too_few_candles_are_told_with_what_is_needed(length: int) -> None:
    """A symbol listed yesterday is left out for a stated reason."""
    candles = market(("walk", MEMORY)).rows(0, length)

    with pytest.raises(NotEnoughHistory, match=rf"BTCUSDT.*{length} candles, {MEMORY} needed"):
        built(candles)


def test_the_newest_rows_are_the_last_rows_of_training() -> None:
    """To the bit, many symbols in one pass, flat and wild ones side by side."""
    kinds = [("walk", "flat"), ("flat", "jump"), ("ticks", "walk"), ("jump", "untraded"), ("rise", "unmoved")]
    symbols = [market((a, 200), (b, MEMORY - 150), ("walk", 37), seed=i) for i, (a, b) in enumerate(kinds)]
    values = np.stack([candles.values[:, -MEMORY:] for candles in symbols])
    open_time = np.stack([candles.open_time[-MEMORY:] for candles in symbols])

    assert bits(newest_rows(values, open_time)) == bits(np.stack([built(c).x[-1] for c in symbols]))


@pytest.mark.parametrize("symbol", ["BTCUSDT", "CTSIUSDT"])
def test_the_newest_rows_are_the_last_rows_of_training_on_real_candles(symbol: str) -> None:
    """180 days at once against the last candles alone, at places spread over the series."""
    candles = real_series(symbol)
    features = built(candles)
    places = np.linspace(0, len(features) - 1, 60).astype(np.int64)
    windows = [slice(int(row) - MEMORY + 1, int(row) + 1) for row in features.row[places]]

    rows = newest_rows(
        np.stack([candles.values[:, window] for window in windows]),
        np.stack([candles.open_time[window] for window in windows]),
    )

    assert bits(rows) == bits(features.x[places])


def test_newest_rows_of_too_few_candles_are_a_mistake_of_the_caller() -> None:
    """A shorter window would silently be another feature."""
    candles = market(("walk", MEMORY - 1))

    with pytest.raises(ValueError, match=f"{MEMORY - 1} candles a symbol, {MEMORY} needed"):
        newest_rows(candles.values[None], candles.open_time[None])


def test_windows_count_the_candles_that_are_there() -> None:
    """Over a small hole a row is what the present candles give; none is invented, none skipped twice."""
    candles = market(("walk", MEMORY + 100))
    holed = without(candles, MEMORY + 20, 5)
    calendar = [j for j, feature in enumerate(FEATURES) if feature.family == "calendar"]

    closed_up = Candles("BTCUSDT", candles.open_time[: len(holed)], holed.values)
    x, expected = built(holed).x.copy(), built(closed_up).x.copy()
    x[:, calendar] = expected[:, calendar] = 0

    assert bits(x) == bits(expected)


def test_a_row_that_looks_over_a_large_hole_has_no_features() -> None:
    """2 % of the span may be missing; the rows beyond are left out and no others."""
    candles = without(market(("walk", 4 * MEMORY)), 2 * MEMORY, 30)
    missing = missing_share(candles.open_time, memory=MEMORY)

    features = built(candles, min_feature_share=0.0)

    assert 30 / (MEMORY + 30) > 0.02
    assert missing.max() == pytest.approx(30 / (MEMORY + 30))
    assert features.row.tolist() == [*range(MEMORY - 1, 2 * MEMORY), *range(3 * MEMORY - 1, len(candles))]
    assert len(built(candles, max_missing_share=0.1)) == len(candles) - MEMORY + 1


def test_too_many_missing_features_are_told_with_the_reason() -> None:
    """The guide's message, with the share found, the share allowed and what to do."""
    candles = without(market(("walk", 2 * MEMORY)), MEMORY + 10, 40)

    with pytest.raises(MissingFeatures, match="BTCUSDT: Too many missing features") as caught:
        built(candles)

    assert "at most 5.0 % may" in str(caught.value)
    assert "(40 are missing)" in str(caught.value)
    assert "--refresh" in str(caught.value)


def test_a_value_that_is_not_finite_is_named_and_never_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with one are left out while they are few; when they are many the feature is named."""

    def broken(p: Panel) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.where(np.arange(p.close.shape[-1]) < MEMORY + 4, np.nan, 1.0)

    monkeypatch.setattr(door, "FEATURES", (*FEATURES, Feature("broken", "none", 1, broken, "breaks")))
    candles = market(("walk", MEMORY + 200))

    assert built(candles).row[0] == MEMORY + 4
    with pytest.raises(MissingFeatures, match="not finite: broken"):
        built(candles, min_feature_share=0.99)
