"""The embedded exchange refuses who asks too often, as the real one does."""

import asyncio

from desk.market.emulator.limits import RateLimiter
from tests.market.emulator.samples import MARKET, HandClock, open_exchange, steps

TIME = "/api/v2/public/time"


def gate(*, per_second: int = 20, per_minute: int = 0, penalty: bool = False) -> RateLimiter:
    return RateLimiter(per_second=per_second, per_minute=per_minute, penalty=penalty)


def admitted(
    limits: RateLimiter, now: float, *, endpoint: str = "candles", address: str = "127.0.0.1"
) -> bool:
    return limits.admit(endpoint=endpoint, address=address, now=now).admitted


def test_the_second_slides() -> None:
    """Twenty at once pass, the next only when the first of them is a second old."""
    limits = gate()

    assert [admitted(limits, 5.0 + step / 100) for step in range(20)] == [True] * 20
    assert not admitted(limits, 5.5)
    assert not admitted(limits, 5.999)
    assert admitted(limits, 6.0)
    assert not admitted(limits, 6.005)
    assert admitted(limits, 6.01)


def test_a_steady_pace_below_the_limit_is_never_refused() -> None:
    """Eighteen per second, the pace at which the real exchange was seen to stay calm."""
    limits = gate()

    assert all(admitted(limits, step / 18) for step in range(1000))


def test_refused_requests_do_not_count() -> None:
    """Otherwise a client that hammers would never be let in again."""
    limits = gate(per_second=2)

    assert [admitted(limits, 0.0) for _ in range(10)] == [True] * 2 + [False] * 8
    assert admitted(limits, 1.0)


def test_every_endpoint_and_address_has_a_counter_of_its_own() -> None:
    """So history and candles may be fetched side by side."""
    limits = gate(per_second=1)

    assert admitted(limits, 0.0)
    assert admitted(limits, 0.0, endpoint="history-candles")
    assert admitted(limits, 0.0, address="127.0.0.2")
    assert not admitted(limits, 0.0)


def test_the_minute_counts_all_endpoints_together() -> None:
    """6000 a minute, whatever is asked."""
    limits = gate(per_minute=30)
    passed = [admitted(limits, step * 0.5, endpoint=f"endpoint {step % 3}") for step in range(40)]

    assert passed == [True] * 30 + [False] * 10
    assert admitted(limits, 60.0)


def test_the_penalty_lasts_five_minutes() -> None:
    """The real exchange made it longer in 2025: a client that runs into it has lost a phase."""
    limits = gate(per_minute=3, penalty=True)
    assert [admitted(limits, float(step)) for step in range(4)] == [True, True, True, False]

    assert not admitted(limits, 302.9)
    assert admitted(limits, 303.0)


def test_zero_switches_the_limits_off() -> None:
    """``--rate-limit 0`` is for runs that measure something else."""
    limits = gate(per_second=0, per_minute=1)

    admissions = [limits.admit(endpoint="candles", address="127.0.0.1", now=0.0) for _ in range(50)]
    assert {(admission.admitted, admission.left) for admission in admissions} == {(True, None)}


async def test_excess_is_answered_with_429_in_both_spellings() -> None:
    """The last two fields are missing by turns; there is no Retry-After to rely on."""
    async with open_exchange([steps(3)], rate_limit=2) as counter:
        answers = [await counter.ask(TIME) for _ in range(4)]
        other = await counter.candles("candles")
        stats = counter.exchange.stats

    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert [answer.code for answer in answers] == ["00000", "00000", "429", "429"]
    assert sorted(answers[2].body) == ["code", "data", "msg", "requestTime"]
    assert sorted(answers[3].body) == ["code", "msg"]
    assert "Retry-After" not in answers[2].headers
    assert other.status == 200
    assert stats.throttled == {TIME: 2}
    assert stats.requests == {TIME: 4, f"{MARKET}/candles": 1}


async def test_the_header_tells_what_is_left() -> None:
    """Despite the word "used" in its name."""
    clock = HandClock()
    async with open_exchange([steps(3)], rate_limit=3, clock=clock) as counter:
        left = [
            (await counter.ask(TIME)).headers["x-mbx-used-remain-limit"],
            (await counter.candles("candles")).headers["x-mbx-used-remain-limit"],
            (await counter.candles("candles", limit=0)).headers["x-mbx-used-remain-limit"],
            (await counter.candles("candles")).headers["x-mbx-used-remain-limit"],
            (await counter.candles("candles")).headers["x-mbx-used-remain-limit"],
        ]
        clock.seconds += 1.0
        again = await counter.candles("candles")

    assert left == ["2", "2", "1", "0", "0"]
    assert again.status == 200
    assert again.headers["x-mbx-used-remain-limit"] == "2"


async def test_requests_that_wait_at_once_are_counted_at_once() -> None:
    """How many a client has in flight is seen from here, whatever it says of itself."""

    class Gathering(HandClock):
        """Latency lasts until five requests are there."""

        async def sleep(self, seconds: float) -> None:
            waiting.append(seconds)
            if len(waiting) == 5:
                all_there.set()
            await all_there.wait()

    waiting: list[float] = []
    all_there = asyncio.Event()
    async with open_exchange([steps(3)], latency_ms=250, clock=Gathering()) as counter:
        await asyncio.gather(
            *(counter.ask(TIME) for _ in range(3)), *(counter.candles("candles") for _ in range(2))
        )
        stats = counter.exchange.stats

    assert waiting == [0.25] * 5
    assert stats.max_in_flight == 5
    assert stats.max_in_flight_by_endpoint == {TIME: 3, f"{MARKET}/candles": 2}
    assert stats.in_flight.total() == 0
