"""Whether a model may be traded, and if not, why not, in sentences with their figures.

What was found about each symbol comes in as ``Examination``; ``Verdict`` goes out.  Pure.

Reading order: ``pending`` (what may be said until the run is over), ``decide_verdicts`` (all symbols of the
run together), ``discovery_rates`` (Benjamini-Hochberg), ``verdict_on_days`` (one verdict over all symbols).

Why a family: of 300 symbols without an edge, 15 look good at 5 %.  Why a ledger: a symbol that was rejected
among 300 and is then trained alone, or with other settings until it passes, was still tested that often.
The family is every symbol whose walk holds enough trades to be tested, however they came out.  Most of them
lose by costs, and p-values near one say nothing: those above one half are discarded and the others doubled.
Why ``REPEATED``: whoever trains every week until it passes had many tries.

Not here: what is asked of one symbol alone (``desk.learn.conditions``), the ledger (``desk.ledger``), and how
long an acceptance lasts (``desk.learn.stay``).

References
----------
Benjamini and Hochberg (1995), "Controlling the False Discovery Rate: A Practical and Powerful Approach to
Multiple Testing", Journal of the Royal Statistical Society B 57(1), 289-300.
Zhao, Small, Su (2019), "Multiple Testing When Many p-Values are Uniformly Conservative", Journal of the
American Statistical Association 114(527), 1291-1304.
Tian and Ramdas (2019), "ADDIS: An Adaptive Discarding Algorithm for Online FDR Control", NeurIPS 32.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from desk.clustered import above_zero
from desk.learn.settings import VerdictRules
from desk.learn.stay import Standing

PENDING = "multiple-testing correction pending"
DISCARD = 0.5
"""p-values above it are no part of the correction."""
REPEATED = 2.0
"""Factor on the p-value of a symbol that was refused before on overlapping candles.  Each week brings other
candles and another chance: without it, of symbols whose edge is exactly zero, 28 instead of 17 of 100 are
called tradable in some week of 20 (``soaks/verdict.py``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What can be said of a symbol without the others."""

    symbol: str
    tested: bool
    """Whether its evidence holds enough trades to be tested."""
    p_value: float | None
    """Of the mean daily net being zero or less; None where it cannot be tested."""
    net_bps: float | None
    """Mean per trade of evidence, after costs."""
    days: int
    """Of evidence, those without a trade included."""
    day_spread_bps: float
    """Standard deviation of a day's net."""
    reasons: tuple[str, ...]
    """Conditions that failed, the test among the family aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One look at candles: an entry of the ledger.  Plain values."""

    kind: Literal["train", "explore"]
    symbol: str
    settings: str
    """Fingerprint of the settings that can change the model."""
    first: int
    """Open time of the first candle of evidence, ms."""
    last: int
    """Of the last."""
    tested: bool
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
    """Tests of the family, its own included if it was tested; None: pending."""
    accepted_on: str | None
    """Day of an earlier acceptance by which the test stays passed; None: it is not by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledVerdict:
    """All symbols with a signal as one portfolio, by calendar days."""

    symbols: int
    trades: int
    days: int
    net_bps: float | None
    """Mean per trade."""
    p_value: float | None
    earns: bool
    """Whether the mean day is above zero beyond chance."""
    why: str
    """A sentence."""


def pending(examination: Examination) -> Verdict:
    """The verdict until the run is over."""
    return Verdict(
        tradable=False,
        reasons=(*examination.reasons, PENDING),
        p_value=examination.p_value,
        q_value=None,
        family_size=None,
        accepted_on=None,
    )


# All symbols together -----------------------------------------------------------------------------


def decide_verdicts(
    run: Sequence[Examination],
    earlier: Sequence[float | None],
    rules: VerdictRules,
    standings: Mapping[str, Standing] | None = None,
    refused: Collection[str] = (),
) -> tuple[Verdict, ...]:
    """The verdicts of a whole run, in its order.

    Parameters
    ----------
    run : sequence of Examination
        Every symbol that was evaluated; those with enough trades are tested.
    earlier : sequence of float or None
        p-values of the earlier evaluations that belong to the family, see
        ``desk.ledger.EvaluationLedger.family``.
    rules : VerdictRules
    standings : mapping of str to Standing, optional
        By symbol, what has become of an acceptance with the same settings.
    refused : collection of str, optional
        Symbols that failed the test before with the same settings on candles that overlap with today's, see
        ``desk.ledger.EvaluationLedger.refused``.
    """
    tested = [examination for examination in run if examination.tested]
    of_run = (
        None if one.p_value is None else min(1.0, one.p_value * (REPEATED if one.symbol in refused else 1.0))
        for one in tested
    )
    p_values = [1.0 if p is None else p for p in (*of_run, *earlier)]
    of_tested = iter(discovery_rates(p_values))
    discarded = sum(p > DISCARD for p in p_values)
    return tuple(
        _verdict(
            one,
            next(of_tested) if one.tested else None,
            (len(p_values), discarded),
            rules,
            (standings or {}).get(one.symbol),
            again=one.symbol in refused,
        )
        for one in run
    )


def discovery_rates(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg q-values after discarding and doubling, in the order of ``p_values``.

    A q-value is the smallest false discovery rate at which the test still passes; 1 where it was discarded.
    """
    p = np.array(p_values, dtype=np.float64)
    kept = p <= DISCARD
    q = np.ones(len(p))
    if kept.any():
        from scipy import stats  # noqa: PLC0415 - takes a second, and whoever reads verdicts computes none

        q[kept] = stats.false_discovery_control(p[kept] / DISCARD, method="bh")
    return [float(value) for value in q]


def _verdict(
    one: Examination,
    q_value: float | None,
    family: tuple[int, int],
    rules: VerdictRules,
    standing: Standing | None,
    *,
    again: bool,
) -> Verdict:
    reasons = list(one.reasons)
    passed = q_value is not None and q_value <= rules.false_discovery_rate
    stays = not passed and one.tested and standing is not None and not standing.ended
    if not passed and not stays:
        if standing is not None and standing.ended:
            reasons.append(standing.ended)
        if q_value is not None:
            reasons.append(_not_beyond_chance(one, q_value, family, rules, again=again))
    return Verdict(
        tradable=(passed or stays) and not reasons,
        reasons=tuple(reasons),
        p_value=one.p_value,
        q_value=q_value,
        family_size=family[0],
        accepted_on=standing.since if stays and standing is not None else None,
    )


def _not_beyond_chance(
    one: Examination, q_value: float, family: tuple[int, int], rules: VerdictRules, *, again: bool
) -> str:
    size, discarded = family
    if one.p_value is None or one.net_bps is None:
        return "the trades cannot be tested: their days do not differ"
    earned = f"the trades earned {one.net_bps:+.1f} bp each after costs on {one.days} days"
    if one.p_value > DISCARD:
        outcome = "they lost" if one.net_bps <= 0 else "no more than chance gives"
        return f"{earned}: {outcome} (p {one.p_value:.2g})"
    alone = f"p {one.p_value:.2g} alone"
    if again:
        alone += f", {REPEATED * one.p_value:.2g} because it was refused before on some of these candles"
    return (
        f"{earned}, which may be chance: {alone}, {q_value:.2g} among {size} tests "
        f"({discarded} with p above {DISCARD:g} left out, the others doubled), at most "
        f"{rules.false_discovery_rate:g} is needed"
    )


# All symbols as one -------------------------------------------------------------------------------


def verdict_on_days(
    net_by_day: Mapping[str, tuple[int, float]], *, symbols: int, rules: VerdictRules
) -> PooledVerdict:
    """One verdict over all symbols with a signal: a day of the calendar is one observation.

    Parameters
    ----------
    net_by_day : mapping of str to (int, float)
        By ISO date: trades, and sum of their net in bp, over all these symbols; days without a trade too.
    symbols : int
        How many they are.
    rules : VerdictRules
    """
    trades = sum(count for count, _ in net_by_day.values())
    net = np.array([net for _, net in net_by_day.values()], dtype=np.float64)
    p_value = above_zero(net)
    mean = float(np.sum(net)) / trades if trades else None
    earns = p_value is not None and p_value <= rules.false_discovery_rate
    if mean is None or p_value is None:
        why = "no symbol traded: there is nothing to pool"
    else:
        many = f"all {symbols} symbols with a signal together"
        which = "the one symbol with a signal" if symbols == 1 else many
        beyond = "beyond chance" if earns else "not above zero beyond chance"
        why = (
            f"{which}: {trades:,} trades on {len(net)} days earned {mean:+.1f} bp each after costs, "
            f"{beyond} (p {p_value:.2g})"
        )
    return PooledVerdict(
        symbols=symbols,
        trades=trades,
        days=len(net),
        net_bps=mean,
        p_value=p_value,
        earns=earns,
        why=why,
    )
