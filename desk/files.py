"""Files that are there whole, or not there, and that nobody else reads or plants.

Place in the house: foundation.  Every file of the suite that matters is written through here: flushed beside
its target under a hidden name, then renamed over it.  What is read comes through ``read_file``: a regular
file of the folder itself.  The one lock stands here too (``hold_lock``): a folder has one writer, a journal
one session.

Folders that are made here are open to their user alone (0700), as are files of an account (``PRIVATE``).

Not here: which files there are, see ``desk.registry`` and ``desk.market.history.candle_store``.
"""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from desk.errors import SettingsError

try:
    import fcntl
except ImportError:  # not a POSIX system: nothing there dies with its process as surely as a lock
    fcntl = None  # type: ignore[assignment]

DRAFT = ".draft-"
"""Prefix of files that are still being written; a crash may leave one behind."""
LOCK = ".lock"
"""Held by the one process that writes below a folder; the file itself means nothing."""
NOT_OFFERED = frozenset(
    getattr(errno, name)
    for name in ("EINVAL", "EPERM", "EACCES", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOTTY", "EBADF", "EISDIR")
    if hasattr(errno, name)
)
"""Answers of shares and FUSE mounts that have no flush, no modes, or none for folders: these only make a file
safer that is written already.  A full or failing disk answers otherwise."""
NO_LOCKS = frozenset({errno.ENOLCK, *NOT_OFFERED})
"""Answers of those that have no locks."""


SHARED: Final = 0o644
PRIVATE: Final = 0o600
"""Modes of files: what others on the machine may read, and what belongs to the user alone."""
_FOLDER: Final = 0o700
_BIG: Final = 2**28
"""Bytes: files of ours are smaller, unless their reader says otherwise."""
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link to elsewhere",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
DISK_TROUBLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Errors of the disk, which every symbol meets, and not of one file on it."""


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it that are missing, each for this user alone.

    Raises
    ------
    OSError
        If one cannot be made, or something else is there.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(mode=_FOLDER, exist_ok=True)


def read_file(path: Path, *, most: int = _BIG) -> bytes:
    """The content of a regular file that lies in its folder; anything else is not even opened.

    A pipe would keep the reader waiting for ever, a device may do anything, and a link that leads out of the
    folder shows what its user did not mean to show.

    Parameters
    ----------
    path : Path
        The folder itself may be a link.
    most : int
        Bytes; a larger file is refused unread.

    Raises
    ------
    OSError
        If there is none, it is anything else, or it cannot be read; ``strerror`` says so.
    """
    found = _looked_up(path)
    handle = os.open(found, os.O_RDONLY | _SAFELY)
    with os.fdopen(handle, "rb") as file:
        _require_regular(os.fstat(handle), path)
        if len(body := file.read(most + 1)) > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
    return body


_SAFELY: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or opening a pipe waits for its writer
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_own(path: Path, flags: int, mode: int = PRIVATE) -> int:
    """Open a regular file in its folder and return its descriptor; links are not followed.

    Parameters
    ----------
    path : Path
    flags : int
        As of ``os.open``: ``os.O_APPEND | os.O_CREAT``.
    mode : int
        Of a file that is made.

    Raises
    ------
    OSError
        If it cannot be opened, or is no regular file.
    """
    with contextlib.suppress(FileNotFoundError):
        _require_regular(path.lstat(), path)
    handle = os.open(path, flags | _SAFELY, mode)
    try:
        _require_regular(os.fstat(handle), path)
    except BaseException:
        os.close(handle)
        raise
    return handle


def keep_private(path: Path) -> None:
    """See that the file ``path`` is there, and that nobody but its user can open it.

    Raises
    ------
    OSError
        If it cannot be made, is open to others and belongs to somebody else, or is no regular file.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, PRIVATE))
    except FileExistsError:
        # One that is there is not opened: closing it again would drop the locks that sqlite has on it.
        found = path.stat()
        _require_regular(found, path)
        if stat.S_IMODE(found.st_mode) & 0o077 and os.name == "posix":
            path.chmod(PRIVATE)


def _looked_up(path: Path) -> Path:
    """Where the file is: ``path``, or what it is a link to, if that lies in the same folder."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        target = Path(os.path.realpath(path))  # a link to itself is no error there
        if target.parent != path.parent.resolve():
            raise _not_regular(found, path)
        path, found = target, target.lstat()
    _require_regular(found, path)
    return path


def _require_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _not_regular(found, path)


def _not_regular(found: os.stat_result, path: Path) -> OSError:
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
    number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
    return OSError(number, f"it is {kind}, a regular file is needed", str(path))


def write_file(target: Path, body: bytes, *, mode: int = SHARED) -> None:
    """Make ``body`` the content of ``target``, whether or not there was another one before.

    Parameters
    ----------
    target : Path
    body : bytes
    mode : int
        ``SHARED`` or ``PRIVATE``.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; ``target`` is then what it was.
    """
    make_folder(target.parent)
    handle, name = tempfile.mkstemp(prefix=f"{DRAFT}{target.name}-", dir=target.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            flush_to_disk(file.fileno())
        with _unless_not_offered():
            draft.chmod(mode)
        draft.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    flush_folder(target.parent)


def point_link(link: Path, name: str) -> None:
    """Make ``link`` a symlink to its neighbour ``name``, replacing what was there, atomically.

    Raises
    ------
    OSError
        Where the file system has no symlinks.
    """
    draft = link.with_name(f"{DRAFT}{link.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(name)
    try:
        draft.replace(link)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    flush_folder(link.parent)


def remove_drafts(folder: Path) -> int:
    """Remove what crashed writers left in ``folder``; return how many files that were.

    Only the one process that writes below ``folder`` may call this.
    """
    left = list(folder.glob(f"{DRAFT}*"))
    for draft in left:
        draft.unlink(missing_ok=True)
    return len(left)


def flush_folder(folder: Path) -> None:
    """Make the renames in ``folder`` survive a power cut, where the system allows it."""
    if os.name != "posix":
        return
    with _unless_not_offered():
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def flush_to_disk(handle: int) -> None:
    """Make what was written to the open file ``handle`` survive a power cut, where the system allows it.

    Raises
    ------
    OSError
        If the disk is full or fails.
    """
    with _unless_not_offered():
        os.fsync(handle)


@contextlib.contextmanager
def _unless_not_offered() -> Iterator[None]:
    """Pass over an error that says that the file system has no such service."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in NOT_OFFERED:
            raise


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Be the only process that writes below ``folder``, until the block ends or this process dies.

    Raises
    ------
    SettingsError
        If ``folder`` is not a directory that can be written, or another process holds it.
    """
    with contextlib.ExitStack() as stack:
        taken = f"another run is writing to {folder}: wait for it, stop it, or name another directory"
        try:
            make_folder(folder)
            stack.enter_context(hold_lock(folder / LOCK, taken=taken))
        except (FileExistsError, NotADirectoryError) as exc:
            raise SettingsError(
                f"{folder} is a file, a directory is needed: move it or name another one"
            ) from exc
        except OSError as exc:
            raise SettingsError(
                f"{folder} cannot be written ({exc.strerror}): name another directory"
            ) from exc
        yield


@contextlib.contextmanager
def hold_lock(path: Path, *, taken: str) -> Iterator[None]:
    """Hold the lock file ``path``, until the block ends or this process dies.

    The file stays: whoever removed it would let a third process in beside one that waits for it.

    Parameters
    ----------
    path : Path
        Made if it is not there; its content means nothing.
    taken : str
        Message of the error where another process holds it.

    Raises
    ------
    SettingsError
        If another process holds it, the file system has no locks, or it belongs to another user, who could
        hold it for ever.
    OSError
        If the file cannot be made.
    """
    with contextlib.suppress(FileNotFoundError):
        _require_own(path.lstat(), path)
    with os.fdopen(open_own(path, os.O_RDWR | os.O_CREAT), "r+b") as lock:
        _require_own(os.fstat(lock.fileno()), path)
        if hasattr(os, "fchmod"):
            os.fchmod(lock.fileno(), PRIVATE)  # whoever can open a lock can hold it
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise SettingsError(taken) from exc
            except OSError as exc:
                if exc.errno not in NO_LOCKS:
                    raise
                raise SettingsError(
                    f"the file system of {path.parent} has no locks ({exc.strerror}), and two programs that "
                    "write there would spoil each other's files: name a folder on a local disk"
                ) from exc
        yield


def is_held(path: Path) -> bool:
    """Whether another process, or another part of this one, holds the lock file ``path``.

    It is asked by holding it, beside others that ask, for the moment of the question.
    """
    if fcntl is None:
        return False
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _require_own(found: os.stat_result, path: Path) -> None:
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise SettingsError(
            f"{path} belongs to another user (number {found.st_uid}), who could hold it for ever: remove it, "
            "or run as that user"
        )
