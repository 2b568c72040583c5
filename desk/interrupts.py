"""Ctrl-C, and SIGTERM: asked once, work that is under way is finished; asked twice, it stops at once.

Place in the house: a service.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class FinishFirst:
    """While it is entered, the first signal only sets ``asked``; the second raises ``KeyboardInterrupt``.

    Parameters
    ----------
    tell : callable
        Called once, when it is first asked to end.  Outside the main thread signals are left alone.
    """

    def __init__(self, tell: Callable[[], object]) -> None:
        self.asked = False
        self._tell = tell
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._asked) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._tell()
