"""Figures over all symbols of a models directory, from which the report's pictures are drawn.

Metadata of models come in; a JSON object goes out.  Each figure is a count, a sum, or a mean that is weighted
by the trades or candles behind it; nothing is decided here.  Pure.

Not here: how it is shown (``desk.reports.html``), and the verdict on all symbols
(``desk.learn.run_verdicts``).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from desk.outcomes import Json

CALIBRATION_BINS = 20
TAIL = 0.025
"""Share of 95 % intervals that lie wholly above the truth if chance alone is at work."""
IMPORTANT = 20
"""Features that are listed."""


def overview(described: Sequence[Json]) -> Json:
    """Figures over all models.

    Parameters
    ----------
    described : sequence of dict
        Metadata of schema version 2, one per symbol.
    """
    signals = [one["signals"] for one in described]
    return {
        "chance": _chance([one["metrics"] for one in described if one["metrics"]]),
        "calibration": _calibration([one["calibration"] for one in described if one["calibration"]]),
        "months": by_name(row for one in described for row in one["stability"]["months"]),
        "hours": by_name(row for one in described for row in one["stability"]["hours"]),
        "thirds": by_name(
            (row for one in described for row in one["stability"]["thirds"]), in_order_of_name=False
        ),
        "sides": by_name(_named(signal["statistics"]["sides"] for signal in signals), in_order_of_name=False),
        "ended": by_name(_named(signal["statistics"]["ended"] for signal in signals), in_order_of_name=False),
        "importance": _importance([one["importance"] for one in described]),
        "chosen": dict(Counter(one["tuning"]["chosen"] for one in described)),
        "seconds": _mean_seconds([one["timing"] for one in described]),
    }


def running_sum(days: Sequence[Json]) -> list[Json]:
    """Daily net results with their running sum, and how far that is below its highest point so far.

    Parameters
    ----------
    days : sequence of dict
        With ``date``, ``trades`` and ``net_bps``, in order of time.
    """
    total = highest = 0.0
    found = []
    for day in days:
        total += day["net_bps"]
        highest = max(highest, total)
        found.append({**day, "sum_bps": total, "below_peak_bps": highest - total})
    return found


def nearest_first(rows: Iterable[Json]) -> list[Json]:
    """Rows of the summary: tradable ones first, then by how near the net result is to a proven one.

    What has to be above zero is the lower end of the interval of the net result: the order is by it.  Symbols
    without an interval follow, and those that were not trained come last.
    """
    return sorted(rows, key=_distance)


def _distance(row: Json) -> tuple[bool, bool, bool, float, str]:
    bounds = row["net_bps_ci95"]
    return (
        not row["tradable"],
        row["status"] != "trained",
        bounds is None,
        0.0 if bounds is None else -bounds[0],
        row["symbol"],
    )


def by_name(rows: Iterable[Json], *, in_order_of_name: bool = True) -> list[Json]:
    """Groups of trades and labelled candles that bear one name, taken together.

    Parameters
    ----------
    rows : iterable of dict
        With ``name``, ``trades`` and ``labelled`` (counts), and ``accuracy``, ``win_rate`` and ``net_bps``,
        each None where there is nothing to take it of.
    in_order_of_name : bool
        Whether they are sorted; else they keep the order in which their names appear.

    Returns
    -------
    list of dict
        Means weighted by the counts behind them.
    """
    groups: dict[str, list[Json]] = defaultdict(list)
    for row in rows:
        groups[row["name"]].append(row)
    names = sorted(groups) if in_order_of_name else list(groups)
    return [
        {
            "name": name,
            "labelled": sum(row["labelled"] for row in groups[name]),
            "accuracy": _weighted(groups[name], "accuracy", "labelled"),
            "trades": sum(row["trades"] for row in groups[name]),
            "win_rate": _weighted(groups[name], "win_rate", "trades"),
            "net_bps": _weighted(groups[name], "net_bps", "trades"),
        }
        for name in names
    ]


def _named(groups: Iterable[Json]) -> Iterable[Json]:
    for group in groups:
        for name, of in group.items():
            yield {"name": name, "labelled": 0, "accuracy": None, "trades": of["n"], **of}


def _weighted(rows: Sequence[Json], name: str, weight: str) -> float | None:
    known = [row for row in rows if row[name] is not None]
    total = sum(row[weight] for row in known)
    return sum(row[name] * row[weight] for row in known) / total if total else None


def _chance(metrics: Sequence[Json]) -> Json:
    """How many win rates are beyond one half, and how many would be if every model guessed."""
    bounds = [one["accuracy_ci95"] for one in metrics if one["accuracy_ci95"] is not None]
    return {
        "intervals": len(bounds),
        "above": sum(low > 0.5 for low, _ in bounds),
        "below": sum(high < 0.5 for _, high in bounds),
        "expected": TAIL * len(bounds),
    }


def _calibration(tables: Sequence[Json]) -> list[Json]:
    bins: dict[int, list[Json]] = defaultdict(list)
    for table in tables:
        for line in table["table"]:
            bins[min(int(line["probability"] * CALIBRATION_BINS), CALIBRATION_BINS - 1)].append(line)
    return [
        {
            "n": sum(line["n"] for line in bins[number]),
            "probability": _weighted(bins[number], "probability", "n"),
            "up": _weighted(bins[number], "up", "n"),
        }
        for number in sorted(bins)
    ]


def _importance(gains: Sequence[Json]) -> list[Json]:
    """Mean share of the gain of each feature, largest first; every model counts the same."""
    shares: dict[str, float] = defaultdict(float)
    counted = [gain for gain in gains if sum(gain.values()) > 0]
    for gain in counted:
        total = sum(gain.values())
        for name, value in gain.items():
            shares[name] += value / total / len(counted)
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:IMPORTANT]
    return [{"name": name, "share": share} for name, share in ranked]


def _mean_seconds(timings: Sequence[Json]) -> list[Json]:
    stages = [name for name in (timings[0] if timings else {}) if not name.startswith(("cpu", "peak"))]
    known = {name: [one[name] for one in timings if name in one] for name in stages}
    return [{"name": name, "seconds": sum(of) / len(of)} for name, of in known.items()]
