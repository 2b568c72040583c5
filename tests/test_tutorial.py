"""What the tutorial shows is what today's code prints of the demo's run, and its commands are ours."""

import io
import json
import re
import shlex
import textwrap

import pytest
import rich.console

import config
from desk.learn.summary import targets_met
from desk.live_arguments import live_parser
from desk.reports import terminal
from desk.training_arguments import training_parser
from tests.house import HOUSE

PAGE = (HOUSE / "docs" / "tutorial.md").read_text(encoding="utf-8")
SUMMARY = json.loads((HOUSE / "tests" / "golden" / "demo_summary.json").read_text(encoding="utf-8"))
"""Of a real ``make demo``."""
SETTINGS = config.default_settings({})


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_tutorial_shows_what_the_demo_prints_on_80_columns() -> None:
    """A reader compares it with the screen, line by line."""
    console = rich.console.Console(width=80, record=True, file=io.StringIO(), no_color=True)
    console.print(terminal.closing_tables(SUMMARY, width=80))
    target = SETTINGS.learn.thresholds.target_win_rate
    words = terminal.closing_words(SUMMARY, target=target, met=targets_met(SUMMARY["averages"], target))
    wrapped = (textwrap.fill(line, 80, break_on_hyphens=False) for line in words.splitlines())
    (shown,) = blocks("text")

    printed = [
        *(line.rstrip() for line in console.export_text().splitlines()),
        *"\n".join(wrapped).splitlines(),
    ]
    assert shown.splitlines() == printed


def test_the_run_of_the_tutorial_was_made_with_the_settings_in_force() -> None:
    """Whoever changes a default that the figures depend on makes the run again."""
    now = json.loads(json.dumps(SETTINGS.model.as_json()))
    symbols = {one.partition("=")[0] for one in config.DEMO_SERIES.split(",")}

    assert SUMMARY["settings"] == now
    assert {row["symbol"] for row in SUMMARY["symbols"]} == symbols
    assert [row["symbol"] for row in SUMMARY["symbols"] if row["tradable"]] == ["DRIFTUSDT"]


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_a_command_of_the_tutorial_is_one_that_we_have(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (HOUSE / "Makefile").read_text(), re.MULTILINE)
        return
    file, *arguments = words
    assert file in {"live_trade.py", "train_live_lightgbm.py"}
    parser = live_parser(config.BITGET_WS) if file == "live_trade.py" else training_parser()
    parser.parse_args(arguments)
