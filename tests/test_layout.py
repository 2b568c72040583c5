"""The layout that `docs/architecture.md` shows is the one that is there."""

import re

from tests.house import HOUSE

PAGE = (HOUSE / "docs" / "architecture.md").read_text(encoding="utf-8")
LAYOUT = next(block for block in PAGE.split("```") if "indicators/" in block)


def test_every_file_and_folder_of_the_desk_stands_in_the_layout() -> None:
    """Whoever takes the suite over finds his way by it."""
    desk = HOUSE / "desk"
    there = {path.stem for path in desk.glob("*.py")} - {"__init__"}
    there |= {path.parent.name for path in desk.glob("*/__init__.py")}

    assert there - set(re.findall(r"\w+", LAYOUT)) == set()


def test_the_layout_shows_nothing_that_is_not_there() -> None:
    """Of names that stand in lists, two spaces apart; at the end of a line stands what they are."""
    listed = re.compile(r"(?<=  )\w+/?(?=  )")
    names = {name.rstrip("/") for line in LAYOUT.splitlines() for name in listed.findall(line)}
    there = {path.stem for path in HOUSE.glob("desk/**/*.py")}
    there |= {path.parent.name for path in HOUSE.glob("desk/**/*.*")}

    assert len(names) > 40
    assert names - there == set()
