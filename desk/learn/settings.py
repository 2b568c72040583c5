"""The settings of the learning stages, with their units and checks.  Values: ``config.py``.

``LearnSettings`` comes in from a door and is handed on unchanged; nothing here has a default, so
that every value is seen in one place.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from desk.learn.parameters import Parameters
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
class ThresholdRules:
    """How thresholds are chosen.  Shares are fractions: 0.002 is 0.2 %."""

    shares: tuple[float, ...]
    """The grid, narrowest first: shares of the candles with scores at which one side fires."""
    min_trades: int
    """Trades in the earlier blocks that a share needs to be chosen."""
    min_days: int
    """Days with a trade that it needs."""
    narrow_share: float
    """Below this share the quantile is taken of all earlier blocks, from it on of the last two: two weeks
    hold too few scores of a narrow tail."""
    select_by: Literal["net", "win_rate"]
    """The largest t of what was earned, or the widest share with a proven win rate."""
    target_win_rate: float
    """Share of the labelled trades that must be won, for certain."""
    level: float
    """How certain: the level of the one-sided lower bound."""
    min_labelled_trades: int
    """Labelled trades that a share needs for its win rate to be tested."""

    def __post_init__(self) -> None:
        check_settings("thresholds", self, self._problems())

    def _problems(self) -> Iterator[str]:
        inside = all(0 < share < 0.5 for share in self.shares)
        if not self.shares or not inside or list(self.shares) != sorted(set(self.shares)):
            yield f"shares are {self.shares}, must increase and lie between 0 and 0.5"
        for name, least in (("min_trades", 2), ("min_days", 2), ("min_labelled_trades", 1)):
            if getattr(self, name) < least:
                yield f"{name} is {getattr(self, name)}, must be at least {least}"
        if not 0 <= self.narrow_share < 0.5:
            yield f"narrow_share is {self.narrow_share}, must be at least 0 and below 0.5"
        if not 0 < self.target_win_rate < 1:
            yield f"target_win_rate is {self.target_win_rate}, must lie between 0 and 1"
        if not 0.5 <= self.level < 1:
            yield f"level is {self.level}, must be at least 0.5 and below 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRules:
    """What a model must show before it may be traded."""

    min_trades: int
    """Trades of evidence."""
    min_days: int
    """Days of evidence with a trade."""
    false_discovery_rate: float
    """Share of false ones among the models called tradable, on average at most."""
    recent_days: int
    """The last so many days must not have lost beyond chance."""
    recent_level: float
    """How certain, one-sided: 0.9."""
    max_coverage_ratio: float
    """So many times the promised coverage, or one so-manieth of it, may fire: 2.0."""
    coverage_level: float
    """How certain, two-sided: 0.95."""
    calibration_level: float
    """Chance alone exceeds the allowed calibration error in 1 - ``calibration_level`` of the cases."""
    min_labelled: int
    """Labelled development candles."""
    min_turnover: float
    """USDT traded in 24 hours."""
    max_spread_bps: float
    """Between bid and ask."""
    require_target_win_rate: bool
    """Whether every side that fires must have a proven ``target_win_rate``."""
    stay_error: float
    """Chance that the acceptance of a model that earns nothing or more is ever withdrawn, at most."""
    stay_days: int
    """So long an accepted model need not pass the test again."""

    def __post_init__(self) -> None:
        check_settings("verdict", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if self.min_trades < 1 or self.min_days < 2:
            yield (
                f"min_trades is {self.min_trades} and min_days {self.min_days}, must be at least 1 and 2: "
                "one day cannot be tested"
            )
        for name in ("false_discovery_rate", "stay_error"):
            if not 0 < (share := getattr(self, name)) < 1:
                yield f"{name} is {share}, must lie between 0 and 1"
        for name in ("recent_level", "coverage_level", "calibration_level"):
            if not 0.5 <= (level := getattr(self, name)) < 1:
                yield f"{name} is {level}, must be at least 0.5 and below 1"
        for name in ("recent_days", "stay_days"):
            if getattr(self, name) < 2:
                yield f"{name} is {getattr(self, name)}, must be at least 2"
        if not self.max_coverage_ratio > 1:
            yield f"max_coverage_ratio is {self.max_coverage_ratio}, must be above 1"
        for name in ("min_turnover", "max_spread_bps"):
            if getattr(self, name) < 0:
                yield f"{name} is {getattr(self, name)}, must be 0 or more"


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
