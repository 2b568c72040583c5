"""Kills a trading session again and again, and compares its journal with the exchange's own books.

``python -m soaks.kill [--kills 30] [--seed 0] [--account classic]`` runs four chains of lives, one per
position mode and margin mode, each over HTTP against an embedded exchange with faults on.  Every life
(``soaks.mortal``) dies at a seeded moment; most of them between sending an order and journaling its
answer.  While nobody is alive market time passes, stops and take-profits are hit, and now and then a hand
strips a position of its stop, leaves one for half of it, closes it, turns it round, or moves its leverage; a
contract is suspended for a life, or the machine's clock set in the middle of it.  The last life of a chain is
left in peace.

What must be true, of every life and at the end: journal and exchange agree, and no position is without a
stop, for longer than a cycle (a start, or a candle; an exchange that answers no question may cost one); no
client id opened twice; equity is deposit, journaled profits, open positions and the funding that a plain
ledger of the exchange's executions comes to; no position of ours keeps a leverage above the settings' for
longer than a cycle; nothing is left over.  Ends with status 1 if anything is not.
"""

import argparse
import asyncio
import json
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from desk.clock import SystemClock
from desk.errors import Throttled, Unanswered
from desk.market.bitget.account.account import BitgetAccount
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.market.matching import Denied
from desk.orders import MarginMode, PositionMode
from desk.trade.journal import Journal
from desk.trade.session import Session
from desk.values import CANDLE_MS, Candles
from soaks.books import funding_paid, of_untracked, stop_half, turn
from soaks.kill_figures import Figures, table
from soaks.mortal import (
    BEGIN,
    CREDENTIALS,
    Kind,
    Life,
    compare,
    market,
    trial_link,
    trial_session,
    trial_settings,
)

HERE = Path(__file__).resolve().parent
DEPOSIT = Decimal(10_000)
FAULTS = {
    "lost": 0.03,
    "500": 0.02,
    "reset": 0.02,
    "429": 0.01,
    "truncate": 0.01,
    "unknown": 0.02,
    "59998": 0.01,
    "40308": 0.005,
    "43115": 0.005,  # of one contract
}
"""Among them orders that were taken and answered with a code of no table, and refusals with one."""
ROUNDS = 8
"""Candles that a life would see."""
MODES: tuple[tuple[PositionMode, MarginMode], ...] = (
    ("one_way", "isolated"),
    ("hedge", "isolated"),
    ("one_way", "crossed"),
    ("hedge", "crossed"),
)
KINDS: tuple[Kind, ...] = ("sent", "sent", "before", "sent", "after")
"""In turns; three of five fall between sending an order and journaling its answer."""
CALLS = {"sent": 4, "before": 60, "after": 60}
"""The latest call at which a life dies."""
SUSPENDED, CLOCKS_SET_MS = 0.15, (0, 0, 600_000, -600_000, 7_000)
"""Share of the lives in which a contract takes no orders; how far a clock is set in the middle of a life."""
MOVED_TO = Decimal(20)
GAPS, GAPPED = 0.25, (Decimal("0.98"), Decimal("1.02"))
"""Share of the deaths after which a price jumps, and by which factor: beyond the stop or the take-profit."""
BY_HAND = "by-hand"
EXACT = Decimal("1e-6")
"""USDT: the exchange tells average prices with twelve decimals."""
Answer = TypeVar("Answer")


class Chain:
    """Lives of one session on one exchange, one after the other.

    Parameters
    ----------
    exchange : EmbeddedExchange
    series : sequence of Candles
    life : Life
    kills : int
    """

    def __init__(self, exchange: EmbeddedExchange, series: Sequence[Candles], life: Life, kills: int) -> None:
        self.exchange, self.series, self.life = exchange, series, life
        self.path = Path(life.journal)
        self.kills = kills
        self.books = exchange.venue.matching.account
        self.by_hand: set[tuple[str, int]] = set()
        """Positions that a hand opened, and that no session has closed yet."""
        self.amiss: set[str] = set()
        """What the last look found."""
        self.suspended = ""
        """The symbol that takes no orders in the life that is lived."""
        self.figures = Figures(f"{life.position_mode} {life.margin_mode}")
        self.chance = random.Random(f"{life.seed} {self.figures.name}")  # noqa: S311 - moments, no secrets

    async def run(self) -> Figures:
        """Kill as often as is asked, then let one live, and compare."""
        figures = self.figures
        while figures.kills.total() < self.kills:
            kind = KINDS[figures.kills.total() % len(KINDS)]
            if await self._live(kind, self.chance.randrange(CALLS[kind])):
                figures.kills[kind] += 1
            self._without_anybody()
        self._suspend_nothing()
        await self._live("never", 0)
        await self._compare()
        return figures

    async def _live(self, kind: Kind, call: int) -> bool:
        """One life; whether it was killed."""
        moved = self.chance.choice(CLOCKS_SET_MS) if kind != "never" else 0
        self.figures.clocks_set += moved != 0
        life = {**asdict(self.life), "kind": kind, "call": call, "clock_set_by_ms": moved}
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "soaks.mortal", json.dumps(life)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=HERE.parent,
        )
        output, errors = await child.communicate()
        self.figures.lives += 1
        for line in map(json.loads, output.decode().splitlines()):
            if "ended" in line:
                self.figures.must(
                    hold=line["ended"].startswith("0: "), claim=f"a life ended with {line['ended']}"
                )
                continue
            self.figures.looks += 1
            amiss = {f"{symbol} is unprotected" for symbol in line["unprotected"]}
            amiss |= {f"journal and exchange differ in {symbol}" for symbol in line["apart"]}
            amiss |= {f"the leverage is too high in {symbol}" for symbol in line["leveraged"]}
            if self.suspended:  # nobody can close anything there
                amiss = {claim for claim in amiss if self.suspended not in claim}
            for claim in amiss & self.amiss:
                self.figures.must(hold=False, claim=f"{claim}, for longer than a cycle")
            self.figures.passing += len(amiss - self.amiss)
            self.amiss = amiss
        ends = {0, -signal.SIGKILL}
        self.figures.must(hold=child.returncode in ends, claim=f"a life fell over: {errors.decode()[-2000:]}")
        return child.returncode == -signal.SIGKILL

    def _without_anybody(self) -> None:
        """What happens while no session is alive: a hand on the account, and time."""
        held = list(self.books.positions.values())
        self.by_hand &= self.books.positions.keys()
        matching, now = self.exchange.venue.matching, self.exchange.now_ms()
        self._suspend_nothing()
        hand = self.chance.choice(["strip", "part", "close", "turn", "leverage", "", "", "", ""])
        if held and hand:
            position = self.chance.choice(held)
            other = (position.symbol, -position.side)
            if hand == "turn" and {other, (position.symbol, position.side)} & self.by_hand:
                hand = "close"
            self.figures.hands[hand] += 1
            if hand == "close":
                matching.close(position.symbol, now, side=position.side)
            if hand == "turn":
                self.by_hand.add(other)
                turn(matching, position, now, name=f"{BY_HAND}-{self.figures.hands[hand]}")
            if hand == "leverage":
                with suppress(Denied):
                    matching.set_leverage(position.symbol, MOVED_TO)
            if hand in {"strip", "part"}:
                for plan in self.books.plans_of(position.symbol, position.side):
                    matching.cancel_plan(plan.plan_id)
            if hand == "part":
                stop_half(matching, position, now)
        before = len(self.books.executions)
        if held and self.chance.random() < GAPS:
            position = self.chance.choice(held)
            mark = self.books.marks[position.symbol]
            self.exchange.set_price(position.symbol, round(mark * self.chance.choice(GAPPED), 2))
        self.exchange.pass_time(self.chance.randrange(4) * CANDLE_MS)
        self.figures.while_dead += len(self.books.executions) - before
        self._suspend()

    def _suspend_nothing(self) -> None:
        """Let every contract take orders."""
        if self.suspended:
            contract = self.books.contracts[self.suspended]
            self.books.contracts[self.suspended] = replace(contract, status="normal")
        self.suspended = ""

    def _suspend(self) -> None:
        """Let one contract take no orders for a life, now and then."""
        if not self.by_hand and self.chance.random() < SUSPENDED:
            self.suspended = self.chance.choice(sorted(self.books.contracts))
            contract = self.books.contracts[self.suspended]
            self.books.contracts[self.suspended] = replace(contract, status="maintain")
            self.figures.suspended += 1

    async def _compare(self) -> None:
        """Start once more, and look at everything; then close everything, and look again."""
        link, clock, life = trial_link(self.exchange.url), SystemClock(), self.life
        async with BitgetAccount(link, CREDENTIALS, clock=clock) as account:
            with Journal(self.path) as journal:
                live = trial_settings(life.position_mode, life.margin_mode)
                session = trial_session(account, journal, self.series, live, seed=life.seed, clock=clock)
                await answered(session.trader.start)
                await self._agree(account, journal, session)
                left = await answered(session.trader.upkeep.flatten)
                self.figures.must(hold=not left, claim=f"it could not be closed: {left}")
                await self._agree(account, journal, session)
                self.figures.must(hold=not self.books.positions, claim="a position is left")
                self.figures.must(hold=not self.books.plans, claim="a stop is left")
                self._count(journal)

    async def _agree(self, account: BitgetAccount, journal: Journal, session: Session) -> None:
        """Positions, orders and equity of the two, at rest."""
        figures = self.figures
        found = await answered(lambda: compare(account, journal))
        figures.must(hold=not found.unprotected, claim=f"unprotected at the end: {found.unprotected}")
        figures.must(hold=not found.apart, claim=f"journal and exchange differ at the end: {found.apart}")
        figures.must(hold=journal.ledger.unresolved() == [], claim="an order is unresolved at the end")
        figures.must(hold=not self.books.live_orders(), claim="an order is open at the end")
        equity = DEPOSIT + sum((one.profit for one in journal.ledger.closed_trades()), Decimal(0))
        for trade in journal.ledger.open_trades():
            mark = self.books.marks[trade.symbol]
            for order in journal.ledger.orders_of(trade.trade):
                way = trade.side if order.purpose == "open" else -trade.side
                equity += way * order.filled * (mark - (order.average_price or mark)) - order.fee
        equity += of_untracked(self.books.executions, journal)
        figures.funding = funding_paid(self.books.executions, self.series, self.exchange.now_ms())
        await answered(session.trader.upkeep.look)  # the last one may have met a fault
        reported = session.trader.upkeep.seen.balance.equity
        for whose, found_equity in (("the journal's", equity - figures.funding), ("the reported", reported)):
            off_by = abs(found_equity - self.books.balance().equity)
            figures.off_by = max(figures.off_by, off_by)
            figures.must(hold=off_by < EXACT, claim=f"{whose} equity is off by {off_by} USDT")

    def _count(self, journal: Journal) -> None:
        """The figures, and that every entry is one trade."""
        figures, executions = self.figures, self.books.executions
        entries = Counter(one.fill.client_id for one in executions if one.fill.purpose == "open")
        made = {one.trade for one in journal.ledger.closed_trades() if one.model_file}
        twice = [name for name, times in entries.items() if times > 1]
        figures.must(hold=not twice, claim=f"opened twice: {twice}")
        apart = sorted(name for name in set(entries) ^ made if not name.startswith(BY_HAND))
        figures.must(hold=not apart, claim=f"entries are not trades: {apart}")
        figures.trades = len(made)
        figures.orders = sum(order.cause == "order" for order in self.books.orders.values())
        figures.resent = self.exchange.stats.trading["refused 40786"]
        figures.ended.update(one.fill.cause for one in executions if one.fill.purpose == "close")
        with closing(sqlite3.connect(self.path)) as rows:
            kinds = rows.execute("SELECT kind, count(*) FROM corrections GROUP BY kind")
            figures.corrections.update(dict(kinds.fetchall()))


async def answered(work: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until there is an answer: the faults stay on."""
    while True:
        try:
            return await work()
        except (Unanswered, Throttled):
            continue


async def chain(
    modes: tuple[PositionMode, MarginMode],
    *,
    kills: int,
    seed: int,
    folder: Path,
    rounds: int = ROUNDS,
    faults: Mapping[str, float] = FAULTS,
    unified: bool = False,
) -> Figures:
    """Kill sessions in one pair of modes, and compare; a life would see ``rounds`` candles.

    Parameters
    ----------
    modes : tuple
        Position mode and margin mode.
    kills : int
    seed : int
    folder : Path
        Of the journal.
    rounds : int
    faults : mapping
        Shares of answers, by fault.
    unified : bool
        Whether the account is a unified one, which has API v3.
    """
    series = market(seed)
    options = ExchangeOptions(
        now_ms=BEGIN,
        rate_limit=0,
        minute_limit=0,
        faults=faults,
        fault_seed=seed,
        balance=DEPOSIT,
        keys=Keys(unified=unified),
    )
    async with EmbeddedExchange(series, options, clock=SystemClock()) as exchange:
        life = Life(
            url=exchange.url,
            journal=str(folder / f"{'_'.join(modes)}.sqlite"),
            position_mode=modes[0],
            margin_mode=modes[1],
            seed=seed,
            rounds=rounds,
        )
        return await Chain(exchange, series, life, kills).run()


async def chains(kills: int, seed: int, folder: Path, *, unified: bool) -> list[Figures]:
    """All pairs of modes side by side.

    Parameters
    ----------
    kills : int
        Of all together.
    seed : int
    folder : Path
        Of the journals.
    unified : bool
        Whether the accounts are unified ones.
    """
    shares = [kills // len(MODES) + (number < kills % len(MODES)) for number in range(len(MODES))]
    return await asyncio.gather(
        *(
            chain(modes, kills=share, seed=seed + number, folder=folder, unified=unified)
            for number, (modes, share) in enumerate(zip(MODES, shares, strict=True))
        )
    )


def soak(kills: int, seed: int, *, unified: bool) -> int:
    """Run the chains; print the table."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = asyncio.run(chains(kills, seed, Path(folder), unified=unified))
    for line in table(done):
        print(line)
    wrong = [text for one in done for text in one.wrong]
    for text in wrong:
        print(f"WRONG {text}")
    killed = sum(one.kills.total() for one in done)
    sent = sum(one.kills["sent"] for one in done)
    print(
        f"{killed} kills, {sent} of them between an order and its answer in the journal; "
        f"{len(wrong)} violations; {time.perf_counter() - began:.0f} s"
    )
    return bool(wrong)


def main() -> int:
    """Read the options and soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--account", choices=("classic", "unified"), default="classic")
    args = parser.parse_args()
    return soak(args.kills, args.seed, unified=args.account == "unified")


if __name__ == "__main__":
    raise SystemExit(main())
