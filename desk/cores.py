"""How many cores and how much memory this process may use: the machine's, less what it is not allowed.

A service.  The system's files come in, numbers go out.  A process may be pinned to some cores
(``taskset``, a container's ``--cpuset-cpus``), and may have a quota of their time (``--cpus``, a
``CPUQuota`` of systemd) and of memory (``--memory``, ``MemoryMax``), which Linux keeps in control groups.

References
----------
Linux documentation, ``admin-guide/cgroup-v2`` (``cpu.max``, ``memory.max``, ``memory.current``),
``scheduler/sched-bwc`` (``cpu.cfs_quota_us``), ``admin-guide/cgroup-v1/memory`` and ``filesystems/proc``
(``MemAvailable``).
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")
WORKER_MB = 300
"""What a worker process may come to hold, the libraries included; ``make bench`` measures it."""
PARENT_MB = 400
"""What the parent may come to hold."""


def usable_cores() -> int:
    """Cores that this process may use, at least 1; a quota of 2.5 cores is 2."""
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on this system
        cores = os.cpu_count() or 1
    quota = quota_of(GROUPS, MEMBERSHIP)
    return max(1, cores if quota is None else min(cores, int(quota)))


def usable_workers() -> int:
    """Worker processes for which there are cores and memory, at least 1."""
    free = free_memory_mb(GROUPS, MEMBERSHIP, MEMORY)
    if free is None:
        return usable_cores()
    return max(1, min(usable_cores(), int((free - PARENT_MB) // WORKER_MB)))


def free_memory_mb(groups: Path, membership: Path, memory: Path) -> float | None:
    """Memory that this process may still take, in MB; None where the system does not say.

    Parameters
    ----------
    groups : Path
        Where the control groups are mounted, of either version.
    membership : Path
        The groups of the process.
    memory : Path
        What the machine has free.
    """
    found = [
        free
        for folder in _folders(groups, membership, "memory")
        for maximum, used in (("max", "current"), ("limit_in_bytes", "usage_in_bytes"))
        if (free := _left_in(folder, maximum, used)) is not None
    ]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = memory.read_text().splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) / 1024)
    return min(found, default=None)


def quota_of(groups: Path, membership: Path) -> float | None:
    """The smallest quota of the control groups that a process lies in, in cores; None: no limit.

    Parameters
    ----------
    groups : Path
        Where the groups are mounted, of either version.
    membership : Path
        The groups of the process: lines of ``NUMBER:CONTROLLERS:/PATH``.
    """
    quotas = [
        quota for folder in _folders(groups, membership, "cpu") if (quota := _quota_in(folder)) is not None
    ]
    return min(quotas, default=None)


def _folders(groups: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Folders of the groups, and of those around them up to the mount."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mount = groups / controllers if (groups / controllers).is_dir() else groups / controller
        own = PurePosixPath(path.lstrip("/"))
        for part in (own, *own.parents):
            yield mount / part


def _left_in(folder: Path, maximum: str, used: str) -> float | None:
    """MB between two figures of a group; what it caches of files is free too, as the kernel has it."""
    try:
        limit = int((folder / f"memory.{maximum}").read_text())
        taken = int((folder / f"memory.{used}").read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not there, or "max"
        return None
    return (limit - taken + int(statistics.get("inactive_file", 0))) / 2**20


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
