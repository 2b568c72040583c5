"""What is inferred from prices holds for coins of a billionth and of a million USDT alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from desk.market.series.facts import PriceTick, price_tick
from desk.values import CANDLE_MS, Candles, frozen


def series(prices: NDArray[np.float64]) -> Candles:
    ones = np.ones(len(prices))
    values = np.stack([prices, prices, prices, prices, ones, ones])
    return Candles("XUSDT", frozen(CANDLE_MS * np.arange(len(prices), dtype=np.int64)), frozen(values))


@given(
    st.integers(-9, 6),
    st.sampled_from((1, 2, 5, 25, 125)),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_a_walk_on_a_grid_shows_the_grid_at_any_level(
    level: int, step: int, fineness: int, seed: int
) -> None:
    """A tick of 1 USDT was once read from prices of 0.000007, and a random walk came out tradable."""
    rng = np.random.default_rng(seed)
    lines = 10**fineness + np.cumsum(rng.integers(-3, 4, 2000))
    lines = np.maximum(lines, 1) * step
    places = fineness - level
    prices = np.array([float(f"{line}e{-places}") for line in lines.tolist()])
    tick = float(f"{step}e{-places}")

    assert price_tick(series(prices)).size == pytest.approx(tick, rel=1e-9)


@given(st.floats(1e-9, 1e6), st.integers(0, 2**32 - 1))
def test_noise_of_float64_does_not_refine_the_grid(price: float, seed: int) -> None:
    """Prices that went through arithmetic differ from their decimal number by some roundings."""
    rng = np.random.default_rng(seed)
    places = 5 - int(np.floor(np.log10(price)))
    prices = np.array([float(f"{line}e{-places}") for line in rng.integers(10**5, 2 * 10**5, 500).tolist()])
    noisy = prices * (1 + 4e-16 * rng.standard_normal(500))

    assert price_tick(series(noisy)) == price_tick(series(prices))


@pytest.mark.parametrize(("price", "places"), [(2.5, 1), (7e-6, 6), (1e-9, 9), (1_500_000.0, 0)])
def test_a_price_that_never_moved_gets_one_unit_of_its_last_digit(price: float, places: int) -> None:
    """It must still be listed with a tick that its price lies on."""
    assert price_tick(series(np.array([price, price]))) == PriceTick(places, 1)
