"""One symbol's missing candles, from the exchange to checked candles.

Place in the house: what is known (from ``desk.market.history.candle_store``) and what is wanted come in; a
``Download`` with checked candles goes out.  The client asks, ``desk.market.history.paging`` plans.

Reading order: ``download`` first: up to three rounds of pages, each for what is still missing.

Not here: the disk, and other symbols (``data_fetcher``).
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from desk.errors import CandleError, DeskError, FetchEnds, NotEnoughHistory
from desk.market.history.candles import (
    NO_ROWS,
    KnownCandles,
    RawRows,
    between,
    broken,
    check_candles,
    count_revised,
    describe_broken,
    finished,
    holes_of,
    merge,
    missing_between,
)
from desk.market.history.paging import HISTORY, RECENT, ROUNDS, Page, PageRange, plan_pages
from desk.values import CANDLE_MS, Candles, Hole

EMPTY_PAGES = 2
"""So many pages without a row mean that there is nothing older: one alone may be an error of the exchange."""


class CandleSource(Protocol):
    """Where pages come from."""

    async def candles(self, symbol: str, page: Page) -> RawRows:
        """One page of candles, unchecked."""


class DownloadObserver(Protocol):
    """Receives the progress of a download."""

    def planned(self, symbol: str, pages: int) -> None:
        """So many more pages are needed, fewer if they turn out to lie before the listing."""

    async def received(self, symbol: str, rows: RawRows) -> None:
        """A page was received; ``rows`` are its candles, finished and not broken."""


@dataclass(frozen=True, slots=True, eq=False)
class Download:
    """A symbol's candles within the window, and what the download learnt."""

    candles: Candles
    absent: tuple[Hole, ...]
    """As ``KnownCandles.absent``, with what was learnt now."""
    fetched: int
    """Candles that were not known before."""
    revised: int
    """Known candles that the exchange now reports with other numbers; the newer ones were taken."""


async def download(
    market: CandleSource,
    symbol: str,
    *,
    known: KnownCandles,
    window: PageRange,
    now: int,
    workers: int,
    observer: DownloadObserver,
) -> Download:
    """Ask for every candle of ``window`` that is not known, until it is there or its absence is certain.

    Parameters
    ----------
    market : CandleSource
        The client.
    symbol : str
        As the exchange spells it.
    known : KnownCandles
        What is not asked for again, an overlap left aside.
    window : PageRange
        What is wanted.
    now : int
        Server time in ms; candles that close later are not finished and are left out.
    workers : int
        Most pages of this symbol that are asked for at once, per endpoint.
    observer : DownloadObserver
        Receives each plan and each page.

    Raises
    ------
    CandleError
        If a row is still no candle after it was asked for three times.
    NotEnoughHistory
        If the exchange has no finished candle of the symbol within the window.
    ExchangeError
        If a page could not be had.
    """
    rows, absent = merge([known.rows]), known.absent
    received: list[RawRows] = []
    bad = NO_ROWS
    for attempt in range(ROUNDS):
        missing = missing_between(rows.open_time, window.first, window.last, absent)
        if not len(missing):
            break
        pages = plan_pages(missing, window, attempt=attempt)
        observer.planned(symbol, len(pages))
        batch = _Batch(market, symbol, now, observer)
        await batch.ask(pages, workers)
        received += batch.pages
        bad = merge(batch.bad)
        rows = merge([rows, *batch.pages])
        if batch.nothing_older and len(rows):
            absent = _with_listing(absent, int(rows.open_time[0]))

    missing = missing_between(rows.open_time, window.first, window.last, absent)
    if np.isin(bad.open_time // CANDLE_MS * CANDLE_MS, missing).any():
        raise CandleError(f"{symbol}: {describe_broken(bad)}, asked for {ROUNDS} times")
    series = between(rows, window.first, window.last)
    if not len(series):
        raise NotEnoughHistory(f"{symbol}: the exchange has no finished candle of the last days yet")
    first, last = int(series.open_time[0]), int(series.open_time[-1])
    if len(missing) and missing[0] < first:
        absent = _with_listing(absent, first)
    inside = missing[
        (missing > first) & (missing < last)
    ]  # the newest may only be late: asked for again next time
    return Download(
        candles=check_candles(symbol, series.open_time, series.values, now=now),
        absent=tuple(sorted({*absent, *holes_of(inside)}, key=lambda hole: hole.first)),
        fetched=int((~np.isin(series.open_time, known.rows.open_time, assume_unique=True)).sum()),
        revised=count_revised(merge([known.rows]), merge(received)),
    )


def _with_listing(absent: tuple[Hole, ...], first: int) -> tuple[Hole, ...]:
    """``absent``, and all that lies before ``first``: the symbol was listed then."""
    later = [hole for hole in absent if hole.first >= first]
    return (Hole(0, first // CANDLE_MS), *later)


def _weight(failure: Exception) -> int:
    """Of several failures the lightest explains the others: what ends the run, a defect, a page."""
    return 0 if isinstance(failure, FetchEnds) else 2 if isinstance(failure, DeskError) else 1


@dataclass(slots=True, eq=False)
class _Batch:
    """The pages of one round, asked for by several workers at once."""

    market: CandleSource
    symbol: str
    now: int
    observer: DownloadObserver
    pages: list[RawRows] = field(default_factory=list)
    bad: list[RawRows] = field(default_factory=list)
    """Rows that are no candles."""
    _empty: dict[str, int] = field(default_factory=dict)

    @property
    def nothing_older(self) -> bool:
        """Whether the responses show that the symbol's beginning is reached."""
        return self._empty.get(HISTORY.path, 0) >= EMPTY_PAGES

    async def ask(self, pages: Iterable[Page], workers: int) -> None:
        """Ask for all ``pages``, the newest first; leave out what lies before the listing."""
        queue = list(pages)
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint in (HISTORY, RECENT):
                    waiting = iter([page for page in queue if page.endpoint is endpoint])
                    for _ in range(workers):
                        group.create_task(self._work(waiting))
        except ExceptionGroup as failures:
            raise min(failures.exceptions, key=_weight) from None

    async def _work(self, waiting: Iterator[Page]) -> None:
        for page in waiting:
            if self._empty.get(page.endpoint.path, 0) >= EMPTY_PAGES:
                return
            await self._take(page, await self.market.candles(self.symbol, page))

    async def _take(self, page: Page, rows: RawRows) -> None:
        if not len(rows):
            self._empty[page.endpoint.path] = self._empty.get(page.endpoint.path, 0) + 1
        wrong = broken(rows)
        if wrong.any():
            self.bad.append(rows.where(wrong))
        good = finished(rows.where(~wrong), self.now)
        self.pages.append(good)
        await self.observer.received(self.symbol, good)
