"""How what was noted gets into the journal's file: in its order, and without anybody waiting for it.

Batches of statements come in; a thread of its own writes them, as many in one transaction as have gathered.
Where the file cannot be written, because another program holds its write lock or the disk is full, they are
set aside on the disk (``desk.trade.journal.aside``) and written as soon as that is over, also by a later
session.  Who must know that what was noted survives a kill asks ``stored``.

Not here: what is written.
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from desk.trade.journal.aside import AsideFile, Batch
from desk.trade.journal.database import JournalError, transaction

log = logging.getLogger("desk.trade")
LOCK_WAIT_S = 0.1
"""How long a write waits for another program's lock before it is set aside."""
RETRY_S = 0.5
"""Between two tries to write what was set aside."""
STORED_S = 5.0
"""How long an order that opens something waits at most for being on the disk ..."""
SOON_S = 0.7
"""... and one that closes something, which is then sent all the same."""
READ_S = 0.2
"""How long a question waits for what is still being written."""
CLOSE_S = 2.0
"""How long the end of a session waits for another program's lock."""
DEFECTS = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)
"""Errors of a statement; all others are of the file."""


class Writer(Protocol):
    """Takes what is to be written."""

    @property
    def trouble(self) -> str:
        """Why the file cannot be written; empty while it can."""

    def write(self, batch: Batch) -> None:
        """Write all of ``batch``, or nothing of it, after all that was handed in before."""

    def settle(self, within_s: float) -> bool:
        """Wait until the file holds all of it; False if it does not within so many seconds."""

    async def stored(self) -> None:
        """Wait until all of it survives a kill.

        Raises
        ------
        JournalError
            If it does not within ``STORED_S``, or the file is broken.
        """

    async def stored_soon(self) -> None:
        """Wait for the same, a moment only: for what is done in any case."""

    def ready(self) -> None:
        """Let the file hold all of it before a question is asked, if it soon can."""

    def close(self) -> None:
        """Write what is left."""


class DirectWriter:
    """Writes at once; for a replay, which nobody waits for.

    Parameters
    ----------
    connection : Connection
    """

    trouble = ""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def write(self, batch: Batch) -> None:
        """Write all of ``batch``, or nothing of it.

        Raises
        ------
        JournalError
            If that is not possible.
        """
        with transaction(self._db):
            for sql, values in batch:
                self._db.execute(sql, values)

    def settle(self, within_s: float) -> bool:  # noqa: ARG002 - nothing ever waits here
        """See that the file holds all of it, as it always does."""
        return True

    async def stored(self) -> None:
        """Return at once: a replay has nothing to lose."""

    async def stored_soon(self) -> None:
        """Return at once."""

    def ready(self) -> None:
        """Return at once."""

    def close(self) -> None:
        """Nothing is left."""


class BackgroundWriter:
    """Writes in a thread of its own.

    Parameters
    ----------
    connection : Connection
        Used by that thread alone from now on.
    aside : AsideFile
        Empty.
    """

    def __init__(self, connection: sqlite3.Connection, aside: AsideFile) -> None:
        self._db = connection
        self._aside = aside
        self._changed = threading.Condition()
        self._waiting: deque[Batch] = deque()
        self._taken = self._stored = 0
        self._behind = False
        self._failing = self._broken = False
        self._late = False
        self._trouble = ""
        self._tried = float("-inf")
        self._error: JournalError | None = None
        self._close_by: float | None = None
        self._db.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT_S * 1000)}")
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why the file cannot be written; empty while it can."""
        return self._trouble

    def write(self, batch: Batch) -> None:
        """Take a batch, and return at once."""
        with self._changed:
            self._waiting.append(batch)
            self._taken += 1
            self._changed.notify_all()

    def settle(self, within_s: float) -> bool:
        """Wait until the file holds all of it; False if it does not within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stored == self._taken and not self._behind, within_s)

    async def stored(self) -> None:
        """Wait until all of it survives a kill, in the file or set aside.

        Raises
        ------
        JournalError
            If it does not within ``STORED_S``, or the file is broken.
        """
        upto = self._taken
        if self._stored < upto:
            await self._wait(lambda: self._stored >= upto or self._failing, STORED_S)
        if self._stored < upto or self._broken:
            raise JournalError(self._trouble or "the disk does not answer")

    async def stored_soon(self) -> None:
        """Wait for the same, a moment only: for what is done in any case.

        Where somebody has waited in vain already, nobody else does before the file has caught up.
        """
        upto = self._taken
        if self._stored < upto and not self._late:
            await self._wait(lambda: self._stored >= upto or self._failing or self._late, SOON_S)

    async def _wait(self, over: Callable[[], bool], within_s: float) -> None:
        def wait() -> None:
            with self._changed:
                self._late = not self._changed.wait_for(over, within_s) or self._late

        await asyncio.get_running_loop().run_in_executor(None, wait)

    def ready(self) -> None:
        """Let the file hold all of it before a question is asked; nobody waits twice in vain."""
        if not self._late and not self._trouble and not self.settle(READ_S):
            self._late = True

    def close(self) -> None:
        """Write what is left; what cannot be written soon stays aside for the next session."""
        with self._changed:
            self._close_by = time.monotonic() + CLOSE_S
            self._changed.notify_all()
        self._thread.join()
        if self._waiting:
            log.error("%d writes of the journal are lost: %s", len(self._waiting), self._trouble)
        elif self._behind:
            log.warning("what the journal could not take waits in %s for the next session", self._aside.path)

    def _work(self) -> None:
        """Write what arrives, until the end."""
        while True:
            with self._changed:
                behind = self._behind or self._failing
                self._changed.wait_for(
                    lambda: (self._waiting and not self._failing) or self._close_by is not None,
                    RETRY_S if behind else None,
                )
                batches = list(self._waiting)
            if batches or self._behind:
                self._put_away(batches)
            if self._close_by is not None:
                if not (self._waiting or self._behind) or time.monotonic() >= self._close_by:
                    return
                time.sleep(LOCK_WAIT_S)

    def _put_away(self, batches: Sequence[Batch]) -> None:
        """Write ``batches`` into the file, or else aside; where neither works they go on waiting."""
        error = self._into_file(batches)
        failing = False
        if error is not None and batches:
            try:
                self._aside.add(batches)
            except OSError as exc:
                failing = True
                log.debug("nor can it be set aside: %s", exc)
        with self._changed:
            if not failing:
                for _ in batches:
                    self._waiting.popleft()
                self._stored += len(batches)
                self._late = False
            self._behind = bool(self._aside)
            self._failing = failing
            self._broken = error is not None and not is_locked(error)
            self._log_change("" if error is None else str(error))
            self._changed.notify_all()

    def _into_file(self, batches: Sequence[Batch]) -> JournalError | None:
        """Write what was set aside, and ``batches`` after it; the error where that is not possible."""
        if self._behind and batches and time.monotonic() - self._tried < RETRY_S:
            return self._error
        self._tried = time.monotonic()
        try:
            if self._behind:
                take_in(self._db, self._aside)
            apply(self._db, batches)
            self._error = None
        except JournalError as exc:
            self._error = exc
        except (OSError, ValueError) as exc:  # what was set aside cannot be read
            self._error = JournalError(f"{self._aside.path}: {exc}")
        return self._error

    def _log_change(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("the journal cannot be written, what happens is set aside: %s", trouble)
        elif self._trouble and not trouble:
            log.info("the journal is written again")
        self._trouble = trouble


def is_locked(error: JournalError) -> bool:
    """Whether another program holds the file's lock: that passes, and the file is sound."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def apply(connection: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    """Write ``batches`` in one transaction; one that no file could take is logged and left out.

    Raises
    ------
    JournalError
        If the file cannot be written; nothing was.
    """
    with transaction(connection):
        _execute(connection, batches)


def take_in(connection: sqlite3.Connection, aside: AsideFile) -> None:
    """Write what was set aside, once: a note in the same transaction says that it is there.

    Raises
    ------
    JournalError
        If the file cannot be written; nothing was, and all of it still waits.
    """
    if not aside.name:  # a kill has cut its very first write short
        aside.remove()
        return
    text = f"what waited beside the journal is in it now ({aside.name})"
    known = connection.execute("SELECT 1 FROM notes WHERE kind = 'journal' AND text = ?", (text,)).fetchone()
    if known is None:
        with transaction(connection):
            _execute(connection, aside.batches())
            connection.execute(
                "INSERT INTO notes (at, kind, symbol, text) "
                "VALUES ((SELECT coalesce(max(at), 0) FROM notes), 'journal', '', ?)",
                (text,),
            )
    aside.remove()


def _execute(connection: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    for batch in batches:
        connection.execute("SAVEPOINT batch")
        try:
            for sql, values in batch:
                connection.execute(sql, values)
        except DEFECTS:
            log.exception("a write of the journal is a defect, and left out")
            connection.execute("ROLLBACK TO batch")
        connection.execute("RELEASE batch")
