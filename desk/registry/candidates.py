"""What a run has trained, kept with its evidence until it is judged, and taken again by a later run.

Place in the house: a service, below ``models/``.  One file per version, ``candidates/{SYMBOL}_{STAMP}.json``:

    {"schema_version": 1, "symbol": "BTCUSDT", "model_file": "BTCUSDT_lightgbm_20261130_120000.txt",
     "key": "9f…", "experiment": false, "judged": false, "evidence": {…}, "comparison": null}

``key`` names candles, settings, costs and versions (``desk.worker.SymbolJob.key``): a run that meets a job
with the key of a candidate takes the candidate and trains nothing.  The file is written last, so a version
that has one is whole.

Not here: what the evidence says (``desk.learn.run_verdicts``).
"""

import glob
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from desk.errors import ModelIncomplete
from desk.files import write_file
from desk.outcomes import Json
from desk.registry.documents import checked_json, read_document

FOLDER: Final = "candidates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version and the evidence on it."""

    symbol: str
    model_file: str
    key: str
    """Of the job that it is the result of."""
    experiment: bool
    """Whether it was trained with arguments that must not move ``_latest``."""
    judged: bool
    """Whether its run came to its verdicts."""
    evidence: Json
    """As ``desk.learn.run_verdicts`` describes it."""
    comparison: Json | None
    """With the published version, on days that neither has learned; None where they were not compared."""


class CandidateStore:
    """The candidates of one models directory.

    Parameters
    ----------
    folder : Path
        Of the models.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def keep(self, candidate: Candidate) -> None:
        """Write a candidate, or replace it."""
        document = {"schema_version": 1, **asdict(candidate)}
        write_file(self._path(candidate.model_file), checked_json(document, "candidate"))

    def mark_judged(self, candidate: Candidate) -> None:
        """Note that the run of a candidate came to its verdicts."""
        if not candidate.judged:
            self.keep(replace(candidate, judged=True))

    def with_key(self, symbol: str, key: str) -> Candidate | None:
        """The newest candidate of a symbol whose job had ``key``; None without one."""
        return next((one for one in self._of(symbol) if one.key == key), None)

    def of_version(self, symbol: str, model_file: str) -> Candidate | None:
        """The candidate of a symbol that is this version; None where its evidence is not there."""
        return next((one for one in self._of(symbol) if one.model_file == model_file), None)

    def unjudged(self) -> list[Candidate]:
        """The newest candidate of every symbol, as far as it waits for its verdict, by symbol."""
        newest: dict[str, Candidate] = {}
        for one in self._of(None):
            newest.setdefault(one.symbol, one)
        return [one for _, one in sorted(newest.items()) if not one.judged]

    def _of(self, symbol: str | None) -> Iterator[Candidate]:
        """Candidates of a symbol, or of all, newest first; what cannot be read is as good as not there."""
        named = "*" if symbol is None else glob.escape(symbol)
        for path in sorted(self._folder.glob(f"{named}_????????_??????.json"), reverse=True):
            try:
                document = read_document(path, "candidate")
            except ModelIncomplete:
                continue
            del document["schema_version"]
            found = Candidate(**document)
            if symbol in (None, found.symbol):
                yield found

    def _path(self, model_file: str) -> Path:
        return self._folder / f"{model_file.replace('_lightgbm_', '_').removesuffix('.txt')}.json"
