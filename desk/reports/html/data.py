"""What the report is made of."""

from dataclasses import dataclass

from desk.outcomes import Json


@dataclass(frozen=True, slots=True)
class SymbolFigures:
    """One symbol: its headline figures, and all that is known of its model."""

    row: Json
    """As in the summary."""
    metadata: Json | None
    """Of schema version 2; None where it was not trained, or cannot be read."""
    state: Json | None
    """Its row of ``models.json``; None where it has no version."""
    of_last_run: bool


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that the report shows."""

    summary: Json | None
    """Of the last run; None where there is none that can be read."""
    symbols: tuple[SymbolFigures, ...]
    """Nearest to a proven edge first."""
    overview: Json
    """See ``desk.learn.overview.overview``."""
    pooled_days: tuple[Json, ...]
    """Trades of evidence of all symbols by day, see ``desk.learn.overview.running_sum``."""
    written_at: str
    """ISO 8601, UTC."""
