"""Pages that outlive the process that fetched them."""

import errno
import subprocess
import sys
from io import FileIO
from pathlib import Path

import pytest

from desk.market.history import page_journal
from desk.market.history.candles import RawRows, merge
from desk.market.history.page_journal import PageJournal
from tests.market.samples import random_candles, rows_of

WHOLE = rows_of(random_candles(count=30))


def page(first: int, stop: int) -> RawRows:
    return RawRows(WHOLE.open_time[first:stop], WHOLE.values[:, first:stop])


def same(ours: RawRows, theirs: RawRows) -> bool:
    times = ours.open_time.tobytes() == theirs.open_time.tobytes()
    return times and ours.values.tobytes() == theirs.values.tobytes()


@pytest.fixture
def journal(tmp_path: Path) -> PageJournal:
    journal = PageJournal(tmp_path / ".BTCUSDT.pages")
    for bounds in ((20, 30), (9, 21), (0, 10)):
        journal.add(page(*bounds))
    journal.close()
    return journal


def test_pages_come_back_as_one_series(journal: PageJournal) -> None:
    """Value by value, whatever their order."""
    assert same(PageJournal(journal.path).read(), WHOLE)


def test_a_torn_record_costs_its_page_alone(journal: PageJournal) -> None:
    """Killed in the middle of any write: whole pages before it are there, and new ones can follow."""
    body = journal.path.read_bytes()
    first_two = merge([page(20, 30), page(9, 21)])
    for length in range(len(body) - 10 * 56 - 12, len(body)):
        journal.path.write_bytes(body[:length])
        assert same(journal.read(), first_two), length

    journal.add(page(0, 10))
    journal.close()
    assert same(journal.read(), WHOLE)


def test_a_flipped_bit_costs_its_page_and_those_after_it(journal: PageJournal) -> None:
    """They are asked for again; nothing wrong is kept."""
    body = bytearray(journal.path.read_bytes())
    body[-100] ^= 1
    journal.path.write_bytes(body)

    assert same(journal.read(), merge([page(20, 30), page(9, 21)]))


def test_whatever_else_lies_there_is_no_page(journal: PageJournal) -> None:
    """And is no obstacle to the next fetch."""
    journal.path.write_bytes(b"something else entirely, and long enough for a header")

    assert len(journal.read()) == 0
    journal.add(page(0, 3))
    journal.close()
    assert same(journal.read(), page(0, 3))


def test_nothing_is_written_before_the_first_page_and_nothing_is_left_in_the_end(tmp_path: Path) -> None:
    """A refresh that needs no page leaves no file behind."""
    journal = PageJournal(tmp_path / ".BTCUSDT.pages")
    assert len(journal.read()) == 0
    journal.remove()
    journal.add(page(0, 3))
    journal.remove()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [0, 5, 400])
def test_a_full_disk_costs_its_page_alone(
    journal: PageJournal, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """The pages before it and, once there is room, those after it survive; closing is no second error."""
    before = journal.path.read_bytes()

    def full(file: FileIO, record: bytes) -> None:
        file.write(record[:part])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(page_journal, "_write_through", full)
        with pytest.raises(OSError, match="No space"):
            journal.add(page(0, 10))
    assert journal.path.read_bytes() == before

    journal.add(page(5, 15))
    journal.close()
    assert len(journal.path.read_bytes()) > len(before)
    assert same(journal.read(), WHOLE)


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    """A short write counts as none, whoever ran out of room."""
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path; from desk.market.history.page_journal import PageJournal\n"
        "from tests.market.history.test_page_journal import page\n"
        f"journal = PageJournal(Path({str(tmp_path / '.x.pages')!r})); journal.add(page(0, 10))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n"
        "try: journal.add(page(10, 20))\n"
        "except OSError: journal.close(); assert len(journal.read()) == 10; print('told')\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])

    assert done.stdout == "told\n"
