"""Settings with which no symbol could be trained are refused before the first one is."""

from dataclasses import asdict

import pytest

from desk.errors import SettingsError
from desk.learn.parameters import Parameters
from tests.learn.samples import BASELINE, settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("window_checks", "calibration_bins", "control_symbols", "control_from")),
        *((name, 1.5) for name in ("min_precision_each_side", "min_recall_each_side")),
    ],
)
def test_a_setting_that_would_crash_every_symbol_is_named(name: str, value: float) -> None:
    """300 failures with a traceback each, after an hour of fetching, are no way to learn of a zero."""
    with pytest.raises(SettingsError, match=f"learning: {name} is {value}, must "):
        settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_leaves", 1),
        ("min_data_in_leaf", 0),
        *((name, value) for name in ("feature_fraction", "bagging_fraction") for value in (0.0, 1.1)),
        *((name, value) for name in ("learning_rate", "lambda_l2", "path_smooth") for value in (0.0, -1.0)),
        ("learning_rate", float("nan")),
    ],
)
def test_parameters_that_lightgbm_or_the_search_refuse_are_named(name: str, value: float) -> None:
    """Otherwise a fatal line of LightGBM is all that the user sees."""
    with pytest.raises(SettingsError, match=f"parameters: {name} is "):
        Parameters(**{**asdict(BASELINE), name: value})
