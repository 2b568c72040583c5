"""Numbers, times and JSON from outside."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.reading import (
    DEEPEST,
    LATEST_MS,
    MOST_VALUES,
    decimal_of,
    decimal_or_none,
    float_of,
    float_or_nan,
    read_json,
    time_of,
    whole_of,
)

NO_NUMBERS: list[object] = [
    *("1e999999999", "1e50000000", "1e-999999999", "1e400", "1e31", "9" * 65, "9" * 5_000_000, "1e-31"),
    *("Infinity", "-inf", "nan", "sNaN", "", " ", "x", "1_000", "٣", "1e", "0x10", "\ud800", "1\x00"),
    *(math.inf, -math.inf, math.nan, 10**400, True, False, None, [], {}, ["1"], b"1"),
]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_cannot_be_computed_with_is_no_number(value: object) -> None:
    """``int`` of 1e999999999 never returns; a fill price of 1e50000000 is a text of fifty megabytes."""
    with pytest.raises(ValueError, match=r".") as caught:
        decimal_of(value)

    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 150
    assert decimal_or_none(value) is None
    for read in (float_of, time_of, lambda one: whole_of(one, least=0, most=8)):
        with pytest.raises(ValueError, match=r"."):
            read(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(
            ("102263.4", "102263.4"),
            ("-0.000068", "-0.000068"),
            (" 5 ", "5"),
            ("1e-7", "1E-7"),
            (".5", "0.5"),
        ),
        *((7, "7"), (0.1, "0.1"), (1e-12, "1E-12"), (Decimal("1.10"), "1.10"), ("0e-9999", "0"), ("-0", "0")),
        *(("1e30", "1E+30"), ("1e-30", "1E-30"), ("+3.", "3"), (".5", "0.5")),
    ],
)
def test_a_number_is_read_to_its_last_digit(value: object, number: str) -> None:
    """Money is computed with it."""
    assert decimal_of(value) == Decimal(number)
    assert str(decimal_of(value)) == str(Decimal(number))


@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x == 0 or 1e-30 <= abs(x) <= 1e30))
def test_every_float_within_the_bounds_survives(value: float) -> None:
    """A price that was rounded in reading differs from the cached one."""
    assert float_of(repr(value)) == float_of(value) == float_or_nan(repr(value)) == value


@given(st.text(max_size=80) | st.floats() | st.integers() | st.decimals() | st.binary())
def test_whatever_is_read_is_a_small_number_or_refused(value: object) -> None:
    """Every other exception would be a defect where the reader is called."""
    number = decimal_or_none(value)

    assert number is None or (number.is_finite() and len(f"{number:f}") < 140)
    assert math.isnan(float_or_nan(value)) or abs(float_or_nan(value)) <= 1e30


@pytest.mark.parametrize("value", ["1e308", 1e31, "-1e300", "5e-324", 1e-31, "inf", "nan"])
def test_a_price_beyond_the_bounds_is_none(value: object) -> None:
    """Candles of 1e308 were taken, and every feature overflowed."""
    assert math.isnan(float_or_nan(value))


@pytest.mark.parametrize("value", ["0", "1762560123456", 1762560123456, 1.7e12, str(LATEST_MS), LATEST_MS])
def test_a_time_is_a_whole_number_of_milliseconds(value: object) -> None:
    """The exchange writes some as text and some as numbers."""
    assert time_of(value) == int(float(str(value)))


@pytest.mark.parametrize("value", ["-1", -1, 0.5, "1.5", LATEST_MS + 1, "9" * 25, "soon"])
def test_a_time_beyond_all_calendars_is_none(value: object) -> None:
    """Twenty-five digits fit no column of the journal."""
    with pytest.raises(ValueError, match=r"."):
        time_of(value)


@pytest.mark.parametrize(("value", "whole"), [("8", 8), (1, 1), ("4.0", 4), (2.0, 2)])
def test_a_whole_number_may_be_written_as_any(value: object, whole: int) -> None:
    assert whole_of(value, least=1, most=8) == whole


@pytest.mark.parametrize("value", ["0", "9", "1.5", "-1"])
def test_a_whole_number_keeps_its_bounds(value: str) -> None:
    with pytest.raises(ValueError, match="from 1 to 8"):
        whole_of(value, least=1, most=8)


def test_json_is_read_as_everywhere() -> None:
    """What the exchange sends is ordinary JSON."""
    document = {"code": "00000", "data": [{"a": 1.5, "b": [None, True, "ä"]}], "n": -7}

    assert read_json(json.dumps(document)) == document
    assert read_json(json.dumps(document, ensure_ascii=False).encode()) == document


def test_a_number_that_is_none_costs_its_field_and_not_the_document() -> None:
    """One row of 786 must not stop the others."""
    digits = "9" * 5_000

    assert read_json(f'{{"a": NaN, "b": -Infinity, "c": {digits}, "d": 1}}') == {
        "a": "NaN",
        "b": "-Infinity",
        "c": digits,
        "d": 1,
    }


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), '{"a":' * 500 + "1" + "}" * 500),
        *("", "nonsense", b"\xff\xfe", b'"\xed\xa0\x80"', "[" + "0," * MOST_VALUES + "0]"),
        "[" + "[]," * MOST_VALUES + "[]]",
    ],
    ids=lambda text: repr(text[:9]),
)
def test_json_beyond_its_bounds_is_none(text: str | bytes) -> None:
    """A million empty lists take twenty times their text in memory; deep nesting breaks ``repr``."""
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


def test_json_of_ours_may_hold_as_much_as_it_wants() -> None:
    """The file of a paper account grows with its executions."""
    found = read_json("[" + "0," * MOST_VALUES + "0]", most_values=None)

    assert isinstance(found, list)
    assert len(found) == MOST_VALUES + 1
    assert read_json("[" * DEEPEST + "]" * DEEPEST)
