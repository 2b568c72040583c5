"""Exits of many positions at once: side by side, and none waits for another.

Place in the house: below ``desk.trade.upkeep``.  Trades or positions that are to be closed come in; what
could not be closed is recorded, once for as long as that goes on.

Not here: when they are closed (``desk.trade.trader``, ``desk.trade.upkeep``), and how one is
(``desk.trade.execution``).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from desk.errors import AccountError, ExchangeError
from desk.orders import Position
from desk.ports import Clock, Exchange
from desk.trade.event_log import EventLog
from desk.trade.execution import Execution
from desk.trade.journal import JournalError, Ledger
from desk.trade.records import OpenTrade, Outcome
from desk.trade.sending import Failure
from desk.values import CANDLE_MS

OVERDUE_MS = 30_000
"""Without a candle of its symbol, a position is closed so long after the candle that would have ended it."""
LeaveSymbols = Callable[[Callable[[str], bool]], Coroutine[Any, Any, None]]
"""Leaves what is due in the symbols for which a question is answered with yes."""


class Exits:
    """Closes positions of one account.

    Parameters
    ----------
    exchange, ledger, execution, clock, event_log
        What it acts through.
    """

    def __init__(
        self, exchange: Exchange, ledger: Ledger, execution: Execution, clock: Clock, event_log: EventLog
    ) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._clock = clock
        self._execution = execution
        self._events = event_log
        self._failed: set[str] = set()
        """Trades whose time was over when leaving them failed."""

    def overdue(self) -> list[OpenTrade]:
        """Trades that should have been closed: leaving them failed, or no candle of their symbol says so."""
        late = self._clock.now_ms() - CANDLE_MS - OVERDUE_MS
        still = [one for one in self._ledger.open_trades() if one.status == "open"]
        self._failed &= {one.trade for one in still}
        found = [one for one in still if one.due <= late or one.trade in self._failed]
        for trade in (one for one in found if one.trade not in self._failed):
            text = f"{trade.symbol}: its time is over and no candle of it has arrived: it is closed"
            self._events.record_on_change("overdue", text, trade.symbol, about=trade.trade, urgent=True)
        return found

    async def leave_while(
        self,
        reconcile: Callable[[LeaveSymbols], Awaitable[None]],
        due: Callable[[], Iterable[OpenTrade]],
        why: Outcome,
    ) -> tuple[ExchangeError | JournalError | None, bool]:
        """Bring journal and exchange together, and leave what is due, each trade once.

        A symbol that needs no correction is left at once, the others when they are corrected; where journal
        and exchange cannot be brought together all are left nevertheless.

        Parameters
        ----------
        reconcile : callable
            Brings them together, given what leaves the symbols that it does not correct.
        due : callable
            The open trades that are to be closed, as the journal has them now.
        why : Outcome
            What ends them.

        Returns
        -------
        tuple
            What kept journal and exchange apart, or None; and whether anything was to be left.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        tried: set[str] = set()

        async def leave(is_meant: Callable[[str], bool]) -> None:
            trades = [one for one in due() if one.trade not in tried and is_meant(one.symbol)]
            tried.update(one.trade for one in trades)
            await self.leave(trades, why)

        trouble: ExchangeError | JournalError | None = None
        try:
            await reconcile(leave)
        except AccountError:
            raise
        except (ExchangeError, JournalError) as exc:
            trouble = exc
        await leave(partial(is_none_of, frozenset()))
        return trouble, bool(tried)

    async def leave(self, trades: Iterable[OpenTrade], why: Outcome) -> None:
        """Close trades side by side; a journal that cannot be written keeps nobody in.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        unwritten: dict[tuple[str, int], JournalError] = {}

        async def leave(trade: OpenTrade) -> None:
            if why == "horizon":
                self._failed.add(trade.trade)
            try:
                failure = await self._execution.leave(trade, why)
                self._record(trade.symbol, failure)
                if failure is None:
                    self._failed.discard(trade.trade)
            except JournalError as exc:
                unwritten[(trade.symbol, trade.side)] = exc

        await together(leave(trade) for trade in trades)
        if unwritten:
            await together(self._close_unwritten(key, unwritten[key]) for key in await self._held(unwritten))

    async def close(self, positions: Iterable[Position]) -> None:
        """Close what is held side by side, whoever opened it.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """

        async def close(position: Position) -> None:
            self._record(position.symbol, await self._execution.close(position.symbol, position.side))

        await together(close(position) for position in positions)

    async def _held(self, keys: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Which of these positions the exchange holds; all of them, where it does not answer."""
        try:
            held = {(one.symbol, one.side) for one in await self._exchange.positions() if one.size > 0}
        except AccountError:
            raise
        except ExchangeError:
            return set(keys)
        return held & set(keys)

    async def _close_unwritten(self, key: tuple[str, int], why: JournalError) -> None:
        """Close a position whose end cannot be written down."""
        symbol, side = key
        failure = await self._execution.close(symbol, side)
        self._record(
            symbol, Failure(f"{symbol}: closed without the journal ({why}) {failure or ''}".rstrip())
        )

    def _record(self, symbol: str, failure: Failure | None) -> None:
        """Record why a position could not be left in order, once for as long as that goes on."""
        if failure is None:
            self._events.clear("trouble", f"leaving {symbol}")
        else:
            self._events.record_on_change(
                "trouble", failure.reason, symbol, about=f"leaving {symbol}", urgent=True
            )


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of ``work``; what fails is raised only when all the others are done."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome


def is_none_of(symbols: frozenset[str], symbol: str) -> bool:
    """Whether ``symbol`` is none of ``symbols``."""
    return symbol not in symbols
