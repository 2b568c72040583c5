"""Numbers, times and JSON from outside: read within bounds, or refused.

Place in the house: foundation.  Texts and values of a response, a message or a file come in; numbers that
are safe to compute with go out, or one ``ValueError``.  Everything here is decided before a number is made:
``int`` of a text that says 1e999999999 never returns, and a product of two such numbers is a text of
megabytes.

Bounds::

    numbers   at most 64 characters, ASCII digits, size from 1e-30 to 1e30, or 0
    times     whole milliseconds from 0 to 10**15, which is the year 33658
    JSON      UTF-8, 64 levels of nesting, a million values; a whole number of more than 40 digits, NaN and
              Infinity become text, so that they cost the row that holds them and not the whole

Not here: how many bytes are read at all (``desk.market.bitget.transport``), what a number means.
"""

import json
import math
import re
from decimal import Decimal
from typing import Final

from desk.safe_text import brief

LONGEST_NUMBER: Final = 64
"""Characters; a double needs 24."""
LARGEST_EXPONENT: Final = 30
LARGEST: Final = Decimal(f"1e{LARGEST_EXPONENT}")
SMALLEST: Final = Decimal(f"1e-{LARGEST_EXPONENT}")
LATEST_MS: Final = 253_402_300_799_999
"""No time in ms is later."""
DEEPEST: Final = 64
"""Levels of nesting; the exchange's answers have 5."""
MOST_VALUES: Final = 1_000_000
"""Values of one JSON text; the list of all contracts has 25,000."""
_MOST: Final = float(LARGEST)
_LEAST: Final = float(SMALLEST)
_LONGEST_INT: Final = 40
_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\s*")


def decimal_of(value: object) -> Decimal:
    """Read a number exactly.

    Parameters
    ----------
    value : str, int, float or Decimal
        ``"0.0001"``; a float is taken as it is written.

    Raises
    ------
    ValueError
        If it is anything else, not finite, or outside the bounds.
    """
    text = _text_of(value)
    if text is None or len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(f"{brief(value)} is no number")
    number = Decimal(text)
    if not number:
        return Decimal(0)
    if not SMALLEST <= abs(number) <= LARGEST:
        raise ValueError(f"{brief(value)} is too large or too small for a number")
    return number


def decimal_or_none(value: object) -> Decimal | None:
    """Read a number that may be absent; None for everything that ``decimal_of`` refuses."""
    try:
        return decimal_of(value)
    except ValueError:
        return None


def float_of(value: object) -> float:
    """Read a number as the nearest double.

    Raises
    ------
    ValueError
        As ``decimal_of``.
    """
    return float(decimal_of(value))


def float_or_nan(value: object) -> float:
    """Read a price or an amount; NaN for everything that is no number within the bounds."""
    text = _text_of(value)
    if text is None or len(text) > LONGEST_NUMBER or "_" in text or not text.isascii():
        return math.nan
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if number == 0 or _LEAST <= abs(number) <= _MOST else math.nan


def whole_of(value: object, *, least: int, most: int) -> int:
    """Read a whole number.

    Parameters
    ----------
    value : str, int, float or Decimal
        ``"8"``, ``8`` or ``"8.0"``.
    least, most : int
        Bounds, both included.

    Raises
    ------
    ValueError
        If it is anything else, or outside the bounds.
    """
    number = decimal_of(value)
    if not least <= number <= most or number != number.to_integral_value():
        raise ValueError(f"{brief(value)} is no whole number from {least} to {most}")
    return int(number)


def time_of(value: object) -> int:
    """Read a time in ms since 1970, from 0 to ``LATEST_MS``.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if type(value) is str and len(value) <= 15 and value.isascii() and value.isdecimal():
        return int(value)  # as the exchange writes it, without the detour over Decimal
    return whole_of(value, least=0, most=LATEST_MS)


def read_json(text: str | bytes, *, most_values: int | None = MOST_VALUES) -> object:
    """Read JSON from outside.

    Parameters
    ----------
    text : str or bytes
        Bytes are UTF-8.
    most_values : int, optional
        How many values it may hold; None: as many as there are, for files of ours.

    Raises
    ------
    ValueError
        If it is no JSON, nested too deeply, or holds too many values.
    """
    whole = text.decode() if isinstance(text, bytes) else text
    if most_values is not None and len(whole) > most_values:
        values = whole.count(",") + whole.count("[") + whole.count("{")
        if values > most_values:
            raise ValueError(f"{values:,} values, at most {most_values:,} are read")
    try:
        found: object = json.loads(whole, parse_int=_int_or_text, parse_constant=str)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    if _is_deeper(found, DEEPEST):
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    return found


def _text_of(value: object) -> str | None:
    """A number as text; None for what is no number, for which ``bool`` counts."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 4 * _LONGEST_INT:
        return str(value)
    return None


def _int_or_text(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_INT else text


def _is_deeper(value: object, most: int) -> bool:
    """Whether containers lie within each other more than ``most`` deep."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return False
    return True
