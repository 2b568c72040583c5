"""Leverage is what was approved, whoever moves it: reported, set back, or the position is closed."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from desk.orders import AccountUpdate, MarginMode, OrderRequest
from desk.trade.events import Event
from tests.trade.faulty import FaultyExchange
from tests.trade.samples import LIMITS
from tests.trade.stage import Stage
from tests.trade.test_exits import ENTRY, floor, held
from tests.trade.test_session import run

LIMITED = replace(LIMITS, losing_streak=0, max_model_age_days=10**6, avoid_funding=False)


class Moved(FaultyExchange):
    """A hand moves the leverage between the question and the order."""

    to = Decimal(50)

    async def place(self, request: OrderRequest) -> str:
        if request.purpose == "open":
            await self.inner.set_up(request.symbol, leverage=self.to, margin="isolated")
        return await super().place(request)


class Fixed(Moved):
    """And the exchange does not let it be set back while there is a position."""

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        if await self.inner.positions():
            self.script["set_up"] = ["setting_locked"]
        return await super().set_up(symbol, leverage=leverage, margin=margin)


async def until_entered(play: Stage, then: list[Event]) -> AsyncGenerator[Event]:
    """Rounds until the position is there, then ``then``."""
    number = 0
    async for candles in play.feed.rounds():
        yield candles
        if number == ENTRY:
            break
        number += 1
    for event in then:
        yield event


async def test_what_is_moved_between_question_and_order_is_set_back_by_the_next_comparison(
    tmp_path: Path,
) -> None:
    """It is liquidated 1.5 % away, and its stop lies 2 % away."""
    play, _ = floor(tmp_path, Moved, risk=LIMITED)
    with play.journal:
        await run(play, until_entered(play, [AccountUpdate(reconnected=True)]))
        (position,) = await play.paper.positions()
        assert (position.leverage, position.margin_mode) == (Decimal(3), "isolated")
        assert any("leverage" in text and "before its stop" in text for text in play.news.urgent)


async def test_a_push_that_shows_another_leverage_is_news(tmp_path: Path) -> None:
    """A minute until the next comparison is long where the liquidation is 0.5 % away."""
    play, line = floor(tmp_path, Moved, risk=LIMITED)
    assert isinstance(line, Moved)
    line.to = Decimal(100)
    with play.journal:

        async def events() -> AsyncGenerator[Event]:
            async for event in until_entered(play, []):
                yield event
            yield AccountUpdate(positions=tuple(await play.paper.positions()))

        await run(play, events())
        (position,) = await play.paper.positions()
        assert position.leverage == 3


async def test_what_cannot_be_set_back_is_closed_before_it_is_liquidated(tmp_path: Path) -> None:
    """Its stop ends nothing: the loss would be the whole margin, not what was approved."""
    play, _ = floor(tmp_path, Fixed, risk=LIMITED)
    with play.journal:
        await run(play, until_entered(play, [AccountUpdate(reconnected=True)]))
        assert await held(play) == 0
        (trade,) = play.journal.ledger.closed_trades()
        assert trade.ended == "close"


@pytest.mark.parametrize("times", [3])
async def test_leverage_that_stays_too_high_is_reported_once(tmp_path: Path, times: int) -> None:
    """At 20 it is above the settings and does no harm: that is reported, and nothing is closed."""
    play, line = floor(tmp_path, Fixed, risk=LIMITED)
    assert isinstance(line, Fixed)
    line.to = Decimal(20)
    with play.journal:
        await run(play, until_entered(play, [AccountUpdate(reconnected=True)] * times))
        assert await held(play) > 0
        reported = [text for text in play.news.urgent if "its leverage is 20, at most 3" in text]
        assert len(reported) == 1
