"""What an order is called.  Pure.

The client order id is a function of what the order is for, and of nothing else: a process that died between
sending an order and writing down the answer makes the same id again and finds the order by it.  Classic
accounts refuse an id that they have seen; unified ones only while its order rests, so that an order is looked
up, more than once, before anything is sent again.
"""

import hashlib
from typing import Final

from desk.orders import Purpose
from desk.values import CANDLE_MS

PREFIX: Final = "lgb"
"""Of every order of this program."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def client_id(symbol: str, open_time: int, purpose: Purpose, epoch: int) -> str:
    """The id of an order, at most 32 of letters, digits and ``-``.

    Parameters
    ----------
    symbol : str
        Of any script: its digest is part of the id.
    open_time : int
        Of the candle whose close caused the position, ms: also of the orders that end it.
    purpose : Purpose
    epoch : int
        Number of the attempt: raised only when it is known what became of the one before.

    Examples
    --------
    >>> client_id("BTCUSDT", 1762430100000, "open", 0)
    'lgb-o-3hwzz-0-19aa16aed07f'
    """
    digest = hashlib.sha256(symbol.encode()).hexdigest()[:12]
    return f"{PREFIX}-{purpose[0]}-{_base36(open_time // CANDLE_MS)}-{_base36(epoch)}-{digest}"


def is_ours(name: str) -> bool:
    """Whether an order with this client id is this program's."""
    return name.startswith(f"{PREFIX}-")


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"
