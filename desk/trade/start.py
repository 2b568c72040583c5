"""What forbids a session to start, seen before anything is said or made.

Place in the house: the first thing that ``live_trade`` asks.  A journal's path and a mode come in; nothing
goes out, or a ``SettingsError``.  Only reads.  The session and its journal look again when they begin: what
is seen here may have changed by then.
"""

from pathlib import Path

from desk.errors import SettingsError
from desk.trade.journal.database import newest_mode
from desk.trade.session import STOP_FILE


def require_startable(journal: Path, mode: str) -> None:
    """See that a session of ``mode`` may begin on ``journal``.

    Raises
    ------
    SettingsError
        If a STOP file lies beside it, the journal is of another mode, no journal can be there, or a replay
        would be told together with the sessions before it.
    """
    last = newest_mode(journal)
    stop = journal.resolve().parent / STOP_FILE
    if stop.exists():
        raise SettingsError(f"{stop} is there: remove it to trade again")
    if last is not None and mode == "replay":
        raise SettingsError(
            f"{journal} holds sessions already, and a replay is told alone: name another file with "
            "--journal, or leave it out"
        )
    if last is not None and last != mode:
        raise SettingsError(
            f"{journal} is the journal of mode {last}, and this is mode {mode}: name another file with "
            "--journal"
        )
