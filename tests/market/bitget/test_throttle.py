"""The pace of requests, on a clock that only the test moves."""

import asyncio
import bisect
import itertools
import random
from collections.abc import Callable

import pytest

from desk.errors import Throttled
from desk.market.bitget.throttle import Throttle
from tests.market.samples import StagedClock


class Traffic:
    """Sends through a throttle, and remembers when what was sent."""

    def __init__(self, *, per_second: float = 18.0, in_flight: int = 20, latency_s: float = 0.12) -> None:
        self.clock = StagedClock()
        self.throttle = Throttle(per_second=per_second, in_flight=in_flight, pause_s=3.0, clock=self.clock)
        self.latency_s = latency_s
        self.sent: dict[str, list[float]] = {}
        self.in_flight = self.most_in_flight = 0

    async def send(self, endpoint: str = "a", *, refuse: Callable[[float], bool] = lambda _: False) -> None:
        """One request, answered after the latency."""
        async with self.throttle.slot(endpoint) as sent:
            self.sent.setdefault(endpoint, []).append(sent)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            await self.clock.sleep(self.latency_s)
            self.in_flight -= 1
            if refuse(sent):
                self.throttle.refused(endpoint, sent)
            else:
                self.throttle.answered(endpoint, sent)


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= time <= start + 1 for time in times) for start in times)


@pytest.mark.parametrize("latency_s", [0.001, 0.12, 0.7])
async def test_no_second_ever_holds_twenty_requests(latency_s: float) -> None:
    """The exchange counts to twenty in every second, however it lays its seconds."""
    traffic = Traffic(latency_s=latency_s)
    await traffic.clock.run(*(traffic.send() for _ in range(120)))

    assert most_in_a_second(traffic.sent["a"]) <= 19


async def test_the_pace_is_kept_up() -> None:
    """A throttle that is slower than it must be costs an hour in a run of 800 symbols."""
    traffic = Traffic()
    await traffic.clock.run(*(traffic.send() for _ in range(181)))

    assert traffic.sent["a"][-1] - traffic.sent["a"][0] == pytest.approx(180 / 18, rel=0.01)


async def test_a_small_delay_does_not_slow_the_pace() -> None:
    """Timers fire late; half a step of it is made up for, more would be a burst."""
    traffic = Traffic()
    on_time = traffic.clock.sleep

    async def late(seconds: float) -> None:
        await on_time(seconds + 0.01)

    traffic.clock.sleep = late  # type: ignore[method-assign]
    await traffic.clock.run(*(traffic.send() for _ in range(181)))

    assert traffic.sent["a"][-1] - traffic.sent["a"][0] == pytest.approx(180 / 18, rel=0.02)
    assert most_in_a_second(traffic.sent["a"]) <= 19


async def test_endpoints_are_paced_apart() -> None:
    """Each has its own allowance: recent and old candles are fetched side by side."""
    traffic = Traffic()
    await traffic.clock.run(*(traffic.send(endpoint) for endpoint in "ab" for _ in range(91)))

    for endpoint in "ab":
        times = traffic.sent[endpoint]
        assert times[-1] - times[0] == pytest.approx(90 / 18, rel=0.02)


async def test_the_cap_on_requests_in_flight_holds_over_all_endpoints() -> None:
    """With slow answers the pace alone would let hundreds pile up."""
    traffic = Traffic(latency_s=5.0, in_flight=7)
    await traffic.clock.run(*(traffic.send(endpoint) for endpoint in "ab" for _ in range(30)))

    assert traffic.most_in_flight == 7


async def test_a_wait_for_a_place_in_flight_is_no_credit_for_a_burst() -> None:
    """Requests that queued behind slow answers must not leave all at once afterwards."""
    traffic = Traffic(latency_s=5.0, in_flight=20)
    await traffic.clock.run(*(traffic.send() for _ in range(80)))

    assert most_in_a_second(traffic.sent["a"]) <= 19


async def test_one_429_pauses_its_endpoint_for_three_seconds_and_no_other() -> None:
    """Bitget names no waiting time; three seconds shared by all were measured to run clean."""
    traffic = Traffic()
    first = []

    def refuse(sent: float) -> bool:
        first.append(sent)
        return len(first) == 1

    await traffic.clock.run(
        *(traffic.send("a", refuse=refuse) for _ in range(40)), *(traffic.send("b") for _ in range(80))
    )

    gaps = [after - before for before, after in itertools.pairwise(traffic.sent["a"])]
    assert sum(gap >= 2.9 for gap in gaps) == 1
    assert max(after - before for before, after in itertools.pairwise(traffic.sent["b"])) < 0.1


async def test_429s_that_were_in_flight_together_are_one_pause() -> None:
    """Twenty requests refused at once ask for one pause, not for twenty that double each time."""
    traffic = Traffic(latency_s=0.5)
    start = traffic.clock.monotonic()
    await traffic.clock.run(*(traffic.send(refuse=lambda sent: sent < start + 0.4) for _ in range(30)))

    gaps = [after - before for before, after in itertools.pairwise(traffic.sent["a"])]
    assert [gap > 1 for gap in gaps].count(True) == 1
    assert max(gaps) < 3.6


async def test_pauses_double_while_the_exchange_goes_on_refusing() -> None:
    """After the limit of the whole address was hit, Bitget refuses everything for five minutes."""
    traffic = Traffic(latency_s=0.01)
    start = traffic.clock.monotonic()

    async def one_by_one() -> None:
        for _ in range(12):
            await traffic.send(refuse=lambda sent: sent < start + 300)

    await traffic.clock.run(one_by_one())

    gaps = [after - before for before, after in itertools.pairwise(traffic.sent["a"])]
    assert [round(gap) for gap in gaps[:9]] == [3, 6, 12, 24, 48, 60, 60, 60, 60]
    assert max(gaps[9:]) < 1


async def test_a_pause_after_good_answers_is_a_first_pause_again() -> None:
    """A single 429 every few minutes is no reason to wait a minute each time."""
    traffic = Traffic(latency_s=0.01)
    numbers = iter(range(1000))

    async def one_by_one() -> None:
        for _ in range(60):
            await traffic.send(refuse=lambda _: next(numbers) in {10, 30, 50})

    await traffic.clock.run(one_by_one())

    gaps = [after - before for before, after in itertools.pairwise(traffic.sent["a"])]
    assert [round(gap) for gap in gaps if gap > 1] == [3, 3, 3]


async def test_after_a_429_the_pace_is_lower_and_grows_back() -> None:
    """After a hot burst even the allowed pace drew single 429s for minutes."""
    traffic = Traffic(latency_s=0.01)
    first = []

    def refuse(sent: float) -> bool:
        first.append(sent)
        return len(first) == 1

    await traffic.clock.run(*(traffic.send(refuse=refuse) for _ in range(1200)))

    times = traffic.sent["a"]
    assert (times[41] - times[21]) / 20 == pytest.approx(4 / 3 / 18, rel=0.02)
    assert (times[-1] - times[-21]) / 20 == pytest.approx(1 / 18, rel=0.02)


async def test_without_a_pace_only_the_cap_counts() -> None:
    """The embedded exchange needs no pacing."""
    traffic = Traffic(per_second=0, latency_s=0.1, in_flight=10)
    start = traffic.clock.monotonic()
    await traffic.clock.run(*(traffic.send() for _ in range(100)))

    assert traffic.clock.monotonic() - start == pytest.approx(1.0, rel=0.01)


async def test_a_cancelled_wait_leaves_nothing_taken() -> None:
    """Ctrl-C in the middle of a pause must not leave a permission behind that nobody returns."""
    traffic = Traffic(in_flight=1, latency_s=1.0)

    async def cancel_the_second() -> None:
        tasks = [asyncio.ensure_future(traffic.send()) for _ in range(3)]
        await traffic.clock.sleep(0.5)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    await traffic.clock.run(cancel_the_second())

    assert len(traffic.sent["a"]) == 2


async def test_six_endpoints_at_full_pace_stay_below_the_limit_of_the_address() -> None:
    """6,000 a minute over all endpoints; beyond that everything is refused for five minutes."""
    traffic = Traffic(in_flight=100)
    await traffic.clock.run(*(traffic.send(endpoint) for endpoint in "abcdef" for _ in range(1_100)))

    times = sorted(time for sent in traffic.sent.values() for time in sent)
    in_a_minute = [bisect.bisect_right(times, time + 60) - place for place, time in enumerate(times)]
    assert 5_600 <= max(in_a_minute) <= 5_800


@pytest.mark.parametrize(("latency_s", "cap"), [(0.01, 5), (0.12, 9), (0.3, 15), (2.0, 20)])
async def test_the_cap_of_an_endpoint_follows_its_latency(latency_s: float, cap: int) -> None:
    """Twice what keeps the pace, by Little's law: slow answers need more in flight, quick ones fewer."""
    traffic = Traffic(latency_s=latency_s)
    await traffic.clock.run(*(traffic.send() for _ in range(300)))

    assert traffic.throttle.cap("a") == cap
    times = traffic.sent["a"][-41:]
    rate = min(18.0, 20 / latency_s)
    assert (times[-1] - times[0]) / 40 == pytest.approx(1 / rate, rel=0.02)


async def test_requests_that_hang_do_not_idle_the_pace() -> None:
    """One in fifty is never answered and holds its place until the timeout of 15 seconds."""
    traffic = Traffic()
    numbers = itertools.count()

    async def send() -> None:
        async with traffic.throttle.slot("a") as sent:
            traffic.sent.setdefault("a", []).append(sent)
            await traffic.clock.sleep(15.0 if next(numbers) % 50 == 49 else 0.12)

    await traffic.clock.run(*(send() for _ in range(900)))

    assert traffic.sent["a"][-1] - traffic.sent["a"][0] == pytest.approx(899 / 18, rel=0.05)


async def test_where_no_call_is_left_the_endpoint_waits() -> None:
    """Somebody else at the address, such as live trading, uses up what the pace leaves."""
    traffic = Traffic(latency_s=0.01)

    async def one_by_one() -> None:
        for number in range(30):
            async with traffic.throttle.slot("a") as sent:
                traffic.sent.setdefault("a", []).append(sent)
            left = {10: 0, 20: -1}.get(number, 3)
            traffic.throttle.answered("a", sent, left=left)

    await traffic.clock.run(one_by_one())

    gaps = [after - before for before, after in itertools.pairwise(traffic.sent["a"])]
    assert [number for number, gap in enumerate(gaps) if gap > 0.2] == [10, 20]
    assert max(gaps) < 0.3


async def test_a_429_pauses_also_while_no_call_is_left() -> None:
    """The short wait must not stand in for the long one."""
    traffic = Traffic(latency_s=0.01)

    async def one_by_one() -> None:
        async with traffic.throttle.slot("a") as first:
            pass
        async with traffic.throttle.slot("a") as second:
            pass
        traffic.throttle.answered("a", second, left=0)
        traffic.throttle.refused("a", first)
        await traffic.send()

    start = traffic.clock.monotonic()
    await traffic.clock.run(one_by_one())

    assert traffic.sent["a"][0] - start >= 3


@pytest.mark.parametrize("seed", range(20))
async def test_no_second_holds_two_requests_of_an_endpoint_that_is_asked_once_a_second(seed: int) -> None:
    """Two closings of four were refused: the client made up for a delay, and a first way is longer."""
    clock, chance = StagedClock(), random.Random(seed)
    throttle = Throttle(per_second=9.0, in_flight=20, pause_s=3.0, clock=clock)
    arrived = []

    async def close() -> None:
        await clock.sleep(chance.uniform(0, 2))
        async with throttle.slot("close", per_second=0.9):
            await clock.sleep(chance.choice([0.02, 0.3, 0.9]))
            arrived.append(clock.monotonic())
            await clock.sleep(chance.choice([0.02, 0.3]))

    await clock.run(*(close() for _ in range(12)))

    assert min(after - before for before, after in itertools.pairwise(sorted(arrived))) > 1.0


async def test_a_slow_endpoint_does_not_wait_for_an_answer_that_never_comes() -> None:
    """One closing whose answer is lost must not hold up the others until its timeout."""
    clock = StagedClock()
    throttle = Throttle(per_second=9.0, in_flight=20, pause_s=3.0, clock=clock)
    sent = []

    async def close() -> None:
        async with throttle.slot("close", per_second=0.9) as at:
            sent.append(at)
            await clock.sleep(10.0)

    await clock.run(*(close() for _ in range(3)))

    assert [after - before for before, after in itertools.pairwise(sent)] == pytest.approx([2 / 0.9] * 2)


async def test_a_turn_that_would_come_too_late_is_refused_at_once() -> None:
    """An exit that waits for a pause of a minute can use the minute for something else."""
    traffic = Traffic(latency_s=0.01)
    await traffic.clock.run(traffic.send(refuse=lambda _: True))
    before = traffic.clock.monotonic()

    async def hurried() -> None:
        with pytest.raises(Throttled, match="its turn would come after 3 s"):
            async with traffic.throttle.slot("a", within_s=1.0):
                pass

    await traffic.clock.run(hurried())

    assert traffic.clock.monotonic() == before
