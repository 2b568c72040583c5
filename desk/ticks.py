"""Price steps that a series of candles shows, whatever its contract says.  Pure, numpy only.

Place in the house: foundation.  Prices or ``Candles`` come in; the decimal places that hold every price
(``decimal_units``) or the grid of the closes week by week (``weekly_ticks``) goes out.  The embedded exchange
and replays list contracts with the first; costs are charged with the second where it is coarser than the
contract's tick.

Why week by week: prices that are rounded under a finer tick earn at their own close and nowhere else, and the
rounding may end, or change with the price, within the history.

Not here: the contract's tick (``desk.market.history.contracts``), what a tick costs (``desk.policy``).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, frozen

Floats = NDArray[np.float64]

WEEK_MS: Final = 7 * CANDLES_PER_DAY * CANDLE_MS
NOISE: Final = 1e-12
"""Relative difference within which a price counts as a decimal number: thousands of float64 roundings."""
FINEST: Final = 1e11
"""Largest price in steps: beyond it ``NOISE`` hides the grid."""
MOST_PLACES: Final = 300
SAMPLE: Final = 64
"""Prices that a grid is tried on before all of them."""
ON_GRID: Final = 0.01
"""Distance from a coarser grid, in its steps, within which a close counts as lying on it."""
GRID_SHARE: Final = 0.75
"""Share of the moves that must end on the lines of a grid for it to be theirs."""
LEAST_MOVES: Final = 24
"""Moves from close to close that show a grid; half a week with fewer takes the grid of one before it."""
COARSEST: Final = 0.2
"""Largest step that is looked for, as a fraction of the price."""
FINEST_SHARE: Final = 1e-5
"""Smallest step of the ladder 1, 2, 5, 10, … that is looked for, as a fraction of the price: 0.1 bp."""


@dataclass(frozen=True, slots=True, eq=False)
class WeeklyTicks:
    """Grid of the closes of one series in each week; the last week ends with the last candle."""

    week: NDArray[np.int64]
    """Shape (n,): week of each candle, a position in the others."""
    start: NDArray[np.int64]
    """Shape (weeks,): time at which each week begins, ms."""
    step: Floats
    """Shape (weeks,): price step in USDT; 0 where the whole series moves too seldom to show any."""
    step_bps: Floats
    """Shape (weeks,): ``step`` over the week's median close, in basis points."""


def decimal_units(prices: Floats) -> tuple[int, NDArray[np.int64]]:
    """Fewest decimal places with which all prices can be written, and the prices in units of the last place.

    Parameters
    ----------
    prices : ndarray, shape (n,)
        Positive and finite, each the float64 next to a decimal number; noise up to ``NOISE`` is ignored.
        Prices on no decimal grid, such as quotients, get the finest places that float64 can tell apart.

    Returns
    -------
    places : int
        At least 0: a price of 1500 has none.
    units : ndarray, shape (n,)
        The prices times 10^places.
    """
    largest = prices.max(initial=0.0)
    places = 0
    while places < MOST_PLACES and largest * 10.0 ** (places + 1) <= FINEST:
        if _are_whole(prices[:SAMPLE], places) and _are_whole(prices, places):
            break
        places += 1
    return places, np.rint(prices * 10.0**places).astype(np.int64)


def _are_whole(prices: Floats, places: int) -> bool:
    """Whether all prices are whole multiples of 10^-places, none of them zero."""
    units = prices * 10.0**places
    whole = np.rint(units)
    return bool(np.all((np.abs(units - whole) <= NOISE * units) & (whole > 0)))


def weekly_ticks(candles: Candles) -> WeeklyTicks:
    """Infer the grid on which the closes move, for every week of a series.

    A move leads from a close to a different one; closes that repeat are no moves, so flat candles say
    nothing.  Of each half of a week, and within it of each decade of the price (prices rounded to three
    digits change their grid at 1), the grid is the coarser of two: the largest step of the ladder 1, 2, 5,
    10, … such that ``GRID_SHARE`` of the moves end on its lines, and the greatest common divisor of all
    closes.  A half takes the coarsest grid of its decades, or where it has fewer than ``LEAST_MOVES`` moves
    that of the newest half before it that has more (the oldest, where there is none before); a week takes the
    coarser grid of its halves, so that a grid that changes within a week is not lost.

    Parameters
    ----------
    candles : Candles
        At least one.

    Returns
    -------
    WeeklyTicks
    """
    close = candles.close
    end = int(candles.open_time[-1]) + CANDLE_MS
    weeks = int(-(-(end - candles.open_time[0]) // WEEK_MS))
    start = end - WEEK_MS * np.arange(weeks, 0, -1)
    half = (candles.open_time - start[0]) // (WEEK_MS // 2)
    week = half // 2
    moved = 1 + np.flatnonzero(np.abs(np.diff(close)) > NOISE * close[1:])
    places, units = decimal_units(close)
    unit = 10.0**-places
    step = np.full(2 * weeks, np.nan)
    for number, rows in _groups(half[moved], close[moved], moved):
        if len(rows) >= LEAST_MOVES:
            step[number] = np.fmax(step[number], _step(close, units, unit, rows))
    known = np.flatnonzero(~np.isnan(step))
    if len(known):
        before = np.searchsorted(known, np.arange(2 * weeks), side="right") - 1
        step = step[known[np.maximum(before, 0)]]
    else:
        step[:] = _step(close, units, unit, moved) if len(moved) >= LEAST_MOVES else 0.0
    step = step.reshape(weeks, 2).max(axis=1)
    middle = _weekly_medians(close, week, weeks)
    return WeeklyTicks(frozen(week), frozen(start), frozen(step), frozen(1e4 * step / middle))


def grid_of(candles: Candles, weekly: WeeklyTicks | None = None) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Grid of the closes as ``desk.costs.Costs`` takes it.

    Parameters
    ----------
    candles : Candles
        At least one.
    weekly : WeeklyTicks, optional
        Of these candles, where they were inferred before.

    Returns
    -------
    grid_from : tuple of int
        Times from which the steps hold, ms.
    grid : tuple of float
        One step for each, in USDT.  Nothing bounds them here: see ``desk.costs.require_tradable_prices``.
    """
    found = weekly or weekly_ticks(candles)
    return tuple(found.start.tolist()), tuple(found.step.tolist())


def _groups(
    half: NDArray[np.int64], close: Floats, rows: NDArray[np.int64]
) -> list[tuple[int, NDArray[np.int64]]]:
    """Rows of the moves of each half of a week and decade of the price."""
    if not len(rows):
        return []
    decade = np.floor(np.log10(close) + NOISE).astype(np.int64)
    order = np.lexsort((decade, half))
    changes = (np.diff(half[order]) != 0) | (np.diff(decade[order]) != 0)
    parts = np.split(order, 1 + np.flatnonzero(changes))
    return [(int(half[part[0]]), rows[part]) for part in parts]


def _step(close: Floats, units: NDArray[np.int64], unit: float, rows: NDArray[np.int64]) -> float:
    """Step of the grid, in USDT, on which the closes move into ``rows``."""
    after, before = close[rows], close[rows - 1]
    size = np.abs(after - before)
    # A step more than twice as large as too many of the moves cannot be theirs.
    largest = 2 * np.quantile(size, 1 - GRID_SHARE, method="higher")
    ladder = _ladder(float(after.max()), float(largest))
    divisor = float(np.gcd.reduce(units[rows], initial=int(np.gcd.reduce(units[rows - 1])))) * unit
    for step in ladder[::-1]:
        if step <= divisor:
            break
        lines = after / step
        on_grid = np.abs(lines - np.rint(lines)) <= ON_GRID
        if on_grid.mean() >= GRID_SHARE:
            return float(step)
    return divisor


def _ladder(price: float, largest: float) -> Floats:
    """Steps 1, 2, 5, 10, … times a power of ten up to ``largest``, increasing, that matter at a price."""
    lowest, highest = FINEST_SHARE * price, min(largest, COARSEST * price)
    powers = np.arange(np.floor(np.log10(lowest)), np.floor(np.log10(price)) + 1)
    steps = np.outer(10.0**powers, [1.0, 2.0, 5.0]).ravel()
    return steps[(steps >= lowest) & (steps <= highest)]


def _weekly_medians(close: Floats, week: NDArray[np.int64], weeks: int) -> Floats:
    """Median close of each week; of a week without candles, that of the week before."""
    bounds = np.searchsorted(week, np.arange(weeks + 1))
    medians = np.empty(weeks)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        medians[number] = np.median(close[start:stop]) if stop > start else medians[number - 1]
    return medians
