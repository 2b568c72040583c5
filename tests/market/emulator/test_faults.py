"""The embedded exchange goes wrong in every way that the real one was seen to, and repeatably."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from desk.errors import SettingsError
from desk.market.emulator.brotli import stored
from desk.market.emulator.faults import Faults
from desk.market.emulator.options import FAULTS, read_by_symbol, read_faults
from desk.market.series.sources import list_late, punch_holes
from desk.values import CANDLE_MS
from tests.market.emulator.samples import T0, open_exchange, steps

PAGE = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "granularity": "5m", "limit": "20"}
URL = "/api/v2/mix/market/history-candles"


async def raw_answers(fault: str, count: int = 2) -> list[tuple[int, str, str]]:
    """Status, content type and text of ``count`` answers that all meet ``fault``."""
    async with open_exchange([steps(100)], faults={fault: 1.0}) as counter:
        answers = []
        for _ in range(count):
            async with counter.session.get(counter.exchange.url + URL, params=PAGE) as response:
                answers.append((response.status, response.content_type, await response.text()))
        assert counter.exchange.stats.faults == {fault: count}
        return answers


async def test_a_drawn_429_looks_like_a_real_one() -> None:
    """Both spellings, though nobody asked too often."""
    (first, kind, text), (second, _, brief) = await raw_answers("429")

    assert (first, second, kind) == (429, 429, "application/json")
    assert sorted(json.loads(text)) == ["code", "data", "msg", "requestTime"]
    assert json.loads(brief) == {"code": "429", "msg": "Too Many Requests"}


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [("500", 500, "text/plain"), ("html", 502, "text/html"), ("nonjson", 200, "text/plain")],
)
async def test_an_answer_may_be_no_envelope_at_all(fault: str, status: int, kind: str) -> None:
    """Gateways answer for the exchange, and not in its language."""
    (answer, *_) = await raw_answers(fault)

    assert answer[:2] == (status, kind)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(answer[2])


async def test_success_may_come_with_an_empty_text_as_data() -> None:
    """Seen for freshly listed symbols: a list was expected."""
    ((status, _, text), *_) = await raw_answers("empty")

    assert status == 200
    assert json.loads(text)["code"] == "00000"
    assert not json.loads(text)["data"]
    assert isinstance(json.loads(text)["data"], str)


async def test_maintenance_comes_with_either_status() -> None:
    """Business codes are documented with HTTP 400 and were met with 200: the code decides."""
    (first, _, text), (second, _, again) = await raw_answers("maintain")

    assert (first, second) == (400, 200)
    assert json.loads(text)["code"] == json.loads(again)["code"] == "40200"


async def test_a_reset_gives_no_answer() -> None:
    """The request may or may not have arrived; for a read that is harmless."""
    async with open_exchange([steps(100)], faults={"reset": 1.0}) as counter:
        with pytest.raises(aiohttp.ClientConnectionError):
            await counter.candles("history-candles")
        faults = counter.exchange.stats.faults

    assert set(faults) == {"reset"}
    assert faults["reset"] in {1, 2}  # aiohttp repeats a GET by itself when the connection closes


async def test_a_hanging_answer_ends_with_the_client_or_with_the_exchange() -> None:
    """Neither a client that gives up nor one that waits keeps the exchange from stopping."""
    async with open_exchange([steps(100)], faults={"hang": 1.0}) as counter:
        gave_up = asyncio.create_task(counter.candles("history-candles"))
        waits = asyncio.create_task(counter.candles("candles"))
        stats = counter.exchange.stats
        while (await counter.stats())["in_flight"] < 2:
            pass
        gave_up.cancel()
        while (await counter.stats())["in_flight"] > 1:
            pass
        await counter.exchange.__aexit__(None, None, None)
        with pytest.raises(aiohttp.ClientConnectionError):
            await waits

    assert stats.in_flight.total() == 0


async def test_a_body_may_be_cut_off() -> None:
    """By turns the connection breaks before the promised length, and a shorter body is valid HTTP."""
    async with open_exchange([steps(100)], faults={"truncate": 1.0}) as counter:
        address = counter.exchange.url + URL
        async with counter.session.get(address, params=PAGE) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        async with counter.session.get(address, params=PAGE) as response:
            half = await response.text()

    assert half.startswith('{"code":"00000"')
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(half)


async def test_rows_may_be_doubled_and_out_of_order() -> None:
    """Nothing is lost, so a client that sorts and removes doubles has the page."""
    async with open_exchange([steps(100)], faults={"duplicate": 1.0}) as counter:
        answer = await counter.candles("history-candles", limit=20)

    assert len(answer.times) == 22
    assert answer.times != sorted(answer.times)
    assert sorted(set(answer.times)) == [T0 + step * CANDLE_MS for step in range(80, 100)]


async def test_rows_may_be_older_than_asked_for() -> None:
    """Bucket by time and not by position."""
    async with open_exchange([steps(100)], faults={"older": 1.0}) as counter:
        answer = await counter.candles("history-candles", limit=20)
        nothing_older = await counter.candles("history-candles", limit=20, endTime=T0 + 5 * CANDLE_MS)
        faults = counter.exchange.stats.faults

    assert answer.times == [T0 + step * CANDLE_MS for step in range(77, 100)]
    assert len(nothing_older.times) == 5
    assert faults == {"older": 1}


async def test_a_page_may_be_short_or_empty_though_older_candles_exist() -> None:
    """Neither a short page nor an empty one proves that nothing is older."""
    for fault, steps_there in (("short", range(90, 100)), ("lag", range(0))):
        async with open_exchange([steps(100)], faults={fault: 1.0}) as counter:
            answer = await counter.candles("history-candles", limit=20)
            faults = counter.exchange.stats.faults

        assert answer.times == [T0 + step * CANDLE_MS for step in steps_there]
        assert faults == {fault: 1}


@pytest.mark.parametrize("fault", ["bad_row", "null"])
async def test_one_row_of_a_page_may_be_no_candle(fault: str) -> None:
    """A row like that costs a client itself and not the page."""
    (_, _, text), (_, _, again) = await raw_answers(fault)
    rows = [json.loads(body)["data"] for body in (text, again)]
    spoilt = [
        row for page in rows for row in page if None in row or "" in row or float(row[2]) < float(row[3])
    ]

    assert [len(page) for page in rows] == [20, 20]
    assert len(spoilt) == 2


async def test_a_hole_is_there_in_one_answer_and_not_in_the_next() -> None:
    """Asking again once heals it; a hole of the series stays."""
    async with open_exchange([steps(2000)], faults={"hole": 0.05}) as counter:
        pages = [set((await counter.candles("history-candles", limit=200)).times) for _ in range(4)]

    assert all(180 <= len(page) < 200 for page in pages)
    assert len(set.union(*pages)) == 200


SHARES = {"429": 0.2, "500": 0.1, "empty": 0.05, "hole": 0.5}


def test_faults_are_a_function_of_seed_and_number() -> None:
    """A failure that was seen once can be seen again."""
    first, again, other = Faults(SHARES, 3), Faults(SHARES, 3), Faults(SHARES, 4)
    drawn = [first.of_answer(number) for number in range(400)]

    assert drawn == [again.of_answer(number) for number in reversed(range(400))][::-1]
    assert drawn != [other.of_answer(number) for number in range(400)]


def test_faults_come_as_often_as_they_should() -> None:
    """A share is of answers; the rows' share draws nothing here."""
    drawn = [Faults(SHARES, 0).of_answer(number) for number in range(4000)]

    for name, share in (("429", 0.2), ("500", 0.1), ("empty", 0.05)):
        assert drawn.count(name) / 4000 == pytest.approx(share, abs=0.02)
    assert drawn.count(None) / 4000 == pytest.approx(0.65, abs=0.03)


async def test_the_same_questions_meet_the_same_faults() -> None:
    """Seen from outside, over HTTP."""
    runs: list[list[Any]] = []
    for seed in (5, 5, 6):
        shares = {"429": 0.2, "500": 0.2, "duplicate": 0.2, "hole": 0.02}
        async with open_exchange([steps(500)], faults=shares, fault_seed=seed) as counter:
            answers = []
            for _ in range(25):
                async with counter.session.get(counter.exchange.url + URL, params=PAGE) as response:
                    answers.append((response.status, await response.text()))
            runs.append(answers)

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


async def test_row_faults_leave_other_endpoints_alone() -> None:
    """They concern candles; what hit nothing is not counted."""
    async with open_exchange([steps(5)], faults={"older": 0.5, "duplicate": 0.5}) as counter:
        answer = await counter.ask("/api/v2/public/time")
        assert answer.code == "00000"
        assert not counter.exchange.stats.faults


def test_faults_are_read_from_text() -> None:
    """As on the command line of the contract."""
    text = "429=0.02,500=0.01,reset=0.01,hang=0.005,truncate=0.005,hole=0.001"

    assert read_faults(text) == {
        "429": 0.02,
        "500": 0.01,
        "reset": 0.01,
        "hang": 0.005,
        "truncate": 0.005,
        "hole": 0.001,
    }
    assert read_faults("") == {}
    assert set(read_faults(",".join(f"{name}=0.01" for name in FAULTS))) == set(FAULTS)


@pytest.mark.parametrize("text", ["429", "429=", "429=often"])
def test_a_fault_without_a_share_is_a_clear_message(text: str) -> None:
    """It says what was found and how it should look."""
    with pytest.raises(SettingsError, match=r"is not NAME=SHARE such as 429=0\.02"):
        read_faults(text)


async def test_any_business_code_may_be_drawn() -> None:
    """By turns with HTTP 400 and 200, as they were documented and as they were met."""
    (first, _, text), (second, _, again) = await raw_answers("40309")

    assert (first, second) == (400, 200)
    assert json.loads(text)["code"] == json.loads(again)["code"] == "40309"
    assert json.loads(text)["data"] is None


def test_a_brotli_stream_of_stored_blocks_is_what_decoders_expect() -> None:
    """Bytes that an independent decoder (zlib of Node.js) read back, at and around the longest block."""
    assert stored(b"") == b"\x06"
    assert stored(b"abc") == bytes.fromhex("200010") + b"abc" + b"\x03"
    long = bytes(65_537)
    assert stored(long) == b"\xf0\xff\x1f" + long[:-1] + b"\x00\x00\x08" + long[-1:] + b"\x03"


async def test_brotli_is_sent_to_whom_offers_to_read_it() -> None:
    """A client that offers what it cannot read has only itself to blame."""
    async with (
        open_exchange([steps(100)], faults={"brotli": 1.0}) as counter,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        address, bodies = counter.exchange.url + URL, []
        for offered in ("gzip, deflate", "gzip, br"):
            headers = {"Accept-Encoding": offered}
            async with session.get(address, params=PAGE, headers=headers) as response:
                bodies.append((response.headers.get("Content-Encoding"), await response.read()))
        faults = counter.exchange.stats.faults

    (nothing, plain), (encoding, compressed) = bodies
    assert (nothing, encoding) == (None, "br")
    assert compressed == stored(plain)
    assert faults == {"brotli": 1}


async def test_brotli_is_sent_to_whom_cannot_read_it() -> None:
    """Proxies were met that compress whatever is asked for."""
    async with (
        open_exchange([steps(100)], faults={"brotli_forced": 1.0}) as counter,
        aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as session,
        session.get(counter.exchange.url + URL, params=PAGE) as response,
    ):
        assert response.headers["Content-Encoding"] == "br"


async def test_a_symbol_is_gone_after_so_many_answers_about_it() -> None:
    """Delisted in the middle of a download: refused with 40309 from then on, and listed no more."""
    series = [steps(100), steps(100, symbol="ETHUSDT")]
    async with open_exchange(series, delist={"BTCUSDT": 2}) as counter:
        codes = [(await counter.candles("history-candles")).code for _ in range(4)]
        other = await counter.candles("history-candles", symbol="ETHUSDT")
        listed = await counter.ask("/api/v2/mix/market/contracts", productType="USDT-FUTURES")

    assert codes == ["00000", "00000", "40309", "40309"]
    assert other.code == "00000"
    assert [row["symbol"] for row in listed.body["data"]] == ["ETHUSDT"]


def test_holes_are_punched_for_good_and_the_same_each_time() -> None:
    """Whole outages, the ends of the series stay."""
    series = [steps(20_000), steps(20_000, symbol="ETHUSDT")]
    first, second = punch_holes(series, share=0.01, seed=4)

    assert first.symbol == "BTCUSDT"
    assert 0.985 < len(first) / 20_000 < 0.995
    assert 3 < first.missing / len(first.holes) < 5
    assert (first.open_time[0], first.open_time[-1]) == (series[0].open_time[0], series[0].open_time[-1])
    assert first.holes != second.holes
    assert punch_holes(series, share=0.01, seed=4)[0].holes == first.holes
    assert punch_holes(series, share=0.01, seed=5)[0].holes != first.holes


def test_a_listing_may_be_late() -> None:
    """It begins so many days before its end; the others stay as they are."""
    young, old = list_late([steps(2_000), steps(2_000, symbol="ETHUSDT")], {"BTCUSDT": 3})

    assert (len(young), len(old)) == (3 * 288, 2_000)
    assert young.open_time[-1] == old.open_time[-1]


def test_numbers_by_symbol_are_read_from_text() -> None:
    """As the command line has them; what cannot be read is told with the option's name."""
    assert read_by_symbol("AUSDT=10, BUSDT=0", option="delist") == {"AUSDT": 10, "BUSDT": 0}
    assert read_by_symbol("", option="delist") == {}
    for text in ("AUSDT", "AUSDT=-1", "=3", "AUSDT=soon"):
        with pytest.raises(SettingsError, match=r"list-late: .* is not NAME=N"):
            read_by_symbol(text, option="list-late")
