"""Commands by Telegram: of the configured chat, with the word, since the session began."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from desk.errors import SettingsError
from desk.trade.commands import brief_status, session_commands
from desk.trade.snapshot import HealthItem, PositionView, SessionSnapshot
from desk.trade.telegram import MOST_WRONG, TelegramBot, taking_commands, telegram_bot_from
from tests.market.lines import HandClock, settle
from tests.trade.samples import NOON
from tests.trade.test_session import two_symbols

CHAT, WORD, TOKEN = "-1001234", "correct-horse", "987654:secret-token"


@dataclass
class Telegram:
    """A bot's side of Telegram on this machine."""

    updates: list[dict[str, object]] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    url: str = ""
    polls: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Condition = field(default_factory=asyncio.Condition)

    def write(self, text: str, *, chat: str = CHAT, **more: object) -> None:
        """Somebody writes a message."""
        message = {"chat": {"id": int(chat)}, "text": text, **more}
        self.updates.append({"update_id": len(self.updates) + 100, "message": message})
        self.changed.set()

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one method."""
        asked = await request.json()
        async with self.answered:
            self.polls += 1
            self.answered.notify_all()
        if self.status != 200:
            return web.json_response({"ok": False, "description": f"no {TOKEN}"}, status=self.status)
        if request.path.endswith("sendMessage"):
            async with self.answered:
                self.sent.append(asked)
                self.answered.notify_all()
            return web.json_response({"ok": True, "result": {}})
        return web.json_response({"ok": True, "result": await self.newer(int(asked["offset"]))})

    async def newer(self, offset: int) -> list[dict[str, object]]:
        """Updates from a number on, as soon as there are any; of -1, the last one."""
        if offset < 0:
            return self.updates[offset:]
        while not (found := [one for one in self.updates if int(str(one["update_id"])) >= offset]):
            self.changed.clear()
            await self.changed.wait()
        return found

    async def answers(self, count: int) -> list[str]:
        """The first answers, once they are there."""
        async with asyncio.timeout(10), self.answered:
            await self.answered.wait_for(lambda: len(self.sent) >= count)
        assert {one["chat_id"] for one in self.sent} <= {CHAT}
        return [one["text"] for one in self.sent]

    async def polled(self, count: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(10), self.answered:
            await self.answered.wait_for(lambda: self.polls >= count)


@contextlib.asynccontextmanager
async def telegram() -> AsyncIterator[Telegram]:
    """Serve a bot's side."""
    served = Telegram()
    app = web.Application()
    app.router.add_post("/{path:.*}", served.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/bot{TOKEN}"
    try:
        yield served
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def listening(served: Telegram, clock: HandClock | None = None) -> AsyncIterator[list[str]]:
    """Take commands; yields the names of those that were done."""
    done: list[str] = []

    def action(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        async def act() -> str:
            done.append(name)
            return f"{name} done"

        return act

    bot = TelegramBot(served.url, CHAT, WORD)
    actions = {name: action(name) for name in ("status", "stop", "flatten")}
    async with taking_commands(bot, actions, clock or HandClock()):
        await served.polled(2)
        yield done


def test_commands_of_the_chat_are_done() -> None:
    """Whoever is away from the machine can look, stop and close."""

    async def scene() -> None:
        async with telegram() as served, listening(served) as done:
            served.write("/status")
            served.write(f"/stop {WORD}")
            served.write(f"/flatten@desk_bot {WORD}")
            assert await served.answers(3) == ["status done", "stop done", "flatten done"]
            assert done == ["status", "stop", "flatten"]

    asyncio.run(scene())


def test_what_others_write_is_ignored() -> None:
    """Another chat, a forwarded text, a command without its word, and what was written before the start."""

    async def scene() -> None:
        async with telegram() as served:
            served.write(f"/flatten {WORD}")
            async with listening(served) as done:
                served.write(f"/flatten {WORD}", chat="666")
                served.write(f"/flatten {WORD}", forward_origin={})
                served.write(f"flatten {WORD}")
                served.write(f"/unknown {WORD}")
                served.write("/flatten")
                served.write(f"/flatten {WORD}x")
                served.write(f"/flatten {WORD} {WORD}")
                served.write("/status")
                answers = await served.answers(4)

                assert done == ["status"]
                assert all("was not done" in one for one in answers[:3])
                assert not any(WORD in one for one in answers)

    asyncio.run(scene())


def test_after_wrong_words_nothing_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    """A word is not to be guessed by whoever has got into the chat."""

    async def scene() -> None:
        async with telegram() as served, listening(served) as done:
            for at in range(MOST_WRONG):
                served.write(f"/stop wrong-{at}")
            await served.answers(MOST_WRONG)
            served.write(f"/flatten {WORD}")
            await settle()
            assert done == []

    with caplog.at_level(logging.WARNING):
        asyncio.run(scene())
    assert "off until the next start" in caplog.text
    assert WORD not in caplog.text


def test_telegram_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """An outage ends no session, and what fails for long is logged once; no token is in any text."""

    async def scene() -> None:
        async with telegram() as served:
            clock = HandClock()
            served.status = 502
            async with listening_soon(served, clock) as done:
                for count in (1, 2, 3):
                    await served.polled(count)
                    await asleep(clock)
                    served.status = 502 if count < 3 else 200
                    await clock.advance(600)
                await served.polled(5)
                served.write("/status")
                assert await served.answers(1) == ["status done"]
                assert done == ["status"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(scene())
    assert caplog.text.count("HTTP 502") == 1
    assert TOKEN not in caplog.text


async def asleep(clock: HandClock) -> None:
    """Wait until somebody waits for the clock."""
    async with asyncio.timeout(10):
        while not clock._sleepers:  # noqa: ASYNC110 - nothing else shows it
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def listening_soon(served: Telegram, clock: HandClock) -> AsyncIterator[list[str]]:
    """As ``listening``, without a first answer."""
    done: list[str] = []

    async def status() -> str:
        done.append("status")
        return "status done"

    async with taking_commands(TelegramBot(served.url, CHAT, WORD), {"status": status}, clock):
        yield done


def test_a_bot_that_is_refused_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong token is wrong tomorrow."""

    async def scene() -> None:
        async with telegram() as served:
            served.status = 401
            clock = HandClock()
            async with listening_soon(served, clock):
                await served.polled(1)
                while "refuses the bot" not in caplog.text:
                    await settle()
                await settle()
                assert not clock._sleepers

    with caplog.at_level(logging.WARNING):
        asyncio.run(scene())
    assert "refuses the bot" in caplog.text


def test_commands_are_off_unless_all_is_set() -> None:
    """Nobody gets a remote control by setting up messages."""
    messages = {"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_CHAT": CHAT}
    assert telegram_bot_from(messages) is None
    assert telegram_bot_from({**messages, "TELEGRAM_COMMAND_TOKEN": WORD}) is not None
    for wrong in (
        {"TELEGRAM_COMMAND_TOKEN": WORD},
        {**messages, "TELEGRAM_COMMAND_TOKEN": "short"},
        {**messages, "TELEGRAM_COMMAND_TOKEN": "two whole words"},
    ):
        with pytest.raises(SettingsError) as found:
            telegram_bot_from(wrong)
        assert "TELEGRAM_COMMAND_TOKEN" in str(found.value)
        assert not [value for value in wrong.values() if value in str(found.value)]
    assert TOKEN not in repr(telegram_bot_from({**messages, "TELEGRAM_COMMAND_TOKEN": WORD}))


def snapshot(**changes: object) -> SessionSnapshot:
    """A session with a position."""
    held = PositionView(
        symbol="BTCUSDT",
        side="long",
        size=Decimal("0.01"),
        entry_price=Decimal(100_000),
        mark_price=None,
        unrealized=None,
        stop=Decimal(98_000),
        take_profit=None,
        due=NOON + 600_000,
        opened=NOON,
        model_file="m",
        is_tracked=True,
    )
    values: dict[str, object] = dict.fromkeys(SessionSnapshot.__dataclass_fields__)
    values |= {
        "at": NOON,
        "mode": "live",
        "is_running": True,
        "began": NOON,
        "why": "",
        "stopping": "",
        "equity": Decimal("980.5"),
        "day_equity": Decimal(1000),
        "peak_equity": Decimal(1000),
        "newest_candle": NOON - 60_000,
        "positions": (held,),
        "symbols": (),
        "delivered": (),
        "health": (HealthItem(name="clock", state="bad", text="wrong"),),
        "notes": (),
        "counts": {},
    }
    return SessionSnapshot(**{**values, "equity_line": (), **changes})  # type: ignore[arg-type]


def test_a_status_is_read_at_a_glance() -> None:
    """On a telephone: money, positions with their stops, and what is not in order."""
    text = brief_status(snapshot())

    assert "mode live" in text
    assert "equity 980.50 USDT, today -1.95%, 1.95% below its peak" in text
    assert "BTCUSDT: long 0.01 at 100000, stop 98000, until" in text
    assert "clock: wrong" in text
    assert "no position is open" in brief_status(snapshot(positions=()))
    assert "STOPPING" in brief_status(snapshot(stopping="asked"))


async def test_commands_do_what_the_buttons_of_the_page_do(tmp_path: Path) -> None:
    """One meaning of a word, wherever it is given."""
    play = two_symbols(tmp_path)

    async def none() -> None:
        return None

    commands = session_commands(play.session, none)
    assert "only just begun" in await commands["status"]()
    assert "Nothing is opened any more" in await commands["stop"]()
    assert "stopped by Telegram" in play.session.trader.stopping
    await commands["flatten"]()
    ending = await play.run()
    assert ending.status == 3
    assert "asked by Telegram" in ending.why
