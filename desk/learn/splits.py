"""Which rows train, which validate, and what lies between them.

A ``LabelledSet`` comes in; ``Split`` (development and test) and ``Fold`` (inside development) go
out, both as positions in that set.  Pure.

The boundary between two neighbouring parts, for a horizon of 2::

    candles     … b-5  b-4  b-3  b-2  b-1 │  b   b+1 …
                 train       embargo purge │ validation
                       └─ 2 ─┘└─── 2 ───┘  b is the first candle of the validation

A row is purged when the candle that decides its label closes after the boundary; the embargo removes
as many rows again.  Both are measured in time, so that holes change nothing.

Source of purge and embargo: López de Prado (2018), "Advances in Financial Machine Learning", ch. 7.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.errors import NotEnoughHistory
from desk.values import CANDLE_MS, LabelledSet, frozen

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The chronological division of one symbol: chosen on the first part, reported on the second.

    The candle that decides a row of ``development`` closed a horizon or more before the first test
    candle opened.
    """

    development: Rows
    """Positions in the labelled set, neutral rows included."""
    test: Rows
    """Positions in the labelled set, neutral and undecided rows included."""
    purged: int
    """Rows before the boundary that were left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One step of the walk forward; every training label was known before validation begins."""

    train: Rows
    """Positions of the rows before the boundary that were not purged, neutral ones included."""
    validation: Rows
    """Positions of all rows of the block, neutral ones included."""


def hold_out(labelled: LabelledSet, *, candles: int, test_share: float) -> Split:
    """Keep the last ``test_share`` of the ``candles`` for the one look at the end.

    Parameters
    ----------
    labelled : LabelledSet
        Built from a series of ``candles`` candles.
    candles : int
        Length of that series; the boundary counts candles, not rows with features.
    test_share : float
        0.2 keeps the last fifth.
    """
    row = labelled.features.row
    boundary = candles - int(candles * test_share)
    before, test = np.flatnonzero(row < boundary), np.flatnonzero(row >= boundary)
    if len(test) == 0 or len(before) == 0:
        raise NotEnoughHistory(
            f"{labelled.features.symbol}: no candle with features on one side of the boundary between "
            "development and test; a longer history (--days) is needed"
        )
    known = known_before(labelled, before, int(labelled.features.open_time[test[0]]))
    return Split(frozen(known), frozen(test), len(before) - len(known))


def walk_forward(
    labelled: LabelledSet, development: Rows, *, folds: int, first_share: float
) -> tuple[Fold, ...]:
    """Cut the development part into an expanding training part and ``folds`` blocks after it.

    The picture, for three folds::

        block   0 0 0 0 1 1 2 2 3 3      0 = the first share, never validation
        fold 1  t t t t v v
        fold 2  t t t t t t v v          t = train (purged before v), v = validation
        fold 3  t t t t t t t t v v

    A block in which a side never occurs validates nothing, and from a training part with one side
    nothing is learned: such folds are left out, so that a short history may give fewer than ``folds``.
    """
    first = int(len(development) * first_share)
    edges = np.linspace(first, len(development), folds + 1).astype(int)
    found = []
    for start, stop in itertools.pairwise(edges):
        validation = development[start:stop]
        if len(validation) == 0:
            continue
        known = known_before(labelled, development[:start], int(labelled.features.open_time[validation[0]]))
        if has_both_sides(labelled, known) and has_both_sides(labelled, validation):
            found.append(Fold(frozen(known), frozen(validation)))
    return tuple(found)


def known_before(labelled: LabelledSet, rows: Rows, boundary: int) -> Rows:
    """Those of ``rows`` whose label was known a horizon before the time ``boundary`` (ms)."""
    embargo = labelled.horizon * CANDLE_MS
    return rows[labelled.known_at[rows] <= boundary - embargo]


def has_both_sides(labelled: LabelledSet, rows: Rows) -> bool:
    """Whether some of ``rows`` are labelled up and some down."""
    return len(np.unique(labelled.label[rows[labelled.decided[rows]]])) > 1
