"""Nothing is published before it is judged, and what a run has finished is never lost."""

import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config import default_settings
from desk import model_commands
from desk.clustered import Mean
from desk.errors import SettingsError, Unwritable
from desk.learn.challenge import Comparison
from desk.learn.run_verdicts import RunEvidence, describe_evidence, read_evidence
from desk.learn.trades import DayLine
from desk.learn.verdict import PENDING, Evaluation, Examination
from desk.ledger import EvaluationLedger
from desk.market.history.book_check import BookCheck
from desk.models_state import models_state
from desk.registry import ModelRegistry
from desk.registry.state_file import write_state_file
from desk.reports.console import Console
from desk.run_settings import Settings
from desk.training_run import TrainingRun
from desk.worker import EvaluatedSymbol
from tests.test_registry import opened, trained

QUIET = Console(quiet=True, as_json=False)
NOTHING: dict[str, Any] = dict.fromkeys(
    ("candles", "fired", "trades", "wins", "hits", "labelled", "labelled_wins", "across_hole"), 0
)
SUMS: dict[str, Any] = dict.fromkeys(
    (
        *("gross_bps", "net_bps", "executable_gross_bps", "executable_net_bps"),
        *("gross_squares", "net_squares", "executable_gross_squares", "executable_net_squares", "lost_bps"),
    ),
    0.0,
)


def evidence(
    symbol: str, p_value: float = 0.001, *, last: int = 2_000_000, at: str = "2026-01-01"
) -> RunEvidence:
    """Of a symbol that passes every condition but the test, which its ``p_value`` decides."""
    return RunEvidence(
        examination=Examination(
            symbol=symbol,
            tested=True,
            p_value=p_value,
            net_bps=5.0,
            days=30,
            day_spread_bps=10.0,
            reasons=(),
        ),
        evaluation=Evaluation(
            kind="train",
            symbol=symbol,
            settings="as they are",
            first=1_000_000,
            last=last,
            tested=True,
            p_value=p_value,
            at=at,
        ),
        days=(DayLine(date="2026-01-01", **NOTHING, **SUMS), DayLine(date="2026-01-02", **NOTHING, **SUMS)),
        signals=True,
        control=Mean(0.5, math.nan, 1),
    )


def compared_with(champion: str, *, better: bool = True) -> Comparison:
    return Comparison(
        champion=champion,
        days=14,
        champion_bps=1.0,
        challenger_bps=2.0 if better else 0.5,
        difference_se=0.1,
        better=better,
        why="the new one earned less",
    )


def finished(model: str, symbol: str = "BTCUSDT", **changes: Any) -> EvaluatedSymbol:
    compared = changes.pop("comparison", None)
    return EvaluatedSymbol(
        trained=trained(model, symbol),
        evidence=evidence(symbol, **changes),
        key=hashlib.sha256(f"{symbol} {model}".encode()).hexdigest(),
        comparison=compared,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EvaluationLedger]:
    with EvaluationLedger(tmp_path / "candles") as ledger:
        yield ledger


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def run(registry: ModelRegistry, ledger: EvaluationLedger, **changes: Any) -> TrainingRun:
    settings: Settings = replace(default_settings({}), **changes)
    return TrainingRun(settings, registry, ledger, QUIET, lambda asked: dict.fromkeys(asked, BookCheck(())))


def publish(
    registry: ModelRegistry, ledger: EvaluationLedger, *outcomes: EvaluatedSymbol, **changes: Any
) -> None:
    """A whole run."""
    one = run(registry, ledger, **changes)
    for outcome in outcomes:
        one.add(outcome)
    one.judge()


def verdict(registry: ModelRegistry, symbol: str = "BTCUSDT") -> dict[str, Any]:
    """Of the published model."""
    name = registry.latest(symbol)
    assert name is not None
    found: dict[str, Any] = registry.metadata(name)["verdict"]
    return found


def test_a_finished_symbol_waits_for_the_verdicts_of_its_run(
    registry: ModelRegistry, ledger: EvaluationLedger
) -> None:
    """A retraining takes hours: what was tradable stays published meanwhile."""
    publish(registry, ledger, finished("old"))
    retraining = run(registry, ledger)

    retraining.add(finished("new", last=3_000_000))

    assert opened(registry) == "old"
    assert verdict(registry)["tradable"]
    retraining.judge()
    assert opened(registry) == "new"
    assert PENDING not in verdict(registry)["reasons"]


def test_an_interrupted_run_loses_nothing(registry: ModelRegistry, ledger: EvaluationLedger) -> None:
    """After kill -9 the next run takes what is finished, and decides as an undisturbed one does."""
    killed = run(registry, ledger)
    killed.add(finished("new"))
    killed.add(finished("other", "ETHUSDT", p_value=0.7))

    later = run(registry, ledger)
    waiting = registry.candidates.unjudged()
    taken = [later.take(candidate) for candidate in waiting]
    later.judge()

    assert taken == [True, True]
    assert registry.candidates.unjudged() == []
    undisturbed = ModelRegistry(registry.folder.parent / "undisturbed")
    with EvaluationLedger(registry.folder.parent / "undisturbed candles") as empty:
        publish(undisturbed, empty, finished("new"), finished("other", "ETHUSDT", p_value=0.7))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert verdict(registry, symbol) == verdict(undisturbed, symbol)


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_ends_the_run_and_keeps_what_was_finished(
    registry: ModelRegistry, ledger: EvaluationLedger, monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    """Otherwise every symbol that is left is trained for minutes, and thrown away."""
    stopped = run(registry, ledger)
    stopped.add(finished("new"))

    def full(**_: object) -> None:
        raise OSError(trouble, os.strerror(trouble))

    with monkeypatch.context() as disk:
        disk.setattr(tempfile, "mkstemp", full)
        with pytest.raises(Unwritable, match=r"models cannot be written any more.*--judge"):
            stopped.add(finished("other", "ETHUSDT"))
        with pytest.raises(Unwritable):
            stopped.judge()
    later = run(registry, ledger)
    taken = [later.take(candidate) for candidate in registry.candidates.unjudged()]
    later.judge()

    assert taken == [True]
    assert opened(registry) == "new"
    assert verdict(registry)["tradable"]


def test_a_run_that_was_killed_while_publishing_is_judged_to_the_same_end(
    registry: ModelRegistry, ledger: EvaluationLedger
) -> None:
    """The acceptance is in the ledger, the link is not there yet: the same look is no second acceptance."""
    publish(registry, ledger, finished("new"))
    before = verdict(registry)
    candidate = registry.candidates.with_key("BTCUSDT", finished("new").key)
    assert candidate is not None

    again = run(registry, ledger)
    again.take(candidate)
    again.judge()

    assert verdict(registry) == before
    assert before["accepted_on"] is None


def test_evidence_survives_its_file() -> None:
    """What is read back decides as what was measured."""
    one = evidence("BTCUSDT")
    again = read_evidence(json.loads(json.dumps(describe_evidence(one))))

    assert again.examination == one.examination
    assert again.evaluation == one.evaluation
    assert again.days == one.days
    assert again.control is not None
    assert math.isnan(again.control.se)


def test_an_experiment_never_moves_the_link(registry: ModelRegistry, ledger: EvaluationLedger) -> None:
    """Whoever tries another horizon on the command line must not switch his live models by that."""
    publish(registry, ledger, finished("old"))
    publish(registry, ledger, finished("tried", last=3_000_000), experiment=True)

    assert opened(registry) == "old"
    assert len(registry.versions("BTCUSDT")) == 2


@pytest.mark.parametrize(("better", "published"), [(True, "new"), (False, "old")])
def test_only_a_better_one_is_published_where_the_rule_asks_for_it(
    registry: ModelRegistry, ledger: EvaluationLedger, *, better: bool, published: str
) -> None:
    """The champion that stays is judged again, and counts as fresh."""
    publish(registry, ledger, finished("old"))
    champion = registry.latest("BTCUSDT")
    assert champion is not None
    compared = compared_with(champion, better=better)

    publish(registry, ledger, finished("new", last=3_000_000, comparison=compared), publish_rule="better")

    assert opened(registry) == published
    assert ("judged_at" in verdict(registry)) is not better


def test_a_retired_symbol_stays_so_until_somebody_names_it(
    registry: ModelRegistry, ledger: EvaluationLedger
) -> None:
    """A weekly retraining of everything must not bring it back."""
    publish(registry, ledger, finished("old"))
    model_commands.retire(registry, "BTCUSDT", QUIET, at=datetime(2026, 1, 3, tzinfo=UTC))
    assert registry.symbols() == []

    publish(registry, ledger, finished("new", last=3_000_000))
    assert registry.symbols() == []

    named = replace(default_settings({}).fetch, symbols=("BTCUSDT",))
    publish(registry, ledger, finished("named", last=4_000_000), fetch=named)
    assert opened(registry) == "named"
    assert registry.retired() == set()


def test_rolling_back_publishes_the_version_before(registry: ModelRegistry, ledger: EvaluationLedger) -> None:
    """Or the one that is named; one that waits for its verdict is never published."""
    for at, model in enumerate(("m1", "m2", "m3")):
        publish(registry, ledger, finished(model, last=3_000_000 + at))
    newest, middle, oldest = registry.versions("BTCUSDT")
    run(registry, ledger).add(finished("waiting", last=5_000_000))
    waiting = registry.versions("BTCUSDT")[0]

    model_commands.roll_back(registry, "BTCUSDT", QUIET)
    assert registry.latest("BTCUSDT") == middle
    model_commands.roll_back(registry, f"BTCUSDT={oldest[-19:-4]}", QUIET)
    assert opened(registry) == "m1"
    model_commands.roll_back(registry, f"BTCUSDT={newest}", QUIET)
    assert opened(registry) == "m3"
    for wrong, why in (
        (f"BTCUSDT={waiting}", "waits for its verdict"),
        ("BTCUSDT=20200101_000000", "has no version"),
        ("BTCUSD", "meant BTCUSDT"),
    ):
        with pytest.raises(SettingsError, match=why):
            model_commands.roll_back(registry, wrong, QUIET)


def test_pruning_keeps_what_is_published(registry: ModelRegistry, ledger: EvaluationLedger) -> None:
    """However old it is."""
    for at, model in enumerate(("m1", "m2", "m3")):
        publish(registry, ledger, finished(model, last=3_000_000 + at))
    model_commands.roll_back(registry, f"BTCUSDT={registry.versions('BTCUSDT')[-1]}", QUIET)
    settings = replace(default_settings({}), models_dir=registry.folder)

    model_commands.prune(settings, QUIET, keep=1, journal=registry.folder / "none.sqlite")

    assert opened(registry) == "m1"
    assert len(registry.versions("BTCUSDT")) == 2
    gone = {path.name for path in registry.folder.rglob("*") if "m2" in path.name}
    assert gone == set()
    with pytest.raises(SettingsError, match="at least 1"):
        model_commands.prune(settings, QUIET, keep=0, journal=registry.folder / "none.sqlite")


def test_the_state_of_all_models_is_one_row_a_symbol(
    registry: ModelRegistry, ledger: EvaluationLedger
) -> None:
    """Published, retired and never published ones, with age and advice."""
    publish(registry, ledger, finished("a", "AUSDT"), finished("r", "RUSDT"))
    publish(registry, ledger, finished("c", "CUSDT"), experiment=True)
    model_commands.retire(registry, "RUSDT", QUIET, at=datetime(2026, 1, 3, tzinfo=UTC))
    latest = registry.latest("AUSDT")
    assert latest is not None

    now = datetime.now(UTC) + timedelta(days=20)
    state = models_state(registry, now=now, max_age_days=14, earned={latest: (3, 2 / 3, 4.5)})
    write_state_file(registry.folder, state)

    rows = {row["symbol"]: row for row in state["models"]}
    assert {symbol: row["state"] for symbol, row in rows.items()} == {
        "AUSDT": "published",
        "CUSDT": "candidate",
        "RUSDT": "retired",
    }
    assert rows["AUSDT"]["live"] == {"trades": 3, "win_rate": 2 / 3, "net_bps": 4.5}
    assert rows["AUSDT"]["aliases"] == {"latest": latest, "champion": latest, "challenger": None}
    assert "20 days old" in rows["AUSDT"]["retrain"]
    assert rows["CUSDT"]["retrain"] is None
    assert state["counts"]["tradable"] == 1


def test_settings_that_were_edited_are_told(
    registry: ModelRegistry, ledger: EvaluationLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever edits ``config.py`` replaces all models by others: one line says what changed."""
    told = run(registry, ledger)
    told.console = Console(quiet=False, as_json=False)
    last = told.settings.model.as_json()
    document = {"settings": json.loads(json.dumps({**last, "prediction_horizon": 3, "n_trials": 50}))}
    registry.read_summary = lambda: document  # type: ignore[method-assign]

    told.print_changes()

    assert "Settings changed since the last run: prediction_horizon 3 → 2\n" in capsys.readouterr().out


def test_the_state_reads_metadata_again_only_where_they_were_rewritten(
    registry: ModelRegistry, ledger: EvaluationLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To list 786 models took 26 s, because the metadata of each were read and checked for it."""
    publish(registry, ledger, finished("a", "AUSDT"), finished("b", "BUSDT"))
    now, read = datetime.now(UTC), list[str]()
    write_state_file(registry.folder, models_state(registry, now=now, max_age_days=14, earned={}))
    latest = registry.latest("AUSDT")
    assert latest is not None
    rewritten = registry.metadata(latest)
    rewritten["verdict"] |= {"tradable": False, "reasons": ["it lost"]}
    registry.rewrite_metadata(rewritten)
    metadata_of = ModelRegistry.metadata

    def counted(self: ModelRegistry, model_file: str) -> dict[str, Any]:
        read.append(model_file)
        return metadata_of(self, model_file)

    monkeypatch.setattr(ModelRegistry, "metadata", counted)
    state = models_state(registry, now=now, max_age_days=14, earned={})

    assert read == [latest]
    assert [row["figures"]["tradable"] for row in state["models"]] == [False, True]
    (registry.folder / "models.json").unlink()
    assert models_state(registry, now=now, max_age_days=14, earned={}) == state
    assert len(read) == 3
