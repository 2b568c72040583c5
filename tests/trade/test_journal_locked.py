"""A journal that cannot be written holds nobody up, keeps its order, and loses nothing to a kill."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from desk.orders import OrderRequest
from desk.trade.journal import Journal, JournalError, database
from desk.trade.journal import writer as writing
from desk.trade.journal.aside import AsideFile, Batch
from desk.trade.journal.database import connected
from desk.trade.journal.writer import take_in
from tests.trade.samples import NOON
from tests.trade.test_execution import Bench, bench
from tests.trade.test_journal import CLOSED, FILLED, NAME, REQUEST, STOPPED, TRADE, file_of

__all__ = ["bench"]  # a fixture


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program has begun to write, and goes on for as long as the block does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What the file itself holds."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        return other.execute(query).fetchall()


def aside_of(journal: Journal) -> Path:
    """Where its writes wait."""
    return journal.path.with_name(f"{journal.path.name}.aside")


async def test_an_exit_leaves_while_another_program_holds_the_lock(bench: Bench) -> None:
    """Somebody edits the journal with a database tool and has not committed: the lock outlives the exit."""
    await bench.enter()
    with locked(bench.journal.path):
        assert await bench.execution.leave(bench.trade, "horizon") is None
        assert await bench.held() == 0
        assert [one.ended for one in bench.closed] == ["horizon"]
        assert aside_of(bench.journal).exists()

    assert bench.journal.settle()
    assert not aside_of(bench.journal).exists()
    assert rows(bench.journal.path, "SELECT status, ended FROM trades") == [("closed", "horizon")]
    assert rows(bench.journal.path, "SELECT purpose, status FROM orders ORDER BY rowid") == [
        ("open", "filled"),
        ("close", "filled"),
    ]


async def test_an_entry_under_a_lock_is_on_the_disk_before_it_is_sent(bench: Bench) -> None:
    """The lock alone is no reason to miss a trade; an order that no disk holds would be."""
    kept: list[str] = []
    place = bench.paper.place

    async def observed(request: OrderRequest) -> str:
        kept.append(aside_of(bench.journal).read_text())
        return await place(request)

    bench.paper.place = observed  # type: ignore[method-assign]
    with locked(bench.journal.path):
        assert (await bench.enter()).outcome == "done"

    assert bench.trade.trade in kept[0]


async def test_orders_are_in_the_file_before_they_are_sent(bench: Bench) -> None:
    """Not only in the memory of a process that may be killed: entry and exit."""
    kept: list[int] = []
    place = bench.paper.place

    async def observed(request: OrderRequest) -> str:
        kept.append(len(rows(bench.journal.path, "SELECT 1 FROM orders WHERE status = 'intended'")))
        return await place(request)

    bench.paper.place = observed  # type: ignore[method-assign]
    await bench.enter()
    await bench.execution.leave(bench.trade, "horizon")

    assert kept == [1, 1]


@contextlib.contextmanager
def hanging(journal: Journal) -> Iterator[None]:
    """The disk answers when the block has ended: a network drive is gone for a while."""
    answers = threading.Event()
    file_of(journal).set_trace_callback(lambda _: (answers.wait(), None)[1])
    try:
        yield
    finally:
        answers.set()


async def test_a_disk_that_does_not_answer_keeps_nobody_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wait is enough for all that leave, and the file catches up later."""
    monkeypatch.setattr(writing, "SOON_S", 0.05)
    await bench.enter()
    with hanging(bench.journal):
        assert await bench.execution.leave(bench.trade, "horizon") is None
        assert await bench.held() == 0
        monkeypatch.setattr(writing, "SOON_S", float("inf"))
        await bench.journal.stored_soon()

    assert bench.journal.settle()
    assert rows(bench.journal.path, "SELECT status FROM trades") == [("closed",)]


async def test_a_disk_that_does_not_answer_opens_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody could find again after a power cut is not sent."""
    monkeypatch.setattr(writing, "STORED_S", 0.05)
    with hanging(bench.journal):
        sent = await bench.enter()

    assert sent.outcome == "refused"
    assert sent.reason == "the journal cannot be written: the disk does not answer"
    assert bench.line.placed == []
    assert bench.journal.settle()
    assert rows(bench.journal.path, "SELECT status FROM trades") == [("void",)]
    assert bench.journal.ledger.unresolved() == []


async def test_a_full_disk_opens_nothing_and_catches_up_when_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the file nor what stands beside it can be written; exits are noted once they can."""
    await bench.enter()
    entry = bench.trade
    assert bench.journal.settle()

    def full(_: AsideFile, __: Sequence[Batch]) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(AsideFile, "add", full)
        file_of(bench.journal).execute("PRAGMA query_only = ON")
        assert await bench.execution.leave(entry, "horizon") is None
        assert await bench.held() == 0
        with pytest.raises(JournalError, match="readonly"):
            await bench.journal.stored()
        assert bench.journal.trouble
        assert rows(bench.journal.path, "SELECT status FROM trades") == [("open",)]
    file_of(bench.journal).execute("PRAGMA query_only = OFF")
    assert bench.journal.settle()
    assert rows(bench.journal.path, "SELECT status FROM trades") == [("closed",)]


def test_writes_wait_beside_the_file_and_arrive_in_their_order(tmp_path: Path) -> None:
    """Notes, equity and trades alike; questions are answered meanwhile."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        with locked(journal.path):
            for number in range(5):
                journal.diary.note(NOON + number, "feed", str(number))
                if not number:
                    asyncio.run(journal.stored())  # the first is set aside, the others after it
            journal.ledger.open_trade(TRADE, REQUEST, NOON)
            journal.ledger.reported(FILLED, NOON)
            asyncio.run(journal.stored())
            assert [one.size for one in journal.ledger.open_trades()] == [FILLED.filled]
            assert "locked" in journal.trouble
            assert rows(journal.path, "SELECT 1 FROM notes") == []
        assert journal.settle()
        assert journal.trouble == ""

    texts = [text for (text,) in rows(journal.path, "SELECT text FROM notes ORDER BY note")]
    assert texts[:5] == ["0", "1", "2", "3", "4"]
    assert texts[5].startswith("what waited beside the journal")
    assert rows(journal.path, "SELECT status, size FROM trades") == [("open", "0.5")]


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from desk.trade.journal import Journal
from tests.trade.test_journal import CLOSED, FILLED, NOON, REQUEST, STOPPED, TRADE

journal = Journal(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
journal.ledger.open_trade(TRADE, REQUEST, NOON)
journal.ledger.reported(FILLED, NOON)
asyncio.run(journal.stored())
journal.ledger.record_fills([STOPPED], TRADE)
journal.ledger.close_trade(CLOSED)
journal.diary.note(NOON, "exit", "closed")
asyncio.run(journal.stored())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_under_a_lock_loses_nothing(tmp_path: Path) -> None:
    """What was reported as stored is there when the next session begins."""
    path = tmp_path / "journal.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        with locked(path):
            child.communicate("go\n")
    assert child.returncode == -signal.SIGKILL
    assert rows(path, "SELECT 1 FROM trades") == []

    with Journal(path) as journal:
        assert journal.ledger.closed_trades() == [CLOSED]
        assert journal.ledger.fills_of(NAME) == [STOPPED]
        assert journal.diary.notes()[0] == (NOON, "exit", "", "closed")
        assert not aside_of(journal).exists()


def test_a_session_that_ends_under_a_lock_leaves_its_last_writes_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean end is not held up by somebody else's transaction for long."""
    monkeypatch.setattr(writing, "CLOSE_S", 0.0)
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    with locked(path):
        journal.diary.note(NOON, "session", "ended")
        journal.close()
        assert rows(path, "SELECT 1 FROM notes") == []
    with Journal(path) as later:
        assert later.diary.notes()[0] == (NOON, "session", "", "ended")


def test_a_start_under_a_lock_with_writes_waiting_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To restore a copy would be wrong: the file is sound, somebody else is writing to it."""
    monkeypatch.setattr(database, "OPEN_WAIT_S", 0.01)
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with locked(path):
        with Journal(path) as journal:  # nothing waits yet: it begins all the same
            journal.begin(NOON, mode="paper", settings="{}")
            asyncio.run(journal.stored())
            monkeypatch.setattr(writing, "CLOSE_S", 0.0)
        with pytest.raises(SettingsError, match="is being written by another program: let that finish"):
            Journal(path)
    with Journal(path) as journal:
        assert journal.unfinished() == NOON


def test_what_waited_is_taken_in_once(tmp_path: Path) -> None:
    """A kill between the transaction and the removal of the file leaves both."""
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    aside = AsideFile(path.with_name("journal.sqlite.aside"))
    aside.add([[("INSERT INTO notes (at, kind, symbol, text) VALUES (?, 'feed', '', ?)", (NOON, "once"))]])
    body = aside.path.read_bytes()
    with connected(path, "FULL") as file:
        take_in(file, aside)
        aside.path.write_bytes(body)
        take_in(file, aside)

    with Journal(path) as journal:
        assert [text for _, _, _, text in journal.diary.notes()].count("once") == 1
    assert not aside.path.exists()


@pytest.mark.parametrize("kept", range(0, 400, 7))
def test_a_file_that_a_kill_cut_short_holds_every_whole_batch(tmp_path: Path, kept: int) -> None:
    """And the half of none."""
    aside = AsideFile(tmp_path / "aside")
    batches: list[Batch] = [[("A", (number, "ä\n", 0.1, None)), ("B", ())] for number in range(6)]
    aside.add(batches[:1])
    aside.add(batches[1:])
    body = aside.path.read_bytes()[:kept]
    aside.path.write_bytes(body)

    found = [[(sql, tuple(values)) for sql, values in batch] for batch in aside.batches()]

    assert found == batches[: max(body.count(b"\n") - 1, 0)]
    assert bool(aside.name) == (b"\n" in body)


@pytest.mark.parametrize("kind", ["pipe", "link", "nonsense"])
def test_what_waits_beside_the_journal_must_be_a_file_that_can_be_read(tmp_path: Path, kind: str) -> None:
    """It holds what the journal lacks, so a start without it is for people to decide; a pipe hangs it."""
    path = tmp_path / NAME
    with Journal(path):
        pass
    aside = path.with_name(f"{NAME}.aside")
    if kind == "pipe":
        os.mkfifo(aside)
    elif kind == "link":
        (tmp_path / "elsewhere").write_text("0123456789abcdef\n[]\n")
        aside.symlink_to(tmp_path / "elsewhere")
    else:
        aside.write_text("0123456789abcdef\n{nonsense\n")

    with pytest.raises(SettingsError, match=r"\.aside cannot be read .* move it away"), Journal(path):
        pass
