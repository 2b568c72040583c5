"""What was seen and thought: models, decisions, equity, notes.

Records come in and go out; nothing here waits for the disk.
"""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from sqlite3 import Connection
from typing import Any

from desk.orders import Balance
from desk.trade.journal.aside import SqlValue, Statement
from desk.trade.journal.database import sql_value
from desk.trade.journal.writer import Writer
from desk.trade.records import Decision
from desk.trade.signals import ModelCard

DAY_MS = 86_400_000
_MODEL = "(SELECT model FROM models WHERE model_file = ?)"


class Diary:
    """Decisions with the models behind them, what the account is worth, and sentences.

    Parameters
    ----------
    writer : Writer
        Of the journal.
    connection : Connection
        To the same file, for questions.
    """

    def __init__(self, writer: Writer, connection: Connection) -> None:
        self._writer = writer
        self._db = connection
        self._models: set[str] = set()
        newest = self._rows("SELECT at, equity FROM equity ORDER BY at DESC LIMIT 1")
        self._newest = [(int(at), Decimal(equity)) for at, equity in newest]
        midnight = self._newest[0][0] // DAY_MS * DAY_MS if newest else 0
        first = self._rows("SELECT at, equity FROM equity WHERE at >= ? ORDER BY at LIMIT 1", (midnight,))
        self._first_of_day = [(int(at), Decimal(equity)) for at, equity in first]
        self._peaks: dict[int, Decimal] = {}

    def _rows(self, query: str, values: Sequence[SqlValue] = ()) -> list[tuple[Any, ...]]:
        """What the file holds."""
        self._writer.ready()
        return self._db.execute(query, values).fetchall()

    def record_decisions(self, decisions: Iterable[Decision]) -> None:
        """Keep what was decided on a candle; the models behind it are kept with it."""
        batch: list[Statement] = []
        for row in decisions:
            signal = row.signal
            batch += self._met(signal.card)
            values = (
                signal.open_time,
                signal.symbol,
                signal.card.model_file,
                signal.digest,
                signal.close,
                signal.probability,
                row.action,
                json.dumps(row.reasons, ensure_ascii=False) if row.reasons else "",
            )
            batch.append((f"INSERT OR REPLACE INTO decisions VALUES (?, ?, {_MODEL}, ?, ?, ?, ?, ?)", values))  # noqa: S608
        self._writer.write(batch)

    def forget_decisions(self, before: int) -> None:
        """Remove the decisions on candles before a time (ms) that led to no trade."""
        self._write(
            "DELETE FROM decisions WHERE open_time < ? AND NOT EXISTS (SELECT 1 FROM trades "
            "WHERE trades.symbol = decisions.symbol AND decisions.open_time BETWEEN opened AND due)",
            (before,),
        )

    def _write(self, sql: str, values: Sequence[SqlValue]) -> None:
        self._writer.write([(sql, values)])

    def closes(self, symbol: str, since: int) -> dict[int, float]:
        """Closing prices that decisions of a symbol were made on from a time (ms) on, by open time."""
        query = "SELECT open_time, close FROM decisions WHERE symbol = ? AND open_time >= ?"
        return {int(at): float(close) for at, close in self._rows(query, (symbol, since))}

    def probabilities(self, symbol: str) -> dict[int, float]:
        """Probabilities that the models gave a symbol, by open time."""
        query = "SELECT open_time, probability FROM decisions WHERE symbol = ?"
        return {int(at): float(value) for at, value in self._rows(query, (symbol,))}

    def refusals(self) -> list[tuple[str, int, str]]:
        """Symbol, open time and name of the first rule of every side that fired and was refused."""
        rows = self._rows("SELECT symbol, open_time, reasons FROM decisions WHERE reasons <> ''")
        return [(symbol, at, json.loads(reasons)[0][0]) for symbol, at, reasons in rows]

    def demote(self, card: ModelCard, at: int, why: str) -> None:
        """Let a model only look on, for good.

        Parameters
        ----------
        card : ModelCard
        at : int
            Now, ms.
        why : str
        """
        demoting = "UPDATE models SET demoted = ?, demoted_why = ? WHERE model_file = ?"
        self._writer.write([*self._met(card), (demoting, (at, why, card.model_file))])

    def demoted(self) -> dict[str, str]:
        """Why, by model file."""
        return dict(self._rows("SELECT model_file, demoted_why FROM models WHERE demoted IS NOT NULL"))

    def _met(self, card: ModelCard) -> list[Statement]:
        """What writes a model down, when it is met for the first time."""
        if card.model_file in self._models:
            return []
        self._models.add(card.model_file)
        sql = (
            "INSERT OR IGNORE INTO models (model_file, symbol, created, long_threshold, short_threshold, "
            "horizon, label_threshold, promised_win_rate, promised_win_rate_labelled, promised_net_bps) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        values = (
            card.model_file,
            card.symbol,
            card.created,
            card.thresholds.long,
            card.thresholds.short,
            card.rules.horizon,
            card.label_threshold,
            card.expectation.win_rate,
            card.expectation.win_rate_labelled,
            card.expectation.net_bps,
        )
        return [(sql, values)]

    def record_equity(self, at: int, balance: Balance) -> None:
        """Keep what the account is worth."""
        self._write(
            "INSERT OR REPLACE INTO equity VALUES (?, ?, ?)",
            (at, sql_value(balance.equity), sql_value(balance.available)),
        )
        self._newest = [(at, balance.equity)]
        for since, peak in self._peaks.items():
            if at >= since:
                self._peaks[since] = max(peak, balance.equity)
        if not self._first_of_day or self._first_of_day[0][0] // DAY_MS != at // DAY_MS:
            self._first_of_day = self._newest

    def day_equity(self, now: int) -> Decimal | None:
        """The first equity of the UTC day that ``now`` lies in; None if there is none yet."""
        return next((equity for at, equity in self._first_of_day if at // DAY_MS == now // DAY_MS), None)

    def peak_equity(self, since: int) -> Decimal | None:
        """The highest equity that was kept from a time (ms) on; None if there is none."""
        if since not in self._peaks:
            query = "SELECT equity FROM equity WHERE at >= ? ORDER BY CAST(equity AS REAL) DESC LIMIT 1"
            found = self._rows(query, (since,))
            if not found:
                return None
            self._peaks[since] = Decimal(found[0][0])
        return self._peaks[since]

    def newest_equity(self) -> Decimal | None:
        """The equity that was kept last."""
        return next((equity for _, equity in self._newest), None)

    def note(self, at: int, kind: str, text: str, symbol: str = "") -> None:
        """Keep a sentence.

        Parameters
        ----------
        at : int
            Now, ms.
        kind : str
        text : str
        symbol : str
            Empty where it is about none.
        """
        self._write(
            "INSERT INTO notes (at, kind, symbol, text) VALUES (?, ?, ?, ?)", (at, kind, symbol, text)
        )

    def notes(self, *, since: int = 0) -> list[tuple[int, str, str, str]]:
        """Time, kind, symbol and text of what was noted, oldest first."""
        query = "SELECT at, kind, symbol, text FROM notes WHERE at >= ? ORDER BY note"
        return self._rows(query, (since,))
