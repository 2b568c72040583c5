"""Commands to a session by Telegram: ``/status``, ``/stop``, ``/flatten``.

Place in the house: beside ``desk.trade.notify``, which sends messages the other way.  Commands of one chat
come in; what they ask for is done by the functions that are handed in, and their answers go back to the chat.

They are off unless ``TELEGRAM_COMMAND_TOKEN`` is set: a word that follows every command which changes
something, so that a chat with other members, or a bot token that was lost, is not enough.  Commands of other
chats, forwarded ones, and those that were sent before the session began are ignored; after some wrong words
nothing is taken any more until the next start.  Nothing here ever delays or ends a session by itself.

References
----------
https://core.telegram.org/bots/api#getupdates
"""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from desk.addresses import proxy_from
from desk.errors import DeskError, SettingsError
from desk.ports import Clock
from desk.reading import read_json

log = logging.getLogger("desk.trade")
API: Final = "https://api.telegram.org"
VARIABLE: Final = "TELEGRAM_COMMAND_TOKEN"
SHORTEST_WORD: Final = 8
POLL_S: Final = 25
"""Seconds that Telegram waits for a command before it answers that there was none."""
TIMEOUT_S: Final = POLL_S + 15.0
RETRY_S, LONGEST_WAIT_S = 5.0, 300.0
MOST_WRONG: Final = 5
LARGEST: Final = 1 << 20
REFUSED: Final = frozenset({401, 404})
"""Of HTTP: Telegram knows no such bot, and will not tomorrow."""
OPEN: Final = frozenset({"status"})
"""Commands that change nothing, and need no word."""
Actions = Mapping[str, Callable[[], Awaitable[str]]]
"""What each command does; it returns the answer."""


@dataclass(frozen=True, slots=True)
class TelegramBot:
    """Who is listened to.  Neither ``repr`` nor ``str`` shows the token, the chat or the word."""

    url: str = field(repr=False)
    """With the token of the bot, without a method."""
    chat: str = field(repr=False)
    word: str = field(repr=False)
    proxy: str = field(default="", repr=False)


class _Lost(Exception):  # noqa: N818 - says what happened
    """Telegram did not answer as it should; the text holds no address."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


def telegram_bot_from(environ: Mapping[str, str]) -> TelegramBot | None:
    """The bot that the environment allows commands of; None where it allows none.

    Raises
    ------
    SettingsError
        If the word is short or holds a blank, or there is no bot or no chat; no value is in the message.
    """
    word = environ.get(VARIABLE, "").strip()
    if not word:
        return None
    token, chat = (environ.get(name, "").strip() for name in ("TELEGRAM_TOKEN", "TELEGRAM_CHAT"))
    if not token or not chat:
        raise SettingsError(f"{VARIABLE} is set, and commands need TELEGRAM_TOKEN and TELEGRAM_CHAT as well")
    if len(word) < SHORTEST_WORD or not word.isprintable() or len(word.split()) != 1:
        raise SettingsError(
            f"{VARIABLE} in the environment must be one word of at least {SHORTEST_WORD} characters"
        )
    return TelegramBot(f"{API}/bot{token}", chat, word, proxy_from(environ, API))


class TelegramCommands:
    """Takes the commands of one chat.

    Parameters
    ----------
    bot : TelegramBot
    actions : mapping
        See ``Actions``.
    clock : Clock
        Waits after a failure.
    """

    def __init__(self, bot: TelegramBot, actions: Actions, clock: Clock) -> None:
        self._bot = bot
        self._actions = actions
        self._clock = clock
        self._wrong = 0
        self._next: int | None = None
        """Number of the next update; None: those before the session are not known yet."""

    async def listen(self, session: aiohttp.ClientSession) -> None:
        """Take commands until cancelled, refused for good, or given too many wrong words."""
        wait, trouble = RETRY_S, ""
        while self._wrong < MOST_WRONG:
            try:
                await self._take_next(session)
            except _Lost as exc:
                if str(exc) != trouble:
                    log.warning("commands by Telegram: %s", exc)
                if exc.for_good:
                    return
                trouble = str(exc)
                await self._clock.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_S)
            else:
                wait, trouble = RETRY_S, ""
        log.warning("commands by Telegram are off until the next start: %d words were wrong", MOST_WRONG)

    async def _take_next(self, session: aiohttp.ClientSession) -> None:
        """Wait for updates once, and do what they ask for; the first time, pass over those that are there."""
        if self._next is None:
            newest = await self._updates(session, {"offset": "-1", "timeout": "0"})
            self._next = max((number for number, _ in newest), default=-1) + 1
            return
        query = {"offset": str(self._next), "timeout": str(POLL_S)}
        for number, text in await self._updates(session, query):
            self._next = max(self._next, number + 1)
            if text and (answer := await self._answer(text)):
                await self._send(session, answer)

    async def _answer(self, text: str) -> str:
        """Do what a message of the chat asks for; the answer, or "" where it is no command."""
        words = text.split()
        name = words[0].partition("@")[0].removeprefix("/").lower() if text.startswith("/") else ""
        action = self._actions.get(name)
        if action is None or self._wrong >= MOST_WRONG:
            return ""
        if name not in OPEN and not self._is_allowed(words[1:]):
            self._wrong += 1
            return f"/{name} was not done: it must be followed by the word of {VARIABLE}."
        try:
            return await action()
        except DeskError as exc:
            log.warning("the command /%s failed: %s", name, exc)
            return f"/{name} failed; the log tells more."

    def _is_allowed(self, words: list[str]) -> bool:
        return len(words) == 1 and hmac.compare_digest(words[0].encode(), self._bot.word.encode())

    async def _updates(
        self, session: aiohttp.ClientSession, query: Mapping[str, str]
    ) -> list[tuple[int, str]]:
        """Number of each update, and its text where it is a message of the chat, else ""."""
        asked = {**query, "allowed_updates": '["message"]'}
        answer = await self._call(session, "getUpdates", asked)
        rows = answer if isinstance(answer, list) else []
        found = []
        for row in rows:
            if not isinstance(row, dict) or not isinstance(row.get("update_id"), int):
                raise _Lost("an update cannot be read")
            found.append((int(row["update_id"]), self._text_of(row.get("message"))))
        return found

    def _text_of(self, message: object) -> str:
        """The text of a message that somebody wrote in the chat; "" of every other one."""
        if not isinstance(message, dict) or not isinstance(chat := message.get("chat"), dict):
            return ""
        names = {str(chat.get("id")), f"@{chat.get('username')}"}
        forwarded = any(name.startswith("forward_") for name in message)
        text = message.get("text")
        return text.strip() if self._bot.chat in names and not forwarded and isinstance(text, str) else ""

    async def _send(self, session: aiohttp.ClientSession, text: str) -> None:
        """Answer in the chat; an answer that is lost is logged, and what was done stays done."""
        try:
            await self._call(session, "sendMessage", {"chat_id": self._bot.chat, "text": text})
        except _Lost as exc:
            log.warning("an answer to a command was not delivered: %s", exc)

    async def _call(self, session: aiohttp.ClientSession, method: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Result of a method of Telegram's."""
        try:
            async with session.post(
                f"{self._bot.url}/{method}",
                json=dict(query),
                proxy=self._bot.proxy or None,
                allow_redirects=False,
            ) as response:
                if response.status in REFUSED:
                    raise _Lost(f"Telegram refuses the bot (HTTP {response.status})", for_good=True)
                if response.status != 200:
                    raise _Lost(f"HTTP {response.status}")
                envelope = read_json(await response.content.read(LARGEST))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            raise _Lost(type(exc).__name__) from None
        if not isinstance(envelope, dict) or envelope.get("ok") is not True:
            raise _Lost("an answer of Telegram cannot be read")
        return envelope.get("result")


@contextlib.asynccontextmanager
async def taking_commands(bot: TelegramBot | None, actions: Actions, clock: Clock) -> AsyncIterator[None]:
    """Take commands while the block runs.

    Parameters
    ----------
    bot : TelegramBot or None
        None: there are no commands.
    actions : mapping
        See ``Actions``.
    clock : Clock
    """
    if bot is None:
        yield
        return
    timeout, no_cookies = aiohttp.ClientTimeout(total=TIMEOUT_S), aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=no_cookies) as session:
        listening = asyncio.ensure_future(TelegramCommands(bot, actions, clock).listen(session))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
