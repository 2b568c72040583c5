"""Numbers out of a pickled DataFrame, without running anything that the pickle names.

Place in the house: bytes of a cache file come in from ``desk.market.history.candle_store``, plain arrays go
out. Pure.

A pickle is a program: it names functions and has them called.  ``pickle_tree`` reads it without doing so: the
names that a pickled DataFrame of numbers over time needs are admitted, and each stands for a record of what
it would have been called with; any other name is refused.  From the tree of records the arrays are read here.
Every value's type is checked before the value is compared, hashed or written into a message.

    DataFrame ─ state["_mgr"] ─ BlockManager(blocks, axes)
        blocks: _unpickle_block(array (columns, n), slice, 2)
        axes:   _new_Index(Index, {"data": array of names}),
                _new_DatetimeIndex(DatetimeIndex, {"data": DatetimeArray with state (dtype, array)}),
                    before pandas 3.1 (dtype, array, {"_freq": None})
        array:  _frombuffer(bytes, dtype, shape, order)             protocol 5
                _reconstruct(ndarray, (0,), b"b") with state (1, shape, dtype, fortran, bytes or list)

Not here: the instructions of pickles (``pickle_tree``); whether the rows are candles
(``desk.market.history.candles``) or funding rates (``desk.market.history.funding``).

References
----------
Python documentation, "Restricting Globals" in the chapter on pickle; this goes one step further.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from desk.errors import CacheError
from desk.market.history.pickle_tree import Record, read_tree
from desk.values import COLUMNS

Scalar = TypeVar("Scalar", bound=np.generic)


MILLISECONDS = (b"ms", 1, 1, 1)
"""How numpy's dtype ``datetime64[ms]`` tells its unit."""
ADMITTED: Final = frozenset(
    {
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
    }
)
"""Names that a pickled frame refers to, in the spellings of pandas 2 and 3 and numpy 1 and 2."""
_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError)
"""What reading bytes raises that are no frame."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameParts:
    """What a pickled frame holds."""

    time: NDArray[np.int64]
    """Shape (n,), ms."""
    values: NDArray[np.float64]
    """Shape (columns, n), rows in the order of the columns."""
    attrs: dict[str, object]


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
        return _frame(read_tree(body, ADMITTED), index, list(columns))
    except _UNREADABLE as exc:
        why = f"{exc} is missing" if isinstance(exc, KeyError) else str(exc) or type(exc).__name__
        raise CacheError(f"{name} is no cache of ours: {why[:200]}") from None


def _frame(tree: object, index_name: str, names: list[str]) -> FrameParts:
    state = _state(_record(tree, "DataFrame"))
    blocks, axes = _pair(_record(state["_mgr"], "BlockManager").args)
    if not isinstance(axes, list) or len(axes) != 2 or not isinstance(blocks, tuple):
        raise ValueError("its frame has no two axes")
    columns = _array(_index(axes[0], "_new_Index")["data"])
    if columns != names:
        raise ValueError(f"its columns are {_texts(columns)}, {' '.join(names)} needed")
    time = _times(_index(axes[1], "_new_DatetimeIndex"), index_name)
    attrs = state.get("attrs", {})
    if not isinstance(attrs, dict):
        raise TypeError("its attrs are no dictionary")
    return FrameParts(time, _values(blocks, (len(names), len(time))), attrs)


def _values(blocks: tuple[object, ...], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The numbers of all blocks, which lie side by side and leave no column out."""
    if len(blocks) > shape[0]:
        raise ValueError(f"it has {len(blocks)} blocks for {shape[0]} columns")
    placed = sorted((_block(block, shape) for block in blocks), key=lambda one: one[0])
    ends = [0, *(first + len(part) for first, part in placed)]
    if [first for first, _ in placed] != ends[:-1] or ends[-1] != shape[0]:
        raise ValueError("its blocks overlap, or leave columns out")
    values = np.empty(shape)
    for (start, end), (_, part) in zip(pairwise(ends), placed, strict=True):
        values[start:end] = part
    return values


def _block(tree: object, shape: tuple[int, int]) -> tuple[int, NDArray[np.float64]]:
    """The first column of a block, and its numbers."""
    array, place, _ = _record(tree, "_unpickle_block").args
    first, stop, step = _record(place, "slice").args
    if type(first) is not int or type(stop) is not int or type(step) is not int or step != 1:
        raise ValueError("a block has no place")
    part = _numbers(array, "f8", np.dtype("<f8"))
    if not 0 <= first < stop <= shape[0] or part.shape != (stop - first, shape[1]):
        raise ValueError("a block has a shape that is not that of its place")
    return first, part


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
    order: object
    if isinstance(tree, Record) and tree.name == "_frombuffer":
        content, made_of, shape, order = tree.args
    else:
        _, shape, made_of, fortran, content = _five(_record(tree, "_reconstruct").state)
        order = "F" if fortran is True else "C"
    if _dtype_name(made_of) != kind or not isinstance(order, str) or order not in {"C", "F"}:
        raise ValueError(f"an array is not of {kind}")
    if kind == "M8" and MILLISECONDS not in _tuple(_tuple(_record(made_of, "dtype").state)[-1]):
        raise ValueError("its index is not in milliseconds")
    if not isinstance(content, bytes | bytearray) or not isinstance(shape, tuple):
        raise TypeError("an array has no bytes or no shape")
    if len(shape) > 2 or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("an array has a shape that is none")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")


def _dtype_name(tree: object) -> str:
    record = _record(tree, "dtype")
    if not record.args or not isinstance(name := record.args[0], str):
        raise ValueError("an array does not say of what it is")
    state = record.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
    if not isinstance(order, str) or order not in {"<", "|"}:
        raise ValueError("an array is not little-endian")
    return name


def _record(tree: object, name: str) -> Record:
    if not isinstance(tree, Record) or tree.name != name:
        found = tree.name if isinstance(tree, Record) else type(tree).__name__
        raise ValueError(f"{name} expected, {found} found")
    return tree


def _state(record: Record) -> dict[str, object]:
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


def _texts(value: object) -> str:
    """The texts of a list, cut, for a message; nothing that is no text is written out."""
    if not isinstance(value, list):
        return "no list"
    return " ".join(ascii(one)[:20] if isinstance(one, str) else "?" for one in value[:8])
