"""Entries that rest in the book: which of them are filled, and what the missed ones would have earned.

Trades that were entered at the signal's close come in; the same trades as limit orders at that close go out,
those that were filled and those that were not.  Pure.

An order counts as filled only where the next candle trades strictly through its price: at the price itself
others stand first in the queue.  Where the next candle is missing, it is not filled.  A fill pays the
maker's fee and no slippage; the exit is that of the trade, with the taker's fee and slippage.
"""

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from desk.backtest import Trades
from desk.costs import Costs
from desk.values import CANDLE_MS


def resting_entries(trades: Trades, costs: Costs, *, maker_fee: float) -> tuple[Trades, Trades]:
    """The trades entered by limit orders: those that were filled, and those that were missed.

    Parameters
    ----------
    trades : Trades
        Entered at the signal's close.
    costs : Costs
        What they paid; the fee of the exit is taken from it.
    maker_fee : float
        Of the entry notional, a fraction.

    Returns
    -------
    filled : Trades
    missed : Trades
        With the prices and the net that they would have had.
    """
    candles, entry = trades.candles, trades.entry
    _, high, low = candles.values[:3]
    following = entry + 1
    side, close = trades.side.astype(np.float64), candles.close[entry]
    through = np.where(side > 0, low[following] < close, high[following] > close)
    present = candles.open_time[following] - candles.open_time[entry] == CANDLE_MS
    ratio = trades.exit_price / close
    net = side * (ratio - 1) - maker_fee - costs.fee_exit * ratio
    resting = replace(trades, entry_price=close, net=net)
    filled = through & present
    return _those(resting, filled), _those(resting, ~filled)


def _those(trades: Trades, which: NDArray[np.bool_]) -> Trades:
    names = [field.name for field in fields(Trades) if field.name != "candles"]
    return replace(trades, **{name: getattr(trades, name)[which] for name in names})
