"""What to do when the exchange says no, by its code.  Pure.

A code comes in; a ``Remedy`` goes out.  A code that is not listed means that the order is given up and noted:
an entry that was refused for an unknown reason is a trade less, an exit is tried in another way.

References
----------
``docs/bitget.md``, section 12.
"""

from typing import Final, Literal

Remedy = Literal["look_up", "nothing_there", "give_up", "bar_symbol", "wrong_side", "end"]
"""What a refusal asks for.

``look_up``: the id is taken, so an order may be there.  ``nothing_there``: there is nothing to close or to
cancel, which is what was wanted.  ``give_up``: this order cannot be had.  ``bar_symbol``: nothing more is
opened in the symbol.  ``wrong_side``: the price is beyond the trigger already.  ``end``: nothing can be
traded at all, the session ends.
"""

DUPLICATE: Final = ("40786", "45034", "43118")
NOTHING_THERE: Final = ("22001", "22002", "43025", "43020")
NOT_FOUND: Final = ("40109", "40768", "43001", "45057", "40819")
NO_MONEY: Final = ("40762", "43012", "40711", "40754", "40798", "45002")
SIZE_OR_PRICE: Final = (
    *("45110", "45111", "43006", "45112", "43007", "45113", "45115", "22038", "40808", "41103"),
    *("22006", "22007", "22008", "22009", "43008", "43009"),
)
NOT_TRADED: Final = ("40309", "40034", "40845", "22004", "45119", "22039", "45118")
SETTING_LOCKED: Final = ("40920", "45117", "45097", "40730")
WRONG_SIDE: Final = (
    *("40917", "45122", "40915"),
    *("40830", "40831", "40832", "40833", "40834", "40835", "40836"),
)
MODE: Final = ("40774", "45021", "43075")
ACCOUNT: Final = (
    *("40001", "40002", "40003", "40006", "40009", "40011", "40012", "40036", "40037"),
    *("40014", "40018", "40038", "40099", "40084", "40085"),
)

_REMEDIES: Final[dict[str, Remedy]] = {
    **dict.fromkeys(DUPLICATE, "look_up"),
    **dict.fromkeys((*NOTHING_THERE, *NOT_FOUND), "nothing_there"),
    **dict.fromkeys((*NO_MONEY, *SIZE_OR_PRICE), "give_up"),
    **dict.fromkeys((*NOT_TRADED, *SETTING_LOCKED), "bar_symbol"),
    **dict.fromkeys(WRONG_SIDE, "wrong_side"),
    **dict.fromkeys((*MODE, *ACCOUNT), "end"),
}


def remedy_for(code: str) -> Remedy:
    """What a refusal with ``code`` asks for; ``give_up`` where the code is not known."""
    return _REMEDIES.get(code, "give_up")
