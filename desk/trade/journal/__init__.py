"""The journal: one SQLite file that knows everything a session decided, sent and received.

Place in the house: the only rooms' corner that imports sqlite3.  Records (``desk.trade.records``) come in and
go out; the session asks it what happened before this process lived.

``ledger`` (orders, trades, fills, corrections), ``diary`` (decisions, equity, notes) and ``experiments`` take
what they are given at once and in memory; a thread writes it to the file, in the same order, and waits for
the disk there.  An order is sent when ``stored`` has returned: it is on the disk then, whatever happens to
the machine.  A process that is killed leaves a journal that says less, and never one that contradicts itself.
While another program holds the file's write lock, what is to be written is set aside in a file beside it.

Not here: what follows from it (``desk.trade.scoreboard``).
"""

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

from desk.errors import SettingsError
from desk.trade.journal.aside import AsideFile
from desk.trade.journal.database import JournalError, connected, sole_user, unusable
from desk.trade.journal.diary import Diary
from desk.trade.journal.experiments import ExperimentBook
from desk.trade.journal.ledger import Ledger
from desk.trade.journal.mirror import MirroredTables
from desk.trade.journal.writer import BackgroundWriter, DirectWriter, Writer, take_in

__all__ = ["Diary", "Journal", "JournalError", "Ledger"]


class Journal:
    """The journal of one account; use as ``with Journal(path) as journal``.

    Parameters
    ----------
    path : Path
    durable : bool
        Whether orders wait for the disk; a replay, which sends none, need not: it writes at once.

    Raises
    ------
    SettingsError
        If another session has it open, another program is writing to it, it is no journal, or a newer version
        of this program wrote it.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._begun: tuple[int, str] | None = None
        with contextlib.ExitStack() as held:
            held.enter_context(sole_user(path))
            file = held.enter_context(connected(path, "FULL" if durable else "NORMAL"))
            self._reader = held.enter_context(connected(path, "NORMAL"))
            aside = AsideFile(path.with_name(f"{path.name}.aside"))
            try:
                if aside:
                    take_in(file, aside)
                self._writer: Writer = BackgroundWriter(file, aside) if durable else DirectWriter(file)
                held.callback(self._writer.close)
                tables = MirroredTables(path, self._writer)
                held.callback(tables.close)
                self.diary = Diary(self._writer, self._reader)
            except JournalError as exc:
                raise unusable(path, exc) from exc
            except (OSError, ValueError) as exc:
                raise SettingsError(
                    f"{aside.path} cannot be read ({exc}): it holds what the journal lacks; move it away to "
                    "start without it"
                ) from exc
            self.ledger = Ledger(tables)
            self.experiments = ExperimentBook(tables)
            self._held = held.pop_all()

    @property
    def trouble(self) -> str:
        """Why the file cannot be written at the moment; empty while it can."""
        return self._writer.trouble

    async def stored(self) -> None:
        """Wait until all that was noted survives a kill, in the file or beside it.

        Raises
        ------
        JournalError
            If it does not within some seconds, or the file is broken.
        """
        await self._writer.stored()

    async def stored_soon(self) -> None:
        """Wait for the same, less than a second: for what is done in any case."""
        await self._writer.stored_soon()

    def settle(self, within_s: float = 10.0) -> bool:
        """Wait until the file holds all that was noted; False if it does not within so many seconds."""
        return self._writer.settle(within_s)

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
        query = "SELECT session, mode FROM sessions ORDER BY session DESC LIMIT 1"
        last = self._begun or self._reader.execute(query).fetchone()
        if last is not None and last[1] != mode:
            raise SettingsError(
                f"{self.path} is the journal of mode {last[1]}, and this is mode {mode}: name another file "
                "with --journal"
            )

    def unfinished(self) -> int | None:
        """When the last session began, ms, if it has no end: its process was killed, or the power failed."""
        query = "SELECT began, ended FROM sessions ORDER BY session DESC LIMIT 1"
        last = self._reader.execute(query).fetchone()
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
        (newest,) = self._reader.execute("SELECT coalesce(max(session), 0) FROM sessions").fetchone()
        number = max(int(newest), self._begun[0] if self._begun else 0) + 1
        self._begun = (number, mode)
        sql = "INSERT INTO sessions (session, began, mode, settings) VALUES (?, ?, ?, ?)"
        self._writer.write([(sql, (number, at, mode, settings))])
        return number

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
        sql = "UPDATE sessions SET ended = ?, status = ?, why = ? WHERE session = ?"
        self._writer.write([(sql, (at, status, why, session))])
