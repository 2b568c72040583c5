"""Parameters of LightGBM's trees.  Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from desk.settings import check_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Parameters of LightGBM's trees; the names are LightGBM's own."""

    learning_rate: float
    num_leaves: int
    min_data_in_leaf: int
    feature_fraction: float
    bagging_fraction: float
    lambda_l2: float
    path_smooth: float

    def __post_init__(self) -> None:
        check_settings("parameters", self._problems())

    def _problems(self) -> Iterator[str]:
        for name, least in (("num_leaves", 2), ("min_data_in_leaf", 1)):
            if not getattr(self, name) >= least:
                yield f"{name} is {getattr(self, name)}, must be at least {least}"
        for name in ("feature_fraction", "bagging_fraction"):
            if not 0 < getattr(self, name) <= 1:
                yield f"{name} is {getattr(self, name)}, must be above 0 and at most 1"
        for name in ("learning_rate", "lambda_l2", "path_smooth"):
            # They are searched on a logarithmic scale, which has no zero.
            if not 0 < getattr(self, name) < math.inf:
                yield f"{name} is {getattr(self, name)}, must be above 0"
