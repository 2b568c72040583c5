"""Verdicts: luck among many is not called an edge, and an edge among losers is found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.clustered import Mean
from desk.errors import SettingsError
from desk.learn.run_verdicts import RunEvidence, acceptance_of, decide_run, pooled_verdict, standings_of
from desk.learn.settings import VerdictRules
from desk.learn.stay import Standing
from desk.learn.verdict import (
    PENDING,
    Evaluation,
    Examination,
    Verdict,
    decide_verdicts,
    discovery_rates,
    pending,
    verdict_on_days,
)
from tests.learn.evidence import RULES
from tests.learn.trading import day_line


def examined(
    p_value: float | None, *, symbol: str = "XUSDT", tested: bool = True, reasons: tuple[str, ...] = ()
) -> Examination:
    return Examination(
        symbol=symbol,
        tested=tested,
        p_value=p_value,
        net_bps=3.0,
        days=94,
        day_spread_bps=140.0,
        reasons=reasons,
    )


def stands(ended: str = "") -> dict[str, Standing]:
    return {"XUSDT": Standing(since="2026-01-31", days=20, wealth=1.2, ended=ended)}


def test_until_the_run_is_over_the_verdict_is_pending() -> None:
    """A model published early must not be traded on half of the evidence."""
    verdict = pending(examined(0.001))

    assert not verdict.tradable
    assert verdict.reasons == (PENDING,)
    assert (verdict.q_value, verdict.family_size) == (None, None)


# Many symbols -------------------------------------------------------------------------------------


def test_q_values_are_benjamini_and_hochbergs_of_the_doubled_rest() -> None:
    """Against the definition: of those up to one half, reject up to the largest k with 2 p(k) ≤ k q / m."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        p = np.round(rng.beta(0.5, 1, rng.integers(1, 40)), 3)
        kept = np.sort(p[p <= 0.5])
        for rate in (0.05, 0.1, 0.5):
            below = np.flatnonzero(2 * kept <= rate * np.arange(1, len(kept) + 1) / max(len(kept), 1) + 1e-12)
            cut = kept[below[-1]] if len(below) else -1.0
            assert [q <= rate + 1e-12 for q in discovery_rates(p.tolist())] == (p <= cut).tolist()
    assert discovery_rates([]) == []
    assert discovery_rates([0.7, 0.9]) == [1.0, 1.0]


def test_losers_do_not_stand_in_the_way_of_an_edge() -> None:
    """295 symbols that lose by costs: plain Benjamini-Hochberg would ask 0.1 / 296 of the one that earns."""
    losers = [examined(p) for p in np.linspace(0.9, 1.0, 295)]

    verdicts = decide_verdicts([examined(0.02), *losers], (), RULES)

    assert [verdict.tradable for verdict in verdicts] == [True] + [False] * 295
    assert verdicts[0].q_value == pytest.approx(0.04)
    assert {verdict.family_size for verdict in verdicts} == {296}


def test_symbols_with_too_few_trades_are_not_in_the_family() -> None:
    """Whether a side trades in a block is decided before it: leaving out the silent selects nothing."""
    silent = examined(None, tested=False, reasons=("too few trades of evidence",))

    verdicts = decide_verdicts([silent, examined(0.02), examined(0.3)], (), RULES)

    assert [verdict.tradable for verdict in verdicts] == [False, True, False]
    assert [verdict.q_value for verdict in verdicts] == [None, pytest.approx(0.08), pytest.approx(0.6)]
    assert {verdict.family_size for verdict in verdicts} == {2}


def erring(p_values: NDArray[np.float64]) -> float:
    """Share of the runs, rows of ``p_values``, in which anything is called tradable."""
    return float(
        np.mean(
            [
                any(v.tradable for v in decide_verdicts([examined(float(p)) for p in run], (), RULES))
                for run in p_values
            ]
        )
    )


def test_a_run_without_an_edge_rarely_calls_one() -> None:
    """Simulated: 1,000 runs of 40 symbols that earn nothing, or of 40 that lose; at most one in ten errs."""
    rng = np.random.default_rng(2)

    assert erring(rng.random((1_000, 40))) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 1_000)
    assert erring(np.sqrt(rng.random((1_000, 40)))) <= 0.1


def test_discarding_without_doubling_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the p-values that are left are uniform up to one half, and twice as often small."""
    rng = np.random.default_rng(2)

    def careless(p_values: list[float]) -> list[float]:
        return [q / 2 if q < 1 else q for q in discovery_rates(p_values)]

    monkeypatch.setattr("desk.learn.verdict.discovery_rates", careless)
    assert erring(rng.random((500, 40))) > 0.13


def test_earlier_evaluations_make_it_harder() -> None:
    """The luckiest of 60 symbols, rejected among them, is trained again alone: it stays rejected."""
    others: list[float | None] = [*np.linspace(0.05, 0.99, 59).tolist(), None]

    assert decide_verdicts([examined(0.012)], (), RULES)[0].tradable
    (verdict,) = decide_verdicts([examined(0.012)], others, RULES)

    assert not verdict.tradable
    assert verdict.family_size == 61
    assert "0.012 alone" in verdict.reasons[0]
    assert "among 61 tests (32 with p above 0.5 left out" in verdict.reasons[0]


def test_who_was_refused_before_is_asked_at_half_the_level() -> None:
    """Training every week until it passes gives many tries; one that passed at once keeps its level."""
    (first,) = decide_verdicts([examined(0.04)], (), RULES)
    (again,) = decide_verdicts([examined(0.04)], (), RULES, refused={"XUSDT"})
    (beyond,) = decide_verdicts([examined(0.02)], (), RULES, refused={"XUSDT"})

    assert first.tradable
    assert not again.tradable
    assert again.q_value == pytest.approx(0.16)
    assert "p 0.04 alone, 0.08 because it was refused before on some of these candles" in again.reasons[0]
    assert beyond.tradable


def test_what_cannot_be_tested_is_no_edge() -> None:
    (verdict,) = decide_verdicts([examined(None)], (), RULES)

    assert (verdict.tradable, verdict.q_value) == (False, 1.0)
    assert verdict.reasons == ("the trades cannot be tested: their days do not differ",)


def test_nobody_evaluated_is_no_error() -> None:
    assert decide_verdicts([], (), RULES) == ()


# Staying ------------------------------------------------------------------------------------------


def test_once_accepted_the_test_stays_passed() -> None:
    """A week of the walk that leaves moves the p-value; the edge has not changed."""
    (verdict,) = decide_verdicts([examined(0.3)], (), RULES, stands())

    assert (verdict.tradable, verdict.reasons) == (True, ())
    assert verdict.accepted_on == "2026-01-31"
    assert verdict.q_value == pytest.approx(0.6)


def test_every_other_condition_is_asked_again() -> None:
    (verdict,) = decide_verdicts([examined(0.3, reasons=("spread unknown",))], (), RULES, stands())

    assert (verdict.tradable, verdict.reasons) == (False, ("spread unknown",))


def test_an_acceptance_that_ended_needs_the_test_again() -> None:
    (verdict,) = decide_verdicts([examined(0.3)], (), RULES, stands("accepted on 2026-01-31, but ..."))
    (passed,) = decide_verdicts([examined(0.001)], (), RULES, stands("accepted on 2026-01-31, but ..."))

    assert verdict.reasons[0] == "accepted on 2026-01-31, but ..."
    assert "may be chance" in verdict.reasons[1]
    assert passed.tradable
    assert passed.accepted_on is None


def run_of(p_value: float, *, symbol: str = "XUSDT", net: float = 10.0, signals: bool = True) -> RunEvidence:
    days = tuple(
        day_line(f"2026-03-{day:02}", trades=3, net_bps=net + (20.0 if day % 2 else -20.0))
        for day in range(1, 21)
    )
    return RunEvidence(
        examination=examined(p_value, symbol=symbol),
        evaluation=Evaluation(
            kind="train",
            symbol=symbol,
            settings="abc",
            first=0,
            last=1,
            tested=True,
            p_value=p_value,
            at="2026-03-21T00:00:00+00:00",
        ),
        days=days,
        signals=signals,
        control=Mean(0.5, 0.01, 30),
    )


def test_an_acceptance_of_a_run_is_kept_by_the_next_one() -> None:
    """The figures on the day of acceptance are what later days are measured by."""
    first = run_of(0.001)
    accepted = acceptance_of(first, at="2026-03-21T00:00:00+00:00")

    assert (accepted.last_day, accepted.settings, accepted.day_spread_bps) == ("2026-03-20", "abc", 140.0)

    def decided(run: RunEvidence, net_by_day: dict[str, float]) -> Verdict:
        standings = standings_of([run], {"XUSDT": (accepted, net_by_day)}, RULES)
        (verdict,) = decide_run([run], (), standings, (), RULES)
        return verdict

    stays = decided(run_of(0.4), {"2026-03-25": -100.0})
    other = decided(run_of(0.4, symbol="YUSDT"), {})
    lost = {f"2026-04-{day:02}": -200.0 for day in range(1, 31)}
    ended = decided(run_of(0.4), lost)

    assert stays.tradable
    assert not other.tradable
    assert "speaks" in ended.reasons[0]


# All symbols as one -------------------------------------------------------------------------------


def test_symbols_with_a_signal_are_pooled_by_days_of_the_calendar() -> None:
    """300 symbols that fell on one day are one observation."""
    run = [
        run_of(0.1, symbol="A"),
        run_of(0.1, symbol="B"),
        run_of(0.1, symbol="C", net=-500.0, signals=False),
    ]

    found = pooled_verdict(run, RULES)

    assert (found.symbols, found.trades, found.days) == (2, 120, 20)
    assert found.net_bps == pytest.approx(10.0 / 3)
    assert found.p_value == pytest.approx(pooled_verdict(run[:1], RULES).p_value)
    assert found.earns
    assert found.why == (
        "all 2 symbols with a signal together: 120 trades on 20 days earned +3.3 bp each after costs, beyond "
        f"chance (p {found.p_value:.2g})"
    )


def test_one_symbol_is_not_all_of_them_together() -> None:
    """A portfolio of one is named as what it is."""
    found = pooled_verdict([run_of(0.1)], RULES)

    assert found.why.startswith("the one symbol with a signal: 60 trades on 20 days earned ")


def test_nothing_to_pool_is_said() -> None:
    found = verdict_on_days({}, symbols=0, rules=RULES)

    assert (found.earns, found.why) == (False, "no symbol traded: there is nothing to pool")


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SettingsError, match=r"min_days 1.*recent_level is 90.*max_coverage_ratio is 0.5"):
        VerdictRules(
            min_trades=30,
            min_days=1,
            false_discovery_rate=0.1,
            recent_days=36,
            recent_level=90,
            max_coverage_ratio=0.5,
            coverage_level=0.95,
            calibration_level=0.99,
            min_labelled=2_000,
            min_turnover=0.0,
            max_spread_bps=20.0,
            require_target_win_rate=False,
            stay_error=0.1,
            stay_days=180,
        )
