"""``models.json``: the state of all models of a directory, derived from its files.

A service that joins the registry, the rules of the summary and the journal.  It is written after every run
and every command that changes what is published; deleting it loses nothing.

Not here: how it is shown (``desk.reports.models``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from desk.errors import ModelError
from desk.learn.summary import drop_reasons, trained_row
from desk.outcomes import Json
from desk.registry import ModelRegistry
from desk.registry.state_file import read_state

Earned = Mapping[str, tuple[int, float, float]]
"""By model file: closed trades, the share that earned, and the mean net in basis points."""
NOT_FIGURES = ("symbol", "status", "model_file", "cpu_seconds")
FACTS = ("created_at", "trained_through", "judged_at", "figures", "problem", "metadata_stamp")
"""Fields of a row that the metadata alone decide."""


def models_state(
    registry: ModelRegistry,
    *,
    now: datetime,
    max_age_days: int,
    earned: Earned,
    known: Sequence[Json] = (),
) -> Json:
    """One row for every symbol that has a version.

    To read and check the metadata of one version takes 30 ms.  So what ``models.json`` says of it is taken
    from there, as long as its metadata have not been rewritten since.

    Parameters
    ----------
    registry : ModelRegistry
    now : datetime
    max_age_days : int
        Published models that are older should be trained again.
    earned : mapping
        What each model earned in live trading, see ``desk.trade.journal.database.earned_by_model``.
    known : sequence of dict
        Metadata that need not be read, as they were just written.
    """
    retired, summary, before = registry.retired(), registry.read_summary(), read_state(registry.folder)
    advised = {} if summary is None else {row["symbol"]: row["reason"] for row in summary["retrain"]}
    facts = _FactsOfVersions(
        registry,
        before={row["version"]: row for row in ([] if before is None else before["models"])},
        known={metadata["model_file"]: metadata for metadata in known},
    )
    rows = [
        _row(
            *(registry, facts, symbol, now, max_age_days, earned),
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


@dataclass(frozen=True, slots=True)
class _FactsOfVersions:
    """What the metadata of versions say for a row, read only where nobody has read them before."""

    registry: ModelRegistry
    before: Mapping[str, Json]
    """Rows of the last state, by model file."""
    known: Mapping[str, Json]
    """Metadata by model file."""

    def of(self, model_file: str) -> Json:
        """The fields ``FACTS`` of a row."""
        stamp, row = self.registry.metadata_stamp(model_file), self.before.get(model_file)
        if row is not None and stamp and row["metadata_stamp"] == stamp:
            return {name: row[name] for name in FACTS}
        facts: Json = {**dict.fromkeys(FACTS), "metadata_stamp": stamp}
        try:
            metadata = self.known.get(model_file) or self.registry.metadata(model_file)
        except ModelError as exc:
            return {**facts, "problem": str(exc)}
        figures = trained_row(metadata) if metadata["schema_version"] > 1 else None
        return facts | {
            "created_at": metadata["created_at"],
            "judged_at": metadata["verdict"].get("judged_at"),
            "trained_through": metadata["data"].get("trained_through"),
            "figures": figures and {name: of for name, of in figures.items() if name not in NOT_FIGURES},
        }


def _row(
    registry: ModelRegistry,
    facts: _FactsOfVersions,
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
        "published_at": registry.published_at(symbol),
        **dict.fromkeys(("retrain", "drop", "live")),
        **facts.of(shown or ""),
    }
    if row["problem"] is not None:
        return {**row, "retrain": "its files cannot be read"}
    if latest:
        row["retrain"] = _retrain(row, now, max_age_days, advised)
        if row["figures"] and not row["figures"]["tradable"]:
            row["drop"] = "; ".join(drop_reasons(row["figures"])) or None
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
