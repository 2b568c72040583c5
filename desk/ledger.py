"""``evaluations.sqlite``: every look at the candles of one cache, and what was accepted by it.

Place in the house: a service.  Plain values come in from the door that trains, before a figure is shown; what
counts as the family of a run, and what became of earlier acceptances, goes out.  The file lies in the folder
of candles, because looks are looks at candles, whichever folder the models go to.

* ``evaluations``: every look, for ever.  ``newest`` holds the last one of each symbol with each setting,
  which is all that a verdict asks for: one symbol with one setting counts once.
* ``looks``: up to which candle a setting was shown by ``--explore``, and which one was in force then.
* ``acceptances``: when a symbol with one setting was called tradable, on what, and how that ended.
  ``acceptance_days`` holds what every later day earned; what is written of a day first stays.

Two trainings with one cache append side by side (WAL, and a patient lock).

Not here: the rules (``desk.learn.verdict``, ``desk.learn.stay``).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from desk.errors import SettingsError, Unwritable
from desk.files import keep_private, make_folder
from desk.old_ledger import old_entries
from desk.outcomes import Json

NAME: Final = "evaluations.sqlite"
POOLED: Final = "*"
"""The symbol of a look at many symbols together."""
VERSION = 2
PATIENCE_S = 60.0
"""How long an append waits for another process."""

EVALUATION = ("kind", "symbol", "settings", "first", "last", "tested", "p_value", "at")
ACCEPTANCE = ("symbol", "settings", "last_day", "at", "net_bps", "p_value", "day_spread_bps")

_TABLES = (
    """CREATE TABLE evaluations (
        evaluation INTEGER PRIMARY KEY, kind TEXT NOT NULL, symbol TEXT NOT NULL, settings TEXT NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL, tested INTEGER NOT NULL, p_value REAL, at TEXT NOT NULL
    )""",
    """CREATE TABLE newest (
        symbol TEXT NOT NULL, settings TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        tested INTEGER NOT NULL, p_value REAL, PRIMARY KEY (symbol, settings)
    ) WITHOUT ROWID""",
    "CREATE INDEX tests_of_symbol ON evaluations (symbol, settings, last, first, p_value) WHERE tested",
    "CREATE INDEX newest_in_time ON newest (last, first) WHERE tested",
    """CREATE TABLE looks (
        symbol TEXT NOT NULL, settings TEXT NOT NULL, last INTEGER NOT NULL, at TEXT NOT NULL,
        in_force TEXT, PRIMARY KEY (symbol, settings, last)
    ) WITHOUT ROWID""",
    """CREATE TABLE acceptances (
        acceptance INTEGER PRIMARY KEY, symbol TEXT NOT NULL, settings TEXT NOT NULL, last_day TEXT NOT NULL,
        at TEXT NOT NULL, net_bps REAL NOT NULL, p_value REAL NOT NULL, day_spread_bps REAL NOT NULL,
        ended_at TEXT, ended_because TEXT
    )""",
    "CREATE UNIQUE INDEX one_acceptance ON acceptances (symbol, settings) WHERE ended_at IS NULL",
    """CREATE TABLE acceptance_days (
        acceptance INTEGER NOT NULL REFERENCES acceptances, day TEXT NOT NULL, net_bps REAL NOT NULL,
        PRIMARY KEY (acceptance, day)
    ) WITHOUT ROWID""",
    "CREATE TABLE taken_over (path TEXT PRIMARY KEY, lines INTEGER NOT NULL) WITHOUT ROWID",
)
_FROM_VERSION_1 = "ALTER TABLE looks ADD COLUMN in_force TEXT"


class EvaluationLedger:
    """The ledger of one folder of candles; use as ``with EvaluationLedger(cache_dir) as ledger``.

    Parameters
    ----------
    folder : Path
        Of the candles; made where it is not there yet.

    Raises
    ------
    SettingsError
        If the file is no ledger, or a newer version of this program wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            make_folder(folder)
            keep_private(self.path)  # not made by sqlite: nobody else can read it even for a moment
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE_S)
        except (OSError, sqlite3.Error) as exc:
            raise SettingsError(f"{self.path} cannot be opened ({exc}): name another --cache-dir") from exc
        try:
            self._prepare()
        except BaseException as exc:
            self._db.close()
            if isinstance(exc, sqlite3.Error):
                raise self._spoilt(str(exc)) from exc
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _prepare(self) -> None:
        """Tables and the way of writing; two processes may do so at once."""
        (mode,) = self._db.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            # Where another process is switching too, its switch is as good.
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self._writing():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise SettingsError(
                    f"{self.path} has version {version}, this program knows {VERSION}: a newer version wrote "
                    "it; use that one, or name another --cache-dir"
                )
            if version == 0:
                for statement in _TABLES:
                    self._db.execute(statement)
            elif version == 1:
                self._db.execute(_FROM_VERSION_1)
            if version < VERSION:
                self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """All statements of the block, or none; on the disk when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # it has rolled back by itself where the disk is full
                self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _appending(self) -> Iterator[None]:
        """As ``_writing``, for what must be there before a figure is shown."""
        try:
            with self._writing():
                yield
        except sqlite3.Error as exc:
            raise Unwritable(
                f"{self.path} cannot be written ({exc}): what was looked at would be forgotten, so nothing "
                "is shown; free the disk, or end the process that holds the file"
            ) from exc

    def _rows(self, query: str, values: Sequence[object] = ()) -> Iterator[Any]:
        """The answer, row by row; what to do where the file can no longer be read."""
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as exc:
            raise self._spoilt(str(exc)) from exc

    def _spoilt(self, why: str) -> SettingsError:
        return SettingsError(
            f"{self.path} is not the ledger of evaluations ({why}): restore it from a copy, or "
            "remove it and with it the memory of every look at these candles"
        )

    # Looks ----------------------------------------------------------------------------------------

    def record(self, evaluations: Sequence[Json]) -> None:
        """Append looks, before what they showed is shown.

        The keys are those of ``EVALUATION``, as ``desk.learn.verdict.Evaluation`` has them.
        """
        with self._appending():
            for one in evaluations:
                self._record(one)

    def _record(self, one: Json) -> None:
        values = [one[name] for name in EVALUATION]
        self._db.execute(
            "INSERT INTO evaluations (kind, symbol, settings, first, last, tested, p_value, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        self._db.execute(
            "INSERT OR REPLACE INTO newest (symbol, settings, first, last, tested, p_value) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [one[name] for name in ("symbol", "settings", "first", "last", "tested", "p_value")],
        )

    def family(self, run: Sequence[Json]) -> list[float | None]:
        """p-values of the earlier evaluations that are tests of the same family as those of ``run``.

        ``run`` is as for ``record``.  Of every symbol with every setting the newest evaluation counts, where
        it had enough trades to be tested and its candles overlap with those of a tested symbol of the run.
        What the run itself evaluated is left out, whether or not it is in the ledger yet.
        """
        tested = [one for one in run if one["tested"]]
        if not tested:
            return []
        own = {(one["symbol"], one["settings"]) for one in run}
        rows = self._rows(
            "SELECT symbol, settings, p_value FROM newest WHERE tested AND last >= ? AND first <= ? "
            "ORDER BY symbol, settings",
            (min(one["first"] for one in tested), max(one["last"] for one in tested)),
        )
        family = []
        for symbol, settings, p_value in rows:
            if p_value is not None and not (isinstance(p_value, float) and 0 <= p_value <= 1):
                raise self._spoilt(f"the p-value of {symbol} is {p_value!r:.40}, must lie between 0 and 1")
            if (symbol, settings) not in own:
                family.append(p_value)
        return family

    def refused(self, run: Sequence[Json], *, above: float) -> set[str]:
        """Symbols of ``run`` that failed the test before, with the same settings, on overlapping candles.

        A look at exactly these candles with exactly this p-value is the same look again, as when an
        interrupted run is taken up, and does not count.

        Parameters
        ----------
        run : sequence of dict
            As for ``record``; not recorded yet, or each would be its own earlier test.
        above : float
            p-values above it failed even alone: half of the false discovery rate, because those that count
            are doubled.
        """
        query = (
            "SELECT 1 FROM evaluations WHERE symbol = ? AND settings = ? AND tested "
            "AND last >= ? AND first <= ? AND (p_value IS NULL OR p_value > ?) "
            "AND NOT (first = ? AND last = ? AND p_value IS ?) LIMIT 1"
        )
        where = ("symbol", "settings", "first", "last", "above", "first", "last", "p_value")
        asked = ({**one, "above": above} for one in run)
        return {one["symbol"] for one in asked if any(self._rows(query, [one[key] for key in where]))}

    def count(self) -> int:
        """Number of evaluations, repetitions included."""
        ((count,),) = self._rows("SELECT COUNT(*) FROM evaluations")
        return int(count)

    def evaluations(self) -> Iterator[Json]:
        """Every evaluation, oldest first, one at a time."""
        for row in self._rows(f"SELECT {', '.join(EVALUATION)} FROM evaluations ORDER BY evaluation"):  # noqa: S608 - our own names
            entry = dict(zip(EVALUATION, row, strict=True))
            yield {**entry, "tested": bool(entry["tested"])}

    def take_over(self, lines: Path) -> int:
        """Append what an ``evaluations.jsonl`` of an earlier version holds; how many entries that were.

        Done once for each file: what was taken is remembered, and only lines that were added since count.  A
        last line that a crash tore is left out.

        Raises
        ------
        SettingsError
            If another line is no entry, or the file none of this folder: what was looked at must not be
            forgotten silently.
        """
        if not os.path.lexists(lines):
            return 0
        place = str(lines.resolve())
        with self._appending():
            found = self._db.execute("SELECT lines FROM taken_over WHERE path = ?", (place,)).fetchone()
            taken = total = found[0] if found else 0
            for number, entry in old_entries(lines, after=taken):
                self._record(entry)
                total = number
            self._db.execute("INSERT OR REPLACE INTO taken_over VALUES (?, ?)", (place, total))
        return int(total - taken)

    # Settings that were shown ---------------------------------------------------------------------

    def note_looks(
        self, looks: Sequence[tuple[str, str, int]], *, at: str, in_force: str | None = None
    ) -> None:
        """Note what ``--explore`` is about to show.

        Parameters
        ----------
        looks : sequence of (str, str, int)
            Symbol, or ``POOLED`` where many are shown as one; fingerprint of the setting; open time of the
            last candle, ms.  The setting in force is not chosen by what is shown, and is left out.
        at : str
            ISO 8601 UTC.
        in_force : str, optional
            Fingerprint of the setting in force, the only one that is not chosen with a view of ``looks``.
        """
        with self._appending():
            self._db.executemany(
                "INSERT OR IGNORE INTO looks (symbol, settings, last, at, in_force) VALUES (?, ?, ?, ?, ?)",
                [(*look, at, in_force) for look in looks],
            )

    def shown_through(self, symbol: str, settings: str) -> int | None:
        """Open time (ms) of the last candle that ``--explore`` may have chosen a setting by; None: of none.

        A setting is chosen by the looks at its symbol, or pooled, that show it, and by all that were taken
        while another one was in force: who sees a horizon of 6 candles earn trains 7 candles, or the same 6
        at a threshold with other digits.
        """
        ((last,),) = self._rows(
            "SELECT MAX(last) FROM looks WHERE symbol IN (?, ?) AND (settings = ? OR in_force <> ?)",
            (symbol, POOLED, settings, settings),
        )
        return None if last is None else int(last)

    # Acceptances ----------------------------------------------------------------------------------

    def accept(self, acceptance: Json) -> None:
        """Note that a symbol was called tradable by the test; an acceptance that lasts is replaced.

        The keys are those of ``ACCEPTANCE``, as ``desk.learn.stay.Acceptance`` has them.
        """
        with self._appending():
            self._end(acceptance["symbol"], acceptance["settings"], acceptance["at"], "passed the test again")
            self._db.execute(
                f"INSERT INTO acceptances ({', '.join(ACCEPTANCE)}) VALUES (?,?,?,?,?,?,?)",  # noqa: S608 - our own names
                [acceptance[name] for name in ACCEPTANCE],
            )

    def reject(self, symbol: str, settings: str, *, at: str, because: str) -> None:
        """Note that a symbol is not tradable: its acceptance, if there is one, ends.

        Parameters
        ----------
        symbol, settings : str
        at : str
            ISO 8601 UTC.
        because : str
            The verdict's reasons.
        """
        with self._appending():
            self._end(symbol, settings, at, because)

    def _end(self, symbol: str, settings: str, at: str, because: str) -> None:
        self._db.execute(
            "UPDATE acceptances SET ended_at = ?, ended_because = ? "
            "WHERE symbol = ? AND settings = ? AND ended_at IS NULL",
            (at, because, symbol, settings),
        )

    def add_days(self, symbol: str, settings: str, net_by_day: Mapping[str, float]) -> None:
        """Add days to an acceptance that lasts; each counts once, as it was written first.

        Parameters
        ----------
        symbol, settings : str
        net_by_day : mapping of str to float
            Net in bp of whole days, by ISO date; those up to the acceptance's last day are left out.
        """
        with self._appending():
            self._db.executemany(
                "INSERT OR IGNORE INTO acceptance_days (acceptance, day, net_bps) "
                "SELECT acceptance, ?, ? FROM acceptances "
                "WHERE symbol = ? AND settings = ? AND ended_at IS NULL AND last_day < ?",
                [(day, net, symbol, settings, day) for day, net in net_by_day.items()],
            )

    def acceptance(self, symbol: str, settings: str) -> tuple[Json, dict[str, float]] | None:
        """The acceptance that lasts, with the net of every day after it; None without one."""
        found = self._rows(
            f"SELECT acceptance, {', '.join(ACCEPTANCE)} FROM acceptances "  # noqa: S608 - our own names
            "WHERE symbol = ? AND settings = ? AND ended_at IS NULL",
            (symbol, settings),
        )
        if (row := next(found, None)) is None:
            return None
        days = self._rows(
            "SELECT day, net_bps FROM acceptance_days WHERE acceptance = ? ORDER BY day", (row[0],)
        )
        return dict(zip(ACCEPTANCE, row[1:], strict=True)), dict(days)
