"""Funding of a simulated account on live candles: which rates are owed, and how they are obtained.

Place in the house: beside ``desk.market.paper.exchange``.  The account and the public half of the exchange
come in; rates by symbol and time of settlement go out, to the feed that lets them be charged.

Two approximations.  The rate is the one expected five minutes before a settlement, which may still move a
little; settlements while the program was down are charged at the rates of the exchange's history.  And the
value of a position is taken at the close of the candle that ends then, not at the mark price.
Settlements are at full multiples of the contract's interval, UTC.

Not here: what a settlement does to the account (``desk.market.matching``).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from desk.errors import Refused, Throttled, Unanswered
from desk.market.history.funding import HOUR_MS
from desk.market.paper.exchange import PaperExchange
from desk.orders import ContractTerms
from desk.values import CANDLE_MS

KEPT_MS = 24 * HOUR_MS
"""How long a rate is kept: a settlement is charged with one of the next candles."""
LARGEST = 1.0
"""No rate takes the whole position; a larger one is a mistake of the exchange, and treated as unknown."""


class RateObserver(Protocol):
    """Source of funding rates."""

    async def expected_funding(self) -> Mapping[str, float]:
        """Rate expected for the next settlement, by symbol."""

    async def settled_funding(self, symbol: str) -> Mapping[int, float]:
        """The newest settled rates, by time (ms)."""


class LiveFunding:
    """Rates as they become known; satisfies ``desk.trade.replay.feed.FundingSink``."""

    def __init__(self, public: RateObserver, paper: PaperExchange) -> None:
        self._public = public
        self._account = paper.matching.account
        self._newest = paper.matching.market.newest
        self.rates: dict[str, dict[int, float]] = {}
        """By symbol and time of settlement, ms."""

    async def settled(self, through: int) -> Sequence[str]:
        """Obtain unknown rates of settlements up to ``through`` (ms) that positions owe.

        Returns
        -------
        sequence of str
            A sentence for every symbol with settlements whose rate stays unknown.
        """
        news = []
        for symbol in sorted({symbol for symbol, _ in self._account.positions}):
            known = self.rates.setdefault(symbol, {})
            owed = [time for time in self._owed(symbol, through) if time not in known]
            if not owed:
                continue
            why = "the exchange does not report them"
            try:
                reported = await self._public.settled_funding(symbol)
                known.update(
                    {time: reported[time] for time in owed if abs(reported.get(time, LARGEST)) < LARGEST}
                )
            except (Refused, Throttled, Unanswered) as exc:
                why = str(exc)
            if unknown := sum(time not in known for time in owed):
                news.append(f"{symbol}: {unknown} settlements of funding are not charged: {why}")
        return news

    async def expected(self, at: int) -> Sequence[str]:
        """Obtain the rates of the settlements at ``at`` (ms), the end of a coming candle; drop old ones."""
        for symbol in list(self.rates):
            kept = {time: rate for time, rate in self.rates[symbol].items() if time > at - KEPT_MS}
            self.rates[symbol] = kept
        settling = {
            symbol for symbol, contract in self._account.contracts.items() if not at % _interval(contract)
        }
        if not settling:
            return ()
        try:
            reported = await self._public.expected_funding()
        except (Refused, Throttled, Unanswered) as exc:
            return (f"the coming funding rates could not be obtained: {exc}",)
        for symbol in settling & {symbol for symbol, rate in reported.items() if abs(rate) < LARGEST}:
            self.rates.setdefault(symbol, {})[at] = reported[symbol]
        return ()

    def _owed(self, symbol: str, through: int) -> range:
        """Settlements that the symbol's coming candles pass, up to ``through``."""
        every = _interval(self._account.contracts[symbol])
        seen = self._newest.get(symbol, through - CANDLE_MS) + CANDLE_MS
        return range((seen // every + 1) * every, through + 1, every)


def _interval(contract: ContractTerms) -> int:
    """Milliseconds between two settlements."""
    return max(contract.funding_hours, 1) * HOUR_MS
