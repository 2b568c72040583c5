"""Three recipes on the real development series, examined on the same candles.

``python -m benchmarks.recipes [SYMBOL …]`` takes each series through the complete recipe (``train_symbol``
with the settings of ``config.py``), through the baseline with one seed and no tuning, and through
``plain_recipe.py`` with as many trials.  All three report the last fifth of the series, which none of
them chose anything on.  One line per series, then the verdicts with their reasons.  Needs the real series
in ``../shared/data/candles``; ticks are those that the emulator would tell.

One seed is a lottery (the AUC of a single model scatters by 0.002 to 0.007 from seed to seed), so the
one-seed baseline is the mean of what each of the complete recipe's seeds gives alone.

The series of one period are judged together, as the symbols of one run without a ledger.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.training import costs_of_series
from config import default_settings
from desk.executors import JobFailed, Processes
from desk.learn.verdict import decide_verdicts
from desk.market.series.sources import read_candle_files
from desk.outcomes import Json
from desk.run_settings import Settings
from desk.values import Candles
from desk.worker import EvaluatedSymbol, SymbolJob, train_symbol

HERE = Path(__file__).resolve().parent
CANDLES = HERE.parent.parent / "shared" / "data" / "candles"
LENGTH = 51_840
"""180 days, as ``plain_recipe.py`` takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One series under the three recipes."""

    candles: Candles
    complete: EvaluatedSymbol
    bare: tuple[EvaluatedSymbol, ...]
    """The baseline with one seed, once for every seed that the complete recipe averages."""
    plain: Json
    """What ``plain_recipe.py`` printed."""


def compare(job: SymbolJob) -> Compared:
    """Carry one series through all three, one after the other."""
    one_seed = replace(job.settings.learn, n_trials=1, n_seeds=1, refit_on_all=False)
    bare = tuple(
        train_symbol(replace(job, settings=replace(job.settings, learn=one_seed, seed=seed)))
        for seed in range(job.settings.seed, job.settings.seed + job.settings.learn.n_seeds)
    )
    plain = _plain(job.candles.symbol, job.settings.learn.n_trials)
    return Compared(job.candles, train_symbol(job), bare, plain)


def _plain(symbol: str, trials: int) -> Json:
    script, series = HERE / "plain_recipe.py", CANDLES / f"{symbol}.parquet"
    command = [sys.executable, str(script), str(series), str(trials)]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603
    return dict(json.loads(told))


def job_of(candles: Candles, settings: Settings) -> SymbolJob:
    """The last 180 days, at the emulator's terms."""
    newest = candles.rows(max(0, len(candles) - LENGTH), len(candles))
    return SymbolJob(newest, settings.model, costs_of_series(newest), control=False)


def main(symbols: Sequence[str]) -> int:
    """Print one line per series and the verdicts."""
    if not CANDLES.is_dir():
        print(f"{CANDLES} is not there: this comparison needs the real series")
        return 1
    settings = default_settings()
    series = [one for one in read_candle_files(CANDLES) if not symbols or one.symbol in symbols]
    print(HEAD)
    found = []
    for outcome in Processes(settings.workers).run(compare, [job_of(one, settings) for one in series]):
        if isinstance(outcome, JobFailed):
            raise SystemExit(outcome.traceback)
        found.append(outcome.result)
        print(line(outcome.result), flush=True)
    print(means(found))
    for period in periods(found):
        examinations = [one.complete.evidence.examination for one in period]
        for one, verdict in zip(
            period, decide_verdicts(examinations, (), settings.learn.verdict), strict=True
        ):
            said = "tradable" if verdict.tradable else "not tradable: " + "; ".join(verdict.reasons)
            tuning = one.complete.trained.metadata["tuning"]
            print(f"\n{one.candles.symbol}: {said}")
            print(f"  {tuning['chosen']}, {tuning['rounds']} rounds: {tuning['why']}")
    return 0


def periods(found: Iterable[Compared]) -> list[list[Compared]]:
    """Series that end together."""
    together: dict[int, list[Compared]] = defaultdict(list)
    for one in found:
        together[int(one.candles.open_time[-1])].append(one)
    return list(together.values())


_THREE = f"{'plain':>8}{'bare':>8}{'compl.':>8}"
HEAD = (
    f"{'':14}{'accuracy %':^24}{'AUC':^24}{'complete recipe at its thresholds':^69}{'CPU s':^23}\n"
    f"{'symbol':14}{_THREE}{_THREE}{'chosen':>10}{'trades':>8}{'cover%':>8}{'win%':>7}{'need%':>7}{'hit%':>7}"
    f"{'label%':>8}{'gross':>7}{'net bp':>7}{'plain':>8}{'bare':>7}{'compl.':>8}"
)


def figures_of(one: Compared) -> list[float]:
    """Accuracy in per cent of the three, then their AUC, in the order of the table."""
    found = []
    for name, unit in (("accuracy", 100.0), ("auc", 1.0)):
        bare = fmean(run.trained.metadata["metrics"][name] for run in one.bare)
        complete = one.complete.trained.metadata["metrics"][name]
        found += [unit * value for value in (one.plain[f"future_{name}"], bare, complete)]
    return found


def seconds_of(one: Compared) -> list[float]:
    """CPU seconds of the three."""
    bare = fmean(run.trained.metadata["timing"]["cpu_seconds"] for run in one.bare)
    return [one.plain["cpu_s"], bare, one.complete.trained.metadata["timing"]["cpu_seconds"]]


def line(one: Compared) -> str:
    """The series as a line of the table."""
    told: dict[str, Any] = one.complete.trained.metadata
    signals = told["signals"]

    def share(name: str) -> str:
        return "–" if signals[name] is None else f"{100 * signals[name]:.1f}"

    def points(name: str) -> str:
        return "–" if signals[name] is None else f"{signals[name]:+.1f}"

    return (
        f"{one.candles.symbol:14}{_columns(figures_of(one))}{told['tuning']['chosen']:>10}{signals['n']:8,}"
        f"{share('coverage'):>8}{share('win_rate'):>7}{share('break_even_win_rate'):>7}{share('hit_rate'):>7}"
        f"{share('win_rate_labelled'):>8}{points('gross_bps'):>7}{points('net_bps'):>7}{_seconds(seconds_of(one))}"
    )


def means(found: Sequence[Compared]) -> str:
    """The last line of the table."""
    figures = [fmean(column) for column in zip(*map(figures_of, found), strict=True)]
    seconds = [fmean(column) for column in zip(*map(seconds_of, found), strict=True)]
    ratio = seconds[0] / seconds[2]
    return f"{'mean':14}{_columns(figures)}{'':69}{_seconds(seconds)}   plain / complete {ratio:.1f}"


def _columns(figures: Sequence[float]) -> str:
    return "".join(f"{value:8.2f}" for value in figures[:3]) + "".join(
        f"{value:8.4f}" for value in figures[3:]
    )


def _seconds(seconds: Sequence[float]) -> str:
    plain, bare, complete = seconds
    return f"{plain:8.1f}{bare:7.1f}{complete:8.1f}"


if __name__ == "__main__":
    # Under its own name and not as __main__, so that worker processes find ``compare``.
    from benchmarks.recipes import main as run_main

    raise SystemExit(run_main(sys.argv[1:]))
