"""The report's file: its numbers are those of the metadata, and no text of a symbol becomes markup."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest

from benchmarks.report_samples import invented_metadata, invented_report, renamed
from desk.outcomes import Json
from desk.registry.documents import checked_json
from desk.reports.html import front
from desk.reports.html.charts import charts
from desk.reports.html.data import ReportData
from desk.reports.html.page import package_text, policy, report_page, script_json
from desk.reports.html.symbols import COLUMNS, PANEL, TABLES, curve
from desk.reports.terminal import GUIDE

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
FEW = 12


class Document(HTMLParser):
    """What a browser would find: elements with their attributes, and texts by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))

    def payload(self) -> dict[str, Any]:
        at = next(n for n, (_, attrs) in enumerate(self.elements) if attrs.get("id") == "payload")
        assert self.elements[at][0] == "script"
        read: dict[str, Any] = json.loads(
            next(text for _, text in self.texts if text.startswith('{"columns"'))
        )
        return read

    def words(self) -> str:
        return " ".join(" ".join(text for tag, text in self.texts if tag not in {"script", "style"}).split())


@pytest.fixture(scope="module")
def data() -> ReportData:
    return invented_report(FEW, seed=7)


@pytest.fixture(scope="module")
def document(data: ReportData) -> Document:
    return Document(report_page(data))


def value_at(document: Any, path: str) -> Any:
    """An own look-up, so that one of the page's cannot be wrong unseen."""
    for part in path.split("."):
        if document is None:
            return None
        document = document[int(part)] if part.isdigit() else document[part]
    return document


def same(shown: Any, known: Any, *, digits: int) -> bool:
    if isinstance(known, float):
        return isinstance(shown, float | int) and math.isclose(shown, known, rel_tol=10 ** (1 - digits))
    return bool(shown == known)


def test_the_invented_metadata_are_such_as_the_registry_keeps() -> None:
    """What is measured on other documents says nothing of the real ones."""
    assert checked_json(invented_metadata("AUSDT", seed=1), "metadata")
    summary = invented_report(3, seed=1).summary
    assert summary is not None
    assert checked_json(summary, "training_summary")


def test_every_number_of_the_table_is_the_summarys(data: ReportData, document: Document) -> None:
    """A trader decides by this table: one column shifted is one wrong trade."""
    rows = {row[0]: row for row in document.payload()["rows"]}
    assert data.summary is not None
    compared = 0
    for known in data.summary["symbols"]:
        for column, shown in zip(COLUMNS, rows[known["symbol"]], strict=True):
            if column.path != "outcome":
                assert same(shown, value_at(known, column.path), digits=6), (known["symbol"], column.path)
                compared += shown is not None
    assert compared > 15 * FEW


def test_every_number_of_a_panel_is_the_metadatas(data: ReportData, document: Document) -> None:
    payload = document.payload()
    known = {one.row["symbol"]: one.metadata for one in data.symbols}
    compared = 0
    for row, panel in zip(payload["rows"], payload["panels"], strict=True):
        if (metadata := known[row[0]]) is None:
            continue
        assert panel["reasons"] == metadata["verdict"]["reasons"]
        assert panel["texts"] == metadata["signals"]["why"] + metadata["signals"]["proof"]
        assert payload["versions"][panel["versions"]] == metadata["versions"]
        for figure, shown in zip(PANEL, panel["figures"], strict=True):
            assert same(shown, value_at(metadata, figure.path), digits=6), figure.path
            compared += 1
        for name, (path, columns) in TABLES.items():
            for line, shown in zip(value_at(metadata, path), panel["tables"][name], strict=True):
                expected = [line[column] for column in columns.split()]
                assert all(same(a, b, digits=4) for a, b in zip(shown, expected, strict=True)), (path, shown)
                compared += len(expected)
        total = sum(metadata["importance"].values())
        for number, share in panel["importance"]:
            assert same(share, metadata["importance"][payload["features"][number]] / total, digits=4)
        daily = metadata["signals"]["daily"]
        assert panel["curve"]["bps"][-1] == round(sum(day["net_bps"] for day in daily))
    assert compared > 150 * FEW


def test_every_point_of_a_picture_is_the_metadatas(data: ReportData) -> None:
    """The points of the pictures that show one a symbol, and all days of the sum."""
    known = {one.row["symbol"]: one.metadata for one in data.symbols if one.metadata is not None}
    where = {
        ("chance", "symbols"): ("metrics.n", "metrics.accuracy"),
        ("coverage", "at the close"): ("signals.coverage", "signals.net_bps"),
        ("coverage", "executable"): ("signals.coverage", "signals.executable_net_bps"),
        ("tuning", "symbols"): ("tuning.baseline_value", "tuning.best_value"),
    }
    drawn = {(one["key"], series["name"]): series["data"] for one in charts(data) for series in one["series"]}
    for key, paths in where.items():
        assert len(drawn[key]) == len(known)
        for *point, symbol in drawn[key]:
            assert all(
                same(a, value_at(known[symbol], b), digits=6) for a, b in zip(point, paths, strict=True)
            )
    for symbol, share in drawn["quality", "empty candles"]:
        assert same(share, known[symbol]["data"]["zero_volume_share"], digits=6)
    days = drawn["equity", "sum of net results"]
    total = 0.0
    for (day, shown), known_day in zip(days, data.pooled_days, strict=True):
        total += sum(
            line["net_bps"]
            for one in known.values()
            for line in one["signals"]["daily"]
            if line["date"] == day
        )
        assert known_day["date"] == day
        assert same(shown, total, digits=5)


@pytest.mark.parametrize("key", ["months", "hours", "thirds", "sides", "ended"])
def test_every_bar_of_a_grouped_picture_is_the_metadatas(data: ReportData, key: str) -> None:
    """Trades of all symbols together, each trade once: computed here from the metadata alone."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in (of.metadata for of in data.symbols if of.metadata is not None):
        if key in {"sides", "ended"}:
            rows = [
                {"name": name, "trades": of["n"], **of}
                for name, of in one["signals"]["statistics"][key].items()
            ]
        else:
            rows = one["stability"][key]
        for row in rows:
            if row["net_bps"] is not None:
                groups.setdefault(row["name"], []).append(row)
    (picture,) = (one for one in charts(data) if one["key"] == key)
    drawn = {series["name"]: dict(series["data"]) for series in picture["series"]}

    assert groups
    assert all(series.keys() == groups.keys() for series in drawn.values())
    for name, rows in groups.items():
        trades = sum(row["trades"] for row in rows)
        net = sum(row["net_bps"] * row["trades"] for row in rows)
        won = sum(row["win_rate"] * row["trades"] for row in rows)
        assert drawn["trades"][name] == trades
        assert same(drawn["net a trade"][name], net / trades, digits=5)
        assert same(drawn["won"][name], won / trades, digits=5)


def test_every_mean_over_the_models_is_the_metadatas(data: ReportData) -> None:
    """What models look at, and where the time goes: every model counts the same."""
    known = [one.metadata for one in data.symbols if one.metadata is not None]
    drawn = {(one["key"], series["name"]): series["data"] for one in charts(data) for series in one["series"]}

    for name, share in drawn["importance", "share of gain"]:
        shares = [one["importance"].get(name, 0.0) / sum(one["importance"].values()) for one in known]
        assert same(share, sum(shares) / len(shares), digits=5)
    for name, seconds in drawn["timing", "seconds"]:
        of = [one["timing"][name] for one in known if name in one["timing"]]
        assert same(seconds, sum(of) / len(of), digits=5)
    highest = total = 0.0
    for (day, below), known_day in zip(drawn["drawdown", "below the peak"], data.pooled_days, strict=True):
        total += known_day["net_bps"]
        highest = max(highest, total)
        assert day == known_day["date"]
        assert math.isclose(-below, highest - total, rel_tol=1e-4, abs_tol=1e-3)
    for symbol, holes in drawn["quality", "missing"]:
        assert holes == next(one for one in known if one["symbol"] == symbol)["data"]["missing"]


def test_what_stands_before_any_script_says_the_summarys_numbers(
    data: ReportData, document: Document
) -> None:
    """The first rows and the nearest symbols are read by whoever has no scripts, and first by everybody."""
    words, summary = document.words(), data.summary
    assert summary is not None
    for row in summary["symbols"]:
        if (bounds := row["net_bps_ci95"]) is None:
            continue
        assert f"{row['symbol']} " in words
        low, high = bounds
        if row["symbol"] in {line.symbol for line in front.nearest_intervals(data).lines}:
            assert f"{row['net_bps']:+.1f} bp [{low:+.1f}, {high:+.1f}]" in words
    assert f"{summary['pooled']['n']:,} trades: {summary['pooled']['win_rate'] * 100:.1f} % won" in words
    for name, value in summary["averages"].items():
        assert (f"{value * 100:.1f} %" if name in GUIDE else f"{value:.3f}") in words, name


def test_nothing_but_its_own_scripts_may_run(document: Document) -> None:
    """The policy names the hash of every script and style that is there, and nothing else is allowed."""
    allowed = next(attrs["content"] for tag, attrs in document.elements if attrs.get("http-equiv"))
    assert allowed is not None
    assert allowed.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in allowed
    assert "http" not in allowed
    scripts = [text for text in _whole(document, "script") if not text.startswith('{"columns"')]
    assert len(scripts) == 5
    assert "Chart.js v" in scripts[0][:200]
    for text in [*scripts, *_whole(document, "style")]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in allowed
    for tag, attrs in document.elements:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert not str(attrs.get("src") or attrs.get("href") or "").startswith(("http", "//")), tag


def _whole(document: Document, tag: str) -> Iterator[str]:
    return (text for at, text in document.texts if at == tag and text.strip())


def test_a_script_that_was_changed_is_not_admitted() -> None:
    assert policy(["run()"], "") != policy(["run() "], "")


def test_a_hostile_symbol_stays_text(data: ReportData) -> None:
    """Names and messages are the exchange's: what they say is shown, and never run."""
    first, *others = renamed(data, HOSTILE).symbols
    shown = Document(
        report_page(replace(data, symbols=(replace(first, row={**first.row, "reasons": [HOSTILE]}), *others)))
    )

    assert [tag for tag, _ in shown.elements if tag == "img"] == []
    assert sum(tag == "script" for tag, _ in shown.elements) == 6
    assert shown.payload()["rows"][0][0] == HOSTILE
    assert HOSTILE in "".join(text for tag, text in shown.texts if tag == "a")


@pytest.mark.parametrize("text", ["</script>", "<!--", "&lt;", "\u2028", HOSTILE])
def test_json_stays_inside_its_element(text: str) -> None:
    written = script_json({"a": text})

    assert "<" not in written
    assert "\u2028" not in written
    assert json.loads(written) == {"a": text}


def test_786_symbols_are_below_3_megabytes() -> None:
    """A file that is mailed and opened on a phone; the exchange has so many contracts."""
    assert len(report_page(invented_report(786, seed=1)).encode()) < 3_000_000


def test_an_empty_report_says_so() -> None:
    """A run of which every symbol failed has a report too."""
    data = replace(invented_report(1, seed=1), summary=None, symbols=(), pooled_days=())

    assert "No symbol was trained" in Document(report_page(data)).words()


def test_the_question_is_answered_in_words(data: ReportData) -> None:
    untradable = tuple(replace(one, row={**one.row, "tradable": False}) for one in data.symbols)
    proven = (replace(untradable[0], row={**untradable[0].row, "tradable": True}), *untradable[1:])

    assert front.edge_answer(replace(data, symbols=untradable)).startswith(f"None of {FEW} trained symbols")
    assert front.edge_answer(replace(data, symbols=proven)).startswith(f"1 of {FEW} trained symbols has")
    assert "Trade nothing with real money" in front.next_steps(replace(data, symbols=untradable))[0]


def test_causes_that_differ_in_numbers_alone_are_one(data: ReportData) -> None:
    """Hundreds of new contracts with too short a history are one line."""
    found = [(cause.text, len(cause.symbols)) for cause in front.causes(data)]

    assert [count for _, count in found] == [5, 3]
    assert found[0][0] == "skipped: 900 candles, 1000 are needed"


def test_a_curve_keeps_its_last_day() -> None:
    """Its end is the figure that everybody reads."""
    daily: list[Json] = [
        {"date": f"2025-{m:02d}-{d:02d}", "net_bps": 1.0} for m in range(1, 13) for d in range(1, 29)
    ]

    thinned = curve(daily)

    assert len(thinned["day"]) <= 60
    assert thinned["bps"][-1] == len(daily)
    assert thinned["day"] == sorted(thinned["day"])


def test_no_script_writes_markup() -> None:
    """Text is set as text everywhere, so that no symbol needs escaping in a script."""
    for name in ("units", "table", "pictures", "panel"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", package_text(f"templates/{name}.js")
        )


def test_metadata_that_break_the_schema_are_seen() -> None:
    """The check above would otherwise pass over anything."""
    with pytest.raises(jsonschema.ValidationError):
        checked_json({**invented_metadata("AUSDT", seed=1), "data": {}}, "metadata")
