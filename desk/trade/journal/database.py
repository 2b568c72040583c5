"""The journal's file: who may open it, how it is written, and what its tables are brought up to.

A path comes in; connections go out.  WAL mode; a lock beside the file
keeps a second session out, and dies with its process.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from desk.errors import SettingsError
from desk.files import hold_lock, keep_private
from desk.trade.journal.aside import SqlValue
from desk.trade.journal.schema import MIGRATIONS

OPEN_WAIT_S = 10.0
"""How long another program's lock is waited for before a session begins."""
EXPERIMENTS_SINCE = 3
"""Schema version from which on trades name their experiment; older files are read as they are."""
Synchronous = Literal["FULL", "NORMAL"]
JournalError = sqlite3.Error
"""The file cannot be read or written: the disk is full, or gone."""


def lock_of(path: Path) -> Path:
    """The file that the process which has the journal at ``path`` open holds locked."""
    return path.with_name(f"{path.name}.lock")


@contextlib.contextmanager
def sole_user(path: Path) -> Iterator[None]:
    """Be the only process that has the journal open, until the block ends or this process dies."""
    _require_place(path)
    taken = (
        f"another session is using {path}: two would trade one account against each other. "
        "Stop it, or name another file with --journal"
    )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(lock_of(path), taken=taken))
        except OSError as exc:
            raise SettingsError(
                f"{path} cannot be written ({exc.strerror}): name another file with --journal"
            ) from exc
        yield


def newest_mode(path: Path) -> str | None:
    """Mode of the last session that the journal holds; None of a file that is not there, or holds none.

    Neither a lock nor a file is made, and no table is changed.

    Raises
    ------
    SettingsError
        If there can be no journal at ``path``, or something else is there.
    """
    _require_place(path)
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=OPEN_WAIT_S)) as connection:
            if not _version(connection, path):
                return None
            query = "SELECT mode FROM sessions ORDER BY session DESC LIMIT 1"
            found = connection.execute(query).fetchone()
    except sqlite3.Error as exc:
        raise unusable(path, exc) from exc
    return None if found is None else str(found[0])


def net_by_day(path: Path) -> dict[str, dict[str, float]]:
    """What closed trades earned: net in basis points, summed by the UTC day of the signal, by symbol.

    A replay and experiments are left out, and nothing is there to read where ``path`` holds no journal.
    Neither a lock nor a file is made, and no table is changed; a session may be writing meanwhile.

    Raises
    ------
    SettingsError
        If something else is at ``path``.
    """
    found: dict[str, dict[str, float]] = {}
    for symbol, day, net in _of_trades(
        path,
        "SELECT symbol, date(opened / 1000, 'unixepoch') AS day, SUM(net) * 1e4 FROM trades "
        "WHERE net IS NOT NULL AND {experiment} IS NULL GROUP BY symbol, day",
    ):
        found.setdefault(str(symbol), {})[str(day)] = float(net)
    return found


def earned_by_model(path: Path) -> dict[str, tuple[int, float, float]]:
    """Closed trades by model file: how many, the share that earned, and the mean net in basis points.

    Read as ``net_by_day`` reads, and raises as it does.
    """
    query = (
        "SELECT model_file, COUNT(*), AVG(net > 0), AVG(net) * 1e4 FROM trades "
        "WHERE net IS NOT NULL AND {experiment} IS NULL GROUP BY model_file"
    )
    return {
        str(model): (int(count), float(won), float(net)) for model, count, won, net in _of_trades(path, query)
    }


def _of_trades(path: Path, query: str) -> list[tuple[Any, ...]]:
    if newest_mode(path) in {None, "replay"}:
        return []
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=OPEN_WAIT_S)) as connection:
            return connection.execute(query.format(experiment=experiment_column(connection))).fetchall()
    except sqlite3.Error as exc:
        raise unusable(path, exc) from exc


def experiment_column(connection: sqlite3.Connection) -> str:
    """What names the experiment of a trade: a column, or NULL in a journal from before there were any."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return "experiment" if version >= EXPERIMENTS_SINCE else "NULL"


def _require_place(path: Path) -> None:
    """See that there can be a file at ``path``."""
    if path.is_dir():
        raise SettingsError(f"{path} is a folder: name a file in it with --journal")
    if path.exists() and not path.is_file():
        raise SettingsError(f"{path} is no regular file: name another file with --journal")
    if not path.parent.is_dir():
        raise SettingsError(
            f"the folder {path.parent} does not exist: make it, or name another file with --journal"
        )


def _beside(path: Path) -> tuple[str, str]:
    """Names of the files that sqlite keeps beside a database."""
    return f"{path.name}-wal", f"{path.name}-shm"


def unusable(path: Path, exc: sqlite3.Error) -> SettingsError:
    """What to do about a file that cannot be opened."""
    if "locked" in str(exc):
        return SettingsError(
            f"{path} is being written by another program: let that finish its transaction, or close it, and "
            "start again"
        )
    return SettingsError(
        f"{path} cannot be opened as a journal ({exc}): restore a copy, or name another file with --journal"
    )


@contextlib.contextmanager
def connected(path: Path, synchronous: Synchronous) -> Iterator[sqlite3.Connection]:
    """A connection for the block, with the tables up to date; ``FULL`` waits for the disk.

    It may be handed to another thread, whole.

    Raises
    ------
    SettingsError
        If the file is no journal, or a newer version of this program wrote it.
    """
    try:
        # Made here and not by sqlite, so that nobody else can read it even for a moment; the files that
        # sqlite keeps beside it take over its mode, unless an earlier version left them.
        for name in (path.name, *(name for name in _beside(path) if path.with_name(name).exists())):
            keep_private(path.with_name(name))
        connection = sqlite3.connect(path, isolation_level=None, timeout=OPEN_WAIT_S, check_same_thread=False)
    except (OSError, sqlite3.Error) as exc:
        raise SettingsError(f"{path} cannot be opened ({exc}): name another file with --journal") from exc
    with contextlib.closing(connection):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, path)
        except sqlite3.DatabaseError as exc:
            raise unusable(path, exc) from exc
        yield connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Schema version of the file, 0 of an empty one; one that is not ours to write is refused."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise SettingsError(
            f"{path} has schema version {version}, this program knows {len(MIGRATIONS)}: a newer version "
            "wrote it; use that one, or name another file with --journal"
        )
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    if version == 0 and tables:
        raise SettingsError(f"{path} is a database of something else: name another file with --journal")
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to date; a file that a newer program wrote is left alone."""
    version = _version(connection, path)
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


def sql_value(value: object) -> SqlValue:
    """A value as SQLite keeps it: money as decimal text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"the journal keeps no {type(value).__name__}")


def read(names: str, row: Sequence[object], money: str) -> dict[str, Any]:
    """A row as keyword arguments; the columns named in ``money`` are decimal text.

    Parameters
    ----------
    names : str
        Of the columns, separated by a comma and a space.
    row : sequence
    money : str
        Names of columns, separated by spaces.
    """
    kept = set(money.split())
    return {
        name: Decimal(value) if name in kept and isinstance(value, str) else value
        for name, value in zip(names.split(", "), row, strict=True)
    }
