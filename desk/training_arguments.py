"""The command line of ``train_live_lightgbm.py``.

A service: the words that a user typed and the values of ``config.py`` come in; the run's settings go out.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from desk.arguments import ArgumentParser, HelpWithDefaults, named_symbols
from desk.errors import SettingsError
from desk.run_settings import Settings


class _Default(str):
    """A text that nobody typed."""

    __slots__ = ()


def training_arguments(argv: Sequence[str] | None, base: Settings) -> argparse.Namespace:
    """Read the command line of training; its defaults are the values of ``base``."""
    parser = training_parser()
    parser.set_defaults(
        symbols=_Default(",".join(base.fetch.symbols)),
        top=base.fetch.top,
        days=base.fetch.days,
        horizon=base.learn.prediction_horizon,
        threshold=base.learn.min_price_change,
        trials=base.learn.n_trials,
        jobs=base.N_JOBS,
        executor=base.executor,
        rps=base.fetch.requests_per_second,
        base_url=base.fetch.base_url,
        models_dir=base.models_dir,
        cache_dir=base.fetch.cache_dir,
        seed=base.seed,
    )
    return parser.parse_args(argv)


def asks_for_models(args: argparse.Namespace) -> bool:
    """Whether it asks for what ``desk.model_commands.run_command_on_models`` does."""
    return bool(args.list or args.rollback or args.retire or args.report)


def where_given(args: argparse.Namespace, base: Settings) -> tuple[str, ...]:
    """The arguments that say where candles and models are, as they were given, for another command."""
    given = [
        ("--base-url", args.base_url, base.fetch.base_url),
        ("--cache-dir", args.cache_dir, base.fetch.cache_dir),
        ("--models-dir", args.models_dir, base.models_dir),
    ]
    return (
        *(["--demo"] if args.demo else []),
        *(part for name, value, usual in given if value != usual for part in (name, str(value))),
    )


def narrowed(args: argparse.Namespace, base: Settings) -> Settings:
    """The settings ``base``, narrowed by the arguments of ``training_arguments``.

    Raises
    ------
    SettingsError
        With everything that is wrong with the result.
    """
    if args.reveal and not args.explore:
        raise SettingsError("--reveal shows the test part of --explore: give both, or neither")
    cache_dir, models_dir = args.cache_dir, args.models_dir
    if args.demo:  # where nothing else was named, the demo keeps to folders of its own
        cache_dir = cache_dir / "demo" if cache_dir == base.fetch.cache_dir else cache_dir
        models_dir = models_dir.parent / "demo" if models_dir == base.models_dir else models_dir
    symbols, top = _selection(args, base)
    fetch = replace(
        base.fetch,
        base_url=args.base_url,
        symbols=symbols,
        include_rwa=args.include_rwa or base.fetch.include_rwa,
        top=top,
        days=args.days,
        requests_per_second=args.rps,
        use_cache=base.fetch.use_cache and not args.refresh,
        offline=args.offline or (base.fetch.offline and not args.demo),
        cache_dir=cache_dir,
    )
    learn = replace(
        base.learn, prediction_horizon=args.horizon, min_price_change=args.threshold, n_trials=args.trials
    )
    labelled = ("prediction_horizon", "min_price_change")
    differs = fetch.days != base.fetch.days or any(
        getattr(learn, of) != getattr(base.learn, of) for of in labelled
    )
    return replace(
        base,
        fetch=fetch,
        learn=learn,
        models_dir=models_dir,
        experiment=base.experiment or (differs and not args.publish),
        N_JOBS=args.jobs,
        executor=args.executor,
        seed=args.seed,
    )


def _selection(args: argparse.Namespace, base: Settings) -> tuple[tuple[str, ...], int | None]:
    """Symbols and number of the largest; what was typed replaces both settings of the file.

    The demo has symbols of its own, whatever the file names.
    """
    typed = not isinstance(args.symbols, _Default)
    symbols, top = named_symbols(args.symbols), args.top
    if typed and not symbols:
        raise SettingsError("--symbols names no symbol: leave it out for those of the settings")
    if typed and top == base.fetch.top:
        top = None
    elif not typed and (args.demo or top != base.fetch.top):
        symbols = ()
        top = None if top == base.fetch.top else top
    if args.explore and not symbols and top is None:
        top = base.explore.symbols
    return symbols, top


def training_parser() -> ArgumentParser:
    """Arguments of ``train_live_lightgbm.py``."""
    parser = ArgumentParser(
        prog="python train_live_lightgbm.py",
        description="Fetch candles of Bitget USDT futures and train one LightGBM model per symbol.",
        epilog=(
            "All other values: config.py, or your own in config_local.py beside it. "
            "Exit status: 0 all trained, or skipped for a stated reason, "
            "1 something failed, 2 wrong arguments or settings, 130 interrupted."
        ),
        formatter_class=HelpWithDefaults,
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
    how.add_argument(
        "--executor",
        metavar="WHERE",
        help="where symbols are trained: local, dask://HOST:PORT of a scheduler, or dask://local:N to try it",
    )
    how.add_argument("--rps", type=float, metavar="N", help="requests per second and endpoint")
    how.add_argument("--refresh", action="store_true", help="ignore cached candles and fetch anew")
    how.add_argument("--offline", action="store_true", help="cached candles and contract data only")
    how.add_argument("--fetch-only", action="store_true", help="stop when the candles are cached")
    how.add_argument(
        "--explore",
        action="store_true",
        help="measure horizons and thresholds instead of training, of a few large symbols if none are named",
    )
    how.add_argument(
        "--reveal",
        action="store_true",
        help="with --explore: show the test part too, which spends it: no later choice can be tested on it",
    )
    how.add_argument(
        "--publish",
        action="store_true",
        help="publish although --horizon, --threshold or --days differ from config.py",
    )
    how.add_argument("--demo", action="store_true", help="invented symbols, an exchange on this machine")
    where = parser.add_argument_group("where")
    where.add_argument("--base-url", metavar="URL", help="REST address of the exchange")
    where.add_argument("--models-dir", type=Path, metavar="DIR", help="where models go")
    where.add_argument("--cache-dir", type=Path, metavar="DIR", help="where candles are cached")
    kept = parser.add_argument_group("models that are there (nothing is fetched)")
    kept.add_argument("--list", action="store_true", help="all models, or those that a filter names")
    filters = kept.add_mutually_exclusive_group()
    filters.add_argument("--tradable", action="store_true", help="with --list: those that may be traded")
    filters.add_argument(
        "--retrain", action="store_true", help="train those that want it; with --list: show them"
    )
    filters.add_argument("--drop", action="store_true", help="with --list: those that are not worth training")
    kept.add_argument(
        "--judge", action="store_true", help="judge and publish what an interrupted run has finished"
    )
    kept.add_argument("--rollback", metavar="A[=VERSION]", help="put an older version back")
    kept.add_argument("--retire", metavar="A", help="stop trading a symbol; its versions stay")
    kept.add_argument(
        "--report", action="store_true", help="write report.html again, from the files that are there"
    )
    kept.add_argument("--prune-keep", type=int, metavar="N", help="remove all but the newest N versions")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--print-config", action="store_true", help="show the settings in force and where each is from, end"
    )
    output.add_argument("--quiet", action="store_true", help="nothing but problems")
    output.add_argument(
        "--json", action="store_true", help="the summary on standard output, all else on standard error"
    )
    return parser
