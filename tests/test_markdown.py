"""Pages can be read in a terminal and compared line by line."""

from pathlib import Path

import pytest

from tests.house import HOUSE

WIDEST = 100
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").glob("*.md")])


def wide_lines(text: str) -> list[int]:
    """Numbers of the lines that are wider than they need be.

    Tables, HTML and fenced blocks have lines of their own length, and so has one that cannot be broken.
    """
    found, fenced = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        breakable = " " in line[:WIDEST].strip().lstrip("*-# ")
        if len(line) > WIDEST and breakable and not fenced and line[:1] not in {"|", "<"}:
            found.append(number)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_is_wrapped(page: Path) -> None:
    assert wide_lines(page.read_text(encoding="utf-8")) == []


def test_a_wide_line_would_be_seen() -> None:
    wide = "word " * 30
    assert wide_lines(f"short\n{wide}\n| {wide} |\n```\n{wide}\n```\n") == [2]
    assert len(PAGES) > 12
