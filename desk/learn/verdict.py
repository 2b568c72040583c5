"""Whether a model may be traded, and if not, why not, in sentences with their figures.

What was found about each symbol comes in as ``Evidence``; ``Verdict`` goes out.  Pure.

Reading order: ``examine`` (one symbol alone: the gate, the p-value, every condition that needs no other
symbol), ``pending`` (what may be said until the run is over), ``earlier_tests`` (which evaluations of the
ledger count), ``decide_verdicts`` (all symbols of the run together: Benjamini-Hochberg over the family).

Why a family: of 300 symbols without an edge, 15 look good at 5 %.  Why a ledger: a symbol that was rejected
among 300 and is then trained alone, or with other settings until it passes, was still tested that often.

Not here: reading and writing the ledger, and the figures themselves.

Reference: Benjamini and Hochberg (1995), "Controlling the False Discovery Rate: A Practical and Powerful
Approach to Multiple Testing", Journal of the Royal Statistical Society B 57(1), 289-300.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from desk.learn.clustered import Mean, above_zero, ratio_of_sums
from desk.learn.selection import Selection, SideChoice
from desk.learn.trades import TradeFigures
from desk.settings import check_settings

PENDING = "multiple-testing correction pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRules:
    """What a model must show before it may be traded."""

    gate_level: float
    """Level of the one-sided lower bound of the mean net of out-of-fold trades that must lie above zero."""
    min_test_trades: int
    min_test_days: int
    """Days of the test block with a trade."""
    false_discovery_rate: float
    """Share of false ones among the models called tradable, on average at most."""
    max_coverage_ratio: float
    """Test coverage may be so many times the out-of-fold coverage, or one so-manieth of it: 2.0."""
    max_calibration_error_points: float
    """Expected calibration error on labelled test candles, percentage points."""
    min_labelled: int
    """Labelled development candles."""
    require_target_win_rate: bool
    """Whether the thresholds must have met ``target_win_rate``."""

    def __post_init__(self) -> None:
        check_settings("verdict", self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0.5 <= self.gate_level < 1:
            yield f"gate_level is {self.gate_level}, must be at least 0.5 and below 1"
        if self.min_test_trades < 1 or self.min_test_days < 2:
            yield (
                f"min_test_trades is {self.min_test_trades} and min_test_days {self.min_test_days}, must be "
                "at least 1 and 2: one day cannot be tested"
            )
        if not 0 < self.false_discovery_rate < 1:
            yield f"false_discovery_rate is {self.false_discovery_rate}, must lie between 0 and 1"
        if not self.max_coverage_ratio > 1:
            yield f"max_coverage_ratio is {self.max_coverage_ratio}, must be above 1"
        if not self.max_calibration_error_points > 0:
            yield f"max_calibration_error_points is {self.max_calibration_error_points}, must be positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one symbol when its training ends."""

    symbol: str
    selection: Selection
    out_of_fold: TradeFigures | None
    """Trades at the thresholds on the development part; None where no fold could judge."""
    test: TradeFigures
    calibration_error_points: float | None
    """None where the test block has no labelled candle."""
    labelled: int
    """Labelled development candles."""
    faults: tuple[str, ...]
    """What the check for look-ahead and for live features found, as sentences; empty: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What can be said of a symbol without the others."""

    symbol: str
    passed_gate: bool
    p_value: float | None
    """Of the mean net of the test trades being zero or less; None where it cannot be tested."""
    net_bps: float | None
    """Mean per test trade, after costs."""
    reasons: tuple[str, ...]
    """Conditions that failed, the test among the family aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One look at a test block: an entry of the ledger.  Plain values, ready for JSON."""

    kind: Literal["train", "explore"]
    symbol: str
    test_first: int
    """Open time of the first test candle, ms."""
    test_last: int
    """Of the last."""
    settings: str
    """Fingerprint of the settings that can change the model."""
    passed_gate: bool
    p_value: float | None
    at: str
    """When, ISO 8601 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether it may be traded."""

    tradable: bool
    reasons: tuple[str, ...]
    """Empty only when tradable."""
    p_value: float | None
    q_value: float | None
    """Smallest false discovery rate at which it would have passed; None: not in the family, or pending."""
    family_size: int | None
    """Tests of the family, its own included if it passed the gate; None: pending."""


# One symbol alone ---------------------------------------------------------------------------------


def examine(evidence: Evidence, rules: VerdictRules) -> Examination:
    """Everything that needs no other symbol."""
    gate, shortfall = _gate(evidence, rules)
    found = [] if shortfall is None else [shortfall]
    found += _shortfalls(evidence, rules)
    return Examination(
        symbol=evidence.symbol,
        passed_gate=gate,
        p_value=above_zero(np.array([line.net_bps for line in evidence.test.daily])),
        net_bps=evidence.test.net_bps,
        reasons=tuple(found),
    )


def pending(examination: Examination) -> Verdict:
    """The verdict until the run is over."""
    return Verdict(
        tradable=False,
        reasons=(*examination.reasons, PENDING),
        p_value=examination.p_value,
        q_value=None,
        family_size=None,
    )


def _gate(evidence: Evidence, rules: VerdictRules) -> tuple[bool, str | None]:
    """Whether out-of-fold trades earn beyond doubt, and the sentence if they don't."""
    figures, choices = evidence.out_of_fold, (evidence.selection.long, evidence.selection.short)
    if all(choice.threshold is None for choice in choices):
        return False, "no signal was found in development: " + "; ".join(choice.why for choice in choices)
    if figures is None or figures.n == 0:
        return False, "no out-of-fold trade was closed on development candles"
    net = net_by_day(figures)
    bound = net.lower_bound(rules.gate_level)
    if bound > 0:
        return True, None
    least = "unknown from a single day" if net.clusters < 2 else f"{bound:+.1f} bp"
    return False, (
        f"no edge after costs in development: {figures.n:,} out-of-fold trades on {net.clusters} days earned "
        f"{net.value:+.1f} bp each (before costs {figures.gross_bps:+.1f}), the {rules.gate_level:.0%} lower "
        f"bound is {least} and must be above zero{_distance(figures)}"
    )


def net_by_day(figures: TradeFigures) -> Mean:
    """Mean net of a trade in bp, sure as its days allow; needs at least one trade."""
    trades = np.array([line.trades for line in figures.daily], dtype=np.float64)
    return ratio_of_sums(np.array([line.net_bps for line in figures.daily]), trades)


def _distance(figures: TradeFigures) -> str:
    """How far the win rate is from what it would have to be."""
    if figures.break_even_win_rate is None or figures.win_rate is None:
        return ""
    return (
        f"; {figures.win_rate:.1%} of the trades won after costs, {figures.break_even_win_rate:.1%} would "
        "break even"
    )


def _shortfalls(evidence: Evidence, rules: VerdictRules) -> Iterator[str]:
    """Sentences for the conditions that failed, the gate and the test aside."""
    test, days = evidence.test, sum(line.trades > 0 for line in evidence.test.daily)
    firing = [c for c in (evidence.selection.long, evidence.selection.short) if c.threshold is not None]
    if firing and (test.n < rules.min_test_trades or days < rules.min_test_days):
        yield (
            f"too few test trades: {test.n} on {days} days, {rules.min_test_trades} on {rules.min_test_days} "
            "days are needed"
        )
    if firing and evidence.out_of_fold is not None:
        yield from _coverage_shortfall(test.coverage, evidence.out_of_fold.coverage, rules)
    error = evidence.calibration_error_points
    if error is None:
        yield "the test block has no labelled candle: its probabilities cannot be checked"
    elif error >= rules.max_calibration_error_points:
        yield (
            f"probabilities are off by {error:.1f} points on labelled test candles, less than "
            f"{rules.max_calibration_error_points:g} is needed"
        )
    if evidence.labelled < rules.min_labelled:
        yield (
            f"few labels: {evidence.labelled:,} labelled development candles, {rules.min_labelled:,} are "
            "needed"
        )
    if rules.require_target_win_rate and firing and not evidence.selection.target_met:
        yield "the target win rate was not proven: " + _unmet(firing)
    yield from evidence.faults


def _coverage_shortfall(test: float, out_of_fold: float, rules: VerdictRules) -> Iterator[str]:
    most = rules.max_coverage_ratio
    if not out_of_fold / most <= test <= out_of_fold * most:
        yield (
            f"{test:.2%} of the test candles fired against {out_of_fold:.2%} out of fold, between "
            f"{out_of_fold / most:.2%} and {out_of_fold * most:.2%} are needed: the model says other things "
            "of new candles"
        )


def _unmet(firing: Sequence[SideChoice]) -> str:
    return "; ".join(choice.why for choice in firing if not choice.target_met)


# All symbols together -----------------------------------------------------------------------------


def earlier_tests(current: Sequence[Evaluation], earlier: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """The entries of the ledger that are tests of the same family as those of the run.

    An entry counts, whatever its symbol and settings, when its test candles overlap in time with those of a
    symbol of the run that passed the gate.  Two kinds don't count: trained ones that failed the gate, which
    were never tested, then as now; and repetitions of the very same evaluation (same kind, symbol, test
    candles, settings and outcome), which tell nothing new, so that running the same again changes no
    verdict.

    Parameters
    ----------
    current : sequence of Evaluation
        Those of this run.
    earlier : sequence of Evaluation
        All that the ledger held before it.
    """
    tested = [entry for entry in current if entry.passed_gate]
    if not tested:
        return ()
    known = {_identity(entry) for entry in tested}
    family = []
    for entry in earlier:
        overlaps = any(
            entry.test_first <= other.test_last and other.test_first <= entry.test_last for other in tested
        )
        counts = entry.passed_gate or entry.kind == "explore"
        if overlaps and counts and _identity(entry) not in known:
            known.add(_identity(entry))
            family.append(entry)
    return tuple(family)


def _identity(entry: Evaluation) -> tuple[str, str, int, int, str, float | None]:
    return entry.kind, entry.symbol, entry.test_first, entry.test_last, entry.settings, entry.p_value


def decide_verdicts(
    run: Sequence[Examination], earlier: Sequence[Evaluation], rules: VerdictRules
) -> tuple[Verdict, ...]:
    """The verdicts of a whole run, in its order.

    Parameters
    ----------
    run : sequence of Examination
        Every symbol that was evaluated; those that passed the gate are tested.
    earlier : sequence of Evaluation
        What ``earlier_tests`` gave.
    """
    tested = [examination for examination in run if examination.passed_gate]
    p_values = [*(one.p_value for one in tested), *(entry.p_value for entry in earlier)]
    q_values = discovery_rates([1.0 if p is None else p for p in p_values])
    of_tested = iter(q_values)
    return tuple(
        _verdict(one, next(of_tested) if one.passed_gate else None, len(p_values), rules) for one in run
    )


def discovery_rates(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg q-values, in the order of ``p_values``.

    A q-value is the smallest false discovery rate at which the test still passes.
    """
    if not p_values:
        return []
    return [float(q) for q in stats.false_discovery_control(np.array(p_values), method="bh")]


def _verdict(one: Examination, q_value: float | None, size: int, rules: VerdictRules) -> Verdict:
    reasons = list(one.reasons)
    if q_value is not None and q_value > rules.false_discovery_rate:
        reasons.append(_not_beyond_chance(one, q_value, size, rules))
    return Verdict(
        tradable=q_value is not None and not reasons,
        reasons=tuple(reasons),
        p_value=one.p_value,
        q_value=q_value,
        family_size=size,
    )


def _not_beyond_chance(one: Examination, q_value: float, size: int, rules: VerdictRules) -> str:
    if one.p_value is None or one.net_bps is None:
        return "the test trades cannot be tested: there are none, or their days do not differ"
    return (
        f"the test trades earned {one.net_bps:+.1f} bp each after costs, which may be chance: "
        f"p {one.p_value:.2g} alone, {q_value:.2g} among {size} tests, at most "
        f"{rules.false_discovery_rate:g} is needed"
    )
