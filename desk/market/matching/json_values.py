"""Dataclasses as JSON values, and back: money as text, nothing converted that its type does not name.

Place in the house: the market, inside the matching core; ``state`` writes and reads an account with it.
Fields are dataclasses, ``Decimal``, ``int``, ``str``, ``Literal``, lists and dictionaries of these, or None.
Pure.
"""

from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import UnionType
from typing import Final, Literal, TypeVar, Union, cast, get_args, get_origin

LARGEST: Final = 100
"""Numbers have at most so many digits before and behind the point: no sum of an account has more."""
Value = TypeVar("Value")


def to_json(value: object) -> object:
    """``value`` as JSON values: dictionaries, lists, text, numbers."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return [to_json(each) for each in value]
    if isinstance(value, dict):
        return {name: to_json(each) for name, each in value.items()}
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    return value


def from_json(kind: type[Value], value: object) -> Value:
    """The ``kind`` from which ``to_json`` made ``value``.

    Raises
    ------
    ValueError, TypeError, ArithmeticError
        If it was made from anything else: a field too many or too few, a wrong type, a malformed number.
    """
    return cast("Value", _read(kind, value))


def _read(kind: object, value: object) -> object:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is None:
        return _single(cast("type", kind), value)
    if origin is list:
        return [_read(parts[0], each) for each in _exactly(list, value)]
    if origin is dict:
        return {_name(name): _read(parts[1], each) for name, each in _exactly(dict, value).items()}
    if origin in {Union, UnionType}:
        return None if value is None else _read(parts[0], value)
    if origin is Literal and value in parts:
        return value
    raise ValueError(f"{value!r:.40} is not {kind}")


def _single(kind: type, value: object) -> object:
    if is_dataclass(kind):
        row = _exactly(dict, value)
        known = {field.name: field.type for field in fields(kind)}
        if row.keys() != known.keys():
            raise ValueError(f"{kind.__name__} has other fields: {', '.join(map(str, row)):.80}")
        return kind(**{name: _read(of, row[name]) for name, of in known.items()})
    if kind is Decimal:
        return _number(_exactly(str, value))
    return _exactly(kind, value)


def _exactly(kind: type[Value], value: object) -> Value:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} is not of type {kind.__name__}")
    return value


def _name(value: object) -> str:
    return _exactly(str, value)


def _number(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= LARGEST else Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > LARGEST:
        raise ValueError(f"{text!r:.40} is not a number that an account can hold")
    return number
