"""Markets that try to fool a verdict, and markets whose edge it must find.

Place in the house: beside the soaks that train on them.  A seed comes in, a ``PlantedMarket`` goes out:
candles and what an exchange would list beside them.  Equal seeds give equal markets.  Pure.

``ATTACKS`` holds markets on which nothing can be earned after costs although something seems to be;
``EDGES`` holds markets that are worth trading.  Every one is a function of a seed and a length.

Not here: training on them, and what must come out.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import accumulate
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from desk.market.series.synthetic import (
    TYPICAL_VOLATILITY,
    CandleSizes,
    EdgeRule,
    candle_rows,
    draw_sizes,
    fine_places,
    price_rows,
    synthesize,
    synthesize_edge,
    with_volumes,
)
from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, frozen

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

END: Final = 1_767_225_600_000
"""When the last candle of every market closes: 2026-01-01 00:00 UTC, in ms."""
CANDLES: Final = 52_000
"""Usual length: 180 days and some hours."""
SYMBOL: Final = "PLANTUSDT"

STRONG_EDGE: Final = EdgeRule(bias=0.9)
"""Kind ``edge`` with a bias of 0.9 instead of 0.43.  The outer 7 % of the scores a side of a plain LightGBM
model (baseline parameters, three seeds, 60 rounds, trained on the first 80 %) earn 3 bp or more on the rest
(3.7 and 5.1 with seeds 101 and 102), entered at the next candle's mean price, after costs of 14 bp, one
position at a time at horizon 2.  Entered at the signal's close they earn 14 to 15 bp; with a bias of 0.6 that
is 5 bp, and nothing at an entry that can be had."""
FOLLOWS: Final = 0.35
"""Share of its distance from the book that a lagging last price makes up in a candle."""
EMPTY_SHARE: Final = 0.4
SHOCKS_PER_DAY: Final = 2.0
SHOCK_TURNOVER: Final = 30.0
"""Turnover of a shock candle over what it would have been."""
SHOCK_BPS: Final = 15.0
"""Drift of each candle in the hour after a shock, in the direction of the shock candle, in basis points."""
HOUR: Final = CANDLES_PER_DAY // 24


@dataclass(frozen=True, slots=True, eq=False)
class PlantedMarket:
    """Candles, and what an exchange would list beside them."""

    candles: Candles
    tick: Decimal
    """The contract's tick, USDT."""
    spread_bps: float = 0.0
    """Distance of bid and ask over the price, in basis points; 0: one tick."""
    mark: Candles | None = None
    """Candles of the mark price, around which bid and ask stand; None: the last price."""


Market = Callable[[int, int], PlantedMarket]
"""(seed, candles) → market."""


# Nothing to earn ------------------------------------------------------------------------------------


def plain_walk(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """Random walk of the emulator's kind ``noise`` on a fine tick."""
    return _fine(synthesize("noise", seed, symbol=SYMBOL, end=END, candles=candles))


def bid_ask_walk(seed: int, candles: int = CANDLES, *, spread_bps: float = 40.0) -> PlantedMarket:
    """Random walk of the mid price whose last trade of every candle is at bid or at ask, on a fine tick.

    Closes bounce by the spread, so they are easy to predict and impossible to trade at; the price paid
    (quote volume over volume) is the mid price.

    Parameters
    ----------
    seed : int
    candles : int
    spread_bps : float
        Distance of bid and ask, in basis points of the mid price.
    """
    rng, first = _begin(seed, 1)
    sizes = draw_sizes(rng, candles)
    return _quoted(rng, sizes, first, traded=sizes.turnover > 0, spread_bps=spread_bps)


def empty_candles(seed: int, candles: int = CANDLES, *, spread_bps: float = 30.0) -> PlantedMarket:
    """Random walk at bid or ask of a wide book in which 40 % of the candles have no trade.

    Parameters
    ----------
    seed : int
    candles : int
    spread_bps : float
        Distance of bid and ask, in basis points of the mid price.
    """
    rng, first = _begin(seed, 2)
    sizes = draw_sizes(rng, candles)
    traded = (rng.random(candles) >= EMPTY_SHARE) & (sizes.turnover > 0)
    return _quoted(rng, sizes, first, traded=traded, spread_bps=spread_bps)


def rounded_prices(
    seed: int, candles: int = CANDLES, *, digits: int = 3, share: float = 1.0
) -> PlantedMarket:
    """Random walk whose prices are rounded to some significant digits under a contract tick that is fine.

    Parameters
    ----------
    seed : int
    candles : int
    digits : int
        Significant digits of the rounded prices.
    share : float
        Share of the candles, from the oldest on, that are rounded: 0.5 is the older half.
    """
    rng, first = _begin(seed, 3)
    sizes, move = _walk(rng, candles)
    prices = price_rows(sizes, move, first)
    places = fine_places(first)
    fine = np.round(prices, places)
    until = round(share * candles)
    coarse = _to_digits(prices, digits)
    if until < candles:
        fine[0, until] = coarse[3, until - 1]  # a candle opens where the last one closed
        fine[1, until] = max(fine[1, until], fine[0, until])
        fine[2, until] = min(fine[2, until], fine[0, until])
    mixed = np.concatenate([coarse[:, :until], fine[:, until:]], axis=1)
    return PlantedMarket(_series(with_volumes(mixed, sizes.turnover)), tick=Decimal(1).scaleb(-places))


def coarse_ticks(seed: int, candles: int = CANDLES, *, tick_bps: float = 8.0) -> PlantedMarket:
    """Random walk on a tick that is coarse and that the contract states.

    Parameters
    ----------
    seed : int
    candles : int
    tick_bps : float
        Tick over the first price, in basis points.
    """
    rng, first = _begin(seed, 4)
    sizes, move = _walk(rng, candles)
    tick = Decimal(f"{first * tick_bps * 1e-4:.1e}")
    places = max(0, -int(tick.normalize().as_tuple().exponent))
    lines = np.maximum(np.rint(price_rows(sizes, move, first) / float(tick)), 1.0)
    prices = lines * int(tick.scaleb(places)) / 10.0**places
    return PlantedMarket(_series(with_volumes(prices, sizes.turnover)), tick=tick)


def lagging_last_price(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """Last price that follows the book, a random walk, by 35 % of the distance in every candle.

    The returns of the last price go on for several candles, and nobody can trade at it: bid and ask stand at
    the mark price.
    """
    rng, first = _begin(seed, 5)
    sizes, move = _walk(rng, candles)
    book = np.cumsum(move)
    way = accumulate(book.tolist(), lambda last, to: last + FOLLOWS * (to - last))
    last = np.fromiter(way, np.float64, candles)
    traded = sizes.turnover > 0
    last = last[_last_true(traded)]
    wicks = _scaled(sizes, 0.3)
    followed = _series(candle_rows(wicks, np.diff(last, prepend=last[0]), first))
    mark = _series(candle_rows(sizes, move, first))
    return PlantedMarket(followed, tick=_fine_tick(first), mark=mark)


def price_level(seed: int, candles: int = CANDLES, *, first: float = 1e-6) -> PlantedMarket:
    """Random walk that begins at a very small or a very large price.

    Parameters
    ----------
    seed : int
    candles : int
    first : float
        Price at which the series begins, USDT.
    """
    rng, _ = _begin(seed, 6)
    sizes, move = _walk(rng, candles)
    return PlantedMarket(_series(candle_rows(sizes, move, first)), tick=_fine_tick(first))


def garch_with_leverage(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """Unpredictable direction, and volatility that follows falls more than rises.

    References
    ----------
    Glosten, Jagannathan and Runkle (1993), "On the Relation between the Expected Value and the Volatility of
    the Nominal Excess Return on Stocks", Journal of Finance 48(5), 1779-1801.
    """
    rng, first = _begin(seed, 7)
    sizes = draw_sizes(rng, candles)
    mean = 0.4 * TYPICAL_VOLATILITY**2 + (0.8 * TYPICAL_VOLATILITY) ** 2
    variance, moves = mean, []
    for shock in rng.standard_normal(candles).tolist():
        move = math.sqrt(variance) * shock
        moves.append(move)
        leverage = 0.10 if move < 0 else 0.0
        variance = 0.03 * mean + 0.88 * variance + (0.04 + leverage) * move * move
    return _fine(_series(candle_rows(sizes, np.array(moves) * (sizes.turnover > 0), first)))


def regime_switching(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """Quiet rising and wild falling markets that alternate every two days on average.

    The drift of a regime, 0.5 bp a candle upwards or downwards, is a small part of the costs of a trade.
    """
    rng, first = _begin(seed, 8)
    sizes, move = _walk(rng, candles)
    switches = rng.random(candles) < 1 / (2 * CANDLES_PER_DAY)
    wild = np.cumsum(switches) % 2 == 1
    scale = np.where(wild, 2.0, 0.7)
    sizes = _scaled(sizes, scale)
    move = (move * scale + np.where(wild, -0.5e-4, 0.5e-4)) * (sizes.turnover > 0)
    return _fine(_series(candle_rows(sizes, move, first)))


def pump_and_dump(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """Random walk with four rises by 60 % within two hours that are lost again within six.

    Their net result is enormous and comes from four days.
    """
    rng, first = _begin(seed, 9)
    sizes, move = _walk(rng, candles)
    rise, fall = 2 * HOUR, 6 * HOUR
    block = candles // 4
    turnover = sizes.turnover.copy()
    for begin in (block * np.arange(4) + rng.integers(0, block - rise - fall, 4)).tolist():
        move[begin : begin + rise] += math.log(1.6) / rise
        move[begin + rise : begin + rise + fall] -= math.log(1.6) / fall
        turnover[begin : begin + rise + fall] = np.maximum(turnover[begin : begin + rise + fall], 1.0) * 20
    return _fine(_series(candle_rows(replace(sizes, turnover=turnover), move, first)))


def ending_edge(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """Kind ``edge`` with a bias of 0.8 until 80 % of the history, and a random walk from there on."""
    rule = EdgeRule(bias=0.8, ends_at=0.8)
    return _fine(synthesize_edge(seed, symbol=SYMBOL, end=END, candles=candles, rule=rule))


# Something to earn ----------------------------------------------------------------------------------


def daily_drift(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """The emulator's kind ``drift``: 50 bp within ten minutes, once a day."""
    return _fine(synthesize("drift", seed, symbol=SYMBOL, end=END, candles=candles))


def strong_edge(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """The emulator's kind ``edge``, strengthened so that 7 % of the scores a side earn after costs."""
    return _fine(synthesize_edge(seed, symbol=SYMBOL, end=END, candles=candles, rule=STRONG_EDGE))


def volume_shock_drift(seed: int, candles: int = CANDLES) -> PlantedMarket:
    """About twice a day a burst of turnover, and an hour that drifts in the direction of its candle.

    Every candle of that hour moves by ``SHOCK_BPS``: two of them are worth 30 bp before costs.
    """
    rng, first = _begin(seed, 10)
    sizes, move = _walk(rng, candles)
    starts = (rng.random(candles) < SHOCKS_PER_DAY / CANDLES_PER_DAY) & (sizes.turnover > 0)
    shock = _first_in(starts, HOUR)
    turnover = sizes.turnover * np.where(shock, SHOCK_TURNOVER, 1.0)
    move = np.where(shock, np.copysign(np.maximum(np.abs(move), TYPICAL_VOLATILITY), move), move)
    at = _last_true(shock)
    since = np.arange(candles) - at
    drifting = (since > 0) & (since <= HOUR) & shock[at] & (sizes.turnover > 0)
    move = move + np.where(drifting, SHOCK_BPS * 1e-4 * np.sign(move[at]), 0.0)
    return _fine(_series(candle_rows(replace(sizes, turnover=turnover), move, first)))


ATTACKS: Final[Mapping[str, Market]] = MappingProxyType(
    {
        **{f"spread of {bps} bp": partial(bid_ask_walk, spread_bps=float(bps)) for bps in (20, 30, 40, 60)},
        **{f"{digits} digits": partial(rounded_prices, digits=digits) for digits in (2, 3)},
        **{
            f"{digits} digits in the older half": partial(rounded_prices, digits=digits, share=0.5)
            for digits in (2, 3)
        },
        **{f"tick of {bps} bp": partial(coarse_ticks, tick_bps=float(bps)) for bps in (8, 16)},
        "lagging last price": lagging_last_price,
        "40 % empty, spread of 30 bp": empty_candles,
        **{f"price of {first:g}": partial(price_level, first=first) for first in (1e-9, 1e-6, 1e6)},
        "GARCH with leverage": garch_with_leverage,
        "regime switching": regime_switching,
        "pump and dump": pump_and_dump,
        "edge that ends with development": ending_edge,
        "plain walk": plain_walk,
    }
)
"""Markets that must not be called tradable, by what they do."""
EDGES: Final[Mapping[str, Market]] = MappingProxyType(
    {"daily drift": daily_drift, "strong edge": strong_edge, "volume shock drift": volume_shock_drift}
)
"""Markets that must be found tradable."""


# Building blocks ------------------------------------------------------------------------------------


def _begin(seed: int, number: int) -> tuple[np.random.Generator, float]:
    """Random numbers of market ``number``, and the price at which it begins, USDT."""
    rng = np.random.default_rng([seed, 1000 + number])
    return rng, math.exp(rng.uniform(math.log(0.5), math.log(50_000.0)))


def _walk(rng: np.random.Generator, candles: int) -> tuple[CandleSizes, Floats]:
    """Sizes of candles, and moves of a random walk, as of kind ``noise``."""
    sizes = draw_sizes(rng, candles)
    return sizes, sizes.body * rng.choice([-1.0, 1.0], candles)


def _scaled(sizes: CandleSizes, scale: Floats | float) -> CandleSizes:
    """Bodies and wicks that are so many times as long."""
    return replace(
        sizes,
        body=sizes.body * scale,
        leading_wick=sizes.leading_wick * scale,
        trailing_wick=sizes.trailing_wick * scale,
    )


def _quoted(
    rng: np.random.Generator, sizes: CandleSizes, first: float, *, traded: Flags, spread_bps: float
) -> PlantedMarket:
    """Candles of trades at bid or ask around a random walk of the mid price."""
    candles, places = len(traded), fine_places(first)
    move = sizes.body * rng.choice([-1.0, 1.0], candles)
    _, mid_high, mid_low, mid = price_rows(sizes, move, first)
    half = spread_bps / 20_000
    trade = mid * (1 + half * rng.choice([-1.0, 1.0], candles))
    close = trade[_last_true(traded)]
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.where(traded, np.maximum(mid_high * (1 + half), np.maximum(open_, close)), close)
    low = np.where(traded, np.minimum(mid_low * (1 - half), np.minimum(open_, close)), close)
    prices = np.round(np.stack([open_, high, low, close]), places)
    volume = np.round(np.where(traded, sizes.turnover, 0.0) / mid, 4)
    paid = np.clip(mid, prices[2], prices[1])
    values = np.concatenate([prices, [volume, np.round(volume * paid, 4)]])
    return PlantedMarket(_series(values), tick=_fine_tick(first), spread_bps=spread_bps)


def _series(values: Floats) -> Candles:
    """Candles that end at ``END``."""
    open_time = END - CANDLE_MS * np.arange(values.shape[1], 0, -1, dtype=np.int64)
    return Candles(SYMBOL, frozen(open_time), frozen(values))


def _fine(candles: Candles) -> PlantedMarket:
    """Market of a series that lies on the fine tick of its first price."""
    return PlantedMarket(candles, tick=_fine_tick(float(candles.values[0, 0])))


def _fine_tick(first: float) -> Decimal:
    return Decimal(1).scaleb(-fine_places(first))


def _to_digits(prices: Floats, digits: int) -> Floats:
    """Prices to so many significant digits, each the float64 next to its decimal number."""
    places = digits - 1 - np.floor(np.log10(prices))
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded: Floats = np.rint(prices * up / down) * down / up
    return rounded


def _last_true(flags: Flags) -> NDArray[np.int64]:
    """Row of the newest true flag up to each row; 0 before the first."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), 0))


def _first_in(flags: Flags, quiet: int) -> Flags:
    """Flags without those that come within ``quiet`` rows after one that is kept."""
    kept, free = np.zeros(len(flags), dtype=np.bool_), 0
    for row in np.flatnonzero(flags).tolist():
        if row >= free:
            kept[row] = True
            free = row + quiet + 1
    return kept
