"""Trades, orders and fills in memory, as the file will hold them.

Statements come in and take effect at once; those that change something go on to a ``Writer`` in the same
order.  Whoever asks what is open is answered from here, whether or not the file can be written, or read,
now.  Some 1.2 kB for each trade that was ever made.

Not here: the statements (``desk.trade.journal.ledger``).
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from desk.trade.journal.aside import SqlValue, Statement
from desk.trade.journal.database import transaction
from desk.trade.journal.schema import MIGRATIONS
from desk.trade.journal.writer import Writer

MIRRORED = ("trades", "orders", "fills", "experiments", "experiment_trades")


class MirroredTables:
    """Satisfies what the ledger asks of a connection.

    Parameters
    ----------
    path : Path
        Of the journal; what is in it is copied.
    writer : Writer
        Of the same file.
    """

    def __init__(self, path: Path, writer: Writer) -> None:
        self._writer = writer
        self._memory = sqlite3.connect(":memory:", isolation_level=None)
        self._gathered: list[Statement] | None = None
        statements = [statement for script in MIGRATIONS for statement in script]
        indices = [statement for statement in statements if statement.startswith("CREATE INDEX")]
        for statement in statements:
            if statement not in indices:
                self._memory.execute(statement)
        self._memory.execute("ATTACH ? AS file", (str(path),))
        for table in MIRRORED:
            self._memory.execute(f"INSERT INTO {table} SELECT * FROM file.{table} ORDER BY rowid")  # noqa: S608
        self._memory.execute("DETACH file")
        for statement in indices:
            self._memory.execute(statement)
        self._memory.execute("PRAGMA foreign_keys = ON")

    def execute(self, sql: str, values: Sequence[SqlValue] = ()) -> sqlite3.Cursor:
        """Execute a statement here, and in the file after all that was executed before.

        Raises
        ------
        JournalError
            If the statement is a defect; the file does not see it.
        """
        done = self._memory.execute(sql, values)
        if not sql.startswith("SELECT"):
            if self._gathered is None:
                self._writer.write([(sql, values)])
            else:
                self._gathered.append((sql, values))
        return done

    def write_only(self, sql: str, values: Sequence[SqlValue]) -> None:
        """Execute a statement in the file alone: nobody asks for that while a session runs."""
        self._writer.write([(sql, values)])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block take effect, or none."""
        gathered: list[Statement] = []
        self._gathered = gathered
        try:
            with transaction(self._memory):
                yield
        finally:
            self._gathered = None
        if gathered:
            self._writer.write(gathered)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
