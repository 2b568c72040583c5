"""The command line of ``live_trade.py``.

A service: the words that a user typed and the values of ``config.py`` come in; checked arguments go out.
"""

import argparse
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from desk.arguments import ArgumentParser, HelpWithDefaults
from desk.errors import SettingsError
from desk.run_settings import Settings


def live_arguments(
    argv: Sequence[str] | None, base: Settings, *, journal: Path, websockets: Mapping[str, str]
) -> argparse.Namespace:
    """Read the command line of live trading; its defaults are the values that are handed in.

    Parameters
    ----------
    argv : sequence of str or None
        The arguments; None: those of the process.
    base : Settings
        Gives addresses and folders where none are named.
    journal : Path
        The journal where none is named.
    websockets : mapping
        The usual websocket address of each mode, for the help.

    Raises
    ------
    SettingsError
        If two arguments contradict each other.
    """
    parser = live_parser(websockets)
    parser.set_defaults(
        base_url=base.fetch.base_url,
        models_dir=base.models_dir,
        cache_dir=base.fetch.cache_dir,
        journal=journal,
        ws_url="",
    )
    args = parser.parse_args(argv)
    ways = [name for name in ("once", "replay", "demo") if getattr(args, name)]
    others = {"status": args.status, "check": args.check, "test-notify": args.test_notify}
    chosen = [*ways, *(name for name, wanted in others.items() if wanted)]
    if len(chosen) > 1:
        raise SettingsError(f"--{' and --'.join(chosen)} exclude each other")
    if args.dashboard and chosen:
        raise SettingsError(
            f"--dashboard shows a session that runs, and --{chosen[0]} is none: leave one out"
        )
    if args.record is not None and not args.check:
        raise SettingsError("--record goes with --check: name both")
    if args.json and not args.status:
        raise SettingsError("--json goes with --status: nothing else writes a document")
    if args.mode != "paper" and (ways or args.trade_untested):
        other = f"--{ways[0]}" if ways else "--trade-untested"
        raise SettingsError(f"{other} is for paper trading, not for --mode {args.mode}")
    if args.experiment is not None:
        _require_experiment(args, [one for one in chosen if one != "check"])
    if args.demo and args.models_dir == base.models_dir:
        args.models_dir = args.models_dir.parent / "demo"
    return args


def _require_experiment(args: argparse.Namespace, others: list[str]) -> None:
    """See that an experiment is one: in a session on an account, and with an amount that can be lost."""
    if others:
        raise SettingsError(f"--experiment is for a session, and --{others[0]} is none: leave one out")
    if args.mode == "paper":
        raise SettingsError(
            "--experiment costs money, real or of the demo account: name --mode live or --mode demo. On "
            "paper --trade-untested lets untested models trade"
        )
    try:
        amount = Decimal(args.experiment)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and amount > 0):
        raise SettingsError(
            f"--experiment is {args.experiment}, must be an amount of USDT above 0 that may be lost"
        )
    args.experiment = amount


def live_parser(websockets: Mapping[str, str]) -> ArgumentParser:
    """Arguments of ``live_trade.py``; ``websockets`` are the usual addresses by mode."""
    parser = ArgumentParser(
        prog="python live_trade.py",
        description="Trade the published models: simulated fills by default, demo account, or real money.",
        epilog=(
            "All other values: config.py, or your own in config_local.py beside it. "
            "Real money needs --mode live, BITGET_LIVE=yes and BITGET_API_KEY, "
            "BITGET_API_SECRET, BITGET_API_PASSPHRASE in the environment. Messages go to NOTIFY_WEBHOOK (an "
            "address), or to TELEGRAM_CHAT by TELEGRAM_TOKEN, where those are set; with "
            "TELEGRAM_COMMAND_TOKEN, a word, /status, /stop WORD and /flatten WORD are taken from that chat. "
            "A file STOP beside the journal, or SIGUSR1, closes everything. Exit status: 0 a clean stop, 1 a "
            "fatal error, 2 wrong arguments or settings, nothing started, 3 ended by the kill switch or by a "
            "loss, of the day, from the highest equity or of an experiment."
        ),
        formatter_class=HelpWithDefaults,
    )
    what = parser.add_argument_group("what is done")
    what.add_argument(
        "--mode",
        choices=("paper", "demo", "live"),
        default="paper",
        help="simulated fills on real candles, Bitget's demo account (which --demo is not), or real money",
    )
    what.add_argument("--once", action="store_true", help="decide once, print the table, send nothing, end")
    what.add_argument(
        "--print-config", action="store_true", help="show the settings in force and where each is from, end"
    )
    what.add_argument("--replay", type=Path, metavar="DIR", help="run on stored candles, a simulated clock")
    what.add_argument(
        "--demo",
        action="store_true",
        help="run on the invented candles of the training demo; not --mode demo, Bitget's demo account",
    )
    what.add_argument(
        "--test-notify",
        action="store_true",
        help="send a message on every channel of the environment, say what came of it, end",
    )
    what.add_argument(
        "--status",
        action="store_true",
        help="show what the session of the journal does and holds, running or not, end",
    )
    what.add_argument("--json", action="store_true", help="with --status: as one line of JSON")
    what.add_argument(
        "--check",
        action="store_true",
        help="read alone: say what the account is and what would keep it from trading, end; without a key in "
        "the environment, the public part",
    )
    what.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="with --check: ask every read and channel for one symbol, say what differs from what the suite "
        "believes of the exchange, and write the answers to FILE without keys, ids and amounts",
    )
    what.add_argument("--symbols", default="", metavar="A,B", help="only these; without it, all with a model")
    what.add_argument(
        "--trade-untested",
        action="store_true",
        help="in paper mode, also act on models whose verdict is not tradable",
    )
    what.add_argument(
        "--experiment",
        metavar="USDT",
        help="with --mode live or demo: models whose verdict is not tradable trade too, at the smallest "
        "sizes, until so much is lost in all; then everything is closed and the session ends with status 3, "
        "as does every later one until experiment_since in the settings begins a new experiment",
    )
    what.add_argument(
        "--dashboard",
        default="",
        metavar="[HOST:]PORT",
        help="show the session on a local page, and for Prometheus at /metrics; its two buttons need "
        "BITGET_DASHBOARD_TOKEN in the environment, and so does a HOST that other machines reach, which is "
        "not encrypted",
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="SQLite file of all that happens; a replay keeps none unless one is named",
    )
    where.add_argument("--models-dir", type=Path, metavar="DIR", help="where the models are")
    where.add_argument(
        "--cache-dir", type=Path, metavar="DIR", help="cached candles, for when the exchange is not reached"
    )
    where.add_argument("--base-url", metavar="URL", help="REST address of the exchange")
    usual = ", ".join(f"{mode} {address}" for mode, address in websockets.items())
    where.add_argument("--ws-url", metavar="URL", help=f"websocket address; without it by mode: {usual}")
    return parser
