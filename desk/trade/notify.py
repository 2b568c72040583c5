"""Notifications: a webhook and Telegram through one adapter.

Place in the house: behind ``desk.trade.event_log``.  Sentences come in, at once and without waiting;
messages go out in the background, on each channel apart from the others.  Trouble goes out as soon as the
channel is free, the rest with the next digest.

Delivery never blocks or breaks trading, and an outage of a channel loses as little as it can: what was not
taken is posted again, each wait twice the last, from ``RETRY_S`` to ``LONGEST_WAIT_S``, for as long as the
session runs, and when it ends for ``LAST_TIMEOUTS`` timeouts more.  What waits is bounded; where there is
more, the oldest is dropped, and the next message that gets through says how many were.  A message that the
other side refuses ``MOST_REFUSALS`` times for what it is (a status of 4xx) is dropped too: it would hold up
all others.  What a refusal says is done: a pause that it asks for is kept, and a Telegram group that became a
supergroup is written to under its new id (https://core.telegram.org/bots/api#responseparameters).

No redirect is followed and ``~/.netrc`` is not read: a message goes where the environment says, or nowhere.

Addresses and tokens are in no text: not in ``repr``, not in an error, not in the log, where the kind of the
failure is named and the words of the other side, without them.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from desk.addresses import address_problem, proxy_from, through_proxy
from desk.errors import SettingsError
from desk.ports import Clock
from desk.safe_text import safe_text
from desk.trade.refusals import DeliveryFailure, failure_of
from desk.trade.settings import NotifySettings

log = logging.getLogger("desk.trade")
LONGEST = 3_500
"""Characters of one message; Telegram takes 4,096, and a remark on dropped ones comes on top."""
RETRY_S, LONGEST_WAIT_S = 5.0, 300.0
LAST_TIMEOUTS = 3
"""Timeouts that are waited, when the session ends, for what is still on its way."""
MOST_REFUSALS = 8
"""Some ten minutes."""
HOUR_S = 3_600.0
MOVED = "the group is a supergroup now: set TELEGRAM_CHAT to its new id, {}"
FIRST_DIGEST_S = 60.0
"""Until the first digest: people see soon what the session has begun with."""
MOST_BODY = 4_096
"""Bytes of a refusal that are read."""
PLAIN = "NOTIFY_PLAIN_HTTP"
"""Variable of the environment that allows an unencrypted webhook beyond this machine, by ``yes``."""


@dataclass(frozen=True, slots=True)
class MessageChannel:
    """Where messages are posted: JSON with the message under ``key``, beside ``fixed``."""

    name: str
    url: str = field(repr=False)
    key: str
    fixed: Mapping[str, str] = field(repr=False)
    proxy: str = field(default="", repr=False)
    """As ``desk.addresses.proxy_from`` names it; "" is none."""


def channels_from(environ: Mapping[str, str]) -> tuple[MessageChannel, ...]:
    """The channels that the environment names: NOTIFY_WEBHOOK, TELEGRAM_TOKEN with TELEGRAM_CHAT.

    Raises
    ------
    SettingsError
        If one is half there or no address; no value is part of the message.
    """
    channels = []
    if webhook := environ.get("NOTIFY_WEBHOOK", "").strip():
        _check_webhook(webhook, plain=environ.get(PLAIN) == "yes")
        channels.append(MessageChannel("webhook", webhook, "text", {}, proxy_from(environ, webhook)))
    token, chat = (environ.get(name, "").strip() for name in ("TELEGRAM_TOKEN", "TELEGRAM_CHAT"))
    if bool(token) != bool(chat):
        raise SettingsError("TELEGRAM_TOKEN and TELEGRAM_CHAT in the environment belong together: set both")
    if not (token + chat).isprintable() or set(token) & set("/?#@ "):
        raise SettingsError("TELEGRAM_TOKEN or TELEGRAM_CHAT in the environment holds what neither can hold")
    if token:
        url = f"https://api.telegram.org/bot{token}/sendMessage"
        proxy = proxy_from(environ, url)
        channels.append(MessageChannel("Telegram", url, "text", {"chat_id": chat}, proxy))
    return tuple(channels)


def _check_webhook(webhook: str, *, plain: bool) -> None:
    """Raise ``SettingsError``, which quotes nothing of it, unless messages may be posted there."""
    schemes = ("https", "http")
    if address_problem("", webhook, schemes, whole=False, plain=True):
        raise SettingsError(
            "NOTIFY_WEBHOOK in the environment is not an http address without a user name and password"
        )
    if address_problem("", webhook, schemes, whole=False, plain=plain):
        raise SettingsError(
            "NOTIFY_WEBHOOK in the environment is not encrypted, and leads to another machine: give an https "
            f"address, or set {PLAIN}=yes to let everyone on the way read the messages"
        )


class NoNotifier:
    """Notifies nobody; satisfies ``desk.trade.event_log.NotificationSink``."""

    def notify(self, text: str, *, urgent: bool) -> None:
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
    """What waits for one channel.

    Parameters
    ----------
    channel : MessageChannel
    settings : NotifySettings
    clock : Clock
    """

    def __init__(self, channel: MessageChannel, settings: NotifySettings, clock: Clock) -> None:
        self._channel = channel
        self._fixed = dict(channel.fixed)
        self._clock = clock
        self._waiting: asyncio.Queue[str] = asyncio.Queue(settings.queue)
        self._hurry = asyncio.Event()
        self._in_hand = 0
        self._failing = ""
        self._unreported = 0
        self.dropped = 0
        """Messages that were never delivered, and never will be."""

    def put(self, text: str) -> None:
        """Take a message, in place of the oldest where there is no room."""
        for part in packed([text]):
            if self._waiting.full():
                self._waiting.get_nowait()
                self._waiting.task_done()
                self._drop()
            self._waiting.put_nowait(part)

    async def deliver(self, session: aiohttp.ClientSession) -> None:
        """Post what arrives, until cancelled."""
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
        """Log how much is left, which will never be delivered."""
        if left := self._waiting.qsize() + self._in_hand:
            self.dropped += left
            log.warning("%d messages to %s were never delivered", left, self._channel.name)

    async def emptied(self) -> None:
        """Wait until nothing is on its way; failures are no reason for long waits any more."""
        self._hurry.set()
        await self._waiting.join()

    async def _post(self, session: aiohttp.ClientSession, message: str) -> None:
        """Post until it is taken, or refused too often."""
        wait, refusals, moves = RETRY_S, 0, 0
        while True:
            lost = self._unreported
            remark = f"\n({lost} messages were dropped)" if lost else ""
            failure = await self.post_once(session, message + remark)
            if failure is not None and failure.moved_to and not moves:
                moves += 1
                self._move(failure.moved_to)
                continue
            self._log_change("" if failure is None else failure.kind)
            if failure is None:
                self._unreported -= lost
                return
            refusals += failure.refused
            if refusals == MOST_REFUSALS:
                self._drop()
                return
            if self._hurry.is_set():
                await self._clock.sleep(max(RETRY_S, failure.pause_s))
            else:
                await _first_of(self._clock.sleep(max(wait, failure.pause_s)), self._hurry.wait())
            wait = min(2 * wait, LONGEST_WAIT_S)

    async def post_once(self, session: aiohttp.ClientSession, text: str) -> DeliveryFailure | None:
        """Post once; None if the message was taken."""
        body = {**self._fixed, self._channel.key: text}
        try:
            through = through_proxy(self._channel.proxy, self._channel.url)
            async with session.post(
                self._channel.url, json=body, allow_redirects=False, **through
            ) as response:
                if response.status < 300:
                    return None
                answer = await response.content.read(MOST_BODY)
                return failure_of(response.status, response.headers, answer, secret=self._channel.url)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            return DeliveryFailure(type(exc).__name__, refused=False)

    def _move(self, chat: str) -> None:
        self._fixed["chat_id"] = chat
        log.warning("%s: %s", self._channel.name, MOVED.format(chat))

    def _log_change(self, failure: str) -> None:
        """Log what goes on for long when it begins, when it changes and when it is over."""
        name = self._channel.name
        if failure and failure != self._failing:
            log.warning("a message to %s was not delivered, it is tried again: %s", name, failure)
        elif self._failing and not failure:
            log.info("messages to %s are delivered again", name)
        self._failing = failure

    def _drop(self) -> None:
        self.dropped += 1
        self._unreported += 1


class Notifier:
    """Messages on their way; satisfies ``desk.trade.event_log.NotificationSink``.  Made by ``notifying``.

    Parameters
    ----------
    channels : sequence of MessageChannel
    settings : NotifySettings
    clock : Clock
    """

    def __init__(self, channels: Sequence[MessageChannel], settings: NotifySettings, clock: Clock) -> None:
        self._boxes = tuple(Outbox(channel, settings, clock) for channel in channels)
        self._settings = settings
        self._clock = clock
        self._digest: deque[str] = deque()
        self._left_out = self._left_out_reported = 0

    @property
    def dropped(self) -> int:
        """Messages that did not fit, or were refused; on several lines each counts."""
        return self._left_out + sum(box.dropped for box in self._boxes)

    def notify(self, text: str, *, urgent: bool) -> None:
        """Take a sentence, and note the time; returns at once."""
        at = datetime.fromtimestamp(self._clock.now_ms() / 1000, tz=UTC)
        text = f"{at:%Y-%m-%d %H:%M} UTC {safe_text(text, LONGEST)}"
        if urgent:
            for box in self._boxes:
                box.put(text)
        elif self._settings.digest_hours:
            if len(self._digest) == self._settings.queue:
                self._digest.popleft()
                self._left_out += 1
            self._digest.append(text)

    async def deliver(self, session: aiohttp.ClientSession) -> None:
        """Post what is urgent as it arrives, and digests, until cancelled."""
        await asyncio.gather(*(box.deliver(session) for box in self._boxes))

    async def all_delivered(self) -> None:
        """Wait until nothing is on its way."""
        await asyncio.gather(*(box.emptied() for box in self._boxes))

    def give_up(self) -> None:
        """Log how much is left, which will never be delivered."""
        for box in self._boxes:
            box.give_up()

    async def digest(self) -> None:
        """Put the rest on its way on schedule, first after a minute, until cancelled."""
        wait = FIRST_DIGEST_S
        while self._settings.digest_hours:
            await self._clock.sleep(wait)
            self.put_digest()
            wait = self._settings.digest_hours * HOUR_S

    def put_digest(self) -> None:
        """Put what has gathered on its way."""
        lines = [*self._digest]
        self._digest.clear()
        if self._left_out > self._left_out_reported:
            lines.insert(
                0, f"({self._left_out - self._left_out_reported} sentences before these were left out)"
            )
            self._left_out_reported = self._left_out
        for box in self._boxes if lines else ():
            box.put("\n".join(lines))


async def try_channels(
    channels: Sequence[MessageChannel], settings: NotifySettings, clock: Clock, text: str
) -> dict[str, str]:
    """Post a message on every channel, once: by name, why it was not taken, empty where it was.

    Parameters
    ----------
    channels : sequence of MessageChannel
    settings : NotifySettings
    clock : Clock
    text : str
    """
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    no_cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=no_cookies) as session:
        boxes = [Outbox(channel, settings, clock) for channel in channels]
        failures = await asyncio.gather(*(box.post_once(session, text) for box in boxes))
    reasons = {}
    for channel, failure in zip(channels, failures, strict=True):
        reasons[channel.name] = "" if failure is None else f"not delivered: {failure.kind}"
        if failure is not None and failure.moved_to:
            reasons[channel.name] = MOVED.format(failure.moved_to)
    return reasons


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
    channels: Sequence[MessageChannel], settings: NotifySettings, clock: Clock
) -> AsyncIterator[Notifier | NoNotifier]:
    """Deliver while the block runs, and what is on its way a moment longer.

    Parameters
    ----------
    channels : sequence of MessageChannel
        None: the notifier of the block notifies nobody.
    settings : NotifySettings
    clock : Clock
    """
    if not channels:
        yield NoNotifier()
        return
    notifier = Notifier(channels, settings, clock)
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    no_cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=no_cookies) as session:
        tasks = [asyncio.ensure_future(work) for work in (notifier.deliver(session), notifier.digest())]
        try:
            yield notifier
        finally:
            notifier.put_digest()
            await _first_of(notifier.all_delivered(), clock.sleep(LAST_TIMEOUTS * settings.timeout_s))
            notifier.give_up()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
