"""The page's script shows the session that it is sent.  Run in Node, where that is, without a browser."""

import json
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from desk.trade.snapshot import NoteView, PositionView, SessionSnapshot, SymbolView, snapshot_json
from tests.trade.dashboard.test_server import HOSTILE, snapshot
from tests.trade.samples import NOON

NODE = shutil.which("node")
STAND_IN = Path(__file__).with_name("page_in_node.js")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed: the page's script is not run")


def view(symbol: str, probability: float, action: str = "stay out") -> SymbolView:
    return SymbolView(
        symbol=symbol,
        model_file="m.txt",
        open_time=NOON - 300_000,
        close=1.0,
        probability=probability,
        long_threshold=0.6,
        short_threshold=0.4,
        action=action,
        reasons=(),
    )


def full() -> SessionSnapshot:
    position = PositionView(
        symbol=HOSTILE,
        side="long",
        size=Decimal("0.500"),
        entry_price=Decimal("100.10"),
        mark_price=Decimal(101),
        unrealized=Decimal("0.45"),
        stop=None,
        take_profit=None,
        due=NOON + 600_000,
        opened=NOON,
        model_file="",
        is_tracked=False,
    )
    return snapshot(
        symbols=(view(HOSTILE, 0.55), view("BTCUSDT", 0.61, "enter long"), view("ETHUSDT", 0.5)),
        positions=(position,),
        notes=(NoteView(at=NOON, kind="session", symbol="", text="started"),),
        equity_line=((NOON - 1000, 1.0), (NOON, 2.0)),
    )


def shown(*steps: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page shows after each step."""
    assert NODE is not None
    with as_file(files("desk.trade.dashboard").joinpath("page")) as folder:
        done = subprocess.run(
            [NODE, str(STAND_IN), str(folder / "page.js"), str(folder / "index.html")],
            input=json.dumps(steps),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def document(found: SessionSnapshot, *, buttons: bool = True) -> dict[str, Any]:
    return {**snapshot_json(found), "buttons": buttons}


BEGIN = {"event": "snapshot", "data": document(full())}


def test_what_is_sent_is_shown_and_a_hostile_name_stays_text() -> None:
    [page] = shown(BEGIN)

    assert page["mode"] == "live"
    assert page["texts"]["mode"] == "LIVE: REAL MONEY"
    assert "9,500.10" in page["texts"]["account"]
    assert [row[0] for row in page["texts"]["symbols"]] == ["BTCUSDT", HOSTILE, "ETHUSDT"]
    assert page["texts"]["symbols"][1][6] == "no side fired: 5.0 points away"
    [held] = page["texts"]["positions"]
    assert held == [
        *(HOSTILE, "long", "0.5", "100.1", "101", "+0.45", "none", "12:10 UTC"),
        "not of this session: left alone",
    ]
    assert page["texts"]["delivered"] == [["No trade is closed yet."]]
    assert "websockets: trouble" in page["texts"]["health"]
    assert "session: started" in page["texts"]["notes"]
    assert page["disabled"] == [False, False]
    assert "figures" not in page["hidden"]


def test_a_change_replaces_what_it_names_and_nothing_else() -> None:
    row = snapshot_json(replace(full(), symbols=(view("ETHUSDT", 0.59),)))["symbols"][0]
    change = {"at": NOON + 1, "candle_age_ms": 1, "changed_symbols": [row], "equity": "9000"}
    before, after = shown(BEGIN, {"event": "change", "data": change})

    assert [row[0] for row in after["texts"]["symbols"]] == ["BTCUSDT", "ETHUSDT", HOSTILE]
    assert "9,000.00" in after["texts"]["account"]
    assert after["texts"]["positions"] == before["texts"]["positions"]


def test_a_lost_line_is_said_by_the_pages_own_clock() -> None:
    """Figures that stand still look like a calm market."""
    fresh, lost, back = shown(
        {**BEGIN, "pass_ms": 5_000},
        {"pass_ms": 60_000},
        {"event": "heartbeat", "data": {"at": NOON + 65_000, "candle_age_ms": 65_000}},
    )

    assert fresh["texts"]["line"] == ""
    assert lost["texts"]["line"] == "No word for 65 s: these figures are old."
    assert lost["lost"]
    assert back["texts"]["line"] == ""
    assert "last candle closed 65 s ago" in back["texts"]["state"]


def test_the_end_is_said_and_takes_the_buttons_away() -> None:
    ended = {"at": NOON, "ended": NOON, "status": 3, "why": "kill switch", "is_running": False}
    *_, page = shown(BEGIN, {"event": "change", "data": ended}, {"event": "end", "pass_ms": 90_000})

    assert "status 3: kill switch" in page["texts"]["state"]
    assert page["texts"]["line"] == "The session has ended: these are its last figures."
    assert page["disabled"] == [True, True]


def test_symbols_are_filtered_and_sorted() -> None:
    filtered, none, by_name, reverse = shown(
        {**BEGIN, "filter": "eth"},
        {"filter": "no such"},
        {"filter": "", "sort": "symbol"},
        {"sort": "symbol"},
    )

    assert [row[0] for row in filtered["texts"]["symbols"]] == ["ETHUSDT"]
    assert filtered["texts"]["shown"] == "1 of 3 symbols"
    assert none["texts"]["symbols"] == [["No symbol matches."]]
    names = [row[0] for row in by_name["texts"]["symbols"]]
    assert names[::-1] == [row[0] for row in reverse["texts"]["symbols"]]


def test_a_button_asks_first_and_sends_the_token_that_was_typed() -> None:
    asking, wrong, done = shown(
        {**BEGIN, "press": "flatten"}, {"status": 401, "token": "guess"}, {"status": 200, "token": "right"}
    )

    assert asking["confirm"]
    assert [one["path"] for one in asking["asked"]] == ["snapshot"]
    assert wrong["confirm"]
    assert wrong["texts"]["confirm-problem"] == "the token is wrong"
    assert not done["confirm"]
    assert done["texts"]["action-outcome"] == "Asked: flatten and stop."
    sent = done["asked"][-1]
    assert (sent["path"], sent["method"]) == ("flatten", "POST")
    assert sent["headers"]["Authorization"] == "Bearer right"
    assert json.loads(sent["body"]) == {"confirm": "flatten and stop"}


def test_without_a_token_in_the_environment_the_buttons_are_dead() -> None:
    [page] = shown({"event": "snapshot", "data": document(full(), buttons=False)})

    assert page["disabled"] == [True, True]
    assert "no-buttons" not in page["hidden"]
