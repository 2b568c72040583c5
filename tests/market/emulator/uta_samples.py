"""A customer of the API v3: hand-signed requests, nothing of ours."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import numpy as np

from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.values import CANDLE_MS, Candles, frozen
from tests.market.emulator.samples import T0, Answer, HandClock

V3: Final = "/api/v3"
NOW: Final = T0 + 20 * CANDLE_MS
CATEGORY: Final = {"category": "USDT-FUTURES"}
ORDER: Final = {
    **CATEGORY,
    "symbol": "BTCUSDT",
    "qty": "2",
    "side": "buy",
    "orderType": "market",
    "marginMode": "isolated",
}
"""A market order that buys 2, in one-way mode."""
STOP: Final = {
    **CATEGORY,
    "symbol": "BTCUSDT",
    "type": "tpsl",
    "tpslMode": "full",
    "posSide": "long",
    "marginMode": "isolated",
    "stopLoss": "95",
    "slTriggerBy": "market",
    "slOrderType": "market",
}
"""A stop for a whole long."""


def flat_series(*rows: tuple[float, float, float, float], symbol: str = "BTCUSDT") -> Candles:
    """Twenty candles at 100, one of them a tick higher, and then ``rows`` of open, high, low, close."""
    prices = np.full((20 + len(rows), 4), 100.0)
    prices[3, 1] = 100.1
    prices[20:] = np.array(rows).reshape(-1, 4)
    values = np.concatenate([prices, np.full((len(prices), 2), 10.0)], axis=1).T
    return Candles(symbol, frozen(T0 + CANDLE_MS * np.arange(len(prices), dtype=np.int64)), frozen(values))


@dataclass(slots=True)
class UnifiedCustomer:
    """Signs as the document says and speaks raw HTTP."""

    exchange: EmbeddedExchange
    session: aiohttp.ClientSession
    clock: HandClock
    keys: Keys

    async def ask(self, method: str, path: str, fields: Any = None, **headers: str) -> Answer:
        """Send one signed request; ``headers`` replace those that would be sent, an empty one is left out."""
        query = "" if method == "POST" or not fields else "&".join(f"{k}={v}" for k, v in fields.items())
        body = json.dumps(fields or {}) if method == "POST" else ""
        target = f"{path}?{query}" if query else path
        timestamp = headers.get("ACCESS_TIMESTAMP", str(self.exchange.now_ms()))
        prehash = f"{timestamp}{method}{target}{body}".encode()
        digest = hmac.new(self.keys.secret.encode(), prehash, hashlib.sha256).digest()
        usual = {
            "ACCESS_KEY": self.keys.key,
            "ACCESS_SIGN": base64.b64encode(digest).decode(),
            "ACCESS_TIMESTAMP": timestamp,
            "ACCESS_PASSPHRASE": self.keys.passphrase,
            "paptrading": "1" if self.keys.demo else "",
        }
        sent = {name.replace("_", "-"): value for name, value in {**usual, **headers}.items() if value}
        async with self.session.request(
            method, self.exchange.url + target, data=body or None, headers=sent
        ) as response:
            return Answer(response.status, dict(response.headers), await response.json())

    async def get(self, path: str, **fields: Any) -> Any:
        """Data of a GET that must succeed, of USDT futures."""
        answer = await self.ask("GET", f"{V3}{path}", {**CATEGORY, **fields})
        assert answer.code == "00000", answer.body
        return answer.body["data"]

    async def post(self, path: str, **fields: Any) -> Any:
        """Data of a POST that must succeed."""
        answer = await self.ask("POST", f"{V3}{path}", {**CATEGORY, **fields})
        assert answer.code == "00000", answer.body
        return answer.body["data"]

    async def refused(self, path: str, **fields: Any) -> tuple[int, str]:
        """Status and code of a POST that must not succeed."""
        answer = await self.ask("POST", f"{V3}{path}", {**CATEGORY, **fields})
        assert answer.body["data"] is None
        return answer.status, answer.code

    async def order(self, **fields: Any) -> Any:
        """Place an order, a market order to buy 2 unless other fields are given."""
        return await self.post("/trade/place-order", **{**ORDER, **fields})

    async def positions(self) -> list[dict[str, str]] | None:
        """List of open positions, as it is: null when flat."""
        data = await self.get("/position/current-position")
        rows: list[dict[str, str]] | None = data["list"]
        return rows

    async def stops(self) -> list[dict[str, str]]:
        """Strategy orders that wait."""
        rows: list[dict[str, str]] = await self.get("/trade/unfilled-strategy-orders", type="tpsl")
        return rows


@asynccontextmanager
async def unified_customer(
    *rows: tuple[float, float, float, float], **options: Any
) -> AsyncIterator[UnifiedCustomer]:
    """A customer with a unified account at an exchange that lists BTCUSDT and ETHUSDT at 100."""
    clock = HandClock()
    usual = {"rate_limit": 0, "now_ms": NOW, "speed": 1.0, "keys": Keys(unified=True)}
    settings = ExchangeOptions(**{**usual, **options})
    async with (
        EmbeddedExchange(
            [flat_series(*rows), flat_series(symbol="ETHUSDT")], settings, clock=clock
        ) as exchange,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        yield UnifiedCustomer(exchange, session, clock, settings.keys)
