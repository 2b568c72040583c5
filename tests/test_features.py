"""What is true of every feature in the table.  A new line in ``FEATURES`` is tested by being there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from desk.indicators.panel import Panel
from desk.values import CANDLE_MS, Candles
from ml_feature_engineering import FEATURES, Feature
from tests.indicators.markets import KINDS, bits, market, markets, real_series

LONGEST = 640
"""Candles of a drawn market: the longest memory that a feature may have, and forty more."""

every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
few = settings(max_examples=6, deadline=None, derandomize=True, database=None)


def panel(candles: Candles) -> Panel:
    """The candles as formulas read them."""
    return Panel(candles.values, candles.open_time)


@every_feature
@few
@given(markets(length=LONGEST), markets(length=LONGEST), st.data())
def test_the_future_cannot_change_the_past(
    feature: Feature, candles: Candles, other: Candles, data: st.DataObject
) -> None:
    """Replacing all candles after a row leaves that row, and all before it, bit for bit alike."""
    cut = data.draw(st.integers(feature.memory, LONGEST - 1))
    rewritten = np.concatenate([candles.values[:, :cut], other.values[:, cut:]], axis=1)

    before = feature.compute(panel(candles))[: cut - feature.memory + 1]
    after = feature.compute(Panel(rewritten, candles.open_time))[: cut - feature.memory + 1]

    assert len(before) == cut - feature.memory + 1
    assert bits(before) == bits(after)


@every_feature
@few
@given(markets(length=LONGEST), markets(length=LONGEST), st.integers(0, 40))
def test_the_last_memory_candles_give_the_last_value(
    feature: Feature, candles: Candles, other: Candles, later: int
) -> None:
    """Live trading may keep only ``memory`` candles, of all symbols at once, and sees what training saw."""
    end = LONGEST - later
    tail = candles.rows(end - feature.memory, end)
    batch = np.stack([other.values[:, -feature.memory :], tail.values, other.values[:, : feature.memory]])

    value = bits(feature.compute(panel(candles.rows(0, end)))[-1:])

    assert bits(feature.compute(panel(tail))) == value
    assert bits(feature.compute(Panel(batch, np.stack([tail.open_time] * 3)))[1]) == value


@every_feature
@few
@given(markets(length=LONGEST))
def test_a_feature_leaves_its_input_alone(feature: Feature, candles: Candles) -> None:
    """Features may then share one panel, in any order: also what the panel derived for others stays as is."""
    values = candles.values.copy()
    shared = Panel(values, candles.open_time)

    first = bits(feature.compute(shared))
    derived = {name: bits(array) for name, array in vars(shared).items()}

    assert bits(feature.compute(shared)) == first
    assert bits(values) == bits(candles.values)
    assert {name: bits(array) for name, array in vars(shared).items()} == derived


@every_feature
@pytest.mark.parametrize("candles", [0, 1, -1])
def test_there_is_a_value_for_every_full_memory(feature: Feature, candles: int) -> None:
    """With ``memory`` candles there is one value, with one less there is none to give."""
    length = max(feature.memory + candles, 0)
    walk = market(("walk", LONGEST), seed=3)

    assert feature.compute(panel(walk.rows(LONGEST - length, LONGEST))).shape == (candles + 1,)


@every_feature
def test_memory_is_not_overstated(feature: Feature) -> None:
    """The oldest candle of the memory matters: something done to it changes the value, on some market."""
    whole = (market((kind, feature.memory), seed=5) for kind in ("walk", "rise", "flat", "unmoved"))

    assert any(
        bits(feature.compute(Panel(values, open_time))) != bits(feature.compute(panel(candles)))
        for candles in whole
        for values, open_time in tampered(candles)
    )


def tampered(candles: Candles) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """The candles with their oldest one changed in one way or another.

    Prices grow beyond all bounds, for the oldest candle weighs little in an average of averages.
    """
    factors = np.ones((5, 6))
    factors[0] = [1e18, 1e18, 1e18, 1e18, 1, 1e18]
    factors[1] = [1e-18, 1e-18, 1e-18, 1e-18, 1, 1e-18]
    factors[2] = [1, 1e18, 1, 1e18, 1, 1]
    factors[3] = [1, 1, 1, 1, 0, 0]
    changed = []
    for factor in factors:
        values, open_time = candles.values.copy(), candles.open_time.copy()
        values[:, 0] *= factor
        changed.append((values, open_time))
    changed[2][0][4:, 0] += 1e9
    changed[4][1][0] -= 100 * CANDLE_MS
    return changed


@every_feature
@settings(few, max_examples=20)
@given(markets(length=LONGEST))
def test_a_feature_is_finite_whatever_happens(feature: Feature, candles: Candles) -> None:
    """Flat stretches without volume, single ticks, candles of 190 %: a number comes out, as float32 too."""
    values = feature.compute(panel(candles))

    assert np.isfinite(values).all()
    assert np.isfinite(values.astype(np.float32)).all()


@every_feature
@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_is_finite_where_all_is_of_a_kind(feature: Feature, kind: str) -> None:
    """A whole memory of one kind of candles is the hardest case of each."""
    assert np.isfinite(feature.compute(panel(market((kind, LONGEST), seed=8)))).all()


@every_feature
@few
@given(markets(length=LONGEST), st.integers(-20, 20), st.integers(-20, 20))
def test_a_feature_has_no_scale(feature: Feature, candles: Candles, price: int, volume: int) -> None:
    """A symbol quoted in thousands of coins has the same features: exactly, for powers of two."""
    factors = np.ldexp(1.0, np.array([price] * 4 + [volume, price + volume]))

    scaled = feature.compute(Panel(candles.values * factors[:, None], candles.open_time))

    assert bits(scaled) == bits(feature.compute(panel(candles)))


@every_feature
def test_a_feature_is_the_same_in_thousands(feature: Feature) -> None:
    """Where the factor is none of two's, rounding is all that may differ."""
    candles = market(("walk", LONGEST), seed=4)
    factors = np.array([1000.0] * 4 + [1e-3, 1.0])

    plain = feature.compute(panel(candles))
    scaled = feature.compute(Panel(candles.values * factors[:, None], candles.open_time))

    np.testing.assert_allclose(scaled, plain, rtol=1e-9, atol=1e-12)


HALVES = {
    "volume_surprise_12",
    "volume_surprise_288",
    "volume_change_12_288",
    "volume_against_yesterday_12",
} | {
    *("range_surprise_14", "volatility_change_6_48", "volatility_change_48_576", "range_to_close_96"),
    *("downside_share_48", "variance_ratio_6_96", "illiquidity_change_1_48", "illiquidity_change_12_288"),
}
MIDDLES = {"rsi_6", "rsi_14", "stochastic_k_14", "stochastic_d_14", "mfi_14", "ultimate_7_14_28"}
NEUTRAL = (
    dict.fromkeys(HALVES, 0.5)
    | dict.fromkeys({*MIDDLES, "channel_position_288"}, 50.0)
    | {"williams_r_28": -50.0, "aroon_up_25": 100.0, "aroon_down_25": 100.0}
    | {"unchanged_share_48": 1.0, "zero_volume_share_48": 1.0}
)
"""What a feature says when nothing happens, where that is not 0."""


@pytest.mark.parametrize(
    "feature", [f for f in FEATURES if f.family != "calendar"], ids=lambda feature: feature.name
)
@pytest.mark.parametrize("price", [0.1, 1.3e-7, 64_123.7])
def test_where_nothing_happens_a_feature_says_so_exactly(feature: Feature, price: float) -> None:
    """A flat price is 0 away from its mean and not 1e-16: noise there would be learned as a signal."""
    values = feature.compute(panel(market(("flat", LONGEST), price=price)))

    assert set(values) == {NEUTRAL.get(feature.name, 0.0)}


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT"])
def test_no_two_features_say_the_same(symbol: str) -> None:
    """Two columns that correlate above 0.995 are one column, paid for twice, on any real market."""
    candles = real_series(symbol).rows(0, 20_000)
    shared = panel(candles)
    columns = np.stack([feature.compute(shared)[-19_000:] for feature in FEATURES])
    moves = columns.std(axis=1) > 0

    correlation = np.abs(np.corrcoef(columns[moves]))
    np.fill_diagonal(correlation, 0.0)

    assert moves.sum() >= len(FEATURES) - 1
    assert correlation.max() <= 0.995
