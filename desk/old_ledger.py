"""``evaluations.jsonl``, the ledger of an earlier version: a file comes in, entries of today go out.

Place in the house: the reader of one file, for ``desk.ledger``.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

from desk.errors import SettingsError
from desk.files import open_own
from desk.outcomes import Json
from desk.reading import read_json, time_of

LONGEST_LINE = 1_000_000
"""Bytes of an entry; they had some hundred."""


def old_entries(lines: Path, *, after: int) -> Iterator[tuple[int, Json]]:
    """The entries of a file, each with the number of its line; a last line that a crash tore is left out.

    Parameters
    ----------
    lines : Path
    after : int
        Number of the last line that is known.

    Raises
    ------
    SettingsError
        If another line is no entry, or the file none of its folder: what was looked at must not be forgotten
        silently.
    """
    try:
        file = os.fdopen(open_own(lines, os.O_RDONLY), "rb")
    except OSError as exc:
        raise SettingsError(f"{lines} cannot be read ({exc.strerror}): move it away") from exc
    with file:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), start=1):
            if len(line) == LONGEST_LINE:
                raise SettingsError(f"{lines}, line {number}, is longer than any entry: move it away")
            if number > after and line.endswith(b"\n"):
                yield number, _entry(line, f"{lines}, line {number},")


def _entry(line: bytes, where: str) -> Json:
    """An entry in the words of today."""
    try:
        old = cast("Json", read_json(line))
        explored = old["kind"] == "explore"
        return {
            "kind": "explore" if explored else "train",
            "symbol": str(old["symbol"]),
            "settings": str(old["settings"]),
            "first": time_of(old["test_first"]),
            "last": time_of(old["test_last"]),
            # What --explore showed could be chosen by, whether or not it passed the gate of that time.
            "tested": explored or bool(old["passed_gate"]),
            "p_value": None if old["p_value"] is None else float(old["p_value"]),
            "at": str(old["at"]),
        }
    except (ValueError, KeyError, TypeError) as exc:
        raise SettingsError(
            f"{where} is not an entry of the ledger of evaluations: restore it from a copy, or remove the "
            "line and with it the memory of that look"
        ) from exc
