"""Telling somebody: a webhook and Telegram through one adapter.

Place in the house: behind ``desk.trade.event_log``.  Sentences come in, at once and without waiting;
messages go out in the background, on each line apart from the others.  Trouble goes out as soon as the line
is free, the rest with the next digest.

Delivery never blocks or breaks trading, and an outage of the line loses as little as it can: what was not
taken is posted again, each wait twice the last, from ``AGAIN_S`` to ``LONGEST_WAIT_S``, for as long as the
session runs, and when it ends for ``LAST_WORDS`` timeouts more.  What waits is bounded; where there is more,
the oldest is dropped, and the next message that gets through says how many were.  A message that the other
side refuses (a status of 4xx) ``MOST_REFUSALS`` times is dropped too: it would hold up all others.

Addresses and tokens are in no text: not in ``repr``, not in an error, not in the log, where only the kind of
the failure is told.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from desk.errors import SettingsError
from desk.ports import Clock
from desk.trade.settings import NotifySettings

log = logging.getLogger("desk.trade")
LONGEST = 3_500
"""Characters of one message; Telegram takes 4,096, and a remark on dropped ones comes on top."""
AGAIN_S, LONGEST_WAIT_S = 5.0, 300.0
LAST_WORDS = 3
"""Timeouts that are waited, when the session ends, for what is still on its way."""
MOST_REFUSALS = 8
"""Some ten minutes."""
LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses of 4xx that refuse the moment, not the message."""
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class MessageChannel:
    """Where messages are posted: JSON with the message under ``key``, beside ``fixed``."""

    name: str
    url: str = field(repr=False)
    key: str
    fixed: Mapping[str, str] = field(repr=False)


def lines_from(environ: Mapping[str, str]) -> tuple[MessageChannel, ...]:
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
        lines.append(MessageChannel("webhook", webhook, "text", {}))
    token, chat = (environ.get(name, "").strip() for name in ("TELEGRAM_TOKEN", "TELEGRAM_CHAT"))
    if bool(token) != bool(chat):
        raise SettingsError("TELEGRAM_TOKEN and TELEGRAM_CHAT in the environment belong together: set both")
    if token:
        url = f"https://api.telegram.org/bot{token}/sendMessage"
        lines.append(MessageChannel("Telegram", url, "text", {"chat_id": chat}))
    return tuple(lines)


class NoNotifier:
    """Tells nobody; satisfies ``desk.trade.event_log.NotificationSink``."""

    def tell(self, text: str, *, urgent: bool) -> None:
        """Nothing."""


def packed(texts: Iterable[str], most: int = LONGEST) -> list[str]:
    """All lines of ``texts`` in as few messages of at most ``most`` characters; only a longer line is cut."""
    messages: list[str] = []
    for line in (line for text in texts for line in text.split("\n")):
        for at in range(0, max(len(line), 1), most):
            part = line[at : at + most]
            if messages and len(messages[-1]) + 1 + len(part) <= most:
                messages[-1] += "\n" + part
            else:
                messages.append(part)
    return messages


class Outbox:
    """What waits for one line."""

    def __init__(self, line: MessageChannel, settings: NotifySettings, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._waiting: asyncio.Queue[str] = asyncio.Queue(settings.queue)
        self._hurry = asyncio.Event()
        self._in_hand = 0
        self._trouble = ""
        self._untold = 0
        self.dropped = 0
        """Messages that nobody was told, and nobody will be."""

    def put(self, text: str) -> None:
        """Take a message, in place of the oldest where there is no room."""
        for part in packed([text]):
            if self._waiting.full():
                self._waiting.get_nowait()
                self._waiting.task_done()
                self._drop()
            self._waiting.put_nowait(part)

    async def deliver(self, session: aiohttp.ClientSession) -> None:
        """Post what comes, for as long as it is let."""
        while True:
            texts = [await self._waiting.get()]
            while not self._waiting.empty():
                texts.append(self._waiting.get_nowait())
            self._in_hand = len(texts)
            for message in packed(texts):
                await self._post(session, message)
            self._in_hand = 0
            for _ in texts:
                self._waiting.task_done()

    def give_up(self) -> None:
        """Say what is left, which nobody will be told."""
        if left := self._waiting.qsize() + self._in_hand:
            self.dropped += left
            log.warning("%d messages to %s were never delivered", left, self._line.name)

    async def emptied(self) -> None:
        """Wait until nothing is on its way; failures are no reason for long waits any more."""
        self._hurry.set()
        await self._waiting.join()

    async def _post(self, session: aiohttp.ClientSession, message: str) -> None:
        """Post until it is taken, or refused too often."""
        wait, refusals = AGAIN_S, 0
        while True:
            untold = self._untold
            remark = f"\n({untold} messages were dropped)" if untold else ""
            failure, refused = await self._failure(session, message + remark)
            if not failure:
                self._untold -= untold
                self._tell_trouble("")
                return
            self._tell_trouble(failure)
            refusals += refused
            if refusals == MOST_REFUSALS:
                self._drop()
                return
            if self._hurry.is_set():
                await self._clock.sleep(AGAIN_S)
            else:
                await _first_of(self._clock.sleep(wait), self._hurry.wait())
            wait = min(2 * wait, LONGEST_WAIT_S)

    async def _failure(self, session: aiohttp.ClientSession, text: str) -> tuple[str, bool]:
        """Post once: the kind of the failure, "" for none, and whether the other side refused the message."""
        body = {**self._line.fixed, self._line.key: text}
        try:
            async with session.post(self._line.url, json=body) as answer:
                if answer.status < 300:
                    return "", False
                return f"HTTP {answer.status}", answer.status < 500 and answer.status not in LATER
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            return type(exc).__name__, False

    def _tell_trouble(self, trouble: str) -> None:
        """Log what goes on for long when it begins, when it changes and when it is over."""
        if trouble and trouble != self._trouble:
            log.warning("a message to %s was not delivered, it is tried again: %s", self._line.name, trouble)
        elif self._trouble and not trouble:
            log.info("messages to %s are delivered again", self._line.name)
        self._trouble = trouble

    def _drop(self) -> None:
        self.dropped += 1
        self._untold += 1


class Notifier:
    """Messages on their way; satisfies ``desk.trade.event_log.NotificationSink``.  Made by ``notifying``."""

    def __init__(self, lines: Sequence[MessageChannel], settings: NotifySettings, clock: Clock) -> None:
        self._boxes = tuple(Outbox(line, settings, clock) for line in lines)
        self._settings = settings
        self._clock = clock
        self._digest: deque[str] = deque()
        self._left_out = self._left_out_told = 0

    @property
    def dropped(self) -> int:
        """Messages that did not fit, or were refused; on several lines each counts."""
        return self._left_out + sum(box.dropped for box in self._boxes)

    def tell(self, text: str, *, urgent: bool) -> None:
        """Take a sentence; returns at once."""
        if urgent:
            for box in self._boxes:
                box.put(text)
        elif self._settings.digest_hours:
            if len(self._digest) == self._settings.queue:
                self._digest.popleft()
                self._left_out += 1
            self._digest.append(text)

    async def deliver(self, session: aiohttp.ClientSession) -> None:
        """Post what is urgent as it comes, and digests, for as long as it is let."""
        await asyncio.gather(*(box.deliver(session) for box in self._boxes))

    async def all_delivered(self) -> None:
        """Wait until nothing is on its way."""
        await asyncio.gather(*(box.emptied() for box in self._boxes))

    def give_up(self) -> None:
        """Say what is left, which nobody will be told."""
        for box in self._boxes:
            box.give_up()

    async def digest(self) -> None:
        """Put the rest on its way on schedule, for as long as it is let."""
        while self._settings.digest_hours:
            await self._clock.sleep(self._settings.digest_hours * HOUR_S)
            self.put_digest()

    def put_digest(self) -> None:
        """Put what has gathered on its way."""
        lines = [*self._digest]
        self._digest.clear()
        if self._left_out > self._left_out_told:
            lines.insert(0, f"({self._left_out - self._left_out_told} sentences before these were left out)")
            self._left_out_told = self._left_out
        for box in self._boxes if lines else ():
            box.put("\n".join(lines))


async def _first_of(*works: Coroutine[object, object, object]) -> None:
    """Wait until one is over; the others are let go."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def notifying(
    lines: Sequence[MessageChannel], settings: NotifySettings, clock: Clock
) -> AsyncIterator[Notifier | NoNotifier]:
    """Deliver while the block runs, and what is on its way a moment longer."""
    if not lines:
        yield NoNotifier()
        return
    notifier = Notifier(lines, settings, clock)
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        tasks = [asyncio.ensure_future(work) for work in (notifier.deliver(session), notifier.digest())]
        try:
            yield notifier
        finally:
            notifier.put_digest()
            await _first_of(notifier.all_delivered(), clock.sleep(LAST_WORDS * settings.timeout_s))
            notifier.give_up()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
