"""One symbol from the cache alone: what a fetch without the network finds.

Place in the house: between ``desk.market.history.candle_store`` and ``data_fetcher``.  A store and a symbol
come in; the same outcome goes out as after a fetch, with nothing fetched and nothing requested.

Not here: which symbols (``data_fetcher``).
"""

from desk.errors import CacheError, DeskError
from desk.market.history.candle_store import CandleStore
from desk.market.history.fetch_report import Fetched, FetchProblem, fetched_from, problem_of, shortfall
from desk.market.history.funding import NO_FUNDING, FundingHistory
from desk.ports import Clock


def read_cached(
    store: CandleStore, symbol: str, *, days: int, funding: bool, clock: Clock
) -> Fetched | FetchProblem:
    """The cached candles of one symbol as the outcome of a fetch, or why they cannot be used.

    Parameters
    ----------
    store : CandleStore
        The cache folder.
    symbol : str
        As the exchange spells it.
    days : int
        Length of the history: days × 288 candles, fewer if fewer are cached.
    funding : bool
        Whether cached funding rates are counted too.
    clock : Clock
        Measures how long it takes.
    """
    started = clock.monotonic()
    try:
        candles = store.load(symbol, days)
    except DeskError as exc:
        return problem_of(symbol, "cache", exc)
    rates, notes = _cached_funding(store, symbol) if funding else (NO_FUNDING, ())
    return fetched_from(
        candles,
        fetched=0,
        revised=0,
        requests=0,
        seconds=clock.monotonic() - started,
        funding=len(rates.rates),
        notes=(f"{short}: no more is cached", *notes) if (short := shortfall(candles, days)) else notes,
    )


def _cached_funding(store: CandleStore, symbol: str) -> tuple[FundingHistory, tuple[str, ...]]:
    """The cached funding rates; no model is trained on them, so a file that cannot be used is a note."""
    if not store.funding_path(symbol).exists():
        return NO_FUNDING, ()
    try:
        return store.load_funding(symbol), ()
    except CacheError as exc:
        return NO_FUNDING, (f"funding rates: {exc}",)
