"""``exploration.json``, and the output of ``--explore``: a line per symbol, tables, closing words.

Cells as ``desk.learn.exploration_record`` describes them and the other outcomes come in; a JSON object, text
and rich tables go out.  Pure.  Keys: ``desk/schemas/exploration.schema.json``.

Not here: the picture (``desk.reports.exploration_picture``).
"""

import shlex
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group
from rich.table import Table

from desk.outcomes import Failed, Json, Skipped
from desk.reports.terminal import COARSE_CAPTION, coarse_part, marked_symbol

RECIPE = (
    "The walk of a training, without tuning. Choose a horizon by the figures of the development part: "
    "whoever picks the best test figure picks luck."
)
TOGETHER = "all"
"""What the rows of all symbols together are called."""
NO_REACH = "±?"
"""In place of half an interval, where the days are too few for one."""


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
    left_out : tuple of sequences
        Symbols that were skipped, and symbols that failed.
    settings, grid : dict
        The settings of a training, and what was varied.
    started_at, finished_at : str
        ISO 8601 in UTC.
    """
    symbols, (skipped, failed) = found["symbols"], left_out
    return {
        "schema_version": 3,
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
            "cells": sum(len(one["cells"]) for one in symbols),
            "revealed": sum(cell["test"] is not None for one in symbols for cell in one["cells"]),
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
    best = best_cell(cells)
    if best is None:
        return "no signal in the development part"
    taker = best["development"]["taker"]
    reach = "[too few days]" if taker["net_bps_ci95"] is None else _reach(taker)
    without = _bps(taker["net_bps_without_best_day"])
    words = f"{_bps(taker['net_bps'])} {reach} bp a trade after taker fees, {without} without its best day"
    return f"best {_candles(best)}: {words}"


def best_cell(cells: Sequence[Json]) -> Json | None:
    """The cell whose development trades earned most after the taker's costs; None where none traded."""
    traded = [cell for cell in cells if cell["development"] is not None and cell["development"]["trades"]]
    return max(traded, key=lambda cell: float(cell["development"]["taker"]["net_bps"]), default=None)


def exploration_tables(document: Json) -> Group:
    """The figures of the development part and, where revealed, of the test part, one table each."""
    tables = [_table(document, "development", "Development candles: choose here")]
    if document["counts"]["revealed"]:
        tables.append(
            _table(document, "test", "Test candles, revealed: no later choice can be tested on them")
        )
    return Group(*tables)


def _table(document: Json, part: str, title: str) -> Table:
    """One row per symbol and horizon, all symbols together below."""
    symbols = document["symbols"]
    coarse = any(coarse_part(one) for one in symbols)
    sections = [
        [_cells(marked_symbol(one), cell, cell[part] or NOTHING) for cell in one["cells"]] for one in symbols
    ]
    if len(symbols) > 1:
        together = f"{TOGETHER}{'*' if coarse else ''}"
        sections.append([_cells(together, cell, cell[part] or NOTHING) for cell in document["together"]])
    without_reach = any(NO_REACH in text for rows in sections for row in rows for text in row)
    notes = [*([COARSE_CAPTION] if coarse else []), *([f"{NO_REACH} too few days"] if without_reach else [])]
    table = Table(
        title=f"{title}; basis points a trade ± half of the 95 % interval",
        caption="; ".join(notes) or None,
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "\nsymbol" else "right", no_wrap=True)
    for rows in sections:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


_COLUMNS = (
    "\nsymbol",
    "\nh",
    "move\n%",
    "won\n%",
    "fired\n%",
    "\ntrades",
    "before\ncosts",
    "at next\nmean",
    "after\ntaker",
    "best day\nout",
    "\nto go",
    "filled\n%",
    "after\nmaker",
    "best day\nout",
    "missed\nbefore",
)
"""``h`` counts candles; ``won`` is the guide's win rate, of the trades on labelled candles; ``at next
mean`` is what they earned before costs if entered at the next candle's mean price; ``best day out`` is the
net of the column before it without the day that earned most; ``to go`` is how many points more of the
trades would have to win after costs; ``filled`` of the entries that rest in the book; ``missed`` is what
the others would have earned before costs."""


def _cells(symbol: str, cell: Json, part: Json) -> list[str]:
    taker, maker = part["taker"], part["maker"]
    return [
        symbol,
        f"{cell['horizon']}",
        f"{cell['threshold'] * 100:.2f}",
        _points(part["win_rate_labelled"]),
        _points(part["coverage"]),
        f"{part['trades']:,}",
        _bps(part["gross_bps"]),
        _bps(part["executable_gross_bps"]),
        _net_cell(taker),
        _bps(taker["net_bps_without_best_day"]),
        _points(taker["to_break_even"], signed=True),
        _points(maker["trades"] / part["trades"] if part["trades"] else None),
        _net_cell(maker),
        _bps(maker["net_bps_without_best_day"]),
        _bps(maker["missed"]["gross_bps"]),
    ]


def _net_cell(costs: Json) -> str:
    return "–" if costs["net_bps"] is None else f"{_bps(costs['net_bps'])} {_reach(costs)}"


def _reach(costs: Json) -> str:
    """Half of the interval of a mean net."""
    interval = costs["net_bps_ci95"]
    return NO_REACH if interval is None else f"±{interval[1] - costs['net_bps']:.1f}"


_NO_COSTS = dict.fromkeys(("net_bps", "net_bps_ci95", "net_bps_without_best_day", "to_break_even"))
NOTHING: Json = {
    **dict.fromkeys(("win_rate_labelled", "coverage", "gross_bps", "executable_gross_bps")),
    "trades": 0,
    "taker": _NO_COSTS,
    "maker": {**_NO_COSTS, "trades": 0, "missed": {"gross_bps": None}},
}
"""A part that there is none of."""


def _points(share: float | None, *, signed: bool = False) -> str:
    """A share in percentage points."""
    if share is None:
        return "–"
    return f"{share * 100:+.1f}" if signed else f"{share * 100:.1f}"


def _bps(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def _between(interval: Sequence[float] | None) -> str:
    return "too few days" if interval is None else f"{interval[0]:+.1f}, {interval[1]:+.1f}"


def _candles(cell: Json) -> str:
    horizon = cell["horizon"]
    return f"at {horizon} candle{'' if horizon == 1 else 's'} ({cell['threshold'] * 100:.2f} %)"


def exploration_words(document: Json, where: Sequence[str] = ()) -> str:
    """The best cell, the command that trains it, and what the measurement costs later verdicts.

    Parameters
    ----------
    document : dict
        As ``exploration`` makes it.
    where : sequence of str
        Arguments that the command needs besides, such as ``--demo``.
    """
    counts = document["counts"]
    outcomes = f"{counts['explored']} explored, {counts['skipped']} skipped, {counts['failed']} failed"
    lines = [f"{outcomes} of {counts['requested']}. {document['recipe']}", *_best_lines(document, where)]
    if counts["revealed"]:
        lines.append(
            f"{counts['revealed']} evaluations on test candles were recorded in the ledger: every later "
            "verdict on overlapping candles counts them."
        )
    elif counts["cells"]:
        lines.append("The test candles were not shown; --reveal shows them, and spends them.")
    return "\n".join(lines)


def _best_lines(document: Json, where: Sequence[str]) -> Iterator[str]:
    cells = [cell for one in document["symbols"] for cell in one["cells"]]
    if not cells:
        return
    intervals = [cell["development"]["taker"]["net_bps_ci95"] for cell in cells if cell["development"]]
    earning = sum(interval is not None and interval[0] > 0 for interval in intervals)
    yield (
        f"In the development part, the 95 % interval of {earning} of {len(cells)} cells lies above zero "
        "after taker fees, each taken alone."
    )
    best = best_cell(document["together"])
    if best is None:
        yield "No cell fired: the histories hold too few trades to choose a threshold."
        return
    yield (
        f"All symbols together, the best horizon is {_candles(best).removeprefix('at ')}: "
        f"{_net(best['development'])}."
    )
    if best["test"] is not None:
        yield f"The test part then showed: {_net(best['test'])}."
    yield f"To train it: {_command(best, document, where)}"
    in_force = document["settings"]
    if (best["horizon"], best["threshold"]) != (in_force["prediction_horizon"], in_force["min_price_change"]):
        yield "It was chosen on these candles, so that only later ones are evidence of it."


def _command(best: Json, document: Json, where: Sequence[str]) -> str:
    """The command that trains the symbols with the horizon and threshold of ``best``."""
    symbols = ",".join(one["symbol"] for one in document["symbols"])
    return (
        f"python train_live_lightgbm.py --symbols {symbols} --days {document['settings']['days']} "
        f"--horizon {best['horizon']} --threshold {best['threshold']!r}"
        f"{''.join(f' {shlex.quote(part)}' for part in where)}"
    )


def _net(part: Json | None) -> str:
    if part is None or not part["trades"]:
        return "no trade"
    maker, missed = part["maker"], part["maker"]["missed"]
    filled = maker["trades"] / part["trades"] * 100
    resting = f"resting entries, {filled:.0f} % of them filled, {_after(maker)}"
    return (
        f"before costs {_bps(part['gross_bps'])} bp a trade ({_bps(part['executable_gross_bps'])} entered at "
        f"the next candle's mean price), after taker fees {_after(part['taker'])}; "
        f"{resting}; the {missed['trades']:,} missed would have earned {_bps(missed['gross_bps'])} before "
        "costs"
    )


def _after(costs: Json) -> str:
    """The mean net, its interval, and without its best day."""
    if costs["net_bps"] is None:
        return _bps(None)
    net = f"{_bps(costs['net_bps'])} [{_between(costs['net_bps_ci95'])}]"
    return f"{net} ({_bps(costs['net_bps_without_best_day'])} without its best day)"
