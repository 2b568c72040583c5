"""Bitget's public market data over HTTP.

Place in the house: the public client.  ``data_fetcher`` and ``desk.market.history.download`` ask; requests
leave through ``desk.market.bitget.transport``; responses are read by ``desk.market.bitget.wire`` and come
back as values.

Retry: reads only, and all of these are reads.  ``Unanswered`` (no connection, no answer in time, no usable
body) is repeated up to ``attempts`` times, each wait twice the last, from 0.5 s to 30 s.  ``Throttled`` (429,
maintenance) pauses its endpoint and is repeated until ``give_up_after_s``, which bounds the whole.
``Refused`` is never repeated, but for two kinds that count as no answer and pause nothing: one that says that
a contract is suspended for now, and, ``UNKNOWN_ATTEMPTS`` times, one whose code nobody knows.

Who answers is reachable: a run ends (``Unreachable``) where nothing of use arrives from the address, and not
where one request is answered with data of another form (``Unreadable``).

Not here: what is asked for and why (``desk.market.history.paging``); anything signed
(``desk.market.bitget.account.rest``).

References
----------
``docs/bitget.md``, section 4 (market data).
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar

from desk.errors import DeskError, FetchEnds, Refused, Throttled, Unanswered, Unreadable
from desk.market.bitget import wire
from desk.market.bitget.codes import MALFORMED, PASSING
from desk.market.bitget.throttle import Throttle
from desk.market.bitget.transport import DEMO, MIB, Reader, RestTransport
from desk.market.history.candles import RawRows
from desk.market.history.contracts import ContractTable, TickerTable
from desk.market.history.funding import FUNDING_ROWS, FundingRates
from desk.market.history.paging import Page
from desk.market.settings import FetchSettings
from desk.ports import Clock
from desk.retry import Backoff, Retry, RetryPolicy

PRODUCT_TYPE = "USDT-FUTURES"
TIME = "/api/v2/public/time"
CONTRACTS = "/api/v2/mix/market/contracts"
TICKER = "/api/v2/mix/market/ticker"
TICKERS = "/api/v2/mix/market/tickers"
BOOK = "/api/v2/mix/market/merge-depth"
FUNDING = "/api/v2/mix/market/history-fund-rate"
BACKOFF = Backoff(0.5, 30.0)
FIRST_ATTEMPTS = 4
"""Attempts to reach the exchange at all, before a run begins: some four seconds."""
UNKNOWN_ATTEMPTS = 4
"""Refusals by a code that nobody knows before they are believed: a glitch passes, and a symbol that is
refused for good must not cost minutes."""

Answer = TypeVar("Answer")


class Unreachable(FetchEnds):
    """Nobody answers at the address, or nobody who answers as the exchange does."""


class BitgetPublic:
    """Public market data of one address; use as ``async with BitgetPublic(...) as market``.

    Parameters
    ----------
    settings : FetchSettings
        Address, pace, timeout and retry.
    clock : Clock
        Measures and waits.
    demo : bool
        Asks for the demo's market instead of the real one, under the same address.

    Attributes
    ----------
    sent, sent_to : Counter
        Requests by symbol ("" for those without one), and by endpoint.
    throttled : int
        Responses that asked for a pause.
    unanswered : int
        Requests without a usable response.
    """

    def __init__(self, settings: FetchSettings, *, clock: Clock, demo: bool = False) -> None:
        self._settings = settings
        self._clock = clock
        throttle = Throttle(
            per_second=settings.requests_per_second,
            in_flight=settings.max_concurrent_requests,
            pause_s=settings.throttle_pause_s,
            clock=clock,
        )
        self._transport = RestTransport(
            settings.base_url,
            throttle=throttle,
            timeout_s=settings.timeout_s,
            headers=DEMO if demo else {},
            proxy=settings.proxy,
            largest_body=settings.largest_body_mib * MIB,
        )
        self._last_answer = float("-inf")
        """When a request was last answered, with data, a refusal or a pause (monotonic, s)."""
        self._last_response = float("-inf")
        """When anything was last received, a gateway's web page included (monotonic, s)."""
        self.sent: Counter[str] = Counter()
        self.sent_to: Counter[str] = Counter()
        self.throttled = 0
        self.unanswered = 0

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @property
    def proxy(self) -> str:
        """The proxy of the settings, "" without one; the websockets of the same market use it too."""
        return self._settings.proxy

    async def server_time(self) -> int:
        """The exchange's clock, in ms; the first request of a run, so that a wrong address shows at once."""
        return await self._read(TIME, {}, wire.read_server_time, attempts=FIRST_ATTEMPTS)

    async def contracts(self) -> ContractTable:
        """Every USDT-margined contract, active or not."""
        return await self._read(CONTRACTS, {"productType": PRODUCT_TYPE}, wire.read_contracts)

    async def tickers(self) -> TickerTable:
        """Turnover of the last 24 hours, and bid and ask as they stand now, of every symbol."""
        return await self._read(TICKERS, {"productType": PRODUCT_TYPE}, wire.read_tickers)

    async def expected_funding(self) -> dict[str, Decimal]:
        """Funding rate of the next settlement as it stands now (0.0001 is 0.01 %), by symbol."""
        return await self._read(TICKERS, {"productType": PRODUCT_TYPE}, wire.read_expected_funding)

    async def candles(self, symbol: str, page: Page) -> RawRows:
        """One page of 5-minute candles, unchecked; the last row may be the unfinished one."""
        query = {
            "symbol": symbol,
            "productType": PRODUCT_TYPE,
            "granularity": "5m",
            "endTime": str(page.end),
            "limit": str(page.limit),
        }
        return await self._read(page.endpoint.path, query, wire.read_candles, symbol=symbol)

    async def book_spread(self, symbol: str) -> float | None:
        """Distance of the best bid and ask now, in basis points; None where a side is empty."""
        query = {"symbol": symbol, "productType": PRODUCT_TYPE, "precision": "scale0", "limit": "1"}
        return await self._read(BOOK, query, wire.read_book_spread, symbol=symbol)

    async def funding(self, symbol: str, page: int) -> FundingRates:
        """Page ``page`` (from 1) of settled funding rates, the newest on page 1; empty beyond the oldest."""
        query = {
            "symbol": symbol,
            "productType": PRODUCT_TYPE,
            "pageSize": str(FUNDING_ROWS),
            "pageNo": str(page),
        }
        return await self._read(FUNDING, query, wire.read_funding, symbol=symbol)

    async def spreads_bps(self, symbol: str = "") -> dict[str, float]:
        """Distance between bid and ask now, in basis points, by symbol: of one symbol, or of all."""
        query = {"productType": PRODUCT_TYPE}
        if not symbol:
            return (await self._read(TICKERS, query, wire.read_tickers)).spreads_bps
        one = await self._read(TICKER, query | {"symbol": symbol}, wire.read_tickers, symbol=symbol)
        return one.spreads_bps

    async def _read(
        self,
        path: str,
        query: Mapping[str, str],
        reader: Reader[Answer],
        *,
        symbol: str = "",
        attempts: int | None = None,
    ) -> Answer:
        """Ask until there is an answer, within the bounds that the module's docstring states.

        Parameters
        ----------
        path : str
            The endpoint.
        query : mapping
            Names and values, as text.
        reader : callable
            Reads the body of the response.
        symbol : str
            Whose request it is, for the counters.
        attempts : int, optional
            Fewer attempts than the settings allow.

        Raises
        ------
        Refused
            If the exchange refused the request.
        Unanswered, Throttled
            If the bounds are reached.
        Unreachable
            If they are, and nothing else that was asked meanwhile was answered either.
        """
        policy = RetryPolicy(
            attempts=min(attempts or self._settings.attempts, self._settings.attempts),
            backoff=BACKOFF,
            give_up_after_s=self._settings.give_up_after_s,
            paused_by=(Throttled,),
            pauses_count=False,
        )
        retry = Retry(policy, clock=self._clock)
        unknown = 0

        def on_turn(_: float) -> Mapping[str, str]:
            retry.begin()  # waiting for one's turn is no failure of the exchange's
            self.sent[symbol] += 1
            self.sent_to[path] += 1
            return {}

        def read(body: bytes, /, *, endpoint: str, status: int) -> Answer:
            self._last_response = self._clock.monotonic()
            return reader(body, endpoint=endpoint, status=status)

        async def attempt() -> Answer:
            nonlocal unknown
            try:
                answer = await self._transport.request("GET", path, read, query=query, on_turn=on_turn)
            except Unanswered as exc:
                self.unanswered += 1
                if isinstance(exc, Unreadable):
                    self._last_answer = self._clock.monotonic()
                raise
            except Throttled:
                self.throttled += 1
                self._last_answer = self._clock.monotonic()
                raise
            except Refused as exc:
                self._last_answer = self._clock.monotonic()
                is_unknown = exc.meaning == "unknown" and exc.code not in MALFORMED
                unknown += is_unknown
                if not (is_unknown or exc.meaning in PASSING) or unknown >= UNKNOWN_ATTEMPTS:
                    raise
                raise Unanswered.of(exc) from exc
            self._last_answer = self._clock.monotonic()
            return answer

        try:
            return await retry.call(attempt, queued=True)
        except Unanswered as exc:
            raise self._final(exc, retry) from exc

    def _final(self, error: Unanswered, retry: Retry) -> DeskError:
        """What the last of several failures means: nobody is there, or one request has no answer."""
        if self._last_answer >= retry.began:
            text = str(error).removeprefix(f"{error.endpoint}: ")
            return type(error)(f"{text} (asked {retry.failures} times)", endpoint=error.endpoint)
        responds = self._last_response >= retry.began
        found = "responds, and not as the exchange does" if responds else "cannot be reached"
        what = "a proxy or firewall" if responds else "the connection, a proxy or firewall"
        return Unreachable(
            f"{self._transport.base_url} {found}: {error}. Asked {retry.failures} times in "
            f"{retry.elapsed_s:.0f} s, and nothing else was answered meanwhile. Check {what}, and the "
            "address (--base-url or BITGET_BASE_URL); then start again: what was fetched is kept."
        )
