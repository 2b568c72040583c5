"""A cache file is a program that somebody else may have written; none of it may run."""

import builtins
import contextlib
import io
import os
import pickle
import pickletools
import pkgutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import CacheError, DataError
from desk.market.history.candles import check_candles
from desk.market.history.inert_pickle import FrameParts, read_frame
from desk.values import Candles
from tests.market.samples import assert_same_candles, random_candles

CANDLES: Candles = random_candles(count=12)
GOOD = pickle.dumps(CANDLES.frame(), protocol=5)


def candles_in(parts: FrameParts) -> Candles:
    return check_candles("BTCUSDT", parts.time, parts.values)


class Calls:
    """Pickles as a call of ``function`` with ``args``."""

    def __init__(self, function: Callable[..., Any], *args: object, state: object = None) -> None:
        self.recipe = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.recipe


def text(value: str) -> bytes:
    """Opcodes that push a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    """Opcodes that push what a module calls so."""
    return f"c{module}\n{name}\n".encode()


def hostile(marker: Path) -> dict[str, bytes]:
    """Pickles that do something when loaded as pickles usually are: most of them leave ``marker`` behind."""
    touch = f"touch {marker}"
    create = f"open({str(marker)!r}, 'w')"
    admitted_class = named("pandas", "DataFrame")
    in_nanoseconds = pd.DatetimeIndex(CANDLES.frame().index).as_unit("ns")
    return {
        "os.system": pickle.dumps(Calls(os.system, touch)),
        "posix.system by opcode": b"cposix\nsystem\n" + text(touch) + b"\x85R.",
        "eval": pickle.dumps(Calls(builtins.eval, create)),
        "exec": pickle.dumps(Calls(builtins.exec, create)),
        "getattr chain": named("builtins", "getattr") + named("os", "path") + text("os") + b"\x86R.",
        "dotted name": b"\x80\x04"
        + text("pandas")
        + text("io.common.os.system")
        + b"\x93"
        + text(touch)
        + b"\x85R.",
        "import": pickle.dumps(Calls(builtins.__import__, "os")),
        "subprocess": named("subprocess", "call") + text(touch) + b"\x85R.",
        "inst opcode": b"(" + text(touch) + b"ios\nsystem\n.",
        "obj opcode": b"(" + named("os", "system") + text(touch) + b"o.",
        "persistent id": b"P" + touch.encode() + b"\n.",
        "extension registry": b"\x82\x01.",
        "copyreg": named("copyreg", "_reconstructor") + named("pandas", "DataFrame") + b"\x85R.",
        "pandas.read_pickle": named("pandas", "read_pickle") + text(str(marker)) + b"\x85R.",
        "pandas.eval": named("pandas", "eval") + text(f"@__import__('os').system({touch!r})") + b"\x85R.",
        "numpy.load": named("numpy", "load") + text(str(marker)) + b"\x85R.",
        "a frame that holds a call": pickle.dumps(pd.DataFrame({"open": [Calls(os.system, touch)]})),
        "attrs that hold a call": _with_attrs(Calls(os.system, touch)),
        "patching an admitted class": admitted_class
        + b"N}"
        + text("to_pickle")
        + admitted_class
        + b"s\x86b.",
        "new on an admitted class, state that is none": admitted_class + b")\x81" + text("boo") + b"b.",
        "numpy reconstruct of terabytes": _reconstruct((2**40,), b"f8"),
        "numpy reconstruct of another class": pickle.dumps(Calls(np.ndarray, (2, 2))),
        "array of objects": pickle.dumps(np.array([1, {}, None], dtype=object)),
        "object dtype for the values": pickle.dumps(CANDLES.frame().astype(object)),
        "a frame of ints": pickle.dumps(CANDLES.frame().astype("int64")),
        "a frame in float32": pickle.dumps(CANDLES.frame().astype("float32")),
        "another column": pickle.dumps(CANDLES.frame().rename(columns={"open": "opn"})),
        "an index without a zone": pickle.dumps(CANDLES.frame().tz_localize(None)),
        "an index in another zone": pickle.dumps(CANDLES.frame().tz_convert("Asia/Shanghai")),
        "an index in nanoseconds": pickle.dumps(CANDLES.frame().set_axis(in_nanoseconds)),
        "an index of numbers": pickle.dumps(CANDLES.frame().reset_index(drop=True)),
        "a series": pickle.dumps(CANDLES.frame()["open"]),
        "nested without end": b"(" * 200_000 + b"t" * 200_000 + b".",
        "a list that holds itself": b"]q\x00h\x00a.",
        "a memo of terabytes": b"Nr\xff\xff\xff\x0f.",
        "an array in other units than its index": GOOD.replace(b"C\x02ms", b"C\x02ns"),
        "shape that lies": GOOD.replace(b"K\x06K\x0c\x86", b"K\x06K\x0d\x86"),
        "bytes cut off": GOOD[: len(GOOD) // 2],
        "nothing": b"",
        "text": b"hello",
        "zip": b"PK\x03\x04" + bytes(40),
    }


def _with_attrs(value: object) -> bytes:
    frame = CANDLES.frame()
    frame.attrs["absent"] = [value]
    return pickle.dumps(frame)


def _reconstruct(shape: tuple[int, ...], dtype: bytes) -> bytes:
    reconstruct = np.empty(0).__reduce__()[0]
    return pickle.dumps(Calls(reconstruct, np.ndarray, shape, dtype))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", hostile(Path("x")))
def test_a_hostile_or_foreign_pickle_is_refused_and_nothing_in_it_runs(kind: str, tmp_path: Path) -> None:
    """Caches are copied between machines and shared in chats: opening one must be safe."""
    marker = tmp_path / "it-ran"
    body = hostile(marker)[kind]
    assert body != GOOD

    with pytest.raises(CacheError, match=r"BTCUSDT_5m_180d\.pkl"):
        read_frame(body, name="BTCUSDT_5m_180d.pkl")

    assert not marker.exists()
    assert pd.DataFrame.to_pickle.__name__ == "to_pickle"


def doubled(levels: int = 60) -> tuple[object, ...]:
    """A tuple of one tuple twice, of one tuple twice, …: small in a file, endless to whoever walks it."""
    tree: tuple[object, ...] = ()
    for _ in range(levels):
        tree = (tree, tree)
    return tree


_FROMBUFFER = pkgutil.resolve_name("numpy._core.numeric:_frombuffer")
_BLOCK = pkgutil.resolve_name("pandas._libs.internals:_unpickle_block")
_INDEX = pkgutil.resolve_name("pandas.core.indexes.base:_new_Index")
_TIMES = pkgutil.resolve_name("pandas.core.indexes.datetimes:_new_DatetimeIndex")
_MANAGER = pkgutil.resolve_name("pandas.core.internals.managers:BlockManager")


def framed(**changed: object) -> bytes:
    """The pickle of a frame, with parts of it exchanged."""
    index: Any = CANDLES.frame().index
    columns = np.empty(1, dtype=object)
    columns[0] = changed.get("column", "open")
    order = changed.get("order", "<")
    dtype = Calls(np.dtype, "f8", False, True, state=(3, order, None, None, None, -1, -1, 0))
    numbers = Calls(_FROMBUFFER, bytearray(8 * len(index)), dtype, (1, len(index)), "C")
    block = Calls(_BLOCK, numbers, slice(0, 1, 1), 2)
    blocks = (block,) * int(str(changed.get("blocks", 1)))
    axes = [
        Calls(_INDEX, pd.Index, {"data": columns, "name": None}),
        Calls(_TIMES, pd.DatetimeIndex, {"data": index._data, "name": "open_time", "freq": None}),
    ]
    state = {"_mgr": Calls(_MANAGER, blocks, axes), "attrs": changed.get("attrs", {})}
    return pickle.dumps(Calls(pd.DataFrame, state=state), protocol=5)


GREEDY: dict[str, Callable[[], bytes]] = {
    "a key that takes for ever to hash": lambda: b"\x80\x05]()\x94" + _doublings() + b"e}h\x3cNs\x86.",
    "a column that takes for ever to write": lambda: framed(column=doubled()),
    "a value that takes for ever to write": lambda: pickle.dumps(doubled()),
    "a byte order that takes for ever to hash": lambda: framed(order=doubled()),
    "one block for ever": lambda: framed(blocks=100_000),
    "nothing but dictionaries": lambda: b"\x80\x05" + b"}" * 8_000_000 + b".",
    "nothing but marks": lambda: b"\x80\x05" + b"(" * 8_000_000 + b".",
    "a list that doubles": lambda: b"\x80\x05]\x94" + b"(h\x00h\x00e" * 40 + b".",
    "a name of megabytes": lambda: b"\x80\x05" + text("x" * 4_000_000) + text("y") + b"\x93.",
    "tuples in tuples": lambda: b"\x80\x05)" + b"\x85" * 200_000 + b".",
    "calls in calls": lambda: _calls_in_calls(30_000),
}
"""Small pickles that take all time or memory of whoever hashes, writes out or copies what they hold."""


def _doublings() -> bytes:
    return b"".join(b"h" + bytes([at, ord("h"), at]) + b"\x86\x94" for at in range(60))


def _calls_in_calls(levels: int) -> bytes:
    dtype = text("numpy") + text("dtype") + b"\x93"
    return b"\x80\x05" + dtype * levels + b")R" + b"\x85R" * (levels - 1) + b"."


LARGEST_MEMORY = 40 * 2**20
"""Bytes that the reading of any of ``GREEDY`` may take at once; the file itself has up to 8 MB of them."""


@pytest.mark.timeout(60)  # each takes less than a second, or for ever
@pytest.mark.parametrize("kind", GREEDY)
def test_a_small_pickle_takes_little_memory_and_little_time(kind: str) -> None:
    """Files of 165 bytes kept the program busy for ever, and 8 MB of dictionaries took 548 MiB."""
    body = GREEDY[kind]()
    tracemalloc.start()
    try:
        with pytest.raises(CacheError, match=r"^x\.pkl is no cache of ours: .{1,200}$"):
            read_frame(body, name="x.pkl", columns=("open",))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < LARGEST_MEMORY


def test_the_frames_that_are_greedy_are_read_without_their_fault() -> None:
    """Or they would be refused for another reason than the one that is meant."""
    parts = read_frame(framed(attrs={"absent": [[0, 1]]}), name="x.pkl", columns=("open",))

    assert parts.time.tobytes() == CANDLES.open_time.tobytes()
    assert parts.attrs == {"absent": [[0, 1]]}


def test_what_a_pickle_says_does_not_reach_the_terminal_as_it_stands() -> None:
    """A name in a file could clear the screen and forge a line."""
    body = b"\x80\x05" + text("os\x1b[2J\r\n") + text("\u202esystem\x07") + b"\x93."

    with pytest.raises(CacheError) as found:
        read_frame(body, name="x.pkl")

    assert str(found.value).isascii()
    assert str(found.value).isprintable()


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_flipped_byte_ends_in_a_message_or_in_numbers(place: int, value: int) -> None:
    """A bad disk must not end in a traceback."""
    body = bytearray(GOOD)
    body[place] = value
    with contextlib.suppress(DataError):
        candles_in(read_frame(bytes(body), name="x.pkl"))


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_message(body: bytes) -> None:
    """Whatever lies there under the name of a cache."""
    with pytest.raises(CacheError):
        read_frame(body, name="x.pkl")


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("core", ["_core", "core"])
def test_frames_of_other_protocols_and_of_older_numpy_are_read(protocol: int, core: str) -> None:
    """``numpy.core`` became ``numpy._core``; both spellings are in circulation."""
    body = pickle.dumps(CANDLES.frame(), protocol=protocol)
    if core == "core":
        body = _respelt(body, "numpy._core.", "numpy.core.")

    parts = read_frame(body, name="x.pkl")

    assert_same_candles(candles_in(parts), CANDLES)


FRAMES = Path(__file__).parent / "frames"
"""Three candles with one absent run, pickled by ``Candles.frame`` and protocol 5 under other versions.

With pyarrow installed the same versions wrote the same bytes.
"""


@pytest.mark.parametrize("path", sorted(FRAMES.iterdir()), ids=lambda path: path.stem)
def test_what_other_versions_of_pandas_wrote_is_read(path: Path) -> None:
    """Changing the library, pandas, must not cost an hour of downloads; the pinned one is the newest."""
    parts = read_frame(path.read_bytes(), name=path.name)

    candles = candles_in(parts)
    assert candles.open_time.tolist() == [1_762_559_100_000, 1_762_559_400_000, 1_762_559_700_000]
    assert candles.close.tolist() == [101.0, 102.0, 103.0]
    assert candles.frame()["quote_volume"].tolist() == [100.5, 0.0, 256.25]
    assert parts.attrs == {"absent": [[0, 5_875_197]]}


def _respelt(body: bytes, old: str, new: str) -> bytes:
    """``body`` with module names and their lengths changed; without frames, whose lengths would differ."""
    out = io.BytesIO()
    pieces = list(pickletools.genops(body))
    ends = [place for _, _, place in pieces[1:]] + [len(body)]
    for (code, arg, place), end in zip(pieces, ends, strict=True):
        if code.name == "FRAME":
            continue
        if code.name == "SHORT_BINUNICODE" and isinstance(arg, str) and arg.startswith(old):
            raw = arg.replace(old, new).encode()
            out.write(b"\x8c" + bytes([len(raw)]) + raw)
        else:
            out.write(body[place:end])
    return out.getvalue()


def test_a_frame_in_several_blocks_is_read() -> None:
    """The library, pandas, may keep columns apart, after one was replaced."""
    frame = CANDLES.frame()
    frame["volume"] = frame["volume"].to_numpy().copy()

    parts = read_frame(pickle.dumps(frame), name="x.pkl")

    assert_same_candles(candles_in(parts), CANDLES)


def test_column_order_in_memory_does_not_matter() -> None:
    """A transposed block holds the same numbers in another order."""
    frame = pd.DataFrame(
        np.asfortranarray(CANDLES.frame().to_numpy()),
        index=CANDLES.frame().index,
        columns=CANDLES.frame().columns,
    )

    parts = read_frame(pickle.dumps(frame), name="x.pkl")

    assert_same_candles(candles_in(parts), CANDLES)
