"""Seven weeks in which something can be known, and the protocol on them with a recipe that trains fast."""

import functools
from dataclasses import replace

from desk.learn.protocol import ContractCosts, SymbolReport, run_protocol
from desk.learn.settings import LearnSettings
from desk.market.series.synthetic import synthesize
from desk.values import Candles, LabelledSet
from ml_feature_engineering import attach_labels, build_features
from tests.learn.samples import THRESHOLDS, TRADING, settings
from tests.learn.trading import MIDNIGHT

CANDLES = 15_000
SEED = 7
HORIZON = 6
"""So that some candles are always labelled among those whose label is decided behind a border."""
FREE_CONTRACT = ContractCosts(
    tick=0.0001,
    taker_fee=0.0,
    maker_fee=0.0,
    spread_bps=0.0,
    spread_source="made for a test",
    turnover=5e6,
)
QUICK: LearnSettings = settings(
    prediction_horizon=HORIZON,
    n_trials=2,
    n_seeds=2,
    walk_seeds=1,
    num_boost_round=30,
    min_boost_round=3,
    trial_boost_round=3,
    early_stopping_rounds=10,
    search_early_stopping_rounds=5,
    walk_first_share=0.2,
    test_share=0.5,
    thresholds=replace(THRESHOLDS, min_trades=20, min_days=5),
    trading=replace(TRADING, slippage=0.0, stop_loss=0.005),
    keep_studies=False,
)
"""Five blocks, of which the last three begin after the development part; nothing is paid for a trade."""


@functools.cache
def edge_candles() -> Candles:
    """Without holes, so that blocks are weeks of 2,016 candles."""
    return synthesize("edge", 5_203, symbol="EDGEUSDT", end=MIDNIGHT, candles=CANDLES)


def labelled_from(candles: Candles) -> LabelledSet:
    """As a training labels them."""
    features = build_features(candles, max_missing_share=0.02, min_feature_share=0.8)
    return attach_labels(features, candles, horizon=HORIZON, threshold=0.002)


def report_on(
    candles: Candles, settings: LearnSettings = QUICK, *, shown_through: int | None = None
) -> SymbolReport:
    """The whole protocol."""
    return run_protocol(
        labelled_from(candles),
        candles,
        contract_costs=FREE_CONTRACT,
        settings=settings,
        seed=SEED,
        shown_through=shown_through,
        lap=lambda _name: None,
    )


@functools.cache
def honest() -> SymbolReport:
    """On the candles as they are, without any planted fault."""
    return report_on(edge_candles())
