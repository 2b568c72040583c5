"""Which parameters, how many rounds: the only place that knows Optuna.

A ``LabelledSet`` and the folds of its development part come in; ``Tuned`` goes out.  Pure: equal
rows, settings and seed give equal results; nothing is stored.

How it goes (the measurements behind it are in ``docs/``):

1. The baseline is the first trial, with the whole budget of rounds: early stopping on each fold.
2. The other trials search a narrow space around it at a fixed, small number of rounds; a trial
   that is not among the better quarter after a fold is pruned there.  Every trial therefore
   completes at least one fold.
3. The best feasible trial, if it beats the baseline at equal rounds at all, is the finalist: it gets
   the whole budget too, and its out-of-fold predictions are compared with the baseline's, paired
   over days.  It is chosen only if it is better by more than chance, allowing for the number of
   trials; otherwise the baseline stays.

The objective is the win rate, made less noisy: a labelled candle counts by how far its score lies
on the right side, in units of the fold's own spread of scores (``soft_wins``), and not by its
side alone.  Precision and recall of either side are constraints, not terms.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages.journal import BaseJournalBackend, JournalStorage
from scipy import stats

from desk.learn.clustered import Mean, clustered_mean
from desk.learn.parameters import Parameters
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold
from desk.learn.training import (
    Bins,
    Features,
    Model,
    Scores,
    Sides,
    bin_rows,
    train,
    train_with_early_stopping,
)
from desk.values import DOWN, UP, LabelledSet

SOFTNESS = 0.5
"""Spread of the soft win rate, in standard deviations of the fold's scores."""
KEPT_PERCENT = 25.0
"""Share of the trials so far, in percent, that a trial must be among after a fold to go on."""
WARM_UP_TRIALS = 5
"""Trials that are never pruned, the baseline included."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One Optuna trial as a value."""

    number: int
    state: str
    """``COMPLETE`` or ``PRUNED``."""
    value: float | None
    parameters: Parameters
    folds: int
    """Folds that were completed."""
    feasible: bool
    """Precision and recall of both sides above their floors on those folds."""


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """Parameters and rounds chosen on the development part alone, and why."""

    parameters: Parameters
    rounds: int
    chosen: str
    """``tuned`` or ``baseline``."""
    why: str
    baseline_value: float | None
    """Soft win rate of the baseline's out-of-fold predictions; None without a fold."""
    best_value: float | None
    """Likewise for the finalist; the baseline's where there was none."""
    trials: tuple[TrialRecord, ...]
    journal: bytes
    """The trials as an Optuna journal, which optuna-dashboard opens; empty where there was none."""

    @property
    def n_pruned(self) -> int:
        """Trials that were given up before the last fold."""
        return sum(trial.state == "PRUNED" for trial in self.trials)


@dataclass(frozen=True, slots=True, eq=False)
class _FoldData:
    """A fold made ready: its training rows binned once, its labelled validation rows at hand."""

    bins: Bins
    x: Features
    """Features of the validation rows."""
    side: Sides
    open_time: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _WalkForward:
    """What parameters score on the validation rows of all folds, with the whole budget of rounds."""

    rounds: int
    soft_wins: NDArray[np.float64]
    """Of the labelled validation rows of all folds, in order."""

    @property
    def value(self) -> float:
        return float(np.mean(self.soft_wins))


def soft_wins(scores: Scores, side: Sides) -> NDArray[np.float64]:
    """The soft win of every row, between 0 and 1: the chance to win if the scores were a little blurred.

    It is the normal probability that a score, blurred by ``SOFTNESS`` standard deviations of all scores, lies
    on the side that the price took.  The mean is the soft win rate: it moves with the win rate, but a score
    that barely changes sides changes it barely.  Constant scores give one half.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Log-odds of up.
    side : ndarray, shape (n,)
        1 up, 0 down.

    Returns
    -------
    ndarray, shape (n,)
    """
    spread = float(np.std(scores))
    if spread == 0.0:
        return np.full(len(scores), 0.5)
    toward = np.where(side == UP, scores, -scores)
    return np.asarray(stats.norm.cdf(toward / (SOFTNESS * spread)), dtype=np.float64)


def tune(labelled: LabelledSet, folds: tuple[Fold, ...], settings: LearnSettings, *, seed: int) -> Tuned:
    """Choose parameters and rounds by their scores on the validation rows of ``folds``.

    Parameters
    ----------
    labelled : LabelledSet
    folds : tuple of Fold
        Of the development part; without any, the baseline stays with ``min_boost_round`` rounds.
    settings : LearnSettings
    seed : int
        Of the search and of every model that is trained for it.
    """
    if not folds:
        return Tuned(
            settings.baseline,
            settings.min_boost_round,
            "baseline",
            "too few labelled candles for a validation block",
            None,
            None,
            (),
            b"",
        )
    prepared = tuple(_fold_data(labelled, fold) for fold in folds)
    baseline = _walk_forward(prepared, settings.baseline, settings, seed)
    trials, journal = _search(prepared, settings, name=labelled.features.symbol, seed=seed)
    finalist = _finalist(trials)
    parameters, rounds, chosen, best_value = settings.baseline, baseline.rounds, "baseline", baseline.value
    if finalist is None:
        why = "no trial was better than the baseline"
    else:
        tried = _walk_forward(prepared, finalist.parameters, settings, seed)
        gain = clustered_mean(
            tried.soft_wins - baseline.soft_wins, np.concatenate([fold.open_time for fold in prepared])
        )
        better, why = _beyond_chance(gain, trials=len(trials), significance=settings.significance)
        best_value = tried.value
        if better:
            parameters, rounds, chosen = finalist.parameters, tried.rounds, "tuned"
    return Tuned(parameters, rounds, chosen, why, baseline.value, best_value, trials, journal)


def _fold_data(labelled: LabelledSet, fold: Fold) -> _FoldData:
    features = labelled.features
    train_rows = fold.train[labelled.decided[fold.train]]
    validation_rows = fold.validation[labelled.decided[fold.validation]]
    return _FoldData(
        bin_rows(features.x[train_rows], labelled.label[train_rows], features.names),
        np.ascontiguousarray(features.x[validation_rows]),
        labelled.label[validation_rows],
        features.open_time[validation_rows],
    )


def _walk_forward(
    folds: tuple[_FoldData, ...], parameters: Parameters, settings: LearnSettings, seed: int
) -> _WalkForward:
    """Early stopping in every fold; the rounds with the least log loss over all folds together."""
    models: list[Model] = []
    curves: list[Scores] = []
    for fold in folds:
        model, curve = train_with_early_stopping(
            fold.bins,
            parameters,
            validation=(fold.x, fold.side),
            num_boost_round=settings.num_boost_round,
            early_stopping_rounds=settings.early_stopping_rounds,
            seed=seed,
        )
        models.append(model)
        curves.append(curve * len(fold.side))
    reached = min(len(curve) for curve in curves)
    loss = np.sum([curve[:reached] for curve in curves], axis=0)
    rounds = max(settings.min_boost_round, int(np.argmin(loss)) + 1)
    wins = [
        soft_wins(model.scores(fold.x, rounds), fold.side) for model, fold in zip(models, folds, strict=True)
    ]
    return _WalkForward(rounds, np.concatenate(wins))


class _JournalLines(BaseJournalBackend):
    """An Optuna journal in memory; its lines are those of a journal file."""

    def __init__(self) -> None:
        self._logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Logs from the given number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Keep more logs."""
        self._logs += logs

    def as_bytes(self) -> bytes:
        """What a journal file would hold."""
        return "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in self._logs).encode()


def _search(
    folds: tuple[_FoldData, ...], settings: LearnSettings, *, name: str, seed: int
) -> tuple[tuple[TrialRecord, ...], bytes]:
    """Run the Optuna trials; the first is the baseline at the trials' number of rounds."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = _JournalLines()
    study = optuna.create_study(
        storage=JournalStorage(lines),
        study_name=name,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.PercentilePruner(KEPT_PERCENT, n_startup_trials=WARM_UP_TRIALS),
    )
    study.enqueue_trial(asdict(settings.baseline))
    records: list[TrialRecord] = []

    def objective(trial: optuna.Trial) -> float:
        parameters = _suggested(trial)
        wins: list[NDArray[np.float64]] = []
        scores: list[Scores] = []
        state = "COMPLETE"
        for step, fold in enumerate(folds):
            model = train(fold.bins, parameters, rounds=settings.trial_boost_round, seed=seed)
            scores.append(model.scores(fold.x))
            wins.append(soft_wins(scores[-1], fold.side))
            trial.report(float(np.mean(np.concatenate(wins))), step)
            if step + 1 < len(folds) and trial.should_prune():
                state = "PRUNED"
                break
        value = float(np.mean(np.concatenate(wins)))
        side = np.concatenate([fold.side for fold in folds[: len(scores)]])
        shortfalls = _shortfalls(np.concatenate(scores), side, settings)
        for floor, shortfall in shortfalls.items():
            trial.set_constraint(floor, shortfall)
        feasible = max(shortfalls.values()) <= 0
        records.append(TrialRecord(trial.number, state, value, parameters, len(scores), feasible))
        if state == "PRUNED":
            raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=settings.n_trials)
    return tuple(records), lines.as_bytes()


def _suggested(trial: optuna.Trial) -> Parameters:
    """The search space: narrow, around the baseline, which is its first point."""
    return Parameters(
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.15, log=True),
        num_leaves=trial.suggest_int("num_leaves", 4, 48, log=True),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 20, 400, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.2, 0.8),
        bagging_fraction=trial.suggest_float("bagging_fraction", 0.5, 0.95),
        lambda_l2=trial.suggest_float("lambda_l2", 0.5, 50.0, log=True),
        path_smooth=trial.suggest_float("path_smooth", 0.1, 10.0, log=True),
    )


def _shortfalls(scores: Scores, side: Sides, settings: LearnSettings) -> dict[str, float]:
    """How far each floor is missed, in shares; at or below zero where it is reached."""
    short = {}
    for name, which in (("long", UP), ("short", DOWN)):
        called = (scores > 0) == (which == UP)
        moved = side == which
        both = int(np.sum(called & moved))
        precision = both / max(1, int(np.sum(called)))
        recall = both / max(1, int(np.sum(moved)))
        short[f"precision_{name}"] = settings.min_precision_each_side - precision
        short[f"recall_{name}"] = settings.min_recall_each_side - recall
    return short


def _finalist(trials: tuple[TrialRecord, ...]) -> TrialRecord | None:
    """The best complete and feasible trial, if it is better than the baseline at equal rounds."""
    complete = [trial for trial in trials if trial.state == "COMPLETE" and trial.value is not None]
    feasible = [trial for trial in complete if trial.feasible and trial.number > 0]
    if not feasible:
        return None
    best = max(feasible, key=lambda trial: (trial.value or 0.0, -trial.number))
    base = next((trial for trial in complete if trial.number == 0), None)
    if base is not None and (base.value or 0.0) >= (best.value or 0.0):
        return None
    return best


def _beyond_chance(gain: Mean, *, trials: int, significance: float) -> tuple[bool, str]:
    """Whether a paired gain over days is more than the best of ``trials`` would show by luck."""
    if gain.clusters < 2:
        return False, "all validation candles lie on one day: no comparison possible"
    needed = float(stats.t.ppf(1 - significance / max(1, trials), gain.clusters - 1))
    better = gain.t() > needed
    verb = "is" if better else "is not"
    why = (
        f"best trial against baseline: {gain.value * 100:+.2f} ± {gain.se * 100:.2f} points of soft win rate "
        f"over {gain.clusters} days (t {gain.t():.2f}, {needed:.2f} needed with {trials} trials), "
        f"which {verb} beyond chance"
    )
    return better, why
