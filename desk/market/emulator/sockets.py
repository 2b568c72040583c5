"""The embedded exchange's websockets, public and private.

Place in the house: the market, inside the emulator.  Connections come in from ``server``; payloads of
``channels`` go out, as market time moves and as the account changes.

Rules for clients: the text ``ping`` is answered with the text ``pong``, and a connection without one for two
minutes is closed, even while data flows; more than ten messages in a second close the connection; every arg
is acknowledged by itself; error codes are numbers; private channels need a login.

Time is read from the clock that the exchange was given: a simulated clock moves the sockets too.

Not here: the messages (``channels``), which pushes have a fault (``faults``).
"""

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from aiohttp import WSMsgType, web

from desk.market.emulator.channels import (
    PRIVATE_CHANNELS,
    Subscription,
    account_payloads,
    account_state_payloads,
    known_instrument,
)
from desk.market.emulator.endpoints import PRODUCT_TYPE
from desk.market.emulator.faults import Faults
from desk.market.emulator.keys import Keys, check_login, is_of_demo
from desk.market.emulator.limits import SECOND, RequestWindow
from desk.market.emulator.listings import Listing
from desk.market.emulator.uta_book import UnifiedBook
from desk.market.emulator.uta_channels import (
    SILENT_TOPICS,
    STATE_EVERY_S,
    TOPICS,
    take_changes,
    unified_payloads,
    unified_state_payloads,
)
from desk.market.emulator.venue import Venue
from desk.ports import Clock
from desk.reading import read_json

SILENCE_S: Final = 120.0
MESSAGES_PER_SECOND: Final = 10
LATE_BY: Final = 3
"""Number of pushes that overtake a late one."""
PUSHES_PER_CANDLE: Final = 4
"""Lowest number, however fast market time passes."""
LONGEST_ARGS: Final = 4096
"""Bytes of one message."""


@dataclass(slots=True, eq=False)
class ClientConnection:
    """One connection."""

    socket: web.WebSocketResponse
    private: bool
    unified: bool
    """Whether the socket is one of the API v3."""
    demo: bool
    """Whether it was opened as one of demo trading."""
    last_ping: float
    messages: RequestWindow
    outgoing: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    """None: close."""
    subscriptions: dict[tuple[str, str, str], Subscription] = field(default_factory=dict)
    logged_in: bool = False
    last_state: float = 0.0
    """When positions and balances were last pushed to a socket of the API v3, monotonic seconds."""
    late: deque[tuple[int, str]] = field(default_factory=deque)
    """Late pushes: how many others must still overtake them, and the text."""

    def send(self, text: str) -> None:
        """Send ``text`` after everything that is queued."""
        self.outgoing.put_nowait(text)

    def send_json(self, **message: object) -> None:
        """Send an event."""
        self.send(json.dumps(message, separators=(",", ":")))

    def close(self) -> None:
        """Close the connection after everything that is queued was sent."""
        self.outgoing.put_nowait(None)


class WebsocketServer:
    """All connections, and the task that publishes to them.

    Parameters
    ----------
    venue : Venue
        The account, and the market it trades on.
    book : UnifiedBook
        The account as the API v3 sees it.
    listings : mapping of symbol to Listing
        The server's own, from which a symbol may vanish.
    keys : Keys
        What a login must be signed with.
    faults : Faults
        Draws the faults of pushes.
    clock : Clock
        Paces pushes and timeouts.
    server_time : callable
        Server time in ms.
    signature_times : callable
        Earliest and latest time that counts as now in a login, ms.
    speed : float
        Market seconds per second of the clock.
    push_every_s : float
        Seconds of the clock between two pushes of a channel.
    counts : Counter
        Where connections, pushes and their faults are counted.
    """

    def __init__(
        self,
        venue: Venue,
        book: UnifiedBook,
        listings: Mapping[str, Listing],
        keys: Keys,
        faults: Faults,
        *,
        clock: Clock,
        server_time: Callable[[], int],
        signature_times: Callable[[], tuple[int, int]],
        speed: float,
        push_every_s: float,
        counts: Counter[str],
    ) -> None:
        self._venue = venue
        self._book = book
        self._listings = listings
        self._keys = keys
        self._faults = faults
        self._clock = clock
        self._server_time = server_time
        self._signature_times = signature_times
        self._speed = speed
        self._interval_s = min(push_every_s, 300 / PUSHES_PER_CANDLE / speed) if speed else push_every_s
        self._counts = counts
        self._connections: list[ClientConnection] = []
        self._pump: asyncio.Task[None] | None = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until either side closes it."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._counts["connections"] += 1
        connection = ClientConnection(
            socket,
            private=request.path.endswith("private"),
            unified=request.path.startswith("/v3/"),
            demo=is_of_demo(request.headers),
            last_ping=self._clock.monotonic(),
            messages=RequestWindow(MESSAGES_PER_SECOND, SECOND),
        )
        self._connections.append(connection)
        writer = asyncio.create_task(self._write(connection))
        if self._pump is None:
            self._pump = asyncio.create_task(self._keep_publishing())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(connection, str(message.data))
        finally:
            self._connections.remove(connection)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return socket

    async def close(self) -> None:
        """Close everything."""
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        await asyncio.gather(*(connection.socket.close() for connection in list(self._connections)))

    def disconnect(self, number: int | None = None) -> int:
        """Abort every connection as a network failure does, or only the ``number``-th; returns how many."""
        connections = self._connections if number is None else self._connections[number : number + 1]
        for connection in connections:
            self._break_off(connection)
        return len(connections)

    def publish(self) -> None:
        """Publish to every connection what has happened up to now."""
        now = self._server_time()
        self._venue.advance(now)
        self.publish_account()
        for connection in list(self._connections):
            for subscription in list(connection.subscriptions.values()):
                for text in subscription.updates(now):
                    self._push(connection, text)

    def publish_account(self) -> None:
        """Publish changes of orders, positions and balances to the private connections."""
        now = self._server_time()
        steps = self._venue.matching.drain()
        changes = take_changes(self._book, steps, now)
        for connection in list(self._connections):
            wanted = _private_wants(connection)
            if not connection.unified:
                texts = account_payloads(self._venue.matching.account, steps, wanted, now)
            elif self._book.is_open:
                texts = unified_payloads(self._book, changes, wanted, now)
            else:
                continue
            for text in texts:
                self._push(connection, text)

    async def _keep_publishing(self) -> None:
        """Publish at intervals, and close connections without a ping, while the exchange runs."""
        while True:
            await self._clock.sleep(self._until_next_push())
            await asyncio.sleep(0)  # a simulated clock may not give way by itself
            self.publish()
            for connection in list(self._connections):
                if self._clock.monotonic() - connection.last_ping >= SILENCE_S:
                    self._counts["closed for silence"] += 1
                    self._break_off(connection)
                elif connection.unified and self._clock.monotonic() - connection.last_state >= STATE_EVERY_S:
                    self._push_state(connection, _private_wants(connection))

    def _push_state(self, connection: ClientConnection, wanted: Mapping[str, Mapping[str, object]]) -> None:
        """Push positions and balances of a unified account."""
        connection.last_state = self._clock.monotonic()
        if self._book.is_open:
            for text in unified_state_payloads(self._book, wanted, self._server_time()):
                self._push(connection, text)

    def _until_next_push(self) -> float:
        """Seconds of the clock; where time moves, pushes come at multiples of their interval.

        Counted in whole milliseconds of market time: of fractions of seconds a rest of 1e-11 s would remain
        again and again, and whoever simulates the clock would move it in steps of that size.
        """
        if not self._speed:
            return self._interval_s
        interval_ms = max(1, round(self._interval_s * self._speed * 1000))
        return (interval_ms - self._server_time() % interval_ms) / 1000 / self._speed

    async def _write(self, connection: ClientConnection) -> None:
        """Send queued messages in order."""
        with contextlib.suppress(ConnectionError):
            while (text := await connection.outgoing.get()) is not None:
                await connection.socket.send_str(text)
        self._break_off(connection)

    def _break_off(self, connection: ClientConnection) -> None:
        """Abort the connection without a closing handshake."""
        writer = connection.socket._writer  # noqa: SLF001 - aiohttp has no public way to close abnormally
        if writer is not None and writer.transport is not None:
            writer.transport.abort()

    def _push(self, connection: ClientConnection, text: str) -> None:
        """Send a push unless it has a fault, and late ones that were overtaken often enough."""
        number = self._counts["pushes"]
        self._counts["pushes"] += 1
        fault = self._faults.of_push(number)
        if fault is not None:
            self._counts[fault] += 1
        waiting = [(left - 1, late) for left, late in connection.late]
        connection.late.clear()
        match fault:
            case "disconnect":
                self._break_off(connection)
                return
            case "push_late":
                waiting.append((LATE_BY, text))
            case "push_lost":
                pass
            case _:
                connection.send(text)
                if fault == "push_twice":
                    connection.send(text)
        for left, late in waiting:
            if left > 0:
                connection.late.append((left, late))
            else:
                connection.send(late)

    # Messages of clients ----------------------------------------------------------------------------

    def _receive(self, connection: ClientConnection, text: str) -> None:
        """Handle one message."""
        now = self._clock.monotonic()
        if not connection.messages.left(now):
            self._counts["closed for chatter"] += 1
            connection.send_json(event="error", code=30007, msg="request over limit, connection close")
            connection.close()
            return
        connection.messages.count(now)
        if text == "ping":
            connection.last_ping = now
            connection.send("pong")
            return
        try:
            message = cast("dict[str, object]", read_json(text))
            op, args = message["op"], message["args"]
        except (ValueError, KeyError, TypeError):
            connection.send_json(event="error", code=30002, msg="illegal request")
            return
        if not isinstance(args, list) or not all(isinstance(arg, dict) for arg in args):
            connection.send_json(event="error", code=30016, msg="Param error")
        elif len(json.dumps(args)) > LONGEST_ARGS:
            connection.send_json(event="error", code=30002, msg=f"args longer than {LONGEST_ARGS} bytes")
        elif op == "login":
            self._login(connection, args)
        elif op in ("subscribe", "unsubscribe"):
            for arg in args:
                self._subscribe(connection, arg) if op == "subscribe" else self._unsubscribe(connection, arg)
        else:
            connection.send_json(event="error", code=30003, msg="INVALID op")

    def _login(self, connection: ClientConnection, args: list[Mapping[str, object]]) -> None:
        refusal = check_login(
            self._keys,
            args[0] if args else {},
            valid_times=self._signature_times(),
            has_api=self._book.is_open if connection.unified else self._book.kind == "classic",
            demo=connection.demo if connection.unified else None,
        )
        if refusal is not None:
            connection.send_json(event="error", code=refusal[0], msg=refusal[1])
            return
        connection.logged_in = True
        connection.send_json(event="login", code=0, msg="")

    def _subscribe(self, connection: ClientConnection, arg: Mapping[str, object]) -> None:
        if connection.unified:
            self._subscribe_topic(connection, arg)
            return
        channel = str(arg.get("channel", ""))
        if channel in PRIVATE_CHANNELS and not (connection.private and connection.logged_in):
            connection.send_json(event="error", arg=arg, code=30004, msg="User needs to log in")
            return
        try:
            listing = None if channel in PRIVATE_CHANNELS else known_instrument(arg, self._listings)
        except LookupError:
            name_of_arg = ",".join(f"{name}:{arg.get(name)}" for name in ("instType", "channel", "instId"))
            connection.send_json(event="error", arg=arg, code=30001, msg=f"{name_of_arg} doesn't exist")
            return
        connection.send_json(event="subscribe", arg=arg)
        subscription = connection.subscriptions[_key(arg)] = Subscription(arg, listing)
        now = self._server_time()
        if snapshot := subscription.snapshot(now):
            self._push(connection, snapshot)
        if channel in PRIVATE_CHANNELS:
            self._venue.advance(now)
            self.publish_account()
            for text in account_state_payloads(self._venue.matching.account, {channel: arg}, now):
                self._push(connection, text)

    def _subscribe_topic(self, connection: ClientConnection, arg: Mapping[str, object]) -> None:
        """Subscribe to a private topic of the API v3."""
        topic = str(arg.get("topic", ""))
        if not connection.logged_in:
            connection.send_json(event="error", arg=arg, code=30004, msg="User needs to log in")
            return
        if arg.get("instType") != "UTA" or topic not in {*TOPICS, *SILENT_TOPICS}:
            name = f"instType:{arg.get('instType')},topic:{topic}"
            connection.send_json(event="error", arg=arg, code=30001, msg=f"{name} doesn't exist")
            return
        connection.send_json(event="subscribe", arg=arg, code="", msg="", connId=str(id(connection)))
        self._venue.advance(self._server_time())
        self.publish_account()
        connection.subscriptions[_key(arg)] = Subscription(arg, None)
        self._push_state(connection, {topic: arg})

    def _unsubscribe(self, connection: ClientConnection, arg: Mapping[str, object]) -> None:
        connection.subscriptions.pop(_key(arg), None)
        connection.send_json(event="unsubscribe", arg=arg)


def _key(arg: Mapping[str, object]) -> tuple[str, str, str]:
    return str(arg.get("instType")), str(arg.get("channel") or arg.get("topic")), str(arg.get("instId"))


def _private_wants(connection: ClientConnection) -> dict[str, Mapping[str, object]]:
    """Private channels of a connection, under the right product type, with their args."""
    names, of_kind = (TOPICS, "UTA") if connection.unified else (PRIVATE_CHANNELS, PRODUCT_TYPE)
    return {
        channel: subscription.arg
        for (kind, channel, _), subscription in connection.subscriptions.items()
        if channel in names and kind == of_kind
    }
