"""The values that travel through the suite from candles to models.

Place in the house: foundation.  Each value is made by exactly one function that has done the
checks; whoever holds one need not check again.  Arrays inside are read-only.

Reading order: ``Candles`` (made by ``desk.market.history.candles.check_candles``), ``FeatureSet`` (by
``ml_feature_engineering.build_features``), ``LabelledSet`` (by ``ml_feature_engineering.attach_labels``);
``CandleRound`` is what live trading is given every five minutes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Scalar = TypeVar("Scalar", bound=np.generic)

CANDLE_MS = 300_000
"""Length of a candle in milliseconds: five minutes."""
CANDLES_PER_DAY = 288
COLUMNS = ("open", "high", "low", "close", "volume", "quote_volume")
"""Rows of ``Candles.values``, in order: prices in USDT, then base coin, then USDT."""

UP, DOWN, NEUTRAL, UNKNOWN = 1, 0, -1, -2
"""Labels.  ``UNKNOWN``: the candle that decides is not there (yet, or it lies beyond a hole)."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Candles that are missing inside a series: the first missing open time (ms) and how many."""

    first: int
    candles: int


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Finished 5-minute candles of one symbol.

    True of every instance: open times (UTC, ms) lie on the grid and increase; prices are finite and
    positive, low ≤ open, close ≤ high; volumes are finite and ≥ 0; missing candles are holes, none
    is filled by invention.
    """

    symbol: str
    open_time: NDArray[np.int64]
    """Shape (n,): milliseconds since 1970-01-01 UTC."""
    values: NDArray[np.float64]
    """Shape (6, n), C-contiguous, rows as in ``COLUMNS``."""

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def close(self) -> NDArray[np.float64]:
        """Closing prices, shape (n,)."""
        close: NDArray[np.float64] = self.values[3]
        return close

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Every hole between the first and the last candle, oldest first."""
        return tuple(self._holes())

    def _holes(self) -> Iterator[Hole]:
        steps = np.diff(self.open_time) // CANDLE_MS
        for row in np.flatnonzero(steps > 1):
            yield Hole(int(self.open_time[row]) + CANDLE_MS, int(steps[row]) - 1)

    @property
    def missing(self) -> int:
        """Number of candles that are missing between the first and the last one."""
        if len(self) == 0:
            return 0
        return int(self.open_time[-1] - self.open_time[0]) // CANDLE_MS + 1 - len(self)

    def digest(self) -> str:
        """SHA-256 of times and values, in hexadecimal digits."""
        return hashlib.sha256(self.open_time.tobytes() + self.values.tobytes()).hexdigest()

    def since(self, open_time: int) -> "Candles":
        """The candles that open at ``open_time`` (ms) or later."""
        return self.rows(int(np.searchsorted(self.open_time, open_time)), len(self))

    def rows(self, start: int, stop: int) -> "Candles":
        """The candles of the rows ``start`` to ``stop`` (exclusive)."""
        return Candles(self.symbol, self.open_time[start:stop], frozen(self.values[:, start:stop]))

    def frame(self) -> "pd.DataFrame":
        """As a DataFrame: index ``open_time`` (UTC, ms unit), one float64 column per ``COLUMNS``.

        The column index has dtype object, so that a pickle of the frame opens with and without
        pyarrow installed.
        """
        import pandas as pd  # noqa: PLC0415 - half a second, and most who hold a series need no frame

        index = pd.DatetimeIndex(
            pd.to_datetime(self.open_time, unit="ms", utc=True), name="open_time"
        ).as_unit("ms")
        return pd.DataFrame(self.values.T.copy(), index=index, columns=pd.Index(COLUMNS, dtype=object))


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """Features of the candles that have enough history behind them.

    Row i belongs to the candle ``row[i]`` of the candles it was built from and uses that candle and
    earlier ones only.  Columns are in the order of ``names``; there is no NaN and no infinity.
    """

    symbol: str
    contract: str
    """Short name of the feature list, see ``ml_feature_engineering.contract_id``."""
    names: tuple[str, ...]
    row: NDArray[np.int64]
    """Shape (m,): positions in the candles, increasing."""
    open_time: NDArray[np.int64]
    """Shape (m,): open times of those candles, ms."""
    x: NDArray[np.float32]
    """Shape (m, len(names)), C-contiguous."""
    categories: tuple[str, ...] = ()
    """Of ``names``, those whose values are whole numbers that name something: an order means nothing."""

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """Features with what happened afterwards, for every candle that has features.

    A label other than ``UNKNOWN`` is present only when the candle that decides it is closed and
    lies exactly ``horizon`` steps ahead.
    """

    features: FeatureSet
    horizon: int
    """Candles from the decision to the candle that decides."""
    threshold: float
    """Smallest move that counts, as a fraction: 0.002 is 0.2 %."""
    label: NDArray[np.int8]
    """Shape (m,): ``UP``, ``DOWN``, ``NEUTRAL`` or ``UNKNOWN``."""
    move: NDArray[np.float64]
    """Shape (m,): close[t + horizon] / close[t] - 1; NaN where the label is unknown."""
    known_at: NDArray[np.int64]
    """Shape (m,): time (ms) from which the label is known: the close of the deciding candle."""

    def __len__(self) -> int:
        return len(self.label)

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Shape (m,): True where the label is ``UP`` or ``DOWN``."""
        return self.label >= DOWN


@dataclass(frozen=True, slots=True, eq=False)
class CandleRound:
    """The newest candles of every symbol at the moment one candle has closed for them."""

    open_time: int
    """Of the candle that has closed, ms."""
    symbols: tuple[str, ...]
    """Those whose newest candle is that one; the rows of the arrays below, in order."""
    times: NDArray[np.int64]
    """Shape (symbols, n): open times, ms; the last column is ``open_time``."""
    values: NDArray[np.float64]
    """Shape (symbols, 6, n), rows as in ``COLUMNS``."""
    absent: Mapping[str, str]
    """Symbols without that candle, or without enough of them, and why."""
    holes: frozenset[str] = frozenset()
    """Symbols that have no such candle at all, where the source knows that: stored candles do, a live feed
    cannot tell a hole from a late candle."""
    news: tuple[str, ...] = ()
    """Notes of the feed: silence, reconnections, candles that were revised."""
    alarms: tuple[str, ...] = ()
    """What goes on with the feed that people must know at once."""


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """``array`` as a C-contiguous, read-only array."""
    kept = np.ascontiguousarray(array)
    kept.flags.writeable = False
    return kept


def iso(open_time: int) -> str:
    """A time in ms as ISO 8601 in UTC."""
    return datetime.fromtimestamp(open_time / 1000, tz=UTC).isoformat()
