"""The page of messages knows every rule, and names no message that is not said any more."""

import ast
import re
from collections.abc import Iterator

import pytest

from desk.trade.risk_rules import RULES
from tests.house import DOORS, HOUSE, modules, within

PAGE = (HOUSE / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`.+?) \| .+ \| .+ \|$", re.MULTILINE)


def texts_of(tree: ast.Module) -> Iterator[str]:
    """Every text of a module; where a value is put in, `…` stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


SAID = "\n".join(
    [
        *(text for one in modules() if within(one.name, {"desk", *DOORS}) for text in texts_of(one.tree)),
        (HOUSE / "Makefile").read_text(encoding="utf-8"),
    ]
)


def messages() -> list[str]:
    """The messages of the page: what is quoted in the first column of its tables of messages."""
    rows = (row for table in PAGE.split("| message |")[1:] for row in ROW.findall(table.partition("\n\n")[0]))
    return [quoted for row in rows for quoted in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("message", messages())
def test_a_message_of_the_page_is_one_that_is_said(message: str) -> None:
    """A reader searches for what stands on the screen."""
    parts = [part.strip(" ,.") for part in message.split("…")]

    assert [part for part in parts if part not in SAID] == []


def test_the_page_explains_every_rule_in_the_order_in_which_they_are_asked() -> None:
    """A refusal names its rule, and its reader looks for it here."""
    table = PAGE.partition("| rule | means |")[2].partition("\n\n")[0]

    assert [row.strip("`") for row in ROW.findall(table)] == [rule.name for rule in RULES]


def test_a_message_that_is_said_no_more_would_be_seen() -> None:
    assert len(messages()) > 45
    assert "this was never said" not in SAID
