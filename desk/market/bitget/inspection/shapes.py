"""Forms of answers: which fields, of which kinds, in which order; and the differences of two of them.  Pure.

JSON comes in; sentences go out.  Values are not compared: two exchanges of different markets answer with
different numbers, and with the same fields.

Not here: which answers are compared (``desk.answer_record``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from desk.reading import float_or_nan

_TIME, _NUMBER = re.compile(r"1[0-9]{12}"), re.compile(r"-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?")
NOTHING = frozenset({"nothing", "empty text"})
"""Kinds that stand for no value; what may be there has other kinds besides."""
CANDLE_MS = 300_000
NUMBERS = frozenset({"number as text", "time as text"})
MOST_ROWS = 2_000
"""Rows of a list whose fields are looked at."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What an answer looks like."""

    status: int
    code: str
    fields: Mapping[str, frozenset[str]]
    """Kinds of values by the path of the field: ``[].symbol``; of the whole, by the empty path."""
    rows: int | None
    """How many; None where it is no list."""
    order: str
    """``oldest first``, ``newest first``, ``none``; empty of fewer than two rows, or rows without a time."""
    tells_limit: bool
    """Whether it says how many more calls would be answered."""


def form_of(status: int, code: str, data: object, *, list_name: str = "", tells_limit: bool) -> AnswerForm:
    """Describe an answer.

    Parameters
    ----------
    status : int
        Of HTTP.
    code : str
    data : object
        As JSON was read.
    list_name : str
        Field of ``data`` that holds its rows; empty where ``data`` is the rows.
    tells_limit : bool
    """
    kinds: dict[str, set[str]] = {}
    for path, kind in _kinds("", data):
        kinds.setdefault(path, set()).add(kind)
    rows = data.get(list_name) if list_name and isinstance(data, dict) else data
    listed = rows if isinstance(rows, list) else None
    return AnswerForm(
        status,
        code,
        {path: frozenset(found) for path, found in kinds.items()},
        None if listed is None else len(listed),
        "" if listed is None else _order(listed),
        tells_limit,
    )


def kind_of(value: object) -> str:
    """The kind of a value, as ``number as text``, ``time as text``, ``JSON number`` or ``list``."""
    if isinstance(value, str):
        if not value:
            return "empty text"
        if _TIME.fullmatch(value):
            return "time as text"
        return "number as text" if _NUMBER.fullmatch(value) else "text"
    names = ((type(None), "nothing"), (bool, "yes or no"), (list, "list"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "JSON number")


def differences(name: str, received: AnswerForm, believed: AnswerForm) -> Iterator[str]:
    """Sentences on how an answer differs from what is believed.

    Parameters
    ----------
    name : str
        Of the question.
    received, believed : AnswerForm
        Of the exchange, and of the embedded one.
    """
    if received.code != believed.code:
        yield f"{name}: code {received.code or 'none'} was received, {believed.code or 'none'} is believed."
        return
    if received.status != believed.status:
        yield f"{name}: HTTP {received.status} was received, HTTP {believed.status} is believed."
    if received.order and believed.order and received.order != believed.order:
        yield f"{name}: rows are in the order {received.order}, believed is {believed.order}."
    if received.tells_limit != believed.tells_limit:
        what = "tells" if received.tells_limit else "does not tell"
        yield f"{name}: it {what} how many calls are left, which is not believed."
    yield from _field_differences(name, received, believed)


def candle_facts(data: object, *, end: int | None, now: int) -> dict[str, bool]:
    """What is true of a page of candles, by sentence; nothing where it holds fewer than two rows.

    Parameters
    ----------
    data : object
        Rows, oldest first.
    end : int or None
        The ``endTime`` that was asked for, ms.
    now : int
        The exchange's time, ms.
    """
    rows = data if isinstance(data, list) else []
    if len(rows) < 2 or not all(isinstance(row, list) and len(row) > 4 for row in rows):
        return {}
    opens = [found for row in rows if (found := _time_of(row)) is not None]
    if not opens:
        return {}
    pairs = [(later[1], earlier[4]) for earlier, later in pairwise(rows)]
    facts = {
        "no candle is missing between two others": all(b - a == CANDLE_MS for a, b in pairwise(opens)),
        "each candle opens where the one before closed": all(
            float_or_nan(a) == float_or_nan(b) for a, b in pairs
        ),
        "the newest candle is unfinished": opens[-1] + CANDLE_MS > now,
    }
    return (
        facts if end is None else {**facts, "the candle that opens at endTime is left out": opens[-1] < end}
    )


def fact_differences(name: str, received: Mapping[str, bool], believed: Mapping[str, bool]) -> Iterator[str]:
    """Sentences on facts that are true of one page only.

    Parameters
    ----------
    name : str
        Of the question.
    received, believed : mapping
        As ``candle_facts`` gives them.
    """
    for fact in received.keys() & believed.keys():
        if received[fact] != believed[fact]:
            found = "true" if received[fact] else "not true"
            yield f"{name}: it is {found} that {fact}, and the other is believed."


def _field_differences(name: str, received: AnswerForm, believed: AnswerForm) -> Iterator[str]:
    """Of fields below something that is there on both sides: an empty list has no fields to compare."""
    missing = [path for path in believed.fields if path not in received.fields and _has_place(path, received)]
    added = [path for path in received.fields if path not in believed.fields and _has_place(path, believed)]
    if missing:
        yield f"{name}: not there are {', '.join(sorted(missing))}."
    if added:
        yield f"{name}: there are besides {', '.join(sorted(added))}."
    for path in sorted(received.fields.keys() & believed.fields.keys()):
        odd = received.fields[path] - believed.fields[path] - NOTHING
        known = believed.fields[path] - NOTHING
        if known & NUMBERS:
            odd -= NUMBERS  # a time is a number, and -1 stands for none
        if odd and known:
            yield (f"{name}: {path or 'the whole'} is {_listed(odd)}, {_listed(known)} is believed.")


def _has_place(path: str, form: AnswerForm) -> bool:
    """Whether what would hold a field is there, and holds something."""
    if path.endswith("]"):
        return any(one.startswith(f"{path.rpartition('[')[0]}[") for one in form.fields)
    return "object" in form.fields.get(path.rpartition(".")[0], frozenset())


def _listed(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))


def _kinds(path: str, value: object) -> Iterator[tuple[str, str]]:
    yield path, kind_of(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _kinds(f"{path}.{name}" if path else str(name), inner)
    elif isinstance(value, list):
        flat = not any(isinstance(inner, dict | list) for inner in value)
        for at, inner in enumerate(value[:MOST_ROWS]):
            yield from _kinds(f"{path}[{at if flat else ''}]", inner)


def _order(rows: Sequence[object]) -> str:
    times = [found for row in rows if (found := _time_of(row)) is not None]
    if len(times) < 2 or len(set(times)) < 2:
        return ""
    if times == sorted(times):
        return "oldest first"
    return "newest first" if times == sorted(times, reverse=True) else "none"


def _time_of(row: object) -> int | None:
    """Open time of a candle, or the time of a row that has one."""
    if isinstance(row, list) and row:
        value: object = row[0]
    elif isinstance(row, dict):
        names = ("fundingTime", "cTime", "createdTime")
        value = next((row[name] for name in names if name in row), None)
    else:
        value = None
    return int(value) if isinstance(value, str) and _TIME.fullmatch(value) else None
