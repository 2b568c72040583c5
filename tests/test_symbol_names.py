"""Two symbols are never one file, on any file system."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.symbol_names import symbol_fault


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "1000PEPEUSDT", "BTCUSDT_250926", "币安人生USDT", "A.B-C", "CONUSDT"]
)
def test_what_the_exchange_lists_is_admitted(symbol: str) -> None:
    assert symbol_fault(symbol) == ""


@pytest.mark.parametrize(
    "symbol",
    [
        "btcusdt",
        "BTCusdt",
        "BTC\N{KELVIN SIGN}USDT",
        "\N{FULLWIDTH LATIN CAPITAL LETTER B}TCUSDT",
        "E\N{MICRO SIGN}USDT",
        "STRA\N{LATIN SMALL LETTER SHARP S}EUSDT",
        "STRA\N{LATIN CAPITAL LETTER SHARP S}EUSDT",
        "\N{LATIN SMALL LETTER DOTLESS I}NJUSDT",
        "\N{LATIN SMALL LIGATURE FI}LUSDT",
    ],
)
def test_names_that_some_file_system_takes_for_another_are_refused(symbol: str) -> None:
    """The candles of one symbol would be overwritten with, and trained as, those of another."""
    assert "do not tell it from" in symbol_fault(symbol)
    assert symbol_fault(symbol).isascii()


@pytest.mark.parametrize(
    "symbol", ["CON", "NUL", "nul", "AUX", "PRN", "COM1", "LPT9", "COM¹", "CON.X", "NUL.A"]
)
def test_names_of_devices_are_refused(symbol: str) -> None:
    """Writing such a file writes to a device, or nowhere."""
    assert "device" in symbol_fault(symbol)


@pytest.mark.parametrize(
    "symbol",
    ["", "..", "A/B", "A\\B", "A..B", ".A", "A B", "A\n", "A\0", "A:B", "X" * 61, "币" * 51, "E\u0301"],
)
def test_what_is_no_name_is_refused(symbol: str) -> None:
    assert symbol_fault(symbol)


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_two_admitted_symbols_differ_whatever_a_file_system_folds(one: str, other: str) -> None:
    """By case, by composition, by compatibility, or by all of them."""

    def folded(symbol: str) -> str:
        return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", symbol).casefold())

    for symbol in (one.upper(), other.upper()):
        for twin in (symbol.lower(), symbol.title(), unicodedata.normalize("NFD", symbol)):
            if symbol != twin and folded(symbol) == folded(twin):
                assert symbol_fault(symbol) or symbol_fault(twin)
