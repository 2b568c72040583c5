"""What live trading shows on a terminal.

Cells and figures come in; rich tables go out; the door prints them.  Pure.
"""

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table


def score_table(rows: Iterable[Sequence[str]]) -> Table:
    """Promised against delivered, one row per model that has traded."""
    table = Table(title="Promised and delivered", box=box.SIMPLE_HEAD)
    names = ("symbol", "trades", "won [95 %]", "promised", "net bp [95 %]", "promised", "labelled", "state")
    for name in names:
        table.add_column(name, justify="left" if name in {"symbol", "state"} else "right")
    for row in rows:
        table.add_row(*row)
    return table


def difference_table(lines: Sequence[tuple[str, int, float]]) -> Table:
    """From what the evaluation says to what the session earned; the last line is the sum of the others."""
    table = Table(title="From the evaluation to the session", box=box.SIMPLE_HEAD)
    table.add_column("")
    for name in ("trades", "net bp, summed"):
        table.add_column(name, justify="right")
    for number, (what, trades, net_bps) in enumerate(lines, start=1):
        if number == len(lines):
            table.add_section()
        table.add_row(what, f"{trades:+,}" if 1 < number < len(lines) else f"{trades:,}", f"{net_bps:+,.4f}")
    return table


def bill_table(rows: Sequence[tuple[str, str]]) -> Table:
    """From the deposit to the equity, in USDT."""
    table = Table(title="The account in USDT", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, amount in rows[:-1]:
        table.add_row(name, amount)
    table.add_section()
    table.add_row(*rows[-1])
    return table
