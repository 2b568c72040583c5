"""The journal survives whatever happens to its process, and belongs to one session at a time."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.orders import Balance, Fill, OrderRequest, OrderState
from desk.policy import LONG
from desk.trade.identity import client_id
from desk.trade.journal import Journal
from desk.trade.journal.database import net_by_day
from desk.trade.journal.schema import MIGRATIONS
from desk.trade.journal.writer import BackgroundWriter
from desk.trade.records import ClosedTrade, Decision, OpenTrade
from tests.trade.samples import NOON, card, decisions_at, sample_signal

NAME = client_id("BTCUSDT", NOON, "open", 0)
REQUEST = OrderRequest(
    client_id=NAME,
    symbol="BTCUSDT",
    side=LONG,
    purpose="open",
    size=Decimal("0.5"),
    kind="market",
    price=None,
    stop_loss=Decimal(98),
    take_profit=None,
)
TRADE = OpenTrade(
    trade=NAME,
    symbol="BTCUSDT",
    side=LONG,
    model_file="m.txt",
    opened=NOON,
    due=NOON + 600_000,
    price=Decimal(100),
    stop=Decimal(98),
    take_profit=None,
    status="opening",
    size=Decimal(0),
)
FILLED = OrderState(
    client_id=NAME,
    order_id="77",
    symbol="BTCUSDT",
    side=LONG,
    purpose="open",
    status="filled",
    size=Decimal("0.5"),
    filled=Decimal("0.5"),
    average_price=Decimal("100.01"),
    fee=Decimal("0.03"),
    created=NOON,
    updated=NOON,
)
CLOSED = ClosedTrade(
    trade=NAME,
    symbol="BTCUSDT",
    side=LONG,
    model_file="m.txt",
    opened=NOON,
    closed=NOON + 900_000,
    price=Decimal(100),
    ended="horizon",
    size=Decimal("0.5"),
    entry_price=Decimal("100.01"),
    exit_price=Decimal(101),
    fees=Decimal("0.06"),
    profit=Decimal("0.435"),
    gross=0.0099,
    net=-0.0087,
)
STOPPED = Fill(
    trade_id="9",
    order_id="78",
    client_id="",
    symbol="BTCUSDT",
    side=LONG,
    purpose="close",
    price=Decimal(98),
    size=Decimal("0.5"),
    fee=Decimal("0.03"),
    at=NOON + 300_000,
    cause="stop_loss",
)


def file_of(journal: Journal) -> sqlite3.Connection:
    """The connection that a background writer writes by."""
    writer = journal._writer
    assert isinstance(writer, BackgroundWriter)
    return writer._db


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """To the last digit, also by another process."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.ledger.open_trade(TRADE, REQUEST, NOON)
    with Journal(path) as journal:
        assert journal.ledger.open_trades() == [TRADE]
        (order,) = journal.ledger.unresolved()
        assert (order.status, order.size, order.filled) == ("intended", Decimal("0.5"), Decimal(0))
        journal.ledger.reported(FILLED, NOON)
        assert journal.ledger.open_trades() == [replace(TRADE, status="open", size=Decimal("0.5"))]
        assert journal.ledger.unresolved() == []
        journal.ledger.record_fills([STOPPED, STOPPED], TRADE)
        assert journal.ledger.fills_of(NAME) == [STOPPED]
        journal.ledger.close_trade(CLOSED)
    with Journal(path) as journal:
        assert journal.ledger.open_trades() == []
        assert journal.ledger.closed_trades() == [CLOSED]
        assert journal.ledger.closed_trades(model_file="other.txt") == []
        assert journal.ledger.losing_streak() == (1, CLOSED.closed)


def test_old_news_of_an_order_change_nothing(tmp_path: Path) -> None:
    """Pushes come twice, late and out of order."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.ledger.open_trade(TRADE, REQUEST, NOON)
        journal.ledger.reported(FILLED, NOON)
        late = replace(FILLED, status="partially_filled", filled=Decimal("0.2"))
        journal.ledger.reported(late, NOON)
        journal.ledger.reported(replace(FILLED, status="live", filled=Decimal(0)), NOON)

        (order,) = journal.ledger.orders_of(NAME)
        assert (order.status, order.filled) == ("filled", Decimal("0.5"))


def test_a_fill_belongs_to_the_trade_whose_order_made_it(tmp_path: Path) -> None:
    """The exit of the trade before must not be taken for the exit of this one."""
    second = client_id("BTCUSDT", NOON + 600_000, "open", 0)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.ledger.open_trade(TRADE, REQUEST, NOON)
        journal.ledger.reported(FILLED, NOON)
        later = replace(TRADE, trade=second, opened=NOON + 600_000)
        journal.ledger.open_trade(later, replace(REQUEST, client_id=second), NOON)
        by_order = replace(STOPPED, trade_id="10", order_id="77", cause="order")

        journal.ledger.record_fills([by_order, STOPPED], later)

        assert journal.ledger.fills_of(NAME) == [by_order]
        assert journal.ledger.fills_of(second) == [STOPPED]


def test_a_journal_is_read_by_its_user_alone(tmp_path: Path) -> None:
    """It says what the account holds; one of an earlier version, which anybody could read, is closed too."""
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    before = os.umask(0)
    try:
        sqlite3.connect(old).close()
        old.touch(0o644)
        old.with_name("old.sqlite-wal").touch(0o644)
        for path in (old, new):
            with Journal(path):
                modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.glob(f"{path.name}*")}
                assert set(modes.values()) == {0o600}, modes
                assert len(modes) >= 3
    finally:
        os.umask(before)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite.lock"])
def test_a_pipe_in_the_place_of_a_journal_is_named(tmp_path: Path, name: str) -> None:
    """It would keep the start waiting for ever, without a word."""
    os.mkfifo(tmp_path / name)

    with pytest.raises(SettingsError, match=r"no regular file|cannot be written"):
        Journal(tmp_path / "journal.sqlite")


def test_a_second_session_is_kept_out(tmp_path: Path) -> None:
    """Two would trade one account against each other."""
    path = tmp_path / "journal.sqlite"
    with (
        Journal(path),
        pytest.raises(SettingsError, match="another session is using"),
    ):
        Journal(path)
    Journal(path).close()


@pytest.mark.parametrize("body", [b"not a database, though long enough to look like one" * 100, b"\0" * 4096])
def test_another_file_is_refused_by_name(tmp_path: Path, body: bytes) -> None:
    """``--journal`` pointed at the wrong file must not destroy it."""
    path = tmp_path / "notes.txt"
    path.write_bytes(body)

    with pytest.raises(SettingsError, match=r"notes\.txt"):
        Journal(path)
    assert path.read_bytes() == body


def test_another_database_is_refused(tmp_path: Path) -> None:
    """Its tables are somebody's data."""
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE treasures (name TEXT)")
    other.close()

    with pytest.raises(SettingsError, match="a database of something else"):
        Journal(path)


def test_a_journal_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """An update of the program must not cost the history of a year."""
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as older:
        for statement in MIGRATIONS[0]:
            older.execute(statement)
        older.execute("INSERT INTO notes (at, kind, symbol, text) VALUES (1, 'feed', '', 'kept')")
        older.execute("PRAGMA user_version = 1")
    older.close()

    with Journal(path) as journal:
        assert journal.diary.notes() == [(1, "feed", "", "kept")]
    with sqlite3.connect(path) as newer:
        assert newer.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        plan = newer.execute(
            "EXPLAIN QUERY PLAN SELECT 1 FROM trades WHERE symbol = '' AND opened < 1"
        ).fetchall()
    newer.close()
    assert "trades_by_symbol" in plan[0][3]


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    """An older program would not know what the new columns mean."""
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    other.close()

    with pytest.raises(SettingsError, match="a newer version"):
        Journal(path)


def test_a_journal_belongs_to_one_mode(tmp_path: Path) -> None:
    """Play money and real money in one file would make one equity of two."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.begin(NOON, mode="paper", settings="{}")
        with pytest.raises(SettingsError, match="the journal of mode paper"):
            journal.begin(NOON, mode="live", settings="{}")


def test_orders_wait_for_the_disk(tmp_path: Path) -> None:
    """After a power cut an order that was sent must be in the journal."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        file = file_of(journal)
        assert file.execute("PRAGMA synchronous").fetchone() == (2,)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_decisions_tell_everything(tmp_path: Path) -> None:
    """Probability, model, features and every reason of a refusal."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        thought = sample_signal()
        reasons = (("clock", "the clock has drifted"), ("verdict", "no edge"))
        journal.diary.record_decisions([Decision(thought, "refused", reasons)])

        ((symbol, probability, action, told),) = decisions_at(journal, thought.open_time)
        assert (symbol, probability, action) == ("BTCUSDT", 0.7, "refused")
        assert "the clock has drifted" in told
        assert journal.diary.refusals() == [("BTCUSDT", thought.open_time, "clock")]
        assert journal.diary.closes("BTCUSDT", 0) == {thought.open_time: 100.0}


def test_old_decisions_are_forgotten_but_those_of_trades(tmp_path: Path) -> None:
    """86,400 rows a day of 300 symbols would fill a small server within a year."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        for step in range(10):
            thought = sample_signal(open_time=NOON + step * 300_000)
            journal.diary.record_decisions([Decision(thought, "stay out", ())])
        journal.ledger.open_trade(TRADE, REQUEST, NOON)

        journal.diary.forget_decisions(NOON + 9 * 300_000)
        assert sorted(journal.diary.closes("BTCUSDT", 0)) == [NOON + step * 300_000 for step in (0, 1, 2, 9)]


def test_a_demotion_lasts(tmp_path: Path) -> None:
    """A restart must not bring a disappointing model back."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.diary.demote(card(), NOON, "below what was expected")
    with Journal(path) as journal:
        assert journal.diary.demoted() == {card().model_file: "below what was expected"}


def test_the_equity_of_the_day_is_its_first(tmp_path: Path) -> None:
    """The daily loss counts from 00:00 UTC, also after a restart."""
    midnight = NOON // 86_400_000 * 86_400_000
    with Journal(tmp_path / "journal.sqlite") as journal:
        for at, equity in ((midnight - 1, 9), (midnight, 10), (NOON, 11)):
            journal.diary.record_equity(at, Balance(equity=Decimal(equity), available=Decimal(0)))

        assert journal.diary.day_equity(NOON) == 10
        assert journal.diary.day_equity(NOON + 86_400_000) is None
        assert journal.diary.newest_equity() == 11


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from desk.trade.journal import Journal
from tests.trade.test_journal import CLOSED, FILLED, NOON, REQUEST, STOPPED, TRADE, file_of

countdown = int(sys.argv[2])

def killed(statement):
    global countdown
    countdown -= 1
    if countdown < 0:
        os.kill(os.getpid(), signal.SIGKILL)

journal = Journal(Path(sys.argv[1]))
file_of(journal).set_trace_callback(killed)
for step in (
    lambda: journal.ledger.open_trade(TRADE, REQUEST, NOON),
    lambda: journal.ledger.reported(FILLED, NOON),
    lambda: journal.ledger.record_fills([STOPPED], TRADE),
    lambda: journal.ledger.close_trade(CLOSED),
):
    step()
    asyncio.run(journal.stored())
    print("done", flush=True)
"""


@pytest.mark.parametrize("statement", range(0, 26, 2))
def test_a_kill_at_any_statement_leaves_the_state_before_or_after(tmp_path: Path, statement: int) -> None:
    """Whatever was reported as stored is there; of the call that was cut, all or nothing."""
    path = tmp_path / "journal.sqlite"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(statement)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    done = child.stdout.count("done")
    assert child.returncode == -signal.SIGKILL or done == 4, child.stderr

    with Journal(path) as journal:
        trades, orders = journal.ledger.open_trades(), journal.ledger.orders_of(NAME)
        closed = journal.ledger.closed_trades()
        whole = file_of(journal).execute("PRAGMA integrity_check").fetchone()
    assert whole == ("ok",)
    assert (len(orders) == 1) == (len(trades) + len(closed) == 1)
    assert len(orders) == 1 or done == 0
    if done >= 2:
        assert [one.size for one in trades] + [one.size for one in closed] == [Decimal("0.5")]
    assert len(closed) == 1 or done < 4


@pytest.mark.parametrize(("mode", "found"), [("live", {"BTCUSDT": {"2025-11-06": -87.0}}), ("replay", {})])
def test_training_reads_what_each_day_earned(
    tmp_path: Path, mode: str, found: dict[str, dict[str, float]]
) -> None:
    """An acceptance ends by the days of live trading too; a replay repeats days that the walk had."""
    path = tmp_path / "journal.sqlite"
    assert net_by_day(path) == {}
    with Journal(path) as journal:
        journal.begin(NOON, mode=mode, settings="{}")
        journal.ledger.open_trade(TRADE, REQUEST, NOON)
        journal.ledger.close_trade(CLOSED)
        assert journal.settle()
        assert net_by_day(path) == {symbol: pytest.approx(days) for symbol, days in found.items()}
