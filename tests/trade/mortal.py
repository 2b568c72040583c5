"""A session in a process of its own that kills itself, as ``kill -9`` would.

Arguments: REST address, websocket address, journal, number of the round to begin with, rounds, call, moment.
It trades two symbols over HTTP, long and short by turns, and dies at the given number of calls to the
exchange: ``before`` a call, or ``after`` its answer came and before anything is made of it; of the calls,
only those that place orders count when the moment is ``sent``.  -1: it lives.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from config import link_settings
from desk.clock import SystemClock
from desk.errors import DeskError
from desk.frames import CANDLE_MS, Candles, frozen
from desk.market.account import Account
from desk.market.signing import Credentials
from desk.orders import OrderRequest
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.forecasting import Forecaster, OpenModel, round_of
from desk.trade.journal import Journal
from desk.trade.notify import Silent
from desk.trade.scribe import Scribe
from desk.trade.session import Event, Session
from desk.trade.trader import Trader
from tests.trade.samples import NOON, SESSION, UNLIMITED, card
from tests.trade.stage import MEMORY, WINDOW, live_settings, said
from tests.trade.test_replay import NOTHING

KEYS = Credentials("emulator-key", "emulator-secret", "emulator-passphrase")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
PRICE = 100.0
LENGTH = 3_000
QUICK = replace(SESSION, fill_wait_s=2.0, fill_look_s=0.02, resend_within_s=5.0)
BOUNDLESS = replace(UNLIMITED, max_candle_age_s=10**9, max_clock_drift_s=1e9)


def series(symbol: str) -> Candles:
    """A price that stands still, as the emulator's does."""
    times = NOON - CANDLE_MS * LENGTH + CANDLE_MS * np.arange(2 * LENGTH)
    values = np.full((6, 2 * LENGTH), PRICE)
    values[1], values[2] = PRICE + 0.1, PRICE - 0.1
    return Candles(symbol, frozen(times), frozen(values))


@dataclass
class Mortal:
    """Counts calls, and dies at one of them."""

    call: int
    moment: str
    count: int = 0

    def step(self, now: str, *, sending: bool = False) -> None:
        """Die if this is the moment."""
        if self.moment == "sent":
            if not (sending and now == "after"):
                return
        elif now != self.moment:
            return
        if self.count == self.call:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


class MortalAccount(Account):
    """An account whose user may die at any call."""

    mortal = Mortal(-1, "before")

    async def place(self, request: OrderRequest) -> str:
        self.mortal.step("before")
        try:
            return await super().place(request)
        finally:
            self.mortal.step("after", sending=True)

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name not in {"balance", "positions", "order", "fills", "protect", "close", "set_up"}:
            return found
        mortal = self.mortal

        async def stepped(*args: object, **told: object) -> object:
            mortal.step("before")
            try:
                return await found(*args, **told)
            finally:
                mortal.step("after")

        return stepped


def session(exchange: Account, journal: Journal) -> tuple[Trader, Session]:
    """Models that are long in the even hours of candles and short in the odd ones."""
    models = {}
    for symbol in SYMBOLS:
        candles = series(symbol)
        probability = np.where(np.arange(len(candles)) // 12 % 2, 0.2, 0.8)
        models[symbol] = OpenModel(card(symbol, created=NOON, promise=NOTHING), said(candles, probability))
    clock = ExchangeClock(SystemClock())
    live = live_settings(BOUNDLESS, QUICK)
    scribe = Scribe(journal.diary, clock, Silent())
    forecaster = Forecaster.of(models, WINDOW)
    trader = Trader(exchange, journal, forecaster, clock, scribe, settings=live, trade_untested=False)
    return trader, Session(trader, journal, clock, scribe, settings=live.session)


async def rounds(start: int, count: int) -> AsyncGenerator[Event]:
    """Candles as fast as they can be dealt with."""
    candles = [series(symbol) for symbol in SYMBOLS]
    for row in range(LENGTH + start, LENGTH + start + count):
        past = [one.rows(row - MEMORY, row) for one in candles]
        yield round_of(past, int(candles[0].open_time[row - 1]), memory=MEMORY)


async def live(url: str, ws: str, path: str, start: int, count: int) -> str:
    """Trade; what ended it."""
    link = link_settings("paper", base_url=url, ws_url=ws)
    link = replace(link, attempts=3, give_up_after_s=5.0, timeout_s=2.0)
    async with MortalAccount(link, KEYS, clock=SystemClock()) as exchange:
        with Journal(Path(path)) as journal:
            _, play = session(exchange, journal)
            ending = await play.run(rounds(start, count), mode="live", settings="{}")
            return ending.why


if __name__ == "__main__":
    address, socket, journal_path, first, number, at, when = sys.argv[1:]
    MortalAccount.mortal = Mortal(int(at), when)
    try:
        sys.stdout.write(asyncio.run(live(address, socket, journal_path, int(first), int(number))))
    except DeskError as exc:
        sys.stdout.write(str(exc))
