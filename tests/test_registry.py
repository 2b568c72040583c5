"""A model is published whole, refused when its files do not belong together, and never lost."""

import json
import os
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from desk.errors import ContractMismatch, ModelIncomplete
from desk.learn.record import describe_trades
from desk.learn.trade_statistics import trade_statistics
from desk.learn.trades import figures
from desk.outcomes import Trained, WalkModel
from desk.policy import Thresholds
from desk.registry import ModelRegistry
from desk.values import CANDLE_MS
from tests.power import cut_power

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
FEATURES = ("ret_1", "rsi_14")
CONTRACT = "abc"

TRADES = describe_trades(figures(()))
"""Of a walk that was never traded."""


def metadata() -> dict[str, Any]:
    part = {
        "first": "2026-01-01T00:00:00+00:00",
        "last": "2026-01-02T00:00:00+00:00",
        "rows": 9,
        "labelled": 5,
    }
    names = ("python", "lightgbm", "optuna", "numpy", "pandas", "scikit-learn", "suite", "machine")
    return {
        "features": list(FEATURES),
        "feature_contract": CONTRACT,
        "versions": dict.fromkeys(names, "1"),
        "settings": {"seed": 1, "days": 180, "prediction_horizon": 2, "min_price_change": 0.002},
        "data": {
            "first": part["first"],
            "last": part["last"],
            "rows": 9,
            "missing": 0,
            "zero_volume_share": 0.0,
            "tick": None,
            "tick_bps": None,
            "grid": {"from": [], "step": []},
            "spread_bps": None,
            "spread_source": "no bid and ask were read",
            "turnover": None,
            "mean_prices": "typical",
            "sha256": "0" * 64,
            "trained_through": part["last"],
            "refit_on_all": True,
        },
        "labels": {"horizon": 2, "threshold": 0.002, "up": 1, "down": 2, "neutral": 3},
        "split": {"development": part, "test": part, "purged": 4, "folds": []},
        "tuning": {
            "n_trials": 1,
            "n_pruned": 0,
            "best_value": None,
            "best_params": {
                "learning_rate": 0.03,
                "num_leaves": 15,
                "min_data_in_leaf": 100,
                "feature_fraction": 0.4,
                "bagging_fraction": 0.7,
                "lambda_l2": 5.0,
                "path_smooth": 1.0,
            },
            "baseline_value": None,
            "chosen": "baseline",
            "why": "no fold",
            "rounds": 20,
            "seconds": 0.1,
        },
        "metrics": None,
        "signals": {
            "long_threshold": 0.6,
            "short_threshold": None,
            **TRADES,
            "test": None,
            "aged": None,
            "walk": [],
            "evidence": {"first": None, "window": "", "days": 0},
            "statistics": asdict(trade_statistics((), ())),
            "share": {"long": 0.02, "short": None},
            "proof": ["long: nothing is proven", "short: nothing is proven"],
            "lower_bound": {"long": 0.5, "short": None},
            "target_met": False,
            "power": {"long": None, "short": None},
            "why": ["long fires", "short is silent"],
        },
        "calibration": None,
        "stability": {"months": [], "thirds": [], "hours": [], "worst_accuracy": None, "worst_trades": None},
        "verdict": {
            "tradable": False,
            "reasons": ["no edge"],
            "p_value": None,
            "q_value": None,
            "family_size": None,
            "accepted_on": None,
        },
        "importance": {"ret_1": 2.0, "rsi_14": 1.0},
        "timing": dict.fromkeys(
            (
                *("features", "tuning", "walk", "thresholds", "fit", "evaluation"),
                *("cpu_seconds", "peak_rss_mb"),
            ),
            1.0,
        ),
    }


def publish_version(registry: ModelRegistry, version: Trained, *, now: datetime) -> dict[str, Any]:
    """Add a version and publish it at once; its metadata."""
    metadata = registry.add(version, now=now)
    registry.publish(metadata)
    return metadata


def trained(model: str, symbol: str = "BTCUSDT") -> Trained:
    return Trained(symbol, model, f"evaluated {model}", b"", metadata(), (), "opened,closed\n")


def opened(shelf: ModelRegistry, symbol: str = "BTCUSDT") -> str:
    return shelf.open_latest(symbol, features=FEATURES, contract=CONTRACT).model


def test_a_published_model_has_the_files_that_the_readme_names(tmp_path: Path) -> None:
    """Users' own scripts rely on these names."""
    publish_version(ModelRegistry(tmp_path), trained("m1"), now=NOW)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "BTCUSDT_features.txt",
        "BTCUSDT_latest.txt",
        "BTCUSDT_lightgbm_20261122_120000.txt",
        "evaluated/BTCUSDT_lightgbm_20261122_120000.txt",
        "metadata/BTCUSDT_metadata_20261122_120000.json",
        "trades/BTCUSDT_trades_20261122_120000.csv",
    ]
    assert (tmp_path / "trades" / "BTCUSDT_trades_20261122_120000.csv").read_text() == "opened,closed\n"
    assert str((tmp_path / "BTCUSDT_latest.txt").readlink()) == "BTCUSDT_lightgbm_20261122_120000.txt"
    assert (tmp_path / "BTCUSDT_features.txt").read_text() == "ret_1\nrsi_14\n"


def test_two_versions_in_one_second_are_two_versions(tmp_path: Path) -> None:
    """A model file is never changed once it is written."""
    shelf = ModelRegistry(tmp_path)

    first, second = (publish_version(shelf, trained(text), now=NOW)["model_file"] for text in ("m1", "m2"))

    assert (first, second) == (
        "BTCUSDT_lightgbm_20261122_120000.txt",
        "BTCUSDT_lightgbm_20261122_120001.txt",
    )
    assert opened(shelf) == "m2"
    assert (tmp_path / first).read_text() == "m1"


@pytest.mark.parametrize("step", range(40))
def test_a_power_cut_leaves_the_old_model_or_the_new(tmp_path: Path, step: int) -> None:
    """Live trading may read at any moment; it never sees a mixture, and no draft stays."""
    shelf = ModelRegistry(tmp_path)
    block = WalkModel(first=0, last=CANDLE_MS, thresholds=Thresholds(long=0.6, short=None), model="tree\n")
    publish_version(shelf, trained("m1"), now=NOW)

    with cut_power(step):
        publish_version(shelf, replace(trained("m2"), walk=(block,)), now=NOW)

    assert opened(shelf) in {"m1", "m2"}
    shelf.tidy()
    publish_version(shelf, trained("m3"), now=NOW)
    assert opened(shelf) == "m3"
    assert not list(tmp_path.rglob(".draft-*"))


def test_metadata_that_break_the_schema_are_not_published(tmp_path: Path) -> None:
    """A malformed record is a defect of ours, found before the model replaces a good one."""
    shelf = ModelRegistry(tmp_path)
    publish_version(shelf, trained("m1"), now=NOW)
    wrong = trained("m2")
    wrong.metadata["labels"]["up"] = -1

    with pytest.raises(jsonschema.ValidationError):
        publish_version(shelf, wrong, now=NOW)

    assert opened(shelf) == "m1"


def test_a_number_that_is_none_is_not_published(tmp_path: Path) -> None:
    """NaN is no JSON: other programs could not read the file."""
    wrong = trained("m1")
    wrong.metadata["timing"]["fit"] = float("nan")

    with pytest.raises(ValueError, match="JSON"):
        publish_version(ModelRegistry(tmp_path), wrong, now=NOW)


def test_a_changed_model_file_is_refused(tmp_path: Path) -> None:
    """A half-copied or edited model must not trade."""
    shelf = ModelRegistry(tmp_path)
    name = publish_version(shelf, trained("m1"), now=NOW)["model_file"]
    (tmp_path / name).write_text("m1 edited")

    with pytest.raises(ModelIncomplete, match="not the one that its metadata describe"):
        opened(shelf)


def test_a_model_of_other_features_is_refused(tmp_path: Path) -> None:
    """Equal names do not make equal formulas; the contract tells."""
    shelf = ModelRegistry(tmp_path)
    publish_version(shelf, trained("m1"), now=NOW)

    with pytest.raises(ContractMismatch, match="train the symbol again"):
        shelf.open_latest("BTCUSDT", features=FEATURES, contract="other")
    with pytest.raises(ContractMismatch):
        shelf.open_latest("BTCUSDT", features=FEATURES[::-1], contract=CONTRACT)


def test_hostile_metadata_are_refused_by_name(tmp_path: Path) -> None:
    """Nothing in the directory is trusted unchecked."""
    shelf = ModelRegistry(tmp_path)
    publish_version(shelf, trained("m1"), now=NOW)
    path = tmp_path / "metadata" / "BTCUSDT_metadata_20261122_120000.json"
    good = json.loads(path.read_text())

    for bad in ("{", "[]", json.dumps({**good, "features": "ret_1"}), json.dumps({**good, "surprise": 1})):
        path.write_text(bad)
        with pytest.raises(ModelIncomplete, match="BTCUSDT_metadata_20261122_120000"):
            opened(shelf)


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """The link names a neighbour; another folder's model has no metadata here."""
    shelf = ModelRegistry(tmp_path / "here")
    publish_version(shelf, trained("m1"), now=NOW)
    publish_version(ModelRegistry(tmp_path / "there"), trained("other"), now=NOW)
    link = tmp_path / "here" / "BTCUSDT_latest.txt"
    link.unlink()
    link.symlink_to(tmp_path / "there" / "BTCUSDT_lightgbm_20261122_120000.txt")

    assert opened(shelf) == "m1"


def test_without_symlinks_the_digest_finds_the_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have no links; the newest model is a copy there."""

    def refuse(*_: object) -> None:
        raise OSError(1, "no symlinks here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    shelf = ModelRegistry(tmp_path)
    publish_version(shelf, trained("m1"), now=NOW)
    publish_version(shelf, trained("m2"), now=NOW)

    assert not (tmp_path / "BTCUSDT_latest.txt").is_symlink()
    assert opened(shelf) == "m2"


@pytest.mark.parametrize("links", [True, False])
def test_published_models_tell_when_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Old ones are to be retrained; also where the file system has no links, and of a name within another."""

    def refuse(*_: object) -> None:
        raise OSError(1, "no symlinks here")

    if not links:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    shelf, later = ModelRegistry(tmp_path), NOW + timedelta(days=3)
    for text, symbol, at in (("m1", "AUSDT", NOW), ("m2", "AUSDT", later), ("m3", "AAUSDT", NOW)):
        publish_version(shelf, trained(text, symbol), now=at)

    assert shelf.published() == {"AUSDT": later, "AAUSDT": NOW}
    assert ModelRegistry(tmp_path / "none").published() == {}


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelIncomplete, match="train the symbol"):
        opened(ModelRegistry(tmp_path))
    assert ModelRegistry(tmp_path / "nowhere").symbols() == []


def test_a_directory_can_be_moved(tmp_path: Path) -> None:
    """Links are relative: models are copied from the training machine to the trading server."""
    publish_version(ModelRegistry(tmp_path / "a"), trained("m1"), now=NOW)
    shutil.move(tmp_path / "a", tmp_path / "b")

    assert opened(ModelRegistry(tmp_path / "b")) == "m1"


def _evaluated(folder: Path) -> tuple[ModelRegistry, dict[str, Any], Path]:
    """A registry, the metadata of a model in it, and the file of the model whose figures these report."""
    registry = ModelRegistry(folder)
    described = publish_version(registry, replace(trained("published"), evaluated="evaluated"), now=NOW)
    return registry, described, folder / described["evaluated_file"]


@pytest.mark.parametrize("damaged", [b"Evaluated", b"evaluated\n", b"", b"\xff"])
def test_one_damaged_byte_of_the_evaluated_model_is_a_model_error(tmp_path: Path, damaged: bytes) -> None:
    """A notebook would measure another model than the one whose figures stand in the metadata."""
    registry, described, path = _evaluated(tmp_path)
    assert registry.evaluated(described) == "evaluated"
    path.write_bytes(damaged)

    with pytest.raises(ModelIncomplete, match=r"not the file that its metadata describe|cannot be read"):
        registry.evaluated(described)


def test_models_of_earlier_versions_kept_no_digest_of_it(tmp_path: Path) -> None:
    registry, described, _ = _evaluated(tmp_path)
    del described["evaluated_sha256"]

    assert registry.evaluated(described) == "evaluated"


def test_metadata_cannot_name_an_evaluated_model_elsewhere(tmp_path: Path) -> None:
    """A path out of the folder would have any file of the machine read."""
    (tmp_path / "secret.txt").write_text("key")
    registry, described, _ = _evaluated(tmp_path / "models")

    with pytest.raises(ModelIncomplete):
        registry.evaluated(described | {"evaluated_file": "../secret.txt"})


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["BTCUSDT_latest.txt", "BTCUSDT_lightgbm_20261122_120000.txt", "metadata"])
def test_a_pipe_among_the_models_is_not_opened(tmp_path: Path, name: str) -> None:
    """It would keep a session waiting for ever, at its start or when it looks for newer models."""
    shelf = ModelRegistry(tmp_path)
    publish_version(shelf, trained("model"), now=NOW)
    path = next(tmp_path.glob("metadata/*")) if name == "metadata" else tmp_path / name
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(ModelIncomplete, match="it is a pipe, a regular file is needed"):
        opened(shelf)
    if name == "BTCUSDT_latest.txt":
        assert shelf.latest("BTCUSDT") is None  # --list, --rollback and --retire ask for it
