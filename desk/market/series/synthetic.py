"""Series of candles whose best possible win rate is known.

Place in the house: the market.  A kind and a seed come in, a ``Candles`` goes out, to the embedded
exchange, to the demo and to tests of the learning rooms.  Pure: no file, no network, no clock.

All kinds obey what was counted on the exchange: a candle opens where the last one closed, a few
candles in a hundred are flat and without volume, prices lie on a fine tick, volatility and volume
come in clusters and go together.  Sizes, wicks and volumes are drawn first and independently of
direction; the kinds differ only in how the sign of each candle is drawn.

* ``noise``: by a fair coin.  Nothing predicts it.
* ``edge``: by a coin whose bias is known two candles ahead.  The move of the last 6 candles goes on
  when turnover has lately risen more than ranges have (effort without result), and turns round when
  ranges have risen more than turnover::

      direction[t] = sign(close[t] - close[t - 6])
      lean[t]      = tanh(3 log(mean(turnover, 3) / mean(turnover, 48) · mean(range, 48) / mean(range, 3)))
      P(candle t + 2 rises) = ½ (1 + 0.43 · direction[t] · lean[t])

  Direction is worth nothing without lean, and lean nothing without direction: of 100 features of a usual
  table none reached 54 % alone, while a LightGBM model on all of them reached 61 % out of sample.
  Because the bias of candle t + 2 is settled at t, the chance that two candles end up or down is known,
  see ``oracle``; siding with it wins ``EDGE_WIN_RATE`` of the labelled candles.
* ``drift``: by a fair coin, and once a day the price rises on top of that by 50 bp (``DRIFT_BPS``): 10 bp in
  the candle that opens at ``DRIFT_HOUR`` (14:00 UTC) and 40 bp in the next.  Whoever buys at the close of the
  candle before and sells ten minutes later earns 48.5 bp a day on average before costs (3 candles in 100 are
  flat and carry no drift) and about 34 bp after a taker's fees of 6 bp and a slippage of 1 bp a side.

Reading order: ``synthesize``, ``oracle``.

Not here: the names under which series are requested (``desk.market.series.sources``), and holes.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, frozen

Floats = NDArray[np.float64]

KIND_WORDS: Final = MappingProxyType(
    {
        "edge": "a rule can be learned that wins two of three labelled candles, and less than costs take",
        "noise": "a random walk",
        "drift": "a random walk that rises by 50 bp within ten minutes once a day, at 14:00 UTC: worth "
        "trading after a taker's costs",
    }
)
"""The kinds, and what is planted in each."""
KINDS: Final = tuple(KIND_WORDS)
"""New kinds are added at the end: a kind's position is part of its seed."""
SYNTHETIC_CANDLES: Final = 190 * CANDLES_PER_DAY
"""Default length: 180 days of training data and ten days in reserve."""

EDGE_WIN_RATE: Final = 0.6704
"""Best possible win rate on the labelled candles of kind ``edge``.

Measured with ``oracle`` on 40 seeds (1000 to 1039) of 100,000 candles, 1.94 million of them labelled;
from seed to seed the rate of as many candles scatters by 0.003.
"""
EDGE_WIN_RATE_SE: Final = 0.0004
"""Standard error of ``EDGE_WIN_RATE``."""
EDGE_HORIZON: Final = 2
"""Candles from the decision to the close that decides."""
EDGE_THRESHOLD: Final = 0.002
"""Smallest move that counts, as a fraction."""

BIAS: Final = 0.43
"""Largest difference between the chances of a rise and of a fall."""
STEEPNESS: Final = 3.0
"""How quickly the lean saturates."""
MOMENTUM: Final = 6
"""Candles of the move that goes on or turns round."""
RECENT: Final = 3
"""Candles of the recent turnover and ranges …"""
USUAL: Final = 48
"""… and of those that they are compared with."""

DRIFT_BPS: Final = (10.0, 40.0)
"""Daily rise of kind ``drift`` in each of its candles, in basis points of the price."""
DRIFT_HOUR: Final = 14
"""Hour of the day, UTC, at which the first candle of the rise opens."""

FLAT_SHARE: Final = 0.03
"""Share of candles without a trade: open = high = low = close, volume 0."""
TYPICAL_VOLATILITY: Final = 0.0021
"""Median standard deviation of the log price per candle."""
TYPICAL_TURNOVER: Final = 200_000.0
"""Median turnover per candle, USDT."""
PRICE_DIGITS: Final = 6
"""Decimal places of a price below the leading digit of the first one: a tick of 0.01 bp at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRule:
    """What is planted in a series of kind ``edge``, and how far its prices move."""

    bias: float = BIAS
    """Largest difference between the chances of a rise and of a fall, in [0, 1]."""
    steepness: float = STEEPNESS
    """How quickly the lean saturates."""
    volatility: float = TYPICAL_VOLATILITY
    """Median standard deviation of the log price per candle."""
    ends_at: float = 1.0
    """Share of the series after which the coin is fair."""


EDGE: Final = EdgeRule()
"""The rule of kind ``edge``."""


@dataclass(frozen=True, slots=True)
class CandleSizes:
    """Values drawn before direction, each of shape (n,), in logs of the price except for the turnover."""

    body: Floats
    leading_wick: Floats
    """Beyond the close, on the side to which the candle goes."""
    trailing_wick: Floats
    turnover: Floats
    """In USDT; 0 in candles without a trade."""


def synthesize(kind: str, seed: int, *, symbol: str, end: int, candles: int = SYNTHETIC_CANDLES) -> Candles:
    """Generate the candles of one symbol; equal arguments give equal bits on the same kind of machine.

    Parameters
    ----------
    kind : str
        One of ``KINDS``, see the head of this module.
    seed : int
        At least 0.  Series of different kinds have nothing in common, whatever their seeds.
    symbol : str
    end : int
        Time (ms, on the grid) at which the last candle closes.  It does not influence the values, except
        that the rise of kind ``drift`` has its time of day.
    candles : int
        Length of the series, at least 1.

    Raises
    ------
    ValueError
        If an argument has another value.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, must be one of {', '.join(KINDS)}")
    if kind == "edge":
        return synthesize_edge(seed, symbol=symbol, end=end, candles=candles)
    rng, open_time = _begin(kind, seed, end, candles)
    first = _first_price(rng)
    sizes = draw_sizes(rng, candles)
    move = _draw_signs(rng, sizes, np.zeros(candles)) * sizes.body
    if kind == "drift":
        move += 1e-4 * np.where(sizes.turnover > 0, _drift_bps(open_time), 0.0)
    return Candles(symbol, frozen(open_time), frozen(candle_rows(sizes, move, first)))


def synthesize_edge(
    seed: int, *, symbol: str, end: int, candles: int = SYNTHETIC_CANDLES, rule: EdgeRule = EDGE
) -> Candles:
    """Generate a series of kind ``edge`` whose planted rule is stronger, weaker, or ends.

    Parameters
    ----------
    seed : int
        At least 0; the same seed gives the same sizes for rules of one volatility.
    symbol : str
    end : int
        Time (ms, on the grid) at which the last candle closes.
    candles : int
        Length of the series, at least 1.
    rule : EdgeRule
        With ``EDGE`` the series is the one of kind ``edge``.
    """
    rng, open_time = _begin("edge", seed, end, candles)
    first = _first_price(rng)
    sizes = draw_sizes(rng, candles, volatility=rule.volatility)
    spread = sizes.body + sizes.leading_wick + sizes.trailing_wick
    bias = rule.bias * _lean(sizes.turnover, spread, rule.steepness)
    bias[round(rule.ends_at * candles) :] = 0.0
    move = _draw_signs(rng, sizes, bias) * sizes.body
    return Candles(symbol, frozen(open_time), frozen(candle_rows(sizes, move, first)))


def _begin(kind: str, seed: int, end: int, candles: int) -> tuple[np.random.Generator, NDArray[np.int64]]:
    """Random numbers of a kind and a seed, and open times of the series."""
    if end % CANDLE_MS or candles < 1:
        raise ValueError(f"end {end} must lie on the 5-minute grid and candles {candles} be at least 1")
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return rng, end - CANDLE_MS * np.arange(candles, 0, -1, dtype=np.int64)


def _first_price(rng: np.random.Generator) -> float:
    """Price at which a series begins, USDT."""
    return math.exp(rng.uniform(math.log(0.5), math.log(50_000.0)))


def _drift_bps(open_time: NDArray[np.int64]) -> Floats:
    """By how much kind ``drift`` rises in each candle, in basis points of the price."""
    by_step = np.zeros(CANDLES_PER_DAY)
    start = DRIFT_HOUR * CANDLES_PER_DAY // 24
    by_step[start : start + len(DRIFT_BPS)] = DRIFT_BPS
    return by_step[open_time // CANDLE_MS % CANDLES_PER_DAY]


def oracle(candles: Candles, rule: EdgeRule = EDGE) -> Floats:
    """Probability that a labelled candle of kind ``edge`` is up, from the planted rule.

    The label is that of horizon 2 and threshold 0.2 %: up if the close two candles later is higher
    by that much, down if lower by that much, none otherwise.  Row t uses candles up to t only.  With
    p and p' the chances that the next two candles rise, ``oracle > ½`` exactly where p + p' > 1, and no
    rule can choose sides better while the next two sizes are as good as exchangeable; how far from one
    half depends on the volatility, which is read from the last 48 candles.  Two bodies of one volatility
    σ that are normal but for their sign, k = threshold / σ, give the closed form::

        P(up) ∝ p p' (1 - erf(k/2)²) + [p (1 - p') + p' (1 - p)] ½ erfc(k/2)²   (and the flat ones)

    Parameters
    ----------
    candles : Candles
        A whole series of ``synthesize_edge``, without holes.
    rule : EdgeRule
        Of the series; its end is not taken into account.

    Returns
    -------
    ndarray, shape (n,), float64
        One half where the rule predicts nothing, as in the first rows.  Meaningless for kind ``noise`` or
        any other series.
    """
    _, h, l, c, _, turnover = candles.values
    bias = rule.bias * _direction(c) * _lean(turnover, np.log(h / l), rule.steepness)
    p1, p2 = 0.5 * (1 + np.concatenate([np.zeros(1), bias[:-1]])), 0.5 * (1 + bias)
    up, down = (_chance_of_rise(p, q, c, rule.volatility) for p, q in ((p1, p2), (1 - p1, 1 - p2)))
    return up / (up + down)


def _chance_of_rise(p1: Floats, p2: Floats, close: Floats, volatility: float) -> Floats:
    """Chance of a rise by the threshold within two candles that rise with chances ``p1``, ``p2``."""
    size = np.abs(np.diff(np.log(close), prepend=np.log(close[0])))
    mean_size = np.nan_to_num(_window_means(size, USUAL), nan=volatility)
    deviation = mean_size * math.sqrt(math.pi / 2) / (1 - FLAT_SHARE)
    k = EDGE_THRESHOLD / np.maximum(
        deviation, EDGE_THRESHOLD / 8
    )  # beyond 8 both chances are lost in rounding
    sum_beyond = 1 - _erf(k / 2) ** 2
    difference_beyond = 0.5 * (1 - _erf(k / 2)) ** 2
    one_beyond = 1 - _erf(k / math.sqrt(2))
    both_move = p1 * p2 * sum_beyond + (p1 * (1 - p2) + p2 * (1 - p1)) * difference_beyond
    one_moves: Floats = (p1 + p2) * one_beyond
    return (1 - FLAT_SHARE) ** 2 * both_move + FLAT_SHARE * (1 - FLAT_SHARE) * one_moves


def draw_sizes(rng: np.random.Generator, n: int, *, volatility: float = TYPICAL_VOLATILITY) -> CandleSizes:
    """Draw volatility in slow and quick clusters, and turnover that follows it and the range.

    Parameters
    ----------
    rng : Generator
    n : int
        Number of candles.
    volatility : float
        Median standard deviation of the log price per candle.
    """
    mood = 0.4 * clustered(rng, n, 0.995) + 0.3 * clustered(rng, n, 0.95)
    deviation = volatility * np.exp(mood)
    body = deviation * np.abs(rng.standard_normal(n))
    leading, trailing = deviation * rng.exponential(0.35, (2, n))
    result = np.log((body + leading + trailing) / (1.5 * deviation))
    effort = 0.6 * clustered(rng, n, 0.9) + 0.25 * rng.standard_normal(n)
    turnover = TYPICAL_TURNOVER * np.exp(mood + 0.7 * result + effort)
    trades = rng.random(n) >= FLAT_SHARE
    return CandleSizes(body * trades, leading * trades, trailing * trades, turnover * trades)


def _draw_signs(rng: np.random.Generator, sizes: CandleSizes, bias: Floats) -> Floats:
    """Draw the sign of every candle, shape (n,); that of candle t is biased by the state of candle t - 2."""
    draws = rng.random(len(sizes.body)).tolist()
    bodies = sizes.body.tolist()
    biases = bias.tolist()
    signs: list[float] = []
    closes: list[float] = []
    close = 0.0
    for t, draw in enumerate(draws):
        rise = 0.5
        seen = t - EDGE_HORIZON
        if seen >= MOMENTUM:
            move = closes[seen] - closes[seen - MOMENTUM]
            rise += 0.5 * biases[seen] * ((move > 0) - (move < 0))
        sign = 1.0 if draw < rise else -1.0
        close += sign * bodies[t]
        signs.append(sign)
        closes.append(close)
    return np.array(signs)


def candle_rows(sizes: CandleSizes, move: Floats, first: float) -> Floats:
    """Turn sizes and moves into rows of prices on a fine tick and of volumes.

    Parameters
    ----------
    sizes : CandleSizes
        Of n candles; wicks and turnover are taken from here.
    move : ndarray, shape (n,)
        Log of close over open.
    first : float
        Price at which the series begins, USDT.

    Returns
    -------
    ndarray, shape (6, n)
        As in ``desk.values.COLUMNS``.
    """
    prices = np.round(price_rows(sizes, move, first), fine_places(first))
    return with_volumes(prices, sizes.turnover)


def price_rows(sizes: CandleSizes, move: Floats, first: float) -> Floats:
    """Open, high, low, close before rounding, shape (4, n).

    Parameters
    ----------
    sizes : CandleSizes
        Of n candles; the wicks are taken from here.
    move : ndarray, shape (n,)
        Log of close over open.
    first : float
        Price at which the series begins, USDT.
    """
    close_log = np.cumsum(move)
    open_log = np.concatenate([np.zeros(1), close_log[:-1]])
    above = np.where(move > 0, sizes.leading_wick, sizes.trailing_wick)
    below = np.where(move > 0, sizes.trailing_wick, sizes.leading_wick)
    high_log = np.maximum(open_log, close_log) + above
    low_log = np.minimum(open_log, close_log) - below
    prices: Floats = first * np.exp([open_log, high_log, low_log, close_log])
    return prices


def with_volumes(prices: Floats, turnover: Floats) -> Floats:
    """Rows of candles from prices, shape (4, n), and turnover in USDT, traded at the typical price."""
    o, h, l, c = prices
    typical = (h + l + c) / 3
    volume = np.round(turnover / typical, 4)
    return np.stack([o, h, l, c, volume, np.round(volume * typical, 4)])


def fine_places(price: float) -> int:
    """Decimal places of the fine tick at a price: 0.01 bp of it at most."""
    return PRICE_DIGITS - math.floor(math.log10(price))


def _direction(close: Floats) -> Floats:
    """Sign of the move of the last ``MOMENTUM`` candles, 0 in the first rows."""
    direction = np.zeros(len(close))
    direction[MOMENTUM:] = np.sign(close[MOMENTUM:] - close[:-MOMENTUM])
    return direction


def _lean(turnover: Floats, spread: Floats, steepness: float) -> Floats:
    """Recent rise of turnover against that of the ranges, in (-1, 1); 0 where it is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):  # windows of flat candles only
        recent, usual = (_window_means(turnover, k) / _window_means(spread, k) for k in (RECENT, USUAL))
        return np.nan_to_num(np.tanh(steepness * np.log(recent / usual)))


def _window_means(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` values, shape (n,); NaN before there are as many."""
    means = np.full(len(values), np.nan)
    if len(values) >= window:
        means[window - 1 :] = sliding_window_view(values, window).mean(axis=-1)
    return means


def clustered(rng: np.random.Generator, n: int, persistence: float) -> Floats:
    """First-order autoregression with standard normal margins, shape (n,).

    Parameters
    ----------
    rng : Generator
    n : int
    persistence : float
        Correlation of neighbours, in [0, 1).
    """
    fresh = math.sqrt(1 - persistence**2)
    draws = rng.standard_normal(n).tolist()
    return np.fromiter(accumulate(draws, lambda last, draw: persistence * last + fresh * draw), np.float64, n)


def _erf(values: Floats) -> Floats:
    """Gauss error function of every value."""
    return np.fromiter(map(math.erf, values.tolist()), np.float64, len(values))
