"""The market on which the account trades: prices of the listings, played to the matching core.

Place in the house: the market, inside the emulator.  Listings and the server time come in; everything up to
that time is played to the core.  Pure: the time is given.

Only symbols with a position or a live order are played, in the order of time over all of them; the others get
their present price when a request names them.

Not here: requests (``private``), sockets.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from desk.market.emulator.endpoints import KEEP_MARGIN_RATE
from desk.market.emulator.forming import STAGES, path_of
from desk.market.emulator.listings import Listing, decimal_text
from desk.market.matching import FillCosts, FillModel, Matching
from desk.orders import ContractTerms
from desk.values import CANDLE_MS

SLIPPAGE: Final = Decimal("0.0001")
_MOVE, _FUND, _OPEN = range(3)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """An event of a symbol: a price reached, a funding settlement, a candle that opens."""

    at: int
    kind: int
    symbol: str
    value: float
    """Price in USDT, or funding rate."""


class Venue:
    """The account, and the market it trades on.

    Parameters
    ----------
    listings : mapping of symbol to Listing
        The server's own, from which a symbol may vanish.
    deposit : Decimal
        USDT in the account at the start.
    now : int
        Server time at the start, ms.
    history_ms : int
        How long ended orders can be queried, ``FillModel.history_ms``.
    """

    def __init__(
        self, listings: Mapping[str, Listing], deposit: Decimal, now: int, *, history_ms: int
    ) -> None:
        self._listings = listings
        contracts = [contract_of(listing, now) for listing in listings.values()]
        costs = {
            symbol: FillCosts(slippage=max(SLIPPAGE, Decimal(repr(listing.spread_bps)) / 20_000))
            for symbol, listing in listings.items()
        }
        fill_model = FillModel(slippage=SLIPPAGE, by_symbol=costs, history_ms=history_ms)
        self.matching = Matching(contracts, deposit, fill_model)
        self._advanced_to: dict[str, int] = {}

    def advance(self, now: int, symbols: Iterable[str] = ()) -> None:
        """Play everything up to ``now``; afterwards ``symbols`` have their present price as well."""
        account, market = self.matching.account, self.matching.market
        exposed = {symbol for symbol, _ in account.positions}
        exposed |= {order.ticket.symbol for order in account.live_orders()}
        moments = [moment for symbol in exposed for moment in self._moments(symbol, now)]
        for moment in sorted(moments):
            match moment.kind:
                case 0:
                    market.move(moment.symbol, Decimal(decimal_text(moment.value)), moment.at)
                case 1:
                    market.fund(moment.symbol, Decimal(decimal_text(moment.value)), moment.at)
                case _:
                    market.jump(moment.symbol, Decimal(decimal_text(moment.value)), moment.at)
        for symbol in exposed | (set(symbols) & self._listings.keys()):
            if self._advanced_to.get(symbol, -1) < now:
                self._update_price(symbol, now, through=symbol in exposed)

    def set_price(self, symbol: str, price: Decimal, now: int) -> None:
        """Let ``symbol`` trade at ``price`` until market time moves on.

        Parameters
        ----------
        symbol : str
        price : Decimal
            In USDT.
        now : int
            Server time, ms.
        """
        self.advance(now, [symbol])
        self.matching.market.jump(symbol, price, now)

    def _update_price(self, symbol: str, now: int, *, through: bool) -> None:
        """Bring ``symbol`` to its present price, through the prices in between or without them."""
        self._advanced_to[symbol] = now
        price = self._listings[symbol].price(now) if symbol in self._listings else None
        if price is None:
            return
        market = self.matching.market
        (market.move if through else market.jump)(symbol, Decimal(decimal_text(price)), now)

    def _moments(self, symbol: str, now: int) -> Iterator[Moment]:
        """Events of ``symbol`` since its last update."""
        since = self._advanced_to.get(symbol, now)
        if symbol not in self._listings or since >= now:
            return
        listing = self._listings[symbol]
        candles = listing.candles
        for row in range(max(listing.opened(since) - 1, 0), listing.opened(now)):
            open_time = int(candles.open_time[row])
            for point, price in enumerate(path_of(candles, row)):
                at = open_time + point * CANDLE_MS // STAGES
                if since < at <= now:
                    yield Moment(at, _MOVE if point else _OPEN, symbol, price)
        times = listing.funding.time
        first, last = np.searchsorted(times, [since, now], side="right")
        for row in range(int(first), int(last)):
            yield Moment(int(times[row]), _FUND, symbol, float(listing.funding.rate[row]))


def contract_of(listing: Listing, now: int) -> ContractTerms:
    """Contract terms that orders must obey, from the row of ``contracts``."""
    row = {name: str(value) for name, value in listing.contract(now).items()}
    return ContractTerms(
        symbol=listing.symbol,
        tick=Decimal(row["priceEndStep"]).scaleb(-int(row["pricePlace"])),
        size_step=Decimal(row["sizeMultiplier"]),
        min_size=Decimal(row["minTradeNum"]),
        min_notional=Decimal(row["minTradeUSDT"]),
        max_market_size=Decimal(row["maxMarketOrderQty"]),
        max_limit_size=Decimal(row["maxOrderQty"]),
        maker_fee=Decimal(row["makerFeeRate"]),
        taker_fee=Decimal(row["takerFeeRate"]),
        max_leverage=Decimal(row["maxLever"]),
        maintenance_rate=Decimal(KEEP_MARGIN_RATE),
        funding_hours=int(row["fundInterval"]),
        limit_open_time=None,
        off_time=None,
        status="normal",
    )
