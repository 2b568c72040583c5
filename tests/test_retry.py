"""Retry of reads, on a clock that the test reads: which errors, how often, how long."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from desk.errors import Refused, Throttled, Unanswered
from desk.retry import STARTUP, Backoff, Retry, RetryPolicy
from tests.market.samples import ImpatientClock

NO_ANSWER = Unanswered("no answer", endpoint="/time")
LATER = Throttled("later", endpoint="/time")
NO = Refused("no", endpoint="/time", code="40034")
BACKOFF = Backoff(0.5, 30.0)


def script(
    clock: ImpatientClock, *errors: Exception | None, lasting_s: float = 0.0
) -> Callable[[], Awaitable[int]]:
    """A read that fails with ``errors`` in turn (None succeeds); each attempt takes ``lasting_s``."""
    left = iter(errors)

    async def read() -> int:
        clock.seconds += lasting_s
        if (error := next(left)) is not None:
            raise error
        return 7

    return read


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (8, 30.0), (5000, 30.0)]
)
def test_each_wait_is_twice_the_last_up_to_the_longest(failures: int, wait: float) -> None:
    """A gateway that restarts is asked soon, one that stays down is not hammered for ever."""
    assert BACKOFF.wait_s(failures) == wait


class Case(NamedTuple):
    """A policy, errors in turn with the seconds that each attempt lasts, and what must come of it."""

    policy: RetryPolicy
    errors: tuple[Exception | None, ...]
    lasting_s: float
    waits: list[float]
    raised: Exception | None
    failures: int


CASES = {
    "success at once": Case(RetryPolicy(attempts=3, backoff=BACKOFF), (None,), 0.0, [], None, 0),
    "two failures": Case(
        RetryPolicy(attempts=3, backoff=BACKOFF),
        (NO_ANSWER, LATER, None),
        0.0,
        [0.5, 1.0],
        None,
        2,
    ),
    "attempts exhausted": Case(
        RetryPolicy(attempts=3, backoff=BACKOFF),
        (NO_ANSWER,) * 4,
        0.0,
        [0.5, 1.0],
        NO_ANSWER,
        3,
    ),
    "an error that is not worth repeating": Case(
        RetryPolicy(attempts=3, backoff=BACKOFF), (NO,), 0.0, [], NO, 0
    ),
    "only what the policy names": Case(
        RetryPolicy(attempts=3, backoff=BACKOFF, retry_on=(Throttled,)),
        (NO_ANSWER,),
        0.0,
        [],
        NO_ANSWER,
        0,
    ),
    "no attempt begins after the total time": Case(
        RetryPolicy(attempts=9, backoff=BACKOFF, give_up_after_s=5.0),
        (NO_ANSWER,) * 9,
        2.0,
        [0.5],
        NO_ANSWER,
        2,
    ),
    "an attempt may begin just at its end": Case(
        RetryPolicy(attempts=9, backoff=BACKOFF, give_up_after_s=5.5),
        (NO_ANSWER,) * 9,
        2.0,
        [0.5, 1.0],
        NO_ANSWER,
        3,
    ),
    "the throttle waits in its place": Case(
        RetryPolicy(attempts=3, backoff=BACKOFF, paused_by=(Throttled,)),
        (LATER, NO_ANSWER, LATER),
        0.0,
        [1.0],
        LATER,
        3,
    ),
    "pauses that use up no attempt": Case(
        RetryPolicy(attempts=2, backoff=BACKOFF, paused_by=(Throttled,), pauses_count=False),
        (LATER, LATER, LATER, NO_ANSWER, None),
        0.0,
        [0.5],
        None,
        1,
    ),
    "pauses are bounded in time": Case(
        RetryPolicy(
            attempts=2, backoff=BACKOFF, paused_by=(Throttled,), pauses_count=False, give_up_after_s=5.0
        ),
        (LATER,) * 9,
        2.0,
        [],
        LATER,
        0,
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_read_is_repeated_as_its_policy_says(case: str) -> None:
    """A table: which errors, in which order, end in which waits and which outcome."""
    policy, errors, lasting_s, waits, error, failures = CASES[case]
    clock = ImpatientClock()
    retry = Retry(policy, clock=clock)
    read = script(clock, *errors, lasting_s=lasting_s)

    if error is None:
        assert await retry.call(read) == 7
    else:
        with pytest.raises(type(error)) as raised:
            await retry.call(read)
        assert raised.value is error
    assert clock.waits == waits
    assert retry.failures == failures


async def test_waiting_for_ones_turn_counts_towards_no_limit() -> None:
    """Hundreds of symbols queue for one endpoint; none of them is given up for that."""
    clock = ImpatientClock()
    retry = Retry(RetryPolicy(attempts=9, backoff=BACKOFF, give_up_after_s=2.0), clock=clock)
    errors = iter((NO_ANSWER, None))

    async def read() -> int:
        if retry.began == float("inf"):
            clock.seconds += 1000
        retry.begin()
        if (error := next(errors)) is not None:
            raise error
        return 7

    assert await retry.call(read, queued=True) == 7
    assert retry.elapsed_s == 0.5


async def test_a_named_read_says_in_the_log_what_it_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    """Twenty silent minutes look like a program that hangs."""
    clock = ImpatientClock()
    await Retry(STARTUP, clock=clock, subject="the feed").call(script(clock, NO_ANSWER, None))

    assert [record.getMessage() for record in caplog.records] == [
        "the feed: /time: no answer; attempt 2 in 1 s"
    ]


def test_a_session_waits_twenty_minutes_for_its_exchange() -> None:
    """Bitget's maintenance lasts about that long."""
    waits = list(STARTUP.waits_s())

    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert 20 * 60 <= sum(waits) <= 21 * 60
