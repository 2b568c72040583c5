"""What a worker returns is whole: it can be published as it is, and replayed."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from desk.learn.record import as_json
from desk.learn.settings import ModelSettings
from desk.learn.verdict import pending
from desk.registry import ModelRegistry
from desk.values import CANDLE_MS
from desk.worker import SymbolJob, kept_blocks, train_symbol
from tests.learn.edge_market import FREE_CONTRACT, QUICK, edge_candles, honest
from tests.test_registry import publish_version


@pytest.mark.parametrize("candles", [3_456, 15_000])
def test_what_a_worker_returns_can_be_published(candles: int, tmp_path: Path) -> None:
    """The metadata keep their schema, for a symbol of twelve days as for one that is traded."""
    made = edge_candles().rows(15_000 - candles, 15_000)
    settings = ModelSettings(learn=QUICK, days=60, seed=7)
    job = SymbolJob(made, settings, FREE_CONTRACT, control=True)

    found = train_symbol(job)
    described = pending(found.evidence.examination)
    metadata = {**found.trained.metadata, "verdict": as_json(described)}
    written = publish_version(
        ModelRegistry(tmp_path),
        replace(found.trained, metadata=metadata),
        now=datetime(2026, 11, 22, tzinfo=UTC),
    )

    rows = (tmp_path / "trades" / "EDGEUSDT_trades_20261122_000000.csv").read_text().splitlines()
    assert len(rows) - 1 == written["signals"]["n"]
    assert [line.date for line in found.evidence.days] == sorted({line.date for line in found.evidence.days})
    assert found.evidence.signals == any(
        written["signals"][name] is not None for name in ("long_threshold", "short_threshold")
    )
    assert (written["signals"]["n"] > 0) == (candles == 15_000)


def test_kept_blocks_follow_each_other_up_to_the_newest_candle() -> None:
    """A replay of the last fifth needs a model and thresholds for each of its candles."""
    report = honest()

    kept = kept_blocks(report, edge_candles())

    time = edge_candles().open_time
    assert kept[0].first == time[report.walk.blocks[report.walk.late].first]
    assert kept[-1].last == time[-1]
    assert all(before.last + CANDLE_MS == after.first for before, after in pairwise(kept))
    assert [one.thresholds for one in kept] == [
        block.thresholds for block in report.walked.blocks[report.walk.late :]
    ]
    assert [one.model for one in kept] == [model.text() for model in report.walk.models]
