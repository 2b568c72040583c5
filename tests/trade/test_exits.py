"""What is held is left when it should be, and the journal says what came of it, whatever stands in the way.

Each of these was once different: money was held longer than it should have been, or a loss was written down
that never was.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from desk.errors import AccountError
from desk.orders import AccountUpdate, MarginMode, OrderRequest, OrderState, Position
from desk.policy import LONG
from desk.trade.events import Event, FeedEnded, StreamLost, TimerEvent, live_events
from desk.trade.replay.feed import SimulatedClock
from desk.trade.settings import RiskLimits
from desk.values import CANDLE_MS, CandleRound, Candles, frozen
from tests.trade.faulty import FaultyExchange
from tests.trade.samples import NOON, NOTHING, SESSION, UNLIMITED, by_hand, card, contract
from tests.trade.stage import Stage, live_settings, scripted, stage
from tests.trade.test_journal import file_of
from tests.trade.test_session import ROUNDED, run

SIGNAL = 4
"""Row of the only candle at which the model wants to be long; it leaves two candles later."""
ENTRY = SIGNAL - 2
"""The round of that candle, from 0."""
IMPATIENT = replace(SESSION, fill_wait_s=1.0, resend_within_s=2.0)


def flat(symbol: str = "BTCUSDT", n: int = 40) -> Candles:
    """A price that stands still, so that only what is done to it costs anything."""
    values = np.full((6, n), 100.0)
    values[1], values[2] = 100.1, 99.9
    values[4:] = 1e8
    return Candles(symbol, frozen(NOON + CANDLE_MS * np.arange(n)), frozen(values))


def floor(
    tmp_path: Path,
    line: type[FaultyExchange] = FaultyExchange,
    *,
    at: Sequence[int] = (SIGNAL,),
    symbols: Sequence[str] = ("BTCUSDT",),
    listed: Sequence[str] = (),
    risk: RiskLimits = UNLIMITED,
) -> tuple[Stage, FaultyExchange]:
    """A session that goes long once, on a line that may break.

    Parameters
    ----------
    tmp_path : Path
    line : type of FaultyExchange
    at : sequence of int
        Rows of the candles at which the models want to be long.
    symbols : sequence of str
        That have models.
    listed : sequence of str
        That have contracts; as a rule those with models.
    risk : RiskLimits
    """
    series = [flat(symbol) for symbol in symbols]
    models = {}
    for one in series:
        probability = np.full(len(one), 0.5)
        probability[list(at)] = 0.8
        models[one.symbol] = (card(one.symbol, created=NOON, expectation=NOTHING), scripted(one, probability))
    play = stage(
        tmp_path,
        series,
        models,
        contracts=[contract(symbol) for symbol in listed or symbols],
        terms=ROUNDED,
        wrap=line,
        settings=live_settings(risk, IMPATIENT),
    )
    assert isinstance(play.exchange, FaultyExchange)
    return play, play.exchange


async def rounds(play: Stage) -> AsyncGenerator[CandleRound]:
    """The rounds of the feed, after the session has begun."""
    await play.trader.start()
    async for candles in play.feed.rounds():
        yield candles


async def held(play: Stage) -> Decimal:
    """What the exchange holds."""
    return sum((one.size for one in await play.paper.positions()), Decimal(0))


async def agrees(play: Stage) -> bool:
    """Whether everything is closed, and the journal's profits are the account's."""
    made = sum((trade.profit for trade in play.journal.ledger.closed_trades()), Decimal(0))
    gained = (await play.paper.balance()).equity - play.deposit
    return not await held(play) and not play.journal.ledger.open_trades() and made == gained


class Thin(FaultyExchange):
    """Orders that close are filled in parts: 40 of 100."""

    async def place(self, request: OrderRequest) -> str:
        if request.purpose == "close" and request.size > 10:
            request = replace(request, size=request.size * Decimal("0.4"))
        return await super().place(request)


async def test_an_exit_in_parts_closes_the_rest_and_no_less(tmp_path: Path) -> None:
    """What a first order closed must not be taken off twice: the rest would stay, and a loss be invented."""
    play, _ = floor(tmp_path, Thin)
    with play.journal:
        async for candles in rounds(play):
            await play.trader.on_round(candles)
        assert await agrees(play)
        assert [trade.ended for trade in play.journal.ledger.closed_trades()] == ["horizon"]
        (name,) = (trade.trade for trade in play.journal.ledger.closed_trades())
        exits = [one for one in play.journal.ledger.orders_of(name) if one.purpose == "close"]
        assert [one.filled for one in exits] == [40, 24, Decimal("14.4"), Decimal("8.64"), 5, 7][
            : len(exits)
        ] or (sum(one.filled for one in exits) == 100)


async def test_a_part_that_reconciliation_saw_first_is_not_taken_off_twice(tmp_path: Path) -> None:
    """The process lives on between two parts: positions say 60, and 60 are what is left to close."""
    play, _ = floor(tmp_path)
    with play.journal:
        async for candles in rounds(play):
            await play.trader.on_round(candles)
            if play.journal.ledger.open_trades():
                break
        (trade,) = play.journal.ledger.open_trades()
        await play.paper.place(by_hand(size=Decimal(40), purpose="close"))
        await play.trader.upkeep.reconcile()
        assert [one.size for one in play.journal.ledger.open_trades()] == [60]
        assert await play.trader.upkeep.flatten() == ()
        assert await agrees(play)
        exits = [one for one in play.journal.ledger.orders_of(trade.trade) if one.purpose == "close"]
        assert [one.filled for one in exits] == [60]


async def test_a_position_that_is_adopted_has_orders_of_its_own(tmp_path: Path) -> None:
    """In the very candle in which another trade of the symbol was closed: an id once used closes nothing."""
    play, line = floor(tmp_path)
    with play.journal:
        async for candles in rounds(play):
            await play.trader.on_round(candles)
            if play.journal.ledger.open_trades():
                break
        assert await play.trader.upkeep.flatten() == ()
        await play.clock.sleep(20)
        await play.paper.place(by_hand(size=Decimal(5)))
        await play.trader.upkeep.reconcile()
        assert await play.trader.upkeep.flatten() == ()
        assert await held(play) == 0
        assert [one.ended for one in play.journal.ledger.closed_trades()] == ["flatten", "flatten"]
    ids = [request.client_id for request in line.placed]
    assert len(ids) == len(set(ids))


class Lagging(FaultyExchange):
    """Positions are told late."""

    lag = False

    async def positions(self) -> Sequence[Position]:
        return [] if self.lag else await super().positions()


async def test_a_position_that_is_told_late_is_no_loss(tmp_path: Path) -> None:
    """Pushes come at once after a fill, and the list of positions a second later: nothing is over yet."""
    play, line = floor(tmp_path, Lagging)
    assert isinstance(line, Lagging)

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for candles in play.feed.rounds():
            yield candles
            if number == ENTRY:
                line.lag = True
                for _ in range(5):
                    await play.clock.sleep(0.2)
                    yield AccountUpdate(positions=())
                line.lag = False
            number += 1

    with play.journal:
        await run(play, events())
        assert [trade.ended for trade in play.journal.ledger.closed_trades()] == ["horizon"]
        assert await agrees(play)
    assert play.news.urgent == []


@pytest.mark.parametrize("meaning", ["nothing_there", "not_found", "unknown", "size_or_price"])
async def test_a_refusal_is_no_proof_that_nothing_is_held(tmp_path: Path, meaning: str) -> None:
    """Refusals have more than one cause: what the exchange holds decides, and it closes that itself."""
    play, line = floor(tmp_path)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            if number == ENTRY + 1:
                line.script = {"place": [meaning] * 50}
            await play.trader.on_round(candles)
            number += 1
        assert await agrees(play)
        assert [trade.ended for trade in play.journal.ledger.closed_trades()] == ["horizon"]


@pytest.mark.parametrize("call", ["server_time", "balance", "open_orders", "contracts"])
async def test_exits_wait_for_no_answer_that_they_do_not_need(tmp_path: Path, call: str) -> None:
    """An account that cannot be read whole is left all the same when the time is over."""
    play, line = floor(tmp_path)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            if number == ENTRY + 1:
                line.script = {call: ["dropped"] * 10_000}
                if call == "contracts":
                    await play.clock.sleep(3_600)
            with contextlib.suppress(Exception):
                await play.trader.on_round(candles)
            number += 1
            if number == ENTRY + 4:
                break
        assert await held(play) == 0


@pytest.mark.parametrize("call", ["server_time", "balance", "open_orders"])
async def test_the_kill_switch_waits_for_no_answer_that_it_does_not_need(tmp_path: Path, call: str) -> None:
    """STOP means out, also of an account that cannot be read whole."""
    play, line = floor(tmp_path)

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for candles in play.feed.rounds():
            yield candles
            if number == ENTRY:
                line.script = {call: ["dropped"] * 12}
                play.session.ask("kill")
            number += 1

    with play.journal:
        ending = await run(play, events())
        assert await held(play) == 0
    assert ending.status == 3


class Unfilled(FaultyExchange):
    """An order is accepted, and for a while neither filled nor cancelled."""

    waits = False

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        state = await super().order(symbol, client_id)
        if state is None or not self.waits:
            return state
        return replace(state, status="live", filled=Decimal(0), average_price=None, fee=Decimal(0))


async def test_an_order_that_hangs_keeps_its_trade(tmp_path: Path) -> None:
    """The fill that comes later belongs to the model, with its fee and its time."""
    play, line = floor(tmp_path, Unfilled)
    assert isinstance(line, Unfilled)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            line.waits = number == ENTRY
            await play.trader.on_round(candles)
            number += 1
        (made,) = play.journal.ledger.closed_trades()
        assert (made.model_file, made.ended) == (card("BTCUSDT").model_file, "horizon")
        assert await agrees(play)


async def test_orders_of_unknown_fate_count_as_held(tmp_path: Path) -> None:
    """One position is the limit: four that may be there all the same are not four that may be sent."""
    symbols = ("BTCUSDT", "ETHUSDT", "AUSDT")
    one = replace(UNLIMITED, max_positions=1)
    play, line = floor(tmp_path, at=range(SIGNAL, 40), symbols=symbols, risk=one)
    with play.journal:
        async for candles in rounds(play):
            line.script = {"place": ["lost"] * 9, "order": ["dropped"] * 99}
            await play.trader.on_round(candles)
        assert len(await play.paper.positions()) == 1


class Slow(FaultyExchange):
    """Leverage is set after minutes."""

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        await self.clock.sleep(600)
        return await super().set_up(symbol, leverage=leverage, margin=margin)


async def test_no_order_is_sent_for_a_candle_that_has_become_old(tmp_path: Path) -> None:
    """What was decided on a price of ten minutes ago is not what would be decided now."""
    play, line = floor(tmp_path, Slow, risk=replace(UNLIMITED, max_candle_age_s=45))
    with play.journal:
        async for candles in rounds(play):
            await play.trader.on_round(candles)
            if await held(play):
                break
        assert line.placed == []
        assert play.journal.ledger.open_trades() == []


async def test_what_cannot_be_protected_is_closed(tmp_path: Path) -> None:
    """A stop that is refused for whatever reason leaves a position bare for one cycle, no longer."""
    play, line = floor(tmp_path)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            await play.trader.on_round(candles)
            if number == ENTRY:
                (trade,) = play.journal.ledger.open_trades()
                for plan in play.paper.matching.account.plans_of("BTCUSDT", LONG):
                    play.paper.matching.cancel_plan(plan.plan_id)
                line.script = {"protect": ["size_or_price"] * 99}
                await play.trader.upkeep.reconcile()
                assert await held(play) == trade.size
                await play.clock.sleep(SESSION.reconcile_s)
                await play.trader.upkeep.reconcile()
                break
            number += 1
        assert await held(play) == 0
        await play.trader.upkeep.reconcile()
        assert await agrees(play)


async def test_an_order_in_a_symbol_that_is_gone_is_no_riddle_for_ever(tmp_path: Path) -> None:
    """The exchange does not look up orders of a symbol that it has removed: what is held decides."""
    play, line = floor(tmp_path)
    with play.journal:
        line.script = {"place": ["dropped"], "order": ["dropped", *["not_traded"] * 99]}
        async for candles in rounds(play):
            await play.trader.on_round(candles)
        assert play.journal.ledger.unresolved() == []
        assert play.journal.ledger.open_trades() == []


async def test_every_fill_is_in_the_journal(tmp_path: Path) -> None:
    """Not only those that explain what no order does."""
    play, _ = floor(tmp_path, at=range(SIGNAL, 30))
    with play.journal:
        async for candles in rounds(play):
            await play.trader.on_round(candles)
        trades = play.journal.ledger.closed_trades()
        told = [fill for trade in trades for fill in play.journal.ledger.fills_of(trade.trade)]
        assert len(trades) > 5
        assert {one.trade_id for one in told} == {
            one.fill.trade_id for one in play.paper.matching.account.executions
        }


async def test_a_journal_that_cannot_be_written_keeps_nobody_in(tmp_path: Path) -> None:
    """The disk is full: nothing is opened, what is due is closed, people are told, the end is in order."""
    play, _ = floor(tmp_path, at=range(SIGNAL, 40))

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for candles in play.feed.rounds():
            yield candles
            if number == ENTRY:
                file_of(play.journal).execute("PRAGMA query_only = ON")
            number += 1

    with play.journal:
        ending = await run(play, events())
        assert ending.status == 1
        assert await held(play) == 0
        assert any("the journal cannot be written" in text for text in play.news.urgent)
        assert [one.ended for one in play.journal.ledger.closed_trades()] == ["horizon"]
        assert play.journal.ledger.open_trades() == []


class Yielding(SimulatedClock):
    """Simulated time that lets others have their turn."""

    async def sleep(self, seconds: float) -> None:
        """Be so much later."""
        await super().sleep(seconds)
        await asyncio.sleep(0)


class Broke:
    """A feed with a defect; satisfies ``desk.ports.CandleFeed``."""

    async def rounds(self) -> AsyncGenerator[CandleRound]:
        """Nothing, and a defect."""
        none: tuple[CandleRound, ...] = ()
        for candles in none:
            yield candles
        raise KeyError("BTCUSDT")


class NoLogin(FaultyExchange):
    """The private line takes no login."""

    async def pushes(self) -> AsyncGenerator[AccountUpdate]:
        if self:
            raise AccountError("login refused", endpoint="ws", code="30005")
        yield AccountUpdate()


async def test_a_feed_with_a_defect_is_heard_of(tmp_path: Path) -> None:
    """Whatever ends it: a session that gets no candles any more must not go on as if there were none."""
    play, _ = floor(tmp_path)
    with play.journal:
        events = live_events(Broke(), play.paper, Yielding(float(NOON)), look_s=1.0)
        async with contextlib.aclosing(events) as told:
            found = [await anext(told) for _ in range(2)]
    assert any(isinstance(one, FeedEnded) and isinstance(one.error, KeyError) for one in found)


async def test_a_line_that_refuses_to_talk_is_told_and_starves_nothing(tmp_path: Path) -> None:
    """What is overdue is closed although the line fails again and again; people hear of it once."""
    play, line = floor(tmp_path, NoLogin)

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for candles in play.feed.rounds():
            yield candles
            number += 1
            if number > ENTRY:
                break
        for _ in range(500):
            await play.clock.sleep(5)
            yield StreamLost("login refused")

    with play.journal:
        await run(play, events())
        assert await held(play) == 0
    assert sum("login refused" in text for text in play.news.urgent) == 1
    async with contextlib.aclosing(live_events(Broke(), line, Yielding(float(NOON)), look_s=1.0)) as told:
        found = [await anext(told) for _ in range(20)]
    assert any(isinstance(one, StreamLost) and "login refused" in one.why for one in found)


async def test_a_position_that_is_told_after_its_end_is_not_adopted(tmp_path: Path) -> None:
    """The list of positions is a moment behind: nobody opened anything, and no loss of it is booked."""
    play, line = floor(tmp_path, LateReports)
    assert isinstance(line, LateReports)
    with play.journal:
        async for candles in rounds(play):
            line.recently_closed = list(await play.paper.positions()) or line.recently_closed
            await play.trader.on_round(candles)
            if line.recently_closed and not await held(play):
                line.late = True
                await play.trader.upkeep.reconcile()
                line.late = False
                break
        assert play.journal.ledger.open_trades() == []
        assert [trade.ended for trade in play.journal.ledger.closed_trades()] == ["horizon"]
        assert await agrees(play)


class LateReports(FaultyExchange):
    """Positions that are over are told once more."""

    late = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.recently_closed: list[Position] = []

    async def positions(self) -> Sequence[Position]:
        return self.recently_closed if self.late else await super().positions()


@pytest.mark.parametrize(("stop", "status"), [("kill", 3), ("clean", 0)])
async def test_an_end_before_the_exchange_answers_comes_at_once(
    tmp_path: Path, stop: Literal["kill", "clean"], status: int
) -> None:
    """SIGUSR1 in the middle of a maintenance: status 3, or a supervisor starts it again."""
    play, line = floor(tmp_path)
    line.script = {"contracts": ["dropped"] * 999}
    play.session.ask(stop)
    with play.journal:
        ending = await run(play, play.feed.rounds())
    assert (ending.status, play.clock.at) == (status, play.clock.at)
    assert "before the exchange answered" in ending.why


async def test_the_kill_switch_names_what_it_left_alone(tmp_path: Path) -> None:
    """What is held by hand in a symbol without a model is nobody's here: its owner must hear of it."""
    play, _ = floor(tmp_path, symbols=("BTCUSDT",), listed=("BTCUSDT", "ETHUSDT"))
    await play.paper.set_position_mode("one_way")
    play.paper.feed_price("ETHUSDT", 50.0)
    await play.paper.place(replace(by_hand(size=Decimal(5)), symbol="ETHUSDT"))

    async def events() -> AsyncGenerator[Event]:
        async for candles in play.feed.rounds():
            yield candles
            play.session.ask("kill")

    with play.journal:
        ending = await run(play, events())
    assert ending.status == 3
    assert "left alone, because no model trades it: ETHUSDT" in ending.why
    assert await held(play) == 5


async def test_a_full_disk_lets_the_kill_switch_close_everything(tmp_path: Path) -> None:
    """Also what was to be written first: a stop was hit, and nobody can note it."""
    play, _ = floor(tmp_path, symbols=("BTCUSDT", "ETHUSDT"))

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for candles in play.feed.rounds():
            yield candles
            if number == ENTRY:
                file_of(play.journal).execute("PRAGMA query_only = ON")
                await play.paper.close("BTCUSDT", LONG)
                play.session.ask("kill")
            number += 1

    with play.journal:
        ending = await run(play, events())
        assert await held(play) == 0
    assert ending.status == 3
    assert "STILL OPEN" not in ending.why


async def test_time_exits_need_no_candle_of_their_own(tmp_path: Path) -> None:
    """A symbol that is left out of a round, because its candle is late or in doubt, is left all the same."""
    play, _ = floor(tmp_path, symbols=("BTCUSDT", "ETHUSDT"))
    with play.journal:
        number = 0
        async for candles in rounds(play):
            told = candles
            if number > ENTRY:
                told = replace(
                    candles,
                    symbols=candles.symbols[1:],
                    times=candles.times[1:],
                    values=candles.values[1:],
                    absent={"BTCUSDT": "its candle is in doubt"},
                )
            await play.trader.on_round(told)
            number += 1
            if number == ENTRY + 3:
                break
        assert await held(play) == 0


async def test_a_defect_in_every_candle_ends_the_session(tmp_path: Path) -> None:
    """Looks in between that go well are no reason to go on for ever."""
    play, _ = floor(tmp_path)

    async def events() -> AsyncGenerator[Event]:
        async for candles in play.feed.rounds():
            yield replace(candles, values=candles.values[:, :1])
            await play.clock.sleep(61)
            yield TimerEvent()

    with play.journal:
        ending = await run(play, events())
    assert ending.status == 1
    assert "5 steps failed in a row" in ending.why


async def test_fills_that_the_exchange_refuses_to_tell_hold_up_nothing_for_ever(tmp_path: Path) -> None:
    """The symbol was removed while it was held: a minute later the trade is over."""
    play, line = floor(tmp_path)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            await play.trader.on_round(candles)
            if number == ENTRY:
                await play.paper.close("BTCUSDT", LONG)
                line.script = {"fills": ["not_traded"] * 999}
            number += 1
        assert play.journal.ledger.open_trades() == []


async def test_a_candle_from_the_future_closes_nothing_and_is_reported(tmp_path: Path) -> None:
    """A feed that was ahead once ended positions nine minutes before their time."""
    play, _ = floor(tmp_path)
    with play.journal:
        number = 0
        async for candles in rounds(play):
            if number == ENTRY + 2:  # it is due with this candle
                play.clock.at -= 120_000
                decided = play.journal.diary.closes("BTCUSDT", 0)
                await play.trader.on_round(candles)
                assert await held(play) > 0
                assert play.journal.diary.closes("BTCUSDT", 0) == decided
                assert sum("handed out before its end" in text for text in play.news.urgent) == 1
                play.clock.at += 120_000
            await play.trader.on_round(candles)
            number += 1
            if number > ENTRY + 2:
                break
        assert await held(play) == 0
        assert not any("without a decision" in text for text in play.news.urgent)
