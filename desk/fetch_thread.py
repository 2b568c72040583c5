"""A fetch beside other work: in a thread of its own, with its outcomes read in this one.

A service between phase 1 and phase 2.  The coroutine that fetches comes in; outcomes go out as they are
there, so that a symbol is trained as soon as its candles are complete.

Not here: how candles are fetched (``data_fetcher``).
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Self

from desk.market.history.contract_book import ContractBook
from desk.market.history.fetch_report import (
    Fetched,
    FetchProblem,
    FetchProgress,
    FetchReport,
    ProgressObserver,
)

FetchWork = Callable[[ProgressObserver], Coroutine[Any, Any, FetchReport]]
"""Fetches, and lets the observer see how far it is."""
ENDS_WITHIN_S = 3.0
"""How long an abandoned fetch is waited for."""


class FetchThread:
    """Runs a fetch while the context is entered; satisfies ``ProgressObserver`` for it.

    Parameters
    ----------
    fetch : callable
        Makes the coroutine that fetches.
    """

    def __init__(self, fetch: FetchWork) -> None:
        self.symbols: tuple[str, ...] = ()
        """That are fetched, in the order of the universe; empty until they are chosen."""
        self.book: ContractBook | None = None
        """Contracts of the exchange, once the symbols are chosen."""
        self.progress: FetchProgress | None = None
        self.error: BaseException | None = None
        """What ended the fetch before it was over."""
        self._outcomes: SimpleQueue[Fetched | FetchProblem] = SimpleQueue()
        self._fetch = fetch
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[FetchReport] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        self._thread.join(ENDS_WITHIN_S)

    @property
    def over(self) -> bool:
        """Whether nothing more is to come but what ``new_outcomes`` has."""
        return not self._thread.is_alive()

    def new_outcomes(self) -> Iterator[Fetched | FetchProblem]:
        """The outcomes since it was asked last."""
        while True:
            try:
                yield self._outcomes.get_nowait()
            except Empty:
                return

    def cancel(self) -> None:
        """End the fetch where it is; what was fetched is in the cache."""
        if self._thread.is_alive() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel_task)

    def chosen(self, symbols: tuple[str, ...], book: ContractBook) -> None:
        """Take the symbols of the fetch, and the contracts."""
        self.symbols, self.book = symbols, book

    def update(self, progress: FetchProgress) -> None:
        """Take how far the fetch is."""
        self.progress = progress

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """Take the outcome of a symbol."""
        self._outcomes.put(outcome)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._task = self._loop.create_task(self._fetch(self))
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException as exc:  # noqa: BLE001 - it is raised again where the thread was started
            self.error = exc
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
