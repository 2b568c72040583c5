"""The file of a simulated account, beside the journal: there whole, or not there.

Place in the house: the only module that writes it.  A matching core comes in and is on disk when ``keep``
returns; ``load`` gives it back, after every check (``desk.market.matching.state``).

Not here: when it is written (``desk.market.paper.exchange``).
"""

from collections.abc import Iterable
from glob import escape
from pathlib import Path
from typing import Final

from desk.errors import SettingsError
from desk.files import DRAFT, write_file
from desk.market.matching import FillModel, Matching
from desk.market.matching.state import INVALID_STATE, StateWriter, core_from_text
from desk.orders import ContractTerms

MOST_BYTES: Final = 200_000_000
"""A file that is longer is not ours."""


class PaperFile:
    """One account on disk; of one process, which holds the journal's lock.

    Parameters
    ----------
    journal : Path
        Of the session; the account is kept in ``{journal}.paper.json``.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}.paper.json")
        self._writer = StateWriter()
        self._kept = ""

    def load(self, contracts: Iterable[ContractTerms], fill_model: FillModel | None) -> Matching | None:
        """The account as it was kept last; None: there is none.

        Raises
        ------
        SettingsError
            If the file is anything but an account that can be; it stays what it is.
        """
        try:
            for torn in self.path.parent.glob(f"{DRAFT}{escape(self.path.name)}-*"):
                torn.unlink()  # of a process that was killed while it wrote
            if not self.path.exists():
                return None
            if not self.path.is_file() or self.path.stat().st_size > MOST_BYTES:
                raise ValueError("it is no file, or too long")
            return core_from_text(self.path.read_text("utf-8"), contracts, fill_model)
        except (*INVALID_STATE, OSError) as exc:
            why = f"a part is missing: {exc}" if isinstance(exc, KeyError) else exc
            raise SettingsError(
                f"{self.path} is no paper account that can be continued ({why}). Restore a copy of it, or "
                "move it away: the next start then begins a new account with the last equity of the journal"
            ) from exc

    def keep(self, core: Matching) -> None:
        """Have ``core`` on disk.

        Raises
        ------
        OSError
            If it cannot be written; the file is then what it was.
        """
        text = self._writer.text(core)
        if text != self._kept:
            write_file(self.path, text.encode())
            self._kept = text
