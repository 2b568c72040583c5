"""What live trading shows on a terminal.

Cells and figures come in; rich tables go out; the door prints them.  Pure.
"""

from collections.abc import Sequence

from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from desk.reports.columns import plain_cell
from desk.reports.terminal import COARSE_CAPTION, ROOMY

THRESHOLDS = "fires at\nshort / long"
"""At or below the former and at or above the latter."""
LABELLED = "right side,\nif labelled"
"""Share of the trades on labelled candles that took the side that came."""


def score_table(rows: Sequence[Sequence[str]], *, width: int) -> Table:
    """Expected against delivered, one row per model that has traded; on a narrow terminal without labels."""
    table = Table(
        title="Expected and delivered, with [95 % intervals]",
        caption=COARSE_CAPTION if any(row[0].endswith("*") for row in rows) else None,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1 if width >= ROOMY else 0),
    )
    names = [
        "symbol",
        "trades",
        "won\nafter costs",
        "expected\nto win",
        "net bp\na trade",
        "expected\nnet bp",
        LABELLED,
        "state",
    ]
    left = {"symbol", "state"}
    for name in (chosen := _chosen(names, leaving={LABELLED}, width=width)):
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        table.add_row(*(plain_cell(_broken(cells[name], narrow=width < ROOMY)) for name in chosen))
    return table


def _broken(cell: str, *, narrow: bool) -> str:
    """A cell with its interval below its figure; words in place of an interval take two lines if need be."""
    cell = cell.replace(", ", ",").replace(" [", "\n[")
    return cell.replace("few days", "few\ndays") if narrow else cell


def decision_table(rows: Sequence[Sequence[str]], *, width: int, title: str) -> Table:
    """One row per model that was asked, each probability beside the thresholds at which a side fires.

    A narrow terminal shows the candle's age alone, and neither price nor side: thresholds tell it.

    Parameters
    ----------
    rows : sequence of sequence of str
        Cells, one row per model.
    width : int
        Columns of the terminal.
    title : str
    """
    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    names = ["symbol", "closed (UTC)", "age", "close", "P(up)", THRESHOLDS, "signal", "action", "because"]
    right = {"age", "close", "P(up)"}
    for name in (chosen := _chosen(names, leaving={"closed (UTC)", "close", "signal"}, width=width)):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "because")
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        table.add_row(*(cells[name] for name in chosen))
    return table


def _chosen(names: Sequence[str], *, leaving: set[str], width: int) -> list[str]:
    """All columns, or those that a narrow terminal has room for."""
    return [name for name in names if width >= ROOMY or name not in leaving]


def difference_table(lines: Sequence[tuple[str, int, float]]) -> Table:
    """From what the evaluation says to what the session earned; the last line is the sum of the others."""
    table = Table(title="From the evaluation to the session", box=box.SIMPLE_HEAD)
    table.add_column("")
    for name in ("trades", "net bp, summed", "net bp a trade"):
        table.add_column(name, justify="right")
    for number, (what, trades, net_bps) in enumerate(lines, start=1):
        if number == len(lines):
            table.add_section()
        count = f"{trades:+,}" if 1 < number < len(lines) else f"{trades:,}"
        table.add_row(what, count, f"{round(net_bps):+,}", f"{net_bps / trades:+,.1f}" if trades else "–")
    return table


def replay_columns() -> tuple[ProgressColumn, ...]:
    """Columns of the bar of a replay."""
    return (
        TextColumn("Replaying"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("candles ·"),
        TimeRemainingColumn(),
    )


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
