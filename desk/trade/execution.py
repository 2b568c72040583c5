"""From decisions to orders, and from orders to what is known of them.

Place in the house: the only module of the room that decides which orders are sent.  Approved
``RiskDecision``s and open trades come in; the journal knows the outcome.  Every order is on the disk before
it is sent, under an id that is a function of what it is for (``desk.trade.identity``); one that closes does
not wait for a disk that does not take it.

A trade is over when the orders that closed it are filled, or when a look at the exchange shows no position of
it; never because an order was refused.

Not here: whether anything should be sent (``desk.trade.risk``), and when (``desk.trade.session``); how an
order is sent and looked up (``desk.trade.sending``); what a trade came to (``desk.trade.settlement``).
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

from desk.errors import AccountError, ExchangeError, Meaning, Refused, Throttled, Unanswered
from desk.orders import ContractTerms, MarginMode, OrderRequest, Purpose
from desk.ports import Clock, Exchange
from desk.trade.identity import client_id
from desk.trade.journal import Journal, JournalError
from desk.trade.records import UNRESOLVED, ClosedTrade, OpenTrade, OrderRecord, Outcome
from desk.trade.risk_values import RiskDecision
from desk.trade.sending import FIRST_PAUSE_S, Failure, OrderSender, SendResult
from desk.trade.settings import SessionSettings
from desk.trade.settlement import Settlement

CLOSING_ATTEMPTS = 3
BARRED_S: Mapping[Meaning, float] = MappingProxyType(
    {"not_traded": 3_600.0, "setting_locked": 3_600.0, "suspended": 600.0}
)
"""For how long nothing is opened in a symbol after an entry was refused with such a meaning: what the
exchange does not take now it may take again."""


class Execution:
    """The orders of one account.

    Parameters
    ----------
    exchange : Exchange
    journal : Journal
    clock : Clock
    settings : SessionSettings
    on_close : callable
        Given every trade that is over, once it is written down.
    on_moved : callable
        Given symbol, leverage and margin mode that had to be set again, because a hand had moved them.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        clock: Clock,
        *,
        settings: SessionSettings,
        on_close: Callable[[ClosedTrade], None],
        on_moved: Callable[[str, Decimal, MarginMode], None] = lambda *_: None,
    ) -> None:
        self._exchange = exchange
        self._journal, self._ledger = journal, journal.ledger
        self._clock = clock
        self._settings = settings
        self._sender = OrderSender(exchange, journal.ledger, clock, settings=settings)
        self._settlement = Settlement(
            exchange, journal.ledger, clock, on_close=on_close, taker_fee=self.taker_fee
        )
        self._on_moved = on_moved
        self._prepared: dict[str, tuple[Decimal, MarginMode]] = {}
        self._contracts: Mapping[str, ContractTerms] = {}
        self._barred: dict[str, tuple[float, str]] = {}

    @property
    def contracts(self) -> Mapping[str, ContractTerms]:
        """What orders must obey, by symbol."""
        return self._contracts

    def taker_fee(self, symbol: str) -> Decimal:
        """What a taker pays in a symbol, as a fraction of the value; 0 where its contract is not known."""
        contract = self._contracts.get(symbol)
        return Decimal(0) if contract is None else contract.taker_fee

    @property
    def barred(self) -> Mapping[str, str]:
        """Symbols in which nothing is opened for a while, and why."""
        now = self._clock.monotonic()
        return {symbol: why for symbol, (until, why) in self._barred.items() if now < until}

    def use_contracts(self, contracts: Iterable[ContractTerms]) -> None:
        """Let orders obey ``contracts`` from now on."""
        self._contracts = {one.symbol: one for one in contracts}

    async def prepare(
        self, symbol: str, leverage: Decimal, *, margin: MarginMode | None = None
    ) -> Failure | None:
        """See that leverage and margin mode of a symbol are as they should be; None once they are.

        The exchange is asked every time: a hand may have moved them since.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
        margin : MarginMode or None
            None: as the settings have it, and ``on_moved`` is called where a hand had moved one of them.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        chosen = margin or self._settings.margin_mode
        try:
            moved = await self._exchange.set_up(symbol, leverage=leverage, margin=chosen)
        except AccountError:
            raise
        except ExchangeError as exc:
            return Failure(f"leverage {leverage} could not be set: {exc}")
        if moved and margin is None and self._prepared.get(symbol) == (leverage, chosen):
            self._on_moved(symbol, leverage, chosen)
        self._prepared[symbol] = (leverage, chosen)
        return None

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
        if failure := await self.prepare(intent.symbol, approved.leverage):
            return SendResult("refused", reason=failure.reason)
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
            experiment=approved.experiment,
        )
        if self._clock.now_ms() > approved.until:
            return SendResult("refused", reason="its candle was too old when the order could be sent")
        self._ledger.open_trade(trade, request, self._clock.now_ms())
        try:
            await self._journal.stored()
        except JournalError as exc:
            self._ledger.answered(request.client_id, self._clock.now_ms(), status="absent")
            self._ledger.void_trade(trade.trade)
            return SendResult("refused", reason=f"the journal cannot be written: {exc}")
        sent = await self._sender.send(request, until=approved.until)
        if sent.outcome == "refused" and sent.meaning in BARRED_S:
            until = self._clock.monotonic() + BARRED_S[sent.meaning]
            self._barred[intent.symbol] = (until, f"the exchange takes no orders in it: {sent.reason}")
        empty = sent.outcome == "done" and (sent.state is None or not sent.state.filled)
        if empty or sent.outcome in {"refused", "absent"}:
            self._ledger.void_trade(trade.trade)
        return sent

    async def leave(self, trade: OpenTrade, why: Outcome) -> Failure | None:
        """Close a trade at market, and settle it; None once that is done.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        name, last, in_vain = trade.trade, "", 0
        began = self._clock.monotonic()
        while in_vain < CLOSING_ATTEMPTS and not (in_vain and self._is_late(began)):
            found = self._ledger.open_trade_named(name)
            if found is None:
                return None
            for order in self._ledger.orders_of(name):
                if order.status in UNRESOLVED and (failure := await self._sender.resolve(order)):
                    return failure
            trade = self._ledger.open_trade_named(name) or found
            if trade.size <= 0:
                return await self._settlement.settle(trade, why)
            request = self._closing(trade)
            self._ledger.intend(request, name, self._clock.now_ms())
            await self._journal.stored_soon()  # it keeps nobody in
            sent = await self._sender.send(request)
            last = sent.reason
            if sent.outcome == "unknown":
                return Failure(f"{trade.symbol}: the order that closes it is unresolved: {sent.reason}")
            if sent.outcome == "refused":
                return await self._close_whole(trade, why, sent)
            in_vain += sent.state is None or not sent.state.filled
        reason = last or "nothing was filled"
        return Failure(f"{trade.symbol}: {in_vain} order{'s' * (in_vain > 1)} did not close it: {reason}")

    def _is_late(self, began: float) -> bool:
        """Whether one position has had its time: the others wait for the end of the step."""
        return self._clock.monotonic() - began >= self._settings.resend_within_s

    def _closing(self, trade: OpenTrade) -> OrderRequest:
        """The next order that closes a trade, no larger than the exchange takes."""
        contract = self._contracts.get(trade.symbol)
        most = contract.max_market_size if contract is not None else None
        return OrderRequest(
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

    def _new_id(self, trade: OpenTrade, purpose: Purpose) -> str:
        """The first id for such an order that no order has, of whatever trade."""
        epoch = 0
        while self._ledger.knows_order(made := client_id(trade.symbol, trade.opened, purpose, epoch)):
            epoch += 1
        return made

    async def close(self, symbol: str, side: int) -> Failure | None:
        """Close whatever is held of a side; None once the exchange has taken that, or holds nothing of it.

        Where the exchange asks for a pause, or nobody knows whether it took it, a look decides whether it is
        sent again.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        began, pause = self._clock.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                await self._exchange.close(symbol, side)
            except AccountError:
                raise
            except (Throttled, Unanswered) as exc:
                reason = f"{symbol}: could not be closed: {exc}"
            except ExchangeError as exc:
                return Failure(f"{symbol}: could not be closed: {exc}")
            else:
                return None
            if self._is_late(began):
                return Failure(reason)
            await self._clock.sleep(pause)
            pause *= 2
            try:
                if not await self._held(symbol, side):
                    return None
            except AccountError:
                raise
            except ExchangeError as exc:
                return Failure(f"{reason}; what is held is not known: {exc}")

    async def _held(self, symbol: str, side: int) -> Decimal:
        """Size that the exchange holds of a side of a symbol."""
        positions = await self._exchange.positions()
        sizes = (one.size for one in positions if (one.symbol, one.side) == (symbol, side))
        return sum(sizes, Decimal(0))

    async def protect(
        self, symbol: str, side: int, stop: Decimal, take_profit: Decimal | None
    ) -> Failure | None:
        """Bind a stop to a position; where the price is beyond it already, close the position instead.

        Parameters
        ----------
        symbol : str
        side : int
            ``LONG`` or ``SHORT``.
        stop : Decimal
            USDT.
        take_profit : Decimal or None
            USDT.

        Returns
        -------
        Failure or None
            None once it is bound, closed, or found to be flat.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        try:
            await self._exchange.protect(symbol, side, stop_loss=stop, take_profit=take_profit)
        except AccountError:
            raise
        except ExchangeError as exc:
            meaning = exc.meaning if isinstance(exc, Refused) else "unknown"
            if meaning == "wrong_side":
                return await self.close(symbol, side)
            if meaning not in {"nothing_there", "not_found"}:
                return Failure(f"{symbol}: could not be protected: {exc}")
        return None

    async def cancel(self, symbol: str, name: str) -> Failure | None:
        """Cancel an order, by client id; None once it is gone.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        try:
            await self._exchange.cancel(symbol, name)
        except AccountError:
            raise
        except ExchangeError as exc:
            return Failure(f"{symbol}: order {name} could not be cancelled: {exc}")
        return None

    async def resolve(self, order: OrderRecord) -> Failure | None:
        """Find out what became of an order, see ``OrderSender.resolve``."""
        return await self._sender.resolve(order)

    async def settle(self, trade: OpenTrade, ended: Outcome | None) -> Failure | None:
        """Write down what a trade came to that is over, see ``Settlement.settle``."""
        return await self._settlement.settle(trade, ended)

    def still_held(self, trades: Iterable[str]) -> None:
        """Take back that these trades seem to be over, see ``Settlement.still_held``."""
        self._settlement.still_held(trades)

    async def _close_whole(self, trade: OpenTrade, why: Outcome, refused: SendResult) -> Failure | None:
        """The exchange took no order that closes: see what is held, and ask it to close that by itself."""
        failure: Failure | None = None
        for attempt in range(2):
            try:
                held = await self._held(trade.symbol, trade.side)
            except AccountError:
                raise
            except ExchangeError as exc:
                return Failure(f"{trade.symbol}: {refused.reason}; what is held is not known: {exc}")
            if not held:
                return await self._settlement.settle(trade, why if attempt else None)
            if not attempt:
                failure = await self.close(trade.symbol, trade.side)
        if failure is not None:
            return Failure(f"{failure} (before: {refused.reason})")
        return Failure(f"{trade.symbol}: {held:f} are still held ({refused.reason})")
