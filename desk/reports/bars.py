"""Bars that show how far some work is: their columns, and what their notes say.  Pure.

Not here: where a bar stands, and the lines in its place without a terminal (``desk.reports.console``).
"""

from collections.abc import Sequence

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from desk.reports.terminal import NAMED, age

STAGES = {"train": "Training", "explore": "Exploring"}
"""What is done with symbols, for people."""


class NoteColumn(ProgressColumn):
    """The field ``note`` of the task, as far as the terminal is wide; the columns beside it stay whole."""

    def render(self, task: Task) -> Text:
        """The note."""
        return Text(f"· {task.fields['note']}", no_wrap=True, overflow="ellipsis")


def bar_columns(name: str, unit: str) -> tuple[ProgressColumn, ...]:
    """Columns of a bar: the name of the work, how many of its units are done, and the note of the task."""
    whole = Column(no_wrap=True)
    return (
        TextColumn(name),
        BarColumn(bar_width=20, table_column=whole.copy()),
        MofNCompleteColumn(table_column=whole.copy()),
        TextColumn(unit),
        NoteColumn(),
    )


def fetch_columns() -> tuple[ProgressColumn, ...]:
    """Columns of the bar of phase 1."""
    return bar_columns("Candles", "requests")


def symbol_columns(stage: str) -> tuple[ProgressColumn, ...]:
    """Columns of the bar of both phases, ``train`` or ``explore``."""
    return bar_columns(STAGES[stage], "symbols")


def named(symbols: Sequence[str]) -> str:
    """The first symbols, and how many more there are: ``BTCUSDT, ETHUSDT, XRPUSDT +5``."""
    more = len(symbols) - NAMED
    return ", ".join(symbols[:NAMED]) + (f" +{more}" if more > 0 else "")


def time_left(seconds: float) -> str:
    """How long some work still takes, by the rate so far."""
    return "less than a minute left" if seconds < 60 else f"about {age(seconds / 60)} left"
