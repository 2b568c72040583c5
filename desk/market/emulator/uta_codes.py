"""Codes of the API v3 for what the matching core and the shared parsers refuse with codes of the API v2.

Place in the house: the market, inside the emulator.  A code of v2 comes in, one of v3 and its message go out,
to ``uta_private``.  Pure.

References
----------
``docs/bitget.md``, section U11.
"""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "22001": ("25204", "Order does not exist"),
    "22002": ("25227", "No position available to close"),
    "40017": ("25200", "Parameter validation error"),
    "40019": ("25200", "Parameter validation error"),
    "40034": ("25100", "Trading pair does not exist"),
    "40053": ("25200", "limit validation error"),
    "40109": ("25204", "Order does not exist"),
    "40308": ("25102", "Trading pair temporarily closed for maintenance"),
    "40309": ("25104", "Contract delisted"),
    "40762": ("25202", "Insufficient balance"),
    "40797": ("25223", "Exceeds Max. leverage"),
    "40808": ("25610", "Order amount does not meet precision requirements"),
    "43025": ("25597", "Strategy does not exist or has already been stopped"),
    "45002": ("25228", "Unable to update leverage for this position, insufficient margin!"),
    "45097": ("25570", "There are pending orders"),
    "45111": ("25207", "Trading quantity cannot be less than the minimum"),
    "45112": ("25208", "Trading quantity cannot exceed the maximum"),
    "45117": ("25107", "There is currently a position, please close the position"),
    "45119": ("25105", "This contract does not support opening positions"),
}
"""By code of v2.  Codes that are not here are the same in v3: 400172, 40020, 45110, 45115."""


def code_of_v3(code: str, message: str) -> tuple[str, str]:
    """Code and message of v3 for a refusal with the code and message of v2."""
    return CODES.get(code, (code, message))
