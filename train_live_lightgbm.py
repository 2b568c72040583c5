"""From the candles of every active Bitget USDT future to one examined LightGBM model each.

A door: it composes the rooms.  Phase 1 (``data_fetcher``) brings the candle caches up to date;
phase 2 carries ``train_symbol`` through a pool of processes.  Workers compute and return; this
process alone publishes, prints, and writes the summary.

Reading order: ``main``, ``run``, ``train_symbol``, ``train_universe``; ``explore`` measures other horizons
instead.  Not here: the command line (``config.training_arguments``).
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import config
from config import Settings
from data_fetcher import Fetched, FetchProblem, FetchProgress, FetchReport, fetch_universe
from desk.clock import Stopwatch, SystemClock, peak_rss_mb, utc_now
from desk.errors import DataError, DeskError, NotEnoughHistory, SettingsError
from desk.executors import Executor, JobDone, JobFailed, Processes, Serial
from desk.files import sole_writer
from desk.learn import record
from desk.learn.control import control_accuracy
from desk.learn.explore import Explored, describe, describe_explored, explore_grid
from desk.learn.lookahead import check_features, check_labels, draw_rows
from desk.learn.protocol import ContractCosts, study
from desk.learn.run_verdicts import RunEvidence, describe_control, describe_pooled, judge
from desk.learn.settings import LearnSettings
from desk.learn.splits import Rows
from desk.learn.summary import RunCost, RunResults, summarise
from desk.learn.verdict import VerdictRules, pending
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.history.candle_store import CandleStore
from desk.market.series.sources import read_synthetic, synthetic_series
from desk.outcomes import Failed, Json, Skipped, Trained
from desk.registry import ModelRegistry
from desk.reports import terminal
from desk.reports.console import Console, ProgressBar
from desk.reports.exploration import exploration, exploration_table, exploration_words, explored_line
from desk.reports.exploration_picture import exploration_picture
from desk.values import Candles, FeatureSet, LabelledSet
from desk.versions import versions
from ml_feature_engineering import attach_labels, build_features, memory_of, newest_rows

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, train, publish, and tell; return the exit status of ``contracts``: 0, 1, 2 or 130."""
    console = Console(quiet=False, as_json=True)
    try:
        args = config.training_arguments(argv)
        console = Console(quiet=args.quiet, as_json=args.json)
        settings = config.narrowed(args)
        if args.fetch_only:
            return told_fetch(asyncio.run(bring_candles(settings, console, demo=args.demo)), console)
        with sole_writer(settings.models_dir):
            if args.explore:
                return explore(settings, console, demo=args.demo)
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
    """Both phases, and the summary of them."""
    started = utc_now()
    shelf = ModelRegistry(settings.models_dir)
    shelf.tidy()
    report = asyncio.run(bring_candles(settings, console, demo=demo))
    began = time.monotonic()
    results = train_universe(settings, report, shelf, console)
    summary = summarise(
        results,
        settings=settings.of_model(),
        effort=RunCost(report.seconds, time.monotonic() - began, report.requests, report.throttled),
        started_at=started.isoformat(),
        finished_at=utc_now().isoformat(),
        previous=shelf.read_summary(),
        published=shelf.published(),
        max_model_age_days=settings.max_model_age_days,
    )
    path = shelf.write_summary(summary)
    words = f"{terminal.closing_words(summary)}\nSummary: {path}"
    console.finish(terminal.closing_table(summary), words, summary)
    return FAILED if results.failed else OK


def explore(settings: Settings, console: Console, *, demo: bool) -> int:
    """Phase 1, then every horizon of the grid in place of training; no model is published."""
    started = utc_now()
    settings.exploring()  # a horizon that the history is too short for ends it here
    shelf = ModelRegistry(settings.models_dir)
    shelf.tidy()
    report = asyncio.run(bring_candles(settings, console, demo=demo))
    run = Run(shelf, console, shelf.read_evaluations())
    each_symbol(explore_symbol, settings, report, run, stage="explore")
    document = exploration(
        describe(run.explored),
        left_out=(run.skipped, run.failed),
        settings=settings.of_model(),
        grid=asdict(settings.explore),
        started_at=started.isoformat(),
        finished_at=utc_now().isoformat(),
    )
    path, drawn = shelf.write_exploration(document, exploration_picture(document))
    words = f"{exploration_words(document)}\nExploration: {path}\nPicture: {drawn}"
    console.finish(exploration_table(document), words, document)
    return FAILED if run.failed else OK


# Phase 1 ------------------------------------------------------------------------------------------


async def bring_candles(settings: Settings, console: Console, *, demo: bool) -> FetchReport:
    """Bring the candle caches up to date; from the embedded exchange if ``demo``."""
    clock = SystemClock()
    with console.progress(terminal.fetch_columns(), total=1, note="connecting") as bar:
        progress = FetchBar(bar, console)
        if not demo:
            return await fetch_universe(settings.fetch, clock=clock, progress=progress)
        series = synthetic_series(read_synthetic(config.DEMO_SERIES), beside=(), now_ms=None)
        unpaced = ExchangeOptions(rate_limit=0, minute_limit=0)
        async with EmbeddedExchange(series, unpaced, clock=clock) as exchange:
            here = replace(settings.fetch, base_url=exchange.url, requests_per_second=0.0)
            return await fetch_universe(here, clock=clock, progress=progress)


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
        """Tell what the user should know of a symbol; problems are told when the fetch is over."""
        if isinstance(outcome, Fetched):
            for note in outcome.notes:
                self.console.print(f"⚠️ {outcome.symbol}: {note}")


def told_fetch(report: FetchReport, console: Console) -> int:
    """Tell what ``--fetch-only`` fetched."""
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
    if problem.error == NotEnoughHistory.__name__:
        return Skipped(problem.symbol, f"Insufficient data: {problem.message}")
    return Failed(problem.symbol, "fetch", problem.message, "")


# Phase 2 ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class SymbolJob:
    """All that one worker needs."""

    candles: Candles
    settings: Settings
    terms: ContractCosts
    control: bool
    """Whether the symbol is of the sample that is also trained on labels of other days."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedSymbol:
    """A trained symbol, and the evidence on it."""

    trained: Trained
    evidence: RunEvidence

    @property
    def symbol(self) -> str:
        """Whose it is."""
        return self.trained.symbol


Work = Callable[[SymbolJob], EvaluatedSymbol | Explored]
"""What happens to one symbol, in a process of its own."""


def train_symbol(job: SymbolJob) -> EvaluatedSymbol:
    """Take one symbol from its candles to a model and all that is known of it.

    Raises
    ------
    NotEnoughHistory
        If there are too few candles or labels.
    DataError
        If the symbol's data cannot be used.
    """
    candles, settings, watch = job.candles, job.settings.learn, Stopwatch()
    seed = job.settings.seed
    features, drawn = _features(job)
    labelled = _labelled(features, candles, settings, drawn)
    watch.lap("features")

    known = study(labelled, candles, terms=job.terms, settings=settings, seed=seed, lap=watch.lap)
    control = control_accuracy(labelled, known.split, settings, seed=seed) if job.control else None
    metadata = {
        "features": list(features.names),
        "feature_contract": features.contract,
        "versions": versions(),
        "settings": job.settings.of_model(),
        **record.describe(known, labelled, candles, tick=job.terms.tick, seconds=watch.laps["tuning"]),
        "timing": {**watch.laps, "cpu_seconds": watch.total, "peak_rss_mb": peak_rss_mb()},
    }
    return EvaluatedSymbol(
        trained=Trained(
            candles.symbol,
            known.published.text(),
            known.evaluated.text() if settings.refit_on_all else None,
            known.tuned.journal if settings.keep_studies else b"",
            metadata,
        ),
        evidence=RunEvidence(
            examination=known.examination,
            evaluation=known.evaluation(at=utc_now().isoformat(), settings=job.settings.fingerprint()),
            test_days=known.test.daily,
            control=control,
        ),
    )


def explore_symbol(job: SymbolJob) -> Explored:
    """Measure one symbol at every horizon that its history can answer; raises as ``train_symbol`` does."""
    features, drawn = _features(job)
    return explore_grid(
        job.candles,
        lambda settings: _labelled(features, job.candles, settings, drawn),
        terms=job.terms,
        grid=[(cell.learn, cell.fingerprint()) for cell in job.settings.exploring()],
        seed=job.settings.seed,
        at=utc_now().isoformat(),
    )


def _features(job: SymbolJob) -> tuple[FeatureSet, Rows]:
    """Features, and the rows of them that were drawn to be checked and passed."""
    candles, settings = job.candles, job.settings.learn
    if len(candles) < settings.min_samples:
        raise NotEnoughHistory(
            f"Insufficient data: {len(candles)} candles, {settings.min_samples} needed; "
            "train it once it has traded longer, or lower min_samples in config.py"
        )
    features = build_features(
        candles, max_missing_share=settings.max_missing_share, min_feature_share=settings.min_feature_share
    )
    drawn = draw_rows(features, count=settings.window_checks, seed=job.settings.seed)
    check_features(features, candles, drawn, newest=newest_rows, memory=memory_of())
    return features, drawn


def _labelled(features: FeatureSet, candles: Candles, settings: LearnSettings, drawn: Rows) -> LabelledSet:
    """Labels for ``features``, those of the ``drawn`` rows checked."""
    horizon, threshold = settings.prediction_horizon, settings.min_price_change
    labelled = attach_labels(features, candles, horizon=horizon, threshold=threshold)
    check_labels(labelled, candles, drawn)
    return labelled


def train_universe(
    settings: Settings, report: FetchReport, shelf: ModelRegistry, console: Console
) -> RunResults:
    """Train every symbol that was fetched, publish and tell each as it comes in, and judge them together."""
    run = Run(shelf, console, shelf.read_evaluations())
    each_symbol(train_symbol, settings, report, run, stage="train")
    run.judge(settings.learn.verdict)
    return run.results()


def each_symbol(work: Work, settings: Settings, report: FetchReport, run: "Run", *, stage: str) -> None:
    """Carry every symbol that was fetched through ``work``, in a pool of processes, and ``run`` takes it."""
    for problem in report.problems:
        run.take(_unfetched(problem))
    executor: Executor = Serial() if settings.workers == 1 else Processes(settings.workers)
    with run.console.progress(terminal.symbol_columns(stage), total=len(report.fetched)) as bar:
        outcomes = executor.run(work, _jobs(settings, report, run))
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                run.take(outcome.result if isinstance(outcome, JobDone) else _undone(outcome, stage))
                bar.show(run.count - len(report.problems))


def _undone(broken: JobFailed[SymbolJob], stage: str) -> Skipped | Failed:
    symbol = broken.job.candles.symbol
    if broken.error == NotEnoughHistory.__name__:
        return Skipped(symbol, broken.message)
    return Failed(symbol, stage, broken.message, broken.story)


def _jobs(settings: Settings, report: FetchReport, run: "Run") -> Iterator[SymbolJob]:
    """One job per fetched symbol; its candles are read when a worker is about to be free."""
    store, learn = CandleStore(settings.fetch.cache_dir), settings.learn
    contracts = {contract.symbol: contract for contract in report.book.contracts}
    symbols = [fetched.symbol for fetched in report.fetched]
    sample = set(symbols[:: max(1, len(symbols) // learn.control_symbols)][: learn.control_symbols])
    for symbol in symbols:
        try:
            candles = store.load(symbol, settings.fetch.days)
        except DataError as exc:
            run.take(Failed(symbol, "cache", str(exc), ""))
            continue
        contract = contracts.get(symbol)
        trading = learn.trading
        terms = ContractCosts(
            tick=float(contract.tick) if contract else None,
            taker_fee=float(contract.taker_fee) if contract else trading.taker_fee,
            maker_fee=float(contract.maker_fee) if contract else trading.maker_fee,
        )
        control = symbol in sample and len(symbols) >= learn.control_from
        yield SymbolJob(candles, settings, terms, control)


@dataclass(slots=True)
class Run:
    """The outcomes of a run so far: published, told, and kept until all can be judged together."""

    shelf: ModelRegistry
    console: Console
    ledger: list[Json]
    """Every look at a test block before the run."""
    explored: list[Explored] = field(default_factory=list)
    published: list[Json] = field(default_factory=list)
    """Metadata as written."""
    evidence: list[RunEvidence] = field(default_factory=list)
    """On each of ``published``; the models themselves are not kept: hundreds would not fit."""
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Symbols that have an outcome."""
        return len(self.explored) + len(self.published) + len(self.skipped) + len(self.failed)

    def take(self, outcome: EvaluatedSymbol | Explored | Skipped | Failed) -> None:
        """Publish what was trained, note what was looked at, and tell what came of the symbol."""
        if isinstance(outcome, EvaluatedSymbol | Explored):
            try:
                self._publish(outcome) if isinstance(outcome, EvaluatedSymbol) else self._note(outcome)
            except OSError as exc:
                outcome = Failed(outcome.symbol, "publish", f"{exc}: it was not published", "")
        if isinstance(outcome, Skipped):
            self.skipped.append(outcome)
            self.console.print(terminal.skipped_line(outcome))
        elif isinstance(outcome, Failed):
            self.failed.append(outcome)
            self.console.error(terminal.failed_line(outcome))

    def _publish(self, examined: EvaluatedSymbol) -> None:
        """Publish with a pending verdict; the look at the test part goes into the ledger first."""
        examined.trained.metadata["verdict"] = record.plain(pending(examined.evidence.examination))
        self.shelf.note_evaluation(record.plain(examined.evidence.evaluation))
        metadata = self.shelf.publish(examined.trained, now=utc_now())
        self.published.append(metadata)
        self.evidence.append(examined.evidence)
        self.console.print(terminal.trained_line(metadata))

    def _note(self, explored: Explored) -> None:
        """Every look at the test part goes into the ledger before anybody sees what it showed."""
        for cell in explored.cells:
            self.shelf.note_evaluation(record.plain(cell.evaluation))
        self.explored.append(explored)
        self.console.print(explored_line(describe_explored(explored)))

    def judge(self, rules: VerdictRules) -> None:
        """Decide on all symbols together, and write the verdicts into their metadata."""
        verdicts = judge(self.evidence, self.ledger, rules)
        for metadata, verdict in zip(self.published, verdicts, strict=True):
            metadata["verdict"] = record.plain(verdict)
            self.shelf.rewrite_metadata(metadata)

    def results(self) -> RunResults:
        """All that the summary needs."""
        earned, controls = describe_pooled(self.evidence), describe_control(self.evidence)
        return RunResults(self.published, self.skipped, self.failed, pooled=earned, controls=controls)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end is as good as Ctrl-C
    # Under its own name and not as __main__, so that other processes can find train_symbol.
    from train_live_lightgbm import main as run_main

    raise SystemExit(run_main())
