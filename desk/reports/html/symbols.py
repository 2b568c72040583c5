"""The table of all symbols, and the panel of each: values only, in an order that is stated once.

``SymbolFigures`` come in; JSON for the page goes out.  A value is the one of the metadata or of the summary,
rounded to ``DIGITS`` significant digits; the browser writes it with its unit.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from desk.outcomes import Json
from desk.reports.html.data import SymbolFigures

DIGITS = 6
TABLE_DIGITS = 4
"""Significant digits in the tables of a panel, which are most of the file."""
CURVE_POINTS = 60
"""Days of a symbol's curve that the page keeps, at most."""
FEATURES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: where it is from, how it is written, and what it means."""

    path: str
    """Keys that lead to it, with dots between them."""
    label: str
    unit: str
    """``share``, ``bp``, ``count``, ``decimal``, ``number``, ``seconds``, ``text``, ``time`` or ``yesno``."""
    words: str
    narrow: bool = False
    """Whether it is shown on a phone too."""


COLUMNS = (
    Figure("symbol", "symbol", "text", "opens everything that is known of its model", narrow=True),
    Figure("outcome", "verdict", "text", "of the last judgement; the reasons are in its panel", narrow=True),
    Figure(
        "accuracy",
        "win rate",
        "share",
        "share of labelled test candles whose side was called; it is not the share of trades that win",
        narrow=True,
    ),
    Figure("accuracy_ci95.0", "from", "share", "lower end of its 95 % interval, which counts days"),
    Figure("accuracy_ci95.1", "to", "share", "upper end of its 95 % interval"),
    Figure("auc", "AUC", "decimal", "one half is no knowledge at all"),
    Figure("trades", "trades", "count", "of the walk: every week by a model of what lies before it"),
    Figure("win_rate", "won", "share", "share of the trades that earned after costs"),
    Figure("break_even_win_rate", "needed", "share", "share that would have to win to earn nothing"),
    Figure("gross_bps", "gross", "bp", "mean per trade before costs, entered at the signal's close"),
    Figure(
        "executable_gross_bps",
        "at next",
        "bp",
        "the same, entered at the next candle's mean price: what earns only at the close is bounce",
    ),
    Figure("net_bps", "net", "bp", "mean per trade after fees, slippage and spread", narrow=True),
    Figure("net_bps_ci95.0", "net from", "bp", "lower end of its 95 % interval: must be above zero"),
    Figure("net_bps_ci95.1", "net to", "bp", "upper end of its 95 % interval"),
    Figure("profit_factor", "profit factor", "number", "won over lost basis points"),
    Figure("max_drawdown_bps", "drawdown", "number", "largest fall of the summed trades, bp"),
    Figure("tick_bps", "tick", "number", "smallest price step over the price, bp"),
    Figure("spread_bps", "spread", "number", "distance of bid and ask, bp"),
)
"""Of the table; paths in a row of the summary."""

PANEL = (
    Figure("created_at", "trained", "time", ""),
    Figure("data.first", "first candle", "time", ""),
    Figure("data.last", "last candle", "time", ""),
    Figure("data.rows", "candles", "count", "finished ones"),
    Figure("data.missing", "holes", "count", "candles that the exchange does not have; none is invented"),
    Figure("data.zero_volume_share", "empty candles", "share", "nothing was traded in them"),
    Figure("data.tick_bps", "tick", "number", "bp of the price"),
    Figure("data.spread_bps", "spread", "number", "bp, charged to every trade"),
    Figure("data.spread_source", "spread from", "text", ""),
    Figure("data.turnover", "turnover", "count", "USDT in 24 hours, at training"),
    Figure("labels.horizon", "horizon", "count", "candles ahead that are predicted"),
    Figure("labels.threshold", "threshold", "share", "smallest move that counts"),
    Figure("labels.up", "labelled up", "count", ""),
    Figure("labels.down", "labelled down", "count", ""),
    Figure("labels.neutral", "neutral", "count", "no label: neither learned from nor counted as a win"),
    Figure("metrics.n", "labelled test candles", "count", ""),
    Figure("metrics.accuracy", "win rate", "share", "on them"),
    Figure("metrics.accuracy_ci95.0", "win rate, lower end", "share", "of its 95 % interval, by days"),
    Figure("metrics.accuracy_ci95.1", "win rate, upper end", "share", ""),
    Figure("metrics.base_rate", "went up", "share", "of them"),
    Figure("metrics.simple_rules.majority_side", "rule: usual side", "share", "win rate without a model"),
    Figure("metrics.simple_rules.last_return", "rule: last move goes on", "share", "win rate"),
    Figure("metrics.simple_rules.against_last_return", "rule: it turns", "share", "win rate"),
    Figure("metrics.precision", "precision", "share", "of the calls up"),
    Figure("metrics.recall", "recall", "share", "of the ups"),
    Figure("metrics.f1", "F1", "share", "of both"),
    Figure("signals.long_threshold", "long from", "decimal", "probability; none: never opens long"),
    Figure("signals.short_threshold", "short from", "decimal", "probability; none: never opens short"),
    Figure("signals.coverage", "coverage", "share", "of all candles of the walk fire"),
    Figure("signals.n", "trades", "count", "in the walk, one position at a time"),
    Figure("signals.hit_rate", "earned before costs", "share", "of the trades"),
    Figure("signals.win_rate", "earned after costs", "share", "of the trades"),
    Figure("signals.win_rate_labelled", "won, labelled trades", "share", "the guide's win rate of trades"),
    Figure("signals.gross_bps", "gross", "bp", "a trade"),
    Figure("signals.net_bps", "net", "bp", "a trade"),
    Figure("signals.net_bps_ci95.0", "net, lower end", "bp", "of its 95 % interval: must be above zero"),
    Figure("signals.net_bps_ci95.1", "net, upper end", "bp", ""),
    Figure("signals.executable_net_bps", "net at next candle", "bp", "a trade, entered a candle later"),
    Figure("signals.executable_net_bps_ci95.0", "the same, lower end", "bp", "of its 95 % interval"),
    Figure("signals.executable_net_bps_ci95.1", "the same, upper end", "bp", ""),
    Figure("signals.test.net_bps", "net in the last fifth", "bp", "a trade; its weeks alone"),
    Figure("signals.aged.net_bps", "net with week-old models", "bp", "a trade"),
    Figure("signals.statistics.sharpe", "Sharpe", "number", "yearly, of daily sums"),
    Figure("signals.statistics.sortino", "Sortino", "number", "yearly"),
    Figure("signals.statistics.longest_losing_streak", "losing streak", "count", "trades in a row"),
    Figure("signals.statistics.sides.long.n", "long trades", "count", ""),
    Figure("signals.statistics.sides.long.net_bps", "long net", "bp", "a trade"),
    Figure("signals.statistics.sides.short.n", "short trades", "count", ""),
    Figure("signals.statistics.sides.short.net_bps", "short net", "bp", "a trade"),
    Figure("calibration.brier", "Brier score", "decimal", "0.25 is a coin"),
    Figure("calibration.error_points", "calibration error", "number", "points between promised and real"),
    Figure("tuning.n_trials", "trials", "count", ""),
    Figure("tuning.n_pruned", "pruned", "count", "of them, early"),
    Figure("tuning.best_value", "best trial", "decimal", "win rate on the validation parts"),
    Figure("tuning.baseline_value", "fixed parameters", "decimal", "win rate on the same"),
    Figure("tuning.chosen", "chosen", "text", ""),
    Figure("tuning.why", "because", "text", ""),
    Figure("tuning.rounds", "rounds", "count", "trees of the model"),
    Figure("verdict.p_value", "p", "number", "chance of such a result without an edge"),
    Figure("verdict.q_value", "q", "number", "the same, with all symbols of the run in mind"),
    Figure("timing.cpu_seconds", "CPU", "seconds", ""),
    Figure("model_file", "model file", "text", ""),
    Figure("model_sha256", "SHA-256", "text", ""),
)
"""Of a symbol's panel; paths in its metadata."""

TABLES = {
    "months": ("stability.months", "name labelled accuracy trades win_rate net_bps"),
    "thirds": ("stability.thirds", "name labelled accuracy trades win_rate net_bps"),
    "hours": ("stability.hours", "name trades net_bps"),
    "calibration": ("calibration.table", "n probability up"),
}
"""Tables of a panel: where each is in the metadata, and its columns."""


def at(document: object, path: str) -> object:
    """What stands at a dotted path of dicts and lists; None where the way ends early."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list):
            document = document[int(part)]
        else:
            return None
    return document


def rounded(value: object, digits: int = DIGITS) -> object:
    """A number to so many significant digits, whole ones as they are; anything else unchanged."""
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def outcome(row: Json) -> str:
    """A row's verdict in a word or two."""
    if row["status"] != "trained":
        return str(row["status"])
    return "tradable" if row["tradable"] else "not tradable"


def table_row(one: SymbolFigures) -> list[object]:
    """Values of ``COLUMNS``."""
    row = {**one.row, "outcome": outcome(one.row)}
    return [rounded(at(row, column.path)) for column in COLUMNS]


def panel(one: SymbolFigures, versions: list[Json], features: dict[str, int]) -> Json:
    """All that is shown of one symbol.

    Parameters
    ----------
    one : SymbolFigures
    versions : list of dict
        Versions that panels share; new ones are added.
    features : dict
        Numbers of features by name, which panels share; new ones are added.

    Returns
    -------
    dict
        ``figures`` in the order of ``PANEL``, ``tables`` in that of ``TABLES``, and texts.
    """
    known: Json = {"reasons": list(one.row["reasons"])}
    state = one.state or {}
    known |= {name: state[name] for name in ("retrain", "drop", "live", "problem") if state.get(name)}
    if not one.of_last_run:
        known["earlier"] = True
    if (metadata := one.metadata) is None:
        return known
    if metadata["versions"] not in versions:
        versions.append(metadata["versions"])
    gains = metadata["importance"]
    total = sum(gains.values()) or 1.0
    return {
        **known,
        "figures": [rounded(at(metadata, figure.path)) for figure in PANEL],
        "texts": [*metadata["signals"]["why"], *metadata["signals"]["proof"]],
        "versions": versions.index(metadata["versions"]),
        "tables": {
            name: [
                [rounded(row[column], TABLE_DIGITS) for column in columns.split()]
                for row in _rows(metadata, path)
            ]
            for name, (path, columns) in TABLES.items()
        },
        "curve": curve(metadata["signals"]["daily"]),
        "importance": [
            [features.setdefault(name, len(features)), rounded(gain / total, TABLE_DIGITS)]
            for name, gain in sorted(gains.items(), key=lambda pair: -pair[1])[:FEATURES_SHOWN]
        ],
    }


def _rows(metadata: Json, path: str) -> list[Json]:
    found = at(metadata, path)
    return found if isinstance(found, list) else []


def curve(daily: Sequence[Json]) -> Json:
    """The running sum of daily net results in whole basis points, thinned; the last day is always kept.

    Returns
    -------
    dict
        ``first``, a date; ``day``, days since it; ``bps``, the sum at the end of each.
    """
    if not daily:
        return {"first": None, "day": [], "bps": []}
    first, total, sums = date.fromisoformat(daily[0]["date"]), 0.0, []
    for line in daily:
        total += line["net_bps"]
        sums.append(((date.fromisoformat(line["date"]) - first).days, round(total)))
    step = -(-len(sums) // CURVE_POINTS)
    kept = sums[::-1][::step][::-1]
    return {"first": daily[0]["date"], "day": [day for day, _ in kept], "bps": [bps for _, bps in kept]}
