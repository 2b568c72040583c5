"""The split at its borders: a single row on one side, a block that cannot be used, a message that helps."""

import numpy as np
import pytest

from desk.errors import NotEnoughHistory
from desk.learn.splits import hold_out, walk_forward
from desk.values import UP, LabelledSet
from tests.learn.samples import labelled_set


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_side_without_any_row_is_an_error_that_says_what_helps(share: float) -> None:
    """Without it, the next stage fails on an empty array, far from the cause."""
    with pytest.raises(
        NotEnoughHistory, match=r"^TESTUSDT: no candle .* longer history \(--days\) is needed$"
    ):
        hold_out(labelled_set(600), candles=600, test_share=share)


@pytest.mark.parametrize(("share", "rows"), [(1 / 600, 1), (599 / 600, 599)])
def test_one_row_on_a_side_is_a_side(share: float, rows: int) -> None:
    assert len(hold_out(labelled_set(600), candles=600, test_share=share).test) == rows


def test_a_block_that_cannot_be_used_ends_only_itself() -> None:
    """The blocks after it are as good as before."""
    labelled = labelled_set(600)
    label = labelled.label.copy()
    development = np.arange(400)
    label[200:300] = UP
    one_sided = LabelledSet(labelled.features, 2, 0.002, label, labelled.move, labelled.known_at)

    folds = walk_forward(one_sided, development, folds=3, first_share=0.25)

    assert [int(fold.validation[0]) for fold in folds] == [100, 300]


def test_more_blocks_than_rows_are_no_folds() -> None:
    """A block of one row, or of none, has no two sides and measures nothing."""
    assert walk_forward(labelled_set(600), np.arange(60), folds=90, first_share=0.5) == ()
