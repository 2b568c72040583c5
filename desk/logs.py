"""How the log of a session is written: one line each, UTC.

A service: a level comes in; the root logger is set up.  The desk logs, the doors print: what a door says
itself is not repeated here.

A record may quote what came from outside.  Each is one line that commands no terminal; a traceback follows in
lines that are indented, so that nothing in it passes for a record.
"""

import logging
import time
from types import TracebackType
from typing import Final

from desk.safe_text import safe_text

LONGEST: Final = 4_000
"""Characters of a line."""
_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class SafeFormatter(logging.Formatter):
    """Escapes what a terminal would obey, in messages and tracebacks alike."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The record as one line."""
        return safe_text(super().formatMessage(record), LONGEST)

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - the library's name
        """A traceback, indented."""
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {safe_text(line, LONGEST)}" for line in lines)


def start_logging(level: int) -> None:
    """Write records of ``level`` and above to standard error, their time as 2026-01-01T00:05:00Z."""
    handler = logging.StreamHandler()
    formatter = SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler])
