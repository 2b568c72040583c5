"""The models of a walk are read back as they were written, or refused with a sentence."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.errors import ModelIncomplete
from desk.kept_walk import MOST_BYTES, read_walk, walk_files, walk_folder
from desk.outcomes import WalkModel
from desk.policy import Thresholds
from desk.values import CANDLE_MS

WEEK_MS = 7 * 86_400_000
BEGAN = 1_767_225_600_000
"""2026-01-01 00:00 UTC."""


def block(at: int, *, text: str = "", **changes: Any) -> WalkModel:
    """Week number ``at``."""
    first = BEGAN + at * WEEK_MS
    values: dict[str, Any] = {
        "first": first,
        "last": first + WEEK_MS - CANDLE_MS,
        "thresholds": Thresholds(long=0.6180339887498949, short=None if at else 0.4),
        "model": text or f"tree {at} ü\n",
    }
    return WalkModel(**{**values, **changes})


WALK = (block(0), block(1), block(2))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """The files of a walk, where they belong."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return folder


def test_a_walk_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    """A threshold that is off by one bit fires on other candles than the evaluation did."""
    assert read_walk(write(tmp_path, walk_files("BTCUSDT", WALK)), symbol="BTCUSDT") == WALK


def test_a_walk_is_written_as_documented() -> None:
    """Other programs read it as well; the index comes last, so that it names no file that is missing."""
    files = walk_files("BTCUSDT", WALK[:2])

    assert list(files) == ["00.txt", "01.txt", "walk.json"]
    index = json.loads(files["walk.json"])
    digest = index["blocks"][1].pop("sha256")
    assert len(digest) == 64
    assert (index["schema_version"], index["symbol"], len(index["blocks"])) == (1, "BTCUSDT", 2)
    assert index["blocks"][1] == {
        "file": "01.txt",
        "first": "2026-01-08T00:00:00+00:00",
        "last": "2026-01-14T23:55:00+00:00",
        "long_threshold": 0.6180339887498949,
        "short_threshold": None,
    }


def test_of_no_blocks_nothing_is_kept() -> None:
    """A history may be too short for a week of the last fifth."""
    assert walk_files("BTCUSDT", ()) == {}


def test_blocks_may_have_a_hole_between_them(tmp_path: Path) -> None:
    """Candles are missing now and then, also where one week ends and the next begins."""
    walk = (block(0, last=BEGAN + WEEK_MS - 3 * CANDLE_MS), block(1))

    assert read_walk(write(tmp_path, walk_files("BTCUSDT", walk)), symbol="BTCUSDT") == walk


@pytest.mark.parametrize(
    "walk",
    [(block(1), block(0)), (block(0), block(0)), (block(0, last=BEGAN - CANDLE_MS),)],
    ids=["backwards", "twice", "ends before it begins"],
)
def test_what_is_no_walk_is_not_written(walk: tuple[WalkModel, ...]) -> None:
    """Found when a symbol is trained, not weeks later when somebody replays it."""
    with pytest.raises(ValueError, match="BTCUSDT"):
        walk_files("BTCUSDT", walk)


def test_a_model_whose_walk_was_not_kept_says_what_to_do(tmp_path: Path) -> None:
    """Models of earlier versions have none."""
    folder = walk_folder(tmp_path, "BTCUSDT", "BTCUSDT_lightgbm_20260101_120000.txt")

    assert folder == tmp_path / "evaluated" / "BTCUSDT_walk_20260101_120000"
    with pytest.raises(ModelIncomplete, match=r"BTCUSDT: .* are not kept in .*: train the symbol again"):
        read_walk(folder, symbol="BTCUSDT")
    with pytest.raises(ModelIncomplete, match="not the name of a published model"):
        walk_folder(tmp_path, "BTCUSDT", "model.txt")


def edited(change: Callable[[Any], object]) -> Callable[[Path], object]:
    """A change of what ``walk.json`` says."""

    def apply(folder: Path) -> None:
        index = json.loads((folder / "walk.json").read_bytes())
        change(index)
        (folder / "walk.json").write_text(json.dumps(index))

    return apply


def of_block(at: int, **changes: object) -> Callable[[Path], object]:
    """A change of one block's row."""
    return edited(lambda index: index["blocks"][at].update(changes))


def text(body: bytes) -> Callable[[Path], object]:
    """Another ``walk.json``."""
    return lambda folder: (folder / "walk.json").write_bytes(body)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (text(b'{"schema_version": 1, "symb'), "not JSON"),
        (text(b"[" * 100_000), "not JSON"),
        (text(b"[]"), "not JSON with schema_version"),
        (text(b"\xff\xfe"), "not JSON"),
        (edited(lambda index: index.update(schema_version=2)), "schema version 2, 1 needed"),
        (edited(lambda index: index.update(symbol="ETHUSDT")), "it is of 'ETHUSDT', not of BTCUSDT"),
        (edited(lambda index: index.update(blocks=[])), "names no blocks"),
        (edited(lambda index: index.update(blocks={"a": 1})), "names no blocks"),
        (edited(lambda index: index["blocks"].insert(0, 5)), "a block is none"),
        (edited(lambda index: index["blocks"].pop(1)), "one is missing"),
        (edited(lambda index: index["blocks"].reverse()), "one is missing"),
        (edited(lambda index: index["blocks"][0].pop("sha256")), "a block is none"),
        (of_block(0, file="../../secret.txt"), "one is missing"),
        (of_block(0, file="/etc/passwd"), "one is missing"),
        (of_block(1, long_threshold=1.5), "the threshold 1.5 is no probability"),
        (of_block(1, long_threshold=True), "is no probability"),
        (of_block(1, long_threshold="0.6"), "is no probability"),
        (of_block(1, long_threshold=float("nan")), "is no probability"),
        (of_block(1, long_threshold=0.4, short_threshold=0.6), "short threshold 0.6 is not below"),
        (of_block(1, first="yesterday"), "a block is none"),
        (of_block(1, first="2026-01-08T00:00:00"), "names no time zone"),
        (of_block(1, first=7), "a block is none"),
        (of_block(1, first="2026-01-08T00:01:00+00:00"), "beside the candles"),
        (of_block(1, first="2026-01-07T00:00:00+00:00"), "begins before the one before it ends"),
        (lambda folder: (folder / "01.txt").write_text("other"), "not the file that walk.json describes"),
        (lambda folder: (folder / "01.txt").unlink(), "01.txt cannot be used (it cannot be read"),
        (lambda folder: (folder / "walk.json").unlink(), "are not kept in"),
    ],
)  # fmt: skip
def test_torn_and_hostile_files_are_refused_with_a_sentence(
    tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    """A folder that somebody sent must neither crash a replay nor be believed."""
    folder = write(tmp_path, walk_files("BTCUSDT", WALK))
    change(folder)

    with pytest.raises(ModelIncomplete) as refused:
        read_walk(folder, symbol="BTCUSDT")

    assert said in str(refused.value)
    assert str(refused.value).endswith("train the symbol again")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """Nor one that is none: a pipe would be waited for."""
    folder = write(tmp_path, walk_files("BTCUSDT", WALK))
    with (folder / "00.txt").open("r+b") as file:
        file.truncate(MOST_BYTES + 1)  # a hole: it takes no space

    with pytest.raises(ModelIncomplete, match="it has more than"):
        read_walk(folder, symbol="BTCUSDT")


def test_a_model_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Its digest may be right all the same."""
    files = walk_files("BTCUSDT", (block(0, text="X"),))
    folder = write(tmp_path, files)
    index = json.loads(files["walk.json"])
    body = b"\xff\xfe\xfd"
    index["blocks"][0]["sha256"] = hashlib.sha256(body).hexdigest()
    (folder / "00.txt").write_bytes(body)
    (folder / "walk.json").write_text(json.dumps(index))

    with pytest.raises(ModelIncomplete, match="a block is none"):
        read_walk(folder, symbol="BTCUSDT")
