"""The market as it is now: from the exchange or, where it is not reached, from the cache.

Place in the house: what a single decision is made on.  Settings of the client and symbols come in; a
``MarketSnapshot`` goes out.  Not here: candles as they happen (``desk.market.feed.stream``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from desk.errors import DataError
from desk.market.bitget.newest import newest_candles
from desk.market.bitget.public import BitgetPublic, Unreachable
from desk.market.history.candle_store import CandleStore
from desk.market.settings import FetchSettings
from desk.ports import Clock
from desk.values import Candles


@dataclass(frozen=True, slots=True, eq=False)
class MarketSnapshot:
    """The newest closed candles, or why they are not there, per symbol."""

    candles: Mapping[str, Candles | str]
    now: int
    """Time of the exchange, or of this machine where the exchange was not reached; ms."""
    unreached: str = ""
    """The message for the user where the exchange was not reached; "" where it was."""


async def market_snapshot(
    fetch: FetchSettings, symbols: tuple[str, ...], *, count: int, clock: Clock
) -> MarketSnapshot:
    """Get the newest ``count`` closed candles of each symbol.

    Parameters
    ----------
    fetch : FetchSettings
        Address and pace of the exchange, and the cache folder.
    symbols : tuple of str
        As the exchange spells them.
    count : int
        At most ``newest.LARGEST_COUNT``.
    clock : Clock
        Gives the time where the exchange does not.
    """
    unreached = "offline is True in the settings: the candles are the cached ones."
    if not fetch.offline:
        try:
            async with BitgetPublic(fetch, clock=clock) as exchange:
                now = await exchange.server_time()
                return MarketSnapshot(await newest_candles(exchange, symbols, count=count, now=now), now)
        except Unreachable:
            unreached = (
                f"{fetch.base_url} is not reached: check the connection, a proxy or firewall, and the "
                "address (--base-url or BITGET_BASE_URL)."
            )
    store = CandleStore(fetch.cache_dir)
    cached: dict[str, Candles | str] = {}
    for symbol in symbols:
        try:
            cached[symbol] = _cached(store, symbol, fetch.days, count)
        except DataError as exc:
            cached[symbol] = str(exc)
    return MarketSnapshot(cached, clock.now_ms(), unreached)


def _cached(store: CandleStore, symbol: str, days: int, count: int) -> Candles | str:
    if not store.files(symbol):
        return f"the exchange is not reached, and no candles of {symbol} are cached in {store.folder}"
    candles = store.load(symbol, days)
    return candles.rows(max(0, len(candles) - count), len(candles))
