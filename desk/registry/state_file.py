"""``models.json`` in the models directory.

Place in the house: a service.  The state is derived from the other files; deleting it loses nothing but the
time to read them all again.
"""

from pathlib import Path
from typing import Final

from desk.errors import ModelIncomplete
from desk.files import write_file
from desk.outcomes import Json
from desk.registry.documents import checked_json, read_document

STATE: Final = "models.json"


def read_state(folder: Path) -> Json | None:
    """The state as it was written last; None where there is none that can be read."""
    try:
        return read_document(folder / STATE, "models")
    except ModelIncomplete:
        return None


def write_state_file(folder: Path, state: Json) -> Path:
    """Replace the state of a models directory, whole; return its path."""
    write_file(path := folder / STATE, checked_json(state, "models"))
    return path
