"""The report's place in the models directory.

Place in the house: a service.  The report is derived from the other files; deleting it loses nothing.
"""

from pathlib import Path
from typing import Final

from desk.files import write_file

REPORT: Final = "report.html"


def write_report_file(folder: Path, page: str) -> Path:
    """Replace the report of a models directory, whole; return its path."""
    write_file(path := folder / REPORT, page.encode())
    return path
