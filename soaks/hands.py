"""What befalls an account and a machine in a day besides broken lines: for ``soaks.live``.

Contracts go into maintenance for a while; a hand moves the leverage of a symbol, held or flat; the machine's
clock is set forward or back.  What must come of it: positions of other contracts are left in time, none is
liquidated, and none keeps a leverage above the settings' for longer than a comparison takes.
"""

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from desk.market.emulator import EmbeddedExchange
from desk.market.matching import Denied
from desk.values import CANDLE_MS
from soaks.virtual_time import VirtualClock

SUSPEND_EVERY_S, SUSPENDED_S = (120.0, 300.0), (20.0, 90.0)
MOVE_EVERY_S = (60.0, 240.0)
MOVED_TO = Decimal(20)
"""A liquidation at 4.5 %, beyond the stop: what a hand may do while nobody is hurt by it."""
FLAT_MOVED_TO = Decimal(100)
SET_BACK_S = 150.0
"""Two comparisons, and an exchange that does not answer in between."""
JUMP_EVERY_S, JUMPS_MS = (600.0, 2_400.0), (-600_000, -5_000, 30_000, 600_000)
MOST_LATE_S = 60.0
"""After its time, for an exit of a contract that takes orders, while answers fail."""


@dataclass
class Hands:
    """Acts on an exchange and a clock until it is cancelled.

    Parameters
    ----------
    served : EmbeddedExchange
    clock : VirtualClock
    chance : Random
    leverage : Decimal
        The most that a session may keep.
    """

    served: EmbeddedExchange
    clock: VirtualClock
    chance: random.Random
    leverage: Decimal
    done: Counter[str] = field(default_factory=Counter)
    suspended: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By symbol, from when to when (ms) it took no orders."""
    problems: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Suspend contracts, move leverage and set the clock."""
        await asyncio.gather(self._suspend(), self._move_leverage(), self._set_clock())

    async def _suspend(self) -> None:
        contracts = self.served.venue.matching.account.contracts
        while True:
            await self.clock.sleep(self.chance.uniform(*SUSPEND_EVERY_S))
            symbol = self._some_symbol()
            contract, since = contracts[symbol], self.clock.true_ms()
            contracts[symbol] = replace(contract, status="maintain")
            self.done["contracts suspended"] += 1
            try:
                await self.clock.sleep(self.chance.uniform(*SUSPENDED_S))
            finally:
                contracts[symbol] = contract
                self.suspended.setdefault(symbol, []).append((since, self.clock.true_ms()))

    async def _move_leverage(self) -> None:
        matching = self.served.venue.matching
        while True:
            await self.clock.sleep(self.chance.uniform(*MOVE_EVERY_S))
            symbol = self._some_symbol()
            held = matching.account.positions_in(symbol)
            with contextlib.suppress(Denied):
                matching.set_leverage(symbol, MOVED_TO if held else FLAT_MOVED_TO)
                self.done["leverages moved, held" if held else "leverages moved, flat"] += 1
                if held:
                    await self.clock.sleep(SET_BACK_S)
                    self._must_be_set_back(symbol, opened=held[0].opened)

    def _must_be_set_back(self, symbol: str, *, opened: int) -> None:
        for position in self.served.venue.matching.account.positions_in(symbol):
            if position.opened == opened and position.leverage > self.leverage:
                self.problems.append(f"{symbol}: kept leverage {position.leverage} for {SET_BACK_S:.0f} s")

    async def _set_clock(self) -> None:
        while True:
            await self.clock.sleep(self.chance.uniform(*JUMP_EVERY_S))
            self.clock.moved_ms += self.chance.choice(JUMPS_MS)
            self.done["clock set"] += 1

    def _some_symbol(self) -> str:
        """One that is held, as a rule."""
        account = self.served.venue.matching.account
        held = sorted({symbol for symbol, _ in account.positions})
        return self.chance.choice(held if held and self.chance.random() < 0.8 else sorted(account.contracts))

    def examined(self, journal: Path) -> Iterator[str]:
        """Every problem of the day that a hand or the clock has made.

        Parameters
        ----------
        journal : Path
        """
        yield from self.problems
        executions = self.served.venue.matching.account.executions
        liquidated = Counter(one.fill.symbol for one in executions if one.fill.cause == "liquidation")
        yield from (f"{symbol}: liquidated {times} times" for symbol, times in liquidated.items())
        with contextlib.closing(sqlite3.connect(journal)) as db:
            query = "SELECT symbol, due, closed FROM trades WHERE ended = 'horizon'"
            exits = db.execute(query).fetchall()
        worst = 0.0
        for symbol, due, closed in exits:
            late_s = (closed - due - CANDLE_MS) / 1_000
            spans = self.suspended.get(symbol, [])
            if any(since <= closed and due + CANDLE_MS <= until + 120_000 for since, until in spans):
                continue
            worst = max(worst, late_s)
            if not -1 <= late_s <= MOST_LATE_S:
                yield f"{symbol}: left {late_s:.0f} s after its time"
        self.done["exits by time, of contracts that took orders"] = len(exits)
        self.done["the latest of them, in seconds"] = round(worst)
