"""How the commands start: what a user meets before anything is imported, and what git does not keep."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import config
from desk.trade.session import STOP_FILE

HOUSE = Path(config.__file__).parent
INTERRUPTED = """
import os, runpy, signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
sys.argv = [{command!r}]
sys.path.insert(0, os.getcwd())
runpy.run_path({command!r}, run_name="__main__")
"""


@pytest.mark.parametrize("command", ["train_live_lightgbm.py", "live_trade.py"])
@pytest.mark.parametrize(
    "module", ["config", "desk.learn.thresholds", "lightgbm", "pandas", "desk.doors.mistakes"]
)
def test_ctrl_c_while_modules_are_imported_is_an_interrupt_like_any_other(command: str, module: str) -> None:
    """Importing takes seconds, in which whoever mistyped an argument presses it; no traceback, 130."""
    program = INTERRUPTED.format(module=module, command=command)

    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr, ended.stdout) == (130, "Interrupted.\n", "")


@pytest.mark.parametrize("module", ["numpy", "aiohttp", "desk.market.emulator.options"])
def test_ctrl_c_while_the_embedded_exchange_is_imported_is_an_interrupt(module: str) -> None:
    """Its package is imported before its command line, and must import nothing that takes time."""
    program = INTERRUPTED.format(module=module, command="desk.market.emulator").replace(
        "run_path('desk.market.emulator'", "run_module('desk.market.emulator'"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr, ended.stdout) == (130, "Interrupted.\n", "")


def test_a_checkout_without_a_settings_file_is_named(tmp_path: Path) -> None:
    shutil.copy(HOUSE / "train_live_lightgbm.py", tmp_path)
    (tmp_path / "desk").symlink_to(HOUSE / "desk")

    ended = subprocess.run(
        [sys.executable, "train_live_lightgbm.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith("config.py is not there")


@pytest.mark.parametrize(
    "name",
    [
        config.JOURNAL,
        f"{config.JOURNAL}.lock",
        f"{config.JOURNAL}.paper.json",
        f"{config.JOURNAL}-wal",
        f"{config.JOURNAL}-shm",
        "config_local.py",
        STOP_FILE,
        "models/live_trading/BTCUSDT_latest.txt",
        "backtest_data/evaluations.sqlite",
        "backtest_data/.lock",
    ],
)
def test_git_keeps_nothing_that_a_run_writes_or_that_is_a_users_own(name: str) -> None:
    """An account's journal, or a limit of one's own, must not be committed by ``git add .``."""
    git = shutil.which("git")
    if git is None or not (HOUSE / ".git").exists():
        pytest.skip("not a checkout of git")

    assert subprocess.run([git, "check-ignore", "--quiet", name], cwd=HOUSE, check=False).returncode == 0


def test_the_signal_that_asks_to_end_is_as_good_as_ctrl_c() -> None:
    """A service manager sends SIGTERM, also in the first seconds."""
    program = INTERRUPTED.format(module="lightgbm", command="train_live_lightgbm.py")

    ended = subprocess.run(
        [sys.executable, "-c", program.replace("SIGINT", "SIGTERM")],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (130, "Interrupted.\n")
