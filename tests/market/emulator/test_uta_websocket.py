"""The emulator's private websocket of the API v3, raw, on a clock that the test moves."""

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import pytest

from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys, UnifiedOptions
from tests.market.emulator.samples import HandClock as StandingClock
from tests.market.emulator.uta_samples import NOW, ORDER, STOP, UnifiedCustomer, flat_series
from tests.market.lines import HandClock

TOPICS: Final = ("account", "position", "order", "fill", "strategy-order")


@dataclass(slots=True)
class Subscriber:
    """One websocket, and a customer beside it who sends requests."""

    exchange: EmbeddedExchange
    socket: aiohttp.ClientWebSocketResponse
    clock: HandClock
    customer: UnifiedCustomer
    kept: deque[dict[str, Any]] = field(default_factory=deque)

    async def send(self, op: str, *args: dict[str, Any]) -> None:
        await self.socket.send_json({"op": op, "args": list(args)})

    async def receive(self) -> dict[str, Any]:
        """The next message that is no pong."""
        while not self.kept:
            text = await self.socket.receive_str(timeout=10)
            if text != "pong":
                self.kept.append(json.loads(text))
        return self.kept.popleft()

    async def received(self) -> list[dict[str, Any]]:
        """Everything that was sent up to now."""
        await self.socket.send_str("ping")
        while (text := await self.socket.receive_str(timeout=10)) != "pong":
            self.kept.append(json.loads(text))
        messages = list(self.kept)
        self.kept.clear()
        return messages

    async def log_in(self) -> dict[str, Any]:
        keys = Keys()
        timestamp = str(self.exchange.now_ms() // 1000)
        text = f"{timestamp}GET/user/verify".encode()
        sign = base64.b64encode(hmac.new(keys.secret.encode(), text, hashlib.sha256).digest()).decode()
        login = {"apiKey": keys.key, "passphrase": keys.passphrase, "timestamp": timestamp, "sign": sign}
        await self.send("login", login)
        return await self.receive()

    async def subscribe(self, *topics: str) -> list[dict[str, Any]]:
        """Log in and subscribe; what was sent in answer."""
        await self.log_in()
        await self.send("subscribe", *({"instType": "UTA", "topic": topic} for topic in topics))
        return await self.received()


def rows_of(messages: list[dict[str, Any]], topic: str) -> list[dict[str, Any]]:
    """Rows of all pushes of a topic, in order."""
    pushes = (message for message in messages if message["arg"]["topic"] == topic)
    return [row for push in pushes for row in push["data"]]


@asynccontextmanager
async def subscriber(
    *rows: tuple[float, float, float, float], path: str = "/v3/ws/private", **options: Any
) -> AsyncIterator[Subscriber]:
    clock = HandClock()
    usual = {"rate_limit": 0, "now_ms": NOW, "speed": 1.0, "keys": Keys(unified=True)}
    settings = ExchangeOptions(**{**usual, **options})
    async with (
        EmbeddedExchange([flat_series(*rows)], settings, clock=clock) as exchange,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{exchange.url}{path}") as socket,
    ):
        customer = UnifiedCustomer(exchange, session, StandingClock(), settings.keys)
        yield Subscriber(exchange, socket, clock, customer)


@pytest.mark.parametrize(
    ("unified", "path", "event"),
    [
        (True, "/v3/ws/private", "login"),
        (False, "/v3/ws/private", "error"),
        (True, "/v2/ws/private", "error"),
        (False, "/v2/ws/private", "login"),
    ],
)
async def test_each_kind_of_account_logs_in_on_one_socket(*, unified: bool, path: str, event: str) -> None:
    async with subscriber(keys=Keys(unified=unified), path=path) as line:
        answer = await line.log_in()

    assert answer["event"] == event


async def test_only_account_and_position_begin_with_a_snapshot() -> None:
    """What rested before the subscription is not pushed: a client must ask REST for it."""
    async with subscriber() as line:
        await line.customer.order()
        await line.customer.post("/trade/place-strategy-order", **STOP)
        messages = await line.subscribe(*TOPICS)

    acknowledged = [one["arg"]["topic"] for one in messages if one.get("event") == "subscribe"]
    pushes = [one for one in messages if "action" in one]
    assert acknowledged == list(TOPICS)
    assert [(one["arg"]["topic"], one["action"]) for one in pushes] == [
        ("account", "snapshot"),
        ("position", "snapshot"),
    ]
    [held] = rows_of(pushes, "position")
    assert (held["size"], held["posSide"], held["positionStatus"]) == ("2", "long", "opening")
    [balance] = rows_of(pushes, "account")
    assert "usdtEquity" not in balance
    assert balance["coin"][0]["coin"] == "USDT"


async def test_an_unknown_topic_and_a_missing_login_are_errors_with_numbers() -> None:
    async with subscriber() as line:
        await line.send("subscribe", {"instType": "UTA", "topic": "order"})
        early = await line.receive()
        [wrong] = await line.subscribe("orders")

    assert (early["event"], early["code"]) == ("error", 30004)
    assert (wrong["event"], wrong["code"]) == ("error", 30001)


async def test_fills_come_on_their_own_topic_alone() -> None:
    """The fields of ``docs/bitget.md``, section U10: lower case, ``holdSide``, positive fees."""
    async with subscriber() as line:
        await line.subscribe(*TOPICS)
        await line.customer.order(clientOid="t-1", stopLoss="95")
        messages = await line.received()

    orders, [fill] = rows_of(messages, "order"), rows_of(messages, "fill")
    assert [row["orderStatus"] for row in orders] == ["live", "filled"]
    expected = {
        "category": "usdt-futures",
        "clientOid": "t-1",
        "holdSide": "long",
        "reduceOnly": "no",
        "cumExecQty": "2",
        "avgPrice": "100.1",
        "stoploss": "95",
        "takeprofit": "",
        "price": "",
        "leverage": "10",
        "feeDetail": [{"feeCoin": "USDT", "fee": "0.12012"}],
    }
    assert expected.items() <= orders[-1].items()
    assert not {"execId", "execPrice", "stopLoss", "posSide"} & orders[-1].keys()
    assert (fill["execPrice"], fill["holdSide"], fill["category"]) == ("100.1", "long", "USDT-FUTURES")
    assert fill["feeDetail"] == [{"feeCoin": "USDT", "fee": "0.12012"}]
    [stop] = rows_of(messages, "strategy-order")
    assert (stop["status"], stop["stopLoss"], stop["type"], stop["side"]) == ("pending", "95", "tpsl", "sell")
    assert (
        next(one["arg"] for one in messages if one["arg"]["topic"] == "strategy-order")["symbol"] == "default"
    )


async def test_one_way_pushes_may_name_no_side() -> None:
    """The word ``net`` of older documents: the side is then known from the trade and its purpose."""
    async with subscriber(unified=UnifiedOptions(hold_side="net")) as line:
        await line.subscribe(*TOPICS)
        await line.customer.order()
        messages = await line.received()

    named = [row["holdSide"] for topic in ("order", "fill") for row in rows_of(messages, topic)]
    assert set(named) == {"net"}
    assert [row["posSide"] for row in rows_of(messages, "position")] == ["long"]


async def test_a_closed_position_is_a_row_of_size_zero_and_empty_fields() -> None:
    async with subscriber() as line:
        await line.customer.order(stopLoss="95")
        await line.subscribe(*TOPICS)
        await line.customer.post("/trade/close-positions", symbol="BTCUSDT")
        messages = await line.received()

    ended = rows_of(messages, "position")[0]
    assert (ended["size"], ended["positionStatus"], ended["posSide"]) == ("0", "ended", "long")
    assert (ended["avgPrice"], ended["liqPrice"]) == ("", "")
    assert [row["status"] for row in rows_of(messages, "strategy-order")] == ["cancelled"]


async def test_state_is_pushed_every_five_seconds() -> None:
    """A client that takes every push for news would ask the exchange without end."""
    async with subscriber() as line:
        await line.subscribe(*TOPICS)
        await line.clock.advance(4)
        quiet = await line.received()
        await line.clock.advance(2)
        messages = await line.received()

    assert quiet == []
    assert [one["arg"]["topic"] for one in messages] == ["position", "account"]
    assert rows_of(messages, "position") == []


async def test_pushes_have_faults() -> None:
    """The same faults as on v2: here, every push is lost."""
    async with subscriber(faults={"push_lost": 1.0}) as line:
        await line.subscribe(*TOPICS)
        await line.customer.post("/trade/place-order", **ORDER)
        messages = await line.received()

    assert messages == []
    assert line.exchange.stats.sockets["push_lost"] > 3


async def test_a_change_of_kind_cuts_the_sockets() -> None:
    """An upgrade while a session runs: the socket ends, and each API refuses what it answered before."""
    async with subscriber() as line:
        await line.subscribe(*TOPICS)
        url = f"{line.exchange.url}/emulator/account?kind="
        async with line.customer.session.post(f"{url}classic") as response:
            assert response.status == 200
        async with line.customer.session.post(f"{url}nonsense") as response:
            assert response.status == 400
        end = await line.socket.receive(timeout=10)
        refused = await line.customer.ask("GET", "/api/v3/account/settings")
        classic = await line.customer.ask(
            "GET", "/api/v2/mix/account/accounts", {"productType": "USDT-FUTURES", "marginCoin": "USDT"}
        )

    assert end.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE}
    assert (refused.code, classic.code) == ("40084", "00000")
