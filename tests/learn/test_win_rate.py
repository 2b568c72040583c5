"""What trades prove of a win rate: the exact arithmetic, and words that a trader can act on."""

import pytest
from scipy import stats

from desk.learn.win_rate import POWER, proof, provable_rate


def lower_bound(wins: int, n: int) -> float:
    return float(stats.binomtest(wins, n).proportion_ci(0.95, method="exact").low)


def test_power_is_the_rate_that_succeeds_four_times_out_of_five() -> None:
    """141 of 210 are needed to prove 60 %; only at 69.6 % do four of five tries have as many."""
    assert lower_bound(140, 210) < 0.6 <= lower_bound(141, 210)

    rate = provable_rate(210, target=0.6, level=0.975)

    assert rate is not None
    assert rate == pytest.approx(0.696, abs=0.001)
    assert stats.binom.sf(140, 210, rate) == pytest.approx(POWER)


@pytest.mark.parametrize("n", [8, 9, 60, 209])
def test_as_many_wins_are_needed_as_the_exact_bound_asks_for(n: int) -> None:
    rate = provable_rate(n, target=0.6, level=0.975)

    needed = next(wins for wins in range(n + 1) if lower_bound(wins, n) >= 0.6)
    assert rate is not None
    assert stats.binom.sf(needed - 1, n, rate) == pytest.approx(POWER)


def test_a_proof_that_needs_every_trade_is_still_one() -> None:
    """Eight of eight prove 60 % at this level; seven of seven do not."""
    assert provable_rate(7, target=0.6, level=0.975) is None
    assert provable_rate(8, target=0.6, level=0.975) == pytest.approx(0.8 ** (1 / 8))


@pytest.mark.parametrize(
    ("wins", "n", "met", "power", "sentence"),
    [
        (0, 0, False, None, "long: there is no labelled trade"),
        (
            150, 200, True, 0.7,
            (
                "long: 150 of 200 labelled trades won (75.0 %), lower bound 61.2 %, at least the 60 % asked "
                "for, if the future resembles them"
            ),
        ),
        (
            5, 5, False, None,
            (
                "long: 5 of 5 labelled trades won (100.0 %), lower bound 61.2 %; 5 trades cannot prove 60 % "
                "at all"
            ),
        ),
        (
            110, 200, False, 0.6963,
            (
                "long: 110 of 200 labelled trades won (55.0 %), lower bound 61.2 %; 200 trades can prove 60 "
                "% only if 70 % is true"
            ),
        ),
    ],
)  # fmt: skip
def test_the_proof_is_one_sentence_with_its_figures(
    wins: int, n: int, met: bool, power: float | None, sentence: str
) -> None:
    """The trader learns whether the market stood in the way or the number of trades."""
    assert proof("long", wins, n, lower_bound=0.612, met=met, power=power, target=0.6) == sentence
