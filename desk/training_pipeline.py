"""Phase 2: every fetched symbol goes through a worker, and its outcome to the run.

A service between the jobs, the executors and the run, for the door that trains.

Not here: what a job is (``desk.training_jobs``), where it is carried out (``desk.executors``), and what
becomes of its outcome (``desk.training_run``).
"""

import contextlib
import itertools
from collections.abc import Callable

from desk.errors import NotEnoughHistory
from desk.executors import Executor, JobDone, JobFailed, Processes, Serial
from desk.fetch_display import outcome_of_problem
from desk.interrupts import FinishFirst
from desk.learn.explore import Explored
from desk.learn.settings import ModelSettings
from desk.market.history.fetch_report import FetchReport
from desk.outcomes import Failed, Skipped
from desk.reports import terminal
from desk.reports.console import Console
from desk.run_settings import Settings
from desk.training_jobs import jobs_of
from desk.training_run import TrainingRun
from desk.worker import EvaluatedSymbol, SymbolJob

Work = Callable[[SymbolJob], EvaluatedSymbol | Explored]
"""What happens to one symbol, in a process of its own."""
STOPPING = (
    "Stopping: symbols under way are finished, then what is finished is judged and published. "
    "Ctrl-C again stops at once."
)


def each_symbol(
    work: Work,
    settings: Settings,
    report: FetchReport,
    run: TrainingRun,
    *,
    stage: str,
    grid: tuple[ModelSettings, ...] = (),
    reveal: bool = False,
) -> bool:
    """Call ``work`` on every symbol that was fetched, in a pool of processes; each outcome goes to ``run``.

    Asked to end (Ctrl-C or SIGTERM), it lets the symbols under way finish and begins no other; asked twice,
    it raises ``KeyboardInterrupt``.

    Parameters
    ----------
    work : callable
        What happens to one symbol.
    settings : Settings
    report : FetchReport
        Which candles are in the cache, and the contracts of the exchange.
    run : TrainingRun
        Receives every outcome.
    stage : str
        ``train`` or ``explore``.
    grid : tuple of ModelSettings
        What an exploration measures.
    reveal : bool
        Whether an exploration shows the test part.

    Returns
    -------
    bool
        Whether it was asked to end.
    """
    for problem in report.problems:
        run.add(outcome_of_problem(problem))
    executor = executor_of(settings, run.console)
    stop = FinishFirst(lambda: run.console.error(STOPPING))
    with stop, run.console.progress(terminal.symbol_columns(stage), total=len(report.fetched)) as bar:
        symbols = [fetched.symbol for fetched in report.fetched]
        jobs = jobs_of(settings, symbols, report.book, run, grid=grid, reveal=reveal)
        outcomes = executor.run(work, itertools.takewhile(lambda _: not stop.asked, jobs))
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                run.add(
                    outcome.result if isinstance(outcome, JobDone) else _outcome_of_failure(outcome, stage)
                )
                bar.show(run.count - len(report.problems))
    return stop.asked


def executor_of(settings: Settings, console: Console) -> Executor:
    """Where symbols are trained; one that runs long is named on the console."""
    if settings.workers == 1:
        return Serial()

    def still_running(job: object, seconds: float) -> None:
        if isinstance(job, SymbolJob):
            console.print(f"⚠️ {job.candles.symbol}: still running, {seconds / 60:.0f} min")

    return Processes(settings.workers, limit_s=settings.job_timeout_s, still_running=still_running)


def _outcome_of_failure(failure: JobFailed[SymbolJob], stage: str) -> Skipped | Failed:
    symbol = failure.job.candles.symbol
    if failure.error == NotEnoughHistory.__name__:
        return Skipped(symbol, failure.message)
    return Failed(symbol, stage, failure.message, failure.traceback)
