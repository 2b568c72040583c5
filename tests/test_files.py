"""Files are there whole, or not there."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from desk.files import point_link, remove_drafts, sole_writer, write_file
from tests.power import cut_power


@pytest.mark.parametrize("step", range(4))
def test_a_power_cut_leaves_the_old_file_or_the_new(tmp_path: Path, step: int) -> None:
    """Any flush or rename may be the last thing that a machine does."""
    target = tmp_path / "file"
    write_file(target, b"old")

    with cut_power(step):
        write_file(target, b"new and longer")

    assert target.read_bytes() in {b"old", b"new and longer"}


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no draft of the new one, which would only fill the disk further."""
    target = tmp_path / "file"
    write_file(target, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(target, b"new")

    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("step", range(4))
def test_a_link_points_to_the_old_or_the_new_neighbour(tmp_path: Path, step: int) -> None:
    """A reader never finds the link gone."""
    link = tmp_path / "latest"
    point_link(link, "one")
    with cut_power(step):
        point_link(link, "two")

    assert str(link.readlink()) in {"one", "two"}
    assert not link.readlink().is_absolute()


def test_drafts_of_the_dead_are_removed(tmp_path: Path) -> None:
    """A crash during a write must not fill the folder over the months."""
    with cut_power(1):
        write_file(tmp_path / "file", b"x")

    assert remove_drafts(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_told_so(tmp_path: Path) -> None:
    """Two trainings into one directory would take each other's files for drafts of the dead."""
    with (
        sole_writer(tmp_path / "models"),
        pytest.raises(SettingsError, match="another run is writing"),
        sole_writer(tmp_path / "models"),
    ):
        pass

    with sole_writer(tmp_path / "models"):
        pass


def test_a_file_where_a_directory_should_be_is_named(tmp_path: Path) -> None:
    """The message names the fix, instead of a traceback three layers down."""
    (tmp_path / "models").write_text("not a directory")

    with (
        pytest.raises(SettingsError, match="is a file, a directory is needed"),
        sole_writer(tmp_path / "models"),
    ):
        pass


def refusing(number: int, *, folders_only: bool = False) -> Callable[..., None]:
    """A call of the system that is not offered here."""

    def call(handle: object, *_: object, **__: object) -> None:
        if not folders_only or stat.S_ISDIR(os.fstat(int(str(handle))).st_mode):
            raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("service", ["fsync of folders", "fsync", "chmod", "open of folders"])
def test_a_file_is_written_where_the_file_system_has_no_such_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, number: int
) -> None:
    """Shares and FUSE mounts: the file is there and whole, only a power cut could still take it."""
    opened = os.open

    def open_files(path: Any, *args: Any, **more: Any) -> int:
        if Path(path).is_dir():
            raise OSError(number, os.strerror(number))
        return opened(path, *args, **more)

    if service == "open of folders":
        monkeypatch.setattr(os, "open", open_files)
    else:
        refused = refusing(number, folders_only=service.endswith("folders"))
        monkeypatch.setattr(os, service.partition(" ")[0], refused)
    write_file(tmp_path / "file", b"new")
    point_link(tmp_path / "link", "file")

    assert (tmp_path / "link").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_is_still_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What is passed over is a service that is missing, never an error of the disk."""
    monkeypatch.setattr(os, "fsync", refusing(number, folders_only=True))

    with pytest.raises(OSError, match=os.strerror(number)):
        write_file(tmp_path / "file", b"new")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Without a lock two runs would remove each other's drafts; a traceback says nothing of that."""
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", refusing(number))

    with (
        pytest.raises(SettingsError, match=f"the file system of {tmp_path} has no locks"),
        sole_writer(tmp_path),
    ):
        pass
