"""A websocket whose other side never stops talking, or talks nonsense, is left in bounded time."""

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from aiohttp import web

from desk.clock import SystemClock
from desk.market.bitget.account.classic.messages import STREAM as CLASSIC
from desk.market.bitget.account.secrecy import Secrets
from desk.market.bitget.account.signing import Credentials
from desk.market.bitget.account.stream import PrivateStream, StreamDialect
from desk.market.bitget.account.unified.messages import STREAM as UNIFIED
from desk.market.bitget.transport import http_session
from desk.market.bitget.websocket import WebsocketConnection, open_socket
from desk.market.settings import LinkSettings
from tests.market.bitget.test_lines import host
from tests.market.lines import HandClock

LINK = LinkSettings(
    base_url="http://127.0.0.1:9",
    proxy="",
    largest_body_mib=16,
    ws_url="ws://127.0.0.1:9",
    demo=False,
    timeout_s=5.0,
    attempts=1,
    give_up_after_s=30.0,
)


async def talks_on(request: web.Request) -> web.WebSocketResponse:
    """Send pings for as long as the connection is there, and never answer a goodbye."""
    socket = web.WebSocketResponse(autoclose=False)
    await socket.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await socket.ping(b"x" * 100)
        await asyncio.sleep(0)
    return socket


async def test_a_goodbye_that_nobody_answers_ends() -> None:
    """The library waits one second per message: a feed could not reconnect, and a session not be stopped."""
    async with (
        host(talks_on) as served,
        http_session(timeout_s=5.0) as session,
        asyncio.timeout(20),
        open_socket(session, f"{served.url}/v2/ws/public", proxy="") as socket,
    ):
        assert not socket.closed

    assert len(served.asked) == 1


async def test_a_ping_that_nobody_reads_ends_the_connection() -> None:
    """Sending waits for a reader, and nobody would notice the silence meanwhile."""
    clock = HandClock()
    line = WebsocketConnection(
        "ws://127.0.0.1:9/v2/ws/public",
        session=None,  # type: ignore[arg-type]  # nothing is opened here
        proxy="",
        clock=clock,
        on_open=lambda _: asyncio.sleep(0),
        on_message=lambda _: None,
    )

    async def never_read(_: str) -> None:
        await asyncio.Event().wait()

    line._last_received = clock.monotonic()
    pinging = asyncio.ensure_future(line._ping(never_read))
    await clock.advance(26)
    await clock.advance(61)

    with pytest.raises(Exception, match="no answer within 60 s"):
        await asyncio.wait_for(pinging, 5)


async def test_many_frames_leave_a_turn_to_others() -> None:
    """Ninety thousand frames in one read held everything else up for two seconds."""
    turns: list[int] = []
    taken = 0

    async def many(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for _ in range(5_000):
            await socket.send_str("{")
        await socket.close()
        return socket

    def count(_: str) -> None:
        nonlocal taken
        taken += 1

    async def look() -> None:
        while True:
            turns.append(taken)
            await asyncio.sleep(0)

    async with host(many) as served, http_session(timeout_s=5.0) as session:
        line = WebsocketConnection(
            f"{served.url}/v2/ws/public",
            session=session,
            proxy="",
            clock=SystemClock(),
            on_open=lambda _: asyncio.sleep(0),
            on_message=count,
        )
        looking = asyncio.ensure_future(look())
        await line._once()
        looking.cancel()

    assert taken == 5_000
    assert max(later - earlier for earlier, later in pairwise(turns)) <= 200


@pytest.mark.parametrize(
    ("dialect", "arg"), [(CLASSIC, {"channel": "orders"}), (UNIFIED, {"topic": "order"})]
)
async def test_a_frame_is_searched_for_the_key_once(
    dialect: StreamDialect, arg: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each of its rows, nine kilobytes held a session for 15 s, and a megabyte for days."""
    searched: list[Sequence[object]] = []
    quoted_in = Secrets.quoted_in

    def counted(self: Secrets, *texts: str | bytes, signed: str = "") -> bool:
        searched.append(texts)
        return quoted_in(self, *texts, signed=signed)

    monkeypatch.setattr(Secrets, "quoted_in", counted)
    credentials = Credentials("bg_the-key-itself", "the-secret-itself", "the-passphrase-itself")
    stream = PrivateStream(LINK, credentials, dialect, clock=HandClock())

    stream._receive(json.dumps({"action": "snapshot", "arg": arg, "data": [1] * 3_000}))

    assert len(searched) == 1
