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


class ProgressBar:
    """One live line; without a terminal it is silent, or ``tenth`` says every tenth."""

    def __init__(self, progress: Progress, task: TaskID, tenth: Callable[[int], None] | None = None) -> None:
        self._progress = progress
        self._task = task
        self._tenth = tenth
        self._told = 0

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
        if self._tenth is not None and (now := int(self._progress.tasks[0].percentage) // 10) > self._told:
            self._told = now
            self._tenth(now * 10)


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
        self, columns: tuple[ProgressColumn, ...], *, total: float, note: str = "", plain: str = ""
    ) -> Iterator[ProgressBar]:
        """A live line while the block runs; without a terminal ``plain`` and a number at every tenth.

        Parameters
        ----------
        columns : tuple of ProgressColumn
        total : float
            Units of work.
        note : str
            Text beside the bar at first.
        plain : str
            Name of the work on the lines that stand in for the bar; without it there are none.
        """

        def tenth(percent: int) -> None:
            self.print(f"{plain}: {percent} %")

        shown = self._console.is_terminal and not self._quiet
        progress = Progress(*columns, console=self._console, disable=not shown, transient=True)
        with progress:
            self._live = shown
            try:
                yield ProgressBar(
                    progress,
                    progress.add_task("", total=total, note=note),
                    tenth if plain and not shown else None,
                )
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
