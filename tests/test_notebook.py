"""The notebook of the documents, run as a reader would run it."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import train_live_lightgbm
from desk import api
from desk.errors import CandleError, DataError, SettingsError
from desk.market.series.sources import read_synthetic, synthetic_series
from desk.market.series.synthetic import synthesize
from soaks.serving import serving
from tests.house import HOUSE

NOTEBOOK = (HOUSE / "docs" / "notebook.md").read_text()
PLACE = "http://127.0.0.1:8765"
"""Where the notebook's exchange listens; here the port is any that is free."""


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", NOTEBOOK, re.MULTILINE | re.DOTALL)


def test_the_notebook_runs_and_its_figures_are_those_of_the_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that nobody runs is wrong within a month; the figures are compared with ``==``."""
    emulator, training = (shlex.split(block) for block in blocks("sh"))
    monkeypatch.chdir(tmp_path)
    series = synthetic_series(
        read_synthetic(emulator[emulator.index("--synthetic") + 1]), beside=(), now_ms=None
    )
    with serving(series) as exchange:
        command = [part.replace(PLACE, exchange.url) for part in training[2:]]
        assert train_live_lightgbm.main([*command, "--jobs", "1", "--quiet"]) == 0
        names: dict[str, object] = {}
        for block in blocks("python"):
            exec(block.replace(PLACE, exchange.url), names)  # noqa: S102 - the document's own lines

    assert names["figures"]["accuracy"] == names["published"]["accuracy"]  # type: ignore[index]
    assert len(blocks("python")) == 4


@pytest.fixture
def candles() -> pd.DataFrame:
    frame = synthesize("noise", 1, symbol="NOISEUSDT", end=1_767_225_600_000, candles=1_000).frame()
    frame.attrs["symbol"] = "NOISEUSDT"
    return frame


def test_features_are_those_of_training(candles: pd.DataFrame) -> None:
    """A notebook that computes something else than the suite misleads its owner."""
    rows = api.features(candles)

    assert rows.shape == (1_000 - 587, 101)
    assert rows.index[-1] == candles.index[-1]
    assert set(rows.dtypes) == {np.dtype(np.float32)}


def test_labels_end_where_the_future_is_not_known(candles: pd.DataFrame) -> None:
    found = api.labels(candles, horizon=3, threshold=0.001)

    assert found["label"].iloc[-3:].tolist() == [-2, -2, -2]
    assert found["label"].iloc[-4] != -2
    assert (found["known_at"] - found.index == pd.Timedelta("20min")).all()
    close = candles["close"].loc[found.index]
    assert found["move"].iloc[0] == close.iloc[3] / close.iloc[0] - 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda frame: frame.drop(columns="volume"), DataError, "candles without volume"),
        (lambda frame: frame.reset_index(drop=True), DataError, "as index"),
        (lambda frame: frame.iloc[::-1], CandleError, "NOISEUSDT"),
    ],
)
def test_what_is_no_candle_is_refused(
    candles: pd.DataFrame, change: object, error: type[Exception], message: str
) -> None:
    """Features of rows in the wrong order would be plausible, and wrong."""
    assert callable(change)
    with pytest.raises(error, match=message):
        api.features(change(candles))


def test_an_unknown_symbol_is_an_error_before_anything_is_fetched(tmp_path: Path) -> None:
    series = [synthesize("noise", 1, symbol="NOISEUSDT", end=1_767_225_600_000, candles=1_000)]
    with serving(series) as exchange, pytest.raises(SettingsError, match="NOISE2USDT is not among"):
        api.fetch_candles(["NOISE2USDT"], cache_dir=tmp_path, base_url=exchange.url)
    assert not list(tmp_path.glob("*.pkl"))
