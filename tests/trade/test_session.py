"""A session keeps to the policy when the line breaks, and ends as it is told to."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from desk.errors import AccountError, SettingsError
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.orders import Balance
from desk.policy import Thresholds
from desk.trade.events import Event, FeedEnded, TimerEvent, replayed_events
from desk.trade.forecasting import OpenModel
from desk.trade.replay.feed import SimulatedClock
from desk.trade.session import SessionResult
from desk.trade.signals import ModelCard
from desk.values import Candles, frozen
from tests.trade.faulty import FaultyExchange, PowerCut
from tests.trade.samples import NOON, NOTHING, SESSION, UNLIMITED, card, contract
from tests.trade.stage import MEMORY, ScriptedModel, Stage, live_settings, scripted, stage

CONTRACTS = [contract(), contract("ETHUSDT")]
ROUNDED = FillModel(slippage=Decimal("0.0001"))


def walk(symbol: str, n: int = 60, *, seed: int = 0) -> Candles:
    """Candles from noon on, on a tick of 0.1 around 100."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(scale=0.004, size=n))), 1)
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) + 0.1, np.minimum(open_, close) - 0.1
    values = np.stack([open_, high, low, close, np.full(n, 1e6), np.full(n, 1e8)])
    return Candles(symbol, frozen(NOON + 300_000 * np.arange(n)), frozen(values))


def always_long(series: Sequence[Candles]) -> dict[str, tuple[ModelCard, ScriptedModel]]:
    """Models that want to be long at every candle."""
    return {
        one.symbol: (
            card(one.symbol, created=NOON, expectation=NOTHING),
            scripted(one, np.full(len(one), 0.8)),
        )
        for one in series
    }


def two_symbols(tmp_path: Path, **options: object) -> Stage:
    """BTCUSDT and ETHUSDT, long whenever flat."""
    series = [walk("BTCUSDT", seed=1), walk("ETHUSDT", seed=2)]
    terms = {"terms": ROUNDED, "contracts": CONTRACTS, **options}
    return stage(tmp_path, series, always_long(series), **terms)  # type: ignore[arg-type]


async def rounds_of(play: Stage, count: int) -> AsyncGenerator[Event]:
    """The first rounds of the feed."""
    async for event in replayed_events(play.feed):
        if count == 0:
            return
        count -= 1
        yield event


async def run(play: Stage, events: AsyncGenerator[Event]) -> SessionResult:
    return await play.session.run(events, mode="replay", settings="{}")


async def then(play: Stage, count: int, stop: Literal["clean", "kill"]) -> AsyncGenerator[Event]:
    """Some rounds, a request to stop, and time that passes."""
    async for event in rounds_of(play, count):
        yield event
    play.session.ask(stop)
    for _ in range(10):
        await play.clock.sleep(61)
        yield TimerEvent()


async def test_a_kill_request_closes_everything_with_status_3(tmp_path: Path) -> None:
    """SIGUSR1: cancel, flatten, exit 3."""
    play = two_symbols(tmp_path)
    with play.journal:
        ending = await run(play, then(play, 4, "kill"))

        assert ending.status == 3
        assert await play.paper.positions() == []
        assert play.journal.ledger.open_trades() == []
        assert {one.ended for one in play.journal.ledger.closed_trades()} == {"horizon", "flatten"}


async def test_a_stop_file_ends_the_session_and_keeps_the_next_from_starting(tmp_path: Path) -> None:
    """The operator needs no more than ``touch STOP``."""
    play = two_symbols(tmp_path)

    async def events() -> AsyncGenerator[Event]:
        async for event in rounds_of(play, 4):
            yield event
        (tmp_path / "STOP").touch()
        yield TimerEvent()

    with play.journal:
        ending = await run(play, events())
        assert (ending.status, "STOP" in ending.why) == (3, True)
        assert await play.paper.positions() == []
        with pytest.raises(SettingsError, match="STOP is there: remove it"):
            await run(play, rounds_of(play, 1))


@pytest.mark.parametrize(("on_stop", "left"), [("flatten", 0), ("leave", 2), ("wait", 0)])
async def test_a_clean_stop_handles_positions_as_the_settings_say(
    tmp_path: Path, on_stop: Literal["flatten", "leave", "wait"], left: int
) -> None:
    """Ctrl-C: no new entries, exit 0."""
    play = two_symbols(tmp_path, settings=live_settings(session=replace(SESSION, on_stop=on_stop)))

    async def events() -> AsyncGenerator[Event]:
        async for number, event in numbered(replayed_events(play.feed)):
            if number == 4:
                play.session.ask("clean")
            yield event

    with play.journal:
        ending = await run(play, events())

        assert ending.status == 0
        assert len(await play.paper.positions()) == left
        opened = {trade.opened for trade in play.journal.ledger.closed_trades()}
        opened |= {trade.opened for trade in play.journal.ledger.open_trades()}
        assert max(opened) <= NOON + (MEMORY - 1 + 4) * 300_000


async def numbered(events: AsyncGenerator[Event]) -> AsyncGenerator[tuple[int, Event]]:
    number = 0
    async for event in events:
        yield number, event
        number += 1


async def test_the_daily_loss_ends_the_session_with_status_3(tmp_path: Path) -> None:
    """Three bad hours must not become a bad month."""
    risk = replace(UNLIMITED, daily_loss_stop=Decimal("0.0005"))
    play = two_symbols(tmp_path, settings=live_settings(risk))
    with play.journal:
        ending = await play.run()

        assert ending.status == 3
        assert "daily loss stop" in ending.why
        assert await play.paper.positions() == []
        assert play.news.urgent


async def test_an_account_that_cannot_trade_ends_the_session_with_status_1(tmp_path: Path) -> None:
    """The message names what to mend."""

    class Locked(FaultyExchange):
        async def balance(self) -> Balance:
            raise AccountError("the passphrase is wrong", endpoint="accounts", code="40012")

    play = two_symbols(tmp_path, wrap=Locked)
    with play.journal:
        ending = await play.run()

    assert ending.status == 1
    assert "the passphrase is wrong" in ending.why


async def test_a_broken_feed_ends_the_session_with_status_1(tmp_path: Path) -> None:
    """Without candles nothing can be decided; positions keep their stops."""
    play = two_symbols(tmp_path)

    async def events() -> AsyncGenerator[Event]:
        async for event in rounds_of(play, 2):
            yield event
        yield FeedEnded(None)

    with play.journal:
        assert (await run(play, events())).status == 1
        for position in await play.paper.positions():
            assert position.stop_loss is not None


async def test_a_defect_ends_the_session_only_when_it_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad candle is noted; five in a row are a reason to call somebody."""
    play = two_symbols(tmp_path)
    predictor = play.source.models["BTCUSDT"].predictor

    class Broke:
        calls = 0

        def probabilities(self, x: np.ndarray) -> np.ndarray:
            self.calls += 1
            if self.calls == 3 or self.calls > 10:
                raise ZeroDivisionError
            return predictor.probabilities(x)

    play.source.models["BTCUSDT"] = OpenModel(play.source.models["BTCUSDT"].card, Broke())
    with play.journal:
        ending = await play.run()

        assert ending.status == 1
        assert "5 steps failed in a row" in ending.why
        assert sum(text.startswith("trouble: a step failed by a defect") for text in play.news.urgent) == 6
    assert "Traceback" in caplog.text


async def test_a_newer_model_is_taken_up_at_a_candle(tmp_path: Path) -> None:
    """Without a restart; a bad one is refused by name, and the old one stays."""
    play = two_symbols(tmp_path)
    shy = card("BTCUSDT", created=NOON, expectation=NOTHING, thresholds=Thresholds(long=0.99, short=None))
    newer = replace(shy, model_file="newer.txt")

    async def events() -> AsyncGenerator[Event]:
        async for number, event in numbered(replayed_events(play.feed)):
            if number == 10:
                play.source.bad["BTCUSDT"] = "BTCUSDT: its model is torn: train it again"
                play.source.version += 1
            if number == 20:
                play.source.bad.clear()
                play.source.models["BTCUSDT"] = OpenModel(newer, play.source.models["BTCUSDT"].predictor)
                play.source.version += 1
            yield event

    with play.journal:
        await run(play, events())
        opened = [one.opened for one in play.journal.ledger.closed_trades() if one.symbol == "BTCUSDT"]

    border = NOON + (MEMORY - 1 + 20) * 300_000
    assert NOON + (MEMORY - 1 + 10) * 300_000 < max(opened) < border
    assert any("its model is torn" in text and "stays in use" in text for text in play.news.urgent)
    assert any("in use from now on" in text and "newer.txt" in text for text in play.news.calm)


@pytest.mark.parametrize("seed", range(6))
async def test_faults_on_the_line_change_no_agreement(tmp_path: Path, seed: int) -> None:
    """A fifth of all calls is lost: afterwards journal and exchange agree, and no order was sent twice."""
    lines: list[FaultyExchange] = []

    def faulty(paper: PaperExchange, clock: SimulatedClock) -> FaultyExchange:
        lines.append(FaultyExchange(paper, clock, share=0.2, seed=seed))
        return lines[0]

    play = two_symbols(tmp_path, wrap=faulty)
    with play.journal:
        assert (await play.run()).status == 0
        lines[0].share = 0.0
        await play.trader.upkeep.reconcile()
        await assert_agreement(play, lines[0])
        assert len(play.journal.ledger.closed_trades()) > 5


async def assert_agreement(play: Stage, line: FaultyExchange) -> None:
    """Same positions, all protected; every order once; profits add up to the equity."""
    held = {(one.symbol, one.side, one.size) for one in await play.paper.positions()}
    assert {(one.symbol, one.side, one.size) for one in play.journal.ledger.open_trades()} == held
    assert all(one.stop_loss is not None for one in await play.paper.positions())
    assert play.journal.ledger.unresolved() == []
    fills = [fill for symbol in ("BTCUSDT", "ETHUSDT") for fill in await play.paper.fills(symbol, 0)]
    entries = [fill.client_id for fill in fills if fill.purpose == "open"]
    assert len(entries) == len(set(entries))
    assert {request.client_id for request in line.placed} >= set(entries)
    if not held:
        made = play.journal.ledger.closed_trades()
        assert len(made) == len(entries)
        profit = sum((trade.profit for trade in made), Decimal(0))
        assert (await play.paper.balance()).equity == play.deposit + profit


@pytest.mark.parametrize("cut", range(0, 120, 3))
async def test_a_process_that_dies_at_any_call_is_put_right_by_the_next(tmp_path: Path, cut: int) -> None:
    """Before the call took effect or after: no second order, no position without a stop."""
    play = two_symbols(tmp_path, wrap=lambda paper, clock: FaultyExchange(paper, clock, cut_at=cut))
    line = play.exchange
    assert isinstance(line, FaultyExchange)
    with play.journal, pytest.raises(PowerCut):
        await play.run()
    line.cut_at = None

    again = two_symbols(tmp_path, earlier=play)
    with again.journal:
        await again.trader.start()
        await assert_agreement(again, line)
        assert await again.trader.upkeep.flatten() == ()
        await assert_agreement(again, line)
        assert await play.paper.positions() == []


@pytest.mark.parametrize("call", ["balance", "positions", "place"])
async def test_one_word_about_the_key_ends_nothing(tmp_path: Path, call: str) -> None:
    """The next answer shows that it was a slip; without the session its positions have no exits."""
    lines: list[FaultyExchange] = []

    def wrap(paper: PaperExchange, clock: SimulatedClock) -> FaultyExchange:
        lines.append(FaultyExchange(paper, clock))
        return lines[0]

    play = two_symbols(tmp_path, wrap=wrap)

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for event in rounds_of(play, 12):
            number += 1
            if number == 5:
                lines[0].script[call] = ["account"]
            yield event

    ending = await run(play, events())

    assert (ending.status, ending.why) == (0, "the candles have ended")
    assert any("asked again before the session ends" in text for text in play.news.urgent)
    assert len(play.journal.ledger.closed_trades()) > 2


async def test_refusals_of_every_step_end_nothing(tmp_path: Path) -> None:
    """A code of tomorrow's maintenance is no defect of this program, however often it is the answer."""
    lines: list[FaultyExchange] = []

    def wrap(paper: PaperExchange, clock: SimulatedClock) -> FaultyExchange:
        lines.append(FaultyExchange(paper, clock))
        return lines[0]

    play = two_symbols(tmp_path, wrap=wrap)

    async def events() -> AsyncGenerator[Event]:
        number = 0
        async for event in rounds_of(play, 20):
            number += 1
            if number == 5:
                lines[0].script["balance"] = ["unknown"] * 9
            yield event

    ending = await run(play, events())

    assert (ending.status, ending.why) == (0, "the candles have ended")
    assert sum("the exchange refuses" in text for text in play.news.urgent) == 1
    assert len(play.journal.ledger.closed_trades()) > 2
