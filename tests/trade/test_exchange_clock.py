"""The session's clock is the exchange's, however slowly the exchange was asked for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.trade.exchange_clock import MOST_ROUND_TRIP_MS, ExchangeClock
from desk.trade.replay.feed import SimulatedClock
from tests.trade.samples import LIMITS, NOON

ways = st.one_of(st.floats(0, MOST_ROUND_TRIP_MS / 2), st.floats(0, 20_000))


def asked(clock: ExchangeClock, machine: SimulatedClock, ahead: float, *, there: float, back: float) -> None:
    """Ask an exchange whose clock is ``ahead`` ms of the machine's, over a line with these ways."""
    began = machine.now_ms()
    machine.at += there
    told = int(machine.at + ahead)
    machine.at += back
    clock.set_by(told, asked=began, answered=machine.now_ms())


@given(ahead=st.floats(-1e6, 1e6), trips=st.lists(st.tuples(ways, ways), min_size=1, max_size=20))
def test_slow_answers_never_spoil_a_clock_that_was_set_well(
    ahead: float, trips: list[tuple[float, float]]
) -> None:
    """A timeout in every question would otherwise show clocks that drift apart, and nothing is traded."""
    machine = SimulatedClock(float(NOON))
    clock = ExchangeClock(machine)
    set_well = False

    for there, back in trips:
        asked(clock, machine, ahead, there=there, back=back)
        set_well |= there + back < MOST_ROUND_TRIP_MS - 2
        error = abs(clock.now_ms() - machine.now_ms() - ahead)
        assert error <= (MOST_ROUND_TRIP_MS / 2 if set_well else max(there + back, abs(ahead))) + 3
        assert abs(clock.drift_s) <= LIMITS.max_clock_drift_s + 0.004


def test_a_slow_first_answer_is_no_measure_of_the_drift() -> None:
    """A timeout, then an answer: counted from there, the clock has drifted by five seconds for ever."""
    machine = SimulatedClock(float(NOON))
    clock = ExchangeClock(machine)

    asked(clock, machine, 0.0, there=10_500, back=50)
    assert abs(clock.now_ms() - machine.now_ms()) <= 50
    assert clock.drift_s == 0.0
    asked(clock, machine, 0.0, there=50, back=50)

    assert clock.offset_ms == pytest.approx(0.0, abs=1)
    assert clock.drift_s == 0.0


def test_a_machine_whose_clock_steps_is_noticed_over_the_slowest_line() -> None:
    """A slow answer still proves within what bounds the exchange's time lies."""
    machine = SimulatedClock(float(NOON))
    clock = ExchangeClock(machine)
    asked(clock, machine, 0.0, there=50, back=50)

    machine.at -= 30_000
    asked(clock, machine, 30_000.0, there=5_000, back=5_000)

    assert clock.drift_s >= 24
    assert clock.now_ms() >= machine.now_ms() + 24_000


def test_a_clock_that_is_set_back_during_the_question_measures_nothing() -> None:
    """The answer would have come before the question."""
    clock = ExchangeClock(SimulatedClock(float(NOON)))

    clock.set_by(NOON, asked=NOON, answered=NOON - 60_000)

    assert (clock.offset_ms, clock.first_offset_ms) == (0.0, None)
