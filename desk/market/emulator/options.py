"""How the embedded exchange behaves, checked before anything listens.

Place in the house: the market, inside the emulator.  Made by ``__main__`` from the command line, by
``--demo`` and by tests; read by the server.  Pure.

Not here: which series are listed, see ``sources``.
"""

import ipaddress
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from desk.errors import SettingsError

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
    "hole": "candle rows missing from this one answer; the share is of rows, not of answers",
}
"""What can go wrong with an answer, by the name that ``--faults`` knows it by."""
ROW_FAULT: Final = "hole"
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
    faults: Mapping[str, float] = field(default_factory=dict)
    """Share of answers hit, by name of ``FAULTS``."""
    fault_seed: int = 0
    history_end: str = "exclusive"
    """One of ``HISTORY_ENDS``."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise SettingsError("embedded exchange: " + "; ".join(problems))

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
        if self.history_end not in HISTORY_ENDS:
            yield f"history_end is {self.history_end!r}, must be one of {', '.join(HISTORY_ENDS)}"
        yield from self._fault_problems()

    def _fault_problems(self) -> Iterator[str]:
        if unknown := sorted(set(self.faults) - set(FAULTS)):
            yield f"unknown fault {', '.join(unknown)}; known are {', '.join(FAULTS)}"
        for name, share in self.faults.items():
            if not 0 <= share <= 1:
                yield f"the share of {name} is {share}, must be between 0 and 1"
        if (total := sum(share for name, share in self.faults.items() if name != ROW_FAULT)) > 1:
            yield f"the shares of the faults add up to {total:g}, must be at most 1"


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


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
