"""What the commands about models show on a terminal: one row per model.

Rows of ``models.json`` come in; a rich table goes out.  Pure.
"""

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.markup import escape
from rich.table import Table

from desk.outcomes import Json
from desk.reports.terminal import percent


def models_table(rows: Sequence[Json], *, now: datetime) -> Table:
    """One row per model, narrow enough for a terminal of 80 columns; what it earned live where it traded.

    Parameters
    ----------
    rows : sequence of dict
        Of ``models.json``.
    now : datetime
        From which ages count.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for name in ("symbol", "state", "age", "kept"):
        table.add_column(name, justify="left" if name in {"symbol", "state"} else "right", no_wrap=True)
    for name in ("won, labelled", "net bp", "live"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(escape(cell) for cell in _cells(row, now)))
    return table


def _cells(row: Json, now: datetime) -> tuple[str, ...]:
    figures, live = row["figures"] or {}, row["live"]
    state = "TRADABLE" if row["state"] == "published" and figures.get("tradable") else row["state"]
    made = row["judged_at"] or row["created_at"]
    return (
        row["symbol"],
        state if row["problem"] is None else "unreadable",
        "–" if made is None else f"{(now - datetime.fromisoformat(made)).days} d",
        str(row["versions"]),
        "–" if figures.get("accuracy") is None else percent(figures["accuracy"]),
        "–" if figures.get("net_bps") is None else f"{figures['net_bps']:+.1f}",
        "–" if live is None else f"{live['net_bps']:+.1f} × {live['trades']}",
    )


def models_words(document: Json, shown: int) -> str:
    """What stands below the table: how many there are of each kind."""
    counts = document["counts"]
    parts = [f"{counts['published']} published, {counts['tradable']} of them tradable"]
    parts += [f"{counts[state]} {state}" for state in ("retired", "candidate") if counts[state]]
    parts += [f"{counts['retrain']} to train again", f"{counts['drop']} not worth their training"]
    return f"{shown} of {len(document['models'])} models shown: {', '.join(parts)}."


def reasons_lines(rows: Sequence[Json], key: str) -> list[str]:
    """A line per model with its reason: ``retrain`` or ``drop``."""
    return [f"{row['symbol']}: {row[key]}" for row in rows]
