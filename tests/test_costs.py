"""What a fill costs, and the price at which a trade could have been entered after its signal."""

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.costs import Costs, executable_entries, knows_mean_prices, mean_prices, require_tradable_prices
from desk.errors import DataError, UntradablePrices
from desk.ticks import WEEK_MS, grid_of, weekly_ticks
from desk.values import CANDLE_MS, Candles, frozen

LONG, SHORT = 1.0, -1.0


def traded(rows: list[tuple[float, float, float, float]], mean: list[float]) -> Candles:
    """Candles (open, high, low, close) with the given volume-weighted mean prices; NaN: nothing traded."""
    prices = np.array(rows, dtype=np.float64).T
    volume = np.where(np.isnan(mean), 0.0, 2.0)
    values = np.vstack([prices, volume, np.nan_to_num(volume * np.array(mean))])
    return Candles("BTCUSDT", frozen(np.arange(len(rows), dtype=np.int64) * CANDLE_MS), frozen(values))


def entered(candles: Candles, entry: int, leave: int, side: float) -> tuple[float, bool]:
    price, executable = executable_entries(
        candles, mean_prices(candles), np.array([entry]), np.array([leave]), np.array([side])
    )
    return float(price[0]), bool(executable[0])


EMPTY = float("nan")


@pytest.mark.parametrize(
    ("mean", "leave", "side", "price", "executable"),
    [
        ([100, 101, 102, 103], 2, LONG, 101.0, True),
        ([100, EMPTY, 102, 103], 3, LONG, 102.0, True),  # the next candle with volume before the exit
        ([100, EMPTY, 102, 103], 2, LONG, 105.0, False),  # only the exit candle traded: its worse extreme
        ([100, EMPTY, 102, 103], 2, SHORT, 95.0, False),
        ([100, EMPTY, EMPTY, EMPTY], 3, LONG, 105.0, False),
        ([100, 101, 102, 103], 1, LONG, 101.0, True),  # the exit candle is the next one: horizon 1
    ],
)
def test_a_trade_is_entered_at_the_mean_price_of_the_next_candle(
    mean: list[float], leave: int, side: float, price: float, executable: bool
) -> None:
    """At the close that made the signal nobody can trade; what earns only there is bid-ask bounce."""
    candles = traded([(100, 105, 95, 100)] * 4, mean)

    found, could_enter = entered(candles, 0, leave, side)

    assert found == pytest.approx(price)
    assert could_enter == executable


def test_a_mean_price_outside_its_candle_is_not_believed() -> None:
    """Quote volumes in other units, or none at all, must not become prices."""
    rows = [(100.0, 104.0, 98.0, 101.0)] * 2
    wrong, missing = traded(rows, [5.0, 5.0]), traded(rows, [0.0, 0.0])

    for candles in (wrong, missing):
        assert mean_prices(candles).tolist() == pytest.approx([101.0, 101.0])
        assert not knows_mean_prices(candles)
    assert knows_mean_prices(traded(rows, [99.0, 102.5]))


def test_typical_prices_are_recognised_as_such() -> None:
    """A table must say so where the executable entry is only an estimate."""
    typical = (104.0 + 98.0 + 101.0) / 3

    assert not knows_mean_prices(traded([(100.0, 104.0, 98.0, 101.0)] * 3, [typical] * 3))


def slipped(costs: Costs, price: float, *, at: int = 0) -> float:
    slip: NDArray[np.float64] = costs.slip(np.array([price]), np.array([at]))
    return float(slip[0])


@pytest.mark.parametrize(
    ("costs", "slip"),
    [
        (Costs(tick=0.01, slippage=0.0001, fee_entry=0, fee_exit=0), 0.01),
        (Costs(tick=0.2, slippage=0.0001, fee_entry=0, fee_exit=0), 0.1),
        (Costs(tick=0.01, slippage=0.0001, fee_entry=0, fee_exit=0, spread=0.004), 0.2),
        (Costs(tick=0.01, slippage=0.0001, fee_entry=0, fee_exit=0, grid_from=(0,), grid=(1.0,)), 0.5),
    ],
)
def test_slippage_is_the_largest_of_setting_half_tick_and_half_spread(costs: Costs, slip: float) -> None:
    """A fill never comes cheaper than the book allows."""
    assert slipped(costs, 100.0) == pytest.approx(slip)


def test_the_grid_of_the_week_counts() -> None:
    """A contract whose step was made finer in June was traded on the coarser one in May."""
    costs = Costs(tick=0.01, slippage=0.0, fee_entry=0, fee_exit=0, grid_from=(1_000, 2_000), grid=(1.0, 0.1))

    assert [slipped(costs, 100.0, at=at) for at in (0, 1_000, 1_999, 2_000, 9_000)] == pytest.approx(
        [0.5, 0.5, 0.5, 0.05, 0.05]
    )


@pytest.mark.parametrize(
    ("tick", "side", "price"),
    [
        (2.0, SHORT, 1.0),  # the entry is half a tick lower: at zero
        (3.0, SHORT, 1.0),
        (2.0, LONG, 1.0),  # the exit is
        (0.0, LONG, float("nan")),
    ],
)
def test_a_price_after_costs_that_is_none_ends_the_symbol(tick: float, side: float, price: float) -> None:
    """A tick of 1 USDT was once believed of a price of 0.000007, and every figure after it was absurd."""
    costs = Costs(tick=tick, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0006)
    rows = np.array([0])

    with pytest.raises(UntradablePrices, match="which is no price"):
        costs.applied(np.array([side]), np.array([price]), np.array([price]), opened=rows, closed=rows)
    assert issubclass(UntradablePrices, DataError)


def moving(*weeks: tuple[float, int]) -> Candles:
    """A walk around 10 USDT: for each (weeks, decimal places) its closes are rounded so."""
    week = WEEK_MS // CANDLE_MS
    rng = np.random.default_rng(1)
    closes = [
        np.round(10 + np.cumsum(rng.choice([-0.01, 0.01], round(length * week))), places)
        if places > 1
        else np.round(10 + rng.choice([-0.5, 0.0, 0.5], round(length * week)), places)
        for length, places in weeks
    ]
    close = np.concatenate(closes)
    ones = np.ones(len(close))
    times = frozen(CANDLE_MS * np.arange(len(close), dtype=np.int64))
    return Candles("PLANTUSDT", times, frozen(np.stack([close, close, close, close, ones, ones])))


@pytest.mark.parametrize(
    ("tick", "found"),
    [
        (None, "lists no contract"),
        (0.0, "tick is 0 USDT"),
        (-0.1, "tick is -0.1 USDT"),
        (float("nan"), "tick is nan USDT"),
        (float("inf"), "tick is inf USDT"),
        (1.0, "tick is 1 USDT at a median price of .* at most 1 % of the price is needed"),
    ],
)
def test_a_tick_that_is_unknown_or_too_coarse_is_said(tick: float | None, found: str) -> None:
    """Costs would be invented, so the symbol ends with the reason."""
    candles = moving((2, 2))

    with pytest.raises(UntradablePrices, match=f"PLANTUSDT: .*{found}"):
        require_tradable_prices(candles, tick, weekly_ticks(candles))


def test_one_week_of_coarse_steps_under_a_fine_tick_is_said() -> None:
    """Prices rounded in a part of the history earn there and nowhere else."""
    candles = moving((1, 2), (1, 1), (1, 2))

    with pytest.raises(UntradablePrices, match=r"week from 1970-01-08.* in steps of 0\.5 USDT, 5\.0 %"):
        require_tradable_prices(candles, 0.0001, weekly_ticks(candles))


def test_ordinary_prices_pass_and_are_charged_by_the_week() -> None:
    """The check and the charge read the same grid."""
    candles = moving((2, 2))
    weekly = weekly_ticks(candles)

    require_tradable_prices(candles, 0.01, weekly)
    grid_from, grid = grid_of(candles, weekly)
    costs = Costs(tick=0.0001, slippage=0.0, fee_entry=0, fee_exit=0, grid_from=grid_from, grid=grid)

    assert slipped(costs, 10.0, at=WEEK_MS) == pytest.approx(0.005)
