"""Ask of a few symbols what speaks against trading them: the mark price of the last days, the book now.

Place in the house: beside the public client.  ``data_fetcher`` offers ``check_books`` to training, which asks
it for the symbols that would be called tradable; a ``BookCheck`` of each goes out.

Not here: what counts as a lag or as too wide (``desk.market.history.book_check``).

References
----------
``docs/bitget.md``, sections 4.3 (candles of the mark price) and 4.6 (the book).
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from desk.errors import DeskError, FetchEnds
from desk.market.bitget.public import BitgetPublic
from desk.market.history.book_check import DAYS, BookCheck, check_book
from desk.market.history.candles import between, broken, check_candles, merge
from desk.market.history.paging import CandleEndpoint, Page
from desk.market.settings import FetchSettings
from desk.ports import Clock
from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles

MARK: Final = CandleEndpoint("/api/v2/mix/market/history-mark-candles", 200)
EMPTY_ANSWERS: Final = 3
"""So many empty pages in a row mean that there is no older mark price."""
SYMBOLS_AT_ONCE: Final = 5
"""Symbols that are asked about at once: their pages alone keep the pace."""


async def check_books(
    settings: FetchSettings,
    candles: Mapping[str, Candles],
    *,
    clock: Clock,
    spreads_bps: Mapping[str, float | None],
    max_spread_ratio: float,
) -> dict[str, BookCheck]:
    """Ask mark prices and books of symbols that passed everything else, and say what speaks against them.

    Nothing is raised for a symbol that cannot be asked about: that it could not is its sentence, since an
    unverified symbol is not tradable.

    Parameters
    ----------
    settings : FetchSettings
        Address, pace and retry; offline nothing is asked, and each symbol has a sentence that says so.
    candles : mapping
        By symbol, candles of the last price; the newest ``DAYS`` days are compared.
    clock : Clock
        Measures and waits.
    spreads_bps : mapping
        By symbol, the spread that trades were charged, in basis points; None or absent: unknown.
    max_spread_ratio : float
        How many times as wide the book may be now.

    Returns
    -------
    dict
        By symbol, in the order of ``candles``.
    """
    if settings.offline:
        text = "the mark price and the book were not asked (--offline), so the symbol is not verified"
        return {symbol: BookCheck((f"{symbol}: {text}",)) for symbol in candles}
    if not candles:
        return {}
    turns = asyncio.Semaphore(SYMBOLS_AT_ONCE)
    ends: list[FetchEnds] = []  # nobody is there: the symbols that wait are not asked about any more

    async def check(market: BitgetPublic, symbol: str) -> BookCheck:
        async with turns:
            try:
                for end in ends:
                    raise end
                newest = _newest(candles[symbol])
                mark = await _mark_candles(market, newest)
                book_bps = await market.book_spread(symbol)
            except DeskError as exc:
                if isinstance(exc, FetchEnds):
                    ends.append(exc)
                return BookCheck((f"{symbol}: the mark price and the book could not be asked: {exc}",))
        return check_book(
            newest,
            mark,
            book_bps=book_bps,
            spread_bps=spreads_bps.get(symbol),
            max_spread_ratio=max_spread_ratio,
        )

    async with BitgetPublic(settings, clock=clock) as market:
        checks = await asyncio.gather(*(check(market, symbol) for symbol in candles))
    return dict(zip(candles, checks, strict=True))


def _newest(candles: Candles) -> Candles:
    """The last ``DAYS`` days of a series."""
    if not len(candles):
        return candles
    return candles.since(int(candles.open_time[-1]) - (DAYS * CANDLES_PER_DAY - 1) * CANDLE_MS)


async def _mark_candles(market: BitgetPublic, candles: Candles) -> Candles:
    """Candles of the mark price at the times of ``candles``, each page read on below the last one's rows."""
    if not len(candles):
        return candles
    first, last = int(candles.open_time[0]), int(candles.open_time[-1])
    rows, end, empty = [], last + CANDLE_MS, 0
    while end > first and empty < EMPTY_ANSWERS:
        page = await market.candles(candles.symbol, Page(MARK, end, MARK.limit))
        page = page.where(~broken(page) & (page.open_time < end))
        rows.append(page)
        empty = 0 if len(page) else empty + 1
        end = int(page.open_time.min(initial=end))
    whole = between(merge(rows), first, last)
    return check_candles(candles.symbol, whole.open_time, whole.values)
