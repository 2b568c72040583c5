r"""Text from outside, made fit to be shown: nothing in it can command a terminal, or pass for another line.

Place in the house: foundation.  Messages of the exchange, names, and contents of files come in; one line of
bounded length goes out, with the same meaning to a reader.  It stands between everything that is read and
the terminal, the log, the journal, notifications and pages.

What is escaped, as Python writes it (``\x1b``, ``\u202e``): control characters and with them ANSI and OSC
sequences, line breaks of every kind, marks that turn the direction of writing, characters that are invisible
or stand for nothing, lone surrogates.  Letters of all scripts stay as they are.  Text that is safe comes back
unchanged, so that a text may pass here more than once.

Not here: secrets (``desk.market.bitget.account.secrecy``), markup of a table (``desk.reports.console``).
"""

import reprlib
from itertools import accumulate, takewhile
from typing import Final

LONGEST: Final = 300
"""Characters of a text that is shown, unless its reader needs more."""
LONGEST_NAME: Final = 64
"""Characters of a symbol, an id or a status: the longest that exist have about 40."""
CUT: Final = "…"


def safe_text(text: str, most: int = LONGEST) -> str:
    """Escape and cut ``text`` to one line of at most ``most`` characters.

    Parameters
    ----------
    text : str
        Anything, of any length.
    most : int
        Characters of the result; a text that is cut ends in ``…``.
    """
    if len(text) <= most and text.isprintable():
        return text
    parts = [character if character.isprintable() else _escaped(character) for character in text[: most + 1]]
    if len(parts) <= most and sum(map(len, parts)) <= most:
        return "".join(parts)
    room = takewhile(lambda end: end < most, accumulate(map(len, parts)))
    return "".join(parts[: sum(1 for _ in room)]) + CUT


def safe_lines(text: str, most: int = 100 * LONGEST) -> str:
    r"""As ``safe_text``, for text of our own on several lines: its ``\n`` stay.

    Parameters
    ----------
    text : str
        Whose lines were put together here; whatever is quoted in them has passed ``safe_text``.
    most : int
        Characters of the result.
    """
    if len(text) <= most and text.isprintable():
        return text
    return "\n".join(safe_text(line, most) for line in text[:most].split("\n"))


def brief(value: object, most: int = 60) -> str:
    """Show a value that should have been something else, in at most ``most`` characters.

    Parameters
    ----------
    value : object
        As JSON was read; of something large only the beginning is looked at.
    most : int
        Characters of the result.
    """
    shown = reprlib.Repr()
    shown.maxlevel, shown.maxstring, shown.maxother, shown.maxlong = 3, most, most, most
    return safe_text(shown.repr(value), most)


def is_name(value: object) -> bool:
    """Whether ``value`` can be a symbol, an id or a status: a short text that is safe as it stands."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
