"""An exchange on loopback that says what it is told to, by REST and by websocket; and a clock by hand."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.market.samples import NOW

PACE_S = 0.2
"""Longer waits than this are no paces of messages."""
Answer = Callable[[web.Request, str], web.StreamResponse]


class HandClock:
    """A clock that moves only when the test moves it; who sleeps is woken when his time has come."""

    def __init__(self, wall_ms: int = NOW) -> None:
        self._start_ms = wall_ms
        self._passed = 0.0
        self.moved_ms = 0
        """How far a hand has set the machine's time forward."""
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """Wall time."""
        return self.true_ms() + self.moved_ms

    def true_ms(self) -> int:
        """Wall time that nobody has moved."""
        return self._start_ms + round(self._passed * 1000)

    def machine_sleeps(self, seconds: float) -> None:
        """Let time pass that the monotonic clock does not count."""
        self._start_ms += round(seconds * 1000)

    def monotonic(self) -> float:
        """Seconds passed."""
        return 1000.0 + self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the time so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass; everybody whose time comes is woken in turn."""
        end = self._passed + seconds
        while True:
            await settle()
            self._sleepers = [(due, future) for due, future in self._sleepers if not future.done()]
            due = min((due for due, _ in self._sleepers), default=end)
            if due > end:
                break
            self._passed = max(due, self._passed)
            woken = [future for at, future in self._sleepers if at <= due]
            self._sleepers = [(at, future) for at, future in self._sleepers if at > due]
            for future in woken:
                if not future.done():
                    future.set_result(None)
            if not woken:
                break
        self._passed = end
        await settle()

    async def skip_paces(self) -> None:
        """Let the time pass that somebody waits between two messages, but nobody's longer waits."""
        await settle()
        due = min((due for due, future in self._sleepers if not future.done()), default=math.inf)
        if due - self._passed < PACE_S:
            await self.advance(due - self._passed)


async def settle() -> None:
    """Let everybody go as far as they can without time passing or anything coming by the network."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class Peer:
    """One websocket that a client opened."""

    path: str
    socket: web.WebSocketResponse
    heard: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    async def hears(self, clock: HandClock) -> dict[str, Any]:
        """The next message of the client that is no ping."""
        while True:
            while self.heard.empty():
                await clock.skip_paces()
            if (text := self.heard.get_nowait()) != "ping":
                message: dict[str, Any] = json.loads(text)
                return message

    async def say(self, message: object) -> None:
        """Send a text, or anything else as JSON."""
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hang_up(self) -> None:
        """Close the line."""
        await self.socket.close()


class Exchange:
    """REST answers by method and path, websockets as they are opened, and what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, web.Request, str]] = []
        self.opened: asyncio.Queue[Peer] = asyncio.Queue()
        self.url = self.ws_url = ""
        self.pongs = True
        """Whether pings are answered."""
        self.shut = False
        """Whether nobody is let in on a websocket."""

    def on(self, method_and_path: str, *answers: Answer) -> None:
        """Answer requests with ``answers`` one after the other, the last one for ever."""
        self.answers[method_and_path] = list(answers)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What was posted to ``path``."""
        return [
            json.loads(text)
            for name, request, text in self.asked
            if name == f"POST {request.path}" and request.path.endswith(path)
        ]

    def count(self, path: str) -> int:
        """How often a path that ends in ``path`` was asked."""
        return sum(request.path.endswith(path) for _, request, _ in self.asked)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return web.Response(status=503) if self.shut else await self._talk(request)
        name, text = f"{request.method} {request.path}", await request.text()
        self.asked.append((name, request, text))
        answers = self.answers.get(name)
        if answers is None:
            return refuse("40404", "no such path")(request, text)
        return (answers.pop(0) if len(answers) > 1 else answers[0])(request, text)

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        peer = Peer(request.path, socket)
        self.opened.put_nowait(peer)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                peer.heard.put_nowait(message.data)
                if message.data == "ping" and self.pongs:
                    await socket.send_str("pong")
        return socket


def tell(data: object) -> Answer:
    """Bitget's envelope around ``data``."""
    return lambda *_: web.json_response({"code": "00000", "msg": "success", "requestTime": 1, "data": data})


def refuse(code: str, message: str = "no", *, status: int = 400) -> Answer:
    """Bitget's envelope around nothing."""
    envelope = {"code": code, "msg": message, "requestTime": 1, "data": None}
    return lambda *_: web.json_response(envelope, status=status)


def plain(text: str, *, status: int = 200) -> Answer:
    """Any text."""
    return lambda *_: web.Response(text=text, status=status)


def hang_up(request: web.Request, _: str) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@contextlib.asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Serve on a free port of this machine."""
    served = Exchange()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"127.0.0.1:{runner.addresses[0][1]}"
    served.url, served.ws_url = f"http://{address}", f"ws://{address}"
    try:
        yield served
    finally:
        await runner.cleanup()
