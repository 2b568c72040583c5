"""An order on its way: sent once, looked up until it is known what became of it.

Place in the house: below ``desk.trade.execution``, which decides what is sent.  Requests that the journal
holds already come in; the journal knows the outcome, and so does the caller.

What may be sent again: an order whose answer was lost, after it was looked up by its id and is not there, for
a few seconds, under the same id, which the exchange takes once.  Nothing else is.  An order that cannot be
looked up stays unresolved; the symbol is left alone until reconciliation knows.

Not here: whether anything should be sent (``desk.trade.risk``).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from desk.errors import AccountError, ExchangeError, Meaning, Refused, Throttled, Unanswered, Unreadable
from desk.orders import OrderRequest, OrderState
from desk.ports import Clock, Exchange
from desk.trade.journal import Ledger
from desk.trade.records import OrderRecord, is_fill_of, state_by_fills
from desk.trade.settings import SessionSettings

FIRST_PAUSE_S = 0.5
"""Before an order that never arrived is sent again; each pause is twice the one before."""
LOOKS_S = (0.5, 1.0)
"""Before an order is looked for again whose answer means nothing known."""
UNREADABLE_MS = 60_000
"""How long an answer about an order is waited for, ms; and how much earlier its fills may be stamped."""
SLOW_S = 5.0
"""A look-up that took longer for nothing is not repeated within this time."""
NO_SYMBOL: frozenset[Meaning] = frozenset({"not_traded", "setting_locked"})
"""Refusals after which nothing more is opened in the symbol."""

Sent = Literal["done", "refused", "absent", "unknown"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Something could not be done; the caller tries again later, or tells people."""

    reason: str
    """A sentence that names its subject."""

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came of sending an order."""

    outcome: Sent
    """``done``: it is filled or cancelled, and the journal knows how much.  ``refused``, ``absent``: the
    exchange holds nothing of it.  ``unknown``: it must be looked up later."""
    state: OrderState | None = None
    meaning: Meaning = "unknown"
    """Of a refusal."""
    reason: str = ""
    """Why it is not done."""


class OrderSender:
    """Sends orders of one account.

    Parameters
    ----------
    exchange : Exchange
    ledger : Ledger
        Holds every order before it comes here.
    clock : Clock
    settings : SessionSettings
    """

    def __init__(
        self, exchange: Exchange, ledger: Ledger, clock: Clock, *, settings: SessionSettings
    ) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._clock = clock
        self._settings = settings
        self._slow_failures: dict[str, tuple[float, Failure | None]] = {}
        """Orders that nobody answered for at last: when that was (monotonic), and what was told."""

    async def send(self, request: OrderRequest, *, until: int | None = None) -> SendResult:
        """Send an order that is written down, until it is known what became of it or nobody can say.

        Parameters
        ----------
        request : OrderRequest
        until : int or None
            After this time (ms) it is not sent again.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        given_up: Sent = "absent"
        began, pause = self._clock.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                self._ledger.accepted(request.client_id, await self._exchange.place(request))
                break
            except AccountError as exc:
                self._record_refusal(request, exc)
                raise
            except Refused as exc:
                if (ending := await self._after_refusal(request, exc)) is None:
                    break
                return ending
            except Throttled as exc:  # it was not taken, this time
                reason = str(exc)
            except Unanswered as exc:
                given_up, reason = "unknown", str(exc)
                try:
                    state = await self._exchange.order(request.symbol, request.client_id)
                except ExchangeError as failed:
                    return SendResult("unknown", reason=f"{exc}; {failed}")
                if state is not None:
                    break
            late = until is not None and self._clock.now_ms() + 1_000 * pause > until
            if late or self._clock.monotonic() - began + pause > self._settings.resend_within_s:
                if given_up == "absent":
                    self._ledger.answered(
                        request.client_id, self._clock.now_ms(), status="absent", error=reason
                    )
                return SendResult(given_up, reason=reason)
            await self._clock.sleep(pause)
            pause *= 2
        return await self._until_over(request)

    async def _after_refusal(self, request: OrderRequest, exc: Refused) -> SendResult | None:
        """What a refusal comes to; None where the order is there all the same.

        A code that nobody knows may be the answer to an order that was taken: it is looked up.  An exit that
        is not found counts as refused, since what is held tells the rest; an entry is looked up again later.
        """
        if exc.meaning == "duplicate":
            return None
        if exc.meaning == "unknown":
            found = await self._look_for(request)
            if isinstance(found, OrderState):
                return None
            if found is not None or request.purpose == "open":
                return SendResult("unknown", reason=f"{exc}; {found or 'it is not found yet'}")
        self._record_refusal(request, exc)
        return SendResult("refused", meaning=exc.meaning, reason=str(exc))

    async def _look_for(self, request: OrderRequest) -> OrderState | Failure | None:
        """Look an order up a few times; None: the exchange has not known it by then."""
        for pause in (0.0, *LOOKS_S):
            if pause:
                await self._clock.sleep(pause)
            try:
                state = await self._exchange.order(request.symbol, request.client_id)
            except AccountError:
                raise
            except ExchangeError as exc:
                return Failure(str(exc))
            if state is not None:
                return state
        return None

    async def resolve(self, order: OrderRecord) -> Failure | None:
        """Find out what became of an order, and write it down; None once it is known.

        One that nobody answers for is not asked about again at once: the step would wait for it twice, and
        all other symbols with it.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        began = self._clock.monotonic()
        answered, failure = self._slow_failures.get(order.client_id, (float("-inf"), None))
        if began - answered < SLOW_S:
            return failure
        failure = await self._looked_up(order)
        now = self._clock.monotonic()
        if failure is not None and now - began >= SLOW_S:
            self._slow_failures[order.client_id] = now, failure
        else:
            self._slow_failures.pop(order.client_id, None)
        return failure

    async def _looked_up(self, order: OrderRecord) -> Failure | None:
        try:
            state = await self._exchange.order(order.symbol, order.client_id)
            if state is not None and state.status in {"live", "partially_filled"}:
                await self._exchange.cancel(order.symbol, order.client_id)
                state = await self._exchange.order(order.symbol, order.client_id)
        except AccountError:
            raise
        except Unanswered as exc:
            young = self._clock.now_ms() - order.written < UNREADABLE_MS
            if young and not isinstance(exc, Unreadable):
                return Failure(f"{order.symbol}: {order.client_id} could not be looked up: {exc}")
            return await self._resolve_by_fills(order, exc)
        except ExchangeError as exc:
            if not (isinstance(exc, Refused) and exc.meaning in NO_SYMBOL):
                return Failure(f"{order.symbol}: {order.client_id} could not be looked up: {exc}")
            state = None  # the symbol is gone: what is held tells the rest
        if state is None:
            self._ledger.answered(order.client_id, self._clock.now_ms(), status="absent")
            return None
        self._ledger.reported(state, self._clock.now_ms())
        if state.status in {"filled", "canceled"}:
            return None
        return Failure(f"{order.symbol}: {order.client_id} is open")

    async def _resolve_by_fills(self, order: OrderRecord, why: Unanswered) -> Failure | None:
        """Find out from fills what became of an order of which there is no answer; None once it is known.

        Without any, after a while, it counts as absent: what is held tells the rest.
        """
        try:
            fills = await self._exchange.fills(order.symbol, order.written - UNREADABLE_MS)
        except AccountError:
            raise
        except ExchangeError as exc:
            return Failure(f"{order.symbol}: {order.client_id} could not be looked up: {why}; {exc}")
        own = [one for one in fills if is_fill_of(one, order)]
        now = self._clock.now_ms()
        whole = sum((one.size for one in own), Decimal(0)) >= order.size
        if not whole and now - order.written < UNREADABLE_MS:
            return Failure(f"{order.symbol}: {order.client_id} could not be looked up: {why}")
        if own:
            self._ledger.reported(state_by_fills(order, own), now)
        else:
            self._ledger.answered(order.client_id, now, status="absent", error=str(why))
        return None

    def _record_refusal(self, request: OrderRequest, exc: Refused) -> None:
        error = f"{exc.meaning}: {exc}"
        self._ledger.answered(request.client_id, self._clock.now_ms(), status="refused", error=error)

    async def _until_over(self, request: OrderRequest) -> SendResult:
        """Wait until an accepted order is over; what is left of it after a while is cancelled."""
        began, cancelled = self._clock.monotonic(), False
        while True:
            try:
                state = await self._exchange.order(request.symbol, request.client_id)
                if state is not None:
                    self._ledger.reported(state, self._clock.now_ms())
                    if state.status in {"filled", "canceled"}:
                        return SendResult("done", state)
                waited = self._clock.monotonic() - began
                if waited >= 2 * self._settings.fill_wait_s:
                    return SendResult("unknown", state, reason="accepted, and neither filled nor cancelled")
                if waited >= self._settings.fill_wait_s and not cancelled:
                    cancelled = True
                    await self._exchange.cancel(request.symbol, request.client_id)
                    continue
            except AccountError:
                raise
            except ExchangeError as exc:
                return SendResult("unknown", reason=str(exc))
            await self._clock.sleep(self._settings.fill_look_s)
