"""Other horizons are measured by the training's own protocol, and every look is counted."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from desk.clustered import above_zero
from desk.errors import NotEnoughHistory, SettingsError
from desk.learn.exploration_record import describe_exploration
from desk.learn.explore import (
    Cell,
    Explored,
    explore_cell,
    explore_grid,
    pool,
)
from desk.learn.explored_part import without_best_day
from desk.learn.protocol import ContractCosts, run_protocol
from desk.learn.settings import ExploreSettings, LearnSettings
from desk.learn.trades import figures
from desk.values import CANDLE_MS, DOWN, UP, Candles, FeatureSet, LabelledSet, frozen
from tests.learn import samples
from tests.learn.evidence import RULES
from tests.learn.samples import THRESHOLDS
from tests.learn.trading import day_line, labels_of, walk

CONTRACT_COSTS = ContractCosts(
    tick=0.0001,
    taker_fee=0.0006,
    maker_fee=0.0002,
    spread_bps=1.0,
    spread_source="made for a test",
    turnover=5e6,
)
GRID = ExploreSettings(horizons=(1, 2, 6), symbols=8, n_seeds=2, fewer_trades_beyond=12)
CANDLES = 15_000
NAMES = ("f0", "f1", "f2", "f3")


def settings(**changes: object) -> LearnSettings:
    """Five blocks, of which two lie behind the development part; one before them is traded."""
    values = {"walk_first_share": 0.2, "test_share": 0.35, "num_boost_round": 60}
    return samples.settings(**{**values, **changes})


def labelled_on(candles: Candles, learn: LearnSettings) -> LabelledSet:
    """A first feature that knows a little of the next ten minutes, and three that know nothing."""
    horizon, threshold = learn.prediction_horizon, learn.min_price_change
    rng = np.random.default_rng(7)
    ahead = np.append(candles.close[2:] / candles.close[:-2] - 1, [0.0, 0.0])
    x = rng.normal(size=(len(candles), len(NAMES)))
    x[:, 0] += 300 * ahead
    features = FeatureSet(
        candles.symbol,
        "contract",
        NAMES,
        frozen(np.arange(len(candles))),
        candles.open_time,
        frozen(x.astype(np.float32)),
    )
    return LabelledSet(
        features,
        horizon,
        threshold,
        frozen(labels_of(candles, horizon=horizon, threshold=threshold)),
        frozen(np.zeros(len(candles))),
        frozen(candles.open_time + (horizon + 1) * CANDLE_MS),
    )


def labelling(candles: Candles) -> Callable[[LearnSettings], LabelledSet]:
    return lambda learn: labelled_on(candles, learn)


def cell_at(candles: Candles, learn: LearnSettings, *, reveal: bool = True) -> Cell:
    return explore_cell(
        labelled_on(candles, learn),
        candles,
        contract_costs=CONTRACT_COSTS,
        settings=learn,
        seed=3,
        fingerprint="abc",
        setting="of abc",
        at="now",
        reveal=reveal,
    )


@pytest.fixture(scope="module")
def candles() -> Candles:
    return walk(CANDLES, seed=11)


@pytest.fixture(scope="module")
def cell(candles: Candles) -> Cell:
    return cell_at(candles, GRID.cells(settings())[1])


def test_the_grid_scales_the_threshold_with_the_root_of_the_horizon() -> None:
    """Otherwise long horizons would label everything, and win rates could not be compared."""
    cells = ExploreSettings(horizons=(1, 2, 8, 48), symbols=8, n_seeds=3, fewer_trades_beyond=12).cells(
        settings(prediction_horizon=2, min_price_change=0.002, n_seeds=5)
    )

    assert [one.prediction_horizon for one in cells] == [1, 2, 8, 48]
    assert [one.min_price_change for one in cells] == pytest.approx(
        [0.00141421, 0.002, 0.004, 0.00979796], rel=1e-5
    )
    assert {(one.n_trials, one.n_seeds, one.walk_seeds) for one in cells} == {(1, 3, 3)}


def test_on_a_random_walk_every_cell_labels_about_as_many_candles() -> None:
    """The reason for the root, seen on candles."""
    market = walk(CANDLES, seed=5)
    shares = [
        np.mean(labels_of(market, horizon=one.prediction_horizon, threshold=one.min_price_change) >= 0)
        for one in ExploreSettings(horizons=(1, 3, 12), symbols=8, n_seeds=1, fewer_trades_beyond=12).cells(
            settings()
        )
    ]

    assert max(shares) - min(shares) < 0.05


def test_beyond_an_hour_a_threshold_needs_fewer_trades() -> None:
    """Half a year holds some 500 trades of four hours: asking as many as of ten minutes finds none."""
    learn = settings()
    grid = ExploreSettings(horizons=(2, 12, 24, 48), symbols=8, n_seeds=1, fewer_trades_beyond=12)

    cells = [one.thresholds for one in grid.cells(learn)]
    assert [one.min_trades for one in cells] == [30, 30, 15, 8]
    assert [one.min_labelled_trades for one in cells] == [60, 60, 30, 15]
    assert learn.thresholds == THRESHOLDS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"horizons": ()}, "horizons are"),
        ({"horizons": (2, 1)}, "must increase"),
        ({"horizons": (0, 1)}, "at least 1 candle"),
        ({"symbols": 0}, "symbols is 0"),
        ({"n_seeds": 0}, "n_seeds is 0"),
        ({"fewer_trades_beyond": 0}, "fewer_trades_beyond is 0"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        replace(GRID, **changes)  # type: ignore[arg-type]


def test_a_cell_is_what_training_without_tuning_finds(candles: Candles, cell: Cell) -> None:
    """Whoever then trains with that horizon meets the same protocol: no second evaluation to disagree."""
    learn = GRID.cells(settings())[1]
    report = run_protocol(
        labelled_on(candles, learn),
        candles,
        contract_costs=CONTRACT_COSTS,
        settings=learn,
        seed=3,
        shown_through=None,
        lap=lambda _: None,
    )

    late = int(report.traded.starts[report.walk.late])
    first = report.traded.first_traded
    development = [
        at
        for at, row in enumerate(report.traded.trades.entry.tolist())
        if first <= row and report.traded.trades.leave[at] < late
    ]
    assert cell.development is not None
    assert cell.test is not None
    assert cell.test.taker == figures(report.kept_lines)
    assert cell.test.taker.n > 30
    assert cell.development.taker.candles == late - first
    # The part ends with the block; a trade that is open then belongs to neither part.
    assert cell.development.taker.n in {len(development), len(development) + 1}
    assert cell.rounds == report.tuned.rounds


def test_the_accuracy_of_a_part_is_that_of_the_sides_its_scores_call(candles: Candles, cell: Cell) -> None:
    """Of each block by its own model, on every labelled candle, fired or not."""
    learn = GRID.cells(settings())[1]
    report = run_protocol(
        labelled_on(candles, learn),
        candles,
        contract_costs=CONTRACT_COSTS,
        settings=learn,
        seed=3,
        shown_through=None,
        lap=lambda _: None,
    )
    label = labels_of(candles, horizon=2, threshold=0.002)
    for part, blocks in (
        (cell.development, report.walk.blocks[2 : report.walk.late]),
        (cell.test, report.walk.blocks[report.walk.late :]),
    ):
        right = [
            (score > 0) == (label[row] == UP)
            for block in blocks
            for row, score in zip(range(block.first, block.stop), block.score.tolist(), strict=True)
            if label[row] >= DOWN
        ]
        assert part is not None
        assert part.accuracy == pytest.approx(sum(right) / len(right))


def test_a_revealed_cell_is_an_entry_of_the_ledger(candles: Candles, cell: Cell) -> None:
    """The grid is counted: without this, the best of seven horizons would pass as a single test."""
    entry, test = cell.evaluation, cell.test

    assert entry is not None
    assert test is not None
    assert (entry.kind, entry.symbol, entry.settings, entry.at) == ("explore", "TESTUSDT", "abc", "now")
    assert entry.tested
    assert entry.p_value == above_zero(np.array([line.net_bps for line in test.taker.daily]))
    assert entry.last == candles.open_time[-1]
    assert entry.last - entry.first == (test.taker.candles - 1) * CANDLE_MS


def test_a_revealed_cell_with_few_trades_is_no_test(candles: Candles) -> None:
    """It was looked at, and its candles are spent; the family grows by tests only."""
    learn = settings(verdict=replace(RULES, min_trades=50_000))

    entry = cell_at(candles, GRID.cells(learn)[1]).evaluation

    assert entry is not None
    assert (entry.tested, entry.p_value) == (False, None)


def test_every_trade_of_a_taker_is_filled_or_missed_by_a_maker(candles: Candles) -> None:
    """The missed ones are the good ones: a column that leaves them out without a word flatters."""
    o, _, _, c = candles.values[:4]
    no_wicks = np.vstack([o, np.maximum(o, c), np.minimum(o, c), candles.values[3:]])
    cell = cell_at(replace(candles, values=frozen(no_wicks)), GRID.cells(settings())[1])

    for part in (cell.development, cell.test):
        assert part is not None
        assert part.taker.n == part.maker.n + part.missed.n
        gross = [one.gross_bps for one in (part.taker, part.maker, part.missed)]
        whole, filled, missed = (value for value in gross if value is not None)
        assert whole * part.taker.n == pytest.approx(filled * part.maker.n + missed * part.missed.n)
        assert missed > filled + 10


def explored_cell(cell: Cell, *, left_out: tuple[tuple[int, str], ...] = ()) -> Explored:
    return Explored(symbol="TESTUSDT", tick_bps=0.1, spread_bps=None, cells=(cell,), left_out=left_out)


def test_the_test_part_is_shown_only_where_it_is_revealed(candles: Candles, cell: Cell) -> None:
    """Who has seen the test figures of seven horizons has no candles left to test the one that they chose."""
    hidden = cell_at(candles, GRID.cells(settings())[1], reveal=False)

    assert hidden.test is None
    assert hidden.development == cell.development
    assert hidden.evaluation is None
    assert cell.development is not None
    assert cell.test is not None
    shown = candles.open_time[len(candles) - cell.test.taker.candles - 1]
    assert (hidden.setting, hidden.last, cell.last) == ("of abc", shown, candles.open_time[-1])
    document = describe_exploration([explored_cell(hidden)])
    assert document["symbols"][0]["cells"][0]["tested"] is False
    assert document["symbols"][0]["cells"][0]["test"] is document["together"][0]["test"] is None


def test_the_best_day_is_left_out_of_a_mean() -> None:
    """One crash makes a mean: without its day, the other nine days show what is left."""
    days = [(4, 400.0), (2, -20.0), (0, 0.0), (3, 5.0)]
    daily = [
        day_line(f"2026-01-0{at}", trades=trades, net_bps=net)
        for at, (trades, net) in enumerate(days, start=1)
    ]

    assert without_best_day(daily) == pytest.approx(-15.0 / 5)
    assert without_best_day(daily[:1]) is None
    assert without_best_day(()) is None


def test_what_can_be_known_shows_at_the_horizon_where_it_is(candles: Candles, cell: Cell) -> None:
    """The feature speaks of ten minutes: half an hour ahead, less of it is left."""
    half_an_hour = cell_at(candles, GRID.cells(settings())[2])

    assert cell.test is not None
    assert half_an_hour.test is not None
    assert cell.test.accuracy is not None
    assert half_an_hour.test.accuracy is not None
    assert cell.test.accuracy > half_an_hour.test.accuracy + 0.03 > 0.53


def explored(candles: Candles, horizons: Sequence[int], learn: LearnSettings) -> Explored:
    grid = replace(GRID, horizons=tuple(horizons)).cells(learn)
    cells = [(one, f"print{one.prediction_horizon}", "setting") for one in grid]
    return explore_grid(
        candles, labelling(candles), contract_costs=CONTRACT_COSTS, grid=cells, seed=3, at="now", reveal=True
    )


def test_a_symbol_knows_how_coarse_its_prices_are() -> None:
    """Bounce between bid and ask wins most calls where the closes lie on a coarser grid than the tick."""
    fine = walk(CANDLES, seed=13)
    values = fine.values.copy()
    places = 3 - round(np.log10(np.median(fine.close)))
    values[:4] = np.round(values[:4], places)
    coarse = replace(fine, values=frozen(values))

    smooth, rounded = (explored(one, (2,), settings()) for one in (fine, coarse))

    assert rounded.tick_bps == pytest.approx(1e4 * 10.0**-places / np.median(coarse.close))
    assert smooth.tick_bps is not None
    assert smooth.tick_bps < 1
    (document,) = describe_exploration([rounded])["symbols"]
    assert document["tick_bps"] == rounded.tick_bps
    assert document["spread_bps"] == CONTRACT_COSTS.spread_bps


def test_horizons_that_the_history_cannot_answer_are_left_out_with_the_reason(candles: Candles) -> None:
    """A young symbol has no label yet for the longest; the others are measured, and nothing else is noted."""
    young = candles.rows(0, 3_400)

    found = explored(young, (2, 800), settings(min_labels=500))

    assert [one.horizon for one in found.cells] == [2]
    ((horizon, reason),) = found.left_out
    assert horizon == 800
    assert "Insufficient data" in reason
    with pytest.raises(NotEnoughHistory, match="Insufficient data"):
        explored(young, (2, 800), settings(min_labels=5_000))


def test_the_same_market_twice_is_no_news() -> None:
    """Symbols move together: their trades add up, the days that vouch for them do not."""
    one = explored(walk(CANDLES, seed=13), (2,), settings())
    (alone,), (twice,) = pool([one]), pool([one, one])

    assert alone.test is not None
    assert twice.test is not None
    assert twice.test.taker.n == 2 * alone.test.taker.n
    assert twice.test.taker.net_bps == pytest.approx(alone.test.taker.net_bps)
    assert twice.test.taker.net_bps_ci95 == pytest.approx(alone.test.taker.net_bps_ci95, rel=0.1)
    assert twice.symbols == 2


def test_the_description_says_how_far_from_break_even(cell: Cell) -> None:
    """The answer to "how much better must it get": break-even less what was won."""
    found = explored_cell(cell, left_out=((48, "too short"),))
    document = describe_exploration([found])

    (told,) = document["symbols"]
    (row,) = told["cells"]
    assert cell.test is not None
    taker, figures = row["test"]["taker"], cell.test.taker
    assert figures.break_even_win_rate is not None
    assert figures.win_rate is not None
    assert taker["to_break_even"] == pytest.approx(figures.break_even_win_rate - figures.win_rate)
    assert row["test"]["gross_bps"] == figures.gross_bps
    low, high = row["test"]["gross_bps_ci95"]
    assert low < row["test"]["gross_bps"] < high
    assert told["left_out"] == [{"horizon": 48, "reason": "too short"}]
    assert document["together"][0]["horizon"] == row["horizon"]


def test_a_horizon_with_too_few_trades_says_so(candles: Candles) -> None:
    """No figure is invented for it: they are absent, and the sentence tells the reason."""
    learn = GRID.cells(settings(thresholds=replace(THRESHOLDS, min_trades=50_000)))[1]

    cell = cell_at(candles, learn)
    (row,) = describe_exploration([explored_cell(cell)])["together"]

    assert row["test"]["trades"] == 0
    assert row["test"]["gross_bps_ci95"] is None
    assert row["test"]["taker"]["to_break_even"] is None
    assert "no share has 50000 trades" in cell.why[0]
    assert cell.evaluation is not None
    assert cell.evaluation.p_value is None
