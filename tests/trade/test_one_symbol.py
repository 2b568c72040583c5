"""What befalls one symbol is no matter of the others: their exits leave at once.

A contract in maintenance once held up every healthy exit by minutes, and a full disk the second position by
three: the first, long flat, was closed again before it.
"""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path

import pytest

from desk.orders import OrderRequest
from desk.policy import LONG
from desk.trade.events import Event, TimerEvent
from desk.trade.journal import JournalError
from tests.trade.faulty import FaultyExchange
from tests.trade.stage import Stage
from tests.trade.test_exits import ENTRY, floor, held, rounds
from tests.trade.test_session import run

STUCK, HEALTHY = "AAAUSDT", ("BBBUSDT", "CCCUSDT")
ALL = (STUCK, *HEALTHY)


class Stuck(FaultyExchange):
    """Orders that close one symbol get no answer while ``answers`` is unset."""

    answers: asyncio.Event | None = None

    async def place(self, request: OrderRequest) -> str:
        if request.purpose == "close" and request.symbol == STUCK and self.answers is not None:
            await self.answers.wait()
        return await super().place(request)


async def settled(play: Stage) -> None:
    """Let everybody go as far as they can, the thread that writes the journal included."""
    for _ in range(200):
        await asyncio.sleep(0)
        play.journal.settle()


@pytest.mark.parametrize("way", ["time", "flatten", "overdue", "correction"])
async def test_an_exit_waits_for_no_other_symbol(tmp_path: Path, way: str) -> None:
    """Eight positions are due at once: seven of them must not wait for the one that cannot be closed."""
    play, line = floor(tmp_path, Stuck, symbols=ALL)
    assert isinstance(line, Stuck)
    with play.journal:
        number, feed = 0, rounds(play)
        async for candles in feed:
            if number > ENTRY:
                break
            await play.trader.on_round(candles)
            number += 1
        assert len(await play.paper.positions()) == 3
        line.answers = asyncio.Event()
        trader = play.trader
        if way == "flatten":
            leaving = asyncio.ensure_future(trader.upkeep.flatten())
        elif way == "overdue":
            play.clock.at += 3_600_000
            leaving = asyncio.ensure_future(trader.upkeep.reconcile_and_leave(trader.upkeep.overdue))  # type: ignore[arg-type]
        else:
            async for candles in feed:
                if candles.open_time >= min(one.due for one in play.journal.ledger.open_trades()):
                    break
            if way == "correction":  # the mark is beyond its stop: closing it is what the correction does
                play.paper.matching.account.plans.clear()
                play.paper.matching.account.marks[STUCK] = Decimal(90)
            leaving = asyncio.ensure_future(trader.on_round(candles))  # type: ignore[arg-type]
        await settled(play)
        assert [one.symbol for one in await play.paper.positions()] == [STUCK]
        assert not leaving.done()
        line.answers.set()
        await leaving
        assert await held(play) == 0


@pytest.mark.parametrize("meaning", ["suspended", "unknown"])
async def test_a_symbol_that_cannot_be_closed_is_reported_once(tmp_path: Path, meaning: str) -> None:
    """Two hours of maintenance are one urgent message, not a hundred; and each minute it is tried again."""
    play, line = floor(tmp_path)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            if number > ENTRY:
                line.script = {"place": [meaning] * 9, "close": [meaning] * 9}
            await play.trader.on_round(candles)
            if number > ENTRY + 10:
                break
            number += 1
        assert line.calls["close"] > 5
        assert sum("could not be closed" in text for text in play.news.urgent) == 1
        line.script = {}
        await play.trader.upkeep.reconcile_and_leave(play.trader.upkeep.overdue)
        assert await held(play) == 0


async def test_what_is_flat_is_not_closed_again_while_nothing_can_be_written(tmp_path: Path) -> None:
    """Closing is allowed once a second: the second position waited for the first, which was long flat."""
    play, line = floor(tmp_path, symbols=ALL)

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for candles in play.feed.rounds():
            yield candles
            if number == ENTRY:
                for connection in (play.journal.ledger._db, play.journal.diary._db):
                    connection.execute("PRAGMA query_only = ON")
                await play.paper.close(STUCK, LONG)
            number += 1

    with play.journal:
        await run(play, events())
        assert await held(play) == 0
        assert line.calls["close"] == len(HEALTHY)
        with pytest.raises(JournalError):
            play.journal.ledger.void_trade("")


async def test_an_exit_that_the_account_kept_from_being_sent_is_sent_at_the_next_look(tmp_path: Path) -> None:
    """It waited for half a minute to be overdue, and then for the next comparison."""
    play, line = floor(tmp_path)

    async def events() -> AsyncGenerator[Event]:
        async for candles in play.feed.rounds():
            due = [one.due for one in play.journal.ledger.open_trades()]
            if due and due[0] <= candles.open_time:
                line.script["place"] = ["account"]
                yield candles
                began = play.clock.now_ms()
                yield TimerEvent()
                assert await held(play) == 0
                assert play.clock.now_ms() - began < 1_000
                return
            yield candles

    with play.journal:
        ending = await run(play, events())
        assert ending.status == 0
        assert not line.script["place"]
        (closed,) = play.journal.ledger.closed_trades()
    assert closed.ended == "horizon"
    assert not any("no candle of it has arrived" in text for text in play.news.urgent)
