"""Limit orders at the signal's close: only certain fills count, and at what they certainly cost."""

import numpy as np
import pytest

from desk.backtest import Trades, trades_of_sides
from desk.costs import Costs
from desk.learn.resting import resting_entries
from desk.policy import FLAT, LONG, SHORT, TradeRules
from tests.learn.trading import candles_from

COSTS = Costs(tick=0.0, slippage=0.0005, fee_entry=0.0006, fee_exit=0.0006)
RULES = TradeRules(horizon=2, stop_loss=None, take_profit=None)
MAKER_FEE = 0.0002

# Signals at the closes of rows 0, 3, 6 and 9, each 100 USDT; the row behind decides.
PRICES = [
    *[(100.0, 101.0, 99.0, 100.0), (100.0, 102.0, 99.9, 101.0), (101.0, 102.0, 100.0, 101.0)],
    *[(101.0, 101.0, 99.0, 100.0), (100.0, 102.0, 100.0, 101.0), (101.0, 102.0, 100.0, 101.0)],
    *[(101.0, 101.0, 99.0, 100.0), (100.0, 100.1, 98.0, 99.0), (99.0, 99.0, 98.0, 98.0)],
    *[(98.0, 101.0, 97.0, 100.0), (100.0, 100.0, 98.0, 99.0), (99.0, 99.0, 98.0, 98.0)],
]


def traded(sides: dict[int, int], holes: frozenset[int] = frozenset()) -> Trades:
    candles = candles_from(PRICES, holes)
    every = np.full(len(candles), FLAT, dtype=np.int8)
    every[list(sides)] = list(sides.values())
    return trades_of_sides(candles, every, rules=RULES, costs=COSTS)


def test_a_touch_is_no_fill() -> None:
    """At the price itself others stand first in the queue; only a trade beyond it passed through ours."""
    filled, missed = resting_entries(
        traded({0: LONG, 3: LONG, 6: SHORT, 9: SHORT}), COSTS, maker_fee=MAKER_FEE
    )

    assert filled.entry.tolist() == [0, 6]
    assert missed.entry.tolist() == [3, 9]


def test_a_fill_pays_the_makers_fee_and_no_slippage_and_the_exit_is_a_takers() -> None:
    """Slippage on a price that was quoted would hide what resting is worth; an exit at market slips."""
    trades = traded({0: LONG, 6: SHORT})
    filled, _ = resting_entries(trades, COSTS, maker_fee=MAKER_FEE)

    long, short = 101 * (1 - 0.0005) / 100, 98 * (1 + 0.0005) / 100
    assert filled.entry_price.tolist() == [100.0, 100.0]
    assert filled.net.tolist() == pytest.approx(
        [long - 1 - MAKER_FEE - 0.0006 * long, 1 - short - MAKER_FEE - 0.0006 * short]
    )
    assert filled.gross.tolist() == trades.gross.tolist()


def test_nothing_is_filled_by_a_candle_that_is_missing() -> None:
    """Three candles later somebody has cancelled the order."""
    filled, missed = resting_entries(traded({0: LONG}, holes=frozenset({1})), COSTS, maker_fee=MAKER_FEE)

    assert len(filled) + len(missed) == len(traded({0: LONG}, holes=frozenset({1})))
    assert len(filled) == 0
