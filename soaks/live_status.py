"""``live_trade.py --status`` asked of the session of a soak, from another process, while a candle closes.

The session goes on meanwhile: a second of its time passes at each look at whether there is an answer.  That
it was not disturbed is what the soak finds out at its end: no decision is missing, and journal and exchange
agree.
"""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from desk.values import CANDLE_MS
from soaks.virtual_time import VirtualClock

HOUSE = Path(__file__).resolve().parents[1]
BEFORE_CLOSE_S = 3.0
LOOK_S = 0.05
"""Real seconds between two looks."""


@dataclass
class AskedStatus:
    """What a session's journal answers in the middle of its run."""

    journal: Path
    decided: int = 0
    """Symbols with a decision when it was asked: a contract that is suspended has none for hours."""
    answer: str = ""
    status: int | None = None

    async def ask(self, clock: VirtualClock, *, hours: float) -> None:
        """Ask shortly before a candle closes, in the middle of ``hours``, and print how long it took."""
        candles = int(hours * 3_600_000 / 2 // CANDLE_MS)
        await clock.sleep(candles * CANDLE_MS / 1000 - BEFORE_CLOSE_S)
        with tempfile.TemporaryFile() as file:
            began, at = time.perf_counter(), clock.monotonic()
            with contextlib.closing(sqlite3.connect(self.journal)) as db:
                (self.decided,) = db.execute("SELECT count(DISTINCT symbol) FROM decisions").fetchone()
            process = self._start(file)
            while process.poll() is None:
                await asyncio.to_thread(time.sleep, LOOK_S)
                await clock.sleep(1.0)
            self.status = process.returncode
            took = time.perf_counter() - began
            file.seek(0)
            self.answer = file.read().decode()
        print(
            f"--status after {at / 3600:.1f} hours: {took:.2f} s on this machine, which soaks meanwhile; "
            f"{clock.monotonic() - at:.0f} s of the session passed",
            flush=True,
        )

    def problems(self) -> Iterator[str]:
        """What is wrong with the answer."""
        if self.status != 0:
            yield f"--status ended with status {self.status}: {self.answer[:200]}"
            return
        found = json.loads(self.answer)
        if not found["is_running"]:
            yield "--status did not see that the session runs"
        if not 0 < self.decided <= len(found["symbols"]):
            yield f"--status showed {len(found['symbols'])} symbols, {self.decided} had a decision before it"

    def _start(self, file: IO[bytes]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "live_trade.py", "--status", "--json", "--journal", str(self.journal)]
        return subprocess.Popen(command, cwd=HOUSE, stdout=file, stderr=subprocess.STDOUT)  # noqa: S603
