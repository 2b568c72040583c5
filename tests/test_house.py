"""The rules of the house, read from the source: a rule that is only written down is a wish."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.versions import VERSION

HOUSE = Path(__file__).resolve().parent.parent
DOORS = {"config", "data_fetcher", "ml_feature_engineering", "train_live_lightgbm", "live_trade"}
FOUNDATION = {
    "desk.errors",
    "desk.values",
    "desk.ports",
    "desk.files",
    "desk.outcomes",
    "desk.policy",
    "desk.orders",
    "desk.ticks",
}
SHARED_DOORS = {"config", "data_fetcher", "ml_feature_engineering"}

# Inside the market: which rooms each room may import, besides itself and the foundation.
MARKET_ARROWS: dict[str, tuple[str, ...]] = {
    "history": (),
    "matching": (),
    "bitget": ("history",),
    "feed": ("bitget", "history"),
    "series": ("history",),
    "paper": ("matching", "bitget", "history"),
    "emulator": ("matching", "series"),
}

# Of our own modules, each may import those listed for the longest entry that its name lies in.
MAY_IMPORT: dict[str, set[str]] = {
    "desk.errors": set(),
    "desk.values": {"desk.errors"},
    "desk.outcomes": set(),
    "desk.policy": {"desk.errors", "desk.values"},
    "desk.ticks": {"desk.values"},
    "desk.orders": set(),
    "desk.ports": {"desk.errors", "desk.values", "desk.orders"},
    "desk.files": {"desk.errors"},
    "desk": FOUNDATION,
    "desk.reports": FOUNDATION | {"desk.reports"},
    "desk.indicators": FOUNDATION | {"desk.indicators"},
    **{
        f"desk.market.{room}": FOUNDATION
        | {"desk.market.settings"}
        | {f"desk.market.{other}" for other in (room, *others)}
        for room, others in MARKET_ARROWS.items()
    },
    "desk.market": FOUNDATION | {"desk.market.settings"},
    "desk.market.emulator.__main__": FOUNDATION
    | {"desk.clock", "desk.market.emulator", "desk.market.series", "desk.market.matching"},
    "desk.learn": {"desk.errors", "desk.values", "desk.outcomes", "desk.policy", "desk.ticks", "desk.learn"},
    "desk.trade": FOUNDATION | {"desk.trade"},
    "ml_feature_engineering": {"desk.errors", "desk.values", "desk.indicators"},
    "config": {"desk"},
    "data_fetcher": {"desk", "config"},
    "train_live_lightgbm": {"desk", *SHARED_DOORS},
    "live_trade": {"desk", *SHARED_DOORS},
}

PURE = {
    *(
        "desk.errors",
        "desk.values",
        "desk.ports",
        "desk.outcomes",
        "desk.orders",
        "desk.policy",
        "desk.ticks",
        "desk.indicators",
    ),
    "desk.learn",
    *(
        "desk.market.history.candles",
        "desk.market.history.paging",
        "desk.market.bitget.wire",
        "desk.market.series.synthetic",
    ),
    "desk.market.history.contract_terms",
    *(
        "desk.market.bitget.account.signing",
        "desk.market.bitget.account.requests",
        "desk.market.bitget.account.rows",
    ),
    *("desk.market.bitget.account.wire", "desk.market.bitget.account.messages", "desk.market.live_settings"),
    *("desk.market.feed.messages", "desk.market.feed.window", "desk.market.feed.closing"),
    "desk.market.matching",
    *(
        f"desk.market.emulator.{name}"
        for name in ("account_request", "channels", "endpoints", "forming", "keys")
    ),
    *(f"desk.market.emulator.{name}" for name in ("private", "private_orders", "private_rows", "venue")),
    *("desk.market.settings", "desk.reports.summary", "desk.reports.terminal", "desk.reports.live"),
    *(f"desk.trade.{name}" for name in ("cards", "identity", "records", "reconcile", "refusals", "risk")),
    *(f"desk.trade.{name}" for name in ("scoreboard", "sentences", "settings", "signals")),
    *("desk.reports.exploration", "desk.reports.exploration_picture"),
    "ml_feature_engineering",
}
WORLDLY_MODULES = {"aiohttp", "asyncio", "os", "shutil", "socket", "subprocess", "tempfile", "time"}
WORLDLY_CALLS = {"open", "print", "input", "now", "utcnow", "today", "read_text", "write_text"}

# One address per library: the modules that may import it.
ADDRESS = {
    "aiohttp": {"desk.market", "desk.trade.notify"},
    "sqlite3": {"desk.trade.journal"},
    "optuna": {"desk.learn.tuning"},
    "lightgbm": {"desk.learn.training"},
    "rich": {"desk.reports", "live_trade"},
    "jsonschema": {"desk.registry"},
    "pyarrow": {"desk.market.series"},
    "pickle": {"desk.market.history.candle_store", "desk.market.history.inert_pickle"},
    "sklearn": {"desk.learn.evaluation"},
}
# Who may make or change files, by what writes them.
WRITERS = {"write_file", "point_link", "remove_drafts"}
MAY_WRITE = {
    "desk.files",
    "desk.registry",
    "desk.market.history.candle_store",
    "desk.market.paper.file",
    "data_fetcher",
}
# Where everything may be caught: the end of a symbol's job.
CATCHES_ALL = {"desk.executors", "data_fetcher", "desk.trade.session"}
LONGEST = 420


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Name and syntax tree of every module of ours."""
    for path in sorted([*HOUSE.glob("*.py"), *HOUSE.glob("desk/**/*.py")]):
        name = ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(), filename=str(path))


def imports_of(tree: ast.Module) -> Iterator[str]:
    """Full names of what a module imports, wherever in it the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: set[str]) -> str | None:
    """The longest of ``prefixes`` that ``name`` is, or lies in."""
    found = [prefix for prefix in prefixes if f"{name}.".startswith(f"{prefix}.")]
    return max(found, key=len, default=None)


def called_names(tree: ast.Module) -> set[str]:
    """Last names of everything that a module calls."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}


def import_faults(name: str, tree: ast.Module) -> set[str]:
    """Modules of ours that ``name`` imports and may not."""
    allowed = MAY_IMPORT[within(name, set(MAY_IMPORT)) or name]
    ours = {module for module in imports_of(tree) if within(module, {"desk", *DOORS})}
    return {module for module in ours if not within(module, allowed | {name})}


def purity_faults(name: str, tree: ast.Module) -> set[str]:
    """Worldly modules and calls of a module that is to be pure."""
    if not within(name, PURE):
        return set()
    imported = {module.partition(".")[0] for module in imports_of(tree)}
    return imported & WORLDLY_MODULES | called_names(tree) & WORLDLY_CALLS


def address_faults(name: str, tree: ast.Module) -> set[str]:
    """Libraries that ``name`` imports away from their address."""
    imported = {module.partition(".")[0] for module in imports_of(tree)}
    return {library for library in imported & set(ADDRESS) if not within(name, ADDRESS[library])}


every_module = pytest.mark.parametrize(
    ("name", "tree"), [pytest.param(*module, id=module[0]) for module in modules()]
)


@every_module
def test_imports_point_inwards(name: str, tree: ast.Module) -> None:
    """Doors know rooms, rooms know the foundation, and no room knows another or a door."""
    assert import_faults(name, tree) == set()


@every_module
def test_pure_modules_touch_nothing(name: str, tree: ast.Module) -> None:
    """No file, socket, clock, console or process: the same arguments give the same result."""
    assert purity_faults(name, tree) == set()


@every_module
def test_every_library_has_one_address(name: str, tree: ast.Module) -> None:
    """When a library changes, one file changes."""
    assert address_faults(name, tree) == set()


@every_module
def test_only_the_writers_write(name: str, tree: ast.Module) -> None:
    """Models and caches are written whole, by one module each."""
    writes = called_names(tree) & (WRITERS | {"write_bytes", "write_text"})

    assert not writes or within(name, MAY_WRITE)


@every_module
def test_everything_is_caught_only_at_the_end_of_a_job(name: str, tree: ast.Module) -> None:
    """Elsewhere a broad catch hides a defect."""
    broad = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]

    assert not broad or name in CATCHES_ALL


@every_module
def test_every_module_says_where_it_stands(name: str, tree: ast.Module) -> None:
    """A reader who opens one file learns from its first lines what comes in and what goes out."""
    assert ast.get_docstring(tree), name


@every_module
def test_no_file_outgrows_its_reader(name: str, tree: ast.Module) -> None:
    """A longer one holds more than one subject."""
    last = max((node.end_lineno or 0 for node in tree.body), default=0)

    assert last <= LONGEST, name


@pytest.mark.parametrize(
    ("name", "source", "check"),
    [
        ("desk.trade.risk", "from desk.market import wire", import_faults),
        ("desk.learn.tuning", "import config", import_faults),
        ("desk.learn.splits", "import time", purity_faults),
        ("ml_feature_engineering", "open('x')", purity_faults),
        ("desk.learn.splits", "import optuna", address_faults),
        ("desk.market.emulator.server", "from desk.market import wire", import_faults),
    ],
)
def test_planted_violations_are_seen(name: str, source: str, check: object) -> None:
    """A rule that nothing can break guards nothing."""
    assert callable(check)
    assert check(name, ast.parse(source))


def test_the_version_is_told_once() -> None:
    """The metadata of models and the package agree on what the suite is called."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
    assert sys.version_info >= (3, 11)


def test_everything_that_is_installed_is_pinned() -> None:
    """Next year's release of a library must not change this year's models."""
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        lines = (line.partition("#")[0].strip() for line in (HOUSE / name).read_text().splitlines())
        assert all("==" in line for line in lines if line and not line.startswith("--")), name
