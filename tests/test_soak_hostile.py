"""Every parser of what comes from outside, fed with what nobody would send (``soaks/hostile.py``)."""

from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from desk.errors import Unanswered
from soaks.hostile import EVERY_PARSER, as_body, complaint, every_replacement, replaced, run_bent
from soaks.hostile_samples import Parser

STRIDE = 11
"""Of the replaced fields of each parser, every eleventh: no divisor of the number of hostile values."""
EXAMPLES = 25

each = pytest.mark.parametrize("parser", EVERY_PARSER, ids=lambda parser: parser.name)


@each
def test_the_sample_is_read(parser: Parser) -> None:
    """Else everything below tests how nonsense is refused."""
    became, rule = complaint(parser, as_body(parser.sample))

    assert not rule
    assert became == ("refused" if parser.name == "paper account" else "read")  # its checksum is made up


@each
def test_no_field_makes_a_parser_hang_fail_or_hand_out_what_cannot_be_used(parser: Parser) -> None:
    """One field of one row of one listing has stopped training, filled a disk and cleared a terminal."""
    bodies = islice(every_replacement(parser), len(parser.name) % STRIDE, None, STRIDE)
    broken = [rule for body in bodies if (rule := complaint(parser, body)[1])]

    assert broken == []


@each
def test_bent_documents_and_bytes_are_read_or_refused(parser: Parser) -> None:
    """As above, in several places at once; ``make soak-hostile`` does so for minutes."""
    counts: Counter[str] = Counter()

    assert run_bent(parser, counts, examples=EXAMPLES, first=len(parser.name)) == []
    assert counts.total() >= EXAMPLES


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("contracts", ("data", 0, "fundInterval"), "1e999999999"),
        ("contracts", ("data", 0, "maxLever"), "1e-999999999"),
        ("contracts", ("data", 0, "symbol"), "\ud800"),
        ("contracts", ("data", 0, "pricePlace"), "9" * 25),
        ("contract terms", ("data", 0, "maxLever"), "Infinity"),
        ("contracts.json", ("contracts", 0, "turnover"), float("inf")),
        ("contracts.json", ("contracts", 0, "symbol"), "\x1b[2J"),
        ("tickers", ("data", 0, "symbol"), ["A"]),
        ("open orders", ("data", "entrustedList", 0, "cTime"), "9" * 25),
        ("stops", ("data", "entrustedList", 0, "planType"), []),
        ("order messages", ("data", 0, "fillPrice"), "1e50000000"),
        ("candle messages", ("data", 0, 1), "1e999999999"),
        ("v3 settings", ("data", "symbolConfigList", 0, "leverage"), "1e999999999"),
        ("v3 open orders", ("data", "list", 0, "createdTime"), "9" * 25),
        ("v3 strategy orders", ("data", 0, "stopLoss"), "NaN"),
        ("v3 fill messages", ("data", 0, "execQty"), "-1"),
    ],
)
def test_an_unreadable_row_costs_itself(name: str, path: tuple[object, ...], value: object) -> None:
    """Seven hundred others are traded on."""
    (parser,) = (one for one in EVERY_PARSER if one.name == name)
    body = as_body(replaced(parser.sample, path, value))

    assert complaint(parser, body) == ("read", "")


@pytest.mark.parametrize(
    ("read", "rule"),
    [
        (lambda _: 10**16, "whole number"),
        (lambda _: "a\nb", "text"),
        (lambda _: [{"a": "x" * 600}], "text"),
        (lambda body: {b"": 0}[body], "KeyError"),
        (lambda body: [][len(body)], "IndexError"),
    ],
)
def test_a_broken_rule_is_seen(read: Callable[[bytes], object], rule: str) -> None:
    """A fuzzer that finds nothing may be one that looks at nothing."""
    assert complaint(Parser("planted", {}, read), b"{}")[1].startswith(rule)


def test_an_error_of_several_lines_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would pass for a line of the session's own."""
    monkeypatch.setattr("desk.errors.safe_text", lambda text, *_: text)

    def read(_: bytes) -> object:
        raise Unanswered("no\nEnded: asked to stop; nothing was open.", endpoint="/x")

    assert "no line to show" in complaint(Parser("planted", {}, read), b"{}")[1]
