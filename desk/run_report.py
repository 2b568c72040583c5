"""``report.html``: written beside the summary at the end of a run and by ``--report``.

A service that joins the registry, the rules of the summary and the page: what the models directory says comes
in; the file goes out, and its path is printed.  Nothing is decided here, and deleting the file loses nothing.

Not here: how it looks (``desk.reports.html``).
"""

from collections.abc import Mapping, Sequence

from desk.errors import ModelError
from desk.learn.overview import nearest_first, overview, running_sum
from desk.learn.summary import trained_row, untrained_row
from desk.outcomes import Json
from desk.registry import ModelRegistry
from desk.registry.report_file import write_report_file
from desk.reports.console import Console
from desk.reports.html.data import ReportData, SymbolFigures
from desk.reports.html.page import report_page
from desk.stopwatch import utc_now


def write_report(
    registry: ModelRegistry, state: Json, console: Console, *, known: Sequence[Json] = ()
) -> bool:
    """Write the report from what is there and print its path; whether there was anything to report.

    A disk that refuses it is named and nothing more: the models are published already.

    Parameters
    ----------
    registry : ModelRegistry
    state : dict
        ``models.json``, as it was just made.
    console : Console
    known : sequence of dict
        Metadata that need not be read again: reading and checking those of a symbol takes 30 ms.
    """
    summary = registry.read_summary()
    if summary is None and not state["models"]:
        console.print(
            f"{registry.folder} holds no model and no summary: train first, then there is a report."
        )
        return False
    data = report_data(registry, summary, state, known=known, written_at=utc_now().isoformat())
    try:
        path = write_report_file(registry.folder, report_page(data))
    except OSError as exc:
        console.error(f"⚠️ The report cannot be written ({exc.strerror}): make room, then give --report.")
        return True
    console.print(f"Report: {path}")
    return True


def report_data(
    registry: ModelRegistry,
    summary: Json | None,
    state: Json,
    *,
    known: Sequence[Json],
    written_at: str,
) -> ReportData:
    """All that the report shows.

    Parameters
    ----------
    registry : ModelRegistry
    summary : dict or None
        Of the last run.
    state : dict
        ``models.json``.
    known : sequence of dict
        Metadata that need not be read.
    written_at : str
        ISO 8601, UTC.
    """
    states = {row["symbol"]: row for row in state["models"]}
    rows = {} if summary is None else {row["symbol"]: row for row in summary["symbols"]}
    by_file = {one["model_file"]: one for one in known}
    metadata = {
        symbol: _metadata(registry, by_file, rows.get(symbol), states.get(symbol))
        for symbol in sorted({*rows, *states})
    }
    shown = {symbol: rows.get(symbol) or _row(states[symbol], of) for symbol, of in metadata.items()}
    pooled = summary["pooled"] if summary is not None else None
    return ReportData(
        summary=summary,
        symbols=tuple(
            SymbolFigures(row, metadata[row["symbol"]], states.get(row["symbol"]), row["symbol"] in rows)
            for row in nearest_first(shown.values())
        ),
        overview=overview([one for one in metadata.values() if one is not None]),
        pooled_days=tuple(running_sum(pooled["daily"] if pooled is not None else [])),
        written_at=written_at,
    )


def _metadata(
    registry: ModelRegistry, known: Mapping[str, Json], row: Json | None, state: Json | None
) -> Json | None:
    """Metadata of the version that a row of the summary names, else of the one that is shown."""
    model_file = (row or {}).get("model_file") or (state or {}).get("version")
    if model_file is None:
        return None
    try:
        metadata = known.get(model_file) or registry.metadata(model_file)
    except ModelError:
        return None
    return metadata if metadata["schema_version"] > 1 else None


def _row(state: Json, metadata: Json | None) -> Json:
    """The row of a model that the last run did not meet."""
    if metadata is not None:
        return trained_row(metadata)
    why = state["problem"] or state["retrain"] or "its model was written by an earlier version of the suite"
    return untrained_row(state["symbol"], "unreadable", why)
