"""How the commands start, and where the five files of the root are in an installed suite.

A service.  ``train_live_lightgbm.py``, ``live_trade.py`` and ``python -m desk.market.emulator`` start here as
well, before they import anything: importing takes seconds, in which somebody may press Ctrl-C, and the first
two run ``config.py``, in which there may be mistakes.  All end with one sentence.  Help, ``--status`` and
what else needs no model is answered before the libraries are imported that take so long.

In a checkout the five files stand in the root, and Python finds them beside the one that is
started.  The wheel carries them in this folder (``force-include`` in ``pyproject.toml``), ``config.py`` under
the name ``packaged_config.py``, so that no module of such a common name is installed at the top level.  A
console script puts the folder on the path of its own process, which worker processes take over: there
the files import each other by the names that they have in a checkout.  What others import into their own
process (``desk.api``) takes them as modules of this package instead, and leaves the path alone.

Not here: what the commands do.
"""

import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

from desk.errors import SettingsError

FOLDER = Path(__file__).resolve().parent
PACKAGED = FOLDER / "packaged_config.py"
"""The settings that the wheel carries; not there in a checkout."""
WRONG, INTERRUPTED = 2, 130
"""Exit status for settings that cannot be used, and after Ctrl-C."""


def start_training() -> int:
    """Run ``bitget-train``: what ``train_live_lightgbm.py`` does in a checkout."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end is as good as Ctrl-C
    return _run("train_live_lightgbm", "desk.training_start")


def start_trading() -> int:
    """Run ``bitget-live``: what ``live_trade.py`` does in a checkout."""
    return _run("live_trade", "desk.live_start")


def start_emulator() -> int:
    """Run ``bitget-emulator``: what ``python -m desk.market.emulator`` does in a checkout."""
    try:
        status: int = importlib.import_module("desk.market.emulator.__main__").main()
    except KeyboardInterrupt:
        return _interrupted()
    return status


def door(name: str) -> ModuleType:
    """One of the five files as a module, wherever the suite runs from; the import path stays as it is."""
    return importlib.import_module(f"{__name__}.{name}" if PACKAGED.is_file() else name)


def settings_file() -> Path:
    """The settings of an installed suite: ``config.py`` of the working directory, else the packaged values.

    Raises
    ------
    SettingsError
        If the working directory has a ``config.py`` that is not one of this suite.
    """
    own = Path.cwd() / "config.py"
    if not own.is_file():
        return PACKAGED
    try:
        text = own.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise SettingsError(f"{own} cannot be read ({exc.strerror})") from exc
    if "def default_settings" not in text:
        raise SettingsError(
            f"{own} is not a settings file of this suite: it defines no default_settings. Start in another "
            f"folder, or put a copy of {PACKAGED} in its place"
        )
    return own


def working_folder(config_file: str) -> Path:
    """Folder of models and candles: that of ``config_file``, or the working directory if it is packaged."""
    path = Path(config_file).resolve()
    return Path.cwd() if path == PACKAGED else path.parent


def _run(name: str, start: str) -> int:
    """Run the command ``name``; the module ``start`` answers what needs none of its libraries."""
    try:
        settings = _import_settings()
        run = importlib.import_module(start).prepare(None, settings)
        status: int = run if isinstance(run, int) else importlib.import_module(name).carry_out(run)
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return WRONG
    except KeyboardInterrupt:
        return _interrupted()
    return status


def _interrupted() -> int:
    sys.stderr.write("Interrupted.\n")
    return INTERRUPTED


def _import_settings() -> ModuleType:
    """Import ``config``, wherever it is.

    Raises
    ------
    SettingsError
        If it is not there, or has a mistake.
    """
    from desk.doors.mistakes import check_syntax, settings_mistakes  # noqa: PLC0415 - after Ctrl-C is met

    if PACKAGED.is_file():
        file = settings_file()
        if "--quiet" not in sys.argv:
            where = f"packaged values, no config.py in {Path.cwd()}" if file == PACKAGED else str(file)
            sys.stderr.write(f"Settings: {where}\n")
        sys.path.insert(0, os.fspath(FOLDER))
    else:
        found = importlib.util.find_spec("config")
        if found is None or found.origin is None:
            raise SettingsError("config.py is not there, which has the values of all settings: put it back")
        file = Path(found.origin)
    check_syntax(file)
    with settings_mistakes(file):
        return importlib.import_module("config")
