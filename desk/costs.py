"""What a trade pays besides its price, and at which price it could have been entered.  Pure.

Place in the house: foundation, beside ``desk.policy``.  Prices of candles come in; prices paid and returns
after costs go out.

* Slippage: entry and exit are each worse than the candle's price by the largest of the setting, half a tick
  and half the spread.  The tick is the contract's, or the grid that the closes of that week lie on,
  whichever is coarser: an exchange may list a finer step than anybody quotes.
* Fees: each side pays its fee on its own notional.
* Executable entry: nobody trades at the close that made the signal.  ``executable_entries`` gives the
  volume-weighted mean price of the next candle instead.  What earns only at the close is bid-ask bounce.

What cannot be charged honestly is refused: ``require_tradable_prices`` before any trade, ``Costs.applied``
at a price after costs that is none.

Not here: funding.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.errors import UntradablePrices
from desk.settings import check_settings
from desk.ticks import WeeklyTicks
from desk.values import Candles, iso

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

COARSEST_STEP = 0.01
"""Largest price step of a series that is traded, as a fraction of the price."""
WIDEST_SPREAD = 0.09
"""Largest spread that is charged, as a fraction of the price: whoever trades at more is refused for it."""
SAME_PRICE = 1e-6
"""Prices that differ by a smaller fraction count as equal."""
COARSE_BPS = 5.0
"""A tick or a spread above it makes win rates of what is bounce between bid and ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a trade pays besides the price.  Fees, slippage and spread are fractions: 0.0006 is 6 bp."""

    tick: float
    """Price step of the contract, in USDT; 0 where it is unknown."""
    slippage: float
    """How much worse than the candle's price a fill is at least, as a fraction of the price."""
    fee_entry: float
    """Of the entry notional: the taker's fee, or the maker's where the entry rests in the book."""
    fee_exit: float
    """Of the exit notional."""
    spread: float = 0.0
    """Distance between bid and ask, as a fraction of the price; 0 where it is unknown."""
    grid_from: tuple[int, ...] = ()
    """Times from which each of ``grid`` holds, ms, increasing; the first holds before its time too."""
    grid: tuple[float, ...] = ()
    """Price steps that the closes were seen to lie on, in USDT, one per ``grid_from``."""

    def __post_init__(self) -> None:
        check_settings("costs", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.tick < math.inf:
            yield f"tick is {self.tick}, must be 0 or more"
        for name in ("slippage", "spread"):
            if not 0 <= (share := getattr(self, name)) < 0.1:
                yield f"{name} is {share}, must lie between 0 and 0.1 as a fraction (0.0001 means 1 bp)"
        for name in ("fee_entry", "fee_exit"):
            if not -0.1 < getattr(self, name) < 0.1:
                yield f"{name} is {getattr(self, name)}, must be a fraction (0.0006 means 6 bp)"
        if len(self.grid) != len(self.grid_from):
            yield f"grid has {len(self.grid)} steps and grid_from {len(self.grid_from)} times"

    def applied(
        self, side: Floats, entry: Floats, leave: Floats, *, opened: Rows, closed: Rows
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Apply slippage and fees to trades between two prices of candles.

        Parameters
        ----------
        side : ndarray, shape (n,)
            1 long, -1 short.
        entry, leave : ndarray, shape (n,)
            Prices of candles, in USDT.
        opened, closed : ndarray, shape (n,)
            Open times of the candles of entry and exit, ms.

        Returns
        -------
        entry_price, exit_price : ndarray, shape (n,)
            Prices paid.
        gross : ndarray, shape (n,)
            Return before slippage and fees, as a fraction.
        net : ndarray, shape (n,)
            Return after both, as a fraction of the entry notional.

        Raises
        ------
        UntradablePrices
            If a price paid is not a positive number.
        """
        entry_price = entry + side * self.slip(entry, opened)
        exit_price = leave - side * self.slip(leave, closed)
        for before, after in ((entry, entry_price), (leave, exit_price)):
            if len(wrong := np.flatnonzero(~((after > 0) & (after < math.inf)))):
                raise UntradablePrices(
                    f"a trade at {before[wrong[0]]:g} USDT would be filled at {after[wrong[0]]:g} USDT after "
                    "slippage, which is no price: the price step is too large; leave the symbol out"
                )
        ratio = exit_price / entry_price
        net = side * (ratio - 1) - self.fee_entry - self.fee_exit * ratio
        return entry_price, exit_price, side * (leave / entry - 1), net

    def slip(self, price: Floats, open_time: Rows) -> Floats:
        """How much worse than ``price`` a fill is on the candles that open at ``open_time`` (ms), in USDT."""
        share = max(self.slippage, self.spread / 2)
        step: Floats = np.full(len(price), self.tick)
        if self.grid:
            week = np.maximum(np.searchsorted(self.grid_from, open_time, side="right") - 1, 0)
            step = np.maximum(step, np.asarray(self.grid, dtype=np.float64)[week])
        return np.asarray(np.maximum(share * price, step / 2), dtype=np.float64)


def require_tradable_prices(candles: Candles, tick: float | None, weekly: WeeklyTicks) -> None:
    """Raise unless the price step of a series is known and at most ``COARSEST_STEP`` of its prices.

    Parameters
    ----------
    candles : Candles
        At least one.
    tick : float or None
        Price step of the contract, in USDT; None where there is no contract.
    weekly : WeeklyTicks
        Grid of the closes of these candles.

    Raises
    ------
    UntradablePrices
    """
    symbol, most = candles.symbol, f"{COARSEST_STEP * 100:.0f} % of the price"
    if tick is None:
        raise UntradablePrices(
            f"{symbol}: the exchange lists no contract, so its tick and fees are unknown and nothing can be "
            "charged honestly; fetch again without --offline, or leave the symbol out"
        )
    middle = float(np.median(candles.close))
    if not 0 < tick <= COARSEST_STEP * middle:
        raise UntradablePrices(
            f"{symbol}: the contract's tick is {tick:g} USDT at a median price of {middle:g} USDT, "
            f"a tick above 0 and of at most {most} is needed; leave the symbol out"
        )
    worst = int(np.argmax(weekly.step_bps))
    if not weekly.step_bps[worst] <= 1e4 * COARSEST_STEP:
        week = iso(int(weekly.start[worst]))
        raise UntradablePrices(
            f"{symbol}: in the week from {week} prices move in steps of {weekly.step[worst]:g} USDT, "
            f"{weekly.step_bps[worst] / 100:.1f} % of the price, whatever the contract's tick; "
            f"at most {most} is needed; leave the symbol out"
        )


def coarsest_tick_bps(candles: Candles, tick: float | None, grid: Sequence[float]) -> float | None:
    """The largest of the contract's tick and the weekly grid, in basis points of the median close.

    Parameters
    ----------
    candles : Candles
        At least one.
    tick : float or None
        Price step of the contract, in USDT.
    grid : sequence of float
        Steps that the closes were seen to lie on, in USDT.

    Returns
    -------
    float or None
        None where no step is known.
    """
    steps = [step for step in (tick, *grid) if step]
    return max(steps) / float(np.median(candles.close)) * 1e4 if steps else None


def coarse_steps(*, tick_bps: float | None, spread_bps: float | None) -> tuple[str, ...]:
    """Which of tick and spread are above ``COARSE_BPS``, each as words: ``tick 8.0 bp``."""
    steps = (("tick", tick_bps), ("spread", spread_bps))
    return tuple(f"{what} {bps:.1f} bp" for what, bps in steps if bps is not None and bps > COARSE_BPS)


def typical_prices(candles: Candles) -> Floats:
    """(high + low + close) / 3 of every candle, shape (n,), in USDT."""
    _, h, l, c = candles.values[:4]
    typical: Floats = (h + l + c) / 3
    return typical


def mean_prices(candles: Candles) -> Floats:
    """Volume-weighted mean price of every candle, shape (n,), in USDT; NaN where nothing was traded.

    Where the source gives no quote volume, or one that does not fit the candle, the typical price stands in.
    """
    _, h, l = candles.values[:3]
    volume, quote_volume = candles.values[4:6]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = quote_volume / volume
    fits = (mean >= l * (1 - SAME_PRICE)) & (mean <= h * (1 + SAME_PRICE))
    price = np.clip(np.where(fits, mean, typical_prices(candles)), l, h)
    return np.where(volume > 0, price, np.nan)


def knows_mean_prices(candles: Candles) -> bool:
    """Whether the quote volumes say more than the typical price: some sources compute them from it."""
    traded = (candles.values[4] > 0) & (candles.values[1] > candles.values[2])
    if not np.any(traded):
        return False
    typical = typical_prices(candles)[traded]
    mean = candles.values[5][traded] / candles.values[4][traded]
    differs = np.abs(mean / typical - 1) > SAME_PRICE
    fits = (mean >= candles.values[2][traded] * (1 - SAME_PRICE)) & (
        mean <= candles.values[1][traded] * (1 + SAME_PRICE)
    )
    return bool(np.mean(differs & fits) > 0.5)


def executable_entries(
    candles: Candles, mean: Floats, entry: Rows, leave: Rows, side: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Prices at which the trades could have been entered after their signal.

    The volume-weighted mean of the next candle; where that is empty, of the first one with volume before the
    exit candle.  Where there is none, nobody could enter: the worse extreme of the exit candle.

    Parameters
    ----------
    candles : Candles
    mean : ndarray, shape (n,)
        See ``mean_prices``.
    entry, leave : ndarray, shape (m,)
        Rows of the signal candles and of the candles that ended the trades; ``leave`` > ``entry``.
    side : ndarray, shape (m,)
        1 long, -1 short.

    Returns
    -------
    price : ndarray, shape (m,)
        In USDT, before slippage.
    executable : ndarray, shape (m,)
        False where nobody could enter.
    """
    n = len(candles)
    rows = np.where(np.isnan(mean), n, np.arange(n))
    following = np.minimum.accumulate(rows[::-1])[::-1] if n else rows
    first = following[entry + 1] if len(entry) else entry
    executable = (first < leave) | ((first == leave) & (leave == entry + 1))
    worst = np.where(side > 0, candles.values[1][leave], candles.values[2][leave])
    return np.where(executable, mean[np.minimum(first, n - 1)], worst), executable
