"""Command line of the embedded exchange: ``python -m desk.market.emulator``.

Place in the house: a door inside the market room.  Arguments come in; an exchange listens until it is
stopped.  Exit status 0 after Ctrl-C or SIGTERM, 2 on wrong arguments, 130 after Ctrl-C while it is imported.
"""

if __name__ == "__main__":  # before the rest is imported: Ctrl-C is met meanwhile
    from desk.doors import start_emulator

    raise SystemExit(start_emulator())

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from desk.arguments import ArgumentParser
from desk.clock import SystemClock
from desk.errors import SettingsError
from desk.market.emulator.keys import Keys
from desk.market.emulator.options import (
    FAULTS,
    HISTORY_ENDS,
    ExchangeOptions,
    read_by_symbol,
    read_faults,
)
from desk.market.emulator.server import EmbeddedExchange
from desk.market.emulator.uta_options import SWITCHES, read_switches
from desk.market.series.facts import Funding
from desk.market.series.sources import (
    DAYS_AHEAD,
    SyntheticName,
    align_ends,
    extend_synthetic,
    list_late,
    newest_open,
    punch_holes,
    read_candle_files,
    read_funding_files,
    read_synthetic,
    synthetic_series,
)
from desk.market.series.synthetic import KIND_WORDS
from desk.values import CANDLE_MS, Candles


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        options = _options(args)
        series, funding = _series(args)
        if args.speed > 0:
            options, series = extend_for_running_clock(options, series, read_synthetic(args.synthetic))
        status = asyncio.run(_serve(series, options, funding))
    except SettingsError as exc:
        parser.error(str(exc))
    except KeyboardInterrupt:  # where the loop cannot handle signals
        return 0
    return status


async def _serve(series: Sequence[Candles], options: ExchangeOptions, funding: Mapping[str, Funding]) -> int:
    """Listen, print the address, and wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, stop.set)
    async with EmbeddedExchange(series, options, clock=SystemClock(), funding=funding) as exchange:
        sys.stdout.write(f"listening on {exchange.url}\n")
        sys.stdout.flush()
        await stop.wait()
    return 0


def _options(args: argparse.Namespace) -> ExchangeOptions:
    """Options that the arguments set."""
    return ExchangeOptions(
        host=args.host,
        port=args.port,
        now_ms=args.now,
        speed=args.speed,
        rate_limit=args.rate_limit,
        minute_limit=args.minute_limit,
        penalty=args.penalty,
        latency_ms=args.latency_ms,
        faults=read_faults(args.faults),
        fault_seed=args.fault_seed,
        delist=read_by_symbol(args.delist, option="delist"),
        history_end=args.history_end,
        spread_bps=args.spread_bps,
        mark_lag=args.mark_lag,
        balance=_money(args.balance),
        keys=Keys(
            key=args.key,
            secret=args.secret,
            passphrase=args.passphrase,
            demo=args.demo_account,
            unified=args.unified_account,
            read_only=args.read_only_key,
            lacks=tuple(filter(None, args.key_lacks.split(","))),
            address=args.key_address,
        ),
        unified=read_switches(args.unified_switches),
    )


def _series(args: argparse.Namespace) -> tuple[list[Candles], dict[str, Funding]]:
    """Series and funding rates that the arguments name."""
    if args.candles is None and not args.synthetic:
        raise SettingsError(
            "there is no series to serve: give --candles DIR, --synthetic NAME=KIND:SEED, or both"
        )
    names = read_synthetic(args.synthetic)
    series = read_candle_files(args.candles) if args.candles else []
    series += synthetic_series(names, beside=series, now_ms=args.now)
    funding = read_funding_files(args.funding) if args.funding else {}
    if args.align_end:
        series, funding = align_ends(series, funding)
    series = list_late(series, read_by_symbol(args.list_late, option="list-late"))
    return (punch_holes(series, share=args.holes, seed=args.fault_seed) if args.holes else series), funding


def extend_for_running_clock(
    options: ExchangeOptions, series: Sequence[Candles], names: Sequence[SyntheticName]
) -> tuple[ExchangeOptions, list[Candles]]:
    """Extend synthetic series where the clock runs; the server time starts as if they were not extended.

    Parameters
    ----------
    options : ExchangeOptions
    series : sequence of Candles
    names : sequence of SyntheticName
        Of the synthetic ones among ``series``.
    """
    start = newest_open(series, default=0) + CANDLE_MS if options.now_ms is None else options.now_ms
    return replace(options, now_ms=start), extend_synthetic(series, names)


def _parser() -> ArgumentParser:
    """The command line: every option and its help."""
    parser = ArgumentParser(
        prog="python -m desk.market.emulator",
        description="An exchange on this machine that answers like Bitget's REST endpoints and websockets.",
    )
    add = parser.add_argument
    add(
        "--candles",
        type=Path,
        metavar="DIR",
        help="folder of SYMBOL.parquet files, served as they are; columns: timestamp (open time in ms), "
        "open, high, low, close, volume",
    )
    add(
        "--synthetic",
        default="",
        metavar="NAME=KIND:SEED,…",
        help=f"synthetic series of 190 days; KIND is {'; '.join(map(': '.join, KIND_WORDS.items()))}. While "
        f"the clock runs (--speed) they continue for {DAYS_AHEAD} days",
    )
    add(
        "--funding",
        type=Path,
        metavar="DIR",
        help="folder of SYMBOL.parquet files of funding rates; without one, 0.0001 every 8 hours",
    )
    add("--host", default="127.0.0.1", help="loopback address to listen on, default %(default)s")
    add("--port", type=int, default=0, help="port to listen on; 0, the default, takes any free one")
    add(
        "--now",
        type=int,
        metavar="MS",
        help="server time at the start; default: newest open time of all series + 5 minutes",
    )
    add(
        "--speed",
        type=float,
        default=0.0,
        metavar="X",
        help="market seconds per second; 0, the default: the clock stands still. At any speed other than 1 "
        "live_trade.py opens no position, because this machine's clock then differs from the server time",
    )
    add(
        "--align-end",
        action="store_true",
        help="shift series by multiples of 5 minutes so that all end together",
    )
    add(
        "--rate-limit",
        type=int,
        default=20,
        metavar="N",
        help="requests per second and endpoint, default %(default)s; 0 = no limits",
    )
    add(
        "--minute-limit",
        type=int,
        default=6000,
        metavar="N",
        help="requests per minute over all endpoints, default %(default)s; 0 = off",
    )
    add(
        "--penalty",
        action="store_true",
        help="refuse every request of an address for 5 minutes after it exceeded the minute limit",
    )
    add(
        "--latency-ms",
        type=float,
        default=0.0,
        metavar="N",
        help="milliseconds to wait before every answer, default 0",
    )
    add(
        "--history-end",
        default="exclusive",
        choices=HISTORY_ENDS,
        help="how endTime of history-candles is read: exclusive and floored to the grid, inclusive and "
        "floored, or exclusive and not floored; default %(default)s",
    )
    add(
        "--holes",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="share of the candles to remove from every series, in outages of some candles; default 0",
    )
    add(
        "--list-late",
        default="",
        metavar="NAME=DAYS,…",
        help="symbols whose series begin only DAYS days before they end",
    )
    add(
        "--delist",
        default="",
        metavar="NAME=N,…",
        help="symbols that are delisted (code 40309) after N answers about them",
    )
    add(
        "--spread-bps",
        type=float,
        default=0.0,
        metavar="X",
        help="distance of bid and ask over the last price, in basis points; never less than one tick, the "
        "default",
    )
    add(
        "--mark-lag",
        type=int,
        default=0,
        metavar="N",
        help="candles by which the last price follows the mark price; 0, the default: both are the same",
    )
    _add_account(parser)
    faults = "; ".join(f"{name}: {meaning}" for name, meaning in FAULTS.items())
    add(
        "--faults",
        default="",
        metavar="NAME=SHARE,…",
        help=f"share of answers with a fault ({faults}; a business code such as 40309: the request is "
        "refused with that code)",
    )
    add(
        "--fault-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the faults: another seed hits other answers; default %(default)s",
    )
    return parser


def _add_account(parser: ArgumentParser) -> None:
    """Options of the account behind the private endpoints."""
    usual = Keys()
    add = parser.add_argument
    add(
        "--balance",
        default="10000",
        metavar="X",
        help="USDT in the account at the start, default %(default)s",
    )
    add("--key", default=usual.key, help="API key of the account, default %(default)s")
    add("--secret", default=usual.secret, help="its secret, default %(default)s; never give a real one")
    add("--passphrase", default=usual.passphrase, help="its passphrase, default %(default)s")
    add(
        "--demo-account",
        action="store_true",
        help="the key belongs to demo trading: requests without the header paptrading get code 40099",
    )
    add(
        "--unified-account",
        action="store_true",
        help="the account is a unified account: it has the API v3, and every private call of the classic API "
        "gets code 40085; without this option the API v3 gets 40084",
    )
    add(
        "--read-only-key",
        action="store_true",
        help="the key has no permission to trade: requests that change the account get code 40014",
    )
    add(
        "--key-lacks",
        default="",
        metavar="PATH,…",
        help="beginnings of paths that the key has no permission for, such as /api/v3/trade: these requests "
        "get code 40014",
    )
    add(
        "--key-address",
        default="",
        metavar="IP",
        help="the only address that the key may be used from: requests from others get code 40018",
    )
    switches = "; ".join(f"{name}: {', '.join(words)}" for name, words in SWITCHES.items())
    add(
        "--unified-switches",
        default="",
        metavar="NAME=VALUE,…",
        help="how a unified account behaves where public sources leave it open (docs/bitget.md, U15), the "
        f"default first; {switches}; isolated_in_equity: yes, no; stop_delay_ms, order_delay_ms: "
        "milliseconds of market time",
    )


def _money(text: str) -> Decimal:
    """Amount in USDT, exactly as it is written."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise SettingsError(f"--balance is {text!r}, must be a number such as 10000") from None


def _share(text: str) -> float:
    """Share of candles to remove, at most one half."""
    share = float(text)
    if not 0 <= share <= 0.5:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 0.5")
    return share
