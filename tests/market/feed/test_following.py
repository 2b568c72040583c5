"""A feed that follows symbols which become more."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from desk.market.feed.following import FollowingFeed
from desk.market.feed.stream import CandleStream
from desk.values import CandleRound


def round_of(open_time: int, symbols: Sequence[str]) -> CandleRound:
    return CandleRound(open_time, tuple(symbols), np.empty((0, 0), np.int64), np.empty((0, 6, 0)), {})


@dataclass
class Stream:
    """A stream of a few rounds; satisfies what the feed asks of a ``CandleStream``."""

    symbols: Sequence[str]
    times: list[int]
    closed: bool = False
    confirmed_at: list[int] = field(default_factory=list)

    async def rounds(self) -> AsyncGenerator[CandleRound, None]:
        try:
            while self.times:
                yield round_of(self.times.pop(0), self.symbols)
        finally:
            self.closed = True

    async def confirmed(self, symbols: Sequence[str], open_time: int) -> CandleRound:
        self.confirmed_at.append(open_time)
        return round_of(open_time, symbols)


async def test_a_new_symbol_is_followed_from_the_next_candle_on() -> None:
    """No candle of the others is lost, and none comes twice; what is decided on is confirmed meanwhile."""
    followed, times, opened = ["A"], [1, 2, 3, 4], []

    def opening(symbols: Sequence[str]) -> CandleStream:
        opened.append(Stream(tuple(symbols), times))
        return cast("CandleStream", opened[-1])

    feed, seen = FollowingFeed(lambda: followed, opening), []
    async with aclosing(feed.rounds()) as rounds:
        async for candles in rounds:
            seen.append((candles.open_time, candles.symbols))
            await feed.confirmed(["A"], candles.open_time)
            if candles.open_time == 2:
                followed.append("B")
            if candles.open_time == 3:
                followed.remove("A")

    assert seen == [(1, ("A",)), (2, ("A",)), (3, ("A", "B")), (4, ("A", "B"))]
    assert [(one.confirmed_at, one.closed) for one in opened] == [([1, 2], True), ([3, 4], True)]
