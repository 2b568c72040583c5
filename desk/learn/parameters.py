"""Parameters of LightGBM's trees.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from desk.settings import check_settings, outside, outside_above


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
        check_settings("parameters", self, self._problems())

    def _problems(self) -> Iterator[str]:
        for name in ("learning_rate", "feature_fraction", "bagging_fraction"):
            yield from outside_above(self, name, 0, 1)
        yield from outside(self, "num_leaves", 2, 131_072)
        yield from outside(self, "min_data_in_leaf", 1, 1_000_000)
        for name in ("lambda_l2", "path_smooth"):
            # They are searched on a logarithmic scale, which has no zero.
            yield from outside_above(self, name, 0, 1e6)
