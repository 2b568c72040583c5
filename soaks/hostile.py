"""Everything that reads what an exchange or a file says, fed with what nobody would send in earnest.

``make soak-hostile``, or ``python -m soaks.hostile [--minutes 3] [--seed 0]``: every parser of the client and
of the files that are JSON gets first each field of a good sample replaced by each of ``HOSTILE``, and then,
until the time is up, samples that hypothesis bends in many places at once, and bytes that are none of it.
Prints a line per parser: how many inputs, how many were read, how many refused, how many broke the rules.
Exit status 0 if none did.

The rules: a value, or one of the parser's own errors; an error is one printable line of bounded length; every
number of a value can be computed with, every time lies within the calendar, every text can be shown.

Not here: sockets that never end (``tests/market/bitget/test_lines.py``), pickles and model texts.
"""

import argparse
import copy
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from desk.errors import ExchangeError
from desk.reading import LATEST_MS
from soaks.hostile_samples import HOSTILE, PARSERS, Parser
from soaks.hostile_unified import UNIFIED_PARSERS

LONGEST_TEXT: Final = 500
"""Characters of any text that a parser hands out, an error's included."""
LARGEST_EXPONENT: Final = 61
"""No product of two numbers is larger."""
LONGEST_NUMBER: Final = 200
"""Characters of a number that is written out."""
EXAMPLES: Final = 500
"""Bent samples of each parser between two looks at the clock."""
EVERY_PARSER: Final = (*PARSERS, *UNIFIED_PARSERS)
"""Of either API, of websockets and of files."""

# Rules ---------------------------------------------------------------------------------------------


def complaint(parser: Parser, body: bytes) -> tuple[str, str]:
    """Feed ``body`` to a parser; return what became of it, ``read`` or ``refused``, and the rule it broke."""
    try:
        value = parser.read(body)
    except parser.refuses as exc:
        shown = str(exc)
        if isinstance(exc, ExchangeError) and (len(shown) > LONGEST_TEXT or not shown.isprintable()):
            return "refused", f"the error is no line to show: {shown[:80]!r}"
        return "refused", ""
    except UnicodeDecodeError:
        return "refused", ""  # a websocket and a file hand out text
    except Exception as exc:  # noqa: BLE001 - every other error is what is looked for
        return "broken", f"{type(exc).__name__}: {str(exc)[:80]!r}"
    if parser.name == "emulator":
        return "read", ""  # it hands out the body as it is
    return "read", next(_unsafe(value), "")


def _unsafe(value: object) -> Iterator[str]:
    """What of a parser's value nobody could compute with, keep or show."""
    if isinstance(value, str) and (len(value) > LONGEST_TEXT or not value.isprintable()):
        yield f"text {value[:60]!r}"
    elif isinstance(value, Decimal) and not (value.is_finite() and value.adjusted() <= LARGEST_EXPONENT):
        yield f"number {str(value)[:60]}"
    elif isinstance(value, Decimal) and len(f"{value:f}") > LONGEST_NUMBER:
        yield f"number of {len(f'{value:f}')} characters"
    elif isinstance(value, int) and abs(value) > LATEST_MS:
        yield f"whole number {str(value)[:60]}"
    elif isinstance(value, np.ndarray) and value.dtype.kind == "i":
        yield from (f"time {time}" for time in value.tolist() if not 0 <= time <= LATEST_MS)
    for inner in _inside(value):
        yield from _unsafe(inner)


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif is_dataclass(value):
        yield from (getattr(value, field.name) for field in fields(value))


# Inputs --------------------------------------------------------------------------------------------


def places_of(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Paths of all values inside a JSON document, the document's own among them."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places_of(inner, (*path, key))


def replaced(document: object, path: Sequence[Any], value: object) -> object:
    """A copy of ``document`` with another value at a path.

    Parameters
    ----------
    document : object
        JSON values.
    path : sequence
        Keys and indices from the outside in.
    value : object
        What is put there.
    """
    if not path:
        return value
    whole: Any = copy.deepcopy(document)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return whole


def every_replacement(parser: Parser) -> Iterator[bytes]:
    """Bodies in which one value of the sample is one of ``HOSTILE``; numbers also as JSON numbers."""
    for path in places_of(parser.sample):
        for value in HOSTILE:
            yield as_body(replaced(parser.sample, path, value))


def as_body(document: object) -> bytes:
    """A document as bytes, with everything in it that JSON forbids: NaN, lone surrogates, endless numbers."""
    return json.dumps(document).encode()


def bent(parser: Parser) -> st.SearchStrategy[bytes]:
    """Samples that are replaced, shortened or repeated in several places, and bytes of all kinds."""
    paths = list(places_of(parser.sample))
    json_values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(HOSTILE),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )

    def several(changes: list[tuple[tuple[object, ...], object]]) -> bytes:
        document = parser.sample
        for path, value in changes:
            try:
                document = replaced(document, path, value)
            except (KeyError, IndexError, TypeError):
                continue  # an earlier change took the place away
        return as_body(document)

    changed = st.lists(st.tuples(st.sampled_from(paths), json_values), min_size=1, max_size=4).map(several)
    whole = as_body(parser.sample)
    cut = st.tuples(st.integers(0, len(whole)), st.binary(max_size=6), st.integers(0, 6)).map(
        lambda part: whole[: part[0]] + part[1] + whole[part[0] + part[2] :]
    )
    return changed | cut | st.binary(max_size=200)


def run_bent(parser: Parser, counts: Counter[str], *, examples: int, first: int) -> list[str]:
    """Feed bent samples to a parser; count what became of them, and return the rules that they broke.

    Parameters
    ----------
    parser : Parser
    counts : Counter
        Is added to.
    examples : int
        How many inputs.
    first : int
        Seed of hypothesis.
    """
    broken: list[str] = []

    def feed(body: bytes) -> None:
        became, rule = complaint(parser, body)
        counts[became] += 1
        if rule:
            broken.append(f"{rule} from {body[:100]!r}")

    @seed(first)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(bent(parser))
    def test(body: bytes) -> None:
        feed(body)

    test()
    return broken


def soak(minutes: float, first: int) -> int:
    """Feed all parsers until the time is up; print a line for each, and return the exit status."""
    counts: dict[str, Counter[str]] = {parser.name: Counter() for parser in EVERY_PARSER}
    broken: list[str] = []
    for parser in EVERY_PARSER:
        for body in every_replacement(parser):
            became, rule = complaint(parser, body)
            counts[parser.name][became] += 1
            if rule:
                broken.append(f"{parser.name}: {rule} from {body[:100]!r}")
    end, turn = time.monotonic() + 60 * minutes, first
    while time.monotonic() < end:
        for parser in EVERY_PARSER:
            found = run_bent(parser, counts[parser.name], examples=EXAMPLES, first=turn)
            broken += (f"{parser.name}: {rule}" for rule in found)
        turn += 1
    print(f"{'parser':20}{'inputs':>10}{'read':>10}{'refused':>10}{'broken':>10}")
    for name, of in counts.items():
        print(f"{name:20}{of.total():10,}{of['read']:10,}{of['refused']:10,}{of['broken']:10,}")
    print(f"{sum(of.total() for of in counts.values()):,} inputs, {len(broken)} broke a rule")
    for line in list(dict.fromkeys(broken))[:40]:
        print(f"FAIL  {line}")
    return 1 if broken else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Feed them; 0 if no rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m soaks.hostile", allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=3.0, metavar="N", help="default %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default %(default)s")
    args = parser.parse_args(argv)
    return soak(args.minutes, args.seed)


if __name__ == "__main__":
    raise SystemExit(main())
