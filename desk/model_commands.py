"""Commands about the models that are there: list them, put one back, retire one, remove old versions.

A service: what the command line of training names comes in; the registry is changed, ``models.json`` is
written, and lines go to the console.  Listing, rolling back and retiring hold no lock of the folder, so that
they work beside a running training: each moves one link, by an atomic rename.

Not here: training (``train_live_lightgbm``).
"""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from desk.arguments import nearest
from desk.errors import ModelError, SettingsError
from desk.learn.verdict import PENDING
from desk.market.history.candle_store import CandleStore
from desk.models_state import Earned, is_tradable, models_state
from desk.outcomes import Json
from desk.registry import ModelRegistry
from desk.registry.state_file import write_state_file
from desk.reports.console import Console
from desk.reports.models import models_table, models_words, reasons_lines
from desk.run_report import write_report
from desk.run_settings import Settings
from desk.stopwatch import utc_now
from desk.trade.journal.database import earned_by_model

FILTERS = ("tradable", "retrain", "drop")


def run_command_on_models(args: Namespace, settings: Settings, console: Console, *, journal: Path) -> int:
    """List, report, roll back or retire, as the arguments say; the exit status.

    Parameters
    ----------
    args : Namespace
        Of ``desk.training_arguments``.
    settings : Settings
    console : Console
    journal : Path
        Of live trading, for the figures of what was traded.
    """
    registry = ModelRegistry(settings.models_dir)
    if args.list:
        only = next((name for name in FILTERS if getattr(args, name)), None)
        return 0 if list_models(current_state(settings, console, journal=journal), console, only=only) else 1
    if args.report:
        return 0 if write_report(registry, current_state(settings, console, journal=journal), console) else 1
    if args.rollback:
        roll_back(registry, args.rollback, console)
    else:
        retire(registry, args.retire, console, at=utc_now())
    write_state(settings, console, journal=journal)
    return 0


def write_state(settings: Settings, console: Console, *, journal: Path, known: Sequence[Json] = ()) -> Json:
    """Bring ``models.json`` up to date; return it.

    Parameters
    ----------
    settings : Settings
    console : Console
    journal : Path
        Of live trading.
    known : sequence of dict
        Metadata that need not be read.
    """
    document = current_state(settings, console, journal=journal, known=known)
    write_state_file(settings.models_dir, document)
    return document


def only_stale(settings: Settings, console: Console, *, journal: Path) -> Settings:
    """The settings, narrowed to the symbols whose model should be trained again."""
    document = current_state(settings, console, journal=journal)
    named = settings.fetch.symbols
    rows = [row for row in document["models"] if wanted(row, "retrain")]
    symbols = tuple(row["symbol"] for row in rows if not named or row["symbol"] in named)
    console.print(f"To train again: {', '.join(symbols) or 'no model'}")
    return replace(settings, fetch=replace(settings.fetch, symbols=symbols))


def earned_live(journal: Path, console: Console) -> Earned:
    """What models earned in live trading; a journal that is none is named."""
    try:
        return earned_by_model(journal)
    except SettingsError as exc:
        console.error(f"⚠️ Live figures are left out: {exc}")
        return {}


def current_state(settings: Settings, console: Console, *, journal: Path, known: Sequence[Json] = ()) -> Json:
    """The content of ``models.json`` as the files are now; the parameters are those of ``write_state``."""
    return models_state(
        ModelRegistry(settings.models_dir),
        now=utc_now(),
        max_age_days=settings.max_model_age_days,
        earned=earned_live(journal, console),
        known=known,
    )


def list_models(document: Json, console: Console, *, only: str | None) -> bool:
    """Print all models, or those that a filter names; whether there was one.

    Parameters
    ----------
    document : dict
        As ``current_state`` gives it.
    console : Console
    only : str or None
        One of ``FILTERS``; None: all.
    """
    now = datetime.fromisoformat(document["written_at"])
    rows = [row for row in document["models"] if wanted(row, only)]
    console.finish(
        models_table(rows, now=now), models_words(document, len(rows)), {**document, "models": rows}
    )
    if only in {"retrain", "drop"}:
        for line in reasons_lines(rows, only):
            console.print(line)
    return bool(rows)


def wanted(row: Json, only: str | None) -> bool:
    """Whether a filter names a row of ``models.json``."""
    if only is None:
        return True
    return is_tradable(row) if only == "tradable" else row[only] is not None


def roll_back(registry: ModelRegistry, named: str, console: Console) -> None:
    """Publish an older version of a symbol.

    Parameters
    ----------
    registry : ModelRegistry
    named : str
        ``SYMBOL``: the newest judged version before the published one; ``SYMBOL=VERSION``: that one, by its
        model file or the time in its name, ``20261130_120000``.
    console : Console

    Raises
    ------
    SettingsError
        If there is no such version, or it was never judged.
    ModelError
        If its files do not belong together.
    """
    symbol, _, version = named.partition("=")
    before = registry.latest(symbol)
    versions = _versions(registry, symbol)
    if version:
        model_file = next((name for name in versions if version in (name, name[-19:-4])), None)
        if model_file is None:
            listed = ", ".join(name[-19:-4] for name in versions)
            raise SettingsError(f"{symbol} has no version {version}: it has {listed}")
        metadata = registry.metadata(model_file)
        if PENDING in metadata["verdict"]["reasons"]:
            raise SettingsError(f"{model_file} waits for its verdict: give --judge first")
    else:
        older = [name for name in versions if before is None or name < before]
        judged = (
            one for name in older if PENDING not in (one := registry.metadata(name))["verdict"]["reasons"]
        )
        found = next(judged, None)
        if found is None:
            raise SettingsError(f"{symbol} has no judged version before {before}")
        metadata = found
    registry.publish(metadata)
    verdict = "tradable" if metadata["verdict"]["tradable"] else "not tradable"
    console.print(
        f"{symbol}: {metadata['model_file']} is published ({verdict}), before it {before or 'nothing'} was. "
        "A running session takes it up at its next look at the models."
    )


def retire(registry: ModelRegistry, symbol: str, console: Console, *, at: datetime) -> None:
    """Stop trading a symbol.

    Parameters
    ----------
    registry : ModelRegistry
    symbol : str
    console : Console
    at : datetime
        When.

    Raises
    ------
    SettingsError
        If no model of it is published.
    """
    _versions(registry, symbol)
    try:
        registry.retire(symbol, at=at)
    except ModelError as exc:
        raise SettingsError(str(exc)) from exc
    console.print(
        f"{symbol} is retired: a running session manages what is open and opens nothing more. Its versions "
        f"stay: --rollback {symbol} or --symbols {symbol} brings it back."
    )


def prune(settings: Settings, console: Console, *, keep: int, journal: Path) -> int:
    """Remove old versions, and caches of other lengths of history than the last run's; the exit status.

    Parameters
    ----------
    settings : Settings
    console : Console
    keep : int
        So many of the newest versions of every symbol stay, and always the published one.
    journal : Path
        Of live trading.

    Raises
    ------
    SettingsError
        If ``keep`` is below 1.
    """
    if keep < 1:
        raise SettingsError(f"--prune-keep is {keep}, must be at least 1")
    registry = ModelRegistry(settings.models_dir)
    removed = 0
    for symbol in registry.all_symbols():
        latest = registry.latest(symbol)
        for model_file in registry.versions(symbol)[keep:]:
            if model_file != latest:
                registry.remove(model_file)
                removed += 1
    console.print(f"Removed {removed} old versions; {keep} of each symbol, and the published one, stay.")
    if (summary := registry.read_summary()) is not None:
        days = int(summary["settings"]["days"])
        caches = CandleStore(settings.fetch.cache_dir).remove_other_days(days)
        console.print(f"Removed {caches} caches of candles of other lengths than {days} days.")
    write_state(settings, console, journal=journal)
    return 0


def _versions(registry: ModelRegistry, symbol: str) -> list[str]:
    found = registry.versions(symbol)
    if not found:
        near = nearest(symbol, tuple(registry.all_symbols()))
        meant = f" (meant {near}?)" if near else ""
        raise SettingsError(f"{registry.folder} holds no model of {symbol}{meant}: --list shows all")
    return found
