"""The newest finished candles of many symbols, without the cache: what a decision needs.

The client and symbols come in; checked candles, or the reason why there are none, go out per symbol.
One request a symbol, more only where a candle is missing from the answer.

Not here: what is kept on disk (``data_fetcher``), candles as they happen (the websocket).
"""

import asyncio
from collections.abc import Iterable

from desk.errors import DataError, Refused, Throttled, Unanswered
from desk.market.bitget.public import BitgetPublic
from desk.market.history.candles import NOTHING_KNOWN, RawRows
from desk.market.history.download import download
from desk.market.history.paging import RECENT, PageRange
from desk.values import CANDLE_MS, Candles

SPARE = 32
"""Candles of time that are asked for beyond ``count``: where a few do not exist, enough are left."""
LARGEST_COUNT = RECENT.limit - 20 - SPARE
"""Candles that one request surely brings, the unfinished one and an overlap left aside."""


class _NoObserver:
    """Ignores the progress of a short download; satisfies ``history.download.DownloadObserver``."""

    def planned(self, symbol: str, pages: int) -> None:
        """Nothing."""

    async def received(self, symbol: str, rows: RawRows) -> None:
        """Nothing."""


async def newest_candles(
    market: BitgetPublic, symbols: Iterable[str], *, count: int, now: int
) -> dict[str, Candles | str]:
    """The newest ``count`` finished candles of each symbol, and some before, or why they are not there.

    Parameters
    ----------
    market : BitgetPublic
        Its throttle sets the pace.
    symbols : iterable of str
        As the exchange spells them.
    count : int
        At most ``LARGEST_COUNT``; a symbol that is younger, or of which many are missing, has fewer.
    now : int
        Server time, ms.

    Raises
    ------
    Unreachable
        If nobody answers at the address.
    """
    if not 1 <= count <= LARGEST_COUNT:
        raise ValueError(f"count is {count}, must be between 1 and {LARGEST_COUNT}")
    end = now // CANDLE_MS * CANDLE_MS
    window = PageRange(end - (count + SPARE) * CANDLE_MS, end - CANDLE_MS)

    async def one(symbol: str) -> Candles | str:
        try:
            downloaded = await download(
                market,
                symbol,
                known=NOTHING_KNOWN,
                window=window,
                now=now,
                workers=1,
                observer=_NoObserver(),
            )
        except (DataError, Refused, Throttled, Unanswered) as exc:
            return str(exc)
        return downloaded.candles

    names = list(symbols)
    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))
