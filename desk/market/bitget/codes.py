"""What Bitget means by its codes.  Pure.

A code of a refusal comes in, a ``Meaning`` of ``desk.errors`` goes out; whoever acts on a refusal, here or in
the trade room, acts on its meaning.  A code that is not listed means ``unknown``.

A code that speaks of one contract (``suspended``: maintenance, not yet open) refuses what was asked in that
contract and nothing else: no endpoint is paused for it.

Not here: codes that ask for a pause, or leave open what happened (``desk.market.bitget.wire``).

References
----------
``docs/bitget.md``, section 12.
"""

from typing import Final

from desk.errors import AccountError, Meaning, Refused

_CODES: Final[dict[Meaning, tuple[str, ...]]] = {
    "duplicate": ("40786", "45034", "43118", "25212", "25594"),
    "nothing_there": (
        *("22001", "22002", "43025", "43020", "45129"),
        *("25225", "25226", "25227", "25231", "25242", "25601", "31008", "31009"),
    ),
    "not_found": ("40109", "40768", "43001", "45057", "40819", "25204", "25596", "25597"),
    "no_margin": (
        *("40762", "43012", "40711", "40754", "40798", "45002"),
        *("25008", "25012", "95001", "25202", "25203", "25228", "25229", "25230", "25235"),
    ),
    "size_or_price": (
        *("45110", "45111", "43006", "45112", "43007", "45113", "45115", "22038", "40808", "41103"),
        *("22006", "22007", "22008", "22009", "43008", "43009"),
        *("25200", "25205", "25206", "25207", "25208", "25211", "25219", "25220", "25221", "25223", "25232"),
        *("25233", "25238", "25244", "25567", "25583", "25584", "25593", "25595", "25598", "25599", "25602"),
        *("25603", "25604", "25605", "25606", "25607", "25608", "25609", "25610", "25611", "25612"),
        *("25654", "25655", "400172"),
    ),
    "not_traded": (
        "40309",
        "40034",
        "40845",
        "22004",
        "45119",
        "22039",
        "45118",
        "25013",
        "25100",
        "25104",
        "25105",
    ),
    "suspended": (
        *("40308", "41114", "43115", "43119", "43120", "40844", "45043"),
        *("25101", "25102", "25103", "25108", "25209", "25210"),
    ),
    "setting_locked": (
        *("40920", "45117", "45097", "40730"),
        *("25009", "25010", "25107", "25270", "25570"),
    ),
    "setting_unchanged": ("40814", "45054", "25600"),
    "wrong_side": (
        *("40917", "45122", "40915"),
        *("40830", "40831", "40832", "40833", "40834", "40835", "40836"),
        *("25224", "25579", "25580", "25581", "25582", "25585", "25586", "25587", "25588"),
        *("25589", "25590", "25591", "25592", "25650", "25651", "25652"),
    ),
    "mode": ("40774", "45021", "43075", "25236", "25237"),
    "wrong_time": ("40005", "40008"),
    "account_kind": ("40084", "40085", "25245", "25006"),
}
"""25594 of ``duplicate``: a second stop for a whole position.  45129 of ``nothing_there``: the order was
cancelled a moment ago.  25006 of ``account_kind``: the account is being changed."""

PASSING: Final[frozenset[Meaning]] = frozenset({"suspended"})
"""Refusals of a read that are no answer: the same question is answered a little later."""

MALFORMED: Final = frozenset(
    {"40017", "40019", "40020", "400171", "400172", "40053", "00001", "40705", "40404", "30032"}
)
"""Codes of a request that is wrong in itself: the same question has the same answer."""

WRONG_KEY: Final = (
    "the key, its secret or its passphrase is wrong: check BITGET_API_KEY, _SECRET and _PASSPHRASE"
)
_WRONG_ADDRESS: Final = (
    "the key may not be used from this address: add this machine's address to it at Bitget"
)
_ACCOUNT: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("40001", "40002", "40003", "40006", "40009", "40011", "40012", "40036", "40037"), WRONG_KEY
    ),
    "40014": "the key lacks a permission: it needs futures trading (and no withdrawals)",
    **dict.fromkeys(("40018", "40038"), _WRONG_ADDRESS),
    "40099": (
        "the key belongs to the other environment: --mode demo needs a key that was made inside Bitget's "
        "demo trading, --mode live one that was not"
    ),
    "25620": "the key lacks a permission: it needs to read and to trade (and no withdrawals)",
    "25002": "the account does not support this: see its level and its state at Bitget",
    "25005": "the user may not trade: see the state of the account at Bitget",
    "25007": "the account may not trade: see its state at Bitget",
    "25240": (
        "the level of the account does not allow this margin mode: set margin_mode, or the level at Bitget"
    ),
}
"""Refusals that every other request would meet too, and what the user can do."""

_MEANINGS: Final[dict[str, Meaning]] = {
    **{code: meaning for meaning, codes in _CODES.items() for code in codes},
    **dict.fromkeys(_ACCOUNT, "account"),
}


def meaning_of(code: str) -> Meaning:
    """What a refusal with ``code`` means; ``unknown`` where the code is not listed."""
    return _MEANINGS.get(code, "unknown")


def refusal(message: str, *, endpoint: str, code: str) -> Refused:
    """The error of a refusal: an ``AccountError`` with advice where key or account can do nothing here.

    Parameters
    ----------
    message : str
        What the exchange wrote.
    endpoint : str
        Path without its query.
    code : str
    """
    if advice := _ACCOUNT.get(code):
        return AccountError(advice, endpoint=endpoint, code=code)
    return Refused(message, endpoint=endpoint, code=code, meaning=meaning_of(code))
