"""A running session's snapshot is its account, its models and its troubles, without asking the exchange."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path

from desk.trade.events import Event
from desk.trade.live_snapshot import LiveSnapshots, MarketCounters
from desk.trade.snapshot import SessionSnapshot
from tests.trade.stage import Stage
from tests.trade.test_session import rounds_of, two_symbols


class Snapshots:
    """Snapshots that are taken between the rounds of a session."""

    def __init__(self, play: Stage, *, counters: MarketCounters | None = None) -> None:
        self.play = play
        self.source = LiveSnapshots(
            play.session,
            play.journal,
            play.forecaster,
            play.clock,
            counters=None if counters is None else lambda: counters,
        )
        self.taken: list[SessionSnapshot] = []

    async def run(self, rounds: int) -> list[SessionSnapshot]:
        async def events() -> AsyncGenerator[Event]:
            async for event in rounds_of(self.play, rounds):
                yield event
                self.play.journal.settle()
                found = await self.source.take()
                assert found is not None
                self.taken.append(found)

        await self.play.session.run(events(), mode="replay", settings="{}")
        return self.taken


async def test_a_position_is_shown_as_the_exchange_has_it(tmp_path: Path) -> None:
    """The mark price and the stop that count are the exchange's, the time exit is the journal's."""
    play = two_symbols(tmp_path)
    taken = await Snapshots(play).run(4)

    for found in taken:
        assert found.is_running
        assert [one.symbol for one in found.positions] == ["BTCUSDT", "ETHUSDT"]
        assert all(one.entry_price is not None and one.stop is not None for one in found.positions)
        assert all(one.due is not None and one.is_tracked for one in found.positions)
    assert any(one.mark_price is not None for found in taken for one in found.positions)
    assert taken[-1].equity == play.trader.upkeep.seen.balance.equity


async def test_stopped_entries_are_said_and_nothing_is_opened_any_more(tmp_path: Path) -> None:
    play = two_symbols(tmp_path)
    play.session.stop_entries(by="the page")
    taken = await Snapshots(play).run(3)

    assert taken[-1].stopping == "new entries were stopped by the page"
    assert taken[-1].positions == ()
    assert {one.action for one in taken[-1].symbols} == {"refused"}
    assert "stopping: new entries were stopped by the page" in taken[-1].symbols[0].reasons
    assert "session: new entries were stopped by the page" in play.news.urgent


async def test_a_lost_websocket_and_a_spent_budget_are_seen(tmp_path: Path) -> None:
    counters = MarketCounters(
        websockets_open=1, websockets=2, requests=10, throttled=3, unanswered=0, requests_per_minute=100.0
    )
    play = two_symbols(tmp_path)
    found = (await Snapshots(play, counters=counters).run(1))[0]
    health = {one.name: (one.state, one.text) for one in found.health}

    assert health["websockets"] == ("bad", "1 of 2 open")
    assert health["request budget"][0] == "good"
    assert health["candles"][0] == "good"
    assert health["reconciliation"][0] == "good"
    assert found.counts["requests_throttled"] == 3


async def test_a_symbol_without_a_usable_model_says_why(tmp_path: Path) -> None:
    """Why nothing trades is the question that people have most."""
    play = two_symbols(tmp_path)
    play.source.bad["ETHUSDT"] = "ETHUSDT: its metadata tell too little to trade it"
    found = (await Snapshots(play).run(1))[0]

    [eth] = [one for one in found.symbols if one.symbol == "ETHUSDT"]
    assert eth.probability is None
    assert eth.reasons == (f"its newest model is refused: {play.source.bad['ETHUSDT']}",)


async def test_the_money_is_the_accounts_to_the_last_digit(tmp_path: Path) -> None:
    play = two_symbols(tmp_path)
    found = (await Snapshots(play).run(5))[-1]

    assert isinstance(found.equity, Decimal)
    assert found.day_equity == play.trader.upkeep.seen.day_equity
    assert found.available == play.trader.upkeep.seen.balance.available
