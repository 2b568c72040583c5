"""What a worker process starts with: few variables, one thread, no main module, and no ear for Ctrl-C.

Place in the house: a service, within ``desk.executors``.

A process is forked off a server that has imported ``desk.worker`` and done nothing else, where the system is
Linux: it starts in a fraction of a second and shares the libraries' memory with the others.  The server has
one thread and never trained a model, since a LightGBM that has worked may hang in OpenMP after a fork.
Elsewhere every process is a fresh interpreter.
"""

import contextlib
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Final

_POOLS_OF_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ONE_THREAD = dict.fromkeys(_POOLS_OF_THREADS, "1")
"""Environment of a worker: one process per core, one thread per process."""
NO_BACKGROUND = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""pyarrow, which pandas imports where it is installed, starts a thread of its own without it."""
PRELOADED: Final = "desk.worker"
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


def start_method(platform: str = sys.platform) -> str:
    """How a ``platform`` starts processes; on macOS some libraries do not survive a fork."""
    return "forkserver" if platform == "linux" else "spawn"


def worker_context() -> ForkServerContext | SpawnContext:
    """What worker processes are made with."""
    if start_method() == "spawn":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def start_worker(process: BaseProcess) -> None:
    """Start ``process``, one of ``worker_context``."""
    with clean_start():
        resource_tracker.ensure_running()  # it leaves Ctrl-C unblocked when it starts
        with _interrupts_of_children_blocked():
            if start_method() == "forkserver":
                forkserver.ensure_running()  # what it forks takes over its mask and its environment
            else:
                process.start()
        if start_method() == "forkserver":
            process.start()


@contextlib.contextmanager
def clean_start() -> Iterator[None]:
    """Let processes that are started meanwhile see neither the main module nor a key."""
    with _main_module_hidden(), _scrubbed_environment():
        yield


def unneeded_variables(environ: Iterable[str]) -> list[str]:
    """Names in ``environ`` that no worker needs."""
    return [name for name in environ if not _NEEDED.fullmatch(name)]


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
    """Let processes that are started meanwhile see what ``_NEEDED`` admits, and what makes them lean.

    Modules that a fork server is to import are looked for where this process finds its own.
    """
    before = dict(os.environ)
    for name in unneeded_variables(before):
        del os.environ[name]
    folders = (folder or os.getcwd() for folder in sys.path)
    added = {**ONE_THREAD, **NO_BACKGROUND, "PYTHONPATH": os.pathsep.join(folders)}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
