"""What the tests of the matching core share: a contract, tickets, candles, and the plain ledger."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from desk.market.matching import FillModel, Matching, NewOrder, Order
from desk.orders import ContractTerms
from desk.values import CANDLE_MS

T0: Final = 1_762_560_000_000
BTC: Final = ContractTerms(
    symbol="BTCUSDT",
    tick=Decimal("0.1"),
    size_step=Decimal("0.001"),
    min_size=Decimal("0.001"),
    min_notional=Decimal(5),
    max_market_size=Decimal(1000),
    max_limit_size=Decimal(5000),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0006"),
    max_leverage=Decimal(100),
    maintenance_rate=Decimal("0.004"),
    funding_hours=8,
    limit_open_time=None,
    off_time=None,
    status="normal",
)
ETH: Final = replace(BTC, symbol="ETHUSDT")


class Desk:
    """A core at a price of 100, and shorthand to drive it."""

    def __init__(
        self,
        *,
        deposit: str = "10000",
        leverage: str = "5",
        margin: Any = "isolated",
        mode: Any = "one_way",
        price: str = "100",
        contracts: tuple[ContractTerms, ...] = (BTC, ETH),
        **terms: Any,
    ) -> None:
        self.core = Matching(contracts, Decimal(deposit), FillModel(**terms))
        self.account = self.core.account
        self.core.set_position_mode(mode)
        self.now = T0
        for contract in contracts:
            self.core.market.jump(contract.symbol, Decimal(price), T0)
            self.core.set_margin_mode(contract.symbol, margin)
            self.core.set_leverage(contract.symbol, Decimal(leverage))

    def order(self, side: int, size: str, price: str | None = None, **told: Any) -> Order:
        """Place an order, market unless a price is told."""
        prices = {
            name: Decimal(told.pop(name))
            for name in ("stop_loss", "take_profit")
            if told.get(name) is not None
        }
        ticket = NewOrder(
            **{
                "client_id": "",
                "symbol": "BTCUSDT",
                "side": side,
                "purpose": "open",
                "size": Decimal(size),
                "kind": "market" if price is None else "limit",
                "price": None if price is None else Decimal(price),
                **prices,
                **told,
            }
        )
        return self.core.place(ticket, self.now)

    def candle(
        self, o: str, h: str, l: str, c: str, *, volume: str = "1000", symbol: str = "BTCUSDT"
    ) -> None:
        """Let the next candle of a symbol happen; time is then its end."""
        prices = (Decimal(o), Decimal(h), Decimal(l), Decimal(c))
        self.core.market.candle(symbol, self.now, prices, Decimal(volume))
        self.now += CANDLE_MS

    def jump(self, price: str, symbol: str = "BTCUSDT") -> None:
        """Let a symbol trade somewhere else, a second later."""
        self.now += 1000
        self.core.market.jump(symbol, Decimal(price), self.now)

    @property
    def fills(self) -> list[tuple[str, str, int, str, str]]:
        """Cause, purpose, side, price and size of every execution."""
        fills = (execution.fill for execution in self.account.executions)
        return [
            (f.cause, f.purpose, f.side, f"{f.price.normalize():f}", f"{f.size.normalize():f}") for f in fills
        ]

    @property
    def last(self) -> tuple[str, str]:
        """Cause and price of the last execution."""
        cause, _, _, price, _ = self.fills[-1]
        return cause, price


def plain_equity(core: Matching, funding: Decimal = Decimal(0)) -> Decimal:
    """Equity by the plainest of ledgers: what was paid for everything, and what it is worth now."""
    account = core.account
    money = account.deposit - funding + account.insurance
    held: dict[str, Decimal] = {}
    for execution in account.executions:
        fill = execution.fill
        way = fill.side if fill.purpose == "open" else -fill.side
        money -= way * fill.size * fill.price + fill.fee
        held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + way * fill.size
    return money + sum((size * account.marks[symbol] for symbol, size in held.items()), Decimal(0))
