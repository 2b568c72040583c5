"""A Dask cluster: the workers of other machines, or of this one for trying it.

Place in the house: a service, within ``desk.executors``.  Dask is an optional requirement
(``requirements-dask.txt``), imported when a cluster is used.  Every job travels as a task with its candles,
and its result comes back; nothing but this process publishes.

A worker that dies is not tried again by Dask, which would let one symbol kill four workers: its job is
repeated once when the others are done, as with ``Processes``.

References
----------
Dask.distributed, documentation: ``Client.submit``, ``KilledWorker``, and the configuration
``distributed.scheduler.allowed-failures``.
"""

import contextlib
import importlib
import os
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Final, Generic

from desk.errors import SettingsError
from desk.executors.environment import ONE_THREAD, clean_start, unneeded_variables
from desk.executors.jobs import DIED, NOT_YET, POLL_S, Job, JobDone, JobFailed, NotYet, Result, attempt
from desk.versions import versions

SCHEME: Final = "dask://"
LOCAL = re.compile(rf"{SCHEME}local:([1-9][0-9]*)")
AHEAD = 1
"""Tasks beyond one per worker, so that none waits for this process."""
WORKERS_WITHIN_S = 30
"""How long a first worker is waited for: those of a cluster that has just been started come one by one."""
DIED_TWICE = (
    "the cluster lost the worker that was at this job, twice: its log says more, it may have lacked memory"
)


class DaskCluster:
    """The workers that a Dask scheduler has, one job at a time each.

    Parameters
    ----------
    address : str
        ``dask://HOST:PORT`` of a scheduler, or ``dask://local:N`` for N workers on this machine meanwhile.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def run(
        self, work: Callable[[Job], Result], jobs: Iterable[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Carry out ``work`` for each of ``jobs``.

        Raises
        ------
        SettingsError
            If there is no Dask, no such scheduler, no worker, or one of other versions.
        """
        with _connected(self._address) as client:
            _check_workers(client, self._address)
            tasks: _Tasks[Job, Result] = _Tasks(client, work)
            try:
                yield from tasks.outcomes(iter(jobs))
            finally:
                tasks.cancel()


class _Tasks(Generic[Job, Result]):
    """The tasks of one run."""

    def __init__(self, client: Any, work: Callable[[Job], Result]) -> None:  # noqa: ANN401 - Dask has no types
        self._client = client
        self._work = work
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._pending: dict[str, tuple[Any, Job]] = {}
        """Future and job, by the key of the task."""
        self._suspects: deque[Job] = deque()
        self._count = 0
        self._repeats = False

    def outcomes(
        self, waiting: Iterator[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        """Every outcome, as soon as it is there."""
        yield from self._carry_out(waiting)
        self._repeats = True
        yield from self._carry_out(iter(self._suspects))

    def cancel(self) -> None:
        """Take back what is not done."""
        if self._pending:
            self._client.cancel([future for future, _ in self._pending.values()], force=True)

    def _carry_out(
        self, waiting: Iterator[Job | NotYet]
    ) -> Generator[JobDone[Job, Result] | JobFailed[Job], None, None]:
        more = True
        while more or self._pending:
            while more and len(self._pending) < len(self._client.nthreads()) + AHEAD:
                job = next(waiting, None)
                if job is NOT_YET:
                    break
                if job is None:
                    more = False
                else:
                    self._submit(job)
            with contextlib.suppress(Empty):
                outcome = self._outcome_of(self._ended.get(timeout=POLL_S))
                if outcome is not None:
                    yield outcome

    def _submit(self, job: Job) -> None:
        self._count += 1
        future = self._client.submit(
            attempt, self._work, job, key=f"symbol-{id(self)}-{self._count}", pure=False, retries=0
        )
        self._pending[future.key] = future, job
        future.add_done_callback(self._ended.put)

    def _outcome_of(self, future: Any) -> JobDone[Job, Result] | JobFailed[Job] | None:  # noqa: ANN401
        _, job = self._pending.pop(future.key)
        if future.status == "finished":
            outcome: JobDone[Job, Result] | JobFailed[Job] = future.result()
            if isinstance(outcome, JobDone):
                return JobDone(job, outcome.result)
            return JobFailed(job, outcome.error, outcome.message, outcome.traceback)
        if not self._repeats:
            self._suspects.append(job)
            return None
        return JobFailed(job, DIED, DIED_TWICE, str(future.exception()))


def _distributed() -> ModuleType:
    try:
        return importlib.import_module("distributed")
    except ImportError as exc:
        raise SettingsError(
            f"executor is a Dask cluster, and Dask is not installed here ({exc}): "
            "pip install -r requirements-dask.txt"
        ) from exc


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """``HOST:PORT`` of a scheduler on this machine with so many workers, while the block runs."""
    blank = dict.fromkeys(unneeded_variables(os.environ), "")  # also for workers that are restarted
    with clean_start():
        cluster = _distributed().LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # any free port: None would ask for 8787 all the same
            scheduler_kwargs={"dashboard": False},
            silence_logs="ERROR",
            env={**blank, **ONE_THREAD},
        )
    with cluster:
        yield str(cluster.scheduler_address).removeprefix("tcp://")


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the cluster; a local one lives as long as it."""
    with contextlib.ExitStack() as stack:
        distributed, target = _distributed(), address.removeprefix(SCHEME)
        if local := LOCAL.fullmatch(address):
            target = stack.enter_context(local_cluster(int(local[1])))
        try:
            client = stack.enter_context(distributed.Client(target, timeout="10s", set_as_default=False))
        except (OSError, TimeoutError) as exc:
            raise SettingsError(
                f"no Dask scheduler answers at {address}: start one with `dask scheduler`, or correct it"
            ) from exc
        yield client


def _check_workers(client: Any, address: str) -> None:  # noqa: ANN401 - Dask has no types
    """See that the workers can carry out jobs as this process would.

    Raises
    ------
    SettingsError
        With what is wrong with which worker.
    """
    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except TimeoutError as exc:
        raise SettingsError(
            f"the scheduler at {address} has no worker: start some with `dask worker`"
        ) from exc
    threads = client.nthreads()
    if many := sorted(worker for worker, count in threads.items() if count != 1):
        raise SettingsError(
            f"workers with more than one thread: {', '.join(many)}; start them with --nthreads 1, as many as "
            "there are cores"
        )
    try:
        found = client.run(versions)
    except Exception as exc:
        raise SettingsError(
            f"the workers at {address} cannot import the suite ({exc}): start them in its folder, or install "
            "it there"
        ) from exc
    ours = versions()
    for worker, theirs in sorted(found.items()):
        if differs := [
            f"{name} {theirs[name]}, here {ours[name]}" for name in ours if theirs[name] != ours[name]
        ]:
            raise SettingsError(f"worker {worker} has {'; '.join(differs)}: equal bytes need equal versions")

    def never_again(dask_scheduler: Any) -> None:  # noqa: ANN401
        dask_scheduler.allowed_failures = 0

    client.run_on_scheduler(never_again)
