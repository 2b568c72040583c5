"""The walk recomputed: thresholds, trades and figures by loops that were written from the protocol's text.

Nothing here is shared with the product but the report that is checked, LightGBM's text, and the candles.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from desk import backtest
from desk.costs import Costs
from desk.learn import cuts, record, shares, thresholds, walk_trades
from desk.learn.protocol import SymbolReport
from desk.learn.settings import ThresholdRules
from desk.policy import Thresholds, TradeRules
from desk.values import DOWN, UP
from tests.learn.edge_market import CANDLES, HORIZON, QUICK, edge_candles, honest, labelled_from, report_on
from tests.learn.trading import PlainTrade, labels_of, plain_entry, plain_trades

DAY = 86_400_000
RULES = TradeRules(horizon=HORIZON, stop_loss=0.005, take_profit=None, stop_overshoot=0.25)
EXACT = 1e-12


def plain_costs(found: SymbolReport) -> Costs:
    """Half a tick and nothing else is paid; what the closes show is left out, as they are on a finer grid."""
    assert max(found.costs.grid, default=0.0) <= found.costs.tick
    return Costs(tick=0.0001, slippage=0.0, fee_entry=0.0, fee_exit=0.0)


# The thresholds, in the plainest words ------------------------------------------------------------

Edges = list[tuple[int, int]]


def edges_of(found: SymbolReport) -> Edges:
    return [(block.first, block.stop) for block in found.walk.blocks]


def scores_of(found: SymbolReport) -> list[float]:
    """By row of the series; NaN before the walk and where there are no features."""
    scores = [float("nan")] * CANDLES
    for block in found.walk.blocks:
        for at, score in enumerate(block.score.tolist()):
            scores[block.first + at] = score
    return scores


def known(values: list[float]) -> list[float]:
    return [value for value in values if value == value]  # noqa: PLR0124 - NaN is not equal to itself


def middle_and_spread(values: list[float], sign: int) -> tuple[float, float]:
    """Median, and its distance to where the outer 1 % of a side begin."""
    ranked = sorted(values)
    n = len(ranked)
    middle = ranked[n // 2] if n % 2 else (ranked[n // 2 - 1] + ranked[n // 2]) / 2
    return middle, abs(outermost(values, 0.01, sign) - middle)


def outermost(values: list[float], share: float, sign: int) -> float:
    """The value that the outermost ``share`` of them begins with."""
    ranked = sorted(values, reverse=sign > 0)
    count = int(share * len(ranked))
    return ranked[count - 1 if abs(count - share * len(ranked)) < 1e-9 else count]


def cut_for(found: SymbolReport, at: int, share: float, sign: int, rules: ThresholdRules) -> float:
    """Section 5: the cut of block ``at``; ``at`` may be the number of blocks, for tomorrow.

    The first two by their own quantiles.  Afterwards scores of earlier blocks are centred and scaled by their
    own median and spread; quantile of the last two for shares from 1 % on, of all for narrower ones; put back
    on the scale of the last two, as the recipe that scores block ``at`` would have scored them.
    """
    edges, scores, blocks = edges_of(found), scores_of(found), found.walk.blocks
    parts = [known(scores[first:stop]) for first, stop in edges]
    if at < 2:
        return outermost(parts[at], share, sign)
    pool: list[float] = []
    for j in range(at) if share < rules.narrow_share else (at - 2, at - 1):
        middle, spread = middle_and_spread(parts[j], sign)
        pool += [(score - middle) / spread for score in parts[j]]
    recipe = blocks[min(at, len(blocks) - 1)].recipe
    lent = []
    for j in (at - 2, at - 1):
        rescaled = blocks[j].rescaled
        other = blocks[j].recipe != recipe and rescaled is not None
        like = known(rescaled.tolist()) if other and rescaled is not None else parts[j]
        lent.append(middle_and_spread(like, sign))
    middle, spread = ((lent[0][which] + lent[1][which]) / 2 for which in (0, 1))
    return outermost(pool, share, sign) * spread + middle


def trades_of_cuts(found: SymbolReport, cut: list[float], sign: int, stop: int) -> list[PlainTrade]:
    """One side alone, every block by its cut, up to row ``stop`` of the series; rows are of the walk."""
    first = edges_of(found)[0][0]
    said = np.full(stop - first, 0.5)
    scores = scores_of(found)
    for (begin, end), limit in zip(edges_of(found), cut, strict=False):
        for row in range(begin, min(end, stop)):
            if sign * scores[row] >= sign * limit:
                said[row - first] = 1.0 if sign > 0 else 0.0
    only = Thresholds(long=1.0, short=None) if sign > 0 else Thresholds(long=None, short=0.0)
    return plain_trades(edge_candles().rows(first, stop), said, only, RULES, plain_costs(found))


def t_of_days(found: SymbolReport, trades: list[PlainTrade], stop: int) -> tuple[float | None, int]:
    """T of the daily sums over every day from the walk's first candle on, and the days with a trade."""
    first = edges_of(found)[0][0]
    time = [int(at) for at in edge_candles().open_time]
    sums = dict.fromkeys(range(time[first] // DAY, time[stop - 1] // DAY + 1), 0.0)
    with_trade = set()
    for trade in trades:
        day = time[first + trade.entry] // DAY
        sums[day] += trade.net
        with_trade.add(day)
    n = len(sums)
    mean = sum(sums.values()) / n
    variance = sum((value - mean) ** 2 for value in sums.values()) / (n - 1)
    return (mean / (variance / n) ** 0.5 if variance > 0 else None), len(with_trade)


@functools.cache
def plain_walk(
    found: SymbolReport, rules: ThresholdRules = QUICK.thresholds
) -> dict[tuple[int, int], tuple[float | None, float | None, float | None]]:
    """(share, t, cut) by block and side; the cut is None where the side is silent."""
    edges = edges_of(found)
    chosen: dict[tuple[int, int], tuple[float | None, float | None, float | None]] = {}
    for sign in (1, -1):
        cut = {
            share: [cut_for(found, at, share, sign, rules) for at in range(len(edges) + 1)]
            for share in rules.shares
        }
        for at in range(len(edges) + 1):
            stop = edges[at][0] if at < len(edges) else CANDLES
            best: tuple[float | None, float | None] = (None, None)
            for tried in rules.shares if at >= 2 else ():
                trades = trades_of_cuts(found, cut[tried], sign, stop)
                t, days = t_of_days(found, trades, stop)
                if t is None or len(trades) < rules.min_trades or days < rules.min_days:
                    continue
                if best[1] is None or t > best[1]:
                    best = (tried, t)
            share, t = best
            fires = t is not None and share is not None and t > 0
            chosen[at, sign] = (share, t, cut[share][at] if fires and share is not None else None)
    return chosen


def assert_thresholds_recomputed(found: SymbolReport, rules: ThresholdRules = QUICK.thresholds) -> None:
    expected = plain_walk(found, rules)
    for at, block in enumerate([*found.walked.blocks, found.walked.tomorrow]):
        for sign, side in ((1, block.long), (-1, block.short)):
            share, t, cut = expected[at, sign]
            assert side.share == share
            assert side.t == (None if t is None else pytest.approx(t, rel=EXACT, abs=EXACT))
            assert side.cut == (None if cut is None else pytest.approx(cut, rel=EXACT, abs=EXACT))


def test_thresholds_are_the_protocols_in_plain_words() -> None:
    """To 1e-12: cuts, the t of days with zero days, and when a side is silent."""
    assert_thresholds_recomputed(honest())
    fires = [cut is not None for _, _, cut in plain_walk(honest()).values()]
    assert sum(fires) >= 4
    assert not all(fires[2:])


# The trades ---------------------------------------------------------------------------------------


def fired_sides(found: SymbolReport, *, aged: bool = False) -> list[int]:
    """By row of the walk; of older models where ``aged``."""
    chosen = plain_walk(found)
    sides: list[int] = []
    for at, block in enumerate(found.walk.aged if aged else found.walk.blocks):
        by = max(at - 1, 0) if aged else at
        long, short = chosen[by, 1][2], chosen[by, -1][2]
        for score in block.score.tolist():
            up = long is not None and score >= long - EXACT
            down = short is not None and score <= short + EXACT
            sides.append(1 if up else -1 if down else 0)
    return sides


def plain_trades_of(found: SymbolReport, *, aged: bool = False) -> list[PlainTrade]:
    """Of the walk as it is traded: one position at a time, both sides."""
    first = edges_of(found)[0][0]
    said = np.array([0.5 + side / 2 for side in fired_sides(found, aged=aged)])
    both = Thresholds(long=1.0, short=0.0)
    return plain_trades(edge_candles().rows(first, CANDLES), said, both, RULES, plain_costs(found))


def assert_trades_recomputed(found: SymbolReport) -> None:
    for aged, trades in ((False, found.traded.trades), (True, found.traded.aged)):
        slow = plain_trades_of(found, aged=aged)
        assert trades.entry.tolist() == [trade.entry for trade in slow]
        assert trades.leave.tolist() == [trade.leave for trade in slow]
        assert trades.side.tolist() == [trade.side for trade in slow]
        np.testing.assert_allclose(trades.gross, [trade.gross for trade in slow], rtol=0, atol=EXACT)
        np.testing.assert_allclose(trades.net, [trade.net for trade in slow], rtol=0, atol=EXACT)


def test_trades_are_those_of_the_thresholds_candle_by_candle() -> None:
    """And those of the model and thresholds of the block before."""
    assert_trades_recomputed(honest())
    assert len(honest().traded.trades) > 50
    assert len(honest().traded.aged) > 20
    assert honest().traded.trades.entry[0] >= honest().traded.first_traded
    assert honest().traded.aged.entry[0] >= honest().traded.starts[3]


def test_kept_models_and_their_thresholds_give_the_trades_of_their_blocks() -> None:
    """What a replay has: model texts and probabilities, and no position when it begins."""
    found, labelled = honest(), labelled_from(edge_candles())
    features, late = labelled.features, found.walk.late
    start = edges_of(found)[late][0]
    said = np.full(CANDLES - start, 0.5)
    for (first, stop), model, chosen in zip(
        edges_of(found)[late:], found.walk.models, found.walked.blocks[late:], strict=True
    ):
        here = (features.row >= first) & (features.row < stop)
        up = np.asarray(lightgbm.Booster(model_str=model.text()).predict(features.x[here]))
        long, short = chosen.thresholds.long, chosen.thresholds.short
        for row, p in zip(features.row[here].tolist(), up.tolist(), strict=True):
            said[row - start] = (
                1.0 if long is not None and p >= long else 0.0 if short is not None and p <= short else 0.5
            )

    slow = plain_trades(
        edge_candles().rows(start, CANDLES), said, Thresholds(long=1.0, short=0.0), RULES, plain_costs(found)
    )

    assert sum(line.trades for line in found.kept_lines) == len(slow) > 30
    assert sum(line.candles for line in found.kept_lines) == CANDLES - start
    net = sum(line.net_bps for line in found.kept_lines)
    assert net == pytest.approx(1e4 * sum(trade.net for trade in slow), abs=1e-9)


# The figures that are published -------------------------------------------------------------------


@functools.cache
def signals() -> dict[str, Any]:
    """The section of the metadata."""
    return record.describe_signals(honest())


def test_figures_of_the_metadata_are_recounted_from_candles() -> None:
    """From the first traded block on: trades, coverage, net, and what whoever enters later earns."""
    found = honest()
    first, since = edges_of(found)[0][0], edges_of(found)[2][0]
    candles, part = edge_candles(), edge_candles().rows(first, CANDLES)
    label = labels_of(candles, horizon=HORIZON, threshold=0.002)
    slow = plain_trades_of(found)
    entered = [plain_entry(part, one.entry, one.leave, one.side) for one in slow]
    left = [float(part.close[one.entry]) * (1 + one.side * one.gross) for one in slow]
    later = [one.side * (end / begin - 1) for one, begin, end in zip(slow, entered, left, strict=True)]
    labelled = [one for one in slow if label[first + one.entry] in {UP, DOWN}]
    right = [one for one in labelled if label[first + one.entry] == (UP if one.side > 0 else DOWN)]
    fired = sum(side != 0 for side in fired_sides(found))

    got = signals()

    assert (got["n"], got["candles"], got["fired"]) == (len(slow), CANDLES - since, fired)
    assert got["coverage"] == pytest.approx(fired / (CANDLES - since), rel=EXACT)
    assert got["win_rate"] == pytest.approx(np.mean([one.net > 0 for one in slow]), rel=EXACT)
    assert got["hit_rate"] == pytest.approx(np.mean([one.gross > 0 for one in slow]), rel=EXACT)
    assert (got["n_labelled"], got["win_rate_labelled"]) == (
        len(labelled),
        pytest.approx(len(right) / len(labelled)),
    )
    assert got["gross_bps"] == pytest.approx(1e4 * np.mean([one.gross for one in slow]), abs=1e-9)
    assert got["net_bps"] == pytest.approx(1e4 * np.mean([one.net for one in slow]), abs=1e-9)
    assert got["executable_gross_bps"] == pytest.approx(1e4 * np.mean(later), abs=1e-9)
    assert got["aged"]["n"] == len(plain_trades_of(found, aged=True))
    assert got["across_hole"] == 0


def test_rows_of_the_kept_trades_give_the_figures_of_the_metadata() -> None:
    """Another fee is a look-up in them: they must be all trades, in the blocks that they were made in."""
    rows, got = record.walk_rows(honest()), signals()

    assert len(rows) == got["n"] == sum(block["trades"] for block in got["walk"])
    assert sum(row.net_bps for row in rows) / len(rows) == pytest.approx(got["net_bps"], rel=1e-9)
    later = [row.executable_net_bps for row in rows if row.executable_net_bps is not None]
    if len(later) == len(rows):
        assert sum(later) / len(rows) == pytest.approx(got["executable_net_bps"], rel=1e-9)
    by_day: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_day[datetime.fromtimestamp(row.opened / 1000 - 300, tz=UTC).date().isoformat()].append(row.net_bps)
    assert {day["date"]: day["trades"] for day in got["daily"]} == {
        day: len(nets) for day, nets in by_day.items()
    }
    opens = [block["first"] for block in got["walk"]]
    for row in rows:
        signalled = datetime.fromtimestamp(row.opened / 1000 - 300, tz=UTC).isoformat()
        assert row.block == sum(first <= signalled for first in opens)
    for at, block in enumerate(got["walk"], start=1):
        mine = [row.net_bps for row in rows if row.block == at]
        assert (block["trades"], block["net_bps"]) == (len(mine), pytest.approx(sum(mine), abs=1e-9))
        assert mine == [] or at > 2
    assert rows != ()


def test_a_trade_that_is_signalled_by_the_first_candle_of_a_block_belongs_to_it() -> None:
    """The thresholds of that block made it, not those of the block before."""
    found = honest()
    trades, starts = found.traded.trades, found.traded.starts
    at = int(np.searchsorted(trades.entry, starts[3]))
    moved = trades.entry.copy()
    moved[at] = starts[3]
    edge = replace(found, traded=replace(found.traded, trades=replace(trades, entry=moved)))

    assert record.walk_rows(edge)[at].block == 4
    counts = [block["trades"] for block in record.describe_signals(edge)["walk"]]
    assert counts == [block["trades"] for block in signals()["walk"]]


# Every slip that the above is for, planted --------------------------------------------------------


def ignored_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days without a trade do not count."""
    real = shares._known
    monkeypatch.setattr(shares, "_known", lambda candles, end: real(candles, end) - 1 if end else 0)


def wide_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrow shares are taken of the last two blocks as well."""
    made = cuts.ShareCuts.__init__

    def never_narrow(
        self: cuts.ShareCuts, blocks: Sequence[cuts.ScoredBlock], grid: Sequence[float], _narrow: float
    ) -> None:
        made(self, blocks, grid, 0.0)

    monkeypatch.setattr(cuts.ShareCuts, "__init__", never_narrow)


def no_rescaling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts stay on the scale of the recipe that is no longer used."""

    def as_they_were(self: cuts.ShareCuts, at: int, _block: int) -> NDArray[np.float64]:
        score = self._blocks[at].score
        return score[np.isfinite(score)]

    monkeypatch.setattr(cuts.ShareCuts, "_like", as_they_were)


def standard_deviations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another spread than the one that is promised."""
    monkeypatch.setattr(cuts, "_scale", lambda _side, score: (float(np.median(score)), float(np.std(score))))


def one_spread_for_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shorts are scaled by the tail of the longs."""
    real = cuts._scale
    monkeypatch.setattr(cuts, "_scale", lambda _side, score: real("long", score))


@pytest.mark.parametrize(
    "plant",
    [ignored_days, wide_quantiles, no_rescaling, standard_deviations, one_spread_for_both_sides],
)
def test_a_planted_slip_in_a_threshold_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    rules = replace(QUICK.thresholds, shares=(0.02,), narrow_share=0.05)
    planted = report_on(edge_candles(), replace(QUICK, thresholds=rules))

    with pytest.raises(AssertionError):
        assert_thresholds_recomputed(planted, rules)


@pytest.mark.parametrize("slip", ["thresholds of the same block", "a free exit"])
def test_a_planted_slip_in_the_trades_is_seen(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    traded = backtest.trades_of_sides
    if slip == "a free exit":
        monkeypatch.setattr(
            walk_trades,
            "trades_of_sides",
            lambda *a, costs, **k: traded(*a, costs=replace(costs, fee_exit=costs.fee_exit - 1e-9), **k),
        )
    else:
        sides = thresholds.sides_of
        monkeypatch.setattr(
            walk_trades, "sides_of", lambda blocks, older: sides(blocks, (*older[1:], older[-1]))
        )

    planted = report_on(edge_candles())
    with pytest.raises(AssertionError):
        assert_trades_recomputed(planted)
