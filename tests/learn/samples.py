"""Labelled rows made for tests: features with a known share of truth in them."""

from collections.abc import Set as AbstractSet

import numpy as np

from desk.learn.parameters import Parameters
from desk.learn.settings import LearnSettings, ThresholdRules, TradingSettings
from desk.values import CANDLE_MS, NEUTRAL, FeatureSet, LabelledSet, frozen
from tests.learn.evidence import RULES

START = 1_700_000_100_000 // CANDLE_MS * CANDLE_MS

BASELINE = Parameters(
    learning_rate=0.03,
    num_leaves=15,
    min_data_in_leaf=100,
    feature_fraction=0.4,
    bagging_fraction=0.7,
    lambda_l2=5.0,
    path_smooth=1.0,
)

THRESHOLDS = ThresholdRules(
    shares=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    min_trades=30,
    min_days=10,
    narrow_share=0.01,
    select_by="net",
    target_win_rate=0.6,
    level=0.975,
    min_labelled_trades=60,
)
TRADING = TradingSettings(
    stop_loss=0.02,
    take_profit=None,
    slippage=0.0001,
    stop_overshoot=0.25,
    max_spread_ratio=2.0,
    taker_fee=0.0006,
    maker_fee=0.0002,
)


def settings(**changes: object) -> LearnSettings:
    """The product's values, but for what a test changes and a smaller budget."""
    values: dict[str, object] = {
        "prediction_horizon": 2,
        "min_price_change": 0.002,
        "min_samples": 1_000,
        "min_labels": 100,
        "max_missing_share": 0.02,
        "min_feature_share": 0.8,
        "test_share": 0.2,
        "n_folds": 3,
        "first_share": 0.4,
        "n_trials": 10,
        "trial_boost_round": 20,
        "num_boost_round": 2_000,
        "early_stopping_rounds": 30,
        "search_early_stopping_rounds": 30,
        "min_boost_round": 20,
        "min_precision_each_side": 0.45,
        "min_recall_each_side": 0.25,
        "significance": 0.05,
        "n_seeds": 2,
        "walk_first_share": 0.4,
        "walk_seeds": 1,
        "refit_on_all": True,
        "keep_studies": True,
        "window_checks": 20,
        "calibration_bins": 10,
        "control_symbols": 8,
        "control_from": 20,
        "thresholds": THRESHOLDS,
        "trading": TRADING,
        "verdict": RULES,
        "baseline": BASELINE,
    }
    return LearnSettings(**{**values, **changes})  # type: ignore[arg-type]


def labelled_set(
    rows: int,
    *,
    horizon: int = 2,
    holes: AbstractSet[int] = frozenset(),
    signal: float = 0.0,
    features: int = 8,
    seed: int = 1,
) -> LabelledSet:
    """Random rows, a third of them neutral.

    ``signal`` is how strongly the first feature pulls the label; ``holes`` are the rows before which
    one candle is missing.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    steps = np.ones(rows, dtype=np.int64)
    steps[0] = 0
    steps[sorted(holes)] = 2
    open_time = START + CANDLE_MS * np.cumsum(steps)
    up = rng.random(rows) < 1 / (1 + np.exp(-signal * x[:, 0]))
    label = np.where(rng.random(rows) < 1 / 3, NEUTRAL, up.astype(np.int8)).astype(np.int8)
    names = tuple(f"f{column}" for column in range(features))
    made = FeatureSet("TESTUSDT", "contract", names, frozen(np.arange(rows)), frozen(open_time), frozen(x))
    move = np.where(label == NEUTRAL, 0.0, np.where(up, 0.003, -0.003))
    return LabelledSet(
        made, horizon, 0.002, frozen(label), frozen(move), frozen(open_time + (horizon + 1) * CANDLE_MS)
    )
