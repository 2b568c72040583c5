"""Candles of symbols that become more while a session runs.

Place in the house: around ``desk.market.feed.stream``; satisfies ``desk.ports.CandleFeed``.  Who says which
symbols are followed, and what opens a stream, come in; rounds go out.  When there is a new symbol a stream of
all is opened, right after a round, when there is time to fill its window.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from desk.market.feed.stream import CandleStream
from desk.values import CandleRound


class FollowingFeed:
    """The newest candles of whatever symbols are followed.

    Parameters
    ----------
    symbols : callable
        The symbols now; those that are gone are followed on.
    open_stream : callable
        Makes the stream of some symbols.
    """

    def __init__(
        self,
        symbols: Callable[[], Sequence[str]],
        open_stream: Callable[[Sequence[str]], CandleStream],
    ) -> None:
        self._symbols = symbols
        self._open_stream = open_stream
        self._stream: CandleStream | None = None

    async def rounds(self) -> AsyncGenerator[CandleRound, None]:
        """One round per candle, in the order of time."""
        while True:
            followed = tuple(self._symbols())
            stream = self._open_stream(followed)
            async with aclosing(stream.rounds()) as rounds:
                async for candles in rounds:
                    self._stream = stream  # of the one before, what is decided on was confirmed until now
                    yield candles
                    if set(self._symbols()) - set(followed):
                        break
                else:
                    return

    @property
    def connections(self) -> tuple[int, int]:
        """How many websockets are open, and how many there are to be; of the stream that rounds are from."""
        return (0, 0) if self._stream is None else self._stream.connections

    async def confirmed(self, symbols: Sequence[str], open_time: int) -> CandleRound:
        """The newest candles of some symbols after REST was asked about them once more."""
        if self._stream is None:
            raise RuntimeError("nothing can be confirmed before the first round")
        return await self._stream.confirmed(symbols, open_time)
