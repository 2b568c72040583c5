"""Tables that are whole at any width: columns leave in a stated order, and no cell is cut.

Cells as text come in; a rich table goes out.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from desk.safe_text import safe_lines

EDGES = 2
"""Columns of a terminal that the sides of a table take."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a table shows, and what it can do without."""

    names: tuple[str, ...]
    """All columns, from left to right."""
    left: frozenset[str]
    """Those of words; the others are figures."""
    leaving: tuple[str, ...]
    """Those that a narrow terminal has no room for, the first to leave first."""


def whole_table(
    layout: Layout, rows: Sequence[Sequence[str]], *, width: int, title: str, caption: str | None = None
) -> Table:
    """A table in which nothing is cut, unless even what may not leave is too wide.

    Parameters
    ----------
    layout : Layout
    rows : sequence of sequence of str
        Cells, one for each of ``layout.names``.
    width : int
        Columns of the terminal.
    title, caption : str
        Above and below the table.
    """
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0)
    shown = fitting(layout, rows, width=width)
    for name in shown:
        table.add_column(name, justify="left" if name in layout.left else "right", no_wrap=True)
    for row in rows:
        cells = dict(zip(layout.names, row, strict=True))
        table.add_row(*(plain_cell(cells[name]) for name in shown))
    return table


def plain_cell(text: str) -> Text:
    """A cell whose brackets are no markup, wherever it is shown."""
    return Text(safe_lines(text))


def fitting(layout: Layout, rows: Sequence[Sequence[str]], *, width: int) -> tuple[str, ...]:
    """The columns for which a terminal of ``width`` columns has room, after as many left as must.

    Parameters
    ----------
    layout : Layout
    rows : sequence of sequence of str
    width : int
    """
    wide = {
        name: max(map(cell_len, (name, *(row[place] for row in rows))))
        for place, name in enumerate(layout.names)
    }
    for gone in range(len(layout.leaving) + 1):
        kept = tuple(name for name in layout.names if name not in layout.leaving[:gone])
        if sum(wide[name] + 1 for name in kept) - 1 + EDGES <= width:
            return kept
    return tuple(name for name in layout.names if name not in layout.leaving)
