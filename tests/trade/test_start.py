"""What forbids a start is told before anything is said, and leaves nothing behind."""

import sqlite3
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.trade.journal import Journal
from desk.trade.start import require_startable


def held(path: Path, mode: str) -> Path:
    """A journal that holds one session."""
    with Journal(path) as journal:
        journal.begin(1, mode=mode, settings="{}")
    return path


def refusal(path: Path, mode: str) -> str:
    """Why nothing may start; the folder is as it was."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(SettingsError) as caught:
        require_startable(path, mode)
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == before
    return str(caught.value)


@pytest.mark.parametrize("mode", ["paper", "demo", "live", "replay"])
def test_a_replay_wants_a_journal_of_its_own(tmp_path: Path, mode: str) -> None:
    """Its closing tables are made of all trades of the journal: those of others would be told as its own."""
    path = held(tmp_path / "kept.sqlite", mode)

    told = refusal(path, "replay")

    assert str(path) in told
    assert "name another file with --journal, or leave it out" in told


def test_a_journal_of_another_mode_is_refused_and_one_of_this_mode_is_not(tmp_path: Path) -> None:
    """Equity and losses of two accounts make no sense together."""
    path = held(tmp_path / "kept.sqlite", "paper")

    require_startable(path, "paper")

    assert "is the journal of mode paper, and this is mode live" in refusal(path, "live")


def test_a_stop_file_forbids_the_start(tmp_path: Path) -> None:
    """Whoever put it there wants nothing to trade; no banner may look as if something did."""
    (tmp_path / "STOP").touch()

    told = refusal(tmp_path / "new.sqlite", "paper")

    assert "remove it to trade again" in told


def test_a_place_for_no_journal_is_told_as_what_it_is(tmp_path: Path) -> None:
    """The system's "No such file or directory" says nothing to somebody who names a new file."""
    (tmp_path / "text").write_text("not a journal, and longer than nothing")
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE something (x)")
    other.close()

    assert f"the folder {tmp_path / 'nodir'} does not exist" in refusal(tmp_path / "nodir" / "x", "paper")
    assert f"{tmp_path} is a folder" in refusal(tmp_path, "paper")
    assert "cannot be opened as a journal" in refusal(tmp_path / "text", "paper")
    assert "is a database of something else" in refusal(tmp_path / "other.sqlite", "paper")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking is not starting."""
    require_startable(tmp_path / "new.sqlite", "live")

    assert list(tmp_path.iterdir()) == []


def test_the_journal_of_a_running_session_can_be_looked_at(tmp_path: Path) -> None:
    """What keeps the second one out is the lock, which says so in its own words."""
    path = tmp_path / "kept.sqlite"
    with Journal(path) as journal:
        journal.begin(1, mode="paper", settings="{}")
        require_startable(path, "paper")
        journal.end(1, 2, status=0, why="asked")
