"""Bitget's public market data over HTTP.

Place in the house: the client.  ``data_fetcher`` and ``desk.market.history.download`` ask; requests go out
at the pace of ``desk.market.bitget.throttle``; answers are read by ``desk.market.bitget.wire`` and come
back as values.

What is repeated: reads only, and all of these are reads.  ``Unanswered`` (no connection, no answer in time,
no usable body) is repeated up to ``attempts`` times, each wait twice the last, from 0.5 s to 30 s.
``Throttled`` (429, maintenance) pauses its endpoint and is repeated until ``give_up_after_s``, which bounds
the whole.  ``Refused`` is never repeated.  aiohttp would repeat a GET by itself when a connection that it
kept open turns out to be closed, past the pace and uncounted; ``no_repetition`` keeps it from that.

Not here: what is asked for and why, see ``desk.market.history.paging``; anything signed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar

import aiohttp

from desk.errors import DeskError, FetchEnds, Throttled, Unanswered
from desk.market.bitget import wire
from desk.market.bitget.throttle import Throttle
from desk.market.history.candles import RawRows
from desk.market.history.contracts import ContractTable
from desk.market.history.funding import FundingRates
from desk.market.history.paging import Page
from desk.market.settings import FetchSettings
from desk.ports import Clock

PRODUCT_TYPE = "USDT-FUTURES"
TIME = "/api/v2/public/time"
CONTRACTS = "/api/v2/mix/market/contracts"
TICKERS = "/api/v2/mix/market/tickers"
FUNDING = "/api/v2/mix/market/history-fund-rate"
FUNDING_ROWS = 100
"""Most rows of one page of funding rates."""
LEFT_HEADER = "x-mbx-used-remain-limit"
"""How many more calls the endpoint takes, despite the word "used"."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
FIRST_ATTEMPTS = 4
"""Attempts to hear from the exchange at all, before a run begins: some four seconds."""
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",  # never brotli: some installations offer it and cannot read it
    "User-Agent": "bitget-lightgbm-desk",
}
DEMO = {"paptrading": "1"}
"""Of every request to the demo, signed or not."""

Answer = TypeVar("Answer")


class _ConnectionClosed(aiohttp.ClientError):
    """The connection was closed before an answer came."""


async def no_repetition(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Tell a closed connection in a way that is not aiohttp's cue to ask again (a middleware)."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise _ConnectionClosed(str(exc) or type(exc).__name__) from exc


class Unreachable(FetchEnds):
    """Nobody answers at the address."""


class BitgetPublic:
    """Public market data of one address; use as ``async with Bitget(...) as market``.

    ``demo`` asks for the demo's market instead of the real one, under the same address.

    ``sent`` counts requests by symbol ("" for those without one), ``sent_to`` by endpoint, ``throttled`` the
    answers that asked for a pause, ``unanswered`` the requests without a usable answer.
    """

    def __init__(self, settings: FetchSettings, *, clock: Clock, demo: bool = False) -> None:
        self._base = settings.base_url.rstrip("/")
        self._settings = settings
        self._clock = clock
        self._headers = {**HEADERS, **DEMO} if demo else HEADERS
        self._throttle = Throttle(
            per_second=settings.requests_per_second,
            in_flight=settings.max_concurrent_requests,
            pause_s=settings.throttle_pause_s,
            clock=clock,
        )
        self._session: aiohttp.ClientSession | None = None
        self._last_answer = float("-inf")
        self.sent: Counter[str] = Counter()
        self.sent_to: Counter[str] = Counter()
        self.throttled = 0
        self.unanswered = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
            connector=aiohttp.TCPConnector(limit=0),  # the throttle holds the cap
            middlewares=(no_repetition,),
            trust_env=not self._settings.on_loopback,  # a proxy of the user's, but never to this machine
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def server_time(self) -> int:
        """The exchange's clock, in ms; the first question of a run, so that a wrong address is told soon."""
        return await self._read(TIME, {}, wire.read_server_time, attempts=FIRST_ATTEMPTS)

    async def contracts(self) -> ContractTable:
        """Every USDT-margined contract, active or not."""
        return await self._read(CONTRACTS, {"productType": PRODUCT_TYPE}, wire.read_contracts)

    async def turnover(self) -> dict[str, float]:
        """What was traded in the last 24 hours, in USDT, by symbol."""
        return await self._read(TICKERS, {"productType": PRODUCT_TYPE}, wire.read_turnover)

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
        return await self._read(page.feed.path, query, wire.read_candles, symbol=symbol)

    async def funding(self, symbol: str, page: int) -> FundingRates:
        """Page ``page`` (from 1) of settled funding rates, the newest on page 1; empty beyond the oldest."""
        query = {
            "symbol": symbol,
            "productType": PRODUCT_TYPE,
            "pageSize": str(FUNDING_ROWS),
            "pageNo": str(page),
        }
        return await self._read(FUNDING, query, wire.read_funding, symbol=symbol)

    async def _read(
        self,
        path: str,
        query: Mapping[str, str],
        reader: Callable[..., Answer],
        *,
        symbol: str = "",
        attempts: int | None = None,
    ) -> Answer:
        """Ask until there is an answer, within the bounds that the module's docstring states.

        Raises
        ------
        Refused
            If the exchange said no.
        Unanswered, Throttled
            If the bounds are reached.
        Unreachable
            If they are, and nothing else that was asked meanwhile was answered either.
        """
        began, failures = float("inf"), 0  # waiting for one's turn is no failure of the exchange's
        most = min(attempts or self._settings.attempts, self._settings.attempts)
        while True:
            async with self._throttle.slot(path) as sent:
                began = min(began, self._clock.monotonic())
                self.sent[symbol] += 1
                self.sent_to[path] += 1
                try:
                    answer, left = await self._send(path, query, reader)
                except Throttled as exc:
                    self.throttled += 1
                    self._last_answer = self._clock.monotonic()
                    self._throttle.refused(path, sent)
                    if self._spent(began) >= self._settings.give_up_after_s:
                        raise
                    problem: Throttled | Unanswered = exc
                except Unanswered as exc:
                    self.unanswered += 1
                    failures += 1
                    problem = exc
                else:
                    self._last_answer = self._clock.monotonic()
                    self._throttle.answered(path, sent, left=left)
                    return answer
            if isinstance(problem, Unanswered):
                wait = min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S)
                if failures >= most or self._spent(began) + wait > self._settings.give_up_after_s:
                    raise self._final(problem, began, failures) from problem
                await self._clock.sleep(wait)

    async def _send(
        self, path: str, query: Mapping[str, str], reader: Callable[..., Answer]
    ) -> tuple[Answer, int | None]:
        """One request: what was answered, and how many more calls the endpoint takes, where it says so."""
        if self._session is None:
            raise RuntimeError("the client is closed: use it inside `async with`")
        try:
            async with self._session.get(self._base + path, params=query) as response:
                body, status = await response.read(), response.status
                left = response.headers.get(LEFT_HEADER, "")
        except TimeoutError as exc:
            raise Unanswered(f"no answer within {self._settings.timeout_s:g} s", endpoint=path) from exc
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as exc:
            raise Unanswered(f"{type(exc).__name__}: {exc}", endpoint=path) from exc
        return reader(body, endpoint=path, status=status), int(left) if left.isdecimal() else None

    def _spent(self, began: float) -> float:
        return self._clock.monotonic() - began

    def _final(self, problem: Unanswered, began: float, failures: int) -> DeskError:
        if self._last_answer < began:
            return Unreachable(
                f"{self._base} cannot be reached: {problem}. Asked {failures} times in "
                f"{self._spent(began):.0f} s, and nothing else was answered meanwhile. Check the connection, "
                "a proxy or firewall, and the address (--base-url or BITGET_BASE_URL); then start again: "
                "what was fetched is kept."
            )
        return Unanswered(f"{problem} (asked {failures} times)", endpoint=problem.endpoint)
