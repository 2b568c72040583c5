"""Telling somebody: a webhook and Telegram through one adapter.

Place in the house: behind ``desk.trade.scribe``.  Sentences come in, at once and without waiting; messages go
out in the background.  Trouble goes out as soon as the line is free, the rest with the next digest.

Delivery never blocks or breaks trading: the queue is bounded, what does not fit is counted and dropped, a
delivery that fails is tried once more and then dropped.  Addresses and tokens are in no text: not in
``repr``, not in an error, not in the log, where only the kind of the failure is told.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from desk.errors import SettingsError
from desk.ports import Clock
from desk.trade.settings import NotifySettings

log = logging.getLogger("desk.trade")
LONGEST = 3_500
"""Characters of one message; Telegram takes 4,096."""
AGAIN_S = 5.0
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Line:
    """Where messages are posted: JSON with the message under ``key``, beside ``fixed``."""

    name: str
    url: str = field(repr=False)
    key: str
    fixed: Mapping[str, str] = field(repr=False)


def lines_from(environ: Mapping[str, str]) -> tuple[Line, ...]:
    """The lines that the environment names: NOTIFY_WEBHOOK, TELEGRAM_TOKEN with TELEGRAM_CHAT.

    Raises
    ------
    SettingsError
        If one is half there or no address; no value is part of the message.
    """
    lines = []
    if webhook := environ.get("NOTIFY_WEBHOOK", "").strip():
        if urlsplit(webhook).scheme not in {"http", "https"} or not urlsplit(webhook).hostname:
            raise SettingsError("NOTIFY_WEBHOOK in the environment is not an http address")
        lines.append(Line("webhook", webhook, "text", {}))
    token, chat = (environ.get(name, "").strip() for name in ("TELEGRAM_TOKEN", "TELEGRAM_CHAT"))
    if bool(token) != bool(chat):
        raise SettingsError("TELEGRAM_TOKEN and TELEGRAM_CHAT in the environment belong together: set both")
    if token:
        url = f"https://api.telegram.org/bot{token}/sendMessage"
        lines.append(Line("Telegram", url, "text", {"chat_id": chat}))
    return tuple(lines)


class Silent:
    """Tells nobody; satisfies ``desk.trade.scribe.Tell``."""

    def tell(self, text: str, *, urgent: bool) -> None:
        """Nothing."""


class Notifier:
    """Messages on their way; satisfies ``desk.trade.scribe.Tell``.  Made by ``notifying``."""

    def __init__(self, lines: Sequence[Line], settings: NotifySettings, clock: Clock) -> None:
        self._lines = tuple(lines)
        self._settings = settings
        self._clock = clock
        self._urgent: asyncio.Queue[str] = asyncio.Queue(settings.queue)
        self._digest: list[str] = []
        self.dropped = 0
        """Messages that did not fit, or could not be delivered."""

    def tell(self, text: str, *, urgent: bool) -> None:
        """Take a sentence; returns at once."""
        if urgent:
            try:
                self._urgent.put_nowait(text)
            except asyncio.QueueFull:
                self.dropped += 1
        elif self._settings.digest_hours:
            if len(self._digest) < self._settings.queue:
                self._digest.append(text)
            else:
                self.dropped += 1

    async def deliver(self, session: aiohttp.ClientSession) -> None:
        """Post what is urgent as it comes, for as long as it is let."""
        while True:
            texts = [await self._urgent.get()]
            while not self._urgent.empty() and sum(map(len, texts)) < LONGEST:
                texts.append(self._urgent.get_nowait())
            await self._post(session, "\n".join(texts))
            for _ in texts:
                self._urgent.task_done()

    async def all_delivered(self) -> None:
        """Wait until nothing that is urgent is on its way."""
        await self._urgent.join()

    async def digest(self, session: aiohttp.ClientSession) -> None:
        """Post the rest on schedule, for as long as it is let."""
        while self._settings.digest_hours:
            await self._clock.sleep(self._settings.digest_hours * HOUR_S)
            lines, self._digest = self._digest, []
            if lines or self.dropped:
                note = f"\n({self.dropped} messages were dropped)" if self.dropped else ""
                await self._post(session, "\n".join(lines) + note)

    async def _post(self, session: aiohttp.ClientSession, text: str) -> None:
        for line in self._lines:
            if not await self._sent(session, line, text):
                await self._clock.sleep(AGAIN_S)
                if not await self._sent(session, line, text):
                    self.dropped += 1

    async def _sent(self, session: aiohttp.ClientSession, line: Line, text: str) -> bool:
        body = {**line.fixed, line.key: text[:LONGEST]}
        try:
            async with session.post(line.url, json=body) as response:
                if response.status < 300:
                    return True
                failure = f"HTTP {response.status}"
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            failure = type(exc).__name__
        log.warning("a message to %s was not delivered: %s", line.name, failure)
        return False


@contextlib.asynccontextmanager
async def notifying(
    lines: Sequence[Line], settings: NotifySettings, clock: Clock
) -> AsyncIterator[Notifier | Silent]:
    """Deliver while the block runs, and what is urgent a moment longer."""
    if not lines:
        yield Silent()
        return
    notifier = Notifier(lines, settings, clock)
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        tasks = [
            asyncio.ensure_future(work) for work in (notifier.deliver(session), notifier.digest(session))
        ]
        try:
            yield notifier
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(notifier.all_delivered(), 3 * settings.timeout_s)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
