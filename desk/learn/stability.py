"""Whether the figures come from the whole block or from one corner of it.

A ``Block`` with its trades comes in; ``Stability`` goes out: accuracy and trades by calendar month (UTC),
by volatility third and by hour, with the worst month or third named.  Pure.

Thirds are those of the block itself, by the volatility of the day before each candle, known at its close.
They describe; nothing is chosen by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from desk.backtest import Trades
from desk.clustered import clustered_mean, share_interval
from desk.learn.trades import BPS, Block
from desk.values import CANDLES_PER_DAY, DOWN, UP, Candles

THIRDS = ("calm", "middle", "volatile")
FEWEST_LABELLED = 100
"""A part with fewer labelled candles is not called the worst by its accuracy."""
LEFT_OUT = -1
HOUR_MS = 3_600_000
FEWEST_TRADES = 10
"""Likewise by its trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The candles of one month or of one volatility third."""

    name: str
    """``2026-01``, one of ``THIRDS``, or an hour, ``14:00``."""
    labelled: int
    accuracy: float | None
    """Share of the labelled candles whose side was called; None without any."""
    accuracy_ci95: tuple[float, float] | None
    trades: int
    win_rate: float | None
    """Share of the trades that earned after costs; None without any."""
    net_bps: float | None
    """Mean per trade, after costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Parts in order: months by time, thirds by volatility."""

    months: tuple[Part, ...]
    thirds: tuple[Part, ...]
    hours: tuple[Part, ...]
    """Of the day, UTC, by the candle's open time."""
    worst_accuracy: str | None
    """Name of the part with the least accuracy; None where every part is too small to say."""
    worst_trades: str | None
    """Name of the part whose trades earned least on average; likewise."""


def stability(block: Block, trades: Trades, volatility: NDArray[np.float64], *, since: int = 0) -> Stability:
    """Look at the parts of a block.

    Parameters
    ----------
    block : Block
    trades : Trades
        Made in the block.
    volatility : ndarray, shape (n,)
        Of each candle of the block, see ``trailing_volatility``.
    since : int
        Row of its first candle that counts.
    """
    times = block.candles.open_time
    counted = np.arange(len(block)) >= since

    def parts(part_of: NDArray[np.int64], names: dict[int, str]) -> tuple[Part, ...]:
        return tuple(_parts(block, trades, np.where(counted, part_of, LEFT_OUT), names))

    month = times.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    third = (
        np.searchsorted(np.quantile(volatility[since:], [1 / 3, 2 / 3]), volatility)
        if since < len(block)
        else np.zeros(len(block), dtype=np.int64)
    )
    months = parts(month, {int(m): _month_name(int(m)) for m in np.unique(month[since:])})
    thirds = parts(third, dict(enumerate(THIRDS)))
    hours = parts(times // HOUR_MS % 24, {hour: f"{hour:02}:00" for hour in range(24)})
    labelled = [part for part in months + thirds if part.labelled >= FEWEST_LABELLED]
    traded = [part for part in months + thirds if part.trades >= FEWEST_TRADES]
    return Stability(
        months=months,
        thirds=thirds,
        hours=hours,
        worst_accuracy=min(labelled, key=lambda part: part.accuracy or 0.0).name if labelled else None,
        worst_trades=min(traded, key=lambda part: part.net_bps or 0.0).name if traded else None,
    )


def trailing_volatility(candles: Candles, *, window: int = CANDLES_PER_DAY) -> NDArray[np.float64]:
    """Root mean square return of the last ``window`` candles up to each, shape (n,): 0.002 is 0.2 % a candle.

    The first ones use what there is; the very first is 0.
    """
    square = np.zeros(len(candles))
    square[1:] = (candles.close[1:] / candles.close[:-1] - 1) ** 2
    total = np.concatenate([[0.0], np.cumsum(square)])
    stop = np.arange(1, len(candles) + 1)
    start = np.maximum(stop - window, 0)
    mean: NDArray[np.float64] = np.maximum(total[stop] - total[start], 0.0) / (stop - start)
    return np.sqrt(mean)


def _parts(block: Block, trades: Trades, part_of: NDArray[np.int64], names: dict[int, str]) -> Iterator[Part]:
    """The part of every key of ``names``, whose candles ``part_of``, shape (n,), says."""
    decided = block.label >= DOWN
    right = (block.probability > 0.5) == (block.label == UP)
    for key, name in names.items():
        here = np.flatnonzero(decided & (part_of == key))
        net = trades.net[part_of[trades.entry] == key]
        calls = right[here].astype(np.float64)
        accuracy = clustered_mean(calls, block.candles.open_time[here]) if len(here) else None
        yield Part(
            name=name,
            labelled=len(here),
            accuracy=accuracy.value if accuracy else None,
            accuracy_ci95=share_interval(accuracy, len(here)) if accuracy else None,
            trades=len(net),
            win_rate=float(np.mean(net > 0)) if len(net) else None,
            net_bps=float(np.mean(net)) * BPS if len(net) else None,
        )


def _month_name(months: int) -> str:
    """``2026-01`` for the months since January 1970."""
    return datetime(1970 + months // 12, months % 12 + 1, 1, tzinfo=UTC).strftime("%Y-%m")
