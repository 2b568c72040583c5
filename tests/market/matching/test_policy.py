"""The matching core gives the trades of ``desk.policy``, on invented and on real candles."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.backtest import Trades, trades_of
from desk.costs import Costs
from desk.market.matching import FillCosts, FillModel, MatchedFill, Matching, NewOrder
from desk.market.paper.exchange import exactly
from desk.market.series.facts import price_tick
from desk.market.series.sources import read_candle_files
from desk.market.series.synthetic import synthesize
from desk.orders import Fill
from desk.policy import Thresholds, TradeRules
from desk.values import CANDLE_MS, Candles
from tests.market.matching.samples import BTC

THRESHOLDS = Thresholds(long=0.8, short=0.2)
REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "candles"


def traded(
    candles: Candles, probability: np.ndarray, *, rules: TradeRules, costs: Costs
) -> list[tuple[float, float]]:
    """Gross and net of every trade that a session of entries at the close makes on the core."""
    contract = replace(
        BTC, symbol=candles.symbol, tick=exactly(costs.tick), taker_fee=exactly(costs.fee_entry)
    )
    charged = FillCosts(
        slippage=exactly(max(costs.slippage, costs.spread / 2)),
        stop_overshoot=exactly(rules.stop_overshoot),
        grid_from=costs.grid_from,
        grid=tuple(map(exactly, costs.grid)),
    )
    fills = FillModel(by_symbol={candles.symbol: charged}, rounding=False)
    core = Matching([contract], Decimal(10**9), fills)
    core.set_leverage(candles.symbol, Decimal(1))
    bases: list[Decimal] = []
    due = 0
    for row, open_time in enumerate(candles.open_time.tolist()):
        o, h, l, c, volume, _ = (exactly(value) for value in candles.values[:, row])
        core.market.candle(candles.symbol, open_time, (o, h, l, c), volume)
        now = open_time + CANDLE_MS
        if core.account.positions and open_time >= due:
            core.close(candles.symbol, now)
        side = THRESHOLDS.side(probability[row])
        if side and not core.account.positions:
            core.place(_ticket(candles.symbol, side, float(candles.close[row]), rules), now)
            bases.append(c)
            due = open_time + rules.horizon * CANDLE_MS
    return _round_trips(core, costs)


def _ticket(symbol: str, side: int, close: float, rules: TradeRules) -> NewOrder:
    """An entry with its levels, unrounded, measured from the close of the signal candle."""
    return NewOrder(
        client_id="",
        symbol=symbol,
        side=side,
        purpose="open",
        size=Decimal(7),
        kind="market",
        stop_loss=None if rules.stop_loss is None else exactly(close * (1 - side * rules.stop_loss)),
        take_profit=None if rules.take_profit is None else exactly(close * (1 + side * rules.take_profit)),
    )


def _round_trips(core: Matching, costs: Costs) -> list[tuple[float, float]]:
    """Gross (slippage taken out again) and net of every closed pair of executions."""
    executions = core.account.executions
    return [_of_pair(*pair, costs) for pair in zip(executions[::2], executions[1::2], strict=False)]


def _of_pair(entry: MatchedFill, leave: MatchedFill, costs: Costs) -> tuple[float, float]:
    notional = entry.fill.price * entry.fill.size
    net = (leave.profit - entry.fill.fee - leave.fill.fee) / notional
    side = entry.fill.side
    before = _unslipped(entry.fill, side, costs), _unslipped(leave.fill, -side, costs)
    return float(side * (before[1] / before[0] - 1)), float(net)


def _unslipped(fill: Fill, direction: int, costs: Costs) -> Decimal:
    candle = fill.at - CANDLE_MS if fill.cause == "order" else fill.at // CANDLE_MS * CANDLE_MS
    held = [step for since, step in zip(costs.grid_from, costs.grid, strict=True) if since <= candle]
    step = max((costs.tick, *(held[-1:] or costs.grid[:1])))
    by_share = fill.price / (1 + direction * exactly(max(costs.slippage, costs.spread / 2)))
    by_tick = fill.price - direction * exactly(step) / 2
    return min(direction * by_share, direction * by_tick) * direction


def assert_same(trades: Trades, pairs: list[tuple[float, float]]) -> None:
    assert len(trades) == len(pairs) > 0
    np.testing.assert_allclose([gross for gross, _ in pairs], trades.gross, rtol=0, atol=1e-9)
    np.testing.assert_allclose([net for _, net in pairs], trades.net, rtol=0, atol=1e-9)


def probabilities(count: int, seed: int) -> np.ndarray:
    """Random opinions, a third of them strong enough to act on, some of them missing."""
    rng = np.random.default_rng(seed)
    probability = rng.random(count)
    probability[rng.random(count) < 0.05] = np.nan
    return probability


@pytest.mark.parametrize(
    ("rules", "slippage", "spread"),
    [
        (TradeRules(horizon=2, stop_loss=0.02, take_profit=None), 0.0002, 0.0),
        (TradeRules(horizon=6, stop_loss=0.002, take_profit=0.003), 0.0002, 0.0),
        (TradeRules(horizon=6, stop_loss=0.002, take_profit=0.003, stop_overshoot=0.25), 0.0002, 0.0),
        (TradeRules(horizon=3, stop_loss=0.001, take_profit=0.0005, stop_overshoot=1.0), 0.0, 0.004),
        (TradeRules(horizon=1, stop_loss=None, take_profit=None), 0.001, 0.0),
    ],
)
@pytest.mark.parametrize("grid", [(), (0.0004, 0.0009, 0.0)])
def test_trades_on_the_core_are_the_evaluations(
    rules: TradeRules, slippage: float, spread: float, grid: tuple[float, ...]
) -> None:
    """What the verdict promises is what the paper account delivers, fee by fee and stop by stop."""
    candles = synthesize("noise", 5, symbol="AUSDT", end=1_767_225_600_000)
    candles = candles.rows(0, 3000)
    first, price = int(candles.open_time[0]), float(candles.close[0])
    costs = Costs(
        tick=price * 1e-6,
        slippage=slippage,
        fee_entry=0.0006,
        fee_exit=0.0006,
        spread=spread,
        grid_from=tuple(first + row * CANDLE_MS for row in (500, 1000, 2000)[: len(grid)]),
        grid=tuple(price * share for share in grid),
    )
    probability = probabilities(len(candles), 1)

    expected = trades_of(candles, probability, thresholds=THRESHOLDS, rules=rules, costs=costs)
    assert_same(expected, traded(candles, probability, rules=rules, costs=costs))


def test_on_real_candles_with_gaps_and_holes_as_well() -> None:
    """Other venues' opens are not the previous close, and real series have holes: stops gap there."""
    if not REAL.is_dir():
        pytest.skip(f"no real candles at {REAL}")
    rules = TradeRules(horizon=4, stop_loss=0.002, take_profit=0.003, stop_overshoot=0.25)
    ended: set[int] = set()
    for series in read_candle_files(REAL)[:3]:
        stretch = series.rows(1000, 3000)
        tick = price_tick(stretch).size
        costs = Costs(tick=tick, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0006)
        keep = np.random.default_rng(3).random(len(stretch)) > 0.01
        candles = Candles(stretch.symbol, stretch.open_time[keep], stretch.values[:, keep])
        probability = probabilities(len(candles), 2)
        expected = trades_of(candles, probability, thresholds=THRESHOLDS, rules=rules, costs=costs)
        assert_same(expected, traded(candles, probability, rules=rules, costs=costs))
        ended |= set(expected.ended.tolist())

    assert ended == {0, 1, 2}
