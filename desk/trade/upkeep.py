"""What keeps journal and exchange together: looks at the account, corrections, closing everything.

Place in the house: between the session's steps and ``desk.trade.reconcile``, which decides.  The exchange
and the journal come in; both agree when ``reconcile`` is done, or a note says what stands in the way.

Not here: what is opened (``desk.trade.trader``), how orders are sent (``desk.trade.execution``).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from desk.frames import CANDLE_MS
from desk.orders import Balance, Contract, Holding
from desk.ports import Exchange
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.execution import Execution
from desk.trade.journal import Journal
from desk.trade.reconcile import Account, Books, Correction, Terms, reconcile
from desk.trade.records import OpenTrade
from desk.trade.risk import DAY_MS, HOUR_MS, daily_loss
from desk.trade.scribe import Scribe
from desk.trade.settings import LiveSettings

PASSES = 4
"""How often corrections may follow from corrections within one cycle."""
OVERDUE_CANDLES = 2
"""Without a candle of its symbol, a position is closed so long after its time."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The account as it was last seen."""

    balance: Balance
    holdings: tuple[Holding, ...]
    day_equity: Decimal
    """Equity at 00:00 UTC, or when it was first seen since."""


class Upkeep:
    """One account and its journal.

    Parameters
    ----------
    exchange, journal, execution, clock, scribe
        What it acts through.
    settings : LiveSettings
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        execution: Execution,
        clock: ExchangeClock,
        scribe: Scribe,
        *,
        settings: LiveSettings,
    ) -> None:
        self._exchange = exchange
        self._ledger, self._diary = journal.ledger, journal.diary
        self._execution = execution
        self._clock = clock
        self._scribe = scribe
        self._settings = settings
        self._seen: Outlook | None = None
        self._day = -1
        self._contracts_at = 0
        self.horizons: Mapping[str, int] = {}
        """Candles that a position is held, of every symbol that is traded."""

    @property
    def seen(self) -> Outlook:
        """The account as it was last seen."""
        if self._seen is None:
            raise RuntimeError("the account was never looked at")
        return self._seen

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """What orders must obey, by symbol."""
        return self._execution.contracts

    def lost_too_much(self) -> str:
        """What is said when the day's loss ends the session; empty while it does not."""
        if self._seen is None:
            return ""
        return daily_loss(self._seen.balance.equity, self._seen.day_equity, self._settings.risk)

    async def look(self) -> Account:
        """Ask the exchange for everything."""
        machine = self._clock.machine
        asked = machine.now_ms()
        server = await self._exchange.server_time()
        self._clock.set_by(server, asked=asked, answered=machine.now_ms())
        balance, holdings, orders = await asyncio.gather(
            self._exchange.balance(), self._exchange.positions(), self._exchange.open_orders()
        )
        now = self._clock.now_ms()
        day_equity = self._seen.day_equity if self._seen is not None else balance.equity
        if self._day != now // DAY_MS:
            self._day = now // DAY_MS
            known = self._diary.day_equity(now)
            day_equity = balance.equity if known is None else known
            if known is None:
                self._diary.record_equity(now, balance)
        self._seen = Outlook(balance, tuple(holdings), day_equity)
        return Account(holdings=holdings, orders=orders)

    async def learn_contracts(self) -> None:
        """Ask what orders must obey: at the start and once an hour."""
        if self.contracts and self._clock.now_ms() - self._contracts_at < HOUR_MS:
            return
        self._execution.contracts = {one.symbol: one for one in await self._exchange.contracts()}
        self._contracts_at = self._clock.now_ms()

    async def reconcile(self) -> None:
        """Bring journal and exchange together; see ``desk.trade.reconcile`` for the policy."""
        done: list[Correction] = []
        for _ in range(PASSES):
            account = await self.look()
            books = Books(trades=self._ledger.open_trades(), unresolved=self._ledger.unresolved())
            wanted = reconcile(books, account, self._terms())
            for correction in (one for one in wanted if one.kind == "tell"):
                self._scribe.note_once("stranger", f"{correction.symbol}: {correction.why}", urgent=True)
            wanted = [one for one in wanted if one.kind != "tell"]
            if not wanted or wanted == done:
                break
            for correction in wanted:
                await self._carry_out(correction)
            done = wanted

    async def close_overdue(self) -> None:
        """Close what should have been closed, and whose symbol has no candle that says so."""
        late = self._clock.now_ms() - (OVERDUE_CANDLES + 1) * CANDLE_MS
        for trade in self._ledger.open_trades():
            if trade.status == "open" and trade.due <= late:
                self._scribe.note(
                    "overdue", f"{trade.symbol}: closed without a candle", trade.symbol, urgent=True
                )
                await self.leave(trade)

    async def leave(self, trade: OpenTrade) -> None:
        """Close a trade whose time is over."""
        if trouble := await self._execution.leave(trade, "horizon"):
            self._scribe.note("trouble", trouble, trade.symbol, urgent=True)

    async def flatten(self) -> bool:
        """Close everything in the symbols that are traded; whether nothing is left."""
        for _ in range(PASSES):
            await self.reconcile()
            trades = self._ledger.open_trades()
            if not trades:
                return True
            for trade in trades:
                if trade.status == "open" and (trouble := await self._execution.leave(trade, "flatten")):
                    self._scribe.note("trouble", trouble, trade.symbol, urgent=True)
        await self.reconcile()
        return not self._ledger.open_trades()

    def _terms(self) -> Terms:
        return Terms(
            now=self._clock.now_ms(),
            horizons=self.horizons,
            contracts=self.contracts,
            unknown=self._settings.session.unknown_position,
            protective_stop=self._settings.session.protective_stop,
            require_stop=self._settings.risk.require_stop,
        )

    async def _carry_out(self, correction: Correction) -> None:
        """Do what a correction asks for, and keep it with its outcome."""
        outcome = await self._do(correction)
        self._ledger.correct(
            self._clock.now_ms(),
            kind=correction.kind,
            symbol=correction.symbol,
            why=correction.why,
            outcome=outcome or "done",
        )
        text = f"{correction.symbol}: {correction.kind}: {correction.why}. {outcome}".strip()
        expected = correction.kind in {"settle", "look_up"} and not outcome
        self._scribe.note("correction", text, correction.symbol, urgent=not expected)

    async def _do(self, correction: Correction) -> str:
        """What stood in the way of a correction; empty if it is done."""
        trade, symbol, execution = correction.trade, correction.symbol, self._execution
        outcome = ""
        match correction.kind:
            case "look_up":
                for order in self._ledger.unresolved():
                    if order.client_id == correction.order:
                        outcome = await execution.resolve(order)
            case "settle" if trade is not None:
                outcome = await execution.settle(trade, None)
            case "resize" if trade is not None:
                self._ledger.resize(trade.trade, correction.size)
            case "adopt" if trade is not None:
                self._ledger.open_trade(trade, None, self._clock.now_ms())
            case "protect" if correction.stop is not None:
                outcome = await execution.protect(
                    symbol, correction.side, correction.stop, correction.take_profit
                )
            case "close" if trade is not None and trade.status == "open":
                outcome = await execution.leave(trade, "stop")
            case "close":
                outcome = await execution.close(symbol, correction.side)
            case "cancel":
                outcome = await execution.cancel(symbol, correction.order)
        return outcome
