"""What a command prints reaches its reader unchanged, and a reader that is gone ends no run."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import config
from desk.errors import OutputLost
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
    with console.progress((), total=1) as bar:
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
