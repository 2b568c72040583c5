"""Boosted trees: the only place that knows LightGBM.

Arrays and ``Parameters`` come in; a ``Model`` goes out.  One thread, seeded and deterministic: equal
rows, parameters, rounds, seed and versions give byte-equal model text on one kind of machine.

Reading order: ``Bins`` (rows binned once, trained on many times), ``train`` (a fixed number of
rounds), ``train_with_early_stopping``, ``Model``.

Not here: which parameters and how many rounds, see ``desk.learn.tuning``.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from desk.errors import ModelIncomplete
from desk.learn.model_text import check_model_text
from desk.learn.parameters import Parameters

Features = NDArray[np.float32]
Sides = NDArray[np.int8]
Scores = NDArray[np.float64]

MAX_BIN = 63
"""Bins per feature; LightGBM's 255 cost time and gave nothing on such noisy rows."""
_BINNING = {"max_bin": MAX_BIN, "feature_pre_filter": False, "verbosity": -1, "num_threads": 1}
_CATEGORIES = {"min_data_per_group": 50, "cat_smooth": 30.0, "cat_l2": 10.0, "max_cat_threshold": 4}
"""How categories are split: few at a time, and none on a handful of days."""
LEAVES_PER_HISTORY = 20
"""A leaf never has to hold more than one row in so many: a short history can still split."""


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Labelled rows, binned.  Made by ``bin_rows`` and ``Bins.subset``."""

    dataset: lgb.Dataset
    side: Sides
    """Shape (n,): 1 up, 0 down."""

    def __len__(self) -> int:
        return len(self.side)

    @property
    def base_score(self) -> float:
        """Log-odds of the share of up rows; 0 where one side never occurs."""
        share = float(np.mean(self.side)) if len(self.side) else 0.5
        return math.log(share / (1 - share)) if 0 < share < 1 else 0.0

    def subset(self, rows: NDArray[np.int64]) -> "Bins":
        """The rows at the positions ``rows``, increasing; nothing is binned again."""
        return Bins(self.dataset.subset(rows.tolist()).construct(), self.side[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained model.  Its score of a row is the same alone and in a batch."""

    booster: lgb.Booster

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names, in column order."""
        return tuple(self.booster.feature_name())

    def scores(self, x: Features, rounds: int | None = None) -> Scores:
        """Centred log-odds of up for the rows ``x``, shape (n, features): above 0 the model calls up.

        ``rounds`` uses only so many of the first rounds.
        """
        if len(x) == 0:
            return np.empty(0)
        raw = self.booster.predict(x, raw_score=True, num_iteration=rounds, num_threads=1)
        return np.asarray(raw, dtype=np.float64)

    def probabilities(self, x: Features) -> Scores:
        """Probability of up for the rows ``x``, shape (n, features)."""
        return probability_of(self.scores(x))

    def text(self) -> str:
        """The model as LightGBM's text format."""
        return str(self.booster.model_to_string())

    def gains(self) -> dict[str, float]:
        """Total gain of each feature, largest first, ties by name."""
        gain = self.booster.feature_importance("gain")
        pairs = zip(self.names, (float(value) for value in gain), strict=True)
        return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def probability_of(scores: Scores) -> Scores:
    """Probability of up for centred log-odds, elementwise: what is traded on, in evaluation and live."""
    return np.asarray(1.0 / (1.0 + np.exp(-scores)))


def bin_rows(
    x: Features,
    side: Sides,
    names: Sequence[str],
    *,
    categories: Sequence[str] = (),
    edges_of: Bins | None = None,
) -> Bins:
    """Bin labelled rows for training.

    Parameters
    ----------
    x : ndarray, shape (n, features), float32
    side : ndarray, shape (n,)
        1 up, 0 down.
    names : sequence of str
        Feature names, in column order.
    categories : sequence of str, optional
        Of ``names``, those whose values have no order.
    edges_of : Bins, optional
        Rows whose bin edges are used; without it, edges are found in ``x`` itself.
    """
    dataset = lgb.Dataset(
        x,
        side.astype(np.float32),
        feature_name=list(names),
        categorical_feature=list(categories),
        reference=None if edges_of is None else edges_of.dataset,
        params={**_BINNING, **_CATEGORIES},
    )
    return Bins(dataset.construct(), side)


def train(bins: Bins, parameters: Parameters, *, rounds: int, seed: int) -> Model:
    """Train exactly ``rounds`` trees.

    The base rate of the rows is left out of the model: boosting starts from it, and the trees alone are kept.
    Scores are therefore centred, and 0 (a probability of one half) is the line between the sides, whatever
    share of the training rows went up.

    Parameters
    ----------
    bins : Bins
    parameters : Parameters
    rounds : int
    seed : int
    """
    bins.dataset.set_init_score(np.full(len(bins), bins.base_score))
    booster = lgb.train(
        _lightgbm_parameters(parameters, bins, seed), bins.dataset, rounds, keep_training_booster=True
    )
    return Model(booster)


def train_with_early_stopping(
    bins: Bins,
    parameters: Parameters,
    *,
    validation: Bins,
    num_boost_round: int,
    early_stopping_rounds: int,
    seed: int,
) -> tuple[Model, Scores]:
    """Train until ``early_stopping_rounds`` rounds brought no better log loss on the validation rows.

    Parameters
    ----------
    bins, validation : Bins
        Subsets of one ``Bins``.
    parameters : Parameters
    num_boost_round : int
        Most rounds.
    early_stopping_rounds : int
    seed : int

    Returns
    -------
    Model
        With every tree that was trained, the last ``early_stopping_rounds`` included.
    ndarray, shape (rounds,)
        Log loss on the validation rows after each round.
    """
    for part in (bins, validation):
        part.dataset.set_init_score(np.full(len(part), bins.base_score))
    curve: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        _lightgbm_parameters(parameters, bins, seed),
        bins.dataset,
        num_boost_round,
        valid_sets=[validation.dataset],
        valid_names=["validation"],
        callbacks=[
            lgb.early_stopping(early_stopping_rounds, verbose=False),
            lgb.record_evaluation(curve),
        ],
        keep_training_booster=True,
    )
    return Model(booster), np.asarray(curve["validation"]["binary_logloss"])


def load_model(text: str, *, subject: str) -> Model:
    """A model from LightGBM's text format, whoever wrote it.

    Raises
    ------
    ModelIncomplete
        If the text is not a whole binary LightGBM model; ``subject`` names it.
    """
    try:
        check_model_text(text)
        return model_of(text)
    except (lgb.basic.LightGBMError, ValueError) as exc:
        raise ModelIncomplete(
            f"{subject} is not a whole LightGBM text model ({exc}): train the symbol again"
        ) from exc


def model_of(text: str) -> Model:
    """A model from a text that this process itself made: LightGBM crashes on others."""
    return Model(lgb.Booster(model_str=text))


def _lightgbm_parameters(parameters: Parameters, bins: Bins, seed: int) -> dict[str, Any]:
    """All parameters: nothing is left to LightGBM's defaults that could change a model."""
    values = asdict(parameters)
    leaf = min(parameters.min_data_in_leaf, max(5, len(bins) // LEAVES_PER_HISTORY))
    return {
        **_BINNING,
        **_CATEGORIES,
        **values,
        "min_data_in_leaf": leaf,
        "bagging_freq": 1,
        "objective": "binary",
        "metric": "binary_logloss",
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
    }
