"""Both phases at once: a symbol goes to a worker as soon as its candles are there, its outcome to the run.

A service between the fetch, the jobs, the executors and the run, for the door that trains.  The models do not
depend on the order: which symbols are the control sample, and what each is trained with, depend on the
universe alone.

Not here: what a job is (``desk.training_jobs``), where it is carried out (``desk.executors``), and what
becomes of its outcome (``desk.training_run``).
"""

import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from desk.errors import NotEnoughHistory
from desk.executors import NOT_YET, DaskCluster, Executor, JobDone, JobFailed, NotYet, Processes, Serial
from desk.fetch_display import outcome_of_problem, pace_of, print_notes
from desk.fetch_thread import FetchThread
from desk.interrupts import FinishFirst
from desk.learn.explore import Explored
from desk.learn.settings import ModelSettings
from desk.market.history.fetch_report import Fetched
from desk.outcomes import Failed, Skipped
from desk.reports import bars, terminal
from desk.reports.console import Console, ProgressBar
from desk.run_settings import LOCAL, Settings
from desk.training_jobs import JobMaker
from desk.training_run import TrainingRun
from desk.worker import EvaluatedSymbol, SymbolJob

Work = Callable[[SymbolJob], EvaluatedSymbol | Explored]
"""What happens to one symbol, in a process of its own."""
STOPPING = (
    "Stopping: symbols under way are finished, then what is finished is judged and published. "
    "Ctrl-C again stops at once."
)


@dataclass(frozen=True, slots=True)
class PipelineEnd:
    """How the work on all symbols ended."""

    interrupted: bool
    """Whether it was asked to end before the last symbol."""
    left: int
    """Symbols without an outcome."""
    seconds: float
    """From the first symbol that was begun."""


def each_symbol(
    work: Work,
    settings: Settings,
    fetch: FetchThread,
    run: TrainingRun,
    *,
    stage: str,
    grid: tuple[ModelSettings, ...] = (),
    reveal: bool = False,
) -> PipelineEnd:
    """Call ``work`` on every symbol as soon as its candles are fetched; each outcome goes to ``run``.

    Of the symbols whose candles are there, the one with the longest history is begun first: it takes longest.
    Asked to end (Ctrl-C or SIGTERM), it ends the fetch, lets the symbols under way finish and begins no
    other; asked twice, it raises ``KeyboardInterrupt``.  If the fetch ends before its end, what was fetched
    is worked on; ``fetch.error`` says why.

    Parameters
    ----------
    work : callable
        What happens to one symbol.
    settings : Settings
    fetch : FetchThread
        Entered.
    run : TrainingRun
        Receives every outcome.
    stage : str
        ``train`` or ``explore``.
    grid : tuple of ModelSettings
        What an exploration measures.
    reveal : bool
        Whether an exploration shows the test part.
    """
    executor = executor_of(settings, run.console)

    def stop_fetching() -> None:
        run.console.error(STOPPING)
        fetch.cancel()

    stop = FinishFirst(stop_fetching)
    name, columns = bars.STAGES[stage], bars.symbol_columns(stage)
    shown = run.console.progress(columns, total=1, name=name, unit="symbols", note="connecting")
    with stop, shown as bar:
        flow = _Flow(settings, fetch, run, bar, grid=grid, reveal=reveal)
        outcomes = executor.run(work, itertools.takewhile(lambda _: not stop.asked, flow.jobs()))
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                flow.ended(outcome.job)
                run.add(
                    outcome.result if isinstance(outcome, JobDone) else _outcome_of_failure(outcome, stage)
                )
                flow.show()
    if fetch.error is not None and not run.count:
        raise fetch.error
    return PipelineEnd(stop.asked, max(0, len(fetch.symbols) - run.count), flow.seconds)


class _Flow:
    """From the outcomes of a fetch to jobs, and how far both are."""

    def __init__(
        self,
        settings: Settings,
        fetch: FetchThread,
        run: TrainingRun,
        bar: ProgressBar,
        *,
        grid: tuple[ModelSettings, ...],
        reveal: bool,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._run = run
        self._bar = bar
        self._grid = grid
        self._reveal = reveal
        self._waiting: list[tuple[int, int, str]] = []
        """A heap of what is fetched and not begun: longest history first, then in the order of arrival."""
        self._arrived = 0
        self._candles = 0
        """Of all symbols that were fetched."""
        self._without_work = 0
        """Of those that needed none: an earlier run had trained them."""
        self._maker: JobMaker | None = None
        self._began: float | None = None
        self._under_way: dict[str, None] = {}
        """Symbols that were handed out and are not done, in this order."""
        self._worked = 0
        """Candles of the symbols that are done."""

    @property
    def seconds(self) -> float:
        """Since the first symbol was begun."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def jobs(self) -> Iterator[SymbolJob | NotYet]:
        """The jobs, and ``NOT_YET`` while the fetch goes on and none is there."""
        while True:
            over = self._fetch.over  # before its last outcomes are taken
            self._take()
            self.show()
            if self._waiting:
                negative, _, symbol = heapq.heappop(self._waiting)
                if (job := self._job_of(symbol)) is None:
                    self._without_work -= negative
                else:
                    self._began = self._began or time.monotonic()
                    self._under_way[symbol] = None
                    self.show()
                    yield job
            elif over:
                return
            else:
                yield NOT_YET

    def ended(self, job: SymbolJob) -> None:
        """Note that a job is done, however it ended."""
        self._worked += len(job.candles)
        self._under_way.pop(job.candles.symbol, None)

    def show(self) -> None:
        """Show how far fetch and work are, and how long both will take."""
        tally, symbols = self._fetch.progress, len(self._fetch.symbols)
        if not symbols:
            return
        left = self._seconds_left(symbols)
        parts = [bars.time_left(left)] if left else []
        if running := list(self._under_way)[: self._settings.workers]:  # what was handed out ahead waits
            parts.append(bars.named(running))
        if not self._fetch.over:
            parts.append(f"candles of {self._arrived} of {symbols}")
            parts += [pace_of(tally)] if tally else []
        self._bar.show(self._run.count, symbols, note=" · ".join(parts))

    def _seconds_left(self, symbols: int) -> float | None:
        """By the rates measured so far; None before the first symbol is done."""
        tally = self._fetch.progress
        if not self._worked or not self._arrived:
            return None
        expected = self._candles * symbols / self._arrived - self._without_work
        working = max(0.0, self.seconds * (expected / self._worked - 1))
        if self._fetch.over or tally is None or not tally.requests:
            return working
        return max(working, tally.seconds * (tally.requests_expected / tally.requests - 1))

    def _take(self) -> None:
        """Take the outcomes of the fetch that are new."""
        for outcome in self._fetch.new_outcomes():
            self._arrived += 1
            if isinstance(outcome, Fetched):
                print_notes(outcome, self._run.console)
                self._candles += outcome.candles
                heapq.heappush(self._waiting, (-outcome.candles, self._arrived, outcome.symbol))
            else:
                self._run.add(outcome_of_problem(outcome))

    def _job_of(self, symbol: str) -> SymbolJob | None:
        if self._maker is None:
            book, settings = self._fetch.book, self._settings
            if book is None:
                raise AssertionError(f"{symbol} was fetched before the symbols were chosen")
            if not self._grid:
                self._run.note_beginning(book)
            retired = self._run.registry.retired() - set(settings.fetch.symbols)
            self._maker = JobMaker(
                settings, self._fetch.symbols, book, self._run, retired, self._grid, self._reveal
            )
        return self._maker.job_of(symbol)


def executor_of(settings: Settings, console: Console) -> Executor:
    """Where symbols are trained; one that runs long is named on the console."""
    if settings.executor != LOCAL:
        return DaskCluster(settings.executor)
    if settings.workers == 1:
        return Serial()

    def still_running(job: object, seconds: float) -> None:
        if isinstance(job, SymbolJob):
            ran = f"{seconds:.0f} s" if seconds < 120 else terminal.age(seconds / 60)
            console.print(f"⚠️ {job.candles.symbol}: still running, {ran}")

    return Processes(settings.workers, limit_s=settings.job_timeout_s, still_running=still_running)


def _outcome_of_failure(failure: JobFailed[SymbolJob], stage: str) -> Skipped | Failed:
    symbol = failure.job.candles.symbol
    if failure.error == NotEnoughHistory.__name__:
        return Skipped(symbol, failure.message)
    return Failed(symbol, stage, failure.message, failure.traceback)
