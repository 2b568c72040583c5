"""Cores that a process may use: those of the machine, less what it is not allowed."""

import os
from pathlib import Path

import pytest

from desk import cores
from desk.cores import most_workers, quota_of, usable_cores
from desk.executors import Processes


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


def test_a_pool_on_windows_has_no_more_workers_than_it_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 62 the pool raises ``ValueError`` after everything was fetched."""
    assert most_workers("nt") == 61
    assert most_workers("posix") is None
    monkeypatch.setattr("desk.executors.most_workers", lambda: 61)

    assert Processes(100)._workers == 61
    assert Processes(2)._workers == 2
