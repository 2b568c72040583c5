"""A day of live trading in minutes: 300 symbols, lines that break, answers that go wrong.

``python -m soaks.live [--symbols 300] [--hours 24] [--seed 0] [--push-lost 0] [--account both]`` runs
whole sessions of ``--mode live`` in one process with the embedded exchange, over HTTP and websockets, on a
loop whose time jumps (``virtual_time``): the candle feed, the signed client with its private websocket, real
features, LightGBM models, risk, orders, journal.  Half of the time is a session on a classic account (API
v2), the other half one on a unified account (API v3), unless ``--account`` names one of them.

Every few minutes a websocket breaks off; two of a hundred answers and pushes go wrong: refused, broken off,
cut, never given, lost after an order was accepted, without some rows; sent twice, sent late and so out of
order.  Another program takes the journal's write lock again and again, and keeps it across the close of a
candle.  Contracts are suspended, a hand moves leverages, the machine's clock is set (``soaks.hands``).
``--push-lost`` loses a share of the pushes besides, as no connection does.

Afterwards every candle close of the day is compared with the true candles (``soaks.live_truth``), journal and
exchange must agree, and memory must be flat.  Ends with status 1 where one of these fails.
"""

import argparse
import asyncio
import contextlib
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.decisions import model
from config import default_settings, link_settings, live_settings, stream_settings
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.kind import AccountKind
from desk.market.bitget.account.signing import Credentials
from desk.market.bitget.public import BitgetPublic
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.market.feed.stream import CandleStream
from desk.market.settings import LinkSettings
from desk.policy import Thresholds, TradeRules
from desk.trade.events import live_events
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.session import Session, SessionResult
from desk.trade.signals import BacktestExpectation, ModelCard
from desk.trade.start import open_session
from desk.values import Candles
from ml_feature_engineering import memory_of, newest_rows
from soaks.hands import Hands
from soaks.live_figures import Listening, Memory
from soaks.live_status import AskedStatus
from soaks.live_truth import START, ReportedCandles, examined, truth
from soaks.virtual_time import VirtualClock, VirtualTimeLoop, run

PUSH_EVERY_S = 60.0
SETTLE_S = 45.0
"""After the last close, until the session is asked to stop."""
BREAK_EVERY_S = (20.0, 60.0)
"""One websocket of seven breaks off so often: each of them every five minutes or so."""
FAULTS = {
    "429": 0.004,
    "500": 0.004,
    "reset": 0.004,
    "truncate": 0.003,
    "html": 0.001,
    "hang": 0.001,
    "lost": 0.003,
    "hole": 0.0005,
    "push_twice": 0.01,
    "push_late": 0.01,
}
"""Two of a hundred answers, with those of ``CONTRACT_CODES``, and two of a hundred pushes."""
CONTRACT_CODES: Mapping[AccountKind, tuple[str, ...]] = {
    "classic": ("40308", "45043"),
    "unified": ("25102", "25210"),
}
"""Refusals that speak of one contract, each a thousandth of the answers, by the kind of the account."""
LOCK_EVERY_S, LOCKED_S = (30.0, 400.0), (1.0, 320.0)
"""Between two foreign locks of the journal, and how long one is held: a candle and more."""
LINES = 7
"""Six websockets of candles at 300 symbols, and the private one."""
MODELS = 10
A_FEW, MOST_LOOKED_AT = 5, 0.0002
"""Decisions, and share of them, that may have looked at a candle whose last word came late, at its price."""
FLAT_MB_A_DAY = 10.0
"""What may be added to the memory between the first quarter of the run and its end, per day."""
PLAY = Keys()
CREDENTIALS = Credentials(PLAY.key, PLAY.secret, PLAY.passphrase)


class PacedLink(LinkSettings):
    """The line to the exchange, at the pace that a real one is asked at."""

    __slots__ = ()

    @property
    def paced(self) -> bool:
        """Yes."""
        return True


def card(symbol: str) -> ModelCard:
    """A tradable model that fires now and then."""
    return ModelCard(
        symbol=symbol,
        model_file=f"{symbol}_lightgbm_20251105_120000.txt",
        created=START - 86_400_000,
        thresholds=Thresholds(long=0.53, short=0.47),
        rules=TradeRules(horizon=2, stop_loss=0.004, take_profit=0.008),
        label_threshold=0.002,
        tradable=True,
        reasons=(),
        expectation=BacktestExpectation(win_rate=None, win_rate_labelled=None, net_bps=None),
    )


async def live(
    loop: VirtualTimeLoop, series: Sequence[Candles], path: Path, args: argparse.Namespace, kind: AccountKind
) -> tuple[SessionResult, ReportedCandles, Memory, EmbeddedExchange, Hands, list[str]]:
    """One session.

    Parameters
    ----------
    loop : VirtualTimeLoop
    series : sequence of Candles
    path : Path
        Of the journal.
    args : Namespace
        Its ``hours`` are those of this session.
    kind : AccountKind
        Of the account.
    """
    clock = VirtualClock(loop, START)
    options = ExchangeOptions(
        now_ms=START,
        speed=1.0,
        latency_ms=40,
        push_every_s=PUSH_EVERY_S,
        faults={**FAULTS, **dict.fromkeys(CONTRACT_CODES[kind], 0.001), "push_lost": args.push_lost},
        fault_seed=args.seed,
        balance=Decimal(1_000_000),
        history_ms=3_600_000,
        keys=replace(PLAY, unified=kind == "unified"),
    )
    base = default_settings().fetch
    limits = live_settings(14)
    limits = replace(
        limits,
        risk=replace(limits.risk, losing_streak=0, daily_loss_stop=Decimal(1), max_drawdown=Decimal(1)),
    )
    symbols = [one.symbol for one in series]
    grown = [model(10 * number) for number in range(MODELS)]
    models = {name: OpenModel(card(name), grown[at % MODELS]) for at, name in enumerate(symbols)}
    window = FeatureWindow(memory=memory_of(), max_missing_share=0.02, rows=newest_rows)
    reported, memory, status = ReportedCandles(), Memory(), AskedStatus(path)
    async with EmbeddedExchange(series, options, clock=clock) as served:
        ws_url = served.url.replace("http", "ws")
        fetch = replace(base, base_url=served.url, attempts=4, timeout_s=5.0, give_up_after_s=30.0)
        link = link_settings("paper", base_url=served.url, ws_url=ws_url)
        paced = PacedLink(**{name: getattr(link, name) for name in LinkSettings.__dataclass_fields__})
        async with (
            BitgetPublic(fetch, clock=clock) as market,
            BitgetAccount(paced, CREDENTIALS, clock=clock) as account,
        ):
            stream = CandleStream(
                symbols, market=market, ws_url=ws_url, settings=stream_settings(memory_of()), clock=clock
            )
            with Journal(path) as journal:
                session = open_session(
                    account,
                    journal,
                    Forecaster.of(models, window),
                    clock,
                    settings=limits,
                    confirm=stream.confirmed,
                )
                hands = Hands(served, clock, random.Random(args.seed + 1), limits.risk.leverage)  # noqa: S311
                tasks = [
                    asyncio.ensure_future(asyncio.wait_for(hands.run(), args.hours * 3600)),
                    asyncio.ensure_future(breaking(served, clock, random.Random(args.seed))),  # noqa: S311
                    asyncio.ensure_future(hourly(memory, clock, session, args.hours)),
                    asyncio.ensure_future(locking(path, clock, random.Random(args.seed + 1))),  # noqa: S311
                    asyncio.ensure_future(status.ask(clock, hours=args.hours)),
                ]
                feed = Listening(stream, reported, clock)
                events = live_events(feed, account, clock, look_s=limits.session.look_s)
                ending = await session.run(events, mode="live", settings="{}")
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                problems = [*await differences(served, journal), *status.problems()]
    return ending, reported, memory, served, hands, problems


async def breaking(served: EmbeddedExchange, clock: VirtualClock, chance: random.Random) -> None:
    """Break a websocket off, again and again.

    Parameters
    ----------
    served : EmbeddedExchange
    clock : VirtualClock
    chance : Random
    """
    while True:
        await clock.sleep(chance.uniform(*BREAK_EVERY_S))
        served.sockets.disconnect(chance.randrange(LINES))


async def locking(path: Path, clock: VirtualClock, chance: random.Random) -> None:
    """Hold the journal's write lock, as a database tool with an open transaction does, again and again.

    Parameters
    ----------
    path : Path
        Of the journal.
    clock : VirtualClock
    chance : Random
    """
    while True:
        await clock.sleep(chance.uniform(*LOCK_EVERY_S))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await clock.sleep(chance.uniform(*LOCKED_S))
            other.execute("ROLLBACK")


async def hourly(memory: Memory, clock: VirtualClock, session: Session, hours: float) -> None:
    """Look at the memory every hour, and end the session after the last one.

    Parameters
    ----------
    memory : Memory
    clock : VirtualClock
    session : Session
    hours : float
    """
    began, real = clock.monotonic(), time.monotonic()
    while (passed := (clock.monotonic() - began) / 3600) < hours:
        await clock.sleep(min(1.0, hours - passed) * 3600)
        memory.look()
        print(
            f"hour {(clock.monotonic() - began) / 3600:5.1f}: {memory.resident[-1]:6.1f} MB, "
            f"{memory.objects[-1]:8,d} objects, {time.monotonic() - real:5.0f} s",
            flush=True,
        )
    await clock.sleep(SETTLE_S)
    session.ask("clean")


async def differences(served: EmbeddedExchange, journal: Journal) -> list[str]:
    """What journal and exchange do not agree on, now that the session is over."""
    account = served.venue.matching.account
    problems = [f"still held: {position}" for position in account.positions]
    problems += [f"still open: {order.ticket.client_id}" for order in account.live_orders()]
    problems += [f"open in the journal: {trade.symbol}" for trade in journal.ledger.open_trades()]
    profit = sum((trade.profit for trade in journal.ledger.closed_trades()), Decimal(0))
    if abs(account.cash - served.options.balance - profit) > Decimal("1e-9"):
        problems.append(f"cash {account.cash}, the journal's profits {profit}")
    return problems


def session_of(kind: AccountKind, args: argparse.Namespace) -> list[str]:
    """Run a session on an account of one kind, print its figures, and return every problem.

    Parameters
    ----------
    kind : AccountKind
    args : Namespace
        Its ``hours`` are those of this session.
    """
    print(f"{kind} account, {args.hours:g} hours")
    series = truth(args.symbols, memory_of() + 24 + int(args.hours * 12) + 12, args.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soak.sqlite"
        ending, reported, memory, served, hands, problems = run(
            lambda loop: live(loop, series, path, args, kind)
        )
        counts, wrong = examined(path, series, reported, hours=args.hours)
        problems += [*wrong, *hands.examined(path)]
        with contextlib.closing(sqlite3.connect(path)) as db:
            notes = db.execute("SELECT kind, count(*) FROM notes GROUP BY kind ORDER BY 2 DESC").fetchall()
            corrections = db.execute(
                "SELECT kind, count(*) FROM corrections GROUP BY kind ORDER BY 2 DESC"
            ).fetchall()
            trades = db.execute("SELECT status, ended, count(*) FROM trades GROUP BY 1, 2").fetchall()
            size_mb = path.stat().st_size / 1e6
    set_aside = dict(notes).get("journal", 0)
    if not set_aside:
        problems.append("no write of the journal was ever set aside: the foreign locks were not felt")
    looked = counts["only looked at wrong candles"]
    if not args.push_lost and looked > A_FEW + MOST_LOOKED_AT * counts["decided"]:
        problems.append(f"{looked} decisions looked at wrong candles: more than a late last word explains")
    if ending.status:
        problems.append(f"the session ended with status {ending.status}: {ending.why}")
    if memory.growth_mb_a_day > FLAT_MB_A_DAY:
        problems.append(f"memory grew by {memory.growth_mb_a_day:.0f} MB a day")
    stats = served.stats.as_json()
    problems += misrouted(kind, served)
    print(f"ended: {ending.why}; {time.monotonic() - began:.0f} s")
    print(f"decisions: {dict(counts)}")
    print(
        f"rounds {len(reported.rounds)}, received {np.median(reported.delays_s):.2f} s after the close "
        f"in the median, {max(reported.delays_s):.2f} s at worst"
    )
    print(f"feed: {dict(reported.news)}")
    print(f"hands: {dict(hands.done)}")
    print(f"requests {stats['total']}, throttled {stats['throttled']}, faults {stats['faults']}")
    print(f"sockets {stats['sockets']}")
    print(f"trading {stats['trading']}; trades {trades}")
    print(f"corrections {corrections}; notes {notes}; journal {size_mb:.1f} MB")
    print(f"journal: writes were set aside {set_aside} times while another program held its lock")
    resident = [round(mb) for mb in memory.resident]
    print(f"memory: {memory.growth_mb_a_day:+.1f} MB a day after the first quarter; hour by hour {resident}")
    return [f"{kind}: {problem}" for problem in problems]


def misrouted(kind: AccountKind, served: EmbeddedExchange) -> Iterator[str]:
    """Orders that went to the API of the other kind, or none at all to the account's own.

    Parameters
    ----------
    kind : AccountKind
        Of the account.
    served : EmbeddedExchange
    """
    orders = {"classic": "/api/v2/mix/order/place-order", "unified": "/api/v3/trade/place-order"}
    for api, path in orders.items():
        sent = served.stats.requests[path]
        if (sent > 0) != (api == kind):
            yield f"{sent} orders were sent to {path}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it, look at everything, print the figures; 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--hours", type=float, default=24.0, help="of all sessions together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--push-lost", type=float, default=0.0, help="share of pushes that are never sent")
    parser.add_argument(
        "--account",
        choices=("both", *CONTRACT_CODES),
        default="both",
        help="kind of account; both, the default: each for half of the hours",
    )
    args = parser.parse_args(argv)
    kinds = [kind for kind in CONTRACT_CODES if args.account in {"both", kind}]
    args.hours /= len(kinds)
    problems = [problem for kind in kinds for problem in session_of(kind, args)]
    for problem in problems[:40]:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
