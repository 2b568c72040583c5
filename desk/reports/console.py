"""What a command prints: lines, tables and progress bars, or nothing but problems.

Text and rich renderables come in.  The rich console behind them stays inside this module.
With ``as_json`` all of it goes to standard error, so that standard output holds the document alone.

Text may quote what an exchange or a file says: whatever is shown passes ``desk.safe_text`` on its way into
the terminal, cells and titles of tables included, and nothing in it is read as markup.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, TextIO, cast

import rich.console
from rich.console import RenderableType
from rich.progress import Progress, ProgressColumn, TaskID
from rich.text import Text

from desk.errors import OutputLost
from desk.outcomes import Json
from desk.safe_text import safe_lines, safe_text

PLAIN_WIDTH = 120
"""Columns of a table where there is no terminal."""
LINE_S, LINE_SHARE, SOON_S = 30.0, 0.05, 10.0
"""Where no bar can move, progress is said after so many seconds, or where this share is done, after fewer."""


class ProgressBar:
    """One live line; without a terminal, lines of text at intervals, or nothing."""

    def __init__(self, progress: Progress, task: TaskID, lines: "_PlainLines | None" = None) -> None:
        self._progress = progress
        self._task = task
        self._lines = lines

    def show(self, done: float, total: float | None = None, note: str = "") -> None:
        """Set how much is done, of how much, and the ``note`` that a column may name.

        Parameters
        ----------
        done, total : float
            In units of the bar; without ``total`` the former one stays.
        note : str
            Text beside the bar.
        """
        self._progress.update(self._task, completed=done, total=total, note=safe_text(note))
        if self._lines is not None:
            self._lines.show(done, self._progress.tasks[0].total or 0.0, note)


class _PlainLines:
    """Says how far some work is where no bar can move: in a pipe, a file, the log of a service.

    Parameters
    ----------
    name, unit : str
        Of the work: ``Training``, ``symbols``.
    say : callable
        Prints a line.
    """

    def __init__(self, name: str, unit: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._unit = unit
        self._say = say
        self._at = monotonic()
        self._share = 0.0

    def show(self, done: float, total: float, note: str) -> None:
        """Say it if a while has passed since the last line; sooner if much was done since."""
        share, now = done / total if total > 0 else 0.0, monotonic()
        much = abs(share - self._share) >= LINE_SHARE
        if now - self._at < (SOON_S if much else LINE_S):
            return
        self._at, self._share = now, share
        more = f" · {note}" if note else ""
        self._say(f"{self._name}: {done:,.0f} of {total:,.0f} {self._unit} ({share:.0%}){more}")


class _SafeConsole(rich.console.Console):
    """A console of which every text, wherever in a table it stands, is escaped before it is laid out."""

    def render_str(self, text: str, **more: Any) -> Text:  # noqa: ANN401 - as rich has them
        """As rich does, without markup and emoji codes."""
        return super().render_str(safe_lines(text), **{**more, "markup": False, "emoji": False})


class Console:
    """What a command says.

    Parameters
    ----------
    quiet : bool
        Say nothing but problems.
    as_json : bool
        Keep standard output for a document.
    """

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):  # a stream that was replaced
                # Two symbols that a code page lacks must not both become "??USDT".
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self._console = _console(to_stderr=as_json or quiet)
        self._problems = _console(to_stderr=True)
        self._quiet = quiet
        self.as_json = as_json
        self._live = False

    @property
    def width(self) -> int:
        """Columns that a table may take."""
        return self._console.width

    def print(self, text: str) -> None:
        """Say a line, unless quiet."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, table: RenderableType) -> None:
        """Show a table, unless quiet."""
        if not self._quiet:
            self._console.print(table)

    def finish(self, table: RenderableType, words: str, document: Json) -> None:
        """Show a table, say the words, and write the document if standard output is kept for one.

        Parameters
        ----------
        table : RenderableType
        words : str
            Printed below the table.
        document : dict
            Written as one line of JSON.

        Raises
        ------
        OutputLost
            If standard output takes it no more.
        """
        self.table(table)
        self.print(words)
        if self.as_json:
            self.document(document)

    def document(self, document: Json) -> None:
        """Write the document that standard output is kept for, as one line of JSON in plain ASCII.

        Raises
        ------
        OutputLost
            If standard output takes it no more.
        """
        try:
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        except OSError as exc:
            _let_go(sys.stdout)
            raise OutputLost(f"standard output takes no document any more ({exc.strerror})") from exc

    def error(self, text: str) -> None:
        """Say what went wrong, even when quiet; on standard error where no bar is in the way."""
        console = self._console if self._live else self._problems
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def progress(
        self, columns: tuple[ProgressColumn, ...], *, total: float, name: str, unit: str, note: str = ""
    ) -> Iterator[ProgressBar]:
        """A live line while the block runs; without a terminal, a line of text at intervals.

        Parameters
        ----------
        columns : tuple of ProgressColumn
        total : float
            Units of work.
        name, unit : str
            Of the work, for the lines that stand in for the bar: ``Training``, ``symbols``.
        note : str
            Text beside the bar at first.
        """
        shown = self._console.is_terminal and not self._console.is_dumb_terminal and not self._quiet
        progress = Progress(*columns, console=self._console, disable=not shown, transient=True)
        lines = None if shown or self._quiet else _PlainLines(name, unit, self.print)
        with progress:
            self._live = shown
            try:
                yield ProgressBar(progress, progress.add_task("", total=total, note=note), lines)
            finally:
                self._live = False


class _Tolerant(io.TextIOBase):
    """A stream that takes every line, and loses those that its own stream takes no more.

    A reader that went away (``| head``), a terminal that was closed or a full disk must not keep a run from
    what it does: training publishes, a session trades.  What was lost is not known to whoever wrote it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = False

    def write(self, text: str) -> int:
        """Write ``text``, or lose it."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        self._attempt(self._stream.flush)

    def isatty(self) -> bool:
        """Whether somebody sees it at once."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Number of the stream itself, whose terminal has a width."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream itself, by which rich chooses its lines."""
        return self._stream.encoding

    def _attempt(self, work: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            work()
        except OSError:
            self._lost = True
            _let_go(self._stream)


def _let_go(stream: TextIO) -> None:
    """Lead ``stream`` nowhere from now on; Python would complain of it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _console(*, to_stderr: bool) -> rich.console.Console:
    stream = cast(TextIO, _Tolerant(sys.stderr if to_stderr else sys.stdout))
    console = _SafeConsole(file=stream, stderr=to_stderr, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console
