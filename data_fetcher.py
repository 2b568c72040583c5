"""Phase 1: candles and funding rates of every symbol, in the cache.

Place in the house: a door.  Settings and a clock come in from the training and trading doors; candles,
funding rates and contracts end up in the cache folder, and a ``FetchReport`` has the outcome of each symbol.

The way of a run: the universe (``choose``), which candles are missing (``_known``, ``window_of``), pages
(``desk.market.history.download``), check (there too), cache (``_keep``).

Reading order: ``fetch_universe``, then ``_fetch_symbol`` for one symbol.

``check_books`` asks about the few symbols that would be called tradable, after their training.

Not here: pages and their retry (``desk.market``), what the terminal shows (a ``ProgressObserver`` receives
the progress).
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator

from desk.arguments import nearest
from desk.errors import CacheError, DeskError, FetchEnds, SettingsError, Unwritable
from desk.files import DISK_TROUBLE, remove_drafts
from desk.market.bitget.book_checks import check_books
from desk.market.bitget.public import BitgetPublic
from desk.market.history.cached import read_cached
from desk.market.history.candle_store import CandleStore
from desk.market.history.candles import NOTHING_KNOWN, KnownCandles, RawRows, merge
from desk.market.history.contract_book import ContractBook, Readings, add_readings
from desk.market.history.download import Download, download
from desk.market.history.fetch_report import (
    NO_PROGRESS,
    Fetched,
    FetchProblem,
    FetchProgress,
    FetchReport,
    ProgressObserver,
    download_notes,
    fetched_from,
    problem_of,
)
from desk.market.history.funding import FUNDING_ROWS, NO_FUNDING, FundingHistory, download_funding, is_due
from desk.market.history.page_journal import PageJournal
from desk.market.history.paging import PageRange, window_of
from desk.market.settings import FetchSettings
from desk.ports import Clock

__all__ = [
    "FetchProblem",
    "FetchProgress",
    "FetchReport",
    "Fetched",
    "ProgressObserver",
    "check_books",
    "choose",
    "fetch_universe",
]

log = logging.getLogger(__name__)

SYMBOLS_UNDER_WAY = 10
"""Symbols that are fetched at once: enough to keep all requests in flight, few enough for the memory."""
USUAL_FUNDING_HOURS = 8
"""For the estimate of the number of requests, where a contract does not list its own."""


async def fetch_universe(
    settings: FetchSettings,
    *,
    clock: Clock,
    progress: ProgressObserver = NO_PROGRESS,
    book: ContractBook | None = None,
) -> FetchReport:
    """Bring the cache up to date: the newest ``days`` × 288 finished candles of every chosen symbol.

    Finished symbols stay in the cache whatever happens afterwards, an interruption included.

    Parameters
    ----------
    settings : FetchSettings
        Which exchange, which symbols, how much history, and the cache folder.
    clock : Clock
        Measures and waits; the exchange's own time decides which candles are finished.
    progress : ProgressObserver
        Receives the progress and each outcome.
    book : ContractBook, optional
        Of a run that is continued: candles end when it was fetched.

    Returns
    -------
    FetchReport
        One outcome per symbol, in the order of the universe.

    Raises
    ------
    SettingsError
        If a symbol is unknown, no symbol is left, or the cache folder cannot be used; nothing was fetched.
    FetchEnds
        If nobody answers at the address (``Unreachable``), or the disk is full (``Unwritable``).
    ExchangeError
        If the exchange refuses the time, the contracts or the tickers.
    CacheError
        If offline and there is no usable contract data.
    """
    store = CandleStore(settings.cache_dir)
    if settings.offline:
        return await _take_offline(settings, store, clock, progress)
    began = clock.monotonic()
    with store.locked():
        store.check_source(settings.source)
        remove_drafts(store.folder)
        async with BitgetPublic(settings, clock=clock) as market:
            book = book or await _contract_book(market, settings, store.spreads())
            symbols = choose(settings, book)
            with _writing(store):
                store.save_contracts(book)
            progress.chosen(symbols, book)
            outcomes = await _Fetch(settings, store, market, clock, progress, symbols, book).run()
    return FetchReport(
        outcomes=outcomes,
        book=book,
        requests=market.sent.total(),
        throttled=market.throttled,
        unanswered=market.unanswered,
        seconds=clock.monotonic() - began,
    )


def choose(settings: FetchSettings, book: ContractBook) -> tuple[str, ...]:
    """The symbols of a run, those with the largest turnover first.

    Named symbols are taken as named, in their order, stocks and metals included.

    Raises
    ------
    SettingsError
        If a named symbol is unknown or not active, or nothing is left.
    """
    contracts = {contract.symbol: contract for contract in book.contracts}
    if settings.symbols:
        if problems := list(_naming_problems(settings.symbols, book)):
            raise SettingsError("symbols: " + "; ".join(problems))
        return settings.symbols
    active = [
        symbol
        for symbol, contract in contracts.items()
        if contract.active and (settings.include_rwa or not contract.is_rwa)
    ]
    if not active:
        raise SettingsError(
            f"{settings.source} lists no active perpetual contract on a coin"
            + ("" if settings.include_rwa else "; --include-rwa adds stocks, metals and currencies")
        )
    by_turnover = sorted(active, key=lambda symbol: (-book.turnover.get(symbol, 0.0), symbol))
    return tuple(by_turnover[: settings.top])


def _naming_problems(symbols: Iterable[str], book: ContractBook) -> Iterator[str]:
    contracts = {contract.symbol: contract for contract in book.contracts}
    for symbol in symbols:
        if (contract := contracts.get(symbol)) is None:
            hint = f" (meant {meant}?)" if (meant := nearest(symbol.upper(), contracts)) else ""
            yield f"{symbol} is not among the {len(contracts)} contracts of {book.source}{hint}"
        elif not contract.active:
            yield f"{symbol} cannot be traded: it is a {contract.kind} contract with status {contract.status}"


async def _contract_book(
    market: BitgetPublic, settings: FetchSettings, earlier: dict[str, Readings]
) -> ContractBook:
    """What the exchange lists now, and the spreads of the ``earlier`` runs with the present ones."""
    now = await market.server_time()
    table = await market.contracts()
    if table.unreadable:
        log.warning("left out, their contract data cannot be read: %s", ", ".join(table.unreadable))
    tickers = await market.tickers()
    spreads = add_readings(earlier, tickers.spreads_bps, at=now)
    return ContractBook(settings.source, now, table.contracts, tickers.turnover, spreads)


@contextlib.contextmanager
def _writing(store: CandleStore) -> Iterator[None]:
    """End the fetch on an error of the disk: the next symbol would not be written either."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in DISK_TROUBLE:
            raise
        raise Unwritable(
            f"{store.folder} cannot be written any more ({exc.strerror}): make room, then start "
            "again. What was fetched is kept."
        ) from exc


class _Fetch:
    """All symbols of one run; also the ``DownloadObserver`` of their downloads."""

    def __init__(
        self,
        settings: FetchSettings,
        store: CandleStore,
        market: BitgetPublic,
        clock: Clock,
        progress: ProgressObserver,
        symbols: tuple[str, ...],
        book: ContractBook,
    ) -> None:
        self._settings = settings
        self._store = store
        self._market = market
        self._clock = clock
        self._progress = progress
        self._symbols = symbols
        self._now = book.server_time
        self._funding_hours = {contract.symbol: contract.funding_hours for contract in book.contracts}
        self._window: PageRange = window_of(self._now, settings.days)
        self._under_way = min(len(symbols), SYMBOLS_UNDER_WAY)
        self._workers = -(-settings.max_concurrent_requests // self._under_way)
        self._outcomes: dict[str, Fetched | FetchProblem] = {}
        self._expected: dict[str, int] = {}
        self._pages: dict[str, int] = {}
        self._journals: dict[str, PageJournal] = {}
        self._candles = 0
        self._began = clock.monotonic()

    async def run(self) -> tuple[Fetched | FetchProblem, ...]:
        """Fetch every symbol; one outcome each, in the order given."""
        waiting = iter(self._symbols)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._under_way):
                    group.create_task(self._work(waiting))
        except ExceptionGroup as failures:
            raise _first_of(failures) from None
        return tuple(self._outcomes[symbol] for symbol in self._symbols)

    def planned(self, symbol: str, pages: int) -> None:
        """Count the pages of candles that ``symbol`` still needs."""
        self._pages[symbol] = self._pages.get(symbol, 0) + pages
        self._expect(symbol, pages)

    async def received(self, symbol: str, rows: RawRows) -> None:
        """Keep the rows of a page of several, so that a crash does not lose them."""
        self._candles += len(rows)
        self._report_progress()
        if self._pages[symbol] > 1 and len(rows):
            with _writing(self._store):
                await asyncio.to_thread(self._journals[symbol].add, rows)

    async def _work(self, waiting: Iterator[str]) -> None:
        for symbol in waiting:
            outcome = await self._fetch_symbol(symbol)
            self._outcomes[symbol] = outcome
            self._expected[symbol] = self._market.sent[symbol]
            self._progress.finished(outcome)
            self._report_progress()

    async def _fetch_symbol(self, symbol: str) -> Fetched | FetchProblem:
        """Bring one symbol from what is cached to what is wanted, its funding rates beside the candles."""
        began = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            candles = group.create_task(self._fetch_candles(symbol))
            funding = group.create_task(self._fetch_funding(symbol))
        outcome, (rates, funding_notes) = candles.result(), funding.result()
        if isinstance(outcome, FetchProblem):
            return outcome
        got, notes = outcome
        return fetched_from(
            got.candles,
            fetched=got.fetched,
            revised=got.revised,
            requests=self._market.sent[symbol],
            seconds=self._clock.monotonic() - began,
            funding=len(rates.rates),
            notes=(*notes, *download_notes(got, self._settings.days), *funding_notes),
        )

    async def _fetch_candles(self, symbol: str) -> tuple[Download, tuple[str, ...]] | FetchProblem:
        """Fetch the candles into the cache; return them with notes for the user, or why there are none."""
        stage = "cache"
        try:
            journal = self._journals[symbol] = self._store.journal(symbol)
            known, notes = await asyncio.to_thread(self._known, symbol, journal)
            stage = "candles"
            got = await download(
                self._market,
                symbol,
                known=known,
                window=self._window,
                now=self._now,
                workers=self._workers,
                observer=self,
            )
            stage = "saving"
            with _writing(self._store):
                await asyncio.to_thread(self._keep, got, journal)
        except FetchEnds:
            raise
        except DeskError as exc:
            return problem_of(symbol, stage, exc)
        except Exception as exc:  # this is where a symbol's job ends
            log.warning("%s failed (%s)", symbol, stage, exc_info=True)
            return FetchProblem(symbol, stage, type(exc).__name__, f"{symbol}: {type(exc).__name__}: {exc}")
        finally:
            if unfinished := self._journals.pop(symbol, None):
                unfinished.close()
        return got, notes

    async def _fetch_funding(self, symbol: str) -> tuple[FundingHistory, tuple[str, ...]]:
        """Fetch the funding rates into the cache; where that fails, a note says why.

        A failure leaves no symbol out: no model is trained on them.
        """
        if not self._settings.funding:
            return NO_FUNDING, ()
        known, notes = NO_FUNDING, tuple[str, ...]()
        first, hours = self._window.first, self._funding_hours.get(symbol)
        try:
            if self._settings.use_cache:
                known, notes = await asyncio.to_thread(self._store.known_funding, symbol)
            if not is_due(known, first=first, now=self._now, hours=hours):
                return known, notes
            days = self._settings.days if known is NO_FUNDING else 1
            self._expect(symbol, 1 + days * 24 // (hours or USUAL_FUNDING_HOURS) // FUNDING_ROWS)
            got = await download_funding(self._market, symbol, known=known, first=first, now=self._now)
            if got.since > first:
                notes = (*notes, "funding rates: one is no number and left out; it is asked for again")
            with _writing(self._store):
                await asyncio.to_thread(self._store.save_funding, symbol, got)
        except FetchEnds:
            raise
        except DeskError as exc:
            return known, (*notes, f"funding rates are not up to date: {exc}")
        except Exception as exc:  # this is where a symbol's job ends
            log.warning("%s: funding rates failed", symbol, exc_info=True)
            return known, (*notes, f"funding rates are not up to date: {type(exc).__name__}: {exc}")
        return got, notes

    def _known(self, symbol: str, journal: PageJournal) -> tuple[KnownCandles, tuple[str, ...]]:
        """What the cache has, and what an interrupted run had fetched."""
        if not self._settings.use_cache:
            journal.remove()
            return NOTHING_KNOWN, ()
        cached, notes = self._store.known(symbol)
        return KnownCandles(merge([cached.rows, journal.read()]), cached.absent), notes

    def _keep(self, got: Download, journal: PageJournal) -> None:
        """Write the cache if it is not up to date, and remove the journal of pages."""
        symbol, days = got.candles.symbol, self._settings.days
        if not self._store.is_current(symbol, days, got.candles, got.absent):
            self._store.save(got.candles, days=days, absent=got.absent)
        journal.remove()

    def _expect(self, symbol: str, requests: int) -> None:
        self._expected[symbol] = self._expected.get(symbol, 0) + requests
        self._report_progress()

    def _report_progress(self) -> None:
        begun = max(len(self._expected), 1)
        self._progress.update(
            FetchProgress(
                symbols=len(self._symbols),
                symbols_done=len(self._outcomes),
                requests=self._market.sent.total(),
                requests_expected=sum(self._expected.values()) * len(self._symbols) // begun,
                busiest=max(self._market.sent_to.values(), default=0),
                limit=self._settings.requests_per_second,
                throttled=self._market.throttled,
                candles=self._candles,
                seconds=self._clock.monotonic() - self._began,
                under_way=tuple(self._journals),
            )
        )


def _first_of(failures: BaseExceptionGroup) -> BaseException:
    """The first failure that is no group of others."""
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


async def _take_offline(
    settings: FetchSettings, store: CandleStore, clock: Clock, progress: ProgressObserver
) -> FetchReport:
    """What is cached, as if it had been fetched."""
    began = clock.monotonic()
    book = store.load_contracts()
    cached = set(store.symbols())
    symbols = [symbol for symbol in choose(settings, book) if settings.symbols or symbol in cached]
    if not symbols:
        raise CacheError(f"{store.folder} holds candles of none of the symbols: fetch once without --offline")
    progress.chosen(tuple(symbols), book)
    outcomes: list[Fetched | FetchProblem] = []
    for symbol in symbols:
        outcomes.append(read_cached(store, symbol, days=settings.days, funding=settings.funding, clock=clock))
        progress.finished(outcomes[-1])
        await asyncio.sleep(0)
    seconds = clock.monotonic() - began
    return FetchReport(tuple(outcomes), book, requests=0, throttled=0, unanswered=0, seconds=seconds)
