"""Whether a session that replays the test part is the evaluation, on real candles and published models.

``python -m soaks.replay [--symbols BTCUSDT,ETHUSDT,1000PEPEUSDT,SUIUSDT] [--trials 50]`` trains the
symbols from an embedded exchange that serves the real series beside the checkout, as a user would, and then
replays the blocks of each walk that lie in its last fifth, with their models and thresholds, twice:

* with limits, rounding and funding off: every probability must be the one that the model says of the
  features of the whole history, with ``==``; every trade and its net the evaluation's to 1e-9, and so the
  mean net of the metadata;
* as ``python live_trade.py --replay`` does it, with all limits of ``config.py``: it prints the closing
  tables, in which the difference is explained line by line.

Ends with status 1 where something differs.  Some ten minutes.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import live_trade
import train_live_lightgbm
from config import default_settings, live_settings
from desk.backtest import trades_of_sides
from desk.costs import Costs
from desk.live_fills import fill_model_of
from desk.live_models import WalkModelSource
from desk.market.paper.exchange import PaperExchange
from desk.market.series.stored import read_stored
from desk.registry import ModelRegistry
from desk.trade.events import replayed_events
from desk.trade.forecasting import Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.replay.feed import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.settings import LiveSettings
from desk.trade.signals import BacktestExpectation
from desk.trade.start import open_session
from desk.values import Candles
from ml_feature_engineering import FEATURES, build_features, contract_id, memory_of

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
CLOSE_ENOUGH = 1e-9
FINE = Decimal("1e-20")
"""Step of prices and sizes where nothing is to be rounded: finer than the floats that they come from."""
PLENTY = 10**9


class Tradable(WalkModelSource):
    """Walks as if each had passed its verdict, and nothing were expected of it that it could miss."""

    def open(self, symbol: str) -> OpenModel:
        """The models of the walk."""
        opened = super().open(symbol)
        blocks = tuple((first, as_if_tradable(model)) for first, model in opened.blocks)
        return replace(as_if_tradable(opened), blocks=blocks)


def as_if_tradable(opened: OpenModel) -> OpenModel:
    """The model with a verdict that lets it trade."""
    expectation = BacktestExpectation(win_rate=None, win_rate_labelled=None, net_bps=None)
    return replace(opened, card=replace(opened.card, tradable=True, reasons=(), expectation=expectation))


def unlimited() -> LiveSettings:
    """Settings under which every side that fires on a flat symbol is traded."""
    live = live_settings(PLENTY)
    risk = replace(
        live.risk,
        risk_per_trade=Decimal("0.001"),
        max_gross=Decimal(PLENTY),
        max_net=Decimal(PLENTY),
        max_positions=PLENTY,
        max_orders_per_minute=PLENTY,
        daily_loss_stop=Decimal(1),
        max_drawdown=Decimal(1),
        losing_streak=0,
        avoid_funding=False,
        require_stop=False,
    )
    return replace(live, risk=risk, score=replace(live.score, floor_trades=PLENTY))


def train(symbols: str, trials: int, models: Path, cache: Path) -> None:
    """Train as a user does, from an exchange in another process.

    Parameters
    ----------
    symbols : str
        Separated by commas.
    trials : int
    models, cache : Path
        Folders.
    """
    command = [sys.executable, "-m", "desk.market.emulator", "--align-end", "--rate-limit", "0"]
    served = [*command, "--candles", str(REAL / "candles"), "--funding", str(REAL / "funding")]
    with subprocess.Popen(served, stdout=subprocess.PIPE, text=True) as exchange:  # noqa: S603 - our own
        try:
            url = (exchange.stdout.readline() if exchange.stdout else "").split()[-1]
            folders = ["--models-dir", str(models), "--cache-dir", str(cache)]
            given = ["--symbols", symbols, "--trials", str(trials), "--base-url", url, "--rps", "0"]
            if train_live_lightgbm.main([*given, *folders, "--quiet"]):
                raise SystemExit("training failed")
        finally:
            exchange.terminate()


async def replayed(symbols: Sequence[str], models: Path, cache: Path) -> list[str]:
    """Replay without limits; what differs from the evaluation.

    Parameters
    ----------
    symbols : sequence of str
    models, cache : Path
        Folders.
    """
    settings = replace(default_settings(), models_dir=models)
    features = tuple(feature.name for feature in FEATURES)
    source = Tradable(ModelRegistry(models), features=features, contract=contract_id())
    forecaster = Forecaster(source, symbols, live_trade.feature_window(settings))
    problems = forecaster.refresh()
    stored = read_stored(cache, symbols).between(source.span)
    first = {symbol: span[0] for symbol, span in source.span.items()}
    contracts = [
        replace(one, tick=FINE, size_step=FINE, min_size=FINE, min_notional=Decimal(0), max_market_size=None)
        for one in stored.contracts
    ]
    clock, live = SimulatedClock(float(min(first.values()))), unlimited()
    slippage = settings.learn.trading.slippage
    terms = fill_model_of(forecaster, slippage=slippage, least=False, rounding=False)
    paper = PaperExchange(contracts, deposit=Decimal(10**6), clock=clock, fill_model=terms)
    feed = PaperFeed(ReplayFeed(stored.series, first=first, memory=memory_of(), clock=clock), paper)
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder) / "journal.sqlite", durable=False) as journal,
    ):
        session = open_session(paper, journal, forecaster, clock, settings=live)
        began = time.perf_counter()
        ending = await session.run(replayed_events(feed), mode="replay", settings="{}")
        print(f"without limits: {ending.why}, {time.perf_counter() - began:.0f} s")
        for candles, contract in zip(stored.series, stored.contracts, strict=True):
            model = forecaster.models[candles.symbol]
            costs = model.card.costs.charged(fee=float(contract.taker_fee), tick=float(contract.tick))
            problems += compared(journal, candles, model, first[candles.symbol], costs, models)
    return problems


def compared(
    journal: Journal, candles: Candles, model: OpenModel, first: int, costs: Costs, models: Path
) -> list[str]:
    """What differs between the session and the evaluation in one symbol; prints its figures.

    Parameters
    ----------
    journal : Journal
    candles : Candles
    model : OpenModel
    first : int
        Open time of the first candle that was traded, ms.
    costs : Costs
    models : Path
        Folder.
    """
    name = candles.symbol
    learn = default_settings().learn
    features = build_features(
        candles, max_missing_share=learn.max_missing_share, min_feature_share=learn.min_feature_share
    )
    tested = features.open_time >= first
    times, x = features.open_time[tested], features.x[tested]
    starts = [*np.searchsorted(times, [begun for begun, _ in model.blocks]).tolist(), len(times)]
    batch: dict[int, float] = {}
    for (_, block), (start, stop) in zip(model.blocks, pairwise(starts), strict=True):
        if stop > start:
            probabilities = block.predictor.probabilities(x[start:stop]).tolist()
            batch |= dict(zip(times[start:stop].tolist(), probabilities, strict=True))
    recorded = journal.diary.probabilities(name)
    part = candles.since(first)
    probability = np.array([batch.get(at, np.nan) for at in part.open_time.tolist()])
    sides = model.sides(part.open_time, probability)
    wanted = trades_of_sides(part, sides, rules=model.card.rules, costs=costs)
    made = [trade for trade in journal.ledger.closed_trades() if trade.symbol == name]
    problems = []
    if recorded != batch:
        problems.append(
            f"{name}: {sum(recorded.get(at) != p for at, p in batch.items())} probabilities differ"
        )
    if [trade.opened for trade in made] != wanted.opened.tolist():
        problems.append(f"{name}: the session made {len(made)} trades, the evaluation {len(wanted)}")
    else:
        off = np.abs(np.array([trade.net for trade in made]) - wanted.net).max(initial=0.0)
        fees = np.abs(np.array([float(trade.fees) for trade in made])).sum()
        reported: dict[str, Any] = json.loads(next(models.glob(f"metadata/{name}_*")).read_text())["signals"][
            "test"
        ]
        net = float(np.mean([trade.net for trade in made])) * 1e4 if made else None
        published = reported["net_bps"]
        print(
            f"{name}: {len(batch)} probabilities, {len(made)} trades, net differs by at most {off:.1e}; "
            f"mean net {net} bp, metadata {published} bp of {reported['n']} trades, fees {fees:.2f} USDT"
        )
        if (
            off > CLOSE_ENOUGH
            or (net is not None and abs(net - published) > CLOSE_ENOUGH)
            or len(made) != reported["n"]
        ):
            problems.append(f"{name}: nets differ")
    return problems


def main() -> int:
    """Train, replay twice, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT,1000PEPEUSDT,SUIUSDT")
    parser.add_argument("--trials", type=int, default=50)
    args = parser.parse_args()
    if not REAL.is_dir():
        print("no real candles beside the checkout (../shared/data)")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        models, cache = Path(folder) / "models", Path(folder) / "cache"
        train(args.symbols, args.trials, models, cache)
        problems = asyncio.run(replayed(args.symbols.split(","), models, cache))
        given = ["--replay", str(cache), "--models-dir", str(models), "--trade-untested"]
        if live_trade.main(given):
            problems.append("the replay with limits failed")
    for problem in problems:
        print(f"PROBLEM {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
