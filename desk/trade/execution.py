"""From decisions to orders, and from orders to what is known of them.

Place in the house: the only module of the room that sends orders.  Approved ``RiskDecision``s and open
trades come in; the journal knows the outcome.  Every order is written down before it is sent, under an id
that is a function of what it is for (``desk.trade.identity``).

What may be sent again: an order whose answer was lost, after it was looked up by its id and is not there, for
a few seconds, under the same id, which the exchange takes once.  Nothing else is.  An order that cannot be
looked up stays unresolved; the symbol is left alone until reconciliation knows.

A trade is over when the orders that closed it are filled, or when a look at the exchange shows no position of
it; never because an order was refused.

Not here: whether anything should be sent (``desk.trade.risk``), and when (``desk.trade.session``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from desk.errors import AccountError, ExchangeError, Refused, Throttled, Unanswered
from desk.market.bitget.codes import remedy_for
from desk.orders import ContractTerms, OrderRequest, OrderState, Purpose
from desk.ports import Clock, Exchange
from desk.trade.identity import client_id
from desk.trade.journal import Journal
from desk.trade.records import (
    UNRESOLVED,
    ClosedTrade,
    OpenTrade,
    OrderRecord,
    Outcome,
    ended_by,
    missing_exit,
    settled,
)
from desk.trade.risk import RiskDecision
from desk.trade.settings import SessionSettings

FIRST_PAUSE_S = 0.5
CLOSING_ATTEMPTS = 3
CLOCKS_APART_MS = 60_000
"""How much the exchange's times may lie behind ours.  What an earlier trade ended with is known already."""
FILLS_PATIENCE_S = 60.0
"""How long a trade that seems to be over waits for the fills that ended it: positions may be told late."""

Sent = Literal["done", "refused", "absent", "unknown"]


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came of sending an order."""

    outcome: Sent
    """``done``: it is filled or cancelled, and the journal knows how much.  ``refused``, ``absent``: the
    exchange holds nothing of it.  ``unknown``: it must be looked up later."""
    state: OrderState | None = None
    code: str = ""
    text: str = ""


class Execution:
    """The orders of one account."""

    def __init__(
        self, exchange: Exchange, journal: Journal, clock: Clock, *, settings: SessionSettings
    ) -> None:
        self._exchange = exchange
        self._ledger = journal.ledger
        self._clock = clock
        self._settings = settings
        self._set_up: dict[str, Decimal] = {}
        self._unexplained: dict[str, float] = {}
        self.contracts: Mapping[str, ContractTerms] = {}
        self.on_close: Callable[[ClosedTrade], None] = lambda _: None
        """Told of every trade that is over, once it is written down."""
        self.barred: dict[str, str] = {}
        """Symbols in which nothing is opened any more in this session, and why."""

    async def prepare(self, symbol: str, leverage: Decimal) -> str:
        """Set leverage and margin mode of a symbol once; why it could not be done, or an empty text.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        if self._set_up.get(symbol) == leverage:
            return ""
        try:
            await self._exchange.set_up(symbol, leverage=leverage, margin=self._settings.margin_mode)
        except AccountError:
            raise
        except ExchangeError as exc:
            return f"leverage {leverage} could not be set: {exc}"
        self._set_up[symbol] = leverage
        return ""

    async def enter(self, decision: RiskDecision) -> SendResult:
        """Send the order of an approved decision.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        intent, approved = decision.intent, decision.order
        if approved is None:
            raise ValueError(f"{intent.symbol}: a refused intent is never sent")
        if trouble := await self.prepare(intent.symbol, approved.leverage):
            return SendResult("refused", text=trouble)
        request = OrderRequest(
            client_id=client_id(intent.symbol, intent.position.opened, "open", 0),
            symbol=intent.symbol,
            side=intent.side,
            purpose="open",
            size=approved.size,
            kind="market",
            price=None,
            stop_loss=approved.stop_loss,
            take_profit=approved.take_profit,
        )
        trade = OpenTrade(
            trade=request.client_id,
            symbol=intent.symbol,
            side=intent.side,
            model_file=intent.signal.card.model_file,
            opened=intent.position.opened,
            due=intent.position.due,
            price=intent.price,
            stop=approved.stop_loss,
            take_profit=approved.take_profit,
            status="opening",
            size=Decimal(0),
        )
        if self._clock.now_ms() > approved.until:
            return SendResult("refused", text="its candle was too old when the order could be sent")
        self._ledger.open_trade(trade, request, self._clock.now_ms())
        sent = await self._send(request, until=approved.until)
        if sent.outcome == "refused" and remedy_for(sent.code) == "bar_symbol":
            self.barred[intent.symbol] = f"the exchange takes no orders in it: {sent.text}"
        empty = sent.outcome == "done" and (sent.state is None or not sent.state.filled)
        if empty or sent.outcome in {"refused", "absent"}:
            self._ledger.void_trade(trade.trade)
        return sent

    async def leave(self, trade: OpenTrade, why: Outcome) -> str:
        """Close a trade at market, and settle it; what went wrong, or an empty text.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        contract = self.contracts.get(trade.symbol)
        most = contract.max_market_size if contract is not None else None
        name, trouble, in_vain = trade.trade, "", 0
        while in_vain < CLOSING_ATTEMPTS:
            found = self._ledger.open_trade_named(name)
            if found is None:
                return ""
            for order in self._ledger.orders_of(name):
                if order.status in UNRESOLVED and (trouble := await self.resolve(order)):
                    return trouble
            trade = self._ledger.open_trade_named(name) or found
            if trade.size <= 0:
                return await self.settle(trade, why)
            request = OrderRequest(
                client_id=self._new_id(trade, "close"),
                symbol=trade.symbol,
                side=trade.side,
                purpose="close",
                size=trade.size if most is None else min(trade.size, most),
                kind="market",
                price=None,
                stop_loss=None,
                take_profit=None,
            )
            self._ledger.intend(request, name, self._clock.now_ms())
            sent = await self._send(request)
            trouble = sent.text
            if sent.outcome == "unknown":
                return f"{trade.symbol}: the order that closes it is unresolved: {sent.text}"
            if sent.outcome == "refused":
                return await self._close_whole(trade, why, sent)
            in_vain += sent.state is None or not sent.state.filled
        return (
            f"{trade.symbol}: {CLOSING_ATTEMPTS} orders did not close it: {trouble or 'nothing was filled'}"
        )

    def _new_id(self, trade: OpenTrade, purpose: Purpose) -> str:
        """The first id for such an order that no order has, of whatever trade."""
        epoch = 0
        while self._ledger.knows_order(made := client_id(trade.symbol, trade.opened, purpose, epoch)):
            epoch += 1
        return made

    async def close(self, symbol: str, side: int) -> str:
        """Close whatever is held of a side; what went wrong, or an empty text."""
        try:
            await self._exchange.close(symbol, side)
        except AccountError:
            raise
        except ExchangeError as exc:
            return f"{symbol}: could not be closed: {exc}"
        return ""

    async def protect(self, symbol: str, side: int, stop: Decimal, take_profit: Decimal | None) -> str:
        """Bind a stop to a position; where the price is beyond it already, close the position instead."""
        try:
            await self._exchange.protect(symbol, side, stop_loss=stop, take_profit=take_profit)
        except AccountError:
            raise
        except Refused as exc:
            remedy = remedy_for(exc.code)
            if remedy == "wrong_side":
                return await self.close(symbol, side)
            return "" if remedy == "nothing_there" else f"{symbol}: could not be protected: {exc}"
        except ExchangeError as exc:
            return f"{symbol}: could not be protected: {exc}"
        return ""

    async def cancel(self, symbol: str, name: str) -> str:
        """Cancel an order; what went wrong, or an empty text."""
        try:
            await self._exchange.cancel(symbol, name)
        except AccountError:
            raise
        except ExchangeError as exc:
            return f"{symbol}: order {name} could not be cancelled: {exc}"
        return ""

    async def resolve(self, order: OrderRecord) -> str:
        """Find out what became of an order; an empty text once it is known."""
        try:
            state = await self._exchange.order(order.symbol, order.client_id)
            if state is not None and state.status in {"live", "partially_filled"}:
                await self._exchange.cancel(order.symbol, order.client_id)
                state = await self._exchange.order(order.symbol, order.client_id)
        except AccountError:
            raise
        except ExchangeError as exc:
            if not (isinstance(exc, Refused) and remedy_for(exc.code) == "bar_symbol"):
                return f"{order.symbol}: {order.client_id} could not be looked up: {exc}"
            state = None  # the symbol is gone: what is held tells the rest
        if state is None:
            self._ledger.answered(order.client_id, self._clock.now_ms(), status="absent")
            return ""
        self._ledger.heard(state, self._clock.now_ms())
        return "" if state.status in {"filled", "canceled"} else f"{order.symbol}: {order.client_id} is open"

    async def settle(self, trade: OpenTrade, why: Outcome | None) -> str:
        """Write down what a trade came to that is over; ``why`` None: the exchange's fills tell.

        A trade of which the exchange has not told the exit yet stays open for a few more looks.
        """
        orders = self._ledger.orders_of(trade.trade)
        held_once = trade.size > 0 or any(one.filled for one in orders)
        if held_once:
            trouble = await self._learn_fills(trade, orders)
            fills = self._ledger.fills_of(trade.trade)
            if missing_exit(trade, orders, fills) > 0:
                if trouble:
                    return trouble
                now = self._clock.monotonic()
                if now - self._unexplained.setdefault(trade.trade, now) < FILLS_PATIENCE_S:
                    return f"{trade.symbol}: is over, and the exchange has not told how yet"
        self._unexplained.pop(trade.trade, None)
        fills = self._ledger.fills_of(trade.trade)
        ended = why or ended_by(trade, fills, orders)
        last = max((fill.at for fill in fills if fill.purpose == "close"), default=self._clock.now_ms())
        result = settled(trade, orders, fills, closed=last, ended=ended)
        if result is None:
            self._ledger.void_trade(trade.trade)
        else:
            self._ledger.close_trade(result)
            self.on_close(result)
        return ""

    async def _learn_fills(self, trade: OpenTrade, orders: Sequence[OrderRecord]) -> str:
        """Keep what the exchange executed for a trade; what stood in the way, or an empty text."""
        since = orders[0].written - CLOCKS_APART_MS if orders else trade.opened
        try:
            self._ledger.record_fills(await self._exchange.fills(trade.symbol, since), trade)
        except AccountError:
            raise
        except ExchangeError as exc:
            if isinstance(exc, Refused) and remedy_for(exc.code) in {"bar_symbol", "nothing_there"}:
                return ""  # the symbol is gone, and its fills with it
            return f"{trade.symbol}: its fills could not be asked for: {exc}"
        return ""

    def still_held(self, trades: Iterable[str]) -> None:
        """These trades have just been seen at the exchange: none of them is over."""
        for name in trades:
            self._unexplained.pop(name, None)

    async def _close_whole(self, trade: OpenTrade, why: Outcome, refused: SendResult) -> str:
        """The exchange took no order that closes: see what is held, and ask it to close that by itself."""
        for attempt in range(2):
            try:
                held = sum(
                    one.size
                    for one in await self._exchange.positions()
                    if (one.symbol, one.side) == (trade.symbol, trade.side)
                )
            except AccountError:
                raise
            except ExchangeError as exc:
                return f"{trade.symbol}: {refused.text}; what is held is not known: {exc}"
            if not held:
                return await self.settle(trade, why if attempt else None)
            if not attempt and (trouble := await self.close(trade.symbol, trade.side)):
                return f"{trouble} (before: {refused.text})"
        return f"{trade.symbol}: {held:f} are still held ({refused.text})"

    async def _send(self, request: OrderRequest, *, until: int | None = None) -> SendResult:
        """Send an order that is written down, until it is known what became of it or nobody can say.

        After ``until`` (ms) it is not sent again.
        """
        given_up: Sent = "absent"
        began, pause = self._clock.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                await self._exchange.place(request)
                return await self._watch(request)
            except AccountError as exc:
                self._refused(request, exc)
                raise
            except Refused as exc:
                if remedy_for(exc.code) == "look_up":
                    return await self._watch(request)
                self._refused(request, exc)
                return SendResult("refused", code=exc.code, text=str(exc))
            except Throttled as exc:  # it was not taken, this time
                text = str(exc)
            except Unanswered as exc:
                given_up, text = "unknown", str(exc)
                try:
                    state = await self._exchange.order(request.symbol, request.client_id)
                except ExchangeError as again:
                    return SendResult("unknown", text=f"{exc}; {again}")
                if state is not None:
                    return await self._watch(request)
            late = until is not None and self._clock.now_ms() + 1_000 * pause > until
            if late or self._clock.monotonic() - began + pause > self._settings.resend_within_s:
                if given_up == "absent":
                    self._ledger.answered(
                        request.client_id, self._clock.now_ms(), status="absent", error=text
                    )
                return SendResult(given_up, text=text)
            await self._clock.sleep(pause)
            pause *= 2

    def _refused(self, request: OrderRequest, exc: Refused) -> None:
        self._ledger.answered(
            request.client_id, self._clock.now_ms(), status="refused", error=f"{exc.code}: {exc}"
        )

    async def _watch(self, request: OrderRequest) -> SendResult:
        """Wait until an accepted order is over; what is left of it after a while is cancelled."""
        began, cancelled = self._clock.monotonic(), False
        while True:
            try:
                state = await self._exchange.order(request.symbol, request.client_id)
                if state is not None:
                    self._ledger.heard(state, self._clock.now_ms())
                    if state.status in {"filled", "canceled"}:
                        return SendResult("done", state)
                waited = self._clock.monotonic() - began
                if waited >= 2 * self._settings.fill_wait_s:
                    return SendResult("unknown", state, text="accepted, and neither filled nor cancelled")
                if waited >= self._settings.fill_wait_s and not cancelled:
                    cancelled = True
                    await self._exchange.cancel(request.symbol, request.client_id)
                    continue
            except AccountError:
                raise
            except ExchangeError as exc:
                return SendResult("unknown", text=str(exc))
            await self._clock.sleep(self._settings.fill_look_s)
