"""What an exchange, or whoever stands in its place, can do to the line: lead elsewhere, never end, burst."""

import asyncio
import contextlib
import logging
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from desk.errors import Refused, Unanswered
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.signing import Credentials
from desk.market.bitget.public import BitgetPublic
from desk.market.bitget.transport import MIB
from desk.market.bitget.websocket import UnreadableCount, WebsocketConnection
from desk.market.settings import LinkSettings
from desk.trade.notify import MessageChannel, notifying
from desk.trade.settings import NotifySettings
from tests.market.lines import HandClock
from tests.market.samples import ImpatientClock, fetch_settings

Handler = Callable[[web.Request], object]
CREDENTIALS = Credentials("bg_the-key-itself", "the-secret-itself", "the-passphrase-itself")
REDIRECTS = (301, 302, 303, 307, 308)


class Host:
    """A server on loopback that does one thing, and remembers who came and with which headers."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.asked: list[web.Request] = []
        self.arrivals: asyncio.Queue[str] = asyncio.Queue()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.arrivals.put_nowait(request.path)
        found = self._handler(request)
        response = await found if asyncio.iscoroutine(found) else found
        assert isinstance(response, web.StreamResponse)
        return response

    @property
    def headers(self) -> set[str]:
        return {name.lower() for request in self.asked for name in request.headers}


@contextlib.asynccontextmanager
async def host(handler: Handler) -> AsyncIterator[Host]:
    served = Host(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield served
    finally:
        await runner.cleanup()


def link(url: str) -> LinkSettings:
    return LinkSettings(
        base_url=url,
        proxy="",
        largest_body_mib=1,
        ws_url=url.replace("http", "ws"),
        demo=False,
        timeout_s=5.0,
        attempts=1,
        give_up_after_s=5.0,
    )


def ok(_: web.Request) -> web.Response:
    return web.json_response({"code": "00000", "msg": "success", "data": {"serverTime": "1762560123456"}})


def market(served: Host) -> BitgetPublic:
    settings = fetch_settings(served.url, Path("unused"), attempts=1, largest_body_mib=1)
    return BitgetPublic(settings, clock=ImpatientClock())


def leading_to(elsewhere: Host, status: int) -> Handler:
    """Redirect everything."""
    return lambda request: web.Response(status=status, headers={"Location": elsewhere.url + request.path})


# Elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_request_is_led_to_another_host(status: int) -> None:
    """Not even a public one: its answer would be anybody's."""
    async with host(ok) as elsewhere:
        leads = leading_to(elsewhere, status)
        async with host(leads) as served, market(served) as client:
            with pytest.raises(Exception, match=f"HTTP {status} names another address"):
                await client.server_time()
        assert elsewhere.asked == []


@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_signed_request_and_no_login_is_led_to_another_host(status: int) -> None:
    """The private websocket followed one to an unencrypted address and sent key and passphrase there."""

    async def listen(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            heard.append(message.data)
        return socket

    def leads(request: web.Request) -> web.Response:
        if request.path.endswith("/time"):
            return ok(request)
        return web.Response(status=status, headers={"Location": elsewhere.url + request.path})

    heard: list[str] = []
    async with (
        host(listen) as elsewhere,
        host(leads) as served,
        BitgetAccount(link(served.url), CREDENTIALS, clock=ImpatientClock()) as account,
    ):
        with pytest.raises(Unanswered, match="names another address"):
            await account.balance()
        pushes = asyncio.ensure_future(anext(account.pushes().__aiter__()))
        opened = 0
        while opened < 3:
            opened += (await served.arrivals.get()).endswith("/private")
        pushes.cancel()
        await asyncio.gather(pushes, return_exceptions=True)

    assert elsewhere.asked == []
    assert heard == []


async def test_a_message_is_posted_to_its_address_and_nowhere_else() -> None:
    """It says what is traded."""
    async with host(ok) as elsewhere:
        async with host(lambda _: web.Response(status=307, headers={"Location": elsewhere.url})) as served:
            channel = MessageChannel("webhook", served.url, "text", {})
            settings = NotifySettings(digest_hours=0, queue=9, timeout_s=5.0)
            async with notifying((channel,), settings, ImpatientClock()) as notifier:
                notifier.notify("BTCUSDT: no stop", urgent=True)
                await served.arrivals.get()
        assert elsewhere.asked == []


async def test_neither_netrc_nor_another_programs_proxy_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``default`` entry of ~/.netrc was sent to the exchange, and with it somebody's password."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://me:s3cret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    async with host(ok) as served, market(served) as client:
        await client.server_time()
        await client.server_time()
        line = WebsocketConnection(
            served.url.replace("http", "ws") + "/v2/ws/public",
            session=client._transport.session,
            proxy=client.proxy,
            clock=HandClock(),
            on_open=lambda _: asyncio.sleep(0),
            on_message=lambda _: None,
        )
        assert "cannot be opened" in await line._once()

    assert len(served.asked) == 3
    assert not served.headers & {"authorization", "proxy-authorization"}


# Bodies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4_000, None])
async def test_a_body_that_never_ends_is_let_go_of(size: int | None) -> None:
    """Within its timeout one took 3.1 GiB."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={} if size is None else {"Content-Length": str(size * MIB)})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while sent < 4_000 * MIB:
                await response.write(b" " * MIB)
                sent += MIB
        return response

    async with host(endless) as served, market(served) as client:
        with pytest.raises(Exception, match="a body of more than 1 MiB is no answer"):
            await client.server_time()

    assert sent < 100 * MIB  # what the sockets of both sides hold, and much more


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15)])
async def test_a_body_that_bursts_is_let_go_of(encoding: str, wbits: int) -> None:
    """Seven MiB of gzip took 1.2 GiB and held the loop beyond the timeout."""
    packer = zlib.compressobj(9, wbits=wbits)
    bomb = b"".join([*(packer.compress(bytes(MIB)) for _ in range(512)), packer.flush()])

    def burst(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": encoding})

    async with host(burst) as served, market(served) as client:
        tracemalloc.start()
        try:
            with pytest.raises(Exception, match="a body of more than 1 MiB is no answer"):
                await client.server_time()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert len(bomb) < MIB
    assert peak < 32 * MIB


async def test_a_body_up_to_the_limit_is_read() -> None:
    """The list of all contracts has 0.6 MiB, and arrives packed."""
    body = b'{"code": "00000", "data": {"serverTime": "7", "pad": "' + b"x" * (MIB - 60) + b'"}}'
    packed = zlib.compress(body, wbits=31)
    reply = web.Response

    async with (
        host(lambda _: reply(body=packed, headers={"Content-Encoding": "gzip"})) as served,
        market(served) as client,
    ):
        assert await client.server_time() == 7


@pytest.mark.parametrize("left", ["9" * 5_000, "٣", "-1", "1e5", ""])
async def test_a_header_that_is_no_count_is_none(left: str) -> None:
    """``int`` of five thousand digits is an error of another kind than those that are caught."""

    def counted(request: web.Request) -> web.Response:
        response = ok(request)
        response.headers["x-mbx-used-remain-limit"] = left
        return response

    async with host(counted) as served, market(served) as client:
        assert await client.server_time() == 1762560123456


async def test_a_message_of_megabytes_is_not_kept_whole() -> None:
    """It went into the journal as it was."""
    refusal = {"code": "40762", "msg": "x" * 900_000, "data": None}
    async with host(lambda _: web.json_response(refusal)) as served, market(served) as client:
        with pytest.raises(Refused) as caught:
            await client.contracts()

    assert len(str(caught.value)) < 400
    assert caught.value.code == "40762"


# Frames --------------------------------------------------------------------------------------------


async def test_complaints_about_frames_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Four seconds of nonsense made 60 MB of log."""
    caplog.set_level(logging.WARNING)
    clock = HandClock()
    unreadable = UnreadableCount("/v2/ws/public", clock)
    for _ in range(10_000):
        unreadable.add("nonsense\x1b[2J\nEnded: asked to stop")
    await clock.advance(61)
    unreadable.add("more nonsense")

    assert [record.message for record in caplog.records] == [
        r"/v2/ws/public: a message cannot be read: nonsense\x1b[2J\nEnded: asked to stop",
        "/v2/ws/public: a message cannot be read: more nonsense (and 9,999 more since the last line)",
    ]
