"""From the words that a user typed to a run of ``train_live_lightgbm.py``, or to the answer that needs none.

A service.  ``desk.doors`` comes here before it imports the door, since the libraries behind the door take
seconds to import: help, a mistake in the arguments, ``--print-config`` and the commands about models that are
there are answered without them.  ``tests/test_startup.py`` keeps those libraries out.

Not here: what a run does (``train_live_lightgbm.carry_out``).
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from desk.errors import DeskError, SettingsError
from desk.reports.console import Console
from desk.reports.settings import print_settings
from desk.run_settings import Settings
from desk.settings_files import in_force
from desk.training_arguments import asks_for_models, narrowed, training_arguments, where_given

OK, FAILED, WRONG = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TrainingCommand:
    """What was asked for, and where its answer goes."""

    args: argparse.Namespace
    settings: Settings
    console: Console
    where: tuple[str, ...]
    """Arguments that another command on the same candles and models needs too."""


def prepare(argv: Sequence[str] | None, config: ModuleType) -> TrainingCommand | int:
    """Check settings and arguments; a run, or the exit status of what could be answered at once.

    Parameters
    ----------
    argv : sequence of str or None
        The arguments; None: those of the process.
    config : module
        ``config.py``.
    """
    console = Console(quiet=False, as_json=True)
    try:
        force = in_force(config, os.environ)
        args = training_arguments(argv, force.training)
        console = Console(quiet=args.quiet, as_json=args.json)
        settings = narrowed(args, force.training)
        if args.print_config:
            print_settings(force.rows(settings), force.files, console)
            return OK
        for line in force.remarks(settings):
            console.print(line)
        if not asks_for_models(args):
            return TrainingCommand(args, settings, console, where_given(args, force.training))
        from desk.model_commands import run_command_on_models  # noqa: PLC0415 - nothing else here needs models

        return run_command_on_models(args, settings, console, journal=Path(config.JOURNAL))
    except DeskError as exc:
        console.error(str(exc))
        return WRONG if isinstance(exc, SettingsError) else FAILED
