"""Settled funding rates of one symbol: what longs paid shorts, and when.

Place in the house: pages come in from ``desk.market.bitget.public`` and what is known from
``desk.market.history.candle_store``; a ``FundingHistory`` goes out.  No file and no clock.

The exchange pages them from the newest on and has no time window, so a refresh reads pages until it meets
what is known.  A settlement that happens meanwhile moves rows to later pages, which repeats some and skips
none.  That nothing is older is learnt from an empty page, and a page may be empty for a moment: where more is
wanted, every run asks once for the page after the oldest that is known.  A rate that stays no number is left
out, and what lies before it is asked for again by the next run.

Not here: any use of them.  A rate is known from its settlement on and not before; whoever joins them to
candles joins backward in time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from desk.errors import DataError
from desk.values import frozen

if TYPE_CHECKING:
    import pandas as pd

HOUR_MS = 3_600_000
FUNDING_ROWS = 100
"""Most rows of one page."""
INDEX, COLUMN = "funding_time", "funding_rate"
"""What a frame of funding rates calls its index and its column."""


@dataclass(frozen=True, slots=True, eq=False)
class FundingRates:
    """Settlements, as they were received or as ``merge_rates`` orders them."""

    time: NDArray[np.int64]
    """Shape (n,): settlement times, ms since 1970-01-01 UTC."""
    rate: NDArray[np.float64]
    """Shape (n,): fraction of the position's value, 0.0001 is 0.01 %."""

    def __len__(self) -> int:
        return len(self.time)

    def between(self, first: int, last: int) -> "FundingRates":
        """Those settled from ``first`` to ``last``, both included (ms)."""
        kept = (self.time >= first) & (self.time <= last)
        return FundingRates(frozen(self.time[kept]), frozen(self.rate[kept]))

    def where(self, mask: NDArray[np.bool_]) -> "FundingRates":
        """Those for which ``mask``, shape (n,), is true."""
        return FundingRates(self.time[mask], self.rate[mask])

    def frame(self) -> "pd.DataFrame":
        """As a DataFrame: index ``funding_time`` (UTC, ms unit), one float64 column ``funding_rate``.

        The column index has dtype object, so that a pickle of the frame opens with and without pyarrow.
        """
        import pandas as pd  # noqa: PLC0415 - half a second, and most who hold a series need no frame

        index = pd.DatetimeIndex(pd.to_datetime(self.time, unit="ms", utc=True), name=INDEX).as_unit("ms")
        return pd.DataFrame(
            self.rate[:, np.newaxis].copy(), index=index, columns=pd.Index([COLUMN], dtype=object)
        )


NO_RATES = FundingRates(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class FundingHistory:
    """Every settlement from ``since`` on.

    True of every instance: times increase; rates are finite.
    """

    rates: FundingRates
    since: int
    """Time (ms) from which on none is missing; 0 where the exchange had nothing older."""


NO_FUNDING = FundingHistory(NO_RATES, np.iinfo(np.int64).max)


class FundingSource(Protocol):
    """Where pages come from."""

    async def funding(self, symbol: str, page: int) -> FundingRates:
        """Page ``page`` (from 1), the newest settlements on page 1; empty beyond the oldest."""


def check_funding(symbol: str, rates: FundingRates, *, since: int) -> FundingHistory:
    """Make a ``FundingHistory`` of settlements; this is the only function that does.

    Parameters
    ----------
    symbol : str
        For the messages of errors.
    rates : FundingRates
        As ``merge_rates`` orders them.
    since : int
        Time (ms) from which on none is missing.

    Raises
    ------
    DataError
        If times do not increase, or a rate is no number.
    """
    if rates.time.shape != rates.rate.shape or rates.time.ndim != 1:
        raise DataError(f"{symbol}: {rates.time.shape} settlement times for {rates.rate.shape} funding rates")
    if (rates.time[1:] <= rates.time[:-1]).any() or (rates.time <= 0).any():
        raise DataError(f"{symbol}: settlement times of funding rates must increase")
    if not np.isfinite(rates.rate).all():
        raise DataError(f"{symbol}: a funding rate is no number")
    return FundingHistory(FundingRates(frozen(rates.time), frozen(rates.rate)), since)


def merge_rates(pages: Iterable[FundingRates]) -> FundingRates:
    """One series of many pages: increasing times, each once; the later page wins."""
    parts = list(pages)
    times = np.concatenate([part.time for part in parts])
    rates = np.concatenate([part.rate for part in parts])
    order = np.argsort(times, kind="stable")
    times, rates = times[order], rates[order]
    last_of_equal = np.append(times[1:] != times[:-1], np.ones(min(len(times), 1), bool))
    return FundingRates(times[last_of_equal], rates[last_of_equal])


def is_due(known: FundingHistory, *, first: int, now: int, hours: int | None) -> bool:
    """Whether the exchange may have settlements since ``first`` that are not known.

    Parameters
    ----------
    known : FundingHistory
        What the cache has.
    first, now : int
        Begin of what is wanted, and server time, ms.
    hours : int, optional
        Hours between settlements, as the contract says; without them the shortest that exist, one.
    """
    if known.since > first or not len(known.rates):
        return True
    if not known.since and int(known.rates.time[0]) > first:  # it ended before what is wanted begins
        return True
    return now >= int(known.rates.time[-1]) + (hours or 1) * HOUR_MS


async def download_funding(
    market: FundingSource, symbol: str, *, known: FundingHistory, first: int, now: int
) -> FundingHistory:
    """Ask for pages, from the newest on, until they meet what is known or reach back to ``first``.

    Parameters
    ----------
    market : FundingSource
        The client.
    symbol : str
        As the exchange spells it.
    known : FundingHistory
        What the cache has; nothing of it is asked for again unless it begins after ``first``.
    first, now : int
        Begin of what is wanted, and server time, ms; settlements later than ``now`` are left out.

    Raises
    ------
    ExchangeError
        If a page could not be had.
    DataError
        If what was received is no history.
    """
    usable = known if known.since <= first else NO_FUNDING
    paged = _Pages(market, symbol, [usable.rates])
    oldest, enough = now + 1, int(usable.rates.time[-1]) if len(usable.rates) else first
    since = min(usable.since, first)
    while oldest > enough:
        page = await paged.ask(len(paged.asked) + 1)
        if not len(page) or int(page.time.min()) >= oldest:
            if len(usable.rates):
                return usable  # the exchange lacks what it reported before: the next run asks again
            since = 0
            break
        oldest = int(page.time.min())
    while not since and (next_page := len(rates := paged.rates) // FUNDING_ROWS + 1) not in paged.asked:
        if len(rates) and int(rates.time[0]) <= first:
            break
        await paged.ask(next_page)
    rates = paged.rates.between(since, now)
    unread = np.isnan(rates.rate)
    complete = int(rates.time[unread][-1]) + 1 if unread.any() else since
    return check_funding(symbol, rates.where(~unread), since=complete)


class _Pages:
    """Pages of one symbol, and what is known of it already."""

    def __init__(self, market: FundingSource, symbol: str, parts: list[FundingRates]) -> None:
        self._market = market
        self._symbol = symbol
        self._parts = parts
        self.asked: set[int] = set()

    @property
    def rates(self) -> FundingRates:
        """All of them, as ``merge_rates`` gives them; NaN where no page had a number."""
        return merge_rates([*self._parts, *(part.where(~np.isnan(part.rate)) for part in self._parts)])

    async def ask(self, number: int) -> FundingRates:
        """Ask for one page; for an empty one, or one with a rate that is no number, a second time."""
        self.asked.add(number)
        page = await self._market.funding(self._symbol, number)
        if not len(page) or np.isnan(page.rate).any():
            self._parts.append(page)
            page = await self._market.funding(self._symbol, number)
        self._parts.append(page)
        return page
