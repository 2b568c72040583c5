"""A candle before it is finished.

Place in the house: the market, inside the emulator.  Candles and a time come in; the price at that time, and
the state of the candle then, go out.  Pure.

A stored candle does not record its path.  The embedded exchange assumes one, so that sockets, REST and
matching see the same market: a rising candle goes from its open to its low, to its high, to its close, a
falling one to its high first; each stage is straight and takes a third of the five minutes.
"""

from dataclasses import dataclass
from typing import Final

from desk.values import CANDLE_MS, Candles

STAGES: Final = 3


@dataclass(frozen=True, slots=True)
class Forming:
    """State of an unfinished candle: open time in ms, prices in USDT, volumes in base coin and USDT."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float


def path_of(candles: Candles, row: int) -> tuple[float, float, float, float]:
    """Prices at the start, after each third, and at the end of a candle."""
    o, h, l, c = (float(value) for value in candles.values[:4, row])
    return (o, l, h, c) if c >= o else (o, h, l, c)


def forming(candles: Candles, row: int, now: int, *, places: int) -> Forming:
    """State of a stored candle at a time within it.

    Parameters
    ----------
    candles : Candles
    row : int
        Of the candle.
    now : int
        Server time within the candle, ms.
    places : int
        Decimals of a price.
    """
    open_time = int(candles.open_time[row])
    path = path_of(candles, row)
    part = (now - open_time) / CANDLE_MS
    stage = min(int(part * STAGES), STAGES - 1)
    here = part * STAGES - stage
    price = round(path[stage] + here * (path[stage + 1] - path[stage]), places)
    seen = (*path[: stage + 1], price)
    volume, quote_volume = (round(float(value) * part, 4) for value in candles.values[4:6, row])
    return Forming(open_time, path[0], max(seen), min(seen), price, volume, quote_volume)
