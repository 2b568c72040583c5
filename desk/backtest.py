"""The trades of a whole stretch of candles at once, by the rules of ``desk.policy``.

Place in the house: foundation.  Candles and the sides that fire at their closes come in; ``Trades`` go out,
the very same, to the last bit, as ``desk.policy.step`` makes one candle after the other.  Only candles that
fire are visited.  Pure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.costs import Costs, executable_entries, mean_prices
from desk.policy import HORIZON, STOP, TAKE_PROFIT, Floats, Rows, Thresholds, TradeRules, levels, touch
from desk.values import CANDLE_MS, Candles


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Trades of one symbol in the order of time, as arrays of shape (n,).  Made by ``trades_of``."""

    candles: Candles
    entry: Rows
    """Rows of the signal candles."""
    leave: Rows
    """Rows of the candles that ended them."""
    side: NDArray[np.int8]
    entry_price: Floats
    """Slippage included, as ``exit_price``."""
    exit_price: Floats
    gross: Floats
    net: Floats
    ended: NDArray[np.int8]
    across_hole: NDArray[np.bool_]
    """Whether candles are missing between entry and exit."""
    executable: NDArray[np.bool_]
    """Whether the trade could have been entered after its signal, see ``desk.costs.executable_entries``."""
    executable_gross: Floats
    """As ``gross``, entered at that price."""
    executable_net: Floats

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def opened(self) -> NDArray[np.int64]:
        """Open times of the signal candles, ms."""
        return self.candles.open_time[self.entry]


def trades_of(
    candles: Candles, probability: Floats, *, thresholds: Thresholds, rules: TradeRules, costs: Costs
) -> Trades:
    """All trades on ``candles``; only candles that fire are visited.

    Parameters
    ----------
    candles : Candles
        One stretch; nothing is held before it.
    probability : ndarray, shape (n,)
        Of up, at the close of each candle; NaN where it has no features.
    """
    return trades_of_sides(candles, thresholds.sides(probability), rules=rules, costs=costs)


def trades_of_sides(candles: Candles, sides: NDArray[np.int8], *, rules: TradeRules, costs: Costs) -> Trades:
    """All trades on ``candles`` where the side that fires at each close is known already.

    Parameters
    ----------
    candles : Candles
        One stretch; nothing is held before it.
    sides : ndarray, shape (n,), int8
        ``LONG``, ``SHORT`` or ``FLAT`` at the close of each candle.
    rules : TradeRules
    costs : Costs
    """
    entry = np.flatnonzero(sides)
    side = sides[entry].astype(np.float64)
    leave, price, ended = _exits(candles, entry, side, rules)
    taken = one_at_a_time(entry, leave)
    taken = taken[leave[taken] < len(candles)]

    side, entry, leave, price = side[taken], entry[taken], leave[taken], price[taken]
    opened, closed = candles.open_time[entry], candles.open_time[leave]
    entry_price, exit_price, gross, net = costs.applied(
        side, candles.close[entry], price, opened=opened, closed=closed
    )
    later, executable = executable_entries(candles, mean_prices(candles), entry, leave, side)
    _, _, executable_gross, executable_net = costs.applied(side, later, price, opened=opened, closed=closed)
    return Trades(
        candles=candles,
        entry=entry,
        leave=leave,
        side=side.astype(np.int8),
        entry_price=entry_price,
        exit_price=exit_price,
        gross=gross,
        net=net,
        ended=ended[taken],
        across_hole=(closed - opened) // CANDLE_MS != leave - entry,
        executable=executable,
        executable_gross=executable_gross,
        executable_net=executable_net,
    )


def one_at_a_time(fired: Rows, free: Rows) -> Rows:
    """Which signals are acted on when a signal in a position is ignored.

    Parameters
    ----------
    fired : ndarray, shape (n,)
        Rows or times of the signals, increasing.
    free : ndarray, shape (n,)
        From where on the position that each would open is over; greater than its ``fired``.

    Returns
    -------
    ndarray, shape (m,)
        Positions in ``fired``, increasing.
    """
    following = np.searchsorted(fired, free).tolist()
    taken = []
    at = 0
    while at < len(following):
        taken.append(at)
        at = following[at]
    return np.array(taken, dtype=np.int64)


def _exits(
    candles: Candles, entry: Rows, side: Floats, rules: TradeRules
) -> tuple[Rows, Floats, NDArray[np.int8]]:
    """Row, price and cause of the exit of a position opened at each of ``entry``; row n: not in the data."""
    open_, high, low, close = candles.values[:4]
    leave = np.searchsorted(candles.open_time, candles.open_time[entry] + rules.horizon * CANDLE_MS)
    price = np.append(close, np.nan)[leave]
    ended = np.full(len(entry), HORIZON, dtype=np.int8)
    if rules.stop_loss is None and rules.take_profit is None:
        return leave, price, ended

    stop, target = levels(side, close[entry], rules)
    held = np.arange(len(entry))
    for ahead in range(1, rules.horizon + 1):
        held = held[entry[held] + ahead <= np.minimum(leave[held], len(candles) - 1)]
        row = entry[held] + ahead
        stopped, filled = touch(
            side[held], stop[held], target[held], open_[row], high[row], low[row], rules.stop_overshoot
        )
        touched = ~np.isnan(filled)
        out = held[touched]
        leave[out], price[out] = row[touched], filled[touched]
        ended[out] = np.where(stopped[touched], STOP, TAKE_PROFIT)
        held = held[~touched]
    return leave, price, ended
