"""The embedded exchange's websockets, public and private.

Place in the house: the market, inside the emulator.  Connections come in from ``server``; payloads of
``channels`` go out, as market time moves and as the account changes.

Rules that a client meets here: the text ``ping`` is answered with the text ``pong``, and who does not send
one for two minutes is closed, even while data flows; more than ten messages in a second close; every arg is
acknowledged by itself; error codes are numbers; nothing private before the login.

Time is asked of the clock that the exchange was given: a simulated clock moves the sockets too.

Not here: what is said (``channels``), which pushes go wrong (``faults``).
"""

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import WSMsgType, web

from desk.market.emulator.channels import (
    PRIVATE_CHANNELS,
    Subscription,
    account_payloads,
    known_instrument,
    standing,
)
from desk.market.emulator.endpoints import PRODUCT_TYPE
from desk.market.emulator.faults import Faults
from desk.market.emulator.keys import Keys, check_login
from desk.market.emulator.limits import SECOND, RequestWindow
from desk.market.emulator.listings import Listing
from desk.market.emulator.venue import Venue
from desk.ports import Clock

SILENCE_S: Final = 120.0
MESSAGES_PER_SECOND: Final = 10
LATE_BY: Final = 3
"""Pushes that overtake a late one."""
PUSHES_PER_CANDLE: Final = 4
"""The fewest, however fast market time passes."""
LONGEST_ARGS: Final = 4096
"""Bytes of one message."""


@dataclass(slots=True, eq=False)
class ClientConnection:
    """One connection."""

    socket: web.WebSocketResponse
    private: bool
    last_ping: float
    messages: RequestWindow
    outgoing: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    """None: close."""
    subscriptions: dict[tuple[str, str, str], Subscription] = field(default_factory=dict)
    logged_in: bool = False
    late: deque[tuple[int, str]] = field(default_factory=deque)
    """Pushes that wait for others to overtake them: how many still must, and the text."""

    def say(self, text: str) -> None:
        """Send ``text`` after what is waiting to be sent."""
        self.outgoing.put_nowait(text)

    def say_json(self, **message: object) -> None:
        """Send an event."""
        self.say(json.dumps(message, separators=(",", ":")))

    def hang_up(self) -> None:
        """Close, after what is waiting to be sent."""
        self.outgoing.put_nowait(None)


class WebsocketServer:
    """All connections, and the task that tells them what happens.

    Parameters
    ----------
    server_time : callable
        Server time in ms.
    patience : callable
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
        listings: Mapping[str, Listing],
        keys: Keys,
        faults: Faults,
        *,
        clock: Clock,
        server_time: Callable[[], int],
        patience: Callable[[], tuple[int, int]],
        speed: float,
        push_every_s: float,
        counts: Counter[str],
    ) -> None:
        self._venue = venue
        self._listings = listings
        self._keys = keys
        self._faults = faults
        self._clock = clock
        self._server_time = server_time
        self._patience = patience
        self._speed = speed
        self._interval_s = min(push_every_s, 300 / PUSHES_PER_CANDLE / speed) if speed else push_every_s
        self._counts = counts
        self._lines: list[ClientConnection] = []
        self._pump: asyncio.Task[None] | None = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until either side closes it."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._counts["connections"] += 1
        line = ClientConnection(
            socket,
            private=request.path.endswith("private"),
            last_ping=self._clock.monotonic(),
            messages=RequestWindow(MESSAGES_PER_SECOND, SECOND),
        )
        self._lines.append(line)
        writer = asyncio.create_task(self._write(line))
        if self._pump is None:
            self._pump = asyncio.create_task(self._keep_telling())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(line, str(message.data))
        finally:
            self._lines.remove(line)
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
        await asyncio.gather(*(line.socket.close() for line in list(self._lines)))

    def disconnect(self, number: int | None = None) -> int:
        """Break every connection off, as a network does, or only the ``number``-th; how many they were."""
        lines = self._lines if number is None else self._lines[number : number + 1]
        for line in lines:
            self._break_off(line)
        return len(lines)

    def tell(self) -> None:
        """Tell every connection what has happened up to now."""
        now = self._server_time()
        self._venue.advance(now)
        self.tell_account()
        for line in list(self._lines):
            for subscription in list(line.subscriptions.values()):
                for text in subscription.news(now):
                    self._push(line, text)

    def tell_account(self) -> None:
        """Tell the private connections what has become of orders, positions and balances."""
        changes = self._venue.matching.drain()
        if not changes:
            return
        for line in list(self._lines):
            wanted = _private_wants(line)
            account = self._venue.matching.account
            for text in account_payloads(account, changes, wanted, self._server_time()):
                self._push(line, text)

    async def _keep_telling(self) -> None:
        """Tell what happens, and close who has fallen silent, for as long as the exchange is up."""
        while True:
            await self._clock.sleep(self._until_next_push())
            await asyncio.sleep(0)  # a simulated clock may not give way by itself
            self.tell()
            for line in list(self._lines):
                if self._clock.monotonic() - line.last_ping >= SILENCE_S:
                    self._counts["closed for silence"] += 1
                    self._break_off(line)

    def _until_next_push(self) -> float:
        """Seconds of the clock; where time moves, pushes come at multiples of their interval.

        Counted in whole milliseconds of market time: of fractions of seconds a rest of 1e-11 s would remain
        again and again, and whoever simulates the clock would move it in steps of that size.
        """
        if not self._speed:
            return self._interval_s
        interval_ms = max(1, round(self._interval_s * self._speed * 1000))
        return (interval_ms - self._server_time() % interval_ms) / 1000 / self._speed

    async def _write(self, line: ClientConnection) -> None:
        """Send what is waiting, in order."""
        with contextlib.suppress(ConnectionError):
            while (text := await line.outgoing.get()) is not None:
                await line.socket.send_str(text)
        self._break_off(line)

    def _break_off(self, line: ClientConnection) -> None:
        """Close the connection without a word."""
        writer = line.socket._writer  # noqa: SLF001 - aiohttp has no public way to close abnormally
        if writer is not None and writer.transport is not None:
            writer.transport.abort()

    def _push(self, line: ClientConnection, text: str) -> None:
        """Send a push, unless it meets a fault; let those go that were overtaken often enough."""
        number = self._counts["pushes"]
        self._counts["pushes"] += 1
        fault = self._faults.of_push(number)
        if fault is not None:
            self._counts[fault] += 1
        waiting = [(left - 1, late) for left, late in line.late]
        line.late.clear()
        match fault:
            case "disconnect":
                self._break_off(line)
                return
            case "push_late":
                waiting.append((LATE_BY, text))
            case "push_lost":
                pass
            case _:
                line.say(text)
                if fault == "push_twice":
                    line.say(text)
        for left, late in waiting:
            if left > 0:
                line.late.append((left, late))
            else:
                line.say(late)

    # What a client says -----------------------------------------------------------------------------

    def _hear(self, line: ClientConnection, text: str) -> None:
        """Act on one message."""
        now = self._clock.monotonic()
        if not line.messages.left(now):
            self._counts["closed for chatter"] += 1
            line.say_json(event="error", code=30007, msg="request over limit, connection close")
            line.hang_up()
            return
        line.messages.count(now)
        if text == "ping":
            line.last_ping = now
            line.say("pong")
            return
        try:
            message = json.loads(text)
            op, args = message["op"], message["args"]
        except (ValueError, KeyError, TypeError):
            line.say_json(event="error", code=30002, msg="illegal request")
            return
        if not isinstance(args, list) or not all(isinstance(arg, dict) for arg in args):
            line.say_json(event="error", code=30016, msg="Param error")
        elif len(json.dumps(args)) > LONGEST_ARGS:
            line.say_json(event="error", code=30002, msg=f"args longer than {LONGEST_ARGS} bytes")
        elif op == "login":
            self._login(line, args)
        elif op in {"subscribe", "unsubscribe"}:
            for arg in args:
                self._subscribe(line, arg) if op == "subscribe" else self._unsubscribe(line, arg)
        else:
            line.say_json(event="error", code=30003, msg="INVALID op")

    def _login(self, line: ClientConnection, args: list[Mapping[str, object]]) -> None:
        refusal = check_login(self._keys, args[0] if args else {}, clocks=self._patience())
        if refusal is not None:
            line.say_json(event="error", code=refusal[0], msg=refusal[1])
            return
        line.logged_in = True
        line.say_json(event="login", code=0, msg="")

    def _subscribe(self, line: ClientConnection, arg: Mapping[str, object]) -> None:
        channel = str(arg.get("channel", ""))
        if channel in PRIVATE_CHANNELS and not (line.private and line.logged_in):
            line.say_json(event="error", arg=arg, code=30004, msg="User needs to log in")
            return
        try:
            listing = None if channel in PRIVATE_CHANNELS else known_instrument(arg, self._listings)
        except LookupError:
            told = ",".join(f"{name}:{arg.get(name)}" for name in ("instType", "channel", "instId"))
            line.say_json(event="error", arg=arg, code=30001, msg=f"{told} doesn't exist")
            return
        line.say_json(event="subscribe", arg=arg)
        subscription = line.subscriptions[_key(arg)] = Subscription(arg, listing)
        now = self._server_time()
        if first := subscription.first(now):
            self._push(line, first)
        if channel in PRIVATE_CHANNELS:
            self._venue.advance(now)
            self.tell_account()
            for text in standing(self._venue.matching.account, {channel: arg}, now):
                self._push(line, text)

    def _unsubscribe(self, line: ClientConnection, arg: Mapping[str, object]) -> None:
        line.subscriptions.pop(_key(arg), None)
        line.say_json(event="unsubscribe", arg=arg)


def _key(arg: Mapping[str, object]) -> tuple[str, str, str]:
    return str(arg.get("instType")), str(arg.get("channel")), str(arg.get("instId"))


def _private_wants(line: ClientConnection) -> dict[str, Mapping[str, object]]:
    """Private channels of a connection, under the right product type, with their args."""
    return {
        channel: subscription.arg
        for (kind, channel, _), subscription in line.subscriptions.items()
        if channel in PRIVATE_CHANNELS and kind == PRODUCT_TYPE
    }
