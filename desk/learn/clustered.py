"""Statistics that know that the candles of one day move together.

Values per candle, or their sums per day, come in; means, shares and p-values come out that count days,
not candles.  Pure.

The variance of a mean of clustered values is estimated from the sums of residuals per cluster
(Liang and Zeger 1986, "Longitudinal data analysis using generalized linear models", Biometrika
73(1); Cameron and Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", Journal of
Human Resources 50(2)), with Student's t on days - 1 degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over clustered values and how sure it is."""

    value: float
    se: float
    """Standard error; NaN with fewer than two clusters."""
    clusters: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval; infinite where there are fewer than two clusters."""
        if self.clusters < 2:
            return (-np.inf, np.inf)
        reach = float(stats.t.ppf(0.5 + level / 2, self.clusters - 1)) * self.se
        return (self.value - reach, self.value + reach)

    def lower_bound(self, level: float = 0.95) -> float:
        """One-sided; minus infinity where there are fewer than two clusters."""
        return self.interval(2 * level - 1)[0]

    def t(self) -> float:
        """The mean in units of its standard error; 0 where nothing varies."""
        return self.value / self.se if self.se > 0 else 0.0


def clustered_mean(values: NDArray[np.float64], open_time: NDArray[np.int64]) -> Mean:
    """Mean of ``values``, shape (n,), whose standard error counts UTC days.

    Parameters
    ----------
    values : ndarray, shape (n,)
        At least one value.
    open_time : ndarray, shape (n,)
        Time of each value in ms; values of one UTC day form a cluster.
    """
    _, day = np.unique(open_time // DAY_MS, return_inverse=True)
    mean = float(np.mean(values))
    sums = np.bincount(day, weights=values - mean)
    clusters = len(sums)
    if clusters < 2:
        return Mean(mean, float("nan"), clusters)
    se = float(np.sqrt(clusters / (clusters - 1) * np.sum(sums**2))) / len(values)
    return Mean(mean, se, clusters)


def ratio_of_sums(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> Mean:
    """Mean of values of which only the sums per day are known.

    The same as ``clustered_mean`` of the values themselves.

    Parameters
    ----------
    numerator : ndarray, shape (days,)
        Sum of the values of each day.
    denominator : ndarray, shape (days,)
        How many values the day has; days without any are left out, and there must be one with some.
    """
    there = denominator > 0
    count = float(np.sum(denominator[there]))
    mean = float(np.sum(numerator[there])) / count
    clusters = int(np.sum(there))
    if clusters < 2:
        return Mean(mean, float("nan"), clusters)
    residual = numerator[there] - mean * denominator[there]
    return Mean(mean, float(np.sqrt(clusters / (clusters - 1) * np.sum(residual**2))) / count, clusters)


def share_interval(share: Mean, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a share of ``n`` clustered candles or trades, within [0, 1].

    The exact binomial interval of as many independent trials as the ``n`` clustered ones are worth,
    never more than ``n``.  Where nothing varies (all won, none won) no more is known than that many
    days agree: one trial a day.  With fewer than two days, [0, 1].

    References
    ----------
    Korn and Graubard (1998), "Confidence Intervals for Proportions with Small Expected Number of
    Positive Counts Estimated From Survey Data", Survey Methodology 24(2), 193-201.
    """
    if share.clusters < 2 or n < 2:
        return (0.0, 1.0)
    tail = 0.5 - level / 2
    worth = float(share.clusters)
    if share.se > 0:
        few = stats.t.isf(tail, n - 1) / stats.t.isf(tail, share.clusters - 1)
        worth = min(float(n), share.value * (1 - share.value) / share.se**2 * float(few) ** 2)
    return binomial_interval(share.value * worth, worth, tail=tail)


def binomial_interval(wins: float, n: float, *, tail: float) -> tuple[float, float]:
    """Exact interval of a share after ``wins`` of ``n`` independent trials, ``tail`` left out at each end.

    References
    ----------
    Clopper and Pearson (1934), "The Use of Confidence or Fiducial Limits Illustrated in the Case of
    the Binomial", Biometrika 26(4), 404-413.
    """
    low = float(stats.beta.ppf(tail, wins, n - wins + 1)) if wins > 0 else 0.0
    high = float(stats.beta.isf(tail, wins + 1, n - wins)) if wins < n else 1.0
    return (low, high)


def above_zero(sums: NDArray[np.float64]) -> float | None:
    """One-sided p-value of Student's t test that days earn nothing or lose; small where they earn.

    Parameters
    ----------
    sums : ndarray, shape (days,)
        What each day earned, days on which nothing happened included as zeros: those were days too.

    Returns
    -------
    float or None
        None where the days don't vary, and nothing can be tested.
    """
    if len(sums) < 2 or float(np.ptp(sums)) == 0.0:
        return None
    return float(stats.ttest_1samp(sums, 0.0, alternative="greater").pvalue)
