"""The picture of ``--explore``: what a trade earns at every horizon, as SVG.

``exploration.json`` comes in; the text of ``exploration.svg`` goes out.  Pure.  The panels share one scale:
the development part and, where it was revealed, the test part.  Each horizon has three marks: before costs,
with a maker's entry where it was filled, and after taker fees, with intervals that count days.  The line at
zero is break-even.  Colours are safe for the colour-blind (Okabe and Ito 2008) and follow the reader's
light or dark mode; marks differ in shape too.

Not here: the figures (``desk.learn.explore``), the table (``desk.reports.exploration``).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from desk.outcomes import Json
from desk.values import CANDLE_MS

WIDTH, HEIGHT = 1_080, 560
TOP, BOTTOM, LEFT, RIGHT, GAP = 132, 446, 112, 28, 40
PANELS = {"development": "Development: choose here", "test": "Test: whether it lasted"}
STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000)
"""Distances between the lines of the grid, in basis points."""
MOST_LINES = 9

STYLE = """
  svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
  .back { fill: #ffffff } .panel { fill: #f6f7f9 } text { fill: #1f2328 } .soft { fill: #59636e }
  .grid { stroke: #d9dde2 } .zero { stroke: #1f2328; stroke-width: 1.6 }
  .gross { stroke: #6b7480; fill: #6b7480 } .maker { stroke: #0072b2; fill: #0072b2 }
  .taker { stroke: #d55e00; fill: #d55e00 } .reach { stroke-width: 2.4; stroke-linecap: round }
  @media (prefers-color-scheme: dark) {
    .back { fill: #14171b } .panel { fill: #1c2026 } text { fill: #e8eaed } .soft { fill: #a3abb5 }
    .grid { stroke: #343a43 } .zero { stroke: #e8eaed }
    .gross { stroke: #a3abb5; fill: #a3abb5 } .maker { stroke: #56b4e9; fill: #56b4e9 }
    .taker { stroke: #f28e4b; fill: #f28e4b }
  }
"""


@dataclass(frozen=True, slots=True)
class PlotSeries:
    """One kind of mark."""

    name: str
    label: str
    offset: float
    """From the middle of its horizon's column, as a share of the column."""

    def value(self, shown: Json) -> tuple[float | None, Sequence[float] | None]:
        """Mean and interval in a part of the history, basis points."""
        if self.name == "gross":
            return shown["gross_bps"], shown["gross_bps_ci95"]
        return shown[self.name]["net_bps"], shown[self.name]["net_bps_ci95"]


SERIES = (
    PlotSeries("gross", "before costs", -0.24),
    PlotSeries("maker", "maker's entry where it was filled, taker's exit", 0.0),
    PlotSeries("taker", "taker fees on both sides", 0.24),
)


@dataclass(frozen=True, slots=True)
class PlotScale:
    """Basis points to pixels from the top."""

    low: float
    high: float
    step: float

    def y(self, bps: float) -> float:
        """Where ``bps`` lies."""
        return BOTTOM - (bps - self.low) / (self.high - self.low) * (BOTTOM - TOP)

    def lines(self) -> Iterator[float]:
        """Where the grid has a line, in basis points."""
        for number in range(round((self.high - self.low) / self.step) + 1):
            yield self.low + number * self.step


def exploration_picture(document: Json) -> str:
    """The SVG; with a single symbol its own figures, else those of all symbols together."""
    cells = document["together"]
    scale = _scale(cells)
    panels = {part: title for part, title in PANELS.items() if part == "development" or _revealed(document)}
    width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
    body = [*_heading(document), *_axis(scale)]
    for number, (part, title) in enumerate(panels.items()):
        body += _panel(LEFT + number * (width + GAP), width, title, cells, part, scale)
    body += _footer()
    about = "Mean result of a trade in basis points by prediction horizon, before and after costs."
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(_title(document))}</title><desc>{about}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _revealed(document: Json) -> bool:
    return bool(document["counts"]["revealed"])


def _title(document: Json) -> str:
    symbols = [one["symbol"] for one in document["symbols"]]
    subject = symbols[0] if len(symbols) == 1 else f"{len(symbols)} symbols together"
    return f"What a trade earns, by horizon: {subject}"


def _heading(document: Json) -> Iterator[str]:
    yield _text(LEFT, 40, _title(document), size=21, weight=600)
    days = document["settings"]["days"]
    yield _text(
        LEFT,
        63,
        f"{days} days of 5-minute candles · mean per trade in basis points, 95 % intervals count days · "
        f"measured {document['finished_at'][:10]}",
        kind="soft",
    )
    x = float(LEFT)
    for series in SERIES:
        yield _mark(series.name, x + 6, 86)
        yield _text(x + 18, 90.5, series.label)
        x += 40 + 7.2 * len(series.label)


def _axis(scale: PlotScale) -> Iterator[str]:
    for bps in scale.lines():
        label, kind = (f"{bps:+g}".replace("-", "−"), "soft") if bps else ("break-even", "")
        yield _text(LEFT - 10, scale.y(bps) + 4.5, label, kind=kind, anchor="end")
    middle = (TOP + BOTTOM) / 2
    yield (
        f'<text class="soft" font-size="13" text-anchor="middle" '
        f'transform="translate(22 {middle:.1f}) rotate(-90)">basis points a trade</text>'
    )


def _panel(
    x: float, width: float, title: str, cells: Sequence[Json], part: str, scale: PlotScale
) -> Iterator[str]:
    yield (f'<rect class="panel" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{BOTTOM - TOP}" rx="4"/>')
    yield _text(x, TOP - 11, title, size=14.5, weight=600)
    for bps in scale.lines():
        kind, y = ("zero" if bps == 0 else "grid"), scale.y(bps)
        yield f'<line class="{kind}" x1="{x:.1f}" x2="{x + width:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    column = width / max(1, len(cells))
    for number, cell in enumerate(cells):
        middle = x + (number + 0.5) * column
        yield from _column(middle, column, cell[part], scale)
        yield _text(middle, BOTTOM + 22, _duration(cell["horizon"]), weight=600, anchor="middle")
        yield _text(middle, BOTTOM + 39, f"±{cell['threshold']:.2%}", size=12, kind="soft", anchor="middle")
        trades = cell[part]["trades"] if cell[part] else 0
        yield _text(middle, BOTTOM + 56, f"{trades:,}", size=12, kind="soft", anchor="middle")


def _column(middle: float, column: float, shown: Json | None, scale: PlotScale) -> Iterator[str]:
    if shown is None or not shown["trades"]:
        yield _text(middle, scale.y(0.0) + 18, "none", size=12, kind="soft", anchor="middle")
        return
    for series in SERIES:
        value, interval = series.value(shown)
        if value is None:
            continue
        x = middle + series.offset * column
        if interval is not None:
            top, bottom = scale.y(interval[1]), scale.y(interval[0])
            yield (
                f'<line class="{series.name} reach" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" '
                f'y2="{bottom:.1f}" opacity="0.55"/>'
            )
        yield _mark(series.name, x, scale.y(value))


def _footer() -> Iterator[str]:
    yield _text(LEFT - 10, BOTTOM + 22, "horizon", size=12, kind="soft", anchor="end")
    yield _text(LEFT - 10, BOTTOM + 39, "move", size=12, kind="soft", anchor="end")
    yield _text(LEFT - 10, BOTTOM + 56, "trades", size=12, kind="soft", anchor="end")
    yield _text(
        LEFT,
        HEIGHT - 32,
        "Thresholds were chosen week by week. Parameters were not tuned.",
        size=12.5,
        kind="soft",
    )
    yield _text(
        LEFT,
        HEIGHT - 15,
        "A resting entry counts as filled where the next candle trades strictly through it; the table has "
        "what was missed.",
        size=12.5,
        kind="soft",
    )


def _scale(cells: Sequence[Json]) -> PlotScale:
    """Room for every mark and interval, and for zero; lines at round numbers."""
    seen = [0.0]
    for shown in (cell[part] for cell in cells for part in PANELS if cell[part] is not None):
        for value, interval in (series.value(shown) for series in SERIES):
            seen += [*([] if value is None else [value]), *(interval or ())]
    low, high = min(seen), max(seen)
    reach = max(high - low, 4.0)
    low, high = low - 0.04 * reach, high + 0.08 * reach
    step = next((one for one in STEPS if (high - low) / one <= MOST_LINES), STEPS[-1])
    return PlotScale(math.floor(low / step) * step, math.ceil(high / step) * step, step)


def _mark(kind: str, x: float, y: float) -> str:
    """A diamond before costs, a circle for the maker, a square for the taker."""
    if kind == "gross":
        points = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 6:.1f},{y:.1f}"
        return f'<polygon class="gross" points="{points}"/>'
    if kind == "maker":
        return f'<circle class="maker" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    return f'<rect class="taker" x="{x - 4.6:.1f}" y="{y - 4.6:.1f}" width="9.2" height="9.2"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 13,
    weight: int = 400,
    kind: str = "",
    anchor: str = "start",
) -> str:
    of = f' class="{kind}"' if kind else ""
    return (
        f'<text{of} x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _duration(horizon: int) -> str:
    """The horizon as a person says it: 10 min, 4 h."""
    minutes = horizon * CANDLE_MS // 60_000
    return f"{minutes} min" if minutes < 60 else f"{minutes / 60:g} h"
