"""What the recipes share: invented candles, the usual features and labels, the usual model, the protocol.

The features are those of tutorials on purpose, raw prices and all: what is shown here is what they do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config import default_settings
from desk.learn.protocol import ContractCosts
from desk.learn.verdict import decide_verdicts
from desk.market.series.facts import price_tick
from desk.market.series.synthetic import synthesize
from desk.outcomes import Json
from desk.values import Candles, frozen
from desk.worker import SymbolJob, train_symbol

END = 1_767_225_600_000
"""Where every series ends: 2026-01-01 00:00 UTC."""
CANDLES = 25_920
"""Of every series: 90 days, half of what is trained by default."""
HORIZON, THRESHOLD = 2, 0.002
"""The guide's label: the close two candles ahead is at least 0.2 % higher, or lower."""
TEST_SHARE = 0.2
ROUND_TRIP_BPS = 12.0
"""A taker's fees of one trade."""
SPREAD_SOURCE = "as invented"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one recipe prints, and what is true."""

    recipe: str
    printed: float
    """Its win rate, a fraction."""
    honest: float
    """That of the same kind of model on candles of which it knew nothing."""
    meaning: str
    """Of ``honest``, as a clause."""
    protocol: str
    """What the suite says of the same candles."""

    def __str__(self) -> str:
        return (
            f"{self.recipe}\n  the recipe prints     {100 * self.printed:5.1f} %\n"
            f"  asked honestly        {100 * self.honest:5.1f} %  {self.meaning}\n"
            f"  the suite says        {self.protocol}\n"
        )


def noise(seed: int) -> Candles:
    """A random walk."""
    return synthesize("noise", seed, symbol=f"NOISE{seed}USDT", end=END, candles=CANDLES)


def mixed(market: Candles, own: Candles, *, share: float) -> Candles:
    """A coin of which ``share`` of every move is the market's, and the rest its own; both are random walks.

    Parameters
    ----------
    market, own : Candles
        Of equal times.
    share : float
        Between 0 and 1.
    """
    shared_log, own_log = (np.log(one.values[:4]) for one in (market, own))  # noqa: PD011 - no pandas
    prices, volume = np.exp(share * shared_log + (1 - share) * own_log), own.values[4]  # noqa: PD011 - as above
    values = np.concatenate([prices, [volume, volume * prices[1:].mean(axis=0)]])
    return Candles(own.symbol, own.open_time, frozen(values))


def frame(candles: Candles) -> pd.DataFrame:
    """Candles as a DataFrame."""
    names = ("open", "high", "low", "close", "volume", "quote_volume")
    index = pd.to_datetime(candles.open_time, unit="ms")
    return pd.DataFrame(dict(zip(names, candles.values, strict=True)), index=index)


def usual_features(candles: pd.DataFrame, *, scale_free: bool = False) -> pd.DataFrame:
    """Returns, moving averages, deviations, extremes, volume, hour: what every tutorial computes.

    Parameters
    ----------
    candles : DataFrame
    scale_free : bool
        Averages and extremes as distances from the close, and nothing that is a level.
    """
    close, high, low, volume = (candles[name] for name in ("close", "high", "low", "volume"))
    found = pd.DataFrame(index=candles.index)
    for k in (1, 2, 3, 5, 10, 20):
        found[f"return_{k}"] = close.pct_change(k)
    for k in (10, 50, 200):
        levels = {"mean": close.rolling(k).mean(), "high": high.rolling(k).max(), "low": low.rolling(k).min()}
        for name, level in levels.items():
            found[f"{name}_{k}"] = level / close - 1 if scale_free else level
        found[f"deviation_{k}"] = close.pct_change().rolling(k).std()
    found["hour"] = pd.DatetimeIndex(candles.index).hour
    if not scale_free:
        found["close"], found["volume_200"] = close, volume.rolling(200).mean()
        found["obv"] = (np.sign(close.diff()) * volume).cumsum()
    return found


def moves(candles: pd.DataFrame) -> pd.Series:
    """Change of the close within the horizon, a fraction; NaN at the end."""
    return candles["close"].shift(-HORIZON) / candles["close"] - 1


def labelled_rows(features: pd.DataFrame, move: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rows that have all features and a move beyond the threshold, and whether that was up."""
    keep = features.notna().all(axis=1).to_numpy() & (move.abs() >= THRESHOLD).to_numpy()
    return features[keep].to_numpy(np.float64), move[keep].to_numpy() > 0


def fitted(
    x: NDArray[np.float64], up: NDArray[np.bool_], *, leaves: int = 255, rounds: int = 400, seed: int = 0
) -> lgb.Booster:
    """A LightGBM classifier of the size that tutorials use.

    Parameters
    ----------
    x, up : ndarray
        Rows and labels.
    leaves, rounds, seed : int
        Of LightGBM.
    """
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "min_child_samples": 5,
        "learning_rate": 0.05,
        "feature_fraction": 0.5,
        "verbosity": -1,
        "num_threads": 1,
        "seed": seed,
    }
    return lgb.train(parameters, lgb.Dataset(x, up.astype(float)), rounds)


def win_rate(model: lgb.Booster, x: NDArray[np.float64], up: NDArray[np.bool_]) -> float:
    """Share of the rows whose direction is called."""
    return float(np.mean((np.asarray(model.predict(x)) > 0.5) == up))


def examined(series: Sequence[Candles], *, spread_bps: float | None = None) -> str:
    """What the protocol says of candles that are trained together, with the settings of ``config.py``.

    Parameters
    ----------
    series : sequence of Candles
    spread_bps : float, optional
        Distance of bid and ask; a tick if left out.
    """
    settings = default_settings({})
    learn = replace(settings.learn, n_trials=2)  # the search finds nothing in noise, and takes longest
    found = []
    for candles in series:
        tick = price_tick(candles).size
        spread = 1e4 * tick / float(candles.close[-1]) if spread_bps is None else spread_bps
        costs = ContractCosts(
            tick=tick,
            taker_fee=0.0006,
            maker_fee=0.0002,
            spread_bps=spread,
            spread_source=SPREAD_SOURCE,
            turnover=1e9,
        )
        job = SymbolJob(candles, replace(settings, learn=learn).model, costs, control=False)
        found.append(train_symbol(job))
    verdicts = decide_verdicts([one.evidence.examination for one in found], (), learn.verdict)
    tradable = sum(verdict.tradable for verdict in verdicts)
    rates = ", ".join(_rate(one.trained.metadata["metrics"]) for one in found)
    reason = next((verdict.reasons[0].partition(":")[0] for verdict in verdicts if verdict.reasons), "")
    return f"win rate {rates}; {tradable} of {len(found)} tradable" + (f" ({reason})" if reason else "")


def _rate(metrics: Json) -> str:
    low, high = metrics["accuracy_ci95"]
    return f"{100 * metrics['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
