"""Evidence: days as the clock has them, and only candles on which nothing was chosen."""

import numpy as np
import pytest

from desk.clustered import DAY_MS
from desk.learn.cuts import ScoredBlock
from desk.learn.evidence import Overclaim, daily_coverage, daily_sums, evidence_start, overclaim
from desk.learn.thresholds import sides_of
from desk.values import CANDLE_MS
from tests.learn.test_thresholds import BLOCK, FIRST, ROWS, blocks_from, scores_on, walked
from tests.learn.trading import MIDNIGHT, walk

WEEK = 7 * DAY_MS


def test_trades_are_added_up_by_the_day_of_their_signal() -> None:
    opened = MIDNIGHT + CANDLE_MS * np.array([5, 287, 288, 900])

    found = daily_sums(
        opened,
        np.array([0.001, 0.002, -0.001, 0.005]),
        first=MIDNIGHT,
        last=MIDNIGHT + 3 * DAY_MS - CANDLE_MS,
    )

    assert found.net_bps.tolist() == pytest.approx([30.0, -10.0, 0.0])
    assert found.trades.tolist() == [2, 1, 0]
    assert (found.n, found.days) == (3, 2)
    assert found.mean_bps == pytest.approx(20 / 3)


def test_some_trades_can_be_left_out_and_days_stay() -> None:
    opened = MIDNIGHT + CANDLE_MS * np.array([5, 300])

    found = daily_sums(
        opened,
        np.array([0.001, 0.002]),
        first=MIDNIGHT,
        last=MIDNIGHT + 2 * DAY_MS - 1,
        which=np.array([False, True]),
    )

    assert found.net_bps.tolist() == pytest.approx([0.0, 20.0])
    assert found.last(1).net_bps.tolist() == pytest.approx([20.0])


def test_promised_candles_are_counted_where_there_are_scores_and_a_side_fires() -> None:
    candles = walk(ROWS, seed=9)
    score = scores_on(candles, seed=10)
    score[FIRST + 5 * BLOCK : FIRST + 5 * BLOCK + 100] = np.nan
    found = walked(candles, score)
    blocks = blocks_from(score)

    fired, promised = daily_coverage(candles, blocks, found.blocks)

    sides = sides_of(blocks[-4:], found.blocks[-4:])
    assert fired.sum() == np.count_nonzero(sides)
    assert promised.sum() == pytest.approx(
        sum(
            one.coverage * np.isfinite(block.score).sum()
            for one, block in zip(found.blocks[-4:], blocks[-4:], strict=True)
        )
    )


def test_silent_blocks_promise_nothing() -> None:
    candles = walk(ROWS, seed=9)
    blocks = [ScoredBlock(block.first, block.stop, block.score * 0) for block in blocks_from(np.ones(ROWS))]
    found = walked(candles, np.zeros(ROWS))

    fired, promised = daily_coverage(candles, blocks, found.blocks)

    assert (fired.sum(), promised.sum()) == (0.0, 0.0)


# Where evidence begins ----------------------------------------------------------------------------


def test_evidence_is_the_whole_walk_from_the_third_block_on() -> None:
    opens = [week * WEEK for week in range(6)]

    assert evidence_start(opens, chosen_through=None, because="this setting was") == (2, "")
    assert evidence_start(opens, chosen_through=WEEK, because="this setting was") == (2, "")
    assert evidence_start(opens[:2], chosen_through=None, because="this setting was") == (None, "")


def test_candles_that_something_was_chosen_on_are_no_evidence() -> None:
    """The best of seven settings without an edge, chosen and tested on the same weeks, passes too often."""
    opens = [week * WEEK for week in range(6)]

    assert evidence_start(opens, chosen_through=4 * WEEK - CANDLE_MS, because="this setting was") == (
        4,
        "evidence from 1970-01-29 on: this setting was chosen on the earlier candles",
    )
    assert evidence_start(opens, chosen_through=4 * WEEK, because="these parameters were") == (
        5,
        "evidence from 1970-02-05 on: these parameters were chosen on the earlier candles",
    )
    assert evidence_start(opens, chosen_through=9 * WEEK, because="this setting was") == (
        None,
        "no evidence yet: this setting was chosen on candles up to 1970-03-05",
    )


# Calibration --------------------------------------------------------------------------------------


def share_beyond(*, shock: float, bias: float, runs: int, n: int = 600) -> float:
    """How often the error exceeds the limit: days share ``shock``, the model claims ``bias`` too much."""
    rng = np.random.default_rng(6)
    beyond = 0
    for _ in range(runs):
        time = np.sort(rng.integers(0, 94 * 288, n)) * CANDLE_MS
        claimed = rng.uniform(0.5, 0.62, n)
        true = np.clip(claimed - bias + shock * rng.normal(size=94)[time // DAY_MS], 0.01, 0.99)
        found = overclaim(claimed, rng.random(n) < true, time, bins=10, level=0.99, draws=400)
        assert found is not None
        beyond += found.points > found.limit_points
    return beyond / runs


def test_true_probabilities_are_rarely_called_wrong() -> None:
    """Days on which all symbols fell included: that is no fault of the probabilities."""
    assert share_beyond(shock=0.0, bias=0.0, runs=200) <= 0.03
    assert share_beyond(shock=0.1, bias=0.0, runs=200) <= 0.06


def test_probabilities_that_claim_far_too_much_are_called_wrong() -> None:
    assert share_beyond(shock=0.0, bias=0.15, runs=50) > 0.9


def test_probabilities_that_claim_too_little_are_not() -> None:
    """Few trees are always shy; that costs nobody anything, and refusing it would refuse what earns."""
    assert share_beyond(shock=0.0, bias=-0.15, runs=50) == 0.0


def test_what_is_claimed_too_much_is_counted_bin_by_bin() -> None:
    """By hand, two bins: 0.7 claimed and 0.5 true is 20 points, 0.6 claimed and 0.8 true is none."""
    claimed = np.repeat([0.6, 0.7], 100)
    won = np.concatenate([np.arange(100) < 80, np.arange(100) < 50])

    found = overclaim(claimed, won, np.arange(200) * DAY_MS, bins=2, level=0.99)

    assert found is not None
    assert found.points == pytest.approx((0.0 + 20.0) / 2)


def test_without_a_labelled_candle_nothing_is_claimed_and_one_day_varies_like_independent_candles() -> None:
    none = np.array([])
    assert overclaim(none, none.astype(bool), none.astype(np.int64), bins=10, level=0.99) is None

    won = np.ones(50, dtype=bool)
    found = overclaim(np.full(50, 0.6), won, np.arange(50) * DAY_MS, bins=10, level=0.99)

    assert isinstance(found, Overclaim)
    assert found.points == 0.0
    assert found.limit_points == pytest.approx(100 * 2.33 * np.sqrt(50 * 0.6 * 0.4) / 50, rel=0.1)
