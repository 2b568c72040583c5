"""The file of a simulated account, beside the journal: written whole or not at all.

Place in the house: the only module that writes it.  A matching core comes in and is on disk when ``save``
returns; ``load`` gives it back, after every check (``desk.market.matching.state``).

Not here: when it is written (``desk.market.paper.exchange``).
"""

from collections.abc import Iterable
from glob import escape
from pathlib import Path
from typing import Final

from desk.errors import SettingsError
from desk.files import DRAFT, PRIVATE, read_file, write_file
from desk.market.matching import FillModel, Matching
from desk.market.matching.state import INVALID_STATE, StateWriter, core_from_text
from desk.orders import ContractTerms

MOST_BYTES: Final = 200_000_000
"""A larger file cannot be one that this module wrote."""


class PaperFile:
    """One account on disk, written by the one process that holds the journal's lock.

    Parameters
    ----------
    journal : Path
        Journal of the session; the account is saved in ``{journal}.paper.json``.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}.paper.json")
        self._writer = StateWriter()
        self._saved = ""

    def load(self, contracts: Iterable[ContractTerms], fill_model: FillModel | None) -> Matching | None:
        """The account as it was saved last; None: there is none.

        Raises
        ------
        SettingsError
            If the file is not a valid account; it is left untouched.
        """
        try:
            for torn in self.path.parent.glob(f"{DRAFT}{escape(self.path.name)}-*"):
                torn.unlink()  # of a process that was killed while it wrote
            if not self.path.exists():
                return None
            text = read_file(self.path, most=MOST_BYTES).decode()
            return core_from_text(text, contracts, fill_model)
        except (*INVALID_STATE, OSError) as exc:
            why = f"a part is missing: {exc}" if isinstance(exc, KeyError) else str(exc)
            why = str(exc.strerror) if isinstance(exc, OSError) else why
            raise SettingsError(
                f"{self.path} is not a paper account that can be continued ({why}). Restore a copy of it, or "
                "move it away: the next start then begins a new account with the last equity of the journal"
            ) from exc

    def save(self, core: Matching) -> None:
        """Write ``core`` to disk if it changed.

        Raises
        ------
        OSError
            If it cannot be written; the file then keeps its former content.
        """
        text = self._writer.text(core)
        if text != self._saved:
            write_file(self.path, text.encode(), mode=PRIVATE)
            self._saved = text
