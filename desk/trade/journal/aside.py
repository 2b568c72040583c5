"""Statements that wait beside the journal, on the disk, while the journal itself cannot be written.

Batches of statements come in and are on the disk when ``add`` returns; they come out in their order.  One
line of JSON per batch; a last line that a kill has cut short was never reported as kept, and is left out.

Not here: when statements are set aside, and when the journal takes them (``desk.trade.journal.writer``).
"""

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from desk.files import flush_folder, open_own

SqlValue = str | int | float | None
Statement = tuple[str, Sequence[SqlValue]]
Batch = Sequence[Statement]
"""Statements that take effect together, or not at all."""


class AsideFile:
    """The file of what waits; it is there only while something does.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __bool__(self) -> bool:
        return self.path.exists()

    @property
    def name(self) -> str:
        """Distinguishes this file from all that stood here before; empty if its first line was cut short."""
        with self._reading() as file:
            line = file.readline()
        return line.decode().strip() if line.endswith(b"\n") else ""

    def add(self, batches: Sequence[Batch]) -> None:
        """Keep ``batches``; they survive a power cut once this returns.

        Raises
        ------
        OSError
            If there is no room either; the file then holds nothing of them.
        """
        new = not self.path.exists()
        handle = open_own(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            before = os.fstat(handle).st_size
            lines = [secrets.token_hex(8)] if not before else []
            lines += [json.dumps([[sql, list(values)] for sql, values in batch]) for batch in batches]
            try:
                _write_all(handle, ("\n".join(lines) + "\n").encode())
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, before)
                raise
        finally:
            os.close(handle)
        if new:
            flush_folder(self.path.parent)

    def batches(self) -> Iterator[Batch]:
        """What was kept, oldest first."""
        with self._reading() as file:
            file.readline()
            for line in file:
                if line.endswith(b"\n"):
                    yield [(sql, values) for sql, values in json.loads(line)]

    def _reading(self) -> BinaryIO:
        return os.fdopen(open_own(self.path, os.O_RDONLY), "rb")

    def remove(self) -> None:
        """Forget all of it: the journal holds it now."""
        self.path.unlink(missing_ok=True)
        flush_folder(self.path.parent)


def _write_all(handle: int, body: bytes) -> None:
    while body:
        body = body[os.write(handle, body) :]
