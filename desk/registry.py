"""The models directory: the only place that writes, and reads, below ``models/``.

A ``Trained`` symbol comes in and is there whole or not at all; a ``RegisteredModel`` model goes out only
if its files belong together.  Layout: see the README, "Files".

Order of publishing: model, evaluated model, metadata, features, and last the link ``_latest``, by
an atomic rename.  A crash in between leaves files that nothing points to.

Not here: what a model is (``desk.learn.training``) and what its metadata say (``desk.learn.record``).
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final, cast

import jsonschema

from desk.errors import ContractMismatch, ModelIncomplete
from desk.files import point_link, remove_drafts, write_file
from desk.kept_walk import walk_files, walk_folder
from desk.outcomes import Json, Trained
from desk.reading import read_json

STAMP: Final = "%Y%m%d_%H%M%S"
SUMMARY: Final = "training_summary.json"
OLD_LEDGER: Final = "evaluations.jsonl"
EXPLORATION: Final = "exploration.json"
PICTURE: Final = "exploration.svg"
_SCHEMAS = resources.files("desk") / "schemas"
_VERSION = re.compile(r"_lightgbm_(\d{8}_\d{6})\.txt")
_LATEST = "_latest.txt"


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
        folders = [self.folder / name for name in ("", "metadata", "evaluated", "trades", "studies")]
        for folder in (*folders, *self.folder.glob("evaluated/*_walk_*")):
            remove_drafts(folder)

    def publish(self, trained: Trained, *, now: datetime) -> Json:
        """Make ``trained`` the newest model of its symbol; return its metadata as written.

        Raises
        ------
        OSError
            If the disk refuses; the model that was published before stays published.
        """
        symbol, stamp = trained.symbol, self._free_stamp(trained.symbol, now)
        model_file = f"{symbol}_lightgbm_{stamp}.txt"
        body = trained.model.encode()
        metadata = {
            "schema_version": 2,
            "symbol": symbol,
            "created_at": datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).isoformat(),
            "model_file": model_file,
            "model_sha256": hashlib.sha256(body).hexdigest(),
            "evaluated_file": f"evaluated/{model_file}" if trained.evaluated is not None else None,
            **trained.metadata,
        }
        described = _checked_json(metadata, "metadata")
        write_file(self.folder / model_file, body)
        if trained.evaluated is not None:
            write_file(self.folder / "evaluated" / model_file, trained.evaluated.encode())
        for name, text in walk_files(symbol, trained.walk).items():
            write_file(walk_folder(self.folder, symbol, model_file) / name, text)
        write_file(self.folder / "trades" / f"{symbol}_trades_{stamp}.csv", trained.trades.encode())
        if trained.study:
            write_file(self.folder / "studies" / f"{symbol}_{stamp}.log", trained.study)
        write_file(self._metadata_file(symbol, stamp), described)
        write_file(self.folder / f"{symbol}_features.txt", "\n".join([*metadata["features"], ""]).encode())
        self._point_latest(symbol, model_file, body)
        return metadata

    def rewrite_metadata(self, metadata: Json) -> None:
        """Replace the metadata of a published model, as when the whole run's verdicts are in."""
        stamp = self._stamp_of(metadata["model_file"])
        write_file(self._metadata_file(metadata["symbol"], stamp), _checked_json(metadata, "metadata"))

    def write_summary(self, summary: Json) -> Path:
        """Replace ``training_summary.json``; return its path."""
        path = self.folder / SUMMARY
        write_file(path, _checked_json(summary, "training_summary"))
        return path

    def write_exploration(self, document: Json, picture: str) -> tuple[Path, Path]:
        """Replace ``exploration.json`` and ``exploration.svg``; return their paths."""
        path, drawn = self.folder / EXPLORATION, self.folder / PICTURE
        write_file(path, _checked_json(document, "exploration"))
        write_file(drawn, picture.encode())
        return path, drawn

    @property
    def old_ledger(self) -> Path:
        """Where earlier versions kept their looks at candles."""
        return self.folder / OLD_LEDGER

    def read_summary(self) -> Json | None:
        """The last run's summary; None where there is none that can be read."""
        try:
            return _read_json(self.folder / SUMMARY, "training_summary")
        except ModelIncomplete:
            return None

    def published(self) -> dict[str, datetime]:
        """When the newest published version of every symbol was made, by symbol, as its file name says."""
        made = {}
        for symbol in self.symbols():
            link = self.folder / f"{symbol}{_LATEST}"
            names = [link.readlink().name] if link.is_symlink() else self._versions(symbol)
            stamps = [found.group(1) for name in names if (found := _VERSION.search(name))]
            if stamps:
                made[symbol] = datetime.strptime(max(stamps), STAMP).replace(tzinfo=UTC)
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
            return name, self._metadata_file(symbol, self._stamp_of(name)).stat().st_mtime_ns
        except (OSError, ModelIncomplete):
            return "", 0

    def evaluated(self, metadata: Json) -> str:
        """Text of the model whose figures the metadata report; it has not seen the test part.

        Raises
        ------
        ModelIncomplete
            If its file cannot be read.
        """
        path = self.folder / str(metadata["evaluated_file"] or metadata["model_file"])
        try:
            return path.read_text(encoding="utf-8")
        except OSError as exc:
            raise ModelIncomplete(f"{path} cannot be read ({exc.strerror}): train again") from exc

    def symbols(self) -> list[str]:
        """Symbols with a published model, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name.removesuffix(_LATEST) for path in self.folder.glob(f"*{_LATEST}"))

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
            body = (target or link).read_bytes()
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
        return RegisteredModel(symbol, metadata["model_file"], body.decode(), metadata)

    def _metadata_of_version(self, symbol: str, model: Path) -> Json:
        return _read_metadata(self._metadata_file(symbol, self._stamp_of(model.name)))

    def _metadata_of_copy(self, symbol: str, digest: str) -> Json:
        for path in sorted(self.folder.glob(f"metadata/{symbol}_metadata_*.json"), reverse=True):
            metadata = _read_metadata(path)
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

    def _free_stamp(self, symbol: str, now: datetime) -> str:
        """``now`` to the second, or the next second that no version of the symbol has."""
        at = now.astimezone(UTC).replace(microsecond=0)
        while (self.folder / f"{symbol}_lightgbm_{at:{STAMP}}.txt").exists():
            at += timedelta(seconds=1)
        return f"{at:{STAMP}}"

    def _versions(self, symbol: str) -> list[str]:
        """File names of all versions of a symbol: where there are no symlinks, the newest is published."""
        return [path.name for path in self.folder.glob(f"{symbol}_lightgbm_*.txt")]

    def _point_latest(self, symbol: str, model_file: str, body: bytes) -> None:
        link = self.folder / f"{symbol}{_LATEST}"
        try:
            point_link(link, model_file)
        except OSError:  # a file system without symlinks: the digest finds the metadata of a copy
            write_file(link, body)


def _checked_json(document: Mapping[str, Any], schema: str) -> bytes:
    """``document`` as UTF-8 JSON, after its schema has passed it."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    _validator(schema).validate(json.loads(text))
    return f"{text}\n".encode()


def _read_metadata(path: Path) -> Json:
    """Metadata of this version or of the one before."""
    document = _parsed(path)
    old = isinstance(document, dict) and document.get("schema_version") == 1
    return _conforming(document, path, "metadata_v1" if old else "metadata")


def _read_json(path: Path, schema: str) -> Json:
    return _conforming(_parsed(path), path, schema)


def _parsed(path: Path) -> object:
    try:
        return read_json(path.read_bytes())
    except OSError as exc:
        raise ModelIncomplete(f"{path} cannot be read ({exc.strerror}): train again") from exc
    except ValueError as exc:
        raise ModelIncomplete(f"{path} is not JSON: train again") from exc


def _conforming(document: object, path: Path, schema: str) -> Json:
    for error in _complaints(document, schema):
        raise ModelIncomplete(f"{path} breaks its schema ({error}): train again")
    return cast(Json, document)


def _complaints(document: object, schema: str) -> Iterator[str]:
    for error in _validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message[:200]}"


@functools.cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    rules = json.loads((_SCHEMAS / f"{schema}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(rules)
    return jsonschema.Draft202012Validator(rules)
