"""The journal's file: who may open it, how it is written, and what its tables are brought up to.

The only module that calls sqlite3.  A path comes in; connections go out.  WAL mode; a lock beside the file
keeps a second session out, and dies with its process.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from desk.errors import SettingsError
from desk.trade.journal.schema import MIGRATIONS

try:
    import fcntl
except ImportError:  # not a POSIX system: nothing there dies with its process as surely as a lock
    fcntl = None  # type: ignore[assignment]

Synchronous = Literal["FULL", "NORMAL"]
JournalError = sqlite3.Error
"""The file cannot be read or written: the disk is full, or gone."""


@contextlib.contextmanager
def sole_user(path: Path) -> Iterator[None]:
    """Be the only process that has the journal open, until the block ends or this process dies."""
    try:
        lock = path.with_name(f"{path.name}.lock").open("a+b")
    except OSError as exc:
        raise SettingsError(f"{path} cannot be written ({exc.strerror}): name another file") from exc
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise SettingsError(
                    f"another session is using {path}: two would trade one account against each other. "
                    "Stop it, or name another file with --journal"
                ) from exc
        yield


@contextlib.contextmanager
def connected(path: Path, synchronous: Synchronous) -> Iterator[sqlite3.Connection]:
    """A connection for the block, with the tables up to date; ``FULL`` waits for the disk.

    Raises
    ------
    SettingsError
        If the file is no journal, or a newer version of this program wrote it.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=10.0)
    except sqlite3.Error as exc:
        raise SettingsError(f"{path} cannot be opened ({exc}): name another file with --journal") from exc
    with contextlib.closing(connection):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, path)
        except sqlite3.DatabaseError as exc:
            raise SettingsError(
                f"{path} cannot be opened as a journal ({exc}): restore a copy, or name another file "
                "with --journal"
            ) from exc
        yield connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to date; a file that a newer program wrote is left alone."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise SettingsError(
            f"{path} has schema version {version}, this program knows {len(MIGRATIONS)}: a newer version "
            "wrote it; use that one, or name another file with --journal"
        )
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    if version == 0 and tables:
        raise SettingsError(f"{path} is a database of something else: name another file with --journal")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with transaction(connection):
            for statement in script:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(JournalError):  # it has rolled back by itself where the disk is full
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def plain(value: object) -> object:
    """A value as SQLite keeps it: money as decimal text."""
    return f"{value:f}" if isinstance(value, Decimal) else value


def read(names: str, row: Sequence[object], money: str) -> dict[str, Any]:
    """A row as keyword arguments; the columns named in ``money`` are decimal text."""
    kept = set(money.split())
    return {
        name: Decimal(value) if name in kept and isinstance(value, str) else value
        for name, value in zip(names.split(", "), row, strict=True)
    }
