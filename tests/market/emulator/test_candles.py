"""The embedded exchange serves candles by the rules of the two real endpoints."""

import numpy as np
import pytest

from desk.values import CANDLE_MS, Candles, frozen
from tests.market.emulator.samples import T0, HandClock, open_exchange, steps

DAY_MS = 288 * CANDLE_MS
END = T0 + 1500 * CANDLE_MS
"""Close of the last candle of ``steps(1500)``."""


def grid(first: int, count: int) -> list[int]:
    return [first + CANDLE_MS * step for step in range(count)]


@pytest.mark.parametrize("endpoint", ["candles", "history-candles"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"productType": ""}, "40019"),
        ({"productType": "SHARES"}, "400172"),
        ({"symbol": ""}, "40019"),
        ({"symbol": "BTCUSDT_UMCBL"}, "40034"),
        ({"productType": "COIN-FUTURES"}, "40034"),
        ({"granularity": ""}, "40019"),
        ({"granularity": "5min"}, "400171"),
        ({"granularity": "1h"}, "400171"),
        ({"granularity": "1m"}, "400171"),
        ({"limit": 0}, "40053"),
        ({"limit": 1001}, "40053"),
        ({"limit": "many"}, "40020"),
        ({"endTime": "1762560000000.5"}, "40020"),
        ({"startTime": T0 + 1, "endTime": T0}, "40017"),
        ({"startTime": T0, "endTime": T0 + 90 * DAY_MS + 1}, "00001"),
    ],
)
async def test_a_wrong_candle_question_gets_its_code(
    endpoint: str, query: dict[str, object], code: str
) -> None:
    """Both endpoints check alike, and say so with HTTP 400."""
    async with open_exchange([steps(3)]) as counter:
        answer = await counter.candles(endpoint, **query)

    assert (answer.status, answer.code, answer.body["data"]) == (400, code, None)


async def test_history_takes_200_rows_and_no_more() -> None:
    """201 is refused, not cut: a client that asks for more learns nothing at all."""
    async with open_exchange([steps(1500)]) as counter:
        most = await counter.candles("history-candles", limit=200)
        refused = await counter.candles("history-candles", limit=201)
        usual = await counter.candles("history-candles")

    assert most.times == grid(END - 200 * CANDLE_MS, 200)
    assert (refused.status, refused.code) == (400, "40053")
    assert len(usual.times) == 100


async def test_candles_takes_1000_rows_and_no_more() -> None:
    """As with history, only more of them; the hundred of the default is a common waste of requests."""
    async with open_exchange([steps(1500)], now_ms=END - 1) as counter:
        most = await counter.candles("candles", limit=1000)
        refused = await counter.candles("candles", limit=1001)
        usual = await counter.candles("candles")

    assert most.times == grid(END - 1000 * CANDLE_MS, 1000)
    assert (refused.status, refused.code) == (400, "40053")
    assert len(usual.times) == 100


@pytest.mark.parametrize(
    ("reading", "past", "newest"),
    [
        ("exclusive", 0, -1),
        ("exclusive", 1, -1),
        ("exclusive", CANDLE_MS - 1, -1),
        ("inclusive", 0, 0),
        ("inclusive", 1, 0),
        ("unfloored", 0, -1),
        ("unfloored", 1, 0),
    ],
)
async def test_the_end_of_a_history_page_has_three_readings(reading: str, past: int, newest: int) -> None:
    """Sources disagree on the real exchange, so a client is tried under each.

    ``newest`` is the candle that the page ends with, counted from the one that opens at ``endTime`` or
    just before it.
    """
    end = T0 + 700 * CANDLE_MS
    async with open_exchange([steps(1500)], history_end=reading) as counter:
        answer = await counter.candles("history-candles", limit=5, endTime=end + past)

    assert answer.times == grid(end + (newest - 4) * CANDLE_MS, 5)


async def test_history_does_not_care_where_a_window_starts() -> None:
    """The newest rows below the end are given even if all of them lie before ``startTime``."""
    end = T0 + 700 * CANDLE_MS
    async with open_exchange([steps(1500)]) as counter:
        answer = await counter.candles("history-candles", limit=50, startTime=end - CANDLE_MS, endTime=end)

    assert answer.times == grid(end - 50 * CANDLE_MS, 50)


async def test_history_pages_backwards_without_overlap_or_hole() -> None:
    """The paging rule of the reference, taken to the beginning, gives every candle once."""
    series = steps(1500)
    collected: list[list[str]] = []
    async with open_exchange([series]) as counter:
        end = END
        while page := (await counter.candles("history-candles", limit=200, endTime=end)).body["data"]:
            collected = page + collected
            end = int(page[0][0])

    assert [int(row[0]) for row in collected] == series.open_time.tolist()
    assert np.array_equal(np.array([row[1:] for row in collected], dtype=np.float64).T, series.values)


async def test_below_the_listing_history_is_short_and_then_empty() -> None:
    """No error tells a client that a series begins here."""
    async with open_exchange([steps(300)]) as counter:
        short = await counter.candles("history-candles", limit=200, endTime=T0 + 7 * CANDLE_MS)
        empty = await counter.candles("history-candles", limit=200, endTime=T0)

    assert short.times == grid(T0, 7)
    assert (empty.status, empty.code, empty.body["data"]) == (200, "00000", [])


async def test_ninety_days_are_not_too_long() -> None:
    """The border itself is allowed."""
    async with open_exchange([steps(300)]) as counter:
        answer = await counter.candles("history-candles", startTime=END - 90 * DAY_MS, endTime=END)

    assert answer.code == "00000"


async def test_candles_honours_both_ends_of_a_window() -> None:
    """``startTime`` belongs to the window, ``endTime`` does not."""
    start, end = T0 + 100 * CANDLE_MS, T0 + 110 * CANDLE_MS
    async with open_exchange([steps(1500)]) as counter:
        window = await counter.candles("candles", startTime=start, endTime=end)
        off_grid = await counter.candles("candles", startTime=start + 1, endTime=end + 1)
        newest = await counter.candles("candles", startTime=start, endTime=end, limit=3)

    assert window.times == grid(start, 10)
    assert off_grid.times == grid(start + CANDLE_MS, 10)
    assert newest.times == grid(end - 3 * CANDLE_MS, 3)


async def test_candles_reaches_back_thirty_days() -> None:
    """Older candles are silently absent, so a client must take them from history."""
    series = steps(40 * 288)
    now = T0 + 40 * DAY_MS
    border = now - 30 * DAY_MS
    async with open_exchange([series]) as counter:
        across = await counter.candles("candles", endTime=border + 3 * CANDLE_MS, limit=50)
        beyond = await counter.candles("candles", endTime=border - DAY_MS)

    assert across.times == grid(border, 3)
    assert (beyond.status, beyond.code, beyond.body["data"]) == (200, "00000", [])


async def test_the_forming_candle_is_the_last_of_candles_and_absent_from_history() -> None:
    """A client that trains on a candle which is not closed yet looks into the future."""
    async with open_exchange([steps(10)], now_ms=T0 + 7 * CANDLE_MS + 1000) as counter:
        recent = await counter.candles("candles", limit=3)
        history = await counter.candles("history-candles", limit=3)
        before_it = await counter.candles("candles", limit=3, endTime=T0 + 7 * CANDLE_MS)

    assert recent.times == grid(T0 + 5 * CANDLE_MS, 3)
    assert history.times == grid(T0 + 4 * CANDLE_MS, 3)
    assert before_it.times == grid(T0 + 4 * CANDLE_MS, 3)


async def test_a_candle_that_has_just_opened_is_flat() -> None:
    """The series has ended on the boundary; the real exchange shows the next candle all the same."""
    end = T0 + 10 * CANDLE_MS
    async with open_exchange([steps(10)]) as counter:
        recent = await counter.candles("candles", limit=3)
        history = await counter.candles("history-candles", limit=3)
        before_it = await counter.candles("candles", limit=3, endTime=end)
        after_it = await counter.candles("candles", limit=3, startTime=end)

    assert recent.times == grid(end - 2 * CANDLE_MS, 3)
    assert recent.body["data"][-1] == [str(end), "101.0", "101.0", "101.0", "101.0", "0.0", "0.0"]
    assert history.times == before_it.times == grid(end - 3 * CANDLE_MS, 3)
    assert after_it.times == [end]


async def test_a_series_that_ended_long_ago_has_no_forming_candle() -> None:
    """A delisted symbol does not go on trading at its last price."""
    async with open_exchange([steps(10)], now_ms=T0 + 11 * CANDLE_MS) as counter:
        answer = await counter.candles("candles")

    assert answer.times == grid(T0, 10)


async def test_the_clock_moves_market_time_when_told_to() -> None:
    """At speed 300 a candle closes every second; history must not show it a moment earlier."""
    clock = HandClock(50.0)
    async with open_exchange([steps(10)], clock=clock, now_ms=T0 + 5 * CANDLE_MS, speed=300) as counter:
        clock.seconds += 0.999
        before = await counter.candles("history-candles")
        clock.seconds += 0.001
        after = await counter.candles("history-candles")

    assert before.times == grid(T0, 5)
    assert after.times == grid(T0, 6)
    assert after.body["requestTime"] == T0 + 6 * CANDLE_MS


async def test_holes_stay_holes() -> None:
    """A client's completeness check needs something to find."""
    whole = steps(20)
    kept = np.delete(np.arange(20), [8, 9])
    series = Candles("BTCUSDT", frozen(whole.open_time[kept]), frozen(whole.values[:, kept]))
    async with open_exchange([series]) as counter:
        answer = await counter.candles("history-candles", endTime=T0 + 12 * CANDLE_MS, limit=4)

    assert answer.times == [T0 + step * CANDLE_MS for step in (6, 7, 10, 11)]


async def test_prices_read_back_exactly_and_without_exponents() -> None:
    """A cache can then be compared with its source value by value, for the smallest coins too."""
    rng = np.random.default_rng(7)
    c = rng.uniform(1e-7, 9e-5, 50)
    values = np.stack([c, c * 1.01, c * 0.99, c, rng.uniform(0, 1e-6, 50), rng.uniform(1e15, 1e18, 50)])
    series = Candles("TINYUSDT", steps(50).open_time, frozen(values))
    async with open_exchange([series]) as counter:
        answer = await counter.candles("history-candles", symbol="TINYUSDT")

    texts = [row[1:] for row in answer.body["data"]]
    assert np.array_equal(np.array(texts, dtype=np.float64).T, series.values)
    assert not any("e" in text for row in texts for text in row)


HOUR_MS = 12 * CANDLE_MS
LONGER = {"granularity": "1H"}


async def test_an_hour_is_finished_when_its_last_five_minutes_are() -> None:
    """History has whole hours alone; ``candles`` ends with the hour that is forming, as far as it goes."""
    async with open_exchange([steps(31)], now_ms=T0 + 30 * CANDLE_MS + 250_000) as counter:
        history = await counter.candles("history-candles", **LONGER)
        recent = await counter.candles("candles", **LONGER)

    assert history.times == [T0, T0 + HOUR_MS]
    assert recent.times == [T0, T0 + HOUR_MS, T0 + 2 * HOUR_MS]
    first, last = history.body["data"][0], recent.body["data"][-1]
    assert first[1:5] == ["100.0", "101.2", "100.0", "101.2"]
    assert first[5] == str(float(sum(10 + number for number in range(12))))
    assert last[1:5] == ["102.4", "103.1", "102.4", "103.1"]
    assert 0 < float(last[5]) - sum(10 + number for number in range(24, 30)) < 40


async def test_an_end_within_an_hour_is_floored_to_it() -> None:
    """As with five minutes: the hour in which the end lies is not on the page."""
    async with open_exchange([steps(60)]) as counter:
        page = await counter.candles("history-candles", **LONGER, endTime=T0 + HOUR_MS + 2 * CANDLE_MS)

    assert page.times == [T0]


async def test_days_begin_at_midnight_in_the_zone_of_their_name() -> None:
    """Without ``utc`` a bar of six hours and more is one of UTC+8."""
    async with open_exchange([steps(3 * 288)]) as counter:
        eastern = await counter.candles("history-candles", granularity="1D")
        utc = await counter.candles("history-candles", granularity="1Dutc")

    assert {time % (24 * HOUR_MS) for time in eastern.times} == {16 * HOUR_MS}
    assert utc.times == [T0, T0 + 24 * HOUR_MS, T0 + 48 * HOUR_MS]


async def test_a_page_of_the_public_v3_has_its_own_limits() -> None:
    """100 rows of history, 1000 of the recent; other names and codes."""
    path = "/api/v3/market"
    usual = {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "interval": "5m"}
    async with open_exchange([steps(300)]) as counter:
        page = await counter.ask(f"{path}/history-candles", **usual)
        long = await counter.ask(f"{path}/history-candles", **usual, limit=101)
        recent = await counter.ask(f"{path}/candles", **usual, limit=300)
        unknown = await counter.ask(f"{path}/candles", **{**usual, "symbol": "NOPEUSDT"})
        wrong = await counter.ask(f"{path}/candles", **{**usual, "interval": "5min"})
        spot = await counter.ask(f"{path}/instruments", category="SPOT")
        [row] = (await counter.ask(f"{path}/instruments", category="usdt-futures")).body["data"]

    assert (len(page.times), long.code, len(recent.times)) == (100, "25200", 300)
    assert (unknown.code, wrong.code) == ("25100", "25200")
    assert spot.body["data"] == []
    assert (row["priceMultiplier"], row["status"], row["minOrderAmount"]) == ("0.1", "online", "5")
