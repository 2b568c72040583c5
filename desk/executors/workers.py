"""One worker process, seen from both sides of its pipe.

Place in the house: a service, within ``desk.executors``.  The parent asks one thing at a time and waits for
the answer in a thread, so that neither a process that is stopped nor one that died keeps the parent waiting.
"""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from queue import SimpleQueue
from typing import Generic, TypeAlias

from desk.executors.environment import start_worker, worker_context
from desk.executors.jobs import Job, JobDone, JobFailed, Result, attempt

Answer: TypeAlias = JobDone[None, Result] | JobFailed[None] | None
"""The outcome, without the job, which the parent has; None where the process ended without one."""
END_WITHIN_S = 3.0
"""How long the end of a killed process is waited for."""


class WorkerProcess(Generic[Job, Result]):
    """A process that carries out one job after the other, and the job that it is at.

    Parameters
    ----------
    answers : SimpleQueue
        Receives this object and its answer when a job has ended, whichever way.
    """

    job: Job
    """That it is at, or was at last."""

    def __init__(self, answers: "SimpleQueue[tuple[WorkerProcess[Job, Result], Answer[Result]]]") -> None:
        self._answers = answers
        context = worker_context()
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        start_worker(self._process)
        theirs.close()
        self._asked = False
        """Whether an answer is awaited."""
        self.began = 0.0
        """Of the job, on ``time.monotonic``."""
        self.reminded = 0
        """How often it was reported that the job still runs."""
        self.retries = False
        """Whether it is the second attempt at the job, in a process of its own."""
        self.overdue = False
        """Whether it was killed because it took too long."""

    def carry_out(self, work: Callable[[Job], Result], job: Job) -> None:
        """Begin a job; its answer goes to ``answers``."""
        self.job, self.began, self.reminded, self._asked = job, time.monotonic(), 0, True
        threading.Thread(target=self._ask, args=(work, job), daemon=True).start()

    def kill(self) -> None:
        """End the process at once, also one that is stopped: no file could be left half written."""
        self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def end(self) -> None:
        """Let the process end by itself, which an idle one does, or kill it; return when it is gone."""
        if not self._asked:
            self._connection.close()
        self._process.join(END_WITHIN_S)
        if self.alive:
            self.kill()
            self._process.join(END_WITHIN_S)

    def _ask(self, work: Callable[[Job], Result], job: Job) -> None:
        answer: Answer[Result]
        try:
            self._connection.send((work, job))
            answer = self._connection.recv()
        except (EOFError, OSError):
            answer = None  # it died, or was killed
        except Exception as exc:  # noqa: BLE001 - a job or a result that cannot be sent is a failure of the job
            answer = _failure(exc, str(exc))
        self._asked = False
        self._answers.put((self, answer))


def _serve(connection: Connection) -> None:
    """Carry out what comes through ``connection`` until it is closed; this is the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are the parent's
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            _serve_one(connection)


def _serve_one(connection: Connection) -> None:
    answer: Answer[object]
    try:
        work, job = connection.recv()
    except (EOFError, OSError):
        raise
    except Exception as exc:  # noqa: BLE001 - a job that cannot be received is a failure of the job
        answer = _failure(exc, f"its worker cannot read it: {exc}")
    else:
        outcome = attempt(work, job)
        if isinstance(outcome, JobDone):
            answer = JobDone(None, outcome.result)
        else:
            answer = JobFailed(None, outcome.error, outcome.message, outcome.traceback)
    try:
        connection.send(answer)
    except (EOFError, OSError):
        raise
    except Exception as exc:  # noqa: BLE001 - nor is one whose result cannot be sent
        connection.send(_failure(exc, f"its result cannot be sent: {exc}"))


def _failure(exc: Exception, message: str) -> JobFailed[None]:
    return JobFailed(None, type(exc).__name__, message, traceback.format_exc())


def _end_with_parent() -> None:
    """End this process when its parent has ended, even by ``kill -9``."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
