"""The public half of the real exchange, for an account whose fills are simulated.

Place in the house: between the public client and ``desk.market.paper.exchange``; satisfies its
``PublicExchange``.  Answers are turned into the values of a session; an unreachable exchange counts as one
that does not answer, which ends no session.

Not here: requests and retries (``desk.market.bitget.public``).
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
    """The public half of an exchange.

    Parameters
    ----------
    market : BitgetPublic
        The client, opened.
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
        """Finished candles of each symbol, as many as one request returns, or why there are none."""
        with _reached():
            return await newest_candles(self._market, symbols, count=LARGEST_COUNT, now=now)

    async def expected_funding(self) -> Mapping[str, float]:
        """Rate expected for the next settlement, by symbol."""
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
    """Report an unreachable exchange as one that does not answer: a session waits for both."""
    try:
        yield
    except Unreachable as exc:
        raise Unanswered(str(exc), endpoint="public") from exc
