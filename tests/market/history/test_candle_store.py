"""The cache: what it promises to other programs, to a crash, and to an attacker."""

import contextlib
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from desk.errors import CacheError, SettingsError
from desk.market.history.absence import BELIEVED, NOTHING_ABSENT, Absence, Absences
from desk.market.history.candle_store import CONTRACTS_FILE, CandleStore, check_symbol
from desk.market.history.candles import RawRows
from desk.market.history.contract_book import ContractBook
from desk.market.history.contracts import Contract
from desk.values import CANDLE_MS, COLUMNS, Hole
from tests.market.samples import NOW, assert_same_candles, random_candles, without

CONTRACT = Contract(
    symbol="BTCUSDT",
    kind="perpetual",
    status="normal",
    is_rwa=False,
    tick=Decimal("0.1"),
    size_step=Decimal("0.0001"),
    min_size=Decimal("0.0001"),
    min_notional=Decimal(5),
    max_limit_size=Decimal(1200),
    max_market_size=None,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0006"),
    funding_hours=8,
    max_leverage=Decimal(125),
)
BOOK = ContractBook("api.bitget.com", NOW, (CONTRACT,), {"BTCUSDT": 1.25e9})


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "backtest_data")


def test_a_cache_comes_back_value_by_value(store: CandleStore) -> None:
    """Training reads what was fetched and nothing else, holes included."""
    candles = without(random_candles(), (100, 3))
    holes = (Absence(Hole(NOW - 9_000 * CANDLE_MS, 2), BELIEVED), Absence(candles.holes[0], NOW))
    absent = Absences(holes, beginning=int(candles.open_time[0]))

    path = store.save(candles, days=180, absent=absent)

    assert path.name == "BTCUSDT_5m_180d.pkl"
    assert_same_candles(store.load("BTCUSDT", 180), candles)
    known, problems = store.known("BTCUSDT")
    assert known.absent == absent
    assert problems == ()
    assert store.is_current("BTCUSDT", 180, candles, absent)
    assert not store.is_current("BTCUSDT", 180, candles, NOTHING_ABSENT)
    assert not store.is_current("BTCUSDT", 90, candles, absent)


def test_pandas_opens_it_as_promised(store: CandleStore) -> None:
    """Users look into the cache with ``pandas.read_pickle``; the layout is a contract."""
    candles = random_candles()
    frame = pd.read_pickle(store.save(candles, days=180))  # noqa: S301 - our own file

    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "open_time"
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"
    assert list(frame.columns) == list(COLUMNS)
    assert frame.columns.dtype == object
    assert set(frame.dtypes) == {np.dtype("float64")}
    pd.testing.assert_frame_equal(frame, candles.frame(), check_exact=True)


def test_it_opens_without_pyarrow(store: CandleStore) -> None:
    """A library, pyarrow, is a development requirement; a user's machine has none."""
    path = store.save(random_candles(count=20), days=180)
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import pandas as pd; from pathlib import Path\n"
        "from desk.market.history.candle_store import CandleStore\n"
        f"path = Path({str(path)!r})\n"
        "frame = pd.read_pickle(path); assert len(frame) == 20\n"
        "candles = CandleStore(path.parent).load('BTCUSDT', 180); assert len(candles) == 20\n"
        "CandleStore(path.parent).save(candles, days=90)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])

    assert_same_candles(store.load("BTCUSDT", 90), random_candles(count=20))


def test_a_file_of_other_days_is_used_for_what_it_has(store: CandleStore) -> None:
    """``--days 30`` after ``--days 180`` fetches nothing, and the other way round only what is older."""
    long = random_candles(count=5 * 288)
    store.save(long, days=5)

    assert_same_candles(store.load("BTCUSDT", 2), long.rows(3 * 288, 5 * 288))
    assert len(store.known("BTCUSDT")[0].rows) == 5 * 288


def test_several_files_of_a_symbol_are_one_series(store: CandleStore) -> None:
    """The newest file tells the overlap, as the exchange may have corrected it."""
    whole = random_candles(count=4 * 288)
    newer = random_candles(count=288, seed=2)
    store.save(whole.rows(0, 4 * 288 - 20), days=4)
    store.save(newer, days=1)

    assert len(store.known("BTCUSDT")[0].rows) == 4 * 288
    assert_same_candles(store.load("BTCUSDT", 1), newer)
    assert_same_candles(store.load("BTCUSDT", 4).rows(0, 3 * 288), whole.rows(0, 3 * 288))


def test_symbols_of_other_scripts_have_files(store: CandleStore) -> None:
    """A few contracts have Chinese names."""
    candles = random_candles("龙虾USDT", count=20)
    store.save(candles, days=180)

    assert store.symbols() == ("龙虾USDT",)
    assert_same_candles(store.load("龙虾USDT", 180), candles)


@pytest.mark.parametrize(
    "symbol",
    ["", "..", "../BTC", "a/b", "a\\b", "a\0b", "/etc/passwd", ".hidden", "a b", "a..b", "x" * 99, "a\n"],
)
def test_a_symbol_cannot_leave_the_folder(store: CandleStore, symbol: str) -> None:
    """The name comes from the network; the file must not land elsewhere."""
    with pytest.raises(CacheError, match="file name"):
        check_symbol(symbol)
    with pytest.raises(CacheError, match="file name"):
        store.save(random_candles(symbol, count=3), days=180)


def test_an_absent_cache_says_what_to_do(store: CandleStore) -> None:
    """Offline, this is the whole answer a user gets."""
    with pytest.raises(CacheError, match=r"BTCUSDT_5m_180d.pkl is not there: fetch it"):
        store.load("BTCUSDT", 180)


@pytest.mark.parametrize(
    "body",
    [b"", b"not a pickle", pickle.dumps({"open": [1.0]}), pickle.dumps(random_candles().frame())[:-200]],
)
def test_a_corrupt_file_is_set_aside_and_named(store: CandleStore, body: bytes) -> None:
    """Kept for a look, out of the way of the next fetch; a second one does not overwrite the first."""
    path = store.path("BTCUSDT", 180)
    for number in (1, 2):
        store.folder.mkdir(exist_ok=True)
        path.write_bytes(body)
        with pytest.raises(CacheError, match=r"BTCUSDT_5m_180d\.pkl"):
            store.load("BTCUSDT", 180)

        known, (problem,) = store.known("BTCUSDT")

        assert len(known.rows) == 0
        assert f"set aside as BTCUSDT_5m_180d.pkl.corrupt-{number}" in problem
        assert not path.exists()
        assert path.with_name(f"{path.name}.corrupt-{number}").read_bytes() == body


def test_rows_that_are_no_candles_are_not_read_from_the_disk_either(store: CandleStore) -> None:
    """A file that was edited by hand passes the same gate as the exchange."""
    frame = random_candles(count=20).frame()
    frame.iloc[3, 2] = 1e9
    store.folder.mkdir()
    store.path("BTCUSDT", 180).write_bytes(pickle.dumps(frame))

    with pytest.raises(CacheError, match="low above"):
        store.load("BTCUSDT", 180)


def test_contracts_come_back_to_the_last_digit(store: CandleStore) -> None:
    """An order rounded to a wrong step is refused by the exchange."""
    store.save_contracts(BOOK)

    assert store.load_contracts() == BOOK


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-30],
        lambda text: "[]",  # noqa: ARG005
        lambda text: text.replace('"schema_version": 1', '"schema_version": 2'),
        lambda text: text.replace('"0.1"', '"a lot"'),
        lambda text: text.replace('"0.1"', '"NaN"'),
        lambda text: text.replace('"tick"', '"tock"'),
        lambda text: text.replace("false", '"false"'),
    ],
)
def test_contract_data_that_was_tampered_with_is_refused(store: CandleStore, damage: object) -> None:
    """It decides sizes and fees of real orders."""
    store.save_contracts(BOOK)
    path = store.folder / CONTRACTS_FILE
    text = path.read_text(encoding="utf-8")
    assert callable(damage)
    assert damage(text) != text
    path.write_text(damage(text), encoding="utf-8")

    with pytest.raises(CacheError, match=r"contracts\.json"):
        store.load_contracts()


def test_contracts_are_readable_for_people(store: CandleStore) -> None:
    """Tick, steps, fees and turnover under names that say so."""
    store.save_contracts(BOOK)
    (row,) = json.loads((store.folder / CONTRACTS_FILE).read_text(encoding="utf-8"))["contracts"]

    assert row["tick"] == "0.1"
    assert row["taker_fee"] == "0.0006"
    assert row["turnover"] == 1.25e9


def test_candles_of_two_markets_are_not_mixed(store: CandleStore) -> None:
    """A model trained half on an embedded exchange's invention would trade real money."""
    store.check_source("loopback")
    store.save_contracts(replace(BOOK, source="loopback"))

    store.check_source("loopback")
    with pytest.raises(SettingsError, match=r"candles of loopback.*--cache-dir"):
        store.check_source("api.bitget.com")


def test_a_folder_is_fetched_into_by_one_process_at_a_time(store: CandleStore) -> None:
    """Two runs would undo each other's work; the second ends at once, and a dead first is no obstacle."""
    program = (
        "import sys; from pathlib import Path; from desk.errors import SettingsError\n"
        "from desk.market.history.candle_store import CandleStore\n"
        f"store = CandleStore(Path({str(store.folder)!r}))\n"
        "try:\n"
        "    with store.locked(): print('free')\n"
        "except SettingsError as exc: print(exc)\n"
    )

    def other_process() -> str:
        command, house = [sys.executable, "-c", program], Path(__file__).parents[3]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=house)
        return done.stdout

    with store.locked():
        assert "another run is writing to" in other_process()
    assert other_process() == "free\n"


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    """The fix is named; nothing was started."""
    (tmp_path / "backtest_data").write_text("")

    with (
        pytest.raises(SettingsError, match=r"is a file, a directory is needed.*--cache-dir"),
        CandleStore(tmp_path / "backtest_data").locked(),
    ):
        pass


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "name", ["BTCUSDT_5m_180d.pkl", "BTCUSDT_funding.pkl", "contracts.json", ".BTCUSDT.pages"]
)
def test_a_pipe_among_the_caches_is_not_opened(store: CandleStore, name: str) -> None:
    """It would keep a training waiting for ever."""
    store.folder.mkdir(exist_ok=True)
    os.mkfifo(store.folder / name)

    with contextlib.suppress(CacheError):
        store.load("BTCUSDT", 180)
    with contextlib.suppress(CacheError):
        store.load_funding("BTCUSDT")
    with contextlib.suppress(CacheError):
        store.load_contracts()
    with contextlib.suppress(OSError):
        store.journal("BTCUSDT").read()


def test_a_link_out_of_the_folder_is_refused(store: CandleStore, tmp_path: Path) -> None:
    """What lies elsewhere is no cache of ours, and must not be taken for one."""
    path = store.save(random_candles(count=20), days=180)
    path.rename(elsewhere := tmp_path / "elsewhere.pkl")
    path.symlink_to(elsewhere)

    with pytest.raises(CacheError, match="a link to elsewhere"):
        store.load("BTCUSDT", 180)


def test_pages_are_not_written_through_a_link(store: CandleStore, tmp_path: Path) -> None:
    """Somebody who can write into the folder could have any file of the user changed."""
    (tmp_path / "diary").write_text("mine")
    store.folder.mkdir(exist_ok=True)
    (store.folder / ".BTCUSDT.pages").symlink_to(tmp_path / "diary")
    candles = random_candles(count=3)

    with pytest.raises(OSError, match="a link to elsewhere"):
        store.journal("BTCUSDT").add(RawRows(candles.open_time, candles.values))

    assert (tmp_path / "diary").read_text() == "mine"
