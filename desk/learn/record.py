"""What is written down about a model: the metadata's sections.

Values of the learning stages come in; plain JSON values go out.  Pure.  The meaning of every key
stands in ``desk/schemas/metadata.schema.json``.

Not here: names, digest and time of publishing (``desk.registry``).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean, stdev
from typing import Any

import numpy as np

from desk.learn.calibration import Calibration
from desk.learn.clustered import Mean
from desk.learn.evaluation import Metrics
from desk.learn.protocol import SymbolReport
from desk.learn.splits import Fold, Rows, Split
from desk.learn.stability import Stability
from desk.learn.trades import TradeFigures
from desk.learn.tuning import Tuned
from desk.learn.verdict import Evaluation, Verdict
from desk.values import DOWN, NEUTRAL, UP, Candles, LabelledSet, iso

Json = dict[str, Any]


def describe_data(candles: Candles, *, tick: float | None, trained_through: int, refit_on_all: bool) -> Json:
    """The candles that a model was made from.

    Parameters
    ----------
    candles : Candles
    tick : float or None
        Price step, in USDT; None where it is unknown.
    trained_through : int
        Open time of the last row that the published model was trained on, ms.
    refit_on_all : bool
        Whether the published model is another one than the evaluated one.
    """
    median = float(np.median(candles.close))
    digest = hashlib.sha256(candles.open_time.tobytes() + candles.values.tobytes())
    return {
        "first": iso(int(candles.open_time[0])),
        "last": iso(int(candles.open_time[-1])),
        "rows": len(candles),
        "missing": candles.missing,
        "zero_volume_share": float(np.mean(candles.values[4] == 0)),
        "tick_bps": None if tick is None else tick / median * 1e4,
        "sha256": digest.hexdigest(),
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
    report: SymbolReport, labelled: LabelledSet, candles: Candles, *, tick: float | None, seconds: float
) -> Json:
    """The sections of the metadata on candles, choices and figures.

    Parameters
    ----------
    report : SymbolReport
    labelled : LabelledSet
    candles : Candles
        The whole series.
    tick : float or None
        Price step, in USDT; None where it is unknown.
    seconds : float
        CPU time of the tuning.
    """
    decided = report.train_rows[labelled.decided[report.train_rows]]
    return {
        "data": describe_data(
            candles,
            tick=tick,
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
    """Thresholds, and what they earned: on the test part, and out of fold on the development part."""
    long, short = report.selection.long, report.selection.short
    return {
        "long_threshold": long.threshold,
        "short_threshold": short.threshold,
        **describe_trades(report.test),
        "out_of_fold": None if report.out_of_fold is None else describe_trades(report.out_of_fold),
        "lower_bound": {"long": long.lower_bound, "short": short.lower_bound},
        "target_met": report.selection.target_met,
        "power": {"long": long.power, "short": short.power},
        "why": [long.why, short.why],
    }


def describe_trades(figures: TradeFigures) -> Json:
    """The figures of one block; each day with a trade has a line."""
    section = as_json(figures)
    section["daily"] = [
        {"date": line.date, "trades": line.trades, "net_bps": line.net_bps}
        for line in figures.daily
        if line.trades
    ]
    return section


def as_json(value: TradeFigures | Calibration | Stability | Verdict | Evaluation) -> Json:
    """A value of this room as JSON: tuples become lists."""
    section: Json = json.loads(json.dumps(asdict(value)))
    return section


def _part(labelled: LabelledSet, rows: Rows) -> Json:
    times = labelled.features.open_time[rows]
    return {
        "first": iso(int(times[0])),
        "last": iso(int(times[-1])),
        "rows": len(rows),
        "labelled": int(np.sum(labelled.decided[rows])),
    }
