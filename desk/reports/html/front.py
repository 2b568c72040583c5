"""What the report says before any script runs: the question, its answer, the nearest symbols, what to do.

``ReportData`` comes in; sentences and the coordinates of a picture go out.  Pure.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from desk.outcomes import Json
from desk.reports.html.data import ReportData

NEAREST = 10
FULL = 100.0
"""Width of the picture, in its own units."""
CAUSES_SHOWN = 12
NAMED = 6
"""Symbols that a sentence names."""


@dataclass(frozen=True, slots=True)
class IntervalLine:
    """One symbol's net result with its interval, in units of the picture's width."""

    symbol: str
    tradable: bool
    net_bps: float
    low_bps: float
    high_bps: float
    why: str
    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """The nearest symbols, and where zero is."""

    lines: tuple[IntervalLine, ...]
    zero: float


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of problems, and the symbols that it met."""

    text: str
    symbols: tuple[str, ...]


def edge_answer(data: ReportData) -> str:
    """Which symbols have a proven edge, in a sentence."""
    trained = [one for one in data.symbols if one.row["status"] == "trained"]
    proven = [one.row["symbol"] for one in trained if one.row["tradable"]]
    if not trained:
        return "No symbol was trained, so nothing is known of any."
    if not proven:
        return (
            f"None of {len(trained)} trained symbols has a proven edge after costs. That is the usual and "
            "honest result: nothing here is worth real money."
        )
    return (
        f"{len(proven)} of {len(trained)} trained symbols {'has' if len(proven) == 1 else 'have'} an edge "
        f"that all tests found: {_listed(proven)}. It is proven of past candles; it lasts if the future "
        "resembles them."
    )


def nearest_intervals(data: ReportData) -> Intervals:
    """The first symbols with an interval, as a picture."""
    rows = [one.row for one in data.symbols if one.row["net_bps_ci95"] is not None][:NEAREST]
    ends: list[float] = [0.0, *(end for row in rows for end in row["net_bps_ci95"])]
    lowest, span = min(ends), (max(ends) - min(ends)) or 1.0

    def place(bps: float) -> float:
        return round((bps - lowest) / span * FULL, 2)

    lines = []
    for row in rows:
        low, high = row["net_bps_ci95"]
        lines.append(
            IntervalLine(
                symbol=row["symbol"],
                tradable=row["tradable"],
                net_bps=row["net_bps"],
                low_bps=low,
                high_bps=high,
                why="" if row["tradable"] else _distance(row),
                low=place(low),
                mid=place(row["net_bps"]),
                high=place(high),
            )
        )
    return Intervals(tuple(lines), place(0.0))


def _distance(row: Json) -> str:
    low = row["net_bps_ci95"][0]
    reasons = row["reasons"]
    head = reasons[0].partition(":")[0] if reasons else ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    gap = f"its interval begins {-low:.1f} bp below zero; " if low < 0 else ""
    return f"{gap}{head}{more}"


def next_steps(data: ReportData) -> list[str]:
    """What to do, most important first."""
    return list(_steps(data))


def _steps(data: ReportData) -> Iterator[str]:
    rows = [one.row for one in data.symbols]
    proven = [row["symbol"] for row in rows if row["tradable"]]
    if proven:
        yield (
            "Let the tradable symbols trade on paper first (python live_trade.py), and compare after some "
            "weeks what they earn with the net result and interval here."
        )
    else:
        yield (
            "Trade nothing with real money. Measure other horizons and thresholds with --explore, or train "
            "again when there are more candles; do not lower the bar."
        )
    states = [one.state for one in data.symbols if one.state is not None]
    if again := [state["symbol"] for state in states if state["retrain"]]:
        yield f"Train again: {_listed(again)} (python train_live_lightgbm.py --retrain)."
    if drop := [state["symbol"] for state in states if state["drop"]]:
        yield f"Not worth another training: {_listed(drop)} (--retire SYMBOL stops opening one)."
    if failed := [row["symbol"] for row in rows if row["status"] == "failed"]:
        yield f"Look at what failed: {_listed(failed)}; the causes are below. The same command tries again."


def causes(data: ReportData) -> list[Cause]:
    """Why symbols were not trained, grouped: what differs in numbers alone is one cause."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in data.symbols:
        if one.row["status"] != "trained":
            text = f"{one.row['status']}: {'; '.join(one.row['reasons'])}"
            groups[_without_numbers(text, one.row["symbol"])].append((text, one.row["symbol"]))
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0]))
    return [Cause(group[0][0], tuple(symbol for _, symbol in group)) for group in ordered][:CAUSES_SHOWN]


def reason_counts(data: ReportData) -> list[tuple[str, int]]:
    """How often each kind of reason stands against a trained symbol, most frequent first."""
    heads = (
        _without_numbers(reason.partition(":")[0], one.row["symbol"])
        for one in data.symbols
        if one.row["status"] == "trained"
        for reason in one.row["reasons"]
    )
    return Counter(heads).most_common(CAUSES_SHOWN)


def _without_numbers(text: str, symbol: str) -> str:
    return re.sub(r"\d[\d.,]*", "…", text.replace(symbol, "SYMBOL"))


def _listed(names: Iterable[str]) -> str:
    known: Sequence[str] = list(names)
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return ", ".join(known[:NAMED]) + more
