"""What the tests of the embedded exchange share: small series, a clock that is moved by hand, a client."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import numpy as np

from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Funding
from desk.values import CANDLE_MS, Candles, frozen

T0: Final = 1_762_560_000_000
"""An open time that is midnight in UTC as well."""
MARKET: Final = "/api/v2/mix/market"


@dataclass(slots=True)
class HandClock:
    """A clock that moves only when told to, or slept on; satisfies ``desk.ports.Clock``."""

    seconds: float = 0.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def steps(count: int, *, symbol: str = "BTCUSDT", first: int = T0, price: float = 100.0) -> Candles:
    """``count`` candles that rise by 0.1 each, so that every row tells its place."""
    close = np.round(price + 0.1 * np.arange(1, count + 1), 1)
    o = np.round(close - 0.1, 1)
    base = 10.0 + np.arange(count)
    values = np.stack([o, close, o, close, base, base * close])
    return Candles(symbol, frozen(first + CANDLE_MS * np.arange(count, dtype=np.int64)), frozen(values))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and envelope of one answer."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def code(self) -> str:
        code: str = self.body["code"]
        return code

    @property
    def times(self) -> list[int]:
        """Open times of the rows, as integers."""
        return [int(row[0]) for row in self.body["data"]]


@dataclass(frozen=True, slots=True)
class Counter:
    """The customer's side of the counter: raw HTTP and nothing of ours."""

    exchange: EmbeddedExchange
    session: aiohttp.ClientSession

    async def ask(self, path: str, **query: object) -> Answer:
        """GET ``path`` exactly as told."""
        texts = {name: str(value) for name, value in query.items()}
        async with self.session.get(self.exchange.url + path, params=texts) as response:
            return Answer(response.status, dict(response.headers), await response.json())

    async def stats(self) -> dict[str, Any]:
        """GET the counters of the exchange."""
        async with self.session.get(f"{self.exchange.url}/emulator/stats") as response:
            counters: dict[str, Any] = await response.json()
            return counters

    async def candles(self, endpoint: str, **query: object) -> Answer:
        """GET one of the two candle endpoints, for BTCUSDT unless told otherwise."""
        usual = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "granularity": "5m"}
        return await self.ask(f"{MARKET}/{endpoint}", **{**usual, **query})


@asynccontextmanager
async def open_exchange(
    series: Sequence[Candles],
    *,
    clock: HandClock | None = None,
    funding: dict[str, Funding] | None = None,
    **options: Any,
) -> AsyncIterator[Counter]:
    """Serve ``series`` and connect to it."""
    settings = ExchangeOptions(**{"rate_limit": 0, **options})
    async with (
        EmbeddedExchange(series, settings, clock=clock or HandClock(), funding=funding) as exchange,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        yield Counter(exchange, session)
