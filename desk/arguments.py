"""What the command lines may say.

A service: parsers without defaults go out; the doors set those of ``config.py``, and read.
"""

import argparse
from pathlib import Path


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
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
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


def live_parser() -> argparse.ArgumentParser:
    """Arguments of ``live_trade.py``."""
    parser = argparse.ArgumentParser(
        prog="python live_trade.py",
        description="Ask the published models about the newest closed candles. No order is ever sent.",
        epilog="Exit status: 0 decided, 1 no decision could be formed, 2 wrong arguments or no models.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--once", action="store_true", required=True, help="decide once, print the table, and end")
    add("--symbols", default="", metavar="A,B", help="only these; without it, all that have a model")
    add("--models-dir", type=Path, metavar="DIR", help="where the models are")
    add("--cache-dir", type=Path, metavar="DIR", help="cached candles, for when the exchange is not reached")
    add("--base-url", metavar="URL", help="REST address of the exchange")
    return parser
