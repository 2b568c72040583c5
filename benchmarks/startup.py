"""How long the commands take to answer where nothing is computed, next to importing all that a run needs.

Run it with ``python -m benchmarks.startup``.  Each command is started as a user starts it, some times over,
and its median is printed; ``--status`` reads the journal of a session of 300 symbols.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.decisions import NOON, SYMBOLS, card
from desk.orders import Balance
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade, Decision, OpenTrade
from desk.trade.signals import Signal
from desk.values import CANDLE_MS

TIMES = 5
DAYS, DAY_MS = 12, 86_400_000
"""Days with a trade of each symbol: enough for an interval."""
HOUSE = Path(__file__).resolve().parents[1]


def keep_session(path: Path, *, symbols: int = SYMBOLS) -> None:
    """Write the journal of a session that has ended: a decision of each symbol, and a trade of each a day.

    Parameters
    ----------
    path : Path
    symbols : int
        How many.
    """
    cards = [card(f"S{number:03d}USDT") for number in range(symbols)]
    with Journal(path, durable=False) as journal:
        journal.begin(NOON - DAYS * DAY_MS, mode="paper", settings='{"risk": {"daily_loss_stop": "0.03"}}')
        journal.diary.record_decisions(
            Decision(
                Signal(card=one, open_time=NOON - CANDLE_MS, close=1.0, probability=0.5, digest=""),
                "stay out",
                (),
            )
            for one in cards
        )
        for day in range(DAYS, 0, -1):
            at, money = NOON - day * DAY_MS, Decimal(10_000 + day)
            journal.diary.record_equity(at, Balance(equity=money, available=money))
            for number, one in enumerate(cards):
                _trade(
                    journal, f"{one.symbol}-{day}", one.symbol, one.model_file, at, won=(number + day) % 3 > 0
                )
        journal.end(1, NOON, status=0, why="asked to stop")


def _trade(journal: Journal, name: str, symbol: str, model: str, at: int, *, won: bool) -> None:
    """Write a trade that is over.

    Parameters
    ----------
    journal : Journal
    name, symbol, model : str
    at : int
        When it was opened, ms.
    won : bool
    """
    one, size = Decimal(1), Decimal(3)
    opened = OpenTrade(
        trade=name,
        symbol=symbol,
        side=1,
        model_file=model,
        opened=at,
        due=at + 2 * CANDLE_MS,
        price=one,
        stop=Decimal("0.98"),
        take_profit=None,
        status="open",
        size=size,
    )
    journal.ledger.adopt(opened, at, fee=Decimal(0))
    net = 0.002 if won else -0.003
    journal.ledger.close_trade(
        ClosedTrade(
            trade=name,
            symbol=symbol,
            side=1,
            model_file=model,
            opened=at,
            closed=at + 3 * CANDLE_MS,
            price=one,
            ended="horizon",
            size=size,
            entry_price=one,
            exit_price=one,
            fees=Decimal(0),
            profit=Decimal(str(net)) * size,
            gross=net,
            net=net,
        )
    )


def seconds_of(command: Sequence[str]) -> float:
    """Median of the seconds that a command takes from its start to its end.

    Raises
    ------
    RuntimeError
        If it ends with a status that is not 0 or 1.
    """
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ended = subprocess.run([sys.executable, *command], cwd=HOUSE, capture_output=True, check=False)  # noqa: S603
        seconds.append(time.perf_counter() - began)
        if ended.returncode not in {0, 1}:
            raise RuntimeError(f"{command[0]} ended with status {ended.returncode}: {ended.stderr.decode()}")
    return float(np.median(seconds))


def main() -> None:
    """Measure each, and print it with its ratio to importing the whole door."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.sqlite"
        keep_session(journal)
        for door, answers in (
            ("live_trade", (("--status", "--journal", str(journal)), ("--help",), ("--print-config",))),
            ("train_live_lightgbm", (("--help",), ("--list",), ("--print-config",))),
        ):
            whole = seconds_of(["-c", f"import {door}"])
            print(f"{door}: importing all that a run needs {whole:.2f} s")
            for words in answers:
                took = seconds_of([f"{door}.py", *words])
                print(f"  {words[0]:15s} {took:.2f} s, {whole / took:.1f} times faster")


if __name__ == "__main__":
    main()
