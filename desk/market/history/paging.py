"""Which pages of candles to ask for, so that every missing candle comes with the fewest requests.

Place in the house: the plan of a download.  Missing open times come in from
``desk.market.history.candles``; pages go out to ``desk.market.history.download``, which asks for them.
Pure.

Two endpoints stand side by side, each with its own rate limit::

      first wanted                              seam              newest finished
          |------------- HISTORY ----------------|----- RECENT -----|
          ... 200 rows | 200 rows | 200 rows     | 1000 rows        |
                       ^ neighbouring pages share one row

Only ``endTime`` and ``limit`` are sent.  ``endTime`` lies on the grid, so that flooring it changes nothing.
Whether the exchange reads it as exclusive or as inclusive, pages whose ends lie ``limit - 1`` candles apart
leave no hole between them.

References
----------
``docs/bitget.md``, sections 4.3 (paging) and 4.5 (budget).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.values import CANDLE_MS, CANDLES_PER_DAY

DAY_MS = CANDLES_PER_DAY * CANDLE_MS


@dataclass(frozen=True, slots=True)
class CandleEndpoint:
    """One of the exchange's two sources of candles."""

    path: str
    limit: int
    """Most rows of one page."""


RECENT = CandleEndpoint("/api/v2/mix/market/candles", 1000)
HISTORY = CandleEndpoint("/api/v2/mix/market/history-candles", 200)
RECENT_REACH_MS = 59 * DAY_MS // 2
"""How far back ``RECENT`` is asked: 29.5 days, half a day less than it reaches.

The half day beyond 29 makes 180 days 227 pages instead of 228, which leaves two for a hole within the budget
of 229 requests a symbol.
"""
ROUNDS = 3
"""A candle is asked for so many times, each time with another end, before its absence is believed.

No retry in the sense of ``desk.retry``: the responses were usable, and lacked the candle.
"""
OVERLAP = 12
"""Rows of the cache that a refresh asks for again: an hour, to notice candles that were revised."""


@dataclass(frozen=True, slots=True)
class PageRange:
    """The candles that are wanted: open times of the first and the last one, in ms."""

    first: int
    last: int

    @property
    def end(self) -> int:
        """Close of the last candle."""
        return self.last + CANDLE_MS


@dataclass(frozen=True, slots=True)
class Page:
    """One request: the newest ``limit`` rows below ``end`` (ms)."""

    endpoint: CandleEndpoint
    end: int
    limit: int


def window_of(now: int, days: int) -> PageRange:
    """The ``days`` × 288 candles that end with the newest one finished at ``now`` (server time, ms)."""
    last = now // CANDLE_MS * CANDLE_MS - CANDLE_MS
    return PageRange(last - (days * CANDLES_PER_DAY - 1) * CANDLE_MS, last)


def plan_pages(missing: NDArray[np.int64], window: PageRange, *, attempt: int = 0) -> tuple[Page, ...]:
    """Pages that hold every missing candle, the newest first within each endpoint.

    Parameters
    ----------
    missing : ndarray, shape (n,), int64
        Open times on the grid, increasing, within ``window``.
    window : PageRange
        What is wanted; its end decides how far back ``RECENT`` reaches.
    attempt : int
        How often these candles were asked for before.  A repetition uses other ends, and the second asks
        the other endpoint.
    """
    if attempt == 1:  # what one endpoint does not have may be in the other
        return tuple(_pages(missing, HISTORY, window, shift=attempt))
    recent = missing >= window.end - RECENT_REACH_MS
    return (
        *_pages(missing[recent], RECENT, window, shift=attempt),
        *_pages(missing[~recent], HISTORY, window, shift=attempt),
    )


def _pages(
    missing: NDArray[np.int64], endpoint: CandleEndpoint, window: PageRange, *, shift: int
) -> Iterator[Page]:
    while len(missing):
        end = min(int(missing[-1]) + (1 + shift) * CANDLE_MS, window.end)
        rows_left = (end - int(missing[0])) // CANDLE_MS
        if rows_left <= endpoint.limit:
            yield Page(endpoint, end, min(endpoint.limit, rows_left + OVERLAP))
            return
        yield Page(endpoint, end, endpoint.limit)
        missing = missing[missing < end - (endpoint.limit - 1) * CANDLE_MS]
