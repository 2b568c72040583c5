"""How many cores this process may use: those of the machine, less what it is not allowed.

A service.  The system's files come in, a number goes out.  A process may be pinned to some cores
(``taskset``, a container's ``--cpuset-cpus``), and may have a quota of their time (``--cpus``, a
``CPUQuota`` of systemd), which Linux keeps in control groups.

References
----------
Linux documentation, ``admin-guide/cgroup-v2`` (``cpu.max``) and ``scheduler/sched-bwc``
(``cpu.cfs_quota_us``).
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST_WORKERS = 61
"""Worker processes of one pool on Windows, which waits for no more than 63 objects at once."""
GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that this process may use, at least 1; a quota of 2.5 cores is 2."""
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on this system
        cores = os.cpu_count() or 1
    quota = quota_of(GROUPS, MEMBERSHIP)
    return max(1, cores if quota is None else min(cores, int(quota)))


def most_workers(system: str = os.name) -> int | None:
    """Worker processes that a pool can have on this ``system``; None: any number."""
    return MOST_WORKERS if system == "nt" else None


def quota_of(groups: Path, membership: Path) -> float | None:
    """The smallest quota of the control groups that a process lies in, in cores; None: no limit.

    Parameters
    ----------
    groups : Path
        Where the groups are mounted, of either version.
    membership : Path
        The groups of the process: lines of ``NUMBER:CONTROLLERS:/PATH``.
    """
    quotas = [quota for folder in _folders(groups, membership) if (quota := _quota_in(folder)) is not None]
    return min(quotas, default=None)


def _folders(groups: Path, membership: Path) -> Iterator[Path]:
    """Folders of the groups, and of those around them up to the mount."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = groups / controllers if (groups / controllers).is_dir() else groups / "cpu"
        own = PurePosixPath(path.lstrip("/"))
        for part in (own, *own.parents):
            yield mount / part


def _quota_in(folder: Path) -> float | None:
    try:
        if (file := folder / "cpu.max").is_file():
            quota, period = file.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # not there, or "max"
        return None
    return cores if cores > 0 else None
