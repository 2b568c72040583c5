"""From the candles of every active Bitget USDT future to one examined LightGBM model each.

A door: it composes the rooms.  Phase 1 (``data_fetcher``) brings the candle caches up to date;
phase 2 carries ``desk.worker.train_symbol`` through a pool of processes.  Workers compute and return; this
process alone publishes, prints, and writes the summary.

Reading order: ``main``, ``run``, ``train_universe``; ``explore`` measures other horizons instead.

Not here: the command line (``desk.training_arguments``), what happens to one symbol (``desk.worker``), and
what becomes of the outcomes (``desk.training_run``).
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import config
from data_fetcher import Fetched, FetchProblem, FetchProgress, FetchReport, check_books, fetch_universe
from desk.clock import SystemClock
from desk.errors import DataError, DeskError, NotEnoughHistory, SettingsError
from desk.executors import Executor, JobDone, JobFailed, Processes, Serial
from desk.files import sole_writer
from desk.learn.exploration_record import describe_exploration
from desk.learn.explore import Explored
from desk.learn.protocol import ContractCosts
from desk.learn.settings import ModelSettings, TradingSettings
from desk.learn.summary import RunCost, RunResults, summarise, targets_met
from desk.ledger import EvaluationLedger
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.history.book_check import BookCheck
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.market.series.sources import read_synthetic, synthetic_series
from desk.market.settings import FetchSettings
from desk.outcomes import Failed, Skipped
from desk.registry import ModelRegistry
from desk.reports import terminal
from desk.reports.console import Console, ProgressBar
from desk.reports.exploration import exploration, exploration_tables, exploration_words
from desk.reports.exploration_picture import exploration_picture
from desk.run_settings import Settings
from desk.spreads import spread_of
from desk.stopwatch import utc_now
from desk.training_arguments import narrowed, training_arguments
from desk.training_run import CheckBooks, TrainingRun, live_days
from desk.values import Candles
from desk.worker import EvaluatedSymbol, SymbolJob, explore_symbol, train_symbol

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, train, publish, and print; return the exit status that ``--help`` explains: 0, 1, 2 or 130."""
    console = Console(quiet=False, as_json=True)
    try:
        base = config.default_settings()
        args = training_arguments(argv, base)
        console = Console(quiet=args.quiet, as_json=args.json)
        settings = narrowed(args, base)
        if args.fetch_only:
            return print_fetch(asyncio.run(bring_candles(settings, console, demo=args.demo)), console)
        with sole_writer(settings.models_dir):
            if args.explore:
                return explore(settings, console, demo=args.demo, reveal=args.reveal)
            return run(settings, console, demo=args.demo)
    except SettingsError as exc:
        console.error(str(exc))
        return WRONG
    except DeskError as exc:
        console.error(str(exc))
        return FAILED
    except KeyboardInterrupt:
        console.error("Interrupted. What was fetched is cached, and finished symbols stay published.")
        return INTERRUPTED


def run(settings: Settings, console: Console, *, demo: bool) -> int:
    """Both phases, and the summary of them.

    Parameters
    ----------
    settings : Settings
    console : Console
    demo : bool
        Whether the embedded exchange stands in for the real one.

    Returns
    -------
    int
        Exit status: 0, or 1 where a symbol failed.
    """
    started = utc_now()
    registry = ModelRegistry(settings.models_dir)
    registry.tidy()
    report = asyncio.run(bring_candles(settings, console, demo=demo))
    began = time.monotonic()
    with open_ledger(settings, registry) as ledger:
        results = train_universe(settings, report, registry, ledger, console, demo=demo)
    summary = summarise(
        results,
        settings=settings.model.as_json(),
        effort=RunCost(report.seconds, time.monotonic() - began, report.requests, report.throttled),
        started_at=started.isoformat(),
        finished_at=utc_now().isoformat(),
        previous=registry.read_summary(),
        published=registry.published(),
        max_model_age_days=settings.max_model_age_days,
    )
    path = registry.write_summary(summary)
    target = settings.learn.thresholds.target_win_rate
    met = targets_met(summary["averages"], target)
    words = f"{terminal.closing_words(summary, target=target, met=met)}\nSummary: {path}"
    console.finish(terminal.closing_tables(summary), words, summary)
    return FAILED if results.failed else OK


def explore(settings: Settings, console: Console, *, demo: bool, reveal: bool) -> int:
    """Phase 1, then every horizon of the grid in place of training; no model is published.

    Parameters
    ----------
    settings : Settings
    console : Console
    demo : bool
        Whether the candles are those of the embedded exchange.
    reveal : bool
        Whether the test part is shown too.
    """
    started = utc_now()
    grid = settings.exploration_grid()  # a horizon that the history is too short for ends it here
    registry = ModelRegistry(settings.models_dir)
    registry.tidy()
    report = asyncio.run(bring_candles(settings, console, demo=demo))
    with open_ledger(settings, registry) as ledger:
        run = TrainingRun(settings, registry, ledger, console, book_checker(settings, demo=demo))
        each_symbol(explore_symbol, settings, report, run, stage="explore", grid=grid, reveal=reveal)
        run.note_pooled_look()
    document = exploration(
        describe_exploration(run.explored),
        left_out=(run.skipped, run.failed),
        settings=settings.model.as_json(),
        grid=asdict(settings.explore),
        started_at=started.isoformat(),
        finished_at=utc_now().isoformat(),
    )
    path, drawn = registry.write_exploration(document, exploration_picture(document))
    words = f"{exploration_words(document)}\nExploration: {path}\nPicture: {drawn}"
    console.finish(exploration_tables(document), words, document)
    return FAILED if run.failed else OK


# Phase 1 ------------------------------------------------------------------------------------------


async def bring_candles(settings: Settings, console: Console, *, demo: bool) -> FetchReport:
    """Bring the candle caches up to date; from the embedded exchange if ``demo``.

    Parameters
    ----------
    settings : Settings
    console : Console
    demo : bool
        Whether the embedded exchange stands in for the real one.
    """
    with console.progress(terminal.fetch_columns(), total=1, note="connecting") as bar:
        async with reachable(settings.fetch, demo=demo) as fetch:
            return await fetch_universe(fetch, clock=SystemClock(), progress=FetchBar(bar, console))


@contextlib.asynccontextmanager
async def reachable(fetch: FetchSettings, *, demo: bool) -> AsyncIterator[FetchSettings]:
    """Settings by which an exchange answers: as they are or, if ``demo``, of the embedded one meanwhile."""
    if not demo:
        yield fetch
        return
    series = synthetic_series(read_synthetic(config.DEMO_SERIES), beside=(), now_ms=None)
    unpaced = ExchangeOptions(rate_limit=0, minute_limit=0)
    async with EmbeddedExchange(series, unpaced, clock=SystemClock()) as exchange:
        yield replace(fetch, base_url=exchange.url, requests_per_second=0.0)


def book_checker(settings: Settings, *, demo: bool) -> CheckBooks:
    """How mark price and book of symbols are asked at the exchange that their candles are from.

    The embedded exchange is started again for it: it serves the same series.
    """

    async def check(spreads_bps: Mapping[str, float | None]) -> Mapping[str, BookCheck]:
        store = CandleStore(settings.fetch.cache_dir)
        async with reachable(settings.fetch, demo=demo) as fetch:
            return await check_books(
                fetch,
                {symbol: store.load(symbol, settings.fetch.days) for symbol in spreads_bps},
                clock=SystemClock(),
                spreads_bps=spreads_bps,
                max_spread_ratio=settings.learn.trading.max_spread_ratio,
            )

    return lambda spreads_bps: asyncio.run(check(spreads_bps))


@dataclass(frozen=True, slots=True)
class FetchBar:
    """Shows a fetch on a bar; satisfies ``data_fetcher.Progress``."""

    bar: ProgressBar
    console: Console

    def update(self, tally: FetchProgress) -> None:
        """Show how far the fetch is, in requests, and its pace against the limit of the busiest endpoint."""
        limit = f" of {tally.limit:g}" if tally.limit else ""
        pace = f"{tally.busiest / tally.seconds:.1f}{limit} requests/s" if tally.seconds > 0 else "starting"
        refused = f", {tally.throttled} × 429" if tally.throttled else ""
        done = f"{tally.symbols_done} of {tally.symbols} symbols · {tally.candles:,} candles"
        expected = max(tally.requests_expected, tally.requests)
        self.bar.show(tally.requests, expected, note=f"{done} · {pace}{refused}")

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """Print the notes on a symbol; problems are printed when the fetch is over."""
        if isinstance(outcome, Fetched):
            for note in outcome.notes:
                self.console.print(f"⚠️ {outcome.symbol}: {note}")


def print_fetch(report: FetchReport, console: Console) -> int:
    """Print what ``--fetch-only`` fetched; return the exit status."""
    rows = [
        (of.symbol, of.candles, of.missing, of.zero_volume_share, of.funding, of.requests, of.seconds)
        for of in report.fetched
    ]
    console.table(terminal.fetch_table(rows))
    console.print(
        f"{len(report.fetched)} symbols, {report.requests:,} requests "
        f"({report.throttled} × 429, {report.unanswered} without an answer) in {report.seconds:.1f} s."
    )
    for outcome in (unfetched := [_unfetched(problem) for problem in report.problems]):
        if isinstance(outcome, Failed):
            console.error(terminal.failed_line(outcome))
        else:
            console.print(terminal.skipped_line(outcome))
    return FAILED if any(isinstance(outcome, Failed) for outcome in unfetched) else OK


def _unfetched(problem: FetchProblem) -> Skipped | Failed:
    if problem.skip:
        return Skipped(problem.symbol, f"{problem.skip}: {problem.message}")
    return Failed(problem.symbol, "fetch", problem.message, "")


# Phase 2 ------------------------------------------------------------------------------------------


Work = Callable[[SymbolJob], EvaluatedSymbol | Explored]
"""What happens to one symbol, in a process of its own."""


def open_ledger(settings: Settings, registry: ModelRegistry) -> EvaluationLedger:
    """The ledger of these candles; what an earlier version kept beside the models is taken over."""
    ledger = EvaluationLedger(settings.fetch.cache_dir)
    ledger.take_over(registry.old_ledger)
    return ledger


def train_universe(
    settings: Settings,
    report: FetchReport,
    registry: ModelRegistry,
    ledger: EvaluationLedger,
    console: Console,
    *,
    demo: bool,
) -> RunResults:
    """Train every symbol that was fetched, publish each as soon as it is trained, then write all verdicts.

    Parameters
    ----------
    settings : Settings
    report : FetchReport
        Of phase 1.
    registry : ModelRegistry
    ledger : EvaluationLedger
    console : Console
    demo : bool
        Whether the exchange is the embedded one.
    """
    run = TrainingRun(settings, registry, ledger, console, book_checker(settings, demo=demo))
    if not demo:
        run.live_days = live_days(Path(config.JOURNAL), console)
    each_symbol(train_symbol, settings, report, run, stage="train")
    run.write_verdicts()
    return run.results()


def each_symbol(
    work: Work,
    settings: Settings,
    report: FetchReport,
    run: TrainingRun,
    *,
    stage: str,
    grid: tuple[ModelSettings, ...] = (),
    reveal: bool = False,
) -> None:
    """Call ``work`` on every symbol that was fetched, in a pool of processes; each outcome goes to ``run``.

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
    """
    for problem in report.problems:
        run.add(_unfetched(problem))
    executor: Executor = Serial() if settings.workers == 1 else Processes(settings.workers)
    with run.console.progress(terminal.symbol_columns(stage), total=len(report.fetched)) as bar:
        outcomes = executor.run(work, _jobs(settings, report, run, grid, reveal=reveal))
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                run.add(
                    outcome.result if isinstance(outcome, JobDone) else _outcome_of_failure(outcome, stage)
                )
                bar.show(run.count - len(report.problems))


def _outcome_of_failure(failure: JobFailed[SymbolJob], stage: str) -> Skipped | Failed:
    symbol = failure.job.candles.symbol
    if failure.error == NotEnoughHistory.__name__:
        return Skipped(symbol, failure.message)
    return Failed(symbol, stage, failure.message, failure.traceback)


def _jobs(
    settings: Settings,
    report: FetchReport,
    run: TrainingRun,
    grid: tuple[ModelSettings, ...],
    *,
    reveal: bool,
) -> Iterator[SymbolJob]:
    """One job per fetched symbol; its candles are read when a worker is about to be free."""
    store, learn = CandleStore(settings.fetch.cache_dir), settings.learn
    symbols = [fetched.symbol for fetched in report.fetched]
    sample = set(symbols[:: max(1, len(symbols) // learn.control_symbols)][: learn.control_symbols])
    for symbol in symbols:
        try:
            candles = store.load(symbol, settings.fetch.days)
        except DataError as exc:
            run.add(Failed(symbol, "cache", str(exc), ""))
            continue
        costs = contract_costs(candles, report.book, learn.trading)
        control = symbol in sample and len(symbols) >= learn.control_from
        shown = run.ledger.shown_through(symbol, settings.model.explored_fingerprint())
        yield SymbolJob(candles, settings.model, costs, control, grid, reveal, shown)


def contract_costs(candles: Candles, book: ContractBook, trading: TradingSettings) -> ContractCosts:
    """What trades in these candles pay by the exchange's contract data; None where these don't say.

    Parameters
    ----------
    candles : Candles
    book : ContractBook
    trading : TradingSettings
        Fees where the contract is missing.
    """
    contract = next((one for one in book.contracts if one.symbol == candles.symbol), None)
    spread = spread_of(book.spreads.get(candles.symbol, ()), candles)
    return ContractCosts(
        tick=float(contract.tick) if contract else None,
        taker_fee=float(contract.taker_fee) if contract else trading.taker_fee,
        maker_fee=float(contract.maker_fee) if contract else trading.maker_fee,
        spread_bps=spread.bps,
        spread_source=spread.why,
        turnover=book.turnover.get(candles.symbol),
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end is as good as Ctrl-C
    raise SystemExit(main())
