"""Faults of answers and pushes, drawn from a seed.

Place in the house: the market, inside the emulator.  The server asks for every request whether its
answer has a fault, and which.  Pure: the fault of request n is a function of the seed, the shares and n
alone, so a run that sends the same requests in the same order gets the same faults.

Not here: what a closed connection or a hanging answer is on a socket, see ``server``.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from desk.market.emulator.endpoints import CandlePage
from desk.market.emulator.options import PUSH_FAULTS, ROW_FAULT

OLDER_ROWS: Final = 3


def _newest_half(rows: list[str], _: np.random.Generator) -> list[str]:
    return rows[len(rows) // 2 :]


def _none(_: list[str], __: np.random.Generator) -> list[str]:
    return []


def _high_below_low(rows: list[str], rng: np.random.Generator) -> list[str]:
    """One row whose high is half its low."""

    def bend(row: list[object]) -> None:
        row[2] = repr(float(str(row[3])) / 2)

    return _one_changed(rows, rng, bend)


def _without_a_number(rows: list[str], rng: np.random.Generator) -> list[str]:
    """One row with null or an empty text where a number should be."""

    def spoil(row: list[object]) -> None:
        row[int(rng.integers(1, len(row)))] = None if rng.random() < 0.5 else ""

    return _one_changed(rows, rng, spoil)


def _one_changed(
    rows: list[str], rng: np.random.Generator, change: Callable[[list[object]], None]
) -> list[str]:
    place = int(rng.integers(len(rows)))
    row = json.loads(rows[place])
    change(row)
    return [*rows[:place], json.dumps(row, separators=(",", ":")), *rows[place + 1 :]]


CHANGES: Final[Mapping[str, Callable[[list[str], np.random.Generator], list[str]]]] = {
    "short": _newest_half,
    "lag": _none,
    "bad_row": _high_below_low,
    "null": _without_a_number,
}
"""Faults of a page of candles that is not empty: its rows as JSON text, and what becomes of them."""


class Faults:
    """Draws from the shares of ``options.FAULTS``."""

    def __init__(self, shares: Mapping[str, float], seed: int) -> None:
        self._seed = seed
        self._hole = shares.get(ROW_FAULT, 0.0)
        drawn = [(name, share) for name, share in shares.items() if name != ROW_FAULT and share]
        self._answers = tuple(pair for pair in drawn if pair[0] not in PUSH_FAULTS)
        self._pushes = tuple(pair for pair in drawn if pair[0] in PUSH_FAULTS)

    def of_answer(self, number: int) -> str | None:
        """Fault of the answer to request ``number``; None: there is none."""
        return self._drawn(self._answers, number, stream=0)

    def of_push(self, number: int) -> str | None:
        """Fault of push ``number``, counted over all sockets; None: there is none."""
        return self._drawn(self._pushes, number, stream=2)

    def _drawn(self, shares: tuple[tuple[str, float], ...], number: int, *, stream: int) -> str | None:
        """Draw one name of ``shares``, or None."""
        if not shares:
            return None
        draw = float(self._rng(number, stream=stream).random())
        for name, share in shares:
            if draw < share:
                return name
            draw -= share
        return None

    def rows_of(self, page: CandlePage, number: int, fault: str | None) -> tuple[list[str], set[str]]:
        """Apply row faults to ``page``.

        Parameters
        ----------
        page : CandlePage
        number : int
            Of the request, from 0.
        fault : str or None
            What ``of_answer`` drew.

        Returns
        -------
        list of str
            Rows as JSON text.
        set of str
            Names of the row faults.
        """
        rows = page.rows()
        met: set[str] = set()
        rng = self._rng(number, stream=1) if self._hole or fault else None
        if rng is None or not rows:
            return rows, met
        if fault is not None and fault in CHANGES:
            return CHANGES[fault](rows, rng), {fault}
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
        """Random numbers of one request."""
        return np.random.default_rng([self._seed, number, stream])
