"""What a command prints reaches its reader unchanged, and a reader that is gone ends no run."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rich.console
from rich.progress import Progress, ProgressColumn

import config
from desk.errors import OutputLost
from desk.reports.bars import fetch_columns, symbol_columns
from desk.reports.console import Console

HOUSE = Path(config.__file__).parent
NAMES = ["\u9f99\u867eUSDT", "\u54c8\u57faUSDT"]
"""Symbols that the exchange lists, and that no western code page has."""


def printed(program: str, **environ: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", f"from desk.reports.console import Console\n{program}"],
        cwd=HOUSE,
        env={**os.environ, **environ},
        capture_output=True,
        check=True,
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "cp932"])
def test_a_document_keeps_its_names_whatever_the_encoding(encoding: str) -> None:
    """A redirected stream on Windows is not UTF-8; "??USDT" twice is no summary."""
    program = f"Console(quiet=True, as_json=True).finish('', '', {{'symbols': {NAMES!a}}})"

    ended = printed(program, PYTHONIOENCODING=encoding)

    assert json.loads(ended.stdout.decode(encoding))["symbols"] == NAMES


def test_lines_keep_two_names_apart_that_the_encoding_lacks() -> None:
    program = f"[Console(quiet=False, as_json=False).print(name) for name in {NAMES!a}]"

    first, second = printed(program, PYTHONIOENCODING="cp1252").stdout.split()

    assert first != second
    assert first.endswith(b"USDT")


class Gone(io.StringIO):
    """A stream whose reader went away, or whose disk is full."""

    def write(self, _: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_lines_without_a_reader_are_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """``| head`` must not end a training of hours, and never a session that trades."""
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Gone())
    console = Console(quiet=False, as_json=False)

    console.print("one")
    console.error("two")
    console.table("three")
    with console.progress((), total=1, name="", unit="") as bar:
        bar.show(1)


def test_a_document_that_nobody_takes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script must not take status 0 for a summary that it never got."""
    monkeypatch.setattr(sys, "stdout", Gone())

    with pytest.raises(OutputLost, match="takes no document any more"):
        Console(quiet=True, as_json=True).document({})


@pytest.mark.parametrize(("program", "status"), [("print('x' * 9)", 0), ("document({})", 1)])
def test_a_pipe_that_is_closed_leaves_no_complaint_of_python(program: str, status: int) -> None:
    """At its end Python flushes once more, and would add an error of its own and status 120."""
    reader, writer = os.pipe()
    os.close(reader)
    text = (
        "import sys; from desk.errors import OutputLost; from desk.reports.console import Console\n"
        f"try: [Console(quiet=False, as_json='document' in {program!r}).{program} for _ in range(3)]\n"
        "except OutputLost: sys.exit(1)"
    )

    with os.fdopen(writer, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-c", text], cwd=HOUSE, stdout=pipe, stderr=subprocess.PIPE, check=False
        )

    assert (ended.returncode, ended.stderr) == (status, b"")


# Progress -----------------------------------------------------------------------------------------


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that consoles see."""
    now = [0.0]
    monkeypatch.setattr("desk.reports.console.monotonic", lambda: now[0])
    return now


def test_without_a_terminal_progress_is_a_line_at_intervals(
    seconds: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Minutes of silence look like a program that hangs, and a line per page fills a log."""
    with Console(quiet=False, as_json=False).progress((), total=1, name="Candles", unit="requests") as bar:
        for done in range(2_001):
            seconds[0] = done / 10
            bar.show(min(500, done), 20_000, note="3 of 300 symbols")

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 200 // 30
    assert lines[0] == "Candles: 300 of 20,000 requests (2%) · 3 of 300 symbols"
    assert lines[-1].startswith("Candles: 500 of 20,000 ")


def test_much_progress_is_said_sooner_and_no_line_twice_in_ten_seconds(
    seconds: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of five symbols each is a fifth; of a replay that takes seconds nobody wants twenty lines."""
    with Console(quiet=False, as_json=False).progress((), total=5, name="Training", unit="symbols") as bar:
        for done, at in ((1, 9.0), (2, 12.0), (3, 13.0), (3, 23.0), (4, 24.0)):
            seconds[0] = at
            bar.show(done)

    assert capsys.readouterr().out.splitlines() == [
        "Training: 2 of 5 symbols (40%)",
        "Training: 3 of 5 symbols (60%)",
    ]


def test_a_quiet_run_says_nothing_of_its_progress(
    seconds: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Console(quiet=True, as_json=False).progress((), total=5, name="Training", unit="symbols") as bar:
        seconds[0] = 99.0
        bar.show(4)

    assert capsys.readouterr() == ("", "")


def test_a_terminal_that_moves_no_cursor_gets_lines_in_place_of_the_bar(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TERM=dumb: an editor's shell, a log viewer."""
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    with Console(quiet=False, as_json=False).progress((), total=5, name="Training", unit="symbols") as bar:
        seconds[0] = 99.0
        bar.show(4)

    assert screen.getvalue() == "Training: 4 of 5 symbols (80%)\n"


class Screen(io.StringIO):
    """A terminal, for whoever asks."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [fetch_columns(), symbol_columns("explore")])
def test_a_bar_of_80_columns_keeps_count_and_time_left(columns: tuple[ProgressColumn, ...]) -> None:
    """They are what somebody looks for; what does not fit is cut off behind them."""
    file = Screen()
    console = rich.console.Console(file=file, width=80, force_terminal=True, no_color=True)
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        note = "about 51 min left · 3 of 300 symbols · 123,456 candles · 17.9 of 18 requests/s · BTCUSDT"
        progress.add_task("", total=70_000, completed=12_900, note=note)

    shown = file.getvalue()
    assert "12900/70000" in shown
    assert "about 51 min left" in shown
    assert "…" in shown
