"""Candles of longer intervals, made of those of five minutes.

Place in the house: the market, inside the emulator.  A ``Listing`` comes in, the same symbol in longer
candles goes out, to ``endpoints`` and ``uta_public``.  Pure.

Not here: intervals below five minutes and from three days on, of which there is no data.

References
----------
``docs/bitget.md``, section 4.3 (grids).
"""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from desk.market.emulator.listings import Listing
from desk.market.series.facts import DAY_MS, HOUR_MS
from desk.values import CANDLE_MS, Candles, frozen

UTC_8_MS: Final = 8 * HOUR_MS
"""Bars of six hours and more begin at midnight in UTC+8."""
INTERVALS: Final = {
    "5m": (CANDLE_MS, 0),
    "15m": (3 * CANDLE_MS, 0),
    "30m": (6 * CANDLE_MS, 0),
    "1H": (HOUR_MS, 0),
    "4H": (4 * HOUR_MS, 0),
    "6H": (6 * HOUR_MS, UTC_8_MS),
    "12H": (12 * HOUR_MS, UTC_8_MS),
    "1D": (DAY_MS, UTC_8_MS),
    "6Hutc": (6 * HOUR_MS, 0),
    "12Hutc": (12 * HOUR_MS, 0),
    "1Dutc": (DAY_MS, 0),
}
"""Length of each interval with data, and how much earlier than in UTC its bars begin, ms."""
KEPT: Final = 64
"""Longer series that are kept, so that paging through one does not make it again for every page."""


def in_intervals(listing: Listing, name: str, *, of_mark: bool = False) -> Listing:
    """``listing`` in candles of an interval.

    Parameters
    ----------
    listing : Listing
        In candles of five minutes.
    name : str
        One of ``INTERVALS``.
    of_mark : bool
        Whether the mark price takes the place of the last price.
    """
    if name == "5m" and not of_mark:
        return listing
    return _made(listing, name, of_mark)


@lru_cache(maxsize=KEPT)
def _made(listing: Listing, name: str, of_mark: bool) -> Listing:
    source = listing.mark_listing() if of_mark else listing
    length, earlier = INTERVALS[name]
    times = source.candles.open_time
    if length == CANDLE_MS or not len(times):
        return source
    opens = (times + earlier) // length * length - earlier
    first = np.flatnonzero(np.diff(opens, prepend=opens[0] - length))
    last = np.append(first[1:], len(times)) - 1
    o, h, l, c, base, quote = source.candles.values
    rows = (
        o[first],
        np.maximum.reduceat(h, first),
        np.minimum.reduceat(l, first),
        c[last],
        np.add.reduceat(base, first),
        np.add.reduceat(quote, first),
    )
    candles = Candles(source.symbol, frozen(opens[first]), frozen(np.stack(rows)))
    return replace(source, candles=candles, interval_ms=length, parts=source)
