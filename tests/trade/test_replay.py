"""What a session earns is what the evaluation said, wherever nothing but the policy decides."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.backtest import trades_of
from desk.costs import Costs
from desk.policy import Thresholds, TradeRules
from desk.trade.replay.attribution import ProfitStatement, explain, profit_statement
from desk.values import Candles, frozen
from tests.learn.trading import some_probabilities, walk
from tests.trade.samples import NOON, NOTHING, by_hand, card, contract, decisions_at
from tests.trade.stage import MEMORY, Stage, scripted, stage
from tests.trade.test_journal import CLOSED

EXACT = contract(
    tick=Decimal("1e-12"),
    size_step=Decimal("1e-12"),
    min_size=Decimal("1e-12"),
    min_notional=Decimal(0),
    max_market_size=None,
)
COSTS = Costs(tick=1e-12, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0006)


def market(n: int, *, seed: int, holes: frozenset[int] = frozenset(), symbol: str = "BTCUSDT") -> Candles:
    """A random walk that begins at noon."""
    made = walk(n, seed=seed, volatility=0.004, holes=holes)
    return Candles(symbol, frozen(made.open_time - made.open_time[0] + NOON), made.values)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rules", [
    TradeRules(horizon=2, stop_loss=0.006, take_profit=0.009),
    TradeRules(horizon=3, stop_loss=None, take_profit=None),
])  # fmt: skip
async def test_a_session_trades_what_the_evaluation_says(
    tmp_path: Path, seed: int, rules: TradeRules
) -> None:
    """Entries, exits, stops and holes: the same trades, and the same net to 1e-9, as ``trades_of``."""
    candles = market(400, seed=seed, holes=frozenset({90, 200, 201}))
    probability = some_probabilities(len(candles), seed=seed + 10)
    probability[: MEMORY - 1] = np.nan
    thresholds = Thresholds(long=0.6, short=0.4)
    known = card(thresholds=thresholds, rules=rules, created=NOON, expectation=NOTHING)

    play = stage(tmp_path, [candles], {"BTCUSDT": (known, scripted(candles, probability))}, contracts=[EXACT])
    with play.journal:
        ending = await play.run()
        trades = play.journal.ledger.closed_trades()

    wanted = trades_of(candles, probability, thresholds=thresholds, rules=rules, costs=COSTS)
    assert ending.status == 0
    assert len(wanted) > 30
    assert [trade.opened for trade in trades] == wanted.opened.tolist()
    assert [trade.side for trade in trades] == wanted.side.tolist()
    names = ("horizon", "stop", "take_profit")
    assert [trade.ended for trade in trades] == [names[code] for code in wanted.ended]
    np.testing.assert_allclose([trade.net for trade in trades], wanted.net, rtol=0, atol=1e-12)
    np.testing.assert_allclose([float(trade.entry_price) for trade in trades], wanted.entry_price, rtol=1e-12)
    assert all("have passed without a decision" in text for text in play.news.urgent)


async def test_every_candle_has_its_decision(tmp_path: Path) -> None:
    """The journal must answer why nothing was done, too."""
    candles = market(60, seed=1)
    probability = some_probabilities(60, seed=2, missing=0.0)
    known = card(created=NOON, expectation=NOTHING)
    play = stage(tmp_path, [candles], {"BTCUSDT": (known, scripted(candles, probability))}, contracts=[EXACT])
    with play.journal:
        await play.run()
        for row in range(MEMORY - 1, 60):
            ((symbol, told, action, reasons),) = decisions_at(play.journal, int(candles.open_time[row]))
            assert (symbol, told) == ("BTCUSDT", probability[row])
            assert action in {"stay out", "in position", "enter long", "enter short"}
            assert reasons == ""


SETTLEMENT = NOON + 4 * 3_600_000


def held_over_a_settlement(tmp_path: Path) -> tuple[Stage, Candles]:
    """A session that opens one position, one candle before a settlement at 0.1 %."""
    candles = market(300, seed=5)
    probability = np.full(300, 0.5)
    probability[int(SETTLEMENT - NOON) // 300_000 - 2] = 0.9
    play = stage(
        tmp_path,
        [candles],
        {"BTCUSDT": (card(created=NOON, expectation=NOTHING), scripted(candles, probability))},
        contracts=[EXACT],
        funding={"BTCUSDT": {SETTLEMENT: 0.001}},
    )
    return play, candles


async def statement_of(play: Stage) -> ProfitStatement:
    """As the door makes it."""
    return await profit_statement(play.journal, play.paper, deposit=play.deposit)


async def test_the_books_balance(tmp_path: Path) -> None:
    """Equity at the end: the deposit, every trade's profit, what is open, and the funding that was paid."""
    play, candles = held_over_a_settlement(tmp_path)
    with play.journal:
        await play.run()
        (trade,) = play.journal.ledger.closed_trades()
        statement = await statement_of(play)

    price = Decimal(repr(float(candles.close[int(SETTLEMENT - NOON) // 300_000 - 1])))
    assert statement.funding == trade.size * price * Decimal("0.001")
    assert statement.residual == 0
    lines = (statement.profit, -statement.fees, -statement.funding, statement.open_profit)
    assert statement.equity == pytest.approx(statement.deposit + sum(lines))


@pytest.mark.parametrize(
    ("error", "residual"),
    [
        ("UPDATE trades SET profit = CAST(profit - 7 AS TEXT)", 7),
        ("UPDATE trades SET status = 'void'", None),
    ],
)
async def test_a_bookkeeping_error_is_no_funding(tmp_path: Path, error: str, residual: int | None) -> None:
    """An error that hides in a line that nobody can check is found by nobody."""
    play, _ = held_over_a_settlement(tmp_path)
    with play.journal:
        await play.run()
        before = await statement_of(play)
        play.journal.ledger._db.execute(error)
        after = await statement_of(play)

    assert after.funding == before.funding != 0
    assert after.residual == pytest.approx(before.profit - before.fees if residual is None else residual)


async def test_the_books_balance_while_a_position_is_open_and_partly_closed(tmp_path: Path) -> None:
    """A stored series may end in the middle of a trade; what a part of it came to is not lost."""
    play, _ = held_over_a_settlement(tmp_path)
    with play.journal:
        await play.trader.start()
        async for candles in play.feed.rounds():
            await play.trader.on_round(candles)
            if play.journal.ledger.open_trades():
                break
        (trade,) = play.journal.ledger.open_trades()
        play.paper.feed_price("BTCUSDT", float(trade.price) * 1.001)
        request = by_hand(size=trade.size / 2, purpose="close", name="half")
        play.journal.ledger.intend(request, trade.trade, play.clock.now_ms())
        await play.paper.place(request)
        state = await play.paper.order("BTCUSDT", "half")
        assert state is not None
        play.journal.ledger.reported(state, play.clock.now_ms())
        statement = await statement_of(play)

        assert len(await play.paper.positions()) == 1
        assert statement.residual == 0
        assert statement.open_profit != 0


def test_every_step_from_the_evaluation_to_the_session_is_told() -> None:
    """The lines between the first and the last add up to their difference, whatever happened."""
    wanted = {("A", 1): 0.01, ("A", 2): -0.02, ("A", 3): 0.03, ("B", 1): 0.005}
    made = [
        replace(CLOSED, symbol="A", opened=1, net=0.009),
        replace(CLOSED, symbol="A", opened=4, net=-0.001),
    ]

    first, *between, last = explain(wanted, made, [("A", 2, "clock"), ("B", 1, "funding")])

    assert (first.trades, last.trades) == (4, 2)
    assert first.trades + sum(line.trades for line in between) == last.trades
    assert first.net_bps + sum(line.net_bps for line in between) == pytest.approx(last.net_bps)
    assert [line.what for line in between] == [
        "not made: another trade of the symbol was still open",
        "refused: a funding settlement was ahead",
        "refused: the time was wrong",
        "traded because an earlier trade was not made",
        "the same trades at rounded prices and stops",
    ]
