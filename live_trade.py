"""From published models to decisions and orders.

A door: it composes the rooms.  ``--once`` asks every model about the newest closed candle and prints the
answers.  Otherwise a session runs: on simulated fills (``--mode paper``, ``--replay``, ``--demo``), on the
demo account, or on real money.  What a session does stands in ``desk.trade``; here it is chosen on which
exchange, on which candles and by which clock.

Reading order: ``main``; then ``decide_once``, ``trade`` and ``replay``; models at the end.
"""

import argparse
import asyncio
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import config
from config import Settings
from desk.arguments import named_symbols, nearest
from desk.clock import SystemClock
from desk.errors import DeskError, ModelError, ModelIncomplete, SettingsError
from desk.learn.training import load_model
from desk.logs import start_logging
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.credentials import credentials_for
from desk.market.bitget.public import BitgetPublic
from desk.market.bitget.snapshot import MarketSnapshot, market_snapshot
from desk.market.feed.stream import CandleStream
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.market.paper.open import paper_account
from desk.market.series.stored import invented, read_stored
from desk.ports import CandleFeed, Clock, Exchange
from desk.registry import ModelRegistry
from desk.reports import live as live_tables
from desk.reports import terminal
from desk.reports.console import Console
from desk.trade.event_log import EventLog, NotificationSink
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel, round_of
from desk.trade.journal import Journal
from desk.trade.notify import NoNotifier, lines_from, notifying
from desk.trade.replay.attribution import bill, explain, policy_trades
from desk.trade.replay.feed import ObservedFeed, PaperFeed, ReplayFeed, SimulatedClock, candles_of
from desk.trade.scoreboard import score_cells
from desk.trade.session import Session, SessionResult, heeding, live_events, replayed_events
from desk.trade.settings import LiveSettings
from desk.trade.signals import Signal, card_of
from desk.trade.start import require_startable
from desk.trade.trader import Confirm, Trader
from desk.values import CANDLE_MS, Candles
from ml_feature_engineering import FEATURES, contract_id, memory_of, newest_rows

OK, FATAL, WRONG, INTERRUPTED = 0, 1, 2, 130


HOUR_MS = 3_600_000
"""Candles that are older are of the past."""


def main(argv: Sequence[str] | None = None) -> int:
    """Decide once, or run a session; return the exit status of ``--help``."""
    console = Console(quiet=False, as_json=False)
    try:
        args = config.live_arguments(argv)
        settings = config.pointed(args)
        named = named_symbols(args.symbols)
        if args.once:
            return decide_once(settings, named, console)
        stored = args.replay is not None or args.demo
        start_logging(logging.WARNING if stored else logging.INFO)
        symbols = published(ModelRegistry(settings.models_dir), named)
        ending = asyncio.run((replay if stored else trade)(args, settings, symbols, console))
        (console.print if ending.status == OK else console.error)(f"Ended: {ending.why}.")
        return ending.status  # noqa: TRY300 - the ways to end stand together
    except SettingsError as exc:
        console.error(str(exc))
        return WRONG
    except DeskError as exc:
        console.error(str(exc))
        return FATAL
    except KeyboardInterrupt:
        console.error("Interrupted.")
        return INTERRUPTED


# One decision --------------------------------------------------------------------------------------


def decide_once(settings: Settings, named: tuple[str, ...], console: Console) -> int:
    """Ask every model about the newest closed candle of its symbol, and show the answers.

    Raises
    ------
    SettingsError
        If there is no model to ask.
    """
    models, problems = open_models(ModelRegistry(settings.models_dir), named)
    clock, count = SystemClock(), memory_of()
    market = (
        asyncio.run(market_snapshot(settings.fetch, tuple(models), count=count, clock=clock))
        if models
        else MarketSnapshot({}, 0)
    )
    if market.unreached:
        console.error(f"⚠️ {market.unreached}")
    ready = [found for found in market.candles.values() if isinstance(found, Candles)]
    problems |= {symbol: found for symbol, found in market.candles.items() if isinstance(found, str)}
    opinions, silent = form_opinions(ready, models, settings)
    problems |= silent
    if opinions:
        tell_decisions(opinions, market.now, console)
    for symbol, trouble in sorted(problems.items()):
        console.error(f"❌ {symbol}: no decision. {trouble.removeprefix(f'{symbol}: ')}")
    return OK if opinions else FATAL


def form_opinions(
    candles: Sequence[Candles], models: Mapping[str, OpenModel], settings: Settings
) -> tuple[list[Signal], dict[str, str]]:
    """What the models make of the newest candle of each series; and of which, and why, they make nothing."""
    forecaster = Forecaster.of(models, window_of(settings))
    opinions: list[Signal] = []
    silent: dict[str, str] = {}
    for newest in sorted({int(series.open_time[-1]) for series in candles}):
        these = [series for series in candles if series.open_time[-1] == newest]
        told, not_told = forecaster.opinions(round_of(these, newest, memory=memory_of()))
        opinions += told
        silent |= not_told
    return opinions, silent


def tell_decisions(opinions: Sequence[Signal], now: int, console: Console) -> None:
    """One row per symbol, the strongest opinion first; loudly, if the candles are of the past."""
    oldest = now - min(opinion.open_time for opinion in opinions) - CANDLE_MS
    title = "Decisions on the newest closed candles"
    if oldest > HOUR_MS:
        title = f"Of the past: decisions on candles up to {terminal.age(oldest / 60_000)} old"
        console.error(
            f"⚠️ THE CANDLES ARE UP TO {terminal.age(oldest / 60_000).upper()} OLD: the table is of the past, "
            "nothing in it is a decision for now."
        )
    strongest_first = sorted(opinions, key=lambda one: -abs(one.probability - 0.5))
    rows = [_cells(opinion, now) for opinion in strongest_first]
    console.table(live_tables.decision_table(rows, width=console.width, title=title))


def _cells(opinion: Signal, now: int) -> tuple[str, ...]:
    closed = opinion.open_time + CANDLE_MS
    stale = now - closed >= CANDLE_MS
    return (
        opinion.symbol,
        f"{datetime.fromtimestamp(closed / 1000, tz=UTC):%Y-%m-%d %H:%M}",
        terminal.age((now - closed) / 60_000),
        f"{opinion.close:g}",
        f"{opinion.probability:.3f}",
        opinion.side,
        "too late" if stale else opinion.action,
        "a newer candle has closed" if stale else terminal.in_short(opinion.card.reasons),
    )


# A session -----------------------------------------------------------------------------------------


async def trade(
    args: argparse.Namespace, settings: Settings, symbols: tuple[str, ...], console: Console
) -> SessionResult:
    """Trade until something ends it: on simulated fills, on the demo account, or on real money.

    Raises
    ------
    SettingsError
        If something is missing that the mode needs; nothing was started.
    """
    mode, clock = str(args.mode), SystemClock()
    live = config.live_settings(settings.max_model_age_days)
    link = config.link_settings(mode, base_url=args.base_url, ws_url=args.ws_url)
    credentials = credentials_for(mode, os.environ)
    lines = lines_from(os.environ)
    require_startable(args.journal, mode)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(args.journal))
        journal.require_mode(mode)  # once more, under the lock
        market = await stack.enter_async_context(BitgetPublic(settings.fetch, clock=clock, demo=link.demo))
        candles = CandleStream(
            symbols,
            market=market,
            ws_url=link.ws_url,
            settings=config.stream_settings(memory_of()),
            clock=clock,
        )
        feed: CandleFeed = candles
        exchange: Exchange
        if credentials is None:
            opened = paper_account(
                settings.fetch,
                link,
                journal=journal.path,
                deposit=journal.diary.newest_equity() or live.paper.balance,
                clock=clock,
                terms=fills_of(settings),
            )
            paper = await stack.enter_async_context(opened)
            feed = PaperFeed(feed, paper.exchange, paper.funding.rates, paper.funding)
            exchange = paper.exchange
            for line in paper.news:
                console.print(line)
            if not paper.exchange.continued and (lost := journal.ledger.void_open_trades()):
                console.print(
                    f"What the former account held is given up without a result: {', '.join(lost)}."
                )
        else:
            exchange = await stack.enter_async_context(BitgetAccount(link, credentials, clock=clock))
        news = await stack.enter_async_context(notifying(lines, live.notify, clock))
        forecaster = Forecaster(
            DiskModelSource(ModelRegistry(settings.models_dir)), symbols, window_of(settings)
        )
        trader, session = staged(exchange, journal, forecaster, clock, news, live, args, candles.confirmed)
        console.print(f"Mode {mode}, models: {len(symbols)}, journal {journal.path}. Ctrl-C stops.")
        with heeding(session):
            events = live_events(feed, exchange, clock, look_s=live.session.look_s)
            ending = await session.run(events, mode=mode, settings=told(live))
        if scores := trader.keep_scores(every=True):
            rows = [score_cells(one) for one in scores]
            console.table(live_tables.score_table(rows, width=console.width))
        return ending


async def replay(
    args: argparse.Namespace, settings: Settings, symbols: tuple[str, ...], console: Console
) -> SessionResult:
    """Run the session on stored or invented candles, from where each model's test part begins.

    The models are those whose figures are reported: what was published may have learned these candles.
    """
    named = args.journal != Path(config.JOURNAL)
    if named:
        require_startable(args.journal, "replay")
    shelf = DiskModelSource(ModelRegistry(settings.models_dir), evaluated=True)
    forecaster = Forecaster(shelf, symbols, window_of(settings))
    for line in forecaster.refresh():
        console.error(f"❌ {line}")
    names = list(forecaster.cards)
    stored = invented(config.DEMO_SERIES, names) if args.demo else read_stored(args.replay, names)
    if not args.trade_untested and not any(card.tradable for card in forecaster.cards.values()):
        console.print(
            "No model is tradable, so nothing will be traded: add --trade-untested to see the session trade."
        )
    first = {one.symbol: max(shelf.test_first[one.symbol], int(one.open_time[0])) for one in stored.series}
    contracts = {one.symbol: one for one in stored.contracts}
    live = config.live_settings(settings.max_model_age_days)
    clock = SimulatedClock(float(min(first.values())))
    paper = PaperExchange(stored.contracts, deposit=live.paper.balance, clock=clock, terms=fills_of(settings))
    candles = ReplayFeed(stored.series, first=first, memory=memory_of(), clock=clock)
    feed = PaperFeed(candles, paper, stored.funding)
    with tempfile.TemporaryDirectory() as folder:
        path = args.journal if named else Path(folder) / "replay.sqlite"
        with Journal(path, durable=False) as journal:
            trader, session = staged(paper, journal, forecaster, clock, NoNotifier(), live, args)
            columns, total = live_tables.replay_columns(), candles_of(stored.series, first)
            with heeding(session), console.progress(columns, total=total, plain="Replayed") as bar:
                watched = ObservedFeed(
                    feed, start=min(first.values()), show=lambda done: bar.show(done, total)
                )
                events = replayed_events(watched)
                ending = await session.run(events, mode="replay", settings=told(live))
            slippage = settings.learn.trading.slippage
            wanted = policy_trades(
                journal, forecaster.cards, stored.series, contracts, first=first, slippage=slippage
            )
            lines = explain(wanted, journal.ledger.closed_trades(), journal.diary.refusals())
            equity, holdings = (await paper.balance()).equity, await paper.positions()
            account = bill(journal, deposit=live.paper.balance, equity=equity, holdings=holdings)
            scores = trader.keep_scores(every=True)
    if rows := [score_cells(one) for one in scores]:
        console.table(live_tables.score_table(rows, width=console.width))
    console.table(live_tables.difference_table([(one.what, one.trades, one.net_bps) for one in lines]))
    bills = [(name.replace("_", " "), f"{amount:,.4f}") for name, amount in asdict(account).items()]
    console.table(live_tables.bill_table(bills))
    return ending


def staged(
    exchange: Exchange,
    journal: Journal,
    forecaster: Forecaster,
    clock: Clock,
    news: NotificationSink,
    live: LiveSettings,
    args: argparse.Namespace,
    confirm: Confirm | None = None,
) -> tuple[Trader, Session]:
    """The parts of a session, put together."""
    by_exchange = ExchangeClock(clock)
    event_log = EventLog(journal.diary, by_exchange, news)
    trader = Trader(
        exchange,
        journal,
        forecaster,
        by_exchange,
        event_log,
        settings=live,
        trade_untested=args.trade_untested,
        confirm=confirm,
    )
    return trader, Session(trader, journal, by_exchange, event_log, settings=live.session)


def fills_of(settings: Settings) -> FillModel:
    """How simulated orders are filled: as the evaluation has it, on the exchange's steps."""
    return FillModel(slippage=Decimal(repr(settings.learn.trading.slippage)))


def told(live: LiveSettings) -> str:
    """The settings of a session for its journal; there is no secret among them."""
    return json.dumps(asdict(live), default=str)


# Models --------------------------------------------------------------------------------------------


class DiskModelSource:
    """Published models, checked and opened; satisfies ``desk.trade.forecasting.ModelSource``.

    Parameters
    ----------
    shelf : ModelShelf
    evaluated : bool
        Open the models whose figures the metadata report instead of the published ones.
    """

    def __init__(self, shelf: ModelRegistry, *, evaluated: bool = False) -> None:
        self._shelf = shelf
        self._evaluated = evaluated
        self.test_first: dict[str, int] = {}
        """Open time of the first test candle of every model that was opened, ms."""

    def mark(self, symbol: str) -> object:
        """Changes with the published model and with what its metadata say."""
        return self._shelf.mark(symbol)

    def open(self, symbol: str) -> OpenModel:
        """The newest published model.

        Raises
        ------
        ModelError
            If it may not be used.
        """
        features = tuple(feature.name for feature in FEATURES)
        shelved = self._shelf.open_latest(symbol, features=features, contract=contract_id())
        text = self._shelf.evaluated(shelved.metadata) if self._evaluated else shelved.model
        model = load_model(text, subject=f"{symbol}: {shelved.model_file}")
        if model.names != features:
            raise ModelIncomplete(f"{symbol}: the model and its metadata name other features: train again")
        began = datetime.fromisoformat(shelved.metadata["split"]["test"]["first"])
        self.test_first[symbol] = int(began.timestamp() * 1000)
        return OpenModel(card_of(shelved.metadata), model)


def published(shelf: ModelRegistry, named: tuple[str, ...]) -> tuple[str, ...]:
    """The ``named`` symbols, or all that have a published model.

    Raises
    ------
    SettingsError
        If there is no published model at all, or none of a named symbol.
    """
    there = tuple(shelf.symbols())
    if not there:
        raise SettingsError(
            f"{shelf.folder} holds no published model: train first (python train_live_lightgbm.py), "
            "or name another directory with --models-dir"
        )
    if strangers := sorted(set(named) - set(there)):
        meant = {name: near for name in strangers if (near := nearest(name, there))}
        told = [f"{name} (meant {meant[name]}?)" if name in meant else name for name in strangers]
        unknown = [name for name in strangers if name not in meant]
        way = f": train it (python train_live_lightgbm.py --symbols {','.join(unknown)})" if unknown else ""
        raise SettingsError(f"{shelf.folder} holds no model of {', '.join(told)}{way}")
    return tuple(dict.fromkeys(named)) or there


def open_models(shelf: ModelRegistry, named: tuple[str, ...]) -> tuple[dict[str, OpenModel], dict[str, str]]:
    """Open the models of the ``named`` symbols, or of all; those that may not be used come with the reason.

    Raises
    ------
    SettingsError
        As ``published``.
    """
    disk = DiskModelSource(shelf)
    models: dict[str, OpenModel] = {}
    problems: dict[str, str] = {}
    for symbol in published(shelf, named):
        try:
            models[symbol] = disk.open(symbol)
        except ModelError as exc:
            problems[symbol] = str(exc)
    return models, problems


def window_of(settings: Settings) -> FeatureWindow:
    """What a row of features needs, as in training."""
    return FeatureWindow(
        memory=memory_of(), max_missing_share=settings.learn.max_missing_share, rows=newest_rows
    )


if __name__ == "__main__":
    raise SystemExit(main())
