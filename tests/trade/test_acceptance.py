"""On real candles, a session sees and earns what training saw and the evaluation said."""

import csv
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.learn.protocol import ContractCosts
from desk.learn.settings import ModelSettings
from desk.live_fills import fill_model_of
from desk.live_models import WalkModelSource
from desk.market.paper.exchange import PaperExchange
from desk.market.series.sources import read_candle_files
from desk.outcomes import Json
from desk.registry import ModelRegistry
from desk.trade.events import replayed_events
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.replay.feed import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.start import open_session
from desk.values import CANDLE_MS, Candles, iso
from desk.worker import SymbolJob, train_symbol
from ml_feature_engineering import FEATURES, contract_id, memory_of, newest_rows
from tests.learn.samples import THRESHOLDS, settings
from tests.test_registry import publish_version
from tests.trade.samples import NOTHING, UNLIMITED, contract
from tests.trade.stage import live_settings

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "candles"
# Four blocks, of which the last two are traded and kept.  Whatever earned or not, both sides fire: a win rate
# of one in a hundred is soon proven.
LEARN = settings(
    n_trials=1,
    n_seeds=2,
    walk_seeds=1,
    num_boost_round=40,
    walk_first_share=0.2,
    test_share=0.35,
    thresholds=replace(
        THRESHOLDS, shares=(0.05,), select_by="win_rate", target_win_rate=0.01, min_labelled_trades=1
    ),
)
NAMES = ("1000PEPEUSDT", "SUIUSDT")
FREE = ContractCosts(
    tick=1e-9, taker_fee=0.0, maker_fee=0.0, spread_bps=0.0, spread_source="none", turnover=1e9
)


class AsIfTradable(WalkModelSource):
    """Walks as if each had passed its verdict, and nothing were expected of it."""

    def open(self, symbol: str) -> OpenModel:
        """The models of the walk."""

        def free(one: OpenModel) -> OpenModel:
            card = replace(one.card, tradable=True, reasons=(), expectation=NOTHING)
            return replace(one, card=card)

        found = super().open(symbol)
        return replace(free(found), blocks=tuple((first, free(one)) for first, one in found.blocks))


def published(candles: Candles, folder: Path) -> Json:
    """Train on a series with few rounds and no costs, and publish."""
    job = SymbolJob(candles, ModelSettings(learn=LEARN, days=21, seed=1), FREE, control=False)
    trained = train_symbol(job).trained
    trained.metadata["verdict"] = {
        "tradable": True,
        "reasons": [],
        "p_value": None,
        "q_value": None,
        "family_size": None,
        "accepted_on": None,
    }
    return publish_version(ModelRegistry(folder), trained, now=datetime(2026, 1, 1, tzinfo=UTC))


def rows_of(folder: Path, symbol: str) -> list[dict[str, str]]:
    """The trades of the walk as they are kept beside the published model."""
    (path,) = (folder / "trades").glob(f"{symbol}_trades_*.csv")
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real candles beside the checkout (../shared/data/candles)")
async def test_a_replay_of_the_walk_is_the_evaluation(tmp_path: Path) -> None:
    """Limits, demotion, rounding, funding off: every trade, and the figures of ``signals.test``, to 1e-9."""
    pytest.importorskip("pyarrow")
    series = [one.rows(len(one) - 12_000, len(one)) for one in read_candle_files(REAL) if one.symbol in NAMES]
    told = {one.symbol: published(one, tmp_path)["signals"]["test"] for one in series}
    names = tuple(feature.name for feature in FEATURES)
    source = AsIfTradable(ModelRegistry(tmp_path), features=names, contract=contract_id())
    window = FeatureWindow(memory=memory_of(), max_missing_share=0.02, rows=newest_rows)
    forecaster = Forecaster(source, NAMES, window)
    assert forecaster.refresh() == []
    fine = {"tick": Decimal("1e-18"), "size_step": Decimal("1e-12"), "min_size": Decimal("1e-12")}
    contracts = [
        contract(symbol, **fine, min_notional=Decimal(0), max_market_size=None, taker_fee=Decimal(0))
        for symbol in NAMES
    ]
    first = {symbol: span[0] for symbol, span in source.span.items()}
    clock = SimulatedClock(float(min(first.values())))
    usual = live_settings(replace(UNLIMITED, risk_per_trade=Decimal("0.001")))
    live = replace(usual, score=replace(usual.score, floor=0.0))
    fills = fill_model_of(forecaster, slippage=LEARN.trading.slippage, least=False, rounding=False)
    paper = PaperExchange(contracts, deposit=live.paper.balance, clock=clock, fill_model=fills)
    candles = ReplayFeed(series, first=first, memory=memory_of(), clock=clock)
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        session = open_session(paper, journal, forecaster, clock, settings=live)
        ending = await session.run(replayed_events(PaperFeed(candles, paper)), mode="replay", settings="{}")
        made = journal.ledger.closed_trades()

    assert ending.status == 0
    for symbol in NAMES:
        mine = {trade.opened + CANDLE_MS: trade for trade in made if trade.symbol == symbol}
        kept = rows_of(tmp_path, symbol)
        net = np.array([float(row["net_bps"]) for row in kept])
        assert [iso(opened) for opened in mine] == [row["opened"] for row in kept]
        assert {(row["block"], row["side"]) for row in kept} == {
            (block, side) for block in ("3", "4") for side in ("long", "short")
        }
        np.testing.assert_allclose([trade.net * 1e4 for trade in mine.values()], net, rtol=0, atol=1e-9)
        assert len(net) == told[symbol]["n"] > 100
        assert np.mean(net) == pytest.approx(told[symbol]["net_bps"], abs=1e-9)
        assert np.mean(net > 0) == told[symbol]["win_rate"]
