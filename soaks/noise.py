"""Random walks through the real path: where nothing can be known, nothing may be called an edge.

``make soak-noise``, or ``python -m soaks.noise [WALKS [TRIALS]]``: invented series of kind
``noise`` go through the pool of processes and ``train_symbol`` with the settings of ``config.py``, and are
judged together as the symbols of one run.  One line per walk, then one per claim; exit status 0 if all
hold.

After real costs a random walk is rejected whatever its model says, so the trades are looked at before
costs too: a protocol that leaks would show a profit there.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from scipy import stats

from config import default_settings
from desk.clustered import Mean, ratio_of_sums
from desk.executors import JobFailed, Processes
from desk.learn.protocol import ContractCosts
from desk.learn.settings import VerdictRules
from desk.learn.trades import DayLine, pooled
from desk.learn.verdict import decide_verdicts
from desk.market.series.facts import price_tick
from desk.market.series.synthetic import synthesize
from desk.run_settings import Settings
from desk.worker import EvaluatedSymbol, SymbolJob, train_symbol

WALKS, TRIALS, CANDLES = 20, 50, 52_000
FIRST_SEED = 7_000
END = 1_767_225_600_000
"""Where every series ends: 2026-01-01 00:00 UTC."""
SLACK = 0.01
"""Largest distance of the mean accuracy from one half."""
SURPRISE = 0.02
"""Fewer intervals than this likely that hold one half are a failure: fewer than 17 of 20."""
FEES = {"taker_fee": 0.0006, "maker_fee": 0.0002}


@dataclass(frozen=True, slots=True)
class Findings:
    """What many walks show together."""

    walks: int
    tradable: int
    accuracy: float
    """Mean over the walks."""
    covering: int
    """Walks whose ``accuracy_ci95`` holds one half."""
    gross: Mean | None
    """Basis points per test trade before costs, over all walks; None without a trade."""

    def claims(self, *, slack: float = SLACK) -> dict[str, bool]:
        """What must be true, in words, and whether it is."""
        least = int(stats.binom.ppf(SURPRISE, self.walks, 0.95))
        claims = {
            f"tradable: {self.tradable} of {self.walks}, none may be": self.tradable == 0,
            f"mean accuracy: {self.accuracy:.2%}, within {slack * 100:g} points of one half": (
                abs(self.accuracy - 0.5) <= slack
            ),
            f"intervals that hold one half: {self.covering}, at least {least} must": self.covering >= least,
        }
        if self.gross is not None:
            said = f"test trades before costs: {self.gross.value:+.2f} ± {self.gross.se:.2f} bp"
            claims[f"{said}, within 3 standard errors of nothing"] = abs(self.gross.t()) <= 3
        return claims


def walk(seeds: Sequence[int], settings: Settings, *, candles: int = CANDLES) -> Iterator[EvaluatedSymbol]:
    """Carry one random walk per seed through the pool of processes.

    Parameters
    ----------
    seeds : sequence of int
        Of the random walks.
    settings : Settings
    candles : int
        Length of each series.
    """
    for outcome in Processes(settings.workers).run(train_symbol, _jobs(seeds, settings, candles)):
        if isinstance(outcome, JobFailed):
            raise SystemExit(outcome.traceback)
        yield outcome.result


def _jobs(seeds: Sequence[int], settings: Settings, candles: int) -> Iterator[SymbolJob]:
    for seed in seeds:
        series = synthesize("noise", seed, symbol=f"WALK{seed}USDT", end=END, candles=candles)
        tick = price_tick(series).size
        costs = ContractCosts(
            tick=tick,
            spread_bps=1e4 * tick / float(series.close[-1]),
            spread_source="a tick",
            turnover=1e9,
            **FEES,
        )
        yield SymbolJob(series, settings.model, costs, control=False)


def find(examined: Sequence[EvaluatedSymbol], rules: VerdictRules) -> Findings:
    """Judge all walks together, as one run, and count."""
    verdicts = decide_verdicts([one.evidence.examination for one in examined], (), rules)
    metrics = [one.trained.metadata["metrics"] for one in examined]
    covering = [_holds_one_half(one["accuracy_ci95"]) for one in metrics]
    together = pooled(one.evidence.days for one in examined)
    return Findings(
        walks=len(examined),
        tradable=sum(verdict.tradable for verdict in verdicts),
        accuracy=fmean(one["accuracy"] for one in metrics),
        covering=sum(covering),
        gross=gross_by_day(together.daily) if together is not None and together.n else None,
    )


def _holds_one_half(interval: Sequence[float] | None) -> bool:
    return interval is None or interval[0] <= 0.5 <= interval[1]


def gross_by_day(days: Sequence[DayLine]) -> Mean:
    """Mean of a trade before costs in bp, sure as its days allow; needs at least one trade."""
    gross = np.array([day.gross_bps for day in days])
    return ratio_of_sums(gross, np.array([day.trades for day in days], dtype=np.float64))


def line(one: EvaluatedSymbol) -> str:
    """The walk as a line of the table."""
    told = one.trained.metadata
    metrics, tuning, signals = told["metrics"], told["tuning"], told["signals"]
    interval = metrics["accuracy_ci95"]
    gross, net = (
        "–" if signals[name] is None else f"{signals[name]:+.1f}" for name in ("gross_bps", "net_bps")
    )
    holds = "" if _holds_one_half(interval) else "!"
    within = "too few days" if interval is None else f"[{interval[0]:.2%}, {interval[1]:.2%}]"
    tested = "yes" if one.evidence.examination.tested else "no"
    return (
        f"{one.trained.symbol:14}{metrics['n']:9,}{metrics['accuracy']:9.2%}  "
        f"{within:18} {holds:1}{metrics['auc']:8.4f}  {tuning['chosen']:9}{tuning['rounds']:6}"
        f"{signals['n']:7,}{gross:>7}{net:>7}  {tested:7}"
        f"{told['timing']['cpu_seconds']:6.1f}{told['timing']['peak_rss_mb']:6.0f}"
    )


def main(walks: int = WALKS, trials: int = TRIALS) -> int:
    """Print a line per walk and a line per claim; 0 if every claim holds."""
    settings = default_settings()
    settings = replace(settings, learn=replace(settings.learn, n_trials=trials))
    print(
        f"{'walk':14}{'labelled':>9}{'accuracy':>9}  {'95 % interval':18}{'AUC':>8}  {'chosen':9}"
        f"{'rounds':>6}{'trades':>7}{'gross':>7}{'net':>7}  {'tested':7}{'CPU s':>6}{'MB':>6}"
    )
    examined = []
    for one in walk(range(FIRST_SEED, FIRST_SEED + walks), settings):
        print(line(one), flush=True)
        examined.append(one)
    claims = find(examined, settings.learn.verdict).claims()
    for claim, holds in claims.items():
        print(f"{'PASS' if holds else 'FAIL'}  {claim}")
    return 0 if all(claims.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main(*(int(argument) for argument in sys.argv[1:])))
