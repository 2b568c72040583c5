"""What the thresholds earn on all candles, as trading meets them, after costs.

A ``Block`` of candles with the model's probability on each comes in; ``TradeFigures`` go out, made from one
line per UTC day.  The lines are all that the figures need, so figures over many symbols are made from the
lines of each: a day counts as one observation, also when 300 symbols traded on it.  Pure.

Reading order: ``Block``, ``day_lines``, ``figures``, ``pooled``.

Not here: the rules by which trades come about (``desk.policy``), and what follows (``desk.learn.verdict``).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from desk.backtest import Trades
from desk.clustered import DAY_MS, Mean, ratio_of_sums, share_interval
from desk.policy import FLAT, LONG
from desk.values import DOWN, UP, Candles

BPS = 1e4
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of candles with what the models say on each."""

    candles: Candles
    probability: NDArray[np.float64]
    """Shape (n,): of up; NaN where the candle has no features."""
    label: NDArray[np.int8]
    """Shape (n,): ``UNKNOWN`` where the candle has no features."""
    sides: NDArray[np.int8]
    """Shape (n,): what fires at the close of each, ``LONG``, ``SHORT`` or ``FLAT``, in a position or not."""

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, start: int, stop: int) -> "Block":
        """The candles ``start`` to ``stop - 1``."""
        part = slice(start, stop)
        return Block(
            self.candles.rows(start, stop), self.probability[part], self.label[part], self.sides[part]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLine:
    """One UTC day: counts, and sums of returns in basis points.

    A trade belongs to the day on which its signal candle opened.
    """

    date: str
    """ISO 8601: 2026-01-31."""
    candles: int
    fired: int
    """Candles at which a side fired, in a position or not."""
    trades: int
    wins: int
    """Trades that earned after costs."""
    hits: int
    """Trades that earned before costs."""
    labelled: int
    """Trades whose signal candle is labelled up or down."""
    labelled_wins: int
    across_hole: int
    """Trades between whose entry and exit candles are missing."""
    gross_bps: float
    net_bps: float
    executable_gross_bps: float
    """Entered at the next candle's mean price instead of the signal's close, as ``executable_net_bps``."""
    executable_net_bps: float
    gross_squares: float
    """Sum of the squares of what each trade adds to ``gross_bps``; likewise the others."""
    net_squares: float
    executable_gross_squares: float
    executable_net_squares: float
    lost_bps: float
    """What the trades that did not win lost, as a positive number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """All candles of a block, one position at a time.

    Intervals count days, and are None below ``FEWEST_DAYS`` of them.  A figure is None where there is no
    trade.
    """

    candles: int
    fired: int
    coverage: float
    """``fired`` over ``candles``."""
    coverage_ci95: Interval | None
    n: int
    """Trades."""
    win_rate: float | None
    """Share of the trades that earned after costs."""
    win_rate_ci95: Interval | None
    hit_rate: float | None
    """Share that earned before costs."""
    hit_rate_ci95: Interval | None
    n_labelled: int
    """Trades on labelled candles."""
    win_rate_labelled: float | None
    """The guide's win rate: share of these whose label is the side that was taken."""
    win_rate_labelled_ci95: Interval | None
    across_hole: int
    """Trades between whose entry and exit candles are missing."""
    gross_bps: float | None
    """Mean per trade, before slippage and fees."""
    gross_bps_ci95: Interval | None
    net_bps: float | None
    """Mean per trade, after both."""
    net_bps_ci95: Interval | None
    executable_gross_bps: float | None
    """As ``gross_bps``, entered at the next candle's mean price instead of the signal's close."""
    executable_gross_bps_ci95: Interval | None
    executable_net_bps: float | None
    executable_net_bps_ci95: Interval | None
    break_even_win_rate: float | None
    """Loss / (win + loss), with the mean net win and the mean net loss of these trades: the ``win_rate`` at
    which the mean net would be zero.  None where nothing was won or nothing lost."""
    daily: tuple[DayLine, ...]
    """Every day of the block, those without a trade included, in order."""


def labelled_outcomes(block: Block, trades: Trades) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which trades, shape (n,), are on labelled candles, and which of those were right."""
    label = block.label[trades.entry]
    right = label == np.where(trades.side == LONG, UP, DOWN)
    return label >= DOWN, right


def day_lines(block: Block, trades: Trades, *, since: int = 0) -> tuple[DayLine, ...]:
    """One line per UTC day of the block.

    Parameters
    ----------
    block : Block
    trades : Trades
        Made in the block.
    since : int
        Row of its first candle that counts.
    """
    open_time = block.candles.open_time[since:]
    first, last = int(open_time[0]) // DAY_MS, int(open_time[-1]) // DAY_MS
    counted = trades.entry >= since
    candle_day = open_time // DAY_MS - first
    trade_day = trades.opened[counted] // DAY_MS - first
    labelled, right = (which[counted] for which in labelled_outcomes(block, trades))
    gross, net, later_gross, later_net = (
        values[counted] * BPS
        for values in (trades.gross, trades.net, trades.executable_gross, trades.executable_net)
    )
    won = net > 0

    def count(days: NDArray[np.int64], which: NDArray[np.bool_] | None = None) -> list[int]:
        there = np.bincount(days if which is None else days[which], minlength=last - first + 1)
        return [int(number) for number in there]

    def add(values: NDArray[np.float64]) -> list[float]:
        sums = np.bincount(trade_day, weights=values, minlength=last - first + 1)
        return [float(number) for number in sums]

    returns = (gross, net, later_gross, later_net)
    columns = zip(
        [datetime.fromtimestamp(day * 86_400, tz=UTC).date().isoformat() for day in range(first, last + 1)],
        count(candle_day),
        count(candle_day, block.sides[since:] != FLAT),
        count(trade_day),
        count(trade_day, won),
        count(trade_day, gross > 0),
        count(trade_day, labelled),
        count(trade_day, labelled & right),
        count(trade_day, trades.across_hole[counted]),
        *(add(values) for values in returns),
        *(add(values**2) for values in returns),
        add(np.where(won, 0.0, -net)),
        strict=True,
    )
    names = [field.name for field in fields(DayLine)]
    return tuple(DayLine(**dict(zip(names, line, strict=True))) for line in columns)


def pooled(many: Iterable[Sequence[DayLine]]) -> TradeFigures | None:
    """Figures over all trades of many symbols; None when there is no day.

    Symbols move together, so the interval counts the days of the calendar, not days times symbols.
    """
    days: dict[str, list[DayLine]] = defaultdict(list)
    for lines in many:
        for line in lines:
            days[line.date].append(line)
    if not days:
        return None
    return figures(tuple(_together(date, days[date]) for date in sorted(days)))


def _together(date: str, lines: list[DayLine]) -> DayLine:
    names = [field.name for field in fields(DayLine) if field.name != "date"]
    return DayLine(date=date, **{name: sum(getattr(line, name) for line in lines) for name in names})


def figures(daily: Sequence[DayLine]) -> TradeFigures:
    """Figures from the lines of all days, in order."""
    columns = {
        field.name: np.array([getattr(line, field.name) for line in daily], dtype=np.float64)
        for field in fields(DayLine)
        if field.name != "date"
    }
    total = {name: float(np.sum(column)) for name, column in columns.items()}

    def ratio(numerator: str, denominator: str) -> Mean | None:
        if total[denominator] == 0:
            return None
        squares = columns.get(f"{numerator.removesuffix('_bps')}_squares")
        return ratio_of_sums(columns[numerator], columns[denominator], squares)

    def share(mean: Mean | None, of: str) -> Interval | None:
        return share_interval(mean, int(total[of])) if mean else None

    coverage = ratio("fired", "candles")
    win, hit = ratio("wins", "trades"), ratio("hits", "trades")
    right = ratio("labelled_wins", "labelled")
    gross, net = ratio("gross_bps", "trades"), ratio("net_bps", "trades")
    later_gross, later_net = ratio("executable_gross_bps", "trades"), ratio("executable_net_bps", "trades")
    return TradeFigures(
        candles=int(total["candles"]),
        fired=int(total["fired"]),
        coverage=coverage.value if coverage else 0.0,
        coverage_ci95=share(coverage, "candles"),
        n=int(total["trades"]),
        win_rate=win.value if win else None,
        win_rate_ci95=share(win, "trades"),
        hit_rate=hit.value if hit else None,
        hit_rate_ci95=share(hit, "trades"),
        n_labelled=int(total["labelled"]),
        win_rate_labelled=right.value if right else None,
        win_rate_labelled_ci95=share(right, "labelled"),
        across_hole=int(total["across_hole"]),
        gross_bps=gross.value if gross else None,
        gross_bps_ci95=gross.reported() if gross else None,
        net_bps=net.value if net else None,
        net_bps_ci95=net.reported() if net else None,
        executable_gross_bps=later_gross.value if later_gross else None,
        executable_gross_bps_ci95=later_gross.reported() if later_gross else None,
        executable_net_bps=later_net.value if later_net else None,
        executable_net_bps_ci95=later_net.reported() if later_net else None,
        break_even_win_rate=_break_even(total),
        daily=tuple(daily),
    )


def _break_even(total: dict[str, float]) -> float | None:
    """Share of wins at which mean win and mean loss cancel."""
    wins, losses = total["wins"], total["trades"] - total["wins"]
    if wins == 0 or losses == 0:
        return None
    win, loss = (total["net_bps"] + total["lost_bps"]) / wins, total["lost_bps"] / losses
    return loss / (win + loss)
