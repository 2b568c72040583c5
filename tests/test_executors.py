"""Serial or pooled: the difference is where, never what."""

import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from desk.executors import AHEAD, ONE_THREAD, Executor, JobDone, JobFailed, Processes, Serial


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
        assert died.error == "BrokenProcessPool"
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


def _first_doubles_then_hangs(number: int) -> int:
    return double(number) if number == 1 else hang(number)
