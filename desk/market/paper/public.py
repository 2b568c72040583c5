"""The public half of the real exchange, for an account whose fills are simulated.

Place in the house: between the public client and ``desk.market.paper.exchange``; satisfies its
``PublicExchange``. Answers are turned into what a session reads; an exchange that nobody reaches is one
that does not answer, which ends no session.

Not here: requests and their repetition (``desk.market.bitget.public``).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from desk.errors import Unanswered
from desk.market.bitget.newest import LARGEST_COUNT, newest_candles
from desk.market.bitget.public import BitgetPublic, Unreachable
from desk.market.history.contract_terms import usual_terms
from desk.orders import ContractTerms
from desk.values import Candles


class PublicMarket:
    """What the exchange says to everybody.

    Parameters
    ----------
    market : Bitget
        The client, open.
    """

    def __init__(self, market: BitgetPublic) -> None:
        self._market = market

    async def server_time(self) -> int:
        """The exchange's clock, in ms."""
        with _reached():
            return await self._market.server_time()

    async def contracts(self) -> tuple[ContractTerms, ...]:
        """Every perpetual that is listed now."""
        with _reached():
            table = await self._market.contracts()
        return tuple(usual_terms(one) for one in table.contracts if one.kind == "perpetual")

    async def newest_candles(self, symbols: Iterable[str], *, now: int) -> dict[str, Candles | str]:
        """As many finished candles of each symbol as one request brings, or why they could not be had."""
        with _reached():
            return await newest_candles(self._market, symbols, count=LARGEST_COUNT, now=now)

    async def expected_funding(self) -> Mapping[str, float]:
        """Rate of the next settlement as it stands now, by symbol."""
        with _reached():
            rates = await self._market.expected_funding()
        return {symbol: float(rate) for symbol, rate in rates.items()}

    async def settled_funding(self, symbol: str) -> Mapping[int, float]:
        """The newest settled rates, a hundred at most, by time (ms)."""
        with _reached():
            rates = await self._market.funding(symbol, 1)
        return dict(zip(rates.time.tolist(), rates.rate.tolist(), strict=True))


@contextmanager
def _reached() -> Iterator[None]:
    """A session waits for an exchange that is not reached, as for one that does not answer."""
    try:
        yield
    except Unreachable as exc:
        raise Unanswered(str(exc), endpoint="public") from exc
