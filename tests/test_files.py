"""Files are there whole, or not there."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from desk.files import (
    PRIVATE,
    is_held,
    keep_private,
    make_folder,
    point_link,
    read_file,
    remove_drafts,
    sole_writer,
    write_file,
)
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


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to elsewhere": lambda path: path.symlink_to(path.parent.parent / "secret"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}
"""What somebody who can write into a folder may put in the place of a file."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_no_file_of_the_folder_is_not_even_opened(kind: str, tmp_path: Path) -> None:
    """A pipe kept a start waiting for ever, and a link shows what lies elsewhere."""
    (tmp_path / "secret").write_text("key")
    path = tmp_path / "ours" / "file"
    path.parent.mkdir()
    PLANTED[kind](path)

    with pytest.raises(OSError, match=r"a regular file is needed|symbolic link") as found:
        read_file(path)

    assert found.value.strerror


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_lock_is_held_by_nobody(tmp_path: Path) -> None:
    """``--status`` waited for its writer for ever."""
    os.mkfifo(tmp_path / "lock")

    assert not is_held(tmp_path / "lock")


def test_a_link_to_a_neighbour_is_read_and_so_is_a_folder_that_is_a_link(tmp_path: Path) -> None:
    """``_latest`` is such a link, and users keep their candles on another disk."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(b"x")
    (tmp_path / "there" / "latest").symlink_to("file")
    (tmp_path / "here").symlink_to("there")

    assert read_file(tmp_path / "here" / "latest") == b"x"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"xxx")

    assert read_file(tmp_path / "file", most=3) == b"xxx"
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_file(tmp_path / "file", most=2)


def test_what_is_made_here_is_closed_to_others(tmp_path: Path) -> None:
    """Whoever may list a folder of models learns what is traded; an account is nobody's business at all."""
    before = os.umask(0)
    try:
        make_folder(tmp_path / "a" / "b")
        write_file(tmp_path / "c" / "account", b"x", mode=PRIVATE)
        keep_private(tmp_path / "journal")
        with sole_writer(tmp_path / "models"):
            pass
    finally:
        os.umask(before)

    assert {_mode(tmp_path / name) for name in ("a", "a/b", "c", "models")} == {0o700}
    assert {_mode(tmp_path / name) for name in ("c/account", "journal", "models/.lock")} == {0o600}


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """Journals of earlier versions were made with 0644."""
    (tmp_path / "journal").write_bytes(b"x")
    (tmp_path / "journal").chmod(0o644)

    keep_private(tmp_path / "journal")

    assert _mode(tmp_path / "journal") == 0o600
    assert (tmp_path / "journal").read_bytes() == b"x"


def test_a_lock_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could hold it for ever, and the message would speak of a run that nobody finds."""
    (tmp_path / ".lock").touch()
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(SettingsError, match=r"\.lock belongs to another user"), sole_writer(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["a pipe", "a link to elsewhere"])
def test_a_lock_that_is_no_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    """A link in its place would have another file made, or changed, elsewhere."""
    folder = tmp_path / "models"
    folder.mkdir()
    PLANTED[kind](folder / ".lock")

    with pytest.raises(SettingsError, match="cannot be written"), sole_writer(folder):
        pass

    assert not (tmp_path / "secret").exists()
