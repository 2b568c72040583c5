"""A small real model, published as training publishes one, with a threshold that every candle reaches."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from config import default_settings
from desk.learn.training import bin_rows, train
from desk.outcomes import Json, Trained, WalkModel
from desk.policy import Thresholds
from desk.registry import ModelRegistry
from ml_feature_engineering import FEATURES, contract_id
from tests.test_registry import metadata, publish_version

STOP_LOSS = 0.02


def publish(folder: Path, symbol: str, *, at_ms: int, walk: Sequence[tuple[int, int, float]] = ()) -> Json:
    """Publish a tradable model of ``symbol`` that is long at every candle; return its metadata.

    ``walk`` are first and last open time (ms) and long threshold of the blocks to keep of a walk.
    """
    names = [feature.name for feature in FEATURES]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2_000, len(names))).astype(np.float32)
    side = (rng.random(2_000) < 0.9).astype(np.int8)
    model = train(bin_rows(x, side, names), default_settings().learn.baseline, rounds=20, seed=1)
    described = metadata()
    described["features"], described["feature_contract"] = names, contract_id()
    described["importance"] = dict.fromkeys(names, 1.0)
    described["settings"]["trading"] = {
        "stop_loss": STOP_LOSS,
        "take_profit": None,
        "slippage": 0.0001,
        "stop_overshoot": 0.25,
        "max_spread_ratio": 2.0,
    }
    described["signals"]["long_threshold"] = 0.01
    described["verdict"] |= {"tradable": True, "reasons": []}
    blocks = tuple(
        WalkModel(first=first, last=last, thresholds=Thresholds(long=long, short=None), model=model.text())
        for first, last, long in walk
    )
    trained = Trained(symbol, model.text(), model.text(), b"", described, walk=blocks, trades="")
    return publish_version(ModelRegistry(folder), trained, now=datetime.fromtimestamp(at_ms / 1000, tz=UTC))
