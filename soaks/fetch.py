"""Kills the fetcher again and again, and then compares every cache with the truth.

``python -m soaks.fetch [--kills 20] [--seed 0]`` serves six symbols under faults and starts the
fetcher in a process of its own, which SIGKILLs itself at a seeded moment: in the middle of writing a page
(the record is left torn), just before or just after a rename, or at any time.  The next one goes on in the
same folder.  Before every fourth kill a whole fetch goes to an exchange whose pages are mostly empty, so that
it learns of holes and beginnings that are none.  Whenever a fetch comes to its end, after that one the second
that does, the caches are compared with what was served, and the folder is emptied.  Prints what each restart
asked for again: requests that brought no candle that had not been delivered before.  Linux only.

The product has no hook for this: ``child`` wraps ``os.fsync``, ``os.replace`` and the client in its own
process.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from config import default_settings
from data_fetcher import fetch_universe
from desk.clock import SystemClock
from desk.market.bitget.public import BitgetPublic
from desk.market.history.candle_store import CandleStore
from desk.market.history.candles import RawRows
from desk.market.history.paging import DAY_MS, Page
from desk.market.series.sources import read_synthetic, synthetic_series
from desk.values import CANDLE_MS, Candles

HERE = Path(__file__).resolve().parent
SYMBOLS, DAYS = 6, 45
NOW = 1_767_225_600_000 + 123_456
NAMES = ",".join(f"S{number}USDT=noise:{number}" for number in range(SYMBOLS))
FAULTS = (
    "429=0.004,500=0.02,reset=0.02,truncate=0.01,html=0.01,nonjson=0.01,empty=0.01,hang=0.002,"
    "40015=0.01,duplicate=0.05,older=0.05,hole=0.0005,"
    "short=0.03,lag=0.01,bad_row=0.02,null=0.02,brotli_forced=0.005"
)
LAGGING = "lag=0.7"
LAGS_EVERY = 4
"""Kills from one fetch from a lagging exchange to the next."""
KINDS = ("page", "before rename", "after rename", "page", "any time")
"""In turns; four of five fall into a page write or a rename."""


@dataclass(frozen=True, slots=True)
class Death:
    """When a fetcher dies: at the ``number``-th page or rename, for "any time" a moment after that page."""

    kind: str
    number: int
    part: float
    """Of the page that is left, or seconds after it in units of 50 ms."""


def child(url: str, folder: Path, log: Path, death: Death) -> None:
    """Fetch, and die as told; a fetch that is over first ends with status 0.

    Parameters
    ----------
    url : str
        Of the embedded exchange.
    folder : Path
        The cache.
    log : Path
        Where the requests are written down.
    death : Death
        When to die.
    """
    pages, renames, fsync, rename = Countdown(death.number), Countdown(death.number), os.fsync, os.replace
    answered, ask = Countdown(death.number), BitgetPublic.candles

    def fsync_and_die(handle: int) -> None:
        written = os.readlink(f"/proc/self/fd/{handle}")
        if death.kind == "page" and written.endswith(".pages") and pages.over():
            size = os.fstat(handle).st_size
            os.truncate(handle, size - int(death.part * 9_000))
            die()
        fsync(handle)

    def rename_and_die(source: Path, target: Path) -> None:
        mine = death.kind.endswith("rename") and renames.over()
        if mine and death.kind.startswith("before"):
            die()
        rename(source, target)
        if mine:
            die()

    async def ask_and_note(self: BitgetPublic, symbol: str, page: Page) -> RawRows:
        rows = await ask(self, symbol, page)
        with log.open("a") as file:
            file.write(json.dumps([symbol, rows.open_time.tolist()]) + "\n")
        if death.kind == "any time" and answered.over():
            threading.Timer(death.part * 0.05, die).start()
        return rows

    os.fsync, os.replace = fsync_and_die, rename_and_die  # type: ignore[assignment]
    BitgetPublic.candles = ask_and_note  # type: ignore[method-assign]
    settings = replace(
        default_settings().fetch,
        base_url=url,
        cache_dir=folder,
        days=DAYS,
        requests_per_second=0.0,
        timeout_s=3.0,
    )
    report = asyncio.run(fetch_universe(settings, clock=SystemClock()))
    raise SystemExit(len(report.problems))


class Countdown:
    """Says when the ``number``-th call is there."""

    def __init__(self, number: int) -> None:
        self._left = number

    def over(self) -> bool:
        """Count one call."""
        self._left -= 1
        return self._left == 0


def die() -> None:
    """Leave without a farewell."""
    os.kill(os.getpid(), signal.SIGKILL)


class Soak:
    """One folder through many deaths."""

    def __init__(self, url: str, lagging_url: str, room: Path) -> None:
        self.url = url
        self.lagging_url = lagging_url
        self.folder = room / "backtest_data"
        self.log = room / "answered.log"
        self.truth = {
            candles.symbol: candles
            for candles in synthetic_series(read_synthetic(NAMES), beside=(), now_ms=NOW)
        }
        self.compared = 0
        self.lagged = False
        """Whether no fetch came to its end since the one from the lagging exchange."""

    def run(self, death: Death, *, lagging: bool = False) -> int:
        """Fetch until death, or to the end; the exit status: how many symbols have no candles."""
        url = self.lagging_url if lagging else self.url
        command = [sys.executable, "-m", "soaks.fetch", "--child", url, str(self.folder)]
        command += [str(self.log), death.kind, str(death.number), str(death.part)]
        return subprocess.run(command, check=False, cwd=HERE.parent).returncode  # noqa: S603

    def answers(self) -> list[tuple[str, list[int]]]:
        """Every page that was answered since the folder was emptied; what a kill tore is left out."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [tuple(json.loads(line)) for line in lines if line.endswith("]]")]

    def repeated(self, before: int) -> int:
        """Requests after the first ``before`` that brought nothing that had not been delivered before."""
        delivered, count = defaultdict[str, set[int]](set), 0
        for number, (symbol, times) in enumerate(self.answers()):
            count += number >= before and delivered[symbol] >= set(times)
            delivered[symbol].update(times)
        return count

    def compare(self) -> None:
        """Stop unless every cache equals the truth; then begin anew."""
        for symbol, candles in self.truth.items():
            got, wanted = CandleStore(self.folder).load(symbol, DAYS), window(candles)
            if not np.array_equal(got.open_time, wanted.open_time) or not np.array_equal(
                got.values, wanted.values
            ):
                raise SystemExit(f"{symbol}: the cache differs from the truth")
        usual = {"contracts.json", ".lock"}
        usual |= {f"{symbol}_{kind}.pkl" for symbol in self.truth for kind in (f"5m_{DAYS}d", "funding")}
        if left := {path.name for path in self.folder.iterdir()} - usual:
            raise SystemExit(f"left behind: {', '.join(sorted(left))}")
        self.compared += len(self.truth)
        shutil.rmtree(self.folder)
        self.log.unlink(missing_ok=True)


def window(candles: Candles) -> Candles:
    """The candles that a fetch of ``DAYS`` wants."""
    return candles.since(NOW // CANDLE_MS * CANDLE_MS - DAYS * DAY_MS)


def deaths(kills: int, seed: int) -> list[Death]:
    """The seeded moments."""
    rng = random.Random(seed)  # noqa: S311 - moments, no secrets
    latest = {"page": 60, "any time": 150}
    return [
        Death(kind, rng.randint(1, latest.get(kind, 2 * SYMBOLS + 1)), rng.random())
        for kind, _ in zip(KINDS * kills, range(kills), strict=False)
    ]


@contextlib.contextmanager
def exchange(faults: str, seed: int) -> Iterator[str]:
    """Serve the symbols with ``faults`` in a process; its address."""
    command = [sys.executable, "-m", "desk.market.emulator", "--synthetic", NAMES, "--now", str(NOW)]
    command += ["--rate-limit", "0", "--latency-ms", "20", "--faults", faults, "--fault-seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)  # noqa: S603
    try:
        if process.stdout is None or not (found := re.search(r"http://\S+", process.stdout.readline())):
            raise SystemExit("the embedded exchange does not start")
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def soak(kills: int, seed: int) -> int:
    """Kill, restart and compare; print a line per kill."""
    began, most, done, lags = time.perf_counter(), 0, 0, 0
    with (
        exchange(FAULTS, seed) as url,
        exchange(LAGGING, seed) as lagging_url,
        tempfile.TemporaryDirectory() as room,
    ):
        trial = Soak(url, lagging_url, Path(room))
        for number, death in enumerate(deaths(kills, seed), 1):
            if number % LAGS_EVERY == 0:
                if (status := trial.run(Death("never", 0, 0.0), lagging=True)) not in range(SYMBOLS + 1):
                    raise SystemExit(f"a fetch from the lagging exchange ended with status {status}")
                lags, trial.lagged = lags + 1, True
            while not (killed := _one(trial, death)):
                pass
            answered, again = killed
            most = max(most, again)
            print(
                f"kill {number:2d}: {death.kind} {death.number:3d}; {answered:3d} pages answered, "
                f"{again} asked for again since the last kill",
                flush=True,
            )
            done += death.kind != "any time"
        before = len(trial.answers())
        if trial.run(Death("never", 0, 0.0)):
            raise SystemExit("the last fetch failed")
        print(f"last fetch: {trial.repeated(before)} asked for again")
        trial.compare()
    print(
        f"{kills} kills, {done} of them in a page write or a rename; {lags} fetches from a lagging exchange; "
        f"{trial.compared} caches compared, all equal; at most {most} requests repeated after a kill; "
        f"{time.perf_counter() - began:.0f} s"
    )
    return 0


def _one(trial: Soak, death: Death) -> tuple[int, int] | None:
    """Pages answered and asked for again by a fetch that was killed; None if it came to its end."""
    before = len(trial.answers())
    status = trial.run(death)
    if status == -signal.SIGKILL:
        return len(trial.answers()) - before, trial.repeated(before)
    if status:
        raise SystemExit(f"a fetch ended with status {status}")
    if trial.lagged:  # what it learnt is asked for once by every run, and that answer may be faulty too
        trial.lagged = False
    else:
        trial.compare()
    return None


def main() -> int:
    """Be the soak, or with ``--child`` the fetcher that dies."""
    if sys.argv[1:2] == ["--child"]:
        url, folder, log, kind, number, part = sys.argv[2:]
        child(url, Path(folder), Path(log), Death(kind, int(number), float(part)))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    return soak(args.kills, args.seed)


if __name__ == "__main__":
    raise SystemExit(main())
