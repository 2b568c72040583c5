"""What is asked of one symbol alone: every condition that failed becomes a sentence with its figures.

``Evidence`` comes in; ``Examination`` goes out.  Pure.

Not here: the test among the other symbols (``desk.learn.verdict``), and where the figures are made.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from desk.clustered import FEWEST_DAYS, above_zero
from desk.learn.evidence import DailySums, Evidence
from desk.learn.settings import VerdictRules
from desk.learn.verdict import Examination


def examine(evidence: Evidence, rules: VerdictRules) -> Examination:
    """Everything that needs no other symbol."""
    net = evidence.net
    tested = net.n >= rules.min_trades and net.days >= rules.min_days
    return Examination(
        symbol=evidence.symbol,
        tested=tested,
        p_value=above_zero(net.net_bps) if tested else None,
        net_bps=net.mean_bps,
        days=len(net.net_bps),
        day_spread_bps=float(np.std(net.net_bps, ddof=1)) if len(net.net_bps) > 1 else 0.0,
        reasons=_explained(tuple(_shortfalls(evidence, rules, tested=tested)), evidence),
    )


def _explained(reasons: tuple[str, ...], evidence: Evidence) -> tuple[str, ...]:
    """The reasons, and why closes seem to offer more where prices are coarse."""
    if not reasons or not evidence.coarse:
        return reasons
    steps = " and ".join(evidence.coarse)
    return (
        *reasons,
        f"prices are coarse ({steps}): closes bounce between bid and ask, and trades pay for it",
    )


def _shortfalls(evidence: Evidence, rules: VerdictRules, *, tested: bool) -> Iterator[str]:
    """Sentences for the conditions that failed, the test aside."""
    if len(evidence.silent) == 2:
        yield "no side fires today: " + "; ".join(evidence.silent)
    if not tested:
        yield (
            f"too few trades of evidence: {evidence.net.n} on {evidence.net.days} days, {rules.min_trades} "
            f"on {rules.min_days} days are needed{_aside(evidence.window)}"
        )
    if evidence.net.n:
        yield from _losses(evidence)
        yield from _recent_loss(evidence.net.last(rules.recent_days), rules)
    yield from _coverage_shortfall(evidence.fired, evidence.promised, rules)
    yield from _calibration_shortfall(evidence)
    yield from _market_shortfalls(evidence, rules)
    if evidence.labelled < rules.min_labelled:
        yield (
            f"few labels: {evidence.labelled:,} labelled development candles, {rules.min_labelled:,} are "
            "needed"
        )
    if rules.require_target_win_rate and evidence.unproven:
        yield "the target win rate is not proven: " + "; ".join(evidence.unproven)


def _aside(words: str) -> str:
    return f" ({words})" if words else ""


def _losses(evidence: Evidence) -> Iterator[str]:
    """The other readings of the same trades that have to earn something too."""
    as_signalled = f"{evidence.net.mean_bps or 0.0:+.1f} bp at the signal's close"
    executable, aged, rest = evidence.executable, evidence.aged, evidence.without_holes
    if not _earns(executable):
        yield (
            f"entered at the next candle's mean price the trades earned {_per_trade(executable)} after "
            f"costs, {as_signalled}: what earns only at a close is bounce between bid and ask"
        )
    if not _earns(aged):
        yield (
            f"with a model 7 to 14 days old the trades earned {_per_trade(aged)} after costs, and a "
            "published model lives that long"
        )
    across = evidence.net.n - rest.n
    if across and not _earns(rest):
        yield (
            f"without the {across} trades that ended across a hole in the candles the others earned "
            f"{_per_trade(rest)} after costs"
        )


def _earns(sums: DailySums) -> bool:
    return float(np.sum(sums.net_bps)) > 0


def _per_trade(sums: DailySums) -> str:
    return "nothing (there is none)" if sums.mean_bps is None else f"{sums.mean_bps:+.1f} bp each"


def _recent_loss(recent: DailySums, rules: VerdictRules) -> Iterator[str]:
    days = len(recent.net_bps)
    p = above_zero(-recent.net_bps) if days >= FEWEST_DAYS else None
    if p is not None and p < 1 - rules.recent_level:
        yield (
            f"the last {days} days lost {float(np.mean(recent.net_bps)):+.1f} bp a day after costs in "
            f"{recent.n} trades, which is beyond chance: p {p:.2g}, at least {1 - rules.recent_level:.2g} is "
            "needed"
        )


def coverage_interval(
    fired: NDArray[np.float64], promised: NDArray[np.float64], *, level: float
) -> tuple[float, float] | None:
    """Interval of fired candles as a multiple of the promised ones; None without enough of a promise.

    Parameters
    ----------
    fired, promised : ndarray, shape (days,)
        Days on which nothing was promised are left out; ``FEWEST_DAYS`` others are needed.
    level : float
        Two-sided.
    """
    low, high = coverage_intervals(fired, promised, level=level)
    return None if np.isnan(low) else (float(low), float(high))


def coverage_intervals(
    fired: NDArray[np.float64], promised: NDArray[np.float64], *, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``coverage_interval`` of many symbols at once, shape (..., days) to (...); NaN where it gives None.

    Exact for independent candles (Poisson), for as many of them as the clustered ones of a day are worth.

    Parameters
    ----------
    fired, promised : ndarray, shape (..., days)
    level : float
        Two-sided.

    References
    ----------
    Garwood (1936), "Fiducial Limits for the Poisson Distribution", Biometrika 28(3/4), 437-442.
    """
    there = promised > 0
    days = np.sum(there, axis=-1)
    asked = days >= FEWEST_DAYS
    total, due = np.sum(fired * there, axis=-1), np.sum(promised, axis=-1)
    ratio = total / np.where(asked, due, 1.0)
    residual = (fired - ratio[..., np.newaxis] * promised) * there
    variance = np.sum(residual**2, axis=-1) * days / np.maximum(days - 1, 1)
    tail = 0.5 - level / 2
    wide = stats.t.isf(tail, np.maximum(days - 1, 1)) / stats.norm.isf(tail)
    design = np.maximum(1.0, variance / np.maximum(total, 1.0) * wide**2)
    worth = total / design
    low = np.where(total > 0, stats.gamma.ppf(tail, np.maximum(worth, 1e-9)), 0.0)
    scale = np.where(asked, design / np.where(asked, due, 1.0), np.nan)
    return low * scale, stats.gamma.isf(tail, worth + 1) * scale


def _coverage_shortfall(
    fired: NDArray[np.float64], promised: NDArray[np.float64], rules: VerdictRules
) -> Iterator[str]:
    interval = coverage_interval(fired, promised, level=rules.coverage_level)
    most = rules.max_coverage_ratio
    if interval is not None and (interval[1] < 1 / most or interval[0] > most):
        yield (
            f"{int(np.sum(fired[promised > 0])):,} candles of the last four blocks fired where "
            f"{float(np.sum(promised)):,.0f} were promised, {interval[0]:.2f} to {interval[1]:.2f} times as "
            f"many within chance, {1 / most:.2g} to {most:.2g} are needed: the model says other things of "
            "new candles"
        )


def _calibration_shortfall(evidence: Evidence) -> Iterator[str]:
    over = evidence.overclaim
    if over is None:
        if evidence.net.n:
            yield "no candle that fired is labelled: its probabilities cannot be checked"
    elif over.points > over.limit_points:
        yield (
            f"on labelled candles that fired the model claims to be right {over.points:.1f} points more "
            f"often than it is, and chance alone explains no more than {over.limit_points:.1f}"
        )


def _market_shortfalls(evidence: Evidence, rules: VerdictRules) -> Iterator[str]:
    if evidence.turnover is None:
        yield "turnover unknown: the exchange's contract data are missing"
    elif evidence.turnover < rules.min_turnover:
        yield (
            f"{evidence.turnover:,.0f} USDT were traded in 24 hours, at least {rules.min_turnover:,.0f} are "
            "needed"
        )
    if evidence.spread_bps is None:
        yield "spread unknown: no bid and ask were read, so what a trade costs is not known"
    elif evidence.spread_bps > rules.max_spread_bps:
        yield (
            f"bid and ask are {evidence.spread_bps:.1f} bp apart, at most {rules.max_spread_bps:g} are "
            "allowed"
        )
