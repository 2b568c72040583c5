"""The embedded exchange as a user starts it: series from files and seeds, one command line."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from desk.errors import SettingsError
from desk.market.emulator import ExchangeOptions
from desk.market.emulator.__main__ import extend_for_running_clock, main
from desk.market.series.facts import price_tick
from desk.market.series.sources import (
    DAYS_AHEAD,
    USUAL_END,
    align_ends,
    extend_synthetic,
    read_candle_files,
    read_funding_files,
    read_synthetic,
    synthetic_series,
)
from desk.values import CANDLE_MS, Candles
from tests.market.emulator.samples import T0, open_exchange, steps

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "data"
needs_real_series = pytest.mark.skipif(
    not (REAL / "candles").is_dir(), reason="the real series of ../shared/data are not beside the checkout"
)


def write_series(folder: Path, candles: Candles, *, quote_volume: bool = False) -> Path:
    """Write ``candles`` as a file of the embedded exchange."""
    names = ["open", "high", "low", "close", "volume", *(["quote_volume"] if quote_volume else [])]
    columns = {"timestamp": candles.open_time} | dict(zip(names, candles.values, strict=False))
    folder.mkdir(exist_ok=True)
    path = folder / f"{candles.symbol}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_a_file_is_served_as_it_is(tmp_path: Path) -> None:
    """Turnover is volume × typical price only where the file has none."""
    without, with_it = steps(30), steps(30, symbol="ETHUSDT")
    write_series(tmp_path, without)
    write_series(tmp_path, with_it, quote_volume=True)

    btc, eth = read_candle_files(tmp_path)

    assert (btc.symbol, eth.symbol) == ("BTCUSDT", "ETHUSDT")
    _, h, l, c, volume, _ = without.values
    assert np.array_equal(btc.values[:5], without.values[:5])
    assert np.array_equal(btc.values[5], volume * ((h + l + c) / 3))
    assert np.array_equal(eth.values, with_it.values)
    assert np.array_equal(eth.open_time, with_it.open_time)


@needs_real_series
async def test_real_series_arrive_value_by_value(subtests: pytest.Subtests) -> None:
    """What training sees is what the exchange recorded: no rounding, no filling, every hole kept."""
    series = read_candle_files(REAL / "candles")
    assert len(series) == 8
    async with open_exchange(series) as counter:
        for candles in series:
            with subtests.test(symbol=candles.symbol):
                last = int(candles.open_time[-1]) + CANDLE_MS
                rows: list[list[str]] = []
                end = last
                for _ in range(5):
                    answer = await counter.candles(
                        "history-candles", symbol=candles.symbol, limit=200, endTime=end
                    )
                    rows = answer.body["data"] + rows
                    end = int(rows[0][0])
                assert [int(row[0]) for row in rows] == candles.open_time[-1000:].tolist()
                served = np.array([row[1:] for row in rows], dtype=np.float64).T
                assert np.array_equal(served, candles.values[:, -1000:])
                table = pq.read_table(REAL / "candles" / f"{candles.symbol}.parquet")
                for row, name in enumerate(("open", "high", "low", "close", "volume")):
                    assert np.array_equal(served[row], table.column(name).to_numpy()[-1000:])


@needs_real_series
async def test_the_hole_of_a_real_series_is_served_as_a_hole() -> None:
    """CTSI misses 16 candles of an outage in March 2023."""
    series = {candles.symbol: candles for candles in read_candle_files(REAL / "candles")}["CTSIUSDT"]
    (hole,) = series.holes
    async with open_exchange([series]) as counter:
        after = hole.first + (hole.candles + 3) * CANDLE_MS
        answer = await counter.candles("history-candles", symbol="CTSIUSDT", limit=6, endTime=after)

    assert hole.candles == 16
    assert np.diff(answer.times).tolist() == [CANDLE_MS] * 2 + [17 * CANDLE_MS] + [CANDLE_MS] * 2


@needs_real_series
def test_real_funding_is_read() -> None:
    """Five of the eight series have rates."""
    funding = read_funding_files(REAL / "funding")

    assert len(funding) == 5
    assert funding["BTCUSDT"].interval_hours == 8
    assert len(funding["BTCUSDT"].time) == 570


def test_series_can_be_made_to_end_together(tmp_path: Path) -> None:
    """Series of other years become one market; values and distances stay, funding moves along."""
    old, new = steps(50, symbol="OLDUSDT", first=T0 - 1000 * CANDLE_MS), steps(30)
    rates = tmp_path / "funding"
    rates.mkdir()
    settled = np.array([T0 - 990 * CANDLE_MS, T0 - 980 * CANDLE_MS])
    pq.write_table(pa.table({"timestamp": settled, "funding_rate": [1e-4, 2e-4]}), rates / "OLDUSDT.parquet")

    (moved, kept), funding = align_ends([old, new], read_funding_files(rates))

    shift = int(moved.open_time[0] - old.open_time[0])
    assert moved.open_time[-1] == kept.open_time[-1] == new.open_time[-1]
    assert shift % CANDLE_MS == 0
    assert np.array_equal(moved.open_time - old.open_time, np.full(50, shift))
    assert np.array_equal(moved.values, old.values)
    assert np.array_equal(funding["OLDUSDT"].time, settled + shift)


def broken(name: str, folder: Path) -> None:
    """Plant one thing that keeps a folder from being served."""
    rows = 20
    columns = {
        "timestamp": T0 + CANDLE_MS * np.arange(rows),
        **{column: np.full(rows, 1.0) for column in ("open", "high", "low", "close", "volume")},
    }
    match name:
        case "not on the grid":
            columns["timestamp"] = columns["timestamp"] + 1
        case "twice":
            columns["timestamp"][3] = columns["timestamp"][2]
        case "nan":
            columns["close"][3] = np.nan
        case "low above close":
            columns["low"][3] = 2.0
        case "volume":
            columns["volume"][3] = -1.0
        case "column":
            del columns["high"]
        case "no row":
            columns = {column: values[:0] for column, values in columns.items()}
    if name == "no parquet":
        (folder / "BTCUSDT.parquet").write_bytes(b"PAR1 but not really")
    elif name != "nothing there":
        pq.write_table(pa.table(columns), folder / "BTCUSDT.parquet")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("not on the grid", "increase on the 5-minute grid"),
        ("twice", "increase on the 5-minute grid"),
        ("nan", "missing or infinite"),
        ("low above close", "low ≤ open, close ≤ high"),
        ("volume", "volume is negative"),
        ("column", "no column high"),
        ("no row", "no row"),
        ("no parquet", "cannot be read as parquet"),
        ("nothing there", r"holds no SYMBOL\.parquet"),
    ],
)
def test_a_file_that_is_no_series_is_named(fault: str, told: str, tmp_path: Path) -> None:
    """The message says which file and what is wrong with it."""
    broken(fault, tmp_path)

    with pytest.raises(SettingsError, match=told) as caught:
        read_candle_files(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_synthetic_series_end_where_the_market_is() -> None:
    """At the server time, else with the files beside them, else on a fixed day."""
    names = read_synthetic("AUSDT=edge:1, BUSDT=noise:2")
    beside = [steps(30)]

    def last(now: int | None, others: list[Candles]) -> list[int]:
        return [int(series.open_time[-1]) for series in synthetic_series(names, beside=others, now_ms=now)]

    assert [name.symbol for name in names] == ["AUSDT", "BUSDT"]
    assert last(T0 + 5, beside) == [T0 - CANDLE_MS] * 2
    assert last(None, beside) == [T0 + 29 * CANDLE_MS] * 2
    assert last(None, []) == [USUAL_END - CANDLE_MS] * 2


@pytest.mark.parametrize("text", ["AUSDT=edge:1", "AUSDT=noise:3"])
def test_a_synthetic_series_that_runs_on_keeps_its_past(text: str) -> None:
    """Who trained on it meets the same history, and what comes is candles of the same market."""
    names = read_synthetic(text)
    [past] = synthetic_series(names, beside=[], now_ms=None)

    [whole] = extend_synthetic([past], names, days=2)
    new = whole.since(int(past.open_time[-1]) + CANDLE_MS)

    assert np.array_equal(whole.open_time[: len(past)], past.open_time)
    assert np.array_equal(whole.values[:, : len(past)], past.values)
    assert len(new) == 2 * 288
    assert np.all(np.diff(whole.open_time) == CANDLE_MS)
    o, h, l, c, volume, quote_volume = whole.values
    assert np.array_equal(o[1:], c[:-1])
    assert np.all((l <= np.minimum(o, c)) & (h >= np.maximum(o, c)) & (l > 0))
    assert np.array_equal(volume == 0, quote_volume == 0)
    assert price_tick(whole) == price_tick(past)


def test_a_running_clock_starts_where_the_past_ends() -> None:
    """The default server time is the end of what could be trained on, not of what is still to come."""
    names = read_synthetic("AUSDT=noise:1")
    series = [*synthetic_series(names, beside=[], now_ms=None), steps(30)]

    options, longer = extend_for_running_clock(ExchangeOptions(speed=1.0), series, names)

    assert options.now_ms == USUAL_END
    assert longer[0].open_time[-1] == USUAL_END + DAYS_AHEAD * 288 * CANDLE_MS - CANDLE_MS
    assert longer[1] is series[1]
    assert extend_for_running_clock(ExchangeOptions(speed=1.0, now_ms=T0), series, names)[0].now_ms == T0


WRONG_ARGUMENTS = [
    ([], "no series to serve"),
    (["--synthetic", "AUSDT=gold:1"], "NAME=KIND:SEED"),
    (["--synthetic", "AUSDT=edge"], "NAME=KIND:SEED"),
    (["--synthetic", "AUSDT=edge:1,AUSDT=noise:1"], "AUSDT is named twice"),
    (["--candles", "no/such/folder"], "is not a folder"),
    (["--synthetic", "AUSDT=edge:1", "--faults", "quake=0.1"], "known are 429, 500, reset"),
    (["--synthetic", "AUSDT=edge:1", "--faults", "429=often"], "NAME=SHARE"),
    (["--synthetic", "AUSDT=edge:1", "--faults", "429=0.7,500=0.7"], "add up to 1.4"),
    (["--synthetic", "AUSDT=edge:1", "--host", "192.0.2.1"], "loopback"),
    (["--synthetic", "AUSDT=edge:1", "--port", "99999"], "port is 99999"),
    (["--synthetic", "AUSDT=edge:1", "--speed", "-1"], "speed is -1"),
    (["--synthetic", "AUSDT=edge:1", "--rate-limit", "many"], "must be a whole number"),
    (["--synthetic", "AUSDT=edge:1", "--history-end", "open"], "must be one of"),
    (["--synthetic", "AUSDT=edge:1", "--holes", "0.9"], "--holes: 0.9 does not lie between"),
    (["--synthetic", "AUSDT=edge:1", "--delist", "AUSDT"], "delist: 'AUSDT' is not NAME=N"),
    (["--synthetic", "AUSDT=edge:1", "--list-late", "AUSDT=soon"], "list-late: 'AUSDT=soon'"),
]


@pytest.mark.parametrize(
    ("argv", "told"), WRONG_ARGUMENTS, ids=[" ".join(argv) for argv, _ in WRONG_ARGUMENTS]
)
def test_wrong_arguments_end_with_status_2(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens, and the message says what to change."""
    with pytest.raises(SystemExit) as ended:
        main(argv)

    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_pyarrow_is_asked_for_only_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without it can run the demo; with files the message says how to get it."""
    write_series(tmp_path, steps(5))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(SettingsError, match=r"pip install -r requirements-dev\.txt"):
        read_candle_files(tmp_path)
    assert synthetic_series(read_synthetic("AUSDT=noise:1"), beside=[], now_ms=T0)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_says_where_it_listens_and_stops_cleanly(
    stop: signal.Signals, tmp_path: Path
) -> None:
    """Scripts read the first line; one signal ends it, even while an answer hangs."""
    write_series(tmp_path, steps(300))
    command = [sys.executable, "-m", "desk.market.emulator", "--candles", str(tmp_path), "--faults", "hang=1"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        first = (await process.stdout.readline()).decode()
        assert first.startswith("listening on http://127.0.0.1:")
        url = first.removeprefix("listening on ").strip()
        async with aiohttp.ClientSession() as session:
            hanging = asyncio.create_task(session.get(f"{url}/api/v2/public/time"))
            in_flight = 0
            while not in_flight:
                async with session.get(f"{url}/emulator/stats") as response:
                    in_flight = (await response.json())["in_flight"]
            process.send_signal(stop)
            with pytest.raises(aiohttp.ClientConnectionError):
                await hanging
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, out, err) == (0, b"", b"")
