"""``--status``: what a session does and holds, from its journal, whether it runs or not.

A service between the journal, which is only read, and ``desk.reports.status``.
"""

from pathlib import Path

from desk.ports import Clock
from desk.reports.console import Console
from desk.reports.status import print_status
from desk.trade.journal.reading import read_snapshot
from desk.trade.snapshot import snapshot_json


def show_status(journal: Path, clock: Clock, console: Console) -> bool:
    """Show the newest session of a journal; whether there is one.

    Parameters
    ----------
    journal : Path
    clock : Clock
        Says how old it all is.
    console : Console

    Raises
    ------
    SettingsError
        If something else is at ``journal``.
    """
    found = read_snapshot(journal, now=clock.now_ms())
    if found is None:
        console.error(f"{journal} holds no session: nothing was traded yet, or --journal names another file.")
        return False
    print_status(snapshot_json(found), str(journal), console)
    return True
