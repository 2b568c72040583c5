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

Reading order: ``synthesize``, ``oracle``.

Not here: the names under which series are requested (``desk.market.series.sources``), and holes.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles, frozen

Floats = NDArray[np.float64]

KINDS: Final = ("edge", "noise")
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

FLAT_SHARE: Final = 0.03
"""Share of candles without a trade: open = high = low = close, volume 0."""
TYPICAL_VOLATILITY: Final = 0.0021
"""Median standard deviation of the log price per candle."""
TYPICAL_TURNOVER: Final = 200_000.0
"""Median turnover per candle, USDT."""
PRICE_DIGITS: Final = 6
"""Decimal places of a price below the leading digit of the first one: a tick of 0.01 bp at most."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Values drawn before direction, each of shape (n,), in logs of the price except for the turnover."""

    body: Floats
    leading_wick: Floats
    """Beyond the close, on the side to which the candle goes."""
    trailing_wick: Floats
    turnover: Floats


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
        Time (ms, on the grid) at which the last candle closes; it has no influence on the values.
    candles : int
        Length of the series, at least 1.

    Raises
    ------
    ValueError
        If an argument has another value.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, must be one of {', '.join(KINDS)}")
    if end % CANDLE_MS or candles < 1:
        raise ValueError(f"end {end} must lie on the 5-minute grid and candles {candles} be at least 1")
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    first = math.exp(rng.uniform(math.log(0.5), math.log(50_000.0)))
    sizes = _draw_sizes(rng, candles)
    sign = _draw_signs(rng, sizes, bias=BIAS if kind == "edge" else 0.0)
    open_time = end - CANDLE_MS * np.arange(candles, 0, -1, dtype=np.int64)
    return Candles(symbol, frozen(open_time), frozen(_candles(sizes, sign, first)))


def oracle(candles: Candles) -> Floats:
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
        A whole series from ``synthesize``, without holes.

    Returns
    -------
    ndarray, shape (n,), float64
        One half where the rule predicts nothing, as in the first rows.  Meaningless for kind ``noise`` or
        any other series.
    """
    _, h, l, c, _, turnover = candles.values
    bias = BIAS * _direction(c) * _lean(turnover, np.log(h / l))
    p1, p2 = 0.5 * (1 + np.concatenate([np.zeros(1), bias[:-1]])), 0.5 * (1 + bias)
    up, down = _chance_of_rise(p1, p2, c), _chance_of_rise(1 - p1, 1 - p2, c)
    return up / (up + down)


def _chance_of_rise(p1: Floats, p2: Floats, close: Floats) -> Floats:
    """Chance of a rise by the threshold within two candles that rise with chances ``p1``, ``p2``."""
    size = np.abs(np.diff(np.log(close), prepend=np.log(close[0])))
    mean_size = np.nan_to_num(_window_means(size, USUAL), nan=TYPICAL_VOLATILITY)
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


def _draw_sizes(rng: np.random.Generator, n: int) -> _Sizes:
    """Draw volatility in slow and quick clusters, and turnover that follows it and the range."""
    mood = 0.4 * _clustered(rng, n, 0.995) + 0.3 * _clustered(rng, n, 0.95)
    deviation = TYPICAL_VOLATILITY * np.exp(mood)
    body = deviation * np.abs(rng.standard_normal(n))
    leading, trailing = deviation * rng.exponential(0.35, (2, n))
    result = np.log((body + leading + trailing) / (1.5 * deviation))
    effort = 0.6 * _clustered(rng, n, 0.9) + 0.25 * rng.standard_normal(n)
    turnover = TYPICAL_TURNOVER * np.exp(mood + 0.7 * result + effort)
    trades = rng.random(n) >= FLAT_SHARE
    return _Sizes(body * trades, leading * trades, trailing * trades, turnover * trades)


def _draw_signs(rng: np.random.Generator, sizes: _Sizes, *, bias: float) -> Floats:
    """Draw the sign of every candle, shape (n,); that of candle t is biased by the state of candle t - 2."""
    draws = rng.random(len(sizes.body)).tolist()
    bodies = sizes.body.tolist()
    spread = sizes.body + sizes.leading_wick + sizes.trailing_wick
    biases = (bias * _lean(sizes.turnover, spread)).tolist()
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


def _candles(sizes: _Sizes, sign: Floats, first: float) -> Floats:
    """Turn sizes and signs into rows of prices on the tick and of volumes, shape (6, n)."""
    places = PRICE_DIGITS - math.floor(math.log10(first))
    close_log = np.cumsum(sign * sizes.body)
    open_log = np.concatenate([np.zeros(1), close_log[:-1]])
    above = np.where(sign > 0, sizes.leading_wick, sizes.trailing_wick)
    below = np.where(sign > 0, sizes.trailing_wick, sizes.leading_wick)
    high_log = np.maximum(open_log, close_log) + above
    low_log = np.minimum(open_log, close_log) - below
    o, h, l, c = np.round(first * np.exp([open_log, high_log, low_log, close_log]), places)
    typical = (h + l + c) / 3
    volume = np.round(sizes.turnover / typical, 4)
    return np.stack([o, h, l, c, volume, np.round(volume * typical, 4)])


def _direction(close: Floats) -> Floats:
    """Sign of the move of the last ``MOMENTUM`` candles, 0 in the first rows."""
    direction = np.zeros(len(close))
    direction[MOMENTUM:] = np.sign(close[MOMENTUM:] - close[:-MOMENTUM])
    return direction


def _lean(turnover: Floats, spread: Floats) -> Floats:
    """Recent rise of turnover against that of the ranges, in (-1, 1); 0 where it is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):  # windows of flat candles only
        recent, usual = (_window_means(turnover, k) / _window_means(spread, k) for k in (RECENT, USUAL))
        return np.nan_to_num(np.tanh(STEEPNESS * np.log(recent / usual)))


def _window_means(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` values, shape (n,); NaN before there are as many."""
    means = np.full(len(values), np.nan)
    if len(values) >= window:
        means[window - 1 :] = sliding_window_view(values, window).mean(axis=-1)
    return means


def _clustered(rng: np.random.Generator, n: int, persistence: float) -> Floats:
    """First-order autoregression with standard normal margins, shape (n,)."""
    fresh = math.sqrt(1 - persistence**2)
    draws = rng.standard_normal(n).tolist()
    return np.fromiter(accumulate(draws, lambda last, draw: persistence * last + fresh * draw), np.float64, n)


def _erf(values: Floats) -> Floats:
    """Gauss error function of every value."""
    return np.fromiter(map(math.erf, values.tolist()), np.float64, len(values))
