"""Which symbols may be part of a file name, on any file system.

Place in the house: foundation.  A symbol comes in; what is wrong with it goes out.  Pure.

Files are named after symbols, so two symbols must never be one file: ``btcusdt`` and ``BTCUSDT`` are, where
the file system ignores case, and a name with the Kelvin sign (U+212A) and one with a K, where it normalises.
So only the one spelling is admitted into which all of them fold, and of names that the system keeps for
devices none.

Not here: whether the exchange lists the symbol.
"""

import re
import unicodedata
from typing import Final

SYMBOL: Final = r"\w[\w.-]{0,59}"
"""Pattern; letters of any script, as some contracts have Chinese names."""
MOST_BYTES: Final = 150
"""Of the name in UTF-8: with what is put around it, a file name stays below 255."""
_RESERVED: Final = re.compile(r"(?:CON|PRN|AUX|NUL|(?:COM|LPT)\d)(?:\..*)?", re.IGNORECASE)
"""Names of devices on Windows, whatever stands behind the first dot; superscript digits are folded first."""


def symbol_fault(symbol: str) -> str:
    """What keeps ``symbol`` from being part of a file name; empty if nothing does."""
    if not re.fullmatch(SYMBOL, symbol) or ".." in symbol:
        return "letters and digits only"
    if len(symbol.encode()) > MOST_BYTES:
        return f"at most {MOST_BYTES} bytes"
    if _RESERVED.fullmatch(folded := _folded(symbol)):
        return "it is the name of a device on some systems"
    if folded != symbol:
        return f"some file systems do not tell it from {folded!a}"
    return ""


def _folded(symbol: str) -> str:
    """The one spelling of all those that some file system takes for the same name."""
    plain = unicodedata.normalize("NFKC", symbol)
    return unicodedata.normalize("NFKC", plain.casefold().upper())
