"""A text that LightGBM would crash on never reaches LightGBM."""

import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from desk.errors import ModelIncomplete
from desk.learn.ensemble import average
from desk.learn.model_text import check_model_text
from desk.learn.training import bin_rows, load_model, train
from tests.learn.samples import BASELINE

NAMES = [f"f{number}" for number in range(7)]
HOUSE = Path(__file__).parents[2]


@cache
def written(kind: str) -> str:
    """What LightGBM writes of a model that splits by number, by category, or not at all, or of an average."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3_000, 7)).astype(np.float32)
    x[::7, 2], x[::3, 3], x[:, 4] = np.nan, 0.0, 1.0
    x[:, 6] = rng.integers(0, 60, 3_000)
    signal = 4 * np.isin(x[:, 6], [3, 17, 40, 41]) if kind == "categories" else x[:, 0]
    side = ((signal + rng.normal(size=3_000)) > 0.3).astype(np.int8)
    if kind == "unsplit":
        side[:] = 1
    categories = ["f6"] if kind == "categories" else []
    bins = bin_rows(x, side, NAMES, categories=categories)
    every = replace(BASELINE, feature_fraction=1.0)
    if kind == "average":
        return average([train(bins, every, rounds=2, seed=seed) for seed in (1, 2)]).text()
    return train(bins, every, rounds=2, seed=1).text()


@pytest.mark.parametrize("kind", ["numbers", "categories", "unsplit", "average"])
def test_what_lightgbm_writes_is_read(kind: str) -> None:
    """The check must not cost anybody a model that is in order."""
    text = written(kind)

    assert ("cat_threshold=" in text) == (kind == "categories")
    assert load_model(text, subject="it").names == tuple(NAMES)


def _put(key: str, place: int, value: str) -> Callable[[str], str]:
    """Replace one entry of the first line that begins with ``key=``; the sizes of the trees are kept true."""

    def damage(text: str) -> str:
        def put(found: re.Match[str]) -> str:
            entries = found[2].split(" ")
            entries[place] = value
            return f"{found[1]}{' '.join(entries)}"

        return resized(re.sub(rf"(?m)^({key}=)(.+)$", put, text, count=1))

    return damage


def _line(old: str, new: str) -> Callable[[str], str]:
    return lambda text: resized(re.sub(old, new, text, count=1, flags=re.MULTILINE))


def resized(text: str) -> str:
    """``text`` with the sizes that its trees have."""
    trees = re.split(r"(?m)^(?=Tree=\d+$|end of trees$)", text)[1:-1]
    return re.sub("tree_sizes=.*", f"tree_sizes={' '.join(str(len(tree)) for tree in trees)}", text, count=1)


DAMAGES: dict[str, Callable[[str], str]] = {
    "a node that is its own child": _put("left_child", 0, "0"),
    "a child that is its parent's parent": _put("right_child", 5, "1"),
    "a child beyond the nodes": _put("left_child", 0, "999999"),
    "a leaf beyond the leaves": _put("right_child", 0, "-999999"),
    "a leaf of two nodes": _line(r"^right_child=.*$", "right_child=" + " ".join(["-1"] * 14)),
    "a feature beyond the features": _put("split_feature", 0, "7000000"),
    "a feature below zero": _put("split_feature", 0, "-5"),
    "more leaves than there are": _put("num_leaves", 0, "2000000000"),
    "fewer leaves than there are": _put("num_leaves", 0, "2"),
    "no leaves": _put("num_leaves", 0, "0"),
    "leaves below zero": _put("num_leaves", 0, "-3"),
    "a set of categories beyond the sets": _put("threshold", 0, "77"),
    "categories where there are none": _put("num_cat", 0, "0"),
    "more sets of categories than splits": _put("num_cat", 0, "500000000"),
    "sets of categories that go back": _put("cat_boundaries", 1, "-9"),
    "sets of categories without end": _put("cat_boundaries", -1, "999999999"),
    "a category that is no number": _put("cat_threshold", 0, "x"),
    "an unknown decision": _put("decision_type", 0, "255"),
    "an unknown mark of missing values": _put("decision_type", 0, "12"),
    "a threshold that is none": _put("threshold", 3, "nan"),
    "a leaf without end": _put("leaf_value", 0, "inf"),
    "a number of a million digits": _put("leaf_value", 0, "9" * 1_000_000),
    "a list too short": _line(r"^(leaf_value=.*) \S+$", r"\1"),
    "a list too long": _line(r"^(split_feature=.*)$", r"\1 1"),
    "a line twice": _line(r"^(left_child=.*)$", r"\1\n\1"),
    "a line less": _line(r"^right_child=.*\n", ""),
    "a linear tree": _line("^is_linear=0", "is_linear=1"),
    "a tree less": lambda text: re.sub(r"(?ms)^Tree=1\n.*?(?=^end of trees)", "", text),
    "trees of another size": lambda text: re.sub(r"tree_sizes=\d", "tree_sizes=9", text, count=1),
    "trees of no size": lambda text: re.sub(r"tree_sizes=.*", "tree_sizes=-1 0", text, count=1),
    "no sizes": lambda text: re.sub(r"tree_sizes=.*\n", "", text, count=1),
    "more features than names": _put("max_feature_idx", 0, "2147483647"),
    "three classes": _put("num_class", 0, "3"),
    "many trees a round": _put("num_tree_per_iteration", 0, "1000000000"),
    "another objective": _line("^objective=.*$", "objective=lambdarank"),
    "another version": _line("^version=v4", "version=v9"),
    "a parameter that is none": _line(r"^\[num_leaves: 15\]$", "[num_leaves: ["),
    "a parameter across lines": _line(r"^\[num_leaves: 15\]$", "[num_leaves:\n 15]"),
    "objects of another library": _line("^pandas_categorical:null", "pandas_categorical:" + "[" * 100_000),
    "a zero byte": lambda text: text.replace("leaf_value=", "leaf_value=\0", 1),
    "line ends of another system": lambda text: text.replace("\n", "\r\n"),
    "something behind it": lambda text: text + "x",
    "cut off": lambda text: text[: len(text) // 2],
    "cut off behind its trees": lambda text: text[: text.index("parameters:")],
    "empty": lambda _: "",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_text_is_a_model_error(kind: str) -> None:
    """LightGBM's reader trusts its text: such a one ended the process, or kept it busy for ever."""
    text = written("categories")
    damaged = DAMAGES[kind](text)
    assert damaged != text

    with pytest.raises(ModelIncomplete, match="BTCUSDT is not a whole LightGBM text model"):
        load_model(damaged, subject="BTCUSDT")


READER = """
import sys
import lightgbm
import numpy as np
x = np.random.default_rng(0).normal(size=(20, 7))
x[::3] = np.nan
x[:, 6] = 1e9
for text in sys.stdin.read().split("\\f"):
    try:
        model = lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, ValueError):
        continue
    model.predict(x, raw_score=True, num_threads=1)
    model.feature_importance("gain")
    model.feature_name()
"""


def test_what_passes_the_check_does_lightgbm_no_harm() -> None:
    """Whatever byte a bad disk turns, wherever it stands; what passes is read by a process of its own."""
    draw = random.Random(0)
    passed = []
    for kind in ("numbers", "categories", "average"):
        text = written(kind)
        for _ in range(300):
            at = draw.randrange(text.index("parameters:"))
            damaged = resized(f"{text[:at]}{draw.choice('0123456789-. e')}{text[at + 1 :]}")
            try:
                check_model_text(damaged)
            except ValueError:
                continue
            passed.append(damaged)

    subprocess.run(
        [sys.executable, "-c", READER], input="\f".join(passed), text=True, check=True, capture_output=True
    )

    assert len(passed) > 100
