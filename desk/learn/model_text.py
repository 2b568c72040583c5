"""Whether a text is a whole LightGBM model, before LightGBM itself reads it.

Place in the house: ``desk.learn``, in front of ``training.load_model``.  A text comes in; nothing, or a
``ValueError`` that says what is wrong and where, goes out.  Pure.

LightGBM's reader, C++, trusts what it reads: a child that points beyond its tree, or back to its parent, a
count that is too large or a list that is too short ends the process or never ends at all.  So the text has to
be what LightGBM's writer makes of a binary model, line by line::

    tree                                    version=v4, one class, objective, names and ranges of features
    tree_sizes=1639 …                       characters of each tree below, its blank lines included

    Tree=0                                  n leaves, n - 1 nodes
    num_leaves=14                           a child k >= 0 is node k, and lies behind its parent;
    left_child=1 2 …                        a child k < 0 is leaf -k - 1; each occurs once
    threshold=0.5 0 …                       a number, or, where decision_type is odd, which set of categories
    cat_boundaries=0 9, cat_threshold=…     the sets: bits in words of 32, only where num_cat is above 0


    end of trees                            then importances, parameters, pandas_categorical:null

Not here: whether the model belongs to its metadata (``desk.registry``).

References
----------
LightGBM 4, ``src/io/tree.cpp`` (``Tree::ToString``) and ``src/boosting/gbdt_model_text.cpp``.
"""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

LONGEST: Final = 100_000_000
"""Characters; ten times the largest model that any settings give."""
MOST_LEAVES: Final = 131_072
"""LightGBM's own limit."""
MOST_FEATURES: Final = 100_000
_CATEGORICAL, _MISSING_TYPE, _DECISIONS = 1, 12, 16
"""Bits of ``decision_type``: categorical; how missing values are marked (below 3); and the first unknown."""
_LINEAR: Final = "is_linear=0"
_HEAD: Final = ("tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0")
_OBJECTIVE: Final = "objective=binary sigmoid:1"
_WHOLE: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,400}(?:\.\d{1,400})?(?:e[+-]\d{1,3})?", re.ASCII)
_RANGE: Final = re.compile(r"none|\[[-+.e\d]{1,60}:[-+.e\d]{1,60}\]|-?\d{1,15}(?::-?\d{1,15})*", re.ASCII)
_NAME: Final = re.compile(r"[!-~]{1,200}")
_IMPORTANCE: Final = re.compile(r"[!-~]{1,200}=[\d.e+-]{1,40}", re.ASCII)
_PARAMETER: Final = re.compile(r"\[[a-z][a-z0-9_]{0,60}: [^\x00-\x1f\x7f-\uffff\[\]]{0,200}\]")


class _Lines:
    """The lines of a text, each taken once."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._at = 0

    def take(self) -> str:
        """The next line."""
        if self._at == len(self._lines):
            raise ValueError("it ends too early")
        line = self._lines[self._at]
        self._at += 1
        return line

    def need(self, *wanted: str) -> None:
        """Take lines that must be these."""
        for line in wanted:
            if self.take() != line:
                raise self.fault(f"{line!r} was expected" if line else "an empty line was expected")

    def value(self, key: str) -> str:
        """What stands behind ``key=`` in the next line."""
        line = self.take()
        if not line.startswith(f"{key}="):
            raise self.fault(f"{key}= was expected")
        return line[len(key) + 1 :]

    def until(self, end: str, pattern: re.Pattern[str]) -> None:
        """Take lines that match ``pattern``, and the line ``end`` behind them."""
        while (line := self.take()) != end:
            if not pattern.fullmatch(line):
                raise self.fault(f"it is none of those that stand before {end or 'an empty line'!r}")

    def left(self) -> bool:
        """Whether there is another line."""
        return self._at < len(self._lines)

    def fault(self, why: str) -> ValueError:
        """What is wrong with the line that was taken last."""
        return ValueError(f"line {self._at}: {why}")


def check_model_text(text: str) -> None:
    """Make sure that LightGBM can read a text as a binary model, and predict with it.

    Raises
    ------
    ValueError
        If it is not whole, or a part of it contradicts another.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters, at most {LONGEST} are read")
    lines = _Lines(text)
    lines.need(*_HEAD)
    (last,) = _whole_numbers(lines, "max_feature_idx", 1, low=0, high=MOST_FEATURES - 1)
    lines.need(_OBJECTIVE)
    _check_tokens(lines, "feature_names", _NAME, last + 1)
    _check_tokens(lines, "feature_infos", _RANGE, last + 1)
    sizes = _whole_numbers(lines, "tree_sizes", None, low=1, high=LONGEST)
    lines.need("")
    for number, size in enumerate(sizes):
        if (found := _check_tree(lines, number, features=last + 1)) != size:
            raise lines.fault(f"tree {number} has {found} characters, tree_sizes says {size}")
    lines.need("end of trees", "", "feature_importances:")
    lines.until("", _IMPORTANCE)
    lines.need("parameters:")
    lines.until("", _PARAMETER)
    lines.need("end of parameters", "", "pandas_categorical:null", "")
    if lines.left():
        raise lines.fault("something follows the end")


def _check_tree(lines: _Lines, number: int, *, features: int) -> int:
    """Check the next tree; return how many characters it has."""
    start = _Counted(lines)
    start.need(f"Tree={number}")
    (leaves,) = _whole_numbers(start, "num_leaves", 1, low=1, high=MOST_LEAVES)
    (sets,) = _whole_numbers(start, "num_cat", 1, low=0, high=leaves - 1)
    nodes = leaves - 1
    _whole_numbers(start, "split_feature", nodes, low=0, high=features - 1)
    _numbers(start, "split_gain", nodes)
    thresholds = _numbers(start, "threshold", nodes)
    decisions = _whole_numbers(start, "decision_type", nodes, low=0, high=_DECISIONS - 1)
    left = _whole_numbers(start, "left_child", nodes, low=-leaves, high=max(nodes - 1, 0))
    right = _whole_numbers(start, "right_child", nodes, low=-leaves, high=max(nodes - 1, 0))
    if trouble := next(_tree_faults(left, right, leaves), ""):
        raise start.fault(trouble)
    if any(decision & _MISSING_TYPE == _MISSING_TYPE for decision in decisions):
        raise start.fault("a decision_type is unknown")
    _numbers(start, "leaf_value", leaves)
    # LightGBM leaves these out where a tree has not been split.
    few = (0, 1) if leaves == 1 else (leaves,)
    _numbers(start, "leaf_weight", *few)
    _whole_numbers(start, "leaf_count", *few, low=0, high=10**12)
    for key in ("internal_value", "internal_weight"):
        _numbers(start, key, nodes)
    _whole_numbers(start, "internal_count", nodes, low=0, high=10**12)
    categorical = [value for value, bits in zip(thresholds, decisions, strict=True) if bits & _CATEGORICAL]
    if sorted(categorical) != list(range(sets)):
        raise start.fault("its splits by category are not those of its sets of categories")
    if sets:
        ends = _whole_numbers(start, "cat_boundaries", sets + 1, low=0, high=10**9)
        if ends[0] != 0 or any(end <= begin for begin, end in pairwise(ends)):
            raise start.fault("the sets of categories do not follow each other")
        _whole_numbers(start, "cat_threshold", ends[-1], low=0, high=2**32 - 1)
    start.need(_LINEAR)
    _numbers(start, "shrinkage", 1)
    start.need("", "")
    return start.characters


class _Counted(_Lines):
    """Lines of another cursor, whose characters are counted as they are taken."""

    def __init__(self, lines: _Lines) -> None:
        self._inner = lines
        self.characters = 0

    def take(self) -> str:
        """The next line."""
        line = self._inner.take()
        self.characters += len(line) + 1
        return line

    def fault(self, why: str) -> ValueError:
        """What is wrong with the line that was taken last."""
        return self._inner.fault(why)


def _tree_faults(left: Sequence[int], right: Sequence[int], leaves: int) -> Iterator[str]:
    """What keeps nodes and leaves from being one tree."""
    for node, children in enumerate(zip(left, right, strict=True)):
        if any(0 <= child <= node for child in children):
            yield f"node {node} has a child that does not lie behind it"
    found = sorted([*left, *right])
    if found != [*range(-leaves, 0), *range(1, leaves - 1)] and leaves > 1:
        yield "a node or a leaf is nobody's child, or the child of two"


def _check_tokens(lines: _Lines, key: str, pattern: re.Pattern[str], count: int) -> None:
    tokens = lines.value(key).split(" ")
    if len(tokens) != count:
        raise lines.fault(f"{key} has {len(tokens)} entries, {count} expected")
    if not all(map(pattern.fullmatch, tokens)):
        raise lines.fault(f"an entry of {key} is none")


def _tokens(lines: _Lines, key: str, counts: Sequence[int]) -> list[str]:
    text = lines.value(key)
    tokens = text.split(" ") if text else []
    if counts and len(tokens) not in counts:
        raise lines.fault(f"{key} has {len(tokens)} entries, {counts[-1]} expected")
    return tokens


def _whole_numbers(lines: _Lines, key: str, *counts: int | None, low: int, high: int) -> list[int]:
    """Whole numbers from ``low`` to ``high``; ``None`` for a count: any."""
    tokens = _tokens(lines, key, [count for count in counts if count is not None])
    if not all(map(_WHOLE.fullmatch, tokens)):
        raise lines.fault(f"an entry of {key} is no whole number")
    values = list(map(int, tokens))
    if any(not low <= value <= high for value in values):
        raise lines.fault(f"an entry of {key} is not between {low} and {high}")
    return values


def _numbers(lines: _Lines, key: str, *counts: int) -> list[float]:
    tokens = _tokens(lines, key, counts)
    if not all(map(_NUMBER.fullmatch, tokens)):
        raise lines.fault(f"an entry of {key} is no number")
    values = list(map(float, tokens))
    if not all(map(math.isfinite, values)):
        raise lines.fault(f"an entry of {key} is not finite")
    return values
