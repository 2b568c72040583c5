"""Numbers out of a pickled DataFrame, without running anything that the pickle names.

Place in the house: bytes of a cache file come in from ``desk.market.history.candle_store``, plain arrays go
out. Pure.

A pickle is a program: it names functions and has them called.  Here the names that a pickled DataFrame of
numbers over time needs are admitted, and each stands for a *record* that only notes what it would have been
called with; any other name is refused.  What comes out is a tree of records, from which the arrays are read.
Neither pandas nor numpy is called by the pickle, so that even an admitted name can do nothing.

    DataFrame ─ state["_mgr"] ─ BlockManager(blocks, axes)
        blocks: _unpickle_block(array (columns, n), slice, 2)
        axes:   _new_Index(Index, {"data": array of names}),
                _new_DatetimeIndex(DatetimeIndex, {"data": DatetimeArray with state (dtype, array)}),
                    before pandas 3.1 (dtype, array, {"_freq": None})
        array:  _frombuffer(bytes, dtype, shape, order)             protocol 5
                _reconstruct(ndarray, (0,), b"b") with state (1, shape, dtype, fortran, bytes or list)

Not here: whether the rows are candles (``desk.market.history.candles``) or funding rates
(``desk.market.history.funding``).

References
----------
Python documentation, "Restricting Globals" in the chapter on pickle; this goes one step further.
"""

import io
import pickle
import pickletools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from desk.errors import CacheError
from desk.values import COLUMNS

Scalar = TypeVar("Scalar", bound=np.generic)


MILLISECONDS = (b"ms", 1, 1, 1)
"""How numpy's dtype ``datetime64[ms]`` tells its unit."""


class _Record:
    """Stands for one admitted name, or for what calling it would have made."""

    name: ClassVar[str]
    args: tuple[object, ...]
    state: object

    def __new__(cls, *args: object) -> Self:
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: object) -> None:
        self.state = state


def _admitted(*names: str) -> dict[str, type[_Record]]:
    return {name: type("Record", (_Record,), {"name": name.rpartition(".")[2]}) for name in names}


ADMITTED = _admitted(
    "pandas.DataFrame",
    "pandas.core.frame.DataFrame",
    "pandas.core.internals.managers.BlockManager",
    "pandas._libs.internals._unpickle_block",
    "pandas.core.indexes.base._new_Index",
    "pandas.Index",
    "pandas.core.indexes.base.Index",
    "pandas.core.indexes.datetimes._new_DatetimeIndex",
    "pandas.DatetimeIndex",
    "pandas.core.indexes.datetimes.DatetimeIndex",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "pandas.arrays.DatetimeArray",
    "pandas.core.arrays.datetimes.DatetimeArray",
    "pandas.DatetimeTZDtype",
    "pandas.core.dtypes.dtypes.DatetimeTZDtype",
    "numpy._core.numeric._frombuffer",
    "numpy.core.numeric._frombuffer",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "builtins.slice",
    "datetime.timezone",
    "datetime.timedelta",
)
OPCODES = {
    opcode.code: opcode
    for opcode in pickletools.opcodes
    if opcode.name
    in {
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINGET", "LONG_BINGET"),
        *("STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1"),
        *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    }
}
"""The instructions that pickles of protocol 4 and 5 consist of.

Older ones are left out: some let a file of ten bytes take all memory.
"""
BROKEN_PICKLE = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ImportError, MemoryError, OverflowError, RecursionError),
)
"""What the interpreter of pickles raises on bytes that are none."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameParts:
    """What a pickled frame holds."""

    time: NDArray[np.int64]
    """Shape (n,), ms."""
    values: NDArray[np.float64]
    """Shape (columns, n), rows in the order of the columns."""
    attrs: dict[str, object]


class _Unpickler(pickle.Unpickler):
    """Builds records instead of what a pickle names."""

    def find_class(self, module: str, name: str) -> type[_Record]:
        if (admitted := ADMITTED.get(f"{module}.{name}")) is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return admitted

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError(f"it refers to {pid!r:.40} outside of itself")


def read_frame(
    body: bytes, *, name: str, index: str = "open_time", columns: Sequence[str] = COLUMNS
) -> FrameParts:
    """Read the pickled DataFrame of a cache.

    Parameters
    ----------
    body : bytes
        The file's content.
    name : str
        The file's name, for messages.
    index, columns : str and sequence of str
        What its index and its columns must be called; without them those of candles.

    Raises
    ------
    CacheError
        If it is anything else than a frame of float64 numbers over times in UTC milliseconds, as
        ``Candles.frame`` makes it; nothing in it was run.
    """
    try:
        _check_opcodes(body)
        return _frame(_Unpickler(io.BytesIO(body)).load(), index, list(columns))
    except BROKEN_PICKLE as exc:
        raise CacheError(f"{name} is no cache of ours: {str(exc) or type(exc).__name__:.200}") from None


def _check_opcodes(body: bytes) -> None:
    """Make sure that a pickle consists of ``OPCODES``, before any of it is carried out."""
    stream = io.BytesIO(body)
    while (code := stream.read(1)) != pickle.STOP:
        if (opcode := OPCODES.get(code.decode("latin-1"))) is None:
            raise pickle.UnpicklingError(f"it holds the instruction {code!r}")
        if opcode.arg is not None:
            opcode.arg.reader(stream)


def _frame(tree: object, index_name: str, names: list[str]) -> FrameParts:
    state = _state(_record(tree, "DataFrame"))
    blocks, axes = _pair(_record(state["_mgr"], "BlockManager").args)
    if not isinstance(axes, list) or len(axes) != 2 or not isinstance(blocks, tuple):
        raise ValueError("its frame has no two axes")
    columns = _array(_index(axes[0], "_new_Index")["data"])
    if columns != names:
        raise ValueError(f"its columns are {columns!r:.80}, {' '.join(names)} needed")
    time = _times(_index(axes[1], "_new_DatetimeIndex"), index_name)
    attrs = state.get("attrs", {})
    if not isinstance(attrs, dict):
        raise TypeError("its attrs are no dictionary")
    return FrameParts(time, _values(blocks, (len(names), len(time))), attrs)


def _values(blocks: tuple[object, ...], shape: tuple[int, int]) -> NDArray[np.float64]:
    values = np.full(shape, np.nan)
    for block in blocks:
        array, place, _ = _record(block, "_unpickle_block").args
        first, stop, step = _record(place, "slice").args
        if not isinstance(first, int) or not isinstance(stop, int) or step != 1:
            raise ValueError("a block has no place")
        rows = slice(first, stop)
        part = _numbers(array, "f8", np.dtype("<f8"))
        if part.shape != values[rows].shape:
            raise ValueError(f"a block has shape {part.shape}")
        values[rows] = part
    return values


def _times(index: dict[str, object], name: str) -> NDArray[np.int64]:
    kind, array = _tuple(_record(index["data"], "__pyx_unpickle_NDArrayBacked").state)[:2]
    dtype = _state(_record(kind, "DatetimeTZDtype"))
    (offset,) = _record(dtype["tz"], "timezone").args
    if dtype["unit"] != "ms" or any(_record(offset, "timedelta").args) or index["name"] != name:
        raise ValueError(f"its index is not {name} in UTC milliseconds")
    times = _numbers(array, "M8", np.dtype("<i8"))
    if times.ndim != 1:
        raise ValueError("its index has more than one dimension")
    return times


def _index(tree: object, maker: str) -> dict[str, object]:
    _, content = _pair(_record(tree, maker).args)
    if not isinstance(content, dict):
        raise TypeError(f"{maker} was not given a dictionary")
    return content


def _array(tree: object) -> object:
    """The list inside an array of objects."""
    _, _, dtype, _, content = _five(_record(tree, "_reconstruct").state)
    if _dtype_name(dtype) != "O8":
        raise ValueError("an array of names is not one of objects")
    return content


def _numbers(tree: object, kind: str, dtype: np.dtype[Scalar]) -> NDArray[Scalar]:
    """The numbers inside an array whose pickled dtype is called ``kind``, little-endian."""
    if isinstance(
        tree, ADMITTED["numpy._core.numeric._frombuffer"] | ADMITTED["numpy.core.numeric._frombuffer"]
    ):
        content, made_of, shape, order = tree.args
    else:
        _, shape, made_of, fortran, content = _five(_record(tree, "_reconstruct").state)
        order = "F" if fortran else "C"
    if _dtype_name(made_of) != kind or order not in {"C", "F"}:
        raise ValueError(f"an array is not of {kind}")
    if kind == "M8" and MILLISECONDS not in _tuple(_tuple(_record(made_of, "dtype").state)[-1]):
        raise ValueError("its index is not in milliseconds")
    if not isinstance(content, bytes | bytearray) or not isinstance(shape, tuple):
        raise TypeError("an array has no bytes or no shape")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"an array has shape {shape!r:.40}")
    return np.frombuffer(bytes(content), dtype).reshape(shape, order="F" if order == "F" else "C")


def _dtype_name(tree: object) -> str:
    record = _record(tree, "dtype")
    name, *_ = record.args
    state = record.state
    if not isinstance(state, tuple) or len(state) < 2 or state[1] not in {"<", "|"}:
        raise ValueError("an array is not little-endian")
    return str(name)


def _record(tree: object, name: str) -> _Record:
    if not isinstance(tree, _Record) or tree.name != name:
        raise ValueError(f"{name} expected, {tree!r:.60} found")
    return tree


def _state(record: _Record) -> dict[str, object]:
    if not isinstance(record.state, dict):
        raise TypeError(f"{record.name} has no state")
    return record.state


def _tuple(tree: object) -> tuple[object, ...]:
    if not isinstance(tree, tuple) or not tree:
        raise ValueError("several parts expected")
    return tree


def _pair(tree: object) -> tuple[object, object]:
    if not isinstance(tree, tuple) or len(tree) != 2:
        raise ValueError("two parts expected")
    return tree


def _five(tree: object) -> tuple[object, object, object, object, object]:
    if not isinstance(tree, tuple) or len(tree) != 5:
        raise ValueError("an array of five parts expected")
    return tree
