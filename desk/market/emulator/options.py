"""How the embedded exchange behaves, checked before anything listens.

Place in the house: the market, inside the emulator.  Made by ``__main__`` from the command line, by
``--demo`` and by tests; read by the server.  Pure.

Not here: which series are listed, see ``sources``.
"""

import ipaddress
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from desk.errors import SettingsError
from desk.market.emulator.keys import Keys
from desk.market.matching.values import HISTORY_MS
from desk.settings import check_settings

FAULTS: Final = {
    "429": "too many requests, though there were not",
    "500": "an internal error",
    "reset": "the connection is closed without an answer",
    "hang": "never answered",
    "truncate": "the body is cut off: by turns the connection breaks, or a shorter body is whole HTTP",
    "html": "a gateway's web page, HTTP 502",
    "nonjson": "HTTP 200 and plain text",
    "empty": 'success, and an empty text as data: {"data": ""}',
    "duplicate": "candle rows doubled and out of order",
    "older": "candle rows older than the page asked for come first",
    "maintain": "code 40200, by turns with HTTP 400 and 200",
    "brotli": "the body is compressed with brotli, where the client offered to read it",
    "hole": "candle rows missing from this one answer; the share is of rows, not of answers",
    "lost": "a private request is carried out, and the connection is closed without an answer",
    "push_twice": "a push on a socket is sent twice",
    "push_late": "a push is sent after the three that follow it",
    "push_lost": "a push is never sent",
    "disconnect": "the socket is closed instead of a push; these four are shares of pushes",
}
"""What can go wrong with an answer, by the name that ``--faults`` knows it by.

A business code of the exchange, such as 40309, is a name as well: the request is refused with it, by turns
with HTTP 400 and 200.
"""
ROW_FAULT: Final = "hole"
PUSH_FAULTS: Final = ("push_twice", "push_late", "push_lost", "disconnect")
HISTORY_ENDS: Final = ("exclusive", "inclusive", "unfloored")
"""Readings of ``endTime`` in ``history-candles``: exclusive and floored to the grid (the default);
inclusive and floored; exclusive as it stands, so that a millisecond past an open time includes that
candle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """Everything that the embedded exchange can be told besides its series."""

    host: str = "127.0.0.1"
    """A loopback address: the exchange trusts everybody, so nobody else may reach it."""
    port: int = 0
    """0 takes any free one."""
    now_ms: int | None = None
    """Server time at the start; without it the newest open time of all series + 5 minutes."""
    speed: float = 0.0
    """Market seconds per second of the clock; at 0 the server time stands."""
    rate_limit: int = 20
    """Requests per second, endpoint and address; 0 switches both limits off."""
    minute_limit: int = 6000
    """Requests per minute and address over all endpoints; 0 switches this limit off."""
    penalty: bool = False
    """Whether an address that met the minute limit is refused everything for five minutes."""
    latency_ms: float = 0.0
    """Waited before every answer."""
    push_every_s: float = 1.0
    """Seconds of the clock between two pushes of a channel; less, where a quarter of a candle is less."""
    faults: Mapping[str, float] = field(default_factory=dict)
    """Share of answers hit, by name of ``FAULTS``."""
    fault_seed: int = 0
    delist: Mapping[str, int] = field(default_factory=dict)
    """Symbols that leave the exchange in the middle: after so many answers about one, it is gone (40309)."""
    history_end: str = "exclusive"
    """One of ``HISTORY_ENDS``."""
    balance: Decimal = Decimal(10_000)
    """USDT on the account at the start."""
    history_ms: int = HISTORY_MS
    """How long ended orders can be asked for at least, ms of market time."""
    keys: Keys = field(default_factory=Keys)
    """What private requests must be signed with, and what kind of account they belong to."""

    def __post_init__(self) -> None:
        check_settings("embedded exchange", self._problems())

    def _problems(self) -> Iterator[str]:
        if not _is_loopback(self.host):
            yield f"host is {self.host}, must be a loopback address such as 127.0.0.1"
        if not 0 <= self.port <= 65_535:
            yield f"port is {self.port}, must be between 0 and 65535"
        if self.now_ms is not None and self.now_ms <= 0:
            yield f"now is {self.now_ms}, must be milliseconds since 1970-01-01 UTC"
        for name, value in (
            ("speed", self.speed),
            ("rate_limit", self.rate_limit),
            ("minute_limit", self.minute_limit),
            ("latency_ms", self.latency_ms),
            ("fault_seed", self.fault_seed),
        ):
            if not (math.isfinite(value) and value >= 0):
                yield f"{name} is {value}, must be 0 or more"
        if not (math.isfinite(self.push_every_s) and self.push_every_s > 0):
            yield f"push_every_s is {self.push_every_s}, must be more than 0"
        if not (self.balance.is_finite() and self.balance > 0):
            yield f"balance is {self.balance}, must be more than 0"
        if self.history_ms <= 0:
            yield f"history_ms is {self.history_ms}, must be above 0 (86400000 means a day)"
        if self.history_end not in HISTORY_ENDS:
            yield f"history_end is {self.history_end!r}, must be one of {', '.join(HISTORY_ENDS)}"
        yield from self._fault_problems()

    def _fault_problems(self) -> Iterator[str]:
        if unknown := sorted(name for name in self.faults if name not in FAULTS and not is_code(name)):
            yield f"unknown fault {', '.join(unknown)}; known are {', '.join(FAULTS)} and codes such as 40309"
        if wrong := sorted(name for name, answers in self.delist.items() if answers < 0):
            yield f"delist must name 0 answers or more, for {', '.join(wrong)}"
        for name, share in self.faults.items():
            if not 0 <= share <= 1:
                yield f"the share of {name} is {share}, must be between 0 and 1"
        for of_pushes in (False, True):
            shares = (
                share
                for name, share in self.faults.items()
                if name != ROW_FAULT and (name in PUSH_FAULTS) == of_pushes
            )
            if (total := sum(shares)) > 1:
                yield f"the shares of the faults add up to {total:g}, must be at most 1"


def is_code(name: str) -> bool:
    """Whether ``name`` is spelt like a business code of the exchange: five or six digits."""
    return name.isascii() and name.isdigit() and len(name) in {5, 6}


def read_faults(text: str) -> dict[str, float]:
    """Read ``429=0.02,hole=0.001`` as the ``faults`` of the options.

    Raises
    ------
    SettingsError
        If a part is not NAME=SHARE; which names there are is checked by the options.
    """
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = part.partition("=")
        try:
            faults[name.strip()] = float(share)
        except ValueError:
            raise SettingsError(
                f"faults: {part!r} is not NAME=SHARE such as 429=0.02; names are {', '.join(FAULTS)}"
            ) from None
    return faults


def read_by_symbol(text: str, *, option: str) -> dict[str, int]:
    """Read ``AUSDT=10,BUSDT=3``: a whole number by symbol.

    Raises
    ------
    SettingsError
        If a part is not NAME=N; the message names ``option``.
    """
    numbers: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        if not name or not (number.isascii() and number.isdigit()):
            raise SettingsError(f"{option}: {part!r} is not NAME=N such as BTCUSDT=10")
        numbers[name] = int(number)
    return numbers


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
