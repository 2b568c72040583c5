"""The trade statistics that traders know, each with its definition.

Trades and the net of every day come in; ``TradeStatistics`` go out, or the trades as the text of a CSV file.
Pure.  Returns are in basis points of the entry notional, and every trade has the same notional: days are sums
of trades, nothing is compounded.  The risk-free rate is 0, and a year has 365 days: the market never closes.

Reading order: ``TradeRow``, ``trade_rows``, ``trade_statistics``, ``trades_csv``.

Not here: intervals and what follows from them (``desk.learn.trades``, ``desk.learn.verdict``).
"""

import csv
import io
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from desk.backtest import Trades
from desk.clustered import FEWEST_DAYS
from desk.learn.trades import BPS, DayLine
from desk.policy import ENDED, LONG, Ended
from desk.values import CANDLE_MS, iso

DAYS_PER_YEAR = 365
MOST_ROWS = 20_000
"""Rows of a CSV file at most: some 3 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRow:
    """One closed trade; the fields are the columns of the CSV file."""

    opened: int
    """Time of the entry: the close of the signal candle, ms."""
    closed: int
    """Time of the exit: the close of the candle that ended the trade, ms."""
    side: Literal["long", "short"]
    entry: float
    """Price in USDT, slippage included, as ``exit``."""
    exit: float
    gross_bps: float
    """Before slippage and fees."""
    net_bps: float
    """After both."""
    executable_gross_bps: float | None
    """Entered at the next candle's mean price instead; None where that candle is missing."""
    executable_net_bps: float | None
    ended: Ended
    """What ended it."""
    block: int
    """Number of the block of the walk in which it was opened, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeGroup:
    """The trades of one side, or those that one thing ended."""

    n: int
    win_rate: float | None
    """Share with a net above 0; None without a trade."""
    net_bps: float | None
    """Mean per trade; None without a trade."""
    profit_factor: float | None
    """As of all trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of the sum of all days below an earlier high."""

    bps: float
    """Depth, as a positive number of basis points of the notional."""
    peak: str | None
    """Day at whose end the high was reached, ISO 8601; None: the sum of 0 before the first day."""
    trough: str
    """Day at whose end the sum was lowest."""
    recovered: str | None
    """First day after it at whose end the high was reached again; None: not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """What a trader looks at first.  A figure is None where its definition divides by nothing.

    The ratios of days (Sharpe, Sortino, Calmar) are None with fewer than ``FEWEST_DAYS`` days with a trade: a
    year is not known from three trades.
    """

    n: int
    """Trades."""
    profit_factor: float | None
    """Sum of the nets of winning trades over the sum of the losses of losing ones; None without a loss."""
    sharpe: float | None
    """Mean of the daily sums over their standard deviation (n - 1), times √365; None where the
    days do not vary."""
    sortino: float | None
    """Mean of the daily sums over their downside deviation (root of the mean of min(day, 0)²), times √365;
    None without a losing one."""
    calmar: float | None
    """365 times the mean of the daily sums over the depth of the largest drawdown; None without
    a drawdown."""
    max_drawdown: Drawdown | None
    """The deepest one, the first of several equal ones; None where the sum never fell."""
    longest_losing_streak: int
    """Most trades in a row, by the time at which they were closed, with a net below 0."""
    winning_days: int
    """Days with a sum above 0; days that sum to 0, such as those without a trade, are neither."""
    losing_days: int
    """Days with a sum below 0."""
    sides: dict[str, TradeGroup]
    """By ``long`` and ``short``."""
    ended: dict[str, TradeGroup]
    """By what ended the trade: ``horizon``, ``stop``, ``take_profit``."""


def trade_rows(trades: Trades, *, blocks: NDArray[np.int64]) -> tuple[TradeRow, ...]:
    """The trades of one stretch of candles as rows, in order.

    Parameters
    ----------
    trades : Trades
    blocks : ndarray, shape (len(trades),)
        Number of the block of the walk in which each was opened.
    """
    times = trades.candles.open_time
    return tuple(
        TradeRow(
            opened=int(times[trades.entry[at]]) + CANDLE_MS,
            closed=int(times[trades.leave[at]]) + CANDLE_MS,
            side="long" if trades.side[at] == LONG else "short",
            entry=float(trades.entry_price[at]),
            exit=float(trades.exit_price[at]),
            gross_bps=float(trades.gross[at]) * BPS,
            net_bps=float(trades.net[at]) * BPS,
            executable_gross_bps=float(trades.executable_gross[at]) * BPS if trades.executable[at] else None,
            executable_net_bps=float(trades.executable_net[at]) * BPS if trades.executable[at] else None,
            ended=ENDED[int(trades.ended[at])],
            block=int(blocks[at]),
        )
        for at in range(len(trades))
    )


def trade_statistics(trades: Sequence[TradeRow], daily: Sequence[DayLine]) -> TradeStatistics:
    """The statistics of the trades and of the days on which they were made.

    Parameters
    ----------
    trades : sequence of TradeRow
        In any order.
    daily : sequence of DayLine
        Every day of the stretch, those without a trade included, in order.

    References
    ----------
    Sharpe (1994), "The Sharpe Ratio", Journal of Portfolio Management 21(1), 49-58.
    Sortino and Price (1994), "Performance Measurement in a Downside Risk Framework", Journal of Investing
    3(3), 59-64.
    Young (1991), "Calmar Ratio: A Smoother Tool", Futures 20(1), 40.
    """
    days = np.array([line.net_bps for line in daily], dtype=np.float64)
    drawdown = _max_drawdown(daily)
    enough = sum(line.trades > 0 for line in daily) >= FEWEST_DAYS
    mean = float(np.mean(days)) if enough else None
    spread = float(np.std(days, ddof=1)) if enough and np.ptp(days) > 0 else None
    downside = float(np.sqrt(np.mean(np.minimum(days, 0.0) ** 2))) if enough else None
    year = math.sqrt(DAYS_PER_YEAR)
    by_close = sorted(trades, key=lambda trade: (trade.closed, trade.opened))
    runs = [len(list(run)) for lost, run in itertools.groupby(by_close, lambda one: one.net_bps < 0) if lost]
    return TradeStatistics(
        n=len(trades),
        profit_factor=_profit_factor(trades),
        sharpe=mean / spread * year if mean is not None and spread else None,
        sortino=mean / downside * year if mean is not None and downside else None,
        calmar=mean * DAYS_PER_YEAR / drawdown.bps if mean is not None and drawdown else None,
        max_drawdown=drawdown,
        longest_losing_streak=max(runs, default=0),
        winning_days=int(np.sum(days > 0)),
        losing_days=int(np.sum(days < 0)),
        sides={side: _group(one for one in trades if one.side == side) for side in ("long", "short")},
        ended={reason: _group(one for one in trades if one.ended == reason) for reason in ENDED},
    )


def _group(trades: Iterable[TradeRow]) -> TradeGroup:
    found = list(trades)
    nets = [one.net_bps for one in found]
    return TradeGroup(
        n=len(nets),
        win_rate=sum(net > 0 for net in nets) / len(nets) if nets else None,
        net_bps=math.fsum(nets) / len(nets) if nets else None,
        profit_factor=_profit_factor(found),
    )


def _profit_factor(trades: Iterable[TradeRow]) -> float | None:
    nets = [one.net_bps for one in trades]
    lost = -math.fsum(net for net in nets if net < 0)
    return math.fsum(net for net in nets if net > 0) / lost if lost > 0 else None


def _max_drawdown(daily: Sequence[DayLine]) -> Drawdown | None:
    total = np.cumsum([0.0, *(line.net_bps for line in daily)])
    highest = np.maximum.accumulate(total)
    trough = int(np.argmax(highest - total))
    depth = float(highest[trough] - total[trough])
    if depth <= 0:
        return None
    peak = int(np.argmax(total[: trough + 1]))
    again = np.flatnonzero(total[trough:] >= highest[trough])
    return Drawdown(
        bps=depth,
        peak=daily[peak - 1].date if peak else None,
        trough=daily[trough - 1].date,
        recovered=daily[trough + int(again[0]) - 1].date if len(again) else None,
    )


def trades_csv(trades: Sequence[TradeRow], *, most: int = MOST_ROWS) -> str:
    """The trades as CSV, oldest first: one column per field of ``TradeRow``, times as ISO 8601 in UTC.

    Prices and returns keep all their digits, so that other fees or another slippage can be charged without a
    training.  What is None is an empty cell.

    Parameters
    ----------
    trades : sequence of TradeRow
        In any order.
    most : int
        Rows at most: of more trades, the newest are kept.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(TradeRow)])
    for trade in sorted(trades, key=lambda one: (one.opened, one.closed))[-most:]:
        row = asdict(trade) | {"opened": iso(trade.opened), "closed": iso(trade.closed)}
        writer.writerow(["" if value is None else value for value in row.values()])
    return text.getvalue()
