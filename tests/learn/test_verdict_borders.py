"""Verdicts at their borders: exactly enough, exactly the limit, conditions of which one suffices."""

from dataclasses import replace

import pytest

from desk.errors import SettingsError
from desk.learn.verdict import Evaluation, Evidence, decide_verdicts, earlier_tests, examine, pending
from tests.learn.test_verdict import DAY_MS, GOOD, RULES, evaluation, examined, traded, verdict_on


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"gate_level": 0.5}, True),
        ({"gate_level": 1.0}, False),
        ({"min_test_trades": 1, "min_test_days": 2}, True),
        ({"min_test_trades": 0}, False),
        ({"min_test_days": 1}, False),
        ({"false_discovery_rate": 0.0}, False),
        ({"false_discovery_rate": 1.0}, False),
        ({"max_coverage_ratio": 1.0}, False),
        ({"max_calibration_error_points": 0.0}, False),
        ({"max_calibration_error_points": 0.5}, True),
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
    return " / ".join(verdict_on(replace(GOOD, **changes)).reasons)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("test", "enough"),
    [
        (traded(30.0, days=10, per_day=3, spread=2.0), True),
        (traded(30.0, days=14, per_day=2, spread=2.0), False),  # days enough, trades not
        (traded(30.0, days=8, per_day=12, spread=2.0), False),  # trades enough, days not
    ],
)
def test_enough_test_trades_and_enough_days_are_two_conditions(test: object, enough: bool) -> None:
    """A hundred trades on one day of news say little, and so does a trade a fortnight."""
    assert ("too few test trades" not in reasons(test=test)) is enough


def test_days_without_a_trade_do_not_count_as_days() -> None:
    """A block of 36 days with trades on eight of them was tried on eight days."""
    busy = traded(30.0, days=8, per_day=12, spread=2.0)
    idle = [replace(line, trades=0, net_bps=0.0) for line in traded(30.0).daily[8:]]

    assert "on 8 days" in reasons(test=replace(busy, daily=(*busy.daily, *idle)))


def test_exactly_enough_labels_are_enough() -> None:
    assert reasons(labelled=2_000) == ""
    assert "few labels" in reasons(labelled=1_999)


@pytest.mark.parametrize(("fired", "alike"), [(12, True), (3, True), (13, False), (2, False)])
def test_coverage_may_differ_by_the_ratio_itself(fired: int, alike: bool) -> None:
    """Out of fold six candles a day fired; the ratio is two."""
    assert ("say" not in reasons(test=traded(14.0, fired=fired))) is alike


def test_no_development_trade_shuts_the_gate() -> None:
    """Thresholds without a single closed trade prove nothing, whatever the test part shows."""
    for nothing in (None, replace(traded(12.0), n=0)):
        examination = examine(replace(GOOD, out_of_fold=nothing), RULES)

        assert not examination.passed_gate
        assert examination.reasons[0] == "no out-of-fold trade was closed on development candles"


def test_an_edge_that_was_not_shown_does_not_pass_the_gate() -> None:
    """The family counts those that passed, so a gate that lets all through changes every other verdict."""
    examination = examine(replace(GOOD, out_of_fold=traded(2.0)), RULES)

    assert not examination.passed_gate
    assert decide_verdicts([examination], (), RULES)[0].q_value is None


def test_a_small_edge_that_is_sure_passes_the_gate() -> None:
    """The bound must lie above zero, not above a whole basis point."""
    assert examine(replace(GOOD, out_of_fold=traded(0.5, spread=0.1)), RULES).passed_gate


def test_an_examination_carries_its_symbol_and_its_p_value_into_the_verdict() -> None:
    examination = examine(GOOD, RULES)

    assert examination.symbol == "GOODUSDT"
    assert pending(examination).p_value == examination.p_value
    assert pending(examination).tradable is False


def test_a_q_value_of_exactly_the_rate_is_beyond_chance() -> None:
    (verdict,) = decide_verdicts([examined(0.1)], (), RULES)

    assert verdict.tradable


@pytest.mark.parametrize("known", [{"p_value": None}, {"net_bps": None}])
def test_what_cannot_be_tested_is_said_without_figures(known: dict[str, None]) -> None:
    """There may be trades whose days do not differ: a mean, and no p-value."""
    unknown = replace(examined(0.5), **known)  # type: ignore[arg-type]

    (verdict,) = decide_verdicts([unknown], (), RULES)

    assert not verdict.tradable
    assert verdict.reasons[-1].startswith("the test trades cannot be tested")


@pytest.mark.parametrize(
    ("first", "last", "counts"),
    [
        (136 * DAY_MS, 170 * DAY_MS, True),
        (60 * DAY_MS, 100 * DAY_MS, True),
        (136 * DAY_MS + 1, 170 * DAY_MS, False),
        (60 * DAY_MS, 100 * DAY_MS - 1, False),
    ],
)
def test_one_shared_candle_makes_two_tests_a_family(first: int, last: int, counts: bool) -> None:
    """Both ends are candles of their blocks."""
    earlier: Evaluation = evaluation(0.2, "YUSDT", test_first=first, test_last=last)

    assert bool(earlier_tests([evaluation(0.1)], [earlier])) is counts


def test_the_target_counts_for_every_side_that_fires() -> None:
    both: Evidence = replace(
        GOOD,
        selection=replace(
            GOOD.selection,
            long=replace(GOOD.selection.long, target_met=False),
            short=replace(GOOD.selection.short, target_met=False),
        ),
    )

    assert verdict_on(both).reasons[-1].count("labelled out-of-fold trades won; short: ") == 1
