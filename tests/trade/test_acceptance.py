"""On real candles, a session sees and earns what training saw and the evaluation said."""

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.learn.protocol import ContractCosts, SymbolReport, probability_of, rules_of, run_protocol
from desk.market.matching import FillModel as Fills
from desk.market.paper.exchange import PaperExchange
from desk.market.series.sources import read_candle_files
from desk.trade.events import replayed_events
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.replay.feed import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.start import open_session
from desk.values import Candles
from ml_feature_engineering import attach_labels, build_features, memory_of, newest_rows
from tests.learn.samples import SELECTION, settings
from tests.trade.samples import NOTHING, UNLIMITED, card, contract
from tests.trade.stage import live_settings

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "candles"
LEARN = settings(n_trials=1, n_seeds=2, num_boost_round=40, selection=replace(SELECTION, min_trades=40))
NAMES = ("1000PEPEUSDT", "SUIUSDT")


@dataclass(frozen=True)
class Examined:
    """A real series with the model whose figures are reported."""

    candles: Candles
    report: SymbolReport
    test_times: np.ndarray
    probability: np.ndarray

    @property
    def symbol(self) -> str:
        """Of the series."""
        return self.candles.symbol


def examined(candles: Candles) -> Examined:
    """Train on a series with few rounds, and look at its test part."""
    features = build_features(candles, max_missing_share=0.02, min_feature_share=0.5)
    labelled = attach_labels(features, candles, horizon=2, threshold=0.002)
    contract_costs = ContractCosts(tick=None, taker_fee=0.0006, maker_fee=0.0002)
    report = run_protocol(
        labelled, candles, contract_costs=contract_costs, settings=LEARN, seed=1, lap=lambda _: None
    )
    rows = report.split.test
    scores = report.evaluated.scores(features.x[rows])
    return Examined(candles, report, features.open_time[rows], probability_of(scores))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real candles beside the checkout (../shared/data/candles)")
async def test_a_replay_of_the_test_part_is_the_evaluation(tmp_path: Path) -> None:
    """Every probability with ==; with limits, rounding and funding off every trade and its net to 1e-9."""
    pytest.importorskip("pyarrow")
    series = [one.rows(len(one) - 6_000, len(one)) for one in read_candle_files(REAL) if one.symbol in NAMES]
    known = {one.symbol: examined(one) for one in series}
    models = {
        symbol: OpenModel(
            card(
                symbol,
                created=int(one.test_times[0]),
                expectation=NOTHING,
                thresholds=one.report.selection.thresholds,
                rules=rules_of(LEARN),
            ),
            one.report.evaluated,
        )
        for symbol, one in known.items()
    }
    fine = {"tick": Decimal("1e-18"), "size_step": Decimal("1e-12"), "min_size": Decimal("1e-12")}
    contracts = [contract(symbol, **fine, min_notional=Decimal(0), max_market_size=None) for symbol in known]
    first = {symbol: int(one.test_times[0]) for symbol, one in known.items()}
    clock = SimulatedClock(float(min(first.values())))
    live = live_settings(replace(UNLIMITED, risk_per_trade=Decimal("0.001")))
    fills = Fills(slippage=Decimal(repr(LEARN.trading.slippage)), rounding=False)
    paper = PaperExchange(contracts, deposit=live.paper.balance, clock=clock, fill_model=fills)
    window = FeatureWindow(memory=memory_of(), max_missing_share=0.02, rows=newest_rows)
    candles = ReplayFeed(series, first=first, memory=memory_of(), clock=clock)
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        session = open_session(paper, journal, Forecaster.of(models, window), clock, settings=live)
        feed = PaperFeed(candles, paper)
        ending = await session.run(replayed_events(feed), mode="replay", settings="{}")
        recorded = {symbol: journal.diary.probabilities(symbol) for symbol in known}
        made = journal.ledger.closed_trades()

    assert ending.status == 0
    for symbol, one in known.items():
        assert [recorded[symbol][int(at)] for at in one.test_times] == one.probability.tolist()
        trades = [trade for trade in made if trade.symbol == symbol]
        assert len(trades) == one.report.test.n > 10
        net = sum(trade.net for trade in trades) / len(trades) * 1e4
        assert one.report.test.net_bps is not None
        assert abs(net - one.report.test.net_bps) < 1e-9
        assert sum(trade.net > 0 for trade in trades) / len(trades) == one.report.test.win_rate
