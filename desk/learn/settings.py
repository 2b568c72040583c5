"""The settings of the learning stages, with their units and checks.  Values: ``config.py``.

``LearnSettings`` comes in from a door and is handed on unchanged; nothing here has a default, so
that every value is seen in one place.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from desk.learn.parameters import Parameters
from desk.learn.thresholds import ThresholdRules
from desk.learn.verdict import VerdictRules
from desk.settings import check_settings, outside

LARGEST_MOVE = 0.1
"""A larger one is a percentage that was written for a fraction: candles move by it once in years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSettings:
    """How a signal is traded, in the evaluation as live.  Fractions: 0.02 is 2 %."""

    stop_loss: float | None
    """Distance of the protective stop from the signal's close; None: no stop."""
    take_profit: float | None
    """Likewise of a take-profit."""
    slippage: float
    """How much worse than the close a fill is, per side; never less than half a tick or half the spread."""
    stop_overshoot: float
    """Share of the way from the stop to the candle's extreme at which a stop fills."""
    max_spread_ratio: float
    """Nothing is opened while bid and ask are farther apart than so many times the spread that trades were
    charged in the evaluation."""
    taker_fee: float
    """Per side, where the contract data of the exchange lack it."""
    maker_fee: float
    """Likewise."""

    def __post_init__(self) -> None:
        check_settings("trading", self, self._problems())

    def _problems(self) -> Iterator[str]:
        for name in ("stop_loss", "take_profit"):
            distance = getattr(self, name)
            if distance is not None and not 0 < distance < 1:
                yield f"{name} is {distance}, must be None or lie between 0 and 1 as a fraction"
        if not 0 <= self.stop_overshoot <= 1:
            yield f"stop_overshoot is {self.stop_overshoot}, must lie between 0 and 1"
        if not self.max_spread_ratio >= 1:
            yield f"max_spread_ratio is {self.max_spread_ratio}, must be at least 1"
        for name in ("slippage", "taker_fee", "maker_fee"):
            if not 0 <= getattr(self, name) < 0.1:
                yield f"{name} is {getattr(self, name)}, must lie between 0 and 0.1 as a fraction"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSettings:
    """From labels to a model.  Shares and moves are fractions: 0.002 is 0.2 %."""

    prediction_horizon: int
    """Candles from the decision to the close that decides."""
    min_price_change: float
    """Smallest move of the close that is labelled up or down; smaller ones are neutral."""
    min_samples: int
    """Candles that a symbol needs at least."""
    min_labels: int
    """Labelled development candles that a symbol needs at least."""
    max_missing_share: float
    """A row has no features when more than this share of its window is missing."""
    min_feature_share: float
    """Share of the rows with enough history that must have usable features."""
    test_share: float
    """Share of the candles at the end on which a model is evaluated, once per run."""
    n_folds: int
    """Walk-forward validation blocks inside the development part."""
    first_share: float
    """Share of the development part that is only ever trained on."""
    n_trials: int
    """Optuna trials per symbol; the first is the baseline."""
    trial_boost_round: int
    """Boosting rounds of an ordinary trial."""
    num_boost_round: int
    """Most boosting rounds of the fit that sets the published rounds, and of baseline and finalist."""
    early_stopping_rounds: int
    """Rounds without a better log loss on the last fold's validation block after which the fit that sets the
    published rounds stops."""
    search_early_stopping_rounds: int
    """Likewise where baseline and finalist are compared."""
    min_boost_round: int
    """Fewest rounds of a published model."""
    min_precision_each_side: float
    """Trials below this precision on either side are infeasible."""
    min_recall_each_side: float
    """Trials below this recall on either side are infeasible."""
    n_seeds: int
    """Members of a published model, one per seed; their scores are averaged."""
    walk_first_share: float
    """Share of the candles before the first block of the walk."""
    walk_seeds: int
    """Members of the walk's models, the last two aside, which have ``n_seeds``."""
    significance: float
    """Chance, over all trials together, of preferring tuned parameters that are no better."""
    refit_on_all: bool
    """Publish a model trained on all candles with the recipe that was evaluated."""
    keep_studies: bool
    """Keep every symbol's trials as an Optuna journal beside the models."""
    window_checks: int
    """Rows per symbol whose features are computed again from their own window alone, to be equal."""
    calibration_bins: int
    """Rows of the reliability table."""
    control_symbols: int
    """Symbols per run whose model is also trained on labels of other days, as a control."""
    control_from: int
    """Smallest run, in symbols, that has a control."""
    thresholds: ThresholdRules
    trading: TradingSettings
    verdict: VerdictRules
    baseline: Parameters
    """The fixed sensible set that tuning has to beat."""

    def __post_init__(self) -> None:
        check_settings("learning", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if self.prediction_horizon < 1:
            yield f"prediction_horizon is {self.prediction_horizon} candles, must be at least 1"
        if not 0 < self.min_price_change < LARGEST_MOVE:
            yield (
                f"min_price_change is {self.min_price_change:g}, must be above 0 and below {LARGEST_MOVE:g}, "
                "as a fraction (0.002 means 0.2 %)"
            )
        for name in (
            "min_samples",
            "min_labels",
            "n_trials",
            "num_boost_round",
            "early_stopping_rounds",
            "search_early_stopping_rounds",
            "n_seeds",
            "walk_seeds",
            "control_symbols",
            "control_from",
        ):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, must be at least 1"
        for name in ("max_missing_share", "test_share", "first_share", "walk_first_share", "significance"):
            if not 0 < getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, must lie between 0 and 1"
        for name in ("min_feature_share", "min_precision_each_side", "min_recall_each_side"):
            yield from outside(self, name, 0, 1)
        yield from outside(self, "window_checks", 1, 100_000, unit="rows")
        yield from outside(self, "calibration_bins", 2, 1_000)
        if self.n_folds < 3:
            yield f"n_folds is {self.n_folds}, must be at least 3"
        if not 1 <= self.min_boost_round <= self.num_boost_round:
            yield f"min_boost_round is {self.min_boost_round}, must lie between 1 and num_boost_round"
        if not 1 <= self.trial_boost_round <= self.num_boost_round:
            yield f"trial_boost_round is {self.trial_boost_round}, must lie between 1 and num_boost_round"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Every setting that can change the model of a symbol, and nothing that cannot."""

    learn: LearnSettings
    days: int
    """Length of the candle history."""
    seed: int
    """The one seed of every random choice."""

    def as_json(self) -> dict[str, object]:
        """The settings as the metadata record them: those of ``learn``, then ``days`` and ``seed``."""
        return {**asdict(self.learn), "days": self.days, "seed": self.seed}

    def fingerprint(self) -> str:
        """Short hash of ``as_json``, by which the ledger knows that two evaluations had equal settings."""
        return _short_hash(self.as_json())

    def explored_fingerprint(self) -> str:
        """Short hash of what ``--explore`` chooses by: horizon, threshold and days."""
        learn = self.learn
        return _short_hash(
            {"horizon": learn.prediction_horizon, "threshold": learn.min_price_change, "days": self.days}
        )


def _short_hash(values: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreSettings:
    """What ``--explore`` measures, of which symbols, and how thoroughly."""

    horizons: tuple[int, ...]
    """Candles, increasing."""
    symbols: int
    """How many symbols, those with the largest turnover, where none are named."""
    n_seeds: int
    """Members whose scores are averaged, in every cell."""
    fewer_trades_beyond: int
    """Horizon beyond which a threshold needs proportionally fewer labelled trades than in training: of trades
    that last four hours, half a year holds few."""

    def __post_init__(self) -> None:
        check_settings("explore", self, self._problems())

    def _problems(self) -> Iterator[str]:
        horizons = self.horizons
        if not horizons or horizons[0] < 1 or list(horizons) != sorted(set(horizons)):
            yield f"horizons are {horizons}, must increase and be at least 1 candle"
        for name in ("symbols", "n_seeds", "fewer_trades_beyond"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, must be at least 1"

    def cells(self, learn: LearnSettings) -> tuple[LearnSettings, ...]:
        """The settings of every cell of the grid, by horizon.

        The threshold grows with the square root of the horizon, as the moves of a random walk do, so that
        about the same share of the candles is labelled.  There is no search: the one trial is the baseline,
        whose rounds are chosen by walking forward.  Everything else, stop and embargo included, is as in a
        training with this horizon and threshold.

        Raises
        ------
        SettingsError
            If a horizon asks for a threshold that is none.
        """
        return tuple(self._cell(learn, horizon) for horizon in self.horizons)

    def _cell(self, learn: LearnSettings, horizon: int) -> LearnSettings:
        share = min(1.0, self.fewer_trades_beyond / horizon)
        threshold = learn.min_price_change * math.sqrt(horizon / learn.prediction_horizon)
        return replace(
            learn,
            prediction_horizon=horizon,
            min_price_change=float(f"{threshold:.6g}"),  # as the command that trains the cell spells it
            n_trials=1,
            n_seeds=self.n_seeds,
            refit_on_all=False,
            keep_studies=False,
            walk_seeds=self.n_seeds,
            thresholds=replace(
                learn.thresholds,
                min_trades=max(2, round(learn.thresholds.min_trades * share)),
                min_labelled_trades=max(1, round(learn.thresholds.min_labelled_trades * share)),
            ),
        )
