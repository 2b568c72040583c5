"""What the command lines of both doors share: how help shows defaults, and how names of symbols are read.

A service.  The command lines themselves: ``desk.training_arguments``, ``desk.live_arguments``.
"""

import argparse
import difflib
from collections.abc import Iterable

from desk.errors import SettingsError


class HelpWithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows a default only where it says something: not None, False or an empty text."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or not str(action.default):
            return action.help
        return super()._get_help_string(action)


def named_symbols(text: str) -> tuple[str, ...]:
    """Names as the exchange spells them: `` btcusdt, ETHUSDT`` is BTCUSDT and ETHUSDT; "" names none.

    Raises
    ------
    SettingsError
        If something is given that names nothing, such as a comma: that does not mean all symbols.
    """
    names = tuple(name for part in text.split(",") if (name := part.strip().upper()))
    if text and not names:
        raise SettingsError(
            f"--symbols is {text!r}, which names no symbol: name some, or leave it out for all"
        )
    return names


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that was probably meant; None where none is close."""
    names = tuple(known)
    if f"{name}USDT" in names:
        return f"{name}USDT"
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.8)), None)
