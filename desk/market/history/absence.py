"""Candles that the exchange does not have, and since when that is known.

Place in the house: missing open times come in from ``desk.market.history.download``; what is believed about
them goes out, to the cache and to the next run.  Pure.

One moment proves nothing: an exchange that lags behind answers with an empty page as one does that never had
the candles.  So a hole is asked for again by every run until a run at least ``BELIEVED_AFTER_MS`` later has
found it absent too, and the beginning of a series is asked for once by every run that wants more.

Not here: how often one run asks (``desk.market.history.download``).
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from desk.values import CANDLE_MS, Hole

BELIEVED_AFTER_MS: Final = 7 * 86_400_000
"""A hole that is still absent after this time, a week, is not asked for any more."""
BELIEVED: Final = 0
"""In place of the time at which an absence was first seen: it was seen again a week later."""
THERE: Final = -1
"""In place of that time: nothing says that the candle is absent."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A hole, with the server time (ms) at which it was first found, or ``BELIEVED``."""

    hole: Hole
    seen: int

    @property
    def end(self) -> int:
        """Close of the last missing candle, ms."""
        return self.hole.first + self.hole.candles * CANDLE_MS


@dataclass(frozen=True, slots=True)
class Absences:
    """What the exchange did not have when it was last asked."""

    holes: tuple[Absence, ...] = ()
    """Between the first and the last candle, oldest first."""
    beginning: int | None = None
    """Open time (ms) of the first candle, where the exchange had nothing older; None: not known."""

    def seen_at(self, open_time: NDArray[np.int64]) -> NDArray[np.int64]:
        """When each candle was first found absent.

        Parameters
        ----------
        open_time : ndarray, shape (n,), int64
            Of the candles, ms.

        Returns
        -------
        ndarray, shape (n,), int64
            Server time in ms, ``BELIEVED``, or ``THERE`` for candles of no hole.
        """
        seen = np.full(len(open_time), THERE, dtype=np.int64)
        for absence in self.holes:
            within = (open_time >= absence.hole.first) & (open_time < absence.end)
            later = within & ((seen == THERE) | (seen > absence.seen))
            seen[later] = absence.seen
        return seen

    def outside(self, start: int, stop: int) -> tuple[Absence, ...]:
        """The holes, and parts of holes, that open before ``start`` or from ``stop`` on (ms)."""
        parts = []
        for absence in self.holes:
            for first, end in (
                (absence.hole.first, min(absence.end, start)),
                (max(absence.hole.first, stop), absence.end),
            ):
                if (candles := (end - first) // CANDLE_MS) > 0:
                    parts.append(Absence(Hole(first, candles), absence.seen))
        return tuple(parts)


NOTHING_ABSENT: Final = Absences()


def absences_of(missing: NDArray[np.int64], seen: NDArray[np.int64]) -> tuple[Absence, ...]:
    """Holes of neighbours that were first found absent at the same time.

    Parameters
    ----------
    missing : ndarray, shape (n,), int64
        Missing open times, increasing, ms.
    seen : ndarray, shape (n,), int64
        When each was first found absent, as ``Absence.seen``.
    """
    if not len(missing):
        return ()
    begins = (np.diff(missing) != CANDLE_MS) | (np.diff(seen) != 0)
    starts = np.concatenate([[0], np.flatnonzero(begins) + 1, [len(missing)]])
    return tuple(
        Absence(Hole(int(missing[start]), int(stop - start)), int(seen[start]))
        for start, stop in itertools.pairwise(starts)
    )


def seen_again(seen: NDArray[np.int64], now: int) -> NDArray[np.int64]:
    """``seen`` of candles that are found absent at ``now``, shape (n,): new, or old enough to be believed.

    Parameters
    ----------
    seen : ndarray, shape (n,), int64
        As ``Absences.seen_at`` gives it.
    now : int
        Server time, ms.
    """
    first = np.where(seen == THERE, now, seen)
    return np.where(first + BELIEVED_AFTER_MS <= now, BELIEVED, first)


def join_absences(several: Iterable[Absences]) -> Absences:
    """Everything that several caches of one symbol say; of two beginnings the older."""
    every = list(several)
    holes = sorted({hole for one in every for hole in one.holes}, key=lambda one: one.hole.first)
    beginnings = [one.beginning for one in every if one.beginning is not None]
    return Absences(tuple(holes), min(beginnings, default=None))
