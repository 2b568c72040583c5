"""What systemd learns of a session, over a real datagram socket."""

import socket
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from desk.trade.events import Event, TimerEvent
from desk.trade.replay.feed import SimulatedClock
from desk.trade.service_manager import ServiceManager, supervised


class Manager:
    """A socket as that of systemd."""

    def __init__(self, address: str) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.setblocking(False)
        self._line.bind(address)

    def received(self) -> list[str]:
        """Everything that was sent since the last call."""
        found = []
        while True:
            try:
                found.append(self._line.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def address() -> Iterator[str]:
    """A path short enough for a socket, wherever the tests' own folder is."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "notify")


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    found = Manager(address)
    yield found
    found.close()


async def every_second(clock: SimulatedClock, count: int) -> AsyncGenerator[Event]:
    for _ in range(count):
        await clock.sleep(1)
        yield TimerEvent()


def environment(address: str, timeout_s: int) -> dict[str, str]:
    return {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(timeout_s * 1_000_000)}


async def test_systemd_learns_of_start_life_and_end(address: str, manager: Manager) -> None:
    """A service that is started by ``Type=notify`` and never ready is killed by its start timeout."""
    clock = SimulatedClock(0.0)
    events = supervised(every_second(clock, 40), clock, environment(address, 40))
    async with aclosing(events):
        async for _ in events:
            pass

    states = manager.received()
    assert states[0] == "READY=1"
    assert states[-1] == "STOPPING=1"
    assert states[1:-1] == ["WATCHDOG=1"] * 4  # at first, then every tenth second


async def test_a_step_that_hangs_gives_no_sign_of_life(address: str, manager: Manager) -> None:
    """Signs from a task beside the session would go on while its step hangs for ever."""
    clock = SimulatedClock(0.0)
    events = supervised(every_second(clock, 100), clock, environment(address, 4))
    async with aclosing(events):
        await anext(events)
        manager.received()
        await clock.sleep(1_000)
        assert manager.received() == []
        await anext(events)
        assert manager.received() == ["WATCHDOG=1"]


async def test_a_session_that_ends_early_says_so_and_closes_its_events(
    address: str, manager: Manager
) -> None:
    """Events hold tasks and connections; a session that is stopped leaves none behind."""
    clock = SimulatedClock(0.0)
    inner = every_second(clock, 100)
    events = supervised(inner, clock, environment(address, 40))
    async with aclosing(events):
        await anext(events)

    assert manager.received()[-1] == "STOPPING=1"
    with pytest.raises(StopAsyncIteration):
        await anext(inner)


async def test_without_a_manager_events_are_what_they_were() -> None:
    """Most sessions are started by hand; a socket that is gone ends none either."""
    clock = SimulatedClock(0.0)
    for environ in ({}, environment("/nowhere/notify", 4), {"NOTIFY_SOCKET": "relative"}):
        assert len([one async for one in supervised(every_second(clock, 5), clock, environ)]) == 5


def test_signs_of_life_are_wanted_of_one_process() -> None:
    """A child inherits the variables, and its signs would stand for those of its parent."""
    environ = environment("/run/notify", 60)

    assert ServiceManager.of(environ, process=7).timeout_s == 60
    assert ServiceManager.of(environ | {"WATCHDOG_PID": "7"}, process=7).timeout_s == 60
    assert ServiceManager.of(environ | {"WATCHDOG_PID": "8"}, process=7).timeout_s == 0
    assert ServiceManager.of(environ | {"WATCHDOG_USEC": "soon"}, process=7).timeout_s == 0


def test_an_abstract_socket_is_found() -> None:
    """Systemd in a container names one."""
    name = f"desk-test-{id(object())}"
    other = Manager(f"\0{name}")
    try:
        ServiceManager(f"@{name}", 0.0).send("READY=1")
        assert other.received() == ["READY=1"]
    finally:
        other.close()
