"""Text from outside, made fit to be shown."""

import io
import logging
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import CacheError, DeskError, Refused, SettingsError, Unanswered
from desk.logs import SafeFormatter
from desk.safe_text import LONGEST, LONGEST_NAME, brief, is_name, safe_lines, safe_text

FORGED = "no\x1b[2J\x1b]52;c;aGk=\x07\r\nEnded: asked to stop; nothing was open.\u202e\u2028\x9b31m\ud800"
ANYTHING = st.text(st.characters(), max_size=400)


@given(text=ANYTHING, most=st.integers(1, 400))
def test_nothing_that_is_shown_is_a_command_or_a_line_of_its_own(text: str, most: int) -> None:
    """A message of the exchange could clear the terminal and forge the last line of a session."""
    shown = safe_text(text, most)

    assert shown.isprintable()
    assert len(shown) <= most
    shown.encode()


@given(text=ANYTHING, most=st.integers(1, 400))
def test_what_is_safe_stays_as_it_is(text: str, most: int) -> None:
    """Texts pass several times on their way: into an error, into the log, into a notification."""
    assert safe_text(safe_text(text, most), most) == safe_text(text, most)


@pytest.mark.parametrize(
    "text", ["BTCUSDT: HTTP 502", "币安人生USDT", "−24 bp × 3 — “ok” ⚠️ ✅ é", "", "a" * LONGEST]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """A few symbols are Chinese, and sentences of ours have signs of their own."""
    assert safe_text(text) == text


def test_what_is_escaped_can_still_be_read() -> None:
    assert safe_text(FORGED) == (
        r"no\x1b[2J\x1b]52;c;aGk=\x07\r\nEnded: asked to stop; nothing was open.\u202e\u2028\x9b31m\ud800"
    )


def test_a_message_of_megabytes_is_cut() -> None:
    """It was kept whole in the journal."""
    assert len(safe_text("x" * 5_000_000)) == LONGEST
    assert len(safe_text("\x1b" * 5_000_000)) <= LONGEST
    assert safe_text("x" * 5_000_000).endswith("x…")


def test_lines_of_our_own_stay_lines() -> None:
    """The digest, and the words below a table."""
    assert safe_lines("one\ntwo\x1b\nthree") == "one\ntwo\\x1b\nthree"


@given(
    st.recursive(
        st.none() | st.text(st.characters()) | st.binary() | st.floats() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.integers(1, 200),
)
def test_a_value_is_shown_briefly(value: object, most: int) -> None:
    """An answer of the wrong form is quoted in the error about it."""
    assert brief(value, most).isprintable()
    assert len(brief(value, most)) <= most


@pytest.mark.parametrize(
    "value", ["", "x" * (LONGEST_NAME + 1), "A\n", "\ud800", "A\u202e", 7, None, ["A"], {}]
)
def test_what_cannot_be_shown_is_no_name(value: object) -> None:
    """Symbols and ids go into file names, journals and tables."""
    assert not is_name(value)
    assert is_name("1000币安USDT-PERP")


@pytest.mark.parametrize(
    "error",
    [
        DeskError(FORGED),
        CacheError(f"{FORGED}.pkl is no cache of ours"),
        SettingsError(FORGED * 100),
        Unanswered(FORGED, endpoint="/x"),
        Refused(FORGED, endpoint="/x", code=FORGED),
        Refused("x" * 5_000_000, endpoint="/x", code="9" * 5_000),
    ],
)
def test_every_error_is_one_safe_line(error: DeskError) -> None:
    """Errors become the reason of a skipped symbol, a line of the log, a note in the journal."""
    assert str(error).isprintable()
    assert len(str(error)) <= 4_000
    assert isinstance(error, SettingsError) or len(str(error)) < 500


def test_a_refusal_keeps_its_code_whatever_its_message() -> None:
    """Whoever looks it up needs the code; a long message must not push it out."""
    error = Refused("x" * 10_000, endpoint="/x", code="40762")

    assert error.code == "40762"
    assert str(error).endswith("… (code 40762)")


def test_a_record_of_the_log_is_one_line_and_its_traceback_is_indented() -> None:
    """What a line of the log says was said by this program."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(SafeFormatter("%(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("test.safe_text")
    log.propagate = False  # what pytest captures travels between its processes, which a surrogate cannot
    log.addHandler(handler)
    log.warning("refused: %s", FORGED)
    try:
        int(FORGED)
    except ValueError:
        log.exception("a defect")
    log.removeHandler(handler)
    first, second, *trace = stream.getvalue().rstrip("\n").split("\n")

    assert first.startswith("WARNING test.safe_text: refused: no\\x1b[2J")
    assert second == "ERROR test.safe_text: a defect"
    assert all(line.startswith("  ") and line.isprintable() for line in trace)
    assert any("invalid literal" in line for line in trace)


def test_a_number_is_shown_as_it_is_written() -> None:
    assert brief(Decimal("1.50")) == "Decimal('1.50')"
    assert brief(40034) == "40034"
