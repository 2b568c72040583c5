"""The walk: every candle after the first part is scored by a model of what lies before it.

Labelled candles come in; scores in blocks of a week go out, with the models that made them.  Pure.

The picture, for five blocks after the first share::

    block    . . . . 1 2 3 4 5       . = only ever trained on
    model 1  t t t t s               t = training rows, purged and embargoed before the block
    model 2  t t t t t s             s = scored rows
    ...
    model 5  t t t t t t t t s

Two recipes take part.  ``early`` scores the blocks that begin in the development part; nothing in it was
chosen on this symbol's candles.  ``late`` is the published recipe, whose rounds (and perhaps parameters) were
chosen on the development part; it scores the blocks after it.  The blocks are contiguous, counted from the
newest candle backwards, so that the last one is always a whole week.

The scale of scores depends on the recipe.  Where the recipe changes, the two blocks before the change are
also scored by the one that follows: thresholds are put on that scale.

Not here: thresholds and trades (``desk.learn.thresholds``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from desk.learn.cuts import LAST_TWO, ScoredBlock
from desk.learn.recipe import BinnedSet, Recipe, fit_both
from desk.learn.splits import Rows, has_both_sides, known_before
from desk.learn.training import Model
from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, LabelledSet

Floats = NDArray[np.float64]

WEEK_MS = 7 * CANDLES_PER_DAY * CANDLE_MS
"""Length of a block."""


@dataclass(frozen=True, slots=True, eq=False)
class WalkBlock:
    """One block and the rows that its model may learn from."""

    first: int
    """Row of its first candle in the series."""
    stop: int
    """Row behind its last candle."""
    train: Rows
    """Positions in the labelled set whose label was known a horizon before the block begins."""
    rows: Rows
    """Positions in the labelled set of the candles of the block that have features."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Scores of all blocks."""

    blocks: tuple[ScoredBlock, ...]
    aged: tuple[ScoredBlock, ...]
    """The same candles scored by the model of the block before; the first block has no scores."""
    late: int
    """Position of the first block that the published recipe scored."""
    models: tuple[Model, ...]
    """The models of ``blocks[late:]``."""


def walk_blocks(labelled: LabelledSet, candles: Candles, *, first_share: float) -> tuple[WalkBlock, ...]:
    """Cut the history after its first share into weeks.

    Parameters
    ----------
    labelled : LabelledSet
    candles : Candles
        What ``labelled`` was made from.
    first_share : float
        Share of the candles that lies before the first block: 0.4.

    Returns
    -------
    tuple of WalkBlock
        Contiguous, oldest first; the oldest takes what is left of a week, or all where there is less than
        one.  Blocks whose model would see only one side, and all before them, are left out.
    """
    first = int(len(candles) * first_share)
    end = int(candles.open_time[-1]) + CANDLE_MS
    weeks = max(1, (end - int(candles.open_time[first])) // WEEK_MS)
    weekly = np.searchsorted(candles.open_time, [end - week * WEEK_MS for week in range(weeks - 1, 0, -1)])
    edges = [first, *weekly.tolist(), len(candles)]
    blocks = tuple(_block(labelled, candles, start, stop) for start, stop in pairwise(edges) if stop > start)
    blind = [at for at, block in enumerate(blocks) if not has_both_sides(labelled, block.train)]
    return blocks[blind[-1] + 1 :] if blind else blocks


def score_walk(
    binned: BinnedSet,
    blocks: Sequence[WalkBlock],
    *,
    early: Recipe,
    late: Recipe,
    late_from: int,
    newest: Recipe,
) -> Walk:
    """Score every block with a model of the rows before it.

    Parameters
    ----------
    binned : BinnedSet
    blocks : sequence of WalkBlock
        At least one.
    early : Recipe
        Of the blocks that begin before ``late_from``.
    late : Recipe
        Of the blocks from ``late_from`` on.
    late_from : int
        Row of the candle from which on nothing of ``late`` was chosen.
    newest : Recipe
        Of the last two blocks: ``late`` with as many seeds as the published model.
    """
    late_at = sum(block.first < late_from for block in blocks)
    recipes = [early] * late_at + [late] * (len(blocks) - late_at)
    recipes[max(late_at, len(blocks) - LAST_TWO) :] = [newest] * min(LAST_TWO, len(blocks) - late_at)
    scored, aged, models = [], [], []
    for at, (block, recipe) in enumerate(zip(blocks, recipes, strict=True)):
        following = next((other for other in recipes[at + 1 : at + 1 + LAST_TWO] if other != recipe), recipe)
        model, rescaled = fit_both(binned, block.train, recipe, following)
        models.append(model)
        identity = recipes.index(recipe)
        scored.append(
            _scored(binned.labelled, block, model, identity, rescaled if following != recipe else None)
        )
        aged.append(_scored(binned.labelled, block, models[-2] if at else None, identity))
    return Walk(tuple(scored), tuple(aged), late_at, tuple(models[late_at:]))


def _scored(
    labelled: LabelledSet,
    block: WalkBlock,
    model: Model | None,
    recipe: int,
    rescaled: Model | None = None,
) -> ScoredBlock:
    features = labelled.features

    def score(by: Model | None) -> Floats:
        found = np.full(block.stop - block.first, np.nan)
        if by is not None and len(block.rows):
            found[features.row[block.rows] - block.first] = by.scores(features.x[block.rows])
        return found

    return ScoredBlock(
        first=block.first,
        stop=block.stop,
        score=score(model),
        recipe=recipe,
        rescaled=None if rescaled is None else score(rescaled),
    )


def _block(labelled: LabelledSet, candles: Candles, first: int, stop: int) -> WalkBlock:
    row = labelled.features.row
    start, end = np.searchsorted(row, [first, stop]).tolist()
    before = np.arange(start, dtype=np.int64)
    return WalkBlock(
        first=first,
        stop=stop,
        train=known_before(labelled, before, int(candles.open_time[first])),
        rows=np.arange(start, end, dtype=np.int64),
    )
