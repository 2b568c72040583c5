"""Thresholds at their borders: exactly enough trades, exactly the target, and what a silent side says."""

from dataclasses import replace

import numpy as np
import pytest

from desk.errors import SettingsError
from desk.learn.selection import SelectionRules, lower_bound, provable_rate, select
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UP
from tests.learn.trading import MIDNIGHT

RULES = SelectionRules(shares=(0.01, 0.02, 0.05), min_trades=10, target_win_rate=0.6, level=0.975)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"shares": (1e-9,)}, True),
        ({"shares": (0.0, 0.1)}, False),
        ({"shares": (0.49,)}, True),
        ({"shares": (0.1, 0.5)}, False),
        ({"shares": ()}, False),
        ({"shares": (0.2, 0.1)}, False),
        ({"min_trades": 1}, True),
        ({"min_trades": 0}, False),
        ({"target_win_rate": 0.0}, False),
        ({"target_win_rate": 1.0}, False),
        ({"level": 0.5}, True),
        ({"level": 1.0}, False),
    ],
)
def test_settings_are_refused_exactly_from_their_limits_on(changes: dict[str, object], allowed: bool) -> None:
    """A level of 1 or a target of 1 can never be met: every side would be silent without a word."""
    if allowed:
        replace(RULES, **changes)  # type: ignore[arg-type]
    else:
        with pytest.raises(SettingsError, match=next(iter(changes))):
            replace(RULES, **changes)  # type: ignore[arg-type]


def wins_on_top(wins: int, n: int, *, rows: int = 1_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rising probabilities of which the highest ``n`` are labelled and the last ``wins`` of them won."""
    probability = np.linspace(0.01, 0.99, rows)
    label = np.full(rows, NEUTRAL, np.int8)
    label[-n:] = DOWN
    label[rows - wins :] = UP
    return probability, label, MIDNIGHT + CANDLE_MS * np.arange(rows)


def test_exactly_enough_labelled_trades_are_enough() -> None:
    """One per cent of 1,000 candles are ten trades; the eleventh would only come with two per cent."""
    long = select(*wins_on_top(10, 10), horizon=1, rules=RULES).long

    assert long.tested[0].n == 10
    assert long.threshold is not None


def test_a_bound_that_is_exactly_the_target_meets_it() -> None:
    rules = replace(RULES, target_win_rate=lower_bound(10, 10, level=0.975))

    assert select(*wins_on_top(10, 10), horizon=1, rules=rules).long.target_met


def test_a_side_that_never_fires_still_says_what_it_saw() -> None:
    """The figures of the fullest entry: the reader sees how far it was from enough."""
    sides = select(*wins_on_top(6, 8), horizon=1, rules=RULES)
    long, short = sides.long, sides.short

    assert (long.side, long.threshold, long.n, long.wins, long.tested) == ("long", None, 8, 6, ())
    assert long.lower_bound == lower_bound(6, 8, level=0.975)
    assert long.target_met is False
    assert long.why.startswith("long never fires: even the widest entry has only 8 labelled")
    assert short.why.startswith("short never fires")
    assert (short.side, short.wins) == ("short", 0)


def test_no_probability_at_all_counts_nothing() -> None:
    nothing = select(np.empty(0), np.empty(0, np.int8), np.empty(0, np.int64), horizon=1, rules=RULES).short

    assert (nothing.side, nothing.n, nothing.wins, nothing.lower_bound) == ("short", 0, 0, None)


def test_the_sentence_of_a_side_names_it_with_its_share_of_wins() -> None:
    probability, label, times = wins_on_top(10, 10)
    mirrored = np.where(label == UP, DOWN, label)

    sides = select(probability, label, times, horizon=1, rules=RULES)
    other = select(1 - probability, mirrored, times, horizon=1, rules=RULES)

    assert sides.long.why.startswith("long: 10 of 10 labelled out-of-fold trades won (100.0%)")
    assert other.short.why.startswith("short: 10 of 10 labelled out-of-fold trades won (100.0%)")


def test_equal_entries_are_counted_once_and_wider_ones_still_follow() -> None:
    """Ties make two shares one threshold; the next distinct one is an entry again."""
    probability, label, times = wins_on_top(50, 50)
    probability[-20:] = 0.99

    tested = select(probability, label, times, horizon=1, rules=RULES).long.tested

    assert [entry.share for entry in tested] == [0.01, 0.05]


def test_a_proof_that_needs_every_trade_is_still_one() -> None:
    """Eight of eight prove 60 % at this level; seven of seven do not."""
    assert provable_rate(7, target=0.6, level=0.975) is None
    assert provable_rate(8, target=0.6, level=0.975) == pytest.approx(0.8 ** (1 / 8))
