"""The suite from a notebook: DataFrames in, DataFrames out.

A service that composes rooms, as the doors do.  Candles are DataFrames with the index ``open_time`` (UTC)
and the columns ``open high low close volume quote_volume``; ``attrs["symbol"]`` names their symbol.
Settings that no argument gives are those of ``config.py``.  ``docs/notebook.md`` uses all of it.

Not here: training and trading, which are commands.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from desk.clock import SystemClock
from desk.doors import door
from desk.errors import DataError
from desk.learn.evaluation import last_return, measure
from desk.learn.training import Model, load_model
from desk.market.history.candle_store import CandleStore
from desk.market.history.candles import check_candles
from desk.outcomes import Json
from desk.registry import ModelRegistry
from desk.run_settings import Settings
from desk.settings_files import in_force
from desk.values import COLUMNS, UP, Candles, FeatureSet, LabelledSet


@dataclass(frozen=True, slots=True, eq=False)
class NotebookModel:
    """A published model, opened and checked against its metadata."""

    symbol: str
    metadata: Json
    """All that is known of it, by section: ``verdict``, ``metrics``, ``signals``, …"""
    published: Model
    """What live trading asks."""
    evaluated: Model
    """What the figures of the metadata were measured with: it has not seen the test part."""

    def probabilities(self, rows: pd.DataFrame) -> pd.Series:
        """Probability of up for every row of ``features``, by its open time; of the published model."""
        x = rows.to_numpy(dtype=np.float32)
        return pd.Series(self.published.probabilities(x), index=rows.index, name="probability")


def load_candles(
    symbol: str, *, days: int | None = None, cache_dir: Path | str | None = None
) -> pd.DataFrame:
    """Cached candles of one symbol, as training would load them: ``load_candles("BTCUSDT", days=30)``.

    Parameters
    ----------
    symbol : str
        As the exchange spells it: ``"BTCUSDT"``.
    days : int, optional
        At most the newest so many days; ``days`` of the settings if left out.
    cache_dir : Path or str, optional
        Folder of the caches; that of the settings if left out.

    Raises
    ------
    CacheError
        If there is no cache of ``symbol``, or it is not what it should be.
    """
    fetch = _settings().fetch
    return _frame(CandleStore(Path(cache_dir or fetch.cache_dir)).load(symbol, days or fetch.days))


def fetch_candles(
    symbols: Sequence[str],
    *,
    days: int | None = None,
    cache_dir: Path | str | None = None,
    base_url: str | None = None,
) -> dict[str, pd.DataFrame]:
    """Candles of ``symbols`` up to now; only what the cache lacks is fetched.

    Parameters
    ----------
    symbols : sequence of str
        As the exchange spells them: ``["BTCUSDT", "ETHUSDT"]``.
    days, cache_dir
        As in ``load_candles``.
    base_url : str, optional
        REST address of the exchange; that of the settings if left out.

    Returns
    -------
    dict of str to DataFrame
        Candles by symbol, in the order of ``symbols``.

    Raises
    ------
    SettingsError
        If a symbol is unknown; nothing was fetched.
    DataError
        If a symbol could not be fetched; the others are cached.
    ExchangeError
        If the exchange does not answer.
    """
    fetch = _settings().fetch
    asked = replace(
        fetch,
        symbols=tuple(symbols),
        top=None,
        days=days or fetch.days,
        cache_dir=Path(cache_dir or fetch.cache_dir),
        base_url=base_url or fetch.base_url,
    )
    with ThreadPoolExecutor(1) as beside:  # a notebook runs an event loop of its own in this thread
        report = beside.submit(
            lambda: asyncio.run(door("data_fetcher").fetch_universe(asked, clock=SystemClock()))
        ).result()
    if report.problems:
        raise DataError("; ".join(problem.message for problem in report.problems))
    return {name: load_candles(name, days=asked.days, cache_dir=asked.cache_dir) for name in symbols}


def features(candles: pd.DataFrame) -> pd.DataFrame:
    """Every feature of every candle that has enough history behind it: float32, in model order.

    Raises
    ------
    CandleError
        If ``candles`` are none: off the grid, not increasing, with prices that are not positive, …
    NotEnoughHistory, MissingFeatures
        If there are too few candles, or too many holes in them.
    """
    found = _features(_checked(candles))
    return pd.DataFrame(found.x, index=_times(found.open_time), columns=list(found.names))


def labels(
    candles: pd.DataFrame, *, horizon: int | None = None, threshold: float | None = None
) -> pd.DataFrame:
    """What happened after every candle that has features.

    Parameters
    ----------
    candles : DataFrame
        Finished candles, see above.
    horizon : int, optional
        Candles from the decision to the candle that decides; ``prediction_horizon`` if left out.
    threshold : float, optional
        Smallest move that counts, as a fraction: 0.002 is 0.2 %; ``min_price_change`` if left out.

    Returns
    -------
    DataFrame
        ``label``: 1 up, 0 down, -1 neutral, -2 not known yet; ``move``: the change of the close as a
        fraction, NaN where it is not known; ``known_at``: when the deciding candle closed.
    """
    found = _labels(_checked(candles), horizon=horizon, threshold=threshold)
    columns = {"label": found.label, "move": found.move, "known_at": _times(found.known_at)}
    return pd.DataFrame(columns, index=_times(found.features.open_time))


def open_model(symbol: str, *, models_dir: Path | str | None = None) -> NotebookModel:
    """The newest published model of ``symbol``, if its files belong together and fit this version.

    Raises
    ------
    ModelError
        If it may not be used, and why.
    """
    table = door("ml_feature_engineering")
    registry = ModelRegistry(Path(models_dir or _settings().models_dir))
    names = tuple(feature.name for feature in table.FEATURES)
    found = registry.open_latest(symbol, features=names, contract=table.contract_id())
    evaluated = load_model(registry.evaluated(found.metadata), subject=f"{symbol}: evaluated model")
    published = load_model(found.model, subject=f"{symbol}: {found.model_file}")
    return NotebookModel(symbol, found.metadata, published, evaluated)


def evaluate(model: NotebookModel, candles: pd.DataFrame) -> pd.Series:
    """The guide's figures of ``model`` on labelled candles from its test part on.

    On the candles that it was trained from they are ``metadata["metrics"]``; on newer ones they say how it
    has done since.  What its signals earn after costs stands in ``metadata["signals"]``.

    Parameters
    ----------
    model : NotebookModel
        From ``open_model``.
    candles : DataFrame
        Of the symbol of the model, with the history that features need before the test part.

    Returns
    -------
    Series
        ``n``, ``accuracy`` (the guide's win rate), ``accuracy_ci95``, ``precision``, ``recall``, ``f1``,
        ``auc`` and the other fields of ``desk.learn.evaluation.Metrics``.

    Raises
    ------
    DataError
        If ``candles`` hold no labelled candle of the test part or later.
    """
    of_model, checked = model.metadata["labels"], _checked(candles)
    found = _labels(checked, horizon=of_model["horizon"], threshold=of_model["threshold"])
    part = model.metadata["split"]
    times = pd.DatetimeIndex(_times(found.features.open_time))
    decided = found.decided
    rows = np.flatnonzero(decided & (times >= part["test"]["first"]))
    learned = decided & (times >= part["development"]["first"]) & (times <= part["development"]["last"])
    figures = measure(
        model.evaluated.scores(found.features.x[rows]),
        found.label[rows],
        found.features.open_time[rows],
        last_return(checked, found.features.row[rows]),
        majority=int(2 * np.sum(found.label[learned] == UP) >= np.sum(learned)),
    )
    if figures is None:
        raise DataError(
            f"{model.symbol}: no labelled candle since its test part began at {part['test']['first']}: load "
            "newer candles"
        )
    return pd.Series(asdict(figures), name=model.symbol)


def _settings() -> Settings:
    """Those in force, as the commands have them."""
    return in_force(door("config"), os.environ).training


def _features(candles: Candles) -> FeatureSet:
    learn = _settings().learn
    shares = {"max_missing_share": learn.max_missing_share, "min_feature_share": learn.min_feature_share}
    found: FeatureSet = door("ml_feature_engineering").build_features(candles, **shares)
    return found


def _labels(candles: Candles, *, horizon: int | None, threshold: float | None) -> LabelledSet:
    learn = _settings().learn
    found: LabelledSet = door("ml_feature_engineering").attach_labels(
        _features(candles),
        candles,
        horizon=learn.prediction_horizon if horizon is None else horizon,
        threshold=learn.min_price_change if threshold is None else threshold,
    )
    return found


def _checked(candles: pd.DataFrame) -> Candles:
    """A DataFrame of candles as ``Candles``."""
    if absent := [name for name in COLUMNS if name not in candles]:
        raise DataError(f"candles without {', '.join(absent)}: the columns are {', '.join(COLUMNS)}")
    if not isinstance(candles.index, pd.DatetimeIndex) or candles.index.tz is None:
        raise DataError("candles need their open times, with a time zone, as index: load_candles gives them")
    times = candles.index.as_unit("ms").asi8
    values = np.ascontiguousarray(candles[list(COLUMNS)].to_numpy(dtype=np.float64).T)
    return check_candles(str(candles.attrs.get("symbol", "candles")), times, values)


def _frame(candles: Candles) -> pd.DataFrame:
    frame = candles.frame()
    frame.attrs["symbol"] = candles.symbol
    return frame


def _times(milliseconds: np.typing.NDArray[np.int64]) -> pd.DatetimeIndex:
    """Times in ms as the index of a DataFrame."""
    return pd.DatetimeIndex(pd.to_datetime(milliseconds, unit="ms", utc=True), name="open_time")
