"""Trains every market of ``soaks.markets`` as a user would: no attack may be tradable, edges must be found.

``make soak-attacks``, or ``python -m soaks.attacks [--only "spread of 40,pump"] [--seeds 901,902,903]
[--walks 40] [--readings 1] [--jobs 2] [--reasons]``: each market is listed by an embedded exchange with its
tick, its spread and its mark price, and ``train_live_lightgbm.py`` runs in a process of its own with its real
settings and with folders of its own.  An attack or an edge is alone in its run, so that no other symbol of a
run makes its verdict stricter; random walks share a run of ten.

One line per market as soon as it is trained, then one per claim; exit status 0 if all hold.  At the defaults
57 attacks, 9 edges and 40 walks.

Not here: how a market is made (``soaks.markets``), and what the verdict says of many simulated symbols.
"""

import argparse
import asyncio
import json
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from desk.clock import SystemClock
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.series.facts import DAY_MS
from desk.values import Candles
from soaks.markets import ATTACKS, CANDLES, EDGES, END, Market, PlantedMarket

HERE: Final = Path(__file__).resolve().parent
SEEDS: Final = (901, 902, 903)
WALKS: Final = 40
WALK: Final = "plain walk"
WALKS_A_RUN: Final = 10
FOUND: Final = 8 / 9
"""Share of the edges that must be found."""
MARKETS: Final = MappingProxyType({**ATTACKS, **EDGES})
CAUSES: Final = MappingProxyType(
    {
        "spread of": "spread|bid|book|executable|VWAP",
        "digits": "tick|grid|rounded",
        "tick of": "tick|grid",
        "lagging": "mark|book|lag",
        "empty": "spread|bid|book|executable|VWAP",
        "ends with": "last .* days|recent|coverage",
    }
)
"""Words of which one should stand among the reasons, by part of an attack's name; others merely lose."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A market that is to be trained."""

    name: str
    """Key of ``MARKETS``."""
    seed: int

    @property
    def symbol(self) -> str:
        """Name on the exchange; the seeds of a run differ."""
        return f"PLANT{self.seed}USDT"


@dataclass(frozen=True, slots=True)
class Row:
    """What training reported of a market."""

    planned: Planned
    status: str
    """``trained``, ``skipped``, ``failed``, or ``no summary``."""
    tradable: bool
    reasons: tuple[str, ...]
    trades: int | None
    net_bps: float | None
    """Mean of a trade after costs, basis points."""
    seconds: float
    """Duration of the run, divided by its number of symbols."""

    def lines(self, *, every_reason: bool = False) -> Iterator[str]:
        """The row of the table, and the other reasons below it where they are wanted."""
        net = "–" if self.net_bps is None else f"{self.net_bps:+.1f}"
        trades = "–" if self.trades is None else f"{self.trades:,}"
        tradable = "tradable" if self.tradable else "no"
        first, *others = self.reasons or ("–",)
        yield (
            f"{self.planned.name:33}{self.planned.seed:6}  {self.status:11}{tradable:9}{trades:>7}{net:>8}"
            f"{self.seconds:6.0f}  {first}"
        )
        if every_reason:
            yield from (f"{'':82}{reason}" for reason in others)

    def names_its_cause(self) -> bool:
        """Whether a reason holds a word of what the attack does; of an attack without such words, any."""
        words = [words for part, words in CAUSES.items() if part in self.planned.name]
        return any(re.search("|".join(words), reason) for reason in self.reasons)


HEADER: Final = (
    f"{'market':33}{'seed':>6}  {'status':11}{'verdict':9}{'trades':>7}{'net bp':>8}{'s':>6}  first reason"
)


def chosen(only: str) -> list[str]:
    """Names of the markets that ``only`` selects: exact names or parts of them, separated by commas.

    Raises
    ------
    SystemExit
        If a part selects nothing.
    """
    names: list[str] = []
    for part in filter(None, map(str.strip, only.split(","))):
        found = [part] if part in MARKETS else [name for name in MARKETS if part in name]
        if not found:
            raise SystemExit(f"--only: no market has {part!r} in its name; there are {', '.join(MARKETS)}")
        names += found
    return list(dict.fromkeys(names)) or list(MARKETS)


def plan(names: Sequence[str], seeds: Sequence[int], walks: int) -> list[list[Planned]]:
    """Runs of the training: random walks ten to a run, every other market alone.

    The seeds of the walks follow from the first of ``seeds``: 901 gives 90100, 90101, ….

    Parameters
    ----------
    names : sequence of str
        Keys of ``MARKETS``.
    seeds : sequence of int
        Of every market but the walks.
    walks : int
        Number of random walks, where they are among ``names``.
    """
    alone = [[Planned(name, seed)] for seed in seeds for name in names if name != WALK]
    first = 100 * seeds[0]
    of_walks = [Planned(WALK, first + number) for number in range(walks if WALK in names else 0)]
    return alone + [of_walks[at : at + WALKS_A_RUN] for at in range(0, len(of_walks), WALKS_A_RUN)]


async def train(
    run: Sequence[Planned], folder: Path, *, readings: int = 1, arguments: Sequence[str] = ()
) -> list[Row]:
    """Serve the markets of one run, train them by the command, and read its summary.

    Parameters
    ----------
    run : sequence of Planned
    folder : Path
        Where models and candles of this run go.
    readings : int
        How often bid and ask are asked in all, a day apart; training asks for the last one itself.
    arguments : sequence of str
        Further arguments of the training, such as ``--trials 2``.
    """
    began = time.monotonic()
    listed = {of.symbol: await asyncio.to_thread(_listed, MARKETS[of.name], of.seed, of.symbol) for of in run}
    command = [sys.executable, "train_live_lightgbm.py", "--jobs", "1", "--rps", "0", "--quiet"]
    command += ["--models-dir", str(folder / "models"), "--cache-dir", str(folder / "candles"), *arguments]
    status, printed = 0, ""
    for days_before in range(readings - 1, -1, -1):
        async with EmbeddedExchange(
            [of.candles for of in listed.values()],
            _options(listed, END - days_before * DAY_MS),
            clock=SystemClock(),
        ) as exchange:
            stop = ["--fetch-only"] if days_before else []
            status, printed = await _end_of([*command, "--base-url", exchange.url, *stop])
    seconds = (time.monotonic() - began) / len(run)
    path = folder / "models" / "training_summary.json"
    if not path.is_file():
        last = printed.strip().splitlines() or ["nothing was printed"]
        missing = f"the command ended with status {status}: {last[-1]}"
        return [Row(of, "no summary", False, (missing,), None, None, seconds) for of in run]
    rows = {row["symbol"]: row for row in json.loads(path.read_text())["symbols"]}
    return [_row(of, rows[of.symbol], seconds) for of in run]


def _listed(market: Market, seed: int, symbol: str) -> PlantedMarket:
    """The market under the name that it has on the exchange."""
    planted = market(seed, CANDLES)
    mark = None if planted.mark is None else _renamed(planted.mark, symbol)
    return replace(planted, candles=_renamed(planted.candles, symbol), mark=mark)


def _renamed(candles: Candles, symbol: str) -> Candles:
    return Candles(symbol, candles.open_time, candles.values)


def _options(listed: dict[str, PlantedMarket], now_ms: int) -> ExchangeOptions:
    """What the exchange says beside the candles, at a server time in ms."""
    return ExchangeOptions(
        now_ms=now_ms,
        rate_limit=0,
        minute_limit=0,
        spreads_bps={symbol: of.spread_bps for symbol, of in listed.items()},
        ticks={symbol: of.tick for symbol, of in listed.items()},
        marks={symbol: of.mark for symbol, of in listed.items() if of.mark is not None},
    )


async def _end_of(command: Sequence[str]) -> tuple[int, str]:
    """Exit status of a command that runs in the checkout, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=HERE.parent,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        printed, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, printed.decode(errors="replace")


def _row(of: Planned, row: dict[str, Any], seconds: float) -> Row:
    """The row of the summary, as the table shows it."""
    return Row(
        of,
        row["status"],
        row["tradable"],
        tuple(row["reasons"]),
        row["trades"],
        row["net_bps"],
        seconds,
    )


async def rows_of(
    runs: Sequence[Sequence[Planned]], folder: Path, *, jobs: int, readings: int
) -> AsyncGenerator[Row, None]:
    """Rows of all runs, as they end.

    Parameters
    ----------
    runs : sequence of sequence of Planned
    folder : Path
    jobs : int
        Runs at a time.
    readings : int
        As in ``train``.
    """
    free = asyncio.Semaphore(jobs)

    async def one(number: int, run: Sequence[Planned]) -> list[Row]:
        async with free:
            with tempfile.TemporaryDirectory(prefix=f"run{number}-", dir=folder) as own:
                return await train(run, Path(own), readings=readings)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, run)) for number, run in enumerate(runs)]
        for ended in asyncio.as_completed(tasks):
            for row in await ended:
                yield row


def claims(rows: Iterable[Row]) -> dict[str, bool]:
    """What must be true, in words, and whether it is; a claim about nothing is not made."""
    rows = list(rows)
    edges = [row for row in rows if row.planned.name in EDGES]
    walks = [row for row in rows if row.planned.name == WALK]
    attacks = [row for row in rows if row.planned.name in ATTACKS and row.planned.name != WALK]
    ended = sum(row.status != "no summary" for row in rows)
    claimed = {f"runs that ended with a summary: {ended} of {len(rows)} symbols": ended == len(rows)}
    for what, group in (("attacks", attacks), ("random walks", walks)):
        if group:
            fooled = sum(row.tradable for row in group)
            silent = sum(not row.tradable and not row.reasons for row in group)
            claimed[f"{what} called tradable: {fooled} of {len(group)}, none may be"] = not fooled
            claimed[f"{what} refused without a reason: {silent}, none may be"] = not silent
    if edges:
        found, least = sum(row.tradable for row in edges), math.ceil(FOUND * len(edges) - 1e-9)
        claimed[f"edges found: {found} of {len(edges)}, at least {least} must be"] = found >= least
    return claimed


def unnamed(rows: Iterable[Row]) -> list[str]:
    """Attacks that were refused for reasons that do not name what the attack does."""
    attacks = (row for row in rows if row.planned.name in ATTACKS and not row.tradable)
    return [f"{row.planned.name} ({row.planned.seed})" for row in attacks if not row.names_its_cause()]


async def soak(runs: Sequence[Sequence[Planned]], *, jobs: int, readings: int, every_reason: bool) -> int:
    """Print a line per market and one per claim; return the exit status.

    Parameters
    ----------
    runs : sequence of sequence of Planned
    jobs : int
        Runs at a time.
    readings : int
        As in ``train``.
    every_reason : bool
        Whether all reasons are printed, or the first of each market.
    """
    began = time.monotonic()
    print(HEADER)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        async with aclosing(rows_of(runs, Path(folder), jobs=jobs, readings=readings)) as ended:
            async for row in ended:
                rows.append(row)
                print("\n".join(row.lines(every_reason=every_reason)), flush=True)
    claimed = claims(rows)
    for claim, holds in claimed.items():
        print(f"{'PASS' if holds else 'FAIL'}  {claim}")
    if without := unnamed(rows):
        print(f"NOTE  refused, but not for what they do: {', '.join(without)}")
    print(f"{len(rows)} symbols in {(time.monotonic() - began) / 60:.1f} minutes")
    return 0 if all(claimed.values()) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Train what the arguments name; 0 if every claim holds."""
    parser = argparse.ArgumentParser(prog="python -m soaks.attacks", allow_abbrev=False)
    add = parser.add_argument
    add("--only", default="", metavar="NAME,…", help="markets by name or part of it; default: all")
    add("--seeds", default=",".join(map(str, SEEDS)), metavar="N,…", help="default %(default)s")
    add("--walks", type=int, default=WALKS, metavar="N", help="random walks, default %(default)s")
    add(
        "--readings",
        type=int,
        default=1,
        metavar="N",
        help="how often bid and ask are asked, a day apart; with less than three the spread is estimated "
        "from the candles as well, default %(default)s",
    )
    add(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="runs at a time, default: one per core",
    )
    add("--reasons", action="store_true", help="print all reasons instead of the first")
    args = parser.parse_args(argv)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    runs = plan(chosen(args.only), seeds, args.walks)
    jobs, readings = max(args.jobs, 1), max(args.readings, 1)
    return asyncio.run(soak(runs, jobs=jobs, readings=readings, every_reason=args.reasons))


if __name__ == "__main__":
    raise SystemExit(main())
