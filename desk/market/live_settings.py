"""What live trading may be told about its lines to the exchange.

Place in the house: the market room's settings, as ``desk.market.settings`` are for fetching.  ``config.py``
gives the values; ``desk.market.bitget.account.account`` and ``desk.market.feed.stream`` read them.  Pure.

Not here: default values, and the API key (``desk.market.bitget.account.signing``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from desk.errors import SettingsError
from desk.market.settings import on_loopback

BEGIN_AGAIN_S = (1.0, 2.0, 5.0, 10.0, *(30.0,) * 40)
"""Pauses between attempts to begin with an exchange that does not answer: twenty minutes of maintenance."""
MOST_CHANNELS = 50
"""The exchange recommends fewer channels a connection than it allows, and drops crowded ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where the exchange is, and how long to wait for it."""

    base_url: str
    """REST address without a path: ``https://api.bitget.com``."""
    ws_url: str
    """Websocket address without a path: ``wss://ws.bitget.com``; of the demo, ``wss://wspap.bitget.com``."""
    demo: bool
    """Whether the key belongs to the demo account; it needs the demo's websocket address too."""
    timeout_s: float
    """Longest wait for one whole answer: 10."""
    attempts: int
    """How often a read is sent before it counts as unanswered: 4, each wait doubles from 0.5 s."""
    give_up_after_s: float
    """Longest time for one read with all its repetitions and throttling pauses: 30."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise SettingsError("link: " + "; ".join(problems))

    def _problems(self) -> Iterator[str]:
        for name, schemes in (("base_url", {"http", "https"}), ("ws_url", {"ws", "wss"})):
            address = getattr(self, name)
            if not _well_formed(address, schemes):
                yield f"{name} is {address!r}, must be like {min(schemes)}://HOST and end there"
            elif not on_loopback(address) and urlsplit(address).scheme not in {"https", "wss"}:
                yield f"{name} is {address!r}: a key is sent encrypted only ({max(schemes, key=len)}://)"
        if not 0 < self.timeout_s <= 60:
            yield f"timeout_s is {self.timeout_s}, must be above 0 and at most 60 seconds"
        if not 1 <= self.attempts <= 20:
            yield f"attempts is {self.attempts}, must be between 1 and 20"
        if not 0 < self.give_up_after_s <= 600:
            yield f"give_up_after_s is {self.give_up_after_s}, must be above 0 and at most 600 seconds"

    @property
    def paced(self) -> bool:
        """Whether the exchange's limits must be kept: everywhere but on this machine."""
        return not on_loopback(self.base_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """When a candle counts as closed, and a symbol as silent."""

    memory: int
    """Newest candles kept of each symbol."""
    per_connection: int
    """Symbols of one websocket connection, at most 50."""
    grace_s: float
    """Seconds after its end until a candle that no newer one has closed is asked for by REST: 3."""
    border_s: float
    """Seconds after its end from which nobody waits any longer for a candle: 10."""
    silent_after_s: float
    """Seconds without a word of a symbol until its silence is told: 420, more than one candle."""
    audit_s: float
    """Seconds between two symbols whose newest candles are compared with REST, in turn: 1; 0 is never."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise SettingsError("stream: " + "; ".join(problems))

    def _problems(self) -> Iterator[str]:
        if not 1 <= self.memory <= 900:
            yield f"memory is {self.memory}, must be between 1 and 900: what one request surely brings"
        if not 1 <= self.per_connection <= MOST_CHANNELS:
            yield f"per_connection is {self.per_connection}, must be between 1 and {MOST_CHANNELS}"
        if not 0.5 <= self.grace_s < self.border_s <= 240:
            yield (
                f"grace_s is {self.grace_s} and border_s {self.border_s}: they must be at least 0.5, "
                "in this order, and end before the next candle (240)"
            )
        if self.audit_s < 0:
            yield f"audit_s is {self.audit_s}, must not be negative"
        if self.silent_after_s < 300:
            yield f"silent_after_s is {self.silent_after_s}, must be at least 300, the length of a candle"


def _well_formed(address: str, schemes: set[str]) -> bool:
    try:
        url = urlsplit(address)
        right = url.scheme in schemes and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return right and url.path in {"", "/"} and not (url.query or url.fragment or url.username)
