"""``exploration.json``, and what ``--explore`` says on a terminal: a line per symbol, a table, closing words.

Cells as ``desk.learn.explore`` describes them and the other outcomes come in; a JSON object, text and a rich
table go out.  Pure.  Keys: ``desk/schemas/exploration.schema.json``.

Not here: the picture (``desk.reports.exploration_picture``).
"""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from desk.outcomes import Failed, Json, Skipped

RECIPE = (
    "The baseline's parameters, rounds chosen by walking forward, no tuning; thresholds chosen out of fold. "
    "Choose a horizon by the out-of-fold figures: whoever picks the best test figure has picked luck."
)
TOGETHER = "all"
"""What the rows of all symbols together are called."""


def exploration(
    found: Json,
    *,
    left_out: tuple[Sequence[Skipped], Sequence[Failed]],
    settings: Json,
    grid: Json,
    started_at: str,
    finished_at: str,
) -> Json:
    """The document.

    Parameters
    ----------
    found : dict
        ``together``, all symbols by horizon, and ``symbols``, each one that was measured.
    settings, grid : dict
        What a training would have been told, and what was varied.
    """
    symbols, (skipped, failed) = found["symbols"], left_out
    return {
        "schema_version": 1,
        "started_at": started_at,
        "finished_at": finished_at,
        "recipe": RECIPE,
        "settings": settings,
        "grid": grid,
        "counts": {
            "requested": len(symbols) + len(skipped) + len(failed),
            "explored": len(symbols),
            "skipped": len(skipped),
            "failed": len(failed),
            "looks": sum(len(one["cells"]) for one in symbols),
        },
        **found,
        "skipped": [{"symbol": one.symbol, "reason": one.reason} for one in skipped],
        "problems": [{"symbol": one.symbol, "stage": one.stage, "message": one.message} for one in failed],
    }


def explored_line(explored: Json) -> str:
    """The line of a symbol that was measured."""
    cells, without = explored["cells"], explored["left_out"]
    left_out = f" · {len(without)} left out: {without[0]['reason']}" if without else ""
    horizons = f"{len(cells)} horizon{'' if len(cells) == 1 else 's'}"
    return f"✅ {explored['symbol']}: {horizons} · {_best_part(cells)}{left_out}"


def _best_part(cells: Sequence[Json]) -> str:
    best = best_out_of_fold(cells)
    if best is None:
        return "no signal out of fold"
    taker = best["out_of_fold"]["taker"]
    net = _bps(taker["net_bps"], taker["net_bps_ci95"])
    return f"best out of fold {_candles(best)}: {net} bp a trade after taker fees"


def best_out_of_fold(cells: Sequence[Json]) -> Json | None:
    """The cell whose out-of-fold trades earned most after the taker's costs; None where none traded."""
    traded = [cell for cell in cells if cell["out_of_fold"] is not None and cell["out_of_fold"]["trades"]]
    return max(traded, key=lambda cell: float(cell["out_of_fold"]["taker"]["net_bps"]), default=None)


def exploration_table(document: Json) -> Table:
    """One row per symbol and horizon, all symbols together below; ``dev`` is out of fold."""
    title = "Out of fold (dev), and on all test candles: basis points a trade ± half of the 95 % interval"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "\nsymbol" else "right", no_wrap=True)
    for one in document["symbols"]:
        for cell in one["cells"]:
            table.add_row(*_cells(one["symbol"], cell))
        table.add_section()
    if len(document["symbols"]) > 1:
        for cell in document["together"]:
            table.add_row(*_cells(TOGETHER, cell))
    return table


_COLUMNS = (
    "\nsymbol",
    "\nh",
    "move\n%",
    "won %\ndev",
    "won %\ntest",
    "fired\n%",
    "\ntrades",
    "before\ncosts",
    "taker\ndev",
    "taker\ntest",
    "\nto go",
    "maker\ntest",
    "\nto go",
)
"""``h`` counts candles; ``won`` is the guide's win rate, of the trades on labelled candles; ``to go`` is how
many points more of the trades would have to win after costs."""


def _cells(symbol: str, cell: Json) -> list[str]:
    dev, test = cell["out_of_fold"] or NOTHING, cell["test"] or NOTHING
    return [
        symbol,
        f"{cell['horizon']}",
        f"{cell['threshold'] * 100:.2f}",
        _points(dev["win_rate_labelled"]),
        _points(test["win_rate_labelled"]),
        _points(test["coverage"]),
        f"{test['trades']:,}",
        _bps(test["gross_bps"]),
        _net_cell(dev["taker"]),
        _net_cell(test["taker"]),
        _points(test["taker"]["to_break_even"], signed=True),
        _net_cell(test["maker"]),
        _points(test["maker"]["to_break_even"], signed=True),
    ]


def _net_cell(costs: Json) -> str:
    return _bps(costs["net_bps"], costs["net_bps_ci95"])


NOTHING: Json = {
    **dict.fromkeys(("win_rate_labelled", "coverage", "gross_bps")),
    "trades": 0,
    **dict.fromkeys(("taker", "maker"), dict.fromkeys(("net_bps", "net_bps_ci95", "to_break_even"))),
}
"""A look that there was none of."""


def _points(share: float | None, *, signed: bool = False) -> str:
    """A share in percentage points."""
    if share is None:
        return "–"
    return f"{share * 100:+.1f}" if signed else f"{share * 100:.1f}"


def _bps(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "–"
    return f"{value:+.1f}" + ("" if interval is None else f" ±{interval[1] - value:.1f}")


def _between(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:+.1f}, {interval[1]:+.1f}]"


def _candles(cell: Json) -> str:
    horizon = cell["horizon"]
    return f"at {horizon} candle{'' if horizon == 1 else 's'} ({cell['threshold']:.2%})"


def exploration_words(document: Json) -> str:
    """What the grid says, and what looking at it cost."""
    counts = document["counts"]
    came = f"{counts['explored']} explored, {counts['skipped']} skipped, {counts['failed']} failed"
    lines = [f"{came} of {counts['requested']}. {document['recipe']}", *_best_lines(document)]
    if counts["looks"]:
        lines.append(
            f"{counts['looks']} looks at test candles were noted in the ledger: every later verdict on "
            "overlapping candles counts them."
        )
    return "\n".join(lines)


def _best_lines(document: Json) -> Iterator[str]:
    cells = [cell for one in document["symbols"] for cell in one["cells"]]
    if not cells:
        return
    passed = sum(bool(cell["passed_gate"]) for cell in cells)
    level = document["settings"]["verdict"]["gate_level"]
    yield (
        f"Out of fold, {passed} of {len(cells)} cells earn after taker fees with {level:.0%} certainty, each "
        "taken alone."
    )
    best = best_out_of_fold(document["together"])
    if best is None:
        yield "No cell fired: the histories hold too few trades to choose a threshold."
        return
    dev, test = best["out_of_fold"], best["test"]
    yield (
        f"All symbols together, the best horizon out of fold is {_candles(best).removeprefix('at ')}: "
        f"{_net(dev)}. The test part then showed: {_net(test)}."
    )


def _net(look: Json | None) -> str:
    if look is None or not look["trades"]:
        return "no trade"
    taker, maker = (
        f"{_bps(look[costs]['net_bps'])}{_between(look[costs]['net_bps_ci95'])}"
        for costs in ("taker", "maker")
    )
    gross = _bps(look["gross_bps"])
    return f"before costs {gross} bp a trade, after taker fees {taker}, with a maker's entry {maker}"
