"""Statistics that know that the candles of one day move together.

Values per candle come in with the day each belongs to; means come out with intervals that count
days, not candles.  Pure.

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
