"""What a service manager is sent of a session: that it has begun, that it goes on, that it ends.

Place in the house: around the events of a session.  Events come in and go out unchanged; datagrams of
``sd_notify`` go to the socket that systemd names in the environment, and nowhere without it.

``READY=1`` is sent when the session has taken its first step, ``WATCHDOG=1`` after steps, so that a session
that hangs in one is restarted, ``STOPPING=1`` when there are no more.  Source: sd_notify(3), systemd 255.

Not here: what is done with a session that hangs (``deploy/systemd``).
"""

import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from desk.ports import Clock
from desk.trade.events import Event

SIGNS_PER_TIMEOUT = 4
"""A sign of life is sent so many times within the time after which systemd takes the session for hung."""


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where signs of life go, and how often."""

    address: str
    """Path of a datagram socket, or ``@`` and an abstract name; empty: nobody wants to know."""
    timeout_s: float
    """The session counts as hung after so long without a sign; 0: no sign is wanted."""

    @classmethod
    def of(cls, environ: Mapping[str, str], *, process: int) -> "ServiceManager":
        """The one that started this process, if it wants to know.

        Parameters
        ----------
        environ : mapping
            ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, ``WATCHDOG_PID``.
        process : int
            Id of this process: signs of life are wanted of the one that ``WATCHDOG_PID`` names.
        """
        address, timeout = environ.get("NOTIFY_SOCKET", ""), environ.get("WATCHDOG_USEC", "")
        wanted = timeout.isdigit() and environ.get("WATCHDOG_PID", str(process)) == str(process)
        return cls(address if address[:1] in {"/", "@"} else "", int(timeout) / 1e6 if wanted else 0.0)

    def send(self, state: str) -> None:
        """Send ``state``, as ``READY=1``; one that is not taken is lost, and holds up nothing."""
        if not self.address or not hasattr(socket, "AF_UNIX"):
            return
        to = f"\0{self.address[1:]}" if self.address[0] == "@" else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(state.encode(), to)


async def supervised(
    events: AsyncGenerator[Event], clock: Clock, environ: Mapping[str, str] = os.environ
) -> AsyncGenerator[Event]:
    """Hand on ``events``, and report to the service manager between them, when each step is over.

    Parameters
    ----------
    events : async generator of Event
        Of a session that asks for the first one when it has begun.
    clock : Clock
    environ : mapping
        As that of ``ServiceManager.of``.
    """
    manager = ServiceManager.of(environ, process=os.getpid())
    manager.send("READY=1")
    pause_s, sent = manager.timeout_s / SIGNS_PER_TIMEOUT, float("-inf")
    try:
        async with aclosing(events) as stream:
            async for event in stream:
                if manager.timeout_s and clock.monotonic() - sent >= pause_s:
                    sent = clock.monotonic()
                    manager.send("WATCHDOG=1")
                yield event
    finally:
        manager.send("STOPPING=1")
