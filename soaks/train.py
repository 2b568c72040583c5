"""Kills a retraining again and again, and compares what it published with an undisturbed one.

``python -m soaks.train [--kills 10] [--seed 0]`` serves six symbols, trains and publishes them once, and
trains them again with another seed in copies of the folders: in one undisturbed; in one for each kill, where
the parent SIGKILLs itself at a seeded moment of that run (just before or after a rename, or at any time) and
the same command is started again; and in one where worker processes are killed every few seconds and one is
stopped (SIGSTOP).  Meanwhile a reader opens every ``_latest``, over and over: each must be whole and judged.
Every time models, metadata and verdicts must be those of the undisturbed run, and no symbol may have been
trained twice.
``--symbols 60`` instead trains so many series of full length (real ones of ``../shared/data/candles`` under
numbered names, where they are), once undisturbed and once with a worker process stopped and one killed every
20 seconds.  Linux only.

The product has no hook for this: ``child`` wraps ``Path.replace`` in its own process.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from desk.errors import DeskError
from desk.learn.verdict import PENDING
from desk.market.series.sources import align_ends, read_candle_files, read_synthetic, synthetic_series
from desk.registry import ModelRegistry
from ml_feature_engineering import FEATURES, contract_id
from soaks.serving import serving

HERE = Path(__file__).resolve().parent
NOW = 1_767_225_600_000
KINDS = ("edge", "noise", "noise", "drift", "edge", "noise")
NAMES = ",".join(f"T{number}USDT={kind}:{number}" for number, kind in enumerate(KINDS))
DAYS = 25
BEFORE, AFTER = 1, 2
"""Seeds of the training that is there, and of the retraining."""
RENAMES = "renames: "
"""Before their number, on the last line of an undisturbed run."""
HANDS_S, FULL_HANDS_S = 4.0, 20.0
"""From one killed worker to the next; of series of full length."""
LIMIT_S, FULL_LIMIT_S = 30.0, 120.0
"""A symbol may take, so that one whose worker was stopped is repeated; one of full length."""
FULL_DAYS, FULL_TRIALS = 180, 20
REAL = HERE.parent.parent / "shared" / "data" / "candles"
VOLATILE: Final = ("created_at", "model_file", "evaluated_file", "timing")
"""Keys of the metadata that two equal trainings differ in."""
KILLED = -signal.SIGKILL


def child(death: str, arguments: list[str]) -> int:
    """Run the command and die as ``death`` says: ``KIND:NUMBER``.

    ``before`` and ``after``: at the rename of that number.  ``time``: after so many tenths of a second.
    ``never``: never, and the number of renames is printed.  ``workers``: never, but a worker process is
    killed every so many seconds, and the first one stopped.
    """
    kind, _, text = death.partition(":")
    number, rename = float(text), Path.replace
    done = 0

    def rename_and_die(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if kind == "before" and done == number:
            die()
        moved = rename(self, target)
        if kind == "after" and done == number:
            die()
        return moved

    if kind in {"before", "after", "never"}:
        Path.replace = rename_and_die  # type: ignore[method-assign, assignment]
    elif kind == "time":
        killer = threading.Timer(number / 10, die)
        killer.daemon = True
        killer.start()
    elif kind == "workers":
        threading.Thread(target=hands_on_workers, args=(number,), daemon=True).start()
    from train_live_lightgbm import main as train  # noqa: PLC0415 - the clock of "time" begins before

    status = train(arguments)
    if kind == "never":
        print(f"{RENAMES}{done}")
    return status


def die() -> None:
    """Leave without a farewell."""
    os.kill(os.getpid(), signal.SIGKILL)


def hands_on_workers(seconds: float) -> None:
    """Stop the first worker process that is seen, and then kill one every few seconds."""
    number = signal.SIGSTOP
    while True:
        threading.Event().wait(seconds)
        if workers := multiprocessing.active_children():
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(workers[0].pid, number)  # type: ignore[arg-type]
                number = signal.SIGKILL


class Soak:
    """Folders of one training, and the command that works in them.

    Parameters
    ----------
    room : Path
        Where models and candles go.
    url : str
        Of the embedded exchange.
    full : bool
        Whether its series have full length.
    """

    def __init__(self, room: Path, url: str, *, full: bool = False) -> None:
        self.models, self.cache, self.url = room / "models", room / "candles", url
        self.own_settings = room / "own.py"
        self.days, self.trials = (FULL_DAYS, FULL_TRIALS) if full else (DAYS, 5)
        room.mkdir(parents=True, exist_ok=True)
        self.own_settings.write_text(f"job_timeout_s = {FULL_LIMIT_S if full else LIMIT_S}\n")
        self.finished: Counter[str] = Counter()
        """Lines of symbols that were trained."""

    def run(self, seed: int, death: str = "never:0") -> int:
        """Train to the end, or to death; the exit status."""
        command = [sys.executable, "-m", "soaks.train", "--child", death, "--"]
        command += ["--models-dir", str(self.models), "--cache-dir", str(self.cache), "--base-url", self.url]
        command += ["--days", str(self.days), "--trials", str(self.trials), "--rps", "0", "--jobs", "2"]
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, "--seed", str(seed), "--publish"],
            check=False,
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            env={**os.environ, "DESK_CONFIG": str(self.own_settings)},
        )
        self.said = done.stdout + done.stderr
        for line in done.stdout.splitlines():
            if line.startswith("✅") and "taken from" not in line:
                self.finished[line.split()[1].rstrip(":")] += 1
        return done.returncode

    def copy(self, room: Path) -> "Soak":
        """The same folders elsewhere."""
        shutil.copytree(self.models.parent, room, symlinks=True)
        return Soak(room, self.url)

    def published(self, *, verdicts: bool = True) -> dict[str, tuple[bytes, str]]:
        """Model and lasting metadata of every ``_latest``; verdicts are on all symbols of a run together."""
        registry, found = ModelRegistry(self.models), {}
        for link in self.models.glob("*_latest.txt"):
            metadata: dict[str, Any] = registry.metadata(link.readlink().name)
            lasting = {name: value for name, value in metadata.items() if name not in VOLATILE}
            if not verdicts:
                del lasting["verdict"]
            lasting["tuning"] = {**metadata["tuning"], "seconds": None, "study": None}
            found[link.name.removesuffix("_latest.txt")] = link.read_bytes(), json.dumps(lasting)
        return found


class Reader:
    """Opens every published model, over and over; use as a context."""

    def __init__(self, models: Path) -> None:
        self._registry, self._models = ModelRegistry(models), models
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.opened = 0
        self.problems: list[str] = []

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        names = tuple(feature.name for feature in FEATURES)
        while not self._stop.wait(0.05):
            for link in self._models.glob("*_latest.txt"):
                symbol = link.name.removesuffix("_latest.txt")
                try:
                    model = self._registry.open_latest(symbol, features=names, contract=contract_id())
                except DeskError as exc:
                    self.problems.append(f"{symbol}: {exc}")
                    continue
                self.opened += 1
                if PENDING in model.metadata["verdict"]["reasons"]:
                    self.problems.append(f"{symbol}: published before it was judged")


def deaths(count: int, seed: int, *, renames: int, seconds: float) -> Iterator[str]:
    """When each of ``count`` runs dies.

    Parameters
    ----------
    count, seed : int
    renames : int
        Of an undisturbed run.
    seconds : float
        That it took.
    """
    chance = random.Random(seed)  # noqa: S311 - no cryptography
    for number in range(count):
        kind = ("before", "after", "time")[number % 3]
        moment = chance.uniform(20, 9 * seconds) if kind == "time" else chance.randint(1, renames)
        yield f"{kind}:{moment:.0f}"


def compare(name: str, one: Soak, undisturbed: Soak, *, without: Sequence[str] = ()) -> None:
    """Stop unless both published the same.

    Parameters
    ----------
    name : str
        Of what was done to ``one``.
    one, undisturbed : Soak
    without : sequence of str
        Symbols that were named as lost.
    """
    ours, theirs = (it.published(verdicts=not without) for it in (one, undisturbed))
    theirs = {symbol: what for symbol, what in theirs.items() if symbol not in without}
    for symbol in theirs:
        if ours[symbol] != theirs[symbol]:
            what = "model" if ours[symbol][0] != theirs[symbol][0] else "metadata"
            raise SystemExit(f"{name}: {symbol} has another {what} than in the undisturbed run")
    print(f"{name}: {len(theirs)} symbols as in the undisturbed run")


def soak(kills: int, seed: int, room: Path) -> None:
    """Train, retrain under kills, compare.

    Parameters
    ----------
    kills : int
        Of the parent.
    seed : int
        Of the moments.
    room : Path
        A folder for everything.
    """
    with serving(synthetic_series(read_synthetic(NAMES), beside=(), now_ms=NOW)) as exchange:
        first = Soak(room / "first", exchange.url)
        if status := first.run(BEFORE):
            raise SystemExit(f"the first training ended with {status}: {first.said}")
        before, hands = first.copy(room / "before"), first.copy(room / "hands")
        began = time.monotonic()
        if status := first.run(AFTER):
            raise SystemExit(f"the undisturbed retraining ended with {status}: {first.said}")
        seconds, renames = time.monotonic() - began, int(first.said.partition(RENAMES)[2].split()[0])
        print(f"undisturbed: {renames} renames in {seconds:.0f} s")
        died = 0
        for number, death in enumerate(deaths(kills, seed, renames=renames, seconds=seconds)):
            died += kill_once(before.copy(room / f"killed{number}"), death, first)
        print(f"killed runs that died: {died} of {kills}")
        status = hands.run(AFTER, f"workers:{HANDS_S:g}")
        print(f"workers killed and stopped: ended with {status}")
        if status:
            raise SystemExit(hands.said)
        compare("workers", hands, first)


def kill_once(killed: Soak, death: str, undisturbed: Soak) -> bool:
    """Kill a retraining, start the same command again, and compare; whether it died.

    Parameters
    ----------
    killed : Soak
        After the first training.
    death : str
        As of ``child``.
    undisturbed : Soak
    """
    with Reader(killed.models) as reader:
        status = killed.run(AFTER, death)
        finished = sum(killed.finished.values())
        if status not in {0, KILLED} or killed.run(AFTER):
            raise SystemExit(killed.said)
    twice = [symbol for symbol, times in killed.finished.items() if times > 1]
    if reader.problems or twice:
        raise SystemExit("; ".join(sorted(set(reader.problems))) or f"{death}: trained twice: {twice}")
    compare(f"{death} ended with {status}, {finished} finished, {reader.opened} read", killed, undisturbed)
    shutil.rmtree(killed.models.parent)
    return status == KILLED


def soak_workers(count: int, room: Path) -> None:
    """Train ``count`` series of full length with and without hands on the workers, and compare.

    Parameters
    ----------
    count : int
    room : Path
        A folder for everything.
    """
    real = list(read_candle_files(REAL)) if REAL.is_dir() else []
    kinds = real or synthetic_series(read_synthetic(NAMES), beside=(), now_ms=NOW)
    series, _ = align_ends([replace(kinds[n % len(kinds)], symbol=f"B{n}USDT") for n in range(count)], {})
    with serving(series) as exchange:
        first, hands = (Soak(room / name, exchange.url, full=True) for name in ("first", "hands"))
        for name, one, death in (
            ("undisturbed", first, "never:0"),
            ("workers killed and stopped", hands, f"workers:{FULL_HANDS_S:g}"),
        ):
            began = time.monotonic()
            status = one.run(AFTER, death)
            print(f"{name}: ended with {status} after {time.monotonic() - began:.0f} s")
            if status not in ({0} if one is first else {0, 1}):
                raise SystemExit(one.said)
        told = [line for line in hands.said.splitlines() if "still running" in line]
        lost = [line.split()[1].rstrip(":") for line in hands.said.splitlines() if line.startswith("❌")]
        print(f"named while they ran long: {len(told)}; lost two workers: {', '.join(lost) or 'none'}")
        if missing := first.published().keys() - hands.published().keys() - set(lost):
            raise SystemExit(f"neither trained nor named: {', '.join(sorted(missing))}")
        compare("workers", hands, first, without=lost)


def main() -> int:
    """Soak, or be the child that dies."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2], sys.argv[4:])
    parser = argparse.ArgumentParser(prog="python -m soaks.train", description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--symbols", type=int, metavar="N", help="N series of full length, and hands on workers"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.symbols:
            soak_workers(args.symbols, Path(folder))
        else:
            soak(args.kills, args.seed, Path(folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
