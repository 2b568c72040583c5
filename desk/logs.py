"""How the log of a session is written: one line each, UTC.

A service: a level comes in; the root logger is set up.  The desk logs, the doors print: what a door says
itself is not repeated here.
"""

import logging
import time


def start_logging(level: int) -> None:
    """Write records of ``level`` and above to standard error, their time as 2026-01-01T00:05:00Z."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter(
        "%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler])
