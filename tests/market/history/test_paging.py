"""Which pages are asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.market.history.paging import HISTORY, RECENT, RECENT_REACH_MS, ROUNDS, Page, plan_pages, window_of
from desk.values import CANDLE_MS
from tests.market.samples import NOW


def grid(days: int, now: int = NOW) -> np.ndarray:
    window = window_of(now, days)
    return np.arange(window.first, window.end, CANDLE_MS, dtype=np.int64)


def open_times(page: Page, *, inclusive: bool) -> range:
    """What a page brings, if no candle is missing."""
    newest = page.end if inclusive else page.end - CANDLE_MS
    return range(newest - (page.limit - 1) * CANDLE_MS, newest + 1, CANDLE_MS)


def test_the_window_ends_with_the_newest_finished_candle() -> None:
    """At 12:05:00.000 the candle of 12:00 is finished, a millisecond earlier it is not."""
    assert window_of(NOW, 180).last == NOW - CANDLE_MS
    assert window_of(NOW - 1, 180).last == NOW - 2 * CANDLE_MS
    assert len(grid(180)) == 51_840


def test_180_days_are_227_requests() -> None:
    """The budget of 229 a symbol is what makes 300 symbols an hour; two are left for a hole."""
    pages = plan_pages(grid(180), window_of(NOW, 180))

    assert sum(page.endpoint is RECENT for page in pages) == 9
    assert sum(page.endpoint is HISTORY for page in pages) == 218


@pytest.mark.parametrize("new", [1, 12, 288, 1000])
def test_a_refresh_is_one_request(new: int) -> None:
    """Up to 1,000 new candles cost one request a symbol, so that hourly refreshes are cheap."""
    (page,) = plan_pages(grid(180)[-new:], window_of(NOW, 180))

    assert page.endpoint is RECENT
    assert page.end == NOW
    assert page.limit == min(new + 12, 1000)  # an hour of overlap, within what the exchange allows


def test_no_page_is_larger_than_the_exchange_allows() -> None:
    """One row more is refused with 40053, and with it the whole symbol."""
    limits = {
        (page.endpoint.path.rsplit("/", 1)[1], page.limit)
        for page in plan_pages(grid(180), window_of(NOW, 180))
    }

    assert max(limit for name, limit in limits if name == "candles") == 1000
    assert max(limit for name, limit in limits if name == "history-candles") == 200


def test_the_oldest_candle_within_reach_is_asked_of_the_recent_endpoint() -> None:
    """Half a day less than it reaches is all of the safety; the seam costs no request more."""
    window = window_of(NOW, 180)
    seam = window.end - RECENT_REACH_MS
    within, beyond = (np.array([time], dtype=np.int64) for time in (seam, seam - CANDLE_MS))

    assert [page.endpoint for page in plan_pages(within, window)] == [RECENT]
    assert [page.endpoint for page in plan_pages(beyond, window)] == [HISTORY]


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("days", [1, 29, 30, 180])
def test_whole_histories_come_without_a_hole_under_both_readings_of_the_end(
    days: int, inclusive: bool
) -> None:
    """Sources disagree on whether ``endTime`` is exclusive; a wrong guess loses a candle a page."""
    wanted = grid(days)
    pages = plan_pages(wanted, window_of(NOW, days))
    brought = {time for page in pages for time in open_times(page, inclusive=inclusive)}

    assert set(wanted.tolist()) - brought == set()


@settings(max_examples=80, deadline=None)
@given(st.sets(st.integers(0, 40 * 288 - 1), min_size=1, max_size=30), st.integers(0, ROUNDS - 1))
def test_every_missing_candle_is_on_a_page_within_limit_and_reach(places: set[int], attempt: int) -> None:
    """A candle that no page holds would be believed absent without having been asked for."""
    wanted, window = grid(40)[sorted(places)], window_of(NOW, 40)

    pages = plan_pages(wanted, window, attempt=attempt)

    brought = {time for page in pages for time in open_times(page, inclusive=False)}
    assert set(wanted.tolist()) <= brought
    for page in pages:
        assert 1 <= page.limit <= page.endpoint.limit
        assert page.end % CANDLE_MS == 0
        assert page.end <= window.end
        if page.endpoint is RECENT:
            assert page.end > window.end - RECENT_REACH_MS
    for endpoint in (RECENT, HISTORY):
        ends = [page.end for page in pages if page.endpoint is endpoint]
        assert ends == sorted(ends, reverse=True)


def test_a_hole_is_asked_for_with_other_ends_and_from_the_other_feed() -> None:
    """The same question to the same source would only bring the same slip again."""
    hole, window = grid(180)[-500:-490], window_of(NOW, 180)
    pages = [page for attempt in range(ROUNDS) for page in plan_pages(hole, window, attempt=attempt)]

    assert [page.endpoint for page in pages] == [RECENT, HISTORY, RECENT]
    assert len({page.end for page in pages}) == ROUNDS


def test_an_old_hole_is_asked_for_with_other_ends_too() -> None:
    """Only one endpoint reaches so far back; at least the question must not be the same."""
    hole, window = grid(180)[500:510], window_of(NOW, 180)
    pages = [page for attempt in range(ROUNDS) for page in plan_pages(hole, window, attempt=attempt)]

    assert [page.endpoint for page in pages] == [HISTORY] * ROUNDS
    assert len({page.end for page in pages}) == ROUNDS


def test_nothing_missing_is_nothing_asked() -> None:
    """A second run within five minutes sends no candle request at all."""
    assert plan_pages(np.empty(0, np.int64), window_of(NOW, 180)) == ()
