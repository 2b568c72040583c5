"""Invented models for the report: hundreds of symbols with metadata that pass the schema.

A number of symbols and a seed come in; what ``desk.run_report`` makes of a models directory goes out.  Their
figures are noise of a plausible size, a few symbols are called tradable, a few failed.
"""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from desk.learn.overview import nearest_first, overview, running_sum
from desk.learn.summary import RunCost, RunResults, summarise
from desk.outcomes import Failed, Json, Skipped
from desk.reports.html.data import ReportData, SymbolFigures

FIRST_DAY = date(2025, 10, 2)
DAYS = 91
FEATURES = 60
SETTINGS = {"seed": 1, "days": 180, "prediction_horizon": 2, "min_price_change": 0.002}
REASONS = (
    (
        "no edge after costs: 214 trades of evidence on 63 days earned -7.1 bp each (before costs +6.9), and "
        "the lower end must be above zero; 38.2 % of the trades won after costs, 55.1 % would break even"
    ),
    (
        "entered at the next candle's mean price the trades earned -9.3 bp each after costs, -7.1 bp at the "
        "signal's close: what earns only at the close is bounce between bid and ask"
    ),
    "too few trades of evidence: 21 on 9 days, 30 on 10 days are needed",
)


def invented_report(symbols: int, *, seed: int) -> ReportData:
    """What the report of so many symbols is made of."""
    metadata = [invented_metadata(f"COIN{number:03d}USDT", seed=seed + number) for number in range(symbols)]
    failed = [Failed(f"BAD{n}USDT", "train", f"candle {n} has no price", "") for n in range(3)]
    summary = summarise(
        RunResults(
            metadata,
            [Skipped(f"NEW{n}USDT", f"{900 + n} candles, 1000 are needed") for n in range(5)],
            failed,
            pooled=_pooled(metadata),
            portfolio={"symbols": 0, "trades": 0, "days": 0, "net_bps": None}
            | {"p_value": None, "earns": False, "why": "no symbol has a signal"},
            controls=None,
        ),
        settings=SETTINGS,
        effort=RunCost(612.0, 8_400.0, 24_183, 3),
        started_at="2026-01-01T00:00:00+00:00",
        finished_at="2026-01-01T03:00:00+00:00",
        previous=None,
        published={},
        max_model_age_days=14,
    )
    known = {one["symbol"]: one for one in metadata}
    return ReportData(
        summary=summary,
        symbols=tuple(
            SymbolFigures(row, known.get(row["symbol"]), None, of_last_run=True)
            for row in nearest_first(summary["symbols"])
        ),
        overview=overview(metadata),
        pooled_days=tuple(running_sum(summary["pooled"]["daily"])),
        written_at="2026-01-01T03:00:01+00:00",
    )


def renamed(data: ReportData, symbol: str) -> ReportData:
    """The same report, its first symbol bearing another name."""
    first, *others = data.symbols
    metadata = None if first.metadata is None else {**first.metadata, "symbol": symbol}
    named = replace(first, row={**first.row, "symbol": symbol}, metadata=metadata)
    return replace(data, symbols=(named, *others))


def invented_metadata(symbol: str, *, seed: int) -> Json:
    """Metadata of one symbol, as ``desk.registry`` keeps them."""
    noise = np.random.default_rng(seed)
    trades = int(noise.integers(20, 400))
    net, half = float(noise.normal(-6.0, 4.0)), float(noise.uniform(4.0, 12.0))
    accuracy = float(noise.normal(0.51, 0.012))
    figures = _figures(noise, trades, net, half)
    tradable = net - half > 0
    return {
        "schema_version": 2,
        "symbol": symbol,
        "created_at": "2026-01-01T02:00:00+00:00",
        "model_file": f"{symbol}_lightgbm_20260101_020000.txt",
        "model_sha256": f"{seed:064x}",
        "evaluated_file": None,
        "evaluated_sha256": None,
        "features": [f"feature_{n}" for n in range(FEATURES)],
        "feature_contract": "1405c6f8c664",
        "versions": {"suite": "0.1.0", "python": "3.11.7", "lightgbm": "4.7.0", "optuna": "5.0.0"}
        | {"numpy": "2.4.6", "pandas": "3.1.1", "scikit-learn": "1.9.1", "machine": "Linux x86_64"},
        "settings": SETTINGS,
        "data": _market(noise),
        "labels": {"horizon": 2, "threshold": 0.002, "up": 12_208, "down": 11_888, "neutral": 27_155},
        "split": _split(),
        "tuning": {
            "n_trials": 50,
            "n_pruned": 31,
            "best_value": accuracy + 0.004,
            "best_params": {"learning_rate": 0.06, "num_leaves": 15, "min_data_in_leaf": 50}
            | {"feature_fraction": 0.2, "bagging_fraction": 0.7, "lambda_l2": 5.0, "path_smooth": 1.0},
            "baseline_value": accuracy,
            "chosen": "baseline",
            "why": "no feasible trial is better than the baseline",
            "rounds": 26,
            "seconds": 11.2,
        },
        "metrics": {
            "n": int(noise.integers(2_000, 6_000)),
            "accuracy": accuracy,
            "accuracy_ci95": [accuracy - 0.02, accuracy + 0.02],
            **{name: float(noise.uniform(0.4, 0.6)) for name in ("precision", "recall", "f1")},
            **{name: float(noise.uniform(0.4, 0.6)) for name in ("precision_short", "recall_short", "auc")},
            "base_rate": 0.502,
            "simple_rules": {"majority_side": 0.5, "last_return": 0.49, "against_last_return": 0.51},
        },
        "signals": _signals(noise, figures),
        "calibration": {
            "n": 160,
            "brier": 0.249,
            "error_points": float(noise.uniform(1, 9)),
            "chance_points": 9.5,
            "table": [
                {"n": 16, "probability": 0.4 + 0.02 * n, "up": float(noise.uniform(0.3, 0.7))}
                for n in range(10)
            ],
        },
        "stability": {
            "months": [_group(noise, f"2025-{month}") for month in (10, 11, 12)],
            "thirds": [_group(noise, name) for name in ("calm", "middle", "wild")],
            "hours": [_group(noise, f"{hour:02d}:00") for hour in range(24)],
            "worst_accuracy": "wild",
            "worst_trades": "2025-10",
        },
        "verdict": {
            "tradable": tradable,
            "reasons": [] if tradable else list(REASONS[: 1 + seed % 3]),
            "p_value": float(noise.uniform()),
            "q_value": 1.0,
            "family_size": 786,
            "accepted_on": None,
        },
        "importance": {f"feature_{n}": float(noise.gamma(1.0) * 100) for n in range(FEATURES)},
        "timing": {"features": 0.4, "tuning": 11.2, "walk": 4.5, "thresholds": 0.1, "fit": 0.8}
        | {"evaluation": 0.1, "cpu_seconds": 17.0, "peak_rss_mb": 290.0},
    }


def _market(noise: np.random.Generator) -> Json:
    return {
        "first": "2025-07-05T00:00:00+00:00",
        "last": "2025-12-31T23:55:00+00:00",
        "rows": 51_840,
        "missing": int(noise.integers(0, 40)),
        "zero_volume_share": float(noise.beta(1, 20)),
        "tick": 1e-05,
        "tick_bps": float(noise.gamma(1.0)),
        "grid": {"from": [1_751_500_800_000], "step": [1e-05]},
        "spread_bps": float(noise.gamma(1.0)),
        "spread_source": "the only reading, no narrower than the estimate from the candles",
        "turnover": float(noise.lognormal(15)),
        "mean_prices": "volume-weighted",
        "sha256": "0" * 64,
        "trained_through": "2025-12-31T23:45:00+00:00",
        "refit_on_all": True,
    }


def _split() -> Json:
    part = {
        "first": "2025-07-07T00:55:00+00:00",
        "last": "2025-11-25T23:35:00+00:00",
        "rows": 40_881,
        "labelled": 19_082,
    }
    return {
        "development": part,
        "test": part,
        "purged": 4,
        "folds": [{"train_labelled": 7_955, "validation": part}],
    }


def _figures(noise: np.random.Generator, trades: int, net: float, half: float) -> Json:
    share, bounds = float(noise.uniform(0.3, 0.5)), [net - half, net + half]
    return {
        "candles": 26_208,
        "fired": 2 * trades,
        "coverage": 2 * trades / 26_208,
        "coverage_ci95": None,
        "n": trades,
        **dict.fromkeys(("win_rate", "hit_rate", "win_rate_labelled"), share),
        **{
            f"{name}_ci95": [share - 0.1, share + 0.1]
            for name in ("win_rate", "hit_rate", "win_rate_labelled")
        },
        "n_labelled": trades // 2,
        "across_hole": 0,
        "gross_bps": net + 14.0,
        "gross_bps_ci95": [low + 14.0 for low in bounds],
        "net_bps": net,
        "net_bps_ci95": bounds,
        "executable_gross_bps": net + 11.0,
        "executable_gross_bps_ci95": [low + 11.0 for low in bounds],
        "executable_net_bps": net - 3.0,
        "executable_net_bps_ci95": [low - 3.0 for low in bounds],
        "break_even_win_rate": 0.55,
        "daily": [
            {
                "date": (FIRST_DAY + timedelta(days=day)).isoformat(),
                "trades": int(noise.integers(0, 6)),
                "net_bps": float(noise.normal(net, 40.0)),
            }
            for day in range(DAYS)
        ],
    }


def _signals(noise: np.random.Generator, figures: Json) -> Json:
    side = {"n": figures["n"], "win_rate": 0.4, "net_bps": figures["net_bps"], "profit_factor": 0.8}
    none = {"n": 0, "win_rate": None, "net_bps": None, "profit_factor": None}
    week = {
        "first": "2025-10-02T00:00:00+00:00",
        "last": "2025-10-08T23:55:00+00:00",
        "long_threshold": 0.61,
        "short_threshold": None,
        "trades": 9,
        "net_bps": -6.0,
    }
    return {
        "long_threshold": 0.61,
        "short_threshold": None,
        **figures,
        "test": figures,
        "aged": figures,
        "walk": [week] * 15,
        "evidence": {"first": "2025-10-02T00:00:00+00:00", "window": "", "days": DAYS},
        "statistics": {
            "n": figures["n"],
            **{name: float(noise.normal()) for name in ("profit_factor", "sharpe", "sortino", "calmar")},
            "max_drawdown": {
                "bps": float(noise.gamma(2.0) * 200),
                "peak": "2025-10-13",
                "trough": "2025-10-15",
                "recovered": None,
            },
            "longest_losing_streak": int(noise.integers(2, 15)),
            "winning_days": 40,
            "losing_days": 50,
            "sides": {"long": side, "short": none},
            "ended": {"horizon": side, "stop": none, "take_profit": none},
        },
        "lower_bound": {"long": 0.31, "short": None},
        "target_met": False,
        "power": {"long": 0.7, "short": None},
        "share": {"long": 0.005, "short": None},
        "why": [
            (
                "long fires at the top 0.5 % of the scores: in the earlier blocks 101 trades on 63 days "
                "earned +2.0 bp each after costs (t 0.3)"
            ),
            "short is silent: the best of 14 shares earned -17.4 bp each after costs (t -1.9)",
        ],
        "proof": [
            "long: 44 of 87 labelled trades won (50.6 %), lower bound 39.6 %",
            "short: no labelled trade",
        ],
    }


def _group(noise: np.random.Generator, name: str) -> Json:
    accuracy = float(noise.normal(0.51, 0.03))
    return {
        "name": name,
        "labelled": int(noise.integers(200, 4_000)),
        "accuracy": accuracy,
        "accuracy_ci95": [accuracy - 0.04, accuracy + 0.04],
        "trades": int(noise.integers(1, 50)),
        "win_rate": float(noise.uniform(0.2, 0.6)),
        "net_bps": float(noise.normal(-6, 12)),
    }


def _pooled(metadata: list[Json]) -> Json:
    daily = [
        {
            "date": (FIRST_DAY + timedelta(days=day)).isoformat(),
            **{
                name: sum(one["signals"]["daily"][day][name] for one in metadata)
                for name in ("trades", "net_bps")
            },
        }
        for day in range(DAYS)
    ]
    trades = sum(one["signals"]["n"] for one in metadata)
    net = sum(one["signals"]["n"] * one["signals"]["net_bps"] for one in metadata) / max(trades, 1)
    whole = {"daily": daily, "candles": 26_208 * len(metadata)}
    return _figures(np.random.default_rng(0), trades, net, 1.0) | whole | {"coverage": 0.01}
