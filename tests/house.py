"""What the source says of itself: rooms and arrows, names, docstrings, references.

``python -m tests.house [FOLDER]`` prints the counts of this checkout, or of another one;
``tests/test_house.py`` holds them against the rules.  All is read from syntax trees; nothing is imported.
"""

import argparse
import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
DOORS = frozenset({"config", "data_fetcher", "ml_feature_engineering", "train_live_lightgbm", "live_trade"})
MANY_ARGUMENTS = 3
"""From so many on, a signature does not explain itself."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A source file of ours."""

    name: str
    """As it is imported: ``desk.learn.splits``."""
    path: Path
    """From the root of the checkout."""
    tree: ast.Module
    lines: int


def modules(root: Path = HOUSE, patterns: Sequence[str] = ("*.py", "desk/**/*.py")) -> Iterator[Module]:
    """Every module below ``root`` that one of the glob ``patterns`` finds: by default, doors and rooms."""
    for path in sorted({found for pattern in patterns for found in root.glob(pattern)}):
        here, text = path.relative_to(root), path.read_text()
        name = ".".join(here.with_suffix("").parts).removesuffix(".__init__")
        yield Module(name, here, ast.parse(text, filename=str(path)), text.count("\n"))


def imports_of(tree: ast.Module) -> Iterator[str]:
    """Full names of what a module imports, wherever in it the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: Iterable[str]) -> str | None:
    """The longest of ``prefixes`` that the dotted ``name`` is, or lies in."""
    found = [prefix for prefix in prefixes if f"{name}.".startswith(f"{prefix}.")]
    return max(found, key=len, default=None)


# Rooms --------------------------------------------------------------------------------------------


def rooms(root: Path = HOUSE, wing: str = "desk.market") -> tuple[set[str], set[tuple[str, str]]]:
    """Rooms of a wing, and who of them imports whom.

    A room is what stands directly in the wing: a folder, or a file that is in no folder.
    """
    found: set[str] = set()
    arrows: set[tuple[str, str]] = set()
    inside = [one for one in modules(root) if one.name.startswith(f"{wing}.")]
    for one in inside:
        found.add(_room(one.name, wing))
    for one in inside:
        for target in imports_of(one.tree):
            if target.startswith(f"{wing}.") and (there := _room(target, wing)) in found:
                arrows.add((_room(one.name, wing), there))
    return found, {(start, end) for start, end in arrows if start != end}


def _room(name: str, wing: str) -> str:
    return name.removeprefix(f"{wing}.").partition(".")[0]


def circle(arrows: Iterable[tuple[str, str]]) -> list[str]:
    """Rooms from which a way leads into a circle; empty where every way ends."""
    leads: dict[str, set[str]] = defaultdict(set)
    for start, end in arrows:
        leads[start].add(end)
    while ended := [start for start, ends in leads.items() if not ends & leads.keys()]:
        for start in ended:
            del leads[start]
    return sorted(leads)


# Names --------------------------------------------------------------------------------------------


def classes(among: Iterable[Module]) -> dict[str, list[str]]:
    """Modules that define a public class, by the name of the class."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in among:
        for node in ast.walk(one.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(one.name)
    return found


def functions(among: Iterable[Module]) -> dict[str, list[str]]:
    """Modules that define a public function on their own level, by the name of the function."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in among:
        for node in one.tree.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                found[node.name].append(one.name)
    return found


def shared(names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Those of ``names`` that are defined more than once."""
    return {name: places for name, places in sorted(names.items()) if len(places) > 1}


# Docstrings ---------------------------------------------------------------------------------------


def public_functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Public functions of a module and methods of its public classes, by name: ``Candles.rows``."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((f"{node.name}.{inner.name}", inner) for inner in _public(node.body))
    yield from ((node.name, node) for node in _public(tree.body))


def _public(body: Iterable[ast.stmt]) -> Iterator[Function]:
    return (node for node in body if isinstance(node, Function) and not node.name.startswith("_"))


def arguments_of(function: Function) -> list[str]:
    """Names of all arguments but ``self`` and ``cls``."""
    given = function.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return [one.arg for one in listed if one.arg not in {"self", "cls"}]


def unexplained(among: Iterable[Module]) -> tuple[list[str], int]:
    """Public functions with many arguments but no Parameters section, and how many have many arguments."""
    without, total = [], 0
    for one in among:
        for name, function in public_functions(one.tree):
            if len(arguments_of(function)) < MANY_ARGUMENTS:
                continue
            total += 1
            if "Parameters\n------" not in (ast.get_docstring(function) or ""):
                without.append(f"{one.name}.{name}")
    return without, total


# References ---------------------------------------------------------------------------------------

_FILE = re.compile(r"(?<![\w{}*…/.-])((?:[\w.-]+/)*[\w-]+\.(?:md|py|toml|schema\.json|txt\.example))\b")
_FOLDER = re.compile(r"(?<![\w./-])((?:desk|docs|tests|benchmarks|soaks)/[\w/]*[\w/])(?![\w.{*-])")
_DOTTED = re.compile(r"`((?:desk|tests|benchmarks|soaks)(?:\.\w+)+)(?:\(\))?`")
_SECTION = re.compile(
    r"(?:(README)|((?:docs/)?\w+\.md))`*(?:\([^)]*\))?,\s+(?:section\s+)?[\"“]([^\"”]+)[\"”]"
)
_HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = frozenset({"config_local.py", "packaged_config.py", "exchange/bitget.py"})
"""Files that are named and stand in no checkout: the user's own, the wheel's, another project's."""


def texts(root: Path = HOUSE) -> Iterator[tuple[str, str]]:
    """Documents and docstrings of a checkout, each under a name that a reader finds."""
    for document in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("*/README.md")]):
        yield str(document.relative_to(root)), document.read_text()
    for one in modules(root, ("*.py", "desk/**/*.py", "soaks/*.py", "benchmarks/*.py", "tests/**/*.py")):
        for node in ast.walk(one.tree):
            if isinstance(node, Function | ast.ClassDef | ast.Module) and (found := ast.get_docstring(node)):
                yield f"{one.name}.{getattr(node, 'name', '')}".rstrip("."), found


def dangling(text: str, root: Path = HOUSE) -> list[str]:
    """Files, folders, modules and sections that ``text`` names and that are not there."""
    prose = re.sub(r"https?://\S+", "", text)
    lost = [name for name in _FILE.findall(prose) if not _is_there(name, root)]
    lost += [name for name in _FOLDER.findall(prose) if not (root / name).exists()]
    lost += [name for name in _DOTTED.findall(prose) if not _resolves(name.split("."), root)]
    for readme, document, heading in _SECTION.findall(" ".join(prose.split())):
        path = _document(document or f"{readme}.md", root)
        if path is None or heading not in _HEADING.findall(_FENCE.sub("", path.read_text())):
            lost.append(f"{document or readme}, “{heading}”")
    return sorted(set(lost))


def _is_there(name: str, root: Path) -> bool:
    """Whether a file is there under its whole path, or under the end of one."""
    if (root / name).exists() or name in ELSEWHERE or Path(name).name in ELSEWHERE:
        return True
    folders = (root / folder for folder in ("desk", "docs", "tests", "benchmarks", "soaks"))
    return any(
        str(found).endswith(f"/{name}") for folder in folders for found in folder.rglob(Path(name).name)
    )


def _document(name: str, root: Path) -> Path | None:
    return next((path for path in (root / name, root / "docs" / name) if path.is_file()), None)


def _resolves(parts: Sequence[str], root: Path) -> bool:
    """Whether a dotted name is a module, or a name that a module or a class of it defines."""
    for length in range(len(parts), 0, -1):
        path = root.joinpath(*parts[:length])
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_dir() and length == len(parts):
            return True
        if source.is_file():
            return _defines(ast.parse(source.read_text()).body, parts[length:])
    return False


def _defines(body: Sequence[ast.stmt], names: Sequence[str]) -> bool:
    if not names:
        return True
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and node.name == names[0]:
            return _defines(node.body, names[1:]) if isinstance(node, ast.ClassDef) else len(names) == 1
        if names[0] in _assigned(node):
            return len(names) == 1
    return False


def _assigned(node: ast.stmt) -> set[str]:
    """Names that a statement gives a value, imports included."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {
        name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)
    }


# The counts ---------------------------------------------------------------------------------------


def report(root: Path) -> Iterator[str]:
    """The counts of a checkout, a line each."""
    ours = list(modules(root))
    everything = list(modules(root, ("*.py", "desk/**/*.py", "soaks/*.py", "benchmarks/*.py")))
    found, arrows = rooms(root)
    yield f"rooms of desk/market: {len(found)}, arrows: {len(arrows)}, circles: {circle(arrows) or 'none'}"
    twice = shared(classes(ours))
    yield f"class names that stand for more than one thing: {len(twice)} {_places(twice)}"
    twice = shared(functions(ours))
    yield f"public functions of one name in more than one module: {len(twice)} {_places(twice)}"
    without, total = unexplained(everything)
    yield f"public functions with {MANY_ARGUMENTS} or more arguments: {total}"
    yield f"those without a Parameters section: {len(without)}"
    by_module = Counter(name.rpartition(".")[0] for name in without)
    yield from (f"  {count:3} {name}" for name, count in by_module.most_common())
    lost = {place: names for place, text in texts(root) if (names := dangling(text, root))}
    yield f"documents and docstrings that name what is not there: {len(lost)} {_places(lost)}"
    yield "longest files:"
    for one in sorted(everything, key=lambda one: -one.lines)[:10]:
        yield f"  {one.lines:3} {one.path}"


def _places(names: Mapping[str, list[str]]) -> str:
    return "".join(f"\n  {name}: {', '.join(places)}" for name, places in names.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.house", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=HOUSE, help="a checkout; default: this one")
    for line in report(parser.parse_args(argv).folder.resolve()):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
