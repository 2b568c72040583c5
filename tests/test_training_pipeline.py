"""Both phases at once: a symbol is trained as soon as its candles are there, whatever the fetch does."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config import default_settings
from desk.errors import DataError, FetchEnds
from desk.executors import Processes
from desk.fetch_thread import FetchThread, FetchWork
from desk.ledger import EvaluationLedger
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.market.history.fetch_report import (
    Fetched,
    FetchProblem,
    FetchReport,
    ProgressObserver,
    fetched_from,
)
from desk.registry import ModelRegistry
from desk.reports.console import Console
from desk.run_settings import Settings
from desk.training_jobs import contract_costs
from desk.training_pipeline import PipelineEnd, each_symbol, executor_of
from desk.training_run import TrainingRun
from desk.values import Candles
from desk.worker import EvaluatedSymbol, SymbolJob
from tests.market.samples import random_candles
from tests.test_publication import run as new_run

LENGTHS = {"AAAUSDT": 400, "BBBUSDT": 900, "CCCUSDT": 600}
BOOK = ContractBook("a test", 0, (), {}, {})


def refuse(job: SymbolJob) -> EvaluatedSymbol:
    raise DataError(f"{job.candles.symbol} is refused{', a control' if job.control else ''}")


def outcome_of(candles: Candles) -> Fetched:
    return fetched_from(candles, fetched=0, revised=0, requests=0, seconds=0.0, funding=0, notes=())


class Both:
    """Candles in a cache, and a run."""

    def __init__(self, folder: Path, ledger: EvaluationLedger) -> None:
        base = default_settings({})
        self.settings: Settings = replace(
            base, fetch=replace(base.fetch, cache_dir=folder / "candles"), N_JOBS=1
        )
        self.run: TrainingRun = new_run(ModelRegistry(folder / "models"), ledger)
        self.fetched = {}
        store = CandleStore(self.settings.fetch.cache_dir)
        for seed, (symbol, length) in enumerate(LENGTHS.items()):
            candles = random_candles(symbol, count=length, seed=seed)
            store.save(candles, days=self.settings.fetch.days)
            self.fetched[symbol] = outcome_of(candles)

    def through(self, fetch: FetchWork) -> PipelineEnd:
        with FetchThread(fetch) as thread:
            end = each_symbol(refuse, self.settings, thread, self.run, stage="train")
            self.error = thread.error
        return end

    @property
    def refused(self) -> list[str]:
        """Symbols that came to a worker, in order."""
        return [failed.symbol for failed in self.run.failed if "refused" in failed.message]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with EvaluationLedger(tmp_path / "candles") as ledger:
        yield Both(tmp_path, ledger)


def report(*outcomes: Fetched | FetchProblem) -> FetchReport:
    return FetchReport(outcomes, BOOK, requests=0, throttled=0, unanswered=0, seconds=0.0)


def test_a_symbol_is_trained_while_others_are_fetched(both: Both) -> None:
    """The first of 786 symbols need not wait an hour for the last one's candles."""

    async def one_by_one(observer: ProgressObserver) -> FetchReport:
        observer.chosen(tuple(LENGTHS), BOOK)
        for done, outcome in enumerate(both.fetched.values(), start=1):
            observer.finished(outcome)
            async with asyncio.timeout(60):
                while len(both.refused) < done:  # noqa: ASYNC110 - what it waits for is in another thread
                    await asyncio.sleep(0)
        return report(*both.fetched.values())

    end = both.through(one_by_one)

    assert both.error is None
    assert both.refused == list(LENGTHS)
    assert (end.interrupted, end.left) == (False, 0)


def test_the_longest_history_is_begun_first(both: Both) -> None:
    """A long one that is begun last keeps one core busy while the others are idle."""

    async def at_once(observer: ProgressObserver) -> FetchReport:
        observer.chosen(tuple(LENGTHS), BOOK)
        for outcome in both.fetched.values():
            observer.finished(outcome)
        return report(*both.fetched.values())

    both.through(at_once)

    assert both.refused == sorted(LENGTHS, key=lambda symbol: -LENGTHS[symbol])


def test_a_run_without_a_terminal_says_how_far_it_is_and_what_runs(
    both: Both, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of a service is all that there is to see of a night's training."""
    monkeypatch.setattr("desk.reports.console.LINE_S", 0.0)
    monkeypatch.setattr("desk.reports.console.SOON_S", 0.0)
    both.run.console = Console(quiet=False, as_json=False)

    async def at_once(observer: ProgressObserver) -> FetchReport:
        observer.chosen(tuple(LENGTHS), BOOK)
        for outcome in both.fetched.values():
            observer.finished(outcome)
        return report(*both.fetched.values())

    both.through(at_once)

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Training: ")]
    last = min(LENGTHS, key=lambda symbol: LENGTHS[symbol])
    count = len(LENGTHS)
    begun = f"Training: {count - 1} of {count} symbols ({(count - 1) / count:.0%}) · "
    assert any(line.startswith(begun) and line.endswith(f" · {last}") for line in lines), lines
    assert lines[-1].startswith(f"Training: {count} of {count} symbols (100%)")
    assert not any(symbol in lines[-1] for symbol in LENGTHS)


def test_what_was_fetched_before_the_fetch_ended_is_trained(both: Both) -> None:
    """A full disk, or a line that is cut, after an hour: the symbols of that hour are trained and judged."""

    async def breaks(observer: ProgressObserver) -> FetchReport:
        observer.chosen(tuple(LENGTHS), BOOK)
        observer.finished(both.fetched["AAAUSDT"])
        raise FetchEnds("nobody answers any more")

    end = both.through(breaks)

    assert both.refused == ["AAAUSDT"]
    assert end.left == 2
    assert isinstance(both.error, FetchEnds)


def test_a_fetch_that_ends_before_anything_is_fetched_is_raised(both: Both) -> None:
    """An address where nobody answers is a message and not an empty table."""

    async def breaks(_: ProgressObserver) -> FetchReport:
        raise FetchEnds("nobody answers")

    with pytest.raises(FetchEnds, match="nobody answers"):
        both.through(breaks)


def test_the_control_sample_does_not_depend_on_what_is_fetched_first(both: Both) -> None:
    """It is part of what a model's figures depend on, and so of its key: equal runs must draw it equally."""
    both.settings = replace(
        both.settings, learn=replace(both.settings.learn, control_from=2, control_symbols=1)
    )

    async def backwards(observer: ProgressObserver) -> FetchReport:
        observer.chosen(tuple(LENGTHS), BOOK)
        for outcome in reversed(both.fetched.values()):
            observer.finished(outcome)
        return report()

    both.through(backwards)

    controls = [failed.symbol for failed in both.run.failed if "a control" in failed.message]
    assert controls == ["AAAUSDT"]


def test_a_symbol_that_runs_long_is_named(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who waits sees which one it is, before it is ended."""
    settings = replace(both.settings, N_JOBS=2, job_timeout_s=600.0)
    executor = executor_of(settings, Console(quiet=False, as_json=False))

    assert isinstance(executor, Processes)
    candles = random_candles("AAAUSDT", count=10, seed=1)
    costs = contract_costs(candles, BOOK, settings.learn.trading)
    executor._still_running(SymbolJob(candles, settings.model, costs, control=False), 360.0)

    assert "AAAUSDT: still running, 6 min" in capsys.readouterr().out
