"""The outcome of a fetch, and how far it is.

Place in the house: made by ``data_fetcher``; the doors show it and act on it.  Pure.

Not here: what it looks like on a terminal (``desk.reports``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from desk.errors import DeskError, NotEnoughHistory, Refused
from desk.market.history.candles import describe_broken
from desk.market.history.contract_book import ContractBook
from desk.market.history.download import Download
from desk.market.history.paging import DAY_MS
from desk.values import CANDLE_MS, Candles

HOUR_MS = DAY_MS // 24


@dataclass(frozen=True, slots=True)
class Fetched:
    """A symbol whose candles are in the cache."""

    symbol: str
    candles: int
    first: int
    last: int
    """Open times of the first and the last candle, in ms."""
    missing: int
    """Candles that the exchange does not have, between the first and the last."""
    zero_volume_share: float
    """Fraction of the candles in which nothing was traded."""
    fetched: int
    """Candles that were not in the cache before."""
    revised: int
    """Cached candles that the exchange now reports with other numbers; the newer ones were taken."""
    requests: int
    """Sent for it, funding rates included."""
    seconds: float
    funding: int
    """Settled funding rates in the cache; 0 where the settings leave them out."""
    notes: tuple[str, ...]
    """What the user should know, such as a corrupt cache that was set aside."""


def fetched_from(
    candles: Candles,
    *,
    fetched: int,
    revised: int,
    requests: int,
    seconds: float,
    funding: int,
    notes: tuple[str, ...],
) -> Fetched:
    """The outcome of a symbol that has ``candles`` in the cache now.

    Parameters
    ----------
    candles : Candles
        All of them, at least one.
    fetched, revised, requests, seconds, funding, notes
        As the fields of ``Fetched``.
    """
    return Fetched(
        symbol=candles.symbol,
        candles=len(candles),
        first=int(candles.open_time[0]),
        last=int(candles.open_time[-1]),
        missing=candles.missing,
        zero_volume_share=float(np.mean(candles.values[4] == 0)),
        fetched=fetched,
        revised=revised,
        requests=requests,
        seconds=seconds,
        funding=funding,
        notes=notes,
    )


def shortfall(candles: Candles, days: int) -> str:
    """How much of the history that was asked for is there, with its dates; empty where an hour lacks or less.

    As it is shown: ``190 of 365 days, from 2025-05-02 08:00 to 2025-11-08 00:00``.
    """
    first, end = int(candles.open_time[0]), int(candles.open_time[-1]) + CANDLE_MS
    if end - first >= days * DAY_MS - HOUR_MS:
        return ""
    there = (end - first) / DAY_MS
    count = f"{int(there)}" if there >= 10 else f"{there:.1f}"
    return f"{count} of {days} days, from {_utc(first)} to {_utc(end)}"


def download_notes(got: Download, days: int) -> tuple[str, ...]:
    """What the user should know of a download of ``days`` days."""
    notes = []
    if short := shortfall(got.candles, days):
        notes.append(f"{short}: the exchange has no more now, and is asked again by every run")
    if got.bad:
        rows = (
            "1 row that is no candle is"
            if len(got.bad) == 1
            else f"{len(got.bad)} rows that are no candles are"
        )
        notes.append(f"{rows} left out: {describe_broken(got.bad)}")
    if got.untimed:
        notes.append(f"rows without an open time that can be read are left out: {got.untimed}")
    if got.revised:
        news = "the exchange now reports other numbers, which were taken"
        notes.append(f"{got.revised} cached candles were revised: {news}")
    return tuple(notes)


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class FetchProblem:
    """A symbol whose candles could not be fetched."""

    symbol: str
    stage: str
    """``cache`` (reading), ``candles`` (asking), or ``saving``."""
    error: str
    """Name of the error's class."""
    message: str
    skip: str = ""
    """Why the symbol is left out without anything being wrong; empty: something is."""


def problem_of(symbol: str, stage: str, error: DeskError) -> FetchProblem:
    """The outcome of a symbol that ended in ``error``, a reason to skip it or a failure.

    Parameters
    ----------
    symbol : str
        As the exchange spells it.
    stage : str
        As ``FetchProblem.stage``.
    error : DeskError
        What ended it.
    """
    skip = ""
    if isinstance(error, NotEnoughHistory):
        skip = "Insufficient data"
    elif isinstance(error, Refused) and error.meaning == "not_traded":
        skip = "Not traded any more"
    return FetchProblem(symbol, stage, type(error).__name__, str(error), skip)


@dataclass(frozen=True, slots=True)
class FetchReport:
    """The outcome of a fetch."""

    outcomes: tuple[Fetched | FetchProblem, ...]
    """One per symbol, in the order of the universe."""
    book: ContractBook
    requests: int
    throttled: int
    """Answers that asked for a pause (429, maintenance)."""
    unanswered: int
    """Requests without a usable response; each was retried."""
    seconds: float

    @property
    def fetched(self) -> tuple[Fetched, ...]:
        """The symbols whose candles are there."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Fetched))

    @property
    def problems(self) -> tuple[FetchProblem, ...]:
        """The symbols whose candles are not."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, FetchProblem))


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is."""

    symbols: int
    symbols_done: int
    requests: int
    requests_expected: int
    """Sent and to be sent; of symbols not yet begun, as many as the others need on average."""
    busiest: int
    """Requests to the endpoint that was asked most: its pace is what the fetch lasts."""
    limit: float
    """Requests per second and endpoint that the settings allow; 0: any."""
    throttled: int
    candles: int
    """Rows that were received, overlaps included."""
    seconds: float
    under_way: tuple[str, ...] = ()
    """Symbols that are being fetched."""


class ProgressObserver(Protocol):
    """Shows the progress of a fetch."""

    def chosen(self, symbols: tuple[str, ...], book: ContractBook) -> None:
        """The symbols are chosen, and nothing of them is fetched yet."""

    def update(self, progress: FetchProgress) -> None:
        """A page was received or a symbol is done: up to some dozens of calls per second."""

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """One symbol is done."""


class NoProgress:
    """Shows nothing."""

    def chosen(self, symbols: tuple[str, ...], book: ContractBook) -> None:
        """Show nothing."""

    def update(self, progress: FetchProgress) -> None:
        """Show nothing."""

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """Show nothing."""


NO_PROGRESS = NoProgress()
