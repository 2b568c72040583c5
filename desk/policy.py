"""When to enter, when to leave, and what it costs: one set of rules for evaluation and live trading.

Place in the house: foundation.  A model's probability and candles come in; positions and trades go
out.  Live trading asks candle by candle (``step``), the evaluation asks for a whole stretch at once
(``desk.backtest.trades_of``); both give the very same trades, to the last bit.  Pure.

The rules, for one symbol:

* Signal: at the close of a candle, the probability of up at or above the long threshold, or at or
  below the short one.  A candle without features gives none.
* Entry: a signal opens when flat, at the close of its candle.  A signal in a position is ignored.
* Exit: at the close of the candle ``horizon`` steps (of time) after the signal candle; where that
  candle is missing, at the first one after it that is there.  Earlier at the stop or the take-profit
  that were attached to the order, both measured from the signal candle's close, the only price known
  when the order is sent.  Of a candle that touches both, the stop counts.  A stop that is gapped over
  fills from the candle's open on, a take-profit never better than at its level.  A stop is a market order
  into a falling price: it fills ``stop_overshoot`` of the way from there to the candle's extreme.
* Again: a candle that ended a position, at its close or within it, may open the next one at its
  close: live trading is flat by then and sends both orders at that moment.
* End of data: a position that is still open is no trade, and is not counted.
* Costs: see ``desk.costs``.

Levels are not rounded to the tick here; execution rounds them when it sends them.

Not here: costs, funding, size and leverage (risk).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from desk.costs import Costs
from desk.settings import check_settings
from desk.values import CANDLE_MS

LONG, SHORT, FLAT = 1, -1, 0
"""Sides.  A price moves in favour of a position when side × change is positive."""

Ended = Literal["horizon", "stop", "take_profit"]
ENDED: tuple[Ended, ...] = ("horizon", "stop", "take_profit")
"""What ended a position; ``Trades.ended`` holds positions in this tuple."""
HORIZON, STOP, TAKE_PROFIT = range(3)

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Probabilities of up at which a side fires; None: that side never does."""

    long: float | None
    """At or above it the long side fires."""
    short: float | None
    """At or below it the short side fires."""

    def __post_init__(self) -> None:
        if self.long is not None and self.short is not None and self.short >= self.long:
            raise ValueError(f"short threshold {self.short} is not below the long one, {self.long}")

    def side(self, probability: float) -> int:
        """The side that fires at ``probability``: ``LONG``, ``SHORT`` or ``FLAT``; NaN is ``FLAT``."""
        if self.long is not None and probability >= self.long:
            return LONG
        if self.short is not None and probability <= self.short:
            return SHORT
        return FLAT

    def sides(self, probability: Floats) -> NDArray[np.int8]:
        """``side`` of every element, same shape."""
        fired = np.full(probability.shape, FLAT, dtype=np.int8)
        if self.short is not None:
            fired[probability <= self.short] = SHORT
        if self.long is not None:
            fired[probability >= self.long] = LONG
        return fired


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRules:
    """How long a position is held, and the protection attached to its order."""

    horizon: int
    """Candles from the signal to the close that ends the position."""
    stop_loss: float | None
    """Distance of the stop from the signal candle's close, as a fraction: 0.02 is 2 %; None: no stop."""
    take_profit: float | None
    """Likewise for the take-profit."""
    stop_overshoot: float = 0.0
    """Share of the way from the stop to the candle's extreme at which a stop fills: 0.25 is a quarter."""

    def __post_init__(self) -> None:
        check_settings("trade rules", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if self.horizon < 1:
            yield f"horizon is {self.horizon} candles, must be at least 1"
        for name in ("stop_loss", "take_profit"):
            distance = getattr(self, name)
            if distance is not None and not 0 < distance < 1:
                yield f"{name} is {distance}, must be None or between 0 and 1 as a fraction (0.02 means 2 %)"
        if not 0 <= self.stop_overshoot <= 1:
            yield f"stop_overshoot is {self.stop_overshoot}, must lie between 0 and 1"


@dataclass(frozen=True, slots=True)
class Candle:
    """One finished candle: open time in ms, prices in USDT."""

    open_time: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrade:
    """An open position of one symbol."""

    side: int
    opened: int
    """Open time of the signal candle, ms: the position exists from five minutes later."""
    due: int
    """Open time of the candle whose close ends the position, ms."""
    close: float
    """The signal candle's close: the entry before slippage, and what the levels are measured from."""
    stop: float | None
    take_profit: float | None
    stop_overshoot: float = 0.0
    """See ``TradeRules``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A position that was opened and closed."""

    side: int
    opened: int
    """Open time of the signal candle, ms."""
    closed: int
    """Open time of the candle that ended it, ms."""
    entry_price: float
    """Slippage included, as ``exit_price``."""
    exit_price: float
    gross: float
    """Return before slippage and fees, as a fraction: 0.001 is 10 bp."""
    net: float
    """Return after slippage and fees, as a fraction of the entry notional."""
    ended: Ended


# Candle by candle ---------------------------------------------------------------------------------


def step(
    position: PlannedTrade | None,
    candle: Candle,
    probability: float | None,
    *,
    thresholds: Thresholds,
    rules: TradeRules,
    costs: Costs,
) -> tuple[PlannedTrade | None, Trade | None]:
    """What one finished candle does: perhaps it ends the position, perhaps it opens one, or both.

    Parameters
    ----------
    position : Position or None
        What was held while the candle ran.
    candle : Candle
        Newer than every candle before it.
    probability : float or None
        Of up, at the close of the candle; None or NaN where it has no features.

    Returns
    -------
    Position or None
        What is held from the close of the candle on.
    Trade or None
        The trade that the candle completed.
    """
    trade = None
    if position is not None:
        leave = exit_of(position, candle)
        if leave is None:
            return position, None
        trade = settle(position, *leave, closed=candle.open_time, costs=costs)
    side = FLAT if probability is None else thresholds.side(probability)
    return (None if side == FLAT else open_position(side, candle, rules)), trade


def open_position(side: int, candle: Candle, rules: TradeRules) -> PlannedTrade:
    """The position that a signal of ``side`` at the close of ``candle`` opens.

    Parameters
    ----------
    side : int
        ``LONG`` or ``SHORT``.
    candle : Candle
        Whose close is the entry before slippage.
    rules : TradeRules
    """
    stop, target = levels(_one(side), _one(candle.close), rules)
    return PlannedTrade(
        side=side,
        opened=candle.open_time,
        due=candle.open_time + rules.horizon * CANDLE_MS,
        close=candle.close,
        stop=None if rules.stop_loss is None else stop.item(),
        take_profit=None if rules.take_profit is None else target.item(),
        stop_overshoot=rules.stop_overshoot,
    )


def exit_of(position: PlannedTrade, candle: Candle) -> tuple[float, Ended] | None:
    """Where and why ``candle``, later than the position's own, ends it; None if it does not.

    The price is before slippage.
    """
    far = position.side * math.inf
    stopped, price = touch(
        _one(position.side),
        _one(-far if position.stop is None else position.stop),
        _one(far if position.take_profit is None else position.take_profit),
        _one(candle.open),
        _one(candle.high),
        _one(candle.low),
        position.stop_overshoot,
    )
    if not np.isnan(price.item()):
        return price.item(), ENDED[STOP if stopped.item() else TAKE_PROFIT]
    if candle.open_time >= position.due:
        return candle.close, ENDED[HORIZON]
    return None


def settle(position: PlannedTrade, price: float, ended: Ended, *, closed: int, costs: Costs) -> Trade:
    """The trade that ``position`` became within the candle that opened at ``closed``; see ``exit_of``.

    Parameters
    ----------
    position : PlannedTrade
    price : float
        Of the exit, before slippage, in USDT.
    ended : str
        What ended it, one of ``ENDED``.
    closed : int
        Open time of the candle that ended it, ms.
    costs : Costs
    """
    entry_price, exit_price, gross, net = costs.applied(
        _one(position.side),
        _one(position.close),
        _one(price),
        opened=np.array([position.opened]),
        closed=np.array([closed]),
    )
    return Trade(
        side=position.side,
        opened=position.opened,
        closed=closed,
        entry_price=entry_price.item(),
        exit_price=exit_price.item(),
        gross=gross.item(),
        net=net.item(),
        ended=ended,
    )


def _one(value: float) -> Floats:
    """``value`` as an array of one element: both forms of the policy go through the same formulas."""
    return np.array([value], dtype=np.float64)


def levels(side: Floats, close: Floats, rules: TradeRules) -> tuple[Floats, Floats]:
    """Prices of stop and take-profit; infinitely far where there is none.

    Parameters
    ----------
    side : ndarray, shape (n,)
        1 long, -1 short.
    close : ndarray, shape (n,)
        Of the signal candles, in USDT.
    rules : TradeRules
    """
    stop = math.inf if rules.stop_loss is None else rules.stop_loss
    target = math.inf if rules.take_profit is None else rules.take_profit
    return close * (1 - side * stop), close * (1 + side * target)


def touch(
    side: Floats,
    stop: Floats,
    target: Floats,
    open_: Floats,
    high: Floats,
    low: Floats,
    overshoot: float,
) -> tuple[NDArray[np.bool_], Floats]:
    """Whether a candle touches the stop, and the price at which it ends a position; NaN: it does not.

    Parameters
    ----------
    side : ndarray, shape (n,)
        1 long, -1 short.
    stop, target : ndarray, shape (n,)
        Prices of stop and take-profit, see ``levels``.
    open_, high, low : ndarray, shape (n,)
        Prices of the candle, in USDT.
    overshoot : float
        Share of the way from the stop to the candle's extreme at which a stop fills.
    """
    against, towards = np.where(side > 0, low, high), np.where(side > 0, high, low)
    stopped = side * against <= side * stop
    level = np.where(stopped, side * np.minimum(side * stop, side * open_), against)
    at_stop = level + overshoot * (against - level)
    at_target = np.where(side * towards >= side * target, target, np.nan)
    return stopped, np.where(stopped, at_stop, at_target)
