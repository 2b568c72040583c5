"""What every private websocket of Bitget says: frames, logins, errors.

Place in the house: texts come in from ``desk.market.bitget.account.stream`` by the ``messages`` of either
kind of account, which know what rows mean.  Pure.

Pushes may be late, come twice or in any order, and grow fields over time.  A text or a row that cannot be
read is ``UnreadableMessage`` and never a reason to stop listening: what it reported can be asked for.

References
----------
``docs/bitget.md``, sections 11 and U10.
"""

from collections.abc import Callable
from dataclasses import dataclass

from desk.market.bitget.account.fields import NO_ROW, Row, shown
from desk.orders import AccountUpdate
from desk.reading import read_json
from desk.safe_text import LONGEST, safe_text

BAD_KEY = frozenset({"30005", "30011", "30012", "30015"})
"""Login refused because of the key: it will be refused again."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The key was let in."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A channel is open."""

    channel: str


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """The exchange complains."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PositionsChanged:
    """Something about positions is new; the frame doesn't tell stops, so the positions must be asked for."""


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that nobody here understands."""

    why: str


Received = LoggedIn | Subscribed | ErrorMessage | PositionsChanged | UnreadableMessage | AccountUpdate


@dataclass(frozen=True, slots=True)
class PushedRows:
    """Rows of a channel."""

    channel: str
    rows: tuple[object, ...]


def frame_of(text: str, *, named: str) -> PushedRows | Received:
    """Read the frame of one text; ``named`` is the field that names a channel: ``channel`` or ``topic``."""
    try:
        frame = read_json(text)
    except ValueError:
        frame = None
    if not isinstance(frame, dict):
        return UnreadableMessage("it is no frame")
    if frame.get("event"):
        return _event(shown(frame, "event"), frame, named)
    arg, rows = frame.get("arg"), frame.get("data")
    if not isinstance(arg, dict) or not isinstance(rows, list):
        return UnreadableMessage("it has no channel or no data")
    return PushedRows(shown(arg, named), tuple(rows))


def tried(read: Callable[[Row], AccountUpdate | None], row: object) -> Received | None:
    """Read one row; a row that cannot be read is said to be so."""
    if not isinstance(row, dict):
        return UnreadableMessage("a row is no row")
    try:
        return read(row)
    except NO_ROW as exc:
        return UnreadableMessage(safe_text(f"a row cannot be read: {type(exc).__name__} {exc}"))


def _event(event: str, frame: Row, named: str) -> Received:
    code = shown(frame, "code") if frame.get("code") else "0"
    if event == "login" and code == "0":
        return LoggedIn()
    if event == "subscribe":
        arg = frame.get("arg")
        return Subscribed(shown(arg, named) if isinstance(arg, dict) else "")
    if event in {"login", "error"}:
        return ErrorMessage(code, shown(frame, "msg", LONGEST))
    return UnreadableMessage(f"its event is {event:.40}")
