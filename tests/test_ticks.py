"""The grid on which closes move is found week by week, also where it hides under a finer tick."""

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.ticks import LEAST_MOVES, WEEK_MS, grid_of, weekly_ticks
from desk.values import CANDLE_MS, Candles, frozen

WEEK = WEEK_MS // CANDLE_MS
Floats = NDArray[np.float64]


def candles_of(close: Floats) -> Candles:
    ones = np.ones(len(close))
    values = np.stack([close, close, close, close, ones, ones])
    return Candles("XUSDT", frozen(CANDLE_MS * np.arange(len(close), dtype=np.int64)), frozen(values))


def walk(seed: int, *, first: float, candles: int = 6 * WEEK, volatility: float = 0.002) -> Floats:
    moves = np.random.default_rng(seed).standard_normal(candles) * volatility
    return first * np.exp(np.cumsum(moves))


def rounded(prices: Floats, digits: int) -> Floats:
    """Prices to so many significant digits, each the float64 next to its decimal number."""
    return np.array([float(f"{price:.{digits - 1}e}") for price in prices.tolist()])


@pytest.mark.parametrize("first", [1e-9, 7e-6, 0.0123, 57.3, 30_000.0, 1e6])
def test_an_honest_fine_tick_comes_out_as_it_is(first: float) -> None:
    """Else an honest symbol would be charged for a grid that is not there."""
    places = 6 - int(np.floor(np.log10(first)))
    prices = np.array([float(f"{price:.{max(places, 0)}f}") for price in walk(1, first=first).tolist()])

    ticks = weekly_ticks(candles_of(prices))

    assert np.all(ticks.step_bps < 0.05)
    assert np.allclose(ticks.step, 10.0**-places, rtol=1e-9, atol=0)


@pytest.mark.parametrize("digits", [2, 3])
@pytest.mark.parametrize("first", [1e-9, 7e-6, 0.0123, 57.3, 30_000.0, 1e6])
def test_rounded_prices_show_their_coarse_grid(first: float, digits: int) -> None:
    """Rounded to 3 digits, a random walk earned 8.8 bp a trade at its own closes and was called tradable."""
    prices = walk(2, first=first, volatility=0.006 if digits == 2 else 0.002)

    ticks = weekly_ticks(candles_of(rounded(prices, digits)))

    coarse = 10.0 ** (np.floor(np.log10(prices)) - digits + 1)
    for week in range(6):
        there = coarse[week * WEEK : (week + 1) * WEEK]
        assert there.min() * 0.99 <= ticks.step[week] <= there.max() * 1.01
    assert ticks.step_bps.min() > (9.0 if digits == 3 else 90.0)


def test_only_the_older_half_that_is_rounded_is_found_coarse() -> None:
    """The contract lists today's tick; what was earned on last quarter's rounding is not there today."""
    prices = walk(3, first=0.057)
    half = len(prices) // 2 + 5 * WEEK // 8
    mixed = np.concatenate([rounded(prices[:half], 3), np.round(prices[half:], 9)])

    ticks = weekly_ticks(candles_of(mixed))

    assert np.all(ticks.step_bps[:4] > 10.0)
    assert np.all(ticks.step_bps[4:] < 0.01)


def test_a_price_that_crosses_a_power_of_ten_is_charged_its_coarser_grid() -> None:
    """Rounded to 3 digits, prices lie 10 bp apart below 1 and 100 bp apart above it."""
    prices = 1.03 + 0.06 * np.sin(np.arange(WEEK) / 5.0)

    assert weekly_ticks(candles_of(rounded(prices, 3))).step.tolist() == [pytest.approx(0.01)]


def test_a_grid_on_no_decimal_ladder_is_found() -> None:
    """A tick of 8 bp need not be 1, 2 or 5 times a power of ten."""
    lines = np.rint(walk(4, first=1.0) / 0.00084)
    prices = np.array([float(f"{84 * line:.0f}e-5") for line in lines.tolist()])

    assert np.allclose(weekly_ticks(candles_of(prices)).step, 0.00084)


def test_repeated_closes_and_flat_weeks_say_nothing() -> None:
    """Nine candles in ten without a trade leave the grid as fine as the others show it."""
    prices = np.round(walk(5, first=3.0), 6)
    held = np.arange(len(prices)) - np.arange(len(prices)) % 10
    idle = prices[held]
    idle[2 * WEEK : 3 * WEEK] = 3.0

    ticks = weekly_ticks(candles_of(idle))

    assert np.allclose(ticks.step, 1e-6)


def test_a_half_week_that_hardly_moves_takes_the_newest_grid_before_it() -> None:
    """What a later week shows was not known: a trade of the quiet days is charged for the older grid."""
    coarse, fine = (np.round(walk(2, first=57.3, candles=WEEK), places) for places in (1, 4))
    quiet = np.full(WEEK, 57.3)
    quiet[:: WEEK // 8] += 1e-4

    def steps(*weeks: Floats) -> list[float]:
        return [float(step) for step in weekly_ticks(candles_of(np.concatenate(weeks))).step]

    assert steps(coarse, quiet, fine) == pytest.approx([0.1, 0.1, 1e-4])
    assert steps(fine, quiet, coarse) == pytest.approx([1e-4, 1e-4, 0.1])
    assert steps(quiet, coarse, fine) == pytest.approx([0.1, 0.1, 1e-4])


def test_weeks_are_counted_back_from_the_last_candle() -> None:
    """The newest week is whole, so that today's grid is read from as many moves as any other."""
    ticks = weekly_ticks(candles_of(np.round(walk(2, first=57.3, candles=2 * WEEK + 10), 4)))

    assert np.bincount(ticks.week).tolist() == [10, WEEK, WEEK]
    assert ticks.start.tolist() == [10 * CANDLE_MS + WEEK_MS * at for at in (-1, 0, 1)]


def test_a_price_that_hardly_moves_is_not_called_coarse() -> None:
    """A coin pegged to 1 USDT lies within a hundredth of every round number."""
    rng = np.random.default_rng(6)
    prices = np.round(1.0 + 1e-4 * rng.integers(-3, 4, 3 * WEEK), 4)

    assert np.allclose(weekly_ticks(candles_of(prices)).step_bps, 1.0, rtol=1e-3)


def test_a_few_prices_between_the_lines_do_not_hide_the_grid() -> None:
    """One odd close a week must not turn a coarse grid into a fine one."""
    prices = rounded(walk(7, first=0.057), 3)
    prices[:: WEEK // 3] *= 1.00012345

    assert np.all(weekly_ticks(candles_of(prices)).step_bps > 10.0)


def test_too_few_moves_show_no_grid() -> None:
    """Two prices far apart are no evidence of a tick of their distance."""
    prices = np.where(np.arange(WEEK) % (WEEK // (LEAST_MOVES - 4)) == 0, 100.0, 110.0)

    ticks = weekly_ticks(candles_of(prices))
    assert len(ticks.week) == WEEK
    few = np.where(np.arange(WEEK) < WEEK // 2, 100.0, 110.0)
    assert weekly_ticks(candles_of(few)).step.tolist() == [0.0]


def test_the_grid_for_costs_holds_from_the_first_candle_of_each_week() -> None:
    """A trade is charged for the grid of its own week: here a fine one, then steps of a tenth."""
    fine, coarse = (np.round(walk(2, first=57.3, candles=2 * WEEK), places) for places in (4, 1))
    candles = candles_of(np.concatenate([fine[:WEEK], coarse[WEEK:]]))

    grid_from, grid = grid_of(candles)

    assert grid_from == (0, WEEK_MS)
    assert grid == pytest.approx((1e-4, 0.1))
    assert grid_of(candles, weekly_ticks(candles)) == (grid_from, grid)
