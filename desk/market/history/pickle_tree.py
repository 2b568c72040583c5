"""What a pickle describes, as a tree of plain values; nothing that it names is looked up or called.

Place in the house: beside ``inert_pickle``, its only caller.  Bytes come in; a tree of ``None``, booleans,
numbers, texts, bytes, tuples, lists, dictionaries, ``Name``s and ``Record``s goes out.  Pure.

A pickle is a program for a small stack machine.  The machine here knows the instructions that a pickled frame
of numbers consists of and no other, and keeps every value from being more than it is worth:

* at most ``MOST_INSTRUCTIONS`` of them: each byte may be one, and the smallest makes 64 bytes of memory;
* keys of dictionaries are texts, so nothing but a text is ever hashed;
* of what is remembered, only names, texts, short bytes and what a name in ``REUSED`` made may be used again.
  Two references to one tuple that holds two references to the next, and so on, are a file of 200 bytes and
  a tree of 2^50 leaves.

Not here: which tree is a frame (``inert_pickle``).

References
----------
Python documentation, module ``pickletools``, whose table says what each instruction reads.
"""

import io
import pickletools
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final, TypeVar

Kind = TypeVar("Kind")

MOST_INSTRUCTIONS: Final = 250_000
"""A frame has some 370, and 6 for each run of candles that the exchange does not have."""
REUSED_BYTES: Final = 16
"""Longest bytes that may be used a second time."""
REUSED: Final = frozenset({"dtype"})
"""Several blocks share the type of their numbers; records are compared by identity and never walked."""
_PUSHED: Final = {
    *("BININT", "BININT1", "BININT2", "LONG1", "SHORT_BINUNICODE", "BINUNICODE"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
"""Instructions that push what they read."""
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OTHERS: Final = {
    *("PROTO", "FRAME", "MARK", "MEMOIZE", "BINGET", "LONG_BINGET", "STACK_GLOBAL", "REDUCE", "NEWOBJ"),
    *("BUILD", "TUPLE", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
}
_INSTRUCTIONS: Final = {
    opcode.code.encode("latin-1"): opcode
    for opcode in pickletools.opcodes
    if opcode.name in _PUSHED | _CONSTANTS.keys() | _TUPLES.keys() | _OTHERS
}
"""What pickles of protocol 4 and 5 consist of; older instructions let a file of ten bytes take all memory."""
_STOP: Final = b"."


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A name that the pickle refers to; it was admitted, and not looked up."""

    name: str
    """Last part of the dotted name."""


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """What calling a name would have made."""

    name: str
    args: tuple[object, ...]
    state: object = None


class _Unusable:
    """Stands in the memo for a value that may not be used twice."""


_UNUSABLE: Final = _Unusable()


def read_tree(body: bytes, admitted: Container[str]) -> object:
    """The value that a pickle describes.

    Parameters
    ----------
    body : bytes
        The whole pickle.
    admitted : container of str
        Dotted names that it may refer to.

    Raises
    ------
    ValueError
        If it is no pickle of protocol 4 or 5, or consists of more than is allowed here.
    """
    stream, machine = io.BytesIO(body), _Machine(admitted)
    for _ in range(MOST_INSTRUCTIONS):
        code = stream.read(1)
        if code == _STOP:
            if stream.read(1):
                raise ValueError("something follows its end")
            return machine.result()
        if (opcode := _INSTRUCTIONS.get(code)) is None:
            raise ValueError(f"it holds the instruction {code!r}" if code else "it is cut off")
        machine.carry_out(opcode.name, None if opcode.arg is None else opcode.arg.reader(stream))
    raise ValueError(f"it has more than {MOST_INSTRUCTIONS} instructions")


@dataclass(slots=True, eq=False)
class _Machine:
    """The stack machine: ``stack`` above the last mark, ``below`` what lies under each mark."""

    admitted: Container[str]
    stack: list[object] = field(default_factory=list)
    below: list[list[object]] = field(default_factory=list)
    memo: list[object] = field(default_factory=list)

    def result(self) -> object:
        """The one value that is left at the end."""
        if self.below or len(self.stack) != 1:
            raise ValueError("it does not end with one value")
        return self.stack[0]

    def carry_out(self, name: str, arg: object) -> None:
        """Carry out one instruction with what it read."""
        if name in _PUSHED:
            self.stack.append(arg)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            parts = self._pop_many(_TUPLES[name])
            self.stack.append(tuple(parts))
        else:
            self._carry_out_other(name, arg)

    def _carry_out_other(self, name: str, arg: object) -> None:
        match name:
            case "MARK":
                self.below.append(self.stack)
                self.stack = []
            case "MEMOIZE":
                self.memo.append(_remembered(self._top()))
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self._recall(_of(arg, int)))
            case "STACK_GLOBAL":
                self.stack.append(self._admit())
            case "REDUCE" | "NEWOBJ":
                args, callable_ = _of(self._pop(), tuple), _of(self._pop(), Name)
                self.stack.append(Record(callable_.name, args))
            case "BUILD":
                state, record = self._pop(), _of(self._top(), Record)
                record.state = state
            case "TUPLE":
                parts = self._pop_to_mark()
                self.stack.append(tuple(parts))
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "APPEND" | "APPENDS":
                items = self._pop_many(1) if name == "APPEND" else self._pop_to_mark()
                _of(self._top(), list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._pop_many(2) if name == "SETITEM" else self._pop_to_mark()
                content = _of(self._top(), dict)
                content.update(zip(map(_text, items[::2]), items[1::2], strict=True))

    def _admit(self) -> Name:
        name, module = _text(self._pop()), _text(self._pop())
        if (dotted := f"{module}.{name}") not in self.admitted:
            raise ValueError(f"it names {ascii(dotted)[:120]}")
        return Name(name.rpartition(".")[2])

    def _recall(self, place: int) -> object:
        if place >= len(self.memo):
            raise ValueError("it refers to what is not there")
        if isinstance(value := self.memo[place], _Unusable):
            raise ValueError("it uses a value twice that is neither a name nor a text")  # noqa: TRY004
        return value

    def _top(self) -> object:
        if not self.stack:
            raise ValueError("an instruction lacks its value")
        return self.stack[-1]

    def _pop(self) -> object:
        value = self._top()
        del self.stack[-1]
        return value

    def _pop_many(self, count: int) -> list[object]:
        if len(self.stack) < count:
            raise ValueError("an instruction lacks its values")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _pop_to_mark(self) -> list[object]:
        if not self.below:
            raise ValueError("an instruction lacks its mark")
        taken, self.stack = self.stack, self.below.pop()
        return taken


def _remembered(value: object) -> object:
    match value:
        case str() | Name():
            return value
        case bytes() if len(value) <= REUSED_BYTES:
            return value
        case Record() if value.name in REUSED:
            return value
    return _UNUSABLE


def _of(value: object, kind: type[Kind]) -> Kind:
    if not isinstance(value, kind):
        raise ValueError(f"a {kind.__name__} expected, a {type(value).__name__} found")  # noqa: TRY004
    return value


def _text(value: object) -> str:
    return _of(value, str)
