"""The gate between rows of numbers and candles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.errors import CandleError
from desk.market.history.candles import (
    NO_ROWS,
    RawRows,
    between,
    broken,
    check_candles,
    count_revised,
    describe_broken,
    finished,
    merge,
)
from desk.values import CANDLE_MS
from tests.market.samples import NOW, random_candles, rows_of

PRICES = slice(0, 4)
PLANTED_FAULTS: dict[str, tuple[int | slice, float, str]] = {
    # fault: which numbers of the row, times what, the complaint
    "NaN": (4, np.nan, "not finite"),
    "infinite": (1, np.inf, "not finite"),
    "price of zero": (PRICES, 0.0, "not positive"),
    "low above close": (2, 2.0, "low above"),
    "high below open": (1, 0.5, "high below"),
    "negative volume": (4, -1.0, "negative volume"),
    "negative turnover": (5, -1.0, "negative volume"),
    "off the grid": (0, 1.0, "not on the 5-minute grid"),
}
every_fault = pytest.mark.parametrize("fault", PLANTED_FAULTS)


def damaged(fault: str, row: int = 7) -> RawRows:
    candles = random_candles(count=20)
    times, values = candles.open_time.copy(), candles.values.copy()
    numbers, factor, _ = PLANTED_FAULTS[fault]
    values[numbers, row] *= factor
    times[row] += fault == "off the grid"
    return RawRows(times, values)


@every_fault
def test_a_row_that_is_no_candle_is_named(fault: str) -> None:
    """A user can look the candle up at the exchange only if the message says which one it is."""
    rows = damaged(fault)

    with pytest.raises(CandleError, match=PLANTED_FAULTS[fault][2]) as caught:
        check_candles("BTCUSDT", rows.open_time, rows.values)

    assert "BTCUSDT: the candle of 2025-11-07 22:55" in str(caught.value)


@every_fault
def test_only_the_broken_row_is_asked_for_again(fault: str) -> None:
    """A page with one bad row still brings its good ones."""
    rows = damaged(fault)

    assert np.flatnonzero(broken(rows)).tolist() == [7]
    assert PLANTED_FAULTS[fault][2] in describe_broken(rows)
    assert describe_broken(rows.where(~broken(rows))) == ""


@pytest.mark.parametrize(
    ("prices", "complaint"),
    [
        ((100.0, 103.0, 101.0, 102.0), "low above"),  # the open is below the low
        ((102.0, 103.0, 101.0, 100.0), "low above"),  # the close is
        ((100.0, 101.0, 99.0, 102.0), "high below"),  # the close is above the high
        ((102.0, 101.0, 99.0, 100.0), "high below"),  # the open is
    ],
)
def test_open_and_close_lie_between_low_and_high(prices: tuple[float, ...], complaint: str) -> None:
    """Features divide by the range; each of the four sides counts."""
    with pytest.raises(CandleError, match=complaint):
        check_candles("X", np.array([NOW]), np.array([*prices, 1.0, 100.0]).reshape(6, 1))


def test_repeated_or_unordered_rows_are_no_series() -> None:
    """Windows over rows would otherwise silently mix times."""
    candles = random_candles(count=4)
    for order in ([0, 1, 1, 2], [0, 2, 1, 3]):
        with pytest.raises(CandleError, match="not later than the one before"):
            check_candles("X", candles.open_time[order], candles.values[:, order])


def test_an_unfinished_candle_is_refused() -> None:
    """Its close is not known yet; a model that has seen it has seen the future."""
    candles = random_candles(count=4)

    check_candles("X", candles.open_time, candles.values, now=NOW)
    with pytest.raises(CandleError, match="not finished at 2025-11-07 23:59:59"):
        check_candles("X", candles.open_time, candles.values, now=NOW - 1)


def test_the_unfinished_candle_is_left_out_by_server_time() -> None:
    """Not by dropping the last row: where nothing is forming, the last row is a candle like the others."""
    rows = rows_of(random_candles(count=4))

    assert len(finished(rows, NOW)) == 4
    assert len(finished(rows, NOW - 1)) == 3


def test_wrong_shapes_are_refused() -> None:
    """Five columns instead of six would shift every one of them."""
    candles = random_candles(count=4)
    with pytest.raises(CandleError, match="shape"):
        check_candles("X", candles.open_time, candles.values[:5])


def test_no_rows_are_no_error() -> None:
    """An empty series keeps every promise."""
    assert len(check_candles("X", NO_ROWS.open_time, NO_ROWS.values, now=NOW)) == 0
    assert len(merge([])) == 0
    assert len(merge([NO_ROWS, NO_ROWS])) == 0


def test_checked_candles_cannot_be_changed() -> None:
    """Whoever holds candles need not check them again."""
    candles = random_candles(count=4)
    with pytest.raises(ValueError, match="read-only"):
        candles.values[0, 0] = 1.0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_split_repetition_and_order_of_pages_gives_the_same_candles(data: st.DataObject) -> None:
    """Pages come from many workers at once, overlap, repeat rows and are sometimes out of order."""
    truth = random_candles(count=60)
    cuts = sorted(data.draw(st.lists(st.integers(0, 60), max_size=8)))
    bounds = list(zip([0, *cuts], [*cuts, 60], strict=True))
    pages = []
    for first, stop in data.draw(st.permutations(bounds)):
        chosen = list(range(max(first - 3, 0), min(stop + 3, 60)))
        chosen += data.draw(st.lists(st.sampled_from(chosen), max_size=5)) if chosen else []
        order = np.array(data.draw(st.permutations(chosen)), dtype=np.intp)
        pages.append(RawRows(truth.open_time[order], truth.values[:, order]))

    merged = merge(pages)

    assert merged.open_time.tolist() == truth.open_time.tolist()
    assert merged.values.tolist() == truth.values.tolist()


def test_of_two_answers_the_later_one_wins() -> None:
    """An exchange that corrects a candle means the correction."""
    old = rows_of(random_candles(count=5))
    new = RawRows(old.open_time[2:4], old.values[:, 2:4] * 2)

    assert merge([old, new]).values[0].tolist() == [*old.values[0, :2], *new.values[0], old.values[0, 4]]
    assert count_revised(old, new) == 2
    assert count_revised(old, old) == 0
    assert count_revised(NO_ROWS, new) == 0


def test_between_includes_both_ends() -> None:
    """A window names its first and its last candle."""
    rows = rows_of(random_candles(count=10))
    first, last = int(rows.open_time[2]), int(rows.open_time[5])

    assert between(rows, first, last).open_time.tolist() == list(range(first, last + 1, CANDLE_MS))
