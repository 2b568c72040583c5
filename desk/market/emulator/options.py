"""Options of the embedded exchange, checked before it listens.

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
from desk.market.emulator.uta_options import UnifiedOptions
from desk.market.matching.values import HISTORY_MS
from desk.settings import check_settings
from desk.values import Candles

FAULTS: Final = {
    "429": "HTTP 429 although no limit was exceeded",
    "500": "an internal error",
    "reset": "the connection is closed without an answer",
    "hang": "never answered",
    "truncate": "the body is cut off: by turns the connection breaks, or a shorter body is whole HTTP",
    "html": "a gateway's web page, HTTP 502",
    "nonjson": "HTTP 200 and plain text",
    "empty": 'success, and an empty text as data: {"data": ""}',
    "duplicate": "candle rows doubled and out of order",
    "older": "candle rows older than the page asked for come first",
    "short": "a page of candles holds only the newest half of its rows",
    "lag": "a page of candles is empty, though there are such candles",
    "bad_row": "one row of a page of candles has its high below its low",
    "null": "one number of one row of a page of candles is null or an empty text",
    "maintain": "code 40200, by turns with HTTP 400 and 200",
    "brotli": "the body is compressed with brotli, where the client offered to read it",
    "brotli_forced": "the body is compressed with brotli, whatever the client offered",
    "hole": "candle rows missing from this one answer; the share is of rows, not of answers",
    "lost": "a private request is carried out, and the connection is closed without an answer",
    "unknown": "a private request is carried out, and answered with a code that is in no table",
    "push_twice": "a push on a socket is sent twice",
    "push_late": "a push is sent after the three that follow it",
    "push_lost": "a push is never sent",
    "disconnect": "the socket is closed instead of a push; these four are shares of pushes",
}
"""Faults of answers and pushes, by their name in ``--faults``.

A business code of the exchange, such as 40309, is a name as well: the request is refused with it, by turns
with HTTP 400 and 200.
"""
ROW_FAULT: Final = "hole"
PUSH_FAULTS: Final = ("push_twice", "push_late", "push_lost", "disconnect")
HISTORY_ENDS: Final = ("exclusive", "inclusive", "unfloored")
"""Readings of ``endTime`` in ``history-candles``: exclusive and floored to the grid (the default);
inclusive and floored; exclusive without flooring, so that a millisecond past an open time includes that
candle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """Options of the embedded exchange; its series are passed beside them."""

    host: str = "127.0.0.1"
    """A loopback address: the exchange trusts every client, so no other machine may reach it."""
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
    """Whether an address that exceeded the minute limit is refused every request for five minutes."""
    latency_ms: float = 0.0
    """Wait before every answer, ms."""
    push_every_s: float = 1.0
    """Seconds of the clock between two pushes of a channel; a quarter of a candle where that is less."""
    faults: Mapping[str, float] = field(default_factory=dict)
    """Share of answers hit, by name of ``FAULTS``."""
    fault_seed: int = 0
    delist: Mapping[str, int] = field(default_factory=dict)
    """Symbols that are delisted (40309) while the exchange runs, and after how many answers about them."""
    history_end: str = "exclusive"
    """One of ``HISTORY_ENDS``."""
    spread_bps: float = 0.0
    """Distance of bid and ask over the last price, in basis points; one tick where that is more."""
    spreads_bps: Mapping[str, float] = field(default_factory=dict)
    """Likewise by symbol, in place of ``spread_bps``."""
    ticks: Mapping[str, Decimal] = field(default_factory=dict)
    """Ticks of contracts by symbol, USDT; of others the smallest difference between two prices."""
    mark_lag: int = 0
    """Candles by which the last price follows the mark price; the mark then is the series' own future."""
    marks: Mapping[str, Candles] = field(default_factory=dict)
    """Candles of the mark price by symbol, in place of ``mark_lag``; they must open when the series do."""
    balance: Decimal = Decimal(10_000)
    """USDT in the account at the start."""
    history_ms: int = HISTORY_MS
    """How long ended orders can be queried at least, ms of market time."""
    keys: Keys = field(default_factory=Keys)
    """API key of the account, and the kind of account."""
    unified: UnifiedOptions = field(default_factory=UnifiedOptions)
    """How the account behaves where it is a unified one."""

    def __post_init__(self) -> None:
        check_settings("embedded exchange", self, self._problems())

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
            ("mark_lag", self.mark_lag),
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
        yield from self._book_problems()
        yield from self._fault_problems()

    def _book_problems(self) -> Iterator[str]:
        spreads = {"spread_bps": self.spread_bps}
        spreads |= {f"spread_bps of {name}": bps for name, bps in self.spreads_bps.items()}
        for name, bps in spreads.items():
            if not 0 <= bps < 10_000:
                yield f"{name} is {bps}, must be basis points from 0 to below 10000"
        for name, tick in self.ticks.items():
            if not (tick.is_finite() and tick > 0):
                yield f"the tick of {name} is {tick}, must be more than 0"

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
    """Whether ``name`` looks like a business code of the exchange: five or six digits."""
    return name.isascii() and name.isdigit() and len(name) in {5, 6}


def read_faults(text: str) -> dict[str, float]:
    """Read ``429=0.02,hole=0.001`` as the ``faults`` of the options.

    Raises
    ------
    SettingsError
        If a part is not NAME=SHARE; the options check the names.
    """
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = part.partition("=")
        try:
            faults[name.strip()] = float(share)
        except ValueError:
            raise SettingsError(
                f"--faults: {part!r} is not NAME=SHARE such as 429=0.02; NAME is one of {', '.join(FAULTS)}"
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
            raise SettingsError(f"--{option}: {part!r} is not NAME=N such as BTCUSDT=10")
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
