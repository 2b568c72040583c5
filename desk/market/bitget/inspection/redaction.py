"""Answers without what is the owner's: ids, amounts, names, and which other symbols are held.  Pure.

JSON comes in; JSON of the same form goes out.  Kept of private answers are field names, kinds of values, and
words that the exchange chose (``isolated``, ``one_way_mode``); of public ones everything, and of long lists
some rows.
"""

import re

from desk.market.bitget.inspection.shapes import kind_of

WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,23}|candle5m")
OWN = re.compile(r"(?i)(id|oid|uid|ip|ips|remark|name|address|label)$")
"""Names of fields whose text is somebody's own."""
SYMBOLS = frozenset({"symbol", "instId"})
OTHER_SYMBOL = "OTHERUSDT"
FEW_ROWS = 3
"""Rows that are kept of each end of a long list of an answer that everybody may see."""
PLAIN = {"time as text": "1700000000000", "number as text": "1", "text": "x"}


def redacted(value: object, symbol: str, name: str = "") -> object:
    """A private answer in which every amount, time and id is the same.

    Parameters
    ----------
    value : object
        As JSON was read.
    symbol : str
        That the record is of; it stays, others do not.
    name : str
        Of the field that holds ``value``.
    """
    if isinstance(value, dict):
        return {str(key): redacted(inner, symbol, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner, symbol, name) for inner in value]
    if isinstance(value, str) and value:
        return _redacted_text(value, symbol, name)
    if isinstance(value, int | float) and not isinstance(value, bool) and value:
        return 1.5 if isinstance(value, float) else 1
    return value


def _redacted_text(value: str, symbol: str, name: str) -> str:
    if name in SYMBOLS:
        return value if value in {symbol, "default"} else OTHER_SYMBOL
    kind, own = kind_of(value), OWN.search(name)
    if kind == "number as text" and not own:
        return _like(value)
    return value if kind == "text" and WORD.fullmatch(value) and not own else PLAIN[kind]


def shortened(value: object, symbol: str) -> object:
    """A public answer with the first and last rows of its list, and those of ``symbol``."""
    if not isinstance(value, list) or len(value) <= 2 * FEW_ROWS:
        return value
    ends = [*value[:FEW_ROWS], *value[-FEW_ROWS:]]
    own = [row for row in value if isinstance(row, dict) and row.get("symbol") == symbol and row not in ends]
    return [*value[:FEW_ROWS], *own, *value[-FEW_ROWS:]]


def _like(number: str) -> str:
    """A number of the same sign and form: whole or not, nothing or something."""
    sign = "-" if number.startswith("-") else ""
    if not number.strip("-0."):
        return number
    return f"{sign}1.5" if "." in number else f"{sign}1"
