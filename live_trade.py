"""From published models to decisions and orders.

A door: it composes the rooms.  ``--once`` asks every model about the newest closed candle and prints the
answers.  Otherwise a session runs: on simulated fills (``--mode paper``, ``--replay``, ``--demo``), on the
demo account, or on real money.  What a session does stands in ``desk.trade``; here it is chosen on which
exchange, on which candles and by which clock.

What needs no model is answered in ``desk.live_start``.

Reading order: ``main``; then ``trade`` and ``replay``; models at the end.
"""

if __name__ == "__main__":  # before the rest is imported: Ctrl-C and mistakes in config.py are met meanwhile
    from desk.doors import start_trading

    raise SystemExit(start_trading())

import asyncio
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import config
from desk.account_check import CheckedSession, CheckResult, check_session, key_of
from desk.answer_record import record_answers
from desk.arguments import named_symbols
from desk.clock import SystemClock
from desk.decisions import decide_once
from desk.errors import DeskError, ModelIncomplete, SettingsError
from desk.live_counters import market_counters
from desk.live_experiment import begin_experiment, conclude_experiment
from desk.live_fills import fill_model_of
from desk.live_models import DiskModelSource, WalkModelSource
from desk.live_start import FATAL, OK, WRONG, LiveRun, prepare
from desk.logs import start_logging
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.credentials import credentials_for
from desk.market.bitget.public import BitgetPublic
from desk.market.bitget.spreads import PresentSpreads
from desk.market.feed.following import FollowingFeed
from desk.market.feed.stream import CandleStream
from desk.market.paper.exchange import PaperExchange
from desk.market.paper.open import paper_account
from desk.market.series.stored import read_stored, synthetic_market
from desk.notify_check import check_channels
from desk.ports import CandleFeed, Exchange
from desk.registry import ModelRegistry
from desk.reports import live as live_tables
from desk.reports.check import print_check, print_differences
from desk.reports.console import Console
from desk.run_settings import Settings
from desk.trade.commands import session_commands
from desk.trade.dashboard import dashboard_address, open_dashboard
from desk.trade.events import live_events, replayed_events
from desk.trade.forecasting import FeatureWindow, Forecaster
from desk.trade.journal import Journal
from desk.trade.live_snapshot import LiveSnapshots
from desk.trade.notify import channels_from, notifying
from desk.trade.replay.attribution import explain, policy_trades, profit_statement
from desk.trade.replay.feed import ObservedFeed, PaperFeed, ReplayFeed, SimulatedClock, candles_of
from desk.trade.scoreboard import Score, score_cells
from desk.trade.service_manager import supervised
from desk.trade.session import SessionResult, heeding
from desk.trade.settings import settings_text
from desk.trade.start import open_session, require_startable
from desk.trade.telegram import taking_commands, telegram_bot_from
from ml_feature_engineering import FEATURES, contract_id, memory_of, newest_rows

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Decide once, or run a session; return the exit status of ``--help``."""
    run = prepare(argv, config)
    return run if isinstance(run, int) else carry_out(run)


def carry_out(run: LiveRun) -> int:
    """Do what the arguments ask for; the exit status."""
    try:
        return decide_or_trade(run, named_symbols(run.args.symbols))
    except DeskError as exc:
        run.console.error(str(exc))
        return WRONG if isinstance(exc, SettingsError) else FATAL
    except KeyboardInterrupt:
        run.console.error("Interrupted.")
        return INTERRUPTED


def decide_or_trade(run: LiveRun, named: tuple[str, ...]) -> int:
    """As ``carry_out``, of the symbols that were ``named``, all where there are none; errors are raised."""
    args, console = run.args, run.console
    if args.test_notify:
        delivered = check_channels(channels_from(os.environ), run.force.live.notify, SystemClock(), console)
        return OK if delivered else FATAL
    if args.check:
        return OK if check_before_start(run, named) else FATAL
    if args.once:
        models, problems = model_source(run.settings).open_all(named)
        decided = decide_once(models, problems, feature_window(run.settings), run.settings.fetch, console)
        return OK if decided else FATAL
    stored = args.replay is not None or args.demo
    start_logging(logging.WARNING if stored else logging.INFO)
    symbols = model_source(run.settings).published(named)
    ending = asyncio.run((replay if stored else trade)(run, symbols))
    (console.print if ending.status == OK else console.error)(f"Ended: {ending.why}.")
    return ending.status


def check_before_start(run: LiveRun, named: tuple[str, ...]) -> bool:
    """Look, by reading alone, for what would keep the session from trading; whether there is nothing."""
    args, result = run.args, CheckResult()
    mode, source = str(args.mode), model_source(run.settings)
    try:
        models, problems = source.open_all(named)
    except SettingsError as exc:
        models, problems = {}, {"": str(exc)}
    session = CheckedSession(
        mode=mode,
        link=run.force.link(mode, base_url=args.base_url, ws_url=args.ws_url),
        journal=args.journal,
        live=run.force.live,
        symbols=named,
        cards={symbol: opened.card for symbol, opened in models.items()},
        problems=problems,
        trade_untested=args.trade_untested or args.experiment is not None,
    )
    credentials, clock = key_of(mode, os.environ, result), SystemClock()
    asyncio.run(check_session(session, credentials, result, clock=clock))
    print_check(result.findings, result.remarks, result.obstacles, run.console)
    if args.record is not None:
        work = record_answers(session.link, credentials, session.asked[0], args.record, clock=clock)
        print_differences(asyncio.run(work), str(args.record), run.console)
    return not result.obstacles


# A session -----------------------------------------------------------------------------------------


async def trade(run: LiveRun, symbols: tuple[str, ...]) -> SessionResult:
    """Trade until something ends it: on simulated fills, on the demo account, or on real money.

    Raises
    ------
    SettingsError
        If something is missing that the mode needs; nothing was started.
    """
    args, settings, console = run.args, run.settings, run.console
    mode, clock = str(args.mode), SystemClock()
    if settings.fetch.offline:
        raise SettingsError(
            "offline is True in the settings, and a session needs the exchange: set it to False"
        )
    live = run.force.live
    link = run.force.link(mode, base_url=args.base_url, ws_url=args.ws_url)
    credentials = credentials_for(mode, os.environ)
    channels = channels_from(os.environ)
    bot = telegram_bot_from(os.environ)
    page = dashboard_address(args.dashboard, os.environ) if args.dashboard else None
    require_startable(args.journal, mode)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(args.journal))
        journal.require_mode(mode)  # once more, under the lock
        market = await stack.enter_async_context(BitgetPublic(settings.fetch, clock=clock, demo=link.demo))
        source = model_source(settings)
        published = None if args.symbols else source.symbols
        forecaster = Forecaster(source, symbols, feature_window(settings), published=published)
        candles = FollowingFeed(
            lambda: forecaster.symbols,
            partial(
                CandleStream,
                market=market,
                ws_url=link.ws_url,
                settings=run.force.stream(memory_of()),
                clock=clock,
            ),
        )
        forecaster.open_early()  # what happened while no session ran is filled at the models' costs, too
        feed: CandleFeed = candles
        exchange: Exchange
        if credentials is None:
            opened = paper_account(
                settings.fetch,
                link,
                journal=journal.path,
                deposit=journal.diary.newest_equity() or live.paper.balance,
                clock=clock,
                fill_model=fill_model_of(forecaster, slippage=settings.learn.trading.slippage, least=True),
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
        experiment = await begin_experiment(
            args.experiment,
            exchange,
            journal,
            market,
            forecaster.cards.values(),
            live=live,
            mode=mode,
            clock=clock,
            console=console,
        )
        notifier = await stack.enter_async_context(notifying(channels, live.notify, clock))
        session = open_session(
            exchange,
            journal,
            forecaster,
            clock,
            settings=live,
            notifications=notifier,
            trade_untested=args.trade_untested,
            confirm=candles.confirmed,
            spreads=PresentSpreads(market, clock=clock),
            experiment=experiment,
        )
        console.print(f"Mode {mode}, models: {len(symbols)}, journal {journal.path}. Ctrl-C stops.")
        notifier.notify(f"session: begins in mode {mode}, models: {len(symbols)}", urgent=True)
        if page is not None:
            counters = partial(market_counters, market, candles)
            shown = open_dashboard(page, session, journal, forecaster, clock, counters=counters)
            console.print(f"Page: {await stack.enter_async_context(shown.serving())}")
        now = LiveSnapshots(session, journal, forecaster, clock).take
        await stack.enter_async_context(taking_commands(bot, session_commands(session, now), clock))
        with heeding(session):
            events = supervised(live_events(feed, exchange, clock, look_s=live.session.look_s), clock)
            ending = await session.run(events, mode=mode, settings=settings_text(live))
        print_scores(session.trader.keep_scores(every=True), console)
        conclude_experiment(experiment, journal, clock, console)
        return ending


async def replay(run: LiveRun, symbols: tuple[str, ...]) -> SessionResult:
    """Run the session on stored or invented candles, on the blocks of each walk that lie in its last fifth.

    The models are those of the walk, week by week: what was published has learned these candles.
    """
    args, settings, console = run.args, run.settings, run.console
    named = args.journal != Path(config.JOURNAL)
    if named:
        require_startable(args.journal, "replay")
    market = synthetic_market(config.DEMO_SERIES, symbols) if args.demo else read_stored(args.replay, symbols)
    models = walk_source(settings)
    forecaster = Forecaster(models, symbols, feature_window(settings))
    for line in forecaster.refresh():
        console.error(f"❌ {line}")
    if not forecaster.cards:
        raise ModelIncomplete("there is no model that can be replayed: train the symbols again")
    stored = market.between(models.span)
    missing = set(forecaster.cards) - {one.symbol for one in stored.series}
    without = f"there are no stored candles of the weeks whose models were kept: {', '.join(sorted(missing))}"
    if not stored.series:
        raise SettingsError(f"{without}. Name the folder that the models were trained on")
    if missing:
        console.error(f"❌ Left out, {without}.")
    if not args.trade_untested and not any(card.tradable for card in forecaster.cards.values()):
        console.print(
            "No model is tradable, so nothing will be traded: add --trade-untested to see the session trade."
        )
    first = {one.symbol: max(models.span[one.symbol][0], int(one.open_time[0])) for one in stored.series}
    contracts = {one.symbol: one for one in stored.contracts}
    live = run.force.live
    clock = SimulatedClock(float(min(first.values())))
    fills = fill_model_of(forecaster, slippage=settings.learn.trading.slippage, least=False)
    paper = PaperExchange(stored.contracts, deposit=live.paper.balance, clock=clock, fill_model=fills)
    candles = ReplayFeed(stored.series, first=first, memory=memory_of(), clock=clock)
    feed = PaperFeed(candles, paper, stored.funding)
    with tempfile.TemporaryDirectory() as folder:
        path = args.journal if named else Path(folder) / "replay.sqlite"
        with Journal(path, durable=False) as journal:
            session = open_session(
                paper, journal, forecaster, clock, settings=live, trade_untested=args.trade_untested
            )
            columns, total = live_tables.replay_columns(), candles_of(stored.series, first)
            shown = console.progress(columns, total=total, name="Replayed", unit="candles")
            with heeding(session), shown as bar:
                observed = ObservedFeed(
                    feed, start=min(first.values()), show=lambda done: bar.show(done, total)
                )
                events = replayed_events(observed)
                ending = await session.run(events, mode="replay", settings=settings_text(live))
            wanted = policy_trades(journal, forecaster.models, stored.series, contracts, first=first)
            lines = explain(wanted, journal.ledger.closed_trades(), journal.diary.refusals())
            statement = await profit_statement(journal, paper, deposit=live.paper.balance)
            scores = session.trader.keep_scores(every=True)
    print_scores(scores, console)
    console.table(live_tables.difference_table([(one.what, one.trades, one.net_bps) for one in lines]))
    amounts = [(name.replace("_", " "), f"{amount:,.4f}") for name, amount in asdict(statement).items()]
    console.table(live_tables.bill_table(amounts))
    if statement.residual:
        console.error(
            f"⚠️ The journal and the simulated account differ by {statement.residual} USDT, 0 was expected: "
            "one of them has a bookkeeping error. Please report it with the journal."
        )
    return ending


def print_scores(scores: Sequence[Score], console: Console) -> None:
    """One row per model that has traded: what was expected of it, and what it delivered."""
    if rows := [score_cells(one) for one in scores]:
        console.table(live_tables.score_table(rows, width=console.width))


# Models --------------------------------------------------------------------------------------------


def model_source(settings: Settings) -> DiskModelSource:
    """The published models below the folder of the settings, for the features of this checkout."""
    registry, features = ModelRegistry(settings.models_dir), tuple(feature.name for feature in FEATURES)
    return DiskModelSource(registry, features=features, contract=contract_id())


def walk_source(settings: Settings) -> WalkModelSource:
    """The models that the last fifth was traded with, likewise."""
    registry, features = ModelRegistry(settings.models_dir), tuple(feature.name for feature in FEATURES)
    return WalkModelSource(registry, features=features, contract=contract_id())


def feature_window(settings: Settings) -> FeatureWindow:
    """What a row of features needs, as in training."""
    return FeatureWindow(
        memory=memory_of(), max_missing_share=settings.learn.max_missing_share, rows=newest_rows
    )
