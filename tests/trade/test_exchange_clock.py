"""The session's clock is the exchange's, however slowly it was asked, whatever the machine's clock does."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.server_time import ServerTime
from desk.trade.exchange_clock import MOST_ROUND_TRIP_S, ExchangeClock
from tests.trade.samples import LIMITS, NOON

MOST_MS = 1_000 * MOST_ROUND_TRIP_S
ways = st.one_of(st.floats(0, MOST_MS / 2), st.floats(0, 20_000))


@dataclass
class Machine:
    """A machine whose wall time can be moved, and that can sleep; satisfies ``desk.ports.Clock``."""

    wall_ms: float = float(NOON)
    passed_ms: float = 5_000.0
    true_ms: float = float(NOON)
    """What an exact clock would show."""

    def now_ms(self) -> int:
        """The wall time, right or wrong."""
        return int(self.wall_ms)

    def monotonic(self) -> float:
        """Seconds awake."""
        return self.passed_ms / 1_000

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.let_pass(1_000 * seconds)

    def let_pass(self, ms: float, *, asleep: bool = False) -> None:
        """Let time pass; asleep, the monotonic clock stands."""
        self.wall_ms += ms
        self.true_ms += ms
        self.passed_ms += 0 if asleep else ms


def asked(clock: ExchangeClock, machine: Machine, ahead: float, *, there: float, back: float) -> None:
    """Ask an exchange whose clock is ``ahead`` ms of the true time, over a line with these ways."""
    began = machine.monotonic()
    machine.let_pass(there)
    reported = int(machine.true_ms + ahead)
    machine.let_pass(back)
    clock.set_by(reported, asked_s=began, answered_s=machine.monotonic())


@given(
    ahead=st.floats(-1e6, 1e6),
    trips=st.lists(st.tuples(ways, ways, st.floats(-1e7, 1e7)), min_size=1, max_size=20),
)
def test_slow_answers_and_a_moved_machine_never_spoil_a_clock_that_was_set_well(
    ahead: float, trips: list[tuple[float, float, float]]
) -> None:
    """A timeout in every question, or a clock that is set by hand, would otherwise stop everything."""
    machine = Machine()
    clock = ExchangeClock(machine)
    set_well = False

    for there, back, moved in trips:
        asked(clock, machine, ahead, there=there, back=back)
        set_well |= there + back < MOST_MS - 2
        machine.wall_ms += moved
        error = abs(clock.now_ms() - machine.true_ms - ahead)
        if set_well:
            assert error <= MOST_MS / 2 + 3
        assert abs(clock.drift_s) <= LIMITS.max_clock_drift_s + 0.004


def test_a_slow_first_answer_is_no_measure_of_the_drift() -> None:
    """A timeout, then an answer: counted from there, the clock was wrong by five seconds."""
    machine = Machine()
    clock = ExchangeClock(machine)

    asked(clock, machine, 0.0, there=10_500, back=50)
    assert abs(clock.now_ms() - machine.true_ms) <= 10_550
    assert clock.drift_s == 0.0
    asked(clock, machine, 0.0, there=50, back=50)

    assert clock.now_ms() == pytest.approx(machine.true_ms, abs=1)
    assert clock.drift_s == 0.0


@pytest.mark.parametrize("jump_ms", [600_000, -600_000, 3_600_000])
def test_a_machine_whose_clock_is_set_changes_nothing_and_is_reported(jump_ms: int) -> None:
    """A position was closed nine minutes before its time, and candles were lost until a restart."""
    machine = Machine()
    clock = ExchangeClock(machine)
    asked(clock, machine, 0.0, there=50, back=50)

    machine.wall_ms += jump_ms
    machine.let_pass(60_000)

    assert clock.now_ms() == pytest.approx(machine.true_ms, abs=1)
    asked(clock, machine, 0.0, there=50, back=50)
    assert clock.drift_s == pytest.approx(0.0, abs=0.002)
    assert clock.machine_jump_s == pytest.approx(jump_ms / 1_000, abs=0.01)
    asked(clock, machine, 0.0, there=50, back=50)
    assert clock.machine_jump_s == pytest.approx(0.0, abs=0.01)


def test_a_machine_that_slept_is_noticed_over_the_slowest_line_and_right_again_at_once() -> None:
    """A slow answer still proves within what bounds the exchange's time lies."""
    machine = Machine()
    clock = ExchangeClock(machine)
    asked(clock, machine, 0.0, there=50, back=50)

    machine.let_pass(30_000, asleep=True)
    asked(clock, machine, 0.0, there=5_000, back=5_000)

    assert clock.drift_s <= -19
    assert abs(clock.now_ms() - machine.true_ms) <= 10_000
    asked(clock, machine, 0.0, there=50, back=50)
    asked(clock, machine, 0.0, there=50, back=50)
    assert clock.drift_s == pytest.approx(0.0, abs=0.002)


def test_until_the_exchange_has_answered_the_machine_counts() -> None:
    """There is nothing better; whole milliseconds stay whole."""
    machine = Machine()
    time = ServerTime(machine)
    machine.wall_ms += 5
    assert time.now_ms() == NOON + 5

    time.set(NOON)
    for _ in range(1_000):
        machine.let_pass(1)
    assert time.now_ms() == NOON + 1_000
    assert time.jump_s == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("ahead_ms", [600_000, -600_000, 86_400_000])
async def test_one_answer_that_is_far_off_is_not_believed(ahead_ms: int) -> None:
    """One of ten minutes ahead closed every position nine minutes before its time."""
    machine = Machine()
    clock = ExchangeClock(machine)
    wrong = [0, ahead_ms, 0]

    async def server_time() -> int:
        machine.let_pass(50)
        return int(machine.true_ms) + wrong.pop(0)

    for _ in range(2):
        await clock.set_from(server_time)
        machine.let_pass(60_000)

    assert not wrong
    assert clock.now_ms() == pytest.approx(machine.true_ms, abs=60)
    assert abs(clock.drift_s) < 0.1


async def test_two_answers_that_agree_are_believed_and_none_that_do_not() -> None:
    """A machine that slept must be right again at once; three different times say nothing."""
    machine = Machine()
    clock = ExchangeClock(machine)
    ahead: list[int] = []

    async def server_time() -> int:
        return int(machine.true_ms) + ahead.pop(0)

    ahead[:] = [0]
    await clock.set_from(server_time)
    machine.let_pass(60_000)
    ahead[:] = [100_000, -100_000, 50_000]
    await clock.set_from(server_time)
    assert clock.now_ms() == pytest.approx(machine.true_ms, abs=2)

    machine.let_pass(3_600_000, asleep=True)
    ahead[:] = [0, 0]
    await clock.set_from(server_time)
    assert clock.now_ms() == pytest.approx(machine.true_ms, abs=2)
    assert clock.drift_s == pytest.approx(-3_600, abs=0.1)
