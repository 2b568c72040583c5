"""The statistics that traders know are what their definitions say, also where days or trades are missing."""

import csv
import io
import math
import warnings
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.backtest import trades_of
from desk.clustered import FEWEST_DAYS
from desk.learn.trade_statistics import TradeRow, trade_rows, trade_statistics, trades_csv
from desk.learn.trades import DayLine
from desk.policy import Ended, Thresholds, TradeRules
from desk.values import CANDLE_MS
from tests.learn.trading import TAKER, day_line, walk

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the library's own imports
    import empyrical

START = 1_767_225_600_000


def day_lines(nets: Sequence[float]) -> tuple[DayLine, ...]:
    """Days from 2026-01-01 on with these sums, each of one trade where it is not zero."""
    first = date(2026, 1, 1)
    return tuple(
        day_line((first + timedelta(days=at)).isoformat(), net_bps=net, trades=int(net != 0))
        for at, net in enumerate(nets)
    )


def trade(net: float, at: int = 0, side: str = "long", ended: Ended = "horizon") -> TradeRow:
    return TradeRow(
        opened=START + at * CANDLE_MS,
        closed=START + (at + 2) * CANDLE_MS,
        side="long" if side == "long" else "short",
        entry=100.0,
        exit=101.0,
        gross_bps=net + 14,
        net_bps=net,
        executable_gross_bps=None,
        executable_net_bps=None,
        ended=ended,
        block=3,
    )


@given(
    st.lists(st.integers(-300, 300), min_size=FEWEST_DAYS, max_size=60).filter(
        lambda nets: min(nets) < 0 < np.ptp(nets) and sum(net != 0 for net in nets) >= FEWEST_DAYS
    )
)
def test_ratios_agree_with_an_independent_library(nets: list[int]) -> None:
    """Sharpe and Sortino as they are; drawdown and Calmar, which the library compounds, by logarithms."""
    daily = np.array(nets) / 1e4
    got = trade_statistics([], day_lines(nets))

    assert got.sharpe == pytest.approx(empyrical.sharpe_ratio(daily, annualization=365))
    assert got.sortino == pytest.approx(empyrical.sortino_ratio(daily, annualization=365))
    compounded = np.expm1(daily)
    deepest = -math.log1p(empyrical.max_drawdown(compounded))
    assert got.max_drawdown is not None
    assert got.max_drawdown.bps == pytest.approx(deepest * 1e4)
    yearly = math.log1p(empyrical.annual_return(compounded, annualization=365))
    assert got.calmar == pytest.approx(
        yearly / deepest, rel=1e-6, abs=1e-6
    )  # a drawdown of 1 bp has few digits


def test_the_drawdown_has_its_dates() -> None:
    """From the end of the day of the high to the first end of a day at which it is reached again."""
    found = trade_statistics([], day_lines([5.0, 10.0, -4.0, -8.0, 6.0, 6.0, -3.0])).max_drawdown

    assert found is not None
    assert (found.bps, found.peak, found.trough) == (12.0, "2026-01-02", "2026-01-04")
    assert found.recovered == "2026-01-06"


def test_a_loss_on_the_first_day_is_a_drawdown_from_the_start() -> None:
    """Who begins with a loss was never at a high of their own, and has not recovered yet."""
    found = trade_statistics([], day_lines([-7.0, 3.0])).max_drawdown

    assert found is not None
    assert (found.bps, found.peak, found.trough, found.recovered) == (7.0, None, "2026-01-01", None)


@pytest.mark.parametrize("nets", [[], [0.0], [4.0], [0.0, 0.0, 0.0]])
def test_what_divides_by_nothing_is_none(nets: list[float]) -> None:
    """No day, one day, days without a trade: no ratio, no drawdown, no warning."""
    got = trade_statistics([], day_lines(nets))

    assert (got.n, got.profit_factor, got.longest_losing_streak) == (0, None, 0)
    assert (got.sharpe, got.sortino, got.calmar, got.max_drawdown) == (None, None, None, None)
    assert got.sides["long"].win_rate is got.ended["stop"].net_bps is None


@pytest.mark.parametrize("traded", [1, 3, FEWEST_DAYS - 1])
def test_a_few_days_with_trades_have_a_drawdown_and_no_ratio(traded: int) -> None:
    """Three lucky trades among a hundred days give a Sharpe ratio of 5, and say nothing of a year."""
    nets = [-9.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0][:traded]
    got = trade_statistics([], day_lines(nets + [0.0] * 100))

    assert got.max_drawdown is not None
    assert (got.sharpe, got.sortino, got.calmar) == (None, None, None)


def test_from_ten_days_with_trades_on_there_are_ratios() -> None:
    """As with intervals: below that the words are "too few days"."""
    got = trade_statistics([], day_lines([-9.0] * 5 + [0.0] * 20 + [12.0] * 5))

    assert None not in (got.sharpe, got.sortino, got.calmar)


def test_days_without_a_trade_are_neither_won_nor_lost() -> None:
    got = trade_statistics([], day_lines([3.0, 0.0, -1.0, 2.0]))

    assert (got.winning_days, got.losing_days) == (2, 1)


def test_the_losing_streak_counts_trades_in_the_order_in_which_they_were_closed() -> None:
    """A trade that earned nothing and lost nothing ends a streak."""
    nets = [1.0, -1.0, -2.0, 0.0, -1.0, -1.0, -1.0, 5.0, -1.0]
    trades = [trade(net, at) for at, net in enumerate(nets)]

    assert trade_statistics(trades[::2] + trades[1::2], ()).longest_losing_streak == 3


def test_profit_factor_and_groups_are_what_counting_by_hand_gives() -> None:
    trades = [
        trade(30.0),
        trade(-10.0, side="short", ended="stop"),
        trade(6.0, side="short"),
        trade(-8.0, ended="stop"),
    ]

    got = trade_statistics(trades, ())

    assert got.profit_factor == pytest.approx(2.0)
    assert (got.sides["long"].n, got.sides["long"].net_bps, got.sides["long"].win_rate) == (2, 11.0, 0.5)
    assert got.sides["short"].profit_factor == pytest.approx(0.6)
    assert (got.ended["stop"].n, got.ended["stop"].net_bps, got.ended["stop"].win_rate) == (2, -9.0, 0.0)
    assert (got.ended["horizon"].profit_factor, got.ended["take_profit"].n) == (None, 0)


def test_the_csv_gives_every_trade_back() -> None:
    """Another fee is charged by adding to a column: no digit may be lost, and the columns are all there."""
    candles = walk(3_000, seed=4)
    rng = np.random.default_rng(4)
    rules = TradeRules(horizon=4, stop_loss=0.004, take_profit=0.004)
    trades = trades_of(
        candles, rng.random(3_000), thresholds=Thresholds(long=0.95, short=0.05), rules=rules, costs=TAKER
    )
    rows = trade_rows(trades, blocks=np.full(len(trades), 7))

    read = list(csv.DictReader(io.StringIO(trades_csv(rows))))

    assert len(read) == len(rows) == len(trades) > 100
    assert list(read[0]) == [
        *("opened", "closed", "side", "entry", "exit", "gross_bps", "net_bps", "executable_gross_bps"),
        *("executable_net_bps", "ended", "block"),
    ]
    assert [float(row["net_bps"]) for row in read] == [one * 1e4 for one in trades.net.tolist()]
    assert {row["ended"] for row in read} == {"horizon", "stop", "take_profit"}
    first = datetime.fromtimestamp((int(trades.opened[0]) + CANDLE_MS) / 1000, tz=UTC)
    assert read[0]["opened"] == first.isoformat()
    assert {row["block"] for row in read} == {"7"}
    assert [row["executable_net_bps"] == "" for row in read] == [
        not one for one in trades.executable.tolist()
    ]


def test_a_csv_is_bounded_and_keeps_the_newest() -> None:
    """A file of every trade that a year of an eager model makes would fill a disk."""
    text = trades_csv([trade(float(at), at) for at in range(10)], most=3)

    assert [float(row["net_bps"]) for row in csv.DictReader(io.StringIO(text))] == [7.0, 8.0, 9.0]
    assert trades_csv([]).count("\n") == 1
