"""What is written down about a model: the metadata's sections on data, labels, split, tuning, metrics.

Values of the learning stages come in; plain JSON values go out.  Pure.  The meaning of every key
stands in ``docs/schemas/metadata.schema.json``.

Not here: names, digest and time of publishing (``desk.artefacts``).
"""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from desk.frames import DOWN, NEUTRAL, UP, Candles, LabelledSet
from desk.learn.evaluation import Metrics
from desk.learn.splits import Fold, Rows, Split
from desk.learn.tuning import Tuned

Json = dict[str, Any]


def describe_data(candles: Candles, *, tick: float | None, trained_through: int, refit_on_all: bool) -> Json:
    """The candles that a model was made from; ``tick`` is the price step, ``trained_through`` ms."""
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
    """Where development, test and the folds lie."""
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
    return {**asdict(metrics), "accuracy_ci95": list(metrics.accuracy_ci95)}


def not_evaluated(learnable: int, *, few: int) -> Json:
    """The verdict on a model whose trades were not examined; ``learnable`` labelled candles taught it."""
    reasons = ["not evaluated"]
    if learnable < few:
        reasons.append(f"few labels: {learnable:,} labelled development candles, {few:,} wanted")
    return {"tradable": False, "reasons": reasons, "p_value": None, "q_value": None, "family_size": None}


def iso(open_time: int) -> str:
    """A time in ms as ISO 8601 in UTC."""
    return datetime.fromtimestamp(open_time / 1000, tz=UTC).isoformat()


def _part(labelled: LabelledSet, rows: Rows) -> Json:
    times = labelled.features.open_time[rows]
    return {
        "first": iso(int(times[0])),
        "last": iso(int(times[-1])),
        "rows": len(rows),
        "labelled": int(np.sum(labelled.decided[rows])),
    }
