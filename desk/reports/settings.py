"""The settings in force, as ``--print-config`` shows them.

Rows come in, lines or a document go out through the console.
"""

from collections.abc import Sequence

from desk.reports.console import Console


def print_settings(rows: Sequence[tuple[str, str, str]], files: str, console: Console) -> None:
    """One line for each setting: its name, its value, and where that is from.

    Parameters
    ----------
    rows : sequence of (str, str, str)
        Name, value as Python writes it, source.
    files : str
        The files that were read.
    console : Console
        Where a document is asked for, it gets one instead of the lines.
    """
    if console.as_json:
        console.document({name: {"value": value, "source": source} for name, value, source in rows})
        return
    console.print(f"# {files}")
    shown = [(f"{name} = {value}", source) for name, value, source in rows]
    width = min(60, max(len(text) for text, _ in shown))
    for text, source in shown:
        console.print(f"{text:<{width}}  # {source}")
