"""The values of all settings.  Edit them here; arguments of the commands only narrow or point.

Whoever updates the suite keeps values of their own in ``config_local.py`` beside this file instead, or in the
file that ``DESK_CONFIG`` names (``desk.settings_files``); ``--print-config`` shows what is in force.

Place in the house: a door.  Each part of the suite declares its settings, with their units and checks
(``desk.market.settings``, ``desk.learn.settings``, ``desk.trade.settings``, and ``desk.run_settings`` for all
that a training depends on); the values stand here and nowhere else.

Fractions are fractions: 0.002 means 0.2 %.

Not here: the command lines (``desk.training_arguments``, ``desk.live_arguments``).
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from desk.doors import working_folder
from desk.learn.parameters import Parameters
from desk.learn.settings import ExploreSettings, LearnSettings, ThresholdRules, TradingSettings, VerdictRules
from desk.market.settings import FetchSettings, LinkSettings, StreamSettings
from desk.run_settings import Settings, with_environment
from desk.trade.settings import (
    LiveSettings,
    NotifySettings,
    PaperSettings,
    RiskLimits,
    ScoreSettings,
    SessionSettings,
)

HERE = working_folder(__file__)
BITGET = "https://api.bitget.com"
BITGET_WS = {"paper": "wss://ws.bitget.com", "live": "wss://ws.bitget.com", "demo": "wss://wspap.bitget.com"}
"""Websocket address by the mode of live trading."""
JOURNAL = "live_trading.sqlite"
"""Of live trading, in the directory where it is started."""
ATTEMPTS_ONCE, ATTEMPTS_LIVE = 3, 4
"""Reads of a decision that somebody waits for are not repeated for minutes."""
SET_FOR_LIVE = dict.fromkeys(
    ("fetch.attempts", "fetch.timeout_s", "fetch.give_up_after_s"), "config.py, settings_of_live"
)
"""What live trading sets otherwise than training, for ``--print-config``."""
MAX_SPREAD_RATIO = 2.0
"""The book may be so many times as wide as trades were charged: before a verdict, and before each entry."""
DEMO_SERIES = (
    "DRIFTUSDT=drift:8,EDGEONEUSDT=edge:1,EDGETWOUSDT=edge:2,NOISEONEUSDT=noise:1,NOISETWOUSDT=noise:2"
)
"""Symbols of ``--demo``: invented candles.  One drifts at a known time of day and is worth trading after a
taker's costs; in two something can be known beforehand that does not pay them; two are random walks."""


def default_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The values.  ``N_JOBS`` and ``BITGET_BASE_URL`` in the environment win over those below."""
    values = Settings(
        fetch=FetchSettings(
            base_url=BITGET,
            plain_http=False,  # http:// to another machine
            proxy="",  # or "http://HOST:PORT"; HTTPS_PROXY in the environment wins
            largest_body_mib=16,
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
            trial_boost_round=12,
            num_boost_round=2_000,
            early_stopping_rounds=100,  # of the fit that sets the published rounds
            search_early_stopping_rounds=50,
            min_boost_round=20,
            min_precision_each_side=0.45,
            min_recall_each_side=0.25,
            significance=0.05,
            n_seeds=5,
            # How the walk through the history is scored
            walk_first_share=0.4,
            walk_seeds=3,
            # What is published
            refit_on_all=True,
            keep_studies=True,  # about 60 KB a model; optuna-dashboard models/live_trading/studies/FILE
            # How it is examined
            window_checks=20,
            calibration_bins=10,
            control_symbols=8,
            control_from=20,
            thresholds=ThresholdRules(
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
                min_trades=30,
                min_days=10,
                narrow_share=0.01,
                select_by="net",  # or "win_rate": the widest share that proves the target below
                target_win_rate=0.60,
                level=0.975,
                min_labelled_trades=60,
            ),
            trading=TradingSettings(
                stop_loss=0.02,
                take_profit=None,
                slippage=0.0001,  # 1 bp per side, never less than half a tick or half the spread
                stop_overshoot=0.25,
                max_spread_ratio=MAX_SPREAD_RATIO,
                taker_fee=0.0006,
                maker_fee=0.0002,
            ),
            verdict=VerdictRules(
                min_trades=30,
                min_days=10,
                false_discovery_rate=0.10,
                recent_days=36,
                recent_level=0.90,
                max_coverage_ratio=2.0,
                coverage_level=0.95,
                calibration_level=0.99,
                min_labelled=2_000,
                min_turnover=1_000_000.0,  # USDT in 24 hours
                max_spread_bps=20.0,
                require_target_win_rate=False,
                stay_error=0.10,
                stay_days=180,
            ),
            baseline=Parameters(
                learning_rate=0.06,
                num_leaves=15,
                min_data_in_leaf=50,
                feature_fraction=0.2,
                bagging_fraction=0.7,
                lambda_l2=5.0,
                path_smooth=1.0,
            ),
        ),
        explore=ExploreSettings(
            horizons=(1, 2, 3, 6, 12, 24, 48),  # candles: five minutes to four hours
            symbols=8,
            n_seeds=5,
            fewer_trades_beyond=12,
        ),
        models_dir=HERE / "models" / "live_trading",
        max_model_age_days=14,
        publish_rule="always",  # or "better": what earned more than the published model after its training
        experiment=False,
        N_JOBS=0,  # one per core that may be used
        job_timeout_s=1_800.0,  # a symbol takes seconds to a few minutes; an exploration several times that
        continue_within_hours=24.0,  # the same command goes on with a run that was cut off; 0: never
        executor="local",  # or a Dask scheduler, "dask://HOST:PORT"; "dask://local:2" tries it here
        seed=20_261_122,
    )
    return with_environment(values, environ)[0]


def live_settings(max_model_age_days: int) -> LiveSettings:
    """The values of live trading; shares are of the account's equity: 0.02 is 2 %."""
    return LiveSettings(
        risk=RiskLimits(
            risk_per_trade=Decimal("0.0025"),  # lost when a position ends at its stop
            max_position=Decimal("0.15"),
            max_gross=Decimal("0.6"),
            max_net=Decimal("0.4"),
            max_positions=6,
            leverage=Decimal(3),
            liquidation_buffer=Decimal(3),
            margin_reserve=Decimal("0.2"),
            require_stop=True,
            max_orders_per_minute=20,
            daily_loss_stop=Decimal("0.03"),
            max_drawdown=Decimal("0.1"),  # from the highest equity; 1: never
            peak_since="",  # "2026-11-30T14:05" (UTC): what was lost before is accepted
            experiment_since="",  # likewise: --experiment begins a new one instead of going on
            losing_streak=6,
            pause_minutes=120,
            max_model_age_days=max_model_age_days,
            max_candle_age_s=45,
            max_clock_drift_s=1.0,
            avoid_funding=True,
            max_spread_ratio=MAX_SPREAD_RATIO,  # of the spread that the model was evaluated with
            leave_before_hours=24,
        ),
        session=SessionSettings(
            margin_mode="isolated",
            position_mode="one_way",
            on_stop="flatten",
            unknown_position="adopt",
            protective_stop=Decimal("0.02"),
            reconcile_s=60.0,
            look_s=1.0,
            fill_wait_s=10.0,
            fill_look_s=0.3,
            resend_within_s=20.0,
            wait_on_stop_s=1_200.0,
            max_failed_steps=5,
            keep_decisions_days=90,
        ),
        score=ScoreSettings(floor=0.55, floor_trades=100, error=0.05),
        notify=NotifySettings(digest_hours=24, queue=200, timeout_s=10.0),
        paper=PaperSettings(balance=Decimal(10_000)),
    )


def link_settings(mode: str, *, base_url: str, ws_url: str) -> LinkSettings:
    """The lines to the exchange; without ``ws_url``, the address of the mode.

    Parameters
    ----------
    mode : str
        ``paper``, ``demo`` or ``live``.
    base_url : str
        REST address.
    ws_url : str
        Websocket address, or "".
    """
    return LinkSettings(
        base_url=base_url,
        proxy="",  # that of fetch is used
        largest_body_mib=16,
        ws_url=ws_url or BITGET_WS[mode],
        demo=mode == "demo",
        timeout_s=10.0,
        attempts=4,
        give_up_after_s=30.0,
    )


def stream_settings(memory: int) -> StreamSettings:
    """When candles count as closed; ``memory`` is what features need."""
    return StreamSettings(
        memory=memory,
        per_connection=50,
        rest_delay_s=3.0,
        deadline_s=10.0,
        silent_after_s=420.0,
        audit_s=1.0,
    )


def settings_of_live(
    base: Settings, *, base_url: str, cache_dir: Path, models_dir: Path, once: bool
) -> Settings:
    """The values as live trading reads models and candles with them.

    Parameters
    ----------
    base : Settings
        Those in force.
    base_url : str
        REST address of the exchange.
    cache_dir, models_dir : Path
        Folders of the candle caches and of the models.
    once : bool
        Whether somebody waits for one decision: then reads are repeated less often.
    """
    fetch = replace(
        base.fetch,
        base_url=base_url,
        cache_dir=cache_dir,
        attempts=ATTEMPTS_ONCE if once else ATTEMPTS_LIVE,
        timeout_s=5.0,  # a candle is decided on within seconds of its end
        give_up_after_s=30.0,
    )
    return replace(base, fetch=fetch, models_dir=models_dir)
