"""What a day of live trading is compared with: the candles as they were.

Series come from the real ones beside the checkout, or are invented where there are none.  ``examined`` looks
at every symbol at every close: its decision was made on the true candles (features are recomputed and their
hash compared with the journal's), or a reason was reported why there is none; everything else is a problem.

With one exception, which is counted: the last word of a candle that comes after the next has opened, or is
lost, leaves no trace where the price stayed the same.  Nobody may have acted on such a candle, since REST is
asked first; who only looked at it may have, if it was found out within a quarter of an hour.

Not here: how the day is lived through (``soaks.live``).
"""

import contextlib
import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from desk.market.series.sources import read_candle_files
from desk.market.series.synthetic import synthesize
from desk.values import CANDLE_MS, Candles, frozen
from ml_feature_engineering import memory_of, newest_rows

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "candles"
START = 1_762_387_200_000
"""2025-11-06 00:00 UTC, on the grid."""
AUDITED_MS = 15 * 60_000
"""So long after a close a candle that was handed out wrong must have been found out."""


@dataclass
class ReportedCandles:
    """What the feed handed out, by open time."""

    rounds: list[int] = field(default_factory=list)
    absent: dict[int, dict[str, str]] = field(default_factory=dict)
    delays_s: list[float] = field(default_factory=list)
    news: Counter[str] = field(default_factory=Counter)
    revised: set[tuple[str, int]] = field(default_factory=set)
    """Symbols and candles that turned out to be other than they were handed out."""


@dataclass(frozen=True)
class JournalOfDay:
    """What the journal says of the day, by open time and symbol."""

    digests: dict[tuple[int, str], str]
    acted: set[tuple[int, str]]
    silent_from: dict[str, list[int]]
    """Borders at which it was noted why a symbol has no decision, from then on."""

    @classmethod
    def of(cls, path: Path) -> "JournalOfDay":
        """Of a journal's file."""
        with contextlib.closing(sqlite3.connect(path)) as db:
            rows = db.execute("SELECT open_time, symbol, digest, action FROM decisions").fetchall()
            notes = db.execute("SELECT at, symbol FROM notes WHERE kind = 'no decision'").fetchall()
        silent_from = defaultdict(list)
        for at, symbol in notes:
            silent_from[symbol].append(at // CANDLE_MS * CANDLE_MS - CANDLE_MS)
        return cls(
            {(at, symbol): digest for at, symbol, digest, _ in rows},
            {(at, symbol) for at, symbol, _, action in rows if action.startswith("enter")},
            silent_from,
        )


def truth(symbols: int, candles: int, seed: int) -> list[Candles]:
    """Series of ``candles`` candles that begin together, cut from real ones.

    Parameters
    ----------
    symbols : int
    candles : int
        Of each.
    seed : int
    """
    chance = np.random.default_rng(seed)
    first = START - (memory_of() + 24) * CANDLE_MS
    real = read_candle_files(REAL) if REAL.is_dir() else []
    found = []
    for number in range(symbols):
        name = f"S{number:03d}USDT"
        if real:
            source = real[number % len(real)]
            at = int(chance.integers(len(source) - candles))
            part = source.rows(at, at + candles)
            times = part.open_time - part.open_time[0] + first
            values = continuous(part.values)
        else:
            whole = synthesize("noise", seed + number, symbol=name, end=START)
            times, values = first + CANDLE_MS * np.arange(candles), whole.values[:, :candles]
        found.append(Candles(name, frozen(times), frozen(values)))
    return found


def continuous(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Candles as this exchange tells them: each opens where the one before has closed."""
    o, h, l, c, *volumes = values.copy()
    o[1:] = c[:-1]
    return np.stack([o, np.maximum(h, o), np.minimum(l, o), c, *volumes])


def examined(
    path: Path, series: Sequence[Candles], reported: ReportedCandles, *, hours: float
) -> tuple[Counter[str], list[str]]:
    """How often what happened, and every problem.

    Parameters
    ----------
    path : Path
        Of the journal.
    series : sequence of Candles
        The true ones.
    reported : ReportedCandles
    hours : float
    """
    kept = JournalOfDay.of(path)
    counts: Counter[str] = Counter()
    problems = []
    closes = range(min(reported.rounds), max(reported.rounds) + 1, CANDLE_MS)
    if closes[0] > START + 2 * CANDLE_MS or len(closes) < hours * 12 - 3:
        problems.append(f"{len(closes)} closes, the first at {closes[0]}")
    silent: set[str] = set()
    for close in closes:
        if close not in reported.absent:
            problems.append(f"close {close}: no round was handed out")
            continue
        decided = [one for one in series if (close, one.symbol) in kept.digests]
        silent -= {one.symbol for one in decided}
        silent |= {symbol for symbol, since in kept.silent_from.items() if close in since}
        for symbol in wrong(kept, decided, close):
            soon = close > closes[-1] - AUDITED_MS or (symbol, close) in reported.revised
            what = "acted on" if (close, symbol) in kept.acted else "only looked at"
            counts[f"{what} wrong candles"] += 1
            counts["decided"] -= 1
            if what == "acted on" or not soon:
                problems.append(f"{symbol} at {close}: {what} other candles than the true ones")
        counts["decided"] += len(decided)
        missing = {one.symbol for one in series} - {one.symbol for one in decided}
        counts["left out, and reported why"] += len(missing & silent)
        problems += [
            f"{name} at {close}: no decision, and no reason was reported" for name in missing - silent
        ]
    return counts, problems


def wrong(kept: JournalOfDay, decided: Sequence[Candles], close: int) -> Iterator[str]:
    """Symbols whose decision at a close was made on something else than their true candles.

    Parameters
    ----------
    kept : JournalOfDay
    decided : sequence of Candles
        The true ones of the symbols that were decided on.
    close : int
        Open time, ms.
    """
    if not decided:
        return
    parts = []
    for one in decided:
        stop = int(np.searchsorted(one.open_time, close)) + 1
        parts.append(one.rows(stop - memory_of(), stop))
    x = newest_rows(np.stack([one.values for one in parts]), np.stack([one.open_time for one in parts]))
    for part, row in zip(parts, x, strict=True):
        expected = hashlib.sha256(row[None].tobytes()).hexdigest()[:16]
        if part.open_time[-1] != close or kept.digests[close, part.symbol] != expected:
            yield part.symbol
