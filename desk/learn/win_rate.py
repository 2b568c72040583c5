"""What labelled trades prove of a win rate.

Wins and trades come in; what they prove goes out, as a number and as a sentence.  Pure.

The bound speaks of past trades and assumes that the future resembles them; it promises nothing.

Not here: which trades are counted (``desk.learn.shares``), and what follows (``desk.learn.thresholds``).
"""

from typing import Literal

from scipy import stats

Side = Literal["long", "short"]

POWER = 0.8
"""A proof that succeeds four times out of five is called possible."""


def provable_rate(n: int, *, target: float, level: float) -> float | None:
    """True win rate at which ``n`` trades prove ``target`` with probability ``POWER``; None: none does.

    Parameters
    ----------
    n : int
        Labelled trades.
    target : float
        Win rate to be proven, as a fraction.
    level : float
        Of the lower bound that proves it.
    """
    needed = int(stats.binom.isf(1 - level, n, target)) + 1
    if needed > n:
        return None
    return float(stats.beta.ppf(POWER, needed, n - needed + 1))


def proof(
    side: Side,
    wins: int,
    n: int,
    *,
    lower_bound: float,
    met: bool,
    power: float | None,
    target: float,
) -> str:
    """What labelled trades say of the win rate, as a sentence.

    Parameters
    ----------
    side : str
    wins, n : int
        Of ``n`` labelled trades so many were won.
    lower_bound : float
        Of their win rate.
    met : bool
        Whether the target is proven.
    power : float or None
        As ``provable_rate`` gives it.
    target : float
    """
    if n == 0:
        return f"{side}: there is no labelled trade"
    seen = (
        f"{side}: {wins} of {n} labelled trades won ({wins / n * 100:.1f} %), lower bound "
        f"{lower_bound * 100:.1f} %"
    )
    if met:
        return f"{seen}, at least the {target * 100:.0f} % asked for, if the future resembles them"
    if power is None:
        return f"{seen}; {n} trades cannot prove {target * 100:.0f} % at all"
    return f"{seen}; {n} trades can prove {target * 100:.0f} % only if {power * 100:.0f} % is true"
