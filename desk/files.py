"""Files that are there whole, or not there.

Place in the house: foundation.  Every file of the suite that matters is written through here: flushed beside
its target under a hidden name, then renamed over it.  The one lock stands here too (``hold_lock``): a folder
has one writer, a journal one session.

Not here: which files there are, see ``desk.registry`` and ``desk.market.history.candle_store``.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

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


def write_file(target: Path, body: bytes) -> None:
    """Make ``body`` the content of ``target``, whether or not there was another one before.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; ``target`` is then what it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{DRAFT}{target.name}-", dir=target.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            flush_to_disk(file.fileno())
        with _unless_not_offered():
            draft.chmod(0o644)
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
            folder.mkdir(parents=True, exist_ok=True)
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
        If another process holds it, or the file system has no locks.
    OSError
        If the file cannot be made.
    """
    with path.open("a+b") as lock:
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
