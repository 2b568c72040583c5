"""One round of pages, asked for by several workers at once.

Place in the house: below ``desk.market.history.download``.  A client and pages come in; what each page
brought goes out, candles and rows that are none apart.

Not here: which pages, and what their answers mean (``desk.market.history.download``).
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from desk.errors import DeskError, FetchEnds
from desk.market.history.candles import RawRows, broken, finished
from desk.market.history.paging import HISTORY, RECENT, Page

EMPTY_PAGES = 2
"""So many empty pages end a round of their endpoint: what lies below is likely empty too."""


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
class PageAnswer:
    """What one page brought."""

    page: Page
    candles: RawRows
    """Finished, and not broken."""
    bad: RawRows
    """Rows that are no candles."""
    oldest: int
    """Smallest open time of its rows below its end, whatever they are; the end where there is none, ms."""
    full: bool
    """Whether it has as many rows as were asked for: it then has passed over whatever lies between them."""

    def brings_older_than(self, open_time: int) -> bool:
        """Whether one of its candles opens before ``open_time`` (ms)."""
        return bool((self.candles.open_time < open_time).any())


@dataclass(slots=True, eq=False)
class PageRound:
    """Pages of one symbol, and their answers in the order in which they were received."""

    market: CandleSource
    symbol: str
    now: int
    """Server time in ms: candles that close later are not finished."""
    observer: DownloadObserver
    answers: list[PageAnswer] = field(default_factory=list)
    _empty: Counter[str] = field(default_factory=Counter)

    async def ask(self, pages: Iterable[Page], *, workers: int) -> None:
        """Ask for all ``pages``, the newest first; of an endpoint that has nothing older, not for all.

        Raises
        ------
        ExchangeError, FetchEnds
            If a page could not be had; of several failures the one that explains the others.
        """
        queue = list(pages)
        self.observer.planned(self.symbol, len(queue))
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint in (HISTORY, RECENT):
                    waiting = iter([page for page in queue if page.endpoint is endpoint])
                    for _ in range(workers):
                        group.create_task(self._work(waiting))
        except ExceptionGroup as failures:
            raise min(failures.exceptions, key=_weight) from None

    async def ask_one(self, page: Page) -> PageAnswer:
        """Ask for one page more."""
        self.observer.planned(self.symbol, 1)
        return await self._take(page)

    async def _work(self, waiting: Iterator[Page]) -> None:
        for page in waiting:
            if self._empty[page.endpoint.path] >= EMPTY_PAGES:
                return
            answer = await self._take(page)
            self._empty[page.endpoint.path] += answer.oldest == page.end

    async def _take(self, page: Page) -> PageAnswer:
        rows = await self.market.candles(self.symbol, page)
        below = rows.open_time[(rows.open_time > 0) & (rows.open_time < page.end)]
        wrong = broken(rows)
        good = finished(rows.where(~wrong), self.now)
        oldest, full = int(below.min(initial=page.end)), len(below) >= page.limit
        answer = PageAnswer(page, good, rows.where(wrong), oldest, full)
        self.answers.append(answer)
        await self.observer.received(self.symbol, good)
        return answer


def _weight(failure: Exception) -> int:
    """Of several failures the lightest explains the others: what ends the run, a defect, a page."""
    return 0 if isinstance(failure, FetchEnds) else 2 if isinstance(failure, DeskError) else 1
