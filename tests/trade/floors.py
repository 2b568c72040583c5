"""Whole sessions in every mode, on simulated fills and over the wire, and hands that meddle with them.

Both floors run the market and the models of ``soaks.mortal``, candle by candle; between candles a hand
may do things on the exchange that the session did not ask for.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from desk.clock import SystemClock
from desk.market.bitget.account.account import BitgetAccount
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.market.matching import FillModel, Matching
from desk.market.matching.report import open_positions
from desk.market.paper.exchange import PaperExchange
from desk.orders import AccountUpdate, MarginMode, Position, PositionMode
from desk.ports import Exchange
from desk.trade.events import Event
from desk.trade.forecasting import round_of
from desk.trade.journal import Journal
from desk.trade.replay.feed import SimulatedClock
from desk.trade.session import Session, SessionResult
from desk.trade.settings import LiveSettings
from desk.values import CANDLE_MS, Candles
from soaks import books, mortal

SEED = 3
FIRST = (mortal.BEGIN - mortal.NOON) // CANDLE_MS
"""Row of the candle that is forming at the start."""
TEST_TIMEOUT_S = 20.0
"""A push that does not come fails the test, instead of holding it up for ever."""


@dataclass(frozen=True)
class Trial:
    """An experiment of a session."""

    amount: str
    untested: tuple[str, ...] = mortal.SYMBOLS
    since: str = ""


@dataclass
class Floor:
    """A session that is ready to run, and the exchange's own books."""

    journal: Journal
    exchange: Exchange
    matching: Matching
    session: Session
    series: Sequence[Candles]
    candle: Callable[[int], AsyncIterator[Event]]
    """Lets the candle of a row happen; what the session hears meanwhile."""
    now: Callable[[], int]
    trade_at: Callable[[str, Decimal], None]
    """Lets a symbol trade at a price, without having been anywhere between."""
    row: int = FIRST
    """Of the candle that is forming."""
    late: list[str] = field(default_factory=list)
    """Rows after whose pushes journal and exchange still differed."""

    async def run(
        self, candles: int, hands: Mapping[int, Callable[["Floor"], None]] | None = None
    ) -> SessionResult:
        """Run for some candles; a hand acts after the candle of its number was dealt with."""
        return await self.session.run(self._events(candles, hands or {}), mode="live", settings="{}")

    async def _events(
        self, candles: int, hands: Mapping[int, Callable[["Floor"], None]]
    ) -> AsyncGenerator[Event]:
        for number in range(candles):
            self.row += 1
            async for event in self.candle(self.row - 1):
                yield event
            past = [one.rows(self.row - mortal.MEMORY, self.row) for one in self.series]
            yield round_of(past, int(past[0].open_time[-1]), memory=mortal.MEMORY)
            if number in hands:
                hands[number](self)

    @property
    def held(self) -> list[Position]:
        """What the exchange holds."""
        return open_positions(self.matching.account)

    def corrections(self) -> list[tuple[str, str]]:
        """Kind and symbol of every correction, oldest first."""
        rows = self.journal.diary._rows("SELECT kind, symbol FROM corrections ORDER BY rowid")
        return [(str(kind), str(symbol)) for kind, symbol in rows]

    def agrees(self) -> None:
        """Journal and exchange hold the same, everything is protected, and the money adds up."""
        held = {(one.symbol, one.side, one.size) for one in self.held}
        assert {(one.symbol, one.side, one.size) for one in self.journal.ledger.open_trades()} == held
        assert all(one.stop_loss is not None for one in self.held)
        assert self.journal.ledger.unresolved() == []
        assert self.matching.account.live_orders() == []
        account = self.matching.account
        equity = account.deposit + sum(
            (one.profit for one in self.journal.ledger.closed_trades()), Decimal(0)
        )
        for held_trade in self.journal.ledger.open_trades():
            fees = (one.fee for one in self.journal.ledger.orders_of(held_trade.trade))
            equity -= sum(fees, Decimal(0))
        equity += sum((one.unrealized for one in self.held), Decimal(0))
        assert abs(
            equity + books.of_untracked(account.executions, self.journal) - account.balance().equity
        ) < Decimal("1e-6")


def settings(position_mode: PositionMode, margin_mode: MarginMode, **session: object) -> LiveSettings:
    """As the soak has them, with other values of the session."""
    live = mortal.trial_settings(position_mode, margin_mode)
    return replace(live, session=replace(live.session, **session))  # type: ignore[arg-type]


def venue(live: LiveSettings, *, unified: bool = False) -> EmbeddedExchange:
    """An embedded exchange with the soak's market and an account of the session's balance."""
    options = ExchangeOptions(
        now_ms=mortal.BEGIN,
        rate_limit=0,
        minute_limit=0,
        balance=live.paper.balance,
        keys=Keys(unified=unified),
    )
    return EmbeddedExchange(mortal.market(SEED), options, clock=SystemClock())


@contextlib.asynccontextmanager
async def wired(folder: Path, live: LiveSettings, *, unified: bool = False) -> AsyncIterator[Floor]:
    """The signed client, the embedded exchange at the other end of the line, and its pushes."""
    async with venue(live, unified=unified) as served, seated(folder, live, served) as floor:
        yield floor


@contextlib.asynccontextmanager
async def seated(
    folder: Path, live: LiveSettings, served: EmbeddedExchange, trial: Trial | None = None
) -> AsyncIterator[Floor]:
    """A session on an exchange that is served already, perhaps after others; ``trial`` is its experiment."""
    series, clock = mortal.market(SEED), SystemClock()
    async with BitgetAccount(mortal.trial_link(served.url), mortal.CREDENTIALS, clock=clock) as account:
        with Journal(folder / "journal.sqlite", durable=False) as journal:
            experiment = None
            if trial is not None:
                experiment = await mortal.trial_experiment(
                    account, journal, trial.amount, clock, since=trial.since
                )
            session = mortal.trial_session(
                account,
                journal,
                series,
                live,
                seed=SEED,
                clock=clock,
                experiment=experiment,
                untested=() if trial is None else trial.untested,
            )
            pushes = account.pushes()

            async def candle(row: int) -> AsyncIterator[Event]:
                """Both halves of it; whatever they did to the account is waited for."""
                for _ in range(2):
                    before = len(served.venue.matching.account.executions)
                    served.pass_time(CANDLE_MS // 2)
                    if len(served.venue.matching.account.executions) == before:
                        continue
                    async for push in until_reported(pushes, account):
                        yield push
                    held = {(one.symbol, one.side) for one in floor.held}
                    if held != {(one.symbol, one.side) for one in journal.ledger.open_trades()}:
                        floor.late.append(f"candle {row}")

            floor = Floor(
                journal,
                account,
                served.venue.matching,
                session,
                series,
                candle,
                served.now_ms,
                served.set_price,
                row=(served.now_ms() - mortal.NOON) // CANDLE_MS,
            )
            try:
                yield floor
            finally:
                await pushes.aclose()  # type: ignore[attr-defined]


async def until_reported(
    pushes: AsyncIterator[AccountUpdate], account: BitgetAccount
) -> AsyncIterator[AccountUpdate]:
    """Pushes, up to one that tells the positions as they are."""
    now = {(one.symbol, one.side, one.size) for one in await account.positions()}
    async with asyncio.timeout(TEST_TIMEOUT_S):
        async for push in pushes:
            yield push
            told = push.positions
            if told is not None and {(one.symbol, one.side, one.size) for one in told} == now:
                return


@contextlib.asynccontextmanager
async def simulated(folder: Path, live: LiveSettings) -> AsyncIterator[Floor]:
    """The paper exchange on a simulated clock."""
    series, clock = mortal.market(SEED), SimulatedClock(float(mortal.BEGIN))
    async with EmbeddedExchange(series, ExchangeOptions(now_ms=mortal.BEGIN), clock=SystemClock()) as listed:
        contracts = list(listed.venue.matching.account.contracts.values())
    paper = PaperExchange(
        contracts, deposit=live.paper.balance, clock=clock, fill_model=FillModel(slippage=Decimal("0.0001"))
    )
    for one in series:
        paper.feed_price(one.symbol, float(one.values[0, FIRST]))
    with Journal(folder / "journal.sqlite", durable=False) as journal:
        session = mortal.trial_session(paper, journal, series, live, seed=SEED, clock=clock)

        def jump(symbol: str, price: Decimal) -> None:
            paper.feed_price(symbol, float(price))

        async def candle(row: int) -> AsyncIterator[Event]:
            clock.advance_to(float(mortal.NOON + (row + 1) * CANDLE_MS + 1_000))
            for one in series:
                o, h, l, c, volume = (float(value) for value in one.values[:5, row])
                paper.feed_candle(one.symbol, int(one.open_time[row]), (o, h, l, c), volume)
            yield AccountUpdate()

        yield Floor(journal, paper, paper.matching, session, series, candle, clock.now_ms, jump)


# Hands ---------------------------------------------------------------------------------------------


def strip(floor: Floor) -> None:
    """Take the stops and take-profits of the first position away."""
    [one, *_] = floor.matching.account.positions.values()
    for plan in floor.matching.account.plans_of(one.symbol, one.side):
        floor.matching.cancel_plan(plan.plan_id)


def close(floor: Floor) -> None:
    """Close the first position."""
    [one, *_] = floor.matching.account.positions.values()
    floor.matching.close(one.symbol, floor.now(), side=one.side)


def gap(floor: Floor, share: str) -> None:
    """Let the first position's symbol jump against it by a share of its price."""
    one = floor.held[0]
    tick = floor.matching.account.contracts[one.symbol].tick
    floor.trade_at(one.symbol, one.mark_price * (1 - one.side * Decimal(share)) // tick * tick)


def turn(floor: Floor) -> None:
    """Open three times as much on the other side of the first position."""
    [one, *_] = floor.matching.account.positions.values()
    books.turn(floor.matching, one, floor.now(), name="by-hand")
