"""Whether a new model is better than the published one, on days that neither of them has learned.

What was published is the champion; it is scored by itself on the walk's blocks that begin after its last
training candle.  In those blocks the walk's own models and thresholds stand for the recipe of the challenger:
each was made of what lies before its block.  Both are charged the same costs, and are compared day by day.

A published model and a report of the protocol come in; a ``Comparison`` goes out.  Pure.

Not here: what follows from it (``desk.training_run``).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from desk.backtest import trades_of_sides
from desk.clustered import DAY_MS
from desk.learn.evidence import daily_sums
from desk.learn.protocol import SymbolReport
from desk.learn.training import load_model, probability_of
from desk.policy import FLAT, Thresholds, TradeRules
from desk.values import CANDLE_MS, Candles, LabelledSet

Floats = NDArray[np.float64]

FEWEST_COMPARED_DAYS: Final = 14
"""With fewer days the champion stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """A published model, as it is traded."""

    model_file: str
    model: str
    """LightGBM text."""
    thresholds: Thresholds
    """Probabilities of up."""
    rules: TradeRules
    trained_through: int
    """Open time of the last candle that it has learned, ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A challenger beside the champion, on the same days.  Plain values."""

    champion: str
    """Its model file."""
    days: int
    """Whole days of the blocks after the champion's last training candle."""
    champion_bps: float | None
    """What a day earned after costs, on average, in basis points; None without a day."""
    challenger_bps: float | None
    difference_se: float | None
    """Standard error of the mean difference of a day; None below two days."""
    better: bool
    """Whether the challenger earned more on at least ``FEWEST_COMPARED_DAYS`` days."""
    why: str
    """A sentence."""


def compare(report: SymbolReport, labelled: LabelledSet, candles: Candles, champion: Champion) -> Comparison:
    """Trade both on the blocks that the champion has not learned.

    Parameters
    ----------
    report : SymbolReport
        Of the challenger.
    labelled : LabelledSet
        Made from ``candles``.
    candles : Candles
        The whole series.
    champion : Champion

    Raises
    ------
    ModelIncomplete
        If the champion's text is no model.
    """
    times, learned = candles.open_time, champion.trained_through
    blocks = [block for block in report.walk.blocks if int(times[block.first]) > learned]
    if not blocks:
        return _compared(champion, np.empty(0), np.empty(0), days=0)
    first, stop = blocks[0].first, blocks[-1].stop
    stretch = candles.rows(first, stop)
    model = load_model(champion.model, subject=champion.model_file)
    start, end = np.searchsorted(labelled.features.row, [first, stop])
    rows = np.arange(start, end)
    sides = np.full(len(stretch), FLAT, dtype=np.int8)
    sides[labelled.features.row[rows] - first] = champion.thresholds.sides(
        probability_of(model.scores(labelled.features.x[rows]))
    )
    trades = trades_of_sides(stretch, sides, rules=champion.rules, costs=report.costs)
    began, ended = int(stretch.open_time[0]), int(stretch.open_time[-1])
    walked = report.traded.trades
    return _compared(
        champion,
        daily_sums(trades.opened, trades.net, first=began, last=ended).net_bps,
        daily_sums(walked.opened, walked.net, first=began, last=ended).net_bps,
        days=(ended + CANDLE_MS - began) // DAY_MS,
    )


def _compared(champion: Champion, before: Floats, after: Floats, *, days: int) -> Comparison:
    if not days:
        return Comparison(
            champion=champion.model_file,
            days=0,
            champion_bps=None,
            challenger_bps=None,
            difference_se=None,
            better=False,
            why=f"{champion.model_file} stays published: no week lies after what it has learned",
        )
    mean_before, mean_after = float(np.mean(before)), float(np.mean(after))
    figures = f"{mean_after:+.1f} bp a day, the published one {mean_before:+.1f}, on {days} later days"
    enough = days >= FEWEST_COMPARED_DAYS
    better = enough and mean_after > mean_before
    if better:
        why = f"it earned {figures}"
    elif enough:
        why = f"{champion.model_file} stays published: the new one earned {figures}"
    else:
        why = (
            f"{champion.model_file} stays published: the new one earned {figures}, and "
            f"{FEWEST_COMPARED_DAYS} are needed"
        )
    return Comparison(
        champion=champion.model_file,
        days=days,
        champion_bps=mean_before,
        challenger_bps=mean_after,
        difference_se=_standard_error(after - before),
        better=better,
        why=why,
    )


def _standard_error(differences: Floats) -> float | None:
    """Of the mean of ``differences``, one a day."""
    n = len(differences)
    return float(np.std(differences, ddof=1)) / math.sqrt(n) if n > 1 else None
