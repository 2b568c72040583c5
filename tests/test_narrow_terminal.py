"""Every table is whole on a terminal of 80 columns, with the longest names and figures of a universe."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
import rich.console
from rich.console import RenderableType

from desk.reports import live, terminal
from desk.reports.columns import Layout, fitting
from desk.reports.models import models_table
from tests.learn.test_summary import summary, words_of
from tests.test_fetch_printed import summarised
from tests.test_live_reports import DECISIONS, SCORES, YOUNG

LONG = "1000000MOGOUSDT"
WIDTH = 80
ROW = summarised(LONG, tick_bps=9.0, tradable=True, cpu_seconds=999.9, trades=99_999, net_bps=-101.7)
MODEL = {
    "symbol": LONG,
    "state": "published",
    "problem": None,
    "judged_at": "2026-01-01T00:00:00+00:00",
    "created_at": None,
    "versions": 99,
    "figures": {"accuracy": 0.543, "net_bps": -101.7, "tradable": True},
    "live": {"net_bps": -101.7, "trades": 99_999},
}
SUMMARY: dict[str, Any] = {"symbols": [ROW], "averages": {"accuracy": 0.5432, "auc": 0.5567}}
TABLES: dict[str, RenderableType] = {
    "closing": terminal.closing_tables(SUMMARY, width=WIDTH),
    "fetched": terminal.fetch_table([(LONG, 51_840, 1_234, 0.123, 541, 9_999, 9_999.9)], width=WIDTH),
    "models": models_table([MODEL], now=datetime(2026, 12, 31, tzinfo=UTC)),
    "decisions": live.decision_table(DECISIONS, width=WIDTH, title="Decisions"),
    "scores": live.score_table([*SCORES, YOUNG], width=WIDTH),
    "differences": live.difference_table(
        [("refused: too small an order under the limit of largest market order", 99_999, -999_999.9)] * 3
    ),
    "bill": live.bill_table([("unrealized", "-1,234,567.8901")] * 3),
}


def printed(table: RenderableType, *, width: int = WIDTH) -> list[str]:
    console = rich.console.Console(width=width, record=True, file=io.StringIO(), no_color=True)
    console.print(table)
    return console.export_text().splitlines()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_whole_on_80_columns(name: str) -> None:
    """A figure that is cut is none, and two symbols that are cut are one."""
    lines = printed(TABLES[name])

    assert max(map(len, lines)) <= WIDTH
    assert not any("…" in line for line in lines)
    if name not in {"decisions", "scores", "differences", "bill"}:
        assert any(LONG in line for line in lines)


def test_columns_leave_in_their_order_and_figures_of_the_verdict_last() -> None:
    """What a reader decides by stays: win rate, trades, what was needed, what is left after costs."""
    head = next(line for line in printed(TABLES["closing"]) if "win rate" in line)

    for name in ("win rate [95 %]", "trades", "won (needed)", "net bp", "trade"):
        assert name in head
    assert "CPU s" not in head
    wide = next(
        line for line in printed(terminal.closing_tables(SUMMARY, width=120), width=120) if "win rate" in line
    )
    assert "CPU s" in wide
    assert "at next" in wide


def test_no_more_columns_leave_than_must() -> None:
    layout = Layout(("a", "bb", "ccc"), left=frozenset(), leaving=("ccc", "bb"))

    assert fitting(layout, [], width=10) == ("a", "bb", "ccc")
    assert fitting(layout, [], width=9) == ("a", "bb")
    assert fitting(layout, [], width=5) == ("a",)
    assert fitting(layout, [("long", "b", "c")], width=13) == ("a", "bb", "ccc")
    assert fitting(layout, [("long", "b", "c")], width=12) == ("a", "bb")


def test_three_hundred_symbols_end_in_counts_the_tradable_and_the_nearest() -> None:
    """Three hundred rows push what matters off the screen."""
    rows = [
        summarised(f"COIN{number}USDT", tradable=number in {7, 250}, reasons=["x"] * (number % 5 + 1))
        for number in range(300)
    ]
    shown = [row["symbol"] for row in terminal.shown_rows({"symbols": rows})]

    assert shown[:2] == ["COIN7USDT", "COIN250USDT"]
    assert len(shown) == 2 + terminal.NEAREST
    assert all(int(name[4:-4]) % 5 == 0 for name in shown[2:])
    assert len(terminal.shown_rows({"symbols": rows[: terminal.MANY]})) == terminal.MANY


def test_failures_of_many_symbols_are_grouped_by_their_cause() -> None:
    """Two hundred lines of one cause hide the one line of another."""
    told = summary(failed=tuple(f"COIN{number}USDT" for number in range(50)), skipped=("NEWUSDT",))
    told["problems"] = [
        {**problem, "message": f"{problem['symbol']}: {number} s without an answer"}
        for number, problem in enumerate(told["problems"])
    ]
    told["problems"].append({"symbol": "ODDUSDT", "stage": "train", "message": "ODDUSDT: the disk is full"})
    words = words_of(told)

    assert "Failed (train), 50 × … s without an answer: COIN0USDT, COIN1USDT, COIN2USDT and 47 more." in words
    assert "Failed (train), 1 × the disk is full: ODDUSDT." in words
    assert "Skipped, 1 × Insufficient data: NEWUSDT." in words
    assert "Shown:" not in words
    assert "without an answer" not in words_of(summary(failed=("AUSDT", "BUSDT")))
