"""``live_trade.py --status``: a session seen from another terminal, and its journal left as it is."""

import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

import live_trade
from desk.clock import SystemClock
from desk.orders import Balance
from desk.policy import Thresholds
from desk.reports.console import Console
from desk.session_status import show_status
from desk.trade.journal import Journal
from desk.trade.records import Decision, OpenTrade
from desk.trade.signals import Signal
from desk.values import CANDLE_MS
from tests.trade.samples import card

NOW = 1_767_268_800_000
"""Noon."""
CANDLE = NOW - NOW % CANDLE_MS - CANDLE_MS
"""The newest closed candle."""


class Noon(SystemClock):
    """A clock that stands."""

    def now_ms(self) -> int:
        """Noon."""
        return NOW


def fill(journal: Journal, symbols: int = 30) -> None:
    """A session of many symbols with one position."""
    journal.begin(NOW - 7_200_000, mode="paper", settings='{"risk": {"daily_loss_stop": "0.03"}}')
    decisions = []
    for at in range(symbols):
        thresholds = Thresholds(long=0.6, short=None if at % 2 else 0.4)
        found = card(f"COIN{at:011d}USDT", thresholds=thresholds)
        signal = Signal(card=found, open_time=CANDLE, close=1.0, probability=0.5 + at / 1000, digest="")
        reasons = (("watch", "its verdict is: not tradable"),) if at % 3 == 0 else ()
        decisions.append(Decision(signal, "watch only" if reasons else "stay out", reasons))
    journal.diary.record_decisions(decisions)
    journal.diary.record_equity(NOW - 60_000, Balance(equity=Decimal(10_000), available=Decimal(9_000)))
    journal.diary.record_equity(NOW - 30_000, Balance(equity=Decimal(9900), available=Decimal(9_000)))
    journal.diary.note(NOW - 20_000, "entry", "COIN00000000001USDT: long 3 at 1")


def held(at: int = 1) -> OpenTrade:
    """A position that is open."""
    return OpenTrade(
        trade="t-1",
        symbol=f"COIN{at:011d}USDT",
        side=1,
        model_file="m",
        opened=CANDLE,
        due=CANDLE + 2 * CANDLE_MS,
        price=Decimal("1.25"),
        stop=Decimal("1.2"),
        take_profit=None,
        status="open",
        size=Decimal(3),
    )


def test_a_running_session_is_shown_whole_at_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal that is at hand is a narrow one, and nothing in it may be half of a figure."""
    monkeypatch.setattr("desk.reports.console.PLAIN_WIDTH", 80)
    with Journal(tmp_path / "j.sqlite") as journal:
        fill(journal)
        with journal.ledger._db.transaction():
            journal.ledger._insert_trade(held())
        assert journal.settle()

        assert show_status(tmp_path / "j.sqlite", Noon(), Console(quiet=False, as_json=False))

    said = capsys.readouterr().out
    assert "PAPER: runs since" in said
    assert "Equity 9,900.00 USDT" in said
    assert "-1.00% (stop at -3.00%)" in said
    assert re.search(r"COIN00000000001USDT +long +3 +- +1.2 +\d\d-\d\d \d\d:\d\d", said)
    assert "30 symbols: 20 stay out, 10 watch only" in said
    assert re.search(r"COIN00000000029USDT +0.529 +never / 0.600 .*stay out", said)
    assert said.count("COIN0") <= 13
    assert "entry: COIN00000000001USDT: long 3" in said
    assert "…" not in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("PAPER")) <= 80


def test_a_session_that_ended_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever comes back in the morning asks that first."""
    with Journal(tmp_path / "j.sqlite") as journal:
        fill(journal)
        journal.end(1, NOW, status=3, why="the day's loss")

    assert live_trade.main(["--status", "--journal", str(tmp_path / "j.sqlite")]) == 0
    assert "ended with status 3: the day's loss" in capsys.readouterr().out


def test_a_session_that_was_killed_is_no_running_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its journal has no end, and nobody holds it: positions may be without a program."""
    with Journal(tmp_path / "j.sqlite") as journal:
        fill(journal)

    assert live_trade.main(["--status", "--journal", str(tmp_path / "j.sqlite")]) == 0
    said = capsys.readouterr().out
    assert "did not end in order" in said
    assert "runs since" not in said


def test_where_nothing_was_traded_the_status_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script learns from the status, and no file is made by asking."""
    assert live_trade.main(["--status", "--journal", str(tmp_path / "none.sqlite")]) == 1

    assert "holds no session" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_as_json_it_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts: money as text, nothing else on standard output."""
    with Journal(tmp_path / "j.sqlite") as journal:
        fill(journal)
    digest = hashlib.sha256((tmp_path / "j.sqlite").read_bytes()).digest()

    assert live_trade.main(["--status", "--json", "--journal", str(tmp_path / "j.sqlite")]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["equity"] == "9900"
    assert len(document["symbols"]) == 30
    assert hashlib.sha256((tmp_path / "j.sqlite").read_bytes()).digest() == digest


def test_json_alone_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be taken for granted that a session writes documents."""
    assert live_trade.main(["--json"]) == 2
    assert "--json goes with --status" in capsys.readouterr().err
