"""The settings in force, and where each comes from.

A service: ``config.py`` gives all values; a file of the user's own names those that it wants otherwise, and
the environment wins over both.  The own file is ``config_local.py`` beside ``config.py``, or the one that
``DESK_CONFIG`` names (empty: none).  It is Python, and sets fields by section::

    fetch = {"days": 365, "symbols": ("BTCUSDT", "ETHUSDT")}
    learn = {"n_trials": 100, "trading": {"stop_loss": 0.03}}
    risk = {"leverage": 2}
    N_JOBS = 4

What it sets passes the checks of the classes, as the values of ``config.py`` do.  ``in_force`` makes all
settings once, so that a mistake in any of them ends a command before it starts.

Not here: values (``config.py``), arguments (``desk.training_arguments``, ``desk.live_arguments``), and how
mistakes in a file are put (``desk.doors.mistakes``).
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Protocol, TypeVar

from desk.cores import usable_cores
from desk.doors import working_folder
from desk.doors.mistakes import check_syntax, nearest_name, read_settings_file, settings_mistakes
from desk.errors import SettingsError
from desk.market.settings import LinkSettings, StreamSettings
from desk.plausible import unusual
from desk.run_settings import Settings, with_environment
from desk.settings import leaves
from desk.trade.settings import LiveSettings
from desk.typed_fields import quoted

Part = TypeVar("Part")

OWN_FILE = "config_local.py"
VARIABLE = "DESK_CONFIG"
FUNCTIONS = ("default_settings", "live_settings", "link_settings", "stream_settings")
DERIVED = MappingProxyType(
    {
        "link.base_url": "fetch.base_url",
        "link.ws_url": "the argument --ws-url",
        "link.demo": "the argument --mode",
        "stream.memory": "the features",
        "risk.max_model_age_days": "max_model_age_days at the top level",
    }
)
"""Settings that no file sets on its own, and what they follow."""


class SettingsModule(Protocol):
    """What ``config.py`` defines."""

    BITGET: str

    def default_settings(self, environ: Mapping[str, str]) -> Settings:
        """What a run of training depends on."""

    def live_settings(self, max_model_age_days: int) -> LiveSettings:
        """What live trading depends on besides."""

    def link_settings(self, mode: str, *, base_url: str, ws_url: str) -> LinkSettings:
        """The lines to the exchange."""

    def stream_settings(self, memory: int) -> StreamSettings:
        """When candles count as closed."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """What the user wants otherwise than ``config.py`` has it."""

    path: Path
    values: Mapping[str, Any]
    """By section, or by the name of a setting that is in none."""
    lines: Mapping[str, int]
    """Line of each dotted name."""

    def applied(self, name: str, part: Part) -> Part:
        """``part`` with what the section ``name`` sets.

        Raises
        ------
        SettingsError
            If it sets something that ``part`` does not have, or that cannot be.
        """
        return part if name not in self.values else self._changed(name, part, self.values[name])

    def named(self) -> list[str]:
        """The dotted names of all that it sets."""
        return [dotted for name, value in self.values.items() for dotted in _dotted(name, value)]

    def refuse_unknown(self, known: Mapping[str, bool]) -> None:
        """Refuse a top-level name that is none of ``known``, or is not what it should be.

        Parameters
        ----------
        known : mapping
            Names of sections (True) and of settings that are in none (False).

        Raises
        ------
        SettingsError
            With the line of the first.
        """
        for name, value in self.values.items():
            if name not in known:
                sections = ", ".join(sorted(one for one in known if known[one]))
                raise SettingsError(
                    f"{self.place(name)}: there is no section {name}{nearest_name(name, list(known))}; "
                    f"sections are {sections}, a setting is written in its section as "
                    'fetch = {"days": 180}, and names that begin with _ are your own'
                )
            if known[name] and not isinstance(value, Mapping):
                raise SettingsError(
                    f"{self.place(name)}: {name} is {quoted(value)}, must be a section: "
                    f'{name} = {{"NAME": value}}'
                )

    def _changed(self, name: str, part: Part, changes: Mapping[str, Any]) -> Part:
        of = {one.name: getattr(part, one.name) for one in fields(part)}  # type: ignore[arg-type]
        wanted = {}
        for key, value in changes.items():
            dotted = f"{name}.{key}"
            if key not in of:
                raise SettingsError(
                    f"{self.place(dotted)}: {name} has no setting {key}{nearest_name(str(key), list(of))}"
                )
            if dotted in DERIVED:
                raise SettingsError(f"{self.place(dotted)}: {dotted} follows {DERIVED[dotted]}: set that")
            inner = of[key]
            nested = is_dataclass(inner) and isinstance(value, Mapping)
            wanted[key] = self._changed(dotted, inner, value) if nested else value
        try:
            return replace(part, **wanted)  # type: ignore[type-var]
        except SettingsError as exc:
            raise SettingsError(f"{self.place(*_complained(name, wanted, str(exc)))}: {exc}") from exc

    def place(self, *names: str) -> str:
        """File and line of the first of the dotted ``names`` that has one."""
        line = next((self.lines[name] for name in names if name in self.lines), None)
        return f"{self.path}, line {line}" if line else str(self.path)


@dataclass(frozen=True, slots=True)
class SettingsInForce:
    """All settings but for the arguments; made by ``in_force``."""

    training: Settings
    live: LiveSettings
    files: str
    """Which files they are from, for people."""
    own: OwnFile | None
    _module: SettingsModule
    _environment: Mapping[str, str] = field(default_factory=dict)

    def link(self, mode: str, *, base_url: str, ws_url: str) -> LinkSettings:
        """As that of ``config.py``, through the proxy of ``fetch``; the arguments are as there."""
        link = self._module.link_settings(mode, base_url=base_url, ws_url=ws_url)
        return self._own("link", replace(link, proxy=link.proxy or self.training.fetch.proxy))

    def stream(self, memory: int) -> StreamSettings:
        """As that of ``config.py``; ``memory`` is what the features need."""
        return self._own("stream", self._module.stream_settings(memory))

    def rows(
        self, training: Settings, sources: Mapping[str, str] = MappingProxyType({})
    ) -> list[tuple[str, str, str]]:
        """Every setting: its dotted name, its value, and where that is from.

        Parameters
        ----------
        training : Settings
            Those of this object, as the arguments narrowed them.
        sources : mapping
            By dotted name: who set it, where it was not an argument.
        """
        link, stream = self.link("paper", base_url=self._module.BITGET, ws_url=""), self.stream(1)
        values = [*leaves(training), *leaves(self.live), *leaves(link, "link."), *leaves(stream, "stream.")]
        before, named = dict(leaves(self.training)), set(self.own.named() if self.own else ())
        rows = []
        for name, value in values:
            if name in DERIVED:
                continue
            if name in before and before[name] != value:
                source = sources.get(name, "arguments")
            elif name in self._environment:
                source = f"{self._environment[name]} in the environment"
            else:
                source = str(self.own.path) if self.own and name in named else "config.py"
            text = f"Path({str(value)!r})" if isinstance(value, Path) else repr(value)
            hidden = value and name.rpartition(".")[2] == "proxy"  # its address may hold a password
            rows.append((name, "(not shown)" if hidden else text, source))
        return rows

    def remarks(self, training: Settings) -> list[str]:
        """What a user wants to know before it counts: what the own file sets, and what is hardly meant.

        Parameters
        ----------
        training : Settings
            Those of this object, as the arguments narrowed them.
        """
        own = [f"Settings: {self.own.path} sets {', '.join(self.own.named())}."] if self.own else []
        values = [*leaves(training), *leaves(self.live)]
        return own + [f"⚠️ {sentence}" for sentence in unusual(values, cores=usable_cores())]

    def _own(self, name: str, part: Part) -> Part:
        return self.own.applied(name, part) if self.own else part


def in_force(config: ModuleType | SettingsModule, environ: Mapping[str, str]) -> SettingsInForce:
    """All settings: ``config``, then the user's own file, then the environment.

    Parameters
    ----------
    config : module
        ``config.py``.
    environ : mapping
        ``DESK_CONFIG`` and what ``desk.run_settings.with_environment`` reads.

    Raises
    ------
    SettingsError
        If anything is wrong with any of them; the message names file and line, or the variable.
    """
    file = Path(str(getattr(config, "__file__", "config.py")))
    if lacking := [name for name in FUNCTIONS if not hasattr(config, name)]:
        raise SettingsError(
            f"{file} defines no {lacking[0]}: it is not of this version. Take the config.py of this version, "
            f"and set your own values in {OWN_FILE} beside it"
        )
    module: SettingsModule = config
    with settings_mistakes(file):
        training = module.default_settings({})
        link = module.link_settings("paper", base_url=module.BITGET, ws_url="")
        stream = module.stream_settings(1)
        live = module.live_settings(training.max_model_age_days)
    if own := read_own_file(environ, file):
        own.refuse_unknown(_known(training, live))
        training = _with_own(own, training)
        own.applied("link", link)
        own.applied("stream", stream)
    training, environment = with_environment(training, environ)
    with settings_mistakes(file):
        live = module.live_settings(training.max_model_age_days)
    if own:
        changes = {one.name: own.applied(one.name, getattr(live, one.name)) for one in fields(live)}
        live = replace(live, **changes)
    files = f"{file} and {own.path}" if own else str(file)
    return SettingsInForce(training, live, files, own, module, environment)


def read_own_file(environ: Mapping[str, str], config_file: Path) -> OwnFile | None:
    """Run the user's own file, if there is one.

    Parameters
    ----------
    environ : mapping
        ``DESK_CONFIG`` names the file; empty: none is read.
    config_file : Path
        Where there is no such variable: the file is looked for beside this one, or in the working directory
        if this one is packaged.

    Raises
    ------
    SettingsError
        If the file cannot be read or fails, or the one that is named is not there.
    """
    named = environ.get(VARIABLE)
    if named == "":
        return None
    path = Path(named).expanduser().absolute() if named else working_folder(str(config_file)) / OWN_FILE
    if not path.is_file():
        if named:
            raise SettingsError(f"{VARIABLE} in the environment names {path}, which is not there")
        return None
    check_syntax(path)
    body = read_settings_file(path)
    namespace: dict[str, Any] = {"__file__": str(path), "__name__": path.stem}
    with settings_mistakes(path):
        exec(compile(body, str(path), "exec"), namespace)  # noqa: S102 - settings are Python, see SECURITY.md
    return OwnFile(path, dict(_settings_among(namespace)), dict(_lines(ast.parse(body))))


def _settings_among(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is no module, function or class, and does not begin with an underscore."""
    for name, value in namespace.items():
        if not name.startswith("_") and not isinstance(value, ModuleType) and not callable(value):
            yield name, value


def _known(training: Settings, live: LiveSettings) -> dict[str, bool]:
    """Names at the top level of an own file, and whether each is a section."""
    known = {one.name: is_dataclass(getattr(training, one.name)) for one in fields(training)}
    return known | dict.fromkeys((one.name for one in fields(live)), True) | {"link": True, "stream": True}


def _with_own(own: OwnFile, training: Settings) -> Settings:
    """All sections together: what one demands of another holds for the result."""
    changes = {
        name: own.values[name] for name in (one.name for one in fields(training)) if name in own.values
    }
    for name in changes:
        if is_dataclass(part := getattr(training, name)):
            changes[name] = own.applied(name, part)
    try:
        return replace(training, **changes)
    except SettingsError as exc:
        raise SettingsError(f"{own.place(*_complained('', changes, str(exc)))}: {exc}") from exc


def _dotted(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield name
        return
    for key, inner in value.items():
        yield from _dotted(f"{name}.{key!s}", inner)


def _complained(section: str, wanted: Mapping[str, object], complaint: str) -> list[str]:
    """Dotted names of the settings that ``complaint`` names, then that of their section."""
    words = complaint.replace(";", " ").replace(":", " ").split()
    return [*(f"{section}.{word}".lstrip(".") for word in words if word in wanted), section]


def _lines(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Dotted names that the file sets, in the forms that people write, and their lines."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield from _lines_of(target.id, node.value, node.lineno)


def _lines_of(name: str, value: ast.expr, line: int) -> Iterator[tuple[str, int]]:
    yield name, line
    if isinstance(value, ast.Dict):
        for key, inner in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant):
                yield from _lines_of(f"{name}.{key.value!s}", inner, key.lineno)
    elif isinstance(value, ast.Call):
        for keyword in value.keywords:
            if keyword.arg is not None:
                yield from _lines_of(f"{name}.{keyword.arg}", keyword.value, keyword.lineno)
