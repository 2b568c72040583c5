"""``--once``: one decision of every model on the newest closed candles, as a table.

A service: open models, a window of features and the exchange's settings come in; a table goes to the console.

Not here: sessions (``desk.trade``), and which models are opened (``desk.live_models``).
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from desk.clock import SystemClock
from desk.market.bitget.snapshot import MarketSnapshot, market_snapshot
from desk.market.settings import FetchSettings
from desk.policy import Thresholds
from desk.reports import terminal
from desk.reports.console import Console
from desk.reports.live import decision_table
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel, round_of
from desk.trade.signals import Signal
from desk.values import CANDLE_MS, Candles

HOUR_MS = 3_600_000
"""Candles that are older are of the past."""
NEVER = "never"
"""In place of a threshold of a side that never fires."""


def decide_once(
    models: Mapping[str, OpenModel],
    problems: Mapping[str, str],
    window: FeatureWindow,
    fetch: FetchSettings,
    console: Console,
) -> bool:
    """Ask every model about the newest closed candle of its symbol, show the answers; whether there are any.

    Parameters
    ----------
    models : mapping
        By symbol.
    problems : mapping
        Why a symbol has no model that can be asked.
    window : FeatureWindow
    fetch : FetchSettings
        Address of the exchange, and the cache for when it is not reached.
    console : Console
    """
    clock = SystemClock()
    market = (
        asyncio.run(market_snapshot(fetch, tuple(models), count=window.memory, clock=clock))
        if models
        else MarketSnapshot({}, 0)
    )
    if market.unreached:
        console.error(f"⚠️ {market.unreached}")
    ready = [found for found in market.candles.values() if isinstance(found, Candles)]
    missing = {symbol: found for symbol, found in market.candles.items() if isinstance(found, str)}
    signals, silent = form_signals(ready, models, window)
    if signals:
        print_decisions(signals, market.now, console)
    for symbol, trouble in sorted({**problems, **missing, **silent}.items()):
        console.error(f"❌ {symbol}: no decision. {trouble.removeprefix(f'{symbol}: ')}")
    return bool(signals)


def form_signals(
    candles: Sequence[Candles], models: Mapping[str, OpenModel], window: FeatureWindow
) -> tuple[list[Signal], dict[str, str]]:
    """What the models make of the newest candle of each series; and of which, and why, they make nothing.

    Parameters
    ----------
    candles : sequence of Candles
    models : mapping
        By symbol.
    window : FeatureWindow
    """
    forecaster = Forecaster.of(models, window)
    signals: list[Signal] = []
    silent: dict[str, str] = {}
    for newest in sorted({int(series.open_time[-1]) for series in candles}):
        these = [series for series in candles if series.open_time[-1] == newest]
        found, missing = forecaster.signals(round_of(these, newest, memory=window.memory))
        signals += found
        silent |= missing
    return signals, silent


def print_decisions(signals: Sequence[Signal], now: int, console: Console) -> None:
    """One row per symbol, the strongest signal first; loudly, if the candles are of the past.

    Parameters
    ----------
    signals : sequence of Signal
    now : int
        The exchange's time, ms.
    console : Console
    """
    oldest = now - min(signal.open_time for signal in signals) - CANDLE_MS
    title = "Decisions on the newest closed candles"
    if oldest > HOUR_MS:
        title = f"Of the past: decisions on candles up to {terminal.age(oldest / 60_000)} old"
        console.error(
            f"⚠️ THE CANDLES ARE UP TO {terminal.age(oldest / 60_000).upper()} OLD: the table is of the past, "
            "nothing in it is a decision for now."
        )
    strongest_first = sorted(signals, key=lambda one: -abs(one.probability - 0.5))
    rows = [_decision_cells(signal, now) for signal in strongest_first]
    console.table(decision_table(rows, width=console.width, title=title))


def thresholds_text(thresholds: Thresholds) -> str:
    """Probabilities at which the short and the long side fire: ``0.412 / 0.588``."""
    return " / ".join(NEVER if one is None else f"{one:.3f}" for one in (thresholds.short, thresholds.long))


def _decision_cells(signal: Signal, now: int) -> tuple[str, ...]:
    closed = signal.open_time + CANDLE_MS
    stale = now - closed >= CANDLE_MS
    return (
        signal.symbol,
        f"{datetime.fromtimestamp(closed / 1000, tz=UTC):%Y-%m-%d %H:%M}",
        terminal.age((now - closed) / 60_000),
        f"{signal.close:g}",
        f"{signal.probability:.3f}",
        thresholds_text(signal.card.thresholds),
        signal.side,
        "too late" if stale else signal.action,
        "a newer candle has closed" if stale else terminal.in_short(signal.card.reasons),
    )
