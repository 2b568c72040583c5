"""What `deploy/` starts is what the commands understand, and what the tools take, where they are there."""

import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import config
from desk.live_arguments import live_parser
from desk.retry import STARTUP
from desk.training_arguments import training_parser
from tests.house import HOUSE

SYSTEMD = HOUSE / "deploy" / "systemd"
UNITS = sorted(SYSTEMD.iterdir())
PLACE = "/srv/desk"
LIVE, TRAIN = "live_trade.py", "train_live_lightgbm.py"
SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "": 1}


def unit(name: str) -> dict[str, dict[str, str]]:
    """Sections of a unit; of a setting that stands twice, the last value."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(SYSTEMD / name)
    return {section: dict(parser[section]) for section in parser.sections()}


def seconds(text: str) -> int:
    """``10min`` as 600."""
    found = re.fullmatch(r"(\d+) ?(s|min|m|h|)", text)
    assert found, text
    return int(found[1]) * SECONDS[found[2]]


def compose() -> Any:
    return yaml.safe_load((HOUSE / "deploy" / "compose.yaml").read_text())


def commands() -> list[tuple[str, list[str]]]:
    """Where a command stands, and its words from the file that is run on."""
    image = re.findall(r"^CMD (\[.*\])$", (HOUSE / "Dockerfile").read_text(), flags=re.MULTILINE)
    services = compose()["services"]
    return [
        *((name, shlex.split(unit(name)["Service"]["ExecStart"])[1:]) for name in services_of_systemd()),
        *((f"compose {name}", service["command"]) for name, service in services.items()),
        *(("Dockerfile", yaml.safe_load(words)) for words in image),
    ]


def services_of_systemd() -> list[str]:
    return [path.name for path in UNITS if path.suffix == ".service"]


@pytest.mark.parametrize(("place", "words"), [pytest.param(*one, id=one[0]) for one in commands()])
def test_what_is_started_is_a_command_that_we_have(place: str, words: list[str]) -> None:
    """A misspelt option is found out by a machine, at night, when the timer fires."""
    file, *arguments = words

    assert (HOUSE / Path(file).relative_to(PLACE)).is_file(), place
    if file.endswith(LIVE):
        live_parser(config.BITGET_WS).parse_args(arguments)
    else:
        assert file.endswith(TRAIN)
        training_parser().parse_args(arguments)


def test_what_is_installed_trades_on_paper_until_somebody_changes_it() -> None:
    """Nobody's money is at stake because a file was copied."""
    traded = [words for _, words in commands() if words[0].endswith(LIVE)]

    assert len(traded) == 3
    assert all(words[1:] == ["--mode", "paper"] for words in traded)


def test_a_session_is_restarted_when_it_broke_and_never_when_it_was_ended() -> None:
    """A kill switch that a machine undoes is none; a start may wait for the exchange, and is not hung."""
    service = unit("desk-live.service")["Service"]

    assert service["Type"] == "notify"
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    assert seconds(service["TimeoutStartSec"]) > sum(STARTUP.waits_s()) + 300
    assert seconds(service["WatchdogSec"]) >= 300
    assert compose()["services"]["live"]["restart"] == "no"


def test_session_and_training_share_what_the_exchange_allows_an_address() -> None:
    """Together above 20 requests a second and endpoint both are refused, the session's exits among them."""
    paces = [float(words[words.index("--rps") + 1]) for _, words in commands() if words[0].endswith(TRAIN)]

    assert paces
    assert max(paces) <= config.default_settings({}).fetch.requests_per_second / 2


def test_models_are_trained_before_they_are_too_old() -> None:
    """A timer that fires once more than half of the allowed age leaves no room for a run that fails."""
    timer = unit("desk-train.timer")["Timer"]

    assert timer["OnCalendar"].startswith("Sun *-*-*")
    assert timer["Persistent"] == "true"
    assert config.default_settings({}).max_model_age_days >= 14


@pytest.mark.parametrize("name", services_of_systemd())
def test_a_service_has_no_rights_that_it_does_not_need(name: str) -> None:
    """Whoever takes over the process finds a file system that is read only, and no way up."""
    service = unit(name)["Service"]

    assert service["User"] == "desk"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    for right in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces"):
        assert service[right] == "yes"


@pytest.mark.parametrize("name", ["live", "train"])
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    """As above; its root is read only, and what is kept stands in volumes."""
    service = compose()["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert {volume.partition(":")[2] for volume in service["volumes"]} == {
        f"{PLACE}/models",
        f"{PLACE}/backtest_data",
        "/var/lib/desk",
    }
    assert "ports" not in service


def test_the_image_holds_no_key_and_no_settings_of_ones_own() -> None:
    """What is copied into an image is read by everyone who has the image."""
    lines = (HOUSE / ".dockerignore").read_text().splitlines()

    assert lines[1] == "*"
    assert lines.index("config_local.py") > lines.index("!*.py")
    assert not [line for line in lines if line.startswith("!") and "env" in line]
    assert "USER desk" in (HOUSE / "Dockerfile").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("path", UNITS, ids=[path.name for path in UNITS])
def test_systemd_takes_the_units_as_they_are(path: Path, tmp_path: Path) -> None:
    """A line that systemd does not know is passed over with a warning that nobody reads."""
    for one in UNITS:  # with an interpreter that is there
        text = one.read_text().replace(f"{PLACE}/.venv/bin/python", sys.executable)
        (tmp_path / one.name).write_text(text)
    verify = ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)

    assert [line for line in checked.stderr.splitlines() if path.name in line] == []
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", services_of_systemd())
def test_systemd_calls_the_services_well_protected(name: str) -> None:
    """Its own scale of exposure: 0 is locked up, 10 is open; below 2 it says OK."""
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(SYSTEMD / name)]
    checked = subprocess.run(security, capture_output=True, text=True, check=False)
    if "unrecognized option" in checked.stderr:
        pytest.skip("this version of systemd-analyze does not read files that are not installed")

    assert checked.returncode == 0, checked.stdout[-200:] + checked.stderr


def test_compose_takes_the_file_as_it_is() -> None:
    """As above; nothing is pulled or started."""
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    checked = subprocess.run(
        [docker, "compose", "--file", "deploy/compose.yaml", "--profile", "train", "config", "--quiet"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
