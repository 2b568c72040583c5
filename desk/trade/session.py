"""A session from its start to its end: when steps are taken, and what ends them.

Place in the house: the loop of live trading.  A feed, an exchange's pushes, a clock and requests to stop
come in; steps of ``desk.trade.trader`` are taken one after the other, never two at once; an
``SessionResult`` with the exit status goes out.

What ends a session: a request to stop (status 0, positions as ``on_stop`` says), a file ``STOP`` beside the
journal or a request to kill (3, everything closed), a loss of the day, from the peak or of an experiment (3,
likewise), an account that cannot trade, asked about again, a feed that breaks, or defects in one step after
the other (1, positions keep their stops), the end of stored candles (0, positions are left).  An exchange
that does not answer, or refuses a step, ends nothing: it is asked again.

Not here: what a step does (``desk.trade.trader``, ``desk.trade.upkeep``), and where events come from
(``desk.trade.events``).
"""

import asyncio
import contextlib
import logging
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from desk.errors import (
    AccountError,
    DeskError,
    ExchangeError,
    Refused,
    SettingsError,
    Throttled,
    Unanswered,
)
from desk.orders import AccountUpdate
from desk.ports import Clock
from desk.retry import STARTUP
from desk.trade.event_log import EventLog
from desk.trade.events import Event, FeedEnded, StreamLost, TimerEvent
from desk.trade.journal import Journal, JournalError
from desk.trade.risk_values import DAY_MS
from desk.trade.sentences import utc
from desk.trade.settings import SessionSettings
from desk.trade.snapshot import SessionCondition
from desk.trade.trader import Trader
from desk.values import CandleRound

log = logging.getLogger("desk.trade")
STOP_FILE = "STOP"
ACCOUNT_PAUSES_S = (5.0, 15.0)
"""Before key and account are asked about again when an answer says that they cannot trade."""

Stop = Literal["clean", "kill"]
Done = Literal["done"]


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How a session ended."""

    status: int
    """Exit status: 0 as asked, 1 fatal, 3 kill switch or daily loss."""
    why: str


class Session:
    """One session.

    Parameters
    ----------
    trader, journal, clock, event_log
        What it acts through.
    settings : SessionSettings
    """

    def __init__(
        self,
        trader: Trader,
        journal: Journal,
        clock: Clock,
        event_log: EventLog,
        *,
        settings: SessionSettings,
    ) -> None:
        self._trader = trader
        self._journal = journal
        self._clock = clock
        self._events = event_log
        self._settings = settings
        self._stop_file = journal.path.resolve().parent / STOP_FILE
        self._asked: Stop | None = None
        self._asked_by = "a signal"
        self._waiting_since: float | None = None
        self._reconciled = float("-inf")
        self._forgotten_on = -1
        self._failed: Counter[str] = Counter()

    @property
    def trader(self) -> Trader:
        """Who takes the steps."""
        return self._trader

    def ask(self, stop: Stop, *, by: str = "a signal") -> None:
        """Ask for an end; the session sees it before its next step, and the journal says by whom."""
        if self._asked != "kill":
            self._asked, self._asked_by = stop, by

    def stop_entries(self, *, by: str) -> None:
        """Open nothing from now on; what is held ends at its time, and the session goes on."""
        self._trader.stop_opening(f"new entries were stopped by {by}")
        self._events.record("session", f"new entries were stopped by {by}", urgent=True)

    @property
    def condition(self) -> SessionCondition:
        """What only this process knows of it."""
        return SessionCondition(
            now_ms=self._clock.now_ms(),
            stopping=self._trader.stopping,
            ongoing=self._events.ongoing,
            journal_trouble=self._journal.trouble,
            reconciled_s_ago=self._clock.monotonic() - self._reconciled,
        )

    async def run(self, events: AsyncGenerator[Event], *, mode: str, settings: str) -> SessionResult:
        """Take steps until something ends the session; the journal notes both ends.

        Parameters
        ----------
        events : async generator of Event
        mode : str
            As the journal has it: ``paper``, ``demo``, ``live`` or ``replay``.
        settings : str
            For the journal; no secret.

        Raises
        ------
        SettingsError
            If there is a STOP file, so that nothing was started.
        """
        if self._stop_file.exists():
            raise SettingsError(f"{self._stop_file} is there: remove it to trade again")
        try:
            unfinished = self._journal.unfinished()
            number = self._journal.begin(self._clock.now_ms(), mode=mode, settings=settings)
            await self._journal.stored()
        except JournalError as exc:
            raise SettingsError(
                f"{self._journal.path} cannot be written ({exc}): make room, or move it"
            ) from exc
        self._events.record("session", f"started in mode {mode}")
        if unfinished is not None:
            text = f"the session of {utc(unfinished)} did not end in order; journal and exchange are compared"
            self._events.record("session", text, urgent=True)
        try:
            ending = await self._until_end(events)
        except asyncio.CancelledError:
            self._journal.end(number, self._clock.now_ms(), status=1, why="cancelled")
            raise
        with contextlib.suppress(JournalError):  # it was reported already why nothing could be written
            self._journal.end(number, self._clock.now_ms(), status=ending.status, why=ending.why)
        text = f"ended with status {ending.status}: {ending.why}"
        self._events.record("session", text, urgent=ending.status != 0, logged=False)
        await self._journal.stored_soon()  # whoever looks at the journal now is to find the end in it
        return ending

    async def _until_end(self, events: AsyncGenerator[Event]) -> SessionResult:
        if (ending := await self._begin()) is not None:
            return ending
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                if (ending := await self._step(event)) is not None:
                    return ending
        return SessionResult(0, "the candles have ended")

    async def _begin(self) -> SessionResult | None:
        """Take the first step; an exchange that does not answer is asked a few times."""
        for pause in (*STARTUP.waits_s(), None):
            try:
                await self._trader.start()
                return await self._guarded("end", self._end_if_due())
            except (Unanswered, Throttled, Refused) as exc:
                if isinstance(exc, Refused) and exc.meaning != "unknown":
                    return SessionResult(1, f"could not start: {exc}")
                if pause is None:
                    return SessionResult(1, f"could not start: the exchange does not answer: {exc}")
                log.warning("the exchange does not answer, asking again in %g s: %s", pause, exc)
                if (ending := await self._asked_within(pause)) is not None:
                    return ending
            except (DeskError, JournalError) as exc:
                return SessionResult(1, f"could not start: {exc}")
        return None

    async def _asked_within(self, pause: float) -> SessionResult | None:
        """Wait to begin; an end that is asked for meanwhile comes at once, and nothing was looked at."""
        until = self._clock.monotonic() + pause
        while (left := until - self._clock.monotonic()) > 0:
            if self._asked is not None or self._stop_file.exists():
                killed = self._asked == "kill" or self._stop_file.exists()
                why = "asked to stop before the exchange answered: positions keep their stops"
                return SessionResult(3 if killed else 0, why)
            await self._clock.sleep(min(left, self._settings.look_s))
        return None

    async def _step(self, event: Event) -> SessionResult | None:
        """Take one step; before it and after it, whatever came of it, see whether the session is over."""
        if isinstance(event, FeedEnded):
            return SessionResult(1, f"the feed of candles broke: {event.error or 'it ended'}")
        self._watch_journal()
        kind, take = type(event).__name__, partial(self._take, event)
        for name, work in (("end", self._end_if_due), (kind, take), ("end", self._end_if_due)):
            if (ending := await self._guarded(name, work())) is not None:
                return ending
        return None

    def _watch_journal(self) -> None:
        """Record when the journal cannot be written, and why."""
        if trouble := self._journal.trouble:
            text = f"the journal cannot be written, what happens is kept beside it: {trouble}"
            self._events.record_on_change("trouble", text, about="journal", urgent=True)
        else:
            self._events.clear("trouble", "journal")

    async def _guarded(
        self, kind: str, work: Coroutine[Any, Any, SessionResult | Done | None]
    ) -> SessionResult | None:
        """Do ``work``; what fails is noted, and ends the session only when its kind keeps failing."""
        try:
            outcome = await work
        except AccountError as exc:
            return await self._asked_about_again(exc)
        except (Unanswered, Throttled) as exc:
            log.warning("the exchange does not answer: %s", exc)
            self._events.record_on_change(
                "trouble", "the exchange does not answer; the log tells more", urgent=True
            )
            return None
        except Refused as exc:
            self._events.record_on_change("trouble", f"the exchange refuses: {exc}", urgent=True)
            return None
        except Exception as exc:  # noqa: BLE001 - the end of a session step
            return self._failure(kind, exc)
        if isinstance(outcome, SessionResult):
            return outcome
        if outcome is not None:
            self._failed[kind] = 0
            self._events.clear("trouble")
        return None

    async def _asked_about_again(self, exc: AccountError) -> SessionResult | None:
        """End the session only where key or account are refused again: positions would lose their exits."""
        for pause in ACCOUNT_PAUSES_S:
            self._events.record_on_change(
                "trouble",
                f"{exc}. That is asked again before the session ends by it",
                about="key",
                urgent=True,
            )
            await self._clock.sleep(pause)
            try:
                await self._trader.upkeep.look()
            except AccountError:
                continue
            except (ExchangeError, JournalError) as failed:
                log.warning("key and account could not be asked about: %s", failed)
                return None
            self._events.clear("trouble", "key")
            self._reconciled = float("-inf")  # what it kept from being done is done at the next look
            return None
        return SessionResult(1, str(exc))

    def _failure(self, kind: str, exc: Exception) -> SessionResult | None:
        """Note a step that failed."""
        self._failed[kind] += 1
        if isinstance(exc, DeskError):
            text = f"a step failed: {exc}"
        elif isinstance(exc, JournalError):
            text = f"a step failed, the journal cannot be written: {exc}"
        else:
            log.error("a step failed", exc_info=exc)
            text = f"a step failed by a defect ({type(exc).__name__}); the log has the whole story"
        self._events.record("trouble", text, urgent=True)
        if self._failed[kind] < self._settings.max_failed_steps:
            return None
        return SessionResult(1, f"{self._failed[kind]} steps failed in a row, the last one so: {text}")

    async def _take(self, event: Event) -> Done | None:
        """What an event asks for; None if that was nothing."""
        if isinstance(event, CandleRound):
            await self._trader.on_round(event)
            self._reconciled = self._clock.monotonic()
            self._forget()
        elif isinstance(event, StreamLost):
            self._events.record_on_change("trouble", f"no pushes: {event.why}", about="pushes", urgent=True)
            await self._reconcile()
        elif isinstance(event, AccountUpdate) and (event.reconnected or self._is_news(event)):
            self._events.clear("trouble", "pushes")
            await self._reconcile()
        elif (
            isinstance(event, TimerEvent)
            and self._clock.monotonic() - self._reconciled >= self._settings.reconcile_s
        ):
            await self._reconcile()
        elif isinstance(event, TimerEvent):
            return "done" if await self._trader.prepare_next() else None
        else:
            return None
        return "done"

    async def _reconcile(self) -> None:
        self._reconciled = self._clock.monotonic()
        upkeep = self._trader.upkeep
        trouble, _ = await upkeep.reconcile_and_leave(upkeep.overdue)
        if trouble is not None:
            raise trouble

    def _is_news(self, push: AccountUpdate) -> bool:
        """Whether a push contradicts what the journal holds to be open."""
        if push.positions is None:
            return push.fill is not None and push.fill.cause != "order"
        reported = {
            (one.symbol, one.side, one.size, one.stop_loss is None) for one in push.positions if one.size
        }
        known = {
            (one.symbol, one.side, one.size, False)
            for one in self._journal.ledger.open_trades()
            if one.status == "open"
        }
        return reported != known or self._trader.upkeep.is_leveraged_too_high(push.positions)

    async def _end_if_due(self) -> SessionResult | None:
        """Whether the session is over; what is to be closed is closed then."""
        if self._stop_file.exists():
            return await self._flatten(3, f"kill switch: {self._stop_file} is there")
        if self._asked == "kill":
            return await self._flatten(3, f"kill switch: asked by {self._asked_by}")
        if loss := self._trader.loss_that_ends():
            return await self._flatten(3, loss)
        if self._asked == "clean":
            return await self._stop_cleanly()
        return None

    async def _stop_cleanly(self) -> SessionResult | None:
        self._trader.stop_opening("the session is about to end")
        if self._settings.on_stop == "flatten":
            return await self._flatten(0, "asked to stop")
        left = [trade.symbol for trade in self._journal.ledger.open_trades()]
        if not left:
            return SessionResult(0, "asked to stop, nothing was open")
        if self._settings.on_stop == "leave":
            return SessionResult(0, f"asked to stop, left to their stops: {', '.join(left)}")
        now = self._clock.monotonic()
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        if now - self._waiting_since >= self._settings.wait_on_stop_s:
            return SessionResult(0, f"asked to stop, still open and left to their stops: {', '.join(left)}")
        return None

    async def _flatten(self, status: int, why: str) -> SessionResult:
        self._trader.stop_opening(why)
        before = len(self._journal.ledger.open_trades())
        left = await self._trader.upkeep.flatten()
        gone = before - len(left)
        why = f"{why}; {gone} position{'s' * (gone != 1)} closed" if gone > 0 else f"{why}; nothing was open"
        if untracked_positions := self._trader.upkeep.untracked_positions:
            why = f"{why}; left alone, because no model trades it: {', '.join(untracked_positions)}"
        if not left:
            return SessionResult(status, why)
        return SessionResult(status or 1, f"{why}. STILL OPEN, close by hand: {', '.join(left)}")

    def _forget(self) -> None:
        """Once a day, let go of old decisions that led to nothing."""
        today = self._clock.now_ms() // DAY_MS
        if today != self._forgotten_on:
            self._forgotten_on = today
            self._journal.diary.forget_decisions((today - self._settings.keep_decisions_days) * DAY_MS)


@contextlib.contextmanager
def heeding(session: Session) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask for a clean stop, and SIGUSR1 for the kill switch, while the block runs."""
    asked: dict[int, Stop] = {signal.SIGINT: "clean", signal.SIGTERM: "clean"}
    if hasattr(signal, "SIGUSR1"):
        asked[signal.SIGUSR1] = "kill"
    loop, heeded = asyncio.get_running_loop(), []
    for number, stop in asked.items():
        with contextlib.suppress(NotImplementedError, RuntimeError):  # not on this system, or thread
            loop.add_signal_handler(number, session.ask, stop)
            heeded.append(number)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
