"""Cores that a process may use: those of the machine, less what it is not allowed."""

import os
from pathlib import Path

import pytest

from desk import cores
from desk.cores import free_memory_mb, quota_of, usable_cores, usable_workers


def groups(tmp_path: Path, membership: str, **files: str) -> tuple[Path, Path]:
    """A tree of control groups, ``__`` in a name for a folder, and the membership of a process."""
    (tmp_path / "self").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "cgroup" / name.replace("__", "/").replace("cpu_max", "cpu.max")
        path = path.with_name(path.name.replace("cpu_cfs", "cpu.cfs"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "cgroup", tmp_path / "self"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu_max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu_max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a__cpu_max": "200000 100000\n", "a__b__cpu_max": "max 100000\n"}, 2.0),
        ("0::/a/b\n", {"a__cpu_max": "200000 100000\n", "a__b__cpu_max": "50000 100000\n"}, 0.5),
        ("0::/not/there\n", {"cpu_max": "100000 100000\n"}, 1.0),
        (
            "5:cpu,cpuacct:/d\n1:name=systemd:/x\n",
            {"cpu,cpuacct__d__cpu_cfs_quota_us": "300000", "cpu,cpuacct__d__cpu_cfs_period_us": "100000"},
            3.0,
        ),
        (
            "5:cpu:/elsewhere\n",
            {"cpu__cpu_cfs_quota_us": "100000\n", "cpu__cpu_cfs_period_us": "100000\n"},
            1.0,
        ),
        ("5:cpu:/\n", {"cpu__cpu_cfs_quota_us": "-1\n", "cpu__cpu_cfs_period_us": "100000\n"}, None),
        ("0::/\n", {"cpu_max": "nonsense"}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_quota_of_all_groups_around_counts(
    tmp_path: Path, membership: str, files: dict[str, str], quota: float | None
) -> None:
    """A container with half a core must not start a worker for each core of its machine."""
    assert quota_of(*groups(tmp_path, membership, **files)) == quota


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert quota_of(tmp_path / "none", tmp_path / "neither") is None


@pytest.mark.parametrize(("quota", "found"), [(0.5, 1), (2.5, 2), (64.0, 4), (None, 4)])
def test_cores_are_those_of_the_affinity_within_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, found: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(cores, "quota_of", lambda *_: quota)

    assert usable_cores() == found


def test_a_system_without_affinity_counts_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(cores, "quota_of", lambda *_: None)

    assert usable_cores() == 3


def memory_of(tmp_path: Path, limits: dict[str, str], *, available_mb: int) -> float | None:
    """What a process may take by these files of the group ``/a``, on a machine with so much free."""
    for name, content in {"stat": "inactive_file 0\n", **limits}.items():
        file = tmp_path / "cgroup" / "a" / f"memory.{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (tmp_path / "self").write_text("0::/a\n")
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {available_mb * 1024} kB\n")
    return free_memory_mb(tmp_path / "cgroup", tmp_path / "self", tmp_path / "meminfo")


MB = 2**20


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        ({"max": f"{1_000 * MB}\n", "current": f"{400 * MB}\n"}, 600),
        ({"max": f"{1_000 * MB}\n", "current": f"{400 * MB}\n", "stat": f"inactive_file {50 * MB}\n"}, 650),
        ({"limit_in_bytes": f"{1_000 * MB}\n", "usage_in_bytes": f"{100 * MB}\n"}, 900),
        ({"max": "max\n", "current": f"{400 * MB}\n"}, 8_000),
        ({"max": f"{99_000 * MB}\n", "current": "0\n"}, 8_000),
        ({}, 8_000),
    ],
)
def test_memory_is_what_the_machine_has_free_within_the_groups_limit(
    tmp_path: Path, limits: dict[str, str], free: float
) -> None:
    """A container with two gigabytes on a machine with sixty-four must not start workers for sixty-four."""
    assert memory_of(tmp_path, limits, available_mb=8_000) == free


def test_a_system_that_does_not_say_what_is_free_limits_nothing(tmp_path: Path) -> None:
    assert free_memory_mb(tmp_path / "none", tmp_path / "neither", tmp_path / "nor") is None


@pytest.mark.parametrize(("free", "workers"), [(None, 4), (100.0, 1), (1_000.0, 2), (9_000.0, 4)])
def test_workers_are_as_many_as_there_are_cores_and_memory_for(
    monkeypatch: pytest.MonkeyPatch, free: float | None, workers: int
) -> None:
    """One that is started without memory for it is killed by the system, or kills a trading session."""
    monkeypatch.setattr(cores, "usable_cores", lambda: 4)
    monkeypatch.setattr(cores, "free_memory_mb", lambda *_: free)

    assert usable_workers() == workers
