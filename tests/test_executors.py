"""Serial or pooled: the difference is where, never what."""

import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.executors import (
    AHEAD,
    NOT_YET,
    ONE_THREAD,
    DaskCluster,
    Executor,
    JobDone,
    JobFailed,
    NotYet,
    Processes,
    Serial,
)
from desk.executors.cluster import local_cluster
from desk.executors.environment import start_method


def double(number: int) -> int:
    if number == 3:
        raise ArithmeticError("three is refused")
    if number == 13:
        os._exit(9)
    return 2 * number


def limits(_: int) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ONE_THREAD}


def blocked(_: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def environment(_: int) -> tuple[dict[str, str], bytes]:
    """What a worker, and whoever may look at its process, finds in its environment."""
    place = Path("/proc/self/environ")
    return dict(os.environ), place.read_bytes() if place.exists() else b""


def hang(_: int) -> int:
    threading.Event().wait()
    return 0


class ExecutorContract:
    """What every executor promises."""

    @pytest.fixture
    def executor(self) -> Executor:
        raise NotImplementedError

    def test_every_job_has_one_outcome(self, executor: Executor) -> None:
        """No job is lost or done twice, whatever the order."""
        outcomes = list(executor.run(double, range(8)))

        assert sorted(outcome.job for outcome in outcomes) == list(range(8))

    def test_one_failure_leaves_the_others_alone(self, executor: Executor) -> None:
        """A failed job is a value among values, and says what happened where."""
        outcomes = {outcome.job: outcome for outcome in executor.run(double, [1, 3, 5])}

        assert outcomes[1] == JobDone(1, 2)
        assert outcomes[5] == JobDone(5, 10)
        failed = outcomes[3]
        assert isinstance(failed, JobFailed)
        assert (failed.error, failed.message) == ("ArithmeticError", "three is refused")
        assert "in double" in failed.traceback

    def test_no_jobs_no_outcomes(self, executor: Executor) -> None:
        """An empty universe is not an error here."""
        assert list(executor.run(double, [])) == []

    def test_a_job_that_is_not_there_yet_is_asked_for_again(self, executor: Executor) -> None:
        """Symbols are trained while others are fetched: outcomes must not wait for the next job."""

        def jobs() -> Iterator[int | NotYet]:
            yield 1
            yield NOT_YET
            yield NOT_YET
            yield 2
            yield NOT_YET

        outcomes = list(executor.run(double, jobs()))

        assert sorted(outcome.job for outcome in outcomes) == [1, 2]

    def test_jobs_are_taken_only_as_they_are_needed(self, executor: Executor) -> None:
        """Hundreds of symbols with their candles must not lie in memory together."""
        taken: list[int] = []

        def jobs() -> Iterator[int]:
            for number in range(20, 60):
                taken.append(number)
                yield number

        outcomes = executor.run(double, jobs())
        next(outcomes)

        assert len(taken) <= 2 * (2 + AHEAD)
        outcomes.close()


class TestSerial(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return Serial()


class TestProcesses(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return Processes(2)

    def test_a_dead_worker_costs_its_own_job_only(self, executor: Executor) -> None:
        """One symbol that exhausts the memory must not take the other 785 with it."""
        outcomes = {outcome.job: outcome for outcome in executor.run(double, [1, 13, *range(20, 26)])}

        died = outcomes.pop(13)
        assert isinstance(died, JobFailed)
        assert died.error == "WorkerDied"
        assert "memory" in died.message
        assert outcomes == {job: JobDone(job, 2 * job) for job in (1, *range(20, 26))}

    def test_workers_use_one_thread_each(self, executor: Executor) -> None:
        """Eight workers with eight threads each are slower than eight workers."""
        before = dict(os.environ)

        outcomes = list(executor.run(limits, [1]))

        assert outcomes == [JobDone(1, ONE_THREAD)]
        assert dict(os.environ) == before

    def test_workers_are_deaf_to_ctrl_c_from_their_first_moment_on(self, executor: Executor) -> None:
        """A terminal sends it to them too, and one that still imports would answer with a traceback."""
        if not hasattr(signal, "pthread_sigmask"):
            pytest.skip("this system has no signal masks")
        outcomes = list(executor.run(blocked, [1]))

        assert outcomes == [JobDone(1, True)]
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def test_workers_never_see_a_key(self, executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
        """They need none, and what they do not have is in no dump of a crash and in no list of processes."""
        secrets = ("BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE", "TELEGRAM_TOKEN")
        for name in (*secrets, "NOTIFY_WEBHOOK", "HTTPS_PROXY", "SOMETHING_NEW"):
            monkeypatch.setenv(name, "a secret")
        before = dict(os.environ)

        [outcome] = executor.run(environment, [1])

        assert isinstance(outcome, JobDone)
        seen, listed = outcome.result
        assert "a secret" not in seen.values()
        assert b"a secret" not in listed
        assert seen["PATH"] == before["PATH"]
        assert dict(os.environ) == before

    def test_closing_ends_the_workers_at_once(self, executor: Executor) -> None:
        """Ctrl-C is not answered after the last symbol."""

        def jobs() -> Iterator[int]:
            yield 1
            yield 2

        outcomes = executor.run(_first_doubles_then_hangs, jobs())
        assert next(outcomes) == JobDone(1, 2)
        outcomes.close()

        assert active_children() == []

    def test_a_worker_that_died_once_is_forgiven(self, executor: Executor, tmp_path: Path) -> None:
        """The system kills whichever process is largest when memory is short; the symbol is not to blame."""
        outcomes = list(executor.run(dies_first, [tmp_path / "a", tmp_path / "b"]))

        assert sorted(outcomes, key=repr) == [JobDone(tmp_path / "a", "a"), JobDone(tmp_path / "b", "b")]

    def test_suspects_are_repeated_side_by_side(self, tmp_path: Path) -> None:
        """One after the other, eight symbols that were killed together would leave seven cores idle."""
        meeting = [(tmp_path, "a", "b"), (tmp_path, "b", "a")]

        outcomes = list(Processes(2, limit_s=20.0).run(dies_then_meets, meeting))

        assert sorted(outcome.job[1] for outcome in outcomes if isinstance(outcome, JobDone)) == ["a", "b"]

    @pytest.mark.parametrize("work", ["hang", "stop"])
    def test_a_job_that_exceeds_its_limit_is_reported_and_ended(self, work: str) -> None:
        """A symbol that never ends, or whose process was stopped, must not keep a run from its end."""
        reported: list[tuple[object, float]] = []
        executor = Processes(
            2, limit_s=1.5, still_running=lambda job, seconds: reported.append((job, seconds))
        )

        outcomes = {outcome.job: outcome for outcome in executor.run(HANGS[work], [1, 2, 3])}

        failed = outcomes.pop(2)
        assert isinstance(failed, JobFailed)
        assert failed.error == "TimeLimitExceeded"
        assert "job_timeout_s" in failed.message
        assert 2 in {job for job, _ in reported}
        assert set(outcomes.values()) == {JobDone(1, 1), JobDone(3, 3)}
        assert active_children() == []

    @pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system stops no process")
    def test_closing_ends_a_worker_that_is_stopped(self, executor: Executor) -> None:
        """A second Ctrl-C ends the run within seconds, whatever its processes do."""
        outcomes = executor.run(stop_at_two, [1, 2])
        assert next(outcomes) == JobDone(1, 1)
        outcomes.close()

        assert active_children() == []

    def test_a_result_that_cannot_be_sent_is_a_failure_of_its_job(self, executor: Executor) -> None:
        """Otherwise the process would die of it, twice, and the message would speak of memory."""
        (outcome,) = executor.run(unsendable, [1])

        assert isinstance(outcome, JobFailed)
        assert "cannot be sent" in outcome.message

    @pytest.mark.skipif(start_method() != "forkserver", reason="this system has no fork server")
    def test_processes_are_forked_off_a_server_with_one_thread_and_the_worker_loaded(
        self, executor: Executor
    ) -> None:
        """A fork takes OpenMP's pool of threads for alive, which it is not: the first fit may hang."""
        (outcome,) = executor.run(server_threads, [1])

        assert isinstance(outcome, JobDone)
        threads, loaded = outcome.result
        assert threads == 1
        assert loaded

    def test_a_process_carries_out_many_jobs(self) -> None:
        """Each start costs time; 786 symbols on two cores start two processes."""
        outcomes = list(Processes(1).run(own_number, range(6)))

        assert len({outcome.result for outcome in outcomes if isinstance(outcome, JobDone)}) == 1


LOCAL_TWO = "dask://local:2"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a Dask scheduler with two workers, which were started beside a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITGET_API_SECRET", "a secret")
        with local_cluster(2) as address:
            yield address


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of its event loops
class TestDaskCluster(ExecutorContract):
    """A scheduler and two worker processes on this machine."""

    @pytest.fixture
    def executor(self, address: str) -> Executor:
        return DaskCluster(f"dask://{address}")

    def test_a_worker_that_dies_costs_its_own_job_only(self) -> None:
        """Dask would try it on three more workers, and each would die of it."""
        outcomes = {
            outcome.job: outcome for outcome in DaskCluster(LOCAL_TWO).run(double, [1, 13, *range(20, 26)])
        }

        died = outcomes.pop(13)
        assert isinstance(died, JobFailed)
        assert died.error == "WorkerDied"
        assert outcomes == {job: JobDone(job, 2 * job) for job in (1, *range(20, 26))}

    def test_a_job_whose_worker_died_once_is_repeated(self, tmp_path: Path) -> None:
        outcomes = list(DaskCluster(LOCAL_TWO).run(dies_first, [tmp_path / "a", tmp_path / "b"]))

        assert sorted(outcomes, key=repr) == [JobDone(tmp_path / "a", "a"), JobDone(tmp_path / "b", "b")]

    def test_workers_never_see_a_key(self, executor: Executor) -> None:
        """What a worker does not have is in no dump of a crash; the cluster was started beside a key."""
        [outcome] = executor.run(environment, [1])

        assert isinstance(outcome, JobDone)
        assert "a secret" not in outcome.result[0].values()

    def test_a_scheduler_that_is_not_there_is_named(self) -> None:
        with pytest.raises(SettingsError, match=r"no Dask scheduler answers at dask://127\.0\.0\.1:9"):
            list(DaskCluster("dask://127.0.0.1:9").run(double, [1]))


def test_a_cluster_without_dask_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an optional requirement: the message says which."""
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(SettingsError, match=r"pip install -r requirements-dask\.txt"):
        list(DaskCluster("dask://local:2").run(double, [1]))


def own_number(_: int) -> int:
    return os.getpid()


def unsendable(_: int) -> object:
    return lambda: None


def server_threads(_: int) -> tuple[int, bool]:
    """Threads of the process that this one was forked off, and whether the worker was loaded at the fork."""
    tasks = Path(f"/proc/{os.getppid()}/task")
    lines = Path(f"/proc/{os.getppid()}/maps").read_text()
    return len(list(tasks.iterdir())), "desk.worker" in sys.modules and "lib_lightgbm" in lines


def dies_first(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os._exit(9)
    return marker.name


def dies_then_meets(job: tuple[Path, str, str]) -> None:
    """Die at first; then wait for the other, who only comes if it runs at the same time."""
    folder, name, other = job
    dies_first(folder / name)
    (folder / f"{name}-again").touch()
    while not (folder / f"{other}-again").exists():
        threading.Event().wait(0.01)


def hang_at_two(number: int) -> int:
    return hang(number) if number == 2 else number


def stop_at_two(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    return number


HANGS = {"hang": hang_at_two, "stop": stop_at_two}


def _first_doubles_then_hangs(number: int) -> int:
    return double(number) if number == 1 else hang(number)
