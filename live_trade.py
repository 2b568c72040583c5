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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.table import Table

import config
from config import Settings
from desk.artefacts import ModelShelf
from desk.clock import SystemClock
from desk.errors import DataError, DeskError, ModelError, ModelIncomplete, SettingsError
from desk.frames import CANDLE_MS, Candles
from desk.learn.training import load_model
from desk.market.account import Account
from desk.market.bitget import Bitget, Unreachable
from desk.market.candle_store import CandleStore
from desk.market.matching import Terms
from desk.market.newest import newest_candles
from desk.market.paper import PaperExchange
from desk.market.paper_account import paper_account
from desk.market.stored import invented, read_stored
from desk.market.stream import CandleStream
from desk.ports import CandleFeed, Clock, Exchange
from desk.reports import live as live_tables
from desk.reports import terminal
from desk.reports.voice import Voice
from desk.trade.cards import card_of
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.explain import bill, explain, policy_trades
from desk.trade.forecasting import Forecaster, OpenModel, Window, round_of
from desk.trade.journal import Journal
from desk.trade.notify import Silent, lines_from, notifying
from desk.trade.replay import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.scoreboard import score_cells
from desk.trade.scribe import Scribe, Tell
from desk.trade.session import Ending, Session, heeding, live_events, replayed_events
from desk.trade.settings import LiveSettings
from desk.trade.signals import Opinion
from desk.trade.trader import Confirm, Trader
from ml_feature_engineering import FEATURES, contract_id, memory_of, newest_rows

OK, FATAL, WRONG, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """The newest closed candles, or why they are not there, per symbol."""

    candles: Mapping[str, Candles | str]
    now: int
    """Time of the exchange, or of this machine where the exchange was not reached; ms."""


def main(argv: Sequence[str] | None = None) -> int:
    """Decide once, or run a session; return the exit status of ``--help``."""
    voice = Voice(quiet=False, as_json=False)
    try:
        args = config.live_arguments(argv)
        settings = config.pointed(args)
        named = tuple(filter(None, args.symbols.split(",")))
        if args.once:
            return decide_once(settings, named, voice)
        stored = args.replay is not None or args.demo
        logging.basicConfig(
            level=logging.WARNING if stored else logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        symbols = published(ModelShelf(settings.models_dir), named)
        ending = asyncio.run((replay if stored else trade)(args, settings, symbols, voice))
        (voice.say if ending.status == OK else voice.complain)(f"Ended: {ending.why}.")
        return ending.status  # noqa: TRY300 - the ways to end stand together
    except SettingsError as exc:
        voice.complain(str(exc))
        return WRONG
    except DeskError as exc:
        voice.complain(str(exc))
        return FATAL
    except KeyboardInterrupt:
        voice.complain("Interrupted.")
        return INTERRUPTED


# One decision --------------------------------------------------------------------------------------


def decide_once(settings: Settings, named: tuple[str, ...], voice: Voice) -> int:
    """Ask every model about the newest closed candle of its symbol, and show the answers.

    Raises
    ------
    SettingsError
        If there is no model to ask.
    """
    models, problems = open_models(ModelShelf(settings.models_dir), named)
    market = asyncio.run(look_at_market(settings, tuple(models), voice)) if models else Market({}, 0)
    ready = [found for found in market.candles.values() if isinstance(found, Candles)]
    problems |= {symbol: found for symbol, found in market.candles.items() if isinstance(found, str)}
    opinions, silent = form_opinions(ready, models, settings)
    problems |= silent
    if opinions:
        voice.show(decision_table(opinions, market.now))
    for symbol, trouble in sorted(problems.items()):
        voice.complain(f"❌ {symbol}: no decision. {trouble.removeprefix(f'{symbol}: ')}")
    return OK if opinions else FATAL


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


def form_opinions(
    candles: Sequence[Candles], models: Mapping[str, OpenModel], settings: Settings
) -> tuple[list[Opinion], dict[str, str]]:
    """What the models make of the newest candle of each series; and of which, and why, they make nothing."""
    forecaster = Forecaster.of(models, window_of(settings))
    opinions: list[Opinion] = []
    silent: dict[str, str] = {}
    for newest in sorted({int(series.open_time[-1]) for series in candles}):
        these = [series for series in candles if series.open_time[-1] == newest]
        told, not_told = forecaster.opinions(round_of(these, newest, memory=memory_of()))
        opinions += told
        silent |= not_told
    return opinions, silent


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
        terminal.in_short(opinion.card.reasons),
    )


# A session -----------------------------------------------------------------------------------------


async def trade(
    args: argparse.Namespace, settings: Settings, symbols: tuple[str, ...], voice: Voice
) -> Ending:
    """Trade until something ends it: on simulated fills, on the demo account, or on real money.

    Raises
    ------
    SettingsError
        If something is missing that the mode needs; nothing was started.
    """
    mode, clock = str(args.mode), SystemClock()
    live = config.live_settings(settings.max_model_age_days)
    if mode == "live" and os.environ.get("BITGET_LIVE") != "yes":
        raise SettingsError(
            "--mode live trades real money: set BITGET_LIVE=yes in the environment to mean it"
        )
    link = config.link_settings(mode, base_url=args.base_url, ws_url=args.ws_url)
    credentials = None if mode == "paper" else config.credentials_from(os.environ)
    lines = lines_from(os.environ)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(args.journal))
        journal.require_mode(mode)
        market = await stack.enter_async_context(Bitget(settings.fetch, clock=clock, demo=link.demo))
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
                voice.say(line)
            if not paper.exchange.continued and (lost := journal.ledger.void_open_trades()):
                voice.say(f"What the former account held is given up without a result: {', '.join(lost)}.")
        else:
            exchange = await stack.enter_async_context(Account(link, credentials, clock=clock))
        news = await stack.enter_async_context(notifying(lines, live.notify, clock))
        forecaster = Forecaster(DiskShelf(ModelShelf(settings.models_dir)), symbols, window_of(settings))
        trader, session = staged(exchange, journal, forecaster, clock, news, live, args, candles.confirmed)
        voice.say(f"Mode {mode}, {len(symbols)} models, journal {journal.path}. Ctrl-C stops.")
        with heeding(session):
            events = live_events(feed, exchange, clock, look_s=live.session.look_s)
            ending = await session.run(events, mode=mode, settings=told(live))
        if scores := trader.keep_scores(every=True):
            voice.show(live_tables.score_table([score_cells(one) for one in scores]))
        return ending


async def replay(
    args: argparse.Namespace, settings: Settings, symbols: tuple[str, ...], voice: Voice
) -> Ending:
    """Run the session on stored or invented candles, from where each model's test part begins.

    The models are those whose figures are reported: what was published may have learned these candles.
    """
    shelf = DiskShelf(ModelShelf(settings.models_dir), evaluated=True)
    forecaster = Forecaster(shelf, symbols, window_of(settings))
    for line in forecaster.refresh():
        voice.complain(f"❌ {line}")
    names = list(forecaster.cards)
    stored = invented(config.DEMO_SERIES, names) if args.demo else read_stored(args.replay, names)
    first = {one.symbol: max(shelf.test_first[one.symbol], int(one.open_time[0])) for one in stored.series}
    contracts = {one.symbol: one for one in stored.contracts}
    live = config.live_settings(settings.max_model_age_days)
    clock = SimulatedClock(float(min(first.values())))
    paper = PaperExchange(stored.contracts, deposit=live.paper.balance, clock=clock, terms=fills_of(settings))
    candles = ReplayFeed(stored.series, first=first, memory=memory_of(), clock=clock)
    feed = PaperFeed(candles, paper, stored.funding)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replay.sqlite" if args.journal == Path(config.JOURNAL) else args.journal
        with Journal(path, durable=False) as journal:
            trader, session = staged(paper, journal, forecaster, clock, Silent(), live, args)
            with heeding(session):
                ending = await session.run(replayed_events(feed), mode="replay", settings=told(live))
            slippage = settings.learn.trading.slippage
            wanted = policy_trades(
                journal, forecaster.cards, stored.series, contracts, first=first, slippage=slippage
            )
            lines = explain(wanted, journal.ledger.closed_trades(), journal.diary.refusals())
            equity, holdings = (await paper.balance()).equity, await paper.positions()
            account = bill(journal, deposit=live.paper.balance, equity=equity, holdings=holdings)
            scores = trader.keep_scores(every=True)
    voice.show(live_tables.score_table([score_cells(one) for one in scores]))
    voice.show(live_tables.difference_table([(one.what, one.trades, one.net_bps) for one in lines]))
    rows = [(name.replace("_", " "), f"{amount:,.4f}") for name, amount in asdict(account).items()]
    voice.show(live_tables.bill_table(rows))
    return ending


def staged(
    exchange: Exchange,
    journal: Journal,
    forecaster: Forecaster,
    clock: Clock,
    news: Tell,
    live: LiveSettings,
    args: argparse.Namespace,
    confirm: Confirm | None = None,
) -> tuple[Trader, Session]:
    """The parts of a session, put together."""
    by_exchange = ExchangeClock(clock)
    scribe = Scribe(journal.diary, by_exchange, news)
    trader = Trader(
        exchange,
        journal,
        forecaster,
        by_exchange,
        scribe,
        settings=live,
        trade_untested=args.trade_untested,
        confirm=confirm,
    )
    return trader, Session(trader, journal, by_exchange, scribe, settings=live.session)


def fills_of(settings: Settings) -> Terms:
    """How simulated orders are filled: as the evaluation has it, on the exchange's steps."""
    return Terms(slippage=Decimal(repr(settings.learn.trading.slippage)))


def told(live: LiveSettings) -> str:
    """The settings of a session for its journal; there is no secret among them."""
    return json.dumps(asdict(live), default=str)


# Models --------------------------------------------------------------------------------------------


class DiskShelf:
    """Published models, checked and opened; satisfies ``desk.trade.forecasting.Shelf``.

    Parameters
    ----------
    shelf : ModelShelf
    evaluated : bool
        Open the models whose figures the metadata report instead of the published ones.
    """

    def __init__(self, shelf: ModelShelf, *, evaluated: bool = False) -> None:
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


def published(shelf: ModelShelf, named: tuple[str, ...]) -> tuple[str, ...]:
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
        raise SettingsError(
            f"{shelf.folder} holds no model of {', '.join(strangers)}: train them "
            f"(python train_live_lightgbm.py --symbols {','.join(strangers)})"
        )
    return named or there


def open_models(shelf: ModelShelf, named: tuple[str, ...]) -> tuple[dict[str, OpenModel], dict[str, str]]:
    """Open the models of the ``named`` symbols, or of all; those that may not be used come with the reason.

    Raises
    ------
    SettingsError
        As ``published``.
    """
    disk = DiskShelf(shelf)
    models: dict[str, OpenModel] = {}
    problems: dict[str, str] = {}
    for symbol in published(shelf, named):
        try:
            models[symbol] = disk.open(symbol)
        except ModelError as exc:
            problems[symbol] = str(exc)
    return models, problems


def window_of(settings: Settings) -> Window:
    """What a row of features needs, as in training."""
    return Window(memory=memory_of(), max_missing_share=settings.learn.max_missing_share, rows=newest_rows)


if __name__ == "__main__":
    raise SystemExit(main())
