"""What keeps journal and exchange together: looks at the account, corrections, closing everything.

Place in the house: between the session's steps and ``desk.trade.reconcile``, which decides.  The exchange
and the journal come in; both agree when ``reconcile`` is done, or a note says what stands in the way.

Not here: what is opened (``desk.trade.trader``), how orders are sent (``desk.trade.execution``).
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from desk.errors import AccountError, ExchangeError
from desk.orders import Balance, ContractTerms, Position
from desk.ports import Exchange
from desk.trade.event_log import EventLog
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.execution import Execution
from desk.trade.exits import Exits, LeaveSymbols, is_none_of, together
from desk.trade.journal import Journal, JournalError
from desk.trade.reconcile import AccountState, Correction, JournalState, ReconcileContext, reconcile
from desk.trade.records import OpenTrade, Outcome
from desk.trade.risk_rules import daily_loss, drawdown
from desk.trade.risk_values import DAY_MS, HOUR_MS
from desk.trade.sending import Failure
from desk.trade.settings import LiveSettings, since_ms

PASSES = 4
"""How often corrections may follow from corrections within one cycle."""
RECENTLY_CLOSED_MS = 15_000
"""So long after a trade has ended a position of its kind is taken for one that is reported too late."""
SETTLING_S = 0.5
"""How late positions may be reported after a fill."""


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The account as it was last seen."""

    balance: Balance
    positions: tuple[Position, ...]
    day_equity: Decimal
    """Equity at 00:00 UTC, or when it was first seen since."""
    peak_equity: Decimal
    """The highest that the journal has, or the present one where that is higher."""


class Upkeep:
    """One account and its journal.

    Parameters
    ----------
    exchange, journal, execution, clock, event_log
        What it acts through.
    horizons : callable
        How many candles a position is held, of every symbol that is traded now.
    settings : LiveSettings
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        execution: Execution,
        clock: ExchangeClock,
        event_log: EventLog,
        *,
        horizons: Callable[[], Mapping[str, int]],
        settings: LiveSettings,
    ) -> None:
        self._exchange = exchange
        self._ledger, self._diary = journal.ledger, journal.diary
        self._execution = execution
        self._clock = clock
        self._events = event_log
        self._exits = Exits(exchange, journal.ledger, execution, clock, event_log)
        self._horizons = horizons
        self._settings = settings
        self._seen: AccountSnapshot | None = None
        self._day = -1
        self._contracts_at = 0
        self._bare: dict[tuple[str, int], float] = {}

    @property
    def has_seen(self) -> bool:
        """Whether the account was read at all."""
        return self._seen is not None

    @property
    def seen(self) -> AccountSnapshot:
        """The account as it was last seen."""
        if self._seen is None:
            raise RuntimeError("the account was never read")
        return self._seen

    @property
    def contracts(self) -> Mapping[str, ContractTerms]:
        """What orders must obey, by symbol."""
        return self._execution.contracts

    def is_leveraged_too_high(self, positions: Iterable[Position]) -> bool:
        """Whether the leverage of a position that is traded is above the settings'."""
        traded, most = self._horizons(), self._settings.risk.leverage
        return any(one.size > 0 and one.symbol in traded and one.leverage > most for one in positions)

    def lost_too_much(self) -> str | None:
        """The reason why a loss, of the day or from the peak, ends the session; None while none does."""
        if self._seen is None:
            return None
        equity, limits = self._seen.balance.equity, self._settings.risk
        lost = daily_loss(equity, self._seen.day_equity, limits)
        return lost or drawdown(equity, self._seen.peak_equity, limits, now=self._clock.now_ms())

    async def look(self) -> AccountState:
        """Ask the exchange for everything."""
        await self._clock.set_from(self._exchange.server_time)
        self._watch_clock()
        balance, positions, orders = await asyncio.gather(
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
        highest = self._diary.peak_equity(since_ms(self._settings.risk.peak_since))
        peak = max(balance.equity, highest or balance.equity)
        self._seen = AccountSnapshot(balance, tuple(positions), day_equity, peak)
        return AccountState(positions=positions, orders=orders)

    def _watch_clock(self) -> None:
        """Tell when the time was wrong, or the machine's was moved, which changes nothing."""
        most, jump = self._settings.risk.max_clock_drift_s, self._clock.machine_jump_s
        if abs(jump) > most:
            text = f"this machine's clock was moved by {jump:+.0f} s: the session goes by the exchange's"
            self._events.record("clock", text)
        if abs(self._clock.drift_s) <= most:
            self._events.clear("clock")
            return
        text = (
            "the session's time was wrong when the exchange was asked for it (did this machine sleep?): it "
            "is right again, and nothing is opened before the next look"
        )
        self._events.record_on_change("clock", text, urgent=True)

    async def learn_contracts(self) -> None:
        """Ask what orders must obey: at first and once an hour; without an answer those of before hold."""
        if self.contracts and self._clock.now_ms() - self._contracts_at < HOUR_MS:
            return
        try:
            contracts = await self._exchange.contracts()
        except AccountError:
            raise
        except ExchangeError as exc:
            if not self.contracts:
                raise
            self._events.record_on_change(
                "trouble", f"the contracts could not be read again: {exc}", about="contracts"
            )
            return
        self._events.clear("trouble", "contracts")
        self._execution.use_contracts(contracts)
        self._contracts_at = self._clock.now_ms()

    async def reconcile(self, leave: LeaveSymbols | None = None) -> None:
        """Bring journal and exchange together; see ``desk.trade.reconcile`` for the policy.

        Nothing is tried twice in one cycle but a stop that could not be bound and is missing at another
        look: a position must not wait a minute for it because an answer was lost.  Symbols do not wait for
        each other.

        Parameters
        ----------
        leave : callable or None
            Leaves what is due in some symbols: in those that need no correction at once, in each of the
            others as soon as it is corrected.
        """
        done: list[Correction] = []
        for _ in range(PASSES):
            account = await self.look()
            books = JournalState(trades=self._ledger.open_trades(), unresolved=self._ledger.unresolved())
            wanted = reconcile(books, account, self._terms())
            self._remember(books, wanted)
            adopting = any(one.kind == "adopt" for one in wanted)
            recently_closed = self._recently_closed() if adopting else set()
            wanted = [
                one
                for one in wanted
                if one.kind != "report"
                and one not in done
                and not (
                    one.kind == "adopt"
                    and one.trade is not None
                    and _position_key(one.trade) in recently_closed
                )
            ]
            by_symbol: dict[str, list[Correction]] = defaultdict(list)
            for correction in wanted:
                by_symbol[correction.symbol].append(correction)
            work = [self._correct(symbol, ones, done, leave) for symbol, ones in by_symbol.items()]
            if leave is not None:
                work.append(leave(partial(is_none_of, frozenset(by_symbol))))
                leave = None
            await together(work)
            if not wanted:
                break

    async def _correct(
        self,
        symbol: str,
        corrections: Sequence[Correction],
        done: list[Correction],
        leave: LeaveSymbols | None,
    ) -> None:
        """Carry out the corrections of one symbol in their order, then leave it.

        Parameters
        ----------
        symbol : str
        corrections : sequence of Correction
        done : list of Correction
            Those that are not tried again in this cycle are added.
        leave : callable or None
        """
        for correction in corrections:
            failure = await self._carry_out(correction)
            if failure is None or correction.kind != "protect":
                done.append(correction)
        if leave is not None:
            await leave(symbol.__eq__)

    def _recently_closed(self) -> set[tuple[str, int]]:
        """What was closed a moment ago, and may still be reported as held: nobody adopts that."""
        since = self._clock.now_ms() - RECENTLY_CLOSED_MS
        return {(trade.symbol, trade.side) for trade in self._ledger.closed_trades(since=since)}

    def _remember(self, books: JournalState, wanted: Sequence[Correction]) -> None:
        """Report what is only reported, and keep what a look says about how long something has been so."""
        over = {one.trade.trade for one in wanted if one.kind == "settle" and one.trade is not None}
        self._execution.still_held(one.trade for one in books.trades if one.trade not in over)
        bare = {(one.symbol, one.side) for one in wanted if one.kind == "protect"}
        self._bare = {key: since for key, since in self._bare.items() if key in bare}
        reports: dict[str, list[Correction]] = defaultdict(list)
        for one in (correction for correction in wanted if correction.kind == "report"):
            reports[one.order or f"{one.symbol} {one.side}"].append(one)
        for about, ones in reports.items():
            symbol = ones[0].symbol
            text = f"{symbol}: {'; '.join(one.why for one in ones)}"
            self._events.record_on_change("untracked", text, symbol, about=about, urgent=True)

    def overdue(self) -> list[OpenTrade]:
        """Trades that should have been closed, see ``Exits.overdue``."""
        return self._exits.overdue()

    async def reconcile_and_leave(
        self, due: Callable[[], Iterable[OpenTrade]], why: Outcome = "horizon"
    ) -> tuple[ExchangeError | JournalError | None, bool]:
        """Bring journal and exchange together, and leave what is due, see ``Exits.leave_while``."""
        return await self._exits.leave_while(self.reconcile, due, why)

    async def flatten(self) -> tuple[str, ...]:
        """Close everything in the symbols that are traded; the symbols in which something is left.

        What the exchange holds counts, not what the journal says: a trade that is over may still wait for its
        fills, and a journal that cannot be written says nothing new.

        Raises
        ------
        ExchangeError
            If the exchange does not report what it holds.
        """
        left: set[str] = set()
        for turn in range(PASSES):
            if turn:
                await self._clock.sleep(SETTLING_S)
            trouble, _ = await self.reconcile_and_leave(self._open, "flatten")
            held = await self._left()
            left = {one.symbol for one in held} | {order.symbol for order in self._ledger.unresolved()}
            if not left and not self._ledger.open_trades():
                break
            if turn or isinstance(trouble, JournalError):
                await self._exits.close(held)
        with contextlib.suppress(ExchangeError):
            await self.look()
        return tuple(sorted(left))

    def _open(self) -> list[OpenTrade]:
        return [one for one in self._ledger.open_trades() if one.status == "open"]

    async def _left(self) -> tuple[Position, ...]:
        """What is held in the symbols that are traded."""
        ours = {*self._horizons(), *(trade.symbol for trade in self._ledger.open_trades())}
        held = await self._exchange.positions()
        return tuple(one for one in held if one.size > 0 and one.symbol in ours)

    @property
    def untracked_positions(self) -> tuple[str, ...]:
        """Symbols of what was held when the account was last seen, and that nobody here trades."""
        held = () if self._seen is None else self._seen.positions
        traded = self._horizons()
        return tuple(sorted({one.symbol for one in held if one.size > 0 and one.symbol not in traded}))

    async def _protect(self, correction: Correction, stop: Decimal) -> Failure | None:
        """Bind the stop; what is traded and cannot be protected is closed in the next cycle."""
        symbol, side = correction.symbol, correction.side
        failure = await self._execution.protect(symbol, side, stop, correction.take_profit)
        now = self._clock.monotonic()
        bare_for = now - self._bare.setdefault((symbol, side), now)
        soon = bare_for < self._settings.session.reconcile_s
        if failure is None or soon or symbol not in self._horizons():
            return failure
        closing = await self._execution.close(symbol, side)
        return Failure(f"{failure}; so it is closed. {closing or ''}".rstrip())

    def _terms(self) -> ReconcileContext:
        return ReconcileContext(
            now=self._clock.now_ms(),
            horizons=self._horizons(),
            contracts=self.contracts,
            unknown=self._settings.session.unknown_position,
            protective_stop=self._settings.session.protective_stop,
            require_stop=self._settings.risk.require_stop,
            risk=self._settings.risk,
            margin_mode=self._settings.session.margin_mode,
        )

    async def _end(self, correction: Correction) -> Failure | None:
        """Close what a correction is about."""
        trade = correction.trade
        if trade is not None and trade.status == "open":
            return await self._execution.leave(trade, "close" if correction.must_end else "stop")
        return await self._execution.close(correction.symbol, correction.side)

    async def _carry_out(self, correction: Correction) -> Failure | None:
        """Do what a correction asks for, and keep it with its outcome."""
        failure = await self._do(correction)
        self._ledger.correct(
            self._clock.now_ms(),
            kind=correction.kind,
            symbol=correction.symbol,
            why=correction.why,
            outcome="done" if failure is None else failure.reason,
        )
        text = f"{correction.symbol}: {correction.kind}: {correction.why}. {failure or ''}".strip()
        symbol, about = correction.symbol, f"{correction.symbol} {correction.kind}"
        urgent = correction.kind != "settle" and (failure is not None or correction.kind != "look_up")
        if failure is not None:
            self._events.record_on_change("correction", text, symbol, about=about, urgent=urgent)
        else:
            self._events.clear("correction", about)
            self._events.record("correction", text, symbol, urgent=urgent)
        return failure

    async def _do(self, correction: Correction) -> Failure | None:
        """Do what a correction asks for; None once that is done."""
        trade, symbol, execution = correction.trade, correction.symbol, self._execution
        failure = None
        match correction.kind:
            case "look_up":
                for order in self._ledger.unresolved():
                    if order.client_id == correction.order:
                        failure = await execution.resolve(order)
            case "settle" if trade is not None:
                failure = await execution.settle(trade, None)
            case "resize" if trade is not None:
                self._ledger.resize(trade.trade, correction.size)
            case "adopt" if trade is not None:
                fee = trade.size * trade.price * execution.taker_fee(symbol)
                self._ledger.adopt(trade, self._clock.now_ms(), fee=fee)
            case "protect" if correction.stop is not None:
                failure = await self._protect(correction, correction.stop)
            case "leverage" if correction.leverage is not None:
                margin = correction.margin_mode
                failure = await execution.prepare(symbol, correction.leverage, margin=margin)
                if failure is not None and correction.must_end:
                    failure = await self._end(correction)
            case "close":
                failure = await self._end(correction)
            case "cancel":
                failure = await execution.cancel(symbol, correction.order)
        return failure


def _position_key(trade: OpenTrade) -> tuple[str, int]:
    return trade.symbol, trade.side
