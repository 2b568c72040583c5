"""What was seen and thought: models, decisions, equity, notes.

Records come in and go out; nothing here waits for the disk, so that a power cut may lose the last of it.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from sqlite3 import Connection

from desk.orders import Balance
from desk.trade.journal.database import sql_value, transaction
from desk.trade.records import Decision
from desk.trade.signals import ModelCard

DAY_MS = 86_400_000


class Diary:
    """Decisions with the models behind them, what the account is worth, and sentences."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._models: dict[str, int] = {}

    def record_decisions(self, decisions: Iterable[Decision]) -> None:
        """Keep what was decided on a candle; the models behind it are kept with it."""
        rows = [
            (
                row.signal.open_time,
                row.signal.symbol,
                self._model(row.signal.card),
                row.signal.digest,
                row.signal.close,
                row.signal.probability,
                row.action,
                json.dumps(row.reasons, ensure_ascii=False) if row.reasons else "",
            )
            for row in decisions
        ]
        with transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def forget_decisions(self, before: int) -> int:
        """Remove the decisions on candles before a time (ms) that led to no trade; how many they were."""
        done = self._db.execute(
            "DELETE FROM decisions WHERE open_time < ? AND NOT EXISTS (SELECT 1 FROM trades "
            "WHERE trades.symbol = decisions.symbol AND decisions.open_time BETWEEN opened AND due)",
            (before,),
        )
        return done.rowcount

    def closes(self, symbol: str, since: int) -> dict[int, float]:
        """Closing prices that decisions of a symbol were made on from a time (ms) on, by open time."""
        query = "SELECT open_time, close FROM decisions WHERE symbol = ? AND open_time >= ?"
        return {int(at): float(close) for at, close in self._db.execute(query, (symbol, since))}

    def probabilities(self, symbol: str) -> dict[int, float]:
        """Probabilities that the models gave a symbol, by open time."""
        query = "SELECT open_time, probability FROM decisions WHERE symbol = ?"
        return {int(at): float(value) for at, value in self._db.execute(query, (symbol,))}

    def refusals(self) -> list[tuple[str, int, str]]:
        """Symbol, open time and name of the first rule of every side that fired and was refused."""
        rows = self._db.execute("SELECT symbol, open_time, reasons FROM decisions WHERE reasons <> ''")
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
        number = self._model(card)
        self._db.execute("UPDATE models SET demoted = ?, demoted_why = ? WHERE model = ?", (at, why, number))

    def demoted(self) -> dict[str, str]:
        """Why, by model file."""
        rows = self._db.execute("SELECT model_file, demoted_why FROM models WHERE demoted IS NOT NULL")
        return dict(rows.fetchall())

    def _model(self, card: ModelCard) -> int:
        """The number of a model, which is written down when it is first met."""
        if card.model_file not in self._models:
            self._db.execute(
                "INSERT OR IGNORE INTO models (model_file, symbol, created, long_threshold, short_threshold, "
                "horizon, label_threshold, promised_win_rate, promised_win_rate_labelled, promised_net_bps) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
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
                ),
            )
            query = "SELECT model FROM models WHERE model_file = ?"
            (self._models[card.model_file],) = self._db.execute(query, (card.model_file,)).fetchone()
        return self._models[card.model_file]

    def record_equity(self, at: int, balance: Balance) -> None:
        """Keep what the account is worth."""
        self._db.execute(
            "INSERT OR REPLACE INTO equity VALUES (?, ?, ?)",
            (at, sql_value(balance.equity), sql_value(balance.available)),
        )

    def day_equity(self, now: int) -> Decimal | None:
        """The first equity of the UTC day that ``now`` lies in; None if there is none yet."""
        found = self._db.execute(
            "SELECT equity FROM equity WHERE at >= ? ORDER BY at LIMIT 1", (now // DAY_MS * DAY_MS,)
        ).fetchone()
        return None if found is None else Decimal(found[0])

    def newest_equity(self) -> Decimal | None:
        """The equity that was kept last."""
        found = self._db.execute("SELECT equity FROM equity ORDER BY at DESC LIMIT 1").fetchone()
        return None if found is None else Decimal(found[0])

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
        self._db.execute(
            "INSERT INTO notes (at, kind, symbol, text) VALUES (?, ?, ?, ?)", (at, kind, symbol, text)
        )

    def notes(self, *, since: int = 0) -> list[tuple[int, str, str, str]]:
        """Time, kind, symbol and text of what was noted, oldest first."""
        query = "SELECT at, kind, symbol, text FROM notes WHERE at >= ? ORDER BY note"
        return self._db.execute(query, (since,)).fetchall()
