"""The contracts of a run on disk, and what a replay makes of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import (
    MOST_READINGS,
    NO_BOOK,
    ContractBook,
    Readings,
    add_readings,
    read_book,
)
from desk.market.history.contract_terms import usual_terms
from desk.market.series.stored import read_stored
from tests.market.history.test_candle_store import CONTRACT
from tests.market.samples import NOW, random_candles

LEAVING = replace(CONTRACT, limit_open_time=NOW + 1, off_time=NOW + 2)
BOOK = ContractBook(
    "api.bitget.com", NOW, (LEAVING,), {"BTCUSDT": 1.0}, {"BTCUSDT": {"2025-11-07": 0.5, "2025-11-08": 0.25}}
)


def test_what_is_announced_comes_back() -> None:
    """Like every other term of a contract."""
    assert read_book(BOOK.text().encode()) == BOOK


def test_a_book_of_the_first_versions_is_read() -> None:
    """Nobody fetches 180 days again for two fields."""
    document = json.loads(BOOK.text())
    for row in document["contracts"]:
        del row["limit_open_time"], row["off_time"], row["spreads_bps"], row["spread_days"]
    book = read_book(json.dumps(document).encode())

    assert book.contracts == (CONTRACT,)
    assert book.spreads == {}


@pytest.mark.parametrize("time", ["soon", 1.5, True])
def test_a_time_that_is_none_is_refused(time: object) -> None:
    """It would decide what may be opened."""
    document = json.loads(BOOK.text())
    document["contracts"][0]["off_time"] = time

    with pytest.raises(NO_BOOK):
        read_book(json.dumps(document).encode())


@pytest.mark.parametrize(
    "spreads",
    [5.0, "5.0", {}, ["5.0"], [True], [None], [0], [-1.0], [float("nan")], [float("inf")], [20_001]],
)
def test_readings_that_are_none_are_refused(spreads: object) -> None:
    """They decide what a trade is charged."""
    document = json.loads(BOOK.text())
    document["contracts"][0]["spreads_bps"] = spreads
    del document["contracts"][0]["spread_days"]

    with pytest.raises(NO_BOOK):
        read_book(json.dumps(document).encode())


@pytest.mark.parametrize("days", [5, [], ["2025-11-07"], ["2025-11-07", "soon"], ["2025-11-07", 8], None])
def test_days_that_are_none_of_the_readings_are_refused(days: object) -> None:
    """They decide how many readings there are."""
    document = json.loads(BOOK.text())
    document["contracts"][0]["spread_days"] = days

    with pytest.raises(NO_BOOK):
        read_book(json.dumps(document).encode())


def days_of_january(spreads: Sequence[float]) -> dict[str, float]:
    """One reading a day, from the first on."""
    return {f"2025-01-{day:02}": spread for day, spread in enumerate(spreads, start=1)}


def test_readings_are_added_newest_last_and_the_oldest_leave() -> None:
    """A spread of last year says nothing; one that was not read now keeps what is known."""
    full = days_of_january([float(day) for day in range(1, MOST_READINGS + 1)])
    today = "2025-11-08"

    spreads = add_readings({"A": full, "B": {"2025-11-07": 7.0}}, {"A": 99.0, "C": 3.0}, at=NOW)

    assert spreads["A"] == {day: spread for day, spread in full.items() if spread > 1.0} | {today: 99.0}
    assert list(spreads["A"])[-1] == today
    assert spreads["B"] == {"2025-11-07": 7.0}
    assert spreads["C"] == {today: 3.0}
    assert len(spreads["A"]) == MOST_READINGS == 15


def test_runs_of_one_day_are_one_reading_the_latest() -> None:
    """Three runs within a quiet minute met one book; from three readings on the candles are not asked."""
    spreads: dict[str, Readings] = {}
    for minute, spread in enumerate((1.0, 2.0, 3.0)):
        spreads = add_readings(spreads, {"A": spread}, at=NOW + 60_000 * minute)

    assert spreads == {"A": {"2025-11-08": 3.0}}


def test_readings_of_an_older_book_which_have_no_day_are_one() -> None:
    """Nobody knows whether they were read within a minute."""
    document = json.loads(BOOK.text())
    document["contracts"][0]["spreads_bps"] = [1.0] * 5 + [2.0] * MOST_READINGS
    del document["contracts"][0]["spread_days"]

    assert read_book(json.dumps(document).encode()).spreads == {"BTCUSDT": {"2025-11-08": 2.0}}


def test_a_book_with_too_many_readings_keeps_the_newest() -> None:
    """The file is not ours alone."""
    document = json.loads(BOOK.text())
    readings = days_of_january([1.0] * 5 + [2.0] * MOST_READINGS)
    document["contracts"][0]["spreads_bps"] = list(readings.values())
    document["contracts"][0]["spread_days"] = list(readings)

    kept = read_book(json.dumps(document).encode()).spreads["BTCUSDT"]

    assert list(kept.values()) == [2.0] * MOST_READINGS


def test_an_announcement_counts_live_and_not_in_a_replay(tmp_path: Path) -> None:
    """When the stored candles happened nobody had announced it."""
    store = CandleStore(tmp_path)
    store.save(random_candles(CONTRACT.symbol, count=600), days=2)
    store.save_contracts(BOOK)
    (replayed,) = read_stored(tmp_path, [CONTRACT.symbol]).contracts
    live = usual_terms(LEAVING)

    assert (live.limit_open_time, live.off_time) == (NOW + 1, NOW + 2)
    assert replayed == replace(live, limit_open_time=None, off_time=None)
