"""A run that was cut off is continued by the same command, and by nothing else."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config import default_settings
from desk.continued_run import contracts_to_continue
from desk.learn.challenge import Champion
from desk.learn.run_verdicts import describe_evidence
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.policy import Thresholds, TradeRules
from desk.registry import ModelRegistry
from desk.registry.candidates import Candidate, CandidateStore
from desk.registry.unfinished_run import UnfinishedRun, forget_run, note_run, unfinished_run
from desk.reports.console import Console
from desk.run_settings import Settings
from desk.training_jobs import contract_costs, finished_before
from desk.worker import SymbolJob
from tests.market.samples import random_candles
from tests.test_publication import compared_with, evidence

QUIET = Console(quiet=True, as_json=False)
BEGAN = datetime(2026, 11, 30, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOOK = ContractBook("api.bitget.com", 1_764_460_800_000, (), {}, {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    base = default_settings({})
    fetch = replace(base.fetch, cache_dir=tmp_path / "candles")
    return replace(base, models_dir=tmp_path / "models", fetch=fetch)


@pytest.fixture
def registry(settings: Settings) -> ModelRegistry:
    """Of a run that began and did not come to its end."""
    settings.models_dir.mkdir()
    CandleStore(settings.fetch.cache_dir).save_contracts(BOOK)
    note_run(settings.models_dir, UnfinishedRun(BEGAN, settings.digest(), BOOK.server_time))
    return ModelRegistry(settings.models_dir)


def test_the_same_command_goes_on_with_the_contracts_of_the_run(
    settings: Settings, registry: ModelRegistry
) -> None:
    """Another turnover or spread would make other results of everything that was finished."""
    assert contracts_to_continue(settings, registry, QUIET, now=BEGAN + HOUR) == BOOK


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: replace(one, seed=one.seed + 1),
        lambda one: replace(one, learn=replace(one.learn, n_trials=3)),
        lambda one: replace(one, fetch=replace(one.fetch, symbols=("BTCUSDT",))),
        lambda one: replace(one, fetch=replace(one.fetch, top=5)),
        lambda one: replace(one, fetch=replace(one.fetch, use_cache=False)),
        lambda one: replace(one, fetch=replace(one.fetch, offline=True)),
        lambda one: replace(one, continue_within_hours=0.5),
        lambda one: replace(one, continue_within_hours=0.0),
    ],
)
def test_another_command_begins_a_new_run(
    settings: Settings, registry: ModelRegistry, changed: Callable[[Settings], Settings]
) -> None:
    assert contracts_to_continue(changed(settings), registry, QUIET, now=BEGAN + HOUR) is None


@pytest.mark.parametrize("hours", [-1, 25])
def test_an_old_run_and_one_of_the_future_are_not_continued(
    settings: Settings, registry: ModelRegistry, hours: int
) -> None:
    """Whoever starts the command on another day wants the candles of that day."""
    assert contracts_to_continue(settings, registry, QUIET, now=BEGAN + hours * HOUR) is None


def test_a_fetch_in_between_ends_it(settings: Settings, registry: ModelRegistry) -> None:
    """The caches then hold newer candles than the run had."""
    CandleStore(settings.fetch.cache_dir).save_contracts(replace(BOOK, server_time=BOOK.server_time + 1))

    assert contracts_to_continue(settings, registry, QUIET, now=BEGAN + HOUR) is None


def note(started_at: str) -> str:
    """A note whose time is another."""
    return json.dumps(
        {
            "schema_version": 1,
            "started_at": started_at,
            "settings": "0" * 64,
            "contracts_at": BOOK.server_time,
        }
    )


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[]", '{"schema_version": 1}'),
        *(note("soon"), note("2026-11-30T02:00:00"), note("2026-99-30T02:00:00+00:00")),
    ],
)
def test_without_a_readable_note_or_without_contracts_a_new_run_begins(
    settings: Settings, registry: ModelRegistry, text: str | None
) -> None:
    if text is None:
        forget_run(settings.models_dir)
    else:
        (settings.models_dir / "unfinished_run.json").write_text(text)

    assert unfinished_run(settings.models_dir) is None
    assert contracts_to_continue(settings, registry, QUIET, now=BEGAN + HOUR) is None


def test_contracts_that_cannot_be_read_begin_a_new_run(settings: Settings, registry: ModelRegistry) -> None:
    (settings.fetch.cache_dir / "contracts.json").write_text("{")

    assert contracts_to_continue(settings, registry, QUIET, now=BEGAN + HOUR) is None


def test_what_was_published_when_the_run_was_interrupted_is_not_trained_again(
    settings: Settings,
) -> None:
    """With publish_rule "better" it is by now the champion, which every later job names."""
    candles = random_candles("BTCUSDT", count=400)
    old, new, other = (f"BTCUSDT_lightgbm_20261130_0{hour}0000.txt" for hour in (1, 2, 3))
    rules = TradeRules(horizon=2, stop_loss=0.02, take_profit=None)

    def job(champion: str) -> SymbolJob:
        published = Champion(
            model_file=champion,
            model="",
            thresholds=Thresholds(long=0.6, short=0.4),
            rules=rules,
            trained_through=0,
        )
        costs = contract_costs(candles, BOOK, settings.learn.trading)
        return SymbolJob(candles, settings.model, costs, control=False, champion=published)

    kept = Candidate(
        symbol="BTCUSDT",
        model_file=new,
        key=job(old).key(),
        experiment=False,
        judged=True,
        evidence=describe_evidence(evidence("BTCUSDT")),
        comparison=asdict(compared_with(old)),
    )
    store = CandidateStore(settings.models_dir)
    store.keep(kept)

    for champion in (old, new):
        known = finished_before(job(champion), store)
        assert known is not None
        assert known.model_file == new
    assert finished_before(job(other), store) is None
