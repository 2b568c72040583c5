"""The rules of the house, read from the source: a rule that is only written down is a wish."""

import ast
import sys
import tomllib
from collections.abc import Sequence

import pytest

from desk.versions import VERSION
from tests.house import (
    DOORS,
    HOUSE,
    Module,
    circle,
    classes,
    dangling,
    functions,
    imports_of,
    modules,
    rooms,
    shared,
    texts,
    unexplained,
    within,
)

FOUNDATION = {
    "desk.clustered",
    "desk.errors",
    "desk.addresses",
    "desk.reading",
    "desk.safe_text",
    "desk.values",
    "desk.ports",
    "desk.files",
    "desk.outcomes",
    "desk.backtest",
    "desk.costs",
    "desk.policy",
    "desk.orders",
    "desk.retry",
    "desk.server_time",
    "desk.settings",
    "desk.spreads",
    "desk.symbol_names",
    "desk.ticks",
    "desk.typed_fields",
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
    "desk.safe_text": set(),
    "desk.reading": {"desk.safe_text"},
    "desk.addresses": set(),
    "desk.errors": {"desk.safe_text"},
    "desk.values": {"desk.errors"},
    "desk.clustered": set(),
    "desk.costs": {"desk.errors", "desk.settings", "desk.ticks", "desk.values"},
    "desk.spreads": {"desk.values"},
    "desk.outcomes": {"desk.policy"},
    "desk.backtest": {"desk.costs", "desk.policy", "desk.values"},
    "desk.policy": {"desk.costs", "desk.settings", "desk.values"},
    "desk.ticks": {"desk.values"},
    "desk.orders": set(),
    "desk.ports": {"desk.errors", "desk.values", "desk.orders"},
    "desk.files": {"desk.errors"},
    "desk.retry": {"desk.errors", "desk.ports"},
    "desk.settings": {"desk.errors", "desk.typed_fields"},
    "desk.typed_fields": set(),
    "desk.server_time": {"desk.ports"},
    "desk.symbol_names": set(),
    "desk": FOUNDATION,
    "desk.cores": set(),
    "desk.executors": FOUNDATION | {"desk.executors", "desk.versions"},
    "desk.run_settings": FOUNDATION | {"desk.cores", "desk.market.settings", "desk.learn.settings"},
    "desk.settings_files": FOUNDATION
    | {
        *("desk.cores", "desk.doors", "desk.market.settings", "desk.plausible"),
        *("desk.run_settings", "desk.trade.settings"),
    },
    "desk.live_start": FOUNDATION
    | {
        *("desk.clock", "desk.live_arguments", "desk.reports", "desk.run_settings", "desk.session_status"),
        "desk.settings_files",
    },
    "desk.training_start": FOUNDATION
    | {
        *("desk.model_commands", "desk.reports", "desk.run_settings", "desk.settings_files"),
        "desk.training_arguments",
    },
    "desk.training_arguments": {"desk.arguments", "desk.errors", "desk.run_settings"},
    "desk.live_arguments": {"desk.arguments", "desk.errors", "desk.run_settings"},
    "desk.worker": FOUNDATION | {"desk.learn", "desk.stopwatch", "desk.versions", "ml_feature_engineering"},
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
    | {
        *("desk.arguments", "desk.clock", "desk.market.emulator", "desk.market.series"),
        *("desk.doors", "desk.market.matching"),
    },
    "desk.learn": {
        *(
            "desk.errors",
            "desk.values",
            "desk.backtest",
            "desk.clustered",
            "desk.costs",
            "desk.outcomes",
            "desk.policy",
            "desk.settings",
        ),
        *("desk.ticks", "desk.learn"),
    },
    "desk.trade": FOUNDATION | {"desk.trade"},
    "desk.kept_walk": {
        "desk.errors",
        "desk.files",
        "desk.outcomes",
        "desk.policy",
        "desk.reading",
        "desk.values",
    },
    "desk.ledger": FOUNDATION | {"desk.old_ledger"},
    "desk.registry": FOUNDATION | {"desk.kept_walk", "desk.registry"},
    "desk.run_report": FOUNDATION
    | {
        *("desk.learn.overview", "desk.learn.summary", "desk.registry", "desk.reports"),
        "desk.stopwatch",
    },
    "desk.interrupts": set(),
    "desk.account_check": FOUNDATION
    | {
        *("desk.market.bitget.account.credentials", "desk.market.bitget.account.signing"),
        *("desk.market.bitget.inspection", "desk.market.settings"),
        *("desk.trade.settings", "desk.trade.signals", "desk.trade.start"),
    },
    "desk.session_status": FOUNDATION | {"desk.reports", "desk.trade.journal.reading", "desk.trade.snapshot"},
    "desk.answer_record": FOUNDATION
    | {
        *("desk.market.bitget.account.kind", "desk.market.bitget.account.signing"),
        *("desk.market.bitget.inspection", "desk.market.emulator"),
        *("desk.market.matching", "desk.market.series.synthetic", "desk.market.settings", "desk.versions"),
    },
    "desk.decisions": FOUNDATION
    | {
        *("desk.clock", "desk.market.bitget.snapshot", "desk.market.settings", "desk.reports"),
        *("desk.trade.forecasting", "desk.trade.signals"),
    },
    "desk.notify_check": FOUNDATION | {"desk.reports", "desk.trade.notify", "desk.trade.settings"},
    "desk.fetch_display": FOUNDATION
    | {"desk.market.history.contract_book", "desk.market.history.fetch_report", "desk.reports"},
    "desk.fetch_thread": FOUNDATION
    | {"desk.market.history.contract_book", "desk.market.history.fetch_report"},
    "desk.models_state": FOUNDATION | {"desk.registry", "desk.learn.summary"},
    "desk.model_commands": FOUNDATION
    | {
        *("desk.arguments", "desk.learn.verdict", "desk.market.history.candle_store", "desk.models_state"),
        *("desk.registry", "desk.reports", "desk.run_report", "desk.run_settings", "desk.stopwatch"),
        "desk.trade.journal.database",
    },
    "desk.training_jobs": FOUNDATION
    | {
        *("desk.learn", "desk.live_models", "desk.market.history", "desk.registry", "desk.run_settings"),
        *("desk.training_run", "desk.worker"),
    },
    "desk.continued_run": FOUNDATION
    | {
        *("desk.market.history.candle_store", "desk.market.history.contract_book", "desk.registry"),
        *("desk.reports", "desk.run_settings"),
    },
    "desk.training_pipeline": FOUNDATION
    | {
        *("desk.executors", "desk.fetch_display", "desk.fetch_thread", "desk.interrupts", "desk.learn"),
        "desk.reports",
        *("desk.market.history.fetch_report", "desk.run_settings", "desk.training_jobs"),
        *("desk.training_run", "desk.worker"),
    },
    "desk.training_run": FOUNDATION
    | {
        *("desk.run_settings", "desk.registry", "desk.ledger", "desk.stopwatch", "desk.worker"),
        *("desk.learn", "desk.reports", "desk.trade.journal.database"),
        *("desk.market.history.book_check", "desk.market.history.contract_book"),
    },
    "desk.live_experiment": FOUNDATION
    | {"desk.market.bitget", "desk.market.paper", "desk.reports", "desk.trade"},
    "desk.live_fills": {"desk.market.matching", "desk.trade"},
    "desk.live_counters": {"desk.market.bitget", "desk.market.feed", "desk.trade.live_snapshot"},
    "desk.live_models": FOUNDATION
    | {
        "desk.arguments",
        "desk.kept_walk",
        "desk.registry",
        *("desk.learn.challenge", "desk.learn.training"),
        "desk.trade.forecasting",
        "desk.trade.signals",
    },
    "ml_feature_engineering": {"desk.errors", "desk.values", "desk.indicators"},
    "desk.doors": {"desk.doors", "desk.errors"},
    "desk.api": {"desk"},
    "config": {"desk"},
    "data_fetcher": {"desk", "config"},
    "train_live_lightgbm": {"desk", *SHARED_DOORS},
    "live_trade": {"desk", *SHARED_DOORS},
    "benchmarks": {"desk", "benchmarks", *DOORS},
    "soaks": {"desk", "soaks", "benchmarks.decisions", *DOORS},
}

PURE = {
    *("desk.addresses", "desk.reading", "desk.safe_text"),
    *(
        "desk.errors",
        "desk.values",
        "desk.ports",
        "desk.outcomes",
        "desk.orders",
        "desk.backtest",
        "desk.clustered",
        "desk.costs",
        "desk.policy",
        "desk.retry",
        "desk.settings",
        "desk.spreads",
        "desk.symbol_names",
        "desk.ticks",
        "desk.typed_fields",
        "desk.indicators",
    ),
    "desk.learn",
    *(
        "desk.market.history.absence",
        "desk.market.history.candles",
        "desk.market.history.inert_pickle",
        "desk.market.history.paging",
        "desk.market.history.pickle_tree",
        "desk.market.bitget.wire",
        "desk.market.series.synthetic",
    ),
    "desk.market.history.contract_terms",
    *(
        "desk.market.bitget.account.signing",
        "desk.market.bitget.account.classic.requests",
        "desk.market.bitget.account.classic.rows",
    ),
    *(
        "desk.market.bitget.account.classic.wire",
        "desk.market.bitget.account.classic.messages",
        "desk.market.bitget.codes",
    ),
    *("desk.market.history.contracts", "desk.market.history.contract_book", "desk.market.series.facts"),
    "desk.market.history.book_check",
    *("desk.market.feed.messages", "desk.market.feed.window", "desk.market.feed.closing"),
    "desk.market.matching",
    *(
        f"desk.market.emulator.{name}"
        for name in ("account_request", "channels", "endpoints", "forming", "intervals", "keys")
    ),
    *(f"desk.market.emulator.{name}" for name in ("private", "private_orders", "private_rows", "venue")),
    "desk.market.emulator.peer_endpoints",
    *(f"desk.market.emulator.uta_{name}" for name in ("book", "channels", "codes", "options", "orders")),
    *(f"desk.market.emulator.uta_{name}" for name in ("account_rows", "private", "public")),
    *(f"desk.market.emulator.uta_{name}" for name in ("rows", "strategies")),
    *("desk.market.settings", "desk.reports.columns", "desk.reports.terminal", "desk.reports.live"),
    *(f"desk.trade.{name}" for name in ("identity", "records", "reconcile")),
    *(f"desk.trade.{name}" for name in ("risk", "risk_rules", "risk_values")),
    *(f"desk.trade.{name}" for name in ("scoreboard", "sentences", "settings", "signals", "snapshot")),
    *(f"desk.trade.dashboard.{name}" for name in ("access", "metrics", "updates")),
    *("desk.reports.exploration", "desk.reports.exploration_picture"),
    *(f"desk.reports.html.{name}" for name in ("charts", "data", "front", "symbols")),
    "ml_feature_engineering",
}
WORLDLY_MODULES = {"aiohttp", "asyncio", "os", "shutil", "socket", "subprocess", "tempfile", "time"}
WORLDLY_CALLS = {"open", "print", "input", "now", "utcnow", "today", "read_text", "write_text"}

# One address per library: the modules that may import it.
ADDRESS = {
    "aiohttp": {"desk.market", "desk.trade.notify", "desk.trade.telegram", "desk.trade.dashboard.server"},
    "sqlite3": {"desk.trade.journal", "desk.ledger"},
    "optuna": {"desk.learn.tuning"},
    "lightgbm": {"desk.learn.training"},
    "rich": {"desk.reports", "live_trade"},
    "jsonschema": {"desk.registry"},
    "jinja2": {"desk.reports.html.page"},
    "pyarrow": {"desk.market.series"},
    "pickle": {"desk.market.history.candle_store"},
    "sklearn": {"desk.learn.evaluation"},
}
# Who may make or change files, by what writes them.
WRITERS = {"write_file", "point_link", "remove_drafts"}
MAY_WRITE = {
    "desk.answer_record",
    "desk.files",
    "desk.registry",
    "desk.market.history.candle_store",
    "desk.market.paper.file",
    "data_fetcher",
}
# Where everything may be caught: the end of a symbol's job, and a file of settings, which is anybody's code.
CATCHES_ALL = {
    "desk.doors.mistakes",
    "desk.executors.cluster",
    "desk.executors.jobs",
    "desk.executors.workers",
    "desk.fetch_thread",
    "data_fetcher",
    "desk.trade.session",
    "desk.trade.events",
    "soaks.hostile",  # where every defect is looked for
}
LONGEST = 400
"""Lines of a file."""
# What may have one name in several modules, and why.
SAME_NAME = {
    "main": "every command has one",
    "prepare": "every command has one",
    "carry_out": "every command has one",
    "decimal_text": "the emulator shares no code with the client, and both write numbers as Bitget does",
}
DIALECTS = ("desk.market.bitget.account.classic.", "desk.market.bitget.account.unified.")
"""Folders that say the same to the two APIs of one exchange, by the same names."""

UNEXPLAINED = 30
"""Functions with three or more arguments that do not explain them, at most: this only ever falls."""
EVERYTHING = list(modules(HOUSE, ("*.py", "desk/**/*.py", "benchmarks/*.py", "soaks/*.py")))
OURS = [one for one in EVERYTHING if within(one.name, {"desk", *DOORS})]


def called_names(tree: ast.Module) -> set[str]:
    """Last names of everything that a module calls."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}


def import_faults(name: str, tree: ast.Module) -> set[str]:
    """Modules of ours that ``name`` imports and may not."""
    allowed = MAY_IMPORT[within(name, set(MAY_IMPORT)) or name]
    ours = {
        module
        for module in imports_of(tree)
        if within(module, {"desk", "benchmarks", "soaks", "tests", *DOORS})
    }
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


def each(among: Sequence[Module]) -> pytest.MarkDecorator:
    """One test per module."""
    return pytest.mark.parametrize(
        ("name", "tree"), [pytest.param(one.name, one.tree, id=one.name) for one in among]
    )


every_module = each(OURS)
every_file = each(EVERYTHING)


@every_file
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


@every_file
def test_everything_is_caught_only_at_the_end_of_a_job(name: str, tree: ast.Module) -> None:
    """Elsewhere a broad catch hides a defect."""
    broad = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]

    assert not broad or name in CATCHES_ALL


@every_file
def test_every_module_says_where_it_stands(name: str, tree: ast.Module) -> None:
    """A reader who opens one file learns from its first lines what comes in and what goes out."""
    assert ast.get_docstring(tree), name


@every_file
def test_no_file_outgrows_its_reader(name: str, tree: ast.Module) -> None:
    """A longer one holds more than one subject."""
    last = max((node.end_lineno or 0 for node in tree.body), default=0)

    assert last <= LONGEST, name


def test_the_market_is_rooms_with_one_way_doors() -> None:
    """Who opens one of its folders knows which others can change what they read there."""
    found, arrows = rooms()

    assert found - {"settings"} == set(MARKET_ARROWS)
    assert circle(arrows) == []
    assert len(arrows) <= 12


def test_a_circle_of_rooms_is_seen() -> None:
    assert circle([("a", "b"), ("b", "c")]) == []
    assert circle([("a", "b"), ("b", "c"), ("c", "b")]) == ["a", "b", "c"]


def test_no_class_name_stands_for_two_things() -> None:
    """A reader who looks for a name finds its one meaning."""
    assert shared(classes(OURS)) == {}


def one_in_each(modules: list[str], folders: tuple[str, ...]) -> bool:
    """Whether the modules lie in ``folders``, one in each."""
    inside = sorted(next((folder for folder in folders if one.startswith(folder)), "") for one in modules)
    return inside == sorted(folders)


def test_no_two_public_functions_of_one_name_do_different_things() -> None:
    """As above; what answers the same call behind one protocol is a method and does not count."""
    names = shared(functions(OURS))
    twice = {name for name, where in names.items() if not one_in_each(where, DIALECTS)} - SAME_NAME.keys()

    assert twice == set()


def test_every_function_with_many_arguments_explains_them() -> None:
    """Units, shapes and the meaning of None stand in no signature."""
    without, _ = unexplained(EVERYTHING)

    assert len(without) <= UNEXPLAINED, without


@pytest.mark.parametrize(
    ("place", "text"),
    [pytest.param(place, text, id=place) for place, text in texts() if "/" in text or "." in text],
)
def test_what_a_text_names_is_there(place: str, text: str) -> None:
    """A file, module or section that was renamed sends its reader nowhere."""
    assert dangling(text) == [], place


@pytest.mark.parametrize(
    "text",
    [
        "see ``desk/learn/nowhere.py``",
        "see nowhere.md",
        "as `desk.learn.splits.nowhere` does",
        "in desk/nowhere/ they stand",
        'see the README, "No such section"',
    ],
)
def test_a_reference_to_nothing_is_seen(text: str) -> None:
    assert dangling(text)


def test_the_rules_speak_of_modules_that_exist() -> None:
    """A rule for a module that was renamed guards nothing."""
    addresses = set().union(*ADDRESS.values())
    named = PURE | MAY_WRITE | CATCHES_ALL | addresses | set(MAY_IMPORT) | set().union(*MAY_IMPORT.values())

    assert {name for name in named if not any(within(one.name, {name}) for one in EVERYTHING)} == set()


def test_mutants_are_made_and_tested_in_files_that_exist() -> None:
    """``make mutants`` passes over a file that was renamed without a word."""
    mutants = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["mutmut"]
    deselected = [
        text.removeprefix("--deselect=").partition("::")
        for text in mutants["pytest_add_cli_args"]
        if text.startswith("--deselect=")
    ]
    paths = [
        *mutants["only_mutate"],
        *mutants["pytest_add_cli_args_test_selection"],
        *(path for path, _, _ in deselected),
    ]

    assert [path for path in paths if not (HOUSE / path).exists()] == []
    assert all(f"def {test}(" in (HOUSE / path).read_text() for path, _, test in deselected)


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


def test_the_version_is_stated_once() -> None:
    """The metadata of models and the package agree on what the suite is called."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
    assert sys.version_info >= (3, 11)


def test_everything_that_is_installed_is_pinned() -> None:
    """Next year's release of a library must not change this year's models."""
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        lines = (line.partition("#")[0].strip() for line in (HOUSE / name).read_text().splitlines())
        assert all("==" in line for line in lines if line and not line.startswith("--")), name
