"""Where the session says things: to the journal, to the log, and to whoever wants to be told.

Sentences come in.  Not here: delivery (``desk.trade.notify``).
"""

import logging
from typing import Protocol

from desk.ports import Clock
from desk.trade.journal import Diary

log = logging.getLogger("desk.trade")


class Tell(Protocol):
    """Where news for people go; never blocks, never fails."""

    def tell(self, text: str, *, urgent: bool) -> None:
        """Tell at once if ``urgent``, with the next digest otherwise."""


class Scribe:
    """Says each thing once, in three places."""

    def __init__(self, diary: Diary, clock: Clock, news: Tell) -> None:
        self._diary = diary
        self._clock = clock
        self._news = news
        self._told: set[str] = set()

    def note(self, kind: str, text: str, symbol: str = "", *, urgent: bool = False) -> None:
        """Say something."""
        self._diary.note(self._clock.now_ms(), kind, text, symbol)
        log.log(logging.WARNING if urgent else logging.INFO, "%s: %s", kind, text)
        self._news.tell(text, urgent=urgent)

    def note_once(self, kind: str, text: str, symbol: str = "", *, urgent: bool = False) -> None:
        """Say what goes on for long only when it begins."""
        if text not in self._told:
            self._told.add(text)
            self.note(kind, text, symbol, urgent=urgent)

    def silence_over(self, text: str) -> None:
        """Let ``text`` be said again."""
        self._told.discard(text)
