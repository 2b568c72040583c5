"""Months and volatility thirds: a corner that carries all figures is named."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import pytest

from desk.clustered import DAY_MS
from desk.learn.stability import THIRDS, stability, trailing_volatility
from desk.learn.trades import Block
from desk.values import DOWN, UNKNOWN, UP, Candles, frozen
from tests.learn.trading import OUTER, PLAIN, TAKER, block_on, earned, some_probabilities, trades_in, walk


def sixty_days(seed: int) -> Block:
    """From 2023-11-15 to 2024-01-13: three months."""
    return block_on(walk(60 * 288, seed=seed), some_probabilities(60 * 288, seed=seed))


def test_the_parts_add_up_to_the_whole() -> None:
    """Every labelled candle and every trade is in one month and in one third."""
    block = sixty_days(1)
    trades = trades_in(block, PLAIN, TAKER)
    whole = earned(block, PLAIN, TAKER)

    got = stability(block, trades, trailing_volatility(block.candles))

    assert [part.name for part in got.months] == ["2023-11", "2023-12", "2024-01"]
    assert [part.name for part in got.thirds] == list(THIRDS)
    for parts in (got.months, got.thirds):
        assert sum(part.trades for part in parts) == whole.n
        assert sum(part.labelled for part in parts) == np.sum(block.label >= DOWN)
        net = sum(part.trades * (part.net_bps or 0.0) for part in parts)
        assert net == pytest.approx(whole.n * (whole.net_bps or 0.0))
    assert json.dumps(asdict(got), allow_nan=False)


def test_hours_are_those_of_the_day_and_add_up_too() -> None:
    """Funding is paid at fixed hours, and a drift may live in one of them."""
    block = sixty_days(6)
    trades = trades_in(block, PLAIN, TAKER)

    got = stability(block, trades, trailing_volatility(block.candles))

    assert [part.name for part in got.hours[:2]] == ["00:00", "01:00"]
    assert len(got.hours) == 24
    hour = [datetime.fromtimestamp(int(at) / 1000, tz=UTC).hour for at in trades.opened]
    assert [part.trades for part in got.hours] == [hour.count(one) for one in range(24)]


def test_only_what_counts_is_looked_at_from_since_on() -> None:
    """Blocks that are never evidence, and candles before them, have no part in any figure or border."""
    block, since = sixty_days(7), 20 * 288 + 17
    trades = trades_in(block, PLAIN, TAKER)
    volatility = trailing_volatility(block.candles)
    other = volatility.copy()
    other[:since] = 9.0

    got = stability(block, trades, volatility, since=since)

    assert got == stability(block, trades, other, since=since)
    assert [part.name for part in got.months] == ["2023-12", "2024-01"]
    for parts in (got.months, got.thirds, got.hours):
        assert sum(part.trades for part in parts) == np.sum(trades.entry >= since)
        assert sum(part.labelled for part in parts) == np.sum(block.label[since:] >= DOWN)


def test_where_nothing_counts_there_are_no_parts_to_speak_of() -> None:
    """A walk of two blocks has no thresholds yet."""
    block = sixty_days(8)

    got = stability(
        block, trades_in(block, PLAIN, TAKER), trailing_volatility(block.candles), since=len(block)
    )

    assert got.months == ()
    assert sum(part.labelled + part.trades for part in (*got.thirds, *got.hours)) == 0
    assert (got.worst_accuracy, got.worst_trades) == (None, None)


def test_the_month_in_which_the_model_was_blind_is_named() -> None:
    """Always wrong in December, always right elsewhere."""
    block = sixty_days(2)
    december = (block.candles.open_time >= 1_701_388_800_000) & (block.candles.open_time < 1_704_067_200_000)
    right = np.where(block.label == UP, 0.9, 0.1)
    probability = np.where(december, 1 - right, right)
    blind = Block(block.candles, probability, block.label, OUTER.sides(probability))

    got = stability(blind, trades_in(blind, PLAIN, TAKER), trailing_volatility(block.candles))

    assert got.worst_accuracy == "2023-12"
    assert got.worst_trades == "2023-12"
    assert [part.accuracy for part in got.months] == [1.0, 0.0, 1.0]


def test_too_small_a_part_is_not_called_the_worst() -> None:
    """Three candles of a new month say nothing."""
    block = block_on(walk(300, seed=3), np.full(300, np.nan))

    got = stability(block, trades_in(block, PLAIN, TAKER), trailing_volatility(block.candles))

    assert (got.worst_accuracy, got.worst_trades) == (None, None)
    assert got.months[0].accuracy is None
    assert np.all(block.label == UNKNOWN)


def test_volatility_is_the_past_of_each_candle_alone() -> None:
    """Against a plain window, and unchanged by what comes later."""
    candles = walk(900, seed=4)
    returns = np.concatenate([[0.0], candles.close[1:] / candles.close[:-1] - 1])
    plain = [np.sqrt(np.mean(returns[max(0, row - 287) : row + 1] ** 2)) for row in range(900)]

    np.testing.assert_allclose(trailing_volatility(candles), plain)
    np.testing.assert_array_equal(
        trailing_volatility(candles.rows(0, 500)), trailing_volatility(candles)[:500]
    )


def test_the_thirds_are_thirds_by_volatility() -> None:
    """A calm week, a middle one, a wild one."""
    wild = np.repeat([0.0005, 0.002, 0.008], 7 * 288)
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(size=len(wild)) * wild))
    values = np.vstack([np.tile(close, (4, 1)), np.ones((2, len(wild)))])
    candles = Candles("TESTUSDT", frozen(19_000 * DAY_MS + 300_000 * np.arange(len(wild))), frozen(values))
    block = block_on(candles, np.where(wild > 0.005, 0.9, 0.5))

    got = stability(block, trades_in(block, PLAIN, TAKER), trailing_volatility(candles))

    calm, middle, volatile = (part.trades for part in got.thirds)
    assert calm == 0
    assert volatile > 20 * middle  # the first hours of the wild week still have calm ones behind them
