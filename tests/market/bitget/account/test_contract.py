"""The contract of every exchange, kept by the signed client on either kind of account, over the wire."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest

from desk.clock import SystemClock
from desk.errors import AccountError, Throttled
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.signing import Credentials
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.emulator.keys import Keys
from desk.market.emulator.uta_options import UnifiedOptions
from desk.market.history.candles import check_candles
from desk.market.settings import LinkSettings
from desk.policy import LONG
from desk.values import CANDLE_MS, Candles
from tests.market.exchange_contract import DEPOSIT, SYMBOL, ExchangeContract, TradingFloor, entry
from tests.market.samples import NOW

KEYS = Keys()


@dataclass(slots=True)
class ServedFloor:
    """The signed client, and the embedded exchange at the other end of the line."""

    exchange: BitgetAccount
    served: EmbeddedExchange

    async def trade_at(self, price: str) -> None:
        self.served.set_price(SYMBOL, Decimal(price))

    async def until_heard(self) -> None:
        await (await self.exchange._found())._stream._all_open.wait()


class HastyClock(SystemClock):
    """The clock of this machine, without its short pauses: an unknown order is asked for again."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds if seconds > 2 else 0)


def flat(symbol: str) -> Candles:
    """Candles around 100 with a tick of 0.1; the last one closes at 100."""
    count = 300
    close = np.where(np.arange(count) % 2, 100.0, 100.1)
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    times = NOW - CANDLE_MS * np.arange(count, 0, -1, dtype=np.int64)
    volume = np.full(count, 1_000.0)
    return check_candles(symbol, times, np.stack([open_, high, low, close, volume, volume * close]))


@contextlib.asynccontextmanager
async def floor_of(keys: Keys, unified: UnifiedOptions) -> AsyncIterator[ServedFloor]:
    clock = HastyClock()
    series = [flat(SYMBOL), flat("ETHUSDT")]
    options = ExchangeOptions(rate_limit=0, balance=DEPOSIT, keys=keys, unified=unified)
    async with EmbeddedExchange(series, options, clock=clock) as served:
        link = LinkSettings(
            base_url=served.url,
            ws_url=served.url.replace("http", "ws"),
            proxy="",
            largest_body_mib=16,
            demo=False,
            timeout_s=10.0,
            attempts=3,
            give_up_after_s=30.0,
        )
        credentials = Credentials(keys.key, keys.secret, keys.passphrase)
        async with BitgetAccount(link, credentials, clock=clock) as exchange:
            yield ServedFloor(exchange, served)


class TestClassic(ExchangeContract):
    """Inherited: the claims of every exchange."""

    @pytest.fixture
    async def floor(self) -> AsyncIterator[ServedFloor]:
        async with floor_of(Keys(), UnifiedOptions()) as floor:
            yield floor


class TestUnified(ExchangeContract):
    """Inherited: the claims of every exchange, on API v3."""

    @pytest.fixture
    async def floor(self) -> AsyncIterator[ServedFloor]:
        async with floor_of(Keys(unified=True), UnifiedOptions()) as floor:
            yield floor


class TestUnifiedTheOtherWay(ExchangeContract):
    """Inherited: the same, should what public sources leave open turn out the other way."""

    @pytest.fixture
    async def floor(self) -> AsyncIterator[ServedFloor]:
        options = UnifiedOptions(
            attached_stops="full",
            stops_after_close="kept",
            one_way_stops="strict",
            one_way_pos_side="refused",
            fill_fees="positive",
            reused_id="oldest",
            hold_side="net",
            available="gross",
            kind_checked="last",
            hold_mode_code="25570",
        )
        async with floor_of(Keys(unified=True), options) as floor:
            yield floor

    async def test_a_stop_for_a_part_is_not_the_stop_of_the_position(self, floor: TradingFloor) -> None:
        """The first stop follows the position here, so that there is no part without one."""
        await floor.exchange.place(entry(stop_loss=Decimal(95)))
        await floor.exchange.place(entry("t-2"))
        [holding] = await floor.exchange.positions()

        assert (holding.size, holding.stop_loss) == (Decimal(4), Decimal(95))

    async def test_stops_for_parts_may_cover_the_whole_together(self, floor: TradingFloor) -> None:
        """The one that follows the position ends all of it; the other is only for its own part."""
        await floor.exchange.place(entry(stop_loss=Decimal(95)))
        await floor.exchange.place(entry("t-2", stop_loss=Decimal(90)))
        [holding] = await floor.exchange.positions()

        assert (holding.size, holding.stop_loss) == (Decimal(4), Decimal(95))


async def test_a_stop_that_no_list_shows_is_bound_once_more() -> None:
    """Attached stops may be listed nowhere: then a second one acts beside it, and nothing is unprotected."""
    async with floor_of(Keys(unified=True), UnifiedOptions(attached_stops="hidden")) as floor:
        await floor.exchange.place(entry(stop_loss=Decimal(95)))
        [before] = await floor.exchange.positions()
        await floor.exchange.protect(SYMBOL, LONG, stop_loss=Decimal(95), take_profit=None)
        [after] = await floor.exchange.positions()
        await floor.trade_at("94")

        assert (before.stop_loss, after.stop_loss) == (None, Decimal(95))
        assert list(await floor.exchange.positions()) == []
        await floor.exchange.place(entry("t-2"))
        assert [one.stop_loss for one in await floor.exchange.positions()] == [None]


async def test_a_level_without_isolated_margin_is_told_with_what_to_switch() -> None:
    """The code is a guess of the emulator's; the sentence names setting and level."""
    async with floor_of(Keys(unified=True), UnifiedOptions(isolated_orders="refused")) as floor:
        with pytest.raises(AccountError, match="margin_mode, or the level"):
            await floor.exchange.set_up(SYMBOL, leverage=Decimal(3), margin="isolated")


async def test_an_account_that_is_upgraded_while_a_session_runs_is_traded_on() -> None:
    """Bitget moves accounts; the next call is of the other API, and pushes go on."""
    async with floor_of(Keys(), UnifiedOptions()) as floor:
        await floor.exchange.set_position_mode("hedge")
        await floor.exchange.set_up(SYMBOL, leverage=Decimal(3), margin="isolated")
        floor.served.set_account_kind("unified")
        with pytest.raises(Throttled):
            await floor.exchange.place(entry())
        await floor.exchange.place(entry())
        [position] = await floor.exchange.positions()

        assert await floor.exchange.kind() == "unified"
        assert (position.leverage, position.margin_mode) == (Decimal(3), "isolated")
