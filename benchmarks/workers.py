"""What a worker process costs, how well two of them share a machine, and what hundreds of symbols would take.

``python -m benchmarks.workers [--symbols 8] [--trials 50]`` trains invented series of full length with the
settings of ``config.py`` (real series in ``../shared/data/candles`` where they are).  It prints

* the start: CPU seconds of the server that the processes are forked off, and CPU seconds and memory of one;
* the throughput of ``Processes(2)`` against two runs with one process each, of half of the symbols, at the
  same time: both use the same two cores, so the ratio is what sharing costs;
* the peak memory of a worker and of the parent;
* CPU seconds a symbol, of them those that only the parent can spend, and hours for 300 and 786 symbols by
  them, on 2, 8, 32 and 128 cores.

CPU seconds against the plain recipe: ``benchmarks.training``.  Linux only.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

from benchmarks.training import CANDLES, LENGTH, costs_of_series
from config import default_settings
from desk.executors import JobDone, Processes
from desk.market.history.candle_store import CandleStore
from desk.market.series.sources import read_candle_files
from desk.market.series.synthetic import synthesize
from desk.stopwatch import peak_rss_mb
from desk.values import Candles
from desk.worker import EvaluatedSymbol, SymbolJob, train_symbol

END = 1_767_225_600_000
DAYS = 180
CORES = (2, 8, 32, 128)
UNIVERSES = (300, 786)


@dataclass(frozen=True, slots=True)
class Start:
    """What a process costs before it has done anything."""

    server_cpu_s: float
    cpu_s: float
    own_mb: float
    """Memory that it shares with no other process."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    seconds: float
    cpu_s: float
    """Of a symbol, in its worker."""
    parent_cpu_s: float
    """Of a symbol, in the parent."""
    worker_mb: float
    parent_mb: float


def start_of_worker() -> Start:
    """What a process, and the server that it is forked off, have used before the first symbol.

    It is asked for functions that it has loaded, so that nothing is imported for the question.
    """
    own = Processes(1)
    usage = next(own.run(resource.getrusage, [resource.RUSAGE_SELF]))
    maps = next(own.run(Path.read_text, [Path("/proc/self/smaps_rollup")]))
    stat = own.run(Path.read_text, [Path("/proc/self/stat")])
    line = next(stat)
    if not (isinstance(usage, JobDone) and isinstance(maps, JobDone) and isinstance(line, JobDone)):
        raise SystemExit(f"a worker did not answer: {usage}")
    server = line.result.rpartition(")")[2].split()[1]
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    stat.close()
    private = [row.split() for row in maps.result.splitlines() if row.startswith("Private_")]
    return Start(
        (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        usage.result.ru_utime + usage.result.ru_stime,
        sum(int(row[1]) for row in private) / 1024,
    )


def series(count: int) -> list[Candles]:
    """So many series of full length: real ones under numbered names, else invented ones."""
    real = list(read_candle_files(CANDLES)) if CANDLES.is_dir() else []
    real = [candles.rows(len(candles) - LENGTH, len(candles)) for candles in real if len(candles) >= LENGTH]
    return [
        replace(real[number % len(real)], symbol=f"B{number}USDT")
        if real
        else synthesize("noise", number, symbol=f"B{number}USDT", end=END, candles=LENGTH)
        for number in range(count)
    ]


def measure(folder: Path, symbols: list[str], *, workers: int, trials: int) -> Measured:
    """Train symbols whose candles are in a cache.

    Parameters
    ----------
    folder : Path
        The cache.
    symbols : list of str
    workers : int
        Processes at a time.
    trials : int
        Of Optuna, a symbol.
    """
    settings = default_settings({})
    settings = replace(settings, learn=replace(settings.learn, n_trials=trials))
    store, began, cpu = CandleStore(folder), time.monotonic(), time.process_time()
    jobs = (
        SymbolJob(candles, settings.model, costs_of_series(candles), control=False)
        for candles in (store.load(symbol, DAYS) for symbol in symbols)
    )
    timings = []
    for outcome in Processes(workers).run(train_symbol, jobs):
        if not isinstance(outcome, JobDone) or not isinstance(outcome.result, EvaluatedSymbol):
            raise SystemExit(f"a symbol was not trained: {outcome}")
        timings.append(outcome.result.trained.metadata["timing"])
    return Measured(
        time.monotonic() - began,
        fmean(timing["cpu_seconds"] for timing in timings),
        (time.process_time() - cpu) / len(symbols),
        max(timing["peak_rss_mb"] for timing in timings),
        peak_rss_mb(),
    )


def run_apart(folder: Path, symbols: list[str], workers: int, trials: int) -> "subprocess.Popen[str]":
    """As ``measure``, in a process of its own that prints the figures.

    Parameters
    ----------
    folder : Path
    symbols : list of str
    workers, trials : int
        As of ``measure``.
    """
    command = [sys.executable, "-m", "benchmarks.workers", "--apart", str(folder), ",".join(symbols)]
    return subprocess.Popen(  # noqa: S603 - our own command
        [*command, str(workers), str(trials)], stdout=subprocess.PIPE, text=True
    )


def result_of(process: "subprocess.Popen[str]") -> Measured:
    """The figures that it printed."""
    printed, _ = process.communicate()
    return Measured(**json.loads(printed))


def main() -> int:
    """Print all figures."""
    if sys.argv[1:2] == ["--apart"]:
        where, names, workers, trials = sys.argv[2:]
        measured = measure(Path(where), names.split(","), workers=int(workers), trials=int(trials))
        print(json.dumps(asdict(measured)))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers")
    parser.add_argument("--symbols", type=int, default=8)
    parser.add_argument("--trials", type=int, default=50)
    args = parser.parse_args()

    start = start_of_worker()
    print(f"start: server {start.server_cpu_s:.1f} CPU s once; a worker {start.cpu_s:.2f} CPU s, ", end="")
    print(f"{start.own_mb:.0f} MB of its own")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for candles in series(args.symbols):
            CandleStore(folder).save(candles, days=DAYS)
        symbols = [f"B{number}USDT" for number in range(args.symbols)]
        halves = [run_apart(folder, symbols[part::2], 1, args.trials) for part in (0, 1)]
        apart = max(result_of(half).seconds for half in halves)
        pool = result_of(run_apart(folder, symbols, 2, args.trials))
    print(
        f"{args.symbols} symbols, {args.trials} trials: two workers {pool.seconds:.1f} s, two runs with ",
        end="",
    )
    print(f"one worker each {apart:.1f} s: throughput {apart / pool.seconds:.2f} ×")
    print(f"memory: a worker {pool.worker_mb:.0f} MB at its peak, the parent {pool.parent_mb:.0f} MB")
    print(f"CPU: {pool.cpu_s:.1f} s a symbol, and {pool.parent_cpu_s:.2f} s in the parent")
    for count in UNIVERSES:
        hours = [count * max(pool.cpu_s / cores, pool.parent_cpu_s) / 3600 for cores in CORES]
        row = ", ".join(f"{hour:.2f} h on {cores}" for hour, cores in zip(hours, CORES, strict=True))
        print(f"{count} symbols: {row} cores")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
