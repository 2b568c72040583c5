"""The report's file: values and package data become one HTML document that admits nothing else.

``ReportData`` comes in; text goes out.  The document carries a Content-Security-Policy with the hash of each
of its scripts and of its style, so that no text of a symbol or of a message can ever run.  Pure.
"""

import base64
import functools
import hashlib
import json
from datetime import datetime
from importlib import resources

import jinja2
from markupsafe import Markup

from desk.outcomes import Json
from desk.reports.html import front
from desk.reports.html.charts import charts
from desk.reports.html.data import ReportData
from desk.reports.html.symbols import COLUMNS, PANEL, TABLES, outcome, panel, table_row
from desk.reports.terminal import GUIDE, age, percent

FIRST_ROWS = 60
"""Rows of the table that stand in the document before any script."""
CHART_LIBRARY = "chart.umd.min.js"
_FILES = resources.files("desk.reports.html")


def report_page(data: ReportData) -> str:
    """The report as one HTML document."""
    versions: list[Json] = []
    features: dict[str, int] = {}
    panels = [panel(one, versions, features) for one in data.symbols]
    rows = [table_row(one) for one in data.symbols]
    payload = {
        "columns": [_described(column) for column in COLUMNS],
        "rows": rows,
        "panel": [_described(figure) for figure in PANEL],
        "panels": panels,
        "tables": {name: columns.split() for name, (_, columns) in TABLES.items()},
        "versions": versions,
        "features": list(features),
        "charts": charts(data),
    }
    style = package_text("templates/report.css")
    scripts = [package_text(f"vendor/{CHART_LIBRARY}"), *map(package_text, _SCRIPTS)]
    return (
        _environment()
        .get_template("report.html")
        .render(
            data=data,
            summary=data.summary,
            answer=front.edge_answer(data),
            steps=front.next_steps(data),
            intervals=front.nearest_intervals(data),
            causes=front.causes(data),
            reasons=front.reason_counts(data),
            columns=COLUMNS,
            first_rows=rows[:FIRST_ROWS],
            outcomes=[outcome(one.row) for one in data.symbols],
            charts=payload["charts"],
            guide=GUIDE,
            policy=policy(scripts, style),
            style=Markup(style),  # noqa: S704  # package data, the same in every report
            scripts=[Markup(script) for script in scripts],  # noqa: S704  # package data too
            payload=Markup(script_json(payload)),  # noqa: S704  # has no character that could end its element
        )
    )


_SCRIPTS = ("templates/units.js", "templates/table.js", "templates/pictures.js", "templates/panel.js")


def policy(scripts: list[str], style: str) -> str:
    """A policy that admits these scripts and this style, and nothing from anywhere else."""
    hashes = " ".join(_source_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_source_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def script_json(document: object) -> str:
    """JSON that stays inside a script element: ``<`` is escaped, and so is what ends lines in scripts."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def written(value: object, unit: str) -> str:
    """A value as the page's own scripts write it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str):
        return _when(value) if unit == "time" else value
    number = float(value)  # type: ignore[arg-type]
    return {
        "share": lambda: percent(number),
        "bp": lambda: f"{number:+,.1f}",
        "count": lambda: f"{number:,.0f}",
        "decimal": lambda: f"{number:.3f}",
        "number": lambda: _plain_number(number),
        "seconds": lambda: f"{number:,.1f} s",
    }[unit]()


def _plain_number(number: float) -> str:
    """Two decimals; small ones with two significant digits, as JavaScript writes them."""
    if abs(number) >= 0.01 or not number:
        return f"{number:,.2f}"
    if abs(number) >= 1e-4:
        return f"{number:.2g}"
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{digits}e{int(power)}"


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _described(figure: object) -> Json:
    return {name: getattr(figure, name) for name in ("path", "label", "unit", "words", "narrow")}


@functools.cache
def package_text(name: str) -> str:
    """A file of this package."""
    return (_FILES / name).read_bytes().decode()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: package_text(f"templates/{name}")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"written": written, "age": lambda seconds: age(seconds / 60)}
    return environment
