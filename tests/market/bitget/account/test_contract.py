"""The contract of every exchange, kept by the signed client over HTTP and websocket."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest

from desk.clock import SystemClock
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.signing import Credentials
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.emulator.keys import Keys
from desk.market.history.candles import check_candles
from desk.market.settings import LinkSettings
from desk.values import CANDLE_MS, Candles
from tests.market.exchange_contract import DEPOSIT, SYMBOL, ExchangeContract
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
        await self.exchange._stream._all_open.wait()


def flat(symbol: str) -> Candles:
    """Candles around 100 with a tick of 0.1; the last one closes at 100."""
    count = 300
    close = np.where(np.arange(count) % 2, 100.0, 100.1)
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    times = NOW - CANDLE_MS * np.arange(count, 0, -1, dtype=np.int64)
    volume = np.full(count, 1_000.0)
    return check_candles(symbol, times, np.stack([open_, high, low, close, volume, volume * close]))


@pytest.fixture
async def floor() -> AsyncIterator[ServedFloor]:
    clock = SystemClock()
    series = [flat(SYMBOL), flat("ETHUSDT")]
    options = ExchangeOptions(rate_limit=0, balance=DEPOSIT)
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
        credentials = Credentials(KEYS.key, KEYS.secret, KEYS.passphrase)
        async with BitgetAccount(link, credentials, clock=clock) as exchange:
            yield ServedFloor(exchange, served)


class TestAccount(ExchangeContract):
    """Inherited: the claims of every exchange."""
