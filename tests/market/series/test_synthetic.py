"""Synthetic series obey the exchange's rules, and what can be known about them is what is said."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.market.series.facts import DAY_MS
from desk.market.series.synthetic import (
    DRIFT_BPS,
    DRIFT_HOUR,
    EDGE,
    EDGE_HORIZON,
    EDGE_THRESHOLD,
    EDGE_WIN_RATE,
    EDGE_WIN_RATE_SE,
    KINDS,
    SYNTHETIC_CANDLES,
    EdgeRule,
    oracle,
    synthesize,
    synthesize_edge,
)
from desk.values import CANDLE_MS, Candles, frozen

END = 1_767_225_600_000
every_kind = pytest.mark.parametrize("kind", KINDS)


def series(kind: str, seed: int, candles: int = SYNTHETIC_CANDLES) -> Candles:
    return synthesize(kind, seed, symbol="XUSDT", end=END, candles=candles)


def labels(candles: Candles) -> NDArray[np.int8]:
    """1 up, 0 down, -1 neither, by the plainest possible reading of the definition."""
    close = candles.close.tolist()
    found = [-1] * len(close)
    for t in range(len(close) - EDGE_HORIZON):
        move = close[t + EDGE_HORIZON] / close[t] - 1
        if move >= EDGE_THRESHOLD:
            found[t] = 1
        elif move <= -EDGE_THRESHOLD:
            found[t] = 0
    return np.array(found, dtype=np.int8)


def standard_error(rate: float, count: int) -> float:
    """Of a win rate over neighbouring labels, which share half of their candles: at most √2 larger."""
    return math.sqrt(2 * rate * (1 - rate) / count)


@every_kind
def test_a_candle_opens_where_the_last_one_closed(kind: str) -> None:
    """As in all 99,894 neighbouring pairs that were counted on the exchange."""
    o, h, l, c, volume, quote_volume = series(kind, 1).values

    assert np.array_equal(o[1:], c[:-1])
    assert np.all(l <= np.minimum(o, c))
    assert np.all(h >= np.maximum(o, c))
    assert np.all(l > 0)
    flat = volume == 0
    assert 0.02 < flat.mean() < 0.04
    assert np.array_equal(flat, quote_volume == 0)
    assert np.array_equal(o[flat], c[flat])
    assert np.array_equal(h[flat], l[flat])
    own_price = quote_volume[~flat] / volume[~flat]
    assert np.all(own_price > l[~flat] * 0.9999)
    assert np.all(own_price < h[~flat] * 1.0001)


@every_kind
@pytest.mark.parametrize("seed", range(5))
def test_prices_lie_on_a_fine_tick(kind: str, seed: int) -> None:
    """Where a tick is many basis points wide, bounces between bid and ask look like an edge."""
    candles = series(kind, seed, 20_000)
    prices = np.unique(candles.values[:4])

    assert np.diff(prices).min() / candles.close.min() < 0.5e-4
    places = max(len(f"{price!r}".partition(".")[2]) for price in prices[:2000].tolist())
    assert np.array_equal(np.round(prices, places), prices)


@every_kind
def test_about_half_of_the_candles_carry_a_label(kind: str) -> None:
    """So that a symbol of the demo trains on as many rows as a lively real one."""
    for seed in range(4):
        assert 0.4 < (labels(series(kind, seed)) >= 0).mean() < 0.6


@every_kind
def test_volatility_and_volume_come_in_clusters(kind: str) -> None:
    """Else half of a real feature table would be looking at nothing."""
    candles = series(kind, 2)
    size = np.abs(np.diff(np.log(candles.close)))
    volume = np.log1p(candles.values[5, 1:])

    for values in (size, volume):
        assert np.corrcoef(values[:-1], values[1:])[0, 1] > 0.1
    assert np.corrcoef(size[:-48], size[48:])[0, 1] > 0.03
    assert np.corrcoef(size, volume)[0, 1] > 0.2


@every_kind
def test_equal_seeds_give_equal_series(kind: str) -> None:
    """Equal candles are the first condition of equal model files."""
    first, again, later = series(kind, 3, 3000), series(kind, 3, 3000), series(kind, 4, 3000)

    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, later.values)
    moved = synthesize(kind, 3, symbol="YUSDT", end=END + DAY_MS, candles=3000)
    assert np.array_equal(moved.values, first.values)
    assert np.array_equal(moved.open_time, first.open_time + DAY_MS)


@pytest.mark.parametrize(
    ("kind", "closes"),
    [
        ("edge", [180.182, 180.0282, 175.7509, 188.0101]),
        ("noise", [22.87087, 22.96628, 22.30075, 21.73927]),
    ],
)
def test_old_seeds_keep_their_series(kind: str, closes: list[float]) -> None:
    """Measured figures and models name a kind and a seed: a new kind must not change what they stand for."""
    close = series(kind, 1, 3000).close

    assert close[[0, 1, 100, -1]].tolist() == pytest.approx(closes, rel=1e-9)


def test_the_drift_comes_once_a_day_at_its_hour() -> None:
    """Ten minutes a day are worth more than a taker's costs, and no other ten minutes are worth anything."""
    candles = series("drift", 3)
    step = candles.open_time // CANDLE_MS % 288
    gain = 1e4 * (candles.close[2:] / candles.close[:-2] - 1)
    before = step[:-2] == DRIFT_HOUR * 12 - 1
    elsewhere = (step[:-2] < DRIFT_HOUR * 12 - 2) | (step[:-2] > DRIFT_HOUR * 12)

    error = gain[before].std() / math.sqrt(before.sum())
    assert abs(gain[before].mean() - 0.97 * sum(DRIFT_BPS)) < 4 * error
    assert abs(gain[elsewhere].mean()) < 4 * gain.std() / math.sqrt(elsewhere.sum() / 2)
    assert gain[before].mean() - 14 > 5 * error


def test_a_rule_can_be_stronger_and_can_end() -> None:
    """Soaks ask what of an edge is found, and what of one that is over."""
    usual = synthesize_edge(5, symbol="XUSDT", end=END, candles=20_000)
    strong = EdgeRule(bias=0.9)
    ending = EdgeRule(bias=0.9, ends_at=0.5)
    series_of = {
        rule: synthesize_edge(5, symbol="XUSDT", end=END, candles=40_000, rule=rule)
        for rule in (EDGE, strong, ending)
    }

    def rate(candles: Candles, part: slice) -> float:
        label, sure = labels(candles)[part], oracle(candles, strong)[part]
        labelled = (label >= 0) & (sure != 0.5)
        return float(((sure > 0.5) == (label == 1))[labelled].mean())

    assert np.array_equal(usual.values, series("edge", 5, 20_000).values)
    halves = slice(0, 20_000), slice(20_000, 40_000)
    assert all(rate(series_of[strong], half) > rate(series_of[EDGE], half) + 0.05 for half in halves)
    assert rate(series_of[ending], halves[0]) > 0.7
    assert abs(rate(series_of[ending], halves[1]) - 0.5) < 0.03


def test_the_series_is_as_long_as_said_and_closes_at_its_end() -> None:
    """190 days unless told otherwise."""
    candles = series("noise", 0)

    assert len(candles) == 54_720
    assert candles.open_time[-1] == END - CANDLE_MS
    assert np.all(np.diff(candles.open_time) == CANDLE_MS)
    assert not candles.values.flags.writeable
    assert [len(series(kind, 0, short)) for kind in KINDS for short in (1, 3, 60)] == [1, 3, 60] * 3


def test_wrong_arguments_are_programming_mistakes() -> None:
    """Users never type them: the emulator reads ``--synthetic`` and says what is wrong there."""
    with pytest.raises(ValueError, match="kind is 'gold'"):
        series("gold", 0)
    with pytest.raises(ValueError, match="5-minute grid"):
        synthesize("edge", 0, symbol="XUSDT", end=END + 1)
    with pytest.raises(ValueError, match="at least 1"):
        series("edge", 0, 0)


@pytest.mark.parametrize("seed", [7, 77, 777])
def test_the_best_possible_win_rate_is_the_documented_one(seed: int) -> None:
    """A model that claims more has seen the future; one that reaches less has room."""
    candles = series("edge", seed, 100_000)
    up, label = oracle(candles), labels(candles)
    counted = label >= 0
    wins = (up[counted] > 0.5) == (label[counted] == 1)

    error = math.hypot(standard_error(EDGE_WIN_RATE, len(wins)), EDGE_WIN_RATE_SE)
    assert abs(wins.mean() - EDGE_WIN_RATE) < 4 * error
    assert 0.62 <= EDGE_WIN_RATE <= 0.70


def test_the_oracle_means_its_probabilities() -> None:
    """Calibration is measured with it, so it must be calibrated itself."""
    candles = series("edge", 5, 200_000)
    up, label = oracle(candles), labels(candles)
    counted = label >= 0
    said, was = up[counted], label[counted]

    bins = np.digitize(said, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    for number in range(8):
        inside = bins == number
        assert abs(said[inside].mean() - was[inside].mean()) < 0.03
    assert (said > 0.7).mean() > 0.15


def test_the_oracle_sees_the_past_only() -> None:
    """Other candles after a row leave that row, and all before it, bit for bit alike."""
    candles, other = series("edge", 1, 2000), series("edge", 2, 2000)
    rewritten = candles.values.copy()
    rewritten[:, 1500:] = other.values[:, 1500:] / other.close[1499] * candles.close[1499]
    changed = Candles("XUSDT", candles.open_time, frozen(rewritten))

    before, after = oracle(candles), oracle(changed)

    assert np.array_equal(before[:1500], after[:1500])
    assert not np.array_equal(before[1500:], after[1500:])


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_nothing_to_find(seed: int) -> None:
    """Neither for the planted rule nor for the last candle's direction."""
    candles = series("noise", seed, 100_000)
    label = labels(candles)
    counted = (label >= 0) & (np.arange(len(label)) > 60)
    up = label[counted] == 1
    direction = np.diff(candles.close, prepend=candles.close[0])[counted] > 0

    for guess in (oracle(candles)[counted] > 0.5, direction, np.ones(len(up), dtype=bool)):
        assert abs((guess == up).mean() - 0.5) < 4 * standard_error(0.5, len(up))


def test_no_part_of_the_rule_is_worth_much_alone() -> None:
    """The edge is an interaction, so a model that finds it has combined columns.

    Every part is cut into 20 bins and each bin takes its better side, which flatters it.
    """
    candles = series("edge", 11, 200_000)
    _, h, l, c, volume, quote_volume = candles.values
    label = labels(candles)
    spread = np.log(h / l)

    def total(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
        return np.convolve(values, np.ones(window))[: len(values)]

    move = np.log(c) - np.log(np.concatenate([np.full(6, c[0]), c[:-6]]))
    body = np.diff(np.log(c), prepend=0.0)
    signed = np.sign(body) * volume
    parts = {
        "move of six": move,
        "last move": body,
        "turnover ratio": total(quote_volume, 3) / total(quote_volume, 48),
        "range ratio": total(spread, 3) / total(spread, 48),
        "effort against result": total(quote_volume, 3) / np.maximum(total(spread, 3), 1e-6),
        "signed volume": total(signed, 12) / total(volume, 12),
    }
    counted = (label >= 0) & (np.arange(len(label)) > 60)
    up = label[counted] == 1
    for name, values in parts.items():
        seen = values[counted]
        bins = np.digitize(seen, np.quantile(seen, np.arange(0.05, 1, 0.05)))
        ups, alls = np.bincount(bins, up, 20), np.bincount(bins, minlength=20)
        assert np.maximum(ups, alls - ups).sum() / len(up) < 0.545, name
