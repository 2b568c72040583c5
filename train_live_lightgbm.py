"""From the candles of every active Bitget USDT future to one examined LightGBM model each.

A door: it composes the rooms.  Phase 1 (``data_fetcher``) brings the candle caches up to date;
phase 2 carries ``train_symbol`` through a pool of processes.  Workers compute and return; this
process alone publishes, prints, and writes the summary.

Reading order: ``main``, ``train_symbol``, ``train_universe``; the command line stands at the end.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import config
from config import Settings, default_settings
from data_fetcher import Fetched, FetchProblem, FetchReport, Tally, fetch_universe
from desk.arguments import training_parser
from desk.artefacts import ModelShelf
from desk.clock import Stopwatch, SystemClock, peak_rss_mb, utc_now
from desk.errors import DataError, DeskError, NotEnoughHistory, SettingsError
from desk.executors import Done, Executor, Processes, Serial
from desk.files import sole_writer
from desk.frames import Candles
from desk.learn import record
from desk.learn.blocks import Mean
from desk.learn.control import control_accuracy
from desk.learn.lookahead import check_features, check_labels, draw_rows
from desk.learn.study import Terms, study
from desk.learn.trades import DayLine, pooled
from desk.learn.verdict import Evaluation, Examination, VerdictRules, decide, earlier_tests, pending
from desk.market.candle_store import CandleStore
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.emulator.sources import read_synthetic, synthetic_series
from desk.outcomes import Failed, Json, Skipped, Trained
from desk.reports import terminal
from desk.reports.summary import Effort, Results, summarise
from desk.reports.voice import Bar, Voice
from desk.versions import versions
from ml_feature_engineering import attach_labels, build_features, memory_of, newest_rows

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, train, publish, and tell; return the exit status of ``contracts``: 0, 1, 2 or 130."""
    voice = Voice(quiet=False, as_json=True)
    try:
        args = parse_arguments(argv)
        voice = Voice(quiet=args.quiet, as_json=args.json)
        settings = settings_for(args)
        if args.fetch_only:
            return told_fetch(asyncio.run(bring_candles(settings, voice, demo=args.demo)), voice)
        with sole_writer(settings.models_dir):
            return run(settings, voice, demo=args.demo, as_json=args.json)
    except SettingsError as exc:
        voice.complain(str(exc))
        return WRONG
    except DeskError as exc:
        voice.complain(str(exc))
        return FAILED
    except KeyboardInterrupt:
        voice.complain("Interrupted. What was fetched is cached, and finished symbols stay published.")
        return INTERRUPTED


def run(settings: Settings, voice: Voice, *, demo: bool, as_json: bool) -> int:
    """Both phases, and the summary of them."""
    started = utc_now()
    shelf = ModelShelf(settings.models_dir)
    shelf.tidy()
    report = asyncio.run(bring_candles(settings, voice, demo=demo))
    began = time.monotonic()
    results = train_universe(settings, report, shelf, voice)
    summary = summarise(
        results,
        settings=settings.of_model(),
        effort=Effort(report.seconds, time.monotonic() - began, report.requests, report.throttled),
        started_at=started.isoformat(),
        finished_at=utc_now().isoformat(),
        previous=shelf.read_summary(),
    )
    path = shelf.write_summary(summary)
    voice.show(terminal.closing_table(summary))
    voice.say(terminal.closing_words(summary))
    voice.say(f"Summary: {path}")
    if as_json:
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    return FAILED if results.failed else OK


# Phase 1 ------------------------------------------------------------------------------------------


async def bring_candles(settings: Settings, voice: Voice, *, demo: bool) -> FetchReport:
    """Bring the candle caches up to date; from the embedded exchange if ``demo``."""
    clock = SystemClock()
    with voice.bar(terminal.fetch_columns(), total=1, note="connecting") as bar:
        progress = FetchBar(bar)
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

    bar: Bar

    def update(self, tally: Tally) -> None:
        """Show how far the fetch is, in requests."""
        pace = f"{tally.requests / tally.seconds:.1f} requests/s" if tally.seconds > 0 else "starting"
        refused = f", {tally.throttled} × 429" if tally.throttled else ""
        symbols = f"{tally.symbols_done} of {tally.symbols} symbols"
        expected = max(tally.requests_expected, tally.requests)
        self.bar.show(tally.requests, expected, note=f"{symbols} · {pace}{refused}")

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """Nothing: problems are told when the fetch is over."""


def told_fetch(report: FetchReport, voice: Voice) -> int:
    """Tell what ``--fetch-only`` fetched."""
    voice.show(terminal.fetch_table([_fetch_cells(fetched) for fetched in report.fetched]))
    voice.say(
        f"{len(report.fetched)} symbols, {report.requests} requests ({report.throttled} × 429) "
        f"in {report.seconds:.1f} s."
    )
    for outcome in (unfetched := [_unfetched(problem) for problem in report.problems]):
        if isinstance(outcome, Failed):
            voice.complain(terminal.failed_line(outcome))
        else:
            voice.say(terminal.skipped_line(outcome))
    return FAILED if any(isinstance(outcome, Failed) for outcome in unfetched) else OK


def _fetch_cells(fetched: Fetched) -> tuple[str, ...]:
    return (
        fetched.symbol,
        f"{fetched.candles:,}",
        f"{fetched.missing:,}",
        f"{fetched.zero_volume_share * 100:.1f} %",
        f"{fetched.requests:,}",
        f"{fetched.seconds:.1f}",
    )


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
    terms: Terms
    control: bool
    """Whether the symbol is of the sample that is also trained on labels of other days."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the whole run needs to know of a symbol to judge it."""

    examination: Examination
    evaluation: Evaluation
    test_days: tuple[DayLine, ...]
    control: Mean | None
    """Win rate of the control, where the symbol is of the sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """A trained symbol, and the evidence on it."""

    trained: Trained
    evidence: Evidence


def train_symbol(job: SymbolJob) -> Examined | Skipped:
    """Take one symbol from its candles to a model and all that is known of it.

    Raises
    ------
    DataError
        If the symbol's data cannot be used.
    """
    candles, settings, watch = job.candles, job.settings.learn, Stopwatch()
    seed = job.settings.seed
    if len(candles) < settings.min_samples:
        return Skipped(
            candles.symbol,
            f"Insufficient data: {len(candles)} candles, {settings.min_samples} needed; "
            "train it once it has traded longer, or lower min_samples in config.py",
        )
    features = build_features(
        candles, max_missing_share=settings.max_missing_share, min_feature_share=settings.min_feature_share
    )
    labelled = attach_labels(
        features, candles, horizon=settings.prediction_horizon, threshold=settings.min_price_change
    )
    drawn = draw_rows(features, count=settings.window_checks, seed=seed)
    check_features(features, candles, drawn, newest=newest_rows, memory=memory_of())
    check_labels(labelled, candles, drawn)
    watch.lap("features")

    try:
        known = study(labelled, candles, terms=job.terms, settings=settings, seed=seed, lap=watch.lap)
    except NotEnoughHistory as exc:
        return Skipped(candles.symbol, str(exc))
    control = control_accuracy(labelled, known.split, settings, seed=seed) if job.control else None
    metadata = {
        "features": list(features.names),
        "feature_contract": features.contract,
        "versions": versions(),
        "settings": job.settings.of_model(),
        **record.describe(known, labelled, candles, tick=job.terms.tick, seconds=watch.laps["tuning"]),
        "timing": {**watch.laps, "cpu_seconds": watch.total, "peak_rss_mb": peak_rss_mb()},
    }
    return Examined(
        trained=Trained(
            candles.symbol,
            known.published.text(),
            known.evaluated.text() if settings.refit_on_all else None,
            known.tuned.journal if settings.keep_studies else b"",
            metadata,
        ),
        evidence=Evidence(
            examination=known.examination,
            evaluation=known.evaluation(at=utc_now().isoformat(), settings=job.settings.fingerprint()),
            test_days=known.test.daily,
            control=control,
        ),
    )


def train_universe(settings: Settings, report: FetchReport, shelf: ModelShelf, voice: Voice) -> Results:
    """Train every symbol that was fetched, publish and tell each as it comes in, and judge them together."""
    run = Run(shelf, voice, tuple(Evaluation(**entry) for entry in shelf.read_evaluations()))
    for problem in report.problems:
        run.take(_unfetched(problem))
    executor: Executor = Serial() if settings.workers == 1 else Processes(settings.workers)
    with voice.bar(terminal.training_columns(), total=len(report.fetched)) as bar:
        outcomes = executor.run(train_symbol, _jobs(settings, report, run))
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                if isinstance(outcome, Done):
                    run.take(outcome.result)
                else:
                    run.take(Failed(outcome.job.candles.symbol, "train", outcome.message, outcome.story))
                bar.show(run.count - len(report.problems))
    run.judge(settings.learn.verdict)
    return run.results()


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
        terms = Terms(
            tick=float(contract.tick) if contract else None,
            taker_fee=float(contract.taker_fee) if contract else trading.taker_fee,
            maker_fee=float(contract.maker_fee) if contract else trading.maker_fee,
        )
        control = symbol in sample and len(symbols) >= learn.control_from
        yield SymbolJob(candles, settings, terms, control)


@dataclass(slots=True)
class Run:
    """The outcomes of a run so far: published, told, and kept until all can be judged together."""

    shelf: ModelShelf
    voice: Voice
    earlier: tuple[Evaluation, ...]
    """The ledger as it was before the run."""
    published: list[Json] = field(default_factory=list)
    """Metadata as written."""
    evidence: list[Evidence] = field(default_factory=list)
    """On each of ``published``; the models themselves are not kept: hundreds would not fit."""
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Symbols that have an outcome."""
        return len(self.published) + len(self.skipped) + len(self.failed)

    def take(self, outcome: Examined | Skipped | Failed) -> None:
        """Publish what was trained, and tell what came of the symbol."""
        if isinstance(outcome, Examined):
            outcome = self._published(outcome) or outcome
        if isinstance(outcome, Skipped):
            self.skipped.append(outcome)
            self.voice.say(terminal.skipped_line(outcome))
        elif isinstance(outcome, Failed):
            self.failed.append(outcome)
            self.voice.complain(terminal.failed_line(outcome))

    def _published(self, examined: Examined) -> Failed | None:
        """Publish with a pending verdict; the look at the test part goes into the ledger first."""
        trained = examined.trained
        trained.metadata["verdict"] = record.plain(pending(examined.evidence.examination))
        try:
            self.shelf.note_evaluation(record.plain(examined.evidence.evaluation))
            metadata = self.shelf.publish(trained, now=utc_now())
        except OSError as exc:
            return Failed(trained.symbol, "publish", f"{exc}: it was not published", "")
        self.published.append(metadata)
        self.evidence.append(examined.evidence)
        self.voice.say(terminal.trained_line(metadata))
        return None

    def judge(self, rules: VerdictRules) -> None:
        """Decide on all symbols together, and write the verdicts into their metadata."""
        earlier = earlier_tests([one.evaluation for one in self.evidence], self.earlier)
        verdicts = decide([one.examination for one in self.evidence], earlier, rules)
        for metadata, verdict in zip(self.published, verdicts, strict=True):
            metadata["verdict"] = record.plain(verdict)
            self.shelf.rewrite_metadata(metadata)

    def results(self) -> Results:
        """All that the summary needs."""
        controls = [one.control for one in self.evidence if one.control is not None]
        earned = pooled(one.test_days for one in self.evidence)
        return Results(
            published=self.published,
            skipped=self.skipped,
            failed=self.failed,
            pooled=None if earned is None else record.describe_trades(earned),
            controls=record.describe_controls(controls),
        )


# The command line -----------------------------------------------------------------------------------


def settings_for(args: argparse.Namespace) -> Settings:
    """The settings of ``config.py``, narrowed by the arguments.

    Raises
    ------
    SettingsError
        With every complaint about the outcome.
    """
    base = default_settings()
    cache_dir, models_dir = args.cache_dir, args.models_dir
    if args.demo:  # where nothing else was named, the demo keeps to folders of its own
        cache_dir = cache_dir / "demo" if cache_dir == base.fetch.cache_dir else cache_dir
        models_dir = models_dir.parent / "demo" if models_dir == base.models_dir else models_dir
    fetch = replace(
        base.fetch,
        base_url=args.base_url,
        symbols=tuple(name for name in args.symbols.split(",") if name),
        include_rwa=args.include_rwa or base.fetch.include_rwa,
        top=args.top,
        days=args.days,
        requests_per_second=args.rps,
        use_cache=base.fetch.use_cache and not args.refresh,
        offline=args.offline,
        cache_dir=cache_dir,
    )
    learn = replace(
        base.learn, prediction_horizon=args.horizon, min_price_change=args.threshold, n_trials=args.trials
    )
    return replace(base, fetch=fetch, learn=learn, models_dir=models_dir, N_JOBS=args.jobs, seed=args.seed)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; the defaults are those of ``config.py``."""
    base = default_settings()
    parser = training_parser()
    parser.set_defaults(
        days=base.fetch.days,
        horizon=base.learn.prediction_horizon,
        threshold=base.learn.min_price_change,
        trials=base.learn.n_trials,
        jobs=base.N_JOBS,
        rps=base.fetch.requests_per_second,
        base_url=base.fetch.base_url,
        models_dir=base.models_dir,
        cache_dir=base.fetch.cache_dir,
        seed=base.seed,
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end is as good as Ctrl-C
    # Under its own name and not as __main__, so that other processes can find train_symbol.
    from train_live_lightgbm import main as run_main

    raise SystemExit(run_main())
