"""What ``--explore`` shows: every figure in the table, and a picture that shows nothing else."""

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from desk.outcomes import Failed, Skipped
from desk.registry import ModelRegistry
from desk.reports.exploration import (
    best_cell,
    exploration,
    exploration_tables,
    exploration_words,
    explored_line,
)
from desk.reports.exploration_picture import (
    BOTTOM,
    COLUMNS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    exploration_picture,
)

SVG = "{http://www.w3.org/2000/svg}"


def costs(net: float, reach: float) -> dict[str, Any]:
    return {
        "net_bps": net,
        "net_bps_ci95": [net - reach, net + reach],
        "net_bps_without_best_day": net - 1.5,
        "win_rate": 0.4,
        "win_rate_ci95": [0.35, 0.45],
        "break_even_win_rate": 0.55,
        "to_break_even": 0.15,
    }


def part(gross: float, *, reach: float = 2.0, trades: int = 100) -> dict[str, Any]:
    return {
        "accuracy": 0.53,
        "accuracy_ci95": [0.5, 0.56],
        "coverage": 0.05,
        "coverage_ci95": [0.04, 0.06],
        "trades": trades,
        "n_labelled": trades // 3,
        "win_rate_labelled": 0.57,
        "win_rate_labelled_ci95": [0.5, 0.64],
        "gross_bps": gross,
        "gross_bps_ci95": [gross - reach, gross + reach],
        "executable_gross_bps": gross - 0.6,
        "executable_gross_bps_ci95": [gross - 0.6 - reach, gross - 0.6 + reach],
        "taker": costs(gross - 14, reach),
        "maker": {**costs(gross - 10, reach), "trades": trades * 6 // 10, "missed": missed(gross + 4)},
    }


def missed(gross: float | None) -> dict[str, Any]:
    net = None if gross is None else gross - 10
    return {"trades": 40, "gross_bps": gross, "net_bps": net, "net_bps_without_best_day": net}


def silent_part() -> dict[str, Any]:
    nothing = dict.fromkeys(costs(0, 0))
    return {
        **part(0),
        **dict.fromkeys(("win_rate_labelled", "win_rate_labelled_ci95", "gross_bps", "gross_bps_ci95")),
        **dict.fromkeys(("executable_gross_bps", "executable_gross_bps_ci95")),
        "coverage": 0.0,
        "trades": 0,
        "n_labelled": 0,
        "taker": nothing,
        "maker": {**nothing, "trades": 0, "missed": {**missed(None), "trades": 0}},
    }


def grid_cell(horizon: int, dev: dict[str, Any] | None, test: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "horizon": horizon,
        "threshold": 0.002 * (horizon / 2) ** 0.5,
        "labelled_share": 0.3,
        "development": dev,
        "test": test,
    }


def measured(
    symbol: str, cells: list[dict[str, Any]], *, tested: bool = True, spread_bps: float | None = 1.0
) -> dict[str, Any]:
    more = {"rounds": 20, "why": ["long: 9 of 10", "short: 8 of 10"], "tested": tested, "p_value": 0.9}
    market = {"tick_bps": 0.5, "spread_bps": spread_bps}
    return {"symbol": symbol, **market, "cells": [{**one, **more} for one in cells], "left_out": []}


CELLS = [
    grid_cell(2, part(1.0), part(2.0, reach=3.0)),
    grid_cell(12, part(5.0, reach=40.0), part(-30.0, reach=60.0)),
    grid_cell(48, silent_part(), silent_part()),
]


def document(*symbols: str, together: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    found = {
        "together": [{**one, "symbols": max(1, len(symbols))} for one in (together or CELLS)],
        "symbols": [measured(symbol, CELLS) for symbol in symbols],
    }
    return exploration(
        found,
        left_out=([Skipped("YOUNGUSDT", "Insufficient data")], [Failed("BADUSDT", "explore", "broken", "")]),
        settings={"days": 180, "prediction_horizon": 2, "min_price_change": 0.002},
        grid={"horizons": [2, 12, 48]},
        started_at="2026-11-22T12:00:00+00:00",
        finished_at="2026-11-22T12:10:00+00:00",
    )


def shown(told: dict[str, Any], *, width: int = 120) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(exploration_tables(told))
    return captured.get()


def test_the_document_keeps_its_schema_and_is_written_whole(tmp_path: Path) -> None:
    """Whoever reads it next year finds what the schema says."""
    told = document("AUSDT", "BUSDT")

    path, picture = ModelRegistry(tmp_path).write_exploration(told, exploration_picture(told))

    assert json.loads(path.read_text()) == told
    assert picture.read_text().startswith("<svg")
    assert told["counts"] == {
        "requested": 4,
        "explored": 2,
        "skipped": 1,
        "failed": 1,
        "cells": 6,
        "revealed": 6,
    }


def test_a_document_that_breaks_its_schema_is_not_written(tmp_path: Path) -> None:
    told = document("AUSDT")
    del told["symbols"][0]["cells"][0]["p_value"]

    with pytest.raises(jsonschema.ValidationError, match="p_value"):
        ModelRegistry(tmp_path).write_exploration(told, "")
    assert list(tmp_path.iterdir()) == []


def hidden(told: dict[str, Any]) -> dict[str, Any]:
    """The document as it is without ``--reveal``."""
    told = copy.deepcopy(told)
    for cell in (*told["together"], *(cell for one in told["symbols"] for cell in one["cells"])):
        cell["test"] = None
    told["counts"]["revealed"] = 0
    return told


def test_both_tables_have_a_row_for_every_cell_and_fit_120_columns() -> None:
    """Nothing is cut off where there is no terminal."""
    lines = shown(document("1000PEPEUSDT", "BUSDT")).splitlines()

    assert sum(line.startswith(" 1000PEPEUSDT ") for line in lines) == 6
    assert sum(line.startswith(" all ") for line in lines) == 6
    assert not any("…" in line for line in lines)
    assert max(map(len, lines)) <= 120


def test_a_row_has_both_costs_the_missed_entries_and_the_best_day() -> None:
    """Win rate, trades, gross, net with its interval and without its best day, distance from break-even."""
    rows = [" ".join(line.split()) for line in shown(document("AUSDT")).splitlines() if " AUSDT " in line]

    assert rows[0] == "AUSDT 2 0.20 57.0 5.0 100 +1.0 +0.4 -13.0 ±2.0 -14.5 +15.0 60.0 -9.0 ±2.0 -10.5 +5.0"
    assert rows[3] == "AUSDT 2 0.20 57.0 5.0 100 +2.0 +1.4 -12.0 ±3.0 -13.5 +15.0 60.0 -8.0 ±3.0 -9.5 +6.0"


def test_test_figures_appear_only_where_they_were_revealed() -> None:
    """In the tables, in the words and in the picture: a figure that was seen cannot be tested any more."""
    told = hidden(document("AUSDT", "BUSDT"))

    assert shown(told).count(" AUSDT ") == 3
    assert "Test candles" not in shown(told)
    words = exploration_words(told)
    assert "The test candles were not shown; --reveal shows them, and spends them." in words
    assert "The test part then showed" not in words
    picture = drawn(told)
    assert not any((text.text or "").startswith("Test") for text in picture.iter(f"{SVG}text"))
    assert sum(text.text == "none" for text in picture.findall(f"{SVG}text")) == 1


def test_the_command_that_trains_the_best_cell_is_printed() -> None:
    """Typed as it stands, it trains the very horizon and threshold that were measured."""
    words = exploration_words(hidden(document("AUSDT", "BUSDT")))

    threshold = CELLS[1]["threshold"]
    assert (
        "To train it: python train_live_lightgbm.py --symbols AUSDT,BUSDT --days 180 --horizon 12 "
        f"--threshold {threshold!r}"
    ) in words


def test_the_command_trains_the_candles_that_were_explored() -> None:
    """Of an exploration of the demo it named symbols that the real exchange does not have."""
    words = exploration_words(document("AUSDT"), ["--demo", "--cache-dir", "my candles"])

    (line,) = (line for line in words.splitlines() if line.startswith("To train it"))
    assert line.endswith(" --demo --cache-dir 'my candles'")


def test_what_was_chosen_here_has_its_evidence_still_before_it() -> None:
    """Who trains it at once is not to wonder at "no evidence yet"."""
    chosen = "It was chosen on these candles, so that only later ones are evidence of it."
    told = document("AUSDT")
    in_force = {"prediction_horizon": CELLS[1]["horizon"], "min_price_change": CELLS[1]["threshold"]}

    assert chosen in exploration_words(told)
    assert chosen not in exploration_words({**told, "settings": {**told["settings"], **in_force}})


def test_cells_without_a_trade_are_dashes_not_zeros() -> None:
    """A zero would read as break-even."""
    last = [line.split() for line in shown(document("AUSDT")).splitlines() if " AUSDT " in line][-1]

    assert last == ["AUSDT", "48", "0.98", "–", "0.0", "0", *["–"] * 9]


def test_one_symbol_needs_no_line_of_all() -> None:
    assert not any(line.startswith(" all ") for line in shown(document("AUSDT")).splitlines())


@pytest.mark.parametrize(
    ("market", "marked"),
    [
        ({"tick_bps": 5.0, "spread_bps": 5.0}, False),
        ({"tick_bps": 5.1, "spread_bps": 1.0}, True),
        ({"tick_bps": None, "spread_bps": 5.1}, True),
        ({"tick_bps": None, "spread_bps": None}, False),
    ],
)
def test_coarse_prices_are_marked_beside_the_win_rate(market: dict[str, Any], *, marked: bool) -> None:
    """A horizon of five minutes wins by bounce there; so do all symbols together that it is part of."""
    told = document("AUSDT", "1000000MOGUSDT")
    told["symbols"][1] |= market

    lines = shown(told).splitlines()

    assert sum(line.startswith(" 1000000MOGUSDT* ") for line in lines) == (6 if marked else 0)
    assert sum(line.startswith(" all* ") for line in lines) == (6 if marked else 0)
    assert not any(line.startswith(" AUSDT* ") for line in lines)
    assert any("* tick or spread above 5 bp: its win rate counts bounce" in line for line in lines) is marked
    assert not any("…" in line for line in lines)
    assert max(map(len, lines)) <= 120


def few_days(told: dict[str, Any]) -> dict[str, Any]:
    """The document of a history of a few days: figures without intervals."""
    told = copy.deepcopy(told)
    for cell in (*told["together"], *(cell for one in told["symbols"] for cell in one["cells"])):
        for found in (cell["development"], cell["test"]):
            for costs_of in (found, found["taker"], found["maker"]):
                costs_of.update({name: None for name in costs_of if name.endswith("_ci95")})
    return told


def test_too_few_days_for_an_interval_are_said() -> None:
    """In every table, sentence and picture: a figure alone would read as one that is known exactly."""
    told = few_days(document("AUSDT", "BUSDT"))

    tables = shown(told)
    assert tables.count("±? too few days") == 2
    assert tables.count("-13.0 ±?") == 3
    assert "±?" not in shown(document("AUSDT", "BUSDT"))
    assert "-9.0 [too few days] (-10.5 without its best day)" in exploration_words(told)
    assert "-9.0 [too few days] bp a trade" in explored_line(told["symbols"][0])


def test_the_best_horizon_is_chosen_by_the_development_part() -> None:
    """Choosing by the test part would be choosing luck; here the test part says the opposite."""
    best = best_cell(CELLS)

    assert best is not None
    assert best["horizon"] == 12
    assert best_cell([CELLS[2], grid_cell(1, None, part(9.0))]) is None


def test_the_closing_words_give_what_was_found_and_what_it_cost() -> None:
    words = exploration_words(document("AUSDT", "BUSDT"))

    assert "2 explored, 1 skipped, 1 failed of 4" in words
    assert (
        "In the development part, the 95 % interval of 0 of 6 cells lies above zero after taker fees, each "
        "taken alone."
    ) in words
    assert "together, the best horizon is 12 candles (0.49 %): before costs +5.0 bp a trade" in words
    assert (
        "The test part then showed: before costs -30.0 bp a trade (-30.6 entered at the next candle's mean "
        "price), after taker fees -44.0 [-104.0, +16.0] (-45.5 without its best day); resting entries, 60 % "
        "of them filled, -40.0 [-100.0, +20.0] (-41.5 without its best day); the 40 missed would have earned "
        "-26.0 before costs."
    ) in words
    assert "6 evaluations on test candles were recorded in the ledger" in words
    assert "without tuning" in words


def test_the_words_stay_sensible_when_nothing_was_found() -> None:
    """No symbol at all, or none that ever fires."""
    silent = [grid_cell(48, silent_part(), silent_part())]

    assert "test candles were" not in exploration_words(document())
    assert "too few trades to choose a threshold" in exploration_words(document("AUSDT", together=silent))


def test_the_line_of_a_symbol_names_its_best_horizon_and_what_was_left_out() -> None:
    one = {**measured("AUSDT", CELLS), "left_out": [{"horizon": 96, "reason": "Insufficient data: 3 labels"}]}

    assert explored_line(one) == (
        "✅ AUSDT: 3 horizons · best at 12 candles (0.49 %): -9.0 ±40.0 bp a trade after taker "
        "fees, -10.5 without its best day · 1 left out: Insufficient data: 3 labels"
    )
    assert "no signal in the development part" in explored_line(measured("AUSDT", [CELLS[2]]))


def drawn(told: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(exploration_picture(told))  # noqa: S314 - our own text


def marks(picture: ElementTree.Element, kind: str, tag: str) -> list[ElementTree.Element]:
    """Of one kind, those of the legend and of single symbols left out."""
    found = [one for one in picture.findall(f"{SVG}{tag}") if one.get("class") == kind]
    return found[1:] if tag != "line" else found


def small_panels(picture: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """Panels of single symbols by name."""
    groups = picture.findall(f"{SVG}g[@id='symbols']/{SVG}g")
    return {str(one.findtext(f"{SVG}title")): one for one in groups}


def test_the_picture_has_one_mark_per_kind_and_cell_that_traded() -> None:
    """Two panels of three horizons, the last of which never fired."""
    picture = drawn(document("AUSDT", "BUSDT"))

    assert len(marks(picture, "gross", "polygon")) == 4
    assert len(marks(picture, "maker", "circle")) == 4
    assert len(marks(picture, "taker", "rect")) == 4
    assert sum(text.text == "none" for text in picture.findall(f"{SVG}text")) == 2


def test_the_picture_is_drawn_to_scale() -> None:
    """Marks stand where their numbers are: seen from the pixels back to basis points."""
    picture = drawn(document("AUSDT", "BUSDT"))
    (zero, *_) = [
        float(line.get("y1", "")) for line in picture.iter(f"{SVG}line") if line.get("class") == "zero"
    ]
    maker = [float(one.get("cy", "")) for one in marks(picture, "maker", "circle")]
    expected = [-9.0, -5.0, -8.0, -40.0]
    per_bp = (maker[3] - zero) / 40

    assert per_bp > 0
    assert maker == pytest.approx([zero - per_bp * bps for bps in expected], abs=0.2)


def test_every_interval_lies_inside_its_panel() -> None:
    """However wide: the scale makes room for the widest of both panels."""
    picture = drawn(document("AUSDT", "BUSDT"))
    lines = picture.findall(f"{SVG}line")
    reaches = [line for line in lines if (line.get("class") or "").endswith(" reach")]

    assert len(reaches) == 12
    for line in reaches:
        assert TOP <= float(line.get("y1", "")) < float(line.get("y2", "")) <= BOTTOM


def test_texts_lie_inside_the_picture_and_names_are_escaped() -> None:
    """A symbol is outside text; and a label beyond the edge is not seen."""
    picture = drawn(document("A<&USDT", *(f"S{at}USDT" for at in range(6))))

    assert any("A<&USDT" in (text.text or "") for text in picture.iter(f"{SVG}text"))
    assert "A<&USDT" in small_panels(picture)
    assert any("A<&USDT" in (text.text or "") for text in drawn(document("A<&USDT")).iter(f"{SVG}text"))
    for text in picture.iter(f"{SVG}text"):
        if text.get("x") is not None:
            assert 0 <= float(text.get("x", "")) <= WIDTH
            assert 0 <= float(text.get("y", "")) <= float(picture.get("height", ""))


def of_many(count: int) -> dict[str, Any]:
    """Symbols that differ: each earns a basis point less than the one before it."""
    told = document(*(f"S{number:02}USDT" for number in range(count)))
    for number, one in enumerate(told["symbols"]):
        for cell in one["cells"]:
            cell["development"] = part(12.0 - number) if cell["horizon"] == 2 else silent_part()
    return told


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.get(name, ""))


def test_each_symbol_has_a_panel_of_its_development_part_on_one_scale() -> None:
    """What all earn together may be what one earns: the same pixels are the same basis points in each."""
    told = of_many(9)
    panels = small_panels(drawn(told))

    assert list(panels) == [one["symbol"] for one in told["symbols"]]
    for at, panel in enumerate(panels.values()):
        (frame,) = panel.findall(f"{SVG}rect[@class='panel']")
        (zero,) = panel.findall(f"{SVG}line[@class='zero']")
        (maker,) = panel.findall(f"{SVG}circle[@class='maker']")
        (taker,) = panel.findall(f"{SVG}rect[@class='taker']")
        assert len(panel.findall(f"{SVG}polygon[@class='gross']")) == 1
        square = number(taker, "y") + number(taker, "height") / 2
        per_bp = (square - number(maker, "cy")) / 4
        assert per_bp == pytest.approx(130 / 40, abs=0.1)
        assert number(maker, "cy") - number(zero, "y1") == pytest.approx(-per_bp * (2 - at), abs=1.0)
        assert sum(text.text == "none" for text in panel.findall(f"{SVG}text")) == 2
        for line in panel.findall(f"{SVG}line"):
            top, bottom = number(frame, "y"), number(frame, "y") + number(frame, "height")
            assert top <= number(line, "y1") <= number(line, "y2") <= bottom


def test_a_test_figure_does_not_appear_in_the_panels_of_symbols() -> None:
    """They are for choosing, revealed or not."""
    told = of_many(3)

    def shapes(found: dict[str, Any]) -> list[bytes]:
        return [ElementTree.tostring(panel) for panel in small_panels(drawn(found)).values()]

    assert shapes(told) == shapes(hidden(told))


@pytest.mark.parametrize("count", [2, 4, 5, 8, 50])
def test_panels_of_symbols_neither_overlap_nor_leave_the_picture(count: int) -> None:
    """Four in a row, and the picture grows with their rows; the footer is below the last."""
    picture = drawn(of_many(count))
    frames = [panel.find(f"{SVG}rect") for panel in small_panels(picture).values()]
    places = {(number(one, "x"), number(one, "y")) for one in frames if one is not None}
    tops = sorted({top for _, top in places})
    height = number(picture, "height")

    assert picture.get("viewBox") == f"0 0 {WIDTH} {height:.0f}"
    assert len(places) == count
    assert len(tops) == -(-count // COLUMNS)
    assert tops[0] > BOTTOM + 56
    assert all(after - before > 130 + 40 for before, after in pairwise(tops))
    texts = picture.iter(f"{SVG}text")
    footer = [number(one, "y") for one in texts if (one.text or "").startswith("Thresholds")]
    assert [tops[-1] + 130 + 30 < y < height for y in footer] == [True]
    for left in {left for left, _ in places}:
        assert LEFT <= left <= WIDTH - RIGHT - 217


def test_a_single_symbol_is_not_drawn_twice() -> None:
    """All symbols together are that one."""
    picture = drawn(document("AUSDT"))

    assert small_panels(picture) == {}
    assert picture.get("height") == str(HEIGHT)


def test_a_horizon_has_its_column_in_every_panel_of_a_symbol() -> None:
    """A young symbol has no cell for the longest horizons: the others must not move."""
    told = of_many(2)
    del told["symbols"][1]["cells"][0]
    whole, young = small_panels(drawn(told)).values()

    def labels(panel: ElementTree.Element) -> list[str]:
        return [text.text or "" for text in panel.iter(f"{SVG}text") if (text.text or "")[-1:] in {"m", "h"}]

    assert labels(whole) == labels(young) == ["10m", "1h", "4h"]
    assert sum(text.text == "–" for text in young.iter(f"{SVG}text")) == 1
    assert young.findall(f"{SVG}circle") == []


def test_the_picture_says_where_the_days_are_too_few() -> None:
    """A mark without its interval would read as one that is known exactly."""
    told = document("AUSDT", "BUSDT")

    assert "A mark without its interval: too few days." in exploration_picture(few_days(told))
    assert "too few days" not in exploration_picture(told)


@pytest.mark.parametrize(
    "cells", [[], [grid_cell(2, None, None)], [grid_cell(2, part(0.0, reach=0.0), None)]]
)
def test_a_picture_of_nothing_is_still_a_picture(cells: list[dict[str, Any]]) -> None:
    """Every symbol may have been skipped, or none had a fold."""
    told = document("AUSDT")
    told["together"] = cells

    assert drawn(told).tag == f"{SVG}svg"


def test_the_picture_reads_in_light_and_dark() -> None:
    """Its colours follow the reader's mode, over a background of its own."""
    text = exploration_picture(document("AUSDT"))

    assert "prefers-color-scheme: dark" in text
    assert 'class="back"' in text
