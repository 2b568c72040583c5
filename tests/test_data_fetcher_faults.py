"""Phase 1 through every fault of the embedded exchange, and of this machine.

Each ends in caches that equal the truth, or in one named symbol's problem, or in one message about what
to do.
"""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from data_fetcher import fetch_universe
from desk.errors import SettingsError, Unwritable
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.emulator.options import FAULTS
from desk.market.history.paging import HISTORY
from desk.market.series.sources import list_late, punch_holes
from tests.market.samples import NOW, ImpatientClock, fetch_settings
from tests.test_data_fetcher import DAYS, MARKET, Run

HOUR_MS = 3_600_000
SHARES = {name: 0.3 if name in {"duplicate", "older", "brotli"} else 0.06 for name in FAULTS}
SHARES |= {"hole": 0.003, "hang": 0.02}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "backtest_data")


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_alone_ends_in_caches_that_equal_the_truth(run: Run, fault: str) -> None:
    """Named one by one, so that a new fault of the emulator cannot be forgotten here."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults={fault: SHARES[fault]}, fault_seed=2)
    report = await run.fetch(MARKET, options, timeout_s=0.5)

    assert report.problems == ()
    run.assert_cached(MARKET)


REPEATED = ("40010", "40015", "40725", "45001", "40604", "40908", "40910")
PAUSED = ("40200", "40308", "41114", "43115", "40844", "45043")


@pytest.mark.parametrize("code", [*REPEATED, *PAUSED])
async def test_codes_that_are_not_final_end_in_caches_that_equal_the_truth(run: Run, code: str) -> None:
    """Busy, timed out, being maintained: the same question is answered a little later."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults={code: 0.1}, fault_seed=2)
    report = await run.fetch(MARKET, options)

    assert run.exchange is not None
    assert run.exchange.stats.faults[code] > 0
    assert report.problems == ()
    run.assert_cached(MARKET)


@pytest.mark.parametrize(
    "code", ["40309", "40034", "40845", "22004", "40017", "400171", "00001", "40404", "30032", "40014"]
)
async def test_a_code_that_is_final_costs_its_symbol_and_no_other(run: Run, code: str) -> None:
    """Asking again would bring the same answer; the symbol is named, with the code."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults={code: 0.03}, fault_seed=2)
    report = await run.fetch(MARKET, options)

    assert 1 <= len(report.problems) < len(MARKET)
    error = "AccountError" if code == "40014" else "Refused"  # a refusal of the key or the account
    for problem in report.problems:
        assert (problem.stage, problem.error) == ("candles", error)
        assert f"(code {code})" in problem.message
        assert bool(problem.skip) is (code in {"40309", "40034", "40845", "22004"})
    done = {outcome.symbol for outcome in report.fetched}
    run.assert_cached([candles for candles in MARKET if candles.symbol in done])


async def test_a_symbol_that_is_delisted_in_the_middle_is_named_and_stops_no_other(run: Run) -> None:
    """Its first pages are received; then the exchange reports that it was removed."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, delist={"ETHUSDT": 7})
    report = await run.fetch(MARKET, options)

    (problem,) = report.problems
    assert (problem.symbol, problem.error) == ("ETHUSDT", "Refused")
    assert "40309" in problem.message
    assert problem.skip == "Not traded any more"
    run.assert_cached([MARKET[0], MARKET[2]])


async def test_a_listing_in_the_middle_is_the_beginning_of_the_cache(run: Run) -> None:
    """It is found, remembered, and asked for once in every run: what lies before it may have been late."""
    series = list_late(MARKET, {"ETHUSDT": 9, "LTCUSDT": 30})
    await run.fetch(series)
    run.assert_cached(series)

    await run.fetch(series)
    assert run.candle_requests == 2
    await run.fetch(MARKET)

    run.assert_cached(MARKET)


@pytest.mark.parametrize("history_end", ["exclusive", "inclusive", "unfloored"])
async def test_outages_of_the_exchange_are_holes_and_nothing_else_is(run: Run, history_end: str) -> None:
    """Real holes under faults that look like holes; for a week every run asks for them once."""
    series = punch_holes(MARKET, share=0.002, seed=3)
    faults = {"hole": 0.0005, "duplicate": 0.1, "older": 0.1, "500": 0.02}
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults=faults, history_end=history_end)
    report = await run.fetch(series, options)

    run.assert_cached(series)
    for candles, outcome in zip(series, sorted(report.fetched, key=lambda one: one.symbol), strict=True):
        assert outcome.missing == candles.since(outcome.first).missing > 0
    await run.fetch(series)
    assert run.candle_requests <= 3 * 4
    await run.fetch(MARKET)
    run.assert_cached(MARKET)


async def test_an_archive_that_answers_nothing_for_a_run_is_asked_again_by_the_next(run: Run) -> None:
    """Empty pages of a moment were taken for the beginning of a series, for ever and without a word."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults={"lag": 1.0})
    lost = await run.fetch(MARKET, options)
    report = await run.fetch(MARKET)

    assert {problem.error for problem in lost.problems} == {"NotEnoughHistory"}
    assert report.problems == ()
    run.assert_cached(MARKET)


@pytest.mark.parametrize("skew_ms", [-HOUR_MS, HOUR_MS])
async def test_a_clock_that_is_an_hour_off_changes_nothing(run: Run, skew_ms: int) -> None:
    """What is finished is decided by the exchange's clock and never by this machine's."""
    clock = ImpatientClock(wall_ms=NOW + skew_ms)
    options = ExchangeOptions(rate_limit=0, now_ms=NOW)
    async with EmbeddedExchange(MARKET, options, clock=ImpatientClock()) as exchange:
        await fetch_universe(fetch_settings(exchange.url, run.folder, days=DAYS), clock=clock)

    run.assert_cached(MARKET)


async def test_the_penalty_of_five_minutes_is_survived(run: Run) -> None:
    """Whoever shares the address used up the minute; then everything is refused for five."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=1_000, minute_limit=20, penalty=True)
    report = await run.fetch(MARKET, options)

    assert report.throttled > 0
    assert report.seconds > 300
    assert report.problems == ()
    run.assert_cached(MARKET)


async def test_a_full_disk_ends_the_run_with_one_message_and_costs_no_page(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven hundred symbols that cannot be written are one problem; the next run goes on where it stopped."""
    flush, room = os.fsync, [12]

    def until_full(handle: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", until_full)
        with pytest.raises(Unwritable, match=r"cannot be written.*No space left on device.*make room"):
            await run.fetch(MARKET)
    first = run.candle_requests
    await run.fetch(MARKET)

    run.assert_cached(MARKET)
    needed = 3 * (9 + 3)
    assert run.candle_requests <= needed - 5
    assert first < needed + 20
    assert not [path for path in run.folder.iterdir() if path.name.startswith((".draft-", ".B", ".E", ".L"))]


async def test_a_file_that_cannot_be_replaced_costs_its_symbol_alone(run: Run) -> None:
    """Only a disk that is full or broken is every symbol's trouble."""
    run.folder.mkdir()
    (run.folder / ".ETHUSDT.pages").mkdir()
    run.store.path("LTCUSDT", DAYS + 1).mkdir()
    report = await run.fetch(MARKET)

    (problem,) = report.problems
    assert (problem.symbol, problem.error) == ("ETHUSDT", "IsADirectoryError")
    assert "it is a folder, a regular file is needed" in problem.message
    run.assert_cached([MARKET[0], MARKET[2]])


async def test_a_second_run_on_the_same_folder_is_told_so_and_harms_nothing(run: Run) -> None:
    """Two terminals, one cache."""
    clock = ImpatientClock()
    async with EmbeddedExchange(MARKET, ExchangeOptions(rate_limit=0, now_ms=NOW), clock=clock) as exchange:
        settings = fetch_settings(exchange.url, run.folder, days=DAYS)
        first = asyncio.ensure_future(fetch_universe(settings, clock=clock))
        while not exchange.stats.requests[HISTORY.path]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        with pytest.raises(SettingsError, match=r"another run is writing to .*--cache-dir"):
            await fetch_universe(settings, clock=clock)
        await first

    run.assert_cached(MARKET)
