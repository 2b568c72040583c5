"""Counters of the embedded exchange, and controls for tests and soaks, which no real exchange has.

Place in the house: the market, inside the emulator.  Requests under ``/emulator`` come in from a test
or a soak, perhaps in another process; the server carries them out.

=============================================  =========================================================
``GET  /emulator/stats``                       counters, and the server time
``POST /emulator/disconnect``                  aborts every websocket connection
``POST /emulator/clock?ms=300000``             lets market time pass, with every candle in it
``POST /emulator/price?symbol=S&price=99.5``   lets S trade at a price until market time moves on
``POST /emulator/account?kind=unified``        changes the kind of the account
=============================================  =========================================================

A request of a web page is answered with status 403 (``own_clients``), a malformed one with status 400 and a
sentence.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from aiohttp import web

from desk.market.emulator.uta_options import ACCOUNT_KINDS, AccountKind
from desk.reading import decimal_or_none
from desk.safe_text import brief

LONGEST_MS = 15
"""Digits of a time."""


@dataclass(slots=True)
class Stats:
    """Counts since the exchange started."""

    requests: Counter[str] = field(default_factory=Counter)
    """By path, refused and faulty ones included."""
    throttled: Counter[str] = field(default_factory=Counter)
    """Requests refused by a rate limit, by path; 429s drawn as faults are not counted here."""
    faults: Counter[str] = field(default_factory=Counter)
    """Answers with a fault, by name of ``options.FAULTS``."""
    in_flight: Counter[str] = field(default_factory=Counter)
    """Requests that are not answered yet, by path."""
    max_in_flight: int = 0
    """Most requests unanswered at once."""
    max_in_flight_by_endpoint: Counter[str] = field(default_factory=Counter)
    trading: Counter[str] = field(default_factory=Counter)
    """Orders accepted, duplicate client ids, refusals by code, answers lost on purpose."""
    sockets: Counter[str] = field(default_factory=Counter)
    """Connections, pushes, and pushes with a fault."""

    def arrive(self, path: str) -> int:
        """Count a request as received; returns its number, from 0."""
        number = self.requests.total()
        self.requests[path] += 1
        self.in_flight[path] += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight.total())
        most = self.max_in_flight_by_endpoint
        most[path] = max(most[path], self.in_flight[path])
        return number

    def leave(self, path: str) -> None:
        """Count a request as answered."""
        self.in_flight[path] -= 1

    def as_json(self) -> dict[str, object]:
        """The counts as ``/emulator/stats`` reports them."""
        return {
            "total": self.requests.total(),
            "requests": dict(self.requests),
            "throttled_total": self.throttled.total(),
            "throttled": dict(self.throttled),
            "faults": dict(self.faults),
            "in_flight": self.in_flight.total(),
            "max_in_flight": self.max_in_flight,
            "max_in_flight_by_endpoint": dict(self.max_in_flight_by_endpoint),
            "trading": dict(self.trading),
            "sockets": dict(self.sockets),
        }


class ControlledExchange(Protocol):
    """What the controls act on."""

    @property
    def stats(self) -> Stats:
        """The counters."""

    def now_ms(self) -> int:
        """Server time."""

    def disconnect(self) -> int:
        """Abort every websocket connection; returns how many there were."""

    def pass_time(self, ms: int) -> None:
        """Let market time pass."""

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Let a symbol trade at a price; raises ``KeyError`` if it is not listed."""

    def set_account_kind(self, kind: AccountKind) -> None:
        """Change the kind of the account."""


def control_routes(exchange: ControlledExchange) -> list[web.RouteDef]:
    """Routes of the table at the head of this module."""

    async def stats(_: web.Request) -> web.Response:
        return web.json_response({**exchange.stats.as_json(), "server_time": exchange.now_ms()})

    async def disconnect(_: web.Request) -> web.Response:
        return web.json_response({"disconnected": exchange.disconnect()})

    async def clock(request: web.Request) -> web.Response:
        ms = request.query.get("ms", "")
        if not (ms.isascii() and ms.isdigit() and len(ms) <= LONGEST_MS):
            raise web.HTTPBadRequest(
                text=f"ms is {brief(ms)}, must be a whole number, 0 or more: time cannot go back"
            )
        exchange.pass_time(int(ms))
        return web.json_response({"server_time": exchange.now_ms()})

    async def price(request: web.Request) -> web.Response:
        symbol, text = request.query.get("symbol", ""), request.query.get("price", "")
        value = decimal_or_none(text)
        if value is None or value <= 0:
            raise web.HTTPBadRequest(text=f"price is {brief(text)}, must be a number above 0")
        try:
            exchange.set_price(symbol, value)
        except KeyError:
            raise web.HTTPBadRequest(text=f"symbol is {symbol!r}, which is not listed") from None
        return web.json_response({"symbol": symbol, "price": str(value)})

    async def account(request: web.Request) -> web.Response:
        kinds = {kind: kind for kind in ACCOUNT_KINDS}
        word = request.query.get("kind", "")
        if word not in kinds:
            raise web.HTTPBadRequest(text=f"kind is {word!r}, must be one of {', '.join(kinds)}")
        exchange.set_account_kind(kinds[word])
        return web.json_response({"kind": word})

    return [
        web.get("/emulator/stats", stats),
        web.post("/emulator/disconnect", disconnect),
        web.post("/emulator/clock", clock),
        web.post("/emulator/price", price),
        web.post("/emulator/account", account),
    ]
