"""A pool of processes on this machine.

Place in the house: a service, within ``desk.executors``.  One job is with one process at a time, so it is
known which job a process died of; the others lose nothing.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic

from desk.executors.jobs import (
    DIED,
    NOT_YET,
    POLL_S,
    TOO_LONG,
    Job,
    JobDone,
    JobFailed,
    NotYet,
    Result,
)
from desk.executors.workers import Answer, WorkerProcess

AHEAD = 1
"""Jobs that are taken before a process is free for them, so that none waits for the parent."""
REMINDERS = 5
"""A job that still runs is reported after each such part of its time limit."""
STOPPED_S = 5.0
"""A wait that took so much longer than it was to take: this very process was stopped (Ctrl-Z) meanwhile."""
MESSAGES = {
    DIED: "the worker process died twice while it was at this job: the system may have run out of memory; "
    "free some memory or run with fewer --jobs",
    TOO_LONG: "it took longer than its time limit of {limit:g} min, twice: give it more by job_timeout_s in "
    "config.py, or leave the symbol out",
}


class Processes:
    """Processes of this machine, which share nothing with this one.

    A job whose process died, or that exceeded the time limit and was killed, is repeated once, in a process
    of its own, when the others are done; such jobs run side by side.  The second time it is ``JobFailed``.

    Parameters
    ----------
    workers : int
        Processes at a time.
    limit_s : float
        Seconds that a job may take; 0: any number.
    still_running : callable
        Receives a job that runs long, and the seconds it has run, each time a part of the limit has passed.
    """

    def __init__(
        self,
        workers: int,
        *,
        limit_s: float = 0.0,
        still_running: Callable[[object, float], object] = lambda job, seconds: None,  # noqa: ARG005
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}, must be at least 1")
        self._workers = workers
        self._limit_s = limit_s
        self._still_running = still_running

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``; an interrupt or ``close`` ends the workers at once."""
        pool: _Pool[Job, Result] = _Pool(work, self._workers, self._limit_s, self._still_running)
        try:
            yield from pool.outcomes(iter(jobs))
        finally:
            pool.close()


class _Pool(Generic[Job, Result]):
    """The processes of one run."""

    def __init__(
        self,
        work: Callable[[Job], Result],
        workers: int,
        limit_s: float,
        still_running: Callable[[object, float], object],
    ) -> None:
        self._work = work
        self._workers = workers
        self._limit_s = limit_s
        self._still_running = still_running
        self._answers: SimpleQueue[tuple[WorkerProcess[Job, Result], Answer[Result]]] = SimpleQueue()
        self._busy: set[WorkerProcess[Job, Result]] = set()
        self._idle: list[WorkerProcess[Job, Result]] = []
        self._ready: deque[Job] = deque()
        self._suspects: deque[Job] = deque()
        """Jobs whose process was lost, to be repeated."""
        self._more = True
        """Whether there may be another job."""

    def outcomes(
        self, waiting: Iterator[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Every outcome, as soon as it is there."""
        while True:
            self._take_ahead(waiting)
            self._hand_out()
            if not self._busy:
                if not (self._more or self._ready or self._suspects):
                    return
                time.sleep(POLL_S)
                continue
            outcome = self._wait()
            self._hand_out()  # before the outcome is dealt with, which takes a while
            if outcome is not None:
                yield outcome

    def close(self) -> None:
        """End every process; those that are at a job at once."""
        for worker in self._busy:
            worker.kill()
        for worker in (*self._busy, *self._idle):
            worker.end()

    def _take_ahead(self, waiting: Iterator[Job | NotYet]) -> None:
        free = self._workers - len(self._busy)
        while self._more and len(self._ready) < max(free, AHEAD):
            try:
                job = next(waiting)
            except StopIteration:
                self._more = False
                return
            if job is NOT_YET:
                return
            self._ready.append(job)
            self._hand_out()
            free = self._workers - len(self._busy)

    def _hand_out(self) -> None:
        """Give jobs to processes that are free, those to be repeated last and to new processes."""
        while len(self._busy) < self._workers:
            if self._ready:
                self._begin(self._free_worker(), self._ready.popleft())
            elif self._suspects and not self._more:
                if self._idle:
                    self._idle.pop().end()
                worker = WorkerProcess(self._answers)
                worker.retries = True
                self._begin(worker, self._suspects.popleft())
            else:
                return

    def _free_worker(self) -> WorkerProcess[Job, Result]:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.end()
        return WorkerProcess(self._answers)

    def _begin(self, worker: WorkerProcess[Job, Result], job: Job) -> None:
        self._busy.add(worker)
        worker.carry_out(self._work, job)

    def _wait(self) -> JobDone[Job, Result] | JobFailed[Job] | None:
        """The next outcome; None where a moment passed without one, or a job is to be repeated."""
        began = time.monotonic()
        try:
            worker, answer = self._answers.get(timeout=POLL_S)
        except Empty:
            self._watch_limits(late=time.monotonic() - began - POLL_S)
            return None
        self._busy.remove(worker)
        if answer is None:
            worker.end()
            return self._lost(worker)
        if worker.retries:
            worker.end()
        else:
            self._idle.append(worker)
        if isinstance(answer, JobDone):
            return JobDone(worker.job, answer.result)
        return JobFailed(worker.job, answer.error, answer.message, answer.traceback)

    def _lost(self, worker: WorkerProcess[Job, Result]) -> JobFailed[Job] | None:
        if not worker.retries:
            self._suspects.append(worker.job)
            return None
        why = TOO_LONG if worker.overdue else DIED
        message = MESSAGES[why].format(limit=self._limit_s / 60)
        return JobFailed(worker.job, why, message, message)

    def _watch_limits(self, *, late: float) -> None:
        """Report jobs that run long, and kill the process of one that exceeds its limit."""
        if not self._limit_s:
            return
        for worker in self._busy:
            if late > STOPPED_S:
                worker.began += late
            runs = time.monotonic() - worker.began
            if runs > self._limit_s and not worker.overdue:
                worker.overdue = True
                worker.kill()
            elif runs > (worker.reminded + 1) * self._limit_s / REMINDERS:
                worker.reminded = int(runs * REMINDERS / self._limit_s)
                self._still_running(worker.job, runs)
