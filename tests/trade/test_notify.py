"""Messages go out when they can; trading never waits for them, and no token is in any text."""

import asyncio
import contextlib
import itertools
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import SettingsError
from desk.trade.notify import (
    LONGEST,
    MessageChannel,
    NoNotifier,
    Notifier,
    channels_from,
    notifying,
    packed,
    try_channels,
)
from desk.trade.refusals import failure_of
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
    answer: str = ""
    """Body of a refusal."""
    pause: str = ""
    """Header ``Retry-After`` of a refusal."""
    moved: tuple[str, int] | None = None
    """A chat that is refused for good, and its new id, as Telegram has it."""
    posted: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def texts(self) -> list[str]:
        """What was taken, without the times."""
        return [re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d UTC ", "", one["text"]) for one in self.got]

    async def take(self, request: web.Request) -> web.Response:
        """Keep the message, or refuse it."""
        self.posted += 1
        if self.refuse:
            self.refuse -= 1
            headers = {"Retry-After": self.pause} if self.pause else {}
            return web.Response(status=self.status, text=self.answer, headers=headers)
        message = await request.json()
        if self.moved is not None and message.get("chat_id") == self.moved[0]:
            answer = {
                "ok": False,
                "description": "Bad Request: group chat was upgraded to a supergroup chat",
                "parameters": {"migrate_to_chat_id": self.moved[1]},
            }
            return web.json_response(answer, status=400)
        self.got.append(message)
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
        assert [message["chat_id"] for message in post.got] == ["5"]
        assert post.texts == ["BTCUSDT: no stop"]

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
    assert max(len(message["text"]) for message in post.got) <= LONGEST


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


async def test_every_line_carries_its_time(post: Post) -> None:
    """A digest of a day is read in the evening, and a message that waited out an outage is old."""
    clock = HandClock()
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("one", urgent=True)
        await clock.advance(120.0)
        notifier.notify("three", urgent=True)

    lines = "\n".join(message["text"] for message in post.got).split("\n")
    at = [
        f"{datetime.fromtimestamp(clock.now_ms() / 1000 - ago, tz=UTC):%Y-%m-%d %H:%M} UTC"
        for ago in (120, 0)
    ]
    assert lines == [f"{at[0]} one", f"{at[1]} three"]


async def test_what_a_session_begins_with_goes_out_after_a_minute(post: Post) -> None:
    """Equity, positions and models are known then, and the next digest is a day away."""
    clock = HandClock()
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("session: equity 10 USDT, holding nothing", urgent=False)
        await until(lambda: post.got, clock, step=1.0)
        assert clock.monotonic() <= 1000 + 70
        notifier.notify("an entry", urgent=False)
        await clock.advance(3_600.0)
        assert len(post.got) == 1

    assert post.texts == ["session: equity 10 USDT, holding nothing", "an entry"]


def _took(post: Post, count: int) -> bool:
    return len(post.got) == count


async def test_a_group_that_became_a_supergroup_is_written_to_under_its_new_id(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """Telegram says where it went; nothing is lost, and the log says once what to set."""
    post.moved, clock = ("-100", -1001), HandClock()
    with caplog.at_level(logging.INFO):
        async with telling(
            clock, MessageChannel("Telegram", post.url, "text", {"chat_id": "-100"})
        ) as notifier:
            for count, text in enumerate(("one", "two"), start=1):
                notifier.notify(text, urgent=True)
                await until(partial(_took, post, count), clock)

    assert [(message["chat_id"], text) for message, text in zip(post.got, post.texts, strict=True)] == [
        ("-1001", "one"),
        ("-1001", "two"),
    ]
    assert clock.monotonic() < 1005  # no wait came between
    assert caplog.text.count("set TELEGRAM_CHAT to its new id, -1001") == 1


async def test_a_chat_that_moves_in_a_circle_is_not_followed_for_ever(post: Post) -> None:
    """A new id that is refused with another new id is a refusal like any other."""
    post.moved, clock = ("5", 5), HandClock()
    line = MessageChannel("Telegram", post.url, "text", {"chat_id": "5"})
    async with telling(clock, line, step=5.0) as notifier:
        notifier.notify("odd", urgent=True)
        await until(lambda: notifier.dropped == 1, clock, step=5.0)

    assert post.got == []


@pytest.mark.parametrize(
    ("answer", "header"),
    [
        ('{"ok": false, "parameters": {"retry_after": 400}}', ""),
        ('{"retry_after": 400.0}', ""),
        ("", "400"),
    ],
)
async def test_a_pause_that_the_other_side_asks_for_is_kept(post: Post, answer: str, header: str) -> None:
    """Telegram, Discord and Slack each have their way; who writes on meanwhile is kept out for longer."""
    post.refuse, post.status, clock = 1, 429, HandClock()
    post.answer, post.pause = answer, header
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("BTCUSDT: no stop", urgent=True)
        await until(lambda: post.posted, clock)
        await clock.advance(399.0)
        assert post.posted == 1
        await until(lambda: post.got, clock, step=1.0)

    assert post.texts == ["BTCUSDT: no stop"]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_channel_that_is_closed_for_a_while_costs_no_message(post: Post, status: int) -> None:
    """The bot was blocked, or the webhook removed, and is put back: that refuses nobody's words."""
    post.refuse, post.status, clock = 12, status, HandClock()
    async with telling(clock, MessageChannel("webhook", post.url, "text", {})) as notifier:
        notifier.notify("BTCUSDT: no stop", urgent=True)
        await until(lambda: post.got, clock, step=60.0)

    assert post.texts == ["BTCUSDT: no stop"]
    assert notifier.dropped == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"description": "Bad Request: chat not found"}', "HTTP 400 Bad Request: chat not found"),
        (b'{"description": "two\\nlines\\u001b[31m"}', "HTTP 400 two lines [31m"),
        (f'{{"description": "no {TOKEN} here"}}'.encode(), "HTTP 400"),
        (b'{"description": {"deep": 1}, "parameters": []}', "HTTP 400"),
        (b"[" * 4_000, "HTTP 400"),
        (b"<html>", "HTTP 400"),
        (b"[1]", "HTTP 400"),
    ],
)
def test_a_refusal_is_logged_with_the_words_of_the_other_side(body: bytes, kind: str) -> None:
    """A bare "HTTP 400" helps nobody; a token, an escape sequence or a page must not come with them."""
    found = failure_of(400, {}, body, secret=f"https://api.telegram.org/bot{TOKEN}/sendMessage")

    assert found.kind == kind
    assert (found.refused, found.pause_s, found.moved_to) == (True, 0.0, "")


@pytest.mark.parametrize(
    ("asked", "kept"),
    [("7", 7.0), (7, 7.0), (1e9, 3600.0), ("nan", 0.0), (-5, 0.0), ("Wed, 21 Oct 2026", 0.0), (None, 0.0)],
)
def test_a_pause_is_a_number_of_seconds_and_an_hour_at_most(asked: object, kept: float) -> None:
    """Whatever a stranger's server answers, messages go on."""
    body = json.dumps({"parameters": {"retry_after": asked}}).encode()

    assert failure_of(429, {}, body, secret="").pause_s == kept


async def test_each_channel_says_what_came_of_a_test(post: Post) -> None:
    """Before money depends on it."""
    post.moved = ("-100", -1001)
    channels = [
        MessageChannel("webhook", post.url, "text", {}),
        MessageChannel("Telegram", post.url, "text", {"chat_id": "-100"}),
        MessageChannel("deaf", "http://127.0.0.1:9/x", "text", {}),
    ]
    reasons = await try_channels(channels, SETTINGS, HandClock(), "a test")

    assert reasons["webhook"] == ""
    assert reasons["Telegram"].endswith("set TELEGRAM_CHAT to its new id, -1001")
    assert reasons["deaf"].startswith("not delivered: ")
    assert post.texts == ["a test"]


async def test_a_test_message_takes_no_password_along(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--test-notify`` sent the ``default`` entry of ~/.netrc to the receiver."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://me:s3cret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    channel = MessageChannel("webhook", post.url, "text", {})

    assert await try_channels([channel], SETTINGS, HandClock(), "a test") == {"webhook": ""}
