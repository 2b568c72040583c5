"""How long an accepted model stays accepted without passing the test again.

The figures of the acceptance and what every day after it earned come in; a ``Standing`` goes out.  Pure.

A model that is tested again every week is refused in some week although its edge is steady: the p-value moves
with every week that leaves the walk.  So the test, once passed, stays passed for the same settings until the
days after the acceptance say that nothing is earned, or ``stay_days`` have gone by.  They say so by an
e-process: with days as bets against "the mean daily net is at least zero",

    wealth = mean over λ of ∏ (1 − λ · min(net / scale, CAP)),

where ``scale`` is the spread of a day when the model was accepted.  As long as the claim is true this is a
nonnegative supermartingale (but for what ``CAP`` cuts off, a day in thousands), so that it ever reaches
1/error has probability ``error`` at most, however often one looks.

Not here: which days and acceptances are remembered (``desk.ledger``).

References
----------
Ville (1939), "Étude critique de la notion de collectif"; Waudby-Smith and Ramdas (2024), "Estimating Means
of Bounded Random Variables by Betting", Journal of the Royal Statistical Society B 86(1), 1-27.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

CAP = 5.0
"""Largest day that is believed, in spreads of a day: one larger would bankrupt the bet."""
BETS = (0.05, 0.1, 0.19)
"""Shares of the wealth that are bet on each day; below 1 / ``CAP``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """When and on what a symbol with one setting was called tradable.  Plain values."""

    symbol: str
    settings: str
    """Fingerprint of the settings that can change the model."""
    last_day: str
    """Last day of the evidence, ISO 8601: only later days count against it."""
    at: str
    """When, ISO 8601 UTC."""
    net_bps: float
    """Mean per trade, on the day of the acceptance."""
    p_value: float
    day_spread_bps: float
    """Standard deviation of a day's net."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has become of an acceptance."""

    since: str
    """Day of the acceptance."""
    days: int
    """After it that counted."""
    wealth: float
    """Largest value of the e-process so far."""
    ended: str
    """Why it does not stay, as a sentence; empty while it does."""


def standing(
    acceptance: Acceptance, net_by_day: Mapping[str, float], *, today: str, error: float, stay_days: int
) -> Standing:
    """Whether an acceptance stays.

    Parameters
    ----------
    acceptance : Acceptance
    net_by_day : mapping of str to float
        What every whole day earned, bp, by its ISO date; those up to ``acceptance.last_day`` are left out.
    today : str
        ISO date of the newest candle.
    error : float
        Chance that a model which earns nothing or more is ever rejected, at most.
    stay_days : int
        So many days after the acceptance it ends by itself.
    """
    later = sorted(day for day in net_by_day if day > acceptance.last_day)
    net = np.array([net_by_day[day] for day in later], dtype=np.float64)
    wealth = float(np.max(wealth_against(net, scale=acceptance.day_spread_bps), initial=1.0))
    age = (date.fromisoformat(today) - date.fromisoformat(acceptance.last_day)).days
    ended = ""
    if wealth >= 1 / error:
        ended = (
            f"accepted on {acceptance.last_day}, but the {len(later)} days since then earned "
            f"{float(np.mean(net)):+.1f} bp a day, which speaks {wealth:.0f} to 1 against an edge; "
            f"{1 / error:.0f} to 1 ends it"
        )
    elif age > stay_days:
        ended = (
            f"accepted on {acceptance.last_day}, {age} days ago: after {stay_days} days the test is asked "
            "again"
        )
    return Standing(since=acceptance.last_day, days=len(later), wealth=wealth, ended=ended)


def wealth_against(net: NDArray[np.float64], *, scale: float) -> NDArray[np.float64]:
    """The e-process against "the mean is at least zero", after each day; shape (..., days), as ``net``.

    Parameters
    ----------
    net : ndarray, shape (..., days)
        What each day earned, in order.
    scale : float
        Spread of a day, known before the first of them; positive.
    """
    capped = np.minimum(net / scale, CAP)
    paths = [np.cumsum(np.log1p(-bet * capped), axis=-1) for bet in BETS]
    wealth: NDArray[np.float64] = np.mean(np.exp(paths), axis=0)
    return wealth


def merged_days(walk: Mapping[str, float], live: Mapping[str, float]) -> dict[str, float]:
    """Net of each day, counted once: what live trading earned where it traded, else what the walk did."""
    return {**walk, **live}


def whole_days(lines: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Net by date, without the last day, which is not over yet.

    Parameters
    ----------
    lines : sequence of (str, float)
        ISO date and net in bp of every day of the evidence, in order.
    """
    return dict(lines[:-1])
