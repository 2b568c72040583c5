"""The models directory: the only place that writes, and reads, below ``models/``.

A ``Trained`` symbol comes in and is there whole or not at all; a ``RegisteredModel`` model goes out only
if its files belong together.  Layout: see the README, "Files".

A version is added first: model, evaluated model, walk, trades, metadata.  It waits, with the record of
its evidence in ``candidates``, until the verdicts of its run are in; only then is it published: features,
and last the link ``_latest``, by an atomic rename.  A crash in between leaves files that nothing points to,
and ``_latest`` points at a judged model at every moment.

Not here: what a model is (``desk.learn.training``), what its metadata say (``desk.learn.record``), and which
version deserves to be published (``desk.training_run``).
"""

import contextlib
import glob
import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from desk.errors import ContractMismatch, ModelIncomplete
from desk.files import flush_folder, point_link, read_file, remove_drafts, write_file
from desk.kept_walk import walk_files, walk_folder
from desk.outcomes import Json, Trained
from desk.registry import candidates
from desk.registry.documents import checked_json, read_document, read_metadata
from desk.symbol_names import symbol_fault

STAMP: Final = "%Y%m%d_%H%M%S"
SUMMARY: Final = "training_summary.json"
OLD_LEDGER: Final = "evaluations.jsonl"
EXPLORATION: Final = "exploration.json"
PICTURE: Final = "exploration.svg"
RETIRED: Final = "retired"  # a folder, with one file for each symbol that was retired
_VERSION = re.compile(r"_lightgbm_(\d{8}_\d{6})\.txt$")
_LATEST = "_latest.txt"
_FOLDERS = ("metadata", "evaluated", "trades", "studies", candidates.FOLDER, RETIRED)


@dataclass(frozen=True, slots=True, eq=False)
class RegisteredModel:
    """A published model whose files belong together."""

    symbol: str
    model_file: str
    model: str
    metadata: Json


class ModelRegistry:
    """The models directory.

    Parameters
    ----------
    folder : Path
        ``models/live_trading`` or another; made when the first model is published.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tidy(self) -> None:
        """Remove what crashed writers left behind; only the one writer may call this."""
        walks = self.folder.glob("evaluated/*_walk_*")
        for folder in (*(self.folder / name for name in ("", *_FOLDERS)), *walks):
            remove_drafts(folder)

    @property
    def candidates(self) -> candidates.CandidateStore:
        """What runs have trained, with the evidence on it."""
        return candidates.CandidateStore(self.folder)

    def add(self, trained: Trained, *, now: datetime) -> Json:
        """Keep ``trained`` as a version that nothing points to; return its metadata as written.

        Raises
        ------
        ModelIncomplete
            If the symbol cannot be part of a file name.
        OSError
            If the disk refuses; what is published stays published.
        """
        if fault := symbol_fault(trained.symbol):
            raise ModelIncomplete(f"{trained.symbol!a} cannot be a file name: {fault}")
        symbol, stamp = trained.symbol, self._free_stamp(trained.symbol, now)
        model_file = f"{symbol}_lightgbm_{stamp}.txt"
        body = trained.model.encode()
        evaluated = None if trained.evaluated is None else trained.evaluated.encode()
        metadata = {
            "schema_version": 2,
            "symbol": symbol,
            "created_at": datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).isoformat(),
            "model_file": model_file,
            "model_sha256": hashlib.sha256(body).hexdigest(),
            "evaluated_file": None if evaluated is None else f"evaluated/{model_file}",
            "evaluated_sha256": None if evaluated is None else hashlib.sha256(evaluated).hexdigest(),
            **trained.metadata,
        }
        described = checked_json(metadata, "metadata")
        write_file(self.folder / model_file, body)
        if evaluated is not None:
            write_file(self.folder / "evaluated" / model_file, evaluated)
        for name, text in walk_files(symbol, trained.walk).items():
            write_file(walk_folder(self.folder, symbol, model_file) / name, text)
        write_file(self.folder / "trades" / f"{symbol}_trades_{stamp}.csv", trained.trades.encode())
        if trained.study:
            write_file(self.folder / "studies" / f"{symbol}_{stamp}.log", trained.study)
        write_file(self._metadata_file(symbol, stamp), described)
        return metadata

    def publish(self, metadata: Json) -> None:
        """Make the version that ``metadata`` describe the published one of its symbol.

        A symbol that was retired is active again.

        Raises
        ------
        ModelIncomplete
            If the version's model file is not the one that the metadata describe.
        OSError
            If the disk refuses; what was published stays published.
        """
        symbol, model_file = metadata["symbol"], metadata["model_file"]
        try:
            body = read_file(self.folder / model_file)
        except OSError as exc:
            raise ModelIncomplete(f"{symbol}: {model_file} cannot be read ({exc.strerror})") from exc
        if hashlib.sha256(body).hexdigest() != metadata["model_sha256"]:
            raise ModelIncomplete(f"{symbol}: {model_file} is not the file that its metadata describe")
        write_file(self.folder / f"{symbol}_features.txt", "\n".join([*metadata["features"], ""]).encode())
        self._point_latest(symbol, model_file, body)
        self._retired_file(symbol).unlink(missing_ok=True)

    def retire(self, symbol: str, *, at: datetime) -> None:
        """Remove the link of a symbol; its versions stay.

        Raises
        ------
        ModelIncomplete
            If no model of the symbol is published.
        """
        if symbol not in self.symbols():
            raise ModelIncomplete(f"{symbol}: no model is published that could be retired")
        note = {"symbol": symbol, "at": at.isoformat(), "model_file": self.latest(symbol)}
        write_file(self._retired_file(symbol), json.dumps(note).encode())
        (self.folder / f"{symbol}{_LATEST}").unlink()
        flush_folder(self.folder)

    def retired(self) -> set[str]:
        """Retired symbols."""
        return {path.stem for path in self.folder.glob(f"{RETIRED}/*.json")}

    def latest(self, symbol: str) -> str | None:
        """File name of the published version; None where there is none, or its name is not known."""
        link = self.folder / f"{symbol}{_LATEST}"
        try:
            if link.is_symlink():
                return link.readlink().name
            copy = self._metadata_of_copy(symbol, hashlib.sha256(read_file(link)).hexdigest())
            return str(copy["model_file"])
        except (OSError, ModelIncomplete):
            return None

    def published_at(self, symbol: str) -> str | None:
        """When the link of a symbol was made, ISO 8601 UTC; None where there is none."""
        with contextlib.suppress(OSError):
            made = (self.folder / f"{symbol}{_LATEST}").lstat().st_mtime
            return datetime.fromtimestamp(int(made), tz=UTC).isoformat()
        return None

    def all_symbols(self) -> list[str]:
        """Symbols with a version, published or not, sorted."""
        names = [path.name for path in self.folder.glob("*_lightgbm_*.txt")]
        return sorted(
            {self._symbol_of(name) for name in names if _VERSION.search(name)}.union(self.symbols())
        )

    def versions(self, symbol: str) -> list[str]:
        """File names of all versions of a symbol that have metadata, newest first."""
        return [name for name in self._versions(symbol) if self._metadata_of(name).is_file()]

    def metadata(self, model_file: str) -> Json:
        """Metadata of a version.

        Raises
        ------
        ModelIncomplete
            If they cannot be read.
        """
        return read_metadata(self._metadata_of(model_file))

    def metadata_stamp(self, model_file: str) -> str:
        """What changes when the metadata of a version are rewritten; "" where they are not there."""
        with contextlib.suppress(OSError, ModelIncomplete):
            return str(self._metadata_of(model_file).stat().st_mtime_ns)
        return ""

    def remove(self, model_file: str) -> None:
        """Remove a version with all that belongs to it; the published one is never removed.

        Raises
        ------
        ModelIncomplete
            If it is published.
        """
        symbol, stamp = self._symbol_of(model_file), self._stamp_of(model_file)
        if self.latest(symbol) == model_file:
            raise ModelIncomplete(f"{model_file} is published: roll back to another version first")
        shutil.rmtree(walk_folder(self.folder, symbol, model_file), ignore_errors=True)
        for path in (
            self.folder / candidates.FOLDER / f"{symbol}_{stamp}.json",
            self.folder / model_file,
            self.folder / "evaluated" / model_file,
            self.folder / "trades" / f"{symbol}_trades_{stamp}.csv",
            self.folder / "studies" / f"{symbol}_{stamp}.log",
            self._metadata_file(symbol, stamp),
        ):
            path.unlink(missing_ok=True)

    def rewrite_metadata(self, metadata: Json) -> None:
        """Replace the metadata of a published model, as when the whole run's verdicts are in."""
        write_file(self._metadata_of(metadata["model_file"]), checked_json(metadata, "metadata"))

    def write_summary(self, summary: Json) -> Path:
        """Replace ``training_summary.json``; return its path."""
        write_file(path := self.folder / SUMMARY, checked_json(summary, "training_summary"))
        return path

    def write_exploration(self, document: Json, picture: str) -> tuple[Path, Path]:
        """Replace ``exploration.json`` and ``exploration.svg``; return their paths."""
        write_file(path := self.folder / EXPLORATION, checked_json(document, "exploration"))
        write_file(drawn := self.folder / PICTURE, picture.encode())
        return path, drawn

    @property
    def old_ledger(self) -> Path:
        """Where earlier versions kept their looks at candles."""
        return self.folder / OLD_LEDGER

    def read_summary(self) -> Json | None:
        """The last run's summary; None where there is none that can be read."""
        try:
            return read_document(self.folder / SUMMARY, "training_summary")
        except ModelIncomplete:
            return None

    def published(self) -> dict[str, datetime]:
        """When the newest published version of every symbol was made, by symbol, as its file name says."""
        made = {}
        for symbol in self.symbols():
            if found := _VERSION.search(self.latest(symbol) or ""):
                made[symbol] = datetime.strptime(found.group(1), STAMP).replace(tzinfo=UTC)
        return made

    def mark(self, symbol: str) -> tuple[str, int]:
        """What changes when another model of the symbol is published, or its metadata are rewritten.

        Cheap enough to be asked of every symbol every few minutes; ("", 0) where there is no model.
        """
        link = self.folder / f"{symbol}{_LATEST}"
        try:
            if not link.is_symlink():
                return link.name, link.stat().st_mtime_ns
            name = link.readlink().name
            return name, self._metadata_of(name).stat().st_mtime_ns
        except (OSError, ModelIncomplete):
            return "", 0

    def is_published(self, symbol: str) -> bool:
        """Whether ``_latest`` of the symbol is there, wherever it leads."""
        link = self.folder / f"{symbol}{_LATEST}"
        return link.is_symlink() or link.exists()

    def evaluated(self, metadata: Json) -> str:
        """Text of the model whose figures the metadata report; it has not seen the test part.

        Raises
        ------
        ModelIncomplete
            If its file cannot be read, or is not the one that the metadata describe.
        """
        name, model_file = metadata["evaluated_file"], str(metadata["model_file"])
        path = self.folder / (model_file if name is None else f"evaluated/{model_file}")
        digest = metadata["model_sha256"] if name is None else metadata.get("evaluated_sha256")
        try:
            body = read_file(path)
            text = body.decode()
        except (OSError, UnicodeDecodeError) as exc:
            raise ModelIncomplete(f"{path} cannot be read ({exc}): train again") from exc
        if name not in {None, f"evaluated/{model_file}"}:
            raise ModelIncomplete(f"{model_file}: its evaluated model has another name: train again")
        if digest not in {None, hashlib.sha256(body).hexdigest()}:  # earlier versions kept no digest of it
            raise ModelIncomplete(f"{path} is not the file that its metadata describe: train again")
        return text

    def symbols(self) -> list[str]:
        """Symbols with a published model, sorted."""
        if not self.folder.is_dir():
            return []
        names = (path.name.removesuffix(_LATEST) for path in self.folder.glob(f"*{_LATEST}"))
        return sorted(name for name in names if not symbol_fault(name))

    def open_latest(self, symbol: str, *, features: tuple[str, ...], contract: str) -> RegisteredModel:
        """Open the newest published model, if its files belong together and fit this checkout.

        Parameters
        ----------
        symbol : str
        features, contract
            The feature list, in order, and its contract as this checkout computes them.

        Raises
        ------
        ModelIncomplete
            If a file is missing, unreadable, or not the one that its metadata name.
        ContractMismatch
            If the model was trained on other features.
        """
        link = self.folder / f"{symbol}{_LATEST}"
        try:
            target = self.folder / link.readlink().name if link.is_symlink() else None
            body = read_file(target or link)
            text = body.decode()
        except UnicodeDecodeError as exc:
            raise ModelIncomplete(f"{symbol}: {link} is no text: train the symbol") from exc
        except OSError as exc:
            raise ModelIncomplete(
                f"{symbol}: {link} cannot be read ({exc.strerror}): train the symbol"
            ) from exc
        digest = hashlib.sha256(body).hexdigest()
        if target is not None:
            metadata = self._metadata_of_version(symbol, target)
        else:
            metadata = self._metadata_of_copy(symbol, digest)
        if metadata["model_sha256"] != digest or metadata["symbol"] != symbol:
            raise ModelIncomplete(
                f"{symbol}: the model file is not the one that its metadata describe: train the symbol again"
            )
        if metadata["feature_contract"] != contract or tuple(metadata["features"]) != features:
            raise ContractMismatch(
                f"{symbol}: trained on feature contract {metadata['feature_contract']}, this checkout "
                f"computes {contract}: train the symbol again"
            )
        return RegisteredModel(symbol, metadata["model_file"], text, metadata)

    def _metadata_of_version(self, symbol: str, model: Path) -> Json:
        return read_metadata(self._metadata_file(symbol, self._stamp_of(model.name)))

    def _metadata_of_copy(self, symbol: str, digest: str) -> Json:
        for path in sorted(self.folder.glob(f"metadata/{symbol}_metadata_*.json"), reverse=True):
            metadata = read_metadata(path)
            if metadata["model_sha256"] == digest:
                return metadata
        raise ModelIncomplete(f"{symbol}: no metadata describe {symbol}{_LATEST}: train the symbol again")

    def _metadata_file(self, symbol: str, stamp: str) -> Path:
        return self.folder / "metadata" / f"{symbol}_metadata_{stamp}.json"

    @staticmethod
    def _stamp_of(model_file: str) -> str:
        found = _VERSION.search(model_file)
        if found is None:
            raise ModelIncomplete(
                f"{model_file} is not the name of a published model: train the symbol again"
            )
        return found.group(1)

    def _metadata_of(self, model_file: str) -> Path:
        return self._metadata_file(self._symbol_of(model_file), self._stamp_of(model_file))

    @staticmethod
    def _symbol_of(model_file: str) -> str:
        return _VERSION.sub("", model_file)

    def _retired_file(self, symbol: str) -> Path:
        return self.folder / RETIRED / f"{symbol}.json"

    def _free_stamp(self, symbol: str, now: datetime) -> str:
        """``now`` to the second, or the next second that no version of the symbol has."""
        at = now.astimezone(UTC).replace(microsecond=0)
        while (self.folder / f"{symbol}_lightgbm_{at:{STAMP}}.txt").exists():
            at += timedelta(seconds=1)
        return f"{at:{STAMP}}"

    def _versions(self, symbol: str) -> list[str]:
        """File names of all versions of a symbol, newest first."""
        paths = self.folder.glob(f"{glob.escape(symbol)}_lightgbm_*.txt")
        return sorted((path.name for path in paths if _VERSION.search(path.name)), reverse=True)

    def _point_latest(self, symbol: str, model_file: str, body: bytes) -> None:
        link = self.folder / f"{symbol}{_LATEST}"
        try:
            point_link(link, model_file)
        except OSError:  # a file system without symlinks: the digest finds the metadata of a copy
            write_file(link, body)
