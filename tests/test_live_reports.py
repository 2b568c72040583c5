"""Tables, bars and log lines of live trading, as a person reads them."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import rich.console
from rich.table import Table

from desk.reports import live, terminal

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = [
    (
        name,
        "2026-01-01 00:05",
        "326 days",
        "0.00001234",
        "0.515",
        "0.520 / never",
        "short",
        "enter short",
        "no edge after costs",
    )
    for name in ("1000000BABYDOGEUSDT", "1000000BABYDOGEUSDC", "BTCUSDT")
]
SCORES = [
    (
        name,
        "12,345",
        "51.8% [40, 60]",
        "55.0%",
        "-12.3 [-120.1, +20.2]",
        "+10.0",
        "61.2% [51, 70]",
        "as expected",
    )
    for name in ("1000PEPEUSDT", "1000PEPEUSDC")
]
YOUNG = (
    "1000000MOGUSDT*",
    "12,345",
    "51.8% [too few days]",
    "55.0%",
    "-12.3 [too few days]",
    "+10.0",
    "61.2% [too few days]",
    "as expected",
)


def printed(table: Table, width: int) -> str:
    """A table as a terminal of ``width`` columns shows it."""
    console = rich.console.Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_decision_is_never_cut_where_it_matters(width: int) -> None:
    """Two symbols must not become one, nor a decision half of one."""
    told = printed(live.decision_table(DECISIONS, width=width, title="Decisions"), width)

    for symbol, _, age, _, probability, thresholds, _, action, _ in DECISIONS:
        assert re.search(rf"{symbol} .*{age} .*{probability} +{thresholds} .*{action}", told)
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_score_says_of_whom_it_is_and_what_was_expected(width: int) -> None:
    """Each expectation stands under its own name."""
    told = printed(live.score_table(SCORES, width=width), width)

    assert "1000PEPEUSDT" in told
    assert "1000PEPEUSDC" in told
    assert "…" not in told
    assert len(re.findall(r"\bexpected\b", told.split("─")[0])) == 2
    for word in ("to win", "net bp", "[-120.1,+20.2]", "as expected"):
        assert word in told
    assert max(map(len, told.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_few_days_and_coarse_prices_are_said_in_whole_words(width: int) -> None:
    """On every terminal: an interval that cannot be had, and win rates that count bounce."""
    shown = printed(live.score_table([*SCORES, YOUNG], width=width), width)

    if width >= terminal.ROOMY:
        assert shown.count("[too few days]") == 3
    else:
        assert shown.count("[too few ") == shown.count(" days] ") == 2
    assert "1000000MOGUSDT*" in shown
    assert "* tick or spread above 5 bp: its win rate counts bounce" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    assert "*" not in printed(live.score_table(SCORES, width=width), width)


def test_net_is_told_as_precisely_as_it_is_known() -> None:
    """Whole basis points of a sum, a tenth of one trade's, and no minus nought."""
    lines = [("all", 100, -1234.5678), ("rounded", 0, -0.2), ("made", 100, -1234.7678)]

    told = printed(live.difference_table(lines), 100)

    assert re.search(r"all +100 +-1,235 +-12\.3", told)
    assert re.search(r"rounded +\+0 +\+0 +–", told)


LOGGING = """
import logging
from desk.logs import start_logging
start_logging(logging.INFO)
log = logging.getLogger("desk.trade")
told = {"levelno": logging.INFO, "levelname": "INFO", "name": "desk.trade", "created": 0.0}
log.handle(logging.makeLogRecord({**told, "msg": "session: started in mode paper"}))
"""


def test_log_lines_are_utc() -> None:
    """Candles, journal and log tell one time."""
    environ = {**os.environ, "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", LOGGING], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )

    assert done.stderr == "1970-01-01T00:00:00Z INFO desk.trade: session: started in mode paper\n"
