"""A web page must not reach the exchange on loopback, whatever name it reaches it by."""

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from desk.clock import SystemClock
from desk.market.emulator.own_clients import is_own
from desk.market.emulator.server import EmbeddedExchange
from tests.market.samples import random_candles

FOREIGN = {
    "a page of another site": {"Origin": "https://evil.example"},
    "a page on another port": {"Origin": "http://127.0.0.1:1"},
    "a page without an address": {"Origin": "null"},
    "a page whose name leads to this machine": {"Host": "evil.example"},
    "with our port": {"Host": "evil.example:{port}"},
    "with our address as its user": {"Host": "127.0.0.1@evil.example"},
    "with our address in its name": {"Host": "127.0.0.1.evil.example:{port}"},
    "no name": {"Host": ""},
}
PATHS = ("/api/v2/public/time", "/emulator/stats", "/nowhere", "/v2/ws/public", "/v2/ws/private")
CONTROLS = ("/emulator/clock?ms=300000", "/emulator/disconnect", "/emulator/price?symbol=BTCUSDT&price=1")


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_foreign_host_or_origin_is_refused_everywhere(kind: str) -> None:
    """Such a page could read the account, trade, and move the clock."""
    candles = random_candles(count=20)
    async with EmbeddedExchange([candles], clock=SystemClock()) as exchange, ClientSession() as session:
        port = exchange.url.rpartition(":")[2]
        headers = {name: value.format(port=port) for name, value in FOREIGN[kind].items()}
        before, counted = exchange.now_ms(), exchange.stats.as_json()
        statuses = []
        for path in PATHS:
            async with session.get(f"{exchange.url}{path}", headers=headers) as response:
                statuses.append(response.status)
        for path in CONTROLS:
            async with session.post(f"{exchange.url}{path}", headers=headers) as response:
                statuses.append(response.status)
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(f"{exchange.url}/v2/ws/public", headers=headers)

        assert set(statuses) == {403}
        assert refused.value.status == 403
        assert (exchange.now_ms(), exchange.stats.as_json()) == (before, counted)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost:80", "localhost", "[::1]:80", "127.1.2.3:80"])
async def test_this_machine_by_any_of_its_names_is_answered(host: str) -> None:
    """Clients name the exchange as their user does; its own pages may ask it too."""
    assert is_own(host, [])
    assert is_own(host, [f"http://{host}"])
    assert not is_own(host, [f"http://{host}", "https://evil.example"])


@pytest.mark.parametrize("host", ["", "evil.example", "10.0.0.1", "127.0.0.1:x", "127.0.0.1/", "[::1", "::1"])
async def test_any_other_name_is_not(host: str) -> None:
    assert not is_own(host, [])
