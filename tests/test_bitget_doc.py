"""Where the code cites the exchange's facts, there is such a section."""

import re
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
CITATION = re.compile(r"``docs/bitget\.md``,\s+sections?\s+((?:U|T)?\d[^.:;\n]*(?:\.\d[^.:;\n]*)*)")
NUMBER = re.compile(r"(?<![\w.])([UT]?\d+(?:\.\d+)?)(?!\w)")


def sections() -> set[str]:
    """Numbers of all sections of ``docs/bitget.md``."""
    text = (HOUSE / "docs" / "bitget.md").read_text(encoding="utf-8")
    return set(re.findall(r"^#{2,3} ([UT]?\d+(?:\.\d+)?)", text, flags=re.MULTILINE))


def cited() -> list[tuple[str, str]]:
    """File and number of every section that a docstring cites."""
    found = []
    for folder in ("desk", "tests", "soaks", "benchmarks"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            for citation in CITATION.findall(path.read_text(encoding="utf-8")):
                without_remarks = re.sub(r"\([^)]*\)", "", citation)
                found += [(path.name, number) for number in NUMBER.findall(without_remarks)]
    return found


def test_every_section_that_is_cited_exists() -> None:
    """A citation that leads nowhere is worse than none: a reader looks for it."""
    there = sections()

    assert len(cited()) > 20
    assert [(name, number) for name, number in cited() if number not in there] == []
