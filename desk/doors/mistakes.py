"""Mistakes in a settings file, as one sentence with the file and the line instead of a traceback.

A service.  Code that runs a settings file, or calls a function of it, stands inside ``settings_mistakes``;
what that raises leaves it as ``SettingsError``.  What is raised elsewhere, such as a library that is missing,
passes through.

Not here: which settings files there are (``desk.settings_files``), and what their values may be.
"""

import contextlib
import difflib
import re
import warnings
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import InvalidOperation
from pathlib import Path
from types import FrameType

from desk.errors import SettingsError

_MISSPELT = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_ABSENT = re.compile(r"(\w+)\.__init__\(\) missing \d+ required [\w-]+ arguments?: (.+)")
_FIELD = re.compile(r"^[\w ]+: (\w+) ")
"""Name of the first field that a ``SettingsError`` complains of."""


def check_syntax(file: Path) -> None:
    """Compile ``file``, and find what is sure to fail when it runs.

    Raises
    ------
    SettingsError
        If it cannot be read, or is not Python.
    """
    with settings_mistakes(file), warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.filterwarnings("error", ".*perhaps you missed a comma", SyntaxWarning)
        compile(read_settings_file(file), str(file), "exec")


def read_settings_file(file: Path) -> bytes:
    """The content of ``file``.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as exc:
        raise SettingsError(f"it cannot be read ({exc.strerror})") from exc


@contextlib.contextmanager
def settings_mistakes(file: Path) -> Iterator[None]:
    """Turn what ``file`` raises while the block runs into a ``SettingsError`` that names its line."""
    try:
        yield
    except SyntaxError as exc:
        if exc.filename != str(file):
            raise
        raise SettingsError(f"{_place(file, exc.lineno)}: {_one_line(exc.msg)}") from exc
    except Exception as exc:  # a settings file is anybody's code
        found = _frame_in(file, exc)
        if found is None and not isinstance(exc, SettingsError | ValueError):
            raise
        frame, line, importing = found or (None, None, False)
        if importing:
            raise  # a library is missing, or does not load
        sentence, name = _sentence(exc, frame)
        raise SettingsError(f"{_place(file, _line_of(name, file, line))}: {sentence}") from exc


def nearest_name(name: str, known: Iterator[str] | list[str]) -> str:
    """`` (meant NAME?)`` for the one of ``known`` that is like ``name``; nothing where none is."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (meant {found[0]}?)" if found else ""


def _place(file: Path, line: int | None) -> str:
    return f"{file}, line {line}" if line else str(file)


def _frame_in(file: Path, exc: BaseException) -> tuple[FrameType, int, bool] | None:
    """Innermost frame of ``file`` that ``exc`` passed, its line, and whether a module was imported there."""
    found, trace = None, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            found = (trace.tb_frame, trace.tb_lineno, False)
        elif found is not None and trace.tb_frame.f_code.co_name == "<module>":
            found = (found[0], found[1], True)
        trace = trace.tb_next
    return found


def _sentence(exc: Exception, frame: FrameType | None) -> tuple[str, str]:
    """What is wrong, and the name of the setting that it is about, or ""."""
    text = _one_line(str(exc))
    if isinstance(exc, SettingsError):
        found = _FIELD.match(text)
        return text, found[1] if found else ""
    if isinstance(exc, TypeError) and (misspelt := _MISSPELT.match(text)):
        kind, name = misspelt.groups()
        return f"{kind} has no setting {name}{nearest_name(name, _settings_of(kind, frame))}", name
    if isinstance(exc, TypeError) and (absent := _ABSENT.match(text)):
        return f"{absent[1]} lacks the setting {absent[2].replace(chr(39), '')}", ""
    if isinstance(exc, InvalidOperation):
        return "a Decimal is made of a text that is no number", ""
    return f"{type(exc).__name__}: {text}", ""


def _settings_of(kind: str, frame: FrameType | None) -> list[str]:
    known = frame.f_globals.get(kind) if frame is not None else None
    return [one.name for one in fields(known)] if isinstance(known, type) and is_dataclass(known) else []


def _line_of(name: str, file: Path, line: int | None) -> int | None:
    """The line that sets ``name``, from ``line`` on: a call is known by its first line alone."""
    if not name or line is None:
        return line
    lines = read_settings_file(file).decode(errors="replace").splitlines()
    sets = re.compile(rf"\b{name}\s*=(?!=)")
    return next((at for at in range(line, len(lines) + 1) if sets.search(lines[at - 1])), line)


def _one_line(text: str) -> str:
    return " ".join(text.split())
