"""The embedded exchange on a socket.

Place in the house: the market, inside the emulator.  Listings, options and a clock come in; HTTP and
websockets on loopback go out, as the exchange's endpoints answer; ``control`` has those under ``/emulator``.

A request passes, in this order: ``own_clients`` (403 for web pages), latency, unknown path (``40404``),
limits (429), fault, signature where it is private, answer.  Every request under ``/api`` has a number, from
0, in the order of arrival; faults depend on it alone.

Not here: the answers (``endpoints``, ``private``), rate limits (``limits``), which answers have a fault
(``faults``), websockets (``sockets``).
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from desk.errors import SettingsError
from desk.market.emulator.control import Stats, control_routes
from desk.market.emulator.endpoints import ENDPOINTS, CandlePage, PublicRequest, RequestDenied
from desk.market.emulator.faults import Faults
from desk.market.emulator.keys import check_request
from desk.market.emulator.limits import RateLimiter
from desk.market.emulator.listings import Listing, leading_mark, listing_of
from desk.market.emulator.options import ExchangeOptions, is_code
from desk.market.emulator.own_clients import only_own_clients
from desk.market.emulator.peer_endpoints import PEER_ENDPOINTS
from desk.market.emulator.private import PRIVATE, Endpoint, answer
from desk.market.emulator.responses import broken_off, in_brotli, refused, success, too_many_requests
from desk.market.emulator.sockets import WebsocketServer
from desk.market.emulator.uta_book import UnifiedBook
from desk.market.emulator.uta_options import AccountKind
from desk.market.emulator.uta_private import UNIFIED, UnifiedEndpoint, kind_refusal, unified_answer
from desk.market.emulator.uta_public import V3_ENDPOINTS
from desk.market.emulator.venue import Venue
from desk.market.series.facts import Funding, PriceTick
from desk.market.series.sources import newest_open
from desk.ports import Clock
from desk.values import CANDLE_MS, Candles

PUBLIC: Final = {**ENDPOINTS, **PEER_ENDPOINTS, **V3_ENDPOINTS}
LEFT_HEADER: Final = "x-mbx-used-remain-limit"
SHUTDOWN_S: Final = 1.0
"""How long pending answers may take when the exchange stops, seconds."""
UNKNOWN_CODE: Final = "59999"
TOTAL_FAULTS: Final = frozenset({"429", "500", "reset", "hang", "html", "nonjson", "empty", "maintain"})
"""Faults that replace the endpoint's answer completely."""
FOREIGN_ANSWERS: Final = {
    "500": (500, "Internal Server Error", "text/plain"),
    "html": (502, "<html><head><title>502 Bad Gateway</title></head></html>", "text/html"),
    "nonjson": (200, "OK", "text/plain"),
}
"""Answers that do not come from the exchange's own software: status, text, content type."""


class EmbeddedExchange:
    """Bitget's REST and websocket sides for the series it is given; an async context manager.

    As it is used::

        async with EmbeddedExchange(series, options, clock=SystemClock()) as exchange:
            await client.get(f"{exchange.url}/api/v2/public/time")
            exchange.stats.max_in_flight

    Parameters
    ----------
    series : sequence of Candles
        One per symbol, at least one.
    options : ExchangeOptions
    clock : Clock
        Paces the server time (at ``speed`` 0 it stands), the limits and the latency.
    funding : mapping of symbol to Funding
        Symbols that it does not name settle 0.01 % every eight hours.

    Raises
    ------
    SettingsError
        If there is no series, or two of one symbol.
    """

    def __init__(
        self,
        series: Sequence[Candles],
        options: ExchangeOptions | None = None,
        *,
        clock: Clock,
        funding: Mapping[str, Funding] | None = None,
    ) -> None:
        self.options = options or ExchangeOptions()
        self.stats = Stats()
        self._clock = clock
        rates = funding or {}
        self._listings = {
            candles.symbol: _listing(candles, self.options, rates.get(candles.symbol)) for candles in series
        }
        self._asked_about: Counter[str] = Counter()
        self._gone: set[str] = set()
        if not series:
            raise SettingsError("embedded exchange: there is no series to serve")
        if len(self._listings) < len(series):
            raise SettingsError("embedded exchange: two series have the same symbol")
        newest = newest_open(series, default=0)
        self._start_ms = newest + CANDLE_MS if self.options.now_ms is None else self.options.now_ms
        self._started = clock.monotonic()
        self._gate = RateLimiter(
            per_second=self.options.rate_limit,
            per_minute=self.options.minute_limit,
            penalty=self.options.penalty,
        )
        self._faults = Faults(self.options.faults, self.options.fault_seed)
        self.venue = Venue(
            self._listings, self.options.balance, self._start_ms, history_ms=self.options.history_ms
        )
        self.book = UnifiedBook(
            self.venue.matching,
            self.options.unified,
            kind="unified" if self.options.keys.unified else "classic",
            level=self.options.unified.level,
        )
        self.sockets = WebsocketServer(
            self.venue,
            self.book,
            self._listings,
            self.options.keys,
            self._faults,
            clock=clock,
            server_time=self.now_ms,
            signature_times=self._signature_times,
            speed=self.options.speed,
            push_every_s=self.options.push_every_s,
            counts=self.stats.sockets,
        )
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[only_own_clients])
        app.router.add_get("/api/{path:.*}", self._serve)
        app.router.add_post("/api/{path:.*}", self._serve)
        app.router.add_get("/v2/ws/public", self.sockets.serve)
        app.router.add_get("/v2/ws/private", self.sockets.serve)
        app.router.add_get("/v3/ws/private", self.sockets.serve)
        app.router.add_routes(control_routes(self))
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,  # a client that stops waiting for a hanging answer ends it
            shutdown_timeout=SHUTDOWN_S,
        )
        await self._runner.setup()
        self._started = self._clock.monotonic()
        try:
            await web.TCPSite(self._runner, self.options.host, self.options.port).start()
        except OSError as exc:
            await self._runner.cleanup()
            raise SettingsError(
                f"embedded exchange: cannot listen on {self.options.host} port {self.options.port}: {exc}"
            ) from exc
        port = self._runner.addresses[0][1]
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Address of the exchange, once it listens."""
        return self._url

    def now_ms(self) -> int:
        """Server time."""
        if not self.options.speed:
            return self._start_ms
        passed = self._clock.monotonic() - self._started
        return self._start_ms + int(passed * self.options.speed * 1000)

    def pass_time(self, ms: int) -> None:
        """Let market time pass, in addition to ``speed``, with every candle in it."""
        self._start_ms += ms
        self.sockets.publish()

    def disconnect(self) -> int:
        """Abort every websocket connection; returns how many there were."""
        return self.sockets.disconnect()

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Let ``symbol`` trade at ``price`` for the account, until market time moves on.

        Raises
        ------
        KeyError
            If it is not listed.
        """
        if symbol not in self._listings:
            raise KeyError(symbol)
        self.venue.set_price(symbol, price, self.now_ms())
        self.sockets.publish_account()

    def set_account_kind(self, kind: AccountKind) -> None:
        """Change the kind of the account, as an upgrade does while a session runs; sockets are cut."""
        self.book.kind = kind
        self.sockets.disconnect()

    def _signature_times(self) -> tuple[int, int]:
        """Earliest and latest time that counts as now in a signature, ms: market time may run faster."""
        real = self._start_ms + int((self._clock.monotonic() - self._started) * 1000)
        return min(real, self.now_ms()), max(real, self.now_ms())

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Answer any request under ``/api``."""
        path = request.path if _is_known(request) else "unknown"
        number = self.stats.arrive(path)
        try:
            if self.options.latency_ms:
                await self._clock.sleep(self.options.latency_ms / 1000)
            return await self._answer(request, path, number)
        finally:
            self.stats.leave(path)

    async def _answer(self, request: web.Request, path: str, number: int) -> web.StreamResponse:
        """Apply limits, then faults, then the endpoint."""
        if path == "unknown":
            return refused(RequestDenied("40404", "Request URL NOT FOUND", status=404), self.now_ms())
        private = _private_endpoint(path)
        admission = self._gate.admit(
            endpoint=path,
            address=(request.headers.get("ACCESS-KEY") if private else request.remote) or "",
            now=self._clock.monotonic(),
            per_second=private.per_second if private else None,
        )
        if not admission.admitted:
            self.stats.throttled[path] += 1
            brief = self.stats.throttled.total() % 2 == 0
            response: web.StreamResponse = too_many_requests(self.now_ms(), brief=brief)
        else:
            response = await self._answer_or_fault(request, path, number)
        if admission.left is not None and not response.prepared:
            response.headers[LEFT_HEADER] = str(admission.left)
        return response

    async def _answer_or_fault(self, request: web.Request, path: str, number: int) -> web.StreamResponse:
        """Answer as the endpoint does, unless request ``number`` has a fault."""
        fault = self._faults.of_answer(number)
        if fault is not None and (fault in TOTAL_FAULTS or is_code(fault)):
            return await self._faulty(request, fault)
        if _private_endpoint(path):
            return await self._answer_private(request, path, fault)
        self._delist(request.query.get("symbol", ""))
        public_request = PublicRequest(
            request.query, self._listings, self.now_ms(), self._gone, self.options.history_end
        )
        try:
            answer = PUBLIC[path](public_request)
        except RequestDenied as denial:
            return refused(denial, self.now_ms())
        if isinstance(answer, CandlePage):
            rows, met = self._faults.rows_of(answer, number, fault)
            self.stats.faults.update(met)
            answer = f"[{','.join(rows)}]"
        response = success(answer, self.now_ms())
        offered = "br" in request.headers.get("Accept-Encoding", "")
        if fault == "brotli_forced" or (fault == "brotli" and offered):
            self.stats.faults[fault] += 1
            return in_brotli(response)
        return await self._cut_off(request, response) if fault == "truncate" else response

    async def _answer_private(self, request: web.Request, path: str, fault: str | None) -> web.StreamResponse:
        """Carry out a signed request; its answer may still be lost or cut."""
        trading, body = self.stats.trading, await request.text()
        refusal = kind_refusal(path, self.book)
        is_first = self.options.unified.kind_checked == "first"
        try:
            check_request(
                self.options.keys,
                request.headers,
                method=request.method,
                target=request.raw_path,
                body=body,
                valid_times=self._signature_times(),
                address=request.remote or "",
                refusal=refusal if is_first else None,
            )
            if refusal is not None:
                raise refusal
            if path in UNIFIED:
                text = unified_answer(
                    path, self.venue, self.book, query=request.query, body=body, now=self.now_ms()
                )
            else:
                text = answer(path, self.venue, query=request.query, body=body, now=self.now_ms())
        except RequestDenied as denial:
            trading[f"refused {denial.code}"] += 1
            return refused(denial, self.now_ms())
        finally:
            self.sockets.publish_account()
            trading["orders"] = len(self.venue.matching.account.orders)
            trading["executions"] = len(self.venue.matching.account.executions)
        if fault == "lost" and request.method == "POST":
            self.stats.faults[fault] += 1
            return broken_off(request)
        if fault == "unknown" and request.method == "POST":
            self.stats.faults[fault] += 1
            return refused(RequestDenied(UNKNOWN_CODE, "a code of tomorrow", status=200), self.now_ms())
        response = success(text, self.now_ms())
        return await self._cut_off(request, response) if fault == "truncate" else response

    def _delist(self, symbol: str) -> None:
        """Delist ``symbol`` once the configured number of answers about it was given."""
        self._asked_about[symbol] += 1
        if self._asked_about[symbol] > self.options.delist.get(symbol, self._asked_about[symbol]):
            self._listings.pop(symbol, None)
            self._gone.add(symbol)

    async def _faulty(self, request: web.Request, fault: str) -> web.StreamResponse:
        """Answer of a fault that replaces the endpoint's answer."""
        turn = self.stats.faults[fault]
        self.stats.faults[fault] += 1
        match fault:
            case "429":
                return too_many_requests(self.now_ms(), brief=turn % 2 == 1)
            case "500" | "html" | "nonjson":
                status, text, content_type = FOREIGN_ANSWERS[fault]
                return web.Response(status=status, text=text, content_type=content_type)
            case "empty":
                return success('""', self.now_ms())
            case "maintain":
                status = 400 if turn % 2 == 0 else 200
                denial = RequestDenied("40200", "Server upgrade, please try again later", status=status)
                return refused(denial, self.now_ms())
            case "hang":
                await self._stopping.wait()
            case code if is_code(code):
                status = 400 if turn % 2 == 0 else 200
                return refused(RequestDenied(code, f"refused with {code}", status=status), self.now_ms())
        return broken_off(request)

    async def _cut_off(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """Half of ``response``: by turns cut off below its announced length, or with a length that fits."""
        turn = self.stats.faults["truncate"]
        self.stats.faults["truncate"] += 1
        whole = response.text or ""
        half = whole[: len(whole) // 2]
        if turn % 2:
            return web.Response(text=half, content_type="application/json")
        cut = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        cut.content_length = len(whole.encode())
        cut.force_close()
        await cut.prepare(request)
        await cut.write(half.encode())
        if request.transport is not None:
            request.transport.close()
        return cut


def _listing(candles: Candles, options: ExchangeOptions, funding: Funding | None) -> Listing:
    """Listing of one series with the tick, the spread and the mark price that the options set."""
    symbol = candles.symbol
    tick = options.ticks.get(symbol)
    mark = options.marks.get(symbol)
    if mark is None and options.mark_lag:
        mark = leading_mark(candles, options.mark_lag)
    return listing_of(
        candles,
        funding,
        tick=None if tick is None else PriceTick.of(tick),
        spread_bps=options.spreads_bps.get(symbol, options.spread_bps),
        mark=mark,
    )


def _private_endpoint(path: str) -> Endpoint | UnifiedEndpoint | None:
    """Private endpoint of either API."""
    return PRIVATE.get(path) or UNIFIED.get(path)


def _is_known(request: web.Request) -> bool:
    """Whether the endpoint exists and has the request's method."""
    if private := _private_endpoint(request.path):
        return request.method == private.method
    return request.path in PUBLIC and request.method == "GET"
