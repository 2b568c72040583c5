"""The candle feed over websocket and REST, on a clock by hand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from desk.errors import SettingsError
from desk.market.bitget.newest import SPARE
from desk.market.bitget.public import TIME, BitgetPublic
from desk.market.feed.closing import (
    CandleClosed,
    CandleDeadline,
    CandleRevised,
    FeedEvent,
    FeedRestored,
    SymbolSilent,
)
from desk.market.feed.stream import CandleStream
from desk.market.history.paging import RECENT
from desk.market.settings import StreamSettings
from desk.values import CANDLE_MS
from tests.market.lines import Exchange, HandClock, Peer, exchange, hang_up, plain, tell
from tests.market.samples import NOW, fetch_settings, random_candles

MEMORY, AHEAD = 60, 6
HISTORY = MEMORY + SPARE
TRUTH = random_candles(count=HISTORY + AHEAD, end=NOW + AHEAD * CANDLE_MS)


def stream_settings(**changes: Any) -> StreamSettings:
    values: dict[str, Any] = {
        "memory": MEMORY,
        "per_connection": 50,
        "rest_delay_s": 3.0,
        "deadline_s": 10.0,
        "silent_after_s": 420.0,
        "audit_s": 0.0,
    }
    return StreamSettings(**{**values, **changes})


def row(place: int, *, whole: bool = True) -> list[str]:
    """The candle that opens ``place`` candles after NOW as the websocket tells it; else when it has begun."""
    at = HISTORY + place
    o, h, l, c, volume, quote = (repr(float(value)) for value in TRUTH.values[:, at])
    numbers = [o, h, l, c, volume, quote, quote] if whole else [o, o, o, o, "0", "0", "0"]
    return [str(int(TRUTH.open_time[at])), *numbers]


@dataclass
class Feed:
    """A stream under test with everything around it."""

    served: Exchange
    clock: HandClock
    stream: CandleStream
    events: AsyncGenerator[FeedEvent, None]
    peers: list[Peer] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    pulled: "list[asyncio.Task[FeedEvent]]" = field(default_factory=list)

    def pull(self) -> "asyncio.Task[FeedEvent]":
        """Ask for the next event."""
        self.pulled.append(asyncio.ensure_future(anext(self.events)))
        return self.pulled[-1]

    async def next(self) -> FeedEvent:
        """The next event."""
        return await asyncio.wait_for(anext(self.events), 30)

    async def up(self, lines: int = 1) -> "asyncio.Task[FeedEvent]":
        """Let the stream come up; its subscriptions are received and left unread."""
        first = self.pull()
        for _ in range(lines):
            self.peers.append(await self.served.opened.get())
        return first

    async def tells(self, place: int, *, whole: bool = True, symbol: str = "BTCUSDT", peer: int = -1) -> None:
        """The websocket tells a candle."""
        arg = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": symbol}
        sent = NOW + place * CANDLE_MS + (299_000 if whole else 500)
        frame = {"action": "update", "arg": arg, "data": [row(place, whole=whole)], "ts": sent}
        await self.peers[peer].say(frame)

    async def until(
        self, wanted: type[FeedEvent], first: "asyncio.Task[FeedEvent]", step: float = 0.25
    ) -> FeedEvent:
        """Let time pass until an event of the kind ``wanted`` comes; others before it are let go."""
        while True:
            while not first.done():
                await self.clock.advance(step)
            if isinstance(event := first.result(), wanted):
                return event
            first = self.pull()


@contextlib.asynccontextmanager
async def feed(*symbols: str, attempts: int = 1, **changes: Any) -> AsyncIterator[Feed]:
    """A stream of ``symbols``, all with the same candles, which REST tells as far as the clock has come."""
    clock = HandClock()
    names = symbols or ("BTCUSDT",)
    async with exchange() as served:

        def time(request: web.Request, text: str) -> web.StreamResponse:
            return tell({"serverTime": str(clock.true_ms())})(request, text)

        def page(request: web.Request, text: str) -> web.StreamResponse:
            under.asked[request.query["symbol"]] = under.asked.get(request.query["symbol"], 0) + 1
            end = min(int(request.query["endTime"]), clock.true_ms() // CANDLE_MS * CANDLE_MS + 1)
            places = [p for p in range(-HISTORY, AHEAD) if NOW + p * CANDLE_MS < end]
            return tell([row(p)[:7] for p in places[-int(request.query["limit"]) :]])(request, text)

        served.on(f"GET {TIME}", time)
        served.on(f"GET {RECENT.path}", page)
        settings = fetch_settings(served.url, Path("unused"), attempts=attempts)
        async with BitgetPublic(settings, clock=clock) as market:
            stream = CandleStream(
                names, market=market, ws_url=served.ws_url, settings=stream_settings(**changes), clock=clock
            )
            async with contextlib.aclosing(stream.events()) as events:
                under = Feed(served, clock, stream, events)
                try:
                    yield under
                finally:
                    for task in under.pulled:
                        task.cancel()
                    await asyncio.gather(*under.pulled, return_exceptions=True)


async def pass_to(under: Feed, place: int, seconds: float) -> None:
    """Move the clock to ``seconds`` after the opening of a candle."""
    await under.clock.advance((NOW + place * CANDLE_MS - under.clock.now_ms()) / 1000 + seconds)


async def test_the_window_is_filled_with_one_request_a_symbol() -> None:
    """300 symbols at 18 requests a second are up within twenty seconds."""
    async with feed("AUSDT", "BUSDT") as under:
        await under.up()

        assert under.asked == {"AUSDT": 1, "BUSDT": 1}
        assert under.stream.window.values[0].tobytes() == TRUTH.rows(SPARE, HISTORY).values.tobytes()


async def test_lost_questions_for_the_time_do_not_put_the_clock_ahead() -> None:
    """A feed that is ahead asks about a candle that is still forming, and takes it for its last word."""
    async with feed(attempts=4) as under:
        (time,) = under.served.answers[f"GET {TIME}"]
        under.served.on(f"GET {TIME}", hang_up, hang_up, hang_up, time)
        first = under.pull()
        while under.served.opened.empty():  # 0.5 + 1 + 2 s go by between the questions
            await under.clock.advance(0.05)
        under.peers.append(await under.served.opened.get())
        await pass_to(under, 1, 0.3)
        await under.until(CandleClosed, first, step=0.05)

        assert under.clock.now_ms() >= NOW + CANDLE_MS + 3_000


@pytest.mark.parametrize("moved_s", [600, -600, 20])
async def test_a_machine_whose_clock_is_set_hands_out_no_candle_early_and_loses_none(moved_s: int) -> None:
    """Ten minutes forward closed positions nine minutes early, and no candle was handed out until then."""
    async with feed() as under:
        first = await under.up()
        await pass_to(under, 0, 120)
        under.clock.moved_ms = 1_000 * moved_s
        for place in (0, 1):
            assert await under.until(CandleDeadline, first) == CandleDeadline(NOW + place * CANDLE_MS, ())
            after_close = under.clock.true_ms() - NOW - (place + 1) * CANDLE_MS
            assert 0 <= after_close <= 10_500
            first = under.pull()


async def test_a_machine_that_slept_asks_for_the_time_at_once() -> None:
    """Its clocks lag by as long as it slept: the newest candle is handed out seconds after waking."""
    async with feed() as under:
        first = await under.up()
        await pass_to(under, 0, 60)
        under.clock.machine_sleeps(900)

        deadline = await under.until(CandleDeadline, first)

        assert isinstance(deadline, CandleDeadline)
        assert deadline.open_time == NOW + 2 * CANDLE_MS
        assert under.clock.true_ms() - NOW <= 960_000 + 5_000


async def test_a_candle_that_the_websocket_closes_is_told_at_once() -> None:
    """Nothing is asked of REST, and no grace is waited for."""
    async with feed() as under:
        first = await under.up()
        await pass_to(under, 1, 0.3)
        await under.tells(0)
        await under.tells(1, whole=False)

        assert await first == CandleClosed("BTCUSDT", NOW, tuple(TRUTH.values[:, HISTORY].tolist()))
        assert await under.next() == CandleDeadline(NOW, ())
        assert under.asked == {"BTCUSDT": 1}


async def test_a_thin_symbol_is_closed_by_the_clock_and_rest() -> None:
    """Its next bar may take five minutes."""
    async with feed() as under:
        first = await under.up()
        await pass_to(under, 1, 2.9)
        assert not first.done()

        event = await under.until(CandleClosed, first)

        assert event == CandleClosed("BTCUSDT", NOW, tuple(TRUTH.values[:, HISTORY].tolist()))
        assert await under.next() == CandleDeadline(NOW, ())


async def test_a_border_passes_without_a_symbol_that_nothing_is_known_of() -> None:
    """REST is asked again and again, the others decide meanwhile, and the late candle is still reported."""
    async with feed() as under:
        first = await under.up()
        answering = under.served.answers[f"GET {RECENT.path}"]
        under.served.on(f"GET {RECENT.path}", plain("<html>", status=502))
        await pass_to(under, 1, 3)

        assert await under.until(CandleDeadline, first) == CandleDeadline(NOW, ("BTCUSDT",))
        under.served.answers[f"GET {RECENT.path}"] = answering
        assert isinstance(await under.until(CandleClosed, under.pull()), CandleClosed)


async def outage(under: Feed, *, until: int) -> None:
    """Neither websocket nor REST answers until shortly after the opening of a candle."""
    rest = under.served.answers[f"GET {RECENT.path}"]
    under.served.on(f"GET {RECENT.path}", plain("<html>", status=502))
    under.served.shut = True
    await under.peers[0].hang_up()
    await pass_to(under, until, 1)
    under.served.answers[f"GET {RECENT.path}"] = rest
    under.served.shut = False
    while under.served.opened.empty():
        await under.clock.advance(0.25)
    under.peers.append(await under.served.opened.get())


async def test_after_a_lost_line_nothing_is_missing() -> None:
    """Subscribed again, and everything in between asked for."""
    async with feed() as under:
        first = await under.up()
        subscribed = await under.peers[0].hears(under.clock)
        await outage(under, until=2)

        assert await under.peers[1].hears(under.clock) == subscribed
        event = await under.until(FeedRestored, first)
        assert isinstance(event, FeedRestored)
        assert event.unfilled == ()
        assert under.stream.window.newest("BTCUSDT") == NOW + CANDLE_MS


async def test_the_candles_of_an_outage_come_once_and_in_order() -> None:
    """Whether the snapshot or REST tells them first; only the newest of them is worth a decision."""
    async with feed() as under:
        pulled = await under.up()
        await outage(under, until=3)
        snapshot = [row(place) for place in range(-10, 3)] + [row(3, whole=False)]
        arg = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
        await under.peers[1].say({"action": "snapshot", "arg": arg, "data": snapshot, "ts": NOW})
        seen: list[FeedEvent] = []
        while not (seen and seen[-1] == CandleDeadline(NOW + 2 * CANDLE_MS, ())):
            while not pulled.done():
                await under.clock.advance(0.25)
            seen.append(pulled.result())
            pulled = under.pull()

    closed = [event.open_time for event in seen if isinstance(event, CandleClosed)]
    assert closed == [NOW + place * CANDLE_MS for place in range(3)]
    assert not any(isinstance(event, CandleRevised) for event in seen)


async def test_the_line_is_pinged() -> None:
    """Every 25 seconds with the text ``ping``."""
    async with feed() as under:
        await under.up()
        await under.peers[0].hears(under.clock)
        await under.clock.advance(25.2)

        assert await under.peers[0].heard.get() == "ping"


async def test_a_dead_line_is_dropped() -> None:
    """A router that forgot the connection neither answers nor hangs up."""
    async with feed() as under:
        under.served.pongs = False
        await under.up()
        while under.served.opened.empty():
            await under.clock.advance(5)

        assert under.clock.now_ms() - NOW > 60_000


async def test_fifty_symbols_share_a_line() -> None:
    """More are dropped by the exchange now and then."""
    symbols = [f"SYM{number:03}USDT" for number in range(120)]
    async with feed(*symbols) as under:
        await under.up(lines=3)
        subscribed_to: list[list[str]] = []
        for peer in under.peers:
            subscribed_to.append([])
            while len(subscribed_to[-1]) < 20 or (len(subscribed_to[-1]) < 50 and peer is not under.peers[2]):
                message = await peer.hears(under.clock)
                subscribed_to[-1] += [arg["instId"] for arg in message["args"]]

        assert subscribed_to == [symbols[:50], symbols[50:100], symbols[100:]]


async def test_a_symbol_without_a_word_is_reported_and_still_gets_its_candles() -> None:
    """The exchange acknowledges channels that it never fills."""
    async with feed() as under:
        event = await under.until(SymbolSilent, await under.up(), step=5)

        assert event == SymbolSilent("BTCUSDT", NOW, "")
        assert under.stream.window.newest("BTCUSDT") == NOW


async def test_a_channel_that_does_not_exist_is_reported_with_the_reason() -> None:
    """And its neighbours on the line are left alone."""
    async with feed("AUSDT", "BUSDT") as under:
        first = await under.up()
        arg = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "AUSDT"}
        await under.peers[0].say({"event": "error", "arg": arg, "code": 30001, "msg": "doesn't exist"})

        assert await first == SymbolSilent("AUSDT", NOW, "doesn't exist (code 30001)")
        assert under.served.opened.empty()


async def test_a_last_word_that_was_lost_without_a_trace_is_found_by_the_audit() -> None:
    """Same close, other volume: only REST knows."""
    async with feed(audit_s=170.0) as under:
        first = await under.up()
        await pass_to(under, 1, 0.3)
        short = row(0)
        short[5] = "0.001"
        arg = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
        await under.peers[0].say({"action": "update", "arg": arg, "data": [short], "ts": NOW + 298_000})
        await under.tells(1, whole=False)
        assert isinstance(await first, CandleClosed)

        event = await under.until(CandleRevised, under.pull(), step=5)

        assert isinstance(event, CandleRevised)
        assert event.after == tuple(TRUTH.values[:, HISTORY].tolist())
        assert under.stream.window.at("BTCUSDT", NOW) == event.after


async def test_who_wants_to_act_has_the_candle_confirmed() -> None:
    """Same close, other volume: REST is asked before anything is opened, and its word counts."""
    async with feed() as under:
        first = await under.up()
        await pass_to(under, 1, 0.3)
        short = row(0)
        short[5] = "0.001"
        arg = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
        await under.peers[0].say({"action": "update", "arg": arg, "data": [short], "ts": NOW + 298_000})
        await under.tells(1, whole=False)
        assert isinstance(await first, CandleClosed)

        round_ = await under.stream.confirmed(("BTCUSDT",), NOW)
        assert round_.symbols == ("BTCUSDT",)
        assert round_.values[0, :, -1].tolist() == TRUTH.values[:, HISTORY].tolist()
        under.served.on(f"GET {RECENT.path}", plain("<html>", status=502))
        asked = asyncio.ensure_future(under.stream.confirmed(("BTCUSDT",), NOW))
        while not asked.done():
            await under.clock.advance(0.5)
        round_ = asked.result()
        assert (round_.symbols, round_.values.shape[0]) == ((), 0)
        assert "its candle was not confirmed" in round_.absent["BTCUSDT"]


async def test_an_answer_without_the_candle_confirms_nothing() -> None:
    """Right after a border REST may not have it yet: it is asked again, and then has the last word."""
    async with feed() as under:
        first = await under.up()
        await pass_to(under, 1, 0.3)
        short = row(0)
        short[5] = "0.001"
        arg = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
        await under.peers[0].say({"action": "update", "arg": arg, "data": [short], "ts": NOW + 298_000})
        await under.tells(1, whole=False)
        assert isinstance(await first, CandleClosed)
        late = tell([row(place)[:7] for place in range(-20, 0)])
        under.served.on(f"GET {RECENT.path}", late)

        asked = asyncio.ensure_future(under.stream.confirmed(("BTCUSDT",), NOW))
        await under.clock.advance(1.0)
        assert not asked.done()
        under.served.on(f"GET {RECENT.path}", tell([row(place)[:7] for place in range(-20, 1)]))
        while not asked.done():
            await under.clock.advance(0.5)
        assert asked.result().values[0, :, -1].tolist() == TRUTH.values[:, HISTORY].tolist()


async def test_a_round_holds_every_symbol_that_is_ready_and_says_why_others_are_not() -> None:
    """The arrays are copies: the next candle must not move under a decision."""
    async with feed("AUSDT", "BUSDT") as under:
        rounds = under.stream.rounds()
        pulling = asyncio.ensure_future(anext(rounds))
        under.peers.append(await under.served.opened.get())
        under.served.on(f"GET {RECENT.path}", plain("<html>", status=502))
        await pass_to(under, 1, 0.3)
        await under.tells(0, symbol="AUSDT")
        await under.tells(1, whole=False, symbol="AUSDT")
        while not pulling.done():
            await under.clock.advance(0.25)
        round_ = pulling.result()
        await rounds.aclose()

    assert (round_.open_time, round_.symbols) == (NOW, ("AUSDT",))
    assert round_.times[:, -1].tolist() == [NOW]
    assert round_.values[0].tobytes() == TRUTH.rows(SPARE + 1, HISTORY + 1).values.tobytes()
    assert "has not arrived" in round_.absent["BUSDT"]


async def test_odd_frames_do_not_stop_the_feed() -> None:
    """Unknown events, broken JSON, other channels."""
    async with feed() as under:
        first = await under.up()
        for odd in (
            "{",
            "[]",
            json.dumps({"event": "holiday"}),
            json.dumps({"action": "update", "data": []}),
        ):
            await under.peers[0].say(odd)
        await pass_to(under, 1, 0.3)
        await under.tells(0)
        await under.tells(1, whole=False)

        assert isinstance(await first, CandleClosed)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"memory": 0}, "memory is 0"),
        ({"per_connection": 51}, "per_connection is 51"),
        ({"rest_delay_s": 11.0}, "in this order"),
        ({"silent_after_s": 100.0}, "length of a candle"),
    ],
)
def test_settings_that_cannot_work_are_told(changes: dict[str, Any], complaint: str) -> None:
    """Before anything is started."""
    with pytest.raises(SettingsError, match=complaint):
        stream_settings(**changes)


async def test_websockets_that_bring_nothing_are_an_alarm() -> None:
    """REST goes on bringing candles, late: without a word nobody would learn why."""
    async with feed("AUSDT", "BUSDT") as under:
        rounds = under.stream.rounds()
        pulling = asyncio.ensure_future(anext(rounds))
        under.peers.append(await under.served.opened.get())
        alarms = []
        for place in range(1, 4):
            await pass_to(under, place, 0.3)
            while not pulling.done():
                await under.clock.advance(0.25)
            alarms.append(pulling.result().alarms)
            pulling = asyncio.ensure_future(anext(rounds))
        await under.tells(3, whole=False, symbol="AUSDT")
        await pass_to(under, 4, 0.3)
        while not pulling.done():
            await under.clock.advance(0.25)
        last = pulling.result().alarms
        await rounds.aclose()

    assert [len(one) for one in alarms] == [0, 1, 1]
    assert "websocket" in alarms[-1][0]
    assert last == ()
