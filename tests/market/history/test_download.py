"""One symbol's download against an exchange with every quirk that was ever reported."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.errors import CandleError, NotEnoughHistory, Unanswered
from desk.market.history.absence import BELIEVED, NOTHING_ABSENT, Absences
from desk.market.history.candles import NO_ROWS, NOTHING_KNOWN, KnownCandles, RawRows
from desk.market.history.download import Download, download
from desk.market.history.fetch_report import download_notes
from desk.market.history.paging import DAY_MS, HISTORY, RECENT, Page, window_of
from desk.values import CANDLE_MS, Candles
from tests.market.samples import NOW, assert_same_candles, random_candles, rows_of, without

Spoil = Callable[[int, Page, RawRows], RawRows]


def as_it_is(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
    return rows


@dataclass
class Exchange:
    """Serves candles as Bitget does; ``spoil`` changes what the n-th request is answered."""

    candles: Candles
    inclusive: bool = False
    spoil: Spoil = as_it_is
    now: int = NOW
    asked: list[Page] = field(default_factory=list)

    async def candles_of(self, page: Page) -> RawRows:
        """The newest ``limit`` rows below the end."""
        times = self.candles.open_time
        reach = self.now - 30 * DAY_MS if page.endpoint is RECENT else 0
        stop = int(np.searchsorted(times, page.end, side="right" if self.inclusive else "left"))
        if page.endpoint is HISTORY:
            stop = min(stop, int(np.searchsorted(times, self.now - CANDLE_MS, side="right")))
        first = max(stop - page.limit, int(np.searchsorted(times, reach)))
        return rows_of(self.candles.rows(min(first, stop), stop))

    async def __call__(self, symbol: str, page: Page) -> RawRows:
        self.asked.append(page)
        assert symbol == self.candles.symbol
        assert page.limit <= page.endpoint.limit
        return self.spoil(len(self.asked), page, await self.candles_of(page))

    @property
    def answers(self) -> "Market":
        return Market(self)


@dataclass
class Market:
    """What a download asks."""

    exchange: Exchange

    async def candles(self, symbol: str, page: Page) -> RawRows:
        """One page."""
        return await self.exchange(symbol, page)


@dataclass
class Notes:
    """Notes what a download tells."""

    pages: int = 0
    rows: list[RawRows] = field(default_factory=list)

    def planned(self, symbol: str, pages: int) -> None:  # noqa: ARG002
        """Count pages."""
        self.pages += pages

    async def received(self, symbol: str, rows: RawRows) -> None:  # noqa: ARG002
        """Keep rows."""
        self.rows.append(rows)


async def fetch(
    exchange: Exchange,
    *,
    days: int = 40,
    known: KnownCandles = NOTHING_KNOWN,
    now: int = NOW,
    observer: Notes | None = None,
) -> Download:
    window = window_of(now, days)
    return await download(
        exchange.answers,
        exchange.candles.symbol,
        known=known,
        window=window,
        now=now,
        workers=4,
        observer=observer or Notes(),
    )


def later(days: int) -> Candles:
    """``WHOLE``, and flat candles for ``days`` more."""
    more = days * 288
    times = np.concatenate([WHOLE.open_time, NOW + CANDLE_MS * np.arange(more, dtype=np.int64)])
    return Candles("BTCUSDT", times, np.concatenate([WHOLE.values, np.ones((6, more))], axis=1))


def known_of(got: Download) -> KnownCandles:
    return KnownCandles(rows_of(got.candles), got.absent)


WHOLE = random_candles(count=41 * 288)
WANTED = WHOLE.rows(288, 41 * 288)


@pytest.mark.parametrize("inclusive", [False, True])
async def test_a_history_comes_whole_under_both_readings_of_the_end(inclusive: bool) -> None:
    """The cache must not depend on a detail that the documentation leaves open."""
    exchange = Exchange(WHOLE, inclusive=inclusive)
    got = await fetch(exchange)

    assert_same_candles(got.candles, WANTED)
    assert got.absent == NOTHING_ABSENT
    assert got.fetched == 40 * 288
    assert len(exchange.asked) == 9 + 16


async def test_180_days_with_an_outage_stay_within_the_budget() -> None:
    """227 pages, and two more questions about one hole: 229."""
    candles = without(random_candles(count=180 * 288), (20_000, 16))
    exchange = Exchange(candles)

    got = await fetch(exchange, days=180)

    assert_same_candles(got.candles, candles)
    assert len(exchange.asked) == 229


async def test_a_refresh_fetches_what_is_new_with_one_request() -> None:
    """And a second one within five minutes fetches nothing."""
    yesterday = await fetch(Exchange(WHOLE), now=NOW - DAY_MS, days=39)
    exchange = Exchange(WHOLE)

    got = await fetch(exchange, known=known_of(yesterday))
    again = await fetch(exchange, known=known_of(got))

    assert_same_candles(got.candles, WANTED)
    assert got.fetched == 288
    assert got.revised == again.fetched == 0
    assert len(exchange.asked) == 1


async def test_older_history_is_prepended_when_more_days_are_wanted() -> None:
    """``--days 40`` after ``--days 30`` fetches ten days."""
    shorter = await fetch(Exchange(WHOLE), days=30)
    exchange = Exchange(WHOLE)

    got = await fetch(exchange, known=known_of(shorter))

    assert_same_candles(got.candles, WANTED)
    assert {page.endpoint for page in exchange.asked} == {HISTORY}
    assert len(exchange.asked) == 15


async def test_a_hole_is_asked_for_three_times_and_once_by_every_run_of_a_week() -> None:
    """What the exchange lacks now it may find again; for ever would cost requests for ever."""
    exchange = Exchange(without(WHOLE, (11_000, 3)))
    got = await fetch(exchange)
    asked = [len(exchange.asked)]
    assert [one.hole for one in got.absent.holes] == list(got.candles.holes)
    for days in (0, 6, 7, 8):
        now = NOW + days * DAY_MS
        exchange = Exchange(without(later(days), (11_000, 3)), now=now)
        got = await fetch(exchange, known=known_of(got), now=now)
        asked.append(len(exchange.asked))

    assert asked == [25 + 2, 1, 2 + 1, 1 + 1, 1]
    assert [one.seen for one in got.absent.holes] == [BELIEVED]


async def test_one_hole_that_is_filled_makes_the_others_doubtful() -> None:
    """An exchange that has found again what it lacked is asked for the rest as if nothing were known."""
    got = await fetch(Exchange(without(WHOLE, (11_000, 3), (1_000, 1))))

    def slip_in_the_archive(number: int, page: Page, rows: RawRows) -> RawRows:
        return NO_ROWS if number < 3 and page.endpoint is HISTORY else rows

    filled = await fetch(Exchange(WHOLE, spoil=slip_in_the_archive), known=known_of(got))

    assert_same_candles(filled.candles, WANTED)
    assert filled.absent == NOTHING_ABSENT


async def test_a_halt_of_a_week_costs_a_page_more_and_not_its_whole_length_again() -> None:
    """Contracts are halted, and stocks rest at weekends; every later run would ask for all of it."""
    halted = without(WHOLE, (800, 7 * 288))
    exchange = Exchange(halted)
    got = await fetch(exchange)
    again = Exchange(halted)
    same = await fetch(again, known=known_of(got))

    assert [one.hole.candles for one in got.absent.holes] == [7 * 288]
    assert len(exchange.asked) == 25 + 2
    assert len(again.asked) == 1
    assert same.absent == got.absent
    filled = await fetch(Exchange(WHOLE), known=known_of(got))
    assert_same_candles(filled.candles, WANTED)


async def test_a_halt_is_found_too_where_a_page_holds_only_what_lies_within_its_span() -> None:
    """Sources disagree on whether an empty stretch is passed over or answered with nothing."""
    halted = without(WHOLE, (3_000, 7 * 288))

    def spanned(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return rows.where(rows.open_time >= page.end - page.limit * CANDLE_MS)

    got = await fetch(Exchange(halted, spoil=spanned))

    assert_same_candles(got.candles, halted.since(int(WANTED.open_time[0])))
    assert [one.hole.candles for one in got.absent.holes] == [7 * 288]
    assert got.absent.beginning is None


@pytest.mark.parametrize("row", [11_000, 1_000])
async def test_a_hole_that_the_exchange_fills_later_is_filled(row: int) -> None:
    """An absence that was learnt within seconds must not outlive them, however old the candle is."""
    got = await fetch(Exchange(without(WHOLE, (row, 5))))
    exchange = Exchange(WHOLE)

    filled = await fetch(exchange, known=known_of(got))

    assert_same_candles(filled.candles, WANTED)
    assert filled.absent == NOTHING_ABSENT
    assert len(exchange.asked) == 1


async def test_a_slip_of_the_exchange_is_no_hole() -> None:
    """Rows that were missing from one answer are in the next."""

    def forgetful(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return rows if number > 25 else rows.where(np.arange(len(rows)) % 50 != 7)

    exchange = Exchange(WHOLE, spoil=forgetful)
    got = await fetch(exchange)

    assert_same_candles(got.candles, WANTED)
    assert got.absent == NOTHING_ABSENT


async def test_what_the_recent_feed_lacks_is_taken_from_the_archive() -> None:
    """The two feeds need not have the same gaps."""

    def gap_in_recent(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return rows if page.endpoint is HISTORY else rows.where(rows.open_time != WHOLE.open_time[-100])

    got = await fetch(Exchange(WHOLE, spoil=gap_in_recent))

    assert_same_candles(got.candles, WANTED)


async def test_a_listing_within_the_window_costs_few_requests() -> None:
    """A young symbol must not cost the 227 requests of an old one, and one in each refresh."""
    young = WHOLE.rows(20 * 288, 41 * 288)
    exchange = Exchange(young)

    got = await fetch(exchange, days=180)
    requests = len(exchange.asked)
    again = await fetch(exchange, days=365, known=known_of(got))

    assert_same_candles(got.candles, young)
    assert got.absent == Absences((), int(young.open_time[0]))
    assert requests <= 9 + 2 + 4
    assert len(exchange.asked) == requests + 1
    assert len(again.candles) == len(young)
    assert again.absent == got.absent


@pytest.mark.parametrize("days", [2, 29, 31])
async def test_a_listing_of_yesterday_costs_few_requests_and_is_asked_for_once_more(days: int) -> None:
    """Within the reach of the recent feed too; live trading asks so for every new symbol."""
    young = WHOLE.rows(40 * 288 + 50, 41 * 288)
    exchange = Exchange(young)

    got = await fetch(exchange, days=days)
    requests = len(exchange.asked)
    await fetch(exchange, days=days, known=known_of(got))

    assert_same_candles(got.candles, young)
    assert got.absent.beginning == int(young.open_time[0])
    assert requests <= 10
    assert len(exchange.asked) == requests + 1


async def test_a_listing_between_the_pages_of_the_archive_is_found() -> None:
    """The first page of a symbol is short; the one below it is empty."""
    old = WHOLE.rows(5 * 288 + 77, 41 * 288)
    exchange = Exchange(old)

    got = await fetch(exchange, days=180)

    assert_same_candles(got.candles, old)
    assert got.absent == Absences((), int(old.open_time[0]))
    assert len(exchange.asked) <= 9 + 9 + 2 + 4


async def test_an_archive_that_is_empty_for_a_whole_run_is_asked_again_by_the_next() -> None:
    """Or five months of a history are lost for good, without a word."""

    def without_archive(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return NO_ROWS if page.endpoint is HISTORY else rows

    got = await fetch(Exchange(WHOLE, spoil=without_archive))
    still = await fetch(Exchange(WHOLE, spoil=without_archive), known=known_of(got))
    exchange = Exchange(WHOLE)
    later = await fetch(exchange, known=known_of(still))

    assert len(got.candles) == len(still.candles) < 30 * 288
    assert got.absent.beginning == still.absent.beginning == int(got.candles.open_time[0])
    assert_same_candles(later.candles, WANTED)
    assert later.absent == NOTHING_ABSENT


@pytest.mark.parametrize("slips", [{10}, {10, 11}, {12, 13, 14}, {25}, {24, 25, 26}])
async def test_empty_pages_of_the_moment_are_no_beginning(slips: set[int]) -> None:
    """The same page and the one below it are asked for again before a beginning is believed."""

    def slipping(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return NO_ROWS if number in slips else rows

    got = await fetch(Exchange(WHOLE, spoil=slipping))

    assert_same_candles(got.candles, WANTED)
    assert got.absent == NOTHING_ABSENT


@pytest.mark.parametrize("most", [1_000, 100, 37])
async def test_pages_shorter_than_asked_are_read_on_below_their_oldest_row(most: int) -> None:
    """Documented limits were wrong before; what a page does not reach is not absent."""
    candles = without(WHOLE, (11_000, 3), (1_000, 1))

    def short(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return rows.where(np.arange(len(rows)) >= len(rows) - most)

    got = await fetch(Exchange(candles, spoil=short))

    assert_same_candles(got.candles, candles.since(int(WANTED.open_time[0])))
    assert [one.hole for one in got.absent.holes] == list(got.candles.holes)
    assert got.absent.beginning is None


async def test_a_young_symbol_on_short_pages_begins_where_it_was_listed() -> None:
    """A short page and the beginning of a series look alike; the page below tells them apart."""
    young = WHOLE.rows(33 * 288 + 11, 41 * 288)

    def short(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return rows.where(np.arange(len(rows)) >= len(rows) - 100)

    got = await fetch(Exchange(young, spoil=short))

    assert_same_candles(got.candles, young)
    assert got.absent == Absences((), int(young.open_time[0]))


async def test_a_beginning_that_another_cache_disproves_is_asked_for_in_full() -> None:
    """Two files of one symbol: one knows of a beginning, the other has candles before it."""
    known = KnownCandles(
        rows_of(WHOLE.rows(20 * 288, 41 * 288)), Absences((), int(WHOLE.open_time[30 * 288]))
    )

    got = await fetch(Exchange(WHOLE), known=known)

    assert_same_candles(got.candles, WANTED)
    assert got.absent == NOTHING_ABSENT


async def test_one_empty_page_does_not_end_a_history() -> None:
    """A single slip must not cut off five months."""

    def empty_once(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return rows.where(np.zeros(len(rows), bool)) if number == 12 else rows

    got = await fetch(Exchange(WHOLE, spoil=empty_once))

    assert_same_candles(got.candles, WANTED)


async def test_a_broken_row_is_asked_for_again() -> None:
    """It may have been caught while it was written."""

    def broken_once(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        if number > 25:
            return rows
        values = rows.values.copy()
        values[2, 5] = values[1, 5] * 2
        return RawRows(rows.open_time, values)

    assert_same_candles((await fetch(Exchange(WHOLE, spoil=broken_once))).candles, WANTED)


def bent(row: int, column: int, value: float) -> Candles:
    values = WHOLE.values.copy()
    values[column, row] = value
    return Candles("BTCUSDT", WHOLE.open_time, values)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [(3, -1.0, "not positive"), (1, 1e-9, "high below"), (5, np.nan, "not finite"), (4, -1.0, "negative")],
)
async def test_a_row_that_stays_broken_is_a_hole_and_is_named(column: int, value: float, rule: str) -> None:
    """One row in 51,840 must cost neither the symbol, as long as it is in the history, nor go unsaid."""
    got = await fetch(Exchange(bent(-100, column, value)))

    assert_same_candles(got.candles, without(WHOLE, (len(WHOLE) - 100, 1)).since(int(WANTED.open_time[0])))
    assert got.bad.open_time.tolist() == [int(WHOLE.open_time[-100])]
    (note,) = download_notes(got, 40)
    assert note.startswith("1 row that is no candle is left out: the candle of 2025-11-07 15:40")
    assert rule in note


async def test_rows_off_the_grid_and_without_a_time_are_holes() -> None:
    """Their place is empty; nobody knows which candle they were meant to be."""

    def displaced(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        times = rows.open_time.copy()
        times[times == WHOLE.open_time[-100]] += 14_838
        times[times == WHOLE.open_time[-300]] = 0
        return RawRows(times, rows.values)

    got = await fetch(Exchange(WHOLE, spoil=displaced))

    assert [(one.hole.first, one.hole.candles) for one in got.absent.holes] == [
        (int(WHOLE.open_time[-300]), 1),
        (int(WHOLE.open_time[-100]), 1),
    ]
    assert got.bad.open_time.tolist() == [int(WHOLE.open_time[-100]) + 14_838]
    named, counted = download_notes(got, 40)
    assert "is not on the 5-minute grid" in named
    assert counted == "rows without an open time that can be read are left out: 1"


async def test_a_first_candle_that_is_none_moves_the_beginning() -> None:
    """A listing whose first candle opens at 0 was met."""
    young = WHOLE.rows(33 * 288, 41 * 288)
    values = young.values.copy()
    values[0, 0] = values[2, 0] = 0.0

    got = await fetch(Exchange(Candles("BTCUSDT", young.open_time, values)))

    assert_same_candles(got.candles, young.rows(1, len(young)))
    assert got.absent == Absences((), int(young.open_time[1]))
    assert len(got.bad) == 1


@pytest.mark.parametrize("unreadable", ["close", "time"])
async def test_a_symbol_of_which_many_rows_are_no_candles_is_left_out(unreadable: str) -> None:
    """Then the exchange has changed what a row is, and holes would hide it."""

    def format_changed(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        hit = rows.open_time // CANDLE_MS % 50 == 0
        values = np.where(hit & (unreadable == "close"), np.nan, rows.values)
        return RawRows(np.where(hit & (unreadable == "time"), 0, rows.open_time), values)

    with pytest.raises(CandleError, match=r"BTCUSDT: \d+ of 11520 candles are none, asked for 3 times"):
        await fetch(Exchange(WHOLE, spoil=format_changed))


async def test_rows_that_are_all_no_candles_are_no_missing_history() -> None:
    """A symbol that is skipped for want of history would hide that nothing can be read."""

    def unreadable(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        return RawRows(np.zeros_like(rows.open_time), rows.values)

    with pytest.raises(CandleError, match="cannot be read"):
        await fetch(Exchange(WHOLE, spoil=unreadable))


async def test_a_corrected_candle_replaces_the_cached_one() -> None:
    """The newer answer wins, and the run reports how many candles that changed."""
    before = await fetch(Exchange(WHOLE), now=NOW - 3_600_000)
    values = WHOLE.values.copy()
    values[4, -15] += 1.0
    corrected = Candles("BTCUSDT", WHOLE.open_time, values)

    got = await fetch(Exchange(corrected), known=known_of(before))

    assert got.revised == 1
    assert_same_candles(got.candles, corrected.rows(288, 41 * 288))


@pytest.mark.parametrize("early_ms", [1, 150_000, 299_999])
async def test_the_unfinished_candle_is_left_out(early_ms: int) -> None:
    """The recent endpoint sends it as its last row; nor may it be kept for the restart after a crash."""
    notes = Notes()
    got = await fetch(Exchange(WHOLE, inclusive=True), now=NOW - early_ms, observer=notes)

    assert max(rows.open_time.max() for rows in notes.rows) == NOW - 2 * CANDLE_MS
    assert int(got.candles.open_time[-1]) == NOW - 2 * CANDLE_MS
    assert len(got.candles) == 40 * 288


async def test_a_newest_candle_that_is_late_is_not_taken_for_absent() -> None:
    """A second after its close the exchange may not have it yet; the next refresh asks again."""
    late = WHOLE.rows(0, len(WHOLE) - 1)
    got = await fetch(Exchange(late))
    later = await fetch(Exchange(WHOLE), known=known_of(got))

    assert got.absent == NOTHING_ABSENT
    assert_same_candles(later.candles, WANTED)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
async def test_disorder_repetition_and_older_rows_change_nothing(seed: int) -> None:
    """All of it was seen on the wire."""
    rng = np.random.default_rng(seed)

    def disorderly(number: int, page: Page, rows: RawRows) -> RawRows:  # noqa: ARG001
        order = rng.permutation(np.concatenate([np.arange(len(rows)), rng.integers(0, len(rows), 20)]))
        older = rows_of(WHOLE.rows(0, 5))
        times = np.concatenate([older.open_time, rows.open_time[order]])
        return RawRows(times, np.concatenate([older.values, rows.values[:, order]], axis=1))

    assert_same_candles((await fetch(Exchange(WHOLE, spoil=disorderly))).candles, WANTED)


@settings(max_examples=15, deadline=None)
@given(st.data())
async def test_whatever_is_held_and_however_it_comes_the_candles_are_the_same(data: st.DataObject) -> None:
    """Interrupted runs, other lengths of history, slips of the exchange: one truth in the end."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(WHOLE)), max_size=10)))
    kept = np.zeros(len(WHOLE), bool)
    for first, stop in zip(cuts[::2], cuts[1::2], strict=False):
        kept[first:stop] = True
    seed = data.draw(st.integers(0, 2**32 - 1))

    def slipping(number: int, page: Page, rows: RawRows) -> RawRows:
        rng = np.random.default_rng([seed, number])
        if page.end < NOW - 39 * DAY_MS or number > 30:
            return rows
        order = rng.permutation(np.repeat(np.arange(len(rows)), rng.integers(0, 3, len(rows))))
        return RawRows(rows.open_time[order], rows.values[:, order])

    known = KnownCandles(rows_of(WHOLE).where(kept), NOTHING_ABSENT)
    got = await fetch(Exchange(WHOLE, inclusive=bool(seed % 2), spoil=slipping), known=known)

    wanted = set(WANTED.open_time.tolist())
    holes = {one.hole.first + n * CANDLE_MS for one in got.absent.holes for n in range(one.hole.candles)}
    late = {time for time in wanted if time > got.candles.open_time[-1]}  # no hole yet: asked for next time
    assert set(got.candles.open_time.tolist()) | (holes & wanted) | late == wanted
    again = await fetch(Exchange(WHOLE), known=KnownCandles(rows_of(got.candles), got.absent))
    assert late <= set(again.candles.open_time.tolist())
    assert_same_candles(
        got.candles,
        Candles(
            "BTCUSDT",
            got.candles.open_time,
            WHOLE.values[:, np.searchsorted(WHOLE.open_time, got.candles.open_time)],
        ),
    )
    assert got.revised == 0


async def test_a_symbol_without_candles_is_no_failure_of_ours() -> None:
    """It was announced and not traded yet: a stated reason to skip it."""
    with pytest.raises(NotEnoughHistory, match="no finished candle"):
        await fetch(Exchange(WHOLE.rows(0, 0)))


async def test_the_error_of_a_page_is_reported_plainly() -> None:
    """Not as a group of errors of workers that no user knows."""

    def dead(number: int, page: Page, rows: RawRows) -> RawRows:
        if number > 10:
            raise Unanswered("no answer", endpoint=page.endpoint.path)
        return rows

    with pytest.raises(Unanswered, match="no answer"):
        await fetch(Exchange(WHOLE, spoil=dead))
