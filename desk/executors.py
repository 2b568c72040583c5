"""Where work is carried out, never what it is.

A function that can be imported (from another module than ``__main__``) and jobs come in; one outcome per job
comes out, in the order in which they are finished.  An exception never crosses a process border: a failure is
a value, with its traceback as text.  Jobs are taken from their iterable only as workers become free, so that
hundreds of symbols never lie in memory together.

Not here: what a job is, and what is done with its outcome.
"""

import contextlib
import itertools
import multiprocessing
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from types import ModuleType
from typing import Final, Generic, Protocol, TypeVar

from desk.cores import most_workers

Job = TypeVar("Job")
Result = TypeVar("Result")

_POOLS_OF_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ONE_THREAD = dict.fromkeys(_POOLS_OF_THREADS, "1")
"""Environment of a worker: one process per core, one thread per process."""
_NEEDED: Final = re.compile(
    "PATH|HOME|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TEMP|TMP|USER|LOGNAME|USERPROFILE|VIRTUAL_ENV"
    "|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|PROCESSOR_.*|NUMBER_OF_PROCESSORS"
    "|PYTHON.*|COV_.*|COVERAGE_.*|LD_LIBRARY_PATH|LD_PRELOAD|DYLD_.*"
    "|(OMP|OPENBLAS|GOTO|MKL|BLIS|VECLIB|NUMEXPR|NPY|KMP)_.*",
    re.IGNORECASE,
)
"""Variables that an interpreter and its numeric libraries read.

Keys of an account are none of them: a worker computes, and what it does not have it cannot lose.
"""
AHEAD = 1
"""Jobs handed over beyond one per worker, so that none waits for the parent."""


@dataclass(frozen=True, slots=True)
class JobDone(Generic[Job, Result]):
    """The job was carried out."""

    job: Job
    result: Result


@dataclass(frozen=True, slots=True)
class JobFailed(Generic[Job]):
    """The job raised, or its process died."""

    job: Job
    error: str
    """Name of the exception."""
    message: str
    traceback: str
    """As text."""


class Executor(Protocol):
    """Carries out every job once, and yields each outcome as soon as it is there."""

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``; closing the iterator stops what still runs."""


class Serial:
    """One job after the other, in this process."""

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``."""
        for job in jobs:
            yield _attempt(work, job)


class Processes:
    """A pool of fresh interpreters on this machine, which share nothing with this one.

    A process that is killed by the system takes the pool down, and nobody knows which of the jobs
    under way was the cause.  Each of them is repeated once, alone in a pool of its own; one that
    breaks again is ``JobFailed``, the others lose nothing but time.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}, must be at least 1")
        self._workers = min(workers, most_workers() or workers)

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``; an interrupt or ``close`` ends the workers at once."""
        waiting = iter(jobs)
        while suspects := (yield from _until_broken(self._workers, work, waiting)):
            for job in suspects:
                for guilty in (yield from _until_broken(1, work, iter([job]))):
                    yield JobFailed(guilty, "BrokenProcessPool", _DIED, _DIED)


_DIED = (
    "the worker process died while this job ran alone: the system may have run out of memory; "
    "free some memory or run with fewer --jobs"
)


def _until_broken(
    workers: int, work: Callable[[Job], Result], jobs: Iterator[Job]
) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, list[Job]]:
    """Yield outcomes until all jobs are done, or a process died: then return those under way."""
    spawn = multiprocessing.get_context("spawn")  # a forked LightGBM may hang in OpenMP
    with _scrubbed_environment():  # the helper process that tidies up after the pool starts here
        pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_prepare_worker)
    pending: dict[Future[JobDone[Job, Result] | JobFailed[Job]], Job] = {}
    room = workers + AHEAD
    try:
        while True:
            for job in itertools.islice(jobs, room):
                pending[_submit(pool, work, job)] = job
            if not pending:
                return []
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            whole = [future for future in finished if future.exception() is None]
            for future in whole:
                del pending[future]
                yield future.result()
            if len(whole) < len(finished):
                return list(pending.values())
            room = len(finished)
    finally:
        if pending:
            _end_workers()
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, work: Callable[[Job], Result], job: Job
) -> Future[JobDone[Job, Result] | JobFailed[Job]]:
    """Hand a job to the pool; into one that has just died it goes as a job that broke."""
    try:
        with _main_module_hidden(), _interrupts_of_children_blocked(), _scrubbed_environment():
            return pool.submit(_attempt, work, job)
    except BrokenProcessPool as exc:
        lost: Future[JobDone[Job, Result] | JobFailed[Job]] = Future()
        lost.set_exception(exc)
        return lost


def _attempt(work: Callable[[Job], Result], job: Job) -> JobDone[Job, Result] | JobFailed[Job]:
    try:
        return JobDone(job, work(job))
    except Exception as exc:  # noqa: BLE001 - this is where a job's work ends
        return JobFailed(job, type(exc).__name__, str(exc), traceback.format_exc())


def _prepare_worker() -> None:
    """Leave interrupts to the parent, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _end_workers() -> None:
    for process in multiprocessing.active_children():
        process.terminate()


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep processes that are started meanwhile from running the main module, and its imports, again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupts_of_children_blocked() -> Iterator[None]:
    """Let processes that are started meanwhile be deaf to Ctrl-C from their first moment on.

    The terminal sends it to them as well, and one that still imports would answer with a traceback.  In this
    process it is taken a moment later.
    """
    if not hasattr(signal, "pthread_sigmask"):  # not on this system
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _scrubbed_environment() -> Iterator[None]:
    """Let processes that are started meanwhile see what ``_NEEDED`` admits, and ``ONE_THREAD``."""
    before = dict(os.environ)
    for name in before:
        if not _NEEDED.fullmatch(name):
            del os.environ[name]
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name in ONE_THREAD.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
