"""A model that trades as expected is demoted as rarely as stated; one that falls short, soon."""

from dataclasses import replace

import numpy as np
import pytest

from desk.trade.records import ClosedTrade
from desk.trade.scoreboard import evidence_below, labelled_wins, score, score_cells
from desk.trade.signals import EvaluatedCosts
from tests.trade.samples import NOON, SCORE, card
from tests.trade.test_journal import CLOSED

CANDLE = 300_000


def made(nets: list[float]) -> list[ClosedTrade]:
    """Trades with these nets, ten a day."""
    return [
        replace(CLOSED, trade=str(number), opened=NOON + number * 8_640_000, net=net)
        for number, net in enumerate(nets)
    ]


def made_labels(wins: int, losses: int) -> list[tuple[int, bool]]:
    """Labelled trades, ten a day."""
    return [(NOON + at * 8_640_000, at < wins) for at in range(wins + losses)]


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
        "win rate 54.0% on 100 labelled trades" in score(card(), trades, made_labels(54, 46), SCORE).demotion
    )
    assert score(card(), trades, made_labels(54, 45), SCORE).demotion == ""


def test_labels_are_those_of_training() -> None:
    """A move of 0.2 % within the horizon, from the signal's close."""
    trades = [replace(CLOSED, opened=NOON + number * CANDLE, side=side) for number, side in
              enumerate([1, 1, -1, -1, 1])]  # fmt: skip
    closes = {NOON + number * CANDLE: price for number, price in
              enumerate([100.0, 100.0, 100.3, 100.1, 99.8, 100.5])}  # fmt: skip

    found = labelled_wins(card(), trades, closes)

    assert found == [(trades[0].opened, True), (trades[2].opened, True), (trades[3].opened, False)]


def test_below_ten_days_no_figure_has_an_interval() -> None:
    """The first weeks of a model: 84 trades of nine days are nine observations."""
    nine, ten = (
        score(card(), made([0.001, -0.0005] * (trades // 2)), made_labels(63, trades - 63), SCORE)
        for trades in (84, 94)
    )

    for name in ("win_rate_ci95", "win_rate_labelled_ci95", "net_bps_ci95"):
        assert getattr(nine, name) is None
        assert getattr(ten, name) is not None
    assert score_cells(nine)[2] == "50.0% [too few days]"
    assert score_cells(nine)[4] == "+2.5 [too few days]"
    assert score_cells(nine)[6] == "75.0% [too few days]"
    assert not any("too few days" in cell for cell in score_cells(ten))


def test_no_interval_is_narrower_than_independent_trades_give() -> None:
    """Days that agree exactly are luck: of 200 trades, five of ten won on each day, no more is known."""
    found = score(card(), made([0.001, -0.001] * 100), made_labels(100, 100), SCORE)

    assert found.win_rate_ci95 is not None
    assert found.win_rate_ci95[1] - found.win_rate_ci95[0] >= 2 * 1.96 * (0.25 / 200) ** 0.5
    assert found.net_bps_ci95 is not None
    assert found.net_bps_ci95[1] - found.net_bps_ci95[0] >= 2 * 1.96 * 10.0 / 200**0.5


def test_trades_of_a_day_that_win_together_count_once() -> None:
    """Twenty days, each all won or all lost: as wide as twenty trades, not as two hundred."""
    nets = [net for day in range(21) for net in [0.001 if day % 2 else -0.001] * 10]
    found = score(card(), made(nets[5:205]), [], SCORE)

    assert found.win_rate == 0.5
    assert found.win_rate_ci95 is not None
    assert found.win_rate_ci95[1] - found.win_rate_ci95[0] > 0.3
    assert found.net_bps_ci95 is not None
    assert found.net_bps_ci95[1] > 3.0


def test_the_demotion_does_not_depend_on_the_days() -> None:
    """A rule that counts trades: a hundred of one afternoon are enough to fall below the floor."""
    trades = [replace(CLOSED, trade=str(number), net=0.001) for number in range(100)]
    labels = [(NOON, number < 54) for number in range(100)]

    assert "win rate 54.0% on 100 labelled trades" in score(card(), trades, labels, SCORE).demotion


def test_nothing_traded_has_no_figures() -> None:
    """A dash, and no word of days: there is nothing whose interval could be missed."""
    found = score(card(), [], [], SCORE)

    assert (found.n, found.win_rate, found.net_bps, found.win_rate_labelled) == (0, None, None, None)
    assert score_cells(found)[2:7] == ("–", "60.0%", "–", "+5.0", "–")


@pytest.mark.parametrize(
    ("costs", "marked"),
    [
        (EvaluatedCosts(tick_bps=5.0, spread_bps=5.0), False),
        (EvaluatedCosts(tick_bps=5.1, spread_bps=1.0), True),
        (EvaluatedCosts(spread_bps=5.1), True),
        (EvaluatedCosts(), False),
    ],
)
def test_a_symbol_with_coarse_prices_is_marked(costs: EvaluatedCosts, *, marked: bool) -> None:
    """Its win rates count bounce between bid and ask, in the evaluation and live."""
    cells = score_cells(score(card(costs=costs), made([0.001] * 5), [], SCORE))

    assert cells[0] == ("BTCUSDT*" if marked else "BTCUSDT")
