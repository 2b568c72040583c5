"""Every planted market has the property that it is named for: else a soak would pass on something else."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.market.emulator.listings import listing_of
from desk.market.series.facts import PriceTick
from desk.market.series.synthetic import EdgeRule, oracle
from desk.ticks import weekly_ticks
from desk.values import CANDLE_MS, Candles
from soaks import markets
from soaks.markets import ATTACKS, EDGES, END, HOUR, SHOCK_BPS, PlantedMarket

LENGTH = 6 * 2016
Floats = NDArray[np.float64]
every_market = pytest.mark.parametrize("name", [*ATTACKS, *EDGES])


def market(name: str, seed: int = 7, candles: int = LENGTH) -> PlantedMarket:
    return {**ATTACKS, **EDGES}[name](seed, candles)


def returns(candles: Candles) -> Floats:
    """Log returns of the closes, in basis points."""
    moves: Floats = 1e4 * np.diff(np.log(candles.close))
    return moves


def correlation(moves: Floats, lag: int = 1) -> float:
    """Of returns with those ``lag`` candles before."""
    return float(np.corrcoef(moves[lag:], moves[:-lag])[0, 1])


@every_market
def test_a_market_is_made_of_candles_on_the_contract_s_tick(name: str) -> None:
    """What the exchange's own rules forbid would be refused before anything is judged."""
    planted = market(name)
    o, h, l, c, volume, quote_volume = planted.candles.values

    assert planted.candles.open_time[-1] == END - CANDLE_MS
    assert np.all(np.diff(planted.candles.open_time) == CANDLE_MS)
    assert np.array_equal(o[1:], c[:-1])
    assert np.all((l <= np.minimum(o, c)) & (h >= np.maximum(o, c)) & (l > 0))
    assert np.all(np.isfinite(planted.candles.values))
    assert np.array_equal(volume == 0, quote_volume == 0)
    flat = volume == 0
    assert np.array_equal(h[flat], l[flat])
    lines = planted.candles.values[:4] / float(planted.tick)
    assert np.abs(lines - np.rint(lines)).max() < 1e-3
    paid = quote_volume[~flat] / volume[~flat]
    assert np.all((paid > 0.999 * l[~flat]) & (paid < 1.001 * h[~flat]))


@every_market
def test_equal_seeds_give_equal_markets(name: str) -> None:
    """A soak that fails is repeated with its seed."""
    first, again, other = market(name), market(name), market(name, seed=8)

    assert np.array_equal(first.candles.values, again.candles.values)
    assert not np.array_equal(first.candles.values, other.candles.values)
    assert (first.tick, first.spread_bps) == (again.tick, again.spread_bps)


@pytest.mark.parametrize("bps", [20, 30, 40, 60])
def test_trades_at_bid_and_ask_bounce_by_the_spread(bps: int) -> None:
    """Closes are predictable by the bounce; what was paid in the next candle is not."""
    planted = market(f"spread of {bps} bp", candles=4 * LENGTH)
    moves = returns(planted.candles)
    listing = listing_of(planted.candles, tick=PriceTick.of(planted.tick), spread_bps=planted.spread_bps)
    bid, ask = listing.quotes(float(planted.candles.close[-1]))

    assert planted.spread_bps == bps
    assert 1e4 * (ask - bid) / bid == pytest.approx(bps, rel=0.05)
    assert np.cov(moves[1:], moves[:-1])[0, 1] == pytest.approx(-((bps / 2) ** 2), rel=0.25)
    traded = planted.candles.values[:, planted.candles.values[4] > 0]
    paid = np.log(traded[5] / traded[4])
    assert abs(correlation(np.diff(paid))) < 0.05
    assert weekly_ticks(planted.candles).step_bps.max() < 0.1


@pytest.mark.parametrize(("digits", "coarse"), [(2, 90.0), (3, 9.0)])
def test_rounded_prices_hide_under_a_fine_tick(digits: int, coarse: float) -> None:
    """The contract's tick says nothing of them, the closes say all."""
    whole = market(f"{digits} digits")
    half = market(f"{digits} digits in the older half")

    assert 1e4 * float(whole.tick) / whole.candles.close[0] < 0.1
    assert weekly_ticks(whole.candles).step_bps.min() > coarse
    steps = weekly_ticks(half.candles).step_bps
    assert steps[:3].min() > coarse
    assert steps[3:].max() < 0.1


@pytest.mark.parametrize("bps", [8, 16])
def test_coarse_ticks_are_the_contract_s(bps: int) -> None:
    """One tick is as wide as a good day's edge, and everybody can read it."""
    planted = market(f"tick of {bps} bp")
    first = planted.candles.values[0, 0]

    assert 1e4 * float(planted.tick) / first == pytest.approx(bps, rel=0.1)
    assert np.allclose(weekly_ticks(planted.candles).step, float(planted.tick), rtol=1e-6)


def test_a_lagging_last_price_goes_on_where_the_mark_went() -> None:
    """Its returns are predictable, those of the mark are not, and the mark leads."""
    planted = market("lagging last price")
    assert planted.mark is not None
    last, mark = returns(planted.candles), returns(planted.mark)

    assert correlation(last) > 0.4
    assert abs(correlation(mark)) < 0.05
    assert np.corrcoef(mark[:-1], last[1:])[0, 1] > 0.3
    assert abs(np.corrcoef(last[:-1], mark[1:])[0, 1]) < 0.05


def test_two_candles_in_five_are_empty_and_the_others_bounce() -> None:
    """A stale close beside a book that has moved on."""
    planted = market("40 % empty, spread of 30 bp", candles=4 * LENGTH)
    traded = planted.candles.values[4] > 0

    assert 0.38 < 1 - traded.mean() < 0.45
    assert planted.spread_bps == 30.0
    assert correlation(returns(planted.candles)[traded[1:]]) < -0.05


@pytest.mark.parametrize("first", [1e-9, 1e-6, 1e6])
def test_prices_of_any_level_have_a_fine_tick(first: float) -> None:
    """A tick of 1 USDT was once read from a price of 0.000007."""
    planted = market(f"price of {first:g}")

    assert 0.9 < planted.candles.values[0, 0] / first < 1.1
    assert weekly_ticks(planted.candles).step_bps.max() < 0.1


def test_volatility_follows_falls_more_than_rises() -> None:
    """And direction is a fair coin."""
    moves = returns(market("GARCH with leverage", candles=4 * LENGTH).candles)
    size = np.abs(moves)

    after_fall, after_rise = size[1:][moves[:-1] < -20], size[1:][moves[:-1] > 20]
    assert after_fall.mean() > 1.05 * after_rise.mean()
    assert correlation(size) > 0.05
    assert abs(correlation(moves)) < 0.05


def test_regimes_differ_in_volatility_and_hardly_in_drift() -> None:
    """Two candles drift by 1 bp, a trade costs 14."""
    moves = returns(market("regime switching", candles=4 * LENGTH).candles)
    by_day = np.abs(moves[: len(moves) // 288 * 288]).reshape(-1, 288).mean(axis=1)

    assert np.quantile(by_day, 0.9) > 2 * np.quantile(by_day, 0.1)
    assert correlation(by_day) > 0.3
    assert abs(correlation(moves, 2)) < 0.05


def test_four_pumps_end_where_they_began() -> None:
    """Rises by 60 % that one day each takes back."""
    candles = market("pump and dump", candles=4 * LENGTH).candles
    rise = candles.close[2 * HOUR :] / candles.close[: -2 * HOUR]
    days = np.unique(candles.open_time[np.flatnonzero(rise > 1.35)] // (288 * CANDLE_MS))

    assert 4 <= len(days) <= 8
    assert 0.2 < candles.close[-1] / candles.close[0] < 5


def half_gains(candles: Candles, side: Floats) -> tuple[float, float]:
    """Mean gain of ``side`` over two candles before and after 80 % of the history, in basis points."""
    gain = 1e4 * side[:-2] * (candles.close[2:] / candles.close[:-2] - 1)
    cut = round(0.8 * len(candles))
    before, after = gain[:cut], gain[cut:]
    return float(before[side[:cut] != 0].mean()), float(after[side[cut:-2] != 0].mean())


def test_the_edge_that_ends_is_a_walk_afterwards() -> None:
    """What development saw must not carry a verdict about tomorrow."""
    candles = market("edge that ends with development", candles=4 * LENGTH).candles
    sure = oracle(candles, EdgeRule(bias=0.8))
    side = np.where(sure > 0.7, 1.0, np.where(sure < 0.3, -1.0, 0.0))
    before, after = half_gains(candles, side)

    assert before > 14
    assert abs(after) < 3


def test_the_hour_after_a_shock_drifts_its_way() -> None:
    """Twelve candles, each of them worth a known amount."""
    candles = market("volume shock drift", candles=4 * LENGTH).candles
    turnover = candles.values[5]
    usual = np.array([np.median(turnover[max(t - 288, 0) : t + 1]) for t in range(len(turnover))])
    shock = np.flatnonzero((turnover > 20 * usual) & (np.arange(len(turnover)) < len(turnover) - HOUR - 1))
    way = np.sign(candles.close[shock] / candles.values[0, shock] - 1)
    hour = 1e4 * way * (candles.close[shock + HOUR] / candles.close[shock] - 1)
    later = shock[shock + 3 * HOUR < len(turnover)]
    after = 1e4 * np.sign(candles.close[later] / candles.values[0, later] - 1)
    after = after * (candles.close[later + 3 * HOUR] / candles.close[later + 2 * HOUR] - 1)

    assert len(shock) > 0.9 * len(candles) / 288
    assert hour.mean() > 0.6 * HOUR * SHOCK_BPS
    assert abs(after.mean()) < 4 * after.std() / len(after) ** 0.5


@pytest.mark.parametrize("make", [markets.plain_walk, partial(markets.price_level, first=1e-6)])
def test_a_plain_walk_shows_no_direction(make: Callable[[int, int], PlantedMarket]) -> None:
    """The level at which false alarms are counted."""
    moves = returns(make(5, 4 * LENGTH).candles)

    assert abs(correlation(moves)) < 0.03
    assert abs(moves.mean()) < 4 * moves.std() / len(moves) ** 0.5
