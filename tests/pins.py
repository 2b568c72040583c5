"""Hashes of everything that the requirements files install: `python -m tests.pins` writes them again.

What is pinned in the files of `LISTS` and in `constraints.txt` comes in, with what the installed packages say
of their own requirements; one file with hashes for each list goes out, with every file that the index has of
each version.  The index is the one that pip is set up to ask.

A package that only some systems need gets a marker, or the others would try to build it.

Not here: which versions are right; whoever changes one runs this and reads the diff.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from pip._internal.commands.index import IndexCommand
from pip._internal.index.collector import parse_links
from pip._internal.models.link import Link

HOUSE = Path(__file__).resolve().parent.parent
LISTS = {
    "requirements-hashes.txt": "requirements.txt",
    "requirements-dask-hashes.txt": "requirements-dask.txt",
    "requirements-dev-hashes.txt": "requirements-dev.txt",
}
"""Files with hashes, and the list of names that each belongs to; each holds what those before it do not."""
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "ARM64"},
)
PLACES = tuple(product(PYTHONS, range(len(SYSTEMS))))
"""Where the suite is to be installed: a version of Python, and a system."""
Place = tuple[str, int]


def canonical(name: str) -> str:
    """A package's name in the one spelling of all."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(*files: str, root: Path = HOUSE) -> dict[str, str]:
    """Versions by package, in order, of requirements files; options and comments are left out."""
    found = {}
    for file in files:
        for line in (root / file).read_text().splitlines():
            text = line.partition("#")[0].partition(";")[0]
            if "==" in text:
                name, version = text.split("==")
                found[canonical(name.strip())] = version.strip(" \\")
    return found


def needed(names: Iterable[str]) -> dict[str, set[Place]]:
    """Packages that ``names`` and their requirements come to, and where each is needed."""
    found: dict[str, set[Place]] = defaultdict(set)
    for place in PLACES:
        waiting, seen = [(canonical(name), "") for name in names], set()
        while waiting:
            package = waiting.pop()
            if package in seen:
                continue
            seen.add(package)
            found[package[0]].add(place)
            for one in _requirements(*package, place):
                waiting += [(canonical(one.name), extra) for extra in ("", *one.extras)]
    return found


def _requirements(name: str, extra: str, place: Place) -> Iterator[Requirement]:
    python, system = place
    names = {"python_version": python, "python_full_version": f"{python}.5", "implementation_name": "cpython"}
    names |= {"platform_python_implementation": "CPython", "extra": extra} | SYSTEMS[system]
    try:
        listed = requires(name) or []
    except PackageNotFoundError:  # of another system: such packages need nothing themselves
        return
    for one in map(Requirement, listed):
        if one.marker is None or one.marker.evaluate(names):
            yield one


def marker(places: set[Place]) -> str:
    """The marker that names ``places``, with a blank before it; empty where they are all.

    Raises
    ------
    ValueError
        If what is needed depends on Python and on the system at once.
    """
    if places == set(PLACES):
        return ""
    for key, value in _choices():
        for sign, wanted in (("==", True), ("!=", False)):
            if places == {place for place in PLACES if (_value(place, key) == value) == wanted}:
                return f' ; {key} {sign} "{value}"'
    systems = sorted({system for _, system in places})
    if places != set(product(PYTHONS, systems)):
        raise ValueError(f"no marker names {sorted(places)}")
    named = (SYSTEMS[system] for system in systems)
    parts = (
        f'sys_platform == "{one["sys_platform"]}" and platform_machine == "{one["platform_machine"]}"'
        for one in named
    )
    return f" ; {' or '.join(parts)}"


def _choices() -> Iterator[tuple[str, str]]:
    yield from (("python_version", python) for python in PYTHONS)
    yield from (("sys_platform", name) for name in ("linux", "darwin", "win32"))


def _value(place: Place, key: str) -> str:
    return place[0] if key == "python_version" else SYSTEMS[place[1]][key]


def published(versions: Mapping[str, str]) -> dict[str, list[str]]:
    """SHA-256 of every file of each version that the first index of pip's configuration has, sorted."""
    command = IndexCommand("index", "")
    options, _ = command.parser.parse_args(["versions", "x"])
    found = {}
    with command._build_session(options) as session:
        collector = command._build_package_finder(options, session)._link_collector
        for name, version in versions.items():
            (place, *_) = collector.search_scope.get_index_urls_locations(name)
            page = collector.fetch_response(Link(place))
            links = [] if page is None else parse_links(page)
            files = {link.hash for link in links if link.hash and _is_of(link.filename, name, version)}
            if not files:
                raise ValueError(f"the index has no file of {name} {version}")
            found[name] = sorted(files)
    return found


def _is_of(file: str, name: str, version: str) -> bool:
    stem = re.sub(r"\.(tar\.gz|tar\.bz2|zip)$", "", file)
    if file.endswith(".whl"):
        return [canonical(part) for part in file.split("-")[:2]] == [canonical(name), canonical(version)]
    return stem != file and canonical(stem) == canonical(f"{name}-{version}")


def written(list_file: str, without: Iterable[str]) -> str:
    """Text of the file with hashes of a list of names.

    Raises
    ------
    ValueError
        If something that it needs is not pinned, or not on the index.
    """
    versions = pinned(*LISTS.values(), "constraints.txt")
    places = {name: where for name, where in needed(pinned(list_file)).items() if name not in set(without)}
    if missing := sorted(places.keys() - versions.keys()):
        raise ValueError(f"constraints.txt does not pin {', '.join(missing)}")
    hashes = published({name: versions[name] for name in sorted(places)})
    lines = [f"# What {list_file} installs, each file by its hash; written by `make pins`, not by hand."]
    for name, files in hashes.items():
        lines.append(f"{name}=={versions[name]}{marker(places[name])} \\")
        lines += [f"    --hash=sha256:{one} \\" for one in files[:-1]] + [f"    --hash=sha256:{files[-1]}"]
    return "\n".join([*lines, ""])


def main() -> int:
    """Write all files with hashes."""
    done: set[str] = set()
    for file, list_file in LISTS.items():
        text = written(list_file, done)
        (HOUSE / file).write_text(text)
        done |= pinned(file).keys()
        sys.stdout.write(f"{file}: {len(pinned(file))} packages, {text.count('--hash')} hashes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
