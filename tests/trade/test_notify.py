"""Messages go out when they can; trading never waits for them, and no token is in any text."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from desk.errors import SettingsError
from desk.trade.notify import Line, Notifier, Silent, lines_from, notifying
from desk.trade.replay import SimulatedClock
from desk.trade.settings import NotifySettings

TOKEN = "987654:secret-token"  # noqa: S105 - not one
SETTINGS = NotifySettings(digest_hours=24, queue=3, timeout_s=2.0)


@dataclass
class Post:
    """A webhook on this machine."""

    url: str = ""
    got: list[dict[str, str]] = field(default_factory=list)
    refuse: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """Keep the message, or refuse it."""
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=500)
        self.got.append(await request.json())
        self.arrived.set()
        return web.Response()


class Patient(SimulatedClock):
    """A clock on which a day never passes, and seconds at once."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0) if seconds < 3600 else await asyncio.Event().wait()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    app = web.Application()
    app.router.add_post("/hook/{token}", made.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/{TOKEN}"
    yield made
    await runner.cleanup()


async def test_trouble_goes_out_at_once(post: Post) -> None:
    """The rest waits for the digest."""
    line = Line("webhook", post.url, "text", {"chat_id": "5"})
    async with notifying([line], SETTINGS, Patient(0.0)) as notifier:
        notifier.tell("all is well", urgent=False)
        notifier.tell("BTCUSDT: no stop", urgent=True)
        await asyncio.wait_for(post.arrived.wait(), 5)

    assert post.got == [{"chat_id": "5", "text": "BTCUSDT: no stop"}]


async def test_what_is_urgent_at_the_end_is_still_delivered(post: Post) -> None:
    """The daily loss stop is told just before the process ends."""
    async with notifying([Line("webhook", post.url, "text", {})], SETTINGS, Patient(0.0)) as notifier:
        notifier.tell("daily loss stop", urgent=True)

    assert [message["text"] for message in post.got] == ["daily loss stop"]


async def test_a_failed_delivery_is_tried_once_more_and_told_without_the_token(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """The address of a webhook is a secret, and so is the token in Telegram's."""
    post.refuse = 1
    with caplog.at_level(logging.DEBUG):
        async with notifying([Line("webhook", post.url, "text", {})], SETTINGS, Patient(0.0)) as notifier:
            notifier.tell("trouble", urgent=True)
        async with notifying(
            [Line("Telegram", f"http://127.0.0.1:9/bot{TOKEN}/sendMessage", "text", {})],
            SETTINGS,
            Patient(0.0),
        ) as deaf:
            deaf.tell("trouble", urgent=True)

    assert [message["text"] for message in post.got] == ["trouble"]
    assert isinstance(deaf, Notifier)
    assert deaf.dropped == 1
    assert "was not delivered" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_full_queue_drops_and_counts() -> None:
    """Telling returns at once, whatever the line does."""
    notifier = Notifier([], SETTINGS, Patient(0.0))
    for number in range(10):
        notifier.tell(str(number), urgent=True)
        notifier.tell(str(number), urgent=False)

    assert notifier.dropped == 14


async def test_without_lines_nobody_is_told() -> None:
    """It is optional."""
    async with notifying([], SETTINGS, Patient(0.0)) as notifier:
        assert isinstance(notifier, Silent)
        notifier.tell("nothing", urgent=True)


def test_lines_come_from_the_environment() -> None:
    """Half a line is told by name, and no value is in any text."""
    lines = lines_from(
        {"NOTIFY_WEBHOOK": f"https://x.test/{TOKEN}", "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_CHAT": "77"}
    )
    assert [line.name for line in lines] == ["webhook", "Telegram"]
    assert TOKEN not in repr(lines)
    assert lines_from({}) == ()
    for environ in ({"TELEGRAM_TOKEN": TOKEN}, {"NOTIFY_WEBHOOK": TOKEN}):
        with pytest.raises(SettingsError) as caught:
            lines_from(environ)
        assert TOKEN not in str(caught.value)
