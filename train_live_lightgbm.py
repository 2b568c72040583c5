"""From the candles of every active Bitget USDT future to one examined LightGBM model each.

A door: it composes the rooms.  Phase 1 (``data_fetcher``) brings the candle caches up to date, in a thread;
meanwhile phase 2 carries ``desk.worker.train_symbol`` through a pool of processes, each symbol as soon as its
candles are there.  Workers compute and return; this process alone publishes, prints, and writes the summary.

Reading order: ``main``, ``run``, ``finish``; ``explore`` measures other horizons instead.

Not here: the command line and what needs no training (``desk.training_start``), how symbols get to workers
(``desk.training_pipeline``), what happens to one symbol (``desk.worker``), and what becomes of the outcomes
(``desk.training_run``).
"""

if __name__ == "__main__":  # before the rest is imported: Ctrl-C and mistakes in config.py are met meanwhile
    from desk.doors import start_training

    raise SystemExit(start_training())

import asyncio
import contextlib
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import config
from data_fetcher import FetchReport, ProgressObserver, check_books, fetch_universe
from desk.clock import SystemClock
from desk.continued_run import contracts_to_continue
from desk.errors import DeskError, SettingsError
from desk.fetch_display import FetchBar, print_fetch
from desk.fetch_thread import FetchThread
from desk.files import sole_writer
from desk.learn.exploration_record import describe_exploration
from desk.learn.summary import RunCost, summarise, targets_met
from desk.ledger import EvaluationLedger
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.history.book_check import BookCheck
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.market.series.sources import read_synthetic, synthetic_series
from desk.market.settings import FetchSettings
from desk.model_commands import only_stale, prune, write_state
from desk.registry import ModelRegistry
from desk.registry.unfinished_run import forget_run
from desk.reports import bars, terminal
from desk.reports.console import Console
from desk.reports.exploration import exploration, exploration_tables, exploration_words
from desk.reports.exploration_picture import exploration_picture
from desk.run_report import write_report
from desk.run_settings import Settings
from desk.stopwatch import utc_now
from desk.training_pipeline import each_symbol
from desk.training_run import CheckBooks, TrainingRun, live_days
from desk.training_start import FAILED, OK, WRONG, TrainingCommand, prepare
from desk.worker import explore_symbol, train_symbol

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, train, publish, and print; return the exit status that ``--help`` explains: 0, 1, 2 or 130."""
    command = prepare(argv, config)
    return command if isinstance(command, int) else carry_out(command)


def carry_out(command: TrainingCommand) -> int:
    """Do what the arguments ask for; the exit status."""
    args, settings, console = command.args, command.settings, command.console
    try:
        if args.fetch_only:
            report = asyncio.run(bring_candles(settings, console, demo=args.demo))
            return OK if print_fetch(report, console) else FAILED
        with sole_writer(settings.models_dir):
            return write_models(args, settings, console, where=command.where)
    except DeskError as exc:
        console.error(str(exc))
        return WRONG if isinstance(exc, SettingsError) else FAILED
    except KeyboardInterrupt:
        console.error(
            "Interrupted. What was fetched is cached; symbols that were finished wait for their verdict: the "
            "same command, or --judge, goes on from there."
        )
        return INTERRUPTED


def write_models(args: Namespace, settings: Settings, console: Console, *, where: Sequence[str]) -> int:
    """Carry out what the arguments ask for, as the only writer of the models directory; the exit status."""
    if args.explore:
        return explore(settings, console, demo=args.demo, reveal=args.reveal, where=where)
    if args.judge:
        return judge(settings, console, demo=args.demo)
    if args.prune_keep is not None:
        return prune(settings, console, keep=args.prune_keep, journal=Path(config.JOURNAL))
    if args.retrain:
        settings = only_stale(settings, console, journal=Path(config.JOURNAL))
        if not settings.fetch.symbols:
            return OK
    return run(settings, console, demo=args.demo)


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
    book = contracts_to_continue(settings, registry, console, now=started)
    with open_ledger(settings, registry) as ledger, background_fetch(settings, demo=demo, book=book) as fetch:
        training = new_run(settings, registry, ledger, console, demo=demo)
        training.print_changes()
        end = each_symbol(train_symbol, settings, fetch, training, stage="train")
        training.judge()
    seen = fetch.progress
    effort = RunCost(
        seen.seconds if seen else 0.0,
        end.seconds,
        seen.requests if seen else 0,
        seen.throttled if seen else 0,
    )
    if end.interrupted:
        console.error(
            f"Interrupted: {training.count} symbols are finished, judged and published, {end.left} are left: "
            "the same command goes on with them."
        )
    status = finish(training, effort, started=started)
    if end.interrupted:
        return INTERRUPTED
    if fetch.error is not None:
        raise fetch.error
    forget_run(registry.folder)
    return status


def judge(settings: Settings, console: Console, *, demo: bool) -> int:
    """Judge and publish what an interrupted run has finished; train nothing.

    Parameters
    ----------
    settings : Settings
    console : Console
    demo : bool
        Whether the candles are those of the embedded exchange.
    """
    started, registry = utc_now(), ModelRegistry(settings.models_dir)
    registry.tidy()
    if not (waiting := registry.candidates.unjudged()):
        console.print(f"{settings.models_dir} holds no model that waits for its verdict.")
        return OK
    with open_ledger(settings, registry) as ledger:
        training = new_run(settings, registry, ledger, console, demo=demo)
        for candidate in waiting:
            training.take(candidate)
        training.judge()
    return finish(training, RunCost(0.0, 0.0, 0, 0), started=started)


def finish(training: TrainingRun, effort: RunCost, *, started: datetime) -> int:
    """Write summary, state and report, and print the closing table.

    Parameters
    ----------
    training : TrainingRun
        Judged.
    effort : RunCost
    started : datetime
        When the run began.

    Returns
    -------
    int
        Exit status: 0, or 1 where a symbol failed.
    """
    settings, registry, console = training.settings, training.registry, training.console
    previous = registry.read_summary()
    summary = summarise(
        training.results(),
        settings=settings.model.as_json(),
        effort=effort,
        started_at=started.isoformat(),
        finished_at=utc_now().isoformat(),
        previous=previous,
        published=registry.published(),
        max_model_age_days=settings.max_model_age_days,
    )
    target = settings.learn.thresholds.target_win_rate
    met = targets_met(summary["averages"], target)
    words = terminal.closing_words(summary, target=target, met=met)
    if training.versions or previous is None:
        words += f"\nSummary: {registry.write_summary(summary)}"
    else:
        words += "\nNothing was trained: the summary of the last run stays."
    known = [one.metadata for one in training.versions]
    state = write_state(settings, console, journal=Path(config.JOURNAL), known=known)
    console.finish(terminal.closing_tables(summary, width=console.width), words, summary)
    write_report(registry, state, console, known=known)
    return FAILED if training.failed else OK


def explore(settings: Settings, console: Console, *, demo: bool, reveal: bool, where: Sequence[str]) -> int:
    """Phase 1, then every horizon of the grid in place of training; no model is published.

    Parameters
    ----------
    settings : Settings
    console : Console
    demo : bool
        Whether the candles are those of the embedded exchange.
    reveal : bool
        Whether the test part is shown too.
    where : sequence of str
        Arguments that a training of the same candles needs too.
    """
    started = utc_now()
    grid = settings.exploration_grid()  # a horizon that the history is too short for ends it here
    registry = ModelRegistry(settings.models_dir)
    registry.tidy()
    with open_ledger(settings, registry) as ledger, background_fetch(settings, demo=demo) as fetch:
        run = new_run(settings, registry, ledger, console, demo=demo)
        end = each_symbol(explore_symbol, settings, fetch, run, stage="explore", grid=grid, reveal=reveal)
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
    words = f"{exploration_words(document, where)}\nExploration: {path}\nPicture: {drawn}"
    console.finish(exploration_tables(document), words, document)
    if end.interrupted:
        console.error(f"Interrupted: what is shown is of the {run.count} symbols that were finished.")
        return INTERRUPTED
    if fetch.error is not None:
        raise fetch.error
    return FAILED if run.failed else OK


# Phase 1 ------------------------------------------------------------------------------------------


async def bring_candles(settings: Settings, console: Console, *, demo: bool) -> FetchReport:
    """Bring the candle caches up to date and do nothing else; from the embedded exchange if ``demo``.

    Parameters
    ----------
    settings : Settings
    console : Console
    demo : bool
        Whether the embedded exchange stands in for the real one.
    """
    columns = bars.fetch_columns()
    with console.progress(columns, total=1, name="Candles", unit="requests", note="connecting") as bar:
        async with reachable(settings.fetch, demo=demo) as fetch:
            return await fetch_universe(fetch, clock=SystemClock(), progress=FetchBar(bar, console))


def background_fetch(settings: Settings, *, demo: bool, book: ContractBook | None = None) -> FetchThread:
    """A fetch that goes on while symbols are trained; from the embedded exchange if ``demo``.

    Parameters
    ----------
    settings : Settings
    demo : bool
    book : ContractBook, optional
        Of the run that is continued.
    """

    async def bring(observer: ProgressObserver) -> FetchReport:
        async with reachable(settings.fetch, demo=demo) as fetch:
            return await fetch_universe(fetch, clock=SystemClock(), progress=observer, book=book)

    return FetchThread(bring)


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


# Phase 2 ------------------------------------------------------------------------------------------


def open_ledger(settings: Settings, registry: ModelRegistry) -> EvaluationLedger:
    """The ledger of these candles; what an earlier version kept beside the models is taken over."""
    ledger = EvaluationLedger(settings.fetch.cache_dir)
    ledger.take_over(registry.old_ledger)
    return ledger


def new_run(
    settings: Settings, registry: ModelRegistry, ledger: EvaluationLedger, console: Console, *, demo: bool
) -> TrainingRun:
    """A run without outcomes yet.

    Parameters
    ----------
    settings : Settings
    registry : ModelRegistry
    ledger : EvaluationLedger
    console : Console
    demo : bool
        Whether the exchange is the embedded one, whose days of trading do not count.
    """
    training = TrainingRun(settings, registry, ledger, console, book_checker(settings, demo=demo))
    if not demo:
        training.live_days = live_days(Path(config.JOURNAL), console)
    return training
