"""What the command lines share: how mistakes are named, how help shows defaults, how symbols are read.

A service.  The command lines themselves: ``desk.training_arguments``, ``desk.live_arguments`` and
``desk.market.emulator``.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from desk.errors import SettingsError

WRONG = 2
"""Exit status of a command line that cannot be meant."""
WANTED = {"int": "a whole number such as 3", "float": "a number such as 0.5"}
"""What a value must be, by the function that reads it."""
_INVALID = re.compile(r"invalid (\w+) value: (.+)", re.DOTALL)
_CHOICE = re.compile(r"invalid choice: '?(.*?)'? \(choose from ", re.DOTALL)
_EXCLUDED = re.compile(r"not allowed with argument (\S+)")
_IGNORED = re.compile(r"ignored explicit argument (.+)", re.DOTALL)


class ArgumentParser(argparse.ArgumentParser):
    """A parser that answers a mistake by a sentence on it instead of by the list of all options."""

    def __init__(self, **more: Any) -> None:  # noqa: ANN401 - as argparse has them
        super().__init__(**more, allow_abbrev=False, exit_on_error=False)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Read the arguments; a mistake ends the process with status 2."""
        try:
            found, unknown = self.parse_known_args(args, namespace)
        except argparse.ArgumentError as exc:
            self.error(self._sentence(exc.argument_name or "", exc.message))
        if unknown:
            self.error(self._unknown(unknown))
        return found

    def error(self, message: str) -> NoReturn:
        """End with status 2 after ``message`` and where more is to be read."""
        end = "" if message.endswith((".", "?", "!")) else "."
        self.exit(WRONG, f"{message}{end} All options: {self.prog} --help\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As argparse does."""
        if message:
            sys.stderr.write(message)
        raise SystemExit(status)

    def _sentence(self, option: str, message: str) -> str:
        """What is wrong with the value of an option."""
        action = self._option_string_actions.get(option.partition("/")[0])
        if found := _INVALID.fullmatch(message):
            return f"{option} is {found[2]}, must be {WANTED.get(found[1], 'what --help says of it')}"
        if (found := _CHOICE.match(message)) and action is not None and action.choices is not None:
            choices = [str(one) for one in action.choices]
            near = difflib.get_close_matches(found[1], choices, n=1)
            meant = f" (meant {near[0]}?)" if near else ""
            return f"{option} is {found[1]!r}, must be one of {', '.join(choices)}{meant}"
        if found := _EXCLUDED.fullmatch(message):
            return f"{option} and {found[1]} exclude each other: leave one out"
        if found := _IGNORED.fullmatch(message):
            return f"{option} takes no value, and {found[1]} was given: leave it out"
        if message == "expected one argument" and action is not None:
            return f"{option} needs a value: {option} {action.metavar or '...'}"
        return f"{option}: {message}"

    def _unknown(self, words: Sequence[str]) -> str:
        """Options that do not exist, and which was probably meant; else words that belong to no option."""
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        if not options:
            return f"{', '.join(map(repr, words))} belongs to no option: name one before it"
        return "; ".join(f"{option} is no option{self._meant(option)}" for option in options)

    def _meant(self, option: str) -> str:
        known = [one for one in self._option_string_actions if one.startswith("--")]
        begun = [one for one in known if one.startswith(f"--{option.strip('-')}")]
        near = begun if len(begun) == 1 else difflib.get_close_matches(option, known, n=1, cutoff=0.7)
        return f" (meant {near[0]}?)" if near else ""


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
