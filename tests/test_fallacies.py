"""The recipes of `benchmarks/fallacies` print what the page says that they print, because of what it says."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.fallacies import bounce, common, shuffled_split
from desk.market.series.synthetic import synthesize
from tests.house import HOUSE

PAGE = (HOUSE / "docs" / "why-other-numbers-lie.md").read_text(encoding="utf-8")
END = 1_767_225_600_000


def small_walk(seed: int, candles: int = 5_000) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Labelled rows of a random walk, with the usual features."""
    table = common.frame(synthesize("noise", seed, symbol="NOISEUSDT", end=END, candles=candles))
    return common.labelled_rows(common.usual_features(table), common.moves(table))


def test_a_shuffled_split_calls_a_random_walk_and_a_split_by_time_does_not() -> None:
    """Three weeks are enough to be fooled."""
    shuffled, by_time = shuffled_split.both_splits(*small_walk(1))

    assert shuffled > 0.58
    assert abs(by_time - 0.5) < 0.06


def test_the_usual_features_know_no_future() -> None:
    """What the recipes print is owed to their splits and figures, not to a planted leak."""
    candles = common.frame(synthesize("noise", 2, symbol="NOISEUSDT", end=END, candles=2_000))
    whole, part = common.usual_features(candles), common.usual_features(candles[:1_500])

    assert np.allclose(whole[:1_500].to_numpy(float), part.to_numpy(float), equal_nan=True)


def test_coins_that_are_mixed_are_candles_that_move_together() -> None:
    """The recipe needs coins, not one coin under several names."""
    market, own = (synthesize("noise", seed, symbol="XUSDT", end=END, candles=3_000) for seed in (3, 4))
    coin = common.mixed(market, own, share=0.8)
    together = np.corrcoef(np.diff(np.log(coin.close)), np.diff(np.log(market.close)))[0, 1]

    assert 0.9 < together < 0.999


def test_closes_at_a_bounce_lie_at_the_bid_or_the_ask() -> None:
    """And nowhere else: between them the walk is random."""
    candles, middle = bounce.bouncing(1)
    distance_bps = 1e4 * np.abs(candles.close / middle - 1)

    assert np.allclose(distance_bps, bounce.SPREAD_BPS / 2, atol=0.2)


@pytest.mark.parametrize("name", ["shuffled_split", "tuned_on_test", "cut_by_row", "labelled_only", "bounce"])
def test_every_recipe_stands_on_the_page_with_what_it_prints(name: str) -> None:
    """A script that no page names is run by nobody."""
    assert (HOUSE / "benchmarks" / "fallacies" / f"{name}.py").is_file()
    assert f"benchmarks.fallacies.{name}" in PAGE


def test_the_table_of_the_page_is_of_recipes_that_lie() -> None:
    """Printed beside honest, in per cent: every recipe prints more than is true."""
    rows = re.findall(r"^\| .+? \| (\d+\.\d) % \| (\d+\.\d) %", PAGE, flags=re.MULTILINE)

    assert len(rows) == 5
    assert all(float(printed) > 60 > float(honest) for printed, honest in rows)
