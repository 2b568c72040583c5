"""A worker process loads what training a symbol needs, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
FORBIDDEN = ("aiohttp", "asyncio", "dask", "distributed", "jsonschema", "pyarrow.parquet", "rich")
"""Libraries of the door, the market and the reports."""
LEARNING = ("lightgbm", "optuna.storages.journal", "pandas", "scipy.stats", "sklearn.metrics")
"""Libraries that a worker does use.  Some of them import a forbidden one themselves (joblib needs asyncio):
they are loaded first, so that what is refused afterwards was asked for by a module of ours."""
OURS = {
    "desk.backtest",
    "desk.clustered",
    "desk.costs",
    "desk.errors",
    "desk.outcomes",
    "desk.policy",
    "desk.safe_text",
    "desk.settings",
    "desk.typed_fields",
    "desk.stopwatch",
    "desk.ticks",
    "desk.values",
    "desk.versions",
    "desk.worker",
}
ROOMS = ("desk.indicators", "desk.learn")

ALONE = f"""
import importlib, json, sys
sys.modules["dask"] = None
for name in {LEARNING!r}:
    importlib.import_module(name)
for name in {FORBIDDEN!r}:
    sys.modules[name] = None
import desk.worker
print(json.dumps(sorted(sys.modules)))
"""
POOLED = """
import desk.reports.console
from desk.executors import JobDone, Processes
from tests.test_worker import loaded
(outcome,) = Processes(1).run(loaded, [0])
assert isinstance(outcome, JobDone), outcome
import json
print(json.dumps(outcome.result))
"""


def loaded(_: int) -> list[str]:
    return sorted(sys.modules)


def printed_by(*command: str) -> set[str]:
    """The names that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, *command], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_worker_imports_nothing_that_training_a_symbol_does_not_use() -> None:
    """Every process of the pool, and every machine of a cluster, pays for it in memory and start-up time."""
    names = printed_by("-c", ALONE)

    ours = {name for name in names if name.partition(".")[0] in {"desk", "config", "data_fetcher"}}
    strange = {name for name in ours - OURS - {"desk"} if not name.startswith(ROOMS)}
    assert "desk.learn.protocol" in names
    assert strange == set()


def test_a_process_of_the_pool_does_not_run_the_main_script_again(tmp_path: Path) -> None:
    """The usual way to start one imports the door again, with the console, the network and the market."""
    script = tmp_path / "door.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(HERE)!r})\nif True:\n" + indented(POOLED))

    names = printed_by(str(script))

    assert "desk.executors" in names
    assert "desk.reports.console" not in names


def indented(source: str) -> str:
    return "".join(f"    {line}\n" for line in source.strip().splitlines())
