"""What the thresholds earn on all candles, as trading meets them, after costs.

A ``Block`` of candles with the model's probability on each comes in; ``TradeFigures`` go out, made from one
line per UTC day.  The lines are all that the figures need, so figures over many symbols are made from the
lines of each: a day counts as one observation, also when 300 symbols traded on it.  Pure.

Reading order: ``block_of``, ``examine_trades``, ``day_lines``, ``figures``, ``pooled``.

Not here: the rules by which trades come about (``desk.policy``), and what follows (``desk.learn.verdict``).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from desk.costs import Costs
from desk.learn.clustered import DAY_MS, Mean, ratio_of_sums, share_interval
from desk.learn.splits import Rows
from desk.policy import FLAT, LONG, Thresholds, TradeRules, Trades, trades_of
from desk.values import DOWN, UNKNOWN, UP, Candles, LabelledSet, frozen

BPS = 1e4
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of candles with what the model says on each.  Made by ``block_of``."""

    candles: Candles
    start: int
    """Row of its first candle in the whole series."""
    probability: NDArray[np.float64]
    """Shape (n,): of up; NaN where the candle has no features."""
    label: NDArray[np.int8]
    """Shape (n,): ``UNKNOWN`` where the candle has no features."""

    def __len__(self) -> int:
        return len(self.label)


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
    gross_bps: float
    net_bps: float
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
    gross_bps: float | None
    """Mean per trade, before slippage and fees."""
    net_bps: float | None
    """Mean per trade, after both."""
    net_bps_ci95: Interval | None
    break_even_win_rate: float | None
    """Loss / (win + loss), with the mean net win and the mean net loss of these trades: the ``win_rate`` at
    which the mean net would be zero.  None where nothing was won or nothing lost."""
    daily: tuple[DayLine, ...]
    """Every day of the block, those without a trade included, in order."""


def block_of(candles: Candles, labelled: LabelledSet, rows: Rows, probability: NDArray[np.float64]) -> Block:
    """The stretch of ``candles`` from the first to the last of ``rows``.

    Parameters
    ----------
    candles : Candles
        The whole series that ``labelled`` was made from.
    labelled : LabelledSet
    rows : ndarray, shape (m,)
        Positions in ``labelled``, increasing, at least one; candles between them have no features.
    probability : ndarray, shape (m,)
        Of up, for each of ``rows``.
    """
    row = labelled.features.row[rows]
    start, stop = int(row[0]), int(row[-1]) + 1
    spread = np.full(stop - start, np.nan)
    spread[row - start] = probability
    label = np.full(stop - start, UNKNOWN, dtype=np.int8)
    label[row - start] = labelled.label[rows]
    return Block(candles.rows(start, stop), start, frozen(spread), frozen(label))


def examine_trades(block: Block, thresholds: Thresholds, rules: TradeRules, costs: Costs) -> TradeFigures:
    """Trade the block by the policy, and count."""
    return figures(day_lines(block, trades_in(block, thresholds, rules, costs), thresholds))


def trades_in(block: Block, thresholds: Thresholds, rules: TradeRules, costs: Costs) -> Trades:
    """The trades that the policy makes in the block."""
    return trades_of(block.candles, block.probability, thresholds=thresholds, rules=rules, costs=costs)


def labelled_outcomes(block: Block, trades: Trades) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which trades, shape (n,), are on labelled candles, and which of them took the side that came."""
    label = block.label[trades.entry]
    right = label == np.where(trades.side == LONG, UP, DOWN)
    return label >= DOWN, right


def day_lines(block: Block, trades: Trades, thresholds: Thresholds) -> tuple[DayLine, ...]:
    """One line per UTC day from the first to the last candle of the block."""
    open_time = block.candles.open_time
    first, last = int(open_time[0]) // DAY_MS, int(open_time[-1]) // DAY_MS
    candle_day = open_time // DAY_MS - first
    trade_day = candle_day[trades.entry]
    fired = thresholds.sides(block.probability) != FLAT
    labelled, right = labelled_outcomes(block, trades)
    won = trades.net > 0

    def count(days: NDArray[np.int64], which: NDArray[np.bool_] | None = None) -> list[int]:
        counted = np.bincount(days if which is None else days[which], minlength=last - first + 1)
        return [int(number) for number in counted]

    def add(values: NDArray[np.float64]) -> list[float]:
        sums = np.bincount(trade_day, weights=values * BPS, minlength=last - first + 1)
        return [float(number) for number in sums]

    columns = zip(
        [datetime.fromtimestamp(day * 86_400, tz=UTC).date().isoformat() for day in range(first, last + 1)],
        count(candle_day),
        count(candle_day, fired),
        count(trade_day),
        count(trade_day, won),
        count(trade_day, trades.gross > 0),
        count(trade_day, labelled),
        count(trade_day, labelled & right),
        add(trades.gross),
        add(trades.net),
        add(np.where(won, 0.0, -trades.net)),
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
    """Figures from the lines of all days, at least one, in order."""
    columns = {
        field.name: np.array([getattr(line, field.name) for line in daily], dtype=np.float64)
        for field in fields(DayLine)
        if field.name != "date"
    }
    total = {name: float(np.sum(column)) for name, column in columns.items()}

    def ratio(numerator: str, denominator: str) -> Mean | None:
        if total[denominator] == 0:
            return None
        return ratio_of_sums(columns[numerator], columns[denominator])

    def share(mean: Mean | None, of: str) -> Interval | None:
        return share_interval(mean, int(total[of])) if mean else None

    coverage = ratio_of_sums(columns["fired"], columns["candles"])
    win, hit = ratio("wins", "trades"), ratio("hits", "trades")
    right = ratio("labelled_wins", "labelled")
    gross, net = ratio("gross_bps", "trades"), ratio("net_bps", "trades")
    return TradeFigures(
        candles=int(total["candles"]),
        fired=int(total["fired"]),
        coverage=coverage.value,
        coverage_ci95=share_interval(coverage, int(total["candles"])),
        n=int(total["trades"]),
        win_rate=win.value if win else None,
        win_rate_ci95=share(win, "trades"),
        hit_rate=hit.value if hit else None,
        hit_rate_ci95=share(hit, "trades"),
        n_labelled=int(total["labelled"]),
        win_rate_labelled=right.value if right else None,
        win_rate_labelled_ci95=share(right, "labelled"),
        gross_bps=gross.value if gross else None,
        net_bps=net.value if net else None,
        net_bps_ci95=net.reported() if net else None,
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
