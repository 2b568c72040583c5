"""Where work is carried out, never what it is.

A service.  A function that can be imported (from another module than ``__main__``) and jobs come in; one
outcome per job comes out, in the order in which they are finished.  An exception never crosses a process
border: a failure is a value, with its traceback as text.  Jobs are taken from their iterable only as workers
become free, so that hundreds of symbols never lie in memory together.

Reading order: ``jobs`` (what every executor promises), ``serial``, ``processes``, then ``workers`` (one
process), ``cluster`` (Dask) and ``environment`` (what a process starts with).

Not here: what a job is, and what is done with its outcome.
"""

from desk.executors.cluster import DaskCluster
from desk.executors.environment import ONE_THREAD
from desk.executors.jobs import NOT_YET, Executor, JobDone, JobFailed, NotYet
from desk.executors.processes import AHEAD, Processes
from desk.executors.serial import Serial

__all__ = [
    "AHEAD",
    "NOT_YET",
    "ONE_THREAD",
    "DaskCluster",
    "Executor",
    "JobDone",
    "JobFailed",
    "NotYet",
    "Processes",
    "Serial",
]
