"""Values of config.py, of a user's own file and of the environment: which one holds, and what is wrong."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import config
import live_trade
import train_live_lightgbm
from desk.doors.mistakes import check_syntax, settings_mistakes
from desk.errors import SettingsError
from desk.settings_files import in_force

HOUSE = Path(config.__file__).parent
NOBODY = "http://127.0.0.1:9"
"""Whoever started in spite of a mistake would ask here, and end with status 1."""


def edited(folder: Path, old: str, new: str) -> ModuleType:
    """``config.py`` in ``folder`` with one passage changed, imported as the commands import it."""
    text = Path(config.__file__).read_text()
    assert old in text
    file = folder / "config.py"
    file.write_text(text.replace(old, new, 1))
    check_syntax(file)
    spec = importlib.util.spec_from_file_location("edited_config", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with settings_mistakes(file):
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("days=180", "dayz=180", "FetchSettings has no setting dayz (meant days?)"),
        ("days=180", "days='180'", "fetch: days is '180', must be a whole number: write 180 without quotes"),
        ("days=180,", "days=180", "invalid syntax. Perhaps you forgot a comma?"),
        ("days=180", "days=hundred", "NameError: name 'hundred' is not defined"),
        ("min_price_change=0.002", "min_price_change='0.2%'", "min_price_change is '0.2%', must be a number"),
        ("min_price_change=0.002", "min_price_change=0.2", "min_price_change is 0.2, must be above 0 and"),
        ("horizons=(1, 2, 3", "horizons=(1, 2 (3)", "'int' object is not callable; perhaps you missed a"),
        ("leverage=Decimal(3)", "leverage=Decimal('3x')", "a Decimal is made of a text that is no number"),
        ('on_stop="flatten"', 'on_stop="Flatten"', 'on_stop is \'Flatten\', must be "flatten", "wait" or'),
        ("symbols=(),  #", "symbols=('BTCUSDT'),  #", "symbols is 'BTCUSDT', must be a tuple of texts"),
        ('HERE / "backtest_data"', "Path(5)", "TypeError: "),
        ("from desk.run_settings", "from desk.run_setings", "No module named 'desk.run_setings'"),
        ("HERE =", "1 / 0\nHERE =", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_mistake_in_the_settings_file_is_a_sentence_with_its_line(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """Whoever edits a value for the first time knows its line, and no traceback."""
    with pytest.raises(SettingsError) as caught:
        in_force(edited(tmp_path, old, new), {})

    text = str(caught.value)
    lines = (tmp_path / "config.py").read_text().splitlines()
    line = next(at for at, one in enumerate(lines, 1) if new.splitlines()[0] in one)
    assert text.startswith(f"{tmp_path / 'config.py'}, line {line}: ")
    assert complaint in text
    assert "\n" not in text


def test_a_setting_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Its line is that of its section: there is no other."""
    with pytest.raises(SettingsError, match=r"config\.py, line \d+: FetchSettings lacks the setting days$"):
        in_force(edited(tmp_path, "            days=180,\n", ""), {})


def test_a_library_that_is_missing_is_no_mistake_of_the_settings(tmp_path: Path) -> None:
    """Its traceback says more than a line of config.py could."""
    (tmp_path / "broken_library.py").write_text("raise ModuleNotFoundError('no libgomp')\n")
    file = tmp_path / "config.py"
    file.write_text("import broken_library\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(ModuleNotFoundError, match="no libgomp"), settings_mistakes(file):
            exec(compile(file.read_text(), str(file), "exec"), {})  # noqa: S102
    finally:
        sys.path.remove(str(tmp_path))


def test_a_settings_file_of_an_older_version_is_named() -> None:
    """A copy in the working directory outlives the version that it is from."""
    old = ModuleType("config")
    old.default_settings = config.default_settings  # type: ignore[attr-defined]

    with pytest.raises(SettingsError, match=r"defines no live_settings: it is not of this version"):
        in_force(old, {})


def own(tmp_path: Path, text: str) -> dict[str, str]:
    """An environment that names a file with ``text``."""
    (tmp_path / "own.py").write_text(text)
    return {"DESK_CONFIG": str(tmp_path / "own.py")}


def test_an_own_file_wins_field_by_field(tmp_path: Path) -> None:
    """An update of the suite replaces config.py; what is one's own stays, and everything else is new."""
    environ = own(
        tmp_path,
        "from decimal import Decimal\nfrom pathlib import Path\n_HOURS = 24\n"
        'fetch = {"days": 365, "symbols": ["BTCUSDT"]}\n'
        'learn = dict(n_trials=7, trading={"stop_loss": 0.03})\n'
        'risk = {"leverage": 2.5, "pause_minutes": _HOURS * 60}\n'
        'link = {"attempts": 2}\nstream = {"audit_s": 5}\nmodels_dir = Path("/srv/models")\nN_JOBS = 3\n',
    )

    force, base = in_force(config, environ), config.default_settings({})

    assert force.training.fetch.days == 365
    assert force.training.fetch.symbols == ("BTCUSDT",)
    assert force.training.fetch.timeout_s == base.fetch.timeout_s
    assert force.training.learn.n_trials == 7
    assert force.training.learn.trading.stop_loss == 0.03
    assert force.training.learn.trading.slippage == base.learn.trading.slippage
    assert (force.training.models_dir, force.training.N_JOBS) == (Path("/srv/models"), 3)
    assert str(force.live.risk.leverage) == "2.5"
    assert force.live.risk.pause_minutes == 1_440
    assert force.link("paper", base_url=config.BITGET, ws_url="").attempts == 2
    assert force.stream(100).audit_s == 5.0


def test_the_age_of_models_is_one_value_for_both_commands(tmp_path: Path) -> None:
    """Training lists for retraining what live trading would refuse."""
    force = in_force(config, own(tmp_path, "max_model_age_days = 5\n"))

    assert force.live.risk.max_model_age_days == force.training.max_model_age_days == 5


def test_the_environment_wins_over_an_own_file(tmp_path: Path) -> None:
    environ = own(tmp_path, 'N_JOBS = 3\nfetch = {"base_url": "https://one.example"}\n')

    force = in_force(config, {**environ, "N_JOBS": "5", "BITGET_BASE_URL": "https://two.example"})

    assert (force.training.N_JOBS, force.training.fetch.base_url) == (5, "https://two.example")
    sources = {name: source for name, _, source in force.rows(force.training)}
    assert sources["N_JOBS"] == "N_JOBS in the environment"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("N_JOBS", "four", "N_JOBS in the environment is 'four', must be a whole number"),
        ("N_JOBS", "-1", "N_JOBS is -1"),
        ("BITGET_BASE_URL", "api.bitget.com", "BITGET_BASE_URL in the environment: fetch: base_url is 'api"),
        (
            "DESK_CONFIG",
            "/nowhere/own.py",
            "DESK_CONFIG in the environment names /nowhere/own.py, which is not",
        ),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        in_force(config, {name: value})


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ('fetch = {"days": "30"}', 1, "fetch: days is '30', must be a whole number"),
        ('fetch = {\n  "dayz": 30,\n}', 2, "fetch has no setting dayz (meant days?)"),
        ("fetch = dict(\n  days=0,\n)", 2, "fetch: days is 0, must be between 1 and 3650"),
        ("fech = {}", 1, "there is no section fech (meant fetch?)"),
        ("days = 30", 1, "a setting is written in its section"),
        ("fetch = 5", 1, "fetch is 5, must be a section"),
        ('N_JOBS = 1\nseed = "a"', 2, "seed is 'a', must be a whole number"),
        (
            'learn = {"trading": {\n"stop_loss": "2%"}}',
            2,
            "stop_loss is '2%', must be a number as a fraction",
        ),
        ('risk = {"max_model_age_days": 3}', 1, "follows max_model_age_days at the top level"),
        ('link = {"base_url": "https://a.example"}', 1, "link.base_url follows fetch.base_url"),
        ('session = {"on_stop": "Flatten"}', 1, "on_stop is 'Flatten'"),
        ('fetch = {"days": 30\n', 1, "was never closed"),
        ("x = 1\ny = x / 0", 2, "ZeroDivisionError"),
        ("import nothing_there", 1, "No module named 'nothing_there'"),
    ],
)
def test_a_mistake_in_an_own_file_is_a_sentence_with_its_line(
    tmp_path: Path, text: str, line: int, complaint: str
) -> None:
    """What it sets passes the checks that the values of config.py pass."""
    with pytest.raises(SettingsError) as caught:
        in_force(config, own(tmp_path, text))

    assert str(caught.value).startswith(f"{tmp_path / 'own.py'}, line {line}: ")
    assert complaint in str(caught.value)


def test_what_one_section_demands_of_another_is_asked_of_the_result(tmp_path: Path) -> None:
    """Two sections that fit only together can be changed together."""
    text = 'fetch = {"days": 2}\nlearn = {"min_samples": 500}\n'

    assert in_force(config, own(tmp_path, text)).training.fetch.days == 2
    with pytest.raises(SettingsError, match=r"own\.py.*days is 2, which is 576 candles"):
        in_force(config, own(tmp_path, 'fetch = {"days": 2}\n'))


def test_a_file_beside_the_settings_is_found_unless_none_is_wanted(tmp_path: Path) -> None:
    """``DESK_CONFIG=`` takes config.py as it is, as these tests do."""
    module = edited(tmp_path, "days=180", "days=170")
    (tmp_path / "config_local.py").write_text("seed = 5\n")

    assert in_force(module, {}).training.seed == 5
    assert in_force(module, {"DESK_CONFIG": ""}).training.seed == module.default_settings({}).seed


def test_the_settings_in_force_are_shown_with_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a machine that was set up months ago, this is the first question."""
    path = own(tmp_path, 'fetch = {"days": 90}\n')["DESK_CONFIG"]
    monkeypatch.setenv("DESK_CONFIG", path)
    monkeypatch.setenv("N_JOBS", "2")

    assert train_live_lightgbm.main(["--print-config", "--top", "3"]) == 0
    shown = [line.split("  # ") for line in capsys.readouterr().out.splitlines() if "  # " in line]
    sources = {text.strip(): source for text, source in shown}
    assert train_live_lightgbm.main(["--print-config", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert live_trade.main(["--print-config"]) == 0
    live = capsys.readouterr().out

    assert sources["fetch.days = 90"] == path
    assert sources["fetch.top = 3"] == "arguments"
    assert sources["N_JOBS = 2"] == "N_JOBS in the environment"
    assert sources["learn.prediction_horizon = 2"] == "config.py"
    assert "risk.leverage = Decimal('3')" in sources
    assert document["fetch.days"] == {"value": "90", "source": path}
    assert "fetch.attempts = 4" in live
    assert "config.py, settings_of_live" in live


def test_a_run_says_what_is_its_own_and_what_is_hardly_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A threshold of 5 % is possible; who wrote 0.05 for 0.05 % learns it before hours of training."""
    monkeypatch.setenv("DESK_CONFIG", own(tmp_path, 'learn = {"min_price_change": 0.05}\n')["DESK_CONFIG"])
    folders = ["--models-dir", str(tmp_path / "m"), "--cache-dir", str(tmp_path / "c")]

    assert train_live_lightgbm.main(["--fetch-only", "--offline", *folders]) == 1

    said = capsys.readouterr().out
    assert "own.py sets learn.min_price_change." in said
    assert "⚠️ learn.min_price_change is 0.05, which is unusual (0.0003 to 0.03, a fraction" in said
    assert said.count("⚠️") == 1


@pytest.mark.parametrize("command", ["train_live_lightgbm.py", "live_trade.py"])
@pytest.mark.parametrize(
    ("old", "new"),
    [("days=180,", "days=180"), ("days=180", "dayz=180"), ('on_stop="flatten"', 'on_stop="Flatten"')],
)
def test_both_commands_end_with_one_sentence_and_status_2(
    tmp_path: Path, command: str, old: str, new: str
) -> None:
    """Also where the settings file cannot even be imported."""
    for name in ("data_fetcher.py", "ml_feature_engineering.py", "train_live_lightgbm.py", "live_trade.py"):
        shutil.copy(HOUSE / name, tmp_path)
    (tmp_path / "desk").symlink_to(HOUSE / "desk")
    (tmp_path / "config.py").write_text((HOUSE / "config.py").read_text().replace(old, new, 1))

    ended = subprocess.run(
        [sys.executable, command, "--base-url", NOBODY],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"{tmp_path / 'config.py'}, line ")


def test_a_proxy_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its address may hold a password, and people post what is printed."""
    monkeypatch.setenv("https_proxy", "http://desk:s3cret-7719@10.0.0.1:3128")

    assert train_live_lightgbm.main(["--print-config"]) == 0

    printed = capsys.readouterr().out
    assert "fetch.proxy = (not shown)" in printed
    assert "s3cret" not in printed
