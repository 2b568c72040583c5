"""One recipe makes the published model, the evaluated model and the models of the folds.

A ``Recipe`` (parameters, rounds, seeds) and rows come in; a ``Model`` that averages one member per seed
goes out, or the scores that such models give to rows on which they were not trained.  Thresholds that were
chosen on scores of another recipe would not fit the published model: their coverage fell to a third where
that was tried.
"""

from dataclasses import dataclass

import numpy as np

from desk.learn.ensemble import average
from desk.learn.parameters import Parameters
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold, Rows
from desk.learn.training import Model, Scores, bin_rows, train
from desk.values import LabelledSet


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made of rows."""

    parameters: Parameters
    rounds: int
    seeds: tuple[int, ...]
    """One per member of the average."""


def recipe_of(parameters: Parameters, rounds: int, settings: LearnSettings, *, seed: int) -> Recipe:
    """The recipe of the settings with the chosen parameters and rounds.

    Parameters
    ----------
    parameters : Parameters
    rounds : int
    settings : LearnSettings
        Say how many members are averaged.
    seed : int
        Of the first member; the others have the numbers that follow.
    """
    return Recipe(parameters, rounds, tuple(range(seed, seed + settings.n_seeds)))


def fit(labelled: LabelledSet, rows: Rows, recipe: Recipe) -> Model:
    """The model that the recipe makes of the labelled rows among ``rows``.

    Parameters
    ----------
    labelled : LabelledSet
    rows : ndarray, shape (n,)
        Positions in ``labelled``; rows that are neutral or undecided are left out.
    recipe : Recipe
    """
    decided = rows[labelled.decided[rows]]
    features = labelled.features
    bins = bin_rows(features.x[decided], labelled.label[decided], features.names)
    return average([train(bins, recipe.parameters, rounds=recipe.rounds, seed=seed) for seed in recipe.seeds])


def out_of_fold(labelled: LabelledSet, folds: tuple[Fold, ...], recipe: Recipe) -> tuple[Rows, Scores]:
    """Scores of all validation rows, neutral ones included, each by a model that was not trained on its fold.

    Parameters
    ----------
    labelled : LabelledSet
    folds : tuple of Fold
        In order; without any, both results are empty.
    recipe : Recipe

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
    scores = [fit(labelled, fold.train, recipe).scores(x[fold.validation]) for fold in folds]
    return np.concatenate([fold.validation for fold in folds]), np.concatenate(scores)
