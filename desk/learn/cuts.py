"""Which score cuts off a share of one side, for a block whose own scores are not known yet.

Scored blocks of a walk come in; cuts on the scale of scores go out, for every block and for tomorrow.  Pure.

The scale of scores shrinks as training grows, so that a quantile of old scores is too far out for new ones.
Scores of a block are therefore centred by its median and divided by its spread; the quantile is taken of
those, and put back on the scale of the last two blocks.  Wide shares are taken of the last two blocks, narrow
ones of all earlier blocks: two weeks hold too few scores of a narrow tail.

The spread of a side is the distance from the median to its outer 1 %.  The bulk of the scores says little of
their tail: with the mean distance from the median instead, the coverage of the last four blocks lay outside
half to twice the promised one for 75, 56 and 6 % of the sides of eight real series at shares of 0.5, 0.7
and 1 %; with the outer 1 % for 6, 0 and 0 %.

Not here: which share is traded (``desk.learn.thresholds``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.learn.win_rate import Side

Floats = NDArray[np.float64]

FIRST_TRADED = 2
"""Position of the first block that is traded; the ones before it are cut by their own quantiles."""
TAIL_SHARE = 0.01
"""Share of the scores behind the point that measures the spread of a side."""
SIDES: tuple[Side, Side] = ("long", "short")
LAST_TWO = 2
"""Blocks that wide shares are taken of, and on whose scale every cut is put."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBlock:
    """Candles of one week with what a model of everything before them says."""

    first: int
    """Row of its first candle."""
    stop: int
    """Row behind its last."""
    score: Floats
    """Shape (stop - first,): centred log-odds of up; NaN where the candle has no features."""
    recipe: int = 0
    """Blocks with equal numbers were scored by one recipe.  Parameters, rounds and the number of members
    change the scale of scores."""
    rescaled: Floats | None = None
    """The same candles scored by the recipe of the blocks that follow, same shape; it lends median and spread
    where a block of another ``recipe`` is cut, and nothing else."""


class ShareCuts:
    """Cuts of every block and of tomorrow, at every share, for both sides."""

    def __init__(self, blocks: Sequence[ScoredBlock], shares: Sequence[float], narrow_share: float) -> None:
        self._blocks = blocks
        self._shares = np.array(shares)
        self._narrow = self._shares < narrow_share
        self._standard = {side: [_standard(side, block) for block in blocks] for side in SIDES}

    def of(self, side: Side, block: int) -> tuple[Floats, Floats]:
        """Cuts and promised coverage, shape (shares,) each; NaN and 0 where there is no cut."""
        if block < FIRST_TRADED:
            if block == len(self._blocks):
                return np.full(len(self._shares), np.nan), np.zeros(len(self._shares))
            own = self._blocks[block].score
            return _tail(side, own[np.isfinite(own)], self._shares)
        standard = self._standard[side]
        recent = [at for at in range(max(0, block - LAST_TWO), block) if len(standard[at])]
        if not recent:
            return np.full(len(self._shares), np.nan), np.zeros(len(self._shares))
        cut, coverage = _tail(side, np.concatenate([standard[at] for at in recent]), self._shares)
        if self._narrow.any():
            whole = np.concatenate(standard[:block])
            cut[self._narrow], coverage[self._narrow] = _tail(side, whole, self._shares[self._narrow])
        scales = np.array([_scale(side, self._like(at, block)) for at in recent])
        middle, spread = scales.mean(axis=0)
        # A cut at the median is none: a model that has learned nothing has the same score everywhere.
        beyond = cut > 0 if side == "long" else cut < 0
        return np.where(beyond, cut * spread + middle, np.nan), np.where(beyond, coverage, 0.0)

    def _like(self, at: int, block: int) -> Floats:
        """Scores of block ``at``, on the scale of the recipe that scores ``block``."""
        known = self._blocks[at]
        recipe = self._blocks[min(block, len(self._blocks) - 1)].recipe
        score = known.score if known.rescaled is None or known.recipe == recipe else known.rescaled
        return score[np.isfinite(score)]


def _standard(side: Side, block: ScoredBlock) -> Floats:
    """Scores of a block, centred and scaled; none where they are all alike."""
    score = block.score[np.isfinite(block.score)]
    middle, spread = _scale(side, score)
    return (score - middle) / spread if spread > 0 else score[:0]


def _scale(side: Side, score: Floats) -> tuple[float, float]:
    """Median, and its distance to the outer ``TAIL_SHARE`` of a side."""
    if len(score) == 0:
        return 0.0, 0.0
    depth = int(np.ceil(TAIL_SHARE * len(score)))
    ranked = np.sort(score)
    middle = float(np.median(ranked))
    return middle, abs(float(ranked[-depth] if side == "long" else ranked[depth - 1]) - middle)


def _tail(side: Side, score: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """The score that cuts off each share of a tail, one that occurred, and the share that really lies there.

    A cut that reaches to the median is none: NaN and 0.
    """
    n = len(score)
    if n == 0:
        return np.full(len(shares), np.nan), np.zeros(len(shares))
    ranked = np.sort(score)
    depth = np.ceil(shares * n - 1e-9).astype(np.int64)
    cut = ranked[n - depth] if side == "long" else ranked[depth - 1]
    median = np.median(ranked)
    if side == "long":
        beyond, reach = cut > median, n - np.searchsorted(ranked, cut, side="left")
    else:
        beyond, reach = cut < median, np.searchsorted(ranked, cut, side="right")
    return np.where(beyond, cut, np.nan), np.where(beyond, reach / n, 0.0)
