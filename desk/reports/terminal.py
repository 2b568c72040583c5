"""What a training run says on a terminal: a line per symbol, a closing table, columns of a bar.

Outcomes and the summary come in; text and rich renderables go out; the door prints them.  Pure.
"""

from collections.abc import Collection, Iterator, Sequence

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from desk.costs import COARSE_BPS, coarse_steps
from desk.outcomes import Failed, Json, Skipped

GUIDE = {"accuracy": "win rate", "precision": "precision", "recall": "recall", "f1": "F1"}
"""The figures for which the guide names one target, with their usual names."""
COARSE_CAPTION = f"* tick or spread above {COARSE_BPS:g} bp: its win rate counts bounce"
"""Below a table in which such a symbol bears the mark."""


def fetch_columns() -> tuple[ProgressColumn, ...]:
    """Columns of the bar of phase 1; the task has the field ``note``."""
    return (
        TextColumn("Candles"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("requests · {task.fields[note]} ·"),
        TimeRemainingColumn(),
    )


def symbol_columns(stage: str) -> tuple[ProgressColumn, ...]:
    """Columns of the bar of both phases, ``train`` or ``explore``; the task has the field ``note``."""
    return (
        TextColumn({"train": "Training", "explore": "Exploring"}[stage]),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("symbols · {task.fields[note]}"),
    )


def trained_line(metadata: Json) -> str:
    """The line of a symbol that was trained."""
    return f"✅ {metadata['symbol']}: {_figures_part(metadata)} · {metadata['timing']['cpu_seconds']:.1f} s"


def taken_line(metadata: Json) -> str:
    """The line of a symbol that an earlier run trained of the same candles."""
    when = metadata["created_at"][:16].replace("T", " ")
    return f"✅ {metadata['symbol']}: {_figures_part(metadata)} · taken from {when} UTC"


def _figures_part(metadata: Json) -> str:
    parts = [
        _labelled_part(metadata["metrics"]) + coarse_part(metadata["data"]),
        _trades_part(metadata["signals"]),
        _verdict_part(metadata),
    ]
    return " · ".join(parts)


def _labelled_part(metrics: Json | None) -> str:
    if metrics is None:
        return "no labelled test candle"
    auc = "–" if metrics["auc"] is None else f"{metrics['auc']:.3f}"
    return (
        f"win rate {percent(metrics['accuracy'])} [{_interval(metrics['accuracy_ci95'])}] on "
        f"{metrics['n']:,} labelled candles · AUC {auc}"
    )


def coarse_part(market: Json) -> str:
    """A warning where tick or spread make up most of what a win rate counts; empty elsewhere.

    Parameters
    ----------
    market : dict
        With ``tick_bps`` and ``spread_bps``, each a number or None.
    """
    coarse = coarse_steps(tick_bps=market["tick_bps"], spread_bps=market["spread_bps"])
    return f" ({' and '.join(coarse)}: bounce between bid and ask counts as wins)" if coarse else ""


def marked_symbol(market: Json) -> str:
    """The symbol, with an asterisk where ``coarse_part`` warns; see ``COARSE_CAPTION``."""
    return f"{market['symbol']}{'*' if coarse_part(market) else ''}"


def _trades_part(signals: Json) -> str:
    if not signals["n"]:
        return "no trade in the walk"
    needed = signals["break_even_win_rate"]
    enough = "" if needed is None else f" ({percent(needed)} to break even)"
    window = signals["evidence"]["window"]
    return (
        f"{signals['n']:,} trades, {signals['net_bps']:+.1f} bp each after costs, "
        f"{percent(signals['win_rate'])} won{enough}{f' ({window})' if window else ''}"
    )


def _verdict_part(metadata: Json) -> str:
    verdict = metadata["verdict"]
    if verdict["tradable"]:
        return "TRADABLE"
    if verdict["family_size"] is None:  # pending: what is said last is that the other symbols are to come
        failed = verdict["reasons"][:-1]
        return (
            f"not tradable: {in_short(failed)}" if failed else "nothing speaks against it; verdict at the end"
        )
    return f"not tradable: {in_short(verdict['reasons'])}"


def in_short(reasons: Sequence[str]) -> str:
    """The head of the first reason, and how many there are besides; the metadata have them whole."""
    if not reasons:
        return ""
    head = reasons[0].partition(":")[0].partition(";")[0]
    return f"{head} (and {len(reasons) - 1} more)" if len(reasons) > 1 else head


def skipped_line(skipped: Skipped) -> str:
    """The line of a symbol that was left out for a stated reason."""
    return f"⚠️ {skipped.symbol}: skipped. {skipped.reason}"


def failed_line(failed: Failed) -> str:
    """The line of a symbol that went wrong."""
    return f"❌ {failed.symbol}: failed ({failed.stage}). {failed.message}"


def fetch_table(rows: Sequence[tuple[str, int, int, float, int, int, float]]) -> Table:
    """One row per fetched symbol, in the order of the columns; holes are counted in candles."""
    table = Table(title="In the cache")
    table.add_column("symbol")
    for name in ("candles", "holes", "zero volume", "funding rates", "requests", "seconds"):
        table.add_column(name, justify="right")
    for symbol, candles, missing, zero_volume, rates, requests, seconds in rows:
        cells = (f"{candles:,}", f"{missing:,}", f"{zero_volume * 100:.1f} %", f"{rates:,}", f"{requests:,}")
        table.add_row(symbol, *cells, f"{seconds:.1f}")
    return table


def closing_tables(summary: Json) -> Group:
    """The closing table and, where a symbol traded, the statistics of its trades."""
    traded = [row for row in summary["symbols"] if row["trades"]]
    return Group(_closing_table(summary), *([_statistics_table(traded)] if traded else []))


def _closing_table(summary: Json) -> Table:
    """One row per trained symbol, the averages below; narrow enough for a terminal of 100 columns."""
    rows = [row for row in summary["symbols"] if row["status"] == "trained"]
    table = Table(
        title="Out of sample: labelled candles of the last fifth, and trades in the walk",
        caption=COARSE_CAPTION if any(coarse_part(row) for row in rows) else None,
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for name in _CLOSING:
        table.add_column(name, justify="left" if name in {"symbol", "trade"} else "right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    averages = summary["averages"]
    if averages is not None:
        table.add_section()
        table.add_row("average", percent(averages["accuracy"]), _decimals(averages["auc"]))
    return table


_CLOSING = (
    *("symbol", "win rate [95 %]", "AUC", "trades", "won (needed)", "gross", "at next", "net bp"),
    *("CPU s", "trade"),
)
"""``gross`` is before costs, entered at the signal's close; ``at next`` the same, entered at the next
candle's mean price."""


def _statistics_table(rows: Sequence[Json]) -> Table:
    """What traders look at first, one row per symbol with trades."""
    table = Table(title="Trades in the walk, after costs", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("symbol", no_wrap=True)
    for name in ("trades", "profit factor", "Sharpe", "Sortino", "Calmar", "drawdown bp", "losing streak"):
        table.add_column(name, justify="right")
    for row in rows:
        ratios = [row[name] for name in ("profit_factor", "sharpe", "sortino", "calmar")]
        table.add_row(
            row["symbol"],
            f"{row['trades']:,}",
            *("–" if value is None else f"{value:.2f}" for value in ratios),
            "–" if row["max_drawdown_bps"] is None else f"{row['max_drawdown_bps']:,.0f}",
            f"{row['longest_losing_streak']}",
        )
    return table


def _cells(row: Json) -> list[str]:
    needed = "" if row["break_even_win_rate"] is None else f" ({percent(row['break_even_win_rate'])})"
    return [
        marked_symbol(row),
        escape(f"{percent(row['accuracy'])} [{_interval(row['accuracy_ci95'])}]"),
        _decimals(row["auc"]),
        f"{row['trades']:,}",
        f"{percent(row['win_rate'])}{needed}",
        *(_signed(row[name]) for name in ("gross_bps", "executable_gross_bps", "net_bps")),
        f"{row['cpu_seconds']:.1f}",
        "yes" if row["tradable"] else "no",
    ]


def _interval(bounds: Sequence[float] | None) -> str:
    """The bounds of a share in per cent; in words where there are none."""
    return "too few days" if bounds is None else f"{bounds[0] * 100:.1f}, {bounds[1] * 100:.1f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def _decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def closing_words(summary: Json, *, target: float, met: Collection[str]) -> str:
    """The sentences below the closing table: counts, the guide's targets, all trades together, what to do.

    Parameters
    ----------
    summary : dict
        As ``desk.learn.summary.summarise`` makes it.
    target : float
        The guide's target, a fraction.
    met : collection of str
        Keys of the averages that reach it.
    """
    counts, averages = summary["counts"], summary["averages"]
    lines = [
        (
            f"{counts['trained']} trained, {counts['skipped']} skipped, {counts['failed']} failed of "
            f"{counts['requested']}; {counts['tradable']} tradable."
        )
    ]
    if averages is not None:
        figures = [
            f"{label} {percent(averages[name])} ({'met' if name in met else 'not met'})"
            for name, label in GUIDE.items()
        ]
        lines.append(f"The guide's targets of {percent(target)}, on average: {', '.join(figures)}.")
    if (pooled := summary["pooled"]) is not None and pooled["n"]:
        bounds = pooled["net_bps_ci95"]
        between = "too few days" if bounds is None else f"{bounds[0]:+.1f}, {bounds[1]:+.1f}"
        lines.append(
            f"All {pooled['n']:,} trades of evidence together: {percent(pooled['win_rate'])} won after "
            f"costs, {percent(pooled['hit_rate'])} before; gross {pooled['gross_bps']:+.1f} bp, net "
            f"{pooled['net_bps']:+.1f} bp [{between}] a trade."
        )
    if summary["portfolio"]["symbols"]:
        lines.append(f"As one portfolio, {summary['portfolio']['why']}.")
    lines += _advice(summary)
    if (controls := summary["controls"]) is not None:
        lines.append(
            f"Control on {controls['symbols']} symbols with labels of other days: "
            f"{percent(controls['accuracy'])}, which must be one half."
        )
    return "\n".join(lines)


def _advice(summary: Json) -> Iterator[str]:
    """How many symbols changed, and how many want attention; their names are in the summary."""
    counts = {name: len(summary[name]) for name in ("retrain", "drop")}
    previous = summary["previous"]
    if previous is not None and previous["same_labels"]:
        better, worse = len(previous["better"]), len(previous["worse"])
        yield f"Against the run before: {better} better and {worse} worse beyond chance."
    if any(counts.values()):
        yield f"To retrain: {counts['retrain']}, to drop: {counts['drop']}; the summary says which and why."


def percent(share: float | None) -> str:
    """0.523 as ``52.3 %``."""
    return "–" if share is None else f"{share * 100:.1f} %"


def age(minutes: float) -> str:
    """A span of time to be read at a glance: ``4 min``, ``7.5 h``, ``12 days``."""
    if minutes < 120:
        return f"{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.1f} h"
    return f"{minutes / 1440:,.0f} days"
