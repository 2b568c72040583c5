"""What is noted of a session of ``soaks.live`` while it runs: what its feed hands out, and its memory.

Not here: what of it is a problem (``soaks.live_truth``).
"""

import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from desk.market.feed.stream import CandleStream
from desk.values import CANDLE_MS, CandleRound
from soaks.live_truth import ReportedCandles
from soaks.virtual_time import VirtualClock


class Listening:
    """A feed that is listened to on its way; satisfies ``desk.ports.CandleFeed``.

    Parameters
    ----------
    feed : CandleStream
    reported : ReportedCandles
    clock : VirtualClock
    """

    def __init__(self, feed: CandleStream, reported: ReportedCandles, clock: VirtualClock) -> None:
        self._feed = feed
        self._reported = reported
        self._clock = clock

    async def rounds(self) -> AsyncIterator[CandleRound]:
        """The rounds of the feed."""
        async for candles in self._feed.rounds():
            self._reported.rounds.append(candles.open_time)
            self._reported.absent[candles.open_time] = dict(candles.absent)
            self._reported.news.update(f"absent: {why[:60]}" for why in candles.absent.values())
            self._reported.delays_s.append((self._clock.true_ms() - candles.open_time - CANDLE_MS) / 1000)
            for line in candles.news:
                self._reported.news[kind_of(line)] += 1
                if "revised" in line:
                    symbol, _, rest = line.partition(": the candle of ")
                    at = datetime.strptime(rest[:20], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
                    self._reported.revised.add((symbol, int(at.timestamp() * 1000)))
            yield candles


@dataclass
class Memory:
    """Resident megabytes and objects, hour by hour."""

    resident: list[float] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Take the figures now."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.resident.append(pages * 4096 / 1e6)
        self.objects.append(len(gc.get_objects()))

    @property
    def growth_mb_a_day(self) -> float:
        """Between the first quarter and the end, per 24 hours."""
        first = len(self.resident) // 4
        hours = len(self.resident) - 1 - first
        return (self.resident[-1] - self.resident[first]) / hours * 24 if hours > 0 else 0.0


def kind_of(line: str) -> str:
    """What a line of news is about."""
    for kind in ("revised", "do not exist", "silent", "connected again"):
        if kind in line:
            return kind
    return "other"
