"""Whether a last price is one that anybody could have traded at."""

import numpy as np
import pytest
from numpy.typing import NDArray

from desk.market.history.book_check import FEWEST, check_book, lag_behind
from desk.market.series.synthetic import synthesize
from desk.values import Candles, frozen
from tests.market.samples import NOW, without

Floats = NDArray[np.float64]
BOOK = synthesize("noise", 7, symbol="PLANTUSDT", end=NOW, candles=4 * 288)
"""Where bid and ask stand."""
RNG = np.random.default_rng(3)


def with_closes(closes: Floats, *, of: Candles = BOOK) -> Candles:
    """The candles with other closes; nothing else of them is read."""
    return Candles(of.symbol, of.open_time, frozen(np.vstack([of.values[:3], closes, of.values[4:]])))


def following(closes: Floats, share: float) -> Floats:
    """A price that makes up so much of its distance from ``closes`` in every candle."""
    followed = np.log(closes)
    for row in range(1, len(followed)):
        followed[row] = followed[row - 1] + share * (followed[row] - followed[row - 1])
    return np.asarray(np.exp(followed))


def problems(last: Candles, mark: Candles, *, spread_bps: float = 1.0) -> tuple[str, ...]:
    """What is said of the two where the book is as wide as was charged."""
    return check_book(last, mark, book_bps=spread_bps, spread_bps=spread_bps, max_spread_ratio=2.0).problems


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
def test_a_last_price_that_follows_the_book_is_found(share: float) -> None:
    """Its moves go on for several candles, which no trade can earn."""
    last = with_closes(following(BOOK.close, share))
    lag = lag_behind(last, BOOK)

    assert lag is not None
    assert lag.share == pytest.approx(share, abs=0.05)
    (sentence,) = problems(last, BOOK)
    assert "PLANTUSDT: the last price lags behind the mark price: the next candle makes up" in sentence
    assert f"{lag.share * 100:.0f} %" in sentence


def test_a_standing_premium_hides_no_lag() -> None:
    """Mark and last differ for days by the basis, which moves more slowly than any lag."""
    premium = 0.005 * np.cos(np.arange(len(BOOK)) / 288)

    (sentence,) = problems(with_closes(following(BOOK.close, 0.35)), with_closes(BOOK.close * (1 + premium)))

    assert "lags behind" in sentence


FAIR = {
    "the mark is the last price": (BOOK.close, BOOK.close),
    "the mark wiggles": (BOOK.close, BOOK.close * (1 + 3e-4 * RNG.standard_normal(len(BOOK)))),
    "the mark follows the last price": (BOOK.close, following(BOOK.close, 0.35)),
    "the last price bounces by a tick": (
        BOOK.close * (1 + 2e-4 * RNG.choice([-1, 1], len(BOOK))),
        BOOK.close,
    ),
    "the mark stands at a premium": (BOOK.close, BOOK.close * 1.003),
}


@pytest.mark.parametrize("kind", FAIR)
def test_a_mark_price_that_foretells_nothing_refuses_nobody(kind: str) -> None:
    """The mark is smoothed, and partly of other exchanges: it differs from the last price always."""
    last, mark = FAIR[kind]

    assert problems(with_closes(last), with_closes(mark)) == ()


@pytest.mark.parametrize(("charged", "refused"), [(20.0, False), (1.0, True)])
def test_a_bounce_within_the_charged_spread_is_no_lag(charged: float, refused: bool) -> None:
    """A last price at the ask returns by half the spread, which costs charge; if they do, it is no news."""
    last = with_closes(BOOK.close * (1 + 1e-3 * RNG.choice([-1, 1], len(BOOK))))

    assert bool(problems(last, BOOK, spread_bps=charged)) == refused


def test_a_thin_symbol_lags_where_it_trades() -> None:
    """Between its trades the last price cannot follow, and would look as if it did not want to."""
    trades = np.arange(len(BOOK)) % 3 == 0
    newest = np.maximum.accumulate(np.where(trades, np.arange(len(BOOK)), 0))
    values = BOOK.values.copy()
    values[3] = BOOK.close[newest]
    values[4] = trades
    thin = Candles(BOOK.symbol, BOOK.open_time, frozen(values))
    lag = lag_behind(thin, BOOK)

    assert lag is not None
    assert lag.share > 0.9
    assert len(problems(thin, BOOK)) == 1


def test_a_premium_that_closes_over_hours_is_no_lag() -> None:
    """Bid and ask stand at the last price then, and whoever trades the premium earns it."""
    wild = np.exp(3 * np.log(BOOK.close / BOOK.close[0]))
    last = with_closes(following(wild, 0.05))
    lag = lag_behind(last, with_closes(wild))

    assert lag is not None
    assert lag.foretold_bps > 5
    assert problems(last, with_closes(wild)) == ()


def test_one_wrong_mark_hides_no_lag() -> None:
    """A print far off would flatten any slope."""
    mark = BOOK.close.copy()
    mark[600] *= 2

    assert problems(with_closes(following(BOOK.close, 0.35)), with_closes(mark)) != ()


def test_prices_across_a_hole_are_not_compared() -> None:
    """After an outage the last price makes up hours at once, in no candle that trades."""
    jumps = np.repeat(RNG.choice([-0.05, 0.05], len(BOOK) // 4).cumsum(), 4)
    mark = BOOK.close * np.exp(np.append(jumps[1:], jumps[-1]))
    last = BOOK.close * np.exp(jumps)
    gaps = [(row, 1) for row in range(4, len(BOOK), 4)]

    assert problems(without(flat(last), *gaps), flat(mark)) == ()


def flat(closes: Floats) -> Candles:
    """Candles without wicks, which any check passes."""
    return Candles(
        BOOK.symbol, BOOK.open_time, frozen(np.vstack([closes, closes, closes, closes, BOOK.values[4:]]))
    )


@pytest.mark.parametrize("rows", [0, 1, FEWEST])
def test_too_few_marks_verify_nothing(rows: int) -> None:
    """What could not be compared is not tradable."""
    (sentence,) = problems(BOOK, BOOK.rows(0, rows))

    assert "nobody knows whether the last price lags behind" in sentence
    assert problems(BOOK, BOOK.rows(0, 2 * FEWEST)) == ()


@pytest.mark.parametrize(
    ("book_bps", "spread_bps", "found"),
    [
        (8.0, 4.0, ()),
        (8.1, 4.0, ("bid and ask are 8.1 bp apart now, more than 2 times the 4.0 bp",)),
        (None, 4.0, ("no bid or no ask now",)),
        (8.0, None, ("the spread that trades were charged is unknown",)),
        (None, None, ("is unknown", "no bid or no ask now")),
    ],
)
def test_a_book_wider_than_was_charged_is_said(
    book_bps: float | None, spread_bps: float | None, found: tuple[str, ...]
) -> None:
    """A verdict at yesterday's spread says nothing about today's trades."""
    said = check_book(BOOK, BOOK, book_bps=book_bps, spread_bps=spread_bps, max_spread_ratio=2.0).problems

    assert len(said) == len(found)
    for sentence, part in zip(said, found, strict=True):
        assert part in sentence
