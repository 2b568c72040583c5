"""The values of all settings.  Edit them here; arguments of the commands only narrow or point.

Place in the house: a door.  Each part of the suite declares what it can be told, with its unit and
its checks (``desk.market.settings``, ``desk.learn.settings``); the values stand here and nowhere
else, and what one part demands of another is checked here.

Fractions are fractions: 0.002 means 0.2 %.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from desk.errors import SettingsError
from desk.frames import CANDLES_PER_DAY
from desk.learn.selection import SelectionRules
from desk.learn.settings import LearnSettings, Parameters, TradingSettings
from desk.learn.verdict import VerdictRules
from desk.market.settings import FetchSettings

HERE = Path(__file__).resolve().parent
BITGET = "https://api.bitget.com"
DEMO_SERIES = "EDGEONEUSDT=edge:1,EDGETWOUSDT=edge:2,NOISEONEUSDT=noise:1,NOISETWOUSDT=noise:2"
"""Symbols of ``--demo``: invented candles, in two of which something can be known beforehand."""
TEST_HORIZONS = 10
"""The test part must hold at least so many horizons, or nothing could be said about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run depends on besides its candles; equal settings and candles give equal models."""

    fetch: FetchSettings
    learn: LearnSettings
    models_dir: Path
    """Where models, metadata and the summary go."""
    N_JOBS: int
    """Worker processes; 0 is one per core."""
    seed: int
    """The one seed of every random choice."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise SettingsError("settings: " + "; ".join(problems))

    def _problems(self) -> Iterator[str]:
        learn, candles = self.learn, self.fetch.days * CANDLES_PER_DAY
        if candles < learn.min_samples:
            fewest = -(-learn.min_samples // CANDLES_PER_DAY)
            yield (
                f"days is {self.fetch.days}, which is {candles} candles, and min_samples asks for "
                f"{learn.min_samples}: give at least --days {fewest}"
            )
        elif learn.prediction_horizon * TEST_HORIZONS > candles * learn.test_share:
            longest = int(candles * learn.test_share / TEST_HORIZONS)
            yield (
                f"prediction_horizon is {learn.prediction_horizon} candles, too long for {self.fetch.days} "
                f"days of history: at most {longest}, so that the test part holds {TEST_HORIZONS} of them"
            )
        if self.models_dir.resolve() == self.fetch.cache_dir.resolve():
            yield f"models and candles would share one folder, {self.models_dir}"
        if self.N_JOBS < 0:
            yield f"N_JOBS is {self.N_JOBS}, must be 0 (all cores) or more"
        if not 0 <= self.seed < 2**31:
            yield f"seed is {self.seed}, must lie between 0 and {2**31 - 1}"

    @property
    def workers(self) -> int:
        """Worker processes."""
        return self.N_JOBS or os.cpu_count() or 1

    def of_model(self) -> dict[str, object]:
        """Every setting that can change the model of one symbol, and the seed, ready for JSON."""
        return {**asdict(self.learn), "days": self.fetch.days, "seed": self.seed}

    def fingerprint(self) -> str:
        """Short hash of ``of_model``."""
        return hashlib.sha256(json.dumps(self.of_model(), sort_keys=True).encode()).hexdigest()[:12]


def default_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The values.  ``N_JOBS`` and ``BITGET_BASE_URL`` in the environment win over those below."""
    return Settings(
        fetch=FetchSettings(
            base_url=environ.get("BITGET_BASE_URL", BITGET),
            cache_dir=HERE / "backtest_data",
            days=180,
            symbols=(),  # all active perpetuals
            top=None,
            include_rwa=False,
            funding=True,  # settled funding rates; kept beside the candles, no feature uses them yet
            requests_per_second=18.0,  # per endpoint; the exchange answers 429 beyond 20
            max_concurrent_requests=20,
            timeout_s=15.0,
            attempts=15,  # with waits up to 30 s: some five minutes of an exchange that answers nothing
            give_up_after_s=900.0,
            throttle_pause_s=3.0,
            use_cache=True,
            offline=False,
        ),
        learn=LearnSettings(
            # What is predicted
            prediction_horizon=2,  # candles: ten minutes
            min_price_change=0.002,
            # What is enough
            min_samples=1_000,  # candles
            min_labels=100,
            max_missing_share=0.02,
            min_feature_share=0.8,
            # What is held back
            test_share=0.2,
            n_folds=3,
            first_share=0.4,
            # How it is tuned
            n_trials=50,
            trial_boost_round=20,
            num_boost_round=2_000,
            early_stopping_rounds=100,
            min_boost_round=20,
            min_precision_each_side=0.45,
            min_recall_each_side=0.25,
            significance=0.05,
            n_seeds=5,
            n_sign_seeds=0,  # no gain on eight development series: AUC +0.0001 ± 0.0006 out of fold
            # What is published
            refit_on_all=True,
            keep_studies=True,  # about 60 KB a model; optuna-dashboard models/live_trading/studies/FILE
            # How it is examined
            window_checks=20,
            calibration_bins=10,
            control_symbols=8,
            control_from=20,
            selection=SelectionRules(
                shares=(
                    0.002,
                    0.003,
                    0.005,
                    0.007,
                    0.01,
                    0.015,
                    0.02,
                    0.03,
                    0.04,
                    0.05,
                    0.07,
                    0.1,
                    0.15,
                    0.2,
                ),
                min_trades=150,
                target_win_rate=0.60,
                level=0.975,
            ),
            trading=TradingSettings(
                stop_loss=0.02,
                take_profit=None,
                slippage=0.0001,  # 1 bp per side, never less than half a tick
                taker_fee=0.0006,
                maker_fee=0.0002,
            ),
            verdict=VerdictRules(
                gate_level=0.95,
                min_test_trades=30,
                min_test_days=10,
                false_discovery_rate=0.10,
                max_coverage_ratio=2.0,
                max_calibration_error_points=5.0,
                min_labelled=2_000,
                require_target_win_rate=False,
            ),
            baseline=Parameters(
                learning_rate=0.03,
                num_leaves=15,
                min_data_in_leaf=100,
                feature_fraction=0.4,
                bagging_fraction=0.7,
                lambda_l2=5.0,
                path_smooth=1.0,
            ),
        ),
        models_dir=HERE / "models" / "live_trading",
        N_JOBS=_whole_number(environ, "N_JOBS", 0),
        seed=20_261_122,
    )


def _whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError as exc:
        raise SettingsError(f"{name} in the environment is {text!r}, must be a whole number") from exc
