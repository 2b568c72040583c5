"""Several grown models as one: its score is the mean of theirs.

Models with equal features come in; one ``Model`` goes out, which is a plain LightGBM text file like any
other.  Every leaf of a member is divided by the number of members, and the members' trees are put
behind one another; the sum over all trees is then the mean of the members' scores, to the rounding
of the additions.  The mean over seeds is worth 0.003 of AUC on real series (``docs/numbers.md``).
"""

import re
from collections.abc import Sequence

from desk.learn.training import Model, model_of

_VALUES = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
_TREE = re.compile(r"^Tree=\d+$", re.MULTILINE)
_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
_END = "end of trees"


def average(members: Sequence[Model]) -> Model:
    """One model whose score of a row is the mean of the members' scores.

    Raises
    ------
    ValueError
        If there is no member, or their features differ.
    """
    if len({member.names for member in members}) != 1:
        raise ValueError(f"{len(members)} models with equal features are needed")
    if len(members) == 1:
        return members[0]
    texts = [member.text() for member in members]
    head = _SIZES.sub("", texts[0][: _TREE.search(texts[0]).start()])  # type: ignore[union-attr]
    tail = texts[0][texts[0].index(_END) :]
    trees = [tree for text in texts for tree in _scaled_trees(text, len(members))]
    body = "".join(f"Tree={number}\n{tree}" for number, tree in enumerate(trees))
    return model_of(f"{head}{body}{tail}")


def _scaled_trees(text: str, share: int) -> list[str]:
    """The trees of a model text without their numbers, their values divided by ``share``."""
    trees = text[: text.index(_END)]
    return [_VALUES.sub(lambda found: _divided(found, share), tree) for tree in _split(trees)]


def _split(trees: str) -> list[str]:
    return [part.removeprefix("\n") for part in _TREE.split(trees)[1:]]


def _divided(found: re.Match[str], share: int) -> str:
    values = " ".join(repr(float(value) / share) for value in found[2].split())
    return f"{found[1]}={values}"
