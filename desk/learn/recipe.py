"""What is published, what is evaluated and what scores the walk are one recipe.

A ``Recipe`` (parameters, rounds, seeds) and rows come in; a ``Model`` that averages one member per seed
goes out.  Thresholds chosen on scores of another recipe would not fit the published one: their coverage fell
to a third where that was tried.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.learn.ensemble import average
from desk.learn.parameters import Parameters
from desk.learn.splits import Rows
from desk.learn.training import Bins, Model, bin_rows, train
from desk.values import LabelledSet


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made of rows."""

    parameters: Parameters
    rounds: int
    seeds: tuple[int, ...]
    """Members, one per seed; their scores are averaged."""


@dataclass(frozen=True, slots=True, eq=False)
class BinnedSet:
    """The labelled rows of a symbol, binned once for every model that is made of some of them."""

    labelled: LabelledSet
    bins: Bins
    """Of all rows that are labelled up or down, in order."""
    decided: NDArray[np.int64]
    """Positions of these rows in ``labelled``, increasing."""

    def of(self, rows: Rows) -> Bins:
        """Those of ``rows`` (increasing positions in ``labelled``) that are labelled up or down."""
        wanted = rows[self.labelled.decided[rows]]
        return self.bins.subset(np.searchsorted(self.decided, wanted))


def recipe_of(parameters: Parameters, rounds: int, n_seeds: int, *, seed: int) -> Recipe:
    """The recipe with ``n_seeds`` members, whose seeds follow ``seed``."""
    return Recipe(parameters, rounds, tuple(range(seed, seed + n_seeds)))


def bin_labelled(labelled: LabelledSet, first: Rows) -> BinnedSet:
    """Bin every labelled row by the edges of the rows ``first``, which lie before all that is evaluated.

    Parameters
    ----------
    labelled : LabelledSet
    first : ndarray, shape (n,)
        Positions in ``labelled``; at least one of them is labelled up or down.
    """
    x, label, names = labelled.features.x, labelled.label, labelled.features.names
    categories = labelled.features.categories
    early = first[labelled.decided[first]]
    edges = bin_rows(x[early], label[early], names, categories=categories)
    decided = np.flatnonzero(labelled.decided)
    bins = bin_rows(x[decided], label[decided], names, categories=categories, edges_of=edges)
    return BinnedSet(labelled, bins, decided)


def fit(binned: BinnedSet, rows: Rows, recipe: Recipe) -> Model:
    """Train the model of the recipe on those of ``rows`` that are labelled up or down."""
    return fit_both(binned, rows, recipe, recipe)[0]


def fit_both(binned: BinnedSet, rows: Rows, one: Recipe, other: Recipe) -> tuple[Model, Model]:
    """The models of two recipes on the same rows; members that both have are trained once.

    Parameters
    ----------
    binned : BinnedSet
    rows : ndarray, shape (n,)
    one, other : Recipe
    """
    bins = binned.of(rows)
    members: dict[tuple[Parameters, int, int], Model] = {}

    def made(recipe: Recipe) -> Model:
        keys = [(recipe.parameters, recipe.rounds, seed) for seed in recipe.seeds]
        for key in keys:
            if key not in members:
                members[key] = train(bins, key[0], rounds=key[1], seed=key[2])
        return average([members[key] for key in keys])

    first = made(one)
    return first, first if other == one else made(other)
