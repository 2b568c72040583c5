"""What the command lines of both doors share: how help shows defaults, and how names of symbols are read.

A service.  The command lines themselves: ``desk.training_arguments``, ``desk.live_arguments``.
"""

import argparse
import difflib
from collections.abc import Iterable


class HelpWithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows a default only where it says something: not None, False or an empty text."""

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
