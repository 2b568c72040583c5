"""What every executor takes and gives.

Place in the house: a service, within ``desk.executors``.
"""

import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
DIED, TOO_LONG = "WorkerDied", "TimeLimitExceeded"
"""Names of what ends a job besides exceptions."""
POLL_S = 0.2
"""Seconds until jobs that are not there yet are asked for again."""


class NotYet(Enum):
    """What an iterable of jobs yields while it waits for the next one itself."""

    NOT_YET = "not yet"


NOT_YET: Final = NotYet.NOT_YET


@dataclass(frozen=True, slots=True)
class JobDone(Generic[Job, Result]):
    """The job was carried out."""

    job: Job
    result: Result


@dataclass(frozen=True, slots=True)
class JobFailed(Generic[Job]):
    """The job raised, took too long, or its process died."""

    job: Job
    error: str
    """Name of the exception; ``WorkerDied`` or ``TimeLimitExceeded`` where there was none."""
    message: str
    traceback: str
    """As text."""


class Executor(Protocol):
    """Carries out every job once, and yields each outcome as soon as it is there."""

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``; closing the iterator stops what still runs."""


def attempt(work: Callable[[Job], Result], job: Job) -> JobDone[Job, Result] | JobFailed[Job]:
    """Carry out one job; what it raises becomes a value."""
    try:
        return JobDone(job, work(job))
    except Exception as exc:  # noqa: BLE001 - this is where a job's work ends
        return JobFailed(job, type(exc).__name__, str(exc), traceback.format_exc())
