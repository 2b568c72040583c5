"""The levers of the emulator: another process moves its market."""

import pytest

from desk.values import CANDLE_MS
from tests.market.emulator.test_private import NOW, Customer, customer


async def pulled(asks: Customer, lever: str) -> tuple[int, str]:
    """Status and text of a POST below ``/emulator``."""
    async with asks.session.post(f"{asks.exchange.url}/emulator/{lever}") as response:
        return response.status, await response.text()


async def test_time_that_passes_at_once_is_lived_through() -> None:
    """A soak stages hours of market in seconds: a stop on the way fires at its own time and price."""
    async with customer((100, 101, 94, 99), (99, 100, 98, 98), speed=0.0) as asks:
        await asks.order(presetStopLossPrice="95")
        answer = await pulled(asks, f"clock?ms={2 * CANDLE_MS}")
        held = dict(asks.exchange.venue.matching.account.positions)
        fills = (await asks.get("/order/fills"))["fillList"]

    assert answer == (200, f'{{"server_time": {NOW + 2 * CANDLE_MS}}}')
    assert held == {}, "it was not lived through at once"
    assert (fills[0]["price"], fills[0]["enterPointSource"]) == ("94.9", "sys")
    assert NOW < int(fills[0]["cTime"]) < NOW + CANDLE_MS


async def test_a_price_holds_until_time_moves_on() -> None:
    """A gap through a stop is filled at the price after the gap, as on the exchange."""
    async with customer((100, 100, 100, 100), speed=0.0) as asks:
        await asks.order(presetStopLossPrice="95")
        assert (await pulled(asks, "price?symbol=BTCUSDT&price=93"))[0] == 200
        fills = (await asks.get("/order/fills"))["fillList"]
        await asks.order()
        [position] = await asks.get("/position/single-position")
        await pulled(asks, "clock?ms=1000")
        [later] = await asks.get("/position/single-position")

    assert fills[0]["price"] == "92.9"
    assert (position["markPrice"], later["markPrice"]) == ("93", "100")


@pytest.mark.parametrize(
    ("lever", "said"),
    [
        ("clock", "ms is ''"),
        ("clock?ms=-5", "time cannot go back"),
        ("clock?ms=1e3", "must be a whole number"),
        ("price?symbol=NOPEUSDT&price=1", "'NOPEUSDT', which is not listed"),
        ("price?symbol=BTCUSDT&price=0", "must be a number above 0"),
        ("price?symbol=BTCUSDT&price=nan", "must be a number above 0"),
        ("price?symbol=BTCUSDT&price=much", "must be a number above 0"),
    ],
)
async def test_a_lever_that_is_pulled_the_wrong_way_says_so(lever: str, said: str) -> None:
    """A soak that moved nothing and did not notice would prove nothing."""
    async with customer() as asks:
        status, text = await pulled(asks, lever)

    assert status == 400
    assert said in text
