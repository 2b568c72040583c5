"""What a session does and holds, for a terminal of 80 columns.

A snapshot comes in as the document that ``desk.trade.snapshot.snapshot_json`` makes of it; lines and tables
go to the console.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from desk.outcomes import Json
from desk.reports.console import Console
from desk.reports.experiment import print_experiment
from desk.reports.terminal import age

NEAREST, NEWEST_NOTES, MOST_MODELS = 10, 6, 10
"""Rows that are shown; a session of hundreds of symbols has one line on the others."""


def print_status(document: Json, journal: str, console: Console) -> None:
    """Show a session: state, money, positions, decisions, models, health and the newest sentences.

    Parameters
    ----------
    document : dict
        A snapshot.
    journal : str
        Where it was read.
    console : Console
        Where a document is asked for, it gets that instead.
    """
    if console.as_json:
        console.document(document)
        return
    now = document["at"]
    console.print(f"{_state(document)} Journal {journal}.")
    for line in _money(document):
        console.print(line)
    if document["experiment"] is not None:
        print_experiment(document["experiment"], console)
    for item in document["health"]:
        if item["state"] in {"bad", "warning"}:
            mark = "❌" if item["state"] == "bad" else "⚠️"
            console.print(f"{mark} {item['name']}: {item['text']}")
    if document["stopping"]:
        console.print(f"⚠️ Nothing is opened any more: {document['stopping']}")
    if document["positions"]:
        console.table(_positions(document["positions"]))
    else:
        console.print("No position is open.")
    if document["symbols"]:
        actions = Counter(one["action"] or "no decision" for one in document["symbols"])
        counted = ", ".join(f"{count} {action}" for action, count in actions.most_common())
        console.print(f"Newest decisions of {len(document['symbols'])} symbols: {counted}.")
        console.table(_nearest(document["symbols"], now))
    if document["delivered"]:
        console.table(_delivered(document["delivered"]))
    for note in document["notes"][-NEWEST_NOTES:]:
        subject = f"{note['symbol']} " if note["symbol"] and note["symbol"] not in note["text"] else ""
        console.print(f"{_time(note['at'])}  {note['kind']}: {subject}{note['text']}")


def _state(document: Json) -> str:
    began, mode = _time(document["began"]), str(document["mode"]).upper()
    if document["is_running"]:
        lasted = age((document["at"] - document["began"]) / 60_000)
        return f"{mode}: runs since {began} UTC ({lasted})."
    if document["ended"] is None:
        return f"{mode}: does not run; it began at {began} UTC and did not end in order."
    ended = _time(document["ended"])
    return (
        f"{mode}: does not run; {began} to {ended} UTC, ended with status {document['status']}: "
        f"{document['why']}."
    )


def _money(document: Json) -> list[str]:
    """Equity, the change of the day and since the peak, and how old the data are."""
    if document["equity"] is None:
        return ["What the account is worth has not been kept yet."]
    at, lines = document["at"], []
    seen = age((at - document["equity_at"]) / 60_000)
    lines.append(
        f"Equity {float(document['equity']):,.2f} USDT ({seen} ago), available "
        f"{float(document['available'] or 0):,.2f}."
    )
    changes = []
    if document["day_change"] is not None:
        stop = document["daily_loss_stop"]
        changes.append(
            f"day {document['day_change']:+.2%}" + (f" (stop at -{stop:.2%})" if stop is not None else "")
        )
    if document["drawdown"] is not None:
        stop = document["max_drawdown"]
        changes.append(
            f"{document['drawdown']:.2%} below its peak" + (f" (stop at {stop:.2%})" if stop else "")
        )
    if document["candle_age_ms"] is not None:
        changes.append(f"newest candle {age(document['candle_age_ms'] / 60_000)} old")
    if changes:
        lines.append(f"{'; '.join(changes)}.".replace("day", "Day", 1))
    return lines


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    """A table whose columns ``left`` come first, then those that hold numbers."""
    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _positions(rows: list[Any]) -> Table:
    table = _table("Open positions", ("symbol", "side"), ("size", "entry", "stop", "closed by (UTC)"))
    for one in rows:
        due = "-" if one["due"] is None else _time(one["due"])
        side = one["side"] if one["experiment"] is None else f"{one['side']} (experiment)"
        cells = (one["symbol"], side, _brief(one["size"]), _brief(one["entry_price"]))
        table.add_row(*cells, _brief(one["stop"]), due)
    return table


def _nearest(rows: list[Any], now: int) -> Table:
    """Those whose probability is nearest to a threshold."""
    known = [one for one in rows if one["distance"] is not None]
    nearest = sorted(known, key=lambda one: (one["distance"], one["symbol"]))[:NEAREST]
    title = "Nearest to a threshold" if len(rows) > NEAREST else "Nearest to a threshold first"
    table = _table(title, ("symbol",), ("P(up)", "short / long", "age"))
    table.add_column("action", no_wrap=True)
    table.add_column("because")
    for one in nearest:
        fires = " / ".join(
            "never" if one[name] is None else f"{one[name]:.3f}"
            for name in ("short_threshold", "long_threshold")
        )
        reasons = one["reasons"][0] if one["reasons"] else ""
        shown = age((now - one["open_time"]) / 60_000 - 5) if one["open_time"] is not None else "-"
        table.add_row(one["symbol"], f"{one['probability']:.3f}", fires, shown, one["action"], reasons)
    return table


def _delivered(rows: list[Any]) -> Table:
    """What models were expected to earn, and what they did."""
    shown = sorted(rows, key=lambda one: (-one["trades"], one["symbol"]))[:MOST_MODELS]
    more = f", {len(rows) - len(shown)} more models" if len(rows) > len(shown) else ""
    names = ("trades", "won", "expected", "net bp", "expected bp", "USDT")
    table = _table(f"Delivered so far{more}", ("symbol",), names)
    table.add_column("state", no_wrap=True)
    for one in shown:
        cells = (
            one["symbol"],
            f"{one['trades']:,}",
            f"{one['win_rate']:.1%}",
            "-" if one["expected_win_rate"] is None else f"{one['expected_win_rate']:.1%}",
            f"{one['net_bps']:+.1f}",
            "-" if one["expected_net_bps"] is None else f"{one['expected_net_bps']:+.1f}",
            f"{float(one['profit']):+,.2f}",
            "experiment" if one["is_experiment"] else "retrain" if one["demotion"] else "in use",
        )
        table.add_row(*cells)
    return table


def _brief(number: str | None) -> str:
    """A price or a size with at most seven digits."""
    return "-" if number is None else f"{float(number):.7g}"


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%m-%d %H:%M}"
