"""What is published, and what is kept of a walk, is opened for trading only if it belongs together."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.errors import ModelIncomplete
from desk.kept_walk import INDEX, walk_folder
from desk.live_fills import fill_costs
from desk.live_models import DiskModelSource, WalkModelSource
from desk.registry import ModelRegistry, RegisteredModel
from desk.trade.signals import BacktestExpectation, EvaluatedCosts, card_of
from desk.values import CANDLE_MS
from ml_feature_engineering import FEATURES, contract_id
from tests.published import publish
from tests.test_registry import metadata

END = 1_767_225_600_000
NAMES = tuple(feature.name for feature in FEATURES)
WEEK_MS = 7 * 86_400_000
WALK = ((END - 2 * WEEK_MS, END - WEEK_MS - CANDLE_MS, 0.7), (END - WEEK_MS, END - CANDLE_MS, 0.8))


def described(**trading: Any) -> dict[str, Any]:
    """Metadata as the registry completes them."""
    told = metadata()
    told["settings"]["trading"] = {"stop_loss": 0.02, "take_profit": None, **trading}
    made = datetime.fromtimestamp(END / 1000, tz=UTC).isoformat()
    return told | {"symbol": "BTCUSDT", "model_file": "BTCUSDT_lightgbm_1.txt", "created_at": made}


def test_a_card_holds_what_the_evaluation_charged() -> None:
    """Simulated fills charge it again, and what is opened must find about the same book."""
    told = described(slippage=0.0002, stop_overshoot=0.25)
    told["data"] |= {
        "spread_bps": 4.5,
        "tick": 0.1,
        "tick_bps": 7.5,
        "grid": {"from": [1, 2], "step": [0.1, 0.5]},
    }

    card = card_of(told)

    assert card.rules.stop_overshoot == 0.25
    assert card.costs == EvaluatedCosts(
        slippage=0.0002, spread_bps=4.5, tick=0.1, tick_bps=7.5, grid_from=(1, 2), grid=(0.1, 0.5)
    )
    charged = card.costs.charged(fee=0.0006, tick=99.0)
    assert (charged.tick, charged.slippage, charged.spread) == (0.1, 0.0002, 0.00045)
    assert (charged.fee_entry, charged.fee_exit) == (0.0006, 0.0006)
    assert (charged.grid_from, charged.grid) == ((1, 2), (0.1, 0.5))


def test_metadata_of_earlier_versions_charge_what_they_recorded() -> None:
    """No overshoot, no spread; the contract's tick where none was written down."""
    earlier, unknown = described(), described()
    del earlier["data"]["tick"]

    card = card_of(earlier)

    assert (card.rules.stop_overshoot, card.costs) == (0.0, EvaluatedCosts())
    assert card.costs.charged(fee=0.0006, tick=0.5).tick == 0.5
    unknown["data"] |= {"spread_bps": None, "tick": None, "grid": None}
    assert card_of(unknown).costs == EvaluatedCosts(tick=0.0)
    assert card_of(unknown).costs.charged(fee=0.0006, tick=0.5).tick == 0.0


def test_a_spread_beyond_all_measure_is_charged_as_the_evaluation_does() -> None:
    """A delisted coin may be quoted so; its model is not tradable, and no reason to end a session."""
    told = described()
    told["data"] |= {"spread_bps": 5_000.0}

    card = card_of(told)

    assert (card.costs.spread_bps, card.costs.spread) == (5_000.0, 0.09)
    assert fill_costs(card).slippage == Decimal("0.045")


@pytest.mark.parametrize(
    ("data", "trading"),
    [
        ({"grid": {"from": [1], "step": []}}, {}),
        ({"grid": [1]}, {}),
        ({"tick": -1.0}, {}),
        ({"spread_bps": -1.0}, {}),
        ({}, {"stop_overshoot": 2}),
        ({}, {"slippage": "much"}),
    ],
)
def test_costs_that_are_none_are_refused_by_name(data: dict[str, Any], trading: dict[str, Any]) -> None:
    """A session must not end because one file is wrong."""
    told = described(**trading)
    told["data"] |= data

    with pytest.raises(ModelIncomplete, match="BTCUSDT: its metadata tell too little"):
        card_of(told)


def opened(source: type[DiskModelSource], folder: Path) -> DiskModelSource:
    """A source of the models in ``folder``."""
    return source(ModelRegistry(folder), features=NAMES, contract=contract_id())


def test_a_walk_is_opened_with_the_thresholds_of_its_blocks(tmp_path: Path) -> None:
    """Its trades are counted under the published model's name, against what the last fifth let expect."""
    told = publish(tmp_path, "BTCUSDT", at_ms=END, walk=WALK)
    source = WalkModelSource(ModelRegistry(tmp_path), features=NAMES, contract=contract_id())

    model = source.open("BTCUSDT")

    assert source.span == {"BTCUSDT": (WALK[0][0], WALK[1][1])}
    assert [first for first, _ in model.blocks] == [WALK[0][0], WALK[1][0]]
    assert [block.card.thresholds.long for _, block in model.blocks] == [0.7, 0.8]
    assert {block.card.model_file for _, block in model.blocks} == {told["model_file"]}
    assert model.card.expectation == BacktestExpectation(win_rate=None, win_rate_labelled=None, net_bps=None)
    assert opened(DiskModelSource, tmp_path).open("BTCUSDT").blocks == ()


def test_a_walk_with_a_torn_model_is_refused(tmp_path: Path) -> None:
    """A week that cannot be traded would be missing from the comparison without a word."""
    told = publish(tmp_path, "BTCUSDT", at_ms=END, walk=WALK)
    folder = walk_folder(tmp_path, "BTCUSDT", told["model_file"])
    (folder / "01.txt").write_bytes((folder / "01.txt").read_bytes()[:-100])

    with pytest.raises(ModelIncomplete, match=f"01.txt cannot be used .*{INDEX}"):
        opened(WalkModelSource, tmp_path).open("BTCUSDT")


class ExaminedRegistry(ModelRegistry):
    """A registry whose metadata tell the last fifth from the whole walk."""

    def open_latest(self, symbol: str, *, features: tuple[str, ...], contract: str) -> RegisteredModel:
        """With figures of the last fifth."""
        found = super().open_latest(symbol, features=features, contract=contract)
        found.metadata["signals"] |= {"win_rate": 0.1, "win_rate_labelled": 0.2, "net_bps": 0.3}
        found.metadata["signals"]["test"] = {"win_rate": 0.6, "win_rate_labelled": 0.7, "net_bps": 8.0}
        return found


def test_a_replay_expects_what_the_same_weeks_brought(tmp_path: Path) -> None:
    """The published model is compared with the whole walk, a replay with the weeks that it replays."""
    publish(tmp_path, "BTCUSDT", at_ms=END, walk=WALK)
    registry = ExaminedRegistry(tmp_path)

    nets = [
        source(registry, features=NAMES, contract=contract_id()).open("BTCUSDT").card.expectation.net_bps
        for source in (DiskModelSource, WalkModelSource)
    ]

    assert nets == [0.3, 8.0]


def test_a_link_that_is_removed_is_no_model(tmp_path: Path) -> None:
    """``--retire`` removes it, and a running session must see that."""
    publish(tmp_path, "BTCUSDT", at_ms=END)
    source = DiskModelSource(ModelRegistry(tmp_path), features=NAMES, contract=contract_id())

    assert source.symbols() == ("BTCUSDT",)
    assert source.mark("BTCUSDT") is not None
    (tmp_path / "BTCUSDT_latest.txt").unlink()
    assert (source.mark("BTCUSDT"), source.symbols()) == (None, ())
