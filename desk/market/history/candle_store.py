"""The candle cache: what was fetched once is not fetched again.

Place in the house: the only module that writes below ``backtest_data/``.  Checked candles, funding rates and
contracts come in from ``data_fetcher``; they come out again, checked again, for the next run, training and
live trading.

Files, each replaced whole or not at all::

    BTCUSDT_5m_180d.pkl    a pickled DataFrame (``Candles.frame``) that ``pandas.read_pickle`` opens; its
                           attrs hold what the exchange did not have (``desk.market.history.absence``): under
                           "absent" the holes (first open time, candles, server time at which each was found
                           or 0), under "beginning" the open time of its first candle, if that is known
    BTCUSDT_funding.pkl    the same for settled funding rates: index ``funding_time``, column
                           ``funding_rate``; attrs hold under "since" from when on none is missing
    .BTCUSDT.pages         pages of a fetch that was not finished (``desk.market.history.page_journal``)
    contracts.json         the exchange's contracts, with turnover, of the last run
    .lock                  held by the process that fetches

Not here: how a pickle is read without running it, see ``desk.market.history.inert_pickle``.
"""

import contextlib
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeGuard, TypeVar

from desk.errors import CacheError, DataError, SettingsError
from desk.files import read_file, sole_writer, write_file
from desk.market.history.absence import NOTHING_ABSENT, Absence, Absences, join_absences
from desk.market.history.candles import NOTHING_KNOWN, KnownCandles, RawRows, between, check_candles, merge
from desk.market.history.contract_book import NO_BOOK, ContractBook, Readings, read_book
from desk.market.history.funding import COLUMN, INDEX, NO_FUNDING, FundingHistory, FundingRates, check_funding
from desk.market.history.inert_pickle import FrameParts, read_frame
from desk.market.history.page_journal import PageJournal
from desk.symbol_names import SYMBOL, symbol_fault
from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, Hole

CONTRACTS_FILE = "contracts.json"
LARGEST_FILE = 256 * 2**20
"""Bytes; ten years of 5-minute candles take 59 MB."""
ABSENT, BEGINNING, SINCE = "absent", "beginning", "since"
"""Names among the attrs of the frames of candles and of funding rates."""
LATEST: Final = 10**15
"""No time in ms is that late."""

Content = TypeVar("Content")


def check_symbol(symbol: str) -> str:
    """Return ``symbol`` if it may be part of a file name.

    Raises
    ------
    CacheError
        If it holds something else, such as a path separator, or two symbols could share a file.
    """
    if fault := symbol_fault(symbol):
        raise CacheError(f"{symbol[:80]!a} cannot be a file name: {fault}")
    return symbol


class CandleStore:
    """The caches in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, symbol: str, days: int) -> Path:
        """Where the candles of ``symbol`` are kept."""
        return self.folder / f"{check_symbol(symbol)}_5m_{days}d.pkl"

    def files(self, symbol: str) -> tuple[Path, ...]:
        """Every cache of ``symbol`` that is there, whatever its number of days."""
        name = re.compile(rf"{re.escape(check_symbol(symbol))}_5m_\d+d\.pkl")
        return tuple(path for path in _listed(self.folder) if name.fullmatch(path.name))

    def symbols(self) -> tuple[str, ...]:
        """Every symbol that has a cache, sorted."""
        names = (re.fullmatch(rf"({SYMBOL})_5m_\d+d\.pkl", path.name) for path in _listed(self.folder))
        return tuple(sorted({name[1] for name in names if name and not symbol_fault(name[1])}))

    def save(self, candles: Candles, *, days: int, absent: Absences = NOTHING_ABSENT) -> Path:
        """Write the cache of one symbol.

        Parameters
        ----------
        candles : Candles
            All of it.
        days : int
            Length of the history that was asked for; part of the name of the file.
        absent : Absences
            Candles that the exchange did not have.

        Raises
        ------
        OSError
            If the disk is full or the folder cannot be written; the old cache, if any, is then unharmed.
        CacheError
            If the file could not be read back: an installed pandas that pickles in a form not known here.
        """
        path = self.path(candles.symbol, days)
        frame = candles.frame()
        frame.attrs[ABSENT] = [[one.hole.first, one.hole.candles, one.seen] for one in absent.holes]
        if absent.beginning is not None:
            frame.attrs[BEGINNING] = absent.beginning
        body = pickle.dumps(frame, protocol=5)
        _candle_frame(body, path)
        write_file(path, body)
        return path

    def load(self, symbol: str, days: int) -> Candles:
        """The newest ``days`` × 288 candles that are cached, fewer if there are fewer.

        Raises
        ------
        CacheError
            If there is no cache of ``symbol``, or one is not what it should be.
        """
        paths = self.files(symbol)
        if not paths:
            raise CacheError(f"{self.path(symbol, days)} is not there: fetch it, without --offline")
        rows = _joined([self._open(path, symbol) for path in paths]).rows
        if not len(rows):
            raise CacheError(f"{self.path(symbol, days)} holds no candles: delete it and fetch it again")
        last = int(rows.open_time[-1])
        rows = between(rows, last - (days * CANDLES_PER_DAY - 1) * CANDLE_MS, last)
        return check_candles(symbol, rows.open_time, rows.values)

    def known(self, symbol: str) -> tuple[KnownCandles, tuple[str, ...]]:
        """All that is cached of ``symbol``, whatever its number of days, and what is wrong with its files.

        A file that is not what it should be is set aside under another name, for a person to inspect.
        """
        found, problems = [], []
        for path in self.files(symbol):
            try:
                found.append(self._open(path, symbol))
            except CacheError as exc:
                problems.append(self._set_aside(path, exc))
        return _joined(found), tuple(problems)

    def remove_other_days(self, days: int) -> int:
        """Remove caches of other lengths of history where there is one of ``days``; how many those were."""
        removed = 0
        for symbol in self.symbols():
            kept = self.path(symbol, days)
            for path in self.files(symbol) if kept.is_file() else ():
                if path != kept:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def journal(self, symbol: str) -> PageJournal:
        """Where the pages of ``symbol`` are kept until its cache is written.

        Raises
        ------
        CacheError
            If the symbol cannot be part of a file name.
        """
        return PageJournal(self.folder / f".{check_symbol(symbol)}.pages")

    def is_current(self, symbol: str, days: int, candles: Candles, absent: Absences) -> bool:
        """Whether the cache of exactly these days already holds exactly this.

        Parameters
        ----------
        symbol : str
            As the exchange spells it.
        days : int
            Of the name of the file.
        candles, absent
            What it should hold.
        """
        try:
            cached = self._open(self.path(symbol, days), symbol)
        except CacheError:
            return False
        rows = cached.rows
        return (
            cached.absent == absent
            and rows.open_time.tobytes() == candles.open_time.tobytes()
            and rows.values.tobytes() == candles.values.tobytes()
        )

    def save_contracts(self, book: ContractBook) -> None:
        """Write ``contracts.json``.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        write_file(self.folder / CONTRACTS_FILE, book.text().encode())

    def load_contracts(self) -> ContractBook:
        """Read ``contracts.json``.

        Raises
        ------
        CacheError
            If it is not there or not what it should be.
        """
        path = self.folder / CONTRACTS_FILE
        try:
            return read_book(read_file(path))
        except FileNotFoundError:
            raise CacheError(f"{path} is not there: fetch once without --offline") from None
        except (OSError, *NO_BOOK) as exc:
            raise CacheError(
                f"{path} cannot be read ({exc!r}): delete it, it is written by every fetch"
            ) from exc

    def spreads(self) -> dict[str, Readings]:
        """Readings of the spread of earlier runs, by symbol; none where ``contracts.json`` is of no use."""
        try:
            return self.load_contracts().spreads
        except CacheError:
            return {}

    def check_source(self, source: str) -> None:
        """Make sure that the folder holds candles of ``source`` and no other.

        Raises
        ------
        SettingsError
            If the last fetch into this folder was from elsewhere: candles of two markets would be mixed.
        """
        with contextlib.suppress(CacheError):
            if (cached := self.load_contracts().source) != source:
                raise SettingsError(
                    f"{self.folder} holds candles of {cached}, and this run asks {source}: they must not be "
                    "mixed. Name another folder with --cache-dir, or delete that one"
                )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process while it fetches; the lock dies with the process.

        Raises
        ------
        SettingsError
            If another process is fetching into the folder, or it is no folder, or cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(sole_writer(self.folder))
            except SettingsError as exc:
                raise SettingsError(f"candles: {exc} with --cache-dir") from exc
            yield

    def funding_path(self, symbol: str) -> Path:
        """Where the funding rates of ``symbol`` are kept."""
        return self.folder / f"{check_symbol(symbol)}_funding.pkl"

    def save_funding(self, symbol: str, funding: FundingHistory) -> Path:
        """Write the funding rates of one symbol.

        Raises
        ------
        OSError
            If the disk is full or the folder cannot be written; the old file, if any, is then unharmed.
        CacheError
            If the file could not be read back.
        """
        path, frame = self.funding_path(symbol), funding.rates.frame()
        frame.attrs[SINCE] = funding.since
        body = pickle.dumps(frame, protocol=5)
        _funding_frame(body, path)
        write_file(path, body)
        return path

    def load_funding(self, symbol: str) -> FundingHistory:
        """The cached funding rates of ``symbol``.

        Raises
        ------
        CacheError
            If there are none, or the file is not what it should be.
        """
        path = self.funding_path(symbol)

        def read(parts: FrameParts) -> FundingHistory:
            since = parts.attrs.get(SINCE)
            if type(since) is not int or not 0 <= since <= LATEST:
                raise TypeError("the time from which on it is complete is missing")
            return check_funding(symbol, FundingRates(parts.time, parts.values[0]), since=since)

        return _read(path, _funding_frame, read)

    def known_funding(self, symbol: str) -> tuple[FundingHistory, tuple[str, ...]]:
        """As ``known``, for the funding rates."""
        path = self.funding_path(symbol)
        if not path.exists():
            return NO_FUNDING, ()
        try:
            return self.load_funding(symbol), ()
        except CacheError as exc:
            return NO_FUNDING, (self._set_aside(path, exc),)

    def _open(self, path: Path, symbol: str) -> KnownCandles:
        def read(parts: FrameParts) -> KnownCandles:
            candles = check_candles(symbol, parts.time, parts.values)
            return KnownCandles(RawRows(candles.open_time, candles.values), _absences(parts))

        return _read(path, _candle_frame, read)

    def _set_aside(self, path: Path, why: CacheError) -> str:
        """Set a file aside under another name; return the message for the user."""
        number = 1
        while (target := path.with_name(f"{path.name}.corrupt-{number}")).exists():
            number += 1
        return f"{why}; set aside as {path.rename(target).name} and fetched again"


def _read(
    path: Path, open_frame: Callable[[bytes, Path], FrameParts], read: Callable[[FrameParts], Content]
) -> Content:
    """What a cache file holds; anything else than it should be is a ``CacheError`` that names it."""
    try:
        body = read_file(path, most=LARGEST_FILE)
    except OSError as exc:
        raise CacheError(f"{path} cannot be read ({exc.strerror})") from exc
    parts = open_frame(body, path)
    try:
        return read(parts)
    except (DataError, ValueError, TypeError) as exc:
        raise CacheError(f"{path} is no cache of ours: {exc}") from exc


def _candle_frame(body: bytes, path: Path) -> FrameParts:
    return read_frame(body, name=str(path))


def _funding_frame(body: bytes, path: Path) -> FrameParts:
    return read_frame(body, name=str(path), index=INDEX, columns=(COLUMN,))


def _listed(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*.pkl"))) if folder.is_dir() else ()


def _joined(found: list[KnownCandles]) -> KnownCandles:
    """All candles of several files; where they differ, the file with the newest candle is right."""
    if not found:
        return NOTHING_KNOWN
    by_age = sorted(found, key=lambda one: int(one.rows.open_time[-1]) if len(one.rows) else 0)
    return KnownCandles(merge(one.rows for one in by_age), join_absences(one.absent for one in found))


def _absences(parts: FrameParts) -> Absences:
    """What a file says about absent candles; entries of an earlier version, without times, are not used."""
    listed = parts.attrs.get(ABSENT, [])
    if not isinstance(listed, list):
        raise TypeError("its list of absent candles is no list")
    if any(
        not isinstance(entry, list | tuple) or not all(_is_count(number) for number in entry)
        for entry in listed
    ):
        raise ValueError("its list of absent candles holds something else")
    beginning = parts.attrs.get(BEGINNING)
    if beginning is not None and not _is_count(beginning):
        raise ValueError("the beginning of its series is no time")
    holes = (
        Absence(Hole(first, candles), seen) for first, candles, seen in (e for e in listed if len(e) == 3)
    )
    return Absences(tuple(holes), beginning)


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= LATEST
