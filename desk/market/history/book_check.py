"""Whether the last price of a symbol is one that anybody could have traded at.

Place in the house: history, the judgement without the requests.  Candles of the last price, candles of the
mark price and the spread of the book come in; a ``BookCheck`` with sentences goes out.  Pure.

A last price that follows the book late goes on in the same direction for several candles: easy to predict,
and nobody can trade at it, because bid and ask have left already.  The mark price knows where they are.

Not here: asking for marks and books (``desk.market.bitget.book_checks``).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from desk.values import CANDLE_MS, CANDLES_PER_DAY, Candles

DAYS: Final = 4
"""Days whose mark price is compared: six pages a symbol, and a lag of a third stands out tenfold."""
FEWEST: Final = CANDLES_PER_DAY // 2
"""Candles with both prices and with trades after them, below which a lag cannot be ruled out."""
BASIS: Final = 72
"""Candles, six hours, whose median gap counts as the usual one: a standing premium is no lag."""
LARGEST_SHARE: Final = 0.1
"""Share of a gap that the next candle may make up; a book that is followed by a third has 0.33."""
LARGEST_BPS: Final = 3.0
"""What a gap of the widest tenth may foretell beyond half a spread, in basis points.

A taker pays 12 for a round trip: a quarter of it, on the best tenth of all candles, makes no trade look good
that is not.  Half a spread comes on top, because a last price at bid or ask returns by that much and costs
charge it.
"""
WIDEST: Final = 0.9
"""Quantile of the gaps that ``foretold_bps`` is of."""
STANDARD_ERRORS: Final = 2.0
"""Standard errors that are taken off a share before it speaks against a symbol."""
CLIP: Final = 0.99
"""Quantile of gaps and moves beyond which they count as that large: one wrong mark decides nothing."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the last price follows the mark price."""

    share: float
    """Of a gap between the two, what the next candle makes up: the slope of its move on the gap."""
    error: float
    """Standard error of ``share``."""
    foretold_bps: float
    """What a gap of the widest tenth foretells of the next candle at least, in basis points.

    ``share`` less two standard errors, of that gap; 0 where that is negative.
    """


@dataclass(frozen=True, slots=True)
class BookCheck:
    """What speaks against trading a symbol, with the figures behind it."""

    problems: tuple[str, ...]
    """One sentence each; empty: nothing does."""
    spread_bps: float | None = None
    """Of the book now, in basis points; None where it has none, or was not asked."""
    lag: Lag | None = None
    """None where too few candles have both prices, or the mark price was not asked."""


def check_book(
    candles: Candles,
    mark: Candles,
    *,
    book_bps: float | None,
    spread_bps: float | None,
    max_spread_ratio: float,
) -> BookCheck:
    """Compare the last price with the mark price, and the book with the spread that was charged.

    Parameters
    ----------
    candles, mark : Candles
        Of the last price and of the mark price, the last days of one symbol.
    book_bps : float or None
        Spread of the book now, in basis points; None: a side is empty.
    spread_bps : float or None
        Spread that the verdict charged; None: unknown.
    max_spread_ratio : float
        How many times as wide the book may be now.
    """
    symbol, problems = candles.symbol, []
    lag = lag_behind(candles, mark)
    if lag is None:
        problems.append(
            f"{symbol}: fewer than {FEWEST} of the last candles have a mark price and trades, so nobody "
            "knows whether the last price lags behind"
        )
    elif (
        lag.share - STANDARD_ERRORS * lag.error > LARGEST_SHARE
        and lag.foretold_bps > LARGEST_BPS + (spread_bps or 0.0) / 2
    ):
        problems.append(
            f"{symbol}: the last price lags behind the mark price: the next candle makes up "
            f"{lag.share * 100:.0f} % of the gap between them, {lag.foretold_bps:.0f} bp where it is wide, "
            "and nobody can trade at such a price"
        )
    if spread_bps is None:
        problems.append(f"{symbol}: the spread that trades were charged is unknown")
    if book_bps is None:
        problems.append(f"{symbol}: the book has no bid or no ask now, or they are crossed")
    elif spread_bps is not None and book_bps > max_spread_ratio * spread_bps:
        problems.append(
            f"{symbol}: bid and ask are {book_bps:.1f} bp apart now, more than {max_spread_ratio:g} times "
            f"the {spread_bps:.1f} bp that trades were charged"
        )
    return BookCheck(tuple(problems), book_bps, lag)


def lag_behind(candles: Candles, mark: Candles) -> Lag | None:
    """Measure how much of its gap to the mark price the last price makes up within a candle.

    The move from each close to the next is regressed on the gap ``log(mark / last)`` at the first of them,
    after the median gap of the last ``BASIS`` candles is taken off, both clipped at the quantile ``CLIP`` of
    their size.  Only candles with a trade after them count: without one the last price stands still.  A mark
    price that wiggles by itself, or follows the last price, has no slope.

    Parameters
    ----------
    candles, mark : Candles
        Of the last price and of the mark price.

    Returns
    -------
    Lag or None
        None with fewer than ``FEWEST`` such candles.
    """
    time, ours, theirs = np.intersect1d(
        candles.open_time, mark.open_time, assume_unique=True, return_indices=True
    )
    if len(time) < FEWEST:
        return None
    close = np.log(candles.close[ours])
    gap = np.log(mark.close[theirs]) - close
    gap = gap - _trailing_median(gap)
    rows = np.flatnonzero((np.diff(time) == CANDLE_MS) & (candles.values[4, ours[1:]] > 0))
    if len(rows) < FEWEST:
        return None
    x, y = _clipped(gap[rows]), _clipped(np.diff(close)[rows])
    x, y = x - x.mean(), y - y.mean()
    power = float(x @ x)
    if power <= 0:
        return Lag(0.0, 0.0, 0.0)
    share = float(x @ y) / power
    error = float(np.sqrt((x * x) @ (y - share * x) ** 2)) / power
    surely = max(share - STANDARD_ERRORS * error, 0.0)
    return Lag(share, error, 1e4 * surely * float(np.quantile(np.abs(x), WIDEST)))


def _trailing_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the last ``BASIS`` values up to each; the first ones look at as many as there are first."""
    median = np.full(len(values), np.median(values[:BASIS]))
    if len(values) >= BASIS:
        median[BASIS - 1 :] = np.median(sliding_window_view(values, BASIS), axis=-1)
    return median


def _clipped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    bound = np.quantile(np.abs(values), CLIP)
    return np.asarray(np.clip(values, -bound, bound), dtype=np.float64)
