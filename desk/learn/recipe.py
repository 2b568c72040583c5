"""What is published, what is examined and what votes out of fold are one recipe.

A ``Recipe`` (parameters, rounds, seeds) and rows come in; a ``Model`` that averages one member per seed
goes out, or the scores that such models give to rows which they never saw.  Thresholds chosen on scores of
another recipe would not fit the published one: their coverage fell to a third where that was tried.
"""

from dataclasses import dataclass

import numpy as np

from desk.learn.ensemble import average
from desk.learn.parameters import Parameters
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold, Rows
from desk.learn.training import Model, Scores, bin_rows, grow
from desk.values import DOWN, UNKNOWN, UP, LabelledSet


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made of rows."""

    parameters: Parameters
    rounds: int
    seeds: tuple[int, ...]
    """Members that learn labelled candles, one per seed."""
    sign_seeds: tuple[int, ...]
    """Members that learn all candles by the sign of the move, one per seed."""


def recipe_of(parameters: Parameters, rounds: int, settings: LearnSettings, *, seed: int) -> Recipe:
    """The recipe of the settings with the chosen ``parameters`` and ``rounds``."""
    seeds = tuple(range(seed, seed + settings.n_seeds + settings.n_sign_seeds))
    return Recipe(parameters, rounds, seeds[: settings.n_seeds], seeds[settings.n_seeds :])


def teach(labelled: LabelledSet, rows: Rows, recipe: Recipe) -> Model:
    """The model of the recipe; of ``rows``, those with a usable label are learned from."""
    decided = rows[labelled.decided[rows]]
    members = _members(labelled, decided, labelled.label[decided], recipe, recipe.seeds)
    if recipe.sign_seeds:
        moved = rows[(labelled.label[rows] != UNKNOWN) & (np.nan_to_num(labelled.move[rows]) != 0)]
        side = np.where(labelled.move[moved] > 0, UP, DOWN).astype(np.int8)
        members += _members(labelled, moved, side, recipe, recipe.sign_seeds)
    return average(members)


def out_of_fold(labelled: LabelledSet, folds: tuple[Fold, ...], recipe: Recipe) -> tuple[Rows, Scores]:
    """Scores of all validation rows, neutral ones included, by models that had not seen them.

    Returns
    -------
    ndarray, shape (n,)
        Positions in the labelled set, increasing.
    ndarray, shape (n,)
        Log-odds of up.
    """
    if not folds:
        return np.empty(0, dtype=np.int64), np.empty(0)
    x = labelled.features.x
    scores = [teach(labelled, fold.train, recipe).scores(x[fold.validation]) for fold in folds]
    return np.concatenate([fold.validation for fold in folds]), np.concatenate(scores)


def _members(
    labelled: LabelledSet, rows: Rows, side: np.ndarray, recipe: Recipe, seeds: tuple[int, ...]
) -> list[Model]:
    bins = bin_rows(labelled.features.x[rows], side, labelled.features.names)
    return [grow(bins, recipe.parameters, rounds=recipe.rounds, seed=seed) for seed in seeds]
