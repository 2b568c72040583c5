"""A snapshot of a session, read from its journal.

A path comes in; a ``SessionSnapshot`` goes out, of a session that runs in any process or has ended.  Neither
a lock nor a file is made and no table is changed, and the session does not wait: SQLite's write-ahead log
lets it write meanwhile.

Not here: what only the running session knows (``desk.trade.live_snapshot``), and how it is shown.
"""

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np

from desk.clustered import clustered_mean, share_interval
from desk.errors import SettingsError
from desk.files import is_held
from desk.policy import LONG
from desk.trade.journal.database import experiment_column, lock_of, newest_mode, unusable
from desk.trade.journal.experiment_reading import read_experiment
from desk.trade.settings import since_ms
from desk.trade.snapshot import (
    DeliveredView,
    HealthItem,
    NoteView,
    PositionView,
    SessionSnapshot,
    SymbolView,
)
from desk.values import CANDLE_MS

WAIT_S = 2.0
"""How long a lock of another program's is waited for."""
NOTES = 30
"""Newest sentences that are read."""
LINE_POINTS = 200
DAY_MS = 86_400_000
STALE_MS = 2 * CANDLE_MS
"""Data that are older are reported."""


def read_snapshot(path: Path, *, now: int, is_running: bool | None = None) -> SessionSnapshot | None:
    """The newest session of the journal at ``path``; None where there is no journal, or it holds no session.

    Parameters
    ----------
    path : Path
    now : int
        ms.
    is_running : bool or None
        Whether a process has the journal open; None: its lock tells.

    Raises
    ------
    SettingsError
        If something else is at ``path``, or it cannot be read.
    """
    if newest_mode(path) is None:
        return None
    if is_running is None:
        is_running = is_held(lock_of(path))
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)) as db:
            db.execute("PRAGMA query_only = ON")
            db.execute("BEGIN")  # one state of all tables
            return _snapshot(db, now, is_running=is_running)
    except sqlite3.Error as exc:
        raise unusable(path, exc) from exc
    except (ValueError, TypeError, ArithmeticError) as exc:
        raise SettingsError(
            f"{path} holds values that no session writes ({exc}): restore a copy, or name another file with "
            "--journal"
        ) from exc


def _snapshot(db: sqlite3.Connection, now: int, *, is_running: bool) -> SessionSnapshot:
    query = "SELECT began, ended, mode, settings, status, why FROM sessions ORDER BY session DESC LIMIT 1"
    began, ended, mode, settings, status, why = db.execute(query).fetchone()
    risk, is_running = _risk_settings(settings), is_running and ended is None
    (newest,) = db.execute("SELECT max(open_time) FROM decisions").fetchone()
    closed = None if newest is None else int(newest) + CANDLE_MS
    seen = db.execute("SELECT at, equity, available FROM equity ORDER BY at DESC LIMIT 1").fetchone()
    day = peak = None
    if seen is not None:
        midnight = seen[0] // DAY_MS * DAY_MS
        query = "SELECT equity FROM equity WHERE at >= ? ORDER BY at LIMIT 1"
        day = Decimal(db.execute(query, (midnight,)).fetchone()[0])
        peak = _peak(db, risk.get("peak_since", 0))
    return SessionSnapshot(
        at=now,
        mode=str(mode),
        is_running=is_running,
        began=int(began),
        ended=None if ended is None else int(ended),
        status=None if status is None else int(status),
        why=why or "",
        stopping="",
        equity=None if seen is None else Decimal(seen[1]),
        equity_at=None if seen is None else int(seen[0]),
        available=None if seen is None else Decimal(seen[2]),
        day_equity=day,
        daily_loss_stop=risk.get("daily_loss_stop"),
        peak_equity=peak,
        max_drawdown=risk.get("max_drawdown"),
        newest_candle=closed,
        next_candle=(now // CANDLE_MS + 1) * CANDLE_MS if is_running else None,
        positions=_positions(db),
        symbols=_symbols(db),
        delivered=_delivered(db),
        health=_health(closed, ended, now, is_running=is_running),
        notes=_notes(db),
        equity_line=_equity_line(db),
        counts=_counts(db),
        experiment=read_experiment(db),
    )


def _risk_settings(text: str) -> dict[str, Any]:
    """Limits that the session went by; nothing of a journal whose session wrote none."""
    try:
        risk = json.loads(text).get("risk", {})
    except (ValueError, AttributeError):
        return {}
    names = ("daily_loss_stop", "max_drawdown")
    found: dict[str, Any] = {name: float(risk[name]) for name in names if risk.get(name) is not None}
    return found | {"peak_since": since_ms(risk.get("peak_since", ""))}


def _peak(db: sqlite3.Connection, since: int) -> Decimal | None:
    query = "SELECT equity FROM equity WHERE at >= ? ORDER BY CAST(equity AS REAL) DESC LIMIT 1"
    found = db.execute(query, (since,)).fetchone()
    return None if found is None else Decimal(found[0])


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _side(side: int) -> Literal["long", "short"]:
    return "long" if side == LONG else "short"


def _positions(db: sqlite3.Connection) -> tuple[PositionView, ...]:
    rows = db.execute(
        "SELECT symbol, side, size, entry_price, stop, take_profit, due, opened, model_file, "  # noqa: S608
        "(SELECT average_price FROM orders WHERE orders.trade = trades.trade AND purpose = 'open' "
        f"ORDER BY written DESC LIMIT 1), {experiment_column(db)} "
        "FROM trades WHERE status IN ('open', 'opening') ORDER BY symbol"
    )
    return tuple(
        PositionView(
            symbol=symbol,
            side=_side(side),
            size=Decimal(size),
            entry_price=_money(entry if entry is not None else filled_at),
            mark_price=None,
            unrealized=None,
            stop=_money(stop),
            take_profit=_money(profit),
            due=int(due) + CANDLE_MS,
            opened=int(opened) + CANDLE_MS,
            model_file=model,
            is_tracked=True,
            experiment=experiment,
        )
        for symbol, side, size, entry, stop, profit, due, opened, model, filled_at, experiment in rows
    )


def _symbols(db: sqlite3.Connection) -> tuple[SymbolView, ...]:
    """The newest decision of every symbol, with the thresholds that it was made by."""
    rows = db.execute(
        "SELECT models.symbol, models.model_file, open_time, close, probability, long_threshold, "
        "short_threshold, action, reasons FROM "
        "(SELECT symbol AS name FROM models GROUP BY symbol) AS known JOIN decisions ON "
        "decisions.symbol = name AND decisions.open_time = "
        "(SELECT max(open_time) FROM decisions WHERE symbol = name) "
        "JOIN models ON models.model = decisions.model ORDER BY name"
    )
    return tuple(
        SymbolView(
            symbol=symbol,
            model_file=model,
            open_time=int(open_time),
            close=float(close),
            probability=float(probability),
            long_threshold=long,
            short_threshold=short,
            action=action,
            reasons=tuple(f"{rule}: {text}" for rule, text in json.loads(reasons)) if reasons else (),
        )
        for symbol, model, open_time, close, probability, long, short, action, reasons in rows
    )


def _delivered(db: sqlite3.Connection) -> tuple[DeliveredView, ...]:
    """Each model's trades against what its evaluation expected; intervals count days, as everywhere."""
    facts = {
        str(model): (symbol, won, net, demoted)
        for model, symbol, won, net, demoted in db.execute(
            "SELECT model_file, symbol, promised_win_rate, promised_net_bps, demoted_why FROM models"
        )
    }
    trades: dict[tuple[str, bool], list[tuple[str, int, float, str]]] = {}
    query = (
        f"SELECT model_file, {experiment_column(db)} IS NOT NULL, symbol, opened, net, profit FROM trades "  # noqa: S608
        "WHERE status = 'closed' AND net IS NOT NULL AND model_file <> '' ORDER BY closed"
    )
    for model, experiment, symbol, opened, net, profit in db.execute(query):
        key = (str(model), bool(experiment))
        trades.setdefault(key, []).append((symbol, int(opened), float(net), profit))
    found = [
        replace(_delivered_by(model, ones, facts), is_experiment=experiment)
        for (model, experiment), ones in trades.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.symbol, one.model_file, one.is_experiment)))


def _delivered_by(
    model: str, trades: list[tuple[str, int, float, str]], facts: Mapping[str, tuple[Any, ...]]
) -> DeliveredView:
    opened = np.array([at for _, at, _, _ in trades], dtype=np.int64)
    net = np.array([value for _, _, value, _ in trades], dtype=np.float64)
    won, earned = clustered_mean((net > 0).astype(np.float64), opened), clustered_mean(net * 1e4, opened)
    symbol, expected_won, expected_net, demoted = facts.get(model, (trades[0][0], None, None, None))
    return DeliveredView(
        symbol=symbol,
        model_file=model,
        trades=len(trades),
        win_rate=won.value,
        win_rate_ci95=share_interval(won, len(trades)),
        expected_win_rate=expected_won,
        net_bps=earned.value,
        net_bps_ci95=earned.reported(),
        expected_net_bps=expected_net,
        profit=sum((Decimal(one) for *_, one in trades), Decimal(0)),
        demotion=demoted or "",
    )


def _notes(db: sqlite3.Connection) -> tuple[NoteView, ...]:
    rows = db.execute("SELECT at, kind, symbol, text FROM notes ORDER BY note DESC LIMIT ?", (NOTES,))
    found = [NoteView(at=int(at), kind=kind, symbol=symbol, text=text) for at, kind, symbol, text in rows]
    return tuple(reversed(found))


def _equity_line(db: sqlite3.Connection) -> tuple[tuple[int, float], ...]:
    """The last of each of equally long stretches of time, from the first equity to the newest."""
    first, last = db.execute("SELECT min(at), max(at) FROM equity").fetchone()
    if first is None:
        return ()
    step = max((last - first) // LINE_POINTS, 1)
    query = "SELECT max(at), equity FROM equity GROUP BY (? - at) / ? ORDER BY at"
    return tuple((int(at), float(equity)) for at, equity in db.execute(query, (last, step)))


def _counts(db: sqlite3.Connection) -> dict[str, float]:
    queries = {
        "trades_closed": "SELECT COUNT(*) FROM trades WHERE status = 'closed'",
        "trades_open": "SELECT COUNT(*) FROM trades WHERE status IN ('opening', 'open')",
        "orders": "SELECT COUNT(*) FROM orders",
        "orders_unresolved": "SELECT COUNT(*) FROM orders WHERE status IN "
        "('intended', 'live', 'partially_filled')",
    }
    return {name: float(db.execute(query).fetchone()[0]) for name, query in queries.items()}


def _health(closed: int | None, ended: int | None, now: int, *, is_running: bool) -> tuple[HealthItem, ...]:
    """What a journal alone tells: how old its data are, and whether its session ended in order."""
    found = []
    if not is_running and ended is None:
        text = "the session did not end in order: its process was killed, or the power failed"
        found.append(HealthItem(name="process", state="bad", text=text))
    elif is_running and closed is not None:
        age = (now - closed) / 60_000
        state: Literal["good", "warning"] = "good" if now - closed < STALE_MS else "warning"
        found.append(
            HealthItem(name="candles", state=state, text=f"the last decision is {age:.1f} minutes old")
        )
    return tuple(found)
