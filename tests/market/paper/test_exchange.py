"""The paper exchange keeps the contract of every exchange, and lives on what it is fed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from desk.errors import Refused
from desk.market.paper.exchange import PaperExchange, exactly
from desk.policy import LONG
from desk.ports import Exchange
from desk.values import CANDLE_MS
from tests.market.emulator.samples import T0, HandClock
from tests.market.exchange_contract import DEPOSIT, SYMBOL, ExchangeContract, TradingFloor, entry, held
from tests.market.matching.samples import BTC, ETH


@dataclass(slots=True)
class PaperFloor:
    """The paper exchange on a clock that is moved by hand."""

    exchange: Exchange
    paper: PaperExchange
    clock: HandClock

    async def trade_at(self, price: str) -> None:
        self.clock.seconds += 1
        self.paper.feed_price(SYMBOL, float(price))

    async def until_heard(self) -> None:
        await asyncio.sleep(0)

    def candle(self, o: float, h: float, l: float, c: float) -> None:
        """Feed a candle that ends now, five minutes later."""
        self.paper.feed_candle(SYMBOL, self.clock.now_ms(), (o, h, l, c), 10.0)
        self.clock.seconds += CANDLE_MS / 1000


@pytest.fixture
def floor() -> PaperFloor:
    clock = HandClock(T0 / 1000)
    paper = PaperExchange([BTC, ETH], deposit=DEPOSIT, clock=clock)
    for symbol in (SYMBOL, "ETHUSDT"):
        paper.feed_price(symbol, 100.0)
    return PaperFloor(paper, paper, clock)


class TestPaperExchange(ExchangeContract):
    """Inherited: the claims of every exchange."""


async def test_orders_live_through_the_candles_that_follow(floor: PaperFloor) -> None:
    """Filled at the close that was fed last; the next candle decides about the stop."""
    floor.candle(100, 101, 99, 100.5)
    await floor.exchange.place(entry(stop_loss=Decimal(95)))
    floor.candle(100.5, 102, 94, 101)
    fills = await floor.exchange.fills(SYMBOL, 0)

    assert [(fill.cause, str(fill.price)) for fill in fills] == [("order", "100.6"), ("stop_loss", "94.9")]
    assert (fills[0].at, fills[1].at) == (T0 + CANDLE_MS, T0 + 2 * CANDLE_MS - 1)
    assert fills[1].client_id == ""


async def test_funding_is_told_to_who_listens(floor: PaperFloor) -> None:
    await floor.exchange.place(entry())
    pushes = floor.exchange.pushes()
    first = asyncio.ensure_future(anext(pushes))
    await floor.until_heard()
    floor.paper.settle_funding(SYMBOL, Decimal("0.0001"))
    push = await first

    assert push.balance is not None
    assert push.balance.equity == (await floor.exchange.balance()).equity
    assert floor.paper.matching.account.positions[SYMBOL, LONG].funding == Decimal("0.02")


async def test_a_protection_is_bound_whole_or_not_at_all(floor: PaperFloor) -> None:
    """A good stop beside a bad target must not replace the stop that is there."""
    await floor.exchange.place(entry(stop_loss=Decimal(95)))
    with pytest.raises(Refused, match="40917"):
        await floor.exchange.protect(SYMBOL, LONG, stop_loss=Decimal(96), take_profit=Decimal(99))
    [holding] = await floor.exchange.positions()

    assert holding.stop_loss == 95


async def test_listeners_come_and_go(floor: PaperFloor) -> None:
    """A session that stops listening leaves no queue behind that grows for months."""
    pushes = floor.paper.pushes()
    assert isinstance(pushes, AsyncIterator)
    task = asyncio.ensure_future(anext(pushes))
    await floor.until_heard()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await floor.exchange.place(entry())

    assert floor.paper._listeners == []
    assert await held(floor) == {LONG: 2}


def test_numbers_are_taken_as_they_are_written() -> None:
    """Money is decimal: 0.1 is one tenth and not its neighbour in binary."""
    assert [exactly(value) for value in (0.1, 1e-7, 100)] == [Decimal("0.1"), Decimal("1e-7"), Decimal(100)]


def test_the_floor_is_one(floor: PaperFloor) -> None:
    as_floor: TradingFloor = floor
    assert as_floor.exchange is floor.paper
