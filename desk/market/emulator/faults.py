"""Answers that go wrong, the same ones every time.

Place in the house: the market, inside the emulator.  The server asks, per request, whether and how
its answer goes wrong.  Pure: which fault request n meets is a function of the seed, the shares and n
alone, so a run that asks in the same order meets the same faults.

Not here: what a closed connection or a hanging answer is on a socket, see ``server``.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from desk.market.emulator.endpoints import CandlePage
from desk.market.emulator.options import PUSH_FAULTS, ROW_FAULT

OLDER_ROWS: Final = 3


class Faults:
    """Draws from the shares of ``options.FAULTS``."""

    def __init__(self, shares: Mapping[str, float], seed: int) -> None:
        self._seed = seed
        self._hole = shares.get(ROW_FAULT, 0.0)
        drawn = [(name, share) for name, share in shares.items() if name != ROW_FAULT and share]
        self._answers = tuple(pair for pair in drawn if pair[0] not in PUSH_FAULTS)
        self._pushes = tuple(pair for pair in drawn if pair[0] in PUSH_FAULTS)

    def of_answer(self, number: int) -> str | None:
        """Name of the fault that the answer to request ``number`` meets, if any."""
        return self._drawn(self._answers, number, stream=0)

    def of_push(self, number: int) -> str | None:
        """Name of the fault that push ``number`` of all sockets meets, if any."""
        return self._drawn(self._pushes, number, stream=2)

    def _drawn(self, shares: tuple[tuple[str, float], ...], number: int, *, stream: int) -> str | None:
        """Draw one of ``shares``, or none."""
        if not shares:
            return None
        draw = float(self._rng(number, stream=stream).random())
        for name, share in shares:
            if draw < share:
                return name
            draw -= share
        return None

    def rows_of(self, page: CandlePage, number: int, fault: str | None) -> tuple[list[str], set[str]]:
        """Rows of ``page`` as request ``number`` gets them, and the row faults that they met."""
        rows = page.rows()
        met: set[str] = set()
        rng = self._rng(number, stream=1) if self._hole or fault else None
        if rng is None or not rows:
            return rows, met
        if fault == "older" and (older := page.older_rows(OLDER_ROWS)):
            rows = older + rows
            met.add("older")
        if fault == "duplicate":
            twice = rng.choice(len(rows), size=1 + len(rows) // 20, replace=False)
            rows += [rows[row] for row in twice]
            rows = [rows[row] for row in rng.permutation(len(rows))]
            met.add("duplicate")
        if self._hole:
            kept = [row for row, draw in zip(rows, rng.random(len(rows)), strict=True) if draw >= self._hole]
            if len(kept) < len(rows):
                rows = kept
                met.add(ROW_FAULT)
        return rows, met

    def _rng(self, number: int, *, stream: int = 0) -> np.random.Generator:
        """Randomness of one request."""
        return np.random.default_rng([self._seed, number, stream])
