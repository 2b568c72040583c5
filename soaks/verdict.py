"""The verdict, simulated: how often a true edge is found, and how often none is called one.

``make soak-verdict``, or ``python -m soaks.verdict [--quick]``.  Invented symbols
(``soaks.simulated_walks``) go through the product's own test, correction, coverage interval and stay rule,
every condition included, beside the protocol that came before it.  One table per question, as Markdown, then
one line per claim; exit status 0 if all hold.

The protocol before: thresholds for the win rate, a gate on 86 out-of-fold days (95 % lower bound of the net
above zero), Student's t test on the last 36 days, Benjamini-Hochberg over all that passed the gate and over
every earlier copy of them, coverage between half and twice the out-of-fold one as it stands.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from desk.clustered import p_above_zero
from desk.learn.stay import BETS, CAP, wealth_against
from desk.learn.verdict import DISCARD, REPEATED, discovery_rates
from soaks.simulated_walks import BLOCKS, FIRST, SPREAD_BPS, WEEK, Flags, Floats, Looks, invent, trainings

EDGES = (7.5, 6.0, 5.5, 3.0, 0.0, -3.0, -12.0)
LEVELS = (0.10, 0.05)
WEEKS = 20
STAY_ERROR = 0.1
CHUNK = 1_000
UNIVERSE, TRUE_ONES, UNIVERSE_WEEKS = 300, 5, 14
UNIVERSES = ((-12.0, 0.0), (-12.0, 0.3), (-12.0, 0.6), (-3.0, 0.3), (0.0, 0.3))
"""Edge of those that are no true ones, bp, and correlation of any two symbols."""
CELLS, CELL_WEEKS = 56, 11
OLD_GATE_DAYS, OLD_TEST_DAYS, OLD_TRADES, OLD_COVERAGE = 86, 36, 10.0, 0.5


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that must be true, and whether it is."""

    words: str
    holds: bool


# The protocol, week by week -----------------------------------------------------------------------


def follow(looks: Sequence[Looks], *, rate: float, together: bool, stays: bool = True) -> Flags:
    """Who is tradable in every week, shape (weeks, symbols).

    Parameters
    ----------
    looks : sequence of Looks
        One training a week.
    rate : float
        False discovery rate.
    together : bool
        Whether the symbols are one run and so one family, or each is trained alone.
    stays : bool
        Whether an acceptance lasts.
    """
    size = len(looks[0].p_value)
    accepted, failed = np.zeros(size, dtype=bool), np.full(size, -1_000)
    log_wealth, scale = np.zeros((len(BETS), size)), np.ones(size)
    tradable = np.zeros((len(looks), size), dtype=bool)
    for week, look in enumerate(looks):
        again = week - failed < BLOCKS - FIRST
        p = np.minimum(1.0, look.p_value * np.where(again, REPEATED, 1.0))
        passed = look.tested & (_rates(p, look.tested, together=together) <= rate)
        if week and stays:
            net = np.minimum(look.net[:, -WEEK:] / scale[:, None], CAP)
            path = log_wealth[..., None] + np.cumsum([np.log1p(-bet * net) for bet in BETS], axis=-1)
            log_wealth = path[..., -1]
            accepted &= np.mean(np.exp(path), axis=0).max(axis=-1) < 1 / STAY_ERROR
        tradable[week] = look.others & (passed | (accepted if stays else False))
        failed[look.tested & (look.p_value > rate / 2)] = week
        begins = tradable[week] & ~accepted
        if begins.any():
            scale[begins] = np.std(look.net[begins], axis=-1, ddof=1)
            log_wealth[:, begins] = 0.0
        accepted = tradable[week].copy()
    return tradable


def _rates(p_value: Floats, tested: Flags, *, together: bool) -> Floats:
    """q-values; alone, the family is one."""
    if not together:
        return np.where(p_value <= DISCARD, p_value / DISCARD, 1.0)
    q = np.ones(len(p_value))
    q[tested] = discovery_rates(p_value[tested].tolist())
    return q


def before(
    rng: np.random.Generator, edge: Floats, *, weeks: int, correlation: float = 0.0
) -> Iterator[tuple[Floats, Flags, Flags]]:
    """Every weekly training by the protocol before: p-value, whether the gate opened, whether coverage held.

    Parameters
    ----------
    rng : Generator
    edge : ndarray, shape (symbols,)
        True net of a trade, bp.
    weeks : int
    correlation : float
        Of the daily sums of two symbols.
    """
    days = OLD_GATE_DAYS + OLD_TEST_DAYS + WEEK * (weeks - 1)
    common = rng.standard_normal((1, days))
    shock = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.standard_normal((len(edge), days))
    net = OLD_TRADES * edge[:, None] + np.sqrt(OLD_TRADES * (SPREAD_BPS**2 + edge[:, None] ** 2)) * shock
    keep, ratio = np.sqrt(1 - WEEK / OLD_TEST_DAYS), rng.standard_normal(len(edge))
    for week in range(weeks):
        border = OLD_GATE_DAYS + week * WEEK
        gate, test = net[:, week * WEEK : border], net[:, border : border + OLD_TEST_DAYS]
        opened = stats.ttest_1samp(gate, 0.0, axis=1, alternative="greater").pvalue < 0.05
        p_value = stats.ttest_1samp(test, 0.0, axis=1, alternative="greater").pvalue
        yield np.asarray(p_value), np.asarray(opened), np.abs(OLD_COVERAGE * ratio) < np.log(2)
        ratio = keep * ratio + np.sqrt(1 - keep**2) * rng.standard_normal(len(edge))


# The questions ------------------------------------------------------------------------------------


def alone(rng: np.random.Generator, symbols: int) -> Iterator[str | Claim]:
    """How often a symbol that is trained alone is tradable, at first and ever in 20 weekly trainings."""
    yield "| true net of a trade | level | first training | ever in 20 weeks | before: first | before: ever |"
    yield "| --- | --- | --- | --- | --- | --- |"
    most = {0.10: {0.0: (0.10, 0.20), -3.0: (0.01, 0.10), -12.0: (0.002, 0.01)}, 0.05: {0.0: (0.05, 0.11)}}
    least = {0.10: 5.5, 0.05: 6.0}
    for edge in EDGES:
        found: dict[float, list[Floats]] = {level: [] for level in LEVELS}
        for _ in range(max(1, symbols // CHUNK)):
            edges = np.full(min(symbols, CHUNK), edge)
            looks = list(trainings(invent(rng, edges, weeks=WEEKS)))
            old = list(before(rng, edges, weeks=WEEKS))
            for level in LEVELS:
                ours = follow(looks, rate=level, together=False)
                theirs = np.array([(p <= level) & opened & held for p, opened, held in old])
                rows = [ours[0], ours.any(axis=0), theirs[0], theirs.any(axis=0)]
                found[level].append(np.mean(rows, axis=1))
        for level in LEVELS:
            first, ever, *old_ones = np.mean(found[level], axis=0)
            shares = " | ".join(f"{share:.1%}" for share in (first, ever, *old_ones))
            yield f"| {edge:+g} bp | {level:.0%} | {shares} |"
            slack = 3 * np.sqrt(0.1 * 0.9 / symbols)
            if edge in most[level]:
                bounds = most[level][edge]
                yield Claim(
                    f"{edge:+g} bp at {level:.0%}: {first:.2%} at first (at most {bounds[0]:.1%}), "
                    f"{ever:.2%} ever (at most {bounds[1]:.0%})",
                    bool(first <= bounds[0] + slack / 5 and ever <= bounds[1] + slack),
                )
            if edge == least[level]:
                words = f"{edge:+g} bp at {level:.0%}: found at the first training {first:.0%}, 80% wanted"
                yield Claim(words, bool(first >= 0.8))


def universes(rng: np.random.Generator, runs: int) -> Iterator[str | Claim]:
    """300 symbols in one run, five of which earn 6 bp and the others lose 12: who is found, who wrongly.

    And what becomes of it where the others lose less, or nothing.
    """
    yield "| the others | correlation | protocol | found at first | in run 14 | false at first | in run 14 |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for others, correlation in UNIVERSES:
        edge = np.concatenate([np.full(TRUE_ONES, 6.0), np.full(UNIVERSE - TRUE_ONES, others)])
        shares: dict[str, list[list[float]]] = {"the walk": [], "the walk, plain BH": [], "before": []}
        for _ in range(runs):
            symbols = invent(rng, edge, weeks=UNIVERSE_WEEKS, correlation=correlation)
            looks = list(trainings(symbols))
            ours = follow(looks, rate=0.1, together=True)
            plain = np.array([_plain(look.p_value) & look.others for look in looks])
            old = _old_universe(rng, edge, correlation)
            for name, tradable in (("the walk", ours), ("the walk, plain BH", plain), ("before", old)):
                rows = [tradable[0], tradable[-1]]
                shares[name].append(
                    [*(float(row[:TRUE_ONES].mean()) for row in rows), *(_false_share(row) for row in rows)]
                )
        for name, found in shares.items():
            figures = np.mean(found, axis=0)
            yield (
                f"| {others:+g} bp | {correlation:g} | {name} | "
                + " | ".join(f"{share:.1%}" for share in figures)
                + " |"
            )
        first, later, wrong, wrong_later = np.mean(shares["the walk"], axis=0)
        slack = 3 * 0.3 / np.sqrt(runs)
        if others > -12.0:  # there is no promise for the 14th run: who stays adds up from week to week
            words = f"the others at {others:+g} bp, correlation {correlation:g}: {wrong:.1%} false at first"
            yield Claim(f"{words}, at most 10%", bool(wrong <= 0.10 + slack))
            continue
        yield Claim(
            f"correlation {correlation:g}: 6 bp among 300 found {first:.0%} (later {later:.0%}), 75% wanted",
            bool(first >= 0.75 - slack / 2),
        )
        yield Claim(
            f"correlation {correlation:g}: {wrong:.1%} false, {wrong_later:.1%} after 14 runs, at most 10%",
            bool(max(wrong, wrong_later) <= 0.10 + slack),
        )


def _plain(p_value: Floats) -> Flags:
    """Benjamini-Hochberg over all symbols, none left out."""
    passed: Flags = stats.false_discovery_control(p_value, method="bh") <= 0.1
    return passed


def _false_share(tradable: Flags) -> float:
    return float(tradable[TRUE_ONES:].sum() / max(1, tradable.sum()))


def _old_universe(rng: np.random.Generator, edge: Floats, correlation: float) -> Flags:
    """Tradable by the protocol before, whose ledger counts every weekly copy."""
    earlier: list[float] = []
    tradable = []
    for p_value, opened, held in before(rng, edge, weeks=UNIVERSE_WEEKS, correlation=correlation):
        q = np.ones(len(edge))
        family = np.array([*p_value[opened], *earlier])
        if opened.any():
            q[opened] = stats.false_discovery_control(family, method="bh")[: opened.sum()]
        tradable.append((q <= 0.1) & opened & held)
        earlier += p_value[opened].tolist()
    return np.array(tradable)


def steadiness(rng: np.random.Generator, symbols: int) -> Iterator[str | Claim]:
    """How often the verdict on an accepted, steady edge of 5 bp changes within ten weeks."""
    changes: dict[str, list[float]] = {"the walk": [], "the walk, tested anew every week": [], "before": []}
    for _ in range(max(1, symbols // CHUNK)):
        edges = np.full(min(symbols, CHUNK), 5.0)
        looks = list(trainings(invent(rng, edges, weeks=11)))
        old = list(before(rng, edges, weeks=11))
        for name, tradable in (
            ("the walk", follow(looks, rate=0.1, together=False)),
            ("the walk, tested anew every week", follow(looks, rate=0.1, together=False, stays=False)),
            ("before", np.array([(p <= 0.1) & opened & held for p, opened, held in old])),
        ):
            changes[name] += (
                np.abs(np.diff(tradable[:, tradable[0]].astype(int), axis=0)).sum(axis=0).tolist()
            )
    yield "| protocol | changes of the verdict in ten weeks |"
    yield "| --- | --- |"
    for name, counts in changes.items():
        yield f"| {name} | {np.mean(counts):.2f} |"
    mean = float(np.mean(changes["the walk"]))
    yield Claim(f"a steady 5 bp, once accepted: {mean:.2f} changes in ten weeks, at most 0.4", mean <= 0.4)


def exploring(rng: np.random.Generator, runs: int) -> Iterator[str | Claim]:
    """The best of 56 cells without an edge, chosen by what --explore shows, then trained."""
    at_once, by_rule = [], []
    for _ in range(runs):
        cells = invent(rng, np.zeros(CELLS), weeks=CELL_WEEKS)
        first = next(trainings(cells))
        best = int(np.argmin(first.p_value))
        at_once.append(bool(first.others[best] and first.p_value[best] <= 0.05))
        looks = list(trainings(cells, since_week=BLOCKS))
        by_rule.append(follow(looks, rate=0.1, together=False)[:, best])
    later = np.array(by_rule)
    yield "| the best of 56 cells without an edge | tradable |"
    yield "| --- | --- |"
    yield f"| evidence from the candles that it was chosen on (before) | {np.mean(at_once):.0%} |"
    yield f"| evidence from later candles alone, at once | {later[:, 0].mean():.1%} |"
    yield f"| the same, ten weeks later | {later[:, -1].mean():.1%} |"
    yield f"| the same, in any of the ten weeks | {later.any(axis=1).mean():.1%} |"
    slack = 3 * np.sqrt(0.05 * 0.95 / runs)
    share = max(later[:, 0].mean(), later[:, -1].mean())
    yield Claim(
        f"the best of 56 explored cells, then trained: {share:.1%}, at most 5%", bool(share <= 0.05 + slack)
    )


def sizes(rng: np.random.Generator, samples: int) -> Iterator[str | Claim]:
    """How often a test at 5 % calls pay-offs above zero whose mean is zero."""
    yield "| pay-off, 94 days | Student (before) | with Hall's correction, the larger p (now) |"
    yield "| --- | --- | --- |"
    worst = 0.0
    for name, days in _payoffs(rng, samples):
        student = float(np.mean(stats.ttest_1samp(days, 0.0, axis=1, alternative="greater").pvalue <= 0.05))
        ours = float(np.mean(p_above_zero(days) <= 0.05))
        worst = max(worst, ours)
        yield f"| {name} | {student:.1%} | {ours:.1%} |"
    slack = 3 * np.sqrt(0.05 * 0.95 / samples)
    yield Claim(f"size of the test at 5%: {worst:.1%} at most", worst <= 0.05 + slack)


def _payoffs(rng: np.random.Generator, samples: int) -> Iterator[tuple[str, Floats]]:
    """Names and daily sums, shape (samples, 94), whose mean is zero."""
    shape = (samples, 94)
    yield "normal", rng.standard_normal(shape)
    yield "heavy tails (t, 4 degrees)", rng.standard_t(4, shape)
    for trades, losing in ((10, 0.05), (10, 0.02), (3, 0.05)):
        count = rng.poisson(trades, shape)
        lost = rng.binomial(count, losing)
        net = (count - lost) - lost * (1 - losing) / losing + rng.standard_normal(shape) * np.sqrt(count)
        yield f"stops: {trades} trades a day, one in {1 / losing:.0f} loses {1 / losing - 1:.0f} wins", net
        if (trades, losing) == (3, 0.05):
            yield "the reverse: one in 20 wins 19 losses", -net


def staying(rng: np.random.Generator, samples: int) -> Iterator[str | Claim]:
    """How soon an acceptance ends: 10 trades a day, within 180 days."""
    spread = float(np.sqrt(10) * SPREAD_BPS)
    yield "| true net of a trade | acceptance ended within 4 weeks | 12 weeks | 180 days |"
    yield "| --- | --- | --- | --- |"
    for edge in (5.0, 0.0, -3.0, -12.0):
        net = 10 * edge + spread * rng.standard_normal((samples, 180))
        ended = np.maximum.accumulate(wealth_against(net, scale=spread), axis=1) >= 1 / STAY_ERROR
        shares = [float(ended[:, day - 1].mean()) for day in (28, 84, 180)]
        yield f"| {edge:+g} bp | " + " | ".join(f"{share:.1%}" for share in shares) + " |"
        if edge == 0:
            yield Claim(
                f"no edge, no loss: {shares[-1]:.1%} end within 180 days, at most 10%", shares[-1] <= 0.1
            )


def keeping(rng: np.random.Generator, samples: int) -> Iterator[str | Claim]:
    """What "the baseline was kept" selects: 50 trials alike to it by 0.8, tuned on 70 of the 91 days."""
    alike, trials, tuned_on, days = 0.8, 50, 70, 91
    baseline = rng.standard_normal((samples, days))
    own = rng.standard_normal((samples, trials)) / np.sqrt(tuned_on)
    mean = baseline[:, :tuned_on].mean(axis=1, keepdims=True)
    ahead = ((alike - 1) * mean + np.sqrt(1 - alike**2) * own) / np.sqrt(2 - 2 * alike) * np.sqrt(tuned_on)
    kept = ahead.max(axis=1) < stats.norm.isf(0.05 / trials)
    passed = p_above_zero(baseline) <= 0.05
    everybody, those = float(passed.mean()), float(passed[kept].mean())
    yield "| no edge, test at 5 % | passed |"
    yield "| --- | --- |"
    yield f"| all symbols | {everybody:.2%} |"
    yield f"| those whose baseline was kept ({kept.mean():.0%}) | {those:.2%} |"
    slack = 3 * np.sqrt(0.05 * 0.95 / samples)
    yield Claim(f"keeping the baseline selects next to nothing: {those:.2%}", those <= 0.0525 + slack)


def main(argv: Sequence[str] | None = None) -> int:
    """Print all tables and claims; 0 if every claim holds."""
    quick = "--quick" in (sys.argv[1:] if argv is None else argv)
    rng = np.random.default_rng(20_260_101)
    many = 2_000 if quick else 20_000
    questions: list[tuple[str, Iterator[str | Claim]]] = [
        ("Trained alone, 10 trades a day, standard deviation 45 bp", alone(rng, 200 if quick else 8_000)),
        ("300 symbols in one run, 5 of them +6 bp", universes(rng, 1 if quick else 80)),
        ("A steady edge", steadiness(rng, 200 if quick else 4_000)),
        ("Chosen by --explore", exploring(rng, 10 if quick else 400)),
        ("The test itself", sizes(rng, many)),
        ("How an acceptance ends", staying(rng, many)),
        ("Whether the baseline was kept", keeping(rng, many)),
    ]
    claims = []
    for title, lines in questions:
        print(f"\n**{title}**\n")
        for line in lines:
            if isinstance(line, Claim):
                claims.append(line)
            else:
                print(line, flush=True)
    print()
    for claim in claims:
        print(f"{'PASS' if claim.holds else 'FAIL'}  {claim.words}")
    return 0 if all(claim.holds for claim in claims) else 1


if __name__ == "__main__":
    raise SystemExit(main())
