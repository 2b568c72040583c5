"""``training_summary.json``: what one run over all its symbols came to, and what should be done about it.

The metadata of published models and the other outcomes come in; a JSON object goes out.  Here it is decided
which symbols are better or worse than in the run before, which want another training, which are not worth
one, and which of the guide's targets are met.  Pure.
Keys: ``desk/schemas/training_summary.schema.json``.

Not here: how it is shown (``desk.reports.terminal``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from desk.outcomes import Failed, Json, Skipped

AVERAGED = ("accuracy", "precision", "recall", "f1", "auc")
TARGETED = ("accuracy", "precision", "recall", "f1")
"""The averages for which the guide names a target."""
LABELS = ("prediction_horizon", "min_price_change")
"""Settings that say what a label is: win rates under different ones are not compared."""
TRADED = (
    "win_rate",
    "break_even_win_rate",
    "gross_bps",
    "executable_gross_bps",
    "net_bps",
    "net_bps_ci95",
)
MARKET = ("tick_bps", "spread_bps")
STATISTICS = ("profit_factor", "sharpe", "sortino", "calmar", "longest_losing_streak")


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run cost."""

    fetch_seconds: float
    train_seconds: float
    requests: int
    throttled: int
    """429 answers met."""


@dataclass(frozen=True, slots=True)
class RunResults:
    """The outcomes of a run, one entry per symbol, in the order in which they were finished."""

    trained: list[Json]
    """Metadata as written."""
    skipped: list[Skipped]
    failed: list[Failed]
    pooled: Json | None
    """Figures over the trades of evidence of all symbols."""
    portfolio: Json
    """One verdict over all symbols with a signal, by calendar days."""
    controls: Json | None


def summarise(
    results: RunResults,
    *,
    settings: Json,
    effort: RunCost,
    started_at: str,
    finished_at: str,
    previous: Json | None,
    published: Mapping[str, datetime],
    max_model_age_days: int,
) -> Json:
    """The summary of a run.

    Parameters
    ----------
    previous : dict or None
        The summary that it replaces, if there is one.
    published : mapping
        When the newest published model of each symbol in the directory was made, those of this run included.
    max_model_age_days : int
        Models that are older and not of this run are listed for retraining.
    """
    rows = sorted(
        [
            *(trained_row(metadata) for metadata in results.trained),
            *(untrained_row(skip.symbol, "skipped", skip.reason) for skip in results.skipped),
            *(untrained_row(failure.symbol, "failed", failure.message) for failure in results.failed),
        ],
        key=lambda row: str(row["symbol"]),
    )
    averages = _averages(rows)
    compared = None if previous is None else _compared(rows, settings, previous)
    cpu = [row["cpu_seconds"] for row in rows if row["cpu_seconds"] is not None]
    return {
        "schema_version": 2,
        "started_at": started_at,
        "finished_at": finished_at,
        "settings": settings,
        "counts": {
            "requested": len(rows),
            "trained": len(results.trained),
            "skipped": len(results.skipped),
            "failed": len(results.failed),
            "tradable": sum(row["tradable"] for row in rows),
        },
        "averages": averages,
        "pooled": results.pooled,
        "portfolio": results.portfolio,
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
        "previous": compared,
        "retrain": _retrain(
            rows,
            [] if compared is None else compared["worse"],
            published,
            now=datetime.fromisoformat(finished_at),
            max_age_days=max_model_age_days,
        ),
        "drop": [
            {"symbol": row["symbol"], "reason": "; ".join(reasons)}
            for row in rows
            if not row["tradable"] and (reasons := list(drop_reasons(row)))
        ],
    }


def trained_row(metadata: Json) -> Json:
    """The headline figures of one published model."""
    metrics = metadata["metrics"] or {}
    drawdown = metadata["signals"]["statistics"]["max_drawdown"]
    return {
        "symbol": metadata["symbol"],
        "status": "trained",
        "model_file": metadata["model_file"],
        **{name: metrics.get(name) for name in ("accuracy", "accuracy_ci95", *AVERAGED[1:], "n")},
        "trades": metadata["signals"]["n"],
        **{name: metadata["signals"][name] for name in TRADED},
        **{name: metadata["signals"]["statistics"][name] for name in STATISTICS},
        "max_drawdown_bps": drawdown and drawdown["bps"],
        **{name: metadata["data"][name] for name in MARKET},
        "chosen": metadata["tuning"]["chosen"],
        "cpu_seconds": metadata["timing"]["cpu_seconds"],
        "tradable": metadata["verdict"]["tradable"],
        "reasons": metadata["verdict"]["reasons"],
    }


def untrained_row(symbol: str, status: str, reason: str) -> Json:
    """The row of a symbol without figures.

    Parameters
    ----------
    symbol : str
    status : str
        ``skipped``, ``failed`` or, in the report alone, ``unreadable``.
    reason : str
        A sentence.
    """
    figures = (
        *("model_file", "accuracy", "accuracy_ci95", *AVERAGED[1:], "n", "trades"),
        *(*TRADED, *STATISTICS, "max_drawdown_bps", *MARKET, "chosen"),
    )
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


def targets_met(averages: Json | None, target: float) -> tuple[str, ...]:
    """The averages that reach the guide's target, by name; ``target`` is a fraction, 0.6 is 60 %."""
    if averages is None:
        return ()
    return tuple(name for name in TARGETED if averages[name] is not None and averages[name] >= target)


def _compared(rows: Sequence[Json], settings: Json, previous: Json) -> Json:
    """Compare with the run before: averages over the symbols that both trained."""
    known = {row["symbol"] for row in previous["symbols"] if row["status"] == "trained"}
    common = [row for row in rows if row["status"] == "trained" and row["symbol"] in known]
    names = {row["symbol"] for row in common}
    now = _averages(common)
    before = _averages([row for row in previous["symbols"] if row["symbol"] in names])
    change = None
    if now is not None and before is not None:
        pairs = {name: (now[name], before[name]) for name in AVERAGED}
        change = {
            name: None if after is None or then is None else after - then
            for name, (after, then) in pairs.items()
        }
    same_labels = all(settings.get(name) == previous["settings"].get(name) for name in LABELS)
    moved = list(_beyond_chance(rows, previous["symbols"])) if same_labels else []
    return {
        "finished_at": previous["finished_at"],
        "symbols": len(common),
        "averages": before,
        "change": change,
        "same_labels": same_labels,
        "better": [row for row in moved if row["change"] > 0],
        "worse": [row for row in moved if row["change"] < 0],
    }


def _beyond_chance(rows: Sequence[Json], before: Sequence[Json]) -> Iterator[Json]:
    """Symbols whose win rate on labelled test candles changed by more than chance explains.

    The two 95 % intervals must not overlap: the difference is larger than both half-widths together.  Of two
    independent test blocks without a change, one pair in some 180 would differ so; of the blocks of two runs
    a few days apart, far fewer: they share most of their candles, so both estimates err in the same direction
    and their difference varies less than that of independent ones.  That the comparison is conservative is
    meant: hundreds of symbols are compared at once.
    """
    known = {row["symbol"]: row for row in before}
    for row in rows:
        then, now = known.get(row["symbol"], {}).get("accuracy_ci95"), row["accuracy_ci95"]
        if then is None or now is None or (now[0] <= then[1] and then[0] <= now[1]):
            continue
        accuracy = known[row["symbol"]]["accuracy"]
        yield {
            "symbol": row["symbol"],
            "accuracy": row["accuracy"],
            "accuracy_before": accuracy,
            "change": row["accuracy"] - accuracy,
        }


def _retrain(
    rows: Sequence[Json],
    worse: Sequence[Json],
    published: Mapping[str, datetime],
    *,
    now: datetime,
    max_age_days: int,
) -> list[Json]:
    """Symbols whose published model should not be relied on as it is, each with the reason, by symbol."""
    reasons = {
        row["symbol"]: (
            f"its win rate fell from {row['accuracy_before'] * 100:.1f} % to {row['accuracy'] * 100:.1f} %, "
            "which is beyond chance: train it again soon, perhaps on a shorter history"
        )
        for row in worse
    }
    trained = {row["symbol"] for row in rows if row["status"] == "trained"}
    failed = {row["symbol"] for row in rows if row["status"] == "failed"}
    for symbol in sorted(set(published) - trained):
        age = (now - published[symbol]).days
        if symbol in failed:
            reasons[symbol] = f"it failed in this run, and a model that is {age} days old stays published"
        elif age > max_age_days:
            reasons[symbol] = (
                f"its model is {age} days old, {max_age_days} are the most, and this run did not train it"
            )
    return [{"symbol": symbol, "reason": reasons[symbol]} for symbol in sorted(reasons)]


def drop_reasons(row: Json) -> Iterator[str]:
    """Why a trained symbol that is not tradable is not worth its training, each a sentence."""
    net, accuracy = row["net_bps_ci95"], row["accuracy_ci95"]
    if net is not None and net[1] < 0:
        yield (
            f"its trades lose after costs beyond doubt: {row['net_bps']:+.1f} bp each "
            f"[{net[0]:+.1f}, {net[1]:+.1f}]"
        )
    if accuracy is not None and accuracy[0] <= 0.5:
        where = "lies below" if accuracy[1] < 0.5 else "cannot be distinguished from"
        yield (
            f"its win rate of {row['accuracy'] * 100:.1f} % [{accuracy[0] * 100:.1f}, "
            f"{accuracy[1] * 100:.1f}] {where} one half"
        )
