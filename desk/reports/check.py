"""What ``--check`` found, for a terminal.

Names and texts come in; a table and lines go to the console.
"""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from desk.reports.console import Console


def print_check(
    findings: Sequence[tuple[str, str]], remarks: Sequence[str], obstacles: Sequence[str], console: Console
) -> None:
    """A row per finding, a line per remark and per obstacle, and at the end what they come to.

    Parameters
    ----------
    findings : sequence of (str, str)
        Name and text.
    remarks, obstacles : sequence of str
        Sentences.
    console : Console
    """
    table = Table(title="What was found, by reading alone", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column("", no_wrap=False)
    table.add_column("", overflow="fold")
    for name, text in findings:
        table.add_row(name, text)
    console.table(table)
    for sentence in remarks:
        console.print(f"⚠️ {sentence}")
    for sentence in obstacles:
        console.error(f"❌ {sentence}")
    if obstacles:
        things = "One thing would" if len(obstacles) == 1 else f"{len(obstacles)} things would"
        console.error(f"{things} keep it from trading.")
    else:
        console.print("✅ Nothing was found that would keep it from trading.")


def print_differences(differences: Sequence[str], file: str, console: Console) -> None:
    """A line per difference between the exchange and what the suite believes of it, and where the record is.

    Parameters
    ----------
    differences : sequence of str
        Sentences.
    file : str
    console : Console
    """
    if differences:
        console.print(f"What differs from what the suite believes of the exchange: {len(differences)}")
    for sentence in differences:
        console.print(f"  {sentence}")
    if not differences:
        console.print("The exchange answers as the suite believes that it does.")
    console.print(f"The answers are in {file}, without keys, ids and amounts. Read it before you send it on.")
