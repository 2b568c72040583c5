"""Settings of the market: which exchange, which symbols, how much history, how fast, where it is kept.

Place in the house: between ``config.py``, which has the values, and ``desk.market``.  Values come in,
narrowed by the arguments of the doors; checked settings go out.  Pure.

Not here: default values.  What a user may tune stands in ``config.py`` alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from desk.addresses import address_problem, on_loopback, proxy_problem
from desk.settings import check_settings, outside, outside_above

SAFE_REQUESTS_PER_SECOND = 19
"""The exchange counts 20 per second and endpoint; one is left for the jitter of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Everything that phase 1 depends on besides the exchange's answers."""

    base_url: str
    """REST address without a path: ``https://api.bitget.com``."""
    plain_http: bool
    """Whether ``base_url`` may be an ``http://`` address beyond this machine: whoever is on the way can then
    change every candle."""
    proxy: str = field(repr=False)
    """``http://HOST:PORT``, with ``USER:PASSWORD@`` where it needs them; "" is none.  Of websockets, too."""
    largest_body_mib: int
    """Largest body of a response, unpacked, in MiB: 16.  The list of all contracts has 0.6."""
    cache_dir: Path
    """Folder of the candle caches and of ``contracts.json``."""
    days: int
    """Length of the history: days × 288 candles, ending with the newest finished one."""
    symbols: tuple[str, ...]
    """Fetch only these, in this order; empty: every active perpetual."""
    top: int | None
    """Only so many symbols, those with the largest 24 h turnover; None: all.  Not with ``symbols``."""
    include_rwa: bool
    """Also contracts on stocks, metals and currencies (``isRwa=YES``)."""
    funding: bool
    """Also the settled funding rates, beside the candles, at a pace of their own."""
    requests_per_second: float
    """Pace per endpoint: 18.  0 means no pacing, which only a loopback address may be given."""
    max_concurrent_requests: int
    """Most requests in flight at once, over all endpoints: 20.  Fewer are where answers come quickly."""
    timeout_s: float
    """Longest wait for one whole answer, in seconds: 15."""
    attempts: int
    """How often a read is sent before it counts as unanswered: 15.  Each wait doubles, from 0.5 s to 30 s."""
    give_up_after_s: float
    """Longest time for one read with all its repetitions and throttling pauses: 900."""
    throttle_pause_s: float
    """First pause of an endpoint after HTTP 429, at least 3; it doubles while 429s go on, up to 60 s."""
    use_cache: bool
    """False: cached candles are ignored and fetched again."""
    offline: bool
    """True: cached candles and contract data only, no network at all."""

    def __post_init__(self) -> None:
        check_settings("fetch", self, self._problems())

    def _problems(self) -> Iterator[str]:
        yield from self._address_problems()
        yield from self._selection_problems()
        yield from outside(self, "max_concurrent_requests", 1, 100)
        yield from outside_above(self, "timeout_s", 0, 300, unit="seconds")
        yield from outside(self, "attempts", 1, 100)
        yield from outside_above(self, "give_up_after_s", 0, 86_400, unit="seconds")
        yield from outside(self, "throttle_pause_s", 3, 60, unit="seconds")
        if self.offline and not self.use_cache:
            yield "offline needs the cache, and use_cache is off: give --offline or --refresh, not both"

    def _address_problems(self) -> Iterator[str]:
        if problem := address_problem(
            "base_url",
            self.base_url,
            ("https", "http"),
            plain=self.plain_http,
            switch="plain_http in config.py",
        ):
            yield problem
            return
        if problem := proxy_problem("proxy", self.proxy):
            yield problem
        yield from outside(self, "largest_body_mib", 1, 1_024, unit="MiB")
        if self.requests_per_second < 0 or not self.requests_per_second < float("inf"):
            yield f"requests_per_second is {self.requests_per_second}, must be positive"
        elif not self.on_loopback and not 0 < self.requests_per_second <= SAFE_REQUESTS_PER_SECOND:
            yield (
                f"requests_per_second is {self.requests_per_second:g}, must be above 0 and at most "
                f"{SAFE_REQUESTS_PER_SECOND}: the exchange answers 429 beyond 20"
            )

    def _selection_problems(self) -> Iterator[str]:
        yield from outside(self, "days", 1, 3_650)
        if self.top is not None and self.top < 1:
            yield f"top is {self.top}, must be at least 1"
        if self.top is not None and self.symbols:
            yield "top and symbols exclude each other: give one of them"
        if twice := sorted({symbol for symbol in self.symbols if self.symbols.count(symbol) > 1}):
            yield f"symbols names {', '.join(twice)} twice"
        if "" in self.symbols:
            yield "symbols holds an empty name"

    @property
    def on_loopback(self) -> bool:
        """Whether the address is on this machine, as the embedded exchange is."""
        return on_loopback(self.base_url)

    @property
    def source(self) -> str:
        """Name of the market that the candles are of; one cache folder has those of one source.

        Every embedded exchange is ``loopback``, whatever its port.
        """
        return "loopback" if self.on_loopback else (urlsplit(self.base_url).hostname or "")


MOST_CHANNELS = 50
"""The exchange recommends fewer channels a connection than it allows, and drops crowded ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where the exchange is, and how long to wait for it."""

    base_url: str
    """REST address without a path: ``https://api.bitget.com``."""
    proxy: str = field(repr=False)
    """As that of ``FetchSettings``."""
    largest_body_mib: int
    """As that of ``FetchSettings``."""
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
        check_settings("link", self, self._problems())

    def _problems(self) -> Iterator[str]:
        for name, schemes in (("base_url", ("https", "http")), ("ws_url", ("wss", "ws"))):
            if problem := address_problem(name, getattr(self, name), schemes):
                yield problem
        if problem := proxy_problem("proxy", self.proxy):
            yield problem
        yield from outside(self, "largest_body_mib", 1, 1_024, unit="MiB")
        yield from outside_above(self, "timeout_s", 0, 60, unit="seconds")
        yield from outside(self, "attempts", 1, 20)
        yield from outside_above(self, "give_up_after_s", 0, 600, unit="seconds")

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
    rest_delay_s: float
    """Seconds after its end until a candle that no newer one has closed is requested from REST: 3."""
    deadline_s: float
    """Seconds after its end from which a candle is not waited for any longer: 10."""
    silent_after_s: float
    """Seconds without an update of a symbol until its silence is reported: 420, more than one candle."""
    audit_s: float
    """Seconds between two symbols whose newest candles are compared with REST, in turn: 1; 0 is never."""

    def __post_init__(self) -> None:
        check_settings("stream", self, self._problems())

    def _problems(self) -> Iterator[str]:
        yield from outside(self, "memory", 1, 900, unit="candles, which one request surely brings")
        yield from outside(self, "per_connection", 1, MOST_CHANNELS)
        if not 0.5 <= self.rest_delay_s < self.deadline_s <= 240:
            yield (
                f"rest_delay_s is {self.rest_delay_s}, deadline_s is {self.deadline_s}: both must be "
                "at least 0.5, in this order, and end before the next candle (240)"
            )
        if self.audit_s < 0:
            yield f"audit_s is {self.audit_s}, must not be negative"
        if self.silent_after_s < 300:
            yield f"silent_after_s is {self.silent_after_s}, must be at least 300, the length of a candle"
