"""A replay of a walk trades by the models, thresholds and costs of its blocks, as the evaluation did."""

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.costs import Costs
from desk.live_fills import fill_costs, fill_model_of
from desk.market.matching import FillModel
from desk.orders import ContractTerms
from desk.policy import Candle, PlannedTrade, Thresholds, TradeRules, step
from desk.trade.forecasting import Forecaster, OpenModel
from desk.trade.replay.attribution import policy_trades
from desk.trade.replay.feed import ReplayFeed, SimulatedClock
from desk.trade.signals import EvaluatedCosts
from desk.values import CANDLE_MS, Candles, frozen
from tests.learn.trading import some_probabilities
from tests.trade.samples import NOON, NOTHING, card
from tests.trade.stage import MEMORY, WINDOW, ScriptedModel, ScriptedModels, scripted, stage
from tests.trade.test_replay import EXACT, market

RULES = TradeRules(horizon=3, stop_loss=0.006, take_profit=0.012, stop_overshoot=0.25)
STARTS = (MEMORY - 1, 150, 300)
"""Rows of the candles with which the blocks begin."""
CUTS = (
    Thresholds(long=0.6, short=0.4),
    Thresholds(long=0.55, short=None),
    Thresholds(long=0.65, short=0.45),
)
WIDE = EvaluatedCosts(
    slippage=0.0001,
    spread_bps=9.0,
    tick=1e-3,
    grid_from=(NOON, NOON + 200 * CANDLE_MS),
    grid=(0.2, 0.01),
)


@dataclass
class Contrary:
    """The opposite of a model."""

    model: ScriptedModel

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of down."""
        return 1 - self.model.probabilities(x)


def in_blocks(
    candles: Candles, probability: NDArray[np.float64], costs: EvaluatedCosts
) -> tuple[OpenModel, NDArray[np.float64]]:
    """A walk whose second block says the opposite; and what it says of every candle."""
    model = scripted(candles, probability)
    blocks = []
    for at, (row, thresholds) in enumerate(zip(STARTS, CUTS, strict=True)):
        known = card(
            candles.symbol,
            thresholds=thresholds,
            rules=RULES,
            costs=costs,
            created=NOON,
            expectation=NOTHING,
        )
        predictor = Contrary(model) if at == 1 else model
        blocks.append((int(candles.open_time[row]), OpenModel(known, predictor)))
    first = blocks[0][1]
    says = probability.copy()
    says[STARTS[1] : STARTS[2]] = 1 - says[STARTS[1] : STARTS[2]]
    return OpenModel(first.card, first.predictor, tuple(blocks)), says


def one_by_one(candles: Candles, probability: NDArray[np.float64], costs: Costs) -> dict[int, float]:
    """Net by signal candle, one candle after the other."""
    held: PlannedTrade | None = None
    nets: dict[int, float] = {}
    for row in range(MEMORY - 1, len(candles)):
        o, h, l, c = (float(value) for value in candles.values[:4, row])
        held, trade = step(
            held,
            Candle(int(candles.open_time[row]), o, h, l, c),
            float(probability[row]),
            thresholds=CUTS[sum(row >= start for start in STARTS) - 1],
            rules=RULES,
            costs=costs,
        )
        if trade is not None:
            nets[trade.opened] = trade.net
    return nets


SERIES = [
    market(460, seed=1, holes=frozenset({90, 150, 200, 201}), symbol="BTCUSDT"),
    market(420, seed=2, holes=frozenset({50, 299, 300}), symbol="ETHUSDT"),
]
"""Their holes lie elsewhere, also between two blocks; the second one ends while the first goes on."""


@pytest.mark.parametrize("costs", [EvaluatedCosts(slippage=0.0001), WIDE], ids=["narrow", "wide"])
async def test_a_session_trades_the_walk_as_the_evaluation_did(tmp_path: Path, costs: EvaluatedCosts) -> None:
    """Every trade and its net to 1e-9: thresholds by block, spread, grid, overshoot, holes of one symbol."""
    walks = {}
    for seed, candles in enumerate(SERIES):
        probability = some_probabilities(len(candles), seed=seed + 10, missing=0.0)
        walks[candles.symbol] = in_blocks(candles, probability, costs)
    charged = {symbol: fill_costs(model.card) for symbol, (model, _) in walks.items()}
    terms = [contract_of(candles.symbol) for candles in SERIES]
    play = stage(
        tmp_path,
        SERIES,
        {symbol: (model.card, ScriptedModel({})) for symbol, (model, _) in walks.items()},
        contracts=terms,
        terms=FillModel(by_symbol=charged, rounding=False),
    )
    play.source.models = {symbol: model for symbol, (model, _) in walks.items()}
    first = {candles.symbol: int(candles.open_time[MEMORY - 1]) for candles in SERIES}
    with play.journal:
        ending = await play.run()
        made = play.journal.ledger.closed_trades()
        by_symbol = {one.symbol: one for one in terms}
        wanted = policy_trades(play.journal, play.forecaster.models, SERIES, by_symbol, first=first)

    assert ending.status == 0
    for candles in SERIES:
        model, says = walks[candles.symbol]
        nets = one_by_one(candles, says, model.card.costs.charged(fee=0.0006, tick=1e-12))
        trades = {trade.opened: trade.net for trade in made if trade.symbol == candles.symbol}
        assert len(nets) > 60
        assert list(trades) == list(nets)
        np.testing.assert_allclose(list(trades.values()), list(nets.values()), rtol=0, atol=1e-9)
        assert {at: net for (symbol, at), net in wanted.items() if symbol == candles.symbol} == pytest.approx(
            nets, abs=1e-12
        )


def contract_of(symbol: str) -> ContractTerms:
    """A contract without steps."""
    return replace(EXACT, symbol=symbol)


async def test_a_trade_waits_for_the_first_candle_that_is_there(tmp_path: Path) -> None:
    """Where another symbol's candle closes meanwhile there is no price yet at which to leave this one."""
    whole = market(40, seed=3, symbol="ETHUSDT")
    made = market(40, seed=4)
    there = np.ones(40, dtype=bool)
    there[[12, 13]] = False
    holed = Candles("BTCUSDT", frozen(made.open_time[there]), frozen(made.values[:, there]))
    probability = np.full(38, 0.5)
    probability[10] = 0.9
    known = card(created=NOON, expectation=NOTHING)  # two candles: due with the first that is missing
    silent = card("ETHUSDT", created=NOON, expectation=NOTHING)
    play = stage(
        tmp_path,
        [holed, whole],
        {
            "BTCUSDT": (known, scripted(holed, probability)),
            "ETHUSDT": (silent, scripted(whole, np.full(40, 0.5))),
        },
        contracts=[EXACT, contract_of("ETHUSDT")],
    )
    with play.journal:
        await play.run()
        (trade,) = play.journal.ledger.closed_trades()

    assert trade.opened == made.open_time[10]
    assert trade.closed == made.open_time[14] + CANDLE_MS
    assert float(trade.exit_price) == pytest.approx(float(made.close[14]) * (1 - 0.0001))


async def test_a_feed_of_stored_candles_names_its_holes() -> None:
    """Also when a series has ended: what is open then is open at the end of the data, and no trade."""
    clock = SimulatedClock(0.0)
    long, short = market(8, seed=3, symbol="ETHUSDT"), market(6, seed=4)
    kept = [0, 1, 3, 4, 5]
    holed = Candles("BTCUSDT", frozen(short.open_time[kept]), frozen(short.values[:, kept]))
    first = {one.symbol: int(one.open_time[0]) for one in (holed, long)}
    feed = ReplayFeed([holed, long], first=first, memory=1, clock=clock)

    holes = [candles.holes async for candles in feed.rounds()]

    assert [sorted(missing) for missing in holes] == [
        [],
        [],
        ["BTCUSDT"],
        [],
        [],
        [],
        ["BTCUSDT"],
        ["BTCUSDT"],
    ]


def test_a_model_is_in_force_from_its_first_candle_on() -> None:
    """The candle with which a block begins is its own; what lies before the walk is the first block's."""
    model, _ = in_blocks(SERIES[0], np.full(len(SERIES[0]), 0.5), WIDE)
    times = [int(SERIES[0].open_time[row]) for row in STARTS]

    assert model.at(times[0] - 1) is model
    for at, (_, block) in enumerate(model.blocks):
        assert model.at(times[at]) is block
        assert model.at(times[at] + CANDLE_MS) is block
    probability = np.full(6, 0.42)
    around = np.array([times[1] - 1, times[1], times[2] - 1, times[2], times[2] + 1, times[2] + 2])
    assert model.sides(around, probability).tolist() == [0, 0, 0, -1, -1, -1]
    assert model.sides(around, 1 - probability).tolist() == [0, 1, 1, 0, 0, 0]


def test_fills_follow_the_models_in_use() -> None:
    """A model that is published while a session runs brings its own spread."""
    cheap, dear = card(), card(costs=WIDE, rules=RULES)
    source = ScriptedModels({"BTCUSDT": OpenModel(cheap, ScriptedModel({}))})
    forecaster = Forecaster(source, ["BTCUSDT"], WINDOW)
    paper = fill_model_of(forecaster, slippage=0.0003, least=True)
    replayed = fill_model_of(forecaster, slippage=0.0003, least=False)

    assert paper.costs("BTCUSDT").slippage == Decimal("0.0003")  # no model yet: the setting
    forecaster.refresh()
    assert paper.costs("BTCUSDT").slippage == Decimal("0.0003")
    assert replayed.costs("BTCUSDT").slippage == 0
    source.models["BTCUSDT"], source.version = OpenModel(dear, ScriptedModel({})), 1
    forecaster.refresh()
    for fills in (paper, replayed):
        charged = fills.costs("BTCUSDT")
        assert (charged.slippage, charged.stop_overshoot) == (Decimal("0.00045"), Decimal("0.25"))
        assert charged.step(NOON) == Decimal("0.2")
        assert charged.step(NOON + 200 * CANDLE_MS) == Decimal("0.01")
        assert fills.costs("ETHUSDT").slippage == Decimal("0.0003")


def test_the_tick_of_the_evaluation_is_charged_though_the_exchange_has_a_finer_one() -> None:
    """Where there is no grid, and where the grid is finer than the tick was."""
    alone = fill_costs(card(costs=EvaluatedCosts(tick=0.5)))
    beside = fill_costs(card(costs=EvaluatedCosts(tick=0.1, grid_from=(0, 5), grid=(0.2, 0.05))))

    assert alone.step(0) == Decimal("0.5")
    assert [beside.step(at) for at in (0, 5)] == [Decimal("0.2"), Decimal("0.1")]
    assert fill_costs(card()).step(0) == 0


def test_models_that_are_opened_early_are_reported_once() -> None:
    """What is wrong with one must reach the journal, although the paper account needed the others before."""
    source = ScriptedModels({"A": OpenModel(card("A"), ScriptedModel({}))}, bad={"B": "B: torn"})
    forecaster = Forecaster(source, ["A", "B"], WINDOW)

    forecaster.open_early()
    assert list(forecaster.cards) == ["A"]
    (line,) = forecaster.refresh()
    assert line.startswith("B: torn")
    assert forecaster.taken_up == []
    assert forecaster.refresh() == []
