"""What the commands import before they answer: nothing that takes seconds and that no answer needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import config
from benchmarks.startup import DAYS, keep_session

HOUSE = Path(config.__file__).parent
HEAVY = ("lightgbm", "scipy.stats", "pandas", "sklearn", "optuna", "aiohttp", "matplotlib", "pyarrow")
PROGRAM = """
import runpy, sys

sys.path.insert(0, {house!r})
sys.argv = {argv!r}
try:
    runpy.run_path({house!r} + "/" + sys.argv[0], run_name="__main__")
except SystemExit as end:
    sys.stderr.write(" ".join(["status", str(end.code), *(one for one in {heavy!r} if one in sys.modules)]))
"""
"""A command as a user starts it, and then its status and the heavy modules that it has imported."""


def started(*argv: str) -> tuple[str, str]:
    """What a command printed, and a line of its status and the heavy modules that it has imported."""
    program = PROGRAM.format(house=str(HOUSE), argv=list(argv), heavy=HEAVY)
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, ended.stderr.splitlines()[-1]


def test_a_status_imports_nothing_that_takes_seconds(tmp_path: Path) -> None:
    """Whoever asks how a session stands waits for its journal, not for libraries that train models."""
    keep_session(tmp_path / "j.sqlite", symbols=3)

    shown, last = started("live_trade.py", "--status", "--json", "--journal", str(tmp_path / "j.sqlite"))

    assert last == "status 0"
    delivered = json.loads(shown)["delivered"]
    assert [one["trades"] for one in delivered] == [DAYS] * 3
    assert None not in {one["win_rate_ci95"] and one["win_rate_ci95"][0] for one in delivered}


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        ("live_trade.py --status --journal none.sqlite", 1),
        ("live_trade.py --help", 0),
        ("live_trade.py --print-config", 0),
        ("live_trade.py --status --once", 2),
        ("train_live_lightgbm.py --help", 0),
        ("train_live_lightgbm.py --print-config", 0),
        ("train_live_lightgbm.py --days many", 2),
        ("train_live_lightgbm.py --list --models-dir none", 1),
    ],
)
def test_what_needs_no_model_is_answered_without_the_libraries_of_models(argv: str, status: int) -> None:
    """Help and a refused argument are waited for by somebody; a script asks ``--list`` again and again."""
    assert started(*argv.split())[1] == f"status {status}"
