"""``unfinished_run.json`` in the models directory: a run that has begun and not come to its end.

Place in the house: a service.  What a run is lets the same command continue it::

    {"schema_version": 1, "started_at": "2026-11-30T02:00:00+00:00", "settings": "9f…",
     "contracts_at": 1764460800000}

Not here: whether it is continued (``desk.continued_run``).
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from desk.errors import ModelIncomplete
from desk.files import write_file
from desk.registry.documents import checked_json, read_document

UNFINISHED_RUN: Final = "unfinished_run.json"


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run, by what it depends on."""

    started_at: datetime
    """By the clock of this machine."""
    settings: str
    """``desk.run_settings.Settings.digest``."""
    contracts_at: int
    """When the contracts were fetched, by the exchange's clock, in ms: its candles end there."""


def note_run(folder: Path, run: UnfinishedRun) -> None:
    """Write down that a run has begun."""
    document = {"schema_version": 1, **asdict(run), "started_at": run.started_at.isoformat()}
    write_file(folder / UNFINISHED_RUN, checked_json(document, "unfinished_run"))


def unfinished_run(folder: Path) -> UnfinishedRun | None:
    """The run that has not come to its end; None where there is none, or none that can be read."""
    try:
        document = read_document(folder / UNFINISHED_RUN, "unfinished_run")
        started = datetime.fromisoformat(document["started_at"])
    except (ModelIncomplete, ValueError):
        return None
    if started.tzinfo is None:
        return None
    return UnfinishedRun(started, document["settings"], document["contracts_at"])


def forget_run(folder: Path) -> None:
    """Write down that the run has come to its end."""
    with suppress(FileNotFoundError):
        (folder / UNFINISHED_RUN).unlink()
