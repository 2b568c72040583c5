"""From published models to decisions.

A door: it composes the rooms.  Today it does one thing: ``--once`` opens the models, gets the newest
closed candles, and prints what each model makes of them.  No order is ever sent.

Reading order: ``main``, ``decide_once``.
"""

import argparse
import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from rich.table import Table

from config import Settings, default_settings
from desk.arguments import live_parser
from desk.artefacts import ModelShelf
from desk.clock import SystemClock
from desk.errors import DataError, DeskError, ModelError, ModelIncomplete, SettingsError
from desk.frames import CANDLE_MS, Candles
from desk.learn.training import Model, load_model
from desk.market.bitget import Bitget, Unreachable
from desk.market.candle_store import CandleStore
from desk.market.newest import newest_candles
from desk.outcomes import Json
from desk.policy import Thresholds
from desk.reports import terminal
from desk.reports.voice import Voice
from desk.trade.signals import Opinion
from ml_feature_engineering import FEATURES, contract_id, memory_of, missing_share, newest_rows

OK, FATAL, WRONG, INTERRUPTED = 0, 1, 2, 130
ATTEMPTS = 3
"""Reads of a decision that somebody waits for are not repeated for minutes."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenModel:
    """A published model that passed every check, and what is known of it."""

    model: Model
    metadata: Json


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """The newest closed candles, or why they are not there, per symbol."""

    candles: Mapping[str, Candles | str]
    now: int
    """Time of the exchange, or of this machine where the exchange was not reached; ms."""


def main(argv: Sequence[str] | None = None) -> int:
    """Decide once; return 0, 1 (fatal), 2 (wrong arguments or no models) or 130 (interrupted)."""
    voice = Voice(quiet=False, as_json=False)
    try:
        args = parse_arguments(argv)
        base = default_settings()
        fetch = replace(base.fetch, base_url=args.base_url, cache_dir=args.cache_dir, attempts=ATTEMPTS)
        settings = replace(base, fetch=fetch, models_dir=args.models_dir)
        return decide_once(settings, tuple(filter(None, args.symbols.split(","))), voice)
    except SettingsError as exc:
        voice.complain(str(exc))
        return WRONG
    except DeskError as exc:
        voice.complain(str(exc))
        return FATAL
    except KeyboardInterrupt:
        voice.complain("Interrupted.")
        return INTERRUPTED


def decide_once(settings: Settings, named: tuple[str, ...], voice: Voice) -> int:
    """Ask every model about the newest closed candle of its symbol, and show the answers.

    Raises
    ------
    SettingsError
        If there is no model to ask.
    """
    models, problems = open_models(ModelShelf(settings.models_dir), named)
    market = asyncio.run(look_at_market(settings, tuple(models), voice)) if models else Market({}, 0)
    ready = []
    for symbol, found in market.candles.items():
        trouble = found if isinstance(found, str) else unfit(found, settings)
        if trouble:
            problems[symbol] = trouble
        elif isinstance(found, Candles):
            ready.append(found)
    if ready:
        voice.show(decision_table(form_opinions(ready, models), market.now))
    for symbol, trouble in sorted(problems.items()):
        voice.complain(f"❌ {symbol}: no decision. {trouble.removeprefix(f'{symbol}: ')}")
    return OK if ready else FATAL


def open_models(shelf: ModelShelf, named: tuple[str, ...]) -> tuple[dict[str, OpenModel], dict[str, str]]:
    """Open the models of the ``named`` symbols, or of all; those that may not be used come with the reason.

    Raises
    ------
    SettingsError
        If there is no published model at all, or none of a named symbol.
    """
    published = shelf.symbols()
    if not published:
        raise SettingsError(
            f"{shelf.folder} holds no published model: train first (python train_live_lightgbm.py), "
            "or name another directory with --models-dir"
        )
    if strangers := sorted(set(named) - set(published)):
        raise SettingsError(
            f"{shelf.folder} holds no model of {', '.join(strangers)}: train them "
            f"(python train_live_lightgbm.py --symbols {','.join(strangers)})"
        )
    features = tuple(feature.name for feature in FEATURES)
    models: dict[str, OpenModel] = {}
    problems: dict[str, str] = {}
    for symbol in named or published:
        try:
            shelved = shelf.open_latest(symbol, features=features, contract=contract_id())
            model = load_model(shelved.model, subject=f"{symbol}: {shelved.model_file}")
            if model.names != features:
                raise ModelIncomplete(
                    f"{symbol}: the model and its metadata name other features: train again"
                )
            models[symbol] = OpenModel(model, shelved.metadata)
        except ModelError as exc:
            problems[symbol] = str(exc)
    return models, problems


async def look_at_market(settings: Settings, symbols: tuple[str, ...], voice: Voice) -> Market:
    """Get the newest closed candles: from the exchange or, where it is not reached, from the cache."""
    clock = SystemClock()
    try:
        async with Bitget(settings.fetch, clock=clock) as exchange:
            now = await exchange.server_time()
            return Market(await newest_candles(exchange, symbols, count=memory_of(), now=now), now)
    except Unreachable as exc:
        voice.complain(f"⚠️ {exc} Deciding on cached candles: mind how old they are.")
    store = CandleStore(settings.fetch.cache_dir)
    cached: dict[str, Candles | str] = {}
    for symbol in symbols:
        try:
            candles = store.load(symbol, settings.fetch.days)
            cached[symbol] = candles.rows(max(0, len(candles) - memory_of()), len(candles))
        except DataError as exc:
            cached[symbol] = str(exc)
    return Market(cached, clock.now_ms())


def unfit(candles: Candles, settings: Settings) -> str:
    """Why no decision may be formed on these candles; empty if it may."""
    if len(candles) < memory_of():
        return f"{len(candles)} candles, {memory_of()} needed for a row of features: wait until it is older"
    share, most = (
        float(missing_share(candles.open_time, memory=memory_of())[-1]),
        settings.learn.max_missing_share,
    )
    if share > most:
        return (
            f"{share:.1%} of its newest candles are missing, at most {most:.1%} may: wait until they are past"
        )
    return ""


def form_opinions(candles: Sequence[Candles], models: Mapping[str, OpenModel]) -> list[Opinion]:
    """All symbols together: features in one pass, then one prediction per model."""
    values = np.stack([series.values[:, -memory_of() :] for series in candles])
    open_time = np.stack([series.open_time[-memory_of() :] for series in candles])
    x = newest_rows(values, open_time)
    opinions = []
    for row, series in enumerate(candles):
        known = models[series.symbol]
        signals = known.metadata["signals"]
        opinions.append(
            Opinion(
                symbol=series.symbol,
                open_time=int(series.open_time[-1]),
                close=float(series.close[-1]),
                probability=float(known.model.probabilities(x[row : row + 1])[0]),
                thresholds=Thresholds(long=signals["long_threshold"], short=signals["short_threshold"]),
                tradable=bool(known.metadata["verdict"]["tradable"]),
                reasons=tuple(known.metadata["verdict"]["reasons"]),
            )
        )
    return opinions


def decision_table(opinions: Sequence[Opinion], now: int) -> Table:
    """One row per symbol, the strongest opinion first."""
    strongest_first = sorted(opinions, key=lambda one: -abs(one.probability - 0.5))
    return terminal.decision_table([_cells(opinion, now) for opinion in strongest_first])


def _cells(opinion: Opinion, now: int) -> tuple[str, ...]:
    closed = opinion.open_time + CANDLE_MS
    stale = now - closed >= CANDLE_MS
    return (
        opinion.symbol,
        f"{datetime.fromtimestamp(closed / 1000, tz=UTC):%Y-%m-%d %H:%M}",
        terminal.age((now - closed) / 60_000),
        f"{opinion.close:g}",
        f"{opinion.probability:.3f}",
        opinion.side,
        "none: a newer candle has closed" if stale else opinion.action,
        "; ".join(opinion.reasons),
    )


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; the defaults are those of ``config.py``."""
    base = default_settings()
    parser = live_parser()
    parser.set_defaults(
        base_url=base.fetch.base_url, models_dir=base.models_dir, cache_dir=base.fetch.cache_dir
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end is as good as Ctrl-C
    raise SystemExit(main())
