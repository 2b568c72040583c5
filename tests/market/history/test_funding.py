"""Settled funding rates: paged, incremental, and kept under the rules of the candle cache."""

import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.errors import CacheError, DataError
from desk.market.history.candle_store import CandleStore
from desk.market.history.funding import (
    FUNDING_ROWS,
    HOUR_MS,
    NO_FUNDING,
    FundingHistory,
    FundingRates,
    check_funding,
    download_funding,
    is_due,
    merge_rates,
)
from tests.market.samples import NOW, random_candles

INTERVAL = 8 * HOUR_MS


def settlements(count: int, *, end: int = NOW) -> FundingRates:
    """``count`` settlements every eight hours; the last one at ``end``."""
    time = end - INTERVAL * np.arange(count - 1, -1, -1, dtype=np.int64)
    return FundingRates(time, np.round(np.sin(np.arange(count) + time[0] / INTERVAL) * 1e-4, 8))


@dataclass
class Exchange:
    """Pages funding rates as Bitget does: newest first, no time window."""

    rates: FundingRates
    empty: frozenset[int] = frozenset()
    """Requests, from 1, that are answered with nothing by mistake."""
    asked: list[int] = field(default_factory=list)

    async def funding(self, symbol: str, page: int) -> FundingRates:
        """One page."""
        assert symbol == "BTCUSDT"
        self.asked.append(page)
        if len(self.asked) in self.empty:
            page = 1_000
        newest_first = slice((page - 1) * FUNDING_ROWS, page * FUNDING_ROWS)
        return FundingRates(self.rates.time[::-1][newest_first], self.rates.rate[::-1][newest_first])


async def fetch(
    exchange: Exchange, *, first: int, known: FundingHistory = NO_FUNDING, now: int = NOW
) -> FundingHistory:
    return await download_funding(exchange, "BTCUSDT", known=known, first=first, now=now)


def assert_same_rates(ours: FundingRates, theirs: FundingRates) -> None:
    assert ours.time.tolist() == theirs.time.tolist()
    assert ours.rate.tolist() == theirs.rate.tolist()


async def test_180_days_are_six_pages() -> None:
    """The exchange has no time window; paging ends where the wanted begin is reached."""
    exchange = Exchange(settlements(2_000))
    first = NOW - 540 * INTERVAL
    got = await fetch(exchange, first=first)

    assert_same_rates(got.rates, exchange.rates.between(first, NOW))
    assert got.since == first
    assert exchange.asked == [1, 2, 3, 4, 5, 6]


async def test_a_refresh_asks_for_one_page_and_nothing_when_none_is_due() -> None:
    """Rates settle every few hours; a run in between has nothing to ask."""
    exchange = Exchange(settlements(700))
    first = NOW - 540 * INTERVAL
    known = await fetch(Exchange(settlements(697, end=NOW - 3 * INTERVAL)), first=first)

    assert is_due(known, first=first, now=NOW, hours=8)
    got = await fetch(exchange, first=first + 3 * INTERVAL, known=known)

    assert exchange.asked == [1]
    assert_same_rates(got.rates, exchange.rates.between(first, NOW))
    assert got.since == first
    assert not is_due(got, first=first, now=NOW + INTERVAL - 1, hours=8)
    assert is_due(got, first=first, now=NOW + INTERVAL, hours=8)
    assert is_due(got, first=first, now=NOW + HOUR_MS, hours=None)


async def test_more_days_than_before_bring_the_older_rates() -> None:
    """Nothing is claimed to be complete that is not."""
    exchange = Exchange(settlements(700))
    known = await fetch(exchange, first=NOW - 90 * INTERVAL)
    assert is_due(known, first=NOW - 540 * INTERVAL, now=NOW, hours=8)

    got = await fetch(exchange, first=NOW - 540 * INTERVAL, known=known)

    assert_same_rates(got.rates, exchange.rates.between(NOW - 540 * INTERVAL, NOW))


async def test_a_young_symbol_is_complete_from_its_first_settlement_on() -> None:
    """And is asked for what did not exist with one page in every run that wants more."""
    exchange, first = Exchange(settlements(130)), NOW - 540 * INTERVAL
    got = await fetch(exchange, first=first)

    assert_same_rates(got.rates, exchange.rates)
    assert got.since == 0
    assert exchange.asked == [1, 2, 3, 3]
    assert is_due(got, first=first, now=NOW, hours=8)
    assert not is_due(got, first=NOW - 100 * INTERVAL, now=NOW, hours=8)
    exchange.asked.clear()
    again = await fetch(exchange, first=first, known=got)
    assert_same_rates(again.rates, exchange.rates)
    assert exchange.asked == [1, 2]


@pytest.mark.parametrize("count", [100, 130, 200])
async def test_rates_that_seemed_to_end_are_asked_for_again(count: int) -> None:
    """An empty page of the moment must not cut off the years before it for ever."""
    first = NOW - 540 * INTERVAL
    cut = await fetch(Exchange(settlements(count)), first=first)
    whole = settlements(700)

    got = await fetch(Exchange(whole), first=first, known=cut)

    assert cut.since == 0
    assert_same_rates(got.rates.between(first, NOW), whole.between(first, NOW))
    assert not is_due(got, first=first, now=NOW, hours=8)


async def test_a_rate_that_is_no_number_costs_itself_alone_and_is_asked_for_again() -> None:
    """One null in a page must not end the rates of a symbol for as long as it stays there."""
    whole, first = settlements(300), NOW - 250 * INTERVAL
    rate = whole.rate.copy()
    rate[-40] = np.nan
    exchange = Exchange(FundingRates(whole.time, rate))

    got = await fetch(exchange, first=first)
    later = await fetch(Exchange(whole), first=first, known=got)

    assert exchange.asked == [1, 1, 2, 3]
    assert len(got.rates) == 250
    assert not np.isnan(got.rates.rate).any()
    assert first < got.since == int(whole.time[-40]) + 1
    assert is_due(got, first=first, now=NOW, hours=8)
    assert_same_rates(later.rates, whole.between(first, NOW))
    assert later.since == first


@pytest.mark.parametrize("slip", [1, 2, 4])
async def test_one_empty_page_is_no_end(slip: int) -> None:
    """A single slip must not cut off five months for good."""
    exchange = Exchange(settlements(700), empty=frozenset({slip}))
    got = await fetch(exchange, first=NOW - 540 * INTERVAL)

    assert_same_rates(got.rates, exchange.rates.between(NOW - 540 * INTERVAL, NOW))


async def test_an_exchange_that_forgot_what_it_told_changes_nothing() -> None:
    """The next run asks again."""
    known = await fetch(Exchange(settlements(700)), first=NOW - 540 * INTERVAL)
    nothing = FundingRates(np.empty(0, np.int64), np.empty(0))
    got = await fetch(Exchange(nothing), first=NOW - 540 * INTERVAL, known=known)

    assert got is known


async def test_settlements_of_the_future_are_left_out() -> None:
    """Known is only what is settled by server time."""
    got = await fetch(Exchange(settlements(300)), first=NOW - 90 * INTERVAL, now=NOW - 1)

    assert int(got.rates.time[-1]) == NOW - INTERVAL


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_split_repetition_and_order_of_pages_gives_the_same_rates(data: st.DataObject) -> None:
    """A settlement in the middle of a download moves every row to a later place."""
    truth = settlements(40)
    cuts = sorted(data.draw(st.lists(st.integers(0, 40), max_size=5)))
    pages = []
    for first, stop in data.draw(st.permutations(list(zip([0, *cuts], [*cuts, 40], strict=True)))):
        rows = np.array(
            data.draw(st.permutations(list(range(max(first - 2, 0), min(stop + 2, 40))))), np.intp
        )
        pages.append(FundingRates(truth.time[rows], truth.rate[rows]))

    assert_same_rates(merge_rates(pages), truth)


@pytest.mark.parametrize(
    ("times", "rates", "problem"),
    [
        ([1, 1], [0.0, 0.0], "must increase"),
        ([2, 1], [0.0, 0.0], "must increase"),
        ([0, 1], [0.0, 0.0], "must increase"),
        ([1, 2], [0.0, float("nan")], "no number"),
        ([1, 2], [0.0], "settlement times for"),
    ],
)
def test_what_is_no_history_is_refused(times: list[int], rates: list[float], problem: str) -> None:
    """Also a file that was edited by hand passes this gate."""
    with pytest.raises(DataError, match=problem):
        check_funding("BTCUSDT", FundingRates(np.array(times), np.array(rates)), since=0)


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "backtest_data")


HISTORY = check_funding("BTCUSDT", settlements(20), since=NOW - 19 * INTERVAL)


def test_a_cache_comes_back_value_by_value(store: CandleStore) -> None:
    """Under the name that the contract gives it, readable by the library, pandas, without pyarrow as well."""
    path = store.save_funding("BTCUSDT", HISTORY)
    frame = pd.read_pickle(path)  # noqa: S301 - our own file

    assert path.name == "BTCUSDT_funding.pkl"
    assert_same_rates(store.load_funding("BTCUSDT").rates, HISTORY.rates)
    assert store.load_funding("BTCUSDT").since == HISTORY.since
    assert (frame.index.name, str(frame.index.dtype)) == ("funding_time", "datetime64[ms, UTC]")
    assert list(frame.columns) == ["funding_rate"]
    assert frame.columns.dtype == object
    program = (
        "import sys; sys.modules['pyarrow'] = None; import pandas as pd\n"
        f"assert len(pd.read_pickle({str(path)!r})) == 20"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_cache_that_is_none_is_set_aside_and_named(store: CandleStore) -> None:
    """Candles under the name of funding rates, a frame that does not say since when, and no pickle at all."""
    path = store.save_funding("BTCUSDT", HISTORY)
    without_since = HISTORY.rates.frame()
    for number, frame in enumerate((random_candles(count=20).frame(), without_since), 1):
        path.write_bytes(pickle.dumps(frame))
        with pytest.raises(CacheError, match=r"BTCUSDT_funding\.pkl is no cache of ours"):
            store.load_funding("BTCUSDT")
        known, (problem,) = store.known_funding("BTCUSDT")
        assert known is NO_FUNDING
        assert f"set aside as BTCUSDT_funding.pkl.corrupt-{number}" in problem
    path.write_bytes(b"cosmic rays")
    assert len(store.known_funding("BTCUSDT")[1]) == 1
    assert store.known_funding("BTCUSDT") == (NO_FUNDING, ())


def test_funding_rates_are_no_candles(store: CandleStore) -> None:
    """A symbol is not taken for cached because its funding rates are."""
    store.save_funding("BTCUSDT", HISTORY)

    assert store.symbols() == ()
    assert store.files("BTCUSDT") == ()
