"""The spread that is charged: readings, and the estimate where they are too few."""

from pathlib import Path

import numpy as np
import pytest

from desk.market.series.synthetic import synthesize
from desk.spreads import FEWEST_PAIRS, estimated_spread, spread_of
from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, frozen
from tests.market.samples import NOW, without

CANDLES = 15_000
"""Some 52 days."""
SHARED = Path(__file__).parents[2] / "shared" / "data" / "candles"


def walk(kind: str = "noise", *, seed: int = 5, candles: int = CANDLES) -> Candles:
    """Invented candles on a fine tick, whose closes do not bounce."""
    return synthesize(kind, seed, symbol="PLANTUSDT", end=NOW, candles=candles)


def quoted(spread_bps: float, *, empty: float = 0.0, seed: int = 5, candles: int = CANDLES) -> Candles:
    """A walk of the mid price whose candles close at bid or ask; a share of them has no trade."""
    rng = np.random.default_rng(seed)
    mid = walk(seed=seed, candles=candles)
    _, high, low, close, volume, _ = mid.values
    half = spread_bps / 2e4
    traded = (volume > 0) & (rng.random(candles) >= empty)
    last = np.maximum.accumulate(np.where(traded, np.arange(candles), 0))
    close = (close * (1 + half * rng.choice([-1.0, 1.0], candles)))[last]
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.where(traded, np.maximum(high * (1 + half), np.maximum(open_, close)), close)
    low = np.where(traded, np.minimum(low * (1 - half), np.minimum(open_, close)), close)
    volume = np.where(traded, volume, 0.0)
    values = np.stack([open_, high, low, close, volume, volume * close])
    return Candles(mid.symbol, mid.open_time, frozen(values))


def estimated_bps(candles: Candles) -> float:
    """The estimate in basis points."""
    estimate = estimated_spread(candles)
    assert estimate is not None
    return 1e4 * estimate


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize(("spread_bps", "empty"), [(20, 0.0), (30, 0.0), (40, 0.0), (60, 0.0), (30, 0.4)])
def test_closes_at_bid_and_ask_give_their_spread_away(spread_bps: float, empty: float, seed: int) -> None:
    """Whoever quotes one narrow minute must not make a bouncing price look tradable."""
    estimate = estimated_bps(quoted(spread_bps, empty=empty, seed=seed))

    assert 0.9 * spread_bps < estimate < 1.05 * spread_bps


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["noise", "edge"])
def test_a_market_without_bounce_is_not_charged_for_one(kind: str, seed: int) -> None:
    """An edge that is there must be found, and reversals of real prices are no spread."""
    assert estimated_bps(walk(kind, seed=seed)) < 2.0


def test_real_liquid_markets_show_none() -> None:
    """Their books were a tick wide, some hundredths of a basis point to two."""
    if not SHARED.is_dir():
        pytest.skip(f"the real series of {SHARED} are not on this machine")
    sources = pytest.importorskip("desk.market.series.sources")
    estimates = {candles.symbol: estimated_bps(candles) for candles in sources.read_candle_files(SHARED)}

    for symbol in ("BTCUSDT", "ETHUSDT", "LTCUSDT", "SUIUSDT", "1000PEPEUSDT"):
        assert estimates[symbol] < 2.0, symbol


def test_one_wild_day_decides_nothing() -> None:
    """A crash that came and went in every other candle is no spread of the other fifty days."""
    calm = quoted(30)
    wild = calm.values.copy()
    day = slice(5_000, 5_288)
    wild[:4, day] *= np.exp(np.tile([0.1, 0.0], 144))
    spoilt = Candles(calm.symbol, calm.open_time, frozen(wild))

    assert estimated_bps(spoilt) == pytest.approx(estimated_bps(calm), rel=0.05)


def test_candles_across_a_hole_are_no_neighbours() -> None:
    """What happened in an outage is no bounce: here the last close before each lies beyond both candles."""
    whole = walk()
    values = whole.values.copy()
    last = np.arange(9, CANDLES - 10, 7)
    values[1, last] *= 1.01
    values[3, last] = values[1, last]
    holes = without(
        Candles(whole.symbol, whole.open_time, frozen(values)), *((row + 1, 3) for row in last.tolist())
    )

    assert estimated_bps(holes) < 2.0


def test_what_chance_shows_on_a_few_days_is_no_spread() -> None:
    """A symbol that was listed last week would be refused for nothing; by chance half of them show some."""
    estimates = [estimated_bps(walk(seed=seed, candles=2_500)) for seed in range(20)]

    assert np.mean(np.array(estimates) > 0) <= 0.1
    assert max(estimates) < 6.0


def test_a_dead_day_does_not_decide_alone() -> None:
    """On a holiday the book may stand still one narrow tick wide."""
    candles = quoted(40)
    dead = candles.values.copy()
    midnight = CANDLES % CANDLES_PER_DAY + 17 * CANDLES_PER_DAY
    day = slice(midnight, midnight + CANDLES_PER_DAY + 1)
    dead[:4, day] = dead[3, midnight] * (1 + 1e-6 * (np.arange(CANDLES_PER_DAY + 1) % 2))
    dead[4, day] = 1.0

    assert estimated_bps(Candles(candles.symbol, candles.open_time, frozen(dead))) > 30


@pytest.mark.parametrize("pairs", [0, FEWEST_PAIRS - 1, FEWEST_PAIRS])
def test_a_short_series_has_no_estimate(pairs: int) -> None:
    """By chance two hundred candles show anything."""
    times = NOW + CANDLE_MS * np.arange(pairs + 1, dtype=np.int64)
    price = 100 + np.random.default_rng(1).random(pairs + 1)
    values = np.stack([price, price + 1, price - 1, price, np.ones(pairs + 1), price])

    estimate = estimated_spread(Candles("X", times, values))

    assert (estimate is None) == (pairs < FEWEST_PAIRS)


def test_a_price_that_never_moves_has_no_spread() -> None:
    """A halted market is no division by zero."""
    flat = np.full((6, 1000), 100.0)

    assert estimated_spread(Candles("X", NOW + CANDLE_MS * np.arange(1000, dtype=np.int64), flat)) == 0.0


WIDE, FINE = quoted(40), walk()


@pytest.mark.parametrize(
    ("readings", "candles", "bps", "why"),
    [
        ((), WIDE, None, "unknown: no bid and ask were read"),
        ((3.0, 1.0, 8.0), WIDE, 3.0, "median of 3 readings"),
        ((3.0, 1.0, 8.0, 2.0), WIDE, 2.5, "median of 4 readings"),
        ((1.0, 2.0), FINE, 1.5, "the 2 readings, no narrower than the estimate from the candles"),
        ((2.0,), FINE, 2.0, "the only reading, no narrower than the estimate from the candles"),
        ((1.0, 2.0), WIDE, 39.0, "estimated from the candles, wider than the 2 readings"),
        ((50.0,), WIDE, 50.0, "the only reading, no narrower than the estimate from the candles"),
        ((1.0, 2.0), FINE.rows(0, 50), 1.5, "the 2 readings, with too few candles to estimate it from"),
    ],
)
def test_the_spread_that_counts(
    readings: tuple[float, ...], candles: Candles, bps: float | None, why: str
) -> None:
    """Without a reading nothing is tradable; one or two are not believed against the candles."""
    spread = spread_of(readings, candles)

    assert spread.why == why
    assert spread.bps == (None if bps is None else pytest.approx(bps, abs=1.0))
