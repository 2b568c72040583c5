"""Thresholds week by week: chosen from what earlier weeks earned, and from nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from desk.backtest import trades_of_sides
from desk.clustered import DAY_MS
from desk.costs import Costs
from desk.errors import SettingsError
from desk.learn import shares
from desk.learn.cuts import ScoredBlock, ShareCuts
from desk.learn.settings import ThresholdRules
from desk.learn.thresholds import (
    BlockThresholds,
    Walked,
    prequential,
    sides_of,
)
from desk.learn.win_rate import Side
from desk.policy import LONG, SHORT, TradeRules
from desk.values import CANDLE_MS, Candles, frozen
from tests.learn.trading import FREE, PLAIN, TAKER, labels_of, walk

RULES = ThresholdRules(
    shares=(0.005, 0.02, 0.05, 0.15),
    min_trades=20,
    min_days=4,
    narrow_share=0.01,
    select_by="net",
    target_win_rate=0.6,
    level=0.975,
    min_labelled_trades=30,
)
STOPPED = TradeRules(horizon=3, stop_loss=0.004, take_profit=None)
ROWS, FIRST, BLOCK = 4_800, 300, 650
HOLES = frozenset({1_000, 2_222, 4_000})
Floats = NDArray[np.float64]


def lower_bound(wins: int, n: int, *, level: float) -> float:
    """The exact one-sided bound of Clopper and Pearson, by scipy."""
    return float(stats.binomtest(wins, n).proportion_ci(2 * level - 1, method="exact").low)


def blocks_from(score: Floats, *, first: int = FIRST, size: int = BLOCK) -> list[ScoredBlock]:
    """Blocks of equal size from ``first`` on; the last one may be shorter."""
    return [
        ScoredBlock(at, min(at + size, len(score)), score[at : at + size])
        for at in range(first, len(score), size)
    ]


def scores_on(candles: Candles, *, seed: int, edge: float = 30.0) -> Floats:
    """Scores that know a little of the next ten minutes, on a scale that shrinks, with gaps."""
    rng = np.random.default_rng(seed)
    ahead = np.append(candles.close[2:] / candles.close[:-2] - 1, [0.0, 0.0])
    score = (rng.normal(size=len(candles)) * 0.1 + edge * ahead) * np.linspace(1.0, 0.5, len(candles))
    return np.where(rng.random(len(candles)) < 0.03, np.nan, score)


def walked(
    candles: Candles,
    score: Floats,
    *,
    rules: ThresholdRules = RULES,
    trade_rules: TradeRules = PLAIN,
    costs: Costs = FREE,
) -> Walked:
    label = labels_of(candles, horizon=trade_rules.horizon, threshold=0.002)
    return prequential(candles, label, blocks_from(score), rules=rules, trade_rules=trade_rules, costs=costs)


# The rule in the plainest words -------------------------------------------------------------------


def plain_scale(score: Floats, sign: int) -> tuple[float, float]:
    known = sorted(sign * float(s) for s in score if not np.isnan(s))
    middle = float(np.median(known))
    return middle, known[-int(np.ceil(0.01 * len(known)))] - middle


def plain_cut(blocks: list[ScoredBlock], at: int, share: float, sign: int, rules: ThresholdRules) -> float:
    """The cut of block ``at`` (or of tomorrow), one share and one side; larger is further out for longs."""
    if at < 2:
        known = sorted(sign * float(s) for s in blocks[at].score if not np.isnan(s))
        return sign * known[-int(np.ceil(share * len(known) - 1e-9))]
    earlier = range(at) if share < rules.narrow_share else range(at - 2, at)
    pool: list[float] = []
    for j in earlier:
        middle, spread = plain_scale(blocks[j].score, sign)
        pool += [(sign * float(s) - middle) / spread for s in blocks[j].score if not np.isnan(s)]
    pool.sort()
    quantile = pool[-int(np.ceil(share * len(pool) - 1e-9))]
    scales = [plain_scale(blocks[j].score, sign) for j in (at - 2, at - 1)]
    middle, spread = sum(m for m, _ in scales) / 2, sum(s for _, s in scales) / 2
    return sign * (quantile * spread + middle)


def plain_choice(
    candles: Candles,
    blocks: list[ScoredBlock],
    at: int,
    sign: int,
    rules: ThresholdRules,
    trade_rules: TradeRules,
    costs: Costs,
) -> tuple[float | None, float | None]:
    """Share and t by which block ``at`` is traded on one side, from the candles before it alone."""
    start = blocks[0].first
    end = blocks[at].first if at < len(blocks) else blocks[-1].stop
    past = candles.rows(start, end)
    days = range(int(past.open_time[0]) // DAY_MS, int(past.open_time[-1]) // DAY_MS + 1)
    best: tuple[float | None, float | None] = (None, None)
    for share in rules.shares:
        sides = np.zeros(len(past), dtype=np.int8)
        for j in range(at):
            cut = plain_cut(blocks, j, share, sign, rules)
            for row in range(blocks[j].first, blocks[j].stop):
                if sign * float(blocks[j].score[row - blocks[j].first]) >= sign * cut:
                    sides[row - start] = sign
        trades = trades_of_sides(past, sides, rules=trade_rules, costs=costs)
        sums = dict.fromkeys(days, 0.0)
        for row, net in zip(trades.entry, trades.net, strict=True):
            sums[int(past.open_time[row]) // DAY_MS] += float(net)
        traded = {int(past.open_time[row]) // DAY_MS for row in trades.entry}
        if len(trades) < rules.min_trades or len(traded) < rules.min_days:
            continue
        values = list(sums.values())
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
        t = mean / spread * len(values) ** 0.5
        if best[1] is None or t > best[1]:
            best = (share, t)
    return best


@pytest.mark.parametrize("trade_rules", [PLAIN, STOPPED])
@pytest.mark.parametrize("costs", [FREE, TAKER])
def test_the_walk_is_the_rule_in_plain_words(trade_rules: TradeRules, costs: Costs) -> None:
    """Cuts, shares, t and what fires, against loops that share no line with the product."""
    candles = walk(ROWS, seed=3, holes=HOLES)
    score = scores_on(candles, seed=4)
    blocks = blocks_from(score)

    found = walked(candles, score, trade_rules=trade_rules, costs=costs)

    fired = 0
    for at, chosen in enumerate([*found.blocks, found.tomorrow]):
        for sign, side in ((LONG, chosen.long), (SHORT, chosen.short)):
            if at < 2:
                assert side.cut is None
                continue
            share, t = plain_choice(candles, blocks, at, sign, RULES, trade_rules, costs)
            assert side.share == share
            assert side.t == (None if t is None else pytest.approx(t))
            if t is None or share is None or t <= 0:
                assert side.cut is None
            else:
                fired += 1
                assert side.cut == pytest.approx(plain_cut(blocks, at, share, sign, RULES))
    assert fired >= 4
    expected = np.concatenate(
        [one.cuts.sides(block.score) for one, block in zip(found.blocks, blocks, strict=True)]
    )
    assert found.sides.tolist() == expected.tolist()


# Only the past ------------------------------------------------------------------------------------


def assert_only_the_past(at: int, seed: int, rules: ThresholdRules) -> None:
    """Block ``at`` and everything after it are replaced: no threshold up to it, no side before it moves."""
    candles = walk(ROWS, seed=3, holes=HOLES)
    score = scores_on(candles, seed=4)
    row = FIRST + at * BLOCK
    other = walk(ROWS, seed=seed, start=50.0)
    values = candles.values.copy()
    values[:, row:] = other.values[:, row:]
    changed = Candles(candles.symbol, candles.open_time, frozen(values))
    rewritten = score.copy()
    rewritten[row:] = scores_on(other, seed=seed, edge=-80.0)[row:] * 3

    once = walked(candles, score, rules=rules, trade_rules=STOPPED)
    again = walked(changed, rewritten, rules=rules, trade_rules=STOPPED)

    assert once.blocks[: at + 1] == again.blocks[: at + 1]
    assert once.sides[: at * BLOCK].tolist() == again.sides[: at * BLOCK].tolist()


@settings(max_examples=10, deadline=None)
@given(at=st.integers(1, 6), seed=st.integers(10, 10_000), by=st.sampled_from(["net", "win_rate"]))
def test_what_comes_later_changes_nothing(at: int, seed: int, by: str) -> None:
    """The walk's one promise: each block is traded by what was known when it began."""
    rules = replace(RULES, select_by=by, target_win_rate=0.52)  # type: ignore[arg-type]

    assert_only_the_past(at, seed, rules)


@pytest.mark.parametrize("fault", ["trades that are still open", "days to come", "scores to come"])
def test_a_look_ahead_would_be_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: each way in which a later block could reach an earlier choice."""
    real = shares._earned

    def one_trade_more(*arguments: object) -> tuple[Floats, Floats, Floats, Floats]:
        ends = arguments[3]
        assert isinstance(ends, np.ndarray)
        later = np.minimum(ends + 30, ends[-1])
        return real(*arguments[:3], later, *arguments[4:])  # type: ignore[arg-type, call-arg]

    if fault == "trades that are still open":
        monkeypatch.setattr(shares, "_earned", one_trade_more)
    elif fault == "days to come":
        monkeypatch.setattr(
            shares, "_known", lambda candles, _end: int(np.ptp(candles.open_time) // DAY_MS) + 2
        )
    else:
        own = ShareCuts.of

        def one_block_later(self: ShareCuts, side: Side, block: int) -> tuple[Floats, Floats]:
            return own(self, side, min(block + 1, 6) if block >= 2 else block)

        monkeypatch.setattr(ShareCuts, "of", one_block_later)

    if fault == "days to come":
        candles = walk(ROWS, seed=3, holes=HOLES)
        found = walked(candles, scores_on(candles, seed=4))
        plain = plain_choice(candles, blocks_from(scores_on(candles, seed=4)), 3, LONG, RULES, PLAIN, FREE)
        assert found.blocks[3].long.t != pytest.approx(plain[1])
    else:
        with pytest.raises(AssertionError):
            assert_only_the_past(4, 77, RULES)


# What the choice means ----------------------------------------------------------------------------


def test_a_side_that_loses_is_silent_and_says_how_much() -> None:
    """Scores that are wrong about the market: after costs nothing is left to trade."""
    candles = walk(ROWS, seed=5)

    found = walked(candles, scores_on(candles, seed=6, edge=-30.0), costs=TAKER)

    assert not found.sides.any()
    assert found.tomorrow.firing == ()
    assert found.tomorrow.coverage == 0.0
    assert found.tomorrow.long.why.startswith("long is silent: the best of 4 shares is the top ")
    assert "bp each after costs (t -" in found.tomorrow.long.why


def test_too_few_trades_choose_nothing() -> None:
    """A thousand lucky candles on three days are no reason to trade."""
    candles = walk(ROWS, seed=5)

    found = walked(candles, scores_on(candles, seed=6), rules=replace(RULES, min_days=200))

    assert found.tomorrow.firing == ()
    assert "no share has 20 trades on 200 days" in found.tomorrow.short.why


def test_a_model_without_an_opinion_never_fires() -> None:
    """One score everywhere: every share would be all candles."""
    candles = walk(ROWS, seed=5)

    found = walked(candles, np.full(ROWS, 0.01))

    assert not found.sides.any()
    assert "all scores are alike" in found.tomorrow.long.why


def test_the_promised_coverage_is_met_while_the_scale_of_scores_shrinks() -> None:
    """Scores shrink to a quarter; on the scale of old scores next to none would fire."""
    candles = walk(ROWS, seed=7)
    score = scores_on(candles, seed=8)
    score[FIRST + 2 * BLOCK :] /= 4

    found = walked(candles, score, rules=replace(RULES, shares=(0.15,)))

    for at in range(4, len(found.blocks)):
        fired = np.mean(found.sides[at * BLOCK : (at + 1) * BLOCK] != 0)
        assert found.blocks[at].coverage * 0.6 < fired < found.blocks[at].coverage * 1.4


def test_scores_of_other_seeds_lend_their_scale_where_the_recipe_changes() -> None:
    """Five seeds narrow scores to half: the first such cut is half as far out, nothing earlier changes."""
    candles = walk(ROWS, seed=9)
    score = scores_on(candles, seed=10)
    label = labels_of(candles, horizon=2, threshold=0.002)
    same = [replace_block(block, recipe=3) for block in blocks_from(score)]
    narrowed = [
        replace_block(block, recipe=3 if at < 5 else 5, rescaled=block.score / 2 if 3 <= at < 5 else None)
        for at, block in enumerate(same)
    ]

    once, again = (
        prequential(candles, label, blocks, rules=RULES, trade_rules=PLAIN, costs=FREE)
        for blocks in (same, narrowed)
    )

    assert once.blocks[:5] == again.blocks[:5]
    before, after = once.blocks[5].long, again.blocks[5].long
    assert before.cut is not None
    assert after.cut == pytest.approx(before.cut / 2, rel=1e-9)
    assert (after.share, after.t, after.coverage) == (before.share, before.t, before.coverage)


def replace_block(block: ScoredBlock, *, recipe: int, rescaled: Floats | None = None) -> ScoredBlock:
    return ScoredBlock(block.first, block.stop, block.score, recipe, rescaled)


def test_a_block_without_scores_is_passed_over() -> None:
    """A hole as long as a week: the blocks around it lend their scale."""
    candles = walk(ROWS, seed=9)
    score = scores_on(candles, seed=10)
    score[FIRST + 4 * BLOCK : FIRST + 6 * BLOCK] = np.nan

    found = walked(candles, score)

    assert found.tomorrow.firing
    assert found.blocks[6].firing == ()


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_walk_too_short_for_thresholds_is_silent(blocks: int) -> None:
    """A symbol that was listed two weeks ago is trained and published; nothing fires yet."""
    candles = walk(FIRST + blocks * BLOCK, seed=9)

    found = walked(candles, scores_on(candles, seed=10))

    assert len(found.blocks) == blocks
    assert not found.sides.any()
    assert all(block.firing == () for block in found.blocks)
    assert (found.tomorrow.firing == ()) == (blocks == 1)


def test_thresholds_of_the_block_before_give_the_older_models_trades() -> None:
    """The same scores by week-old thresholds: the first traded block becomes silent, later ones shift."""
    candles = walk(ROWS, seed=9)
    score = scores_on(candles, seed=10)
    found = walked(candles, score)
    blocks = blocks_from(score)

    aged = sides_of(blocks[1:], found.blocks[:-1])

    at = 5
    expected = found.blocks[at - 1].cuts.sides(blocks[at].score)
    assert aged[(at - 1) * BLOCK : at * BLOCK].tolist() == expected.tolist()


def test_thresholds_are_published_as_probabilities() -> None:
    candles = walk(ROWS, seed=9)
    tomorrow: BlockThresholds = walked(candles, scores_on(candles, seed=10)).tomorrow

    assert tomorrow.long.cut is not None
    assert tomorrow.short.cut is not None
    assert tomorrow.thresholds.long == pytest.approx(1 / (1 + np.exp(-tomorrow.long.cut)))
    assert tomorrow.thresholds.short == pytest.approx(1 / (1 + np.exp(-tomorrow.short.cut)))


# The guide's aim ----------------------------------------------------------------------------------


def test_by_win_rate_the_widest_proven_share_is_chosen() -> None:
    """Counted by hand: every share from the narrowest testable one up to the chosen one holds the bound."""
    candles = walk(ROWS, seed=11)
    score = scores_on(candles, seed=12, edge=25.0)
    rules = replace(RULES, select_by="win_rate", target_win_rate=0.7)
    label = labels_of(candles, horizon=2, threshold=0.002)
    blocks = blocks_from(score)

    chosen = walked(candles, score, rules=rules).tomorrow.long

    held = None
    for share in rules.shares:
        n = wins = free = 0
        for j, block in enumerate(blocks):
            cut = plain_cut(blocks, j, share, LONG, rules)
            for row in range(block.first, block.stop):
                time = int(candles.open_time[row])
                if time >= free and block.score[row - block.first] >= cut:
                    free = time + 2 * CANDLE_MS
                    known = free <= int(candles.open_time[-1])
                    n += bool(known and label[row] in {0, 1})
                    wins += bool(known and label[row] == 1)
        if n < rules.min_labelled_trades:
            continue
        if lower_bound(wins, n, level=rules.level) < rules.target_win_rate:
            break
        held = (share, n, wins)
    assert held is not None
    assert (chosen.share, chosen.labelled, chosen.wins) == held
    assert chosen.target_met
    assert chosen.cut is not None
    assert "at least the 70 % asked for" in chosen.proof


def test_by_win_rate_an_unproven_side_is_silent_and_says_what_could_be_proven() -> None:
    candles = walk(ROWS, seed=11)
    rules = replace(RULES, select_by="win_rate", target_win_rate=0.95)

    found = walked(candles, scores_on(candles, seed=12, edge=5.0), rules=rules)

    assert not found.sides.any()
    assert "no share proves the target win rate" in found.tomorrow.long.why
    assert "95 %" in found.tomorrow.long.proof


def test_the_win_rate_is_reported_whichever_way_was_chosen() -> None:
    """Who trades by net still sees whether the guide's aim is proven."""
    candles = walk(ROWS, seed=11)
    score = scores_on(candles, seed=12, edge=60.0)

    by_net = walked(candles, score).tomorrow

    assert by_net.target_met
    assert by_net.long.lower_bound == pytest.approx(
        lower_bound(by_net.long.wins, by_net.long.labelled, level=0.975)
    )
    assert not walked(candles, score, rules=replace(RULES, target_win_rate=0.999)).tomorrow.target_met


# Arguments ----------------------------------------------------------------------------------------


def test_blocks_that_do_not_follow_each_other_are_a_mistake() -> None:
    candles = walk(ROWS, seed=1)
    blocks = blocks_from(np.zeros(ROWS))

    with pytest.raises(ValueError, match="without a gap"):
        prequential(
            candles,
            labels_of(candles, horizon=2, threshold=0.002),
            [blocks[0], blocks[2]],
            rules=RULES,
            trade_rules=PLAIN,
            costs=FREE,
        )


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SettingsError, match=r"select_by is 'luck'.*shares are.*min_days is 1.*level is 97"):
        replace(RULES, shares=(0.1, 0.05), min_days=1, select_by="luck", level=97)  # type: ignore[arg-type]
