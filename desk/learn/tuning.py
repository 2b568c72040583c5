"""Which parameters, how many rounds: the only place that knows Optuna.

The binned rows of a symbol and the folds of its development part come in; ``Tuned`` goes out.  Pure: equal
rows, settings and seed give equal results; nothing is stored.

How it goes (the measurements behind it are in ``docs/numbers.md``):

1. Every trial trains a small, fixed number of rounds on the first fold, the cheapest, and is scored on its
   validation block.  The first trial is the baseline.
2. The best feasible trial is the finalist, if its gain over the baseline on that fold would be beyond chance
   should the other folds show the same gain a day.
3. Baseline and finalist are trained on all folds with early stopping, and their predictions are compared,
   paired over days.  The finalist is chosen only if it is better by more than chance, allowing for the number
   of trials; otherwise the baseline stays.
4. The chosen parameters are trained once more on the last fold, with the guide's budget: ``num_boost_round``
   rounds and ``early_stopping_rounds``.  The round with the least log loss there is the number of rounds
   that everything published trains.

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

from desk.clustered import DAY_MS, Mean, clustered_mean
from desk.learn.parameters import Parameters
from desk.learn.recipe import BinnedSet
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold, Rows, walk_forward
from desk.learn.training import Bins, Features, Scores, Sides, train, train_with_early_stopping
from desk.values import DOWN, UP

FIRST_ROUNDS_SHARE = 2 / 3
"""Share of the rows before a walk that trains where the walk's first rounds are chosen."""
SOFTNESS = 0.5
"""Spread of the soft win rate, in standard deviations of the fold's scores."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One Optuna trial as a value."""

    number: int
    value: float
    """Soft win rate on the validation block of the first fold."""
    parameters: Parameters
    feasible: bool
    """Precision and recall of both sides above their floors on that block."""


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """Parameters and rounds chosen on the development part alone, and why."""

    parameters: Parameters
    rounds: int
    chosen: str
    """``tuned`` or ``baseline``."""
    why: str
    baseline_value: float | None
    """Soft win rate of the baseline on the first fold; None where there is no fold with both sides."""
    best_value: float | None
    """Likewise of the best feasible trial; the baseline's where none is better."""
    trials: tuple[TrialRecord, ...]
    n_pruned: int
    """Trials that were given up after the first fold."""
    journal: bytes
    """The trials as an Optuna journal, which optuna-dashboard opens; empty where there was none."""


@dataclass(frozen=True, slots=True, eq=False)
class _FoldData:
    """A fold made ready: binned rows, and the features of the validation rows."""

    train: Bins
    validation: Bins
    x: Features
    open_time: NDArray[np.int64]

    @property
    def side(self) -> Sides:
        return self.validation.side


def soft_wins(scores: Scores, side: Sides) -> NDArray[np.float64]:
    """Chance of every row, between 0 and 1, to win if the scores were a little blurred.

    The normal probability that a score, blurred by ``SOFTNESS`` standard deviations of all scores,
    lies on the side that came true.  Its mean moves with the win rate, but a score that barely
    changes sides changes it barely.  Constant scores give one half.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Centred log-odds of up.
    side : ndarray, shape (n,)
        1 up, 0 down.
    """
    spread = float(np.std(scores))
    if spread == 0.0:
        return np.full(len(scores), 0.5)
    toward = np.where(side == UP, scores, -scores)
    return np.asarray(stats.norm.cdf(toward / (SOFTNESS * spread)), dtype=np.float64)


def tune(binned: BinnedSet, folds: tuple[Fold, ...], settings: LearnSettings, *, seed: int) -> Tuned:
    """Choose parameters and rounds on the folds of the development part.

    Parameters
    ----------
    binned : BinnedSet
    folds : tuple of Fold
        Of the development part, oldest first; without any, the baseline stays with the fewest rounds.
    settings : LearnSettings
    seed : int
    """
    if not folds:
        return Tuned(
            parameters=settings.baseline,
            rounds=settings.min_boost_round,
            chosen="baseline",
            why="too few labelled candles for a fold with both sides",
            baseline_value=None,
            best_value=None,
            trials=(),
            n_pruned=0,
            journal=b"",
        )
    data = [_fold_data(binned, fold) for fold in folds]
    trials, journal = _search(data[0], settings, name=binned.labelled.features.symbol, seed=seed)
    baseline, finalist = trials[0], _finalist(trials)
    parameters, chosen = settings.baseline, "baseline"
    pruned = len(trials) - 1
    if finalist is None:
        why = "no feasible trial is better than the baseline"
    else:
        gain, why = _compare(data, finalist, settings, trials=len(trials), seed=seed)
        pruned -= gain is not None
        if gain:
            parameters, chosen = finalist.parameters, "tuned"
    return Tuned(
        parameters=parameters,
        rounds=_rounds(
            data[-1], parameters, settings, early_stopping_rounds=settings.early_stopping_rounds, seed=seed
        ),
        chosen=chosen,
        why=why,
        baseline_value=baseline.value,
        best_value=baseline.value if finalist is None else finalist.value,
        trials=trials,
        n_pruned=pruned,
        journal=journal,
    )


def _fold_data(binned: BinnedSet, fold: Fold) -> _FoldData:
    features, decided = binned.labelled.features, binned.labelled.decided
    rows = fold.validation[decided[fold.validation]]
    return _FoldData(
        train=binned.of(fold.train),
        validation=binned.of(fold.validation),
        x=np.ascontiguousarray(features.x[rows]),
        open_time=features.open_time[rows],
    )


def rounds_known_before(binned: BinnedSet, rows: Rows, settings: LearnSettings, *, seed: int) -> int:
    """The number of rounds for the baseline that rows before a walk would have chosen.

    Parameters
    ----------
    binned : BinnedSet
    rows : ndarray, shape (n,)
        Positions in the labelled set; the last third of them validates.
    settings : LearnSettings
    seed : int
    """
    folds = walk_forward(binned.labelled, rows, folds=1, first_share=FIRST_ROUNDS_SHARE)
    if not folds:
        return settings.min_boost_round
    return _rounds(
        _fold_data(binned, folds[0]),
        settings.baseline,
        settings,
        early_stopping_rounds=settings.search_early_stopping_rounds,
        seed=seed,
    )


def _rounds(
    fold: _FoldData,
    parameters: Parameters,
    settings: LearnSettings,
    *,
    early_stopping_rounds: int,
    seed: int,
) -> int:
    """The number of rounds with the least log loss on the validation block of a fold."""
    _, curve = train_with_early_stopping(
        fold.train,
        parameters,
        validation=fold.validation,
        num_boost_round=settings.num_boost_round,
        early_stopping_rounds=early_stopping_rounds,
        seed=seed,
    )
    return max(settings.min_boost_round, int(np.argmin(curve)) + 1)


def _early_stopped_wins(
    data: list[_FoldData], parameters: Parameters, settings: LearnSettings, *, seed: int
) -> NDArray[np.float64]:
    """Soft wins of the validation rows of all folds, in order, at the best number of rounds over them."""
    models, curves = [], []
    for fold in data:
        model, curve = train_with_early_stopping(
            fold.train,
            parameters,
            validation=fold.validation,
            num_boost_round=settings.num_boost_round,
            early_stopping_rounds=settings.search_early_stopping_rounds,
            seed=seed,
        )
        models.append(model)
        curves.append(curve * len(fold.side))
    reached = min(len(curve) for curve in curves)
    loss = np.sum([curve[:reached] for curve in curves], axis=0)
    rounds = max(settings.min_boost_round, int(np.argmin(loss)) + 1)
    return np.concatenate(
        [soft_wins(model.scores(fold.x, rounds), fold.side) for model, fold in zip(models, data, strict=True)]
    )


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
    first: _FoldData, settings: LearnSettings, *, name: str, seed: int
) -> tuple[tuple[TrialRecord, ...], bytes]:
    """Run the Optuna trials on the first fold; trial 0 is the baseline."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = _JournalLines()
    study = optuna.create_study(
        storage=JournalStorage(lines) if settings.keep_studies else None,
        study_name=name,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
    )
    study.enqueue_trial(asdict(settings.baseline))
    records: list[TrialRecord] = []

    def objective(trial: optuna.Trial) -> float:
        parameters = _suggested(trial, settings.baseline)
        scores = _trial_scores(first, parameters, settings, seed=seed)
        value = float(np.mean(soft_wins(scores, first.side)))
        shortfalls = _shortfalls(scores, first.side, settings)
        for floor, shortfall in shortfalls.items():
            trial.set_constraint(floor, shortfall)
        records.append(TrialRecord(trial.number, value, parameters, max(shortfalls.values()) <= 0))
        return value

    study.optimize(objective, n_trials=settings.n_trials)
    return tuple(records), lines.as_bytes()


def _trial_scores(first: _FoldData, parameters: Parameters, settings: LearnSettings, *, seed: int) -> Scores:
    model = train(first.train, parameters, rounds=settings.trial_boost_round, seed=seed)
    return model.scores(first.x)


def _suggested(trial: optuna.Trial, baseline: Parameters) -> Parameters:
    """The search space: narrow, around the baseline, which is its first point and always within it."""

    def whole(name: str, low: int, high: int) -> int:
        own: int = getattr(baseline, name)
        return trial.suggest_int(name, min(low, own), max(high, own), log=True)

    def real(name: str, low: float, high: float, *, log: bool) -> float:
        own: float = getattr(baseline, name)
        return trial.suggest_float(name, min(low, own), max(high, own), log=log)

    return Parameters(
        learning_rate=real("learning_rate", 0.03, 0.3, log=True),
        num_leaves=whole("num_leaves", 4, 48),
        min_data_in_leaf=whole("min_data_in_leaf", 20, 400),
        feature_fraction=real("feature_fraction", 0.2, 0.8, log=False),
        bagging_fraction=real("bagging_fraction", 0.5, 0.95, log=False),
        lambda_l2=real("lambda_l2", 0.5, 50.0, log=True),
        path_smooth=real("path_smooth", 0.1, 10.0, log=True),
    )


def _shortfalls(scores: Scores, side: Sides, settings: LearnSettings) -> dict[str, float]:
    """How far each floor is missed, in shares; at or below zero where it is kept."""
    short = {}
    for name, which in (("long", UP), ("short", DOWN)):
        called = (scores > 0) == (which == UP)
        actual = side == which
        both = int(np.sum(called & actual))
        precision = both / max(1, int(np.sum(called)))
        recall = both / max(1, int(np.sum(actual)))
        short[f"precision_{name}"] = settings.min_precision_each_side - precision
        short[f"recall_{name}"] = settings.min_recall_each_side - recall
    return short


def _finalist(trials: tuple[TrialRecord, ...]) -> TrialRecord | None:
    """The best feasible trial, if it is better than the baseline."""
    feasible = [trial for trial in trials[1:] if trial.feasible and trial.value > trials[0].value]
    return max(feasible, key=lambda trial: (trial.value, -trial.number), default=None)


def _compare(
    data: list[_FoldData], finalist: TrialRecord, settings: LearnSettings, *, trials: int, seed: int
) -> tuple[bool | None, str]:
    """Whether the finalist is better than the baseline by more than the best of ``trials`` is by luck.

    None where its gain on the first fold is already too small to become that.
    """
    first = data[0]
    screened = clustered_mean(
        soft_wins(_trial_scores(first, finalist.parameters, settings, seed=seed), first.side)
        - soft_wins(_trial_scores(first, settings.baseline, settings, seed=seed), first.side),
        first.open_time,
    )
    days = len(np.unique(np.concatenate([fold.open_time for fold in data]) // DAY_MS))
    if screened.clusters < 2:
        return None, "all validation candles of the first fold lie on one day: nothing can be compared"
    needed = float(stats.t.ppf(1 - settings.significance / max(1, trials), max(1, days - 1)))
    within_reach = screened.t() * np.sqrt(days / screened.clusters)
    if within_reach < needed:
        return None, (
            f"{_gain(screened)} on the first fold; over all folds that would be t {within_reach:.2f}, and "
            f"{needed:.2f} is needed with {trials} trials"
        )
    gain = clustered_mean(
        _early_stopped_wins(data, finalist.parameters, settings, seed=seed)
        - _early_stopped_wins(data, settings.baseline, settings, seed=seed),
        np.concatenate([fold.open_time for fold in data]),
    )
    better = gain.t() > needed
    verb = "is" if better else "is not"
    return better, (
        f"{_gain(gain)} over {gain.clusters} days (t {gain.t():.2f}, {needed:.2f} needed with {trials} "
        f"trials), which {verb} beyond chance"
    )


def _gain(gain: Mean) -> str:
    """The gain of the best trial with its standard error, where there are enough days for one."""
    sure = f" ± {gain.se * 100:.2f}" if gain.reported() else ""
    few = "" if sure else f" ({gain.clusters} days are too few for an interval)"
    return f"best trial against baseline: {gain.value * 100:+.2f}{sure} points of soft win rate{few}"
