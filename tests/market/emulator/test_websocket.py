"""The emulator's websockets, heard with nothing of ours, on a clock that the test moves."""

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import aiohttp
import numpy as np
import pytest
from aiohttp import WSMsgType

from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.market.matching import NewOrder
from desk.values import CANDLE_MS, Candles, frozen
from tests.market.emulator.samples import T0, steps
from tests.market.lines import HandClock

NOW: Final = T0 + 600 * CANDLE_MS
CANDLES: Final = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
WRONG: Final = {"passphrase": "wrong"}
PRIVATE: Final = [
    {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"},
    {"instType": "USDT-FUTURES", "channel": "positions", "instId": "default"},
    {"instType": "USDT-FUTURES", "channel": "account", "coin": "default"},
]


@dataclass(slots=True)
class Listener:
    """One websocket, raw."""

    exchange: EmbeddedExchange
    socket: aiohttp.ClientWebSocketResponse
    clock: HandClock
    kept: deque[dict[str, Any]] = field(default_factory=deque)

    async def say(self, op: str, *args: dict[str, Any]) -> None:
        await self.socket.send_json({"op": op, "args": list(args)})

    async def hear(self) -> dict[str, Any]:
        """The next message that is no pong."""
        while not self.kept:
            text = await self.socket.receive_str(timeout=10)
            if text != "pong":
                self.kept.append(json.loads(text))
        return self.kept.popleft()

    async def wait(self, seconds: float) -> None:
        """Let market time pass, with a ping in time; what is said meanwhile is kept."""
        while seconds > 0:
            await self.clock.advance(min(seconds, 50))
            seconds -= 50
            await self.socket.send_str("ping")
            while (text := await self.socket.receive_str(timeout=10)) != "pong":
                self.kept.append(json.loads(text))

    async def closed(self) -> bool:
        """Whether the next thing heard is the end."""
        message = await self.socket.receive(timeout=10)
        return message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR}

    async def log_in(self, **changed: str) -> dict[str, Any]:
        keys = Keys()
        timestamp = changed.get("timestamp", str(self.exchange.now_ms() // 1000))
        text = f"{timestamp}GET/user/verify".encode()
        sign = base64.b64encode(hmac.new(keys.secret.encode(), text, hashlib.sha256).digest()).decode()
        login = {"apiKey": keys.key, "passphrase": keys.passphrase, "timestamp": timestamp, "sign": sign}
        await self.say("login", {**login, **changed})
        return await self.hear()

    def order(self, size: str = "1", side: int = 1) -> None:
        """Trade behind the customer's back, as another session of his would."""
        ticket = NewOrder(
            client_id="",
            symbol="BTCUSDT",
            side=side,
            purpose="open",
            size=Decimal(size),
            kind="market",
        )
        self.exchange.venue.advance(self.exchange.now_ms(), ["BTCUSDT"])
        self.exchange.venue.matching.place(ticket, self.exchange.now_ms())
        self.exchange.sockets.publish_account()


@asynccontextmanager
async def listener(
    half: str = "public", candles: Candles | None = None, **options: Any
) -> AsyncIterator[Listener]:
    clock = HandClock()
    settings = ExchangeOptions(**{"rate_limit": 0, "now_ms": NOW, "speed": 1.0, **options})
    async with (
        EmbeddedExchange([candles or steps(700)], settings, clock=clock) as exchange,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{exchange.url}/v2/ws/{half}") as socket,
    ):
        yield Listener(exchange, socket, clock)


async def test_a_candle_channel_is_acknowledged_and_begins_with_500_candles() -> None:
    """Eight texts a row, ascending, the last one forming."""
    async with listener(now_ms=NOW + 150_000) as line:
        await line.say("subscribe", CANDLES)
        acknowledged, snapshot = await line.hear(), await line.hear()

    rows = snapshot["data"]
    assert acknowledged == {"event": "subscribe", "arg": CANDLES}
    assert (snapshot["action"], snapshot["arg"], len(rows)) == ("snapshot", CANDLES, 500)
    assert [int(row[0]) for row in rows] == [NOW - (499 - n) * CANDLE_MS for n in range(500)]
    assert {len(row) for row in rows} == {8}
    assert all(row[6] == row[7] for row in rows)
    assert float(rows[-1][5]) == pytest.approx((10 + 600) / 2)
    assert snapshot["ts"] == NOW + 150_000


async def test_updates_come_once_a_second_and_end_a_candle_by_the_next_one() -> None:
    """There is no flag: the last row of a candle is its final one, and comes before the next candle's."""
    async with listener() as line:
        await line.say("subscribe", CANDLES)
        await line.hear()
        await line.hear()
        pushes = []
        for _ in range(4):
            await line.clock.advance(1)
            pushes.append(await line.hear())
        await line.wait(297)
        while int(pushes[-1]["data"][0][0]) == NOW:
            pushes.append(await line.hear())

    rows = [push["data"][0] for push in pushes]
    assert {(push["action"], len(push["data"])) for push in pushes} == {("update", 1)}
    assert [push["ts"] for push in pushes[:4]] == [NOW + 1000 * second for second in (1, 2, 3, 4)]
    assert rows[-2][:6] == [str(NOW), "160.0", "160.1", "160.0", "160.1", "610.0"]
    assert rows[-1][0] == str(NOW + CANDLE_MS)
    assert len(pushes) <= 302


async def test_candles_that_passed_between_two_pushes_are_all_told() -> None:
    """However fast market time passes, each candle's final row comes, in order."""
    async with listener(speed=3000.0) as line:
        await line.say("subscribe", CANDLES)
        await line.hear()
        await line.hear()
        await line.clock.advance(1)
        told: dict[int, list[str]] = {}
        while NOW + 9 * CANDLE_MS not in told:
            for row in (await line.hear())["data"]:
                told[int(row[0])] = row

    truth = steps(700)
    assert list(told) == sorted(told)
    assert [float(told[NOW + n * CANDLE_MS][4]) for n in range(9)] == truth.close[600:609].tolist()


async def test_fast_market_time_passes_in_steps_of_pushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A push that is due a rounding error later, again and again, made one second last three minutes."""
    sleeps, sleep = [], HandClock.sleep

    async def counted(clock: HandClock, seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) > 1_000:
            raise AssertionError("the clock creeps")
        await sleep(clock, seconds)

    monkeypatch.setattr(HandClock, "sleep", counted)
    async with listener(speed=3000.0) as line:
        await line.say("subscribe", CANDLES)
        await line.hear()
        await line.clock.advance(1)

    assert len(sleeps) < 100
    assert min(sleeps) > 1e-9


async def test_a_candle_without_trades_is_told_once() -> None:
    """On thin symbols silence is normal, and must be told from a broken line."""
    quiet = steps(700)
    values = quiet.values.copy()
    values[:, 600:] = np.array([160.0, 160.0, 160.0, 160.0, 0.0, 0.0])[:, None]
    async with listener(candles=Candles("BTCUSDT", quiet.open_time, frozen(values))) as line:
        await line.say("subscribe", CANDLES)
        await line.hear()
        await line.hear()
        await line.wait(620)
        told = [message["data"] for message in line.kept]

    assert [row[0] for [row] in told] == [str(NOW + CANDLE_MS), str(NOW + 2 * CANDLE_MS)]


@pytest.mark.parametrize(
    ("arg", "code"),
    [
        ({**CANDLES, "instId": "NOPEUSDT"}, 30001),
        ({**CANDLES, "channel": "candle7m"}, 30001),
        (PRIVATE[0], 30004),
    ],
)
async def test_what_does_not_exist_is_told_with_a_number(arg: dict[str, str], code: int) -> None:
    async with listener() as line:
        await line.say("subscribe", arg, CANDLES)
        error, acknowledged = await line.hear(), await line.hear()

    assert (error["event"], error["arg"], error["code"]) == ("error", arg, code)
    assert acknowledged["event"] == "subscribe"


async def test_a_wrong_product_type_is_acknowledged_and_silent() -> None:
    """``docs/bitget.md``, section 10: the client that does not watch for silence waits for ever."""
    arg = {**CANDLES, "instType": "COIN-FUTURES"}
    async with listener() as line:
        await line.say("subscribe", arg)
        acknowledged = await line.hear()
        await line.clock.advance(60)
        await line.socket.send_str("ping")
        following = await line.socket.receive_str(timeout=10)

    assert acknowledged == {"event": "subscribe", "arg": arg}
    assert following == "pong"


async def test_who_does_not_ping_is_closed_even_while_data_flows() -> None:
    async with listener() as line:
        await line.clock.advance(119)
        await line.socket.send_str("ping")
        assert await line.socket.receive_str(timeout=10) == "pong"
        await line.clock.advance(119)
        await line.socket.send_str("ping")
        assert await line.socket.receive_str(timeout=10) == "pong"
        await line.clock.advance(121)
        assert await line.closed()
        assert line.exchange.stats.sockets["closed for silence"] == 1


async def test_more_than_ten_messages_a_second_close() -> None:
    async with listener() as line:
        for _ in range(10):
            await line.socket.send_str("ping")
            assert await line.socket.receive_str(timeout=10) == "pong"
        await line.clock.advance(1.5)
        for _ in range(11):
            await line.socket.send_str("ping")
        answers = [await line.socket.receive_str(timeout=10) for _ in range(11)]
        assert answers[:10] == ["pong"] * 10
        assert json.loads(answers[10])["code"] == 30007
        assert await line.closed()


@pytest.mark.parametrize(("text", "code"), [("nonsense", 30002), ('{"op":"dance","args":[]}', 30003)])
async def test_what_is_no_request_is_told(text: str, code: int) -> None:
    async with listener() as line:
        await line.socket.send_str(text)
        assert (await line.hear())["code"] == code


async def test_unsubscribing_ends_it() -> None:
    async with listener() as line:
        await line.say("subscribe", CANDLES)
        await line.hear()
        await line.hear()
        await line.say("unsubscribe", CANDLES)
        assert await line.hear() == {"event": "unsubscribe", "arg": CANDLES}
        await line.clock.advance(30)
        await line.socket.send_str("ping")
        assert await line.socket.receive_str(timeout=10) == "pong"


async def test_the_private_half_wants_a_login_in_seconds() -> None:
    async with listener("private") as line:
        await line.say("subscribe", PRIVATE[0])
        before = await line.hear()
        in_ms = await line.log_in(timestamp=str(NOW))
        wrong = await line.log_in(**WRONG)
        right = await line.log_in()

    assert (before["code"], in_ms["code"], wrong["code"]) == (30004, 30014, 30012)
    assert right == {"event": "login", "code": 0, "msg": ""}


async def test_orders_positions_and_balances_are_pushed() -> None:
    async with listener("private") as line:
        await line.log_in()
        await line.say("subscribe", *PRIVATE)
        at_first = [await line.hear() for _ in range(5)]
        line.order()
        accepted, filled, positions, account = [await line.hear() for _ in range(4)]

    assert [message.get("event") for message in at_first if "event" in message] == ["subscribe"] * 3
    assert [
        message["data"] for message in at_first if message.get("arg") == PRIVATE[1] and "data" in message
    ] == [[]]
    assert accepted["data"][0]["status"] == "live"
    row = filled["data"][0]
    assert (filled["action"], filled["arg"], row["status"], row["accBaseVolume"]) == (
        "snapshot",
        PRIVATE[0],
        "filled",
        "1",
    )
    assert Decimal(row["fillFee"]) == -Decimal(row["fillPrice"]) * Decimal("0.0006")
    assert (positions["data"][0]["holdSide"], positions["data"][0]["total"]) == ("long", "1")
    assert float(account["data"][0]["equity"]) < 10_000


async def test_a_stop_is_pushed_when_market_time_reaches_it() -> None:
    """Nobody asked: the pump lives through the market by itself."""
    async with listener("private") as line:
        await line.log_in()
        await line.say("subscribe", PRIVATE[1])
        await line.hear()
        await line.hear()
        line.order(side=-1)
        assert (await line.hear())["data"][0]["holdSide"] == "short"
        matching = line.exchange.venue.matching
        matching.protect("BTCUSDT", -1, "stop_loss", Decimal("160.3"), line.exchange.now_ms())
        await line.wait(1000)
        while (await line.hear())["data"]:
            pass

    assert matching.account.positions == {}


async def test_pushes_go_wrong_as_told() -> None:
    """Twice, late, lost: by shares, the same ones every time."""

    async def run(**faults: float) -> list[int]:
        async with listener(faults=faults, fault_seed=2) as line:
            await line.say("subscribe", CANDLES)
            for _ in range(40):
                await line.clock.advance(1)
            await line.socket.send_str("ping")
            told = []
            while (text := await line.socket.receive_str(timeout=10)) != "pong":
                message = json.loads(text)
                if "ts" in message:
                    told.append(message["ts"])
            return told

    plain = await run()
    twice, late, lost = await run(push_twice=0.3), await run(push_late=0.2), await run(push_lost=0.3)
    assert plain == sorted(set(plain))
    assert len(twice) > len(plain)
    assert sorted(set(twice)) == plain
    assert late != sorted(late)
    assert set(lost) < set(plain)
    assert late == await run(push_late=0.2)


async def test_connections_break_when_told_to() -> None:
    """On demand, and by share of pushes."""
    async with listener() as line, aiohttp.ClientSession() as session:
        async with session.post(f"{line.exchange.url}/emulator/disconnect") as response:
            assert await response.json() == {"disconnected": 1}
        assert await line.closed()
        async with session.get(f"{line.exchange.url}/emulator/stats") as response:
            assert (await response.json())["sockets"]["connections"] == 1
    async with listener(faults={"disconnect": 1.0}) as line:
        await line.say("subscribe", CANDLES)
        assert await line.closed() or await line.closed()  # the acknowledgement may have made it
