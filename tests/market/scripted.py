"""A web server on loopback that answers what a test tells it to."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable

from aiohttp import web

Reply = Callable[[web.Request], web.StreamResponse]


def success(data: object) -> Reply:
    """Bitget's envelope around ``data``."""
    return plain(json.dumps({"code": "00000", "msg": "success", "requestTime": 1, "data": data}))


def refusal(code: str, *, status: int = 400, message: str = "no") -> Reply:
    """Bitget's envelope around nothing."""
    return plain(json.dumps({"code": code, "msg": message, "requestTime": 1, "data": None}), status=status)


def plain(text: str, *, status: int = 200) -> Reply:
    """Any text."""
    return lambda _: web.Response(text=text, status=status)


def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


class Script:
    """Answers one after the other, the last one for ever; remembers what was asked."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.replies = list(replies)
        self.asked: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        reply = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append(request)
        return reply(request)


@contextlib.asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Script]:
    """Serve ``replies`` on a free port of this machine."""
    script = Script(replies)
    app = web.Application()
    app.router.add_get("/{path:.*}", script.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield script
    finally:
        await runner.cleanup()
