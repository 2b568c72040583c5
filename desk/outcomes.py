"""The outcome of a symbol: a value, and each symbol has exactly one.

Place in the house: foundation.  Made by ``desk.worker.train_symbol`` and, where a job
raised or died, by the door that ran it; read by the summary and the reports.
"""

from dataclasses import dataclass
from typing import Any

from desk.policy import Thresholds

Json = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkModel:
    """The model of one block of a walk, and by what the block was traded."""

    first: int
    """Open time of the block's first candle, ms."""
    last: int
    """Of its last."""
    thresholds: Thresholds
    """Probabilities of up."""
    model: str
    """LightGBM text."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model and all that is known of it, before it has a file name."""

    symbol: str
    model: str
    """LightGBM text of the model to publish."""
    evaluated: str | None
    """Text of the model whose figures the metadata report, where that is another one."""
    study: bytes
    """The trials as an Optuna journal; empty where there is none to keep."""
    metadata: Json
    """All of the metadata but what publishing adds: names, time, digest."""
    walk: tuple[WalkModel, ...]
    """Models of the walk's newest blocks, for replays."""
    trades: str
    """The trades of the walk as CSV."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """No model, for a stated reason that is nobody's fault: too little data."""

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """No model, and something is wrong."""

    symbol: str
    stage: str
    """``fetch``, ``train`` or ``publish``."""
    message: str
    traceback: str
    """The traceback as text; empty where the message says it all."""
