"""What a terminal without colours shows is all that one with colours shows."""

import io
import re
import sys
from pathlib import Path

import pytest
import rich.console

from desk.reports.console import Console
from desk.session_status import show_status
from desk.trade.journal import Journal
from tests.test_narrow_terminal import TABLES, WIDTH
from tests.test_status_command import Noon, fill

STYLE = re.compile(r"\x1b\[([0-9;]*)m")
COLOURS = {*range(30, 50), *range(90, 108)}
"""Parameters of the control sequence that choose a colour of letters or ground."""


class Screen(io.StringIO):
    """A terminal, for whoever asks."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def colours_of(text: str) -> set[int]:
    """The parameters in ``text`` that choose a colour."""
    return COLOURS & {int(one) for found in STYLE.findall(text) for one in found.split(";") if one}


@pytest.mark.parametrize("name", TABLES)
def test_nothing_in_a_table_is_said_by_its_colour(name: str) -> None:
    """One reader in twelve does not see it, a log has none, and NO_COLOR asks for none."""
    file = io.StringIO()
    coloured = rich.console.Console(width=WIDTH, file=file, force_terminal=True, color_system="truecolor")

    coloured.print(TABLES[name])

    assert colours_of(file.getvalue()) == set()
    assert STYLE.search(file.getvalue()), "the terminal was taken for one that has no styles"


def test_a_colour_is_seen() -> None:
    """Else the test above proves nothing."""
    file = io.StringIO()
    coloured = rich.console.Console(width=WIDTH, file=file, force_terminal=True, color_system="truecolor")

    coloured.print("[red]down[/]")

    assert colours_of(file.getvalue()) == {31}


def shown(journal: Path, monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    """A status as a terminal shows it, without styles."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": str(WIDTH), **environ}.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    assert show_status(journal, Noon(), Console(quiet=False, as_json=False))
    text = screen.getvalue()
    assert colours_of(text) == set()
    return STYLE.sub("", text)


def test_a_status_loses_nothing_without_colours_or_on_a_dumb_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks through a serial line or an editor's shell reads the same figures and warnings."""
    with Journal(tmp_path / "j.sqlite") as journal:
        fill(journal)
    path = tmp_path / "j.sqlite"

    usual = shown(path, monkeypatch)

    assert "did not end in order" in usual
    assert "COIN00000000029USDT" in usual
    assert shown(path, monkeypatch, NO_COLOR="1") == usual
    assert shown(path, monkeypatch, TERM="dumb") == usual
