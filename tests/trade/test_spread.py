"""Nothing is opened while bid and ask are too far apart, and nobody is asked who does not want to open."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from desk.clock import SystemClock
from desk.market.bitget.public import BitgetPublic
from desk.market.bitget.spreads import TIMEOUT_S, PresentSpreads
from desk.market.emulator import ExchangeOptions
from desk.market.series.synthetic import synthesize
from desk.trade.signals import EvaluatedCosts
from soaks.serving import serving
from tests.market.samples import ImpatientClock, StagedClock, fetch_settings
from tests.trade.samples import NOON, NOTHING, card, decisions_at
from tests.trade.stage import Stage, scripted, stage
from tests.trade.test_exits import flat
from tests.trade.test_replay import EXACT

COSTS = EvaluatedCosts(slippage=0.0001, spread_bps=4.0)
END = 1_767_225_600_000


@dataclass
class Book:
    """Satisfies ``desk.ports.SpreadSource``, and remembers what it was asked."""

    spreads: Mapping[str, float]
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def spreads_bps(self, symbols: Sequence[str]) -> Mapping[str, float]:
        """What the test wants."""
        self.asked.append(tuple(symbols))
        return self.spreads


def long_once(
    tmp_path: Path, book: Book, *, costs: EvaluatedCosts = COSTS, tradable: bool = True, at: int = 2
) -> Stage:
    """A model that is long at one candle, and at no other."""
    candles = flat()
    probability = np.full(len(candles), 0.5)
    probability[at] = 0.8
    known = card(created=NOON, expectation=NOTHING, costs=costs, tradable=tradable)
    models = {"BTCUSDT": (known, scripted(candles, probability))}
    return stage(tmp_path, [candles], models, contracts=[EXACT], spreads=book)


async def first_decision(play: Stage) -> tuple[str, str, int]:
    """Action, reasons and positions after the first candle."""
    with play.journal:
        await play.trader.start()
        first = await anext(aiter(play.feed.rounds()))
        await play.trader.on_round(first)
        ((_, _, action, reasons),) = decisions_at(play.journal, first.open_time)
    return action, reasons, len(await play.paper.positions())


async def test_an_entry_that_the_spread_forbids_is_journalled_with_it(tmp_path: Path) -> None:
    """Who asks why nothing was done finds the figures of that moment."""
    book = Book({"BTCUSDT": 8.3})

    action, reasons, positions = await first_decision(long_once(tmp_path, book))

    assert (action, positions) == ("refused", 0)
    ((rule, text),) = json.loads(reasons)
    assert rule == "spread"
    assert text == (
        "bid and ask are 8.3 bp apart now, at most 8.0 bp are allowed: 2 times the 4.0 bp that the model was "
        "evaluated with"
    )


async def test_a_usual_spread_stands_in_nobodys_way(tmp_path: Path) -> None:
    """Asked once, about the symbol that fired."""
    book = Book({"BTCUSDT": 8.0})

    action, _, positions = await first_decision(long_once(tmp_path, book))

    assert (action, positions, book.asked) == ("enter long", 1, [("BTCUSDT",)])


async def test_a_spread_that_nobody_knows_refuses(tmp_path: Path) -> None:
    """An exchange that does not answer is no reason to buy blindly."""
    action, reasons, positions = await first_decision(long_once(tmp_path, Book({})))

    assert (action, positions) == ("refused", 0)
    assert "the present spread is not known" in reasons


@pytest.mark.parametrize(
    "quiet",
    [{"at": 5}, {"tradable": False}, {"costs": EvaluatedCosts()}],
    ids=["nothing fired", "not tradable", "evaluated without a spread"],
)
async def test_a_book_that_decides_nothing_is_not_asked_for(
    tmp_path: Path, quiet: dict[str, bool | EvaluatedCosts]
) -> None:
    """Hundreds of symbols close a candle every five minutes, and an order waits for the answer."""
    book = Book({"BTCUSDT": 1.0})

    await first_decision(long_once(tmp_path, book, **quiet))  # type: ignore[arg-type]

    assert book.asked == []


async def test_bid_and_ask_of_the_exchange_are_read_in_one_request(tmp_path: Path) -> None:
    """One symbol, or all of them; those that are not listed are left out."""
    series = [synthesize("noise", seed, symbol=f"{seed}USDT", end=END, candles=300) for seed in (1, 2)]
    options = ExchangeOptions(now_ms=END, rate_limit=0, minute_limit=0, spreads_bps={"1USDT": 40.0})
    with serving(series, options) as exchange:
        async with BitgetPublic(fetch_settings(exchange.url, tmp_path), clock=SystemClock()) as market:
            source = PresentSpreads(market, clock=SystemClock())
            alone = await source.spreads_bps(["1USDT"])
            both = await source.spreads_bps(["1USDT", "2USDT", "GONEUSDT"])
            sent = dict(market.sent_to)

    assert alone["1USDT"] == pytest.approx(40.0, rel=0.02)
    assert sorted(both) == ["1USDT", "2USDT"]
    assert both["1USDT"] == alone["1USDT"] > 10 * both["2USDT"] > 0
    assert sent == {"/api/v2/mix/market/ticker": 1, "/api/v2/mix/market/tickers": 1}


async def test_an_exchange_that_does_not_answer_leaves_the_spread_open(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Orders of one candle cannot wait for the retries of a fetch."""
    settings = fetch_settings("http://127.0.0.1:1", tmp_path, attempts=2)
    async with BitgetPublic(settings, clock=ImpatientClock()) as market:
        found = await PresentSpreads(market, clock=SystemClock()).spreads_bps(["AUSDT"])

    assert found == {}
    assert "bid and ask of AUSDT could not be read" in caplog.text


class SlowPublic(BitgetPublic):
    """A client whose answer never arrives."""

    async def spreads_bps(self, symbol: str = "") -> dict[str, float]:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError(symbol)


async def test_an_answer_that_takes_long_is_not_waited_for(tmp_path: Path) -> None:
    """Two seconds: later the price of the decision is gone."""
    clock = StagedClock()
    began = clock.monotonic()
    slow = SlowPublic(fetch_settings("http://127.0.0.1:1", tmp_path), clock=clock)
    found: list[Mapping[str, float]] = []

    async def ask() -> None:
        found.append(await PresentSpreads(slow, clock=clock).spreads_bps(["AUSDT"]))

    await clock.run(ask())

    assert found == [{}]
    assert clock.monotonic() - began == pytest.approx(TIMEOUT_S)
