"""One symbol's missing candles, from the exchange to checked candles.

Place in the house: what is known (from ``desk.market.history.candle_store``) and what is wanted come in; a
``Download`` with checked candles goes out.  ``desk.market.history.paging`` plans pages and
``desk.market.history.page_round`` asks for them.

Reading order: ``download``, then ``_Search``: which candles are wanted, and what an answer says about those
that it lacks.

    a row is no candle                 asked for again; a hole at last, which is reported
    the page ends above a candle       nothing: the page was short, the next one ends where it ended
    the page passes over a candle      absent at this moment; after ``ROUNDS`` of them a hole
    nothing below the oldest candle    the beginning, once the pages below are empty twice

Not here: when an absence is believed for good (``desk.market.history.absence``), the disk, and other symbols
(``data_fetcher``).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.errors import CandleError, NotEnoughHistory
from desk.market.history.absence import BELIEVED, THERE, Absences, absences_of, seen_again
from desk.market.history.candles import (
    KnownCandles,
    RawRows,
    between,
    check_candles,
    count_revised,
    describe_broken,
    merge,
)
from desk.market.history.page_round import CandleSource, DownloadObserver, PageAnswer, PageRound
from desk.market.history.paging import HISTORY, OVERLAP, ROUNDS, Page, PageRange, plan_pages
from desk.values import CANDLE_MS, Candles

MOST_BROKEN_SHARE = 0.01
"""Share of the wanted candles above which rows that are no candles cost the symbol."""
FEW_BROKEN = 5
"""So many never do."""


@dataclass(frozen=True, slots=True, eq=False)
class Download:
    """A symbol's candles within the window, and what the download learnt."""

    candles: Candles
    absent: Absences
    """As ``KnownCandles.absent``, with what was learnt now."""
    fetched: int
    """Candles that were not known before."""
    revised: int
    """Known candles that the exchange now reports with other numbers; the newer ones were taken."""
    bad: RawRows
    """Rows in place of candles that are none, as ``merge`` gives them; each is a hole."""
    untimed: int
    """About how many rows had no open time that can be read; their candles are holes too."""


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
    """Ask for every candle of ``window`` that is not known, until it is there or was absent often enough.

    Parameters
    ----------
    market : CandleSource
        The client.
    symbol : str
        As the exchange spells it.
    known : KnownCandles
        What is not asked for again, an overlap and recent absences left aside.
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
        If too many rows are no candles, after they were asked for three times.
    NotEnoughHistory
        If the exchange has no finished candle of the symbol within the window.
    ExchangeError
        If a page could not be had.
    """
    search = _Search(known, window, now)

    def begin_round() -> PageRound:
        return PageRound(market, symbol, now, observer)

    if search.doubts_beginning:
        turn = begin_round()
        await turn.ask_one(search.page_below())
        search.take(turn.answers)
    while len(pages := search.pages()):
        turn = begin_round()
        await turn.ask(pages, workers=workers)
        search.take(turn.answers)
        if search.seems_to_begin(turn.answers):
            await _confirm_beginning(search, begin_round())
    return _downloaded(symbol, search, known, now)


async def _confirm_beginning(search: "_Search", turn: PageRound) -> None:
    """Ask below the oldest candle until something older comes, or the pages there were empty twice."""
    oldest = search.oldest
    page = search.page_below()
    below = Page(HISTORY, page.end - (HISTORY.limit - 1) * CANDLE_MS, HISTORY.limit)
    again = () if search.was_empty(page) else (page,)
    for asked in (page, below, *again):
        answer = await turn.ask_one(asked)
        if answer.brings_older_than(oldest):
            search.take(turn.answers)
            return
    search.take(turn.answers)
    search.beginning = oldest


class _Search:
    """What is there, what is wanted, and how often each wanted candle was found absent."""

    def __init__(self, known: KnownCandles, window: PageRange, now: int) -> None:
        self._window = window
        self._now = now
        self._grid = np.arange(window.first, window.end, CANDLE_MS, dtype=np.int64)
        self._known_absent = known.absent
        self.rows = merge([known.rows])
        self.received: list[RawRows] = []
        self._bad: list[RawRows] = []
        self._empty: list[Page] = []
        """Pages of ``HISTORY`` without a row."""
        self.seen = known.absent.seen_at(self._grid)
        self._tries = np.select([self.seen == THERE, self.seen == BELIEVED], [0, ROUNDS], ROUNDS - 1)
        """How often each candle was found absent: recent holes are asked for once, believed ones never."""
        self._fruitless = 0
        """Rounds that left nothing known at all."""
        beginning = known.absent.beginning
        holds = beginning is not None and len(self.rows) and beginning <= self.oldest
        self.beginning = beginning if holds else None

    @property
    def oldest(self) -> int:
        """Open time of the oldest candle that is there, ms; the window's end where there is none."""
        return int(self.rows.open_time[0]) if len(self.rows) else self._window.end

    @property
    def doubts_beginning(self) -> bool:
        """Whether more is wanted than the exchange had in an earlier run."""
        return self.beginning is not None and self._window.first < self.beginning

    def page_below(self) -> Page:
        """The page directly below the known beginning, or below the oldest candle."""
        end = self.oldest if self.beginning is None else self.beginning
        rows = max((end - self._window.first) // CANDLE_MS, 1) + OVERLAP
        return Page(HISTORY, end, min(HISTORY.limit, rows))

    def wanted(self) -> NDArray[np.bool_]:
        """Mask over the grid: neither there, nor before the beginning, nor absent often enough."""
        mask = ~np.isin(self._grid, self.rows.open_time, assume_unique=True) & (self._tries < ROUNDS)
        if self.beginning is not None:
            mask &= self._grid >= self.beginning
        return mask

    def pages(self) -> list[Page]:
        """Pages of the next round; none once the search is over."""
        if self._fruitless >= ROUNDS:
            return []
        wanted = self.wanted()
        return [
            page
            for attempt in range(ROUNDS)
            for page in plan_pages(self._to_ask(wanted, attempt), self._window, attempt=attempt)
        ]

    def _to_ask(self, wanted: NDArray[np.bool_], attempt: int) -> NDArray[np.int64]:
        """Open times of the wanted candles that were found absent ``attempt`` times.

        Of a long hole that was asked for in full, the newest page is enough: it either brings some of it, or
        passes over all of it.
        """
        missing: NDArray[np.int64] = self._grid[wanted & (self._tries == attempt)]
        if not attempt or not len(missing):
            return missing
        ends = np.append(np.diff(missing) != CANDLE_MS, True)
        end_of_hole = missing[ends][np.cumsum(ends) - ends]
        newest: NDArray[np.int64] = missing[end_of_hole - missing < (HISTORY.limit - ROUNDS) * CANDLE_MS]
        return newest

    def take(self, answers: Iterable[PageAnswer]) -> None:
        """Take what pages brought, and count against what they passed over."""
        every = list(answers)
        before = self.wanted()
        self.rows = merge([self.rows, *(answer.candles for answer in every)])
        self.received += [answer.candles for answer in every]
        self._bad += [answer.bad for answer in every]
        self._empty += [
            one.page for one in every if one.oldest == one.page.end and one.page.endpoint is HISTORY
        ]
        passed = np.zeros(len(self._grid), bool)
        for answer in every:
            span = self._passed_over(answer, before)
            passed[span] |= before[span]
        missing = ~np.isin(self._grid, self.rows.open_time, assume_unique=True)
        self._tries[passed & missing] += 1
        doubted = self.seen > BELIEVED
        if (before & doubted & ~missing).any():  # what was absent in an earlier run was so for a time only
            self._tries[doubted & missing] = 0
            self.seen[doubted] = THERE
        self._fruitless = 0 if len(self.rows) else self._fruitless + 1
        if self.beginning is not None and self.oldest < self.beginning:
            self.beginning = None

    def _passed_over(self, answer: PageAnswer, wanted: NDArray[np.bool_]) -> slice:
        """Places in the grid that the page should have had: all that it covers, unless it was cut short.

        A full page whose rows lie further apart reaches below that, down to its oldest row.
        """
        page = answer.page
        bottom = page.end - page.limit * CANDLE_MS
        if answer.full:
            bottom = min(bottom, answer.oldest)
        span = slice(self._place(bottom), self._place(page.end))
        if np.isin(self._grid[span][wanted[span]], answer.candles.open_time).any():
            span = slice(max(self._place(answer.oldest), span.start), span.stop)
        return span

    def _place(self, open_time: int) -> int:
        """Place in the grid of the first candle that opens at ``open_time`` (ms) or later."""
        return int(np.searchsorted(self._grid, open_time))

    def seems_to_begin(self, answers: Iterable[PageAnswer]) -> bool:
        """Whether a page that reaches below the oldest candle brought nothing from there."""
        if self.beginning is not None or not len(self.rows) or self.oldest <= self._window.first:
            return False
        return any(one.page.end - one.page.limit * CANDLE_MS < self.oldest for one in answers)

    def was_empty(self, page: Page) -> bool:
        """Whether a page of the archive that reaches no further up than ``page`` was empty before."""
        return any(empty.end <= page.end for empty in self._empty)

    def bad(self) -> RawRows:
        """Rows that are no candles and stand in the place of one that is missing."""
        rows = merge(self._bad)
        place = rows.open_time // CANDLE_MS * CANDLE_MS
        wanted = (place >= self._window.first) & (place <= self._window.last)
        return rows.where(wanted & ~np.isin(place, self.rows.open_time))

    @property
    def untimed(self) -> int:
        """About how many rows had no time that can be read: each was asked for ``ROUNDS`` times."""
        return -(-sum(int((rows.open_time <= 0).sum()) for rows in self._bad) // ROUNDS)

    def series(self) -> RawRows:
        """The candles of the window."""
        return between(self.rows, self._window.first, self._window.last)

    @property
    def existing(self) -> int:
        """How many candles the window has since the beginning."""
        since = self._window.first if self.beginning is None else self.beginning
        return int((self._grid >= since).sum())

    def absences(self) -> Absences:
        """What is absent between the oldest and the newest candle, and what was known outside the window."""
        missing = ~np.isin(self._grid, self.rows.open_time, assume_unique=True)
        newest = int(self.series().open_time[-1])
        missing &= (self._grid > self.oldest) & (self._grid < newest)  # what is newer may only be late
        holes = absences_of(self._grid[missing], seen_again(self.seen[missing], self._now))
        outside = self._known_absent.outside(self._window.first, self._window.end)
        return Absences(tuple(sorted((*holes, *outside), key=lambda one: one.hole.first)), self.beginning)


def _downloaded(symbol: str, search: _Search, known: KnownCandles, now: int) -> Download:
    """Check what was found.

    Raises
    ------
    CandleError
        If too many rows are no candles.
    NotEnoughHistory
        If nothing was found.
    """
    series, bad = search.series(), search.bad()
    wrong = len(bad) + search.untimed
    if wrong > max(FEW_BROKEN, MOST_BROKEN_SHARE * search.existing):
        first = describe_broken(bad) or "their open times cannot be read"
        raise CandleError(
            f"{symbol}: {wrong} of {search.existing} candles are none, asked for {ROUNDS} times, at most "
            f"{MOST_BROKEN_SHARE:.0%} may be left out; {first}"
        )
    if not len(series):
        raise NotEnoughHistory(f"{symbol}: the exchange has no finished candle of the last days yet")
    candles = check_candles(symbol, series.open_time, series.values, now=now)
    return Download(
        candles=candles,
        absent=search.absences(),
        fetched=int((~np.isin(series.open_time, known.rows.open_time, assume_unique=True)).sum()),
        revised=count_revised(merge([known.rows]), merge(search.received)),
        bad=bad,
        untimed=search.untimed if candles.missing else 0,
    )
