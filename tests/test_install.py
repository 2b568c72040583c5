"""The suite as someone has it who ran ``pip install``: no checkout, an empty folder, two commands."""

import importlib.metadata
import itertools
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from desk import doors
from desk.errors import SettingsError
from tests.pins import LISTS, PLACES, marker, needed, pinned

HOUSE = Path(__file__).resolve().parent.parent
DEMO = ["--demo", "--symbols", "EDGEONEUSDT", "--days", "30", "--publish", "--trials", "2", "--jobs", "2"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of a new environment that has the wheel, and sees the libraries of this one."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    build = ["wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(HOUSE)]
    subprocess.run([*pip, *build], check=True)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", *offline, str(wheel)], check=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def run(command: Sequence[str | Path], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command as from a shell in ``folder``; what it printed comes back."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_an_empty_folder_and_the_wheel_are_enough_to_train(installed: Path, tmp_path: Path) -> None:
    """Worker processes find the carried files too; models and candles are below the working directory."""
    package = installed.parent / "lib"
    before = {path for path in package.rglob("*") if path.suffix not in {".pyc", ""}}
    opened = (
        "from desk.api import open_model; print(open_model('EDGEONEUSDT', models_dir='models/demo').symbol)"
    )

    ended = run([installed / "bitget-train", *DEMO, "--json"], tmp_path)
    notebook = run([installed / "python", "-c", opened], tmp_path)

    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    assert [row["status"] for row in summary["symbols"]] == ["trained"]
    assert f"packaged values, no config.py in {tmp_path}" in ended.stderr
    assert (tmp_path / "models" / "demo" / "EDGEONEUSDT_latest.txt").is_file()
    assert (tmp_path / "backtest_data" / "demo" / "EDGEONEUSDT_5m_30d.pkl").is_file()
    assert {path for path in package.rglob("*") if path.suffix not in {".pyc", ""}} == before
    assert notebook.stdout == "EDGEONEUSDT\n", notebook.stderr


def test_a_settings_file_in_the_working_directory_wins(installed: Path, tmp_path: Path) -> None:
    """Nothing has to be edited below site-packages, and the start says which file was taken."""
    packaged = (HOUSE / "config.py").read_text()
    (tmp_path / "config.py").write_text(packaged.replace("n_trials=50", "n_trials=7"))

    ended = run([installed / "bitget-train", "--help"], tmp_path)

    assert f"Settings: {tmp_path / 'config.py'}" in ended.stderr
    assert "(default: 7)" in ended.stdout


def test_an_own_file_in_the_working_directory_overrides_the_packaged_values(
    installed: Path, tmp_path: Path
) -> None:
    """Nobody has to copy the whole settings file for one value of it."""
    (tmp_path / "config_local.py").write_text('learn = {"n_trials": 7}\n')
    environ = {name: value for name, value in os.environ.items() if name != "DESK_CONFIG"}

    shown = subprocess.run(
        [installed / "bitget-train", "--print-config"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )

    lines = {line.split("  # ")[0].strip(): line.split("  # ")[-1] for line in shown.stdout.splitlines()}
    assert lines["learn.n_trials = 7"] == str(tmp_path / "config_local.py")


@pytest.mark.parametrize("command", ["bitget-train", "bitget-live"])
def test_a_config_of_something_else_starts_nothing(installed: Path, tmp_path: Path, command: str) -> None:
    """Risk limits must never be those of a file that somebody else's program reads."""
    (tmp_path / "config.py").write_text("raise SystemExit('was run')\n")

    ended = run([installed / command, "--help"], tmp_path)

    assert ended.returncode == 2
    assert "is not a settings file of this suite" in ended.stderr
    assert "was run" not in ended.stderr


def test_the_other_commands_are_there(installed: Path, tmp_path: Path) -> None:
    for command in ("bitget-live", "bitget-emulator"):
        assert run([installed / command, "--help"], tmp_path).returncode == 0


def test_no_module_of_a_common_name_is_installed(installed: Path, tmp_path: Path) -> None:
    """Any other program's ``config`` would be replaced by ours; importing the desk moves nothing either."""
    (tmp_path / "config.py").write_text("WHOSE = 'another program'\n")
    program = "import desk.doors, desk.registry, config, sys; print(config.WHOSE, sys.path[0] == '')"

    ended = run([installed / "python", "-c", program], tmp_path)

    assert ended.stdout.split() == ["another", "program", "True"], ended.stderr
    (site,) = installed.parent.glob("lib/python*/site-packages")
    there = {path.name.partition("-")[0] for path in site.iterdir()}
    assert there == {"desk", "bitget_lightgbm_desk", "libraries.pth"}


def test_in_a_checkout_the_five_files_are_taken_as_they_stand() -> None:
    assert doors.door("config").__file__ == str(HOUSE / "config.py")
    assert doors.working_folder(str(HOUSE / "config.py")) == HOUSE


def test_packaged_settings_keep_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert doors.working_folder(str(doors.PACKAGED)) == tmp_path
    assert doors.settings_file() == doors.PACKAGED


def test_a_settings_file_of_something_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.py").write_text("DEBUG = True\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="defines no default_settings"):
        doors.settings_file()


def test_the_ranges_of_the_package_hold_what_is_pinned() -> None:
    """``pip install`` and ``make`` must not disagree on which libraries the suite works with."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    lines = (line.partition("#")[0].strip() for line in (HOUSE / "requirements.txt").read_text().splitlines())
    pinned = dict(line.split("==") for line in lines if "==" in line)
    ranges = {one.name: one for one in map(Requirement, project["project"]["dependencies"])}

    assert ranges.keys() == pinned.keys()
    assert [name for name, version in pinned.items() if version not in ranges[name].specifier] == []
    (builder,) = project["build-system"]["requires"]
    assert builder in (HOUSE / "requirements-dev.txt").read_text()
    assert importlib.metadata.version("hatchling") == builder.partition("==")[2]


def test_everything_that_is_installed_has_the_hashes_of_its_version() -> None:
    """An index, or whoever stands before it, cannot slip in a file that nobody has seen."""
    lists = (*LISTS.values(), "constraints.txt")
    hashed = [one for file in LISTS for one in pinned(file).items()]

    assert dict(hashed) == pinned(*lists), "run make pins"
    assert len(hashed) == len(dict(hashed))
    for file in LISTS:
        for block in (HOUSE / file).read_text().split("\n")[1:]:
            assert re.fullmatch(r"[a-z0-9-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|", block)


@pytest.mark.parametrize("file", LISTS)
def test_hashes_cover_every_system_that_the_suite_runs_on(file: str) -> None:
    """What only Windows needs is missing from the environment in which the hashes were written."""
    names = pinned(LISTS[file])
    done = pinned(*itertools.takewhile(lambda one: one != file, LISTS))

    assert needed(names).keys() - done.keys() == pinned(file).keys()


def test_hashes_come_first() -> None:
    """The installer takes the hashes of the first mention of a package, and complains if that has none."""
    for file, list_file in LISTS.items():
        lines = [line for line in (HOUSE / list_file).read_text().splitlines() if not line.startswith("#")]
        options = [line for line in lines if line.startswith("--requirement")]

        assert f"--requirement {file}" in options
        assert lines[: len(options)] == options


def test_a_package_of_one_system_has_its_marker() -> None:
    """Or the other systems would try, and fail, to build it."""
    assert marker(set(PLACES)) == ""
    assert marker({place for place in PLACES if place[1] > 3}) == ' ; sys_platform == "win32"'
    assert marker({place for place in PLACES if place[1] < 4}) == ' ; sys_platform != "win32"'
    assert marker({place for place in PLACES if place[0] == "3.13"}) == ' ; python_version == "3.13"'
    assert "platform_machine" in marker({place for place in PLACES if place[1] == 5})
