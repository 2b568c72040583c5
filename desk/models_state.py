"""``models.json``: the state of all models of a directory, derived from its files.

A service that joins the registry, the rules of the summary and the journal.  It is written after every run
and every command that changes what is published; deleting it loses nothing.

Not here: how it is shown (``desk.reports.models``).
"""

from collections.abc import Mapping
from datetime import datetime

from desk.errors import ModelError
from desk.learn.summary import drop_reasons, trained_row
from desk.outcomes import Json
from desk.registry import ModelRegistry

Earned = Mapping[str, tuple[int, float, float]]
"""By model file: closed trades, the share that earned, and the mean net in basis points."""
NOT_FIGURES = ("symbol", "status", "model_file", "cpu_seconds")


def models_state(registry: ModelRegistry, *, now: datetime, max_age_days: int, earned: Earned) -> Json:
    """One row for every symbol that has a version.

    Parameters
    ----------
    registry : ModelRegistry
    now : datetime
    max_age_days : int
        Published models that are older should be trained again.
    earned : mapping
        What each model earned in live trading, see ``desk.trade.journal.database.earned_by_model``.
    """
    retired, summary = registry.retired(), registry.read_summary()
    advised = {} if summary is None else {row["symbol"]: row["reason"] for row in summary["retrain"]}
    rows = [
        _row(
            registry,
            symbol,
            now,
            max_age_days,
            earned,
            retired=symbol in retired,
            advised=advised.get(symbol),
        )
        for symbol in registry.all_symbols()
    ]
    states = [row["state"] for row in rows]
    return {
        "schema_version": 1,
        "written_at": now.isoformat(),
        "counts": {
            **{state: states.count(state) for state in ("published", "retired", "candidate")},
            "tradable": sum(is_tradable(row) for row in rows),
            "retrain": sum(row["retrain"] is not None for row in rows),
            "drop": sum(row["drop"] is not None for row in rows),
        },
        "models": rows,
    }


def is_tradable(row: Json) -> bool:
    """Whether the published model of a row may be traded."""
    return row["state"] == "published" and row["figures"] is not None and bool(row["figures"]["tradable"])


def _row(
    registry: ModelRegistry,
    symbol: str,
    now: datetime,
    max_age_days: int,
    earned: Earned,
    *,
    retired: bool,
    advised: str | None,
) -> Json:
    versions, latest = registry.versions(symbol), registry.latest(symbol)
    shown = latest or (versions[0] if versions else None)
    row: Json = {
        "symbol": symbol,
        "state": "published" if latest else "retired" if retired else "candidate",
        "version": shown,
        "versions": len(versions),
        "aliases": {
            "latest": latest,
            "champion": latest,
            "challenger": versions[0] if latest and versions and versions[0] > latest else None,
        },
        **dict.fromkeys(("created_at", "trained_through", "judged_at", "figures")),
        "published_at": registry.published_at(symbol),
        **dict.fromkeys(("retrain", "drop", "live", "problem")),
    }
    try:
        metadata = registry.metadata(shown or "")
    except ModelError as exc:
        return {**row, "problem": str(exc), "retrain": "its files cannot be read"}
    figures = trained_row(metadata) if metadata["schema_version"] > 1 else None
    row["created_at"] = metadata["created_at"]
    row["judged_at"] = metadata["verdict"].get("judged_at")
    row["trained_through"] = metadata["data"].get("trained_through")
    row["figures"] = figures and {name: of for name, of in figures.items() if name not in NOT_FIGURES}
    if latest:
        row["retrain"] = _retrain(row, now, max_age_days, advised)
        if figures and not figures["tradable"]:
            row["drop"] = "; ".join(drop_reasons(figures)) or None
    if traded := earned.get(shown or ""):
        row["live"] = dict(zip(("trades", "win_rate", "net_bps"), traded, strict=True))
    return row


def _retrain(row: Json, now: datetime, max_age_days: int, advised: str | None) -> str | None:
    age = (now - datetime.fromisoformat(row["judged_at"] or row["created_at"])).days
    if age > max_age_days:
        return f"its model is {age} days old, {max_age_days} are the most"
    if row["figures"] is None:
        return "an earlier version of the suite wrote it, which recorded less"
    return advised
