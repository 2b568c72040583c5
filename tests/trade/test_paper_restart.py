"""A paper session over the public half of an exchange, interrupted and started again."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from config import link_settings
from desk.clock import SystemClock
from desk.market.bitget.public import BitgetPublic
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.feed.stream import CandleStream
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.market.paper.open import paper_account
from desk.market.series.facts import Funding
from desk.policy import LONG, TradeRules
from desk.trade.events import live_events
from desk.trade.forecasting import Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.replay.feed import PaperFeed
from desk.trade.start import open_session
from desk.values import CANDLE_MS, Candles, frozen
from soaks.serving import serving
from tests.market.feed.test_stream import stream_settings
from tests.market.lines import HandClock
from tests.market.samples import NOW, fetch_settings
from tests.trade.samples import NOTHING, SESSION, UNLIMITED, card
from tests.trade.stage import MEMORY, WINDOW, RecordedNotifications, live_settings, scripted

SYMBOL = "BTCUSDT"
PAST, AHEAD = 300, 30
SETTLED = NOW + 8 * 3_600_000
START = SETTLED - 2 * CANDLE_MS
"""The position is opened five minutes before a settlement of funding."""
RATES = {NOW: 0.0003, SETTLED: 0.0007}
"""Before the settlement the exchange tells the first of them, afterwards the second."""
TOUCHED = PAST + 4
"""The fifth candle after the start falls through the stop of a position that the first one opens."""
RULES = TradeRules(horizon=20, stop_loss=0.02, take_profit=None)
DEPOSIT = Decimal(10_000)
TERMS = FillModel(slippage=Decimal("0.0001"))


def series() -> Candles:
    """A price that stands at 100, but for one candle."""
    times = START + CANDLE_MS * np.arange(-PAST, AHEAD)
    values = np.full((6, PAST + AHEAD), 100.0)
    values[1], values[2] = 100.1, 99.9
    values[2, TOUCHED] = 97.0
    return Candles(SYMBOL, frozen(times), frozen(values))


@dataclass
class Life:
    """One process."""

    paper: PaperExchange
    journal: Journal
    news: RecordedNotifications
    opening: tuple[str, ...]
    running: asyncio.Task[object]


@contextlib.asynccontextmanager
async def living(url: str, clock: HandClock, folder: Path) -> AsyncIterator[Life]:
    """A paper session as ``live_trade.trade`` composes it; the end of the block kills it."""
    fetch = fetch_settings(url, Path("unused"), attempts=3)
    link = link_settings("paper", base_url=url, ws_url=url.replace("http", "ws"))
    probability = np.full(PAST + AHEAD, 0.5)
    probability[PAST] = 0.9
    known = card(SYMBOL, created=START, expectation=NOTHING, rules=RULES)
    async with contextlib.AsyncExitStack() as stack:
        journal = stack.enter_context(
            Journal(
                folder / "journal.sqlite", durable=False
            )  # time is moved by hand: no thread may lag behind
        )
        market = await stack.enter_async_context(BitgetPublic(fetch, clock=clock))
        stream = CandleStream(
            (SYMBOL,),
            market=market,
            ws_url=link.ws_url,
            settings=stream_settings(memory=MEMORY),
            clock=clock,
        )
        account = await stack.enter_async_context(
            paper_account(fetch, link, journal=journal.path, deposit=DEPOSIT, clock=clock, fill_model=TERMS)
        )
        feed = PaperFeed(stream, account.exchange, account.funding.rates, account.funding)
        news = RecordedNotifications()
        session = open_session(
            account.exchange,
            journal,
            Forecaster.of({SYMBOL: OpenModel(known, scripted(series(), probability))}, WINDOW),
            clock,
            settings=live_settings(replace(UNLIMITED, max_candle_age_s=60), SESSION),
            notifications=news,
        )
        events = live_events(feed, account.exchange, clock, look_s=1.0)
        running = asyncio.ensure_future(session.run(events, mode="paper", settings="{}"))
        try:
            yield Life(account.exchange, journal, news, account.news, running)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(clock: HandClock, time: int, life: Life) -> None:
    """Let time pass until then (ms)."""
    while clock.now_ms() < time:
        await clock.advance(0.5)
        assert not life.running.done(), life.running


@pytest.fixture
async def exchange() -> AsyncIterator[tuple[str, HandClock]]:
    """The address of an exchange on a clock by hand."""
    clock = HandClock(START + 250)
    options = ExchangeOptions(rate_limit=0, minute_limit=0, now_ms=START, speed=1.0)
    rates = Funding(np.array(list(RATES)), np.array(list(RATES.values())))
    async with EmbeddedExchange([series()], options, clock=clock, funding={SYMBOL: rates}) as served:
        yield served.url, clock


async def test_a_restart_finds_position_equity_and_stop(
    tmp_path: Path, exchange: tuple[str, HandClock]
) -> None:
    """As at a real exchange, and the reconciliation with the journal finds nothing to correct."""
    url, clock = exchange
    async with living(url, clock, tmp_path) as first:
        await until(clock, START + CANDLE_MS + 20_000, first)
        before, equity = await first.paper.positions(), (await first.paper.balance()).equity
        assert first.opening[0].startswith("No paper account at ")
    async with living(url, clock, tmp_path) as second:
        assert await second.paper.positions() == before
        assert (await second.paper.balance()).equity == equity
        await until(clock, START + 2 * CANDLE_MS + 20_000, second)
        (trade,) = second.journal.ledger.open_trades()
        paid = equity - (await second.paper.balance()).equity
        corrections = [text for _, kind, _, text in second.journal.diary.notes() if kind == "correction"]

    (held,) = before
    assert (held.symbol, held.side, held.stop_loss) == (SYMBOL, LONG, Decimal("98.0"))
    assert equity < DEPOSIT
    assert (trade.size, trade.stop, trade.status) == (held.size, held.stop_loss, "open")
    assert corrections == []
    assert paid == held.size * 100 * Decimal("0.0007")
    assert f"equity {equity:.2f} USDT, open positions: {SYMBOL}." in second.opening[0]


async def test_a_stop_that_was_touched_meanwhile_is_filled_at_its_price(
    tmp_path: Path, exchange: tuple[str, HandClock]
) -> None:
    """Before anybody acts on the account that was restored."""
    url, clock = exchange
    async with living(url, clock, tmp_path) as first:
        await until(clock, START + CANDLE_MS + 20_000, first)
        (held,) = await first.paper.positions()
    await clock.advance(5 * CANDLE_MS / 1000)
    async with living(url, clock, tmp_path) as second:
        assert await second.paper.positions() == []
        await until(clock, clock.now_ms() + 10_000, second)
        (trade,) = second.journal.ledger.closed_trades()
        equity = (await second.paper.balance()).equity
        corrections = [text for _, kind, _, text in second.journal.diary.notes() if kind == "correction"]

    stop = Decimal("98.0")
    assert (trade.ended, trade.size) == ("stop", held.size)
    assert stop * (1 - TERMS.slippage) - Decimal("0.1") <= trade.exit_price < stop
    assert trade.closed == START + 5 * CANDLE_MS - 1
    assert equity == DEPOSIT + trade.profit - held.size * 100 * Decimal("0.0007")
    assert len(corrections) == 1
    assert "settle" in corrections[0]


async def test_funding_is_charged_at_the_rate_that_was_told_before(
    tmp_path: Path, exchange: tuple[str, HandClock]
) -> None:
    """Positions held across a settlement pay for it, as at a real exchange, and once."""
    url, clock = exchange
    async with living(url, clock, tmp_path) as life:
        await until(clock, START + CANDLE_MS + 20_000, life)
        equity = (await life.paper.balance()).equity
        await until(clock, START + 3 * CANDLE_MS + 20_000, life)
        (held,) = await life.paper.positions()

        assert equity - (await life.paper.balance()).equity == held.size * 100 * Decimal("0.0003")


def mortal(url: str, journal: Path) -> "subprocess.CompletedProcess[str]":
    """A life that ends with ``kill -9``."""
    return subprocess.run(
        [sys.executable, "-m", "tests.trade.paper_mortal", url, str(journal)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
        timeout=120,
    )


async def test_kill_9_after_an_answer_loses_nothing(tmp_path: Path) -> None:
    """What was answered is on the disk, whatever becomes of the process."""
    with serving([series()], ExchangeOptions(rate_limit=0, minute_limit=0, now_ms=START)) as served:
        child = mortal(served.url, tmp_path / "journal.sqlite")
        assert (child.returncode, child.stdout) == (-9, "filled\n"), child.stderr
        link = link_settings("paper", base_url=served.url, ws_url="")
        opened = paper_account(
            fetch_settings(served.url, Path("unused")),
            link,
            journal=tmp_path / "journal.sqlite",
            deposit=Decimal(1),
            clock=SystemClock(),
            fill_model=TERMS,
        )
        async with opened as account:
            (held,) = await account.exchange.positions()
            equity = (await account.exchange.balance()).equity

    assert (held.size, held.stop_loss) == (Decimal(2), Decimal(95))
    assert DEPOSIT - 1 < equity < DEPOSIT
