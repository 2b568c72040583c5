"""Pages of a download that is not finished yet, kept so that a crash costs only what was in flight.

Place in the house: beside the cache; only ``desk.market.history.candle_store`` hands it out.  Rows of each
page come in as they are received; after a crash the next run reads them.

A file per symbol, appended to and flushed page by page; a record is torn if the process died while writing
it, and is then cut off::

    b"PAGE" | CRC-32 of the rest | number of rows n | n open times (int64) | 6 × n values (float64)

All numbers are little-endian.

Not here: checking; rows are checked when they become candles.
"""

import contextlib
import errno
import os
import struct
import threading
import zlib
from io import FileIO
from pathlib import Path

import numpy as np

from desk.files import flush_folder, flush_to_disk, open_own, read_file
from desk.market.history.candles import RawRows, broken, merge
from desk.values import COLUMNS

HEAD = struct.Struct("<4sII")
MARK = b"PAGE"
MOST_BYTES = 2**28
"""A larger file is none of ours: ten years of candles take 59 MB."""
ROW_BYTES = 8 * (1 + len(COLUMNS))


class PageJournal:
    """The pages of one symbol.  Nothing is written before the first page is added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None
        self._turn = threading.Lock()

    def read(self) -> RawRows:
        """Every row of every whole record; what a crash tore is cut off.

        Raises
        ------
        OSError
            If the file is there and cannot be read.
        """
        if not self.path.exists():
            return merge([])
        body, pages, place = read_file(self.path, most=MOST_BYTES), [], 0
        while (record := _record(body, place)) is not None:
            pages.append(record)
            place += HEAD.size + len(record) * ROW_BYTES
        if place < len(body):
            os.truncate(self.path, place)
        rows = merge(pages)
        return rows.where(~broken(rows))

    def add(self, rows: RawRows) -> None:
        """Write the rows of a page through to the disk; may be called from several threads.

        Raises
        ------
        OSError
            If the disk is full; the pages before this one are then unharmed.
        """
        data = rows.open_time.astype("<i8").tobytes() + rows.values.astype("<f8").tobytes()
        count = struct.pack("<I", len(rows))
        record = HEAD.pack(MARK, zlib.crc32(data, zlib.crc32(count)), len(rows)) + data
        with self._turn:
            if self._file is None:
                self._file = FileIO(open_own(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT), "ab")
                flush_folder(self.path.parent)
            whole = self._file.seek(0, os.SEEK_END)
            try:
                _write_through(self._file, record)
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.truncate(whole)  # or the pages after this one would be cut off with it
                raise

    def close(self) -> None:
        """Let go of the file; it stays for the next run."""
        with self._turn:
            if self._file is not None:
                self._file.close()
                self._file = None

    def remove(self) -> None:
        """Forget all pages: they are in the cache now, or are not wanted."""
        self.close()
        self.path.unlink(missing_ok=True)


def _write_through(file: FileIO, record: bytes) -> None:
    """Write all of ``record`` to the disk itself."""
    if file.write(record) < len(record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    flush_to_disk(file.fileno())


def _record(body: bytes, place: int) -> RawRows | None:
    """The page that begins at ``place``; None at the end or where a record is torn."""
    if len(body) - place < HEAD.size:
        return None
    mark, crc, count = HEAD.unpack_from(body, place)
    data = body[place + HEAD.size : place + HEAD.size + count * ROW_BYTES]
    if mark != MARK or len(data) < count * ROW_BYTES:
        return None
    if zlib.crc32(data, zlib.crc32(struct.pack("<I", count))) != crc:
        return None
    open_time = np.frombuffer(data, "<i8", count).astype(np.int64)
    values = np.frombuffer(data, "<f8", offset=8 * count).astype(np.float64)
    return RawRows(open_time, values.reshape(len(COLUMNS), count))
