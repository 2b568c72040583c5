"""Phase 1 against the embedded exchange, over HTTP."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_fetcher import Fetched, FetchProblem, FetchProgress, FetchReport, choose, fetch_universe
from desk.errors import CacheError, SettingsError
from desk.market.bitget.public import Unreachable
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.history.candle_store import CandleStore
from desk.market.history.candles import check_candles
from desk.market.history.contract_book import ContractBook
from desk.market.history.paging import DAY_MS, HISTORY, RECENT
from desk.values import CANDLE_MS, Candles
from tests.market.history.test_candle_store import CONTRACT
from tests.market.samples import (
    NOW,
    ImpatientClock,
    assert_same_candles,
    fetch_settings,
    random_candles,
    without,
)
from tests.market.scripted import hang_up, serving

HOUSE = Path(__file__).parents[1]
SHARED = HOUSE.parent / "shared" / "data" / "candles"
DAYS = 31
"""Long enough for both feeds."""
MARKET = [
    random_candles(f"{name}USDT", count=33 * 288, seed=seed)
    for seed, name in enumerate(("BTC", "ETH", "LTC"))
]


@dataclass
class Watcher:
    """Notes what a progress bar would show."""

    tallies: list[FetchProgress] = field(default_factory=list)
    outcomes: list[Fetched | FetchProblem] = field(default_factory=list)
    symbols: tuple[str, ...] = ()

    def chosen(self, symbols: tuple[str, ...], _: ContractBook) -> None:
        """Keep what is to be fetched."""
        self.symbols = symbols

    def update(self, tally: FetchProgress) -> None:
        """Note how far it is."""
        self.tallies.append(tally)

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """Keep the outcome of a symbol."""
        self.outcomes.append(outcome)


class Run:
    """One fetch after another into the same folder, each from an exchange of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = CandleStore(folder)
        self.exchange: EmbeddedExchange | None = None

    async def fetch(
        self, series: Sequence[Candles], options: ExchangeOptions | None = None, **changes: Any
    ) -> FetchReport:
        """Fetch everything that an exchange with ``series`` has."""
        clock = ImpatientClock()
        options = options or ExchangeOptions(rate_limit=0, now_ms=NOW)
        async with EmbeddedExchange(series, options, clock=clock) as self.exchange:
            settings = fetch_settings(self.exchange.url, self.folder, **{"days": DAYS, **changes})
            return await fetch_universe(settings, clock=clock)

    @property
    def candle_requests(self) -> int:
        """Requests for candles that the last exchange saw."""
        assert self.exchange is not None
        return sum(self.exchange.stats.requests[feed.path] for feed in (RECENT, HISTORY))

    def assert_cached(self, series: Sequence[Candles], *, days: int = DAYS) -> None:
        """The cache equals the truth, value by value."""
        for candles in series:
            assert_same_candles(self.store.load(candles.symbol, days), candles.since(NOW - days * DAY_MS))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "backtest_data")


async def test_every_symbol_is_cached_value_by_value(run: Run) -> None:
    """What training reads is what the exchange sent."""
    report = await run.fetch(MARKET)

    run.assert_cached(MARKET)
    assert report.problems == ()
    assert {outcome.symbol for outcome in report.fetched} == {candles.symbol for candles in MARKET}
    for outcome in report.fetched:
        assert (outcome.candles, outcome.missing, outcome.fetched) == (DAYS * 288, 0, DAYS * 288)
        assert 0.01 < outcome.zero_volume_share < 0.1
    assert report.requests == 3 + sum(outcome.requests for outcome in report.fetched)
    assert not list(run.folder.glob(".draft-*"))


@pytest.mark.parametrize("end", ["2024-05-08", "2022-12-16", "2023-05-09"])
async def test_real_series_come_through_value_by_value_within_the_budget(run: Run, end: str) -> None:
    """Real prices, zero-volume stretches, an outage; at most 229 requests for a symbol's first 180 days."""
    if not SHARED.is_dir():
        pytest.skip(f"the real series of {SHARED} are not on this machine")
    sources = pytest.importorskip("desk.market.series.sources")
    newest = int(np.datetime64(f"{end}T23:55", "ms").astype(np.int64))
    series = [
        candles for candles in sources.read_candle_files(SHARED) if int(candles.open_time[-1]) == newest
    ]
    options = ExchangeOptions(rate_limit=0, now_ms=newest + CANDLE_MS + 12_345)

    report = await run.fetch(series, options, days=180)

    assert report.problems == ()
    for candles, outcome in zip(series, report.fetched, strict=True):
        wanted = candles.since(newest + CANDLE_MS - 180 * DAY_MS)
        assert_same_candles(run.store.load(candles.symbol, 180), wanted)
        assert outcome.requests <= 229


async def test_the_default_pace_draws_no_429(run: Run) -> None:
    """18 a second against a limit of 20, counted by the exchange on the same clock.

    One request at a time, because this clock doesn't wait for sockets.
    """
    options = ExchangeOptions(now_ms=NOW, rate_limit=20)
    report = await run.fetch(MARKET, options, requests_per_second=18.0, max_concurrent_requests=1)

    assert run.exchange is not None
    assert run.exchange.stats.throttled.total() == report.throttled == 0
    run.assert_cached(MARKET)


async def test_too_fast_a_pace_is_survived(run: Run) -> None:
    """Whatever the exchange counts, the caches come out whole."""
    report = await run.fetch(MARKET, ExchangeOptions(now_ms=NOW, rate_limit=20), requests_per_second=0.0)

    assert report.throttled > 0
    run.assert_cached(MARKET)


@pytest.mark.parametrize("cap", [1, 4, 20])
async def test_the_cap_on_requests_in_flight_holds(run: Run, cap: int) -> None:
    """Counted where it matters, at the exchange."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, latency_ms=5)
    await run.fetch(MARKET, options, max_concurrent_requests=cap, days=3)

    assert run.exchange is not None
    assert 1 <= run.exchange.stats.max_in_flight <= cap


FAULTS = {
    **dict.fromkeys(("429", "500", "reset", "truncate", "html", "nonjson", "empty", "maintain"), 0.03),
    "duplicate": 0.1,
    "older": 0.1,
    "hole": 0.002,
}


@pytest.mark.parametrize("seed", range(3))
async def test_every_fault_at_once_ends_in_caches_that_equal_the_truth(run: Run, seed: int) -> None:
    """A run of an hour meets all of them."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults=FAULTS, fault_seed=seed)
    report = await run.fetch(MARKET, options)

    assert report.problems == ()
    run.assert_cached(MARKET)


async def test_requests_that_hang_end_in_caches_that_equal_the_truth(run: Run) -> None:
    """Each costs one timeout and no more."""
    options = ExchangeOptions(now_ms=NOW, rate_limit=0, faults={"hang": 0.05})
    report = await run.fetch(MARKET[:1], options, timeout_s=0.3)

    assert report.unanswered > 0
    run.assert_cached(MARKET[:1])


@pytest.mark.parametrize("history_end", ["inclusive", "unfloored"])
async def test_no_reading_of_the_end_changes_the_cache(run: Run, history_end: str) -> None:
    """The documentation leaves it open."""
    await run.fetch(MARKET, ExchangeOptions(now_ms=NOW, rate_limit=0, history_end=history_end))

    run.assert_cached(MARKET)


async def test_a_second_run_asks_for_no_candle_and_an_hour_later_for_one_page_a_symbol(run: Run) -> None:
    """Only what is missing is fetched."""
    earlier = NOW - 3_600_000
    await run.fetch(MARKET, ExchangeOptions(now_ms=earlier, rate_limit=0))
    await run.fetch(MARKET, ExchangeOptions(now_ms=earlier + 1, rate_limit=0))
    assert run.candle_requests == 0

    report = await run.fetch(MARKET)

    assert run.candle_requests == len(MARKET)
    assert [outcome.fetched for outcome in report.fetched] == [12, 12, 12]
    run.assert_cached(MARKET)


async def test_fewer_days_need_no_request_and_more_days_only_the_older_pages(run: Run) -> None:
    """Trying another length of history is free, or as cheap as it can be."""
    await run.fetch(MARKET)
    await run.fetch(MARKET, days=5)
    assert run.candle_requests == 0
    run.assert_cached(MARKET, days=5)

    await run.fetch(MARKET, days=33)

    assert run.candle_requests == 3 * len(MARKET)
    run.assert_cached(MARKET, days=33)


async def test_refresh_fetches_anew(run: Run) -> None:
    """``--refresh`` trusts nothing that is cached."""
    await run.fetch(MARKET[:1])
    before = run.candle_requests
    await run.fetch(MARKET[:1], use_cache=False)

    assert run.candle_requests == before > 0
    run.assert_cached(MARKET[:1])


async def test_a_corrupt_cache_is_set_aside_told_and_fetched_anew(run: Run) -> None:
    """A bad disk costs one symbol's requests, not the run."""
    run.folder.mkdir()
    run.store.path("ETHUSDT", DAYS).write_bytes(b"cosmic rays")

    report = await run.fetch(MARKET)

    run.assert_cached(MARKET)
    (note,) = next(outcome.notes for outcome in report.fetched if outcome.symbol == "ETHUSDT")
    assert f"ETHUSDT_5m_{DAYS}d.pkl.corrupt-1" in note


async def test_one_symbols_trouble_never_stops_the_others(run: Run) -> None:
    """Of 786 symbols one is always odd; the others are ready and the odd one is named."""
    values = MARKET[1].values.copy()
    values[2, -200:] = 1e9
    broken = Candles("ETHUSDT", MARKET[1].open_time, values)
    unborn = check_candles("NEWUSDT", MARKET[0].open_time[-1:] + CANDLE_MS, MARKET[0].values[:, -1:])

    report = await run.fetch([MARKET[0], broken, MARKET[2], unborn])

    problems = {problem.symbol: problem for problem in report.problems}
    assert problems.keys() == {"ETHUSDT", "NEWUSDT"}
    assert problems["ETHUSDT"].stage == "candles"
    assert "low above" in problems["ETHUSDT"].message
    assert problems["NEWUSDT"].error == "NotEnoughHistory"
    run.assert_cached([MARKET[0], MARKET[2]])


async def test_a_row_that_is_no_candle_is_a_hole_with_a_note(run: Run) -> None:
    """It stays in the exchange's archive for good; the symbol must not be lost for 180 days."""
    values = MARKET[1].values.copy()
    values[2, -100] = 1e9
    bent = Candles("ETHUSDT", MARKET[1].open_time, values)

    report = await run.fetch([bent])

    (outcome,) = report.fetched
    assert (outcome.candles, outcome.missing) == (DAYS * 288 - 1, 1)
    (note,) = outcome.notes
    assert note.startswith(
        "1 row that is no candle is left out: the candle of 2025-11-07 15:40:00 has its low"
    )
    run.assert_cached([without(MARKET[1], (len(MARKET[1]) - 100, 1))])


async def test_a_history_shorter_than_asked_for_is_told(run: Run) -> None:
    """With and without the network; a model of 20 days looks like one of 31 otherwise."""
    young = MARKET[0].rows(13 * 288, 33 * 288)
    report = await run.fetch([young, MARKET[1]])
    settings = fetch_settings("http://127.0.0.1:9", run.folder, days=DAYS, offline=True)
    offline = await fetch_universe(settings, clock=ImpatientClock())

    notes = {outcome.symbol: outcome.notes for outcome in report.fetched}
    assert notes["ETHUSDT"] == ()
    short = "20 of 31 days, from 2025-10-19 00:00 to 2025-11-08 00:00"
    assert notes["BTCUSDT"] == (f"{short}: the exchange has no more now, and is asked again by every run",)
    assert {outcome.symbol: outcome.notes for outcome in offline.fetched} == {
        "BTCUSDT": (f"{short}: no more is cached",),
        "ETHUSDT": (),
    }


async def test_an_unknown_symbol_stops_the_run_before_any_candle_is_asked_for(run: Run) -> None:
    """A typing error costs a second, not an hour."""
    with pytest.raises(SettingsError, match=r"BTCUDST is not among the 3 contracts.*BTCUSDT"):
        await run.fetch(MARKET, symbols=("ETHUSDT", "BTCUDST"))

    assert run.candle_requests == 0


async def test_named_symbols_alone_are_fetched_in_their_order(run: Run) -> None:
    """As the user typed them."""
    report = await run.fetch(MARKET, symbols=("LTCUSDT", "BTCUSDT"), days=2)

    assert [outcome.symbol for outcome in report.outcomes] == ["LTCUSDT", "BTCUSDT"]


async def test_the_run_is_told_to_whoever_shows_it(run: Run) -> None:
    """A bar that ends at 100 % and a line per symbol."""
    watcher, clock = Watcher(), ImpatientClock()
    async with EmbeddedExchange(MARKET, ExchangeOptions(rate_limit=0, now_ms=NOW), clock=clock) as exchange:
        settings = fetch_settings(exchange.url, run.folder, days=DAYS)
        report = await fetch_universe(settings, clock=clock, progress=watcher)

    last = watcher.tallies[-1]
    assert sorted(outcome.symbol for outcome in watcher.outcomes) == ["BTCUSDT", "ETHUSDT", "LTCUSDT"]
    assert (last.symbols, last.symbols_done) == (3, 3)
    assert last.requests_expected == sum(outcome.requests for outcome in report.fetched)
    assert last.requests == report.requests
    assert last.candles >= 3 * DAYS * 288


async def test_an_unreachable_address_is_one_message_and_what_is_cached_stays(run: Run) -> None:
    """Also in the middle of a run."""
    await run.fetch(MARKET)
    clock = ImpatientClock()
    async with serving(hang_up) as script:
        with pytest.raises(Unreachable, match="cannot be reached"):
            await fetch_universe(fetch_settings(script.url, run.folder, days=DAYS), clock=clock)

    run.assert_cached(MARKET)


async def test_an_exchange_that_goes_silent_in_the_middle_ends_the_run_once(run: Run) -> None:
    """Not with one timeout after the other for each of 700 symbols that are left."""
    clock = ImpatientClock()
    async with EmbeddedExchange(MARKET, ExchangeOptions(rate_limit=0, now_ms=NOW), clock=clock) as exchange:
        settings = fetch_settings(exchange.url, run.folder, days=DAYS, attempts=3)

        class Unplug(Watcher):
            def finished(self, outcome: Fetched | FetchProblem) -> None:
                super().finished(outcome)
                exchange._faults.of_answer = lambda _: "reset"  # type: ignore[method-assign, assignment]

        watcher = Unplug()
        with contextlib.suppress(Unreachable):
            await fetch_universe(settings, clock=clock, progress=watcher)

    done = {outcome.symbol for outcome in watcher.outcomes if isinstance(outcome, Fetched)}
    run.assert_cached([candles for candles in MARKET if candles.symbol in done])


async def test_an_interrupted_run_keeps_what_is_finished_and_the_next_one_goes_on(run: Run) -> None:
    """Ctrl-C after 40 minutes must not cost 40 minutes."""
    clock = ImpatientClock()
    async with EmbeddedExchange(MARKET, ExchangeOptions(rate_limit=0, now_ms=NOW), clock=clock) as exchange:
        settings = fetch_settings(exchange.url, run.folder, days=DAYS)
        first_done = asyncio.Event()

        class Interrupt(Watcher):
            def finished(self, outcome: Fetched | FetchProblem) -> None:
                super().finished(outcome)
                first_done.set()

        watcher = Interrupt()
        task = asyncio.ensure_future(fetch_universe(settings, clock=clock, progress=watcher))
        await first_done.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run.assert_cached([candles for candles in MARKET if candles.symbol == watcher.outcomes[0].symbol])
    await run.fetch(MARKET)
    run.assert_cached(MARKET)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
async def test_pages_of_an_unfinished_symbol_are_not_asked_for_again(run: Run, end: signal.Signals) -> None:
    """A stopped run has symbols half done: its restart asks at most for the pages that were in flight."""
    whole = random_candles(count=60 * 288)
    clock = ImpatientClock()
    async with EmbeddedExchange([whole], ExchangeOptions(rate_limit=0, now_ms=NOW), clock=clock) as exchange:
        program = (
            "import asyncio; from pathlib import Path; from data_fetcher import fetch_universe\n"
            "from tests.market.samples import fetch_settings; from desk.clock import SystemClock\n"
            f"settings = fetch_settings({exchange.url!r}, Path({str(run.folder)!r}), days=60,"
            " requests_per_second=60.0, max_concurrent_requests=4)\n"
            "asyncio.run(fetch_universe(settings, clock=SystemClock()))\n"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, cwd=HOUSE, stderr=asyncio.subprocess.DEVNULL
        )
        while exchange.stats.requests[HISTORY.path] < 20:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        process.send_signal(end)
        assert await process.wait()

    assert run.store.symbols() == ()
    await run.fetch([whole], days=60)

    run.assert_cached([whole], days=60)
    assert run.candle_requests <= 9 + 45 - 20 - 9 + 3 * 4
    assert {path.name for path in run.folder.iterdir()} == {"BTCUSDT_5m_60d.pkl", "contracts.json", ".lock"}


async def test_offline_needs_no_network_and_gives_what_is_cached(run: Run) -> None:
    """On a train, or to train again on exactly the same candles."""
    await run.fetch([MARKET[0], without(MARKET[1], (9_000, 4))])
    settings = fetch_settings("http://127.0.0.1:9", run.folder, days=DAYS, offline=True)

    report = await fetch_universe(settings, clock=ImpatientClock())

    assert report.requests == 0
    assert {outcome.symbol: outcome.missing for outcome in report.fetched} == {"BTCUSDT": 0, "ETHUSDT": 4}


async def test_offline_names_the_symbols_that_were_never_fetched(run: Run) -> None:
    """Those that are cached go on."""
    await run.fetch(MARKET, symbols=("BTCUSDT",), days=2)
    settings = fetch_settings(
        "http://127.0.0.1:9", run.folder, days=2, offline=True, symbols=("BTCUSDT", "ETHUSDT")
    )

    report = await fetch_universe(settings, clock=ImpatientClock())

    assert [outcome.symbol for outcome in report.fetched] == ["BTCUSDT"]
    (problem,) = report.problems
    assert (problem.symbol, problem.error) == ("ETHUSDT", "CacheError")
    assert "without --offline" in problem.message


async def test_offline_without_anything_says_what_to_do(run: Run) -> None:
    """A fresh checkout."""
    settings = fetch_settings("http://127.0.0.1:9", run.folder, offline=True)
    with pytest.raises(CacheError, match=r"contracts\.json is not there.*without --offline"):
        await fetch_universe(settings, clock=ImpatientClock())


BOOK = ContractBook(
    "api.bitget.com",
    NOW,
    (
        replace(CONTRACT, symbol="AUSDT"),
        replace(CONTRACT, symbol="BUSDT"),
        replace(CONTRACT, symbol="TSLAUSDT", is_rwa=True),
        replace(CONTRACT, symbol="OLDUSDT", status="off"),
        replace(CONTRACT, symbol="DUSDT", kind="delivery"),
        replace(CONTRACT, symbol="CUSDT"),
    ),
    {"AUSDT": 5.0, "BUSDT": 50.0, "TSLAUSDT": 500.0},
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("BUSDT", "AUSDT", "CUSDT")),
        ({"include_rwa": True}, ("TSLAUSDT", "BUSDT", "AUSDT", "CUSDT")),
        ({"top": 2}, ("BUSDT", "AUSDT")),
        ({"symbols": ("CUSDT", "TSLAUSDT")}, ("CUSDT", "TSLAUSDT")),
    ],
)
def test_the_universe_is_what_was_asked_for(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Active perpetuals on coins, by turnover, unless the user names others."""
    assert (
        choose(fetch_settings("https://api.bitget.com", Path("x"), requests_per_second=18, **changes), BOOK)
        == expected
    )


def test_a_symbol_that_cannot_be_traded_is_no_silent_absence() -> None:
    """All complaints at once, each with its reason."""
    settings = fetch_settings("http://127.0.0.1:9", Path("x"), symbols=("OLDUSDT", "DUSDT", "ZZZ"))
    with pytest.raises(SettingsError) as caught:
        choose(settings, BOOK)

    for part in ("OLDUSDT cannot be traded", "status off", "delivery contract", "ZZZ is not among the 6"):
        assert part in str(caught.value)
