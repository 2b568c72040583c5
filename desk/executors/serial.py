"""One job after the other, in this process.

Place in the house: a service, within ``desk.executors``.
"""

import threading
from collections.abc import Callable, Generator, Iterable

from desk.executors.jobs import NOT_YET, POLL_S, Job, JobDone, JobFailed, NotYet, Result, attempt


class Serial:
    """One job after the other, in this process: nobody is there to end one that takes too long."""

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``."""
        for job in jobs:
            if job is NOT_YET:
                threading.Event().wait(POLL_S)
            else:
                yield attempt(work, job)
