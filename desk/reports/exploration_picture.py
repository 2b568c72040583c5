"""The picture of ``--explore``: what a trade earns at every horizon, as SVG.

``exploration.json`` comes in; the text of ``exploration.svg`` goes out.  Pure.  All symbols together are
above, in panels that share one scale: the development part and, where it was revealed, the test part.
Below, each of several symbols has a small panel of its development part; these share a scale of their own.
Each horizon has three marks: before costs, with a maker's entry where it was filled, and after taker fees,
with intervals that count days.  The line at zero is break-even.  Colours are safe for the colour-blind
(Okabe and Ito 2008) and follow the reader's light or dark mode; marks differ in shape too.

Not here: the figures (``desk.learn.explore``), the table (``desk.reports.exploration``).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from desk.outcomes import Json
from desk.safe_text import safe_text
from desk.values import CANDLE_MS

WIDTH, HEIGHT = 1_080, 560
TOP, BOTTOM, LEFT, RIGHT, GAP = 132, 446, 112, 28, 40
COLUMNS, SMALL_TOP, SMALL_HEIGHT, SMALL_PITCH, SMALL_GAP = 4, 580, 130, 186, 24
"""Of the panels of single symbols: how many stand in a row, where the first row begins, how high each is,
and from one to the next."""
PANELS = {"development": "Development: choose here", "test": "Test: whether it lasted"}
STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000)
"""Distances between the lines of the grid, in basis points."""
MOST_LINES, MOST_SMALL_LINES = 9, 4
"""Of the grid, in a panel of all symbols and in one of a single symbol."""

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
    """Which basis points a panel shows."""

    low: float
    high: float
    step: float

    def lines(self) -> Iterator[float]:
        """Where the grid has a line, in basis points."""
        for number in range(round((self.high - self.low) / self.step) + 1):
            yield self.low + number * self.step


@dataclass(frozen=True, slots=True)
class PlotPanel:
    """A rectangle with a scale, in pixels from the upper left."""

    x: float
    top: float
    width: float
    height: float
    scale: PlotScale
    zoom: float = 1.0
    """Size of its marks."""

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height

    def y(self, bps: float) -> float:
        """Where ``bps`` lies."""
        return self.bottom - (bps - self.scale.low) / (self.scale.high - self.scale.low) * self.height

    def columns(self, count: int) -> tuple[float, list[float]]:
        """Width of each of ``count`` columns, and where the middle of each lies."""
        column = self.width / max(1, count)
        return column, [self.x + (number + 0.5) * column for number in range(count)]


def exploration_picture(document: Json) -> str:
    """The SVG; with a single symbol its own figures, else those of all together, and of each one below."""
    cells, symbols = document["together"], document["symbols"]
    parts = {part: title for part, title in PANELS.items() if part == "development" or _revealed(document)}
    scale = _scale([cell[part] for cell in cells for part in parts], MOST_LINES)
    width = (WIDTH - LEFT - RIGHT - GAP * (len(parts) - 1)) / len(parts)
    body = [*_heading(document)]
    for number, (part, title) in enumerate(parts.items()):
        panel = PlotPanel(LEFT + number * (width + GAP), TOP, width, BOTTOM - TOP, scale)
        if number == 0:
            body += [*_axis(panel), *_unit((TOP + BOTTOM) / 2)]
        body += _panel(panel, title, cells, part)
    height = HEIGHT
    if len(symbols) > 1:
        height += SMALL_TOP - (HEIGHT - 36) + math.ceil(len(symbols) / COLUMNS) * SMALL_PITCH
        body += ['<g id="symbols">', *_small_panels(symbols, [cell["horizon"] for cell in cells]), "</g>"]
    body += _footer(height, without_reach=_without_reach(document))
    about = "Mean result of a trade in basis points by prediction horizon, before and after costs."
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(safe_text(_title(document)))}</title><desc>{about}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}" rx="10"/>',
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


def _axis(panel: PlotPanel) -> Iterator[str]:
    small = panel.zoom < 1
    for bps in panel.scale.lines():
        zero = ("0", "soft") if small else ("break-even", "")
        label, kind = (f"{bps:+g}".replace("-", "−"), "soft") if bps else zero
        yield _text(panel.x - 10, panel.y(bps) + 4, label, size=11 if small else 13, kind=kind, anchor="end")


def _unit(middle: float) -> Iterator[str]:
    yield (
        f'<text class="soft" font-size="13" text-anchor="middle" '
        f'transform="translate(22 {middle:.1f}) rotate(-90)">basis points a trade</text>'
    )


def _panel(panel: PlotPanel, title: str, cells: Sequence[Json], part: str) -> Iterator[str]:
    yield from _empty_panel(panel)
    yield _text(panel.x, TOP - 11, title, size=14.5, weight=600)
    column, middles = panel.columns(len(cells))
    for middle, cell in zip(middles, cells, strict=True):
        yield from _column(panel, middle, column, cell[part])
        yield _text(middle, BOTTOM + 22, _duration(cell["horizon"]), weight=600, anchor="middle")
        moved = f"±{cell['threshold'] * 100:.2f} %"
        yield _text(middle, BOTTOM + 39, moved, size=12, kind="soft", anchor="middle")
        trades = cell[part]["trades"] if cell[part] else 0
        yield _text(middle, BOTTOM + 56, f"{trades:,}", size=12, kind="soft", anchor="middle")


def _empty_panel(panel: PlotPanel) -> Iterator[str]:
    left, right = panel.x, panel.x + panel.width
    yield (
        f'<rect class="panel" x="{left:.1f}" y="{panel.top}" width="{panel.width:.1f}" '
        f'height="{panel.height}" rx="4"/>'
    )
    for bps in panel.scale.lines():
        kind, y = ("zero" if bps == 0 else "grid"), panel.y(bps)
        yield f'<line class="{kind}" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _column(panel: PlotPanel, middle: float, column: float, shown: Json | None) -> Iterator[str]:
    if shown is None or not shown["trades"]:
        yield _text(
            middle, panel.y(0.0) + 18 * panel.zoom, "none", size=_small(panel), kind="soft", anchor="middle"
        )
        return
    for series in SERIES:
        value, interval = series.value(shown)
        if value is None:
            continue
        x = middle + series.offset * column
        if interval is not None:
            top, bottom = panel.y(interval[1]), panel.y(interval[0])
            yield (
                f'<line class="{series.name} reach" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" '
                f'y2="{bottom:.1f}" opacity="0.55"/>'
            )
        yield _mark(series.name, x, panel.y(value), zoom=panel.zoom)


def _small(panel: PlotPanel) -> float:
    """Size of the small print in a panel."""
    return 12 if panel.zoom == 1 else 10


def _small_panels(symbols: Sequence[Json], horizons: Sequence[int]) -> Iterator[str]:
    """Development part of every symbol, on one scale; a horizon has the same column in every panel.

    A dash stands where a symbol's history could not answer.
    """
    scale = _scale([cell["development"] for one in symbols for cell in one["cells"]], MOST_SMALL_LINES)
    width = (WIDTH - LEFT - RIGHT - SMALL_GAP * (COLUMNS - 1)) / COLUMNS
    rows = math.ceil(len(symbols) / COLUMNS)
    yield _text(LEFT, SMALL_TOP - 40, "Each symbol: development, on one scale", size=14.5, weight=600)
    yield from _unit(SMALL_TOP + ((rows - 1) * SMALL_PITCH + SMALL_HEIGHT) / 2)
    for number, one in enumerate(symbols):
        row, place = divmod(number, COLUMNS)
        left, top = LEFT + place * (width + SMALL_GAP), SMALL_TOP + row * SMALL_PITCH
        panel = PlotPanel(left, top, width, SMALL_HEIGHT, scale, zoom=0.6)
        yield f"<g><title>{escape(safe_text(one['symbol']))}</title>"
        if place == 0:
            yield from _axis(panel)
        yield from _small_panel(panel, one, horizons)
        yield "</g>"


def _small_panel(panel: PlotPanel, symbol: Json, horizons: Sequence[int]) -> Iterator[str]:
    yield from _empty_panel(panel)
    yield _text(panel.x, panel.top - 8, symbol["symbol"], weight=600)
    cells = {cell["horizon"]: cell for cell in symbol["cells"]}
    column, middles = panel.columns(len(horizons))
    for middle, horizon in zip(middles, horizons, strict=True):
        if horizon in cells:
            yield from _column(panel, middle, column, cells[horizon]["development"])
        else:
            yield _text(middle, panel.y(0.0) - 5, "–", size=10, kind="soft", anchor="middle")
        label = _duration(horizon).replace(" min", "m").replace(" h", "h")
        yield _text(middle, panel.bottom + 15, label, size=11, kind="soft", anchor="middle")


def _footer(height: int, *, without_reach: bool) -> Iterator[str]:
    yield _text(LEFT - 10, BOTTOM + 22, "horizon", size=12, kind="soft", anchor="end")
    yield _text(LEFT - 10, BOTTOM + 39, "move", size=12, kind="soft", anchor="end")
    yield _text(LEFT - 10, BOTTOM + 56, "trades", size=12, kind="soft", anchor="end")
    few = " A mark without its interval: too few days." if without_reach else ""
    chosen = f"Thresholds were chosen week by week. Parameters were not tuned.{few}"
    filled = "A resting entry counts as filled where the next candle trades strictly through it"
    yield _text(LEFT, height - 32, chosen, size=12.5, kind="soft")
    yield _text(LEFT, height - 15, f"{filled}; the table has what was missed.", size=12.5, kind="soft")


def _without_reach(document: Json) -> bool:
    """Whether a mark has no interval."""
    cells = [*document["together"], *(cell for one in document["symbols"] for cell in one["cells"])]
    parts = [cell[part] for cell in cells for part in PANELS if cell[part] is not None]
    drawn = [series.value(shown) for shown in parts for series in SERIES]
    return any(value is not None and interval is None for value, interval in drawn)


def _scale(parts: Sequence[Json | None], most_lines: int) -> PlotScale:
    """Room for every mark and interval, and for zero; lines at round numbers."""
    seen = [0.0]
    for shown in (part for part in parts if part is not None):
        for value, interval in (series.value(shown) for series in SERIES):
            seen += [*([] if value is None else [value]), *(interval or ())]
    low, high = min(seen), max(seen)
    reach = max(high - low, 4.0)
    low, high = low - 0.04 * reach, high + 0.08 * reach
    step = next((one for one in STEPS if (high - low) / one <= most_lines), STEPS[-1])
    return PlotScale(math.floor(low / step) * step, math.ceil(high / step) * step, step)


def _mark(kind: str, x: float, y: float, *, zoom: float = 1.0) -> str:
    """A diamond before costs, a circle for the maker, a square for the taker."""
    if kind == "gross":
        half = 6 * zoom
        points = (
            f"{x:.1f},{y - half:.1f} {x + half:.1f},{y:.1f} {x:.1f},{y + half:.1f} {x - half:.1f},{y:.1f}"
        )
        return f'<polygon class="gross" points="{points}"/>'
    if kind == "maker":
        return f'<circle class="maker" cx="{x:.1f}" cy="{y:.1f}" r="{5 * zoom:g}"/>'
    half = 4.6 * zoom
    side = f'width="{2 * half:.1f}" height="{2 * half:.1f}"'
    return f'<rect class="taker" x="{x - half:.1f}" y="{y - half:.1f}" {side}/>'


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
        f'text-anchor="{anchor}">{escape(safe_text(text))}</text>'
    )


def _duration(horizon: int) -> str:
    """The horizon as a person says it: 10 min, 4 h."""
    minutes = horizon * CANDLE_MS // 60_000
    return f"{minutes} min" if minutes < 60 else f"{minutes / 60:g} h"
