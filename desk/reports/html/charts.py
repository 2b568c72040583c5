"""The pictures of the report, as values: series, axes, and what each is and is not.

``ReportData`` comes in; JSON for the page goes out.  Every picture's own values are also its table.  Pure.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from desk.outcomes import Json
from desk.reports.html.data import ReportData
from desk.reports.html.symbols import at, rounded

CHANCE_POINTS = 25
"""Points of the curve that says what chance alone would give."""
Axis = tuple[str, str]
"""What an axis shows, and its unit."""


def charts(data: ReportData) -> list[Json]:
    """All pictures that there are values for, in the order of the page."""
    return [one for one in _all(data) if any(series["data"] for series in one["series"])]


def _all(data: ReportData) -> Iterator[Json]:
    described = [one.metadata for one in data.symbols if one.metadata is not None]
    of = data.overview
    yield _chance(described, of["chance"])
    yield _coverage(described)
    yield _calibration(of["calibration"])
    yield _equity(data.pooled_days)
    yield _drawdown(data.pooled_days)
    for key, title, words in (
        ("months", "By month", "Net result of a trade in each calendar month, all symbols together."),
        ("hours", "By hour of the day (UTC)", "One good hour among 24 is what luck looks like."),
        ("sides", "By side", "Net result of long and of short trades."),
        ("ended", "By what ended the trade", "Its horizon, its stop, or its target."),
        ("thirds", "By volatility", "A third of the candles each, by how much prices moved before them."),
    ):
        yield _groups(key, title, words, of[key])
    yield _importance(of["importance"])
    yield _tuning(described)
    yield _quality(described)
    yield _timing(of["seconds"])


def _picture(key: str, title: str, words: str, kind: str, x: Axis, y: Axis, *series: Json) -> Json:
    axes = {name: {"label": label, "unit": unit} for name, (label, unit) in (("x", x), ("y", y))}
    return {"key": key, "title": title, "words": words, "kind": kind, **axes, "series": list(series)}


def _series(name: str, data: Iterable[Sequence[object]], *, line: bool = False) -> Json:
    return {"name": name, "line": line, "data": [[rounded(value) for value in point] for point in data]}


def _points(described: Sequence[Json], x: str, y: str) -> Iterator[tuple[float, float, str]]:
    for one in described:
        a, b = at(one, x), at(one, y)
        if isinstance(a, int | float) and isinstance(b, int | float):
            yield a, b, one["symbol"]


def _chance(described: Sequence[Json], chance: Json) -> Json:
    points = list(_points(described, "metrics.n", "metrics.accuracy"))
    most = max((n for n, _, _ in points), default=1)
    least = min((n for n, _, _ in points), default=1)
    steps = [least * (most / least) ** (number / CHANCE_POINTS) for number in range(CHANCE_POINTS + 1)]
    reach = [(n, 1.96 * math.sqrt(0.25 / n)) for n in steps] if points else []
    words = (
        f"{chance['above']} of {chance['intervals']} intervals lie wholly above one half, {chance['below']} "
        f"wholly below; if every model guessed, about {chance['expected']:.1f} would lie on each side. The "
        "lines enclose 95 % of guesses on independent candles; candles of one day are not independent, so "
        "more than 5 % lie outside. Win rates on labelled candles, known only afterwards: no share of trades."
    )
    return _picture(
        "chance",
        "Win rate against chance",
        words,
        "scatter",
        ("labelled test candles", "count"),
        ("win rate", "share"),
        _series("symbols", points),
        _series("chance, upper", ((n, 0.5 + half) for n, half in reach), line=True),
        _series("chance, lower", ((n, 0.5 - half) for n, half in reach), line=True),
    )


def _coverage(described: Sequence[Json]) -> Json:
    return _picture(
        "coverage",
        "Net result against coverage",
        "Mean net result of a trade, against the share of candles that fire. At the close is the price of "
        "the signal's own candle, which nobody gets for certain; executable is the mean price of the next "
        "one. Means of past trades of the walk, each without its interval, which the table of symbols has.",
        "scatter",
        ("candles that fire", "share"),
        ("net a trade", "bp"),
        _series("at the close", _points(described, "signals.coverage", "signals.net_bps")),
        _series("executable", _points(described, "signals.coverage", "signals.executable_net_bps")),
    )


def _calibration(table: Sequence[Json]) -> Json:
    ends = [line["probability"] for line in table]
    return _picture(
        "calibration",
        "Calibration",
        "Of candles that were given a probability of going up, how many did; on the line it is as promised. "
        "All symbols together, candles of the calibration tables in the metadata, mean of every 5 points.",
        "scatter",
        ("probability given", "share"),
        ("went up", "share"),
        _series("went up", ((line["probability"], line["up"]) for line in table)),
        _series("as promised", ((end, end) for end in (ends[:1] + ends[-1:])), line=True),
    )


def _equity(days: Sequence[Json]) -> Json:
    return _picture(
        "equity",
        "All trades after costs",
        "Running sum of the net results of all symbols' trades of evidence, every trade of the same size, "
        "nothing compounded. It is no account: symbols overlap, and the margin of an account would end it "
        "earlier. Past trades, out of sample.",
        "line",
        ("day", "text"),
        ("sum", "bp"),
        _series("sum of net results", ((day["date"], day["sum_bps"]) for day in days), line=True),
    )


def _drawdown(days: Sequence[Json]) -> Json:
    return _picture(
        "drawdown",
        "Drawdown",
        "How far that sum is below its highest point so far; the deepest so far is not the deepest possible.",
        "line",
        ("day", "text"),
        ("below the peak", "bp"),
        _series("below the peak", ((day["date"], -day["below_peak_bps"]) for day in days), line=True),
    )


def _groups(key: str, title: str, words: str, groups: Sequence[Json]) -> Json:
    known = [group for group in groups if group["net_bps"] is not None]
    return _picture(
        key,
        title,
        f"{words} Means per trade, after costs; a group of few trades says little.",
        "bar",
        ("", "text"),
        ("net a trade", "bp"),
        _series("net a trade", ((group["name"], group["net_bps"]) for group in known)),
        _series("trades", ((group["name"], group["trades"]) for group in known)) | {"hidden": "count"},
        _series("won", ((group["name"], group["win_rate"]) for group in known)) | {"hidden": "share"},
    )


def _importance(features: Sequence[Json]) -> Json:
    return _picture(
        "importance",
        "What the models look at",
        "Share of the gain of each feature, mean over all models. It says what trees split on, not what "
        "earns; a model of noise has such a list too.",
        "bars",
        ("", "text"),
        ("share of gain", "share"),
        _series("share of gain", ((one["name"], one["share"]) for one in features)),
    )


def _tuning(described: Sequence[Json]) -> Json:
    points = list(_points(described, "tuning.baseline_value", "tuning.best_value"))
    ends = sorted(value for value, _, _ in points)
    return _picture(
        "tuning",
        "Tuning",
        "Best trial against the fixed parameters, on the same validation parts. On the line, tuning found "
        "nothing. The best of many trials is mostly luck: the fixed ones stay unless a trial beats them "
        "beyond chance.",
        "scatter",
        ("fixed parameters", "share"),
        ("best trial", "share"),
        _series("symbols", points),
        _series("no better", ((end, end) for end in (ends[:1] + ends[-1:])), line=True),
    )


def _quality(described: Sequence[Json]) -> Json:
    empty = sorted(
        ((one["symbol"], one["data"]["zero_volume_share"], one["data"]["missing"]) for one in described),
        key=lambda of: (-of[1], of[0]),
    )[:30]
    return _picture(
        "quality",
        "Empty candles and holes",
        "Share of candles in which nothing was traded, the 30 symbols with most of them; their table also "
        "counts candles that are missing. Prices of empty candles stand still, which looks predictable.",
        "bars",
        ("", "text"),
        ("empty candles", "share"),
        _series("empty candles", ((symbol, share) for symbol, share, _ in empty)),
        _series("missing", ((symbol, holes) for symbol, _, holes in empty)) | {"hidden": "count"},
    )


def _timing(seconds: Sequence[Json]) -> Json:
    return _picture(
        "timing",
        "Where the time goes",
        "Mean seconds of a symbol in each stage of its training, by the clock of its worker.",
        "bars",
        ("", "text"),
        ("seconds", "seconds"),
        _series("seconds", ((one["name"], one["seconds"]) for one in seconds)),
    )
