"""CPU seconds per symbol and honest quality, beside the straightforward recipe, in one run.

``python -m benchmarks.training [SYMBOL …]`` takes both through the same real series, one after the other in
fresh processes: ``plain_recipe.py`` with 50 trials as it stands, and ``train_symbol`` with the settings of
``config.py``.  Both report the last fifth of the series, which neither chose anything on.  Needs the real
series in ``../shared/data/candles``.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from config import default_settings
from desk.executors import JobFailed, Processes
from desk.learn.protocol import ContractCosts
from desk.market.emulator.listings import MAKER_FEE, TAKER_FEE
from desk.market.series.facts import price_tick
from desk.market.series.sources import read_candle_files
from desk.outcomes import Skipped
from desk.values import Candles
from desk.worker import SymbolJob, train_symbol

HERE = Path(__file__).resolve().parent
CANDLES = HERE.parent.parent / "shared" / "data" / "candles"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "LTCUSDT", "SUIUSDT")
LENGTH = 51_840
TRIALS = 50


def costs_of_series(candles: Candles) -> ContractCosts:
    """The emulator's terms."""
    tick = price_tick(candles).size
    return ContractCosts(
        tick=tick,
        taker_fee=float(TAKER_FEE),
        maker_fee=float(MAKER_FEE),
        spread_bps=1e4 * tick / float(candles.close[-1]),
        spread_source="a tick",
        turnover=1e9,
    )


def plain(symbol: str) -> dict[str, float]:
    """CPU seconds, accuracy and AUC of the straightforward recipe."""
    command = [
        sys.executable,
        str(HERE / "plain_recipe.py"),
        str(CANDLES / f"{symbol}.parquet"),
        str(TRIALS),
    ]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)  # noqa: S603
    return {"cpu": told["cpu_s"], "accuracy": told["future_accuracy"], "auc": told["future_auc"]}


def ours(job: SymbolJob) -> dict[str, Any]:
    """Likewise of this suite, and what its tuning chose."""
    (outcome,) = Processes(1).run(train_symbol, [job])
    if isinstance(outcome, JobFailed):
        raise SystemExit(outcome.traceback)
    if isinstance(outcome.result, Skipped):
        raise SystemExit(outcome.result.reason)
    metadata = outcome.result.trained.metadata
    return {
        "cpu": metadata["timing"]["cpu_seconds"],
        "accuracy": metadata["metrics"]["accuracy"],
        "auc": metadata["metrics"]["auc"],
        "timing": {name: round(value, 2) for name, value in metadata["timing"].items()},
        "tuning": f"{metadata['tuning']['chosen']}, {metadata['tuning']['rounds']} rounds",
    }


def main(symbols: tuple[str, ...]) -> int:
    """Print one row per symbol, and the ratio."""
    if not CANDLES.is_dir():
        print(f"{CANDLES} is not there: this benchmark needs the real series")
        return 1
    settings = default_settings({})
    settings = replace(settings, learn=replace(settings.learn, n_trials=TRIALS))
    series = {candles.symbol: candles for candles in read_candle_files(CANDLES)}
    rows = []
    print(f"{'symbol':14}{'plain CPU s':>12}{'ours':>8}{'ratio':>8}   {'plain acc / AUC':>16}{'ours':>16}")
    for symbol in symbols or SYMBOLS:
        candles = series[symbol]
        newest = candles.rows(len(candles) - LENGTH, len(candles))
        job = SymbolJob(newest, settings.model, costs_of_series(newest), control=False)
        theirs, us = plain(symbol), ours(job)
        rows.append((theirs, us))
        print(
            f"{symbol:14}{theirs['cpu']:12.1f}{us['cpu']:8.1f}{theirs['cpu'] / us['cpu']:7.1f}×   "
            f"{theirs['accuracy']:8.4f}{theirs['auc']:8.4f}{us['accuracy']:8.4f}{us['auc']:8.4f}   "
            f"{us['tuning']}, {us['timing']}",
            flush=True,
        )
    means = [
        {name: fmean(side[name] for side in column) for name in ("cpu", "accuracy", "auc")}
        for column in zip(*rows, strict=True)
    ]
    theirs, us = means
    print(
        f"{'mean':14}{theirs['cpu']:12.1f}{us['cpu']:8.1f}{theirs['cpu'] / us['cpu']:7.1f}×   "
        f"{theirs['accuracy']:8.4f}{theirs['auc']:8.4f}{us['accuracy']:8.4f}{us['auc']:8.4f}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tuple(sys.argv[1:])))
