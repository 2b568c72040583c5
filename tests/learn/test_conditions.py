"""Conditions: each is a sentence with its figures, and chance alone rarely breaks one."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.learn.conditions import coverage_interval, examine
from desk.learn.evidence import DailySums, Evidence, Overclaim
from desk.learn.settings import VerdictRules
from desk.learn.verdict import Verdict, decide_verdicts
from tests.learn.evidence import GOOD, RULES, sums


def verdict_on(evidence: Evidence, rules: VerdictRules = RULES) -> Verdict:
    (verdict,) = decide_verdicts([examine(evidence, rules)], (), rules)
    return verdict


def test_a_model_that_keeps_every_condition_is_tradable() -> None:
    verdict = verdict_on(GOOD)

    assert verdict.tradable
    assert verdict.reasons == ()
    assert verdict.p_value is not None
    assert verdict.p_value < 0.01
    assert verdict.q_value == pytest.approx(2 * verdict.p_value)
    assert verdict.family_size == 1


CONDITIONS: list[tuple[dict[str, object], str]] = [
    (
        {"silent": ("long is silent: it lost", "short is silent: it lost")},
        "no side fires today: long is silent: it lost; short is silent: it lost",
    ),
    (
        {"net": sums(9.0, days=9), "window": "evidence from 2026-01-01 on"},
        ("too few trades of evidence: 27 on 9 days, 30 on 10 days are needed (evidence from 2026-01-01 on)"),
    ),
    (
        {"executable": sums(-0.5)},
        (
            "entered at the next candle's mean price the trades earned -0.5 bp each after costs, +9.0 bp at "
            "the signal's close: what earns only at a close is bounce between bid and ask"
        ),
    ),
    (
        {"executable": sums(0.0, per_day=0)},
        (
            "entered at the next candle's mean price the trades earned nothing (there is none) after costs, "
            "+9.0 bp at the signal's close: what earns only at a close is bounce between bid and ask"
        ),
    ),
    (
        {"aged": sums(-2.0)},
        (
            "with a model 7 to 14 days old the trades earned -2.0 bp each after costs, and a published model "
            "lives that long"
        ),
    ),
    (
        {"without_holes": sums(-1.0, days=30)},
        (
            "without the 192 trades that ended across a hole in the candles the others earned -1.0 bp each "
            "after costs"
        ),
    ),
    (
        {"fired": np.full(28, 2.0)},
        (
            "56 candles of the last four blocks fired where 168 were promised, 0.25 to 0.43 times as many "
            "within chance, 0.5 to 2 are needed: the model says other things of new candles"
        ),
    ),
    (
        {"overclaim": Overclaim(points=6.25, limit_points=5.0)},
        (
            "on labelled candles that fired the model claims to be right 6.2 points more often than it is, "
            "and chance alone explains no more than 5.0"
        ),
    ),
    (
        {"overclaim": None},
        "no candle that fired is labelled: its probabilities cannot be checked",
    ),
    ({"turnover": None}, "turnover unknown: the exchange's contract data are missing"),
    ({"turnover": 250_000.0}, "250,000 USDT were traded in 24 hours, at least 1,000,000 are needed"),
    (
        {"spread_bps": None},
        "spread unknown: no bid and ask were read, so what a trade costs is not known",
    ),
    ({"spread_bps": 21.5}, "bid and ask are 21.5 bp apart, at most 20 are allowed"),
    ({"labelled": 1_999}, "few labels: 1,999 labelled development candles, 2,000 are needed"),
    (
        {"net": sums(1.0)},
        (
            "the trades earned +1.0 bp each after costs on 94 days, which may be chance: p 0.32 alone, 0.63 "
            "among 1 tests (0 with p above 0.5 left out, the others doubled), at most 0.1 is needed"
        ),
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), CONDITIONS)
def test_each_failed_condition_is_one_sentence_with_its_figures(
    changes: dict[str, object], sentence: str
) -> None:
    """All else is kept, so it is the one reason."""
    verdict = verdict_on(replace(GOOD, **changes))  # type: ignore[arg-type]

    assert not verdict.tradable
    assert verdict.reasons == (sentence,)


def test_recent_weeks_that_lost_beyond_chance_end_an_old_edge() -> None:
    """An edge that ended five weeks ago: the mean of the whole walk is still far above zero."""
    early, late = sums(20.0, days=58), sums(-8.0, days=36)
    both = DailySums(
        np.concatenate([early.net_bps, late.net_bps]), np.concatenate([early.trades, late.trades])
    )

    verdict = verdict_on(replace(GOOD, net=both))

    assert verdict.p_value is not None
    assert verdict.p_value < 0.01
    (reason,) = verdict.reasons
    assert reason == (
        "the last 36 days lost -24.0 bp a day after costs in 108 trades, which is beyond chance: p 0.012, "
        "at least 0.1 is needed"
    )


def test_losing_trades_are_never_tradable() -> None:
    verdict = verdict_on(replace(GOOD, net=sums(-9.0)))

    assert not verdict.tradable
    assert any("they lost (p 1)" in reason or "they lost (p 0.9" in reason for reason in verdict.reasons)


def test_the_target_win_rate_counts_only_where_it_is_required() -> None:
    unproven = replace(GOOD, unproven=("long: 60 of 100 labelled trades won",))

    assert verdict_on(unproven).tradable
    assert verdict_on(unproven, replace(RULES, require_target_win_rate=True)).reasons == (
        "the target win rate is not proven: long: 60 of 100 labelled trades won",
    )


def test_nothing_traded_is_said_once() -> None:
    """Without trades there is nothing to enter later, to age or to cross a hole."""
    nothing = sums(0.0, per_day=0)
    evidence = replace(
        GOOD,
        net=nothing,
        executable=nothing,
        aged=nothing,
        without_holes=nothing,
        fired=np.zeros(28),
        promised=np.zeros(28),
        overclaim=None,
        silent=("long is silent", "short is silent"),
    )

    verdict = verdict_on(evidence)

    assert [reason.partition(":")[0] for reason in verdict.reasons] == [
        "no side fires today",
        "too few trades of evidence",
    ]
    assert (verdict.p_value, verdict.q_value) == (None, None)


# Coverage -----------------------------------------------------------------------------------------


def fired_by(rng: np.random.Generator, ratio: float, *, clustered: bool) -> NDArray[np.float64]:
    """28 days on which six candles were promised."""
    rate = np.full(28, 6.0 * ratio)
    if clustered:
        rate *= rng.gamma(0.5, 2.0, 28)
    return rng.poisson(rate).astype(np.float64)


@pytest.mark.parametrize("clustered", [False, True])
def test_a_kept_promise_is_hardly_ever_called_broken(*, clustered: bool) -> None:
    """Signals that come in bursts included: a day may have thirty and the next none."""
    rng = np.random.default_rng(3)
    promised = np.full(28, 6.0)
    broken = 0
    for _ in range(500):
        interval = coverage_interval(fired_by(rng, 1.0, clustered=clustered), promised, level=0.95)
        assert interval is not None
        broken += interval[1] < 0.5 or interval[0] > 2.0

    assert broken <= 5


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_at_the_border_chance_breaks_it_as_rarely_as_it_says(ratio: float) -> None:
    rng = np.random.default_rng(4)
    promised = np.full(28, 6.0)
    intervals = [
        coverage_interval(fired_by(rng, ratio, clustered=True), promised, level=0.95) for _ in range(1_000)
    ]

    broken = sum(one is not None and (one[1] < 0.5 if ratio < 1 else one[0] > 2.0) for one in intervals)

    assert broken / 1_000 <= 0.09  # 2.5 % where signals are independent; bursts are known from 28 days only


def test_a_promise_five_times_broken_is_seen() -> None:
    rng = np.random.default_rng(5)
    promised = np.full(28, 6.0)
    for ratio in (0.1, 5.0):
        interval = coverage_interval(fired_by(rng, ratio, clustered=False), promised, level=0.95)
        assert interval is not None
        assert interval[1] < 0.5 or interval[0] > 2.0


def test_silent_sides_promise_nothing() -> None:
    """Nor do weeks in which a side was silent."""
    assert coverage_interval(np.zeros(28), np.zeros(28), level=0.95) is None
    half = np.where(np.arange(28) < 14, 0.0, 6.0)
    assert coverage_interval(half, half, level=0.95) == pytest.approx(
        coverage_interval(half[14:], half[14:], level=0.95)
    )
    silent = coverage_interval(np.zeros(28), np.full(28, 6.0), level=0.95)
    assert silent is not None
    assert silent[1] < 0.1


def test_a_symbol_that_is_refused_says_that_its_prices_are_coarse() -> None:
    """Who reads 60 % of wins and a loss wants to know why; a symbol that passes needs no excuse."""
    lost = replace(GOOD, coarse=("tick 8.0 bp",), turnover=None)
    assert examine(lost, RULES).reasons[-1] == (
        "prices are coarse (tick 8.0 bp): closes bounce between bid and ask, and trades pay for it"
    )
    assert examine(replace(GOOD, coarse=("tick 8.0 bp",)), RULES).reasons == ()
