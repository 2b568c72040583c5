"""Settled funding rates of one symbol: what longs paid shorts, and when.

Place in the house: pages come in from ``desk.market.bitget.public`` and what is known from
``desk.market.history.candle_store``; a ``FundingHistory`` goes out.  No file and no clock.

The exchange pages them from the newest on and has no time window, so a refresh reads pages until it meets
what is known.  A settlement that happens meanwhile moves rows to later pages, which repeats some and skips
none.

Not here: any use of them.  A rate is known from its settlement on and not before; whoever joins them to
candles joins backward in time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from desk.errors import DataError
from desk.values import frozen

HOUR_MS = 3_600_000
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

    def frame(self) -> pd.DataFrame:
        """As a DataFrame: index ``funding_time`` (UTC, ms unit), one float64 column ``funding_rate``.

        The column index has dtype object, so that a pickle of the frame opens with and without pyarrow.
        """
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
    """Time (ms) from which on none is missing; 0 where the exchange has nothing older."""


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
    enough = int(usable.rates.time[-1]) if len(usable.rates) else first
    oldest, pages = now + 1, [usable.rates]
    while oldest > enough:
        page = await _page(market, symbol, len(pages))
        if not len(page) or int(page.time.min()) >= oldest:
            if len(usable.rates):
                return usable  # the exchange lacks what it reported before: the next run asks again
            return _checked(symbol, pages, since=0, now=now)
        oldest = int(page.time.min())
        pages.append(page)
    return _checked(symbol, pages, since=min(usable.since, first), now=now)


async def _page(market: FundingSource, symbol: str, number: int) -> FundingRates:
    """One page; an empty one is asked for twice, because one alone may be an error of the exchange."""
    page = await market.funding(symbol, number)
    return page if len(page) else await market.funding(symbol, number)


def _checked(symbol: str, pages: list[FundingRates], *, since: int, now: int) -> FundingHistory:
    return check_funding(symbol, merge_rates(pages).between(since, now), since=since)
