"""What makes rows of numbers candles.

Place in the house: the gate between the outside and everything else.  Rows come in from
``desk.market.bitget.wire`` (the exchange) or ``desk.market.history.candle_store`` (the disk); a ``Candles``
goes out, to the features.  Pure: no file, no network, no clock.

Reading order: ``check_candles`` is the gate; ``merge`` makes one series of many pages; ``broken`` says which
rows must be asked for again.

Not here: filling holes.  A missing candle is fetched, or it is a hole; none is invented.  Which pages to ask
for is planned in ``desk.market.history.paging``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from desk.errors import CandleError
from desk.market.history.absence import NOTHING_ABSENT, Absences
from desk.values import CANDLE_MS, COLUMNS, Candles, frozen


@dataclass(frozen=True, slots=True, eq=False)
class RawRows:
    """Rows as they were received: unchecked, in any order, perhaps repeated."""

    open_time: NDArray[np.int64]
    """Shape (n,): milliseconds since 1970-01-01 UTC."""
    values: NDArray[np.float64]
    """Shape (6, n), rows as in ``COLUMNS``."""

    def __len__(self) -> int:
        return len(self.open_time)

    def where(self, mask: NDArray[np.bool_]) -> "RawRows":
        """The rows for which ``mask``, shape (n,), is true."""
        return self if mask.all() else RawRows(self.open_time[mask], self.values[:, mask])


NO_ROWS = RawRows(np.empty(0, np.int64), np.empty((len(COLUMNS), 0)))


@dataclass(frozen=True, slots=True, eq=False)
class KnownCandles:
    """What is known of a symbol already."""

    rows: RawRows
    """As ``merge`` gives them."""
    absent: Absences
    """Candles that the exchange did not have."""


NOTHING_KNOWN = KnownCandles(NO_ROWS, NOTHING_ABSENT)


def check_candles(
    symbol: str, open_time: NDArray[np.int64], values: NDArray[np.float64], *, now: int | None = None
) -> Candles:
    """Make ``Candles`` of rows that are candles; this is the only function that does.

    Parameters
    ----------
    symbol : str
        For the messages of errors.
    open_time : ndarray, shape (n,), int64
        Milliseconds since 1970-01-01 UTC.
    values : ndarray, shape (6, n), float64
        Rows as in ``COLUMNS``.
    now : int, optional
        Server time in ms: a candle that closes later is not finished.  Left out for rows that were checked
        before, as those of the cache.

    Raises
    ------
    CandleError
        Naming the first row that breaks a rule, and how many do.
    """
    if values.shape != (len(COLUMNS), len(open_time)):
        raise CandleError(
            f"{symbol}: values have shape {values.shape} for {len(open_time)} open times, "
            f"({len(COLUMNS)}, {len(open_time)}) needed"
        )
    rows = RawRows(open_time.astype(np.int64, copy=False), values.astype(np.float64, copy=False))
    for text, bad in (*_rules(rows), ("is not later than the one before it", _not_increasing(rows))):
        if bad.any():
            raise CandleError(_complaint(symbol, rows, bad, text))
    if now is not None and (bad := rows.open_time + CANDLE_MS > now).any():
        raise CandleError(_complaint(symbol, rows, bad, f"is not finished at {_time(now)}"))
    return Candles(symbol, frozen(rows.open_time), frozen(rows.values))


def broken(rows: RawRows) -> NDArray[np.bool_]:
    """Mask, shape (n,), of the rows that break a rule on their own account, whatever their neighbours."""
    mask = np.zeros(len(rows), bool)
    for _, bad in _rules(rows):
        mask |= bad
    return mask


def describe_broken(rows: RawRows) -> str:
    """What is wrong with the first broken row; empty if none is."""
    for text, bad in _rules(rows):
        if bad.any():
            return _described(rows, int(np.flatnonzero(bad)[0]), text)
    return ""


def merge(pages: Iterable[RawRows]) -> RawRows:
    """One series of many pages: increasing open times, each once; the later page wins."""
    parts = list(pages)
    if not parts:
        return NO_ROWS
    times = np.concatenate([part.open_time for part in parts])
    values = np.concatenate([part.values for part in parts], axis=1)
    order = np.argsort(times, kind="stable")
    times = times[order]
    last_of_equal = np.append(times[1:] != times[:-1], True) if len(times) else np.empty(0, bool)
    return RawRows(times[last_of_equal], values[:, order[last_of_equal]])


def between(rows: RawRows, first: int, last: int) -> RawRows:
    """The rows that open from ``first`` to ``last``, both included.

    Parameters
    ----------
    rows : RawRows
        In any order, which is kept.
    first, last : int
        Open times in ms.
    """
    return rows.where((rows.open_time >= first) & (rows.open_time <= last))


def finished(rows: RawRows, now: int) -> RawRows:
    """The rows that are closed at server time ``now`` (ms)."""
    return rows.where(rows.open_time + CANDLE_MS <= now)


def count_revised(known: RawRows, fetched: RawRows) -> int:
    """Count the candles that both series have with different numbers; both as ``merge`` gives them."""
    _, ours, theirs = np.intersect1d(
        known.open_time, fetched.open_time, assume_unique=True, return_indices=True
    )
    return int((known.values[:, ours] != fetched.values[:, theirs]).any(axis=0).sum())


def _rules(rows: RawRows) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Every rule that a row must keep on its own, with the mask of those that break it."""
    o, h, l, c, volume, quote_volume = rows.values
    yield "is not on the 5-minute grid", (rows.open_time % CANDLE_MS != 0) | (rows.open_time <= 0)
    yield "holds a number that is not finite", np.asarray(~np.isfinite(rows.values).all(axis=0))
    yield "has a price that is not positive", np.asarray((rows.values[:4] <= 0).any(axis=0))
    yield "has its low above its open or close", (l > o) | (l > c)
    yield "has its high below its open or close", (h < o) | (h < c)
    yield "has a negative volume", (volume < 0) | (quote_volume < 0)


def _not_increasing(rows: RawRows) -> NDArray[np.bool_]:
    return np.concatenate([[False], np.diff(rows.open_time) <= 0])[: len(rows)]


def _complaint(symbol: str, rows: RawRows, bad: NDArray[np.bool_], text: str) -> str:
    more = int(bad.sum()) - 1
    others = f"; so do {more} more" if more else ""
    return f"{symbol}: {_described(rows, int(np.flatnonzero(bad)[0]), text)}{others}"


def _described(rows: RawRows, row: int, text: str) -> str:
    numbers = ", ".join(f"{name} {value:g}" for name, value in zip(COLUMNS, rows.values[:, row], strict=True))
    return f"the candle of {_time(int(rows.open_time[row]))} {text} ({numbers})"


def _time(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
