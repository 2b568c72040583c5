"""Thresholds with a bound: exact, one position at a time, and wrong as rarely as they say."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, signal, stats

from desk.backtest import one_at_a_time
from desk.errors import SettingsError
from desk.learn import selection
from desk.learn.selection import Selection, SelectionRules, lower_bound, provable_rate, select
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UNKNOWN, UP
from tests.learn.trading import MIDNIGHT, some_probabilities

SHARES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)
RULES = SelectionRules(shares=SHARES, min_trades=150, target_win_rate=0.6, level=0.975)
REPETITIONS = 1_000


def times(n: int) -> NDArray[np.int64]:
    return MIDNIGHT + CANDLE_MS * np.arange(n)


def ranked_world(winning: list[float], *, n: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Probabilities in random order of time; the k-th per cent from the top wins with ``winning[k]``."""
    rng = np.random.default_rng(5)
    probability = rng.permutation(np.linspace(0.01, 0.99, n))
    percent = np.floor((0.99 - probability) / 0.98 * 100).astype(int)
    chance = np.array([*winning, *[0.5] * (101 - len(winning))])[percent]
    return probability, np.where(rng.random(n) < chance, UP, DOWN).astype(np.int8)


# The sequence -------------------------------------------------------------------------------------


def test_the_widest_entry_that_held_is_the_threshold() -> None:
    """Percentiles one to five win three quarters, later ones half: wide entries thin out the win rate."""
    probability, label = ranked_world([0.75] * 5)

    long = select(probability, label, times(20_000), horizon=1, rules=RULES).long

    held = [entry for entry in long.tested if entry.lower_bound >= 0.6]
    assert long.target_met
    assert long.threshold == held[-1].threshold
    assert [entry.share for entry in held] == [entry.share for entry in long.tested[: len(held)]]
    assert long.lower_bound == pytest.approx(stats.beta.ppf(0.025, long.wins, long.n - long.wins + 1))
    assert "if the future resembles them" in long.why


def test_the_sequence_ends_at_the_first_failure() -> None:
    """A wider entry that would hold again is not looked at: else the search would need a correction."""
    probability, label = ranked_world([0.9, 0.1, 0.1, *[0.95] * 12])

    long = select(probability, label, times(20_000), horizon=1, rules=RULES).long

    assert long.share == 0.01
    assert any(entry.lower_bound >= 0.6 for entry in long.tested if entry.share > 0.02)


def test_where_the_first_fails_the_best_bound_is_taken_and_the_power_told() -> None:
    """The trader learns that not the market alone, but also the number of trades, stood in the way."""
    probability, label = ranked_world([0.55] * 20)

    long = select(probability, label, times(20_000), horizon=1, rules=RULES).long

    assert not long.target_met
    assert long.lower_bound == max(entry.lower_bound for entry in long.tested)
    assert long.power is not None
    assert long.why.endswith(f"{long.n} trades can prove 60% only if {long.power:.0%} is true")


def test_a_side_with_too_few_labelled_trades_never_fires() -> None:
    """The cautious reading: 149 trades prove nothing, so nothing is bet on them."""
    probability, label = ranked_world([0.9] * 20)
    label[probability > 0.5] = NEUTRAL

    chosen = select(probability, label, times(20_000), horizon=1, rules=RULES)

    assert chosen.long.threshold is None
    assert "only 0 labelled out-of-fold trades, 150 are needed" in chosen.long.why
    assert chosen.thresholds.long is None
    assert chosen.short.threshold is not None


@pytest.mark.parametrize("n", [0, 5_000])
def test_a_model_without_opinion_never_fires(n: int) -> None:
    """One probability everywhere: every entry would be all candles."""
    chosen = select(np.full(n, 0.5), np.ones(n, dtype=np.int8), times(n), horizon=2, rules=RULES)

    assert (chosen.long.threshold, chosen.short.threshold) == (None, None)
    assert not chosen.target_met
    assert "all alike" in chosen.long.why


def test_the_thresholds_are_probabilities_that_occurred_and_survive_json() -> None:
    """Compared as stored: the k most extreme candles fire, in the evaluation and in live trading."""
    probability, label = ranked_world([0.55] * 20)
    chosen = select(probability, label, times(20_000), horizon=1, rules=RULES)

    for side in (chosen.long, chosen.short):
        assert side.share is not None
        kept = json.loads(json.dumps(side.threshold))
        fired = probability >= kept if side.side == "long" else probability <= kept
        assert np.sum(fired) == np.ceil(side.share * len(probability))


def test_trades_are_counted_like_walking_through_the_candles() -> None:
    """Neutral and unknown candles hold a position as long as others do, holes count by time."""
    rng = np.random.default_rng(6)
    probability = np.nan_to_num(some_probabilities(8_000, seed=6), nan=0.5)
    label = rng.choice([UP, DOWN, NEUTRAL, UNKNOWN], 8_000).astype(np.int8)
    open_time = MIDNIGHT + CANDLE_MS * np.cumsum(rng.choice([1, 1, 1, 4], 8_000))
    short = select(probability, label, open_time, horizon=3, rules=RULES).short

    for entry in short.tested:
        free, trades, won, n = 0, 0, 0, 0
        for row in range(8_000):
            if open_time[row] >= free and probability[row] <= entry.threshold:
                free = open_time[row] + 3 * CANDLE_MS
                trades += 1
                n += label[row] in {UP, DOWN}
                won += label[row] == DOWN
        assert (entry.trades, entry.n, entry.wins) == (trades, n, won)


def test_both_sides_are_mirror_images() -> None:
    """Long and short are one procedure; a slip in one of them would be seen here."""
    probability, label = ranked_world([0.75] * 5)
    mirrored = np.where(label == UP, DOWN, UP).astype(np.int8)

    once = select(probability, label, times(20_000), horizon=2, rules=RULES)
    again = select(1 - probability, mirrored, times(20_000), horizon=2, rules=RULES)

    assert (once.long.n, once.long.wins) == (again.short.n, again.short.wins)
    assert (once.short.n, once.short.wins) == (again.long.n, again.long.wins)


# The arithmetic -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "n"), [(0, 150), (90, 150), (141, 210), (150, 150)])
def test_the_bound_is_the_exact_one(wins: int, n: int) -> None:
    """Against scipy's Clopper-Pearson interval."""
    exact = stats.binomtest(wins, n).proportion_ci(0.95, method="exact")

    assert lower_bound(wins, n, level=0.975) == pytest.approx(exact.low)


def test_power_is_the_rate_that_succeeds_four_times_out_of_five() -> None:
    """141 of 210 are needed to prove 60 %; only at 69.6 % do four of five tries have as many."""
    assert lower_bound(140, 210, level=0.975) < 0.6 <= lower_bound(141, 210, level=0.975)

    rate = provable_rate(210, target=0.6, level=0.975)

    assert rate is not None
    assert rate == pytest.approx(0.696, abs=0.001)
    assert stats.binom.sf(140, 210, rate) == pytest.approx(0.8)
    assert provable_rate(5, target=0.6, level=0.975) is None


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(
        SettingsError, match=r"shares are.*min_trades is 0.*target_win_rate is 60.*level is 97"
    ):
        SelectionRules(shares=(0.1, 0.05), min_trades=0, target_win_rate=60, level=97.5)


# Simulations: overlapping labels, persistent scores, known win rates ------------------------------


def up_chance(win_rate: float, horizon: int) -> float:
    """Chance of a step up at which labelled moves of ``horizon`` steps of ±1 go up so often."""
    moves = np.arange(horizon + 1) * 2 - horizon

    def of(q: float) -> float:
        chance = stats.binom.pmf(np.arange(horizon + 1), horizon, q)
        return float(chance[moves > 0].sum() / chance[moves != 0].sum()) - win_rate

    return float(optimize.brentq(of, 0.5, 0.99))


def persistent(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Scores of which neighbours are much alike: a signal lasts for an hour or so."""
    return np.asarray(signal.lfilter([1.0], [1.0, -0.95], rng.normal(size=n)))


def labels_from(up: NDArray[np.bool_], horizon: int) -> NDArray[np.int8]:
    """Label of each candle by the sum of the next ``horizon`` steps; neighbours share all but one."""
    path = np.concatenate([[0], np.cumsum(np.where(up, 1, -1))])
    move = path[horizon:] - path[:-horizon]
    return np.where(move > 0, UP, np.where(move < 0, DOWN, NEUTRAL)).astype(np.int8)


def share_proven(side: str, *, horizon: int, repetitions: int) -> float:
    """How often 60 % is called proven where exactly 60 % is true of every entry of ``side``."""
    rules = SelectionRules(shares=(0.05, 0.1, 0.15), min_trades=150, target_win_rate=0.6, level=0.975)
    rng = np.random.default_rng(17)
    q, n = up_chance(0.6, horizon), 8_000
    proven = 0
    for _ in range(repetitions):
        up = rng.random(n + horizon - 1) < (q if side == "long" else 1 - q)
        chosen = select(persistent(rng, n), labels_from(up, horizon), times(n), horizon=horizon, rules=rules)
        proven += (chosen.long if side == "long" else chosen.short).target_met
    return proven / repetitions


def assert_bound_holds(side: str, *, horizon: int, repetitions: int) -> None:
    """Wrong in at most 2.5 % of the cases, and three standard errors."""
    allowed = 0.025 + 3 * np.sqrt(0.025 * 0.975 / repetitions)
    assert share_proven(side, horizon=horizon, repetitions=repetitions) <= allowed


@pytest.mark.parametrize("side", ["long", "short"])
def test_the_bound_fails_as_rarely_as_it_says(side: str) -> None:
    """At exactly the target, where it is hardest: every success is a false proof."""
    assert_bound_holds(side, horizon=2, repetitions=REPETITIONS)


def test_counting_every_fired_candle_would_break_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: neighbours that share most of their outcome counted as if each were news."""
    assert_bound_holds("long", horizon=6, repetitions=150)
    monkeypatch.setattr(selection, "one_at_a_time", lambda fired, _free: np.arange(len(fired)))

    with pytest.raises(AssertionError):
        assert_bound_holds("long", horizon=6, repetitions=150)


def test_the_bound_holds_where_the_win_rate_thins_out() -> None:
    """Narrow entries win two of three, wide ones do not: too wide a threshold is chosen too rarely to count.

    What is true of each threshold is read from one long series of the same kind.
    """
    rules = SelectionRules(
        shares=(0.03, 0.05, 0.07, 0.1, 0.15, 0.2), min_trades=150, target_win_rate=0.6, level=0.975
    )
    rng = np.random.default_rng(23)

    def world(n: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        scores = persistent(rng, n + 1)
        up = rng.random(n + 1) < 0.5 + np.clip(0.0016 * scores * np.abs(scores), -0.3, 0.3)
        return scores[:-1], labels_from(up, 2)

    long_scores, long_label = world(400_000)
    grid = np.quantile(long_scores, 1 - np.linspace(0.01, 0.25, 25))
    truth = []
    for threshold in grid:
        fired = np.flatnonzero(long_scores >= threshold)
        outcome = long_label[fired[one_at_a_time(fired, fired + 2)]]
        truth.append(np.sum(outcome == UP) / np.sum(outcome >= DOWN))
    assert truth[0] > 0.62
    assert truth[-1] < 0.59

    wrong = met = 0
    for _ in range(REPETITIONS // 2):
        scores, label = world(12_000)
        long = select(scores, label, times(12_000), horizon=2, rules=rules).long
        if long.target_met:
            met += 1
            wrong += np.interp(-float(long.threshold or 0.0), -grid, truth) < 0.6
    assert met > 50
    assert wrong / (REPETITIONS // 2) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / (REPETITIONS // 2))


def assert_thresholds_do_not_flatter(pick: str) -> None:
    """Where nothing can be known, the labelled win rate on the test block is one half."""
    rng = np.random.default_rng(29)
    wins = n = 0
    for _ in range(100):
        scores, label = rng.normal(size=(2, 5_000)), rng.integers(0, 2, (2, 5_000)).astype(np.int8)
        where = 0 if pick == "development" else 1
        chosen: Selection = select(scores[where], label[where], times(5_000), horizon=2, rules=RULES)
        sides = chosen.thresholds.sides(scores[1])
        fired = np.flatnonzero(sides)
        taken = fired[one_at_a_time(fired, fired + 2)]
        wins += int(np.sum((sides[taken] > 0) == (label[1][taken] == UP)))
        n += len(taken)
    assert abs(wins / n - 0.5) < 3 * 0.5 / np.sqrt(n)


def test_thresholds_chosen_on_the_test_block_are_caught() -> None:
    """Planted: picking the best-looking threshold where it is reported makes an edge out of nothing."""
    assert_thresholds_do_not_flatter("development")
    with pytest.raises(AssertionError):
        assert_thresholds_do_not_flatter("test")
