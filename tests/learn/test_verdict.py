"""Verdicts: every condition is a sentence with its figures, and luck among many is not called an edge."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from desk.errors import SettingsError
from desk.learn.selection import Selection, Side, SideChoice
from desk.learn.trades import DayLine, TradeFigures, figures
from desk.learn.verdict import (
    PENDING,
    Evaluation,
    Evidence,
    Examination,
    Verdict,
    VerdictRules,
    decide_verdicts,
    discovery_rates,
    earlier_tests,
    examine,
    pending,
)

RULES = VerdictRules(
    gate_level=0.95,
    min_test_trades=30,
    min_test_days=10,
    false_discovery_rate=0.1,
    max_coverage_ratio=2.0,
    max_calibration_error_points=5.0,
    min_labelled=2_000,
    require_target_win_rate=True,
)
DAY_MS = 86_400_000


def traded(
    net_bps: float, *, days: int = 36, per_day: int = 3, fired: int = 6, spread: float = 20.0
) -> TradeFigures:
    """Days that earn ``net_bps`` a trade on average, 14 bp more before costs."""
    lines = []
    for day in range(days):
        wave = spread if day % 2 else -spread
        net = (net_bps + wave) * per_day
        lines.append(
            DayLine(
                date=f"2026-{1 + day // 28:02}-{1 + day % 28:02}",
                candles=288,
                fired=fired,
                trades=per_day,
                wins=per_day if net > 0 else 0,
                hits=per_day if net + 14 * per_day > 0 else 0,
                labelled=per_day,
                labelled_wins=per_day if net > 0 else 0,
                gross_bps=net + 14 * per_day,
                net_bps=net,
                lost_bps=max(0.0, -net),
            )
        )
    return figures(lines)


def choice(side: Side, *, met: bool = True, threshold: float | None = 0.6) -> SideChoice:
    return SideChoice(
        side=side,
        threshold=threshold,
        share=None if threshold is None else 0.02,
        n=210,
        wins=150,
        lower_bound=0.65,
        target_met=met,
        power=0.69,
        why=f"{side}: 150 of 210 labelled out-of-fold trades won",
        tested=(),
    )


GOOD = Evidence(
    symbol="GOODUSDT",
    selection=Selection(long=choice("long"), short=choice("short", threshold=0.4)),
    out_of_fold=traded(12.0),
    test=traded(14.0),
    calibration_error_points=2.0,
    labelled=9_000,
    faults=(),
)


def verdict_on(evidence: Evidence, rules: VerdictRules = RULES) -> Verdict:
    (verdict,) = decide_verdicts([examine(evidence, rules)], (), rules)
    return verdict


def evaluation(p_value: float | None, symbol: str = "XUSDT", **changes: object) -> Evaluation:
    values: dict[str, object] = {
        "kind": "train",
        "symbol": symbol,
        "test_first": 100 * DAY_MS,
        "test_last": 136 * DAY_MS,
        "settings": "abc",
        "passed_gate": True,
        "p_value": p_value,
        "at": "2026-01-01T00:00:00+00:00",
    }
    return Evaluation(**{**values, **changes})  # type: ignore[arg-type]


def examined(p_value: float | None, *, passed_gate: bool = True) -> Examination:
    reasons = () if passed_gate else ("no edge after costs in development",)
    return Examination(symbol="XUSDT", passed_gate=passed_gate, p_value=p_value, net_bps=3.0, reasons=reasons)


# One symbol ---------------------------------------------------------------------------------------


def test_a_model_that_keeps_every_condition_is_tradable() -> None:
    verdict = verdict_on(GOOD)

    assert verdict.tradable
    assert verdict.reasons == ()
    assert verdict.p_value is not None
    assert verdict.p_value < 0.01
    assert (verdict.q_value, verdict.family_size) == (verdict.p_value, 1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"out_of_fold": traded(2.0)},
            (
                "no edge after costs in development: 108 out-of-fold trades on 36 days earned +2.0 bp each "
                "(before costs +16.0), the 95% lower bound is -3.7 bp and must be above zero; 50.0% of the "
                "trades won after costs, 45.0% would break even"
            ),
        ),
        (
            {"test": traded(14.0, days=9)},
            "too few test trades: 27 on 9 days, 30 on 10 days are needed",
        ),
        (
            {"test": traded(14.0, fired=1, per_day=1)},
            (
                "0.35% of the test candles fired against 2.08% out of fold, between 1.04% and 4.17% are "
                "needed: the model says other things of new candles"
            ),
        ),
        (
            {"calibration_error_points": 5.0},
            "probabilities are off by 5.0 points on labelled test candles, less than 5 is needed",
        ),
        (
            {"calibration_error_points": None},
            "the test block has no labelled candle: its probabilities cannot be checked",
        ),
        ({"labelled": 1_999}, "few labels: 1,999 labelled development candles, 2,000 are needed"),
        (
            {"selection": Selection(long=choice("long", met=False), short=choice("short", threshold=None))},
            "the target win rate was not proven: long: 150 of 210 labelled out-of-fold trades won",
        ),
        ({"faults": ("ret_1 differs in live trading",)}, "ret_1 differs in live trading"),
        (
            {"test": traded(1.0)},
            (
                "the test trades earned +1.0 bp each after costs, which may be chance: p 0.38 alone, 0.38 "
                "among 1 tests, at most 0.1 is needed"
            ),
        ),
        (
            {
                "selection": Selection(
                    long=choice("long", threshold=None), short=choice("short", threshold=None)
                ),
                "out_of_fold": traded(0.0, per_day=0, fired=0),
                "test": traded(0.0, per_day=0, fired=0),
            },
            (
                "no signal was found in development: long: 150 of 210 labelled out-of-fold trades won; "
                "short: 150 of 210 labelled out-of-fold trades won"
            ),
        ),
    ],
)
def test_each_failed_condition_is_one_sentence_with_its_figures(
    changes: dict[str, object], sentence: str
) -> None:
    """All else is kept, so it is the one reason."""
    verdict = verdict_on(replace(GOOD, **changes))  # type: ignore[arg-type]

    assert not verdict.tradable
    assert verdict.reasons == (sentence,)


def test_the_target_win_rate_counts_only_where_it_is_required() -> None:
    unmet = replace(
        GOOD, selection=Selection(long=choice("long", met=False), short=choice("short", threshold=0.4))
    )

    assert not verdict_on(unmet).tradable
    assert verdict_on(unmet, replace(RULES, require_target_win_rate=False)).tradable


def test_a_gate_known_from_one_day_is_shut() -> None:
    """One day of profit is an anecdote."""
    verdict = verdict_on(replace(GOOD, out_of_fold=traded(50.0, days=1)))

    assert "unknown from a single day" in verdict.reasons[0]


def test_test_trades_that_lose_are_never_tradable() -> None:
    assert not verdict_on(replace(GOOD, test=traded(-5.0))).tradable


def test_a_gate_that_held_but_no_test_trade_is_not_an_edge() -> None:
    """Nothing happened on the test block; nothing is proven."""
    verdict = verdict_on(replace(GOOD, test=traded(0.0, per_day=0)))

    assert verdict.q_value == 1.0
    assert any("cannot be tested" in reason for reason in verdict.reasons)


def test_until_the_run_is_over_the_verdict_is_pending() -> None:
    """A model published early must not be traded on half of the evidence."""
    verdict = pending(examine(GOOD, RULES))

    assert not verdict.tradable
    assert verdict.reasons == (PENDING,)
    assert (verdict.q_value, verdict.family_size) == (None, None)


# Many symbols -------------------------------------------------------------------------------------


def test_q_values_are_benjamini_and_hochbergs() -> None:
    """Against the definition: reject up to the largest k with p(k) ≤ k q / m."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        p = np.round(rng.beta(0.5, 2, rng.integers(1, 40)), 3)
        for rate in (0.05, 0.1, 0.5):
            ranked = np.sort(p)
            below = np.flatnonzero(ranked <= rate * np.arange(1, len(p) + 1) / len(p) + 1e-12)
            cut = ranked[below[-1]] if len(below) else -1.0
            assert [q <= rate + 1e-12 for q in discovery_rates(p.tolist())] == (p <= cut).tolist()
    assert discovery_rates([]) == []


def test_symbols_that_failed_the_gate_are_not_in_the_family() -> None:
    """They were never candidates: they neither pass nor make it harder for the others."""
    verdicts = decide_verdicts([examined(0.001, passed_gate=False), examined(0.02), examined(0.5)], (), RULES)

    assert [verdict.tradable for verdict in verdicts] == [False, True, False]
    assert [verdict.q_value for verdict in verdicts] == [None, pytest.approx(0.04), pytest.approx(0.5)]
    assert {verdict.family_size for verdict in verdicts} == {2}


def test_a_run_without_an_edge_rarely_calls_one() -> None:
    """Simulated: 1,000 runs of 40 symbols that earn nothing; at most one run in ten errs."""
    rng = np.random.default_rng(2)
    erred = sum(
        any(
            verdict.tradable
            for verdict in decide_verdicts([examined(float(p)) for p in rng.random(40)], (), RULES)
        )
        for _ in range(1_000)
    )

    assert erred / 1_000 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 1_000)


def test_nobody_evaluated_is_no_error() -> None:
    assert decide_verdicts([], (), RULES) == ()
    assert earlier_tests([], [evaluation(0.5)]) == ()


# The ledger ---------------------------------------------------------------------------------------


def assert_rejection_lasts(*, ledger_is_read: bool) -> None:
    """The luckiest of 60 symbols, rejected among them, is trained again alone: it stays rejected."""
    p_values = [0.012, *np.linspace(0.05, 0.99, 59).tolist()]
    universe = [evaluation(p, f"S{i}USDT") for i, p in enumerate(p_values)]
    assert not decide_verdicts([examined(p) for p in p_values], (), RULES)[0].tradable

    alone = [evaluation(0.012, "S0USDT", settings="other")]
    earlier = earlier_tests(alone, universe) if ledger_is_read else ()
    (verdict,) = decide_verdicts([examined(0.012)], earlier, RULES)

    assert not verdict.tradable


def test_a_symbol_rejected_in_the_universe_does_not_pass_alone() -> None:
    """Planted: the ledger is not read.  Then the same 1.2 % would be called an edge."""
    assert_rejection_lasts(ledger_is_read=True)
    with pytest.raises(AssertionError):
        assert_rejection_lasts(ledger_is_read=False)


def test_the_same_run_again_has_the_same_verdicts() -> None:
    """Equal candles and settings: nothing new was tested, so nothing counts twice."""
    p_values = [0.001, 0.02, 0.2, 0.9]
    run = [evaluation(p, f"S{i}USDT", at=f"2026-01-0{i + 1}") for i, p in enumerate(p_values)]
    later = [replace(entry, at="2026-02-01") for entry in run]

    assert earlier_tests(later, [*run, *run]) == ()
    assert [entry.symbol for entry in earlier_tests(later[:1], [*run, *run])] == [
        "S1USDT",
        "S2USDT",
        "S3USDT",
    ]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"symbol": "YUSDT"}, True),  # the luckiest of many symbols is lucky whichever it is
        ({"settings": "def"}, True),
        ({"kind": "explore"}, True),
        ({"kind": "explore", "passed_gate": False}, True),  # its test figures were shown and chosen by
        ({"passed_gate": False}, False),
        ({"test_last": 100 * DAY_MS, "test_first": 60 * DAY_MS}, True),  # one candle in common
        ({"test_last": 100 * DAY_MS - 1, "test_first": 60 * DAY_MS}, False),
        ({"test_first": 137 * DAY_MS, "test_last": 150 * DAY_MS}, False),
    ],
)
def test_which_earlier_evaluations_count(changes: dict[str, object], counts: bool) -> None:
    """Whatever looked at the same weeks and could have been chosen for what it saw there."""
    earlier = evaluation(0.7, **changes)  # type: ignore[arg-type]

    assert earlier_tests([evaluation(0.01)], [earlier]) == ((earlier,) if counts else ())


def test_an_earlier_evaluation_that_could_not_be_tested_counts_as_a_failure() -> None:
    (verdict,) = decide_verdicts([examined(0.08)], [evaluation(None)], RULES)

    assert verdict.family_size == 2
    assert verdict.q_value == pytest.approx(0.16)


def test_an_entry_of_the_ledger_survives_json_to_the_last_bit() -> None:
    """Else a repetition would count as another evaluation."""
    for p in (*np.random.default_rng(3).random(100).tolist(), None):
        entry = evaluation(p)
        assert Evaluation(**json.loads(json.dumps(asdict(entry)))) == entry


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SettingsError, match=r"gate_level is 95.*min_test_days 1.*max_coverage_ratio is 0.5"):
        replace(RULES, gate_level=95, min_test_days=1, max_coverage_ratio=0.5)
