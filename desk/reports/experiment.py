"""An experiment with a price, for a terminal of 80 columns: what it cost, and how real fills compare.

The ``experiment`` of a snapshot's document comes in (``desk.trade.snapshot.snapshot_json``); lines and a
table go to the console.
"""

from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from desk.outcomes import Json
from desk.reports.console import Console


def print_experiment(one: Json, console: Console) -> None:
    """Show an experiment."""
    console.print(experiment_line(one))
    if one["ended"] is not None:
        console.print(f"Experiment {one['number']} is over since {_time(one['ended'])} UTC: {one['why']}.")
    if one["fills"]:
        console.table(_fills(one["fills"]))


def experiment_line(one: Json) -> str:
    """What an experiment has cost so far."""
    trades = f"{one['trades']:,} trade{'s' * (one['trades'] != 1)} closed, {one['open']} open"
    result = f"{float(one['result']):+,.2f} USDT net of fees and funding ({float(one['funding']):+,.2f} paid)"
    lost = "" if one["lost"] is None else f"; {float(one['lost']):,.2f} lost with what is open"
    return (
        f"Experiment {one['number']} since {_time(one['began'])} UTC, price "
        f"{float(one['amount']):,.10g} USDT: {trades}, {result}{lost}."
    )


def _fills(rows: list[Any]) -> Table:
    """Fills against the evaluation's prices."""
    table = Table(
        title="Real fills against the evaluation's prices (above 0: worse)",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("fill, compared")
    for name in ("trades", "mean bp", "95 %", "charged"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in rows:
        between = one["ci95"]
        table.add_row(
            one["name"],
            f"{one['trades']:,}",
            f"{one['mean_bps']:+.1f}",
            "too few days" if between is None else f"{between[0]:+.1f}, {between[1]:+.1f}",
            "-" if one["charged_bps"] is None else f"{one['charged_bps']:+.1f}",
        )
    return table


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%m-%d %H:%M}"
