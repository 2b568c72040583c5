"""Whether the fields of a settings class hold what their annotations say.

Place in the house: foundation.  An instance of a frozen dataclass comes in, as its ``__post_init__`` has it;
one sentence per wrong field goes out.  A number of another kind is converted where that is exact: 180.0 where
a whole number is needed, 0.02 where money is ``Decimal``.  A text is never a number, and a number is never a
truth value: whoever wrote one for the other meant something else.  NaN and infinity are no settings.

The annotations that settings have are known: bool, int, float, Decimal, str, Path, Literal, a class, any of
them or None, tuples of one kind, and mappings.  Another one is a programming mistake (``TypeError``).

Not here: which values make sense (the ``_problems`` of each class).
"""

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, SupportsIndex, Union, get_args, get_origin, get_type_hints

LONGEST = 80
"""Characters of a value that a complaint quotes."""


class _Unfit(Exception):  # noqa: N818 - a finding, which never leaves this module
    """The value is not of the kind; the text says what is needed."""


def fit_fields(settings: object) -> Iterator[str]:
    """Complain of every field of ``settings`` that is of another type; convert what is exactly convertible.

    Raises
    ------
    TypeError
        If a class has an annotation that is not known here.
    """
    for name, annotation in _annotations(type(settings)):
        value = getattr(settings, name)
        try:
            fitted = fitted_value(value, annotation)
        except _Unfit as exc:
            yield f"{name} is {quoted(value)}, must be {exc}"
        else:
            if fitted is not value:
                object.__setattr__(settings, name, fitted)  # frozen: this is part of its making


def quoted(value: object) -> str:
    """``value`` as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def fitted_value(value: object, annotation: object) -> object:
    """``value`` itself, or the equal value of the annotated type."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return _fit_any(value, parts)
    if origin is Literal:
        return _fit_choice(value, parts)
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        return _fit_tuple(value, parts[0])
    if origin is not None and issubclass(origin, Mapping):
        return _fit_mapping(value, parts)
    if annotation in _FITTED:
        return _FITTED[annotation](value)
    if not isinstance(annotation, type):
        raise TypeError(f"settings cannot be annotated {annotation}")
    if not isinstance(value, annotation):
        raise _Unfit(annotation.__name__)
    return value


_ANNOTATIONS: dict[type, tuple[tuple[str, object], ...]] = {}
"""Of every class that was met: costs are made by the thousand."""


def _annotations(kind: type) -> tuple[tuple[str, object], ...]:
    if kind not in _ANNOTATIONS:
        _ANNOTATIONS[kind] = tuple(get_type_hints(kind).items())
    return _ANNOTATIONS[kind]


def _fit_any(value: object, annotations: tuple[object, ...]) -> object:
    """The first annotation that fits; None is needed to be None."""
    if value is None and NoneType in annotations:
        return None
    needed = []
    for annotation in annotations:
        if annotation is NoneType:
            continue
        try:
            return fitted_value(value, annotation)
        except _Unfit as exc:
            needed.append(str(exc))
    raise _Unfit(" or ".join(needed) + (" or None" if NoneType in annotations else ""))


def _fit_choice(value: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return value
    *others, last = [f'"{choice}"' if isinstance(choice, str) else repr(choice) for choice in choices]
    raise _Unfit(f"{', '.join(others)} or {last}" if others else last)


def _fit_tuple(value: object, annotation: object) -> tuple[object, ...]:
    needed = f"a tuple of {_PLURALS.get(annotation, getattr(annotation, '__name__', str(annotation)))}"
    if not isinstance(value, tuple | list):
        if isinstance(value, str | int | float | Decimal):
            raise _Unfit(f"{needed}: write ({quoted(value)},) with the comma, which makes it one")
        raise _Unfit(needed)
    try:
        fitted = tuple(fitted_value(one, annotation) for one in value)
    except _Unfit as exc:
        raise _Unfit(needed) from exc
    same = isinstance(value, tuple) and all(map(operator.is_, value, fitted))
    return value if isinstance(value, tuple) and same else fitted


def _fit_mapping(value: object, annotations: tuple[object, ...]) -> Mapping[object, object]:
    """The mapping itself where all of it fits: somebody may go on filling it."""
    if not isinstance(value, Mapping):
        raise _Unfit('a mapping: {"NAME": value}')
    of_keys, of_values = annotations
    fitted: dict[object, object] = {}
    for key, one in value.items():
        try:
            fitted[fitted_value(key, of_keys)] = fitted_value(one, of_values)
        except _Unfit as exc:
            raise _Unfit(f"a mapping whose {quoted(key)} is {exc}") from exc
    return value if all(one is value.get(key) for key, one in fitted.items()) else fitted


def _fit_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Unfit("True or False")
    return value


def _fit_int(value: object) -> int:
    if isinstance(value, bool | str):
        raise _Unfit(f"a whole number{_number_in(value)}")
    if isinstance(value, SupportsIndex):
        return value if type(value) is int else operator.index(value)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    raise _Unfit("a whole number")


def _fit_float(value: object) -> float:
    number = _number(value)
    if isinstance(number, float):
        return number
    with contextlib.suppress(OverflowError):
        converted = float(number)
        # As it was typed: Decimal("0.1") is 0.1, although no float is a tenth.
        if (Decimal(repr(converted)) if isinstance(number, Decimal) else int(converted)) == number:
            return converted
    raise _Unfit("a number of at most 17 digits")


def _fit_decimal(value: object) -> Decimal:
    number = _number(value)
    if isinstance(number, float):
        # As it was typed: 0.0025 is Decimal("0.0025").
        return Decimal(int(number)) if number.is_integer() else Decimal(repr(float(number)))
    return Decimal(number) if isinstance(number, int) else number


def _number(value: object) -> int | float | Decimal:
    """A finite number; no truth value and no text."""
    if isinstance(value, bool | str):
        raise _Unfit(f"a number{_number_in(value)}")
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise _Unfit("a finite number")
        return value
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    raise _Unfit("a number")


def _number_in(value: bool | str) -> str:
    """What to write instead of a text that holds a number."""
    if isinstance(value, bool):
        return ""
    text = value.strip()
    try:
        if text.endswith("%"):
            return f" as a fraction: write {float(text[:-1]) / 100:.10g}"
        float(text)
    except ValueError:
        return ", without quotes"
    return f": write {text} without quotes"


def _fit_str(value: object) -> str:
    if not isinstance(value, str):
        raise _Unfit("a text in quotes")
    return value


def _fit_path(value: object) -> Path:
    if isinstance(value, str) and value:
        return Path(value)
    if not isinstance(value, Path):
        raise _Unfit('a path: Path("NAME") or a text in quotes')
    return value


_FITTED: Mapping[object, Callable[[object], object]] = {
    bool: _fit_bool,
    int: _fit_int,
    float: _fit_float,
    Decimal: _fit_decimal,
    str: _fit_str,
    Path: _fit_path,
}
_PLURALS: Mapping[object, str] = {
    int: "whole numbers",
    float: "numbers",
    Decimal: "numbers",
    str: "texts in quotes",
    Path: "paths",
}
