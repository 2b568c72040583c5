"""What is written down about a model: the metadata's sections.

Values of the learning stages come in; plain JSON values go out.  Pure.  The meaning of every key
stands in ``desk/schemas/metadata.schema.json``.

Not here: names, digest and time of publishing (``desk.registry``).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any

import numpy as np

from desk.clustered import Mean
from desk.costs import Costs, coarsest_tick_bps, knows_mean_prices
from desk.learn.calibration import Calibration
from desk.learn.evaluation import Metrics
from desk.learn.protocol import ContractCosts, SymbolReport
from desk.learn.splits import Fold, Rows, Split
from desk.learn.stability import Stability
from desk.learn.stay import Acceptance
from desk.learn.trade_statistics import TradeRow, trade_rows, trade_statistics
from desk.learn.trades import BPS, DayLine, TradeFigures, figures
from desk.learn.tuning import Tuned
from desk.learn.verdict import Evaluation, PooledVerdict, Verdict
from desk.learn.walk_trades import WalkTrades
from desk.values import DOWN, NEUTRAL, UP, Candles, LabelledSet, iso

Json = dict[str, Any]


def describe_data(
    candles: Candles,
    *,
    contract_costs: ContractCosts,
    costs: Costs,
    trained_through: int,
    refit_on_all: bool,
) -> Json:
    """The candles that a model was made from, and what trades in them pay.

    Parameters
    ----------
    candles : Candles
    contract_costs : ContractCosts
    costs : Costs
        As trades were charged.
    trained_through : int
        Open time of the last row that the published model was trained on, ms.
    refit_on_all : bool
        Whether the published model is another one than the evaluated one.
    """
    return {
        "first": iso(int(candles.open_time[0])),
        "last": iso(int(candles.open_time[-1])),
        "rows": len(candles),
        "missing": candles.missing,
        "zero_volume_share": float(np.mean(candles.values[4] == 0)),
        "tick": contract_costs.tick,
        "tick_bps": coarsest_tick_bps(candles, contract_costs.tick, costs.grid),
        "grid": {"from": list(costs.grid_from), "step": list(costs.grid)},
        "spread_bps": contract_costs.spread_bps,
        "spread_source": contract_costs.spread_source,
        "turnover": contract_costs.turnover,
        "mean_prices": "volume-weighted" if knows_mean_prices(candles) else "typical",
        "sha256": candles.digest(),
        "trained_through": iso(trained_through),
        "refit_on_all": refit_on_all,
    }


def describe_labels(labelled: LabelledSet) -> Json:
    """Horizon, threshold and how often each label occurs."""
    counts = {name: int(np.sum(labelled.label == label)) for name, label in _LABELS.items()}
    return {"horizon": labelled.horizon, "threshold": labelled.threshold, **counts}


_LABELS = {"up": UP, "down": DOWN, "neutral": NEUTRAL}


def describe_split(labelled: LabelledSet, split: Split, folds: tuple[Fold, ...]) -> Json:
    """Where development, test and the folds lie.

    Parameters
    ----------
    labelled : LabelledSet
    split : Split
    folds : tuple of Fold
        Of the development part.
    """
    return {
        "development": _part(labelled, split.development),
        "test": _part(labelled, split.test),
        "purged": split.purged,
        "folds": [
            {
                "train_labelled": int(np.sum(labelled.decided[fold.train])),
                "validation": _part(labelled, fold.validation),
            }
            for fold in folds
        ],
    }


def describe_tuning(tuned: Tuned, *, seconds: float) -> Json:
    """What was tried, what was chosen and why; ``seconds`` of CPU time."""
    return {
        "n_trials": len(tuned.trials),
        "n_pruned": tuned.n_pruned,
        "best_value": tuned.best_value,
        "best_params": asdict(tuned.parameters),
        "baseline_value": tuned.baseline_value,
        "chosen": tuned.chosen,
        "why": tuned.why,
        "rounds": tuned.rounds,
        "seconds": seconds,
    }


def describe_metrics(metrics: Metrics | None) -> Json | None:
    """The guide's figures; None where the test part holds no labelled candle."""
    if metrics is None:
        return None
    return {**asdict(metrics), "accuracy_ci95": metrics.accuracy_ci95 and list(metrics.accuracy_ci95)}


def describe_model(
    report: SymbolReport,
    labelled: LabelledSet,
    candles: Candles,
    *,
    contract_costs: ContractCosts,
    seconds: float,
) -> Json:
    """The sections of the metadata on candles, choices and figures.

    Parameters
    ----------
    report : SymbolReport
    labelled : LabelledSet
    candles : Candles
        The whole series.
    contract_costs : ContractCosts
    seconds : float
        CPU time of the tuning.
    """
    decided = report.train_rows[labelled.decided[report.train_rows]]
    return {
        "data": describe_data(
            candles,
            contract_costs=contract_costs,
            costs=report.costs,
            trained_through=int(labelled.features.open_time[decided[-1]]),
            refit_on_all=report.published is not report.evaluated,
        ),
        "labels": describe_labels(labelled),
        "split": describe_split(labelled, report.split, report.folds),
        "tuning": describe_tuning(report.tuned, seconds=seconds),
        "metrics": describe_metrics(report.metrics),
        "signals": describe_signals(report),
        "calibration": None if report.calibration is None else as_json(report.calibration),
        "stability": as_json(report.stability),
        "importance": report.published.gains(),
    }


def describe_controls(controls: Sequence[Mean]) -> Json | None:
    """Models on labels of other days, over the symbols of the sample; None without any."""
    if not controls:
        return None
    values = [one.value for one in controls]
    return {
        "symbols": len(values),
        "accuracy": fmean(values),
        "accuracy_se": stdev(values) / len(values) ** 0.5 if len(values) > 1 else None,
    }


def describe_signals(report: SymbolReport) -> Json:
    """Thresholds for tomorrow, and what those of the walk earned."""
    traded, walked = report.traded, report.walked
    since = traded.first_traded
    tomorrow = walked.tomorrow
    sides = {"long": tomorrow.long, "short": tomorrow.short}
    lines = traded.lines(since)
    return {
        "long_threshold": tomorrow.thresholds.long,
        "short_threshold": tomorrow.thresholds.short,
        **describe_trades(figures(lines)),
        "test": _earned(report.kept_lines),
        "aged": _earned(traded.aged_lines(since)),
        "walk": _describe_blocks(report),
        "evidence": {
            "first": _time_at(traded, report.evidence_row),
            "window": report.evidence_window,
            "days": report.examination.days,
        },
        "statistics": asdict(trade_statistics(walk_rows(report), lines)),
        "lower_bound": {name: side.lower_bound for name, side in sides.items()},
        "target_met": tomorrow.target_met,
        "power": {name: side.power for name, side in sides.items()},
        "share": {name: side.share if side.cut is not None else None for name, side in sides.items()},
        "why": [side.why for side in sides.values()],
        "proof": [side.proof for side in sides.values()],
    }


def walk_rows(report: SymbolReport) -> tuple[TradeRow, ...]:
    """Every trade of the walk, with the number of its block, counted from 1."""
    trades = report.traded.trades
    block = np.searchsorted(report.traded.starts, trades.entry, side="right")
    return trade_rows(trades, blocks=block)


def _earned(lines: Sequence[DayLine]) -> Json | None:
    return describe_trades(figures(lines)) if lines else None


def _time_at(traded: WalkTrades, row: int) -> str | None:
    times = traded.block.candles.open_time
    return iso(int(times[row])) if row < len(times) else None


def _describe_blocks(report: SymbolReport) -> list[Json]:
    """Every block of the walk: where it lies, by what it was traded, and what that earned."""
    traded = report.traded
    times, trades = traded.block.candles.open_time, traded.trades
    of_block = np.searchsorted(traded.starts, trades.entry, side="right") - 1
    return [
        {
            "first": iso(int(times[start])),
            "last": iso(int(times[stop - 1])),
            "long_threshold": chosen.thresholds.long,
            "short_threshold": chosen.thresholds.short,
            "trades": int(np.sum(of_block == at)),
            "net_bps": float(np.sum(trades.net[of_block == at])) * BPS,
        }
        for at, (chosen, (start, stop)) in enumerate(
            zip(report.walked.blocks, pairwise(traded.starts.tolist()), strict=True)
        )
    ]


def describe_trades(figures: TradeFigures) -> Json:
    """The figures of one block; each day with a trade has a line."""
    section = as_json(figures)
    section["daily"] = [
        {"date": line.date, "trades": line.trades, "net_bps": line.net_bps}
        for line in figures.daily
        if line.trades
    ]
    return section


def as_json(
    value: TradeFigures | Calibration | Stability | Verdict | Evaluation | Acceptance | PooledVerdict,
) -> Json:
    """A value of this room as JSON: tuples become lists."""
    return plain(asdict(value))


def plain(values: Json) -> Json:
    """Values as they are after JSON: tuples become lists."""
    section: Json = json.loads(json.dumps(values))
    return section


def _part(labelled: LabelledSet, rows: Rows) -> Json:
    times = labelled.features.open_time[rows]
    return {
        "first": iso(int(times[0])),
        "last": iso(int(times[-1])),
        "rows": len(rows),
        "labelled": int(np.sum(labelled.decided[rows])),
    }
