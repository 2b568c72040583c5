"""The newest experiment of a journal, as it is shown.

A connection to the file comes in, also of a session that runs in another process; an ``ExperimentView`` goes
out, and is kept as JSON by the end of a session.
"""

import json
import sqlite3
from decimal import Decimal
from typing import Any

from desk.trade.experiment_figures import ComparedTrade, fill_differences
from desk.trade.experiment_values import ExperimentView
from desk.trade.journal.database import EXPERIMENTS_SINCE


def read_experiment(db: sqlite3.Connection) -> ExperimentView | None:
    """The experiment that began last; None where there never was one."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version < EXPERIMENTS_SINCE:
        return None
    row = db.execute(
        "SELECT experiment, began, amount, ended, why FROM experiments ORDER BY experiment DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, began, amount, ended, why = row
    (opened,) = db.execute(
        "SELECT COUNT(*) FROM trades WHERE experiment = ? AND status IN ('open', 'opening')", (number,)
    ).fetchone()
    query = "FROM trades LEFT JOIN experiment_trades USING (trade) WHERE experiment = ? AND status = 'closed'"
    money = db.execute(f"SELECT profit, funding {query}", (number,)).fetchall()
    funding = sum((Decimal(paid) for _, paid in money if paid is not None), Decimal(0))
    compared = db.execute(
        "SELECT opened, side, ended, price, entry_price, trades.exit_price, next_mean, "
        f"experiment_trades.exit_price, entry_charged, exit_charged {query} ORDER BY opened",
        (number,),
    )
    return ExperimentView(
        number=int(number),
        began=int(began),
        amount=Decimal(amount),
        ended=None if ended is None else int(ended),
        why=why or "",
        trades=len(money),
        open=int(opened),
        result=sum((Decimal(profit) for profit, _ in money), Decimal(0)) - funding,
        funding=funding,
        lost=None,
        fills=fill_differences([_compared(one) for one in compared]),
    )


def _compared(row: tuple[Any, ...]) -> ComparedTrade:
    opened, side, ended, *prices = row
    close, entry, left, *rest = prices
    return ComparedTrade(int(opened), int(side), ended, float(close), float(entry), float(left), *rest)


def result_text(view: ExperimentView) -> str:
    """The figures of an experiment for its row in the journal, as JSON."""
    fills = [
        {
            "name": one.name,
            "trades": one.trades,
            "mean_bps": one.mean_bps,
            "ci95": None if one.ci95 is None else list(one.ci95),
            "charged_bps": one.charged_bps,
        }
        for one in view.fills
    ]
    figures = {"trades": view.trades, "result": f"{view.result:f}", "funding": f"{view.funding:f}"}
    return json.dumps({**figures, "fills": fills})
