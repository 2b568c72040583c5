"""The client over HTTP: what is retried, how often, and which error ends it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from desk.errors import Refused, Throttled, Unanswered, Unreadable
from desk.market.bitget.public import UNKNOWN_ATTEMPTS, BitgetPublic, Unreachable
from desk.market.history.paging import HISTORY, RECENT, Page
from tests.market.samples import NOW, ImpatientClock, fetch_settings
from tests.market.scripted import Reply, Script, hang_up, plain, refusal, serving, success

PAGE = Page(HISTORY, NOW, 200)
ROW = ["1762559700000", "102263.4", "102310.8", "102201.1", "102288.5", "41.0382", "4196571.8801"]
TIME = success({"serverTime": str(NOW)})


@contextlib.asynccontextmanager
async def client(
    *replies: Reply, **changes: Any
) -> AsyncIterator[tuple[BitgetPublic, Script, ImpatientClock]]:
    clock = ImpatientClock()
    async with serving(*replies) as script:
        settings = fetch_settings(script.url, Path("unused"), **changes)
        async with BitgetPublic(settings, clock=clock) as market:
            yield market, script, clock


async def test_a_page_is_asked_for_by_its_end_alone() -> None:
    """Nobody knows for certain what ``startTime`` does, so it is not sent."""
    async with client(success([ROW])) as (market, script, _):
        rows = await market.candles("BTCUSDT", PAGE)

    assert rows.open_time.tolist() == [1762559700000]
    assert script.asked[0].path == "/api/v2/mix/market/history-candles"
    assert dict(script.asked[0].query) == {
        "symbol": "BTCUSDT",
        "productType": "USDT-FUTURES",
        "granularity": "5m",
        "endTime": str(NOW),
        "limit": "200",
    }


async def test_brotli_is_never_offered() -> None:
    """Bitget compresses with it when it may, and not every installation can read it."""
    async with client(TIME) as (market, script, _):
        await market.server_time()

    assert script.asked[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("demo", [False, True])
async def test_the_demos_candles_are_asked_of_the_demo(demo: bool) -> None:
    """The same address serves two markets, and the websocket's candles are the demo's."""
    async with (
        serving(TIME) as script,
        BitgetPublic(fetch_settings(script.url, Path("unused")), clock=ImpatientClock(), demo=demo) as market,
    ):
        await market.server_time()

    assert script.asked[0].headers.get("paptrading") == ("1" if demo else None)


async def test_compressed_bodies_are_read() -> None:
    """A page of 200 rows is 25 KB before compression."""

    def compressed(request: web.Request) -> web.StreamResponse:
        response = success([ROW])(request)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with client(compressed) as (market, _, _):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1


async def test_names_in_other_scripts_are_percent_encoded() -> None:
    """A few contracts have Chinese names."""
    async with client(success([ROW])) as (market, script, _):
        await market.candles("龙虾USDT", PAGE)

    assert "symbol=%E9%BE%99%E8%99%BEUSDT" in script.asked[0].raw_path
    assert script.asked[0].query["symbol"] == "龙虾USDT"


GATEWAY = plain("<html>502 Bad Gateway</html>", status=502)
NO_ANSWERS = {
    "a gateway's page": GATEWAY,
    "a broken body": plain('{"code":"00000","data":[["17625'),
    "an empty text as data": success(""),
    "no data": plain('{"code":"00000","msg":"success"}'),
    "a system error": refusal("40725"),
}


@pytest.mark.parametrize("kind", NO_ANSWERS)
async def test_a_read_without_an_answer_is_repeated(kind: str) -> None:
    """Of 67,500 requests of a run some go wrong; none may cost a symbol."""
    async with client(NO_ANSWERS[kind], NO_ANSWERS[kind], success([ROW])) as (market, script, clock):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1

    assert len(script.asked) == 3
    assert clock.waits == [0.5, 1.0]
    assert market.sent["BTCUSDT"] == 3
    assert market.unanswered == 2


async def test_a_connection_that_is_hung_up_is_repeated() -> None:
    """A gateway that restarts drops everything."""
    async with client(*[hang_up] * 3, success([ROW])) as (market, script, clock):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1

    assert market.unanswered == len(clock.waits) == 3
    assert len(script.asked) == market.sent["BTCUSDT"] == 4


async def test_no_request_leaves_past_the_pace_when_a_kept_connection_turns_out_closed() -> None:
    """The HTTP library would ask again by itself, at once and uncounted: a burst of 429s when all drop."""
    async with client(success([ROW]), hang_up, success([ROW])) as (market, script, clock):
        for _ in range(2):
            assert len(await market.candles("BTCUSDT", PAGE)) == 1

    assert clock.waits == [0.5]
    assert len(script.asked) == market.sent.total() == 3
    assert market.unanswered == 1


async def test_a_request_that_hangs_is_given_up_and_repeated() -> None:
    """A connection that went dead in a router stays silent for ever."""
    stuck = asyncio.Event()

    class Silent(web.StreamResponse):
        async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002
            await stuck.wait()

    async with client(lambda _: Silent(), success([ROW]), timeout_s=0.1) as (market, _, _):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1
        stuck.set()

    assert market.unanswered == 1


@pytest.mark.parametrize("status", [200, 400])
async def test_a_refusal_is_not_repeated(status: int) -> None:
    """The answer would be the same; and it is recognised by its code, whatever the status."""
    async with client(refusal("40034", status=status, message="does not exist")) as (market, script, _):
        with pytest.raises(Refused, match="does not exist"):
            await market.candles("BTCUSD", PAGE)

    assert len(script.asked) == 1


async def test_a_refusal_by_a_code_that_nobody_knows_is_asked_about_again_a_few_times() -> None:
    """One such answer among thousands cost the symbol; one that stays must not cost a quarter of an hour."""
    unknown = refusal("59999", status=200)
    async with client(unknown, unknown, success([ROW])) as (market, _, clock):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1
        assert sum(clock.waits) < 3

    async with client(unknown) as (market, script, clock):
        with pytest.raises(Refused, match="59999"):
            await market.candles("BTCUSDT", PAGE)
        assert len(script.asked) == UNKNOWN_ATTEMPTS
        assert sum(clock.waits) < 10


@pytest.mark.parametrize("reply", [refusal("429", status=429), plain("{}", status=429), refusal("40200")])
async def test_a_429_is_waited_out(reply: Reply) -> None:
    """At least three seconds, for the endpoint that answered 429."""
    async with client(reply, success([ROW]), TIME) as (market, script, clock):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1

        assert clock.waits == [3.0]
        assert market.throttled == 1
        assert len(script.asked) == 2


async def test_a_429_stops_no_other_endpoint() -> None:
    """Each endpoint has its own allowance."""
    async with client(refusal("429", status=429), success([ROW])) as (market, _, clock):
        await asyncio.gather(
            market.candles("BTCUSDT", PAGE),
            *(market.candles("BTCUSDT", Page(RECENT, NOW, 9)) for _ in range(9)),
        )

    assert clock.waits == [3.0]


async def test_five_minutes_of_refusals_are_survived() -> None:
    """What Bitget does to an address that went over 6,000 requests a minute."""
    replies = [refusal("429", status=429)] * 9
    async with client(*replies, success([ROW])) as (market, _, clock):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1

    assert sum(clock.waits) > 300


async def test_throttling_without_end_is_given_up() -> None:
    """Repetition is bounded in time; the error names the endpoint."""
    async with client(refusal("429", status=429), give_up_after_s=100.0) as (market, _, clock):
        with pytest.raises(Throttled, match="history-candles"):
            await market.candles("BTCUSDT", PAGE)

    assert 100 <= sum(clock.waits) < 200


async def test_repetition_without_an_answer_is_bounded_in_count() -> None:
    """Each wait doubles, up to half a minute."""
    async with client(TIME, GATEWAY) as (market, script, clock):
        await market.server_time()
        with pytest.raises(Unanswered, match="asked 8 times"):
            await market.candles("BTCUSDT", PAGE)

    assert len(script.asked) == 1 + 8
    assert clock.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


async def test_repetition_without_an_answer_is_bounded_in_time() -> None:
    """Whichever bound comes first."""
    async with client(TIME, GATEWAY, give_up_after_s=5.0) as (market, _, clock):
        await market.server_time()
        with pytest.raises(Unanswered):
            await market.candles("BTCUSDT", PAGE)

    assert sum(clock.waits) <= 5.0


async def test_the_calls_that_are_left_are_heeded() -> None:
    """The header has the number of calls the endpoint still takes; odd ones are nobody's business."""

    def left(value: str) -> Reply:
        def reply(request: web.Request) -> web.StreamResponse:
            response = success([ROW])(request)
            response.headers["x-mbx-used-remain-limit"] = value
            return response

        return reply

    async with client(left("7"), left("many"), left("0"), left("19")) as (market, _, clock):
        for _ in range(4):
            await market.candles("BTCUSDT", PAGE)

    assert clock.waits == [0.25]


async def test_funding_rates_are_asked_for_by_page() -> None:
    """There is no time window to ask with."""
    row = {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": str(NOW)}
    async with client(success([row])) as (market, script, _):
        rates = await market.funding("BTCUSDT", 3)

    assert rates.time.tolist() == [NOW]
    assert script.asked[0].path == "/api/v2/mix/market/history-fund-rate"
    assert dict(script.asked[0].query) == {
        "symbol": "BTCUSDT",
        "productType": "USDT-FUTURES",
        "pageSize": "100",
        "pageNo": "3",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_an_address_where_nobody_answers_is_told_once_with_the_fix() -> None:
    """One sentence that names the address, instead of three hundred tracebacks."""
    url, clock = f"http://127.0.0.1:{_free_port()}", ImpatientClock()
    async with BitgetPublic(fetch_settings(url, Path("unused")), clock=clock) as market:
        with pytest.raises(Unreachable, match=rf"{url} cannot be reached.*--base-url"):
            await market.server_time()

    assert sum(clock.waits) < 5


async def test_one_dead_request_among_living_ones_is_not_a_dead_address() -> None:
    """Then it is one symbol's trouble, and the others go on."""

    def only_recent(request: web.Request) -> web.StreamResponse:
        return (success([ROW]) if request.path == RECENT.path else GATEWAY)(request)

    async with client(only_recent, attempts=3) as (market, _, _):
        asking = asyncio.ensure_future(market.candles("DEADUSDT", PAGE))
        await market.candles("BTCUSDT", Page(RECENT, NOW, 1000))
        with pytest.raises(Unanswered, match="502"):
            await asking


@pytest.mark.parametrize("answer", [success(""), success(None), success({})])
async def test_who_answers_in_another_form_is_reached(answer: Reply) -> None:
    """Every response arrived with HTTP 200: a user who checks the connection looks in the wrong place."""
    async with client(answer, attempts=3) as (market, script, _):
        with pytest.raises(Unreadable, match=r"a list of candles was expected \(asked 3 times\)"):
            await market.candles("NEWUSDT", PAGE)

    assert len(script.asked) == 3


async def test_a_refusal_of_one_request_shows_that_the_address_is_alive() -> None:
    """A run must not end because of the one request that is answered by a gateway."""

    def refusing(request: web.Request) -> web.StreamResponse:
        return (refusal("40309") if request.path == RECENT.path else GATEWAY)(request)

    async with client(refusing, attempts=3) as (market, _, _):
        asking = asyncio.ensure_future(market.candles("DEADUSDT", PAGE))
        with pytest.raises(Refused):
            await market.candles("GONEUSDT", Page(RECENT, NOW, 1000))
        with pytest.raises(Unanswered, match="502"):
            await asking


@pytest.mark.parametrize("kind", ["a gateway's page", "a broken body", "a system error"])
async def test_an_address_where_something_else_answers_is_not_called_unreachable(kind: str) -> None:
    """A login page of a hotel, a proxy, an exchange that is down: the network works."""
    async with client(NO_ANSWERS[kind]) as (market, _, _):
        with pytest.raises(Unreachable, match="responds, and not as the exchange does") as caught:
            await market.server_time()

    assert "connection" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
async def test_a_body_whose_compression_cannot_be_read_is_told_as_that(encoding: str) -> None:
    """Some proxies compress whatever is asked for; "cannot be reached" would send the user astray."""

    def compressed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x0b\x02\x80{}\x03", headers={"Content-Encoding": encoding})

    async with client(compressed, compressed, success([ROW])) as (market, _, _):
        assert len(await market.candles("BTCUSDT", PAGE)) == 1
    async with client(compressed, attempts=2) as (market, _, _):
        with pytest.raises(Unreadable, match=r"compressed .* gzip, deflate were offered") as caught:
            await market.candles("BTCUSDT", PAGE)

    assert "endTime" not in str(caught.value), "the query of a signed request is nobody's business"


async def test_requests_are_counted_by_symbol() -> None:
    """The closing table shows what each symbol cost."""
    async with client(TIME, success([ROW])) as (market, _, _):
        await market.server_time()
        await market.candles("BTCUSDT", PAGE)
        await market.candles("BTCUSDT", PAGE)

    assert dict(market.sent) == {"": 1, "BTCUSDT": 2}


async def test_a_closed_client_says_so() -> None:
    """A programming mistake is not taken for a network problem."""
    market = BitgetPublic(fetch_settings("http://127.0.0.1:9", Path("unused")), clock=ImpatientClock())
    with pytest.raises(RuntimeError, match="async with"):
        await market.server_time()
