"""Where the session records events: in the journal, in the log, and with whoever wants to be notified.

Sentences come in.  Not here: delivery (``desk.trade.notify``).
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

from desk.ports import Clock
from desk.safe_text import safe_text
from desk.trade.journal import Diary, JournalError
from desk.trade.sentences import names

log = logging.getLogger("desk.trade")
LONGEST = 2_000
"""Characters of a sentence."""


class NotificationSink(Protocol):
    """Where news for people go; never blocks, never fails."""

    def notify(self, text: str, *, urgent: bool) -> None:
        """Send at once if ``urgent``, with the next digest otherwise."""


class EventLog:
    """Records each event once, in three places.

    Parameters
    ----------
    diary : Diary
    clock : Clock
    notifications : NotificationSink
    """

    def __init__(self, diary: Diary, clock: Clock, notifications: NotificationSink) -> None:
        self._diary = diary
        self._clock = clock
        self._notifications = notifications
        self._recorded: dict[tuple[str, str], str] = {}

    def record(
        self, kind: str, text: str, symbol: str = "", *, urgent: bool = False, logged: bool = True
    ) -> None:
        """Record an event; people are notified also where the journal cannot be written.

        What the sentence quotes may be of the exchange: it becomes one line that is safe to show.

        Parameters
        ----------
        kind : str
            What the event is about, one word.
        text : str
            A sentence that names its subject.
        symbol : str
            Empty where it is about none.
        urgent : bool
            Whether people are notified at once.
        logged : bool
            False: a door prints it itself.
        """
        text = safe_text(text, LONGEST)
        if logged:
            log.log(logging.WARNING if urgent else logging.INFO, "%s: %s", kind, text)
        self._notifications.notify(f"{kind}: {text}", urgent=urgent)
        self._keep(kind, text, symbol)

    def log(self, text: str) -> None:
        """Write a line to the log alone."""
        log.info("%s", safe_text(text, LONGEST))

    def record_on_change(
        self, kind: str, text: str, symbol: str = "", *, about: str = "", urgent: bool = False
    ) -> None:
        """Record what goes on for long when it begins and when it changes.

        Parameters
        ----------
        kind : str
            What the event is about, one word.
        text : str
            A sentence that names its subject.
        symbol : str
            Empty where it is about none.
        about : str
            Distinguishes it from others of its kind; without it, the symbol does.
        urgent : bool
            Whether people are notified at once.
        """
        key = (kind, about or symbol)
        if self._recorded.get(key) != text:
            self._recorded[key] = text
            self.record(kind, text, symbol, urgent=urgent)

    def record_each_on_change(self, kind: str, reasons: Mapping[str, str]) -> None:
        """Record of symbols what goes on for long; people get one sentence for all with the same reason."""
        fresh = {symbol: why for symbol, why in reasons.items() if self._recorded.get((kind, symbol)) != why}
        by_reason: dict[str, list[str]] = defaultdict(list)
        for symbol, why in fresh.items():
            self._recorded[kind, symbol] = why
            by_reason[why].append(symbol)
            self._keep(kind, f"{symbol}: {why}", symbol)
        for why, symbols in by_reason.items():
            text = safe_text(f"{names(symbols)}: {why}", LONGEST)
            log.info("%s: %s", kind, text)
            self._notifications.notify(f"{kind}: {text}", urgent=False)

    def _keep(self, kind: str, text: str, symbol: str) -> None:
        try:
            self._diary.note(self._clock.now_ms(), kind, safe_text(text, LONGEST), safe_text(symbol))
        except JournalError as exc:
            log.error("the journal cannot be written: %s", exc)  # noqa: TRY400 - of the disk, not of this program

    def clear(self, kind: str, about: str = "") -> None:
        """Forget what went on, since it has ended: when it begins again it is recorded again."""
        self._recorded.pop((kind, about), None)
