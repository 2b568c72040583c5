"""A feed that says how far it is.

Place in the house: around the feed of a replay, for somebody who waits for it.  A ``CandleFeed`` comes in;
the same rounds go out, and how many candles of time have passed is shown.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from desk.ports import CandleFeed
from desk.values import CANDLE_MS, CandleRound, Candles


class Watched:
    """The rounds of ``feed``; satisfies ``desk.ports.CandleFeed``.

    Parameters
    ----------
    feed : CandleFeed
    start : int
        Open time of the first candle, ms.
    show : callable
        Given the candles of time since ``start``, once each round has been acted on.
    """

    def __init__(self, feed: CandleFeed, *, start: int, show: Callable[[float], None]) -> None:
        self._feed = feed
        self._start = start
        self._show = show

    async def rounds(self) -> AsyncGenerator[CandleRound]:
        """As the feed tells them."""
        async for candles in self._feed.rounds():
            yield candles
            self._show(1 + (candles.open_time - self._start) // CANDLE_MS)


def candles_of(series: Sequence[Candles], first: Mapping[str, int]) -> int:
    """Candles of time between the earliest of ``first`` (open times, ms) and the end of the series."""
    return 1 + (max(int(one.open_time[-1]) for one in series) - min(first.values())) // CANDLE_MS
