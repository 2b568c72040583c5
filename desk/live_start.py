"""From the words that a user typed to a run of ``live_trade.py``, or to the answer that needs no model.

A service.  ``desk.doors`` comes here before it imports the door, since the libraries behind the door take
seconds to import: help, a mistake in the arguments, ``--print-config`` and ``--status`` are answered in a
fraction of one.  ``tests/test_startup.py`` keeps those libraries out.

Not here: what a run does (``live_trade.carry_out``).
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from desk.errors import DeskError, SettingsError
from desk.live_arguments import live_arguments
from desk.reports.console import Console
from desk.reports.settings import print_settings
from desk.run_settings import Settings
from desk.settings_files import SettingsInForce, in_force

OK, FATAL, WRONG = 0, 1, 2


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What was asked for, and where its answer goes."""

    args: argparse.Namespace
    settings: Settings
    force: SettingsInForce
    console: Console


def prepare(argv: Sequence[str] | None, config: ModuleType) -> LiveRun | int:
    """Check settings and arguments; a run, or the exit status of what could be answered at once.

    Parameters
    ----------
    argv : sequence of str or None
        The arguments; None: those of the process.
    config : module
        ``config.py``.
    """
    console = Console(quiet=False, as_json=False)
    try:
        force = in_force(config, os.environ)
        args = live_arguments(argv, force.training, journal=Path(config.JOURNAL), websockets=config.BITGET_WS)
        console = Console(quiet=False, as_json=args.json)
        settings = config.settings_of_live(
            force.training,
            base_url=args.base_url,
            cache_dir=args.cache_dir,
            models_dir=args.models_dir,
            once=args.once,
        )
        if args.print_config:
            print_settings(force.rows(settings, config.SET_FOR_LIVE), force.files, console)
            return OK
        for line in force.remarks(settings):
            console.print(line)
        return _status(args.journal, console) if args.status else LiveRun(args, settings, force, console)
    except DeskError as exc:
        console.error(str(exc))
        return WRONG if isinstance(exc, SettingsError) else FATAL


def _status(journal: Path, console: Console) -> int:
    """Show the session of a journal; the exit status."""
    from desk.clock import SystemClock  # noqa: PLC0415 - no other answer reads a journal
    from desk.session_status import show_status  # noqa: PLC0415

    return OK if show_status(journal, SystemClock(), console) else FATAL
