"""From which probability on a side fires, chosen on out-of-fold predictions.

Probabilities of the development part, made by the published recipe on candles it had not seen, come in
with what happened; a ``Selection`` goes out: one threshold per side and all the figures behind it.  Pure.

Each side has a fixed sequence of entries: the most extreme 0.2 % of its probabilities, the most extreme
0.3 %, and so on.  The trades of an entry are counted one position at a time, so that no two share a
candle of their outcome, and those whose candle is labelled are won or lost.  From the narrowest entry with
enough labelled trades the entries are tested in order, and the first that fails ends it; the widest that
held is the threshold.  Since every entry is tested only after all narrower ones held, no correction
for the search is due (Maurer, Hothorn and Lehmacher 1995, "Multiple comparisons in drug clinical trials
and preclinical assays: a-priori ordered hypotheses").

The bound speaks of past trades and assumes that the future resembles them; it promises nothing.

Positions are held to the horizon here: a stop would let the next trade share candles with this one's
label.  Both sides count as if the other did not trade.

Not here: what the trades earn (``desk.learn.trades``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from desk.backtest import one_at_a_time
from desk.learn.clustered import binomial_interval
from desk.policy import Thresholds
from desk.settings import check_settings
from desk.values import CANDLE_MS, DOWN, UP

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Times = NDArray[np.int64]
Side = Literal["long", "short"]

POWER = 0.8
"""A proof that succeeds four times out of five is called possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRules:
    """What a threshold has to show.  Shares are fractions."""

    shares: tuple[float, ...]
    """The entries, narrowest first: shares of the candles with features at which one side fires."""
    min_trades: int
    """Labelled trades that an entry needs to be tested."""
    target_win_rate: float
    """Share of the labelled trades that must be won, for certain."""
    level: float
    """How certain: the level of the one-sided lower bound."""

    def __post_init__(self) -> None:
        check_settings("selection", self._problems())

    def _problems(self) -> Iterator[str]:
        inside = all(0 < share < 0.5 for share in self.shares)
        if not self.shares or not inside or list(self.shares) != sorted(set(self.shares)):
            yield f"shares are {self.shares}, must increase and lie between 0 and 0.5"
        if self.min_trades < 1:
            yield f"min_trades is {self.min_trades}, must be at least 1"
        if not 0 < self.target_win_rate < 1:
            yield f"target_win_rate is {self.target_win_rate}, must lie between 0 and 1"
        if not 0.5 <= self.level < 1:
            yield f"level is {self.level}, must be at least 0.5 and below 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the sequence of a side, with what its trades showed."""

    share: float
    """Of the candles with features, as asked for; equal probabilities may add some."""
    threshold: float
    """Probability of up, one that occurred: compared with ``>=`` (long) or ``<=`` (short) as it stands."""
    trades: int
    """One position at a time."""
    n: int
    """Of these, labelled."""
    wins: int
    lower_bound: float
    """Exact one-sided lower bound of the labelled win rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideChoice:
    """What was chosen for one side, and why."""

    side: Side
    threshold: float | None
    """Probability of up; None: the side never fires."""
    share: float | None
    n: int
    """Labelled trades at the threshold; without one, the most that any entry had."""
    wins: int
    lower_bound: float | None
    """Of the labelled win rate.  Where the target was not met it is the best of several, and flatters."""
    target_met: bool
    power: float | None
    """True win rate at which ``n`` trades prove the target four times out of five; None: no rate does."""
    why: str
    """A sentence for the trader."""
    tested: tuple[Entry, ...]
    """Every entry with enough labelled trades, narrowest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Both sides."""

    long: SideChoice
    short: SideChoice

    @property
    def thresholds(self) -> Thresholds:
        """For the policy."""
        return Thresholds(long=self.long.threshold, short=self.short.threshold)

    @property
    def target_met(self) -> bool:
        """At least one side fires, and every side that fires met the target."""
        firing = [choice for choice in (self.long, self.short) if choice.threshold is not None]
        return bool(firing) and all(choice.target_met for choice in firing)


def select(
    probability: Floats, label: Labels, open_time: Times, *, horizon: int, rules: SelectionRules
) -> Selection:
    """Choose the thresholds of both sides.

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Of up, out of fold, for every candle with features, neutral ones included; no NaN.
    label : ndarray, shape (n,)
        ``UP``, ``DOWN``, ``NEUTRAL`` or ``UNKNOWN``.
    open_time : ndarray, shape (n,)
        Milliseconds, increasing.
    horizon : int
        Candles that a position is held.
    """
    free = open_time + horizon * CANDLE_MS

    def choose(side: Side) -> SideChoice:
        return _choice(side, list(_entries(side, probability, label, open_time, free, rules)), rules)

    return Selection(long=choose("long"), short=choose("short"))


def lower_bound(wins: int, n: int, *, level: float) -> float:
    """Exact one-sided lower bound of a win rate.

    Parameters
    ----------
    wins : int
    n : int
        Trades.
    level : float
        Probability that the true rate lies above: 0.975.
    """
    return binomial_interval(wins, n, tail=1 - level)[0]


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
    seen = f"{side}: {wins} of {n} labelled trades won ({wins / n:.1%}), lower bound {lower_bound:.1%}"
    if met:
        return f"{seen}, at least the {target:.0%} asked for, if the future resembles them"
    if power is None:
        return f"{seen}; {n} trades cannot prove {target:.0%} at all"
    return f"{seen}; {n} trades can prove {target:.0%} only if {power:.0%} is true"


def _entries(
    side: Side, probability: Floats, label: Labels, open_time: Times, free: Times, rules: SelectionRules
) -> Iterator[Entry]:
    """Every distinct entry of a side, narrowest first.

    An entry that reaches to the median is none: a model without an opinion has the same probability
    everywhere.
    """
    if len(probability) == 0:
        return
    ranked = np.sort(probability)
    median = np.median(ranked)
    last = None
    for share in rules.shares:
        depth = int(np.ceil(share * len(ranked)))
        threshold = float(ranked[-depth] if side == "long" else ranked[depth - 1])
        beyond = threshold > median if side == "long" else threshold < median
        if threshold == last or not beyond:
            continue
        last = threshold
        fired = np.flatnonzero(probability >= threshold if side == "long" else probability <= threshold)
        taken = fired[one_at_a_time(open_time[fired], free[fired])]
        outcome = label[taken]
        n = int(np.sum(outcome >= DOWN))
        wins = int(np.sum(outcome == (UP if side == "long" else DOWN)))
        yield Entry(
            share=share,
            threshold=threshold,
            trades=len(taken),
            n=n,
            wins=wins,
            lower_bound=lower_bound(wins, n, level=rules.level),
        )


def _choice(side: Side, entries: list[Entry], rules: SelectionRules) -> SideChoice:
    """The widest entry that held; else the one with the best bound; else none."""
    enough = [i for i, entry in enumerate(entries) if entry.n >= rules.min_trades]
    if not enough:
        fullest = max(entries, key=lambda entry: entry.n, default=None)
        return SideChoice(
            side=side,
            threshold=None,
            share=None,
            n=fullest.n if fullest else 0,
            wins=fullest.wins if fullest else 0,
            lower_bound=fullest.lower_bound if fullest else None,
            target_met=False,
            power=None,
            why=_too_few(side, fullest, rules),
            tested=(),
        )
    tested = tuple(entries[enough[0] :])
    held = None
    for entry in tested:
        if entry.lower_bound < rules.target_win_rate:
            break
        held = entry
    chosen = held or max((entries[i] for i in enough), key=lambda entry: entry.lower_bound)
    power = provable_rate(chosen.n, target=rules.target_win_rate, level=rules.level)
    return SideChoice(
        side=side,
        threshold=chosen.threshold,
        share=chosen.share,
        n=chosen.n,
        wins=chosen.wins,
        lower_bound=chosen.lower_bound,
        target_met=held is not None,
        power=power,
        why=_found(side, chosen, met=held is not None, power=power, rules=rules),
        tested=tested,
    )


def _too_few(side: Side, fullest: Entry | None, rules: SelectionRules) -> str:
    if fullest is None:
        return f"{side} never fires: there are no out-of-fold probabilities, or they are all alike"
    return (
        f"{side} never fires: even the widest entry has only {fullest.n} labelled out-of-fold trades, "
        f"{rules.min_trades} are needed"
    )


def _found(side: Side, chosen: Entry, *, met: bool, power: float | None, rules: SelectionRules) -> str:
    seen = (
        f"{side}: {chosen.wins} of {chosen.n} labelled out-of-fold trades won "
        f"({chosen.wins / chosen.n:.1%}), lower bound {chosen.lower_bound:.1%}"
    )
    if met:
        return f"{seen}, at least the {rules.target_win_rate:.0%} asked for, if the future resembles them"
    if power is None:
        return f"{seen}; {chosen.n} trades cannot prove {rules.target_win_rate:.0%} at all"
    return f"{seen}; {chosen.n} trades can prove {rules.target_win_rate:.0%} only if {power:.0%} is true"
