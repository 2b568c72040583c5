"""What the command lines may say.

A service: parsers without defaults go out; the doors set those of ``config.py``, and read.  Names of
symbols are read here for both doors.
"""

import argparse
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or not str(action.default):
            return action.help
        return super()._get_help_string(action)


def named_symbols(text: str) -> tuple[str, ...]:
    """Names as the exchange spells them: `` btcusdt, ETHUSDT`` is BTCUSDT and ETHUSDT."""
    return tuple(name for part in text.split(",") if (name := part.strip().upper()))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that was probably meant; None where none is close."""
    names = tuple(known)
    if f"{name}USDT" in names:
        return f"{name}USDT"
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.8)), None)


def training_parser() -> argparse.ArgumentParser:
    """Arguments of ``train_live_lightgbm.py``."""
    parser = argparse.ArgumentParser(
        prog="python train_live_lightgbm.py",
        description="Fetch candles of Bitget USDT futures and train one LightGBM model per symbol.",
        epilog=(
            "All other values: config.py. Exit status: 0 all trained, or skipped for a stated reason, "
            "1 something failed, 2 wrong arguments or settings, 130 interrupted."
        ),
        allow_abbrev=False,
        formatter_class=_Defaults,
    )
    what = parser.add_argument_group("what is trained")
    what.add_argument("--symbols", default="", metavar="A,B", help="only these; without it, all active ones")
    what.add_argument("--include-rwa", action="store_true", help="also stocks, metals and currencies")
    what.add_argument("--top", type=int, metavar="N", help="only the N with the largest 24 h turnover")
    what.add_argument("--days", type=int, metavar="N", help="length of the candle history")
    what.add_argument("--horizon", type=int, metavar="N", help="how many candles ahead is predicted")
    what.add_argument("--threshold", type=float, metavar="X", help="smallest move that counts, as a fraction")
    what.add_argument("--trials", type=int, metavar="N", help="Optuna trials per symbol")
    what.add_argument("--seed", type=int, metavar="N", help="seed of every random choice")
    how = parser.add_argument_group("how")
    how.add_argument("--jobs", type=int, metavar="N", help="worker processes; 0 is one per core")
    how.add_argument("--rps", type=float, metavar="N", help="requests per second and endpoint")
    how.add_argument("--refresh", action="store_true", help="ignore cached candles and fetch anew")
    how.add_argument("--offline", action="store_true", help="cached candles and contract data only")
    how.add_argument("--fetch-only", action="store_true", help="stop when the candles are cached")
    how.add_argument(
        "--explore",
        action="store_true",
        help="measure horizons and thresholds instead of training, of a few large symbols if none are named",
    )
    how.add_argument("--demo", action="store_true", help="invented symbols, an exchange on this machine")
    where = parser.add_argument_group("where")
    where.add_argument("--base-url", metavar="URL", help="REST address of the exchange")
    where.add_argument("--models-dir", type=Path, metavar="DIR", help="where models go")
    where.add_argument("--cache-dir", type=Path, metavar="DIR", help="where candles are cached")
    said = parser.add_argument_group("what is said")
    said.add_argument("--quiet", action="store_true", help="nothing but problems")
    said.add_argument(
        "--json", action="store_true", help="the summary on standard output, all else on standard error"
    )
    return parser


def live_parser(websockets: Mapping[str, str]) -> argparse.ArgumentParser:
    """Arguments of ``live_trade.py``; ``websockets`` are the usual addresses by mode."""
    parser = argparse.ArgumentParser(
        prog="python live_trade.py",
        description="Trade the published models: simulated fills by default, demo account, or real money.",
        epilog=(
            "All other values: config.py. Real money needs --mode live, BITGET_LIVE=yes and BITGET_API_KEY, "
            "BITGET_API_SECRET, BITGET_API_PASSPHRASE in the environment. Messages go to NOTIFY_WEBHOOK (an "
            "address), or to TELEGRAM_CHAT by TELEGRAM_TOKEN, where those are set. A file STOP beside the "
            "journal, or SIGUSR1, closes everything. Exit status: 0 a clean stop, 1 a fatal error, 2 wrong "
            "arguments or settings, nothing started, 3 ended by the kill switch or the daily loss stop."
        ),
        allow_abbrev=False,
        formatter_class=_Defaults,
    )
    what = parser.add_argument_group("what is done")
    what.add_argument(
        "--mode",
        choices=("paper", "demo", "live"),
        default="paper",
        help="simulated fills on real candles, Bitget's demo account (which --demo is not), or real money",
    )
    what.add_argument("--once", action="store_true", help="decide once, print the table, send nothing, end")
    what.add_argument("--replay", type=Path, metavar="DIR", help="run on stored candles, a simulated clock")
    what.add_argument(
        "--demo",
        action="store_true",
        help="run on the invented candles of the training demo; not --mode demo, Bitget's demo account",
    )
    what.add_argument("--symbols", default="", metavar="A,B", help="only these; without it, all with a model")
    what.add_argument(
        "--trade-untested",
        action="store_true",
        help="in paper mode, also act on models whose verdict is not tradable",
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
