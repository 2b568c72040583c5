"""Verdicts at their borders: exactly enough, exactly the limit, conditions of which one suffices."""

from dataclasses import replace

import numpy as np
import pytest

from desk.errors import SettingsError
from desk.learn.conditions import examine
from desk.learn.evidence import DailySums, Overclaim
from desk.learn.verdict import decide_verdicts, pending
from tests.learn.evidence import GOOD, RULES, sums
from tests.learn.test_verdict import examined


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"min_trades": 1, "min_days": 2}, True),
        ({"min_trades": 0}, False),
        ({"min_days": 1}, False),
        ({"false_discovery_rate": 0.0}, False),
        ({"false_discovery_rate": 1.0}, False),
        ({"stay_error": 0.0}, False),
        ({"stay_error": 1.0}, False),
        ({"recent_level": 0.5}, True),
        ({"coverage_level": 1.0}, False),
        ({"calibration_level": 0.49}, False),
        ({"recent_days": 1}, False),
        ({"stay_days": 2}, True),
        ({"max_coverage_ratio": 1.0}, False),
        ({"min_turnover": -1.0}, False),
        ({"max_spread_bps": 0.0, "min_turnover": 0.0}, True),
    ],
)
def test_settings_are_refused_exactly_from_their_limits_on(changes: dict[str, object], allowed: bool) -> None:
    """At a false discovery rate of 1 everything is tradable, at 0 nothing: neither may be set by a slip."""
    if allowed:
        replace(RULES, **changes)  # type: ignore[arg-type]
    else:
        with pytest.raises(SettingsError, match=next(iter(changes))):
            replace(RULES, **changes)  # type: ignore[arg-type]


def reasons(**changes: object) -> str:
    return " / ".join(examine(replace(GOOD, **changes), RULES).reasons)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("net", "enough"),
    [
        (sums(30.0, days=10, per_day=3, spread=2.0), True),
        (sums(30.0, days=14, per_day=2, spread=2.0), False),  # days enough, trades not
        (sums(30.0, days=8, per_day=12, spread=2.0), False),  # trades enough, days not
    ],
)
def test_enough_trades_and_enough_days_are_two_conditions(net: DailySums, enough: bool) -> None:
    """A hundred trades on one day of news say little, and so does a trade a fortnight."""
    assert ("too few trades" not in reasons(net=net)) is enough
    assert examine(replace(GOOD, net=net), RULES).tested is enough


def test_days_without_a_trade_do_not_count_as_days_with_one() -> None:
    """Evidence of 36 days with trades on eight of them was tried on eight days."""
    busy = sums(30.0, days=8, per_day=12, spread=2.0)
    net = DailySums(
        np.append(busy.net_bps, np.zeros(28)), np.append(busy.trades, np.zeros(28, dtype=np.int64))
    )

    assert "on 8 days" in reasons(net=net)


@pytest.mark.parametrize(
    ("exactly", "beyond", "words"),
    [
        ({"labelled": 2_000}, {"labelled": 1_999}, "few labels"),
        ({"turnover": 1e6}, {"turnover": 999_999.0}, "were traded"),
        ({"spread_bps": 20.0}, {"spread_bps": 20.01}, "apart"),
        (
            {"overclaim": Overclaim(points=5.0, limit_points=5.0)},
            {"overclaim": Overclaim(points=5.01, limit_points=5.0)},
            "more often than it is",
        ),
    ],
)
def test_exactly_the_limit_is_allowed(
    exactly: dict[str, object], beyond: dict[str, object], words: str
) -> None:
    assert reasons(**exactly) == ""
    assert words in reasons(**beyond)


def test_one_silent_side_is_no_fault() -> None:
    assert reasons(silent=("long is silent",)) == ""
    assert reasons(silent=()) == ""


@pytest.mark.parametrize("name", ["executable", "aged", "without_holes"])
def test_earning_nothing_is_not_earning(name: str) -> None:
    """Exactly zero pays nobody."""
    assert reasons(**{name: sums(0.0, days=30)}) != ""
    assert reasons(**{name: sums(0.01)}) == ""


def test_ten_days_are_needed_to_call_recent_days_a_loss() -> None:
    """With nine days of evidence nothing is beyond chance; the trades are too few anyway."""
    assert "lost" not in reasons(net=sums(-50.0, days=9, spread=1.0))
    assert "the last 10 days lost" in reasons(net=sums(-50.0, days=10, spread=1.0))


def test_an_examination_carries_its_symbol_and_its_p_value_into_the_verdict() -> None:
    examination = examine(GOOD, RULES)

    assert examination.symbol == "GOODUSDT"
    assert pending(examination).p_value == examination.p_value
    assert pending(examination).tradable is False
    assert examination.days == 94
    assert examination.day_spread_bps == pytest.approx(np.std(GOOD.net.net_bps, ddof=1))


def test_a_q_value_of_exactly_the_rate_is_beyond_chance() -> None:
    assert decide_verdicts([examined(0.05)], (), RULES)[0].tradable
    assert not decide_verdicts([examined(0.0501)], (), RULES)[0].tradable


def test_a_p_value_of_exactly_one_half_is_kept() -> None:
    """Discarded are those above it."""
    (verdict,) = decide_verdicts([examined(0.5)], (0.6,), RULES)

    assert "(1 with p above 0.5 left out" in verdict.reasons[0]
    assert verdict.q_value == 1.0


def test_what_cannot_be_tested_is_said_without_figures() -> None:
    """There may be trades whose days do not differ: a mean, and no p-value."""
    (verdict,) = decide_verdicts([replace(examined(0.4), net_bps=None)], (), RULES)

    assert not verdict.tradable
    assert verdict.reasons[-1].startswith("the trades cannot be tested")
