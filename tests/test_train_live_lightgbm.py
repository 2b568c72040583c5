"""One command takes candles to published models, and says what is wrong before anything is half-done."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

import live_trade
import train_live_lightgbm
from config import default_settings
from desk.decisions import form_signals
from desk.market.emulator import EmbeddedExchange
from desk.market.history.candle_store import CandleStore
from desk.market.series.synthetic import synthesize
from desk.registry import ModelRegistry
from desk.values import CANDLE_MS, Candles, frozen
from ml_feature_engineering import FEATURES, build_features
from soaks.serving import UNPACED, serving

END = 1_767_225_600_000
SIZES = {"LONGUSDT": 11_000, "SHORTUSDT": 1_500, "YOUNGUSDT": 300}
HOLED, TORN = "HOLEDUSDT", "TORNUSDT"
WALKS = ",".join(f"WALK{number}USDT" for number in range(6))


def without(candles: Candles, rows: slice | np.ndarray) -> Candles:
    kept = np.ones(len(candles), bool)
    kept[rows] = False
    return Candles(candles.symbol, frozen(candles.open_time[kept]), frozen(candles.values[:, kept]))


@pytest.fixture(scope="module")
def exchange() -> Iterator[EmbeddedExchange]:
    series = [
        synthesize("edge", seed, symbol=symbol, end=END, candles=size)
        for seed, (symbol, size) in enumerate(SIZES.items(), start=50)
    ]
    holed = synthesize("noise", 60, symbol=HOLED, end=END, candles=3_000)
    torn = synthesize("noise", 61, symbol=TORN, end=END, candles=3_000)
    series += [synthesize("noise", 70 + n, symbol=f"WALK{n}USDT", end=END, candles=1_500) for n in range(6)]
    series.append(without(holed, slice(2_000, 2_008)))
    series.append(without(torn, np.arange(10, 2_990, 7)))
    with serving(series) as exchange:
        yield exchange


class Run:
    """The command, with folders of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.models, self.cache, self.url = folder / "models", folder / "cache", url

    def arguments(self, *more: str) -> list[str]:
        where = ["--models-dir", str(self.models), "--cache-dir", str(self.cache), "--base-url", self.url]
        return [*where, "--rps", "0", "--trials", "3", "--jobs", "1", *more]

    def __call__(self, *more: str) -> int:
        return train_live_lightgbm.main(self.arguments(*more))

    def interrupted(self, *more: str, signals: Sequence[int], after: str) -> str:
        """Start the command and send it signals after a line that holds ``after``; standard error."""
        with subprocess.Popen(
            [sys.executable, "train_live_lightgbm.py", *self.arguments(*more)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(train_live_lightgbm.__file__).parent,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            watchdog = threading.Timer(120, process.kill)
            watchdog.start()
            assert any(after in line for line in process.stdout)
            process.send_signal(signals[0])
            said = ""
            for number in signals[1:]:
                said += process.stderr.readline()  # the first is understood
                process.send_signal(number)
            said += process.stderr.read()
            watchdog.cancel()
        self.status = process.returncode
        return said

    def summary(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.models / "training_summary.json").read_text())
        return read

    def left_behind(self) -> list[Path]:
        return [path for folder in (self.models, self.cache) for path in folder.rglob(".draft-*")]


@pytest.fixture
def run(tmp_path: Path, exchange: EmbeddedExchange) -> Run:
    return Run(tmp_path, exchange.url)


def test_a_symbol_becomes_a_model_that_plain_lightgbm_reads(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole path on one symbol: the files, their names, and what a reader finds in them."""
    assert run("--symbols", "LONGUSDT") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {run.models / 'report.html'}"
    assert "<h1>Which symbols have a proven edge?</h1>" in (run.models / "report.html").read_text()

    latest = run.models / "LONGUSDT_latest.txt"
    model = lightgbm.Booster(model_file=str(latest))
    names = (run.models / "LONGUSDT_features.txt").read_text().split()
    assert not latest.readlink().is_absolute()
    assert model.feature_name() == names == [feature.name for feature in FEATURES]
    (path,) = (run.models / "metadata").iterdir()
    metadata = json.loads(path.read_text())
    assert metadata["metrics"]["n"] > 0
    assert metadata["tuning"]["n_trials"] == 3
    assert metadata["signals"]["candles"] == 2_016
    assert len(metadata["signals"]["walk"]) == 3
    trades = run.models / "trades" / latest.readlink().name.replace("_lightgbm_", "_trades_")
    assert len(trades.with_suffix(".csv").read_text().splitlines()) == 1 + metadata["signals"]["n"]
    assert metadata["verdict"]["tradable"] is False
    assert metadata["verdict"]["family_size"] is not None
    assert (run.models / metadata["evaluated_file"]).exists()
    assert run.summary()["counts"] == {
        "requested": 1,
        "trained": 1,
        "skipped": 0,
        "failed": 0,
        "tradable": 0,
    }
    assert run.left_behind() == []


def test_short_histories_are_published_and_say_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A symbol listed five days ago has few labels; its owner is told, not refused."""
    assert run("--symbols", "SHORTUSDT") == 0

    assert "✅ SHORTUSDT" in capsys.readouterr().out
    assert "few labels" in str(run.summary()["symbols"][0]["reasons"])


def test_too_short_a_history_is_skipped_with_the_guides_words(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too little data is nobody's fault: the exit status stays 0, and nothing is published."""
    assert run("--symbols", "YOUNGUSDT,SHORTUSDT") == 0

    assert "⚠️ YOUNGUSDT: skipped. Insufficient data: 300 candles, 1000 needed" in capsys.readouterr().out
    assert not list(run.models.glob("YOUNGUSDT*"))
    assert run.summary()["counts"]["skipped"] == 1


def test_holes_are_lived_with_until_too_much_is_missing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight missing candles are a hole; a seventh of all is no series, and the guide's message says so."""
    assert run("--symbols", f"{HOLED},{TORN}") == 1

    said = capsys.readouterr()
    assert f"✅ {HOLED}" in said.out
    assert f"❌ {TORN}: failed (train)" in said.err
    assert "Too many missing features" in said.err
    assert run.summary()["counts"]["trained"] == 1
    assert run.summary()["problems"][0]["symbol"] == TORN


def test_equal_candles_settings_and_seed_give_equal_bytes_whatever_the_jobs(run: Run) -> None:
    """A user who trains again sees whether anything changed, and may use all cores."""
    assert run("--symbols", "LONGUSDT,SHORTUSDT") == 0
    first = {path.name[:5]: path.read_bytes() for path in run.models.glob("*_latest.txt")}
    other = Run(run.models.parent / "other", run.url)
    other.cache = run.cache
    assert other("--symbols", "LONGUSDT,SHORTUSDT", "--jobs", "2", "--offline") == 0
    assert run("--symbols", "LONGUSDT,SHORTUSDT", "--offline") == 0

    assert {path.name[:5]: path.read_bytes() for path in other.models.glob("*_latest.txt")} == first
    assert {path.name[:5]: path.read_bytes() for path in run.models.glob("*_latest.txt")} == first
    assert len(list(run.models.glob("LONGUSDT_lightgbm_*.txt"))) == 1, "the same is not trained twice"
    assert run.summary()["previous"]["change"] == dict.fromkeys(run.summary()["averages"], 0.0)
    assert run("--symbols", "LONGUSDT", "--offline", "--seed", "5") == 0
    assert (run.models / "LONGUSDT_latest.txt").read_bytes() != first["LONGU"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--symbols", "LONGUSTD"], "meant LONGUSDT"),
        (["--days", "2"], "give at least --days 4"),
        (["--threshold", "0"], "min_price_change is 0"),
        (["--horizon", "0"], "prediction_horizon is 0"),
        (["--days", "10", "--horizon", "3000"], "too long for 10 days"),
        (["--trials", "0"], "n_trials is 0"),
        (["--jobs", "-1"], "N_JOBS is -1"),
        (["--executor", "dask://"], "must be local, dask://HOST:PORT or dask://local:N"),
        (["--seed", "-1"], "seed is -1"),
        (["--offline", "--refresh"], "not both"),
        (["--reveal"], "--reveal shows the test part of --explore"),
        (["--top", "3", "--symbols", "LONGUSDT"], "exclude each other"),
        (["--base-url", "api.bitget.com"], "must be an address"),
    ],
)
def test_wrong_arguments_end_before_anything_starts(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """One message that names the fix, status 2, and neither a model nor a candle written."""
    assert run(*arguments) == 2

    assert message in capsys.readouterr().err
    assert not list(run.models.rglob("*.txt"))
    assert not list(run.cache.rglob("*.pkl"))


def test_an_argument_that_is_no_number_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train_live_lightgbm.main(["--days", "many"])

    assert ended.value.code == 2
    assert "--days" in capsys.readouterr().err


def test_a_file_where_the_models_should_go_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.models.write_text("in the way")

    assert run("--symbols", "LONGUSDT") == 2

    assert "is a file, a directory is needed" in capsys.readouterr().err
    assert run.models.read_text() == "in the way"
    assert not run.cache.exists()


def test_an_address_where_nobody_answers_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not 300 tracebacks: the address, and what to check."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    assert Run(tmp_path, f"http://127.0.0.1:{port}")("--symbols", "LONGUSDT") == 1

    said = capsys.readouterr().err
    assert f"http://127.0.0.1:{port} cannot be reached" in said
    assert "--base-url" in said
    assert "Traceback" not in said


def test_json_leaves_standard_output_to_the_summary(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts read the document; people read standard error."""
    assert run("--symbols", "SHORTUSDT", "--json") == 0

    said = capsys.readouterr()
    assert json.loads(said.out) == run.summary()
    assert "✅ SHORTUSDT" in said.err


def test_quiet_says_nothing_when_nothing_is_wrong(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--symbols", "SHORTUSDT", "--quiet") == 0

    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_there_are_no_control_codes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Logs of scheduled runs stay readable."""
    assert run("--symbols", "SHORTUSDT") == 0

    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.out + said.err


def test_fetch_only_fetches_and_trains_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--symbols", "LONGUSDT,YOUNGUSDT", "--fetch-only") == 0

    said = capsys.readouterr().out
    assert "11,000" in said
    assert not run.models.exists()
    assert len(list(run.cache.glob("*_5m_180d.pkl"))) == 2


def test_offline_needs_no_exchange_and_says_what_is_missing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cached candles are enough to train on a plane."""
    assert run("--symbols", "SHORTUSDT", "--offline") == 1
    assert "contracts.json" in capsys.readouterr().err

    assert run("--symbols", "SHORTUSDT", "--fetch-only") == 0
    nowhere = Run(run.models.parent, "http://127.0.0.1:9")
    assert nowhere("--symbols", "SHORTUSDT", "--offline") == 0


def test_an_interrupt_publishes_what_is_finished_and_begins_nothing_more(run: Run) -> None:
    """Ctrl-C, or SIGTERM of a service: status 130, what was trained is judged, the rest is named as left."""
    said = run.interrupted("--symbols", WALKS, signals=[signal.SIGINT], after="✅ WALK")

    summary = run.summary()
    assert run.status == 130, said
    assert "Interrupted" in said
    assert "Traceback" not in said
    assert run.left_behind() == []
    assert 1 <= summary["counts"]["trained"] < len(WALKS.split(","))
    assert len(list(run.models.glob("*_latest.txt"))) == summary["counts"]["trained"]


def test_a_second_interrupt_stops_at_once_and_leaves_nothing_half_written(run: Run) -> None:
    """Finished symbols wait for their verdict; ``--judge`` gives it without training."""
    more = ("--symbols", WALKS, "--trials", "60")
    said = run.interrupted(*more, signals=[signal.SIGINT, signal.SIGTERM], after="✅ WALK")

    assert run.status == 130, said
    assert "--judge" in said
    assert "Traceback" not in said
    assert run.left_behind() == []
    assert list(run.models.glob("*_latest.txt")) == []
    assert run("--judge") == 0
    finished = len(list(run.models.glob("*_latest.txt")))
    assert 1 <= finished < len(WALKS.split(","))
    assert run.summary()["counts"]["trained"] == finished


def test_a_killed_run_is_taken_up_by_the_same_command(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What was finished before kill -9 is not trained again, and ends as in an undisturbed run."""
    assert run("--symbols", WALKS, "--fetch-only") == 0
    run.interrupted("--symbols", WALKS, "--offline", signals=[signal.SIGKILL], after="✅ WALK")
    assert list(run.models.glob("*_latest.txt")) == []
    kept = {path.name for path in run.models.glob("*_lightgbm_*.txt")}

    assert run("--symbols", WALKS, "--offline") == 0

    assert capsys.readouterr().out.count("taken from") == len(kept)
    undisturbed = Run(run.models.parent / "undisturbed", run.url)
    undisturbed.cache = run.cache
    assert undisturbed("--symbols", WALKS, "--offline") == 0
    ours, theirs = (
        {path.name: path.read_bytes() for path in one.models.glob("*_latest.txt")}
        for one in (run, undisturbed)
    )
    assert ours == theirs
    assert len(list(run.models.glob("*_lightgbm_*.txt"))) == len(ours) > 1


def test_a_killed_run_goes_on_although_the_market_has_gone_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Candles, turnover and spreads of the exchange change by the minute, and hours are not to be lost."""
    series = [synthesize("noise", 70 + n, symbol=f"WALK{n}USDT", end=END, candles=1_800) for n in range(3)]
    hours = 24 * CANDLE_MS
    options = replace(UNPACED, now_ms=END - 2 * hours)
    with serving(series, options) as market:
        run = Run(tmp_path, market.url)
        run.interrupted(signals=[signal.SIGKILL], after="✅ WALK")
        kept = {path.name for path in run.models.glob("*_lightgbm_*.txt")}
        market.pass_time(hours)
        assert run() == 0
        went_on = capsys.readouterr().out
        first = run.summary()
        market.pass_time(hours)
        assert run() == 0
        anew = capsys.readouterr().out

    assert "did not come to its end" in went_on
    assert went_on.count("taken from") == len(kept) >= 1
    assert first["counts"]["trained"] == len(series)
    assert ends_of(run, first) == {END - 2 * hours}
    assert "did not come to its end" not in anew
    assert ends_of(run, run.summary()) == {END}


def ends_of(run: Run, summary: dict[str, Any]) -> set[int]:
    """Where the candles of a run's models end."""
    files = [row["model_file"] for row in summary["symbols"]]
    registry = ModelRegistry(run.models)
    ends = (registry.metadata(file)["data"]["last"] for file in files)
    return {round(datetime.fromisoformat(end).timestamp() * 1000) + CANDLE_MS for end in ends}


def test_the_decision_table_asks_the_published_models(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """``live_trade.py --once`` on fresh candles; a young symbol has too few of them to decide."""
    assert run("--symbols", "LONGUSDT,SHORTUSDT") == 0
    capsys.readouterr()
    where = ["--once", "--models-dir", str(run.models), "--cache-dir", str(run.cache)]

    assert live_trade.main([*where, "--base-url", run.url]) == 0

    said = capsys.readouterr().out
    assert "LONGUSDT" in said
    assert "SHORTUSDT" in said
    assert "watch only" in said


def test_the_live_probability_is_the_trained_one(run: Run) -> None:
    """Features from the last candles alone, prediction alone: equal to the batch on 180 days, with ==."""
    assert run("--symbols", "LONGUSDT") == 0
    candles = CandleStore(run.cache).load("LONGUSDT", 180)
    features = build_features(candles, max_missing_share=0.02, min_feature_share=0.8)
    settings = replace(default_settings(), models_dir=run.models)
    models, problems = live_trade.model_source(settings).open_all(())
    expected = models["LONGUSDT"].predictor.probabilities(features.x)[-1]

    (signal,), silent = form_signals([candles], models, live_trade.feature_window(settings))

    assert problems == silent == {}
    assert signal.probability == expected
    assert signal.open_time == END - CANDLE_MS


def test_an_empty_models_folder_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert live_trade.main(["--once", "--models-dir", str(tmp_path)]) == 2

    assert "holds no published model: train first" in capsys.readouterr().err


def test_a_model_that_was_tampered_with_is_refused_by_name(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are asked all the same."""
    assert run("--symbols", "LONGUSDT,SHORTUSDT") == 0
    capsys.readouterr()
    latest = run.models / "LONGUSDT_latest.txt"
    latest.resolve().write_text(latest.read_text().replace("leaf_value=", "leaf_value= ", 1))
    where = ["--models-dir", str(run.models), "--cache-dir", str(run.cache), "--base-url", run.url]

    assert live_trade.main(["--once", *where]) == 0

    said = capsys.readouterr()
    assert "❌ LONGUSDT: no decision. the model file is not the one" in said.err
    assert "SHORTUSDT" in said.out
