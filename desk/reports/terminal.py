"""What a training run says on a terminal: a line per symbol and a closing table.

Outcomes and the summary come in; text and rich renderables go out; the door prints them.  Pure.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from rich.console import Group
from rich.table import Table

from desk.costs import COARSE_BPS, coarse_steps
from desk.outcomes import Failed, Json, Skipped
from desk.reports.columns import Layout, whole_table

GUIDE = {"accuracy": "win rate", "precision": "precision", "recall": "recall", "f1": "F1"}
"""The figures for which the guide names one target, with their usual names."""
COARSE_CAPTION = f"* tick or spread above {COARSE_BPS:g} bp: its win rate counts bounce"
"""Below a table in which such a symbol bears the mark."""
ROOMY = 105
"""Columns of a terminal from which on nothing is left out."""
MANY, NEAREST, NAMED = 40, 10, 3
"""Of more symbols than ``MANY`` a run shows the tradable and so many of the others, and names so many of a
cause."""


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


def fetch_table(rows: Sequence[tuple[str, int, int, float, int, int, float]], *, width: int = ROOMY) -> Table:
    """One row per fetched symbol, in the order of the columns; holes are counted in candles.

    Parameters
    ----------
    rows : sequence of tuple
    width : int
        Columns of the terminal.
    """
    cells = [
        (
            symbol,
            *(f"{candles:,}", f"{missing:,}", f"{zero_volume * 100:.1f} %", f"{rates:,}", f"{requests:,}"),
            f"{seconds:.1f}",
        )
        for symbol, candles, missing, zero_volume, rates, requests, seconds in rows
    ]
    return whole_table(_FETCHED, cells, width=width, title="In the cache")


_FETCHED = Layout(
    ("symbol", "candles", "holes", "zero volume", "funding rates", "requests", "seconds"),
    left=frozenset({"symbol"}),
    leaving=("seconds", "requests", "funding rates"),
)


def closing_tables(summary: Json, *, width: int = ROOMY) -> Group:
    """The closing table and, where a symbol traded, the statistics of its trades.

    Of many symbols the tradable and the nearest are shown.

    Parameters
    ----------
    summary : dict
        As ``desk.learn.summary.summarise`` makes it.
    width : int
        Columns of the terminal.
    """
    rows = shown_rows(summary)
    traded = [row for row in rows if row["trades"]]
    tables = [_closing_table(rows, summary["averages"], width)]
    return Group(*tables, *([_statistics_table(traded, width)] if traded else []))


def shown_rows(summary: Json) -> list[Json]:
    """Rows of the trained symbols that the closing table shows: all, or of many the tradable and the nearest.

    Nearest is what has the fewest reasons against it, and among equals what earned most after costs.
    """
    rows = [row for row in summary["symbols"] if row["status"] == "trained"]
    if len(rows) <= MANY:
        return rows
    others = sorted(
        (row for row in rows if not row["tradable"]),
        key=lambda row: (len(row["reasons"]), -(row["net_bps"] or 0.0) if row["trades"] else 0.0),
    )
    return [*(row for row in rows if row["tradable"]), *others[:NEAREST]]


def _closing_table(rows: Sequence[Json], averages: Json | None, width: int) -> Table:
    """One row per symbol, the averages over all trained ones below."""
    table = whole_table(
        _CLOSING,
        [_cells(row) for row in rows],
        width=width,
        title="Out of sample: labelled candles of the last fifth, and trades in the walk",
        caption=COARSE_CAPTION if any(coarse_part(row) for row in rows) else None,
    )
    if averages is not None:
        cells = {
            "symbol": "average",
            "win rate [95 %]": percent(averages["accuracy"]),
            "AUC": _decimals(averages["auc"]),
        }
        table.add_section()
        table.add_row(*(cells.get(str(column.header), "") for column in table.columns))
    return table


_CLOSING = Layout(
    (
        *("symbol", "win rate [95 %]", "AUC", "trades", "won (needed)", "gross", "at next", "net bp"),
        *("CPU s", "trade"),
    ),
    left=frozenset({"symbol", "trade"}),
    leaving=("CPU s", "AUC", "gross", "at next"),
)
"""``gross`` is before costs, entered at the signal's close; ``at next`` the same, entered at the next
candle's mean price."""


def _statistics_table(rows: Sequence[Json], width: int) -> Table:
    """What traders look at first, one row per symbol with trades."""
    names = ("profit_factor", "sharpe", "sortino", "calmar")
    cells = [
        (
            row["symbol"],
            f"{row['trades']:,}",
            *("–" if row[name] is None else f"{row[name]:.2f}" for name in names),
            "–" if row["max_drawdown_bps"] is None else f"{row['max_drawdown_bps']:,.0f}",
            f"{row['longest_losing_streak']}",
        )
        for row in rows
    ]
    return whole_table(_STATISTICS, cells, width=width, title="Trades in the walk, after costs")


_STATISTICS = Layout(
    (
        *("symbol", "trades", "profit factor", "Sharpe", "Sortino", "Calmar", "drawdown bp"),
        "losing streak",
    ),
    left=frozenset({"symbol"}),
    leaving=("Calmar", "Sortino"),
)


def _cells(row: Json) -> list[str]:
    needed = "" if row["break_even_win_rate"] is None else f" ({percent(row['break_even_win_rate'])})"
    return [
        marked_symbol(row),
        f"{percent(row['accuracy'])} [{_interval(row['accuracy_ci95'])}]",
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
        ),
        *_left_out(summary),
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


def _left_out(summary: Json) -> Iterator[str]:
    """What the tables of a run over many symbols do not show, and its failures by their cause."""
    shown, trained = len(shown_rows(summary)), summary["counts"]["trained"]
    if shown < trained:
        yield f"Shown: {shown} of {trained}, the tradable and the nearest; --list shows all."
    if summary["counts"]["requested"] <= MANY:
        return
    causes: dict[str, list[str]] = defaultdict(list)
    for row in summary["symbols"]:
        if row["status"] == "skipped":
            causes[f"Skipped, {{}} × {_cause(row['symbol'], row['reasons'][0])}"].append(row["symbol"])
    for problem in summary["problems"]:
        cause = _cause(problem["symbol"], problem["message"])
        causes[f"Failed ({problem['stage']}), {{}} × {cause}"].append(problem["symbol"])
    for text, symbols in sorted(causes.items(), key=lambda item: -len(item[1])):
        more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
        yield f"{text.replace('{}', f'{len(symbols)}', 1)}: {', '.join(symbols[:NAMED])}{more}."


def _cause(symbol: str, message: str) -> str:
    """What a message says of every symbol alike: without its symbol and its figures."""
    text = message.removeprefix(f"{symbol}: ").replace(symbol, "…")
    return re.sub(r"\d[\d.,:]*", "…", text.partition(";")[0]).rstrip(".")


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
