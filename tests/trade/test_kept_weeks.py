"""Kept models, read from their files, trade through a session as the evaluation says."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import default_settings
from desk.backtest import trades_of_sides
from desk.files import write_file
from desk.kept_walk import walk_files, walk_folder
from desk.learn.training import Model, bin_rows, train
from desk.live_fills import fill_model_of
from desk.live_models import WalkModelSource
from desk.market.paper.exchange import PaperExchange
from desk.market.series.synthetic import synthesize
from desk.outcomes import WalkModel
from desk.policy import FLAT, HORIZON, STOP, Thresholds
from desk.registry import ModelRegistry, RegisteredModel
from desk.trade.events import replayed_events
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.replay.attribution import explain, policy_trades
from desk.trade.replay.feed import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.start import open_session
from desk.values import CANDLE_MS, Candles, frozen
from ml_feature_engineering import FEATURES, build_features, contract_id, memory_of, newest_rows
from tests.published import publish
from tests.trade.samples import NOTHING, UNLIMITED, contract
from tests.trade.stage import live_settings

END = 1_767_225_600_000
NAMES = [feature.name for feature in FEATURES]
FINE: dict[str, Any] = {"tick": Decimal("1e-18"), "size_step": Decimal("1e-12"), "min_size": Decimal("1e-12")}
GRID_STEP = 1e-3
"""Share of the first price."""


class CostlyRegistry(ModelRegistry):
    """A registry whose metadata hold all that the evaluation charged."""

    grid: dict[str, list[float]]

    def open_latest(self, symbol: str, *, features: tuple[str, ...], contract: str) -> RegisteredModel:
        """With overshoot, spread, tick and grid."""
        found = super().open_latest(symbol, features=features, contract=contract)
        found.metadata["settings"]["trading"] |= {
            "slippage": 0.0001,
            "stop_overshoot": 0.25,
            "stop_loss": 0.003,
        }
        found.metadata["data"] |= {"spread_bps": 5.0, "tick": 1e-6, "grid": self.grid}
        return found


class Untimely(WalkModelSource):
    """Walks of which nothing is expected that a random model would miss."""

    def open(self, symbol: str) -> OpenModel:
        """Without expectations."""
        found = super().open(symbol)
        blocks = tuple(
            (first, replace(one, card=replace(one.card, expectation=NOTHING))) for first, one in found.blocks
        )
        return replace(found, card=replace(found.card, expectation=NOTHING), blocks=blocks)


def random_model(seed: int) -> Model:
    """A model that has learned nothing, and has an opinion of everything."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2_000, len(NAMES))).astype(np.float32)
    side = (rng.random(2_000) < 0.5).astype(np.int8)
    return train(bin_rows(x, side, NAMES), default_settings().learn.baseline, rounds=20, seed=seed)


STARTS = (END - 210 * CANDLE_MS, END - 140 * CANDLE_MS, END - 70 * CANDLE_MS)


def holed_candles() -> Candles:
    """Some are missing in the first block, and where it ends."""
    whole = synthesize("noise", 1, symbol="BTCUSDT", end=END, candles=1_100)
    there = np.ones(1_100, dtype=bool)
    there[[920, 959, 960]] = False
    return Candles("BTCUSDT", frozen(whole.open_time[there]), frozen(whole.values[:, there]))


def keep_walk(folder: Path, candles: Candles) -> tuple[list[WalkModel], NDArray[np.float64]]:
    """Keep a walk of three blocks; and what its models say of every candle, features computed at once."""
    features = build_features(candles, max_missing_share=0.02, min_feature_share=0.5)
    blocks, probability = [], np.full(len(candles), np.nan)
    for at, (first, stop) in enumerate(pairwise((*STARTS, END))):
        model = random_model(at)
        rows = (features.open_time >= first) & (features.open_time < stop)
        says = model.probabilities(features.x[rows])
        probability[features.row[rows]] = says
        long, short = np.quantile(says, [0.8, 0.2]).tolist()
        cuts = Thresholds(long=long, short=None if at == 1 else short)
        blocks.append(WalkModel(first=first, last=stop - CANDLE_MS, thresholds=cuts, model=model.text()))
    published = publish(folder, "BTCUSDT", at_ms=END)
    for name, body in walk_files("BTCUSDT", blocks).items():
        write_file(walk_folder(folder, "BTCUSDT", published["model_file"]) / name, body)
    return blocks, probability


async def test_a_replay_of_kept_weeks_is_their_evaluation(tmp_path: Path) -> None:
    """Every probability with ==, every trade and its net to 1e-9, and nothing is left to explain."""
    candles = holed_candles()
    blocks, probability = keep_walk(tmp_path, candles)
    registry = CostlyRegistry(tmp_path)
    registry.grid = {"from": [*STARTS[:2]], "step": [GRID_STEP * float(candles.close[0]), 0.0]}
    source = Untimely(registry, features=tuple(NAMES), contract=contract_id())
    window = FeatureWindow(memory=memory_of(), max_missing_share=0.02, rows=newest_rows)
    forecaster = Forecaster(source, ["BTCUSDT"], window)
    assert forecaster.refresh() == []
    terms = contract(**FINE, min_notional=Decimal(0), max_market_size=None)
    clock, start = SimulatedClock(float(STARTS[0])), {"BTCUSDT": STARTS[0]}
    live = live_settings(replace(UNLIMITED, risk_per_trade=Decimal("0.001")))
    fills = fill_model_of(forecaster, slippage=0.9e-4, least=False, rounding=False)
    paper = PaperExchange([terms], deposit=live.paper.balance, clock=clock, fill_model=fills)
    feed = PaperFeed(ReplayFeed([candles], first=start, memory=memory_of(), clock=clock), paper)
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        session = open_session(paper, journal, forecaster, clock, settings=live)
        ending = await session.run(replayed_events(feed), mode="replay", settings="{}")
        recorded, made = journal.diary.probabilities("BTCUSDT"), journal.ledger.closed_trades()
        wanted = policy_trades(journal, forecaster.models, [candles], {"BTCUSDT": terms}, first=start)
        lines = explain(wanted, made, journal.diary.refusals())

    part = candles.since(STARTS[0])
    known = probability[-len(part) :]
    sides = np.full(len(part), FLAT, dtype=np.int8)
    for block in blocks:
        inside = (part.open_time >= block.first) & (part.open_time <= block.last)
        sides[inside] = block.thresholds.sides(known[inside])
    card = forecaster.cards["BTCUSDT"]
    costs = card.costs.charged(fee=0.0006, tick=0.0)
    trades = trades_of_sides(part, sides, rules=card.rules, costs=costs)
    assert ending.status == 0
    assert recorded == dict(zip(part.open_time.tolist(), known.tolist(), strict=True))
    assert len(trades) > 25
    assert {HORIZON, STOP} == set(trades.ended.tolist())
    assert trades.across_hole.any()
    assert [trade.opened for trade in made] == trades.opened.tolist()
    np.testing.assert_allclose([trade.net for trade in made], trades.net, rtol=0, atol=1e-9)
    assert [round(line.net_bps, 6) for line in lines[1:-1]] == [0.0] * (len(lines) - 2)
