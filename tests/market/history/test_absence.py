"""What is believed of candles that the exchange did not have."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.market.history.absence import (
    BELIEVED,
    BELIEVED_AFTER_MS,
    NOTHING_ABSENT,
    THERE,
    Absence,
    Absences,
    absences_of,
    join_absences,
    seen_again,
)
from desk.values import CANDLE_MS, Hole
from tests.market.samples import NOW

GRID = NOW + CANDLE_MS * np.arange(40, dtype=np.int64)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 39), st.sampled_from([BELIEVED, NOW - 7, NOW])))
def test_holes_say_of_every_candle_what_was_put_into_them(seen: dict[int, int]) -> None:
    """A hole that loses its date is asked for for ever, one that gains candles hides them."""
    rows = np.array(sorted(seen), dtype=np.int64)
    absences = Absences(absences_of(GRID[rows], np.array([seen[row] for row in rows], dtype=np.int64)))

    assert absences.seen_at(GRID).tolist() == [seen.get(row, THERE) for row in range(40)]
    assert sum(one.hole.candles for one in absences.holes) == len(seen)
    cut = GRID[10], GRID[20]
    outside = Absences(absences.outside(int(cut[0]), int(cut[1])))
    assert outside.seen_at(GRID).tolist() == [
        THERE if 10 <= row < 20 else seen.get(row, THERE) for row in range(40)
    ]


def test_neighbouring_missing_candles_are_one_hole() -> None:
    """A user reads "an outage of 16 candles" and not sixteen lines."""
    rows = np.array([5, 6, 7, 20])

    holes = absences_of(GRID[rows], np.full(4, NOW))

    assert [one.hole for one in holes] == [Hole(int(GRID[5]), 3), Hole(int(GRID[20]), 1)]


def test_an_absence_is_believed_when_it_is_seen_again_a_week_later_and_not_before() -> None:
    """What an exchange lacks for an hour or a day it has mostly found again within a week."""
    seen = np.array([THERE, NOW - BELIEVED_AFTER_MS + 1, NOW - BELIEVED_AFTER_MS, BELIEVED])

    assert seen_again(seen, NOW).tolist() == [NOW, NOW - BELIEVED_AFTER_MS + 1, BELIEVED, BELIEVED]


def test_of_several_caches_the_longest_experience_counts() -> None:
    """Files of other days have seen the same hole at other times, and the series from further back."""
    hole = Hole(int(GRID[5]), 3)
    early, late = Absences((Absence(hole, NOW - 5),), NOW), Absences((Absence(hole, NOW),), NOW + CANDLE_MS)

    joined = join_absences([late, NOTHING_ABSENT, early])

    assert joined.seen_at(GRID)[5] == NOW - 5
    assert joined.beginning == NOW
    assert join_absences([]) == NOTHING_ABSENT
