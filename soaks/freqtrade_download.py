"""Another program's download from the embedded exchange: freqtrade's files must equal the source.

``make soak-freqtrade``, which installs freqtrade into an environment of its own, or
``python -m soaks.freqtrade_download FREQTRADE_FOLDER [--days 20]``: the folder holds ``freqtrade`` and
``python``.  Nothing of freqtrade is changed but the address that it asks; it downloads candles of 5 and 15
minutes and of an hour of two invented contracts.  Ends with status 1 where a file has another row than the
source, or lacks one.

Not here: orders of another program (``tests/market/emulator/test_ccxt_client.py``).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from desk.clock import SystemClock
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.series.synthetic import synthesize
from desk.values import CANDLE_MS, Candles

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FRAMES = {"5m": 1, "15m": 3, "1h": 12}
"""Candles of five minutes in one of each length."""
SYMBOLS = {"BTCUSDT": "BTC/USDT:USDT", "ETHUSDT": "ETH/USDT:USDT"}
"""Contracts, and how freqtrade names them."""
ADDRESSES = "import ccxt, json; print(json.dumps(list(ccxt.bitget().urls['api'])))"
FILE = "{pair}-{frame}-futures.json"


def settings_of(url: str, apis: Sequence[str]) -> dict[str, object]:
    """The settings that freqtrade needs to download from ``url``; ``apis`` are names of ccxt's addresses."""
    return {
        "dry_run": True,
        "stake_currency": "USDT",
        "stake_amount": 100,
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "pairlists": [{"method": "StaticPairList"}],
        "entry_pricing": {"price_side": "same", "use_order_book": False},
        "exit_pricing": {"price_side": "same", "use_order_book": False},
        "exchange": {
            "name": "bitget",
            "pair_whitelist": list(SYMBOLS.values()),
            "ccxt_config": {"urls": {"api": dict.fromkeys(apis, url)}},
            "ccxt_async_config": {"urls": {"api": dict.fromkeys(apis, url)}},
        },
    }


def aggregated(candles: Candles, count: int) -> dict[int, list[float]]:
    """Open, high, low, close and volume by open time of the candles that ``count`` of these make."""
    first = int(-(candles.open_time[0] // CANDLE_MS) % count)
    whole = (len(candles) - first) // count * count
    values = candles.values[:, first : first + whole].reshape(len(candles.values), -1, count)
    o, h, l, c, volume = values[:5]
    rows = np.stack([o[:, 0], h.max(axis=1), l.min(axis=1), c[:, -1], volume.sum(axis=1)], axis=1)
    times = candles.open_time[first : first + whole : count]
    return dict(zip(times.tolist(), rows.tolist(), strict=True))


def differences(rows: Sequence[Sequence[float]], served: Candles, *, frame: str, since: int) -> Iterator[str]:
    """What a downloaded file has other than the source.

    Parameters
    ----------
    rows : sequence of rows
        Open time in ms, open, high, low, close, volume.
    served : Candles
        Of five minutes.
    frame : str
        Length of the downloaded candles.
    since : int
        When they were to begin, ms.
    """
    count = FRAMES[frame]
    expected = aggregated(served, count)
    wanted = [at for at in expected if at >= since][:-1]  # the newest may be left out
    found = {int(row[0]): [float(value) for value in row[1:6]] for row in rows}
    if len(found) < len(rows):
        yield f"{len(rows) - len(found)} rows are there twice"
    if missing := [at for at in wanted if at not in found]:
        yield f"{len(missing)} of {len(wanted)} candles are missing, the first at {missing[0]}"
    if invented := sorted(found.keys() - expected.keys()):
        yield f"{len(invented)} candles were never served, the first at {invented[0]}"
    other = [
        at for at in found.keys() & expected.keys() if not np.allclose(found[at], expected[at], rtol=1e-12)
    ]
    if other:
        yield f"{len(other)} candles have other values, the first at {min(other)}"


async def download(folder: Path, work: Path, series: Sequence[Candles], days: int) -> str:
    """Let freqtrade download; returns what it wrote if it failed.

    Parameters
    ----------
    folder : Path
        Of the programs ``freqtrade`` and ``python``.
    work : Path
        Where it may write.
    series : sequence of Candles
    days : int
    """
    end = int(series[0].open_time[-1]) + CANDLE_MS
    async with EmbeddedExchange(series, ExchangeOptions(now_ms=end), clock=SystemClock()) as exchange:
        status, apis = await output_of(folder / "python", "-c", ADDRESSES)
        if status:
            return apis
        config = work / "config.json"
        config.write_text(json.dumps(settings_of(exchange.url, json.loads(apis))))
        (work / "data").mkdir()
        status, text = await output_of(
            *(folder / "freqtrade", "download-data", "--userdir", work, "--config", config),
            *("--datadir", work / "data", "--data-format-ohlcv", "json", "--days", days),
            *("--timeframes", *FRAMES),
        )
    return text if status else ""


async def output_of(program: Path, *arguments: object) -> tuple[int, str]:
    """Run a program to its end; its status, and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        program, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


def main(argv: Sequence[str] | None = None) -> int:
    """Download, compare, and print a line per file; 0 if all are equal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of freqtrade's programs")
    parser.add_argument("--days", type=int, default=20, help="default %(default)s")
    args = parser.parse_args(argv)
    now = time.time_ns() // 1_000_000
    end = now // HOUR_MS * HOUR_MS
    series = [
        synthesize("noise", seed, symbol=symbol, end=end, candles=(args.days + 2) * 288)
        for seed, symbol in enumerate(SYMBOLS, start=1)
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        if failed := asyncio.run(download(args.folder, Path(work), series, args.days)):
            print(f"freqtrade failed:\n{failed}")
            return 1
        for candles in series:
            pair = SYMBOLS[candles.symbol].replace("/", "_").replace(":", "_")
            for frame in FRAMES:
                file = Path(work, "data", "futures", FILE.format(pair=pair, frame=frame))
                rows = json.loads(file.read_text()) if file.is_file() else []
                found = list(differences(rows, candles, frame=frame, since=now - (args.days - 1) * DAY_MS))
                wrong += bool(found)
                print(f"{candles.symbol} {frame:>3}: {len(rows):6,} rows, {'; '.join(found) or 'equal'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
