"""``training_summary.json``: one run over all its symbols.

The metadata of published models and the other outcomes come in; a JSON object goes out.  Pure.
Keys: ``docs/schemas/training_summary.schema.json``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from desk.outcomes import Failed, Json, Skipped

AVERAGED = ("accuracy", "precision", "recall", "f1", "auc")
TRADED = ("win_rate", "break_even_win_rate", "gross_bps", "net_bps", "net_bps_ci95")


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run cost."""

    fetch_seconds: float
    train_seconds: float
    requests: int
    throttled: int
    """429 answers met."""


@dataclass(frozen=True, slots=True)
class Results:
    """The outcomes of a run, one entry per symbol, in the order in which they came."""

    published: list[Json]
    """Metadata as written."""
    skipped: list[Skipped]
    failed: list[Failed]
    pooled: Json | None
    """Figures over the test trades of all symbols."""
    controls: Json | None


def summarise(
    results: Results,
    *,
    settings: Json,
    effort: Effort,
    started_at: str,
    finished_at: str,
    previous: Json | None,
) -> Json:
    """The summary of a run; ``previous`` is the summary that it replaces, if there is one."""
    rows = sorted(
        [
            *(trained_row(metadata) for metadata in results.published),
            *(_untrained_row(skip.symbol, "skipped", skip.reason) for skip in results.skipped),
            *(_untrained_row(failure.symbol, "failed", failure.message) for failure in results.failed),
        ],
        key=lambda row: str(row["symbol"]),
    )
    averages = _averages(rows)
    cpu = [row["cpu_seconds"] for row in rows if row["cpu_seconds"] is not None]
    return {
        "schema_version": 1,
        "started_at": started_at,
        "finished_at": finished_at,
        "settings": settings,
        "counts": {
            "requested": len(rows),
            "trained": len(results.published),
            "skipped": len(results.skipped),
            "failed": len(results.failed),
            "tradable": sum(row["tradable"] for row in rows),
        },
        "averages": averages,
        "pooled": results.pooled,
        "controls": results.controls,
        "symbols": rows,
        "problems": [
            {"symbol": failure.symbol, "stage": failure.stage, "message": failure.message}
            for failure in results.failed
        ],
        "timing": {
            "fetch_seconds": effort.fetch_seconds,
            "train_seconds": effort.train_seconds,
            "requests": effort.requests,
            "throttled": effort.throttled,
            "cpu_seconds_per_symbol": sum(cpu) / len(cpu) if cpu else None,
        },
        "previous": None if previous is None else _compared(averages, previous),
    }


def trained_row(metadata: Json) -> Json:
    """The headline figures of one published model."""
    metrics = metadata["metrics"] or {}
    return {
        "symbol": metadata["symbol"],
        "status": "trained",
        "model_file": metadata["model_file"],
        **{name: metrics.get(name) for name in ("accuracy", "accuracy_ci95", *AVERAGED[1:], "n")},
        "trades": metadata["signals"]["n"],
        **{name: metadata["signals"][name] for name in TRADED},
        "chosen": metadata["tuning"]["chosen"],
        "cpu_seconds": metadata["timing"]["cpu_seconds"],
        "tradable": metadata["verdict"]["tradable"],
        "reasons": metadata["verdict"]["reasons"],
    }


def _untrained_row(symbol: str, status: str, reason: str) -> Json:
    figures = ("model_file", "accuracy", "accuracy_ci95", *AVERAGED[1:], "n", "trades", *TRADED, "chosen")
    return {
        "symbol": symbol,
        "status": status,
        **dict.fromkeys(figures),
        "cpu_seconds": None,
        "tradable": False,
        "reasons": [reason],
    }


def _averages(rows: Sequence[Json]) -> Json | None:
    """Mean of each headline figure over the symbols that have it."""
    if not any(row["status"] == "trained" for row in rows):
        return None
    averages: Json = {}
    for name in AVERAGED:
        values = [row[name] for row in rows if row[name] is not None]
        averages[name] = sum(values) / len(values) if values else None
    return averages


def _compared(averages: Json | None, previous: Json) -> Json:
    before = previous["averages"]
    change = None
    if averages is not None and before is not None:
        pairs = {name: (averages[name], before[name]) for name in AVERAGED}
        change = {
            name: None if now is None or then is None else now - then for name, (now, then) in pairs.items()
        }
    return {"finished_at": previous["finished_at"], "averages": before, "change": change}
