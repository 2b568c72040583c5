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
    Figure("outcome", "verdict", "text", "of the last run; the reasons are in its panel", narrow=True),
    Figure(
        "accuracy",
        "win rate",
        "share",
        "share of labelled test candles whose direction was called; it is not the share of trades that win",
        narrow=True,
    ),
    Figure("accuracy_ci95.0", "win rate from", "share", "lower end of its 95 % interval, which counts days"),
    Figure("accuracy_ci95.1", "win rate to", "share", "upper end of its 95 % interval"),
    Figure("auc", "AUC", "decimal", "how well ups are ranked above downs; one half is no knowledge at all"),
    Figure("trades", "trades", "count", "past, out of sample: every week by a model of what lies before it"),
    Figure("win_rate", "won", "share", "share of the trades that earned after costs"),
    Figure("break_even_win_rate", "needed", "share", "share that would have to win to earn nothing"),
    Figure("gross_bps", "gross, bp", "bp", "mean per trade before costs, entered at the signal's close"),
    Figure(
        "executable_gross_bps",
        "gross at next, bp",
        "bp",
        "the same, entered at the next candle's mean price: what earns only at the close is bounce",
    ),
    Figure("net_bps", "net, bp", "bp", "mean per trade after fees, slippage and spread", narrow=True),
    Figure("net_bps_ci95.0", "net from, bp", "bp", "lower end of its 95 % interval: must be above zero"),
    Figure("net_bps_ci95.1", "net to, bp", "bp", "upper end of its 95 % interval"),
    Figure("profit_factor", "profit factor", "number", "won over lost basis points; 1 is nothing earned"),
    Figure("max_drawdown_bps", "fall, bp", "number", "largest fall of the sum of its trades; not a limit"),
    Figure("tick_bps", "tick, bp", "number", "smallest price step over the price"),
    Figure("spread_bps", "spread, bp", "number", "distance of bid and ask over the price"),
)
"""Of the table; paths in a row of the summary."""

_ENDS = "end of its 95 % interval, which counts days"
PANEL = (
    Figure("created_at", "trained", "time", "when its model was published"),
    Figure("data.first", "first candle", "time", "where its history begins"),
    Figure("data.last", "last candle", "time", "where it ended when the model was trained"),
    Figure("data.rows", "candles", "count", "of 5 minutes, finished ones"),
    Figure("data.missing", "holes", "count", "candles that the exchange does not have; none is invented"),
    Figure("data.zero_volume_share", "empty candles", "share", "candles in which nothing was traded"),
    Figure("data.tick_bps", "tick", "number", "smallest price step, bp of the price"),
    Figure("data.spread_bps", "spread", "number", "between bid and ask, bp; charged to every trade"),
    Figure("data.spread_source", "spread from", "text", "how the spread is known"),
    Figure("data.turnover", "turnover", "count", "USDT in 24 hours, when it was trained"),
    Figure("labels.horizon", "horizon", "count", "candles ahead that are predicted"),
    Figure("labels.threshold", "threshold", "share", "smallest move within the horizon that has a label"),
    Figure("labels.up", "labelled up", "count", "candles before a move up of at least the threshold"),
    Figure("labels.down", "labelled down", "count", "candles before such a move down"),
    Figure("labels.neutral", "neutral", "count", "no label: neither learned from nor counted as a win"),
    Figure("metrics.n", "labelled test candles", "count", "of the last fifth, which was put aside"),
    Figure("metrics.accuracy", "win rate", "share", "of labelled test candles, called right; not of trades"),
    Figure("metrics.accuracy_ci95.0", "win rate from", "share", f"lower {_ENDS}"),
    Figure("metrics.accuracy_ci95.1", "win rate to", "share", f"upper {_ENDS}"),
    Figure("metrics.base_rate", "went up", "share", "of labelled test candles"),
    Figure("metrics.simple_rules.majority_side", "usual side", "share", "win rate of a rule without a model"),
    Figure("metrics.simple_rules.last_return", "last move goes on", "share", "win rate of that rule"),
    Figure("metrics.simple_rules.against_last_return", "last move turns", "share", "win rate of that rule"),
    Figure("metrics.precision", "precision", "share", "of the candles called up, those that went up"),
    Figure("metrics.recall", "recall", "share", "of the candles that went up, those called up"),
    Figure("metrics.f1", "F1", "share", "harmonic mean of precision and recall"),
    Figure("signals.long_threshold", "long from", "decimal", "probability of up; none: never opens long"),
    Figure("signals.short_threshold", "short from", "decimal", "probability of up; none: never opens short"),
    Figure("signals.coverage", "coverage", "share", "of all candles of the test weeks that gave a signal"),
    Figure("signals.n", "trades", "count", "past, out of sample, one position at a time"),
    Figure("signals.hit_rate", "won before costs", "share", "of the trades"),
    Figure("signals.win_rate", "won after costs", "share", "of the trades"),
    Figure("signals.win_rate_labelled", "won, labelled", "share", "of the trades on labelled candles"),
    Figure("signals.gross_bps", "gross", "bp", "bp a trade before costs, entered at the signal's close"),
    Figure("signals.net_bps", "net", "bp", "bp a trade after fees, slippage and spread"),
    Figure("signals.net_bps_ci95.0", "net from", "bp", f"bp; lower {_ENDS}: must be above zero"),
    Figure("signals.net_bps_ci95.1", "net to", "bp", f"bp; upper {_ENDS}"),
    Figure("signals.executable_net_bps", "net at next", "bp", "bp a trade, at the next candle's mean price"),
    Figure("signals.executable_net_bps_ci95.0", "net at next from", "bp", f"bp; lower {_ENDS}"),
    Figure("signals.executable_net_bps_ci95.1", "net at next to", "bp", f"bp; upper {_ENDS}"),
    Figure("signals.test.net_bps", "net in the last fifth", "bp", "bp a trade, its weeks alone"),
    Figure("signals.aged.net_bps", "net with older models", "bp", "bp a trade, each model a week older"),
    Figure("signals.statistics.sharpe", "Sharpe", "number", "yearly, of daily sums of net results"),
    Figure("signals.statistics.sortino", "Sortino", "number", "yearly; only losing days count as risk"),
    Figure("signals.statistics.longest_losing_streak", "losing streak", "count", "longest, trades in a row"),
    Figure("signals.statistics.sides.long.n", "long trades", "count", "of all its trades"),
    Figure("signals.statistics.sides.long.net_bps", "net of long", "bp", "bp a trade after costs"),
    Figure("signals.statistics.sides.short.n", "short trades", "count", "of all its trades"),
    Figure("signals.statistics.sides.short.net_bps", "net of short", "bp", "bp a trade after costs"),
    Figure("calibration.brier", "Brier score", "decimal", "squared error of probabilities; 0.25 is a coin"),
    Figure("calibration.error_points", "calibration error", "number", "points between promised and real"),
    Figure("tuning.n_trials", "trials", "count", "sets of parameters that were tried"),
    Figure("tuning.n_pruned", "pruned", "count", "trials that were given up early"),
    Figure("tuning.best_value", "best trial", "decimal", "its win rate on the validation parts"),
    Figure("tuning.baseline_value", "fixed parameters", "decimal", "their win rate on the same parts"),
    Figure("tuning.chosen", "chosen", "text", "baseline: the fixed parameters; tuned: the best trial"),
    Figure("tuning.why", "because", "text", "why these parameters were chosen"),
    Figure("tuning.rounds", "rounds", "count", "trees of the model"),
    Figure("verdict.p_value", "p", "number", "chance of such a net result without an edge"),
    Figure("verdict.q_value", "q", "number", "the same, with all symbols of the run in mind"),
    Figure("timing.cpu_seconds", "CPU", "seconds", "that its training took"),
    Figure("model_file", "model file", "text", "in the models directory"),
    Figure("model_sha256", "SHA-256", "text", "of that file"),
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
