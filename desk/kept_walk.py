"""The walk's models that are kept for a replay: how they are written, and read back.

Place in the house: a service.  ``WalkModel``s, one per block of the last fifth, come in; the files of one
folder, ``evaluated/{SYMBOL}_walk_{STAMP}``, go out; and the other way round, after every check.

As ``walk.json`` is written, oldest block first; times are open times of candles, thresholds probabilities of
up at which a side fires (null: never), files LightGBM models beside it::

    {"schema_version": 1, "symbol": "BTCUSDT", "blocks": [
        {"file": "00.txt", "first": "2026-10-16T00:00:00+00:00", "last": "2026-10-22T23:55:00+00:00",
         "long_threshold": 0.61, "short_threshold": null, "sha256": "9f…"}, …]}

A block is in force from its first candle until the next one begins: between two there may be a hole.

Reading order: ``walk_files``, ``read_walk``.

Not here: where and when the files are written (``desk.registry``), and what a walk is (``desk.learn``).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

from desk.errors import ModelIncomplete
from desk.files import read_file
from desk.outcomes import WalkModel
from desk.policy import Thresholds
from desk.reading import read_json
from desk.values import CANDLE_MS, iso

INDEX: Final = "walk.json"
SCHEMA_VERSION: Final = 1
MOST_BYTES: Final = 100_000_000
"""A larger file is none of ours."""
_STAMP: Final = re.compile(r"_lightgbm_(\d{8}_\d{6})\.txt$")


def walk_folder(models: Path, symbol: str, model_file: str) -> Path:
    """Where the walk behind a published model is kept.

    Parameters
    ----------
    models : Path
        The models directory.
    symbol : str
    model_file : str
        Name of the published model.

    Raises
    ------
    ModelIncomplete
        If that is not the name of a published model.
    """
    found = _STAMP.search(model_file)
    if found is None:
        raise ModelIncomplete(
            f"{symbol}: {model_file} is not the name of a published model: train the symbol again"
        )
    return models / "evaluated" / f"{symbol}_walk_{found.group(1)}"


def walk_files(symbol: str, blocks: Sequence[WalkModel]) -> dict[str, bytes]:
    """Contents of the files that keep a walk, by name; ``walk.json`` is the last and belongs last on disk.

    Parameters
    ----------
    symbol : str
    blocks : sequence of WalkModel
        Oldest first.  Without any nothing is kept, and a replay says so.

    Raises
    ------
    ValueError
        If they overlap or are not in order: nothing would read them back.
    """
    if not blocks:
        return {}
    if trouble := _out_of_order(blocks):
        raise ValueError(f"{symbol}: {trouble}")
    files = {f"{at:02d}.txt": block.model.encode() for at, block in enumerate(blocks)}
    rows = [
        {
            "file": name,
            "first": iso(block.first),
            "last": iso(block.last),
            "long_threshold": block.thresholds.long,
            "short_threshold": block.thresholds.short,
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        for (name, body), block in zip(files.items(), blocks, strict=True)
    ]
    index = {"schema_version": SCHEMA_VERSION, "symbol": symbol, "blocks": rows}
    return files | {INDEX: f"{json.dumps(index, indent=2, allow_nan=False)}\n".encode()}


def read_walk(folder: Path, *, symbol: str) -> tuple[WalkModel, ...]:
    """Read the walk that is kept in ``folder``, oldest block first.

    Raises
    ------
    ModelIncomplete
        If there is none, a file is missing or is not the one that ``walk.json`` describes, or the blocks are
        no walk.
    """
    try:
        kept = (folder / INDEX).exists()
    except OSError as exc:
        raise _broken(folder / INDEX, f"it cannot be read: {exc.strerror}") from exc
    if not kept:
        raise ModelIncomplete(
            f"{symbol}: the models that a replay trades with are not kept in {folder}: train the symbol again"
        )
    rows = _read_index(folder / INDEX, symbol)
    try:
        blocks = tuple(_read_block(folder, row, at) for at, row in enumerate(rows))
    except (ValueError, KeyError, TypeError) as exc:
        raise _broken(folder / INDEX, f"a block is none: {exc}") from exc
    if trouble := _out_of_order(blocks):
        raise _broken(folder / INDEX, trouble)
    return blocks


def _out_of_order(blocks: Sequence[WalkModel]) -> str:
    """What keeps the blocks from following each other; between two there may be a hole of the candles."""
    for block in blocks:
        if block.first % CANDLE_MS or block.last % CANDLE_MS or block.last < block.first:
            return f"the block of {iso(block.first)} ends before it begins, or beside the candles"
    for block, following in pairwise(blocks):
        if following.first <= block.last:
            return f"the block of {iso(following.first)} begins before the one before it ends"
    return ""


def _read_index(path: Path, symbol: str) -> list[dict[str, Any]]:
    """The rows of ``walk.json``, unread."""
    try:
        index = cast("Any", read_json(_read(path)))
        version, of, rows = index["schema_version"], index["symbol"], index["blocks"]
    except (ValueError, KeyError, TypeError) as exc:
        raise _broken(path, "it is not JSON with schema_version, symbol and blocks") from exc
    if version != SCHEMA_VERSION:
        raise _broken(path, f"schema version {version!r:.20}, {SCHEMA_VERSION} needed")
    if of != symbol:
        raise _broken(path, f"it is of {of!r:.40}, not of {symbol}")
    if not isinstance(rows, list) or not rows:
        raise _broken(path, "it names no blocks")
    return rows


def _read_block(folder: Path, row: dict[str, Any], at: int) -> WalkModel:
    """Block number ``at``, from 0; ``ValueError``, ``KeyError`` or ``TypeError`` for a row that is none."""
    name = f"{at:02d}.txt"
    if row["file"] != name:
        raise ValueError(f"block {at} is in {row['file']!r:.40}, {name} was expected: one is missing")
    body = _read(folder / name)
    if hashlib.sha256(body).hexdigest() != row["sha256"]:
        raise _broken(folder / name, f"it is not the file that {INDEX} describes")
    return WalkModel(
        first=_time(row["first"]),
        last=_time(row["last"]),
        thresholds=Thresholds(
            long=_probability(row["long_threshold"]), short=_probability(row["short_threshold"])
        ),
        model=body.decode(),
    )


def _read(path: Path) -> bytes:
    try:
        return read_file(path, most=MOST_BYTES)
    except OSError as exc:
        raise _broken(path, f"it cannot be read: {exc.strerror}") from exc


def _time(text: str) -> int:
    """A time in ms, of ISO 8601 with its distance from UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return int((moment - datetime.fromtimestamp(0, tz=UTC)).total_seconds() * 1000)


def _probability(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"the threshold {value!r:.40} is no probability")
    return float(value)


def _broken(path: Path, why: str) -> ModelIncomplete:
    return ModelIncomplete(f"{path} cannot be used ({why}): train the symbol again")
