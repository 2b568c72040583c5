"""The newest candles of many symbols, as arrays that features are computed from.

Place in the house: kept by ``desk.market.feed.closing``; ``desk.market.feed.stream`` hands copies of it on.
Pure.

Not here: when a candle is closed (``desk.market.feed.closing``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from desk.values import COLUMNS, Candles

NOT_YET = -1
"""Open time of a place that no candle has filled."""


class CandleWindow:
    """The newest ``memory`` candles of every symbol, ready for ``ml_feature_engineering.newest_rows``.

    Row s of the arrays belongs to ``symbols[s]``; the newest candle stands last.  ``values`` has shape
    (symbols, 6, memory), C-contiguous, float64, rows as in ``desk.values.COLUMNS``, NaN where no candle is
    yet; ``open_time`` has shape (symbols, memory), int64, ``NOT_YET`` there.  Both change with every candle:
    copy what must last.
    """

    def __init__(self, symbols: Sequence[str], *, memory: int) -> None:
        self.symbols = tuple(symbols)
        self.memory = memory
        self.row = {symbol: row for row, symbol in enumerate(self.symbols)}
        self.values: NDArray[np.float64] = np.full((len(self.symbols), len(COLUMNS), memory), np.nan)
        self.open_time: NDArray[np.int64] = np.full((len(self.symbols), memory), NOT_YET, dtype=np.int64)

    def newest(self, symbol: str) -> int:
        """Open time of the symbol's newest candle, ms; ``NOT_YET`` without one."""
        return int(self.open_time[self.row[symbol], -1])

    def count(self, symbol: str) -> int:
        """How many candles of the symbol are there."""
        return int((self.open_time[self.row[symbol]] != NOT_YET).sum())

    def ready(self, open_time: int) -> NDArray[np.bool_]:
        """Mask, shape (symbols,): ``open_time`` is the newest candle, and ``memory`` candles are there.

        Holes between them are not looked at, see ``ml_feature_engineering.missing_share``.
        """
        ready: NDArray[np.bool_] = (self.open_time[:, -1] == open_time) & (self.open_time[:, 0] != NOT_YET)
        return ready

    def append(self, symbol: str, open_time: int, values: Sequence[float]) -> None:
        """Add a candle that is newer than all of the symbol's, and drop its oldest.

        Parameters
        ----------
        symbol : str
            One of ``symbols``.
        open_time : int
            In ms.
        values : sequence of float
            Six numbers, as in ``desk.values.COLUMNS``.

        Raises
        ------
        ValueError
            If it is not newer.
        """
        row = self.row[symbol]
        times, rows = self.open_time[row], self.values[row]
        if open_time <= times[-1]:
            raise ValueError(f"{symbol}: candle {open_time} is not newer than {int(times[-1])}")
        times[:-1] = times[1:]
        rows[:, :-1] = rows[:, 1:]
        times[-1] = open_time
        rows[:, -1] = values

    def at(self, symbol: str, open_time: int) -> tuple[float, ...] | None:
        """The six numbers of one candle; None where it is not in the window."""
        place = self._place(symbol, open_time)
        return None if place is None else tuple(self.values[self.row[symbol], :, place].tolist())

    def revise(self, symbol: str, open_time: int, values: Sequence[float]) -> None:
        """Replace the numbers of a candle.

        Parameters
        ----------
        symbol, open_time, values
            As those of ``append``.

        Raises
        ------
        KeyError
            If it is not in the window.
        """
        if (place := self._place(symbol, open_time)) is None:
            raise KeyError(f"{symbol}: candle {open_time} is not in the window")
        self.values[self.row[symbol], :, place] = values

    def load(self, candles: Candles) -> None:
        """Make the newest of ``candles`` everything that is known of their symbol."""
        row, kept = self.row[candles.symbol], min(len(candles), self.memory)
        self.values[row] = np.nan
        self.open_time[row] = NOT_YET
        if kept:
            self.values[row, :, -kept:] = candles.values[:, -kept:]
            self.open_time[row, -kept:] = candles.open_time[-kept:]

    def _place(self, symbol: str, open_time: int) -> int | None:
        times = self.open_time[self.row[symbol]]
        place = int(np.searchsorted(times, open_time))
        return place if place < self.memory and times[place] == open_time else None
