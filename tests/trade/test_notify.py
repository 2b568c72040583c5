"""Messages go out when they can; trading never waits for them, and no token is in any text."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import SettingsError
from desk.trade.notify import LONGEST, MessageChannel, NoNotifier, Notifier, channels_from, notifying, packed
from desk.trade.settings import NotifySettings
from tests.market.lines import HandClock, settle

TOKEN = "987654:secret-token"  # noqa: S105 - not one
SETTINGS = NotifySettings(digest_hours=24, queue=3, timeout_s=2.0)


@dataclass
class Post:
    """A webhook on this machine."""

    url: str = ""
    got: list[dict[str, str]] = field(default_factory=list)
    refuse: int = 0
    status: int = 500
    """Of what is refused."""
    posted: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def texts(self) -> list[str]:
        """What was taken."""
        return [message["text"] for message in self.got]

    async def take(self, request: web.Request) -> web.Response:
        """Keep the message, or refuse it."""
        self.posted += 1
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=self.status)
        self.got.append(await request.json())
        self.arrived.set()
        return web.Response()


async def until(done: Callable[[], object], clock: HandClock, *, step: float = 0.0) -> None:
    """Let the network work until something is so, ``step`` seconds of the clock at a time."""
    async with asyncio.timeout(20):
        while not done():
            await clock.advance(step)
            for _ in range(10):
                await settle()


@contextlib.asynccontextmanager
async def telling(
    clock: HandClock, *lines: MessageChannel, settings: NotifySettings = SETTINGS, step: float = 0.0
) -> AsyncIterator[Notifier]:
    """A notifier that ends with the block, while time passes by ``step``."""
    session = notifying(lines, settings, clock)
    notifier = await session.__aenter__()
    assert isinstance(notifier, Notifier)
    try:
        yield notifier
    finally:
        ending = asyncio.ensure_future(session.__aexit__(None, None, None))
        await until(ending.done, clock, step=step)
        await ending


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    app = web.Application()
    app.router.add_post("/hook/{token}", made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/{TOKEN}"
    yield made
    await runner.cleanup()


async def test_trouble_goes_out_at_once(post: Post) -> None:
    """The rest waits for the digest."""
    line = MessageChannel("webhook", post.url, "text", {"chat_id": "5"})
    async with telling(HandClock(), line) as notifier:
        notifier.notify("all is well", urgent=False)
        notifier.notify("BTCUSDT: no stop", urgent=True)
        await asyncio.wait_for(post.arrived.wait(), 5)
        assert post.got == [{"chat_id": "5", "text": "BTCUSDT: no stop"}]

    assert post.texts == ["BTCUSDT: no stop", "all is well"]  # with the last words, when the session ends


async def test_what_is_urgent_at_the_end_is_still_delivered(post: Post) -> None:
    """The daily loss stop is told just before the process ends."""
    async with telling(HandClock(), MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("daily loss stop", urgent=True)

    assert post.texts == ["daily loss stop"]


async def test_an_outage_of_the_line_loses_nothing_that_is_urgent(post: Post) -> None:
    """Lines fail when everything fails, which is when there is something to tell."""
    post.refuse, clock = 7, HandClock()
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("BTCUSDT: no stop", urgent=True)
        await until(lambda: post.got, clock, step=5.0)

    assert post.texts == ["BTCUSDT: no stop"]
    assert post.posted == 8
    assert clock.monotonic() >= 1000 + 5 + 10 + 20 + 40 + 80 + 160 + 300  # each wait twice the last


async def test_one_line_does_not_wait_for_another(post: Post) -> None:
    """Telegram may be down for hours, and the webhook is for that case."""
    lines = [
        MessageChannel("Telegram", "http://127.0.0.1:9/x", "text", {}),
        MessageChannel("webhook", post.url, "text", {}),
    ]
    clock = HandClock()
    async with telling(clock, *lines, step=1.0) as notifier:
        for text in ("one", "two", "three"):
            notifier.notify(text, urgent=True)
            await until(lambda: post.got, clock)
        await until(lambda: "three" in "".join(post.texts), clock)

    assert "\n".join(post.texts) == "one\ntwo\nthree"


async def test_a_deaf_line_holds_up_the_end_for_a_moment_only(caplog: pytest.LogCaptureFixture) -> None:
    """And the address of a webhook is a secret, and so is the token in Telegram's."""
    clock = HandClock()
    line = MessageChannel("Telegram", f"http://127.0.0.1:9/bot{TOKEN}/sendMessage", "text", {})
    with caplog.at_level(logging.DEBUG):
        async with telling(clock, line, step=1.0) as deaf:
            deaf.notify("trouble", urgent=True)
            await until(lambda: "was not delivered" in caplog.text, clock)

    assert clock.monotonic() <= 1000 + 3 * SETTINGS.timeout_s + 2
    assert deaf.dropped == 1
    assert "1 messages to Telegram were never delivered" in caplog.text
    assert TOKEN not in caplog.text


async def test_the_last_words_do_not_wait_out_a_long_pause(post: Post) -> None:
    """A line that has been failing for a while is back, and the process ends."""
    post.refuse, clock = 10**6, HandClock()
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("no answer", urgent=True)
        await until(lambda: post.posted >= 7, clock, step=5.0)  # the next try would be in 300 s
        notifier.notify("STILL OPEN, close by hand", urgent=True)
        post.refuse = 0

    assert post.texts == ["no answer", "STILL OPEN, close by hand"]


async def test_a_message_that_is_refused_for_good_does_not_hold_up_the_rest(post: Post) -> None:
    """One that the other side never takes; the next that gets through says that it is missing."""
    post.refuse, post.status, clock = 8, 400, HandClock()
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("odd", urgent=True)
        await until(lambda: post.posted == 8, clock, step=5.0)
        notifier.notify("BTCUSDT: no stop", urgent=True)
        await until(lambda: post.got, clock)

    assert post.texts == ["BTCUSDT: no stop\n(1 messages were dropped)"]


async def test_where_there_is_no_room_the_oldest_go_and_that_is_told(post: Post) -> None:
    """Telling returns at once, whatever the line does; the last words matter most."""
    clock = HandClock()
    line = MessageChannel("webhook", post.url, "text", {})
    settings = NotifySettings(digest_hours=1, queue=3, timeout_s=2.0)
    async with telling(clock, line, settings=settings) as notifier:
        for number in range(10):
            notifier.notify(f"urgent {number}", urgent=True)
            notifier.notify(f"news {number}", urgent=False)
        assert notifier.dropped == 14
        await until(lambda: post.got, clock)
        await clock.advance(3600.0)
        await until(lambda: len(post.got) == 2, clock)

    assert post.texts == [
        "urgent 7\nurgent 8\nurgent 9\n(7 messages were dropped)",
        "(7 sentences before these were left out)\nnews 7\nnews 8\nnews 9",
    ]


async def test_a_burst_arrives_whole(post: Post) -> None:
    """The last line of it says what is still open; a digest of a busy day is as long."""
    clock, settings = HandClock(), NotifySettings(digest_hours=1, queue=200, timeout_s=2.0)
    urgent = [f"{number:02} " + "x" * 98 for number in range(34)] + ["STILL OPEN, close by hand: BTCUSDT"]
    news = [f"entry {number}: BTCUSDT: long 0.1 at about 100.0, stop 98" for number in range(150)]
    async with telling(clock, MessageChannel("webhook", post.url, "text", {}), settings=settings) as notifier:
        for text in urgent:
            notifier.notify(text, urgent=True)
        for text in news:
            notifier.notify(text, urgent=False)
        await until(lambda: "STILL OPEN" in "".join(post.texts), clock)
        await clock.advance(3600.0)
        await until(lambda: "entry 149" in "".join(post.texts), clock)

    assert "\n".join(post.texts).split("\n") == urgent + news
    assert max(map(len, post.texts)) <= LONGEST


@given(texts=st.lists(st.text("ab \n", max_size=60), min_size=1, max_size=20), most=st.integers(1, 40))
def test_messages_hold_every_line_and_break_between_lines(texts: list[str], most: int) -> None:
    """What is cut off is counted as delivered, and nobody asks for it again."""
    messages = packed(texts, most)
    lines = "\n".join(texts).split("\n")

    assert all(len(message) <= most for message in messages)
    assert "".join(messages).replace("\n", "") == "".join(lines)
    if max(map(len, lines)) <= most:
        assert "\n".join(messages).split("\n") == lines
    for one, two in itertools.pairwise(messages):
        assert len(one) + 1 + len(two.split("\n")[0]) > most


async def test_without_lines_nobody_is_told() -> None:
    """It is optional."""
    async with notifying([], SETTINGS, HandClock()) as notifier:
        assert isinstance(notifier, NoNotifier)
        notifier.notify("nothing", urgent=True)


def test_lines_come_from_the_environment() -> None:
    """Half a line is told by name, and no value is in any text."""
    lines = channels_from(
        {"NOTIFY_WEBHOOK": f"https://x.test/{TOKEN}", "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_CHAT": "77"}
    )
    assert [line.name for line in lines] == ["webhook", "Telegram"]
    assert TOKEN not in repr(lines)
    assert channels_from({}) == ()
    for environ in ({"TELEGRAM_TOKEN": TOKEN}, {"NOTIFY_WEBHOOK": TOKEN}):
        with pytest.raises(SettingsError) as caught:
            channels_from(environ)
        assert TOKEN not in str(caught.value)
