"""``--explore`` measures and remembers; it publishes nothing and trains nothing."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import default_settings
from desk.ledger import EvaluationLedger
from desk.market.emulator import EmbeddedExchange
from desk.market.series.synthetic import synthesize
from desk.run_settings import Settings
from desk.training_arguments import narrowed, training_arguments
from desk.values import CANDLE_MS
from soaks.serving import serving
from tests.test_train_live_lightgbm import END, Run

HORIZONS = [1, 2, 3, 6, 12, 24, 48]


@pytest.fixture(scope="module")
def exchange() -> Iterator[EmbeddedExchange]:
    sizes = {"LONGUSDT": 14_000, "OTHERUSDT": 3_000, "YOUNGUSDT": 300}
    with serving(
        [
            synthesize("edge", seed, symbol=symbol, end=END, candles=size)
            for seed, (symbol, size) in enumerate(sizes.items(), start=70)
        ]
    ) as exchange:
        yield exchange


@pytest.fixture
def run(tmp_path: Path, exchange: EmbeddedExchange) -> Run:
    return Run(tmp_path, exchange.url)


def settings_of(*arguments: str) -> Settings:
    base = default_settings({})
    return narrowed(training_arguments(arguments, base), base)


def exploration_of(run: Run) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((run.models / "exploration.json").read_text())
    return read


def fingerprints() -> list[str]:
    """Of what is explored in every cell: horizon, threshold and days."""
    return [cell.explored_fingerprint() for cell in settings_of("--explore").exploration_grid()]


def entries_of(run: Run) -> list[dict[str, Any]]:
    with EvaluationLedger(run.cache) as ledger:
        return list(ledger.evaluations())


def shown_through(run: Run, symbol: str, setting: str) -> int | None:
    with EvaluationLedger(run.cache) as ledger:
        return ledger.shown_through(symbol, setting)


def test_every_horizon_is_measured_and_noted_and_nothing_is_published(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table, the document, the picture, a note in the ledger for every setting; no model, no summary."""
    assert run("--explore", "--symbols", "LONGUSDT,YOUNGUSDT") == 0

    said = capsys.readouterr().out
    assert "✅ LONGUSDT: 7 horizons" in said
    assert "⚠️ YOUNGUSDT: skipped. Insufficient data: 300 candles, 1000 needed" in said
    assert sum(line.startswith(" LONGUSDT ") for line in said.splitlines()) == 7
    assert "The test candles were not shown" in said
    told = exploration_of(run)
    (one,) = told["symbols"]
    assert [cell["horizon"] for cell in one["cells"]] == HORIZONS
    assert [row["symbol"] for row in told["skipped"]] == ["YOUNGUSDT"]
    assert entries_of(run) == []
    in_force = settings_of("--explore").model.explored_fingerprint()
    shown = [shown_through(run, "LONGUSDT", setting) for setting in fingerprints()]
    assert fingerprints().index(in_force) == 1
    assert [through is None for through in shown] == [at == 1 for at in range(7)]
    assert all(through < END - 2_000 * CANDLE_MS for through in shown if through is not None)
    left = {path.name for path in run.models.iterdir()}
    assert left == {".lock", "exploration.json", "exploration.svg"}


def test_the_test_part_is_shown_and_tested_only_on_request(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is revealed has a p-value in the ledger, and development figures are the same as without."""
    assert run("--explore", "--symbols", "LONGUSDT") == 0
    hidden = exploration_of(run)
    capsys.readouterr()
    assert run("--explore", "--symbols", "LONGUSDT", "--offline", "--reveal") == 0
    revealed = exploration_of(run)

    assert "7 evaluations on test candles were recorded in the ledger" in capsys.readouterr().out
    assert (hidden["counts"]["revealed"], revealed["counts"]["revealed"]) == (0, 7)
    for before, after in zip(hidden["symbols"][0]["cells"], revealed["symbols"][0]["cells"], strict=True):
        assert before["test"] is before["p_value"] is None
        assert after["test"]["accuracy"] is not None
        assert after["development"] == before["development"]
    entries = entries_of(run)
    assert [entry["kind"] for entry in entries] == ["explore"] * 7
    assert len({entry["settings"] for entry in entries}) == 7
    cells = revealed["symbols"][0]["cells"]
    assert [entry["p_value"] for entry in entries] == [cell["p_value"] for cell in cells]
    assert shown_through(run, "LONGUSDT", fingerprints()[0]) == END - CANDLE_MS


def test_the_measurement_is_the_same_whatever_the_jobs(run: Run) -> None:
    """Repeated, it is also no new look: verdicts count the very same evaluation once."""
    assert run("--explore", "--symbols", "OTHERUSDT") == 0
    first = exploration_of(run)
    assert run("--explore", "--symbols", "OTHERUSDT", "--offline", "--jobs", "2") == 0
    second = exploration_of(run)

    assert second["symbols"] == first["symbols"]
    assert second["together"] == first["together"]
    assert entries_of(run) == []
    assert len({shown_through(run, "OTHERUSDT", setting) for setting in fingerprints()} - {None}) >= 1


def test_the_number_of_trials_is_no_part_of_an_exploration() -> None:
    """Nothing is tuned: the same measurement under another --trials must not count as another look."""

    def prints(*arguments: str) -> list[str]:
        return [cell.fingerprint() for cell in settings_of("--explore", *arguments).exploration_grid()]

    assert prints("--trials", "3") == prints()
    assert len(set(prints())) == len(HORIZONS)
    assert set(prints("--threshold", "0.004")).isdisjoint(prints())


def test_without_names_the_largest_symbols_are_measured() -> None:
    """Seven hundred symbols at seven horizons would take a day."""

    def top(*arguments: str) -> int | None:
        return settings_of(*arguments).fetch.top

    assert top("--explore") == 8
    assert top("--explore", "--top", "3") == 3
    assert top("--explore", "--symbols", "BTCUSDT") is None
    assert top() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--symbols", "LONGUSTD"], "meant LONGUSDT"),
        (["--days", "5"], "prediction_horizon is 48 candles, too long for 5 days"),
        (["--threshold", "0.03"], "min_price_change is 0.103923, must be above 0 and below 0.1"),
    ],
)
def test_a_grid_that_cannot_be_measured_ends_before_anything_starts(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run("--explore", *arguments) == 2

    assert message in capsys.readouterr().err
    assert not list(run.cache.rglob("*.pkl"))
    assert entries_of(run) == []


def test_json_leaves_standard_output_to_the_document(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when no symbol could be measured: an empty grid is an answer."""
    assert run("--explore", "--symbols", "YOUNGUSDT", "--json") == 0

    said = capsys.readouterr()
    assert json.loads(said.out) == exploration_of(run)
    assert "⚠️ YOUNGUSDT" in said.err


def test_an_interrupt_keeps_the_looks_that_were_told(run: Run) -> None:
    """What somebody has seen stays counted; the documents are written at the end or not at all."""
    assert run("--symbols", "LONGUSDT,OTHERUSDT", "--fetch-only") == 0

    said = run.interrupted(
        *("--explore", "--symbols", "LONGUSDT,OTHERUSDT", "--offline"),
        signals=[signal.SIGINT, signal.SIGINT],
        after="✅ LONGUSDT",
    )

    assert "Traceback" not in said
    assert shown_through(run, "LONGUSDT", fingerprints()[0]) is not None
    assert shown_through(run, "OTHERUSDT", fingerprints()[0]) is None
    assert not (run.models / "exploration.json").exists()
    assert run.left_behind() == []
