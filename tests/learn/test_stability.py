"""Months and volatility thirds: a corner that carries all figures is named."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from desk.learn.clustered import DAY_MS
from desk.learn.stability import THIRDS, stability, trailing_volatility
from desk.learn.trades import Block, examine_trades, trades_in
from desk.policy import Thresholds
from desk.values import DOWN, UNKNOWN, UP, Candles, frozen
from tests.learn.trading import PLAIN, TAKER, block_on, some_probabilities, walk

THRESHOLDS = Thresholds(long=0.62, short=0.35)


def sixty_days(seed: int) -> Block:
    """From 2023-11-15 to 2024-01-13: three months."""
    return block_on(walk(60 * 288, seed=seed), some_probabilities(60 * 288, seed=seed))


def test_the_parts_add_up_to_the_whole() -> None:
    """Every labelled candle and every trade is in one month and in one third."""
    block = sixty_days(1)
    trades = trades_in(block, THRESHOLDS, PLAIN, TAKER)
    whole = examine_trades(block, THRESHOLDS, PLAIN, TAKER)

    got = stability(block, trades, trailing_volatility(block.candles))

    assert [part.name for part in got.months] == ["2023-11", "2023-12", "2024-01"]
    assert [part.name for part in got.thirds] == list(THIRDS)
    for parts in (got.months, got.thirds):
        assert sum(part.trades for part in parts) == whole.n
        assert sum(part.labelled for part in parts) == np.sum(block.label >= DOWN)
        net = sum(part.trades * (part.net_bps or 0.0) for part in parts)
        assert net == pytest.approx(whole.n * (whole.net_bps or 0.0))
    assert json.dumps(asdict(got), allow_nan=False)


def test_the_month_in_which_the_model_was_blind_is_named() -> None:
    """Always wrong in December, always right elsewhere."""
    block = sixty_days(2)
    december = (block.candles.open_time >= 1_701_388_800_000) & (block.candles.open_time < 1_704_067_200_000)
    right = np.where(block.label == UP, 0.9, 0.1)
    probability = np.where(december, 1 - right, right)
    blind = Block(block.candles, 0, probability, block.label)

    got = stability(blind, trades_in(blind, THRESHOLDS, PLAIN, TAKER), trailing_volatility(block.candles))

    assert got.worst_accuracy == "2023-12"
    assert got.worst_trades == "2023-12"
    assert [part.accuracy for part in got.months] == [1.0, 0.0, 1.0]


def test_too_small_a_part_is_not_called_the_worst() -> None:
    """Three candles of a new month say nothing."""
    block = block_on(walk(300, seed=3), np.full(300, np.nan))

    got = stability(block, trades_in(block, THRESHOLDS, PLAIN, TAKER), trailing_volatility(block.candles))

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

    got = stability(block, trades_in(block, THRESHOLDS, PLAIN, TAKER), trailing_volatility(candles))

    calm, middle, volatile = (part.trades for part in got.thirds)
    assert calm == 0
    assert volatile > 20 * middle  # the first hours of the wild week still have calm ones behind them
