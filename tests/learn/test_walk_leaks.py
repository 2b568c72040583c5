"""What comes later changes nothing: the protocol on two histories that part where a block begins."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.backtest import Trades
from desk.learn import protocol, splits, thresholds
from desk.learn import walk as walk_module
from desk.learn.cuts import ScoredBlock, ShareCuts
from desk.learn.protocol import SymbolReport
from desk.learn.recipe import BinnedSet, bin_labelled
from desk.learn.settings import ThresholdRules
from desk.learn.shares import ShareTable
from desk.learn.splits import Fold, Rows, Split, walk_forward
from desk.learn.thresholds import SideThreshold
from desk.learn.walk import WalkBlock, walk_blocks
from desk.learn.win_rate import Side
from desk.values import Candles, LabelledSet, frozen
from tests.learn.edge_market import QUICK, edge_candles, honest, report_on

LATE = 2
"""Position of the first block that lies behind the development part."""


def with_another_future(row: int) -> Candles:
    """From ``row`` on every price moves the other way, and almost twice as far.

    Labels of the candles just before ``row`` are decided behind it, so they change as well.
    """
    candles = edge_candles()
    values = candles.values.copy()
    before = values[3, row - 1]
    open_, high, low, close = before * (values[:4, row:] / before) ** -1.7
    values[:4, row:] = open_, low, high, close
    return replace(candles, values=frozen(values))


def trades_before(trades: Trades, row: int) -> list[tuple[object, ...]]:
    """Everything that is known of the trades that ended before ``row``."""
    names = [field.name for field in fields(trades) if field.name != "candles"]
    done = trades.leave < row
    return [(name, *np.asarray(getattr(trades, name))[done].tolist()) for name in names]


def assert_equal_scores(once: Sequence[ScoredBlock], again: Sequence[ScoredBlock]) -> None:
    for before, after in zip(once, again, strict=True):
        assert (before.first, before.stop, before.recipe) == (after.first, after.stop, after.recipe)
        np.testing.assert_array_equal(before.score, after.score)


def assert_nothing_before_changes(once: SymbolReport, again: SymbolReport, at: int) -> None:
    """Block ``at`` and all after it were replaced in ``again``."""
    start = int(once.traded.starts[at])
    development = at >= LATE

    # Thresholds, of block ``at`` too: it is traded by what was known when it began.
    assert (
        once.walked.blocks[: at + 1 if development else min(at + 1, LATE)]
        == (again.walked.blocks[: at + 1 if development else min(at + 1, LATE)])
    )
    # Scores, what fired, and trades.
    assert_equal_scores(once.walk.blocks[:at], again.walk.blocks[:at])
    assert_equal_scores(once.walk.aged[:at], again.walk.aged[:at])
    assert once.walked.sides[:start].tolist() == again.walked.sides[:start].tolist()
    assert trades_before(once.traded.trades, start) == trades_before(again.traded.trades, start)
    assert trades_before(once.traded.aged, start) == trades_before(again.traded.aged, start)
    if development:
        # Whatever was chosen, and every model that was trained, block ``at`` included.
        assert once.tuned.trials == again.tuned.trials
        assert (once.tuned.parameters, once.tuned.rounds) == (again.tuned.parameters, again.tuned.rounds)
        assert once.evaluated.text() == again.evaluated.text()
        known = at - LATE + 1
        assert [model.text() for model in once.walk.models[:known]] == [
            model.text() for model in again.walk.models[:known]
        ]
        for before, after in zip(once.walk.blocks[:at], again.walk.blocks[:at], strict=True):
            np.testing.assert_array_equal(
                before.score if before.rescaled is None else before.rescaled,
                after.score if after.rescaled is None else after.rescaled,
            )


def first_row(at: int) -> int:
    return honest().walk.blocks[at].first


def test_the_histories_differ_and_the_walk_trades() -> None:
    """Two reports that are equal throughout, or silent throughout, would prove nothing."""
    once, again = honest(), report_on(with_another_future(first_row(3)))

    assert (once.walk.late, len(once.walk.blocks)) == (LATE, 5)
    assert all(block.firing for block in once.walked.blocks[2:])
    assert sum(once.traded.trades.leave < once.traded.starts[3]) > 10
    assert once.walked.tomorrow != again.walked.tomorrow
    assert once.walked.blocks[4] != again.walked.blocks[4]
    assert once.walk.models[2].text() != again.walk.models[2].text()
    assert once.published.text() != again.published.text()


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_what_comes_later_changes_nothing(at: int) -> None:
    """The promise of every figure: at block ``at``, nobody knew more than the candles before it."""
    assert_nothing_before_changes(honest(), report_on(with_another_future(first_row(at))), at)


def test_what_comes_later_changes_nothing_where_thresholds_are_chosen_by_the_win_rate() -> None:
    """Labels of the candles before the border are known later than the candles."""
    rules = replace(QUICK.thresholds, select_by="win_rate", target_win_rate=0.4, min_labelled_trades=20)
    settings = replace(QUICK, thresholds=rules)

    once = report_on(edge_candles(), settings)

    assert once.walked.blocks[4].firing
    assert_nothing_before_changes(once, report_on(with_another_future(first_row(4)), settings), 4)


# Each way in which the future could get in, planted -----------------------------------------------


def no_purge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that are decided in the block train its model."""
    monkeypatch.setattr(walk_module, "known_before", lambda _labelled, rows, _border: rows)


def no_purge_of_development(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search and the evaluated model learn from labels that are decided in the test part."""

    def leaking(_labelled: LabelledSet, rows: Rows, _border: int) -> Rows:
        return rows

    def to_the_block(labelled: LabelledSet, *, candles: int, test_share: float) -> Split:  # noqa: ARG001
        border = first_row(3)
        rows = np.arange(len(labelled))
        before = labelled.features.row < border
        return Split(rows[before], rows[~before], 0)

    monkeypatch.setattr(splits, "known_before", leaking)
    monkeypatch.setattr(protocol, "hold_out", to_the_block)


def search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters and rounds are chosen on the test part too."""

    def everywhere(labelled: LabelledSet, _rows: Rows, *, folds: int, **_: float) -> tuple[Fold, ...]:
        return walk_forward(labelled, np.arange(len(labelled)), folds=folds, first_share=0.75)

    monkeypatch.setattr(protocol, "walk_forward", everywhere)


def edges_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bins know how far prices are going to move."""

    def all_rows(labelled: LabelledSet, _first: Rows) -> BinnedSet:
        return bin_labelled(labelled, np.arange(len(labelled)))

    monkeypatch.setattr(protocol, "bin_labelled", all_rows)


def train_a_block_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model has seen the first hour of its block."""

    def further(labelled: LabelledSet, candles: Candles, *, first_share: float) -> tuple[WalkBlock, ...]:
        blocks = walk_blocks(labelled, candles, first_share=first_share)
        return tuple(replace(block, train=np.append(block.train, block.rows[:12])) for block in blocks)

    monkeypatch.setattr(protocol, "walk_blocks", further)


def cuts_of_the_block_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds know how the scores of their own block are spread."""
    own = ShareCuts.of

    def one_later(self: ShareCuts, side: Side, block: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return own(self, side, min(block + 1, 5) if block >= 2 else block)

    monkeypatch.setattr(ShareCuts, "of", one_later)


def shares_chosen_a_block_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share is chosen by what it earns in the block that it is traded in."""
    choice = thresholds._choice

    def later(side: Side, grid: ShareTable, known: int, rules: ThresholdRules) -> SideThreshold:
        ahead = replace(grid, t=np.vstack([grid.t[1:], grid.t[-1:]]))
        return choice(side, ahead, known, rules)

    monkeypatch.setattr(thresholds, "_choice", later)


def scale_of_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision line is that of the whole walk."""
    trade = thresholds.prequential

    def centred(candles: Candles, label: object, blocks: Sequence[ScoredBlock], **rest: object) -> object:
        middle = float(np.nanmedian(np.concatenate([block.score for block in blocks])))
        moved = [replace(block, score=block.score - middle) for block in blocks]
        return trade(candles, label, moved, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(protocol, "prequential", centred)


@pytest.mark.parametrize(
    "plant",
    [
        no_purge,
        no_purge_of_development,
        search_goes_on,
        edges_of_all_rows,
        train_a_block_too_far,
        cuts_of_the_block_itself,
        shares_chosen_a_block_late,
        scale_of_all_scores,
    ],
)
def test_a_planted_leak_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest()
    plant(monkeypatch)

    once, again = report_on(edge_candles()), report_on(with_another_future(first_row(3)))

    with pytest.raises(AssertionError):
        assert_nothing_before_changes(once, again, 3)
