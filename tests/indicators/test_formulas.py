"""Formulas that TA-Lib lacks, against their definitions written down once more, one window at a time."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pytest

from desk.indicators.panel import Panel
from desk.indicators.windows import Array
from ml_feature_engineering import FEATURES
from tests.indicators.markets import market

FEATURE = {feature.name: feature for feature in FEATURES}


class Window(NamedTuple):
    """The candles of one memory, oldest first."""

    o: Array
    h: Array
    l: Array
    c: Array
    v: Array
    q: Array

    @property
    def r(self) -> Array:
        """Log returns, one fewer than candles."""
        return np.diff(np.log(self.c))

    @property
    def up(self) -> Array:
        """Signs of the changes of the close."""
        return np.sign(np.diff(self.c))


def against(first: float, second: float) -> float:
    """The part of the first in both."""
    return float(first / (first + second))


def correlation(x: Array, y: Array) -> float:
    """Pearson's."""
    return float(np.corrcoef(x, y)[0, 1])


def skew(x: Array) -> float:
    """Third standardised moment."""
    return float(((x - x.mean()) ** 3).mean() / x.std() ** 3)


def illiquidity(w: Window, count: int) -> float:
    """Absolute returns per USDT of the last ``count`` candles."""
    return float(np.abs(w.r[-count:]).sum() / w.q[-count:].sum())


PLAIN: dict[str, Callable[[Window], float]] = {
    "return_1": lambda w: math.log(w.c[1] / w.c[0]),
    "return_288": lambda w: math.log(w.c[288] / w.c[0]),
    "return_1_ago_2": lambda w: math.log(w.c[1] / w.c[0]),
    "return_6_ago_6": lambda w: math.log(w.c[6] / w.c[0]),
    "return_12_ago_276": lambda w: math.log(w.c[12] / w.c[0]),
    "normalised_return_12": lambda w: math.log(w.c[-1] / w.c[-13]) / math.sqrt(12 * (w.r**2).mean()),
    "efficiency_8": lambda w: (w.c[-1] - w.c[0]) / np.abs(np.diff(w.c)).sum(),
    "body": lambda w: (w.c[0] - w.o[0]) / (w.h[0] - w.l[0]),
    "upper_wick": lambda w: (w.h[0] - max(w.o[0], w.c[0])) / (w.h[0] - w.l[0]),
    "lower_wick": lambda w: (min(w.o[0], w.c[0]) - w.l[0]) / (w.h[0] - w.l[0]),
    "close_location": lambda w: (2 * w.c[0] - w.h[0] - w.l[0]) / (w.h[0] - w.l[0]),
    "body_balance_6": lambda w: (w.c - w.o).sum() / (w.h - w.l).sum(),
    "direction_balance_24": lambda w: w.up.mean(),
    "unchanged_share_48": lambda w: (w.up == 0).mean(),
    "close_volatility_12": lambda w: math.sqrt((w.r**2).mean()),
    "parkinson_6": lambda w: math.sqrt((np.log(w.h / w.l) ** 2).mean() / (4 * math.log(2))),
    "garman_klass_24": lambda w: math.sqrt(
        (0.5 * np.log(w.h / w.l) ** 2 - (2 * math.log(2) - 1) * np.log(w.c / w.o) ** 2).mean()
    ),
    "rogers_satchell_96": lambda w: math.sqrt(
        (np.log(w.h / w.c) * np.log(w.h / w.o) + np.log(w.l / w.c) * np.log(w.l / w.o)).mean()
    ),
    "volatility_change_6_48": lambda w: against((w.r[-6:] ** 2).mean(), (w.r**2).mean()),
    "range_to_close_96": lambda w: against(
        (np.log(w.h[1:] / w.l[1:]) ** 2).mean() / (4 * math.log(2)), (w.r**2).mean()
    ),
    "downside_share_48": lambda w: (w.r[w.r < 0] ** 2).sum() / (w.r**2).sum(),
    "largest_share_48": lambda w: (w.r**2).max() / (w.r**2).sum(),
    "return_skew_96": lambda w: skew(w.r),
    "autocorrelation_96": lambda w: correlation(w.r[1:], w.r[:-1]),
    "variance_ratio_6_96": lambda w: against(
        (np.log(w.c[6:] / w.c[:-6]) ** 2).mean() / 6, (w.r[-96:] ** 2).mean()
    ),
    "channel_position_288": lambda w: 100 * (w.c[-1] - w.l.min()) / (w.h.max() - w.l.min()),
    "channel_width_288": lambda w: (w.h.max() - w.l.min()) / w.c[-1],
    "sma_slope_20_5": lambda w: w.c[5:].mean() / w.c[:20].mean() - 1,
    "time_correlation_48": lambda w: correlation(w.c, np.arange(48.0)),
    "volume_surprise_12": lambda w: against(w.v[-1], w.v.mean()),
    "volume_change_12_288": lambda w: against(w.v[-12:].mean(), w.v.mean()),
    "volume_against_yesterday_12": lambda w: against(w.v[-12:].mean(), w.v[:12].mean()),
    "volume_unevenness_48": lambda w: w.v.std() / w.v.mean(),
    "zero_volume_share_48": lambda w: (w.v == 0).mean(),
    "directed_surprise_48": lambda w: w.up[-1] * against(w.v[-1], w.v.mean()),
    "volume_balance_24": lambda w: (w.up * w.v[1:]).sum() / w.v[1:].sum(),
    "weighted_return_12": lambda w: (
        (w.r[-12:] * w.v[-12:]).sum() / w.v[-12:].sum() / math.sqrt((w.r**2).mean())
    ),
    "money_flow_20": lambda w: ((2 * w.c - w.h - w.l) / (w.h - w.l) * w.v).sum() / w.v.sum(),
    "vwap_distance_1": lambda w: math.log(w.c[0] / (w.q[0] / w.v[0])),
    "vwap_distance_48": lambda w: math.log(w.c[-1] / (w.q.sum() / w.v.sum())),
    "illiquidity_change_12_288": lambda w: against(illiquidity(w, 12), illiquidity(w, 288)),
    "return_volume_correlation_48": lambda w: correlation(w.r, w.v[1:]),
    "move_volume_correlation_48": lambda w: correlation(np.abs(w.r), w.v[1:]),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_formula_is_its_definition(name: str) -> None:
    """The window operators and the way formulas line series up are easily one candle off."""
    candles = market(("walk", 400), ("jump", 60), ("walk", 40), seed=11)
    memory, values = FEATURE[name].memory, candles.values
    ends = range(memory, len(candles) + 1, 7)

    ours = FEATURE[name].compute(Panel(values, candles.open_time))

    expected = [PLAIN[name](Window(*values[:, end - memory : end])) for end in ends]
    np.testing.assert_allclose(ours[::7], expected, rtol=1e-9, atol=1e-12)


def test_a_run_counts_from_the_newest_candle() -> None:
    """Three rises in a row are 3, the first fall after them is -1, a pause is 0."""
    closes = [10.0] * 12 + [11.0, 12.0, 13.0, 12.5, 12.5]
    values = np.array([closes] * 4 + [[1.0] * len(closes), closes])

    runs = FEATURE["run"].compute(Panel(values, np.arange(len(closes))))

    assert runs.tolist() == [1, 2, 3, -1, 0]


@pytest.mark.parametrize(
    ("moment", "day", "week"),
    [
        (datetime(2024, 1, 4, 0, 0, tzinfo=UTC), 0.0, 0.0),
        (datetime(2024, 1, 4, 6, 0, tzinfo=UTC), 0.25, 0.25 / 7),
        (datetime(2024, 1, 7, 18, 5, tzinfo=UTC), 0.75 + 1 / 288, (3.75 + 1 / 288) / 7),
    ],
)
def test_the_clock_is_utc_and_the_week_begins_on_thursday(moment: datetime, day: float, week: float) -> None:
    """As the days since 1970 do; training and live trading must mean the same hour."""
    open_time = np.array([int(moment.timestamp() * 1000)])
    p = Panel(np.ones((6, 1)), open_time)

    values = [FEATURE[name].compute(p)[0] for name in ("day_sin", "day_cos", "week_sin", "week_cos")]

    angles = [2 * math.pi * day, 2 * math.pi * week]
    expected = [turn(angle) for angle in angles for turn in (math.sin, math.cos)]
    np.testing.assert_allclose(values, expected, atol=1e-12)
