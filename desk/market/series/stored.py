"""Stored candles with everything that trading on them needs, for a replay.

Place in the house: read only.  A folder comes in (the candle cache, or parquet files as the emulator serves
them); ``StoredMarket`` goes out: series, contracts and settled funding rates.  Contract terms that a folder
does not hold are the exchange's usual ones, the tick is inferred from the prices.

Not here: the replay itself (``desk.trade.replay.feed``).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from desk.errors import CacheError, SettingsError
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_terms import (
    USUAL_FUNDING_HOURS,
    USUAL_LEVERAGE,
    USUAL_MAINTENANCE,
    usual_terms,
)
from desk.market.series.facts import price_tick
from desk.market.series.sources import read_candle_files, read_synthetic, synthetic_series
from desk.orders import ContractTerms
from desk.values import Candles

_CACHED = re.compile(r"(.+)_5m_(\d+)d\.pkl")


@dataclass(frozen=True, slots=True, eq=False)
class StoredMarket:
    """Series, contracts and funding rates of a folder."""

    series: tuple[Candles, ...]
    contracts: tuple[ContractTerms, ...]
    """One per series."""
    funding: dict[str, dict[int, float]]
    """Settled rates by time (ms), by symbol; none where none are stored."""

    def between(self, span: Mapping[str, tuple[int, int]]) -> "StoredMarket":
        """Series that end where their span does, of those that have one with a candle in it.

        Parameters
        ----------
        span : mapping
            Open times (ms) of the first and the last candle, by symbol.  What lies before stays: features
            need it.
        """
        kept = []
        for one, contract in zip(self.series, self.contracts, strict=True):
            first, last = span.get(one.symbol, (0, -1))
            part = one.rows(0, int(np.searchsorted(one.open_time, last, side="right")))
            if len(part.since(first)):
                kept.append((part, contract))
        series, contracts = tuple(part for part, _ in kept), tuple(terms for _, terms in kept)
        return StoredMarket(series, contracts, self.funding)


def read_stored(folder: Path, symbols: Sequence[str]) -> StoredMarket:
    """Read the series of ``symbols`` that ``folder`` holds.

    Raises
    ------
    SettingsError
        If it holds none of them, or is not a folder.
    CacheError
        If a file is damaged.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder: name one with cached candles or SYMBOL.parquet files")
    wanted = set(symbols)
    if any(folder.glob("*.parquet")):
        series = tuple(one for one in read_candle_files(folder) if one.symbol in wanted)
        found = StoredMarket(series, tuple(usual_contract(one) for one in series), {})
    else:
        found = _cached(folder, wanted)
    if not found.series:
        names = ", ".join(sorted(wanted)) or "any symbol with a model"
        raise SettingsError(f"{folder} holds no candles of {names}")
    return found


def _cached(folder: Path, wanted: set[str]) -> StoredMarket:
    """Series of the candle cache; of a symbol with several files, the longest history."""
    days: dict[str, int] = {}
    for path in sorted(folder.glob("*_5m_*d.pkl")):
        match = _CACHED.fullmatch(path.name)
        if match and match[1] in wanted:
            days[match[1]] = max(int(match[2]), days.get(match[1], 0))
    store = CandleStore(folder)
    series = tuple(store.load(symbol, days[symbol]) for symbol in sorted(days))
    try:
        listed = {one.symbol: one for one in store.load_contracts().contracts}
    except CacheError:
        listed = {}
    contracts = [
        replace(
            usual_terms(listed[one.symbol]), limit_open_time=None, off_time=None
        )  # not known at the time of the candles
        if one.symbol in listed
        else usual_contract(one)
        for one in series
    ]
    funding = {}
    for one in series:
        if store.funding_path(one.symbol).exists():
            rates = store.load_funding(one.symbol).rates
            pairs = zip(rates.time.tolist(), rates.rate.tolist(), strict=True)
            funding[one.symbol] = dict(pairs)
    return StoredMarket(series, tuple(contracts), funding)


def synthetic_market(text: str, symbols: Sequence[str]) -> StoredMarket:
    """Generate those of the synthetic series ``NAME=KIND:SEED,…`` that are named in ``symbols``.

    Raises
    ------
    SettingsError
        If none is.
    """
    series = synthetic_series(read_synthetic(text), beside=(), now_ms=None)
    chosen = tuple(one for one in series if one.symbol in symbols)
    if not chosen:
        raise SettingsError("there is no model of the demo's symbols: train them first (make demo)")
    return StoredMarket(chosen, tuple(usual_contract(one) for one in chosen), {})


def usual_contract(candles: Candles) -> ContractTerms:
    """Contract terms of a symbol of which only candles are known; a size step is worth a few USDT."""
    tick = price_tick(candles)
    step = Decimal(10) ** -math.floor(math.log10(float(candles.close[-1])))
    return ContractTerms(
        symbol=candles.symbol,
        tick=Decimal(tick.step).scaleb(-tick.places),
        size_step=step,
        min_size=step,
        min_notional=Decimal(5),
        max_market_size=None,
        max_limit_size=None,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0006"),
        max_leverage=USUAL_LEVERAGE,
        maintenance_rate=USUAL_MAINTENANCE,
        funding_hours=USUAL_FUNDING_HOURS,
        limit_open_time=None,
        off_time=None,
        status="normal",
    )
