"""The journal: one SQLite file that knows everything a session decided, sent and received.

Place in the house: the only rooms' corner that imports sqlite3.  Records (``desk.trade.records``) come in and
go out; the session asks it what happened before this process lived.

Two connections write to one file in WAL mode.  ``ledger`` (orders, trades, fills, corrections) waits for the
disk: an order is there before it is sent, whatever happens to the machine.  ``diary`` (decisions, equity,
notes) does not wait.  Each method is one transaction, so that a process that is killed leaves a journal that
says less, and never one that contradicts itself.

Not here: what follows from it (``desk.trade.scoreboard``).
"""

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

from desk.errors import SettingsError
from desk.trade.journal.database import JournalError, connected, sole_user
from desk.trade.journal.diary import Diary
from desk.trade.journal.ledger import Ledger

__all__ = ["Diary", "Journal", "JournalError", "Ledger"]


class Journal:
    """The journal of one account; use as ``with Journal(path) as journal``.

    Parameters
    ----------
    path : Path
    durable : bool
        Whether orders wait for the disk; a replay, which sends none, need not.

    Raises
    ------
    SettingsError
        If another session has it open, it is no journal, or a newer version of this program wrote it.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        with contextlib.ExitStack() as held:
            held.enter_context(sole_user(path))
            self._sure = held.enter_context(connected(path, "FULL" if durable else "NORMAL"))
            self.ledger = Ledger(self._sure)
            self.diary = Diary(held.enter_context(connected(path, "NORMAL")))
            self._held = held.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._held.close()

    def require_mode(self, mode: str) -> None:
        """See that the sessions before were of this mode.

        Raises
        ------
        SettingsError
            If they were not: their trades and equity are of another account.
        """
        last = self._sure.execute("SELECT mode FROM sessions ORDER BY session DESC LIMIT 1").fetchone()
        if last is not None and last[0] != mode:
            raise SettingsError(
                f"{self.path} is the journal of mode {last[0]}, and this is mode {mode}: name another file "
                "with --journal"
            )

    def unfinished(self) -> int | None:
        """When the last session began, ms, if it has no end: its process was killed, or the power failed."""
        query = "SELECT began, ended FROM sessions ORDER BY session DESC LIMIT 1"
        last = self._sure.execute(query).fetchone()
        return None if last is None or last[1] is not None else int(last[0])

    def begin(self, at: int, *, mode: str, settings: str) -> int:
        """Note the start of a session; its number.

        Parameters
        ----------
        at : int
            Now, ms.
        mode : str
        settings : str
            JSON, without secrets.

        Raises
        ------
        SettingsError
            As ``require_mode``.
        """
        self.require_mode(mode)
        row = self._sure.execute(
            "INSERT INTO sessions (began, mode, settings) VALUES (?, ?, ?)", (at, mode, settings)
        )
        return int(row.lastrowid or 0)

    def end(self, session: int, at: int, *, status: int, why: str) -> None:
        """Note how a session ended.

        Parameters
        ----------
        session : int
            Its number.
        at : int
            Now, ms.
        status : int
            Exit status.
        why : str
        """
        self._sure.execute(
            "UPDATE sessions SET ended = ?, status = ?, why = ? WHERE session = ?", (at, status, why, session)
        )
