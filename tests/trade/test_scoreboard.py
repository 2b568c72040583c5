"""A model that trades as expected is demoted as rarely as stated; one that falls short, soon."""

from dataclasses import replace

import numpy as np
import pytest

from desk.trade.records import ClosedTrade
from desk.trade.scoreboard import evidence_below, labelled_wins, score, score_cells, wilson
from tests.trade.samples import NOON, SCORE, card
from tests.trade.test_journal import CLOSED

CANDLE = 300_000


def made(nets: list[float]) -> list[ClosedTrade]:
    """Trades with these nets, ten a day."""
    return [
        replace(CLOSED, trade=str(number), opened=NOON + number * 8_640_000, net=net)
        for number, net in enumerate(nets)
    ]


def test_looking_after_every_trade_demotes_a_good_model_as_rarely_as_stated() -> None:
    """5 % of 2,000 models that win exactly what was expected, over 500 trades each, at most."""
    rng = np.random.default_rng(7)
    wins = rng.random((2_000, 500)) < 0.6

    demoted = np.mean([evidence_below(0.6, list(one)) >= 20 for one in wins])

    assert demoted <= 0.05
    assert demoted > 0.005


def test_a_model_that_wins_half_of_its_trades_is_found() -> None:
    """Promised 60 %, delivered 50 %: nine of ten are found within 500 trades."""
    rng = np.random.default_rng(8)
    wins = rng.random((300, 500)) < 0.5

    assert np.mean([evidence_below(0.6, list(one)) >= 20 for one in wins]) > 0.9


def test_evidence_never_falls() -> None:
    """What was proved once stays proved: the test stops at its first rejection."""
    wins = [False] * 30 + [True] * 300

    assert evidence_below(0.6, wins) == evidence_below(0.6, wins[:30])


@pytest.mark.parametrize("expected", [0.0, 1.0])
def test_promises_that_cannot_be_tested_prove_nothing(expected: float) -> None:
    """An expectation from three trades may well be 100 %."""
    assert evidence_below(expected, [False] * 50) == 0.0


def test_a_model_below_its_promise_is_demoted_with_figures() -> None:
    """The sentence is what the operator reads."""
    found = score(card(), made([-0.001] * 30 + [0.001] * 5), [], SCORE)

    assert "14.3% of 35 trades earned, 60.0% were expected" in found.demotion
    assert found.evidence > 1_000
    assert score_cells(found)[-1] == "retrain"


def test_the_floor_counts_labelled_trades() -> None:
    """54 of 100 is below 55 %; 54 of 99 is not asked yet."""
    trades = made([0.001] * 100)

    assert (
        "win rate 54.0% on 100 labelled trades"
        in score(card(), trades, [True] * 54 + [False] * 46, SCORE).demotion
    )
    assert score(card(), trades, [True] * 54 + [False] * 45, SCORE).demotion == ""


def test_labels_are_those_of_training() -> None:
    """A move of 0.2 % within the horizon, from the signal's close."""
    trades = [replace(CLOSED, opened=NOON + number * CANDLE, side=side) for number, side in
              enumerate([1, 1, -1, -1, 1])]  # fmt: skip
    closes = {NOON + number * CANDLE: price for number, price in
              enumerate([100.0, 100.0, 100.3, 100.1, 99.8, 100.5])}  # fmt: skip

    assert labelled_wins(card(), trades, closes) == [True, True, False]


def test_intervals_count_days() -> None:
    """Ten trades of one afternoon are one observation."""
    one_day = [replace(CLOSED, net=net) for net in (0.001, -0.001, 0.002)]

    assert score(card(), one_day, [], SCORE).net_bps_ci95 is None
    spread = score(card(), made([0.001, 0.002] * 40), [], SCORE)
    assert spread.net_bps == pytest.approx(15.0)
    assert spread.net_bps_ci95 is not None
    assert spread.net_bps_ci95[0] < 15.0 < spread.net_bps_ci95[1]


def test_wilson_is_wilson() -> None:
    """Known values: 60 of 100, and none of ten."""
    assert wilson(60, 100) == pytest.approx((0.5020, 0.6906), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0, 0) is None
