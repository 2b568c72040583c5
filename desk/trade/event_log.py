"""Where the session says things: to the journal, to the log, and to whoever wants to be told.

Sentences come in.  Not here: delivery (``desk.trade.notify``).
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

from desk.ports import Clock
from desk.trade.journal import Diary, JournalError
from desk.trade.sentences import names

log = logging.getLogger("desk.trade")


class NotificationSink(Protocol):
    """Where news for people go; never blocks, never fails."""

    def tell(self, text: str, *, urgent: bool) -> None:
        """Tell at once if ``urgent``, with the next digest otherwise."""


class EventLog:
    """Says each thing once, in three places."""

    def __init__(self, diary: Diary, clock: Clock, news: NotificationSink) -> None:
        self._diary = diary
        self._clock = clock
        self._news = news
        self._told: dict[tuple[str, str], str] = {}

    def record(
        self, kind: str, text: str, symbol: str = "", *, urgent: bool = False, logged: bool = True
    ) -> None:
        """Say something; people are told also where the journal cannot be written.

        ``logged`` False: a door says it itself.
        """
        if logged:
            log.log(logging.WARNING if urgent else logging.INFO, "%s: %s", kind, text)
        self._news.tell(f"{kind}: {text}", urgent=urgent)
        self._keep(kind, text, symbol)

    def log(self, text: str) -> None:
        """Say something in the log alone."""
        log.info("%s", text)

    def record_on_change(
        self, kind: str, text: str, symbol: str = "", *, about: str = "", urgent: bool = False
    ) -> None:
        """Say what goes on for long when it begins and when it changes; ``about`` tells it from others."""
        key = (kind, about or symbol)
        if self._told.get(key) != text:
            self._told[key] = text
            self.record(kind, text, symbol, urgent=urgent)

    def record_each_on_change(self, kind: str, whys: Mapping[str, str]) -> None:
        """Say of symbols what goes on for long: to people in one sentence for all with the same reason."""
        fresh = {symbol: why for symbol, why in whys.items() if self._told.get((kind, symbol)) != why}
        together: dict[str, list[str]] = defaultdict(list)
        for symbol, why in fresh.items():
            self._told[kind, symbol] = why
            together[why].append(symbol)
            self._keep(kind, f"{symbol}: {why}", symbol)
        for why, symbols in together.items():
            text = f"{names(symbols)}: {why}"
            log.info("%s: %s", kind, text)
            self._news.tell(f"{kind}: {text}", urgent=False)

    def _keep(self, kind: str, text: str, symbol: str) -> None:
        try:
            self._diary.note(self._clock.now_ms(), kind, text, symbol)
        except JournalError as exc:
            log.error("the journal cannot be written: %s", exc)  # noqa: TRY400 - of the disk, not of this program

    def clear(self, kind: str, about: str = "") -> None:
        """What went on has ended: when it begins again it is said again."""
        self._told.pop((kind, about), None)
